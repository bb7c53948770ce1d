//! Mining: while one slot is open, find a nonce whose puzzle output is below the target, and hand it in for the right to the
//! next.

use alloy::{
    primitives::{Address, B256, Bytes, LogData, U256, keccak256, uint},
    sol_types::{SolCall, SolEvent, SolValue},
};
use provery_bindings::Mining as Contract;
use provery_types::Terms;

use crate::{
    Chance, ChanceView, Choices, Fact, Line, Mechanism, OptionError, OptionSpec, Parts, Past, Quote,
    QuoteView, phase,
    refusal::{Class, DEPOSIT_TOO_SMALL, HISTORY_MISSING, Kind, Refusal, Rule, SEED_MISSING},
    rounds::{Round, Rounds},
    view::{Decision, MarketView, MechanismAction, Puzzle, SlotView, Solution},
};

/// See the module.
#[derive(Debug)]
pub struct Mining;

/// Its entry in [`crate::registry`].
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
    /// Those of these terms.
    pub fn of(terms: &Terms) -> Self {
        let word = U256::from_be_bytes(terms.mechanismParams.0);
        Self {
            interval: (word & U256::from(u32::MAX)).to::<u32>(),
            ticket_bond: (word >> 32_usize & U256::from((1_u128 << 96) - 1)).to::<u128>(),
            initial_bits: word.byte(16),
        }
    }

    /// The terms' `mechanismParams`.
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
const MODULUS: U256 =
    uint!(21888242871839275222246405745257275088548364400416034343698204186575808495617_U256);

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

/// How many blocks back the chain's history goes (EIP-2935).
const WINDOW: u64 = 8_191;

/// The block whose hash seeds a round that began in block `started_in`, for a ticket that block `next` takes in: the one after, or
/// the last of those that follow it at distances of the history's length. Nothing as long as there is none before `next`.
fn seed_block(started_in: u64, next: u64) -> Option<u64> {
    let first = started_in.checked_add(1)?;
    let since = next.checked_sub(1)?.checked_sub(first)?;
    Some(first + since / WINDOW * WINDOW)
}

/// The seed of a market's round for `slot`, of 128 bits, from a block's hash or a beacon's value; `contract` is the mechanism's.
fn seed(value: B256, chain_id: u64, contract: Address, market: U256, slot: u64) -> B256 {
    let hash = keccak256((value, U256::from(chain_id), contract, market, slot).abi_encode_params());
    B256::from(U256::from_be_bytes(hash.0) >> 128_usize)
}

/// The target of the round for the next slot, as long as nobody has the right to it.
fn target(log: &[LogData]) -> Option<U256> {
    let (mut target, mut taken) = (None, false);
    for log in log {
        if let Ok(started) = Contract::RoundStarted::decode_log_data(log) {
            (target, taken) = (Some(started.target), false);
        } else if Contract::TicketTaken::decode_log_data(log).is_ok() {
            taken = true;
        } else if Contract::TicketReturned::decode_log_data(log).is_ok() {
            // Given up, because the slot did not open for long: the round goes on.
            taken = false;
        }
    }
    target.filter(|_| !taken)
}

const NO_TICKET: &str = "there is no ticket to give up, or its slot may still open; try again later";

const REFUSALS: [Refusal; 8] = [
    DEPOSIT_TOO_SMALL,
    SEED_MISSING,
    HISTORY_MISSING,
    Refusal::new(
        "RoundNotStarted",
        Class::Failing,
        Kind::WrongTime,
        "no round runs: the market has opened no slot under this mechanism",
    ),
    Refusal::new(
        "RightTaken",
        Class::Raced,
        Kind::WrongTime,
        "the right to the next slot is another's; mine for the one after",
    ),
    Refusal::new("TargetMissed", Class::Raced, Kind::ProofInvalid, "the ticket misses the target; mine on"),
    Refusal::new("TicketNotFound", Class::Failing, Kind::NotReady, NO_TICKET),
    Refusal::new("TicketHeld", Class::Failing, Kind::NotReady, NO_TICKET),
];

const RULES: [Rule; 3] = [
    Rule::new("interval", "--mechanism-option interval must be above 0"),
    Rule::new("ticketBond", "--mechanism-option ticket-bond must be above 0"),
    Rule::new("initialBits", "--mechanism-option initial-bits must be smaller"),
];

impl Rounds for Mining {
    fn request(&self, market: U256) -> Bytes {
        Contract::roundCall { market }.abi_encode().into()
    }

    fn round(&self, answer: &[u8]) -> Option<Round> {
        let round = Contract::roundCall::abi_decode_returns(answer).ok()?;
        Some(Round {
            slot: round.slot,
            started_in: round.startedIn,
            seed: (!round.seed.is_zero()).then(|| B256::from(round.seed)),
            locked: (!round.winner.is_zero()).then(|| round.ticketBond.to()),
        })
    }

    fn beacon_request(&self) -> Bytes {
        Contract::randomnessCall {}.abi_encode().into()
    }

    fn seed_block(&self, started_in: u64, next: u64) -> Option<u64> {
        seed_block(started_in, next)
    }

