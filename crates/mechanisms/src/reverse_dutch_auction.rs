//! The reverse Dutch auction: wait until the price pays, then lock before the others do.

use alloy::{
    primitives::{B256, Bytes, U256},
    sol_types::{SolCall, SolValue},
};
use provery_bindings::ReverseDutchAuction as Contract;
use provery_types::{Slot, Terms};

use crate::{
    Chance, ChanceView, Choices, Fact, Line, Mechanism, OptionError, OptionSpec, Past, Quote, QuoteView,
    phase,
    refusal::Rule,
    view::{Decision, MechanismAction, SlotView},
};

/// See the module.
#[derive(Debug)]
pub struct ReverseDutchAuction;

/// Its entry in [`crate::registry`].
pub const MECHANISM: ReverseDutchAuction = ReverseDutchAuction;

/// What the terms' `mechanismParams` hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Asset wei.
    pub floor_price: u128,
    /// Seconds in which the price climbs from the floor to the terms' price.
    pub rise: u32,
}

impl Params {
    /// Those of these terms.
    pub fn of(terms: &Terms) -> Self {
        let word = U256::from_be_bytes(terms.mechanismParams.0);
        Self {
            floor_price: (word & U256::from((1_u128 << 96) - 1)).to::<u128>(),
            rise: (word >> 96_usize & U256::from(u32::MAX)).to::<u32>(),
        }
    }

    /// The terms' `mechanismParams`.
    pub fn pack(self) -> U256 {
        U256::from(self.floor_price) | U256::from(self.rise) << 96
    }

    /// The price (asset wei) `elapsed` seconds after the opening: floor + (cap - floor) * elapsed / rise, rounded down.
    pub fn price(self, cap: u128, elapsed: u64) -> u128 {
        let rise = u64::from(self.rise);
        if elapsed >= rise {
            return cap;
        }
        // 96 bits times 32 fit into 128.
        self.floor_price
            + cap.saturating_sub(self.floor_price) * u128::from(elapsed) / u128::from(rise.max(1))
    }
}

/// The price at `now` (unix seconds) of a slot that nobody has locked.
pub fn price_at(slot: &Slot, terms: &Terms, now: u64) -> u128 {
    Params::of(terms).price(terms.price.to::<u128>(), now.saturating_sub(slot.openedAt.to::<u64>()))
}

const RULES: [Rule; 2] = [
    Rule::new("floorPrice", "--mechanism-option floor must not be above --price"),
    Rule::new("rise", "--mechanism-option rise must be above 0"),
];

