//! Mining: while one slot is open, find a nonce whose puzzle output is below the target, and hand it in for the right to the
//! next.

use alloy::primitives::{Address, B256, Bytes, U256, uint};
use alloy::sol_types::{SolEvent, SolValue};
use provery_bindings::Mining as Contract;
use provery_types::Terms;

use crate::view::{Decision, Errand, MarketView, Puzzle, SlotView, Solution};
use crate::{Choices, Mechanism, OptionError, OptionSpec, Parts, phase};

/// See the module.
#[derive(Debug)]
pub struct Mining;

pub const MECHANISM: Mining = Mining;

/// What the terms' `mechanismParams` hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Seconds from a round's beginning to its ticket that the target aims at.
    pub interval: u32,
    /// Asset wei.
    pub ticket_bond: u128,
    /// The first target is the easiest, halved this often.
    pub initial_bits: u8,
}

impl Params {
    pub fn of(terms: &Terms) -> Self {
        let word = U256::from_be_bytes(terms.mechanismParams.0);
        Self {
            interval: (word & U256::from(u32::MAX)).to::<u32>(),
            ticket_bond: (word >> 32_usize & U256::from((1_u128 << 96) - 1)).to::<u128>(),
            initial_bits: word.byte(16),
        }
    }

    pub fn pack(self) -> U256 {
        crate::HOOK_ENDED
            | U256::from(self.interval)
            | U256::from(self.ticket_bond) << 32
            | U256::from(self.initial_bits) << 128
    }
}

/// Targets are multiples of 2^94: the contract stores them so.
const UNIT_BITS: usize = 94;
/// The modulus of BN254's scalar field, above every output.
const MODULUS: U256 = uint!(
    21888242871839275222246405745257275088548364400416034343698204186575808495617_U256
);

/// The target of the next round: the old one by how long its ticket took (`elapsed` seconds) against the interval, eased if
/// it went that long without one; within a factor of four and the bounds. See the contract's interface.
pub fn retarget(old: U256, elapsed: u64, interval: u32, had_ticket: bool) -> U256 {
    let old: U256 = old >> UNIT_BITS;
    let interval = U256::from(interval.max(1));
    let time = if had_ticket { U256::from(elapsed) } else { interval + U256::from(elapsed) };
    // 160 bits times 41 fit.
    let units = (old * time / interval).max(old / U256::from(4)).min(old * U256::from(4));
    let most: U256 = MODULUS >> UNIT_BITS;
    units.min(most).max(U256::ONE) << UNIT_BITS
}

impl Mechanism for Mining {
    fn name(&self) -> &'static str {
        "Mining"
    }

    fn word(&self) -> &'static str {
        "mining"
    }

    fn code(&self) -> &'static Bytes {
        &Contract::BYTECODE
    }

    fn constructor(&self, parts: &Parts) -> Vec<u8> {
        (parts.registry, parts.market, parts.puzzle, parts.randomness).abi_encode_params()
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[
            OptionSpec {
                name: "interval",
                help: "seconds from a round's beginning to its ticket that the target aims at",
                default: Some("10"),
            },
            OptionSpec { name: "ticket-bond", help: "asset locked by a ticket", default: Some("1ether") },
            OptionSpec {
                name: "initial-bits",
                help: "how often the easiest target is halved to begin with",
                default: Some("8"),
            },
        ]
    }

    fn params(&self, choices: &Choices) -> Result<B256, OptionError> {
        let params = Params {
            interval: choices.number("interval")?,
            ticket_bond: choices.amount("ticket-bond", 96)?,
            initial_bits: choices.number("initial-bits")?,
        };
        Ok(params.pack().into())
    }

    fn wants_puzzle(&self) -> bool {
        true
    }

    fn wants_deposit(&self) -> bool {
        true
    }

    fn decide(&self, view: &SlotView<'_>) -> Decision {
        phase::decide(view)
    }

    /// The round's puzzle, unless somebody has solved it.
    fn puzzle(&self, view: &MarketView<'_>) -> Option<Puzzle> {
        if !view.taking {
            return None;
        }
        let mut puzzle = None;
        for log in view.log {
            if let Ok(started) = Contract::RoundStarted::decode_log_data(log) {
                puzzle = Some(Puzzle {
                    market: view.market,
                    slot: view.next_slot,
                    seed: B256::from(started.seed),
                    target: started.target,
                    prover: view.me,
                });
            } else if Contract::TicketTaken::decode_log_data(log).is_ok() {
                puzzle = None;
            }
        }
        puzzle
    }

    fn ticket(&self, to: Address, puzzle: &Puzzle, solution: &Solution) -> Option<Errand> {
        let call = Contract::submitTicketCall {
            market: puzzle.market,
            prover: puzzle.prover,
            nonce: solution.nonce,
            output: solution.output,
            proof: solution.proof.clone(),
        };
        Some(Errand::new("ticket", to, &call))
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::aliases::U96;
    use alloy::primitives::LogData;

    use super::*;
    use crate::testing::{cases_of, number, terms};

    const ME: Address = Address::repeat_byte(0x11);

    #[test]
    fn shared_vectors() {
        for case in cases_of(include_str!("../../../tests/vectors/mechanisms.json"), "retarget") {
            let word = |name: &str| -> U256 {
                case[name].as_str().expect("a decimal").parse().expect("a decimal")
            };
            let new = retarget(
                word("old"),
                number(&case["elapsed"]) as u64,
                number(&case["interval"]) as u32,
                case["hadTicket"].as_bool().expect("a bool"),
            );
            assert_eq!(new, word("new"), "{case}");
        }
    }

    fn started(target: u64) -> LogData {
        let event = Contract::RoundStarted {
            market: U256::ONE,
            slot: 5,
            seed: U256::from(77),
            target: U256::from(target),
            ticketBond: U96::from(3),
        };
        event.encode_log_data()
    }

    fn puzzle(log: &[LogData], taking: bool) -> Option<Puzzle> {
        let view = MarketView {
            market: U256::ONE,
            terms: &terms(),
            next_slot: 5,
            me: ME,
            key: ME,
            taking,
            log,
        };
        MECHANISM.puzzle(&view)
    }

    #[test]
    fn a_round_is_worked_on_until_its_ticket_is_taken() {
        assert_eq!(puzzle(&[], true), None);
        let expected = Puzzle {
            market: U256::ONE,
            slot: 5,
            seed: B256::from(U256::from(77)),
            target: U256::from(9),
            prover: ME,
        };
        assert_eq!(puzzle(&[started(9)], true), Some(expected));
        assert_eq!(puzzle(&[started(9)], false), None, "unwell");
        let taken = Contract::TicketTaken { market: U256::ONE, slot: 5, prover: Address::ZERO, key: ME };
        assert_eq!(puzzle(&[started(9), taken.encode_log_data()], true), None);
    }

    #[test]
    fn a_ticket_says_what_was_found() {
        let puzzle = puzzle(&[started(9)], true).expect("a round runs");
        let solution = Solution { nonce: U256::from(1), output: U256::from(2), proof: Bytes::from(vec![3]) };
        let errand = MECHANISM.ticket(Address::repeat_byte(4), &puzzle, &solution).expect("mining takes tickets");
        assert_eq!((errand.kind, errand.to), ("ticket", Address::repeat_byte(4)));
    }

    #[test]
    fn parameters_come_back() {
        let params = Params { interval: 7, ticket_bond: 1 << 95, initial_bits: 19 };
        let terms = Terms { mechanismParams: B256::from(params.pack()), ..terms() };
        assert_eq!(Params::of(&terms), params);
    }
}
