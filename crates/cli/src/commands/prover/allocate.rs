//! `provery prover allocate`: how much stake backs a market, how much of it may be bonded at once, and under which terms.

use std::{ops::RangeInclusive, str::FromStr};

use alloy::primitives::U256;
use clap::Args;
use eyre::Result;
use provery_mechanisms::acceptance::exposure_for;
use serde_json::json;

use crate::{
    backends,
    commands::{node::pace, prover::registered::require_registered},
    context::Context,
    error::{Code, fail},
    market_ref::MarketRef,
};

#[derive(Debug, Args)]
pub(crate) struct AllocateArgs {
    /// The market: its id, or its rollup's name
    #[arg(long, value_name = "MARKET")]
    market: MarketRef,
    /// Whole stake units; 0 to leave the market
    #[arg(long, value_name = "N")]
    units: u64,
    /// Units of them that may be bonded at once [default: what this machine can prove in time, as `provery calibrate` or
    /// `provery circuit bench` measured it; without that, all of them]
    #[arg(long, value_name = "UNITS")]
    exposure: Option<u64>,
    /// Versions of the market's terms under which this prover answers for slots, both ends included; one that is announced
    /// has to be named here [default: those accepted already if the one in force is among them, else the one in force alone]
    #[arg(long, value_name = "A..B")]
    accept_versions: Option<Versions>,
}

/// `2..4`, or `2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Versions(pub RangeInclusive<u32>);

impl FromStr for Versions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        let version = |text: &str| text.trim().parse::<u32>().ok().filter(|version| *version > 0);
        match (version(from), version(to.trim_start_matches('='))) {
            (Some(from), Some(to)) if from <= to => Ok(Self(from..=to)),
            _ => Err(format!("`{text}` is no range of versions; write 1..2, or 1")),
        }
    }
}

/// The versions accepted when none are named. Terms that are only announced may have been read by nobody yet.
fn versions_unasked(in_force: u32, accepted: RangeInclusive<u32>) -> RangeInclusive<u32> {
    if accepted.contains(&in_force) { accepted } else { in_force..=in_force }
}

pub(crate) async fn run(context: &Context, args: AllocateArgs) -> Result<()> {
    let AllocateArgs { market, units, .. } = args;
    let session = context.signer().await?;
    let me = require_registered(&session).await?;
    let id = session.market(&market)?;
    if units > 0 {
        backends::fit(&session, id, &[]).await?;
    }
    let terms = session.chain.terms(id).await?;
    let seconds = pace::measured(&session, id);
    if units > 0 && args.exposure.is_none() {
        pace::refuse_slow(&session, id, &terms, seconds)?;
    }
    let unit = session.chain.registry_params().await?.stake_unit;
    let position = session.chain.position(id, me).await?;
    let bonded = position.bonded.to::<U256>();
    // What this market ties up already counts towards what it will.
    let have = session.chain.free_stake(me).await? + (unit * U256::from(position.units)).max(bonded);
    let need = unit * U256::from(units);
    if need > have {
        return Err(fail(
            Code::InsufficientStake,
            format!(
                "{units} units are {} and {me} can allocate {} to market {market}; stake more, or allocate at most {} units",
                session.show(need),
                session.show(have),
                have / unit
            ),
        ));
    }
    let mut warnings = Vec::new();
    let exposure = match (args.exposure, seconds) {
        (Some(exposure), _) if exposure > units => {
            return Err(fail(
                Code::Usage,
                format!(
                    "--exposure {exposure} is more than the {units} units allocated; choose that many or fewer"
                ),
            ));
        }
        (Some(exposure), _) => exposure,
        (None, Some(seconds)) => {
            exposure_for(terms.exclusiveWindow.into(), seconds, 1, terms.bond.to(), unit, units)
        }
        (None, None) => {
            if units > 0 {
                warnings.push(format!(
                    "how fast this machine proves was not measured, so all {units} units may be bonded at once, and lost if it \
                     stops; measure it with `{}`, or choose --exposure",
                    backends::how_to_measure(&session, id)
                ));
            }
            units
        }
    };
    let bond = terms.bond.to::<U256>();
    let exposed = unit * U256::from(exposure);
    if units > 0 && exposed < bond {
        return Err(fail(
            Code::StakeBelowBond,
            format!(
                "{exposure} units of exposure are {}, below the bond of {}, so no slot could go to this prover and nothing was \
                 sent; allocate and expose at least {} units",
                session.show(exposed),
                session.show(bond),
                bond.div_ceil(unit)
            ),
        ));
    }
    let accepted = position.fromVersion..=position.toVersion;
    let versions =
        args.accept_versions.map_or(versions_unasked(terms.version, accepted), |versions| versions.0);
    if units > 0 && !versions.contains(&terms.version) {
        let told = session.chain.terms_record(id).await?;
        if told.announced.is_none() || !versions.contains(&told.version) {
            return Err(fail(
                Code::TermsNotAccepted,
                format!(
                    "the terms in force have version {}, and those accepted would be {} to {}, so no slot could go to this prover \
                     and nothing was sent; read them with `provery market show --market {id}` and choose --accept-versions that \
                     has them",
                    terms.version,
                    versions.start(),
                    versions.end()
                ),
            ));
        }
        warnings.push(format!(
            "the terms in force have version {}, which is not among those accepted, so this prover is drawn for nothing yet",
            terms.version
        ));
    }
    if units > 0 {
        backends::require(&session, id, &versions).await?;
    }
    warnings.iter().for_each(|warning| context.out.warn(warning));
    let call = session.calls().allocate(id, U256::from(units), U256::from(exposure), versions.clone());
    let mined = session.send(call).await?;
    let (from, to) = (*versions.start(), *versions.end());
    context.out.result(
        &json!({
            "prover": me,
            "market": id.to_string(),
            "units": units,
            "exposure": exposure,
            "from_version": from,
            "to_version": to,
            "wei": need.to_string(),
            "warnings": warnings,
            "tx": mined.tx_hash,
        }),
        || {
            format!(
                "{me} has {units} units in market {market}, of which {exposure} may be bonded at once, under versions \
                 {from} to {to} of its terms; its weight counts from the next epoch, or the one after"
            )
        },
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_a_range() {
        let of = |text: &str| text.parse::<Versions>().map(|versions| versions.0);
        assert_eq!(of("1..3"), Ok(1..=3));
        assert_eq!(of("2"), Ok(2..=2));
        assert_eq!(of("1..=3"), Ok(1..=3));
        for bad in ["", "3..1", "0", "1..", "a..b", "-1..2"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_is_accepted_unasked_but_the_terms_in_force() {
        assert_eq!(versions_unasked(3, 0..=0), 3..=3, "a first allocation");
        assert_eq!(versions_unasked(3, 1..=2), 3..=3, "what was accepted has run out");
        assert_eq!(versions_unasked(3, 4..=4), 3..=3, "what was accepted is not in force yet");
        assert_eq!(versions_unasked(3, 2..=5), 2..=5, "what was accepted stays accepted");
    }
}
