//! The contracts' named errors, each with what to do about it.

use provery_mechanisms::refusal::{Kind, refusal};

use super::one_line;
use crate::{
    error::{Code, Failure},
    terms::{advice, mechanism_advice},
};

/// The contracts' own errors, by name.
pub(super) fn of_revert(kind: &str, name: &str, detail: &str) -> Failure {
    let (code, advice) = match name {
        "MarketNotFound" => {
            (Code::MarketNotFound, "the market does not exist; `provery market list` shows those that do")
        }
        // `rule = expiryWindow`
        "TermsRejected" => (Code::TermsRejected, advice(detail.rsplit(' ').next().unwrap_or_default())),
        "MechanismTermsRejected" => {
            (Code::TermsRejected, mechanism_advice(None, detail.rsplit(' ').next().unwrap_or_default()))
        }
        "CapacityInvalid" => (Code::TermsRejected, "--capacity must be a power of two, 1 to 65536"),
        "TermsMismatch" => (Code::TermsRejected, "the market's terms changed meanwhile; run this again"),
        "VersionInvalid" => (
            Code::TermsRejected,
            "the market's terms were announced anew meanwhile, or do not only favour provers; run this again",
        ),
        "TermsNotDue" => (
            Code::NotReady,
            "the terms are announced and not good yet; run this again from the second named, or use the ones in force",
        ),
        "InsufficientFunds" => (
            Code::InsufficientFunds,
            "the market's funds do not cover the price; add to them with `provery market fund`",
        ),
        "InsufficientStake" => {
            (Code::InsufficientStake, "there is not enough free stake; stake more or free some first")
        }
        "InsufficientCredit" => (Code::InsufficientCredit, "there is not that much credit; ask for less"),
        "AllocationTooLarge" => {
            (Code::InsufficientStake, "the allocation is above the most a market takes; use less")
        }
        "NotRegistered" | "NotAuthorised" => (
            Code::NotRegistered,
            "this account is no prover and no submitter of the one it acts for; run `provery prover \
             register`, or let the prover add it with `provery prover submitter add`",
        ),
        "AlreadyRegistered" => {
            (Code::AlreadyRegistered, "this account is a prover already; there is nothing to do")
        }
        "TermsNotAccepted" => (
            Code::TermsNotAccepted,
            "the prover does not accept this version of the market's terms; accept it with `provery prover allocate \
             --accept-versions`",
        ),
        "NotNominated" => (
            Code::NotRegistered,
            "that prover did not nominate this key; it does so with `provery prover submitter add`",
        ),
        "UnbondingNotReady" | "NothingToWithdraw" => {
            (Code::NotReady, "the stake cannot be withdrawn yet; see `provery prover status`")
        }
        "SlotNotOpen" => return of_ended_slot(detail),
        "SlotHasExpired" => (Code::SlotExpired, "the slot has expired, so no proof of it is paid any more"),
        "SlotNotExpired" => (Code::NotReady, "the slot has not expired yet; wait until it has"),
        "NotAssignedProver" => (
            Code::SlotNotAssigned,
            "the slot is still another prover's alone; wait until its exclusive window is over",
        ),
        "StatementMismatch" => {
            (Code::ProofForAnother, "the proof is for another slot; prove this slot itself")
        }
        "PayeeInvalid" => (Code::ProofForAnother, "the proof pays nobody; prove with a payee"),
        "ProofInvalid" => (
            Code::ProofInvalid,
            "the verifier does not accept the proof: it is of another slot, payee or key; check the keys \
             with `provery keys show` and prove again",
        ),
        "CircuitNotFound" => (
            Code::CircuitNotFound,
            "the circuit is not registered; `provery circuit register` or `provery rollup create` registers one",
        ),
        "CircuitExists" => (Code::CircuitExists, "the circuit is registered already; use its id"),
        "RingFull" => (
            Code::NotReady,
            "as many slots are open as the market has room for; wait until some are proven or expired",
        ),
        "NotSequencer" => (Code::BadKey, "only the rollup's sequencer may post blocks; sign with its key"),
        "NotCreator" => (Code::BadKey, "only the market's creator may do this; sign with its key"),
        "AssetTakesFee" => {
            (Code::Reverted, "the asset takes a fee on transfers and cannot be used; deploy with another")
        }
        "ERC20InsufficientBalance" => {
            (Code::InsufficientBalance, "the account has less of the asset than that; get more first")
        }
        _ => of_newer_revert(name),
    };
    let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
    Failure::new(code, one_line(&format!("{kind} failed, {advice} ({name}{detail})")))
}

