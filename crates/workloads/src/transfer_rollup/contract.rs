//! What its operator sends to its contract, and asks it.

use alloy::primitives::{Bytes, U256};
use provery_bindings::TransferRollup::postBlockCall;
/// To be asked for: what binds signatures and proofs to the rollup, its market, and where it stands.
pub use provery_bindings::TransferRollup::{DOMAINCall, marketCall, stateCall};
use provery_types::Terms;

/// Post a block. `parent` is the one it builds on and the root that claims. `mechanism_data` is what the market's mechanism wants
/// to know of a slot as it opens: nothing, a prover's offer, or what brings the epoch's seed in.
pub fn post_block(
    parent: (u64, U256),
    data: Bytes,
    new_root: U256,
    terms: &Terms,
    mechanism_data: Bytes,
) -> postBlockCall {
    postBlockCall {
        parent: parent.0,
        parentRoot: parent.1,
        data,
        newRoot: new_root,
        terms: terms.clone().into(),
        mechanismData: mechanism_data,
    }
}

#[cfg(test)]
mod tests {
    use alloy::{
        primitives::{Address, B256},
        sol_types::SolValue as _,
    };
    use provery_bindings::TransferRollup;

    use super::*;

    #[test]
    fn the_rollups_terms_encode_as_the_markets() {
        let terms = Terms {
            requester: Address::repeat_byte(1),
            mechanism: Address::repeat_byte(2),
            mechanismParams: B256::repeat_byte(3),
            circuit: B256::repeat_byte(4),
            verifier: Address::repeat_byte(5),
            fastWindow: 6,
            exclusiveWindow: 7,
            expiryWindow: 8,
            floorBps: 9,
            rescuerBps: 10,
            requesterBps: 11,
            forfeitBps: 12,
            outputs: 13,
            callbackGas: 14,
            ..Default::default()
        };
        assert_eq!(TransferRollup::Terms::from(terms.clone()).abi_encode(), terms.abi_encode());
    }
}
