//! The prover: who signs for it, what its key has for gas, and every reason for which nothing would be earned.

use alloy::primitives::{Address, U256};
use eyre::Result;
use provery_bindings::Prover;
use provery_node::{
    earning::{self, Lack, Pause, Shortfall, Situation},
    service::fee_budget::{self, PROOF_GAS, Rate},
};
use provery_types::Terms;
use provery_workloads::Workloads;

use super::{
    Findings,
    machine::{self, Measured},
    served::Served,
};
use crate::{
    amount,
    commands::{node::run, prove},
    config::node::NodeValues,
    session::Session,
    terms,
};

/// Proofs whose gas the key should be able to pay, unless the settings say otherwise.
const LOW_PROOFS: u64 = 20;
/// Proofs below which the node pauses its prover.
const LEAST_PROOFS: u64 = 4;

/// The markets that these settings choose.
pub(super) async fn served(
    session: &Session,
    values: &NodeValues,
    found: &mut Findings,
) -> Result<Vec<Served>> {
    let (rollups, refused) = run::served(session, values.market.as_deref().unwrap_or_default()).await?;
    for (_, refusal) in refused {
        found.warn("markets", refusal.to_string(), "provery status");
    }
    let mut served = Vec::new();
    for rollup in rollups {
        let terms = session.chain.terms(rollup.market).await?;
        let other = Workloads::default().vet_terms(&rollup, &terms).is_err();
        let lack = other.then_some(Lack::OtherCircuit { version: terms.version });
        served.push(Served { rollup, terms, lack });
    }
    Ok(served)
}

pub(super) async fn look(
    session: &Session,
    me: Address,
    (values, running): (&NodeValues, bool),
    served: &[Served],
    measured: Option<&Measured>,
    found: &mut Findings,
) -> Result<()> {
    let chain = &session.chain;
    let prover = prove::payee(session, values.prover).await?;
    let record = chain.prover(prover).await?;
    if record.id != 0 {
        found.ok("prover", format!("{prover} is prover {}", record.id));
    }
    let pool = chain.is_pool(prover).await?;
    submitter(session, me, (prover, pool), found).await?;

    let fee = chain.max_fee().await?;
    let balance = chain.rpc().balance(me).await?;
    let surcharge = chain.rpc().surcharge(&fee_budget::proof_sized(), PROOF_GAS).await?;
    let cost = fee_budget::cost(PROOF_GAS, fee, surcharge);
    let proofs = proofs(balance, cost);
    funds(me, proofs, values.low_balance_proofs.unwrap_or(LOW_PROOFS), found);

    let asset = session.asset();
    let least =
        values.min_reward.as_ref().map(|least| amount::given("min_reward", least, asset)).transpose()?;
    let least: Vec<Option<U256>> = served
        .iter()
        .map(|served| least.as_ref().map(|least| least.base).or_else(|| measured?.cost(served, asset)))
        .collect();
    let situation = situation(session, values, (me, prover, pool), &record, served, &least).await?;
    // A pause while the node runs is the node's own, as far as one can tell from outside.
    let pause = record.paused.then_some(if running { Pause::Node(None) } else { Pause::Unknown });
    let situation = Situation { pause, proofs_left: Some(proofs), ..situation };
    tell(&earning::shortfalls(&situation, |base| asset.show(base)), found);

    let rate = rate(session, values, found);
    for ((served, least), market) in served.iter().zip(&least).zip(&situation.markets) {
        draws(session, served, &situation, found).await?;
        machine::against(served, measured, *least, asset, found);
        if let Some(rate) = rate {
            let budget = budget(&served.terms, market.at_stake(), rate, values.budget_bps.unwrap_or(5_000));
            fees(&served.name(), cost, budget, found);
        }
    }
    Ok(())
}

/// Wei of the chain's currency that a whole unit of the asset is worth; made up on development chains alone.
fn rate(session: &Session, values: &NodeValues, found: &mut Findings) -> Option<Rate> {
    let rpc = session.chain.rpc();
    let symbol = session.asset().symbol();
    let known = values.rate(rpc.chain_id(), symbol);
    let wei = found.note("fees", known, "provery node --gas-wei-per-asset, at the true rate")?;
    Some(Rate::new(wei, session.asset().decimals()))
}

