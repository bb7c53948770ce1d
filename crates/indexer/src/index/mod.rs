//! A history whose last blocks can be taken back.

use std::collections::VecDeque;

use alloy::primitives::B256;
use provery_types::{BlockRef, LoggedEvent};

use crate::{History, Keep};

/// A reorganisation goes back behind what can still be taken back: whoever follows begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the blocks after {to} cannot be taken back, only those after {floor}")]
pub struct TooDeep {
    /// The block to go back to, by its height.
    pub to: u64,
    /// The newest block that cannot be taken back, by its height.
    pub floor: u64,
}

/// A history up to the chain's head, and, apart from it, up to a block that no reorganisation reaches. Taking blocks back is
/// telling those in between once more: nothing has to know how to undo an event.
#[derive(Debug, Clone, Default)]
pub struct Index {
    /// How many blocks with events can be taken back.
    depth: usize,
    base: History,
    /// The newest block that `base` knows.
    floor: u64,
    recent: VecDeque<(BlockRef, Vec<LoggedEvent>)>,
    tip: History,
}

impl Index {
    /// The last `depth` blocks that are told can be taken back.
    pub fn new(keep: Keep, depth: usize) -> Self {
        Self { depth, base: History::new(keep), tip: History::new(keep), ..Self::default() }
    }

    /// Up to the newest block that was told.
    pub fn history(&self) -> &History {
        &self.tip
    }

    /// The newest block that was told, if it can be taken back.
    pub fn head(&self) -> Option<BlockRef> {
        self.recent.back().map(|(block, _)| *block)
    }

    /// Take a block in, with its events in their order. Blocks come in theirs; those without events may be left out.
    pub fn take_in(&mut self, block: BlockRef, events: Vec<LoggedEvent>) {
        events.iter().for_each(|event| self.tip.apply(event));
        self.recent.push_back((block, events));
        while self.recent.len() > self.depth {
            let Some((old, events)) = self.recent.pop_front() else { break };
            events.iter().for_each(|event| self.base.apply(event));
            self.floor = old.number;
        }
    }

    /// Take back every block above the number `to`.
    pub fn rewind(&mut self, to: u64) -> Result<(), TooDeep> {
        if to < self.floor {
            return Err(TooDeep { to, floor: self.floor });
        }
        let kept = self.recent.iter().take_while(|(block, _)| block.number <= to).count();
        if kept == self.recent.len() {
            return Ok(());
        }
        self.recent.truncate(kept);
        // Receipts may not be asked for again; of a transaction that was taken back they mean nothing.
        let costs = self.tip.take_costs(to);
        self.tip = self.base.clone();
        for event in self.recent.iter().flat_map(|(_, events)| events) {
            self.tip.apply(event);
        }
        self.tip.put_costs(costs);
        Ok(())
    }

    /// Take back every block after the one with this hash; nothing changes if it is not known.
    pub fn rewind_to(&mut self, hash: B256) -> Option<BlockRef> {
        let (block, _) = self.recent.iter().find(|(block, _)| block.hash == hash)?;
        let block = *block;
        self.rewind(block.number).ok()?;
        Some(block)
    }

    /// See [`History::note_cost`].
    pub fn note_cost(&mut self, tx: B256, block: u64, cost: crate::Cost) {
        self.tip.note_cost(tx, block, cost);
    }
}

#[cfg(test)]
mod tests;
