//! What a failed send means: that another was faster is normal, failing is not.

use provery_mechanisms::refusal::{self, refusal};
use provery_txmgr::SendError;

use crate::slots::Input;

/// A failed send, classified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Someone else was first, or time ran out: the chain's events say so too.
    Raced,
    /// The chain is not there yet: send again soon.
    NotYet,
    /// No endpoint answered, or all refused: send again soon, and take nothing on meanwhile.
    Unanswered,
    /// The proof is no good.
    Refused,
    /// Something is wrong that this node cannot mend by itself, such as an empty account. It goes on trying, slowly.
    Failing,
}

/// Seconds before a send that came too soon is tried again.
const SOON: u64 = 2;
/// Seconds before a send that fails for a reason of its own is tried again.
const LATER: u64 = 15;

/// Classify by the contract's named error, or by the kind of failure.
pub fn classify(error: &SendError) -> Class {
    match error.revert_name() {
        Some(name) => classify_revert(name),
        // It was not worth sending any more: time ran out, or it would have reverted.
        None if matches!(error, SendError::Abandoned { .. }) => Class::Raced,
        None if matches!(error, SendError::Rpc(error) if error.is_transient()) => Class::Unanswered,
        None if error.is_transient() => Class::NotYet,
        None => Class::Failing,
    }
}

fn classify_revert(name: &str) -> Class {
    match name {
        "SlotNotOpen" | "SlotHasExpired" => Class::Raced,
        // A slot is settled or dropped as its premise was; a reorg took that back.
        "PremiseOpen" | "NotRequester" => Class::Raced,
        // What a mechanism action or a slot transfer meets when another was faster, or its time has passed.
        "SlotAlreadyAssigned" | "SlotOpenToAll" | "SlotNotHeld" | "TermsNotAccepted" => Class::Raced,
        "TransferNotOffered" | "TransferExpired" => Class::Raced,
        // Stake that is in other slots' bonds comes back.
        "NotAssignedProver" | "SlotNotExpired" | "InsufficientStake" | "ProofNotCommitted" => Class::NotYet,
        "ProofInvalid" | "StatementMismatch" | "PayeeInvalid" => Class::Refused,
        // The key is no submitter of the prover: that is the operator's to mend.
        "NotPayee" => Class::Failing,
        _ => match refusal(name).map(|refusal| refusal.class) {
            Some(refusal::Class::Raced) => Class::Raced,
            Some(refusal::Class::NotYet) => Class::NotYet,
            Some(refusal::Class::Failing) | None => Class::Failing,
        },
    }
}

impl Class {
    /// What it means for a slot whose proof was being sent at `now` (unix seconds).
    pub fn input(self, now: u64) -> Input {
        match self {
            Self::Raced => Input::SendRaced,
            Self::NotYet | Self::Unanswered => Input::SendFailed { retry_at: now + SOON },
            Self::Refused => Input::ProofRefused { retry_at: now + SOON },
            Self::Failing => Input::SendFailed { retry_at: now + LATER },
        }
    }

    /// A stable word for reports.
    pub fn code(self) -> &'static str {
        match self {
            Self::Raced => "raced",
            Self::NotYet => "not_yet",
            Self::Unanswered => "no_endpoint",
            Self::Refused => "proof_refused",
            Self::Failing => "send_failing",
        }
    }
}

#[cfg(test)]
mod tests {
    use provery_rpc::ChainError;

    use super::*;

    #[test]
    fn losing_is_not_failing() {
        let reverted = |name: &str| SendError::Reverted {
            kind: "prove",
            name: name.to_owned(),
            detail: String::new(),
            tx_hash: None,
        };
        let url = || "http://a:1".to_owned();
        let refused = || ChainError::Refused { url: url(), method: "eth_call", code: -32007, message: url() };
        for (error, class) in [
            (refused().into(), Class::Unanswered),
            (ChainError::Unreachable { url: url(), reason: url() }.into(), Class::Unanswered),
            (reverted("SlotNotOpen"), Class::Raced),
            (reverted("SlotHasExpired"), Class::Raced),
            (reverted("PremiseOpen"), Class::Raced),
            (reverted("NotRequester"), Class::Raced),
            (reverted("NotAssignedProver"), Class::NotYet),
            (reverted("HandicapNotOver"), Class::NotYet),
            (reverted("RightTaken"), Class::Raced),
            (reverted("InsufficientDeposit"), Class::Failing),
            (reverted("ProofInvalid"), Class::Refused),
            (reverted("SomethingElse"), Class::Failing),
            (SendError::NonceTaken { kind: "prove", account: Default::default(), nonce: 1 }, Class::NotYet),
            (SendError::GasTooHigh { kind: "prove", needed: 2, limit: 1 }, Class::Failing),
        ] {
            assert_eq!(classify(&error), class, "{error}");
        }
        assert_eq!(Class::NotYet.input(10), Input::SendFailed { retry_at: 12 });
        assert_eq!(Class::Raced.input(10), Input::SendRaced);
    }
}
