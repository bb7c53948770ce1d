//! `provery market set-terms`: the terms of slots to come.

use std::path::PathBuf;

use alloy::{
    primitives::{B256, Bytes, aliases::U96},
    providers::Provider,
    rpc::types::TransactionRequest,
    sol_types::{SolCall, SolEvent, SolValue},
};
use clap::Args;
use eyre::Result;
use provery_bindings::{ProofMarket, TermsRules};
use provery_types::{TERMS_RULES, Terms, terms_hash};
use serde_json::json;

use super::circuit::{self, refuse_development_circuit};
use crate::{
    address,
    amount::{Currency, Written},
    context::Context,
    error::{Code, fail},
    market_ref::MarketRef,
    session::Session,
    terms::{self, MechanismArgs, rescuers_share},
    time::when,
};

#[derive(Debug, Args)]
pub(crate) struct SetTermsArgs {
    /// The market: its id, or its rollup's name
    #[arg(long, value_name = "MARKET")]
    market: MarketRef,
    /// All of the next terms, as JSON (`market show --json` prints them under `terms`)
    #[arg(long, value_name = "FILE", conflicts_with = "Changes")]
    terms: Option<PathBuf>,
    /// Take the place of terms that are announced and not yet in force; without it they are left alone
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    changes: Changes,
}

/// What is to be different; the rest stays.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Changes")]
struct Changes {
    /// Highest reward for one slot
    #[arg(long, value_name = "AMOUNT")]
    price: Option<Written>,
    /// Stake reserved from the assigned prover
    #[arg(long, value_name = "AMOUNT")]
    bond: Option<Written>,
    /// Seconds in which the whole price is paid
    #[arg(long, value_name = "S")]
    fast: Option<u32>,
    /// Seconds in which only the assigned prover may prove
    #[arg(long, value_name = "S")]
    exclusive: Option<u32>,
    /// Seconds after which a slot expires
    #[arg(long, value_name = "S")]
    expiry: Option<u32>,
    /// Share of the price paid at the end of the exclusive window and after, in bps
    #[arg(long, value_name = "BPS")]
    floor_bps: Option<u16>,
    /// Share of a slashed bond that goes to the rescuer, in bps
    #[arg(long, value_name = "BPS")]
    rescuer_bps: Option<u16>,
    /// Share of a slashed bond that goes to the market's funds, in bps
    #[arg(long, value_name = "BPS")]
    requester_bps: Option<u16>,
    /// Share of the price burned when nobody proves a slot, in bps
    #[arg(long, value_name = "BPS")]
    forfeit_bps: Option<u16>,
    /// What a rescue pays out of the bond at least [default: as now, but no more than the rescuer's share]
    #[arg(long, value_name = "AMOUNT")]
    least_rescue: Option<Written>,
    /// Gas for telling the requester how each slot ended
    #[arg(long, value_name = "GAS")]
    callback_gas: Option<u32>,
    /// What is proven: a circuit's id in the CircuitRegistry
    #[arg(long, value_name = "ID", value_parser = address::circuit_id)]
    circuit: Option<B256>,
    /// Blocks that a proof is committed to before it is shown, where a slot is open to all; of circuits that do not bind the payee
    #[arg(long, value_name = "N")]
    reveal_delay: Option<u16>,
    #[arg(long, value_name = "NAME", help = terms::mechanism_help())]
    mechanism: Option<String>,
    /// A choice about the mechanism given with --mechanism
    #[arg(long = "mechanism-option", value_name = "NAME=VALUE", requires = "mechanism")]
    options: Vec<String>,
}

impl Changes {
    /// The terms with the changes to numbers; which circuit and mechanism is looked up elsewhere.
    fn apply(&self, current: &Terms, asset: &Currency) -> Result<Terms> {
        let u96 = |flag: &str, amount: &Option<Written>, now: U96| match amount {
            Some(amount) => terms::u96(flag, amount, asset),
            None => Ok(now),
        };
        let bond = u96("--bond", &self.bond, current.bond)?;
        let rescuer_bps = self.rescuer_bps.unwrap_or(current.rescuerBps);
        let share = rescuers_share(bond, rescuer_bps);
        // A bond that was 0 had no least rescue to keep.
        let kept = if current.leastRescue.is_zero() { share } else { current.leastRescue.min(share) };
        Ok(Terms {
            price: u96("--price", &self.price, current.price)?,
            bond,
            fastWindow: self.fast.unwrap_or(current.fastWindow),
            exclusiveWindow: self.exclusive.unwrap_or(current.exclusiveWindow),
            expiryWindow: self.expiry.unwrap_or(current.expiryWindow),
            floorBps: self.floor_bps.unwrap_or(current.floorBps),
            rescuerBps: rescuer_bps,
            requesterBps: self.requester_bps.unwrap_or(current.requesterBps),
            forfeitBps: self.forfeit_bps.unwrap_or(current.forfeitBps),
            leastRescue: u96("--least-rescue", &self.least_rescue, kept)?,
            callbackGas: self.callback_gas.unwrap_or(current.callbackGas),
            ..current.clone()
        })
    }
}

