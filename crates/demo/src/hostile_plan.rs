//! How far the hostile sequencer goes: what it does, and what must be paid for.

/// Blocks on the true state before anything happens.
pub(crate) const BEFORE: u64 = 2;
/// Blocks for which it waits until the accomplice is drawn, so that nobody else proves the wrong claim at once.
pub(crate) const PATIENCE: u64 = 10;
/// Blocks on the hidden tree: at least so many, and more until two are held by honest provers.
pub(crate) const HIDDEN: u64 = 3;
pub(crate) const MOST_HIDDEN: u64 = 8;
/// Blocks posted at most besides those that follow the true state in the end.
pub(crate) const MOST_BLOCKS: u64 = BEFORE + PATIENCE + 1 + MOST_HIDDEN;
