//! Who is in a market's draws, kept as events change it, so that nobody has to be looked at whom nothing happened to.

use std::collections::{BTreeSet, VecDeque};

use alloy::primitives::Address;

/// Changes that are remembered: whoever missed more looks at everybody again.
const REMEMBERED: usize = 4_096;

/// The provers in one market's draws.
#[derive(Debug, Default)]
pub struct Draws {
    members: BTreeSet<Address>,
    /// The last changes: who, and whether it came.
    changes: VecDeque<(Address, bool)>,
    /// How many changes there were.
    count: u64,
}

impl Draws {
    pub(crate) fn put(&mut self, prover: Address, is_in: bool) {
        let changed = if is_in { self.members.insert(prover) } else { self.members.remove(&prover) };
        if !changed {
            return;
        }
        self.count += 1;
        self.changes.push_back((prover, is_in));
        if self.changes.len() > REMEMBERED {
            self.changes.pop_front();
        }
    }

    /// Who is in them now.
    pub fn members(&self) -> &BTreeSet<Address> {
        &self.members
    }

    /// How many changes there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The changes after the first `count`, oldest first; nothing if some of them are forgotten.
    pub fn since(&self, count: u64) -> Option<impl Iterator<Item = (Address, bool)> + '_> {
        let missed = usize::try_from(self.count.checked_sub(count)?).ok()?;
        let from = self.changes.len().checked_sub(missed)?;
        Some(self.changes.range(from..).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_from_where_one_was_until_they_are_forgotten() {
        let mut draws = Draws::default();
        let prover = |n: u64| Address::left_padding_from(&n.to_be_bytes());
        draws.put(prover(1), true);
        draws.put(prover(1), true);
        draws.put(prover(2), true);
        let seen = draws.count();
        draws.put(prover(1), false);
        let told = |draws: &Draws, count| draws.since(count).map(|changes| changes.collect::<Vec<_>>());
        assert_eq!(seen, 2, "what is so already is no change");
        assert_eq!(told(&draws, seen), Some(vec![(prover(1), false)]));
        assert_eq!(told(&draws, draws.count()), Some(Vec::new()));
        for n in 3..(REMEMBERED as u64 + 3) {
            draws.put(prover(n), true);
        }
        assert_eq!(told(&draws, seen), None);
        assert_eq!(told(&draws, 9_999_999), None, "of another history");
    }
}