    fn seed(&self, value: B256, chain_id: u64, contract: Address, market: U256, slot: u64) -> B256 {
        seed(value, chain_id, contract, market, slot)
    }
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
                help: "seconds from a round's beginning to its ticket that the target aims at; two blocks of it pass before \
                       there is a seed to work on, so that the default suits blocks of one or two seconds",
                default: Some("10"),
            },
            OptionSpec { name: "ticket-bond", help: "asset locked by a ticket", default: Some("1") },
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

    fn refusals(&self) -> &'static [Refusal] {
        &REFUSALS
    }

    fn rules(&self) -> &'static [Rule] {
        &RULES
    }

    fn sample(&self) -> &'static [&'static str] {
        &["interval=4", "ticket-bond=10", "initial-bits=7"]
    }

    fn wants_randomness(&self) -> bool {
        true
    }

    fn rounds(&self) -> Option<&'static dyn Rounds> {
        Some(&MECHANISM)
    }

    fn wants_puzzle(&self) -> bool {
        true
    }

    fn wants_deposit(&self) -> bool {
        true
    }

    fn deposit(&self, terms: &Terms) -> Option<u128> {
        Some(Params::of(terms).ticket_bond)
    }

    fn decide(&self, view: &SlotView<'_>) -> Decision {
        phase::decide(view)
    }

    fn quote(&self, view: &QuoteView<'_>) -> Quote {
        Quote::fixed(
            view,
            "the terms fix the price, and whoever has the round's ticket holds the slot as it opens",
        )
    }

    fn chance(&self, view: &ChanceView<'_>) -> Chance {
        let says = "as good as that of each prover that won slots of late; tickets go by tries, not by stake";
        Chance::equal(view.quote.lately, view.quote.most(), says)
    }

    fn explain(&self, past: &Past<'_>) -> Vec<Line> {
        let mut lines = Vec::new();
        let (mut began, mut taken) = (None, false);
        for (at, log) in past.log {
            if let Ok(round) = Contract::RoundStarted::decode_log_data(log) {
                began = Some(*at);
                let tries = MODULUS.checked_div(round.target).unwrap_or_default();
                lines.push(Line::new(
                    "the round for this slot began at {began}: a try in {tries} was below the target of {target}; a ticket locks {bond}",
                    [
                        ("began", Fact::Time(*at)),
                        ("tries", Fact::Word(tries)),
                        ("target", Fact::Word(round.target)),
                        ("bond", Fact::Amount(round.ticketBond.to())),
                    ],
                ));
            } else if let Ok(ticket) = Contract::TicketTaken::decode_log_data(log) {
                taken = true;
                lines.push(Line::new(
                    "{prover} had the first ticket, {after} later, handed in by {key}",
                    [
                        ("prover", Fact::Account(ticket.prover)),
                        ("after", Fact::Seconds(at.saturating_sub(began.unwrap_or(*at)))),
                        ("key", Fact::Account(ticket.key)),
                    ],
                ));
            } else if let Ok(ticket) = Contract::TicketReturned::decode_log_data(log) {
                lines.push(Line::new(
                    "the ticket's bond of {bond} went back to {key}",
                    [
                        ("bond", Fact::Amount(ticket.amount.saturating_to())),
                        ("key", Fact::Account(ticket.key)),
                    ],
                ));
            } else if let Ok(ticket) = Contract::TicketForfeited::decode_log_data(log) {
                lines.push(Line::new(
                    "the ticket's bond of {bond}, of {key}, was burned",
                    [
                        ("bond", Fact::Amount(ticket.amount.saturating_to())),
                        ("key", Fact::Account(ticket.key)),
                    ],
                ));
            }
        }
        if began.is_none() {
            lines.push(Line::new(
                "no round was run for it: it is the market's first slot, or the terms were others",
                [],
            ));
        }
        lines.push(match (past.assigned.is_zero(), taken) {
            (false, _) => {
                Line::new("so it was {prover}'s when it opened", [("prover", Fact::Account(past.assigned))])
            }
            (true, true) => Line::new(
                "when the slot opened its prover could not back the bond, or the terms had changed, so it was open to all",
                [],
            ),
            (true, false) => Line::new("nobody had a ticket when it opened, so it was open to all", []),
        });
        lines
    }

    fn open_bid(&self, terms: &Terms, me: Address, _: Address, log: &[LogData]) -> Option<u128> {
        let mut mine = false;
        for log in log {
            if let Ok(taken) = Contract::TicketTaken::decode_log_data(log) {
                mine = taken.prover == me;
            } else if Contract::TicketReturned::decode_log_data(log).is_ok()
                || Contract::TicketForfeited::decode_log_data(log).is_ok()
            {
                mine = false;
            }
        }
        mine.then(|| Params::of(terms).ticket_bond)
    }

    fn has_round(&self, view: &MarketView<'_>) -> bool {
        view.taking && target(view.log).is_some()
    }

    /// The round's puzzle, unless somebody has solved it.
    fn puzzle(&self, view: &MarketView<'_>) -> Option<Puzzle> {
        if !view.taking {
            return None;
        }
        Some(Puzzle {
            market: view.market,
            slot: view.next_slot,
            seed: view.seed?,
            target: target(view.log)?,
            prover: view.me,
        })
    }

    fn ticket(&self, to: Address, puzzle: &Puzzle, solution: &Solution) -> Option<MechanismAction> {
        let call = Contract::submitTicketCall {
            market: puzzle.market,
            prover: puzzle.prover,
            nonce: solution.nonce,
            output: solution.output,
            proof: solution.proof.clone(),
        };
        Some(MechanismAction::new("ticket", to, &call))
    }
}

#[cfg(test)]
#[path = "mining_tests.rs"]
mod tests;