/// What the node would know of itself once it is up.
async fn situation(
    session: &Session,
    values: &NodeValues,
    (me, prover, pool): (Address, Address, bool),
    record: &Prover,
    served: &[Served],
    least: &[Option<U256>],
) -> Result<Situation> {
    let chain = &session.chain;
    // A rate that is missing was said before.
    let rate = values.rate(chain.rpc().chain_id(), session.asset().symbol()).unwrap_or_default();
    let tunables = values.tunables(session.asset(), least.iter().flatten().max().copied(), rate)?;
    let mut markets = Vec::new();
    for served in served {
        let position = chain.position(served.rollup.market, prover).await?;
        let mut market = earning::Served::new(session.deployment(), &served.rollup, &served.terms);
        (market.units, market.exposure) = (position.units.into(), position.exposure.into());
        market.accepted = (position.fromVersion, position.toVersion);
        market.suspended = position.suspended;
        if market.mechanism.is_some_and(|mechanism| mechanism.wants_deposit()) {
            market.deposit = Some(session.chain.deposited(served.terms.mechanism, me).await?);
        }
        market.lack = served.lack.clone();
        markets.push(market);
    }
    Ok(Situation {
        prover,
        pool,
        registered: record.id != 0,
        pause: None,
        taking: tunables.taking,
        rescue: tunables.rescue,
        mine: values.mine == Some(true),
        cost: tunables.minimum_reward,
        stake_unit: chain.registry_params().await?.stake_unit,
        proofs_left: None,
        markets,
    })
}

/// Reasons for which nothing is earned are in the way.
fn tell(shortfalls: &[Shortfall], found: &mut Findings) {
    for shortfall in shortfalls {
        found.fail("earning", shortfall.message.clone(), shortfall.next.clone());
    }
    if shortfalls.is_empty() {
        found.ok("earning", "nothing keeps slots of the markets served from this prover");
    }
}

async fn submitter(
    session: &Session,
    me: Address,
    (prover, pool): (Address, bool),
    found: &mut Findings,
) -> Result<()> {
    if me == prover {
        return Ok(());
    }
    if session.chain.prover_of_submitter(me).await? == Some(prover) {
        found.ok("submitter", format!("{me} acts for {prover}"));
    } else if session.chain.is_nominated(prover, me).await? {
        found.warn(
            "submitter",
            format!("{me} is nominated, and accepts when the node starts"),
            "provery node",
        );
    } else {
        found.fail(
            "submitter",
            format!("{me} is no submitter of {prover}"),
            if pool {
                format!("provery pool submitter add {me} --pool {prover}, with the operator's key")
            } else {
                format!("provery prover submitter add {me}, with the prover's key")
            },
        );
    }
    Ok(())
}

/// When an allocation counts, and whether terms to come are accepted.
async fn draws(
    session: &Session,
    served: &Served,
    situation: &Situation,
    found: &mut Findings,
) -> Result<()> {
    let (chain, market, name) = (&session.chain, served.rollup.market, served.name());
    let prover = situation.prover;
    let position = chain.position(market, prover).await?;
    if position.units == 0 {
        return Ok(());
    }
    let accepts = position.fromVersion..=position.toVersion;
    let told = chain.terms_record(market).await?;
    if told.announced.is_some() && !accepts.contains(&told.version) {
        found.warn(
            "terms",
            format!("version {} of the terms of {name} is announced, and not accepted", told.version),
            format!(
                "provery market show --market {market}, and then {}",
                situation.accept(
                    market,
                    position.units.into(),
                    position.exposure.into(),
                    (position.fromVersion, told.version)
                )
            ),
        );
    } else {
        found
            .ok("terms", format!("versions {} to {} of {name} are accepted", accepts.start(), accepts.end()));
    }
    let mechanism = terms::mechanism_at(session.deployment(), served.terms.mechanism);
    let drawn = mechanism.is_some_and(|mechanism| mechanism.draws());
    if drawn && chain.weight(market, prover).await?.is_zero() {
        let length = chain.registry_params().await?.epoch_length;
        let now = session.head().await?.timestamp;
        let left = length.saturating_sub(now.checked_rem(length).unwrap_or_default());
        found.warn(
            "stake",
            format!(
                "{} units in {name} count from the next epoch, in {left} s, or the one after",
                position.units
            ),
            "provery doctor, then",
        );
    } else {
        found.ok(
            "stake",
            format!("{} units are in {name}, {} of them exposed", position.units, position.exposure),
        );
    }
    Ok(())
}

