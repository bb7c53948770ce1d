//! Standing asks: say what a slot may cost before there is one, keep the ask in its book, and prove what it is given.
//!
//! The node asks for the least that pays, promises what a proof is expected to take, and for as many slots as it can prove and bond.
//! The ask is posted anew when those have moved by much, topped up when half of its slots are gone, and renewed when half of its time
//! is; so a node that does nothing wrong sends a transaction every few slots.

use alloy::{
    primitives::{
        Address, B256, Bytes, U256,
        aliases::{U40, U96},
    },
    sol_types::{SolCall, SolEvent, SolValue, eip712_domain},
};
use provery_bindings::{StandingAsks as Contract, StandingAsks::SignedAsk as Signed};
use provery_types::{CircuitTerms, Terms, TypedData};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    Book, Chance, ChanceView, Choices, Fact, Line, Mechanism, OptionError, OptionSpec, Past, Quote,
    QuoteView, phase,
    refusal::{Class, DEPOSIT_TOO_SMALL, Kind, Refusal, Rule},
    reward::Curve,
    view::{Decision, MarketView, MechanismAction, SlotView},
};

#[path = "standing_asks_quote.rs"]
mod quoting;

/// The highest score that has a place in a book, in ticks.
pub const MAX_SCORE: u64 = u16::MAX as u64;
/// What a second more than promised costs, in what a promised second counts.
pub const LATE_FACTOR: u64 = 2;

/// Seconds that an ask is good for when it is posted or renewed.
const LIFE: u64 = 86_400;
/// Of an ask's price, in bps: by how much it has to be off for the ask to be posted anew.
const PRICE_DRIFT_BPS: u128 = 500;
/// Likewise of what it promised: an expectation of seconds is nothing exact.
const PROMISE_DRIFT_BPS: u128 = 2_500;

/// See the module.
#[derive(Debug)]
pub struct StandingAsks;

/// Its entry in [`crate::registry`].
pub const MECHANISM: StandingAsks = StandingAsks;

/// What the terms' `mechanismParams` hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Asset wei, at most 96 bits: prices are multiples of it.
    pub tick: u128,
    /// Ticks that a promised second counts.
    pub weight: u16,
    /// Seconds in which a slot that no ask could take at once is still matched.
    pub match_window: u16,
}

impl Params {
    /// Those of these terms.
    pub fn of(terms: &Terms) -> Self {
        let word = U256::from_be_bytes(terms.mechanismParams.0);
        Self {
            tick: (word & U256::from((1_u128 << 96) - 1)).to::<u128>(),
            weight: (word >> 96_usize & U256::from(u16::MAX)).to::<u16>(),
            match_window: (word >> 112_usize & U256::from(u16::MAX)).to::<u16>(),
        }
    }

    /// The terms' `mechanismParams`.
    pub fn pack(self) -> U256 {
        let hook = if self.weight == 0 { U256::ZERO } else { crate::HOOK_ENDED };
        hook | U256::from(self.tick) | U256::from(self.weight) << 96 | U256::from(self.match_window) << 112
    }

    /// What an ask of `price` (asset wei, a multiple of the tick) and `promised` seconds scores, in ticks; nothing if that has no
    /// place in a book. The lowest score is given the next slot, of equals the one that came first.
    pub fn score(self, price: u128, promised: u64) -> Option<u16> {
        let ticks = price.checked_div(self.tick)?;
        let score = ticks.checked_add(u128::from(promised).checked_mul(self.weight.into())?)?;
        u16::try_from(score).ok()
    }

    /// Asset wei that `late` seconds more than promised cost.
    pub fn worth_of(self, late: u64) -> U256 {
        U256::from(LATE_FACTOR) * U256::from(self.weight) * U256::from(self.tick) * U256::from(late)
    }
}

/// An ask that its prover signs instead of posting it. Amounts are asset wei, times unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedAsk {
    /// Who asks, signs, and is given the slots.
    pub prover: Address,
    /// The only market it is good for.
    pub market: U256,
    /// The only version of that market's terms it is good for.
    pub version: u32,
    /// A multiple of the tick, not above the terms' price.
    pub price: U256,
    /// Seconds from the assignment in which the prover means to prove a slot.
    pub promised: u32,
    /// Slots that it may be given under this nonce, all together.
    pub capacity: u32,
    /// The last second in which it is given a slot.
    pub expiry: u64,
    /// Names the ask for its revocation.
    pub nonce: U256,
}

