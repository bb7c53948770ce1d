//! What a mechanism's own errors mean: to the node whose transaction was refused, and to a person who asks what to do next.
//!
//! Each mechanism lists its own ([`Mechanism::refusals`]); errors of the market, the registry and slot transfers are none of
//! theirs, and who calls those contracts knows them.

use crate::{Mechanism, registry};

/// What becomes of the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Someone else was first, or its time has passed: nothing is wrong.
    Raced,
    /// The chain is not there yet: send it again soon.
    NotYet,
    /// Something is wrong that a node cannot mend by itself.
    Failing,
}

/// What is the matter, as far as programs tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What is asked for must not be.
    Usage,
    /// It is too early.
    NotReady,
    /// Somebody does as much as it said it would.
    Busy,
    /// Not at this time, whoever asks.
    WrongTime,
    /// It was done before.
    AlreadyDone,
    /// The offer's time is over.
    OfferExpired,
    /// The offer was taken back by who made it.
    OfferRevoked,
    /// The offer or bid does not fit what it is used for, or nobody made it.
    OfferInvalid,
    /// The right is another's.
    NotHolder,
    /// The proof does not verify, or proves too little.
    ProofInvalid,
    /// There is no such open slot.
    SlotNotFound,
    /// A market's terms break a rule.
    TermsRejected,
    /// A deposit is too small.
    Deposit,
    /// The chain lacks something.
    Chain,
    /// An endpoint told something that the chain does not bear out.
    Endpoint,
}

/// A named error of a mechanism's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// In the contract's ABI.
    pub name: &'static str,
    /// What becomes of the transaction.
    pub class: Class,
    /// What is the matter.
    pub kind: Kind,
    /// What is the matter and what to do about it, in one sentence.
    pub advice: &'static str,
}

impl Refusal {
    /// The error `name`, in the contract's ABI.
    pub const fn new(name: &'static str, class: Class, kind: Kind, advice: &'static str) -> Self {
        Self { name, class, kind, advice }
    }
}

/// Of mechanisms that keep bonds of their own (`IBondEscrow`).
pub const DEPOSIT_TOO_SMALL: Refusal = Refusal::new(
    "InsufficientDeposit",
    Class::Failing,
    Kind::Deposit,
    "the deposit in the mechanism's escrow does not cover it; add to it with `provery prover deposit`",
);

/// Of mechanisms that draw from the chain's randomness.
pub const SEED_MISSING: Refusal = Refusal::new(
    "SeedMissing",
    Class::NotYet,
    Kind::NotReady,
    "the seed that decides is not known yet; run this again a few blocks later",
);

/// Likewise.
pub const HISTORY_MISSING: Refusal = Refusal::new(
    "HistoryMissing",
    Class::Failing,
    Kind::Chain,
    "this chain keeps no history of its blocks' hashes (EIP-2935), so there are no seeds; name a source of randomness with \
     `provery deploy --randomness`",
);

/// A rule of a mechanism's terms, as its contract names it, and which choice of the command line keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// As the contract's `MechanismTermsRejected` names it.
    pub name: &'static str,
    /// What the option must be, in one sentence.
    pub advice: &'static str,
}

impl Rule {
    /// The rule `name`, and what keeps it.
    pub const fn new(name: &'static str, advice: &'static str) -> Self {
        Self { name, advice }
    }
}

/// What an error of some mechanism's means. Mechanisms that share an error agree about it.
pub fn refusal(name: &str) -> Option<&'static Refusal> {
    registry().iter().flat_map(|mechanism| mechanism.refusals()).find(|refusal| refusal.name == name)
}

/// The advice for a rule that only mechanisms have; that of `mechanism` first, if it is known.
pub fn rule(mechanism: Option<&dyn Mechanism>, name: &str) -> Option<&'static str> {
    let all = registry().iter().flat_map(|mechanism| mechanism.rules());
    let own = mechanism.map(|mechanism| mechanism.rules()).unwrap_or_default();
    own.iter().chain(all).find(|rule| rule.name == name).map(|rule| rule.advice)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Of the market, of the asset, or of whoever deploys.
    const OTHERS: [&str; 8] = [
        "AmountZero",
        "AssetTakesFee",
        "MechanismTermsRejected",
        "NotAuthorised",
        "NotMarket",
        "ProofInvalid",
        "RecipientInvalid",
        "ReentrancyGuardReentrantCall",
    ];

    #[test]
    fn every_error_of_a_mechanism_is_told_by_it_and_by_no_other() {
        for (mechanism, (_, declared)) in registry().iter().zip(provery_bindings::mechanism_errors()) {
            let known: Vec<&str> = mechanism.refusals().iter().map(|refusal| refusal.name).collect();
            for name in declared.keys() {
                let told = known.contains(&name.as_str()) || OTHERS.contains(&name.as_str());
                assert!(told, "{} can revert with {name}, and says nothing of it", mechanism.name());
            }
            for name in known {
                assert!(declared.contains_key(name), "{} has no {name}", mechanism.name());
            }
        }
    }

    #[test]
    fn mechanisms_agree_about_the_errors_that_they_share() {
        let mut told: BTreeMap<&str, &Refusal> = BTreeMap::new();
        for refusal in registry().iter().flat_map(|mechanism| mechanism.refusals()) {
            assert_eq!(told.entry(refusal.name).or_insert(refusal), &refusal);
            assert_eq!(super::refusal(refusal.name), Some(refusal));
        }
        assert_eq!(super::refusal("SlotNotOpen"), None);
    }

    #[test]
    fn advice_is_one_sentence() {
        for mechanism in registry() {
            let rules = mechanism.rules().iter().map(|rule| (rule.name, rule.advice));
            for (name, advice) in mechanism.refusals().iter().map(|it| (it.name, it.advice)).chain(rules) {
                assert!(
                    !advice.ends_with('.') && !advice.contains("  ") && advice.len() > 20,
                    "{name}: {advice}"
                );
            }
        }
    }
}
