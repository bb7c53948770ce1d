//! `provery market match`: which markets are worth serving on this machine.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy::primitives::{Address, B256, U256};
use clap::Args;
use eyre::Result;
use provery_mechanisms::{Chance, ChanceView};
use provery_node::{
    earning::{self, Pause, Situation},
    service::fee_budget::{self, PROOF_GAS},
};
use provery_types::{RollupRecord, Terms, text::plain};
use provery_workloads::{Circuit, Workloads};
use serde_json::{Value, json};

use super::{
    matching::{Bound, Money, Outlook, Pace, machine_bounds, order},
    survey::{Chronicle, Survey},
};
use crate::{
    address, backends,
    commands::{
        calibrate::{self, Calibration},
        prove,
    },
    config,
    context::Context,
    error_report,
    output::table,
    session::{Session, patiently},
};

#[derive(Debug, Args)]
pub(crate) struct MatchArgs {
    /// Only markets of this circuit [default: of every circuit]
    #[arg(long, value_name = "ID", value_parser = address::circuit_id)]
    circuit: Option<B256>,
    /// For which prover [default: the one that the named key is or submits for; without a key none, and stake is not looked at]
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
    prover: Option<Address>,
    /// Proofs that this machine makes at a time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    workers: u64,
    /// Where the keys and what was measured are kept [env: PROVERY_KEYS_DIR] [default: .provery/keys]
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
}

/// Who would prove, and with what.
struct Here {
    prover: Option<Address>,
    calibration: Calibration,
    keys: PathBuf,
    /// Bytes.
    memory: Option<u64>,
    /// Nothing if what the asset is worth is not known.
    gas: Option<GasPrice>,
    workers: u64,
}

/// What gas costs at present.
#[derive(Clone, Copy)]
struct GasPrice {
    /// Wei a unit.
    price: u128,
    /// Wei that a rollup takes for a proof's bytes.
    surcharge: U256,
    /// Wei of the chain's coin that a whole unit of the asset is worth.
    rate: U256,
    whole: U256,
}

impl GasPrice {
    /// Base units of the asset that so much gas costs, rounded up.
    fn of(self, gas: u64) -> u128 {
        in_asset(fee_budget::cost(gas, self.price, self.surcharge), self.rate, self.whole)
    }
}

/// A market in the ranking.
struct Ranked {
    survey: Survey,
    bounds: Vec<Bound>,
    chance: Option<Chance>,
    money: Money,
    pace: Option<Pace>,
    outlook: Outlook,
    /// Units behind the market, or those that would be needed.
    units: u64,
    joined: bool,
}

pub(super) async fn run(context: &Context, args: MatchArgs) -> Result<()> {
    let session = context.reader().await?;
    let chronicle = Chronicle::read(&session).await?;
    let prover = match args.prover {
        Some(prover) => Some(prover),
        None if session.me().is_ok() => Some(prove::payee(&session, None).await?),
        None => None,
    };
    let keys = config::keys_dir_or(args.keys.clone(), context.settings.node.keys.clone());
    let file = context.settings.node.cost_from.clone().unwrap_or_else(|| keys.join(calibrate::FILE));
    let here = Here {
        prover,
        calibration: Calibration::read(&file)?.unwrap_or_default(),
        memory: available(),
        gas: gas(context, &session).await?,
        workers: args.workers,
        keys,
    };
    let mut files = BTreeMap::new();
    let mut ranked = Vec::new();
    for id in chronicle.history.markets.keys().copied() {
        let survey = Survey::of(&session, &chronicle, id).await?;
        if args.circuit.is_some_and(|circuit| circuit != survey.terms.circuit) {
            continue;
        }
        ranked.push(rank(&session, &chronicle, &here, survey, &mut files).await?);
    }
    ranked.sort_by_key(|it| order(&it.bounds, it.outlook));
    let listed: Vec<Value> = ranked.iter().map(|it| json(&chronicle, it)).collect();
    let json = json!({
        "prover": here.prover,
        "workers": here.workers,
        "memory_bytes": here.memory,
        "gas_cost": here.gas.map(|gas| gas.of(PROOF_GAS).to_string()),
        "markets": listed,
    });
    context.out.result(&json, || human(&session, &here, &ranked));
    Ok(())
}