/// A number of an ask that its type has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ask's {0} is too large; choose a smaller one")]
pub struct AskTooLarge(&'static str);

impl SignedAsk {
    fn signed(&self) -> Result<Signed, AskTooLarge> {
        Ok(Signed {
            prover: self.prover,
            market: self.market,
            version: self.version,
            price: U96::checked_from_limbs_slice(self.price.as_limbs()).ok_or(AskTooLarge("price"))?,
            promised: self.promised,
            capacity: self.capacity,
            expiry: U40::try_from(self.expiry).map_err(|_| AskTooLarge("expiry"))?,
            nonce: self.nonce,
        })
    }

    /// What the prover signs, for the StandingAsks contract at `contract`.
    pub fn typed_data(&self, chain_id: u64, contract: Address) -> Result<TypedData, AskTooLarge> {
        let domain = eip712_domain! {
            name: "Provery Standing Asks",
            version: "1",
            chain_id: chain_id,
            verifying_contract: contract,
        };
        let message = json!({
            "prover": self.prover,
            "market": self.market.to_string(),
            "version": self.version,
            "price": self.price.to_string(),
            "promised": self.promised,
            "capacity": self.capacity,
            "expiry": self.expiry,
            "nonce": self.nonce.to_string(),
        });
        Ok(TypedData::new(&self.signed()?, &domain, message))
    }

    /// Its hash.
    pub fn digest(&self, chain_id: u64, contract: Address) -> Result<B256, AskTooLarge> {
        self.typed_data(chain_id, contract).map(|data| data.digest)
    }

    /// The mechanism's data for opening a slot with the ask.
    pub fn open_data(&self, signature: &Bytes) -> Result<Bytes, AskTooLarge> {
        Ok((self.signed()?, signature.clone()).abi_encode_params().into())
    }
}

/// A prover's ask as the contract tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What is asked; without a capacity if there is no ask.
    pub ask: Ask,
    /// The last second (unix) in which it is given a slot.
    pub expiry: u64,
    /// Ticks.
    pub score: u16,
    /// Whose deposit answers for the promise; zero where it has no weight.
    pub key: Address,
}

/// What to call the contract with for the ask of a prover under these terms of a market's, and what the answer says.
pub fn ask_request(market: U256, terms: &Terms, prover: Address) -> Bytes {
    let arguments = (market, terms.clone(), prover).abi_encode_params();
    [Contract::askOfCall::SELECTOR.as_slice(), &arguments].concat().into()
}

/// The answer to [`ask_request`]; nothing if it is none.
pub fn ask_answer(answer: &[u8]) -> Option<Standing> {
    let stands = Contract::askOfCall::abi_decode_returns(answer).ok()?;
    Some(Standing {
        ask: Ask { price: stands.price.to::<u128>(), promised: stands.promised, capacity: stands.capacity },
        expiry: stands.expiry.to::<u64>(),
        score: stands.score,
        key: stands.key,
    })
}

/// The call that posts an ask; nothing if a number has no room.
pub fn post_call(market: U256, terms: &Terms, prover: Address, ask: Ask, expiry: u64) -> Option<Bytes> {
    let (price, expiry) = (U96::try_from(ask.price).ok()?, U40::try_from(expiry).ok()?);
    let arguments =
        (market, terms.clone(), prover, price, ask.promised, ask.capacity, expiry).abi_encode_params();
    Some([Contract::postCall::SELECTOR.as_slice(), &arguments].concat().into())
}

/// Asset wei locked when a slot is given to an ask that promised this, and the most that breaking the promise costs.
pub fn promise_bond(terms: &Terms, promised: u64) -> U256 {
    Params::of(terms).worth_of(u64::from(terms.exclusiveWindow).saturating_sub(promised))
}

/// Asset wei that a proof burns which its slot's holder delivers `elapsed` seconds after the slot was given to it.
pub fn burned_at(terms: &Terms, promised: u64, elapsed: u64) -> U256 {
    Params::of(terms).worth_of(elapsed.saturating_sub(promised)).min(promise_bond(terms, promised))
}

/// The place of the ask that is given the next slot, of those able: scores in the order in which their asks came.
pub fn first(scores: &[u16]) -> Option<usize> {
    (0..scores.len()).min_by_key(|place| scores[*place])
}

/// An ask, as this prover wants it or as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Asset wei, a multiple of the tick.
    pub price: u128,
    /// Seconds.
    pub promised: u32,
    /// Slots.
    pub capacity: u32,
}