impl Mechanism for ReverseDutchAuction {
    fn name(&self) -> &'static str {
        "ReverseDutchAuction"
    }

    fn word(&self) -> &'static str {
        "dutch"
    }

    fn code(&self) -> &'static Bytes {
        &Contract::BYTECODE
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[
            OptionSpec { name: "floor", help: "the price at the opening", default: Some("0") },
            OptionSpec {
                name: "rise",
                help: "seconds in which the price climbs to the terms' price",
                default: Some("30"),
            },
        ]
    }

    fn params(&self, choices: &Choices) -> Result<B256, OptionError> {
        let params = Params { floor_price: choices.amount("floor", 96)?, rise: choices.number("rise")? };
        Ok(params.pack().into())
    }

    fn rules(&self) -> &'static [Rule] {
        &RULES
    }

    fn sample(&self) -> &'static [&'static str] {
        &["floor=1", "rise=15"]
    }

    fn decide(&self, view: &SlotView<'_>) -> Decision {
        phase::decide(view)
    }

    fn quote(&self, view: &QuoteView<'_>) -> Quote {
        let params = Params::of(view.terms);
        let says = Line::new(
            "the price climbs from {floor} at the opening to {most} within {rise}, and whoever locks it first has it at the price \
             of that moment; the middle of what was locked of late is expected",
            [
                ("floor", Fact::Amount(params.floor_price)),
                ("most", Fact::Amount(view.most())),
                ("rise", Fact::Seconds(params.rise.into())),
            ],
        );
        Quote {
            least: params.floor_price.min(view.most()),
            most: view.most(),
            expected: view.usual(),
            decided_within: params.rise.into(),
            serving: view.able,
            says,
        }
    }

    /// Whoever asks for less locks first, and at less: the price of the past, unless that would not pay here.
    fn chance(&self, view: &ChanceView<'_>) -> Chance {
        Chance::at_the_usual_price(
            view,
            "as good as that of each prover that could lock",
            "others lock for less than a slot costs here",
        )
    }

    fn explain(&self, past: &Past<'_>) -> Vec<Line> {
        let params = Params::of(past.terms);
        let most = past.terms.price.to::<u128>();
        let mut lines = vec![Line::new(
            "its price climbed from {floor} at the opening to {most}, {rise} later; the first to lock it got it at the price of \
             that moment",
            [
                ("floor", Fact::Amount(params.floor_price)),
                ("most", Fact::Amount(most)),
                ("rise", Fact::Seconds(params.rise.into())),
            ],
        )];
        lines.push(if !past.assigned.is_zero() {
            let locked = past.slot.startedAt.to::<u64>().saturating_sub(past.opened_at());
            Line::new(
                "{prover} locked it {after} after the opening, at {price}",
                [
                    ("prover", Fact::Account(past.assigned)),
                    ("after", Fact::Seconds(locked)),
                    ("price", Fact::Amount(past.slot.price.to())),
                ],
            )
        } else if past.is_undecided() {
            let now = price_at(past.slot, past.terms, past.now);
            Line::new("nobody has locked it; who does it now gets {price}", [("price", Fact::Amount(now))])
        } else {
            Line::new("nobody locked it, so it was open to all at {most}", [("most", Fact::Amount(most))])
        });
        lines
    }

    fn action(&self, view: &SlotView<'_>) -> Option<MechanismAction> {
        let undecided = view.slot.prover.is_zero() && view.now < view.exclusive_until();
        if !undecided || !view.accepts_price(price_at(view.slot, view.terms, view.now)) {
            return None;
        }
        let arguments = (view.slot.clone(), view.terms.clone(), view.me).abi_encode_params();
        Some(MechanismAction::encoded("lock", view.terms.mechanism, Contract::lockCall::SELECTOR, &arguments))
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{
        Address,
        aliases::{U40, U96},
    };

    use super::*;
    use crate::testing::{cases_of, number, slot, terms, view};

    const ME: Address = Address::repeat_byte(0x11);

    #[test]
    fn shared_vectors() {
        for case in cases_of(include_str!("../../../tests/vectors/mechanisms.json"), "dutch") {
            let params = Params { floor_price: number(&case["floor"]), rise: number(&case["rise"]) as u32 };
            let elapsed = (number(&case["time"]) as u64).saturating_sub(number(&case["openedAt"]) as u64);
            assert_eq!(params.price(number(&case["cap"]), elapsed), number(&case["price"]), "{case}");
        }
    }

    #[test]
    fn a_dutch_auction_is_explained_by_its_curve_and_who_locked() {
        use crate::explain::testing::{past, told};
        let params = Params { floor_price: 100, rise: 90 };
        let terms = Terms { mechanismParams: B256::from(params.pack()), ..terms() };
        let locked = Slot { startedAt: U40::from(1_010), price: U96::from(200), ..slot(ME) };
        let lines = told(&MECHANISM.explain(&past(&locked, &terms, &[])));
        assert!(lines[0].contains("from 100 wei at the opening to 1000 wei, 90 s later"), "{lines:?}");
        assert_eq!(lines[1], "0x11 locked it 10 s after the opening, at 200 wei");

        let open = Slot { exclusiveUntil: U40::from(1_090), ..slot(Address::ZERO) };
        let says = |now| told(&MECHANISM.explain(&Past { now, ..past(&open, &terms, &[]) })).remove(1);
        assert_eq!(says(1_045), "nobody has locked it; who does it now gets 550 wei");
        assert_eq!(says(1_090), "nobody locked it, so it was open to all at 1000 wei");
    }

    #[test]
    fn locks_when_the_price_pays_and_never_below() {
        let params = Params { floor_price: 100, rise: 90 };
        let terms = Terms { mechanismParams: B256::from(params.pack()), ..terms() };
        assert_eq!(Params::of(&terms), params);
        let slot = Slot { exclusiveUntil: U40::from(1_090), ..slot(Address::ZERO) };
        let locks = |now, minimum_reward| {
            let view = SlotView { minimum_reward, ..view(&slot, &terms, ME, now, &[]) };
            MECHANISM.action(&view).is_some()
        };
        // Delivered after 30 of 100 seconds, a price p pays p less an eighth of its 40% above the floor: 0.95 p.
        assert!(!locks(1_000, 96));
        assert!(locks(1_000, 95));
        let first = (1_000..1_090).find(|now| locks(*now, 500)).expect("it pays before the end");
        assert_eq!(first, 1_043);
        assert!(!locks(1_090, 0), "open to all");
    }

    #[test]
    fn takes_nothing_it_cannot_finish_or_should_not_take() {
        let params = Params { floor_price: 1_000, rise: 90 };
        let terms = Terms { mechanismParams: B256::from(params.pack()), ..terms() };
        let undecided = Slot { exclusiveUntil: U40::from(1_090), ..slot(Address::ZERO) };
        let view = view(&undecided, &terms, ME, 1_000, &[]);
        assert!(MECHANISM.action(&view).is_some());
        assert!(MECHANISM.action(&SlotView { queue_seconds: 70, ..view.clone() }).is_none(), "too late");
        assert!(MECHANISM.action(&SlotView { taking: false, ..view.clone() }).is_none(), "not taking");
        let held = slot(Address::repeat_byte(9));
        assert!(MECHANISM.action(&SlotView { slot: &held, ..view }).is_none(), "locked");
    }
}
