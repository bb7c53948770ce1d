//! Events that endpoints withheld, as the numbers of slots and blocks show: what to do about them.

use provery_types::SlotKey;

use super::Book;
use crate::{
    concern::Concern,
    facts::{Counted, Missing},
};

/// Numbers of a market that is served, of which this node was not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Untold {
    /// Whose numbers they are.
    pub counted: Counted,
    /// Which numbers, and what shows that they are missing.
    pub missing: Missing,
}

impl Untold {
    /// The last block of which it is known that nothing is missing in it: the one that told of the number before may have told
    /// of more.
    pub fn after(&self) -> u64 {
        self.missing.after.saturating_sub(1)
    }

    /// What is so, and what to do. `next` is what the node does about it.
    pub fn concern(&self, next: &str) -> Concern {
        let Self {
            counted: Counted { market, rollup },
            missing: Missing { first, last, after, shown_in, .. },
        } = self;
        let (what, risk) = match rollup {
            None => ("slot", "a slot of this prover's may be among them, and its bond be lost"),
            Some(_) => ("posted block", "what builds on it cannot be proven here"),
        };
        let which =
            if first == last { format!("{what} {first}") } else { format!("{what}s {first} to {last}") };
        let message = format!(
            "no endpoint told of {which} of market {market}, between blocks {after} and {shown_in}: {risk}; {next}; add an \
             endpoint of another operator to rpc_urls and start the node again"
        );
        Concern { code: Concern::EVENTS_WITHHELD, market: *market, slot: Some(*first), message }
    }
}

impl Book {
    /// What must have been told by now, and was not, for as long as that can cost anything: a slot for `longest` seconds at most,
    /// which is what any slot stays open, and a posted block for as long as what builds on it cannot be proven.
    pub fn untold(&mut self, longest: u64) -> Vec<Untold> {
        let now = self.head.map_or(0, |head| head.timestamp);
        let all: Vec<Untold> =
            self.facts.untold().map(|(counted, missing)| Untold { counted, missing }).collect();
        let mut stands: Vec<Untold> = Vec::new();
        // A market's slots come before its rollup's blocks.
        for it in all {
            let market = it.counted.market;
            let same = |other: &Untold| {
                let Missing { first, last, .. } = other.missing;
                other.counted.market == market && first <= it.missing.first && it.missing.last <= last
            };
            if stands.iter().any(same) {
                continue;
            }
            let last = SlotKey { market, id: self.facts.next_slot(market).saturating_sub(1) };
            let leads_nowhere = it.counted.rollup.is_some() && self.facts.slot(last).is_some();
            if now < it.missing.shown_at.saturating_add(longest)
                || leads_nowhere && self.at_hand(last).is_err()
            {
                stands.push(it);
            }
        }
        stands
    }
}