async fn rank(
    session: &Session,
    chronicle: &Chronicle,
    here: &Here,
    survey: Survey,
    files: &mut BTreeMap<String, Option<Bound>>,
) -> Result<Ranked> {
    let terms = survey.terms.clone();
    let record = session.deployment().rollup_of_market(survey.id).cloned();
    let circuit = circuit(session, &survey, record.as_ref()).await?;
    let name = circuit.as_ref().map(|circuit| circuit.name());
    let measured = name.as_ref().and_then(|name| here.calibration.of(name));
    let pace = measured.map(|it| Pace { millis: it.millis, peak: it.peak_bytes });
    let how = circuit.as_ref().map_or_else(|| "provery calibrate".to_owned(), |it| it.how_to_measure());
    let assigns = survey.mechanism.is_some_and(|mechanism| mechanism.assigns());
    let mut bounds = at_hand(session, here, record.as_ref(), circuit.as_deref(), &terms, files).await?;
    bounds.extend(machine_bounds(&terms, assigns, pace, here.memory, &how));

    let machine = measured.map_or(0, |it| it.machine_cost(session.asset()).saturating_to());
    let mut money = Money {
        price: terms.price.to(),
        machine,
        gas: match name.as_ref().and_then(|name| here.calibration.cost_of(name, session.asset())) {
            // With prices of his own the operator said what gas costs him, too: what nodes take nothing on below.
            Some(cost) => cost.saturating_to::<u128>().saturating_sub(machine),
            None => here.gas.map_or(0, |gas| gas.of(fee_budget::delivery_gas(&terms))),
        },
    };
    let (joined, units, mut stake) = staked(session, chronicle, here, &survey, record.as_ref()).await?;
    let mine = |prover: &Address| here.prover == Some(*prover);
    let others = survey.able.iter().filter(|(prover, _)| !mine(prover)).map(|(_, weight)| weight).sum();
    let offers = survey.offers_of_others(here.prover);
    let chance = survey.mechanism.map(|mechanism| {
        mechanism.chance(&ChanceView {
            quote: survey.view(&offers, here.prover),
            weight: units,
            others,
            seconds: pace.map_or(1, Pace::seconds),
            cost: money.machine.saturating_add(money.gas),
        })
    });
    if let Some(chance) = &chance {
        money.price = chance.price;
    }
    let bps = chance.as_ref().map_or(0, |chance| chance.bps);
    let outlook = Outlook::of(&terms, pace, money, survey.ever.hourly_milli(survey.now), bps, here.workers);
    bounds.append(&mut stake);
    if survey.funded() == 0 {
        let message = format!("its funds of {} do not pay for one slot", session.show(survey.state.funds));
        bounds.push(Bound::other(
            "no_funds",
            message,
            Some(format!("provery market fund --market {}", survey.id)),
        ));
    }
    if survey.ever.opened == 0 {
        bounds.push(Bound::other("no_past", "it has opened no slot yet".to_owned(), None));
    }
    if outlook.slot.is_some_and(|slot| slot < 0) {
        bounds.push(Bound::other("loss", "a proof costs more than it earns".to_owned(), None));
    }
    Ok(Ranked { survey, bounds, chance, money, pace, outlook, units, joined })
}

/// The circuit of a market: as the deployment file names it, else as it is registered.
async fn circuit(
    session: &Session,
    survey: &Survey,
    record: Option<&RollupRecord>,
) -> Result<Option<Arc<dyn Circuit>>> {
    let workloads = Workloads::default();
    if let Some(record) = record {
        return Ok(workloads.circuit(&record.circuit));
    }
    let registered = patiently(|| session.chain.circuit(survey.terms.circuit)).await?;
    Ok(workloads.described(registered.descriptorHash).map(|(_, circuit)| circuit))
}

/// What is missing before a proof can be made.
async fn at_hand(
    session: &Session,
    here: &Here,
    record: Option<&RollupRecord>,
    circuit: Option<&dyn Circuit>,
    terms: &Terms,
    files: &mut BTreeMap<String, Option<Bound>>,
) -> Result<Vec<Bound>> {
    let mut bounds = Vec::new();
    if let Some(circuit) = circuit {
        let name = circuit.name();
        if !files.contains_key(&name) {
            let missing = circuit.prover(&here.keys, None).err().map(|error| {
                let next = circuit.how_to_get(terms.circuit, session.chain.rpc().is_development());
                Bound::machine("files", error_report::explain(&error.into()).message, Some(next))
            });
            files.insert(name.clone(), missing);
        }
        bounds.extend(files.get(&name).cloned().flatten());
    }
    let Some(record) = record else {
        bounds.push(Bound::machine(
            "no_record",
            "the deployment file has no record of it, so what its slots are proven from is not known"
                .to_owned(),
            Some("the deployment file of whoever created it, with --deployment".to_owned()),
        ));
        return Ok(bounds);
    };
    let workloads = Workloads::default().with_keys(&here.keys);
    let vetted = backends::vet(session, record).await?;
    // Whether terms fit is known from the files.
    let fits = || if bounds.is_empty() { workloads.vet_terms(record, terms) } else { Ok(()) };
    if let Err(refusal) = vetted.and_then(|()| fits()) {
        bounds.push(Bound::machine("refused", refusal.to_string(), Some("provery status".to_owned())));
    }
    Ok(bounds)
}

