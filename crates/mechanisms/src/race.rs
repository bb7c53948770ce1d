//! The race: everyone proves at once, and the first proof wins. With a handicap, whoever won more than its stake's share of
//! late is heard later.

use alloy::primitives::{B256, Bytes, U256};
use provery_bindings::Race as Contract;
use provery_types::Terms;

use crate::view::{Decision, Reason, SlotView};
use crate::{Choices, Mechanism, OptionError, OptionSpec, phase};

/// See the module.
#[derive(Debug)]
pub struct Race;

pub const MECHANISM: Race = Race;

/// What the terms' `mechanismParams` hold; all zero for a race without a handicap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params {
    /// Slots over which wins are counted.
    pub window: u8,
    /// Seconds that a payee over its share waits.
    pub delay: u32,
}

impl Params {
    pub fn of(terms: &Terms) -> Self {
        let word = U256::from_be_bytes(terms.mechanismParams.0);
        Self { window: word.byte(0), delay: (word >> 8_usize & U256::from(u32::MAX)).to::<u32>() }
    }

    pub fn pack(self) -> U256 {
        if self == Self::default() {
            return U256::ZERO;
        }
        crate::HOOK_ENDED | U256::from(self.window) | U256::from(self.delay) << 8
    }

    /// Whether a payee with `weight` of `total` that won `wins` of the last `window - 1` slots has to wait: it has won at
    /// least `floor(window * weight / total)`. Nobody waits while nobody has weight.
    pub fn waits(self, weight: u64, total: u64, wins: u64) -> bool {
        if total == 0 || self.window == 0 {
            return false;
        }
        u128::from(wins) >= u128::from(self.window) * u128::from(weight) / u128::from(total)
    }
}

impl Mechanism for Race {
    fn name(&self) -> &'static str {
        "Race"
    }

    fn word(&self) -> &'static str {
        "race"
    }

    fn code(&self) -> &'static Bytes {
        &Contract::BYTECODE
    }

    fn allocates(&self) -> bool {
        false
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[
            OptionSpec {
                name: "window",
                help: "slots over which wins are counted for the handicap; 0 for none",
                default: Some("0"),
            },
            OptionSpec { name: "delay", help: "seconds that a payee over its share waits", default: Some("0") },
        ]
    }

    fn params(&self, choices: &Choices) -> Result<B256, OptionError> {
        Ok(Params { window: choices.number("window")?, delay: choices.number("delay")? }.pack().into())
    }

    /// As soon as the slot is open, whoever else may be at it.
    fn decide(&self, view: &SlotView<'_>) -> Decision {
        match phase::decide(view) {
            Decision::Wait { reason: Reason::OthersFirst, .. } => {
                phase::decide(&SlotView { rescue_rank: 0, ..view.clone() })
            }
            decision => decision,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;

    use super::*;
    use crate::testing::{cases_of, number, slot, terms, view};

    #[test]
    fn shared_vectors() {
        for case in cases_of(include_str!("../../../tests/vectors/mechanisms.json"), "handicap") {
            let params = Params { window: number(&case["window"]) as u8, delay: 1 };
            let of = |name: &str| number(&case[name]) as u64;
            let waits = params.waits(of("weight"), of("total"), of("wins"));
            assert_eq!(waits, case["waits"].as_bool().expect("a bool"), "{case}");
        }
    }

    #[test]
    fn parameters_come_back() {
        for params in [Params::default(), Params { window: 16, delay: 9 }] {
            let terms = Terms { mechanismParams: B256::from(params.pack()), ..terms() };
            assert_eq!(Params::of(&terms), params);
        }
    }

    #[test]
    fn nobody_goes_first() {
        let (slot, terms) = (slot(Address::ZERO), terms());
        let me = Address::repeat_byte(0x11);
        for rescue_rank in [0, 7] {
            let view = SlotView { rescue_rank, ..view(&slot, &terms, me, 1_000, &[]) };
            assert_eq!(MECHANISM.decide(&view), Decision::Prove { reason: Reason::OpenToAll });
        }
        let poor = SlotView { minimum_reward: 951, ..view(&slot, &terms, me, 1_000, &[]) };
        assert_eq!(MECHANISM.decide(&poor), Decision::Ignore { reason: Reason::PaysTooLittle });
    }
}