/// The errors of pools, slot transfers, chains of slots and mechanisms; mechanisms tell their own.
pub(super) fn of_newer_revert(name: &str) -> (Code, &'static str) {
    match name {
        // Amounts of any kind.
        "AmountZero" => (Code::Usage, "the amount must be above 0"),
        "RecipientInvalid" => {
            (Code::Usage, "neither the zero address nor the contract itself can receive; choose another")
        }
        "ERC20InsufficientAllowance" => {
            (Code::InsufficientBalance, "the allowance was used up meanwhile; run this again")
        }
        // Pools.
        "NotOperator" => {
            (Code::NotOperator, "only the pool's operator may do this; sign with the operator's key")
        }
        "BpsTooLarge" => (Code::Usage, "a share is at most 10000 bps; choose a smaller one"),
        "AmountTooSmall" => (
            Code::Usage,
            "that is worth less than one share, or less than the smallest unit of the asset; use a larger amount",
        ),
        "InsufficientShares" => {
            (Code::InsufficientShares, "there are not that many shares; ask for less, or for --all")
        }
        "InsufficientOperatorStake" => {
            (Code::InsufficientStake, "the operator's own stake is less than that; ask for less")
        }
        "AlreadyInitialised" => (
            Code::AlreadyDone,
            "a pool is initialised where it is created, and only there; create one with `provery pool create`",
        ),
        "RevisionChanged" => (
            Code::RevisionChanged,
            "the pool's operator announced something meanwhile, and nothing was changed; look at it with `provery pool show`, \
             and run this again if you still want to",
        ),
        "NothingAnnounced" => (
            Code::NotReady,
            "nothing of the kind is announced; announce it first, with `provery pool commission` or `provery pool operator-exit`",
        ),
        "NoticeNotOver" => (
            Code::NotReady,
            "the notice that delegators have is not over; run this again from the second named",
        ),
        "AnnouncementLapsed" => (
            Code::NotReady,
            "what was announced could be done until the second named, and has lapsed; run this again to announce it anew",
        ),
        "ExposureZero" => (
            Code::Usage,
            "an exposure of nothing cannot be announced; leave a market with `provery pool narrow --exposure 0`",
        ),
        "VersionsInvalid" => {
            (Code::Usage, "the market's terms have versions 1 to the one named; choose a range among those")
        }
        "BeyondPolicy" => (
            Code::BeyondPolicy,
            "in this market the pool may do no more than what is named; stay within that, or announce more with `provery \
             pool announce`",
        ),
        "TooManyMarkets" => (
            Code::InsufficientStake,
            "the pool serves as many markets as it may; leave one with `provery pool narrow --exposure 0`, and wait until its bonds end",
        ),
        "ExitsWaiting" => {
            (Code::InsufficientStake, "that stake is what exits wait for; allocate less, or stake more first")
        }
        "NothingWaiting" => (Code::NotReady, "no exit waits for stake, so there is nothing to do"),
        "NothingToFree" => (
            Code::NotReady,
            "allocations leave enough for the exits, or this market has none to lower; open bonds may have \
             to end first, then run `provery pool advance`",
        ),
        "StakeNotFree" => (
            Code::NotReady,
            "allocations and bonds tie up the stake that exits wait for; lower one with `provery pool \
             free-up`, or wait until bonds end",
        ),
        "BatchNotReady" => {
            (Code::NotReady, "the batch that is unbonding is not ready; run this again from the second named")
        }
        "BatchNotSettled" => (
            Code::NotReady,
            "the batch still waits or unbonds; `provery pool show` says until when, `provery pool advance` \
             moves it on",
        ),
        "NothingToClaim" => {
            (Code::NothingToClaim, "there is nothing to claim there; see `provery pool show`")
        }
        // Slot transfers.
        "NotHolder" => (
            Code::NotHolder,
            "only the prover that holds the slot, or a submitter of it where it costs nothing, may do \
             this; sign with the holder's key",
        ),
        "SlotNotHeld" => (
            Code::SlotNotHeld,
            "nobody holds the slot alone any more, so there is nothing to transfer; anyone may prove it \
             once it is open to all",
        ),
        "NotTaker" => (
            Code::NotTaker,
            "the offer is for another taker, or this key may not take it for that one (at a price, or late in \
             the exclusive window); sign with the taker's key",
        ),
        "TransferExpired" => (Code::OfferExpired, "the offer has ended; ask the slot's holder for a new one"),
        "TransferNotOffered" => (
            Code::OfferInvalid,
            "the slot's holder made no such offer, did not sign it like this, or revoked it; ask for a new \
             one",
        ),
        // Chains of slots.
        "HeadMoved" => (Code::NotReady, "the chain's head is another slot by now; build on the one named"),
        "PremiseMismatch" => {
            (Code::NotReady, "the chain's head claims something else; continue the claim that is named")
        }
        "PremiseNotProven" => {
            (Code::NotReady, "what the chain's head claims comes with its proof; wait until it is proven")
        }
        "PremiseOpen" => (
            Code::NotReady,
            "what the slot builds on is neither established nor fallen; settle the slot that is named first",
        ),
        "SlotNotDroppable" => (
            Code::SlotNotHeld,
            "the slot and what it builds on stand, and nobody holds it alone, so it cannot be dropped; wait until it expires",
        ),
        "NotRequester" => (Code::BadKey, "only the market's requester may do this; sign with its key"),
        "FundsTooLarge" => (Code::Usage, "a market's funds may not grow that large; add less"),
        "ContractsMismatch" => (
            Code::Unsent,
            "another transaction of the deployer's came in between, so the market's contracts do not know each other; stop \
             whatever else uses the key and deploy again",
        ),
        "ParamsRejected" => {
            (Code::Usage, "the registry's constructor refuses a number; change the one that the rule names")
        }
        // Slots that a mechanism gives away.
        "SlotAlreadyAssigned" => (Code::SlotNotAssigned, "another prover has the slot already"),
        "SlotOpenToAll" => (Code::WrongTime, "the slot is open to all by now; prove it with `provery prove`"),
        "SlotNotCancellable" => {
            (Code::SlotNotAssigned, "the slot is assigned, or open to all, and cannot be taken back")
        }
        // Verifying keys.
        "KeyPointAtInfinity" | "KeyPointNotInGroup" | "KeyPointsRelated" => (
            Code::KeyFileInvalid,
            "no proof can be checked against this verifying key; make the keys anew with `provery keys generate`, or fetch \
             them again",
        ),
        // What a node calls a failure that brings no reason.
        "Reverted" => (
            Code::Reverted,
            "it gave no reason, and nothing was changed: it may need more gas than one transaction may have (16777216 where \
             EIP-7825 holds), or an instruction that the chain lacks",
        ),
        _ => match refusal(name) {
            Some(refusal) => (code_of(refusal.kind), refusal.advice),
            None => (Code::Reverted, "the contract refused it; nothing was changed"),
        },
    }
}