/// Whether the prover is in the market, with how many units, or how many it would take; and what else keeps slots from it.
async fn staked(
    session: &Session,
    chronicle: &Chronicle,
    here: &Here,
    survey: &Survey,
    record: Option<&RollupRecord>,
) -> Result<(bool, u64, Vec<Bound>)> {
    let bond = survey.terms.bond.to::<U256>();
    let needed = bond.div_ceil(chronicle.unit.max(U256::ONE)).max(U256::ONE).saturating_to::<u64>();
    let assigns = survey.mechanism.is_some_and(|mechanism| mechanism.assigns());
    let (Some(prover), true) = (here.prover, assigns) else {
        // Nobody joins a race.
        return Ok((!assigns && here.prover.is_some(), needed, Vec::new()));
    };
    let chain = &session.chain;
    let known = patiently(|| chain.prover(prover)).await?;
    let position = patiently(|| chain.position(survey.id, prover)).await?;
    let unnamed = RollupRecord {
        name: String::new(),
        address: Address::ZERO,
        code_hash: B256::ZERO,
        block: 0,
        market: survey.id,
        workload: String::new(),
        circuit: String::new(),
        circuit_id: survey.terms.circuit,
        key_hash: B256::ZERO,
        sources: Vec::new(),
        parameters: Value::Null,
    };
    let mut served = earning::Served::new(session.deployment(), record.unwrap_or(&unnamed), &survey.terms);
    (served.units, served.exposure) = (position.units.into(), position.exposure.into());
    served.accepted = (position.fromVersion, position.toVersion);
    served.suspended = position.suspended;
    let units = served.units;
    let situation = Situation {
        prover,
        pool: patiently(|| chain.is_pool(prover)).await?,
        registered: known.id != 0,
        pause: known.paused.then_some(Pause::Unknown),
        taking: true,
        rescue: true,
        mine: true,
        // What a slot costs is in the ranking.
        cost: 0,
        stake_unit: chronicle.unit,
        proofs_left: None,
        markets: vec![served],
    };
    let shortfalls = earning::shortfalls(&situation, |base| session.show(base));
    let bounds = shortfalls.into_iter().map(|it| Bound::other(&it.code, it.message, Some(it.next))).collect();
    Ok((units > 0, if units > 0 { units } else { needed }, bounds))
}

/// What gas costs now, as far as that can be told in the asset.
async fn gas(context: &Context, session: &Session) -> Result<Option<GasPrice>> {
    let rpc = session.chain.rpc();
    let Ok(rate) = context.settings.node.rate(rpc.chain_id(), session.asset().symbol()) else {
        return Ok(None);
    };
    let quote = patiently(|| rpc.quote()).await?;
    let price = if quote.legacy { quote.base } else { quote.base.saturating_add(quote.tip) };
    let surcharge =
        patiently(|| async { rpc.surcharge(&fee_budget::proof_sized(), PROOF_GAS).await }).await?;
    Ok(Some(GasPrice { price, surcharge, rate, whole: session.asset().whole() }))
}

/// Wei of the chain's coin in base units of an asset, a whole unit (`whole` of them) of which is worth `rate` wei.
fn in_asset(wei: U256, rate: U256, whole: U256) -> u128 {
    wei.saturating_mul(whole).div_ceil(rate.max(U256::ONE)).saturating_to()
}

/// Bytes of memory that a program could have now, where /proc tells.
fn available() -> Option<u64> {
    memory(&fs::read_to_string(Path::new("/proc/meminfo")).ok()?)
}