/// The ask that this prover would have now, with a capacity of 0 while it can hold no more; nothing where no price pays or no proof
/// is in time.
///
/// Where a promise has a weight it is what one proof is expected to take, which is best at the price of breaking it, and so for no more
/// slots than there are workers. Where it has none, the window is what there is.
pub fn wanted(view: &MarketView<'_>) -> Option<Ask> {
    let (params, window) = (Params::of(view.terms), u64::from(view.terms.exclusiveWindow));
    let proof = view.estimated_proving_seconds.max(1);
    if proof >= window {
        return None;
    }
    let in_a_row = if params.weight == 0 { window / proof } else { 1 };
    let workers = view.workers.max(1);
    let at_once = workers.saturating_mul(in_a_row).saturating_sub(view.held);
    let bonds = view.room.checked_div(view.terms.bond.to::<U256>())?.saturating_to::<u64>();
    let capacity = u32::try_from(at_once.min(bonds)).unwrap_or(u32::MAX);
    let promised = proof.saturating_mul(in_a_row).min(window);
    let price = least_price(view, params, promised)?;
    params.score(price, promised)?;
    Some(Ask { price, promised: u32::try_from(promised).ok()?, capacity })
}

/// The least multiple of the tick (asset wei, at most the terms' price) that pays what this prover works for, delivered as promised.
fn least_price(view: &MarketView<'_>, params: Params, promised: u64) -> Option<u128> {
    let pays = |price: u128| {
        let curve = Curve {
            price,
            floor_bps: view.terms.floorBps,
            fast_window: view.terms.fastWindow,
            exclusive_window: view.terms.exclusiveWindow,
            royalty_bps: CircuitTerms::read(view.terms).royalty_bps,
        };
        curve.earned(promised) >= view.minimum_reward
    };
    // The reward never falls as the price rises, so halving finds the least.
    let (mut low, mut high) = (0, view.terms.price.to::<u128>().checked_div(params.tick)?);
    if !pays(high * params.tick) {
        return None;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if pays(middle * params.tick) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(high * params.tick)
}

/// Whether one number is off another by more than the drift allowed, in bps.
fn is_off(wanted: u128, stands: u128, drift: u128) -> bool {
    wanted.abs_diff(stands) > stands.saturating_mul(drift) / 10_000
}

fn post(view: &MarketView<'_>, ask: Ask, expiry: u64) -> Option<MechanismAction> {
    let data = post_call(view.market, view.terms, view.me, ask, expiry)?;
    Some(MechanismAction { kind: "ask", to: view.terms.mechanism, data, within: None })
}

fn top_up(view: &MarketView<'_>, slots: u32, expiry: u64) -> Option<MechanismAction> {
    let expiry = U40::try_from(expiry).ok()?;
    let arguments = (view.market, view.terms.clone(), view.me, slots, expiry).abi_encode_params();
    Some(MechanismAction::encoded("top_up", view.terms.mechanism, Contract::topUpCall::SELECTOR, &arguments))
}

impl crate::Standing for StandingAsks {
    fn request(&self, view: &MarketView<'_>) -> Bytes {
        ask_request(view.market, view.terms, view.me)
    }

    fn action(&self, view: &MarketView<'_>, answer: &[u8]) -> Option<MechanismAction> {
        if !view.taking {
            return None;
        }
        let Standing { ask: stands, expiry: ends, .. } = ask_answer(answer)?;
        let wanted = wanted(view)?;
        let left = stands.capacity;
        let expiry = view.now.saturating_add(LIFE);
        let off = is_off(wanted.price, stands.price, PRICE_DRIFT_BPS)
            || is_off(wanted.promised.into(), stands.promised.into(), PROMISE_DRIFT_BPS);
        if left == 0 || ends < view.now || off {
            return if wanted.capacity == 0 { None } else { post(view, wanted, expiry) };
        }
        // Adding slots costs the place among equals, and a transaction: not for every one that is gone.
        let missing = wanted.capacity.saturating_sub(left);
        if missing >= left {
            return top_up(view, missing, expiry.max(ends));
        }
        if ends < view.now.saturating_add(LIFE / 2) { top_up(view, 0, expiry) } else { None }
    }
}

/// The second (unix) at which this prover's turn to match a slot comes: in the first half of the window, so that not everybody pays for
/// what one does.
fn match_turn(view: &SlotView<'_>) -> u64 {
    let half = u64::from(Params::of(view.terms).match_window) / 2;
    let [place, ..] = phase::turn_hash(view.slot, view.me);
    view.slot.openedAt.to::<u64>().saturating_add(half * u64::from(place) / 256)
}

const NO_ASK: &str = "the prover has no ask in this market under these terms; post one first";
const ODD_ASK: &str = "the ask does not fit the market's terms; look at its tick, price and exclusive window with `provery market show`";

const REFUSALS: [Refusal; 12] = [
    DEPOSIT_TOO_SMALL,
    Refusal::new(
        "TermsNotInForce",
        Class::NotYet,
        Kind::OfferInvalid,
        "the market's terms have changed; read them again and ask under those",
    ),
    Refusal::new(
        "ProverNotAble",
        Class::NotYet,
        Kind::Busy,
        "the prover could not bond a slot now: it is paused, suspended, did not accept the terms, or has no exposure left",
    ),
    Refusal::new("PriceOffTick", Class::Failing, Kind::OfferInvalid, ODD_ASK),
    Refusal::new("PriceTooHigh", Class::Failing, Kind::OfferInvalid, ODD_ASK),
    Refusal::new("PromiseInvalid", Class::Failing, Kind::OfferInvalid, ODD_ASK),
    Refusal::new("ScoreTooHigh", Class::Failing, Kind::OfferInvalid, ODD_ASK),
    Refusal::new("CapacityInvalid", Class::Failing, Kind::OfferInvalid, ODD_ASK),
    Refusal::new(
        "ExpiryTooEarly",
        Class::Failing,
        Kind::OfferExpired,
        "the ask would end before it is of use, or sooner than it does; choose a later time",
    ),
    Refusal::new("AskNotFound", Class::Raced, Kind::OfferInvalid, NO_ASK),
    Refusal::new(
        "BookEmpty",
        Class::NotYet,
        Kind::NotReady,
        "no prover asks for the slot; it opens to all once its window is over",
    ),
    Refusal::new(
        "SlotNotUndecided",
        Class::Raced,
        Kind::WrongTime,
        "the slot is not to be matched: it ended, is held, or is open to all",
    ),
];

const RULES: [Rule; 3] = [
    Rule::new(
        "tick",
        "--mechanism-option tick must be above 0, and large enough that price and promised seconds together are 65,535 ticks at most",
    ),
    Rule::new("matchWindow", "--mechanism-option match must be above 0"),
    Rule::new(
        "weight",
        "--mechanism-option weight must be smaller, or --bond larger: all that a promise can lose must be less than what a rescue leaves \
         of the bond",
    ),
];

impl Mechanism for StandingAsks {
    fn name(&self) -> &'static str {
        "StandingAsks"
    }

    fn word(&self) -> &'static str {
        "asks"
    }

    fn code(&self) -> &'static Bytes {
        &Contract::BYTECODE
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[
            OptionSpec { name: "tick", help: "asset that prices are multiples of", default: Some("0.001") },
            OptionSpec {
                name: "weight",
                help: "asset that a promised second counts, a multiple of the tick; 0 for the price alone",
                default: Some("0"),
            },
            OptionSpec {
                name: "match",
                help: "seconds in which a slot that no ask could take is still matched",
                default: Some("10"),
            },
        ]
    }

    fn params(&self, choices: &Choices) -> Result<B256, OptionError> {
        let tick = choices.amount("tick", 96)?;
        let weight = choices.amount("weight", 96)?;
        let ticks = match weight.checked_rem(tick) {
            // The contract refuses a tick of nothing.
            None => Some(0),
            Some(0) => u16::try_from(weight / tick).ok(),
            Some(_) => None,
        };
        let problem =
            || "it is no whole number of ticks, or more than 65,535 of them; choose another".to_owned();
        let weight = ticks.ok_or_else(|| OptionError::Amount { name: "weight", problem: problem() })?;
        Ok(Params { tick, weight, match_window: choices.number("match")? }.pack().into())
    }

    fn refusals(&self) -> &'static [Refusal] {
        &REFUSALS
    }

    fn rules(&self) -> &'static [Rule] {
        &RULES
    }

    fn sample(&self) -> &'static [&'static str] {
        &["tick=0.001", "weight=0.01", "match=4"]
    }

    fn wants_deposit(&self) -> bool {
        true
    }

    /// What the worst promise locks.
    fn deposit(&self, terms: &Terms) -> Option<u128> {
        let bond = promise_bond(terms, 0).saturating_to::<u128>();
        (bond != 0).then_some(bond)
    }

    fn decide(&self, view: &SlotView<'_>) -> Decision {
        phase::decide(view)
    }

    fn action(&self, view: &SlotView<'_>) -> Option<MechanismAction> {
        let undecided = view.slot.prover.is_zero() && view.now < view.exclusive_until();
        if !undecided || view.now < match_turn(view) || !view.accepts_price(view.terms.price.to::<u128>()) {
            return None;
        }
        let arguments = (view.slot.clone(), view.terms.clone()).abi_encode_params();
        Some(MechanismAction::encoded(
            "match",
            view.terms.mechanism,
            Contract::matchSlotCall::SELECTOR,
            &arguments,
        ))
    }

    fn standing(&self) -> Option<&'static dyn crate::Standing> {
        Some(&MECHANISM)
    }

    fn book(&self) -> Option<&'static dyn Book> {
        Some(&MECHANISM)
    }

    fn quote(&self, view: &QuoteView<'_>) -> Quote {
        quoting::quote(view)
    }

    fn chance(&self, view: &ChanceView<'_>) -> Chance {
        quoting::chance(view)
    }

    fn explain(&self, past: &Past<'_>) -> Vec<Line> {
        let params = Params::of(past.terms);
        let mut lines = vec![Line::new(
            "the able ask with the lowest score was first: its price in ticks of {tick}, and {weight} ticks for each second that it promised",
            [("tick", Fact::Amount(params.tick)), ("weight", Fact::Number(params.weight.into()))],
        )];
        for (at, log) in past.log {
            if let Ok(taken) = Contract::AskTaken::decode_log_data(log) {
                lines.push(taken_line(past, params, *at, &taken));
            } else if let Ok(unused) = Contract::SignedAskUnused::decode_log_data(log) {
                lines.push(Line::new(
                    "its requester had an ask that {prover} had signed, which was not used: {why}",
                    [("prover", Fact::Account(unused.prover)), ("why", Fact::Text(lack(&unused.reason)))],
                ));
            } else if let Ok(broken) = Contract::PromiseBroken::decode_log_data(log) {
                lines.push(Line::new(
                    "it was proven {late} later than promised, which burned {burned} of the deposit of {key}",
                    [
                        ("late", Fact::Seconds(broken.late.saturating_to())),
                        ("burned", Fact::Amount(broken.toBurn.saturating_to())),
                        ("key", Fact::Account(broken.key)),
                    ],
                ));
            }
        }
        if past.assigned.is_zero() {
            let most = ("most", Fact::Amount(past.terms.price.to()));
            lines.push(if past.is_undecided() {
                Line::new(
                    "no ask was able to take it as it opened; until {until} anybody may match it with one",
                    [("until", Fact::Time(past.exclusive_until()))],
                )
            } else {
                Line::new("no ask was able to take it, so it was open to all at {most}", [most])
            });
        }
        lines
    }
}