/// What programs are told of an error of a mechanism's.
fn code_of(kind: Kind) -> Code {
    match kind {
        Kind::Usage => Code::Usage,
        Kind::NotReady | Kind::Busy => Code::NotReady,
        Kind::WrongTime => Code::WrongTime,
        Kind::AlreadyDone => Code::AlreadyDone,
        Kind::OfferExpired => Code::OfferExpired,
        Kind::OfferRevoked | Kind::OfferInvalid => Code::OfferInvalid,
        Kind::NotHolder => Code::NotHolder,
        Kind::ProofInvalid => Code::ProofInvalid,
        Kind::SlotNotFound => Code::SlotNotFound,
        Kind::TermsRejected => Code::TermsRejected,
        Kind::Deposit => Code::InsufficientCredit,
        Kind::Chain => Code::Foreseeable,
        Kind::Endpoint => Code::RpcRejected,
    }
}

/// `SlotNotOpen(state)`, by how the slot ended.
fn of_ended_slot(detail: &str) -> Failure {
    match detail.rsplit(' ').next() {
        Some("1") => Failure::new(
            Code::SlotProven,
            "the slot has already been proven, and nothing was sent; pick an open one from `provery slot \
             list`",
        ),
        Some("2") => Failure::new(
            Code::SlotExpired,
            "the slot has expired, so no proof of it is paid any more; pick an open one from `provery \
             slot list`",
        ),
        Some("3") => Failure::new(
            Code::SlotCancelled,
            "the slot was cancelled by its requester; pick an open one from `provery slot list`",
        ),
        Some("4") => Failure::new(
            Code::SlotDropped,
            "the slot was dropped with what it builds on, or by its requester; pick an open one from `provery slot list`",
        ),
        _ => Failure::new(
            Code::SlotNotFound,
            "there is no such open slot; `provery slot list` shows those there are",
        ),
    }
}
