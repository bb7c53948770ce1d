//! The stake lottery: the contract draws the winner as the slot opens, so all that is left to a prover is to prove what
//! it won and to rescue what others missed. Why a draw went as it did is [`crate::draw`]'s to say.

use alloy::{primitives::Bytes, sol_types::SolValue};
use provery_bindings::StakeLottery as Contract;

use crate::{
    Chance, ChanceView, Fact, Line, Mechanism, Parts, Past, Quote, QuoteView,
    draw::PassedOver,
    phase,
    refusal::{Class, HISTORY_MISSING, Kind, Refusal, SEED_MISSING},
    view::{Decision, SlotView},
};

/// See the module.
#[derive(Debug)]
pub struct StakeLottery;

/// Its entry in [`crate::registry`].
pub const MECHANISM: StakeLottery = StakeLottery;

const HEADERS: &str = "the headers that the RPC gave do not lead to the epoch's seed block; run this again, or use another node";

const REFUSALS: [Refusal; 8] = [
    SEED_MISSING,
    HISTORY_MISSING,
    Refusal::new(
        "BondZero",
        Class::Failing,
        Kind::TermsRejected,
        "--bond must be above 0 under this mechanism",
    ),
    // The epoch is over, or a reorg took the seed's block.
    Refusal::new(
        "EpochOutOfReach",
        Class::Raced,
        Kind::NotReady,
        "that epoch needs no seed any more, or its seed block is not there yet; wait until it is due",
    ),
    Refusal::new("HeaderMalformed", Class::Failing, Kind::Endpoint, HEADERS),
    Refusal::new("HeaderUnknown", Class::Raced, Kind::Endpoint, HEADERS),
    Refusal::new("NotSeedBlock", Class::Raced, Kind::Endpoint, HEADERS),
    Refusal::new("ParentMismatch", Class::Raced, Kind::Endpoint, HEADERS),
];

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

    fn draws(&self) -> bool {
        true
    }

    fn refusals(&self) -> &'static [Refusal] {
        &REFUSALS
    }

    fn decide(&self, view: &SlotView<'_>) -> Decision {
        phase::decide(view)
    }

    fn quote(&self, view: &QuoteView<'_>) -> Quote {
        Quote::fixed(view, "the terms fix the price, and the holder is drawn by stake as the slot opens")
    }

    fn chance(&self, view: &ChanceView<'_>) -> Chance {
        let says = "its share of the weight that slots are drawn by";
        Chance::by_weight(view.weight, view.others, view.quote.most(), says)
    }

    fn explain(&self, past: &Past<'_>) -> Vec<Line> {
        let Some(draw) = past.draw else {
            return vec![Line::new("its epoch had no seed, so it was open to all from the start", [])];
        };
        let mut lines = vec![Line::new(
            "epoch {epoch} had the seed {seed} and {total} units of frozen weight",
            [
                ("epoch", Fact::Number(draw.epoch)),
                ("seed", Fact::Word(draw.seed)),
                ("total", Fact::Number(draw.total_weight)),
            ],
        )];
        if draw.attempts.is_empty() {
            lines.push(Line::new(
                "nobody had weight in this epoch, so the slot was open to all from the start",
                [],
            ));
        }
        for attempt in &draw.attempts {
            let (why, money) = match &attempt.passed_over {
                None => ("it won", None),
                Some(PassedOver::Paused) => ("passed over, because it had paused itself", None),
                Some(PassedOver::Suspended) => ("passed over, because it was suspended in this market", None),
                Some(PassedOver::TermsNotAccepted) => {
                    ("passed over, because it had not accepted these terms", None)
                }
                Some(PassedOver::NotAble) => ("passed over, because it was not able to back the bond", None),
                Some(PassedOver::TooLittleFreeStake { free, bond }) => (
                    "passed over, because too little of its stake in the market was free",
                    Some((*free, *bond)),
                ),
            };
            lines.push(Line::new(
                "{point} of {of} fell to prover {id} ({prover}), which held {weight} units: {why}",
                [
                    ("point", Fact::Number(attempt.drawn.point)),
                    ("of", Fact::Number(attempt.drawn.total)),
                    ("id", Fact::Number(attempt.drawn.id.into())),
                    ("prover", Fact::Account(attempt.prover)),
                    ("weight", Fact::Number(attempt.drawn.weight)),
                    ("why", Fact::Text(why)),
                ],
            ));
            if let Some((free, bond)) = money {
                lines.push(Line::new(
                    "{free} of it was free, and the bond is {bond}",
                    [("free", Fact::Amount(free)), ("bond", Fact::Amount(bond))],
                ));
            }
        }
        match draw.winner {
            Some(_) => {
                let chance = (10_000.0 * draw.chance()).round() as u64;
                lines.push(Line::new("its chance was {chance} a draw", [("chance", Fact::Bps(chance))]));
            }
            None if draw.attempts.is_empty() => {}
            None => lines.push(Line::new(
                "no attempt found a prover that could back the bond, so the slot was open to all from the start",
                [],
            )),
        }
        lines.push(Line::new(
            if draw.agrees {
                "this is what the chain did"
            } else {
                "the chain did otherwise: its logs and this replay disagree, which should be reported"
            },
            [],
        ));
        lines
    }
}
