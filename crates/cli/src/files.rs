//! Files that commands write: whole or not at all.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use eyre::Result;
use provery_types::Deployment;

use crate::error::{Code, fail};

pub(crate) fn default_deployment(chain_id: u64) -> PathBuf {
    PathBuf::from(format!("deployments/{chain_id}.json"))
}

pub(crate) fn read_deployment(path: &Path) -> Result<Deployment> {
    let text = fs::read_to_string(path).map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            let path = path.display();
            fail(
                Code::DeploymentNotFound,
                format!("there is no deployment file {path}; run `provery deploy`, or pass --deployment"),
            )
        } else {
            fail(Code::Io, format!("the deployment file {} cannot be read: {error}", path.display()))
        }
    })?;
    Deployment::from_json(&text)
        .map_err(|error| fail(Code::DeploymentInvalid, format!("{}: {error}", path.display())))
}

pub(crate) fn write_deployment(path: &Path, deployment: &Deployment) -> Result<()> {
    write(path, deployment.to_json().as_bytes())
}

/// Change a deployment file that others may be changing, too: read, changed and written by one program at a time.
pub(crate) fn update_deployment(
    path: &Path,
    change: impl FnOnce(&mut Deployment) -> Result<()>,
) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".lock");
    let io = |error: std::io::Error| {
        fail(Code::Io, format!("the deployment file {} cannot be locked: {error}", path.display()))
    };
    // It stays: whoever removed it would let two in at once.
    let lock = fs::File::create(path.with_file_name(name)).map_err(io)?;
    lock.lock().map_err(io)?;
    let mut deployment = read_deployment(path)?;
    change(&mut deployment)?;
    write_deployment(path, &deployment)
}

/// Fails before money is spent on something that then cannot be written down.
pub(crate) fn check_writable(path: &Path) -> Result<()> {
    if path.exists() && !path.is_file() {
        return Err(fail(
            Code::Io,
            format!("{} is a folder, or no file at all; choose another place with --out", path.display()),
        ));
    }
    let folder = folder_of(path)?;
    tempfile::NamedTempFile::new_in(&folder).map(|_| ()).map_err(|error| {
        fail(
            Code::Io,
            format!("{} cannot be written: {error}; choose another place with --out", path.display()),
        )
    })
}

/// Beside its place, flushed, renamed, and the folder flushed: whoever goes on after a power cut finds it.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<()> {
    let folder = folder_of(path)?;
    let io = |error: std::io::Error| fail(Code::Io, format!("{} cannot be written: {error}", path.display()));
    let mut file =
        tempfile::Builder::new().prefix(".").suffix(".partial").tempfile_in(&folder).map_err(io)?;
    file.write_all(content).map_err(io)?;
    readable(file.as_file()).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|error| io(error.error))?;
    sync_folder(path).map_err(io)
}

/// What was made, renamed or removed beside a path is so after a power cut, too.
pub(crate) fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Elsewhere a folder cannot be opened.
    if cfg!(unix) { fs::File::open(folder)?.sync_all() } else { Ok(()) }
}

fn folder_of(path: &Path) -> Result<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(folder).map_err(|error| {
        fail(Code::Io, format!("the folder {} cannot be made: {error}", folder.display()))
    })?;
    Ok(folder.to_path_buf())
}

/// A folder with all above it, each there after a power cut, too.
pub(crate) fn make_folder(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) {
        make_folder(above)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists || !folder.is_dir() => {
            return Err(error);
        }
        _ => {}
    }
    sync_folder(folder)
}

/// Temporary files are private to their owner; what is written here is public.
#[cfg(unix)]
fn readable(file: &fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_file: &fs::File) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Failure;

    #[test]
    fn a_write_replaces_the_whole_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let path = folder.path().join("a/b.json");
        write(&path, b"a long first text").expect("writes");
        write(&path, b"short").expect("writes");
        assert_eq!(fs::read(&path).expect("reads"), b"short");
        assert_eq!(fs::read_dir(path.parent().expect("has a parent")).expect("lists").count(), 1);
    }

    #[test]
    fn only_a_file_is_replaced() {
        let folder = tempfile::tempdir().expect("makes a folder");
        assert!(check_writable(&folder.path().join("a/1.json")).is_ok());
        for no_file in [folder.path(), Path::new("/dev/null")] {
            let error = check_writable(no_file).expect_err("is no file").to_string();
            assert!(error.contains("choose another place"), "{error}");
        }
    }

    #[test]
    fn a_missing_or_broken_deployment_is_told_apart() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let path = folder.path().join("1.json");
        let code = |path: &Path| {
            read_deployment(path).expect_err("fails").downcast_ref::<Failure>().expect("is a failure").code
        };
        assert_eq!(code(&path), Code::DeploymentNotFound);
        fs::write(&path, "{").expect("writes");
        assert_eq!(code(&path), Code::DeploymentInvalid);
    }
}