/// How many proofs a balance pays for, at what one costs.
fn proofs(balance: U256, cost: U256) -> u64 {
    (balance / cost.max(U256::ONE)).saturating_to()
}

fn funds(key: Address, proofs: u64, low: u64, found: &mut Findings) {
    let says = match proofs {
        1_000_000.. => format!("{key} can pay the gas of more than a million proofs"),
        proofs => format!("{key} can pay the gas of {proofs} proofs at today's fees"),
    };
    let next = format!("cast send --value 1ether {key}, from an account that has some");
    if proofs < LEAST_PROOFS {
        found.fail("gas", says, next);
    } else if proofs < low {
        found.warn("gas", says, next);
    } else {
        found.ok("gas", says);
    }
}

/// Wei of the chain's currency that the gas of a proof may cost, by the node's own rule: of what a slot pays, and of the bond that
/// is lost without it.
fn budget(terms: &Terms, at_stake: bool, rate: Rate, bps: u64) -> U256 {
    rate.wei(fee_budget::of_fresh(terms, at_stake), bps)
}

fn fees(name: &str, cost: U256, budget: U256, found: &mut Findings) {
    if cost > budget {
        let gwei = |wei: U256| format!("{} gwei", wei / U256::from(1_000_000_000));
        found.fail(
            "fees",
            format!(
                "a proof's gas costs {} now, and for a slot of {name} {} may be spent",
                gwei(cost),
                gwei(budget)
            ),
            "provery node --gas-wei-per-asset, at the true rate; or --budget-bps",
        );
    } else {
        found.ok("fees", format!("a proof's gas is within what a slot of {name} may cost"));
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::aliases::U96;

    use super::{super::Level, *};

    #[test]
    fn every_reason_for_earning_nothing_is_in_the_way_with_what_to_type() {
        let mut found = Findings::default();
        tell(&[], &mut found);
        let next = "provery prover resume".to_owned();
        tell(
            &[Shortfall {
                code: "paused".to_owned(),
                message: "paused".to_owned(),
                next: next.clone(),
                market: None,
            }],
            &mut found,
        );
        assert_eq!(found.0[0].level, Level::Ok);
        assert_eq!((found.0[1].level, found.0[1].next.clone()), (Level::Fail, Some(next)));
    }

    #[test]
    fn gas_is_counted_in_proofs_and_against_what_a_slot_pays() {
        assert_eq!(proofs(U256::from(7 * PROOF_GAS), fee_budget::cost(PROOF_GAS, 2, U256::ZERO)), 3);
        let bytes = fee_budget::cost(PROOF_GAS, 2, U256::from(PROOF_GAS));
        assert_eq!(proofs(U256::from(7 * PROOF_GAS), bytes), 2, "a rollup takes a fee for bytes, too");
        let of = |proofs: u64| {
            let mut found = Findings::default();
            funds(Address::ZERO, proofs, 20, &mut found);
            found.0[0].level
        };
        assert_eq!([of(3), of(19), of(20)], [Level::Fail, Level::Warn, Level::Ok]);

        // A token of 6 decimals, a whole unit of which is worth 1,000 wei.
        let rate = Rate::new(U256::from(1_000), 6);
        let terms = Terms {
            price: U96::from(2_000_000),
            bond: U96::from(4_000_000),
            exclusiveWindow: 60,
            ..Terms::default()
        };
        assert_eq!(budget(&terms, false, rate, 5_000), U256::from(1_000));
        assert_eq!(budget(&terms, true, rate, 5_000), U256::from(3_000), "the bond is saved, too");
        let of = |fee| {
            let mut found = Findings::default();
            let cost = fee_budget::cost(PROOF_GAS, fee, U256::ZERO);
            fees("market 1", cost, U256::from(10 * PROOF_GAS), &mut found);
            found.0[0].level
        };
        assert_eq!([of(10), of(11)], [Level::Ok, Level::Fail]);
    }
}
