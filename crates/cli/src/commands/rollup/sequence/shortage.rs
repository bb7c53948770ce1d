//! Errors of a post that somebody's top-up, or time, mends: the sequencer says what is short, and goes on once there is enough.

use provery_txmgr::SendError;

use crate::amount::Currency;

/// What is short, in one word, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shortage {
    pub of: &'static str,
    pub advice: String,
}

/// What `error` lacks, if that is what is wrong with it.
pub(super) fn of(error: &SendError, rollup: &str) -> Option<Shortage> {
    let (of, advice) = match (error.revert_name(), error) {
        (Some("InsufficientFunds"), SendError::Reverted { detail, .. }) => (
            "funds",
            format!(
                "the market's funds do not cover the price of a slot ({detail}); add to them with `provery rollup fund --name \
                 {rollup} --amount …`, and blocks go on"
            ),
        ),
        (Some("RingFull"), _) => (
            "room",
            "as many blocks are unproven as the market has room for; blocks go on once the oldest is proven or expired".into(),
        ),
        (_, SendError::Underfunded { account, balance, needed, .. }) => (
            "gas",
            format!(
                "{account} has {} for gas and a block needs {}; send it at least {} more, and blocks go on",
                Currency::gas().show(*balance),
                Currency::gas().show(*needed),
                Currency::gas().show(needed.saturating_sub(*balance))
            ),
        ),
        _ => return None,
    };
    Some(Shortage { of, advice })
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, U256};

    use super::*;

    fn reverted(name: &str) -> SendError {
        let detail = "available = 1, needed = 2".to_string();
        SendError::Reverted { kind: "post_block", name: name.to_string(), detail, tx_hash: None }
    }

    #[test]
    fn a_shortage_says_what_to_top_up() {
        let funds = of(&reverted("InsufficientFunds"), "demo").expect("is one");
        assert!(funds.of == "funds" && funds.advice.contains("rollup fund --name demo"), "{funds:?}");
        let (balance, needed) = (U256::from(3), U256::from(10));
        let poor = SendError::Underfunded { kind: "post_block", account: Address::ZERO, balance, needed };
        let gas = of(&poor, "demo").expect("is one");
        assert!(gas.of == "gas" && gas.advice.contains("at least 7 wei more"), "{gas:?}");
        assert_eq!(of(&reverted("RingFull"), "demo").map(|shortage| shortage.of), Some("room"));
        assert_eq!(of(&reverted("NotSequencer"), "demo"), None);
    }
}
