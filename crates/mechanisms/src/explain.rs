//! How a slot came to whom it came: what its mechanism said about it, in order, as sentences with facts in them.

use alloy::primitives::{Address, LogData, U256};
use provery_types::{Slot, Terms};

use crate::draw;

/// A slot after the fact, or so far.
#[derive(Clone, Copy, Debug)]
pub struct Past<'a> {
    /// As last told.
    pub slot: &'a Slot,
    /// The terms it was opened under.
    pub terms: &'a Terms,
    /// Whom its mechanism gave it to, whoever holds it now; zero if nobody.
    pub assigned: Address,
    /// Unix seconds of the newest block.
    pub now: u64,
    /// Who proved it, and when.
    pub proven: Option<(Address, u64)>,
    /// What its mechanism said about it, and when.
    pub log: &'a [(u64, LogData)],
    /// Who proved the market's slots before this one was proven, or until now; the last is the newest.
    pub winners: &'a [Address],
    /// Weight of who proved it, in units, and the market's, when it did.
    pub weight: (u64, u64),
    /// Its draw, once more.
    pub draw: Option<&'a draw::Explanation>,
}

impl Past<'_> {
    /// Unix seconds of its opening.
    pub fn opened_at(&self) -> u64 {
        self.slot.openedAt.to()
    }

    /// From when on anyone may prove it.
    pub fn exclusive_until(&self) -> u64 {
        self.slot.exclusiveUntil.to()
    }

    /// Nobody holds it, and its mechanism may still give it to somebody.
    pub fn is_undecided(&self) -> bool {
        self.assigned.is_zero() && self.proven.is_none() && self.now < self.exclusive_until()
    }
}

/// A value in a sentence. How it is written is for whoever shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Asset wei.
    Amount(u128),
    /// A prover or a key.
    Account(Address),
    /// How long.
    Seconds(u64),
    /// When, in unix seconds.
    Time(u64),
    /// How many.
    Number(u64),
    /// A large number, such as a seed.
    Word(U256),
    /// Parts of ten thousand.
    Bps(u64),
    /// Words, to be shown as they are.
    Text(&'static str),
}

/// A sentence. A fact's name in braces stands for the fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The sentence, with facts' names in braces.
    pub says: &'static str,
    /// The facts by name.
    pub facts: Vec<(&'static str, Fact)>,
}

impl Line {
    /// A sentence and the facts that its braces name.
    pub fn new(says: &'static str, facts: impl IntoIterator<Item = (&'static str, Fact)>) -> Self {
        Self { says, facts: facts.into_iter().collect() }
    }

    /// The sentence, with the facts as `show` writes them.
    pub fn told(&self, show: impl Fn(&Fact) -> String) -> String {
        let mut text = self.says.to_owned();
        for (name, fact) in &self.facts {
            text = text.replace(&format!("{{{name}}}"), &show(fact));
        }
        text
    }
}

#[cfg(test)]
pub mod testing {
    //! What the tests of the mechanisms' explanations begin with.

    use alloy::sol_types::SolEvent;

    use super::*;

    /// A slot whose proof is not there, with what its mechanism logged.
    pub fn past<'a>(slot: &'a Slot, terms: &'a Terms, log: &'a [(u64, LogData)]) -> Past<'a> {
        let (assigned, now) = (slot.prover, slot.openedAt.to());
        Past { slot, terms, assigned, now, proven: None, log, winners: &[], weight: (0, 0), draw: None }
    }

    /// A log of a mechanism, at a time (unix seconds).
    pub fn at(time: u64, event: &impl SolEvent) -> (u64, LogData) {
        (time, event.encode_log_data())
    }

    /// Every sentence, with plain facts: what braces are left have no fact.
    pub fn told(lines: &[Line]) -> Vec<String> {
        let show = |fact: &Fact| match fact {
            Fact::Amount(wei) => format!("{wei} wei"),
            Fact::Account(account) => format!("{:#04x}", account.0[0]),
            Fact::Seconds(seconds) => format!("{seconds} s"),
            Fact::Time(at) => format!("@{at}"),
            Fact::Number(number) => number.to_string(),
            Fact::Word(word) => word.to_string(),
            Fact::Bps(bps) => format!("{bps} bps"),
            Fact::Text(text) => (*text).to_owned(),
        };
        let told: Vec<String> = lines.iter().map(|line| line.told(show)).collect();
        for (line, told) in lines.iter().zip(&told) {
            assert!(!told.contains(['{', '}']), "a fact is missing: {told}");
            assert!(
                line.facts.iter().all(|(name, _)| line.says.contains(&format!("{{{name}}}"))),
                "{line:?}"
            );
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_stand_where_their_names_are() {
        let line = Line::new(
            "{who} pays {price} to {who}",
            [("who", Fact::Text("she")), ("price", Fact::Number(5))],
        );
        assert_eq!(testing::told(&[line]), ["she pays 5 to she"]);
    }
}
