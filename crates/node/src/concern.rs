//! What an operator should know, by stable words: alarms, of what loses stake if nothing is done, and warnings.

use alloy::primitives::U256;

/// Something that only the operator can mend, or should know of before it costs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Concern {
    /// A stable word.
    pub code: &'static str,
    /// 0 if it is the node's own.
    pub market: U256,
    /// Nothing if it is about the whole market, or the node.
    pub slot: Option<u64>,
    /// A sentence.
    pub message: String,
}

impl Concern {
    /// A slot that this prover holds cannot be proven.
    pub const HELD_UNPROVABLE: &'static str = "held_unprovable";
    /// Slots may be given to this prover in a market whose slots cannot be proven here.
    pub const MARKET_UNPROVABLE: &'static str = "market_unprovable";
    /// So it is for as long as the market's history is read.
    pub const READING_HISTORY: &'static str = "reading_history";
    /// It came back from a suspension, proved nothing, and is suspended again: it does not come back by itself.
    pub const SUSPENDED: &'static str = "suspended";
    /// A slot that this prover holds is not proven on the chain, and time runs out.
    pub const HELD_LATE: &'static str = "held_late";
    /// A bid is not revealed or settled, and its bond is lost soon.
    pub const BID_LATE: &'static str = "bid_late";
    /// No endpoint answers while bonds are at stake.
    pub const BLIND: &'static str = "blind";
    /// Endpoints tell different logs of a block, and nothing says whose are right.
    pub const LOGS_DISPUTED: &'static str = "logs_disputed";
    /// The prover should be out of the draws, and cannot be paused.
    pub const PAUSE_FAILS: &'static str = "pause_fails";
    /// Of slots or blocks that must be there nothing was told: one of the slots may be this prover's.
    pub const EVENTS_WITHHELD: &'static str = "events_withheld";
    /// Another program sends with this node's key: its operator's commands, perhaps.
    pub const KEY_USED: &'static str = "key_used";
    /// And took a nonce of this node's: a second node, most likely.
    pub const KEY_SHARED: &'static str = "key_shared";
    /// The prover is out of the draws, and not by this node.
    pub const PAUSED_BY_OPERATOR: &'static str = "paused_by_operator";
    /// A version of the terms is not accepted, so no slot under it is given to this prover.
    pub const TERMS_NOT_ACCEPTED: &'static str = "terms_not_accepted";
    /// More may be bonded at once in a market than this machine can answer for.
    pub const EXPOSURE_TOO_LARGE: &'static str = "exposure_too_large";

    /// A slot that binds this prover to nothing is left alone, since no machine proves it.
    pub const SLOT_UNPROVABLE: &'static str = "slot_unprovable";

    /// Of the node, and of no market.
    pub fn of_node(code: &'static str, message: String) -> Self {
        Self { code, market: U256::ZERO, slot: None, message }
    }

    /// Stake is lost if nothing is done about these.
    pub const ALARMS: [&'static str; 9] = [
        Self::HELD_UNPROVABLE,
        Self::MARKET_UNPROVABLE,
        Self::HELD_LATE,
        Self::BID_LATE,
        Self::BLIND,
        Self::LOGS_DISPUTED,
        Self::PAUSE_FAILS,
        Self::EVENTS_WITHHELD,
        Self::KEY_SHARED,
    ];

    /// All there are.
    pub const ALL: [&'static str; 16] = [
        Self::HELD_UNPROVABLE,
        Self::MARKET_UNPROVABLE,
        Self::READING_HISTORY,
        Self::SUSPENDED,
        Self::HELD_LATE,
        Self::BID_LATE,
        Self::BLIND,
        Self::LOGS_DISPUTED,
        Self::EVENTS_WITHHELD,
        Self::PAUSE_FAILS,
        Self::KEY_USED,
        Self::KEY_SHARED,
        Self::PAUSED_BY_OPERATOR,
        Self::TERMS_NOT_ACCEPTED,
        Self::EXPOSURE_TOO_LARGE,
        Self::SLOT_UNPROVABLE,
    ];

    /// Whether stake is lost if nothing is done about it.
    pub fn is_alarm(&self) -> bool {
        Self::ALARMS.contains(&self.code)
    }
}