pub(super) async fn set(context: &Context, args: SetTermsArgs) -> Result<()> {
    let session = context.signer().await?;
    let id = session.market(&args.market)?;
    let creator = session.chain.market(id).await?.creator;
    let me = session.me()?;
    if creator != me {
        return Err(fail(
            Code::BadKey,
            format!(
                "only {creator}, which created market {id}, may change its terms (a rollup's never change); sign with \
                 its key"
            ),
        ));
    }
    let current = session.chain.terms(id).await?;
    let next = next(&session, &args, &current).await?;
    if next == current {
        return Err(fail(
            Code::AlreadyDone,
            format!("market {id} has these terms already; say what is to change"),
        ));
    }
    if next.chain != current.chain {
        return Err(fail(
            Code::TermsRejected,
            "how a market's slots continue one another is for good; create another market for another chain",
        ));
    }
    refuse_development_circuit(&session, &next).await?;
    terms::check(&session, &next, true).await?;
    let in_favour = in_favour(&session, &current, &next).await?;
    let told = session.chain.terms_record(id).await?;
    let replaced = told.announced.filter(|_| !in_favour);
    if let Some((_, from)) = replaced
        && !args.replace
    {
        return Err(fail(
            Code::NotReady,
            format!(
                "version {} of the terms of market {id} is announced, good from {} on, and these would take its place for \
                 good; pass --replace if that is meant",
                told.version,
                when(from)
            ),
        ));
    }
    let version = if in_favour { current.version } else { told.version + 1 };
    let next = Terms { version, ..next };
    let mined = session.send(session.calls().set_terms(id, &current, &next)).await?;
    let from = mined
        .logs
        .iter()
        .find_map(|log| ProofMarket::TermsSet::decode_log(&log.inner).ok())
        .map_or(mined.block.timestamp, |event| event.data.from.saturating_to());
    context.out.result(
        &json!({
            "market": id.to_string(),
            "version": version,
            "in_favour": in_favour,
            "from": from,
            "replaces": replaced.map(|_| told.version),
            "terms_hash": terms_hash(&next),
            "terms": next,
            "tx": mined.tx_hash,
        }),
        || {
            if in_favour {
                format!("market {id} has the new terms at once: provers can only gain, so they stay version {version}")
            } else {
                format!(
                    "version {version} of the terms of market {id} is announced{}; slots may be opened under it from {} on, and \
                     go to provers that accepted it with `provery prover allocate`",
                    replaced.map(|_| format!(" in place of version {}", told.version)).unwrap_or_default(),
                    when(from)
                )
            }
        },
    );
    Ok(())
}

/// The terms that are wanted, of the version that the current ones have.
async fn next(session: &Session, args: &SetTermsArgs, current: &Terms) -> Result<Terms> {
    if let Some(path) = &args.terms {
        return Ok(Terms { version: current.version, ..terms::read(path)? });
    }
    let mut next = args.changes.apply(current, session.asset())?;
    if let Some(circuit) = args.changes.circuit {
        let registered = session.chain.circuit(circuit).await?;
        next.circuit = circuit;
        next.verifier = registered.verifier;
        next.circuitTerms = circuit::terms_of(&registered, args.changes.reveal_delay)?;
    } else if let Some(delay) = args.changes.reveal_delay {
        let registered = session.chain.circuit(current.circuit).await?;
        next.circuitTerms = circuit::terms_of(&registered, Some(delay))?;
    }
    if let Some(mechanism) = &args.changes.mechanism {
        let chosen = MechanismArgs { mechanism: mechanism.clone(), options: args.changes.options.clone() };
        (next.mechanism, next.mechanismParams) = chosen.resolve(session.deployment(), session.asset())?;
    }
    Ok(next)
}

/// Whether nobody who accepted the current terms can mind the next: the deployment's rules say.
async fn in_favour(session: &Session, current: &Terms, next: &Terms) -> Result<bool> {
    let arguments = (current.clone(), next.clone()).abi_encode_params();
    let data: Bytes = [TermsRules::inFavourCall::SELECTOR.as_slice(), &arguments].concat().into();
    let rules = session.deployment().address(TERMS_RULES);
    let request = TransactionRequest::default().to(rules).input(data.into());
    let rejected = |reason: String| {
        fail(
            Code::RpcRejected,
            format!("the deployment's rules do not say whether provers gain ({reason}); run this again"),
        )
    };
    let answer = session.chain.rpc().provider().call(request).await;
    let answer = answer.map_err(|error| rejected(error.to_string()))?;
    TermsRules::inFavourCall::abi_decode_returns(&answer).map_err(|error| rejected(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_stays() {
        let current = Terms {
            price: U96::from(10),
            bond: U96::from(30),
            rescuerBps: 5_000,
            leastRescue: U96::from(15),
            expiryWindow: 9,
            version: 3,
            ..Default::default()
        };
        let asset = Currency::asset("USDC", 6).expect("a usual one");
        assert_eq!(Changes::default().apply(&current, &asset).expect("fits"), current);
        let amount = |base: u64| Some(format!("{base}base").parse::<Written>().expect("an amount"));
        let less = Changes { bond: amount(20), expiry: Some(7), ..Changes::default() };
        let less = less.apply(&current, &asset).expect("fits");
        assert_eq!((less.bond, less.leastRescue, less.expiryWindow), (U96::from(20), U96::from(10), 7));
        let more = Changes { bond: amount(50), ..Changes::default() };
        assert_eq!(more.apply(&current, &asset).expect("fits").leastRescue, U96::from(15));
    }
}
