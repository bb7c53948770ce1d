//! What a component wants done. It is the loop that does it.

use futures::future::BoxFuture;

use crate::book::Moved;

/// Slots that moved, which is on disk already, and then tasks to run, each with a result of its component's own kind.
pub(super) struct Effects<T> {
    pub moved: Vec<Moved>,
    pub tasks: Vec<BoxFuture<'static, T>>,
}

impl<T> Default for Effects<T> {
    fn default() -> Self {
        Self { moved: Vec::new(), tasks: Vec::new() }
    }
}
