//! The stake lottery: the contract draws the winner as the slot opens, so all that is left to a prover is to prove what
//! it won and to rescue what others missed. Why a draw went as it did is [`crate::lottery`]'s to say.

use alloy::primitives::Bytes;
use alloy::sol_types::SolValue;
use provery_bindings::StakeLottery as Contract;

use crate::view::{Decision, SlotView};
use crate::{Mechanism, Parts, phase};

/// See the module.
#[derive(Debug)]
pub struct StakeLottery;

pub const MECHANISM: StakeLottery = StakeLottery;

impl Mechanism for StakeLottery {
    fn name(&self) -> &'static str {
        "StakeLottery"
    }

    fn word(&self) -> &'static str {
        "lottery"
    }

    fn code(&self) -> &'static Bytes {
        &Contract::BYTECODE
    }

    fn constructor(&self, parts: &Parts) -> Vec<u8> {
        (parts.registry, parts.market, parts.randomness).abi_encode_params()
    }

    fn decide(&self, view: &SlotView<'_>) -> Decision {
        phase::decide(view)
    }
}
