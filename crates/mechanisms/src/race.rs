//! The race: everyone proves at once, and the first proof wins. With a handicap, whoever won more than its stake's share of
//! late is heard later.

use alloy::primitives::{B256, Bytes, U256};
use provery_bindings::Race as Contract;
use provery_types::Terms;

use crate::{
    Chance, ChanceView, Choices, Fact, Line, Mechanism, OptionError, OptionSpec, Past, Quote, QuoteView,
    phase,
    refusal::{Class, Kind, Refusal, Rule},
    view::{Decision, Reason, SlotView},
};

/// See the module.
#[derive(Debug)]
pub struct Race;

/// Its entry in [`crate::registry`].
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
    /// Those of these terms.
    pub fn of(terms: &Terms) -> Self {
        let word = U256::from_be_bytes(terms.mechanismParams.0);
        Self { window: word.byte(0), delay: (word >> 8_usize & U256::from(u32::MAX)).to::<u32>() }
    }

    /// The terms' `mechanismParams`.
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

const REFUSALS: [Refusal; 1] = [Refusal::new(
    "HandicapNotOver",
    Class::NotYet,
    Kind::NotReady,
    "the payee has won more than its share of late; its proof is taken from the second named",
)];

const RULES: [Rule; 2] = [
    Rule::new("window", "--mechanism-option window must be above 0, and smaller"),
    Rule::new("delay", "--mechanism-option delay must be above 0 and below --exclusive"),
];

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

    fn assigns(&self) -> bool {
        false
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[
            OptionSpec {
                name: "window",
                help: "slots over which wins are counted for the handicap; 0 for none",
                default: Some("0"),
            },
            OptionSpec {
                name: "delay",
                help: "seconds that a payee over its share waits",
                default: Some("0"),
            },
        ]
    }

    fn params(&self, choices: &Choices) -> Result<B256, OptionError> {
        Ok(Params { window: choices.number("window")?, delay: choices.number("delay")? }.pack().into())
    }

    /// As soon as the slot is open, whoever else may be at it.
    fn refusals(&self) -> &'static [Refusal] {
        &REFUSALS
    }

    fn rules(&self) -> &'static [Rule] {
        &RULES
    }

    fn decide(&self, view: &SlotView<'_>) -> Decision {
        match phase::decide(view) {
            Decision::Wait { reason: Reason::OthersFirst, .. } => {
                phase::decide(&SlotView { rescue_rank: 0, ..view.clone() })
            }
            decision => decision,
        }
    }

    fn quote(&self, view: &QuoteView<'_>) -> Quote {
        let says = "the terms fix the price, and anybody's first valid proof is paid";
        Quote { serving: view.lately, ..Quote::fixed(view, says) }
    }

    fn chance(&self, view: &ChanceView<'_>) -> Chance {
        let says = "as good as that of each prover that won slots of late; the fastest wins more";
        Chance::equal(view.quote.lately, view.quote.most(), says)
    }

    fn explain(&self, past: &Past<'_>) -> Vec<Line> {
        let params = Params::of(past.terms);
        let mut lines = Vec::new();
        if params == Params::default() {
            lines.push(Line::new("nobody holds a slot of a race: the first valid proof wins", []));
        } else {
            lines.push(Line::new(
                "nobody holds a slot of a race: the first valid proof wins, but who won its stake's share of the last {window} \
                 slots is heard {delay} after the opening",
                [
                    ("window", Fact::Number(params.window.into())),
                    ("delay", Fact::Seconds(params.delay.into())),
                ],
            ));
        }
        let Some((payee, at)) = past.proven else {
            lines.push(Line::new("nobody proved it", []));
            return lines;
        };
        let after = ("after", Fact::Seconds(at.saturating_sub(past.opened_at())));
        lines.push(Line::new(
            "{payee} was first, {after} after the opening",
            [("payee", Fact::Account(payee)), after],
        ));
        if params == Params::default() {
            return lines;
        }
        let counted = usize::from(params.window).saturating_sub(1).min(past.winners.len());
        let recent = past.winners.iter().rev().take(counted);
        let wins = recent.filter(|winner| **winner == payee).count() as u64;
        let (weight, total) = past.weight;
        let says = match (total, params.waits(weight, total, wins)) {
            (0, _) => "nobody had stake in the market, so nobody had to wait",
            (_, true) => {
                "it had {weight} of {total} units of stake and had won {wins} of the {counted} slots before, its share: it was \
                 heard from {heard} on"
            }
            (_, false) => {
                "it had {weight} of {total} units of stake and had won {wins} of the {counted} slots before, below its share: \
                 it was heard at once"
            }
        };
        let facts = [
            ("weight", Fact::Number(weight)),
            ("total", Fact::Number(total)),
            ("wins", Fact::Number(wins)),
            ("counted", Fact::Number(counted as u64)),
            ("heard", Fact::Time(past.slot.startedAt.to::<u64>().saturating_add(params.delay.into()))),
        ];
        lines.push(Line::new(
            says,
            facts.into_iter().filter(|(name, _)| says.contains(&format!("{{{name}}}"))),
        ));
        lines
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;

    use super::*;
    use crate::{
        explain::testing::{past, told},
        testing::{cases_of, number, slot, terms, view},
    };

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
    fn a_race_is_explained_by_who_won_and_its_handicap() {
        let (slot, plain) = (slot(Address::ZERO), terms());
        let (me, other) = (Address::repeat_byte(0x11), Address::repeat_byte(0x22));
        let past = Past { proven: Some((me, 1_007)), ..past(&slot, &plain, &[]) };
        assert_eq!(told(&MECHANISM.explain(&past))[1..], ["0x11 was first, 7 s after the opening"]);

        let handicap =
            Terms { mechanismParams: B256::from(Params { window: 4, delay: 9 }.pack()), ..terms() };
        let past = Past { terms: &handicap, winners: &[me, me, other, me], weight: (50, 100), ..past };
        let says = |past: &Past<'_>| told(&MECHANISM.explain(past)).pop().expect("a last line");
        assert_eq!(
            says(&past),
            "it had 50 of 100 units of stake and had won 2 of the 3 slots before, its share: it was heard from @1009 on"
        );
        let lucky = Past { winners: &[me, other, other, me], ..past };
        assert!(says(&lucky).ends_with("won 1 of the 3 slots before, below its share: it was heard at once"));
        assert!(says(&Past { weight: (0, 0), ..past }).starts_with("nobody had stake"));
        assert_eq!(says(&Past { proven: None, ..past }), "nobody proved it");
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
