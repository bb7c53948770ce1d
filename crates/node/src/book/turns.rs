//! This prover's place among those who take turns at a slot. Looked up once, and then changed by whoever comes or goes: with
//! thousands of provers and slots nobody hashes all of them at every block.

use std::collections::HashMap;

use alloy::primitives::Address;
use provery_mechanisms::{phase, upkeep};
use provery_types::{Slot, SlotKey};

use crate::facts::Draws;

/// What is taken in turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Turn {
    /// Proving it once it is open to all: whoever missed it has no turn.
    Rescue,
    /// Ending or settling it.
    Upkeep,
}

#[derive(Debug)]
struct Place {
    /// Changes of the draws that are counted.
    seen: u64,
    holder: Address,
    mine: [u8; 32],
    /// Others, and those of them before me.
    others: u64,
    before: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Turns {
    places: HashMap<(SlotKey, Turn), Place>,
    /// How often a prover was put into a slot's order: what the work is.
    hashes: u64,
}

impl Turns {
    /// The place of `me` at a slot among those in its market's draws; after them all, if it is not among them.
    pub(super) fn rank(&mut self, turn: Turn, slot: &Slot, me: Address, draws: Option<&Draws>) -> u64 {
        let Some(draws) = draws else { return 0 };
        let place = (SlotKey::of(slot), turn);
        let hash = |prover: Address| match turn {
            Turn::Rescue => phase::turn_hash(slot, prover),
            Turn::Upkeep => upkeep::turn_hash(upkeep::slot_salt(slot), prover),
        };
        let counts = |prover: &Address| *prover != me && (turn == Turn::Upkeep || *prover != slot.prover);
        let known = self.places.get_mut(&place).filter(|known| known.holder == slot.prover);
        let changes = known.as_ref().and_then(|known| draws.since(known.seen));
        let known = match (known, changes) {
            (Some(known), Some(changes)) => {
                for (prover, came) in changes.filter(|(prover, _)| counts(prover)) {
                    self.hashes += 1;
                    let before = u64::from(hash(prover) < known.mine);
                    let (others, ahead) = (&mut known.others, &mut known.before);
                    if came {
                        (*others, *ahead) = (*others + 1, *ahead + before);
                    } else {
                        (*others, *ahead) = (others.saturating_sub(1), ahead.saturating_sub(before));
                    }
                }
                known.seen = draws.count();
                &*known
            }
            _ => {
                let mine = hash(me);
                let (mut others, mut before) = (0, 0);
                for prover in draws.members().iter().filter(|prover| counts(prover)) {
                    self.hashes += 1;
                    others += 1;
                    before += u64::from(hash(*prover) < mine);
                }
                let found = Place { seen: draws.count(), holder: slot.prover, mine, others, before };
                self.places.entry(place).insert_entry(found).into_mut()
            }
        };
        if draws.members().contains(&me) { known.before } else { known.others }
    }

    /// A slot is over.
    pub(super) fn forget(&mut self, key: SlotKey) {
        self.places.remove(&(key, Turn::Rescue));
        self.places.remove(&(key, Turn::Upkeep));
    }

    /// The draws are others than before.
    pub(super) fn clear(&mut self) {
        self.places.clear();
    }

    pub(super) fn hashes(&self) -> u64 {
        self.hashes
    }
}
