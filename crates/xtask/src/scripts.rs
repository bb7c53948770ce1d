//! What all scripts have in common.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../script").canonicalize().expect("is there");
    let all = fs::read_dir(folder).expect("reads it").map(|entry| entry.expect("is there").path());
    // What ends so is only ever sourced.
    all.filter(|path| path.extension().is_none()).collect()
}

#[test]
fn every_script_answers_help_from_any_folder() {
    let scripts = scripts();
    assert!(scripts.len() > 8, "{scripts:?}");
    for script in scripts {
        let name = script.file_name().expect("has a name").to_string_lossy().into_owned();
        let folder = script.parent().expect("has a folder");
        let root = folder.parent().expect("has a folder");
        for (from, typed) in [
            (root, format!("./script/{name}")),
            (folder, format!("./{name}")),
            (Path::new("/"), script.display().to_string()),
        ] {
            let answer = Command::new(&typed).arg("--help").current_dir(from).output().expect("starts");
            let said = String::from_utf8_lossy(&answer.stdout);
            assert!(answer.status.success(), "{typed} --help in {}: {answer:?}", from.display());
            assert!(
                said.contains(&format!("./script/{name}")),
                "{typed} --help in {}: {said}",
                from.display()
            );
        }
    }
}
