//! Which markets are left alone because a proof takes longer here than they allow.

use alloy::primitives::{Address, U256};
use eyre::Result;
use provery_types::{RollupRecord, Terms, text::plain};
use provery_workloads::{Refusal, Why};

use crate::{
    commands::calibrate::{self, Calibration},
    config,
    context::Context,
    error::{Code, fail},
    session::{Session, patiently},
    terms,
};

/// Whether whoever is given a slot under these terms would lose its bond, for a proof takes so many seconds.
fn is_too_slow(session: &Session, terms: &Terms, seconds: Option<u64>) -> bool {
    let assigns = terms::mechanism_at(session.deployment(), terms.mechanism).is_some_and(|it| it.assigns());
    assigns && exceeds(seconds, terms.exclusiveWindow.into())
}

/// A proof that is there as the window ends is too late.
fn exceeds(seconds: Option<u64>, window: u64) -> bool {
    seconds.is_some_and(|seconds| seconds >= window)
}

/// Seconds that a proof for a market's slots takes on this machine, if it was measured.
pub(crate) fn measured(session: &Session, market: U256) -> Option<u64> {
    let rollup = session.deployment().rollup_of_market(market)?;
    let file = config::keys_dir(None).join(calibrate::FILE);
    Calibration::load(&file).ok()?.seconds_of(&rollup.circuit)
}

/// Before stake answers for slots of a market: refuse where every bond would be lost.
pub(crate) fn refuse_slow(
    session: &Session,
    market: U256,
    terms: &Terms,
    seconds: Option<u64>,
) -> Result<()> {
    if !is_too_slow(session, terms, seconds) {
        return Ok(());
    }
    Err(fail(
        Code::TooSlow,
        format!(
            "a proof for market {market} takes {} s here, as measured, and its holder has {} s, so every bond would be lost and nothing was \
             sent; `provery market match` shows what this machine can prove in time, and --exposure says that proofs are made elsewhere",
            seconds.unwrap_or_default(),
            terms.exclusiveWindow
        ),
    ))
}

/// Those of `rollups` that this machine proves in time, as far as it was measured; the others are added to `refused`, or are an error
/// if the markets were `named`. One where slots of the prover's are open is served whatever it takes: a late proof still saves a bond
/// that nobody has taken.
pub(super) async fn in_time(
    context: &Context,
    session: &Session,
    (prover, rollups): (Address, Vec<RollupRecord>),
    measured: Option<&Calibration>,
    here: impl Fn(&RollupRecord) -> bool,
    named: bool,
    refused: &mut Vec<(Address, Refusal)>,
) -> Result<Vec<RollupRecord>> {
    let mut kept = Vec::new();
    for rollup in rollups {
        let seconds = measured.filter(|_| here(&rollup)).and_then(|it| it.seconds_of(&rollup.circuit));
        // Nothing is asked of the chain for what was not measured.
        let Some(seconds) = seconds else {
            kept.push(rollup);
            continue;
        };
        let terms = patiently(|| session.chain.terms(rollup.market)).await?;
        if !is_too_slow(session, &terms, Some(seconds)) {
            kept.push(rollup);
            continue;
        }
        let refusal = refusal(&rollup, seconds, terms.exclusiveWindow.into());
        if patiently(|| session.chain.bonded(rollup.market, prover)).await? > U256::ZERO {
            context
                .out
                .warn(&format!("{refusal}; it is served all the same, for slots of {prover} are open there"));
            kept.push(rollup);
        } else if named {
            return Err(refusal.into());
        } else {
            refused.push((rollup.address, refusal));
        }
    }
    match (kept.is_empty(), refused.last()) {
        (true, Some((_, refusal))) => Err(refusal.clone().into()),
        _ => Ok(kept),
    }
}

fn refusal(rollup: &RollupRecord, seconds: u64, window: u64) -> Refusal {
    let message = format!(
        "a proof for market {} ({}) takes {seconds} s on this machine, as measured, and its holder has {window} s: every bond would be \
         lost; measure again on a faster one, or give --first-estimate if proofs are made faster than that",
        rollup.market,
        plain(&rollup.name)
    );
    Refusal::new(Why::TooSlow, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_must_be_there_before_the_window_ends() {
        assert_eq!(
            [Some(59), Some(60), Some(61), None].map(|it| exceeds(it, 60)),
            [false, true, true, false]
        );
    }

    #[test]
    fn a_machine_too_slow_is_told_how_much() {
        let rollup = RollupRecord { name: "a".to_owned(), market: U256::from(7), ..record() };
        let message = refusal(&rollup, 70, 60).to_string();
        assert!(message.contains("market 7 (a) takes 70 s") && message.contains("has 60 s"), "{message}");
    }

    fn record() -> RollupRecord {
        RollupRecord {
            name: String::new(),
            address: Address::ZERO,
            code_hash: Default::default(),
            block: 0,
            market: U256::ZERO,
            workload: String::new(),
            circuit: String::new(),
            circuit_id: Default::default(),
            key_hash: Default::default(),
            sources: Vec::new(),
            parameters: serde_json::Value::Null,
        }
    }
}