fn memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn json(chronicle: &Chronicle, it: &Ranked) -> Value {
    let (survey, terms) = (&it.survey, &it.survey.terms);
    let wei = |amount: u128| amount.to_string();
    json!({
        "market": survey.id.to_string(),
        "name": survey.name,
        "mechanism": survey.mechanism_word(),
        "circuit": terms.circuit,
        "joined": it.joined,
        "units": it.units,
        "seconds": it.pace.map(|pace| pace.millis as f64 / 1e3),
        "window": terms.exclusiveWindow,
        "peak_bytes": it.pace.and_then(|pace| pace.peak),
        "chance_bps": it.chance.as_ref().map(|chance| chance.bps),
        "chance": it.chance.as_ref().map(|chance| chance.says),
        "price": wei(it.money.price),
        "machine_cost": wei(it.money.machine),
        "gas_cost": wei(it.money.gas),
        "bond": terms.bond.to_string(),
        "profit_per_slot": it.outlook.slot.map(|slot| slot.to_string()),
        "slots_per_hour": it.outlook.slots_milli.map(|slots| slots as f64 / 1e3),
        "profit_per_hour": it.outlook.hour.map(|hour| hour.to_string()),
        "rivals": survey.provers(chronicle).iter().map(super::survey::Serving::json).collect::<Vec<_>>(),
        "past": survey.past_json(),
        "bound_by": it.bounds,
    })
}

fn human(session: &Session, here: &Here, ranked: &[Ranked]) -> String {
    if ranked.is_empty() {
        return "no market fits; `provery market list` shows every one".to_owned();
    }
    let signed = |amount: Option<i128>| match amount {
        None => "not known".to_owned(),
        Some(amount) if amount < 0 => format!("-{}", session.show(U256::from(amount.unsigned_abs()))),
        Some(amount) => session.show(U256::from(amount.unsigned_abs())),
    };
    let rows: Vec<Vec<String>> = ranked
        .iter()
        .map(|it| {
            let survey = &it.survey;
            let name = survey.name.as_ref().map_or_else(String::new, |name| format!(" ({})", plain(name)));
            let codes: Vec<&str> = it.bounds.iter().map(|bound| bound.code.as_str()).collect();
            vec![
                format!("{}{name}", survey.id),
                survey.mechanism_word(),
                it.pace.map_or_else(
                    || format!("? of {} s", survey.terms.exclusiveWindow),
                    |pace| format!("{:.1} of {} s", pace.millis as f64 / 1e3, survey.terms.exclusiveWindow),
                ),
                it.chance.as_ref().map_or_else(|| "?".to_owned(), |it| format!("{}%", it.bps as f64 / 100.0)),
                signed(it.outlook.slot),
                signed(it.outlook.hour),
                session.show(survey.terms.bond.to()),
                if codes.is_empty() { "nothing".to_owned() } else { codes.join(", ") },
            ]
        })
        .collect();
    let heading = ["market", "mechanism", "a proof", "chance", "a slot", "an hour", "bond", "bound by"];
    let mut text = table(&heading, &rows);
    for it in ranked.iter().filter(|it| !it.bounds.is_empty()) {
        text.push_str(&format!("\nmarket {}\n", it.survey.id));
        for bound in &it.bounds {
            text.push_str(&format!("  {}\n", bound.message));
            if let Some(next) = &bound.next {
                text.push_str(&format!("  -> {next}\n"));
            }
        }
    }
    text.push_str(
        "\nAn hour is what a slot leaves, as often as slots opened of late and with the chance that this prover has; a bond is at stake for \
         each slot that is held.\n",
    );
    match here.gas {
        Some(gas) => {
            text.push_str(&format!(
                "Delivering a proof costs {} of gas at present, and more where terms ask for a callback or a commitment.\n",
                session.show(U256::from(gas.of(PROOF_GAS)))
            ));
        }
        None => text
            .push_str("Gas is not counted: set gas_wei_per_asset under [node] to what the asset is worth.\n"),
    }
    if here.prover.is_none() {
        text.push_str("No key is named, so stake was not looked at: pass --keystore, or --prover.\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gas_is_counted_in_the_asset_and_rounded_up() {
        let (million, ether) = (U256::from(1_000_000), U256::from(10).pow(U256::from(18)));
        // Six decimals, 3,000 an ether: 0.001 ether are 3 whole units.
        assert_eq!(in_asset(ether / U256::from(1_000), ether / U256::from(3_000), million), 3_000_001);
        assert_eq!(in_asset(U256::ONE, ether, million), 1);
        assert_eq!(in_asset(U256::ZERO, ether, million), 0);
        assert_eq!(in_asset(U256::from(5), U256::ZERO, U256::ONE), 5, "a rate of nothing divides by nothing");
    }

    #[test]
    fn memory_is_what_is_available() {
        let meminfo = "MemTotal:  9 kB\nMemAvailable:    2048 kB\n";
        assert_eq!(memory(meminfo), Some(2 << 20));
        assert_eq!(memory("MemTotal: 9 kB\n"), None);
    }
}
