//! What a process that holds a key does not allow: core dumps, and other processes reading its memory.

use std::sync::Once;

/// From here on the process leaves no core dump, and only root may trace it or read its memory and environment. Children do
/// not inherit the second, and have no key. What the system refuses is not done: a warning says so.
pub(crate) fn harden() {
    static HARDENED: Once = Once::new();
    HARDENED.call_once(|| {
        if !no_core_dumps() {
            tracing::warn!("core dumps could not be turned off: a crash may write the key to disk");
        }
        if !not_traceable() {
            tracing::warn!(
                "the process could not be made untraceable: other processes of this user may read the key"
            );
        }
    });
}

#[cfg(unix)]
fn no_core_dumps() -> bool {
    use rustix::process::{Resource, Rlimit, setrlimit};
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).is_ok()
}

#[cfg(not(unix))]
fn no_core_dumps() -> bool {
    true
}

#[cfg(target_os = "linux")]
fn not_traceable() -> bool {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn not_traceable() -> bool {
    true
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

    #[test]
    fn a_hardened_process_leaves_no_core_and_cannot_be_traced() {
        super::harden();
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
        assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
        assert_eq!(dumpable_behavior().expect("says"), DumpableBehavior::NotDumpable);
    }
}