fn taken_line(past: &Past<'_>, params: Params, at: u64, taken: &Contract::AskTaken) -> Line {
    let says = match (taken.isSigned, at > past.opened_at()) {
        (true, _) => {
            "{prover} had signed an ask of {price} and {promised}, a score of {score} ticks, which was below every able one in the book"
        }
        (false, false) => {
            "{prover} had the best ask as it opened: {price} and {promised}, a score of {score} ticks; {left} slots of it are left"
        }
        (false, true) => {
            "it was matched {after} after the opening with the best ask, that of {prover}: {price} and {promised}, a score of {score} \
             ticks; {left} slots of it are left"
        }
    };
    let price = taken.price.to::<u128>();
    let facts = [
        ("prover", Fact::Account(taken.prover)),
        ("price", Fact::Amount(price)),
        ("promised", Fact::Seconds(taken.promised.into())),
        ("score", Fact::Number(params.score(price, taken.promised.into()).unwrap_or_default().into())),
        ("left", Fact::Number(taken.left.saturating_to())),
        ("after", Fact::Seconds(at.saturating_sub(past.opened_at()))),
    ];
    Line::new(says, facts.into_iter().filter(|(name, _)| says.contains(&format!("{{{name}}}"))))
}

/// What a signed ask lacked, from the contract's word for it.
fn lack(reason: &B256) -> &'static str {
    match reason.as_slice().split(|byte| *byte == 0).next().unwrap_or_default() {
        b"score" => "the book had one as good",
        b"market" => "it is for another market",
        b"version" => "it is for another version of the terms",
        b"expiry" => "it had ended",
        b"price" => "its price does not fit the terms",
        b"promised" => "its promise does not fit the terms",
        b"capacity" => "all its slots were used, or it was cancelled",
        b"deposit" => "its prover's deposit did not cover the promise",
        b"prover" => "its prover could not back the bond",
        b"signature" => "it is not signed by its prover",
        _ => "for a reason that this program does not know",
    }
}

#[cfg(test)]
#[path = "standing_asks_tests.rs"]
mod tests;
