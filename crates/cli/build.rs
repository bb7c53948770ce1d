//! Tells the program what it was built from: commit and profile, for `provery --version`.

use std::{env, process::Command};

fn main() {
    let profile = env::var("PROFILE").unwrap_or_default();
    println!("cargo:rustc-env=PROVERY_PROFILE={profile}");
    // A build for development does not look: it would be made anew at each commit.
    println!("cargo:rerun-if-env-changed=PROVERY_COMMIT");
    let commit =
        env::var("PROVERY_COMMIT").ok().or_else(|| if profile == "release" { commit() } else { None });
    println!("cargo:rustc-env=PROVERY_COMMIT={}", commit.as_deref().unwrap_or("unknown commit"));
}

/// The commit that is checked out; nothing where the sources are no checkout.
fn commit() -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
    };
    // Where the branch's commits are noted: a file for each worktree.
    println!(
        "cargo:rerun-if-changed={}",
        git(&["rev-parse", "--path-format=absolute", "--git-path", "logs/HEAD"])?
    );
    let changed = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(git(&["rev-parse", "--short=12", "HEAD"])? + if changed { " with changes" } else { "" })
}
