//! `provery market`: markets and their terms.

use std::path::PathBuf;

use alloy::{
    primitives::{Address, B256, U256},
    sol_types::SolEvent,
};
use clap::{ArgGroup, Args, Subcommand};
use eyre::Result;
use provery_bindings::ProofMarket;
use provery_indexer::{History, Outcome};
use provery_types::Terms;
use serde_json::{Value, json};

use self::{circuit::refuse_development_circuit, set_terms::SetTermsArgs};
use crate::{
    address,
    amount::{self, Written},
    backends,
    context::Context,
    error::{Code, fail},
    market_ref::{self, MarketRef},
    output::{fields, table},
    session::Session,
    terms::{self, ChainSpec, MechanismArgs, Parties, TermsArgs},
    time::when,
};

mod announced;
pub(crate) mod circuit;
mod defund;
mod r#match;
mod matching;
mod named;
mod quote;
mod set_terms;
mod survey;

#[derive(Debug, Subcommand)]
pub(crate) enum MarketCommand {
    /// Create a market
    #[command(
        after_help = "Example: provery market create --terms terms.json --capacity 64 --keystore creator.json"
    )]
    Create(Box<CreateArgs>),
    /// Change the terms of slots to come: at once if provers can only gain, else after a notice
    #[command(after_help = "Example: provery market set-terms --market 1 --price 2 --keystore creator.json")]
    SetTerms(Box<SetTermsArgs>),
    /// One market: its terms, funds and weights
    #[command(after_help = "Example: provery market show --market 1 --json")]
    Show {
        /// The market: its id, or its rollup's name
        #[arg(long, value_name = "MARKET")]
        market: MarketRef,
    },
    /// Add to a market's funds, from which its slots are paid
    #[command(after_help = "Example: provery market fund --market 1 --amount 50 --keystore creator.json")]
    Fund {
        /// The market: its id, or its rollup's name
        #[arg(long, value_name = "MARKET")]
        market: MarketRef,
        /// Whole units of the asset, such as 2.5
        #[arg(long)]
        amount: Written,
    },
    /// Take unused funds back, as credit of --to (the market's creator)
    #[command(after_help = "Example: provery market defund --market 1 --amount 50 --keystore creator.json")]
    Defund {
        /// The market: its id, or its rollup's name
        #[arg(long, value_name = "MARKET")]
        market: MarketRef,
        /// Whole units of the asset, such as 2.5
        #[arg(long)]
        amount: Written,
        /// Whose credit it becomes, to be withdrawn with `provery credit withdraw` [default: the signing account]
        #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
        to: Option<Address>,
    },
    /// Every market
    #[command(after_help = "Example: provery market list")]
    List,
    /// Rank the markets by what proving for them would bring an hour on this machine, and say what is in the way of each
    #[command(after_help = "Example: provery market match --keystore prover.json")]
    Match(r#match::MatchArgs),
    /// What a slot would cost now, how many provers could prove it and how soon, from what the chain has
    #[command(after_help = "Example: provery market quote --market 1 --json")]
    Quote(quote::QuoteArgs),
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("source").required(true).args(["terms", "circuit"])))]
pub(crate) struct CreateArgs {
    /// The terms, as JSON
    #[arg(long, value_name = "FILE", conflicts_with_all = ["TermsArgs", "MechanismArgs"])]
    pub terms: Option<PathBuf>,
    /// What is proven: a circuit's id in the CircuitRegistry
    #[arg(long, value_name = "ID", value_parser = address::circuit_id)]
    pub circuit: Option<B256>,
    /// Put the market into the deployment file under this name, so that provers can serve it
    #[arg(long, value_name = "NAME", value_parser = market_ref::name)]
    pub name: Option<String>,
    /// The contract that tells what slots are proven from, if the requester has one [default: a new SlotInputs]
    #[arg(long, value_name = "ADDRESS", requires = "name", value_parser = address::parse)]
    pub inputs: Option<Address>,
    /// What the workload has to know of the market, as JSON [default: slots are proven from what is posted]
    #[arg(long, value_name = "JSON", requires = "name")]
    pub parameters: Option<serde_json::Value>,
    /// Who opens slots and pays [default: the signing account]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "terms", value_parser = address::parse)]
    pub requester: Option<Address>,
    /// How slots continue one another, such as continues=0,claim=1,right=0: which statement input must equal what the slot
    /// before claims, which input (or, with `,output`, which output) is a slot's claim, and which output is 1 if the claim
    /// is right (right=always: a proof alone says so) [default: slots stand alone]
    #[arg(long, value_name = "SPEC", conflicts_with = "terms")]
    pub chain: Option<ChainSpec>,
    /// What the first slot of a chain continues: a number, decimal or 0x…
    #[arg(long, value_name = "N", default_value = "0")]
    pub origin: U256,
    /// Blocks that a proof is committed to before it is shown, where a slot is open to all; of circuits that do not bind the payee
    /// [default there: 7]
    #[arg(long, value_name = "N", conflicts_with = "terms")]
    pub reveal_delay: Option<u16>,
    /// Public inputs that the prover supplies
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "terms")]
    pub outputs: u8,
    /// Gas for telling the requester how each slot ended
    #[arg(long, value_name = "GAS", default_value_t = 0, conflicts_with = "terms")]
    pub callback_gas: u32,
    /// How many slots may be open at once: a power of two, 1 to 65536
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = capacity)]
    pub capacity: u32,
    #[command(flatten)]
    pub mechanism: MechanismArgs,
    #[command(flatten)]
    pub numbers: TermsArgs,
}

/// A power of two, 1 to 65,536.
pub(crate) fn capacity(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|capacity: &u32| capacity.is_power_of_two() && *capacity <= 65_536)
        .ok_or_else(|| "a capacity is a power of two, 1 to 65536".to_string())
}

pub(crate) async fn run(context: &Context, command: MarketCommand) -> Result<()> {
    match command {
        MarketCommand::Create(args) => create(context, *args).await,
        MarketCommand::SetTerms(args) => set_terms::set(context, *args).await,
        MarketCommand::Show { market } => show(context, market).await,
        MarketCommand::Fund { market, amount } => {
            let session = context.signer().await?;
            let market = session.market(&market)?;
            fund(context, &session, market, &amount).await
        }
        MarketCommand::Defund { market, amount, to } => defund::run(context, &market, &amount, to).await,
        MarketCommand::List => list(context).await,
        MarketCommand::Match(args) => r#match::run(context, args).await,
        MarketCommand::Quote(args) => quote::run(context, args).await,
    }
}

async fn create(context: &Context, args: CreateArgs) -> Result<()> {
    let session = context.signer().await?;
    let terms = match (&args.terms, args.circuit) {
        (Some(path), _) => terms::read(path)?,
        (None, circuit) => {
            let id = circuit.unwrap_or_default();
            let registered = session.chain.circuit(id).await?;
            circuit::stated(&registered, args.outputs)?;
            let (mechanism, mechanism_params) =
                args.mechanism.resolve(session.deployment(), session.asset())?;
            let parties = Parties {
                requester: args.requester.unwrap_or(session.me()?),
                mechanism,
                mechanism_params,
                circuit: id,
                verifier: registered.verifier,
                circuit_terms: circuit::terms_of(&registered, args.reveal_delay)?,
            };
            let chain = args.chain.map(ChainSpec::word).unwrap_or_default();
            Terms {
                chain,
                ..args.numbers.to_terms(parties, args.outputs, args.callback_gas, session.asset())?
            }
        }
    };
    if terms.chain == 0 && !args.origin.is_zero() {
        return Err(fail(
            Code::Usage,
            "--origin is what a chain's first slot continues; say how slots continue with --chain",
        ));
    }
    // A market's first terms, whatever version the file that they come from had.
    let terms = Terms { version: 1, ..terms };
    refuse_development_circuit(&session, &terms).await?;
    terms::check(&session, &terms, true).await?;
    let named = match &args.name {
        Some(name) => Some(named::plan(&session, name, &terms, &args).await?),
        None => None,
    };
    let mined = session.send(session.calls().create_market(&terms, args.capacity, args.origin)).await?;
    let market = mined
        .logs
        .iter()
        .find_map(|log| ProofMarket::MarketCreated::decode_log(&log.inner).ok())
        .map(|event| event.data.market)
        .ok_or_else(|| {
            fail(
                Code::Internal,
                "the market was created but its receipt does not say which it is; see `provery market list`",
            )
        })?;
    let record = match named {
        Some(named) => Some(named.record(&session, market, &terms, &mined).await?),
        None => None,
    };
    context.out.result(
        &json!({
            "market": market.to_string(),
            "capacity": args.capacity,
            "terms": terms,
            "tx": mined.tx_hash,
            "record": record,
        }),
        || {
            format!(
                "market {market} was created; fund it with `provery market fund --market {market} \
         --amount …`"
            )
        },
    );
    Ok(())
}

/// Fund a market from the signing account's balance.
pub(crate) async fn fund(context: &Context, session: &Session, market: U256, amount: &Written) -> Result<()> {
    let amount = amount::required("--amount", amount, session.asset())?;
    backends::fit(session, market, &[]).await?;
    let mined = session.sender()?.fund(&session.chain, market, amount.base).await?;
    let funds = session.chain.market(market).await?.funds;
    context.out.result(
        &json!({ "market": market.to_string(), "amount": amount, "funds": funds.to_string(), "tx": mined.tx_hash }),
        || format!("market {market} was given {amount} and has {}", session.show(funds)),
    );
    Ok(())
}

async fn show(context: &Context, market: MarketRef) -> Result<()> {
    let session = context.reader().await?;
    let id = session.market(&market)?;
    let state = session.chain.market(id).await?;
    let history = session.history().await?;
    let terms = history.terms(state.terms_hash).cloned().ok_or_else(|| {
        fail(
            Code::Internal,
            format!(
                "the terms of market {id} were not found in the chain's logs; is the \
         endpoint's history pruned?"
            ),
        )
    })?;
    let record = history.markets.get(&id).cloned().unwrap_or_default();
    let told = session.chain.terms_record(id).await?;
    let announced = told.announced.map(|(hash, from)| (history.terms(hash).cloned(), hash, from));
    let chain = match terms.chain {
        0 => None,
        _ => Some(chain_of(&session, id).await?),
    };
    let epoch = session.chain.epoch().await?;
    let total = record.weights.total(epoch);
    let weights: Vec<_> = record
        .weights
        .provers(epoch)
        .map(|(prover, weight)| (history.prover_by_id(prover).unwrap_or_default(), weight))
        .collect();
    let open = record.slots.values().filter(|slot| slot.outcome == Outcome::Open).count();
    let json = json!({
        "market": id.to_string(),
        "creator": state.creator,
        "capacity": state.capacity,
        "funds": state.funds.to_string(),
        "slots": state.slots,
        "open_slots": open,
        "terms_hash": state.terms_hash,
        "version": terms.version,
        "terms": terms,
        "terms_tuple": terms::tuple(&terms),
        "announced": announced.as_ref().map(|(terms, hash, from)| json!({
            "terms_hash": hash, "from": from, "version": told.version, "terms": terms,
        })),
        "misses": told.misses,
        "chain": chain.as_ref().map(ChainEnds::json),
        "mechanism": mechanism_word(&session, terms.mechanism),
        "rollup": session.deployment().rollup_of_market(id).map(|rollup| &rollup.name),
        "epoch": epoch,
        "total_weight": total,
        "weights": weights.iter().map(|(prover, weight)| json!({ "prover": prover, "weight": weight })).collect::<Vec<_>>(),
    });
    context.out.result(&json, || {
        let mut text = fields(&[
            ("market", id.to_string()),
            ("creator", state.creator.to_string()),
            ("requester", terms.requester.to_string()),
            ("mechanism", mechanism_word(&session, terms.mechanism)),
            ("circuit", terms.circuit.to_string()),
            (
                "outputs",
                match terms.outputs {
                    0 => "none: a slot's statement is all that is proven".to_owned(),
                    1 => "1 public input, which the prover supplies".to_owned(),
                    more => format!("{more} public inputs, which the prover supplies"),
                },
            ),
            ("callback", format!("{} gas for telling the requester how a slot ended", terms.callbackGas)),
            ("funds", session.show(state.funds)),
            ("slots", format!("{} ever, {open} open, room for {}", state.slots, state.capacity)),
            ("misses", format!("{} held slots in a row", told.misses)),
            (
                "terms",
                version_line(terms.version, announced.as_ref().map(|announced| (told.version, announced.2))),
            ),
            ("price", session.show(terms.price.to())),
            ("bond", session.show(terms.bond.to())),
            ("least rescue", session.show(terms.leastRescue.to())),
            (
                "windows",
                format!(
                    "fast {} s, exclusive {} s, expiry {} s",
                    terms.fastWindow, terms.exclusiveWindow, terms.expiryWindow
                ),
            ),
            ("floor", format!("{} bps of the price", terms.floorBps)),
            (
                "slash",
                format!(
                    "{} bps to the rescuer, {} to the market, {} burned",
                    terms.rescuerBps,
                    terms.requesterBps,
                    10_000u32.saturating_sub(u32::from(terms.rescuerBps) + u32::from(terms.requesterBps))
                ),
            ),
            ("forfeit", format!("{} bps of the price", terms.forfeitBps)),
            ("chain", ChainSpec::told(terms.chain)),
        ]);
        if let Some((Some(next), _, from)) = &announced {
            let changes = announced::changes(
                &terms,
                next,
                |contract| mechanism_word(&session, contract),
                session.asset(),
            );
            text.push_str(&announced::told(&changes, told.version, &when(*from)));
        }
        if let Some(chain) = &chain {
            text.push_str(&fields(&[
                ("established", format!("slot {}, claim {:#x}", chain.established, chain.established_claim)),
                ("head", format!("slot {}, claim {:#x}", chain.head, chain.head_claim)),
            ]));
        }
        if total > 0 {
            let rows: Vec<Vec<String>> = weights
                .iter()
                .map(|(prover, weight)| {
                    vec![
                        prover.to_string(),
                        weight.to_string(),
                        format!("{:.1}%", 100.0 * *weight as f64 / total as f64),
                    ]
                })
                .collect();
            text.push_str(&format!("\nweights of epoch {epoch}\n"));
            text.push_str(&table(&["prover", "units", "chance"], &rows));
        }
        text
    });
    Ok(())
}

/// Where a market's chain ends.
struct ChainEnds {
    established: u64,
    established_claim: U256,
    head: u64,
    head_claim: U256,
}

impl ChainEnds {
    fn json(&self) -> Value {
        json!({
            "established": self.established,
            "established_claim": format!("{:#066x}", self.established_claim),
            "head": self.head,
            "head_claim": format!("{:#066x}", self.head_claim),
        })
    }
}

async fn chain_of(session: &Session, market: U256) -> Result<ChainEnds> {
    let ends = session.chain.market_contract().chainOf(market).call().await.map_err(|error| {
        fail(Code::RpcRejected, format!("market {market} does not tell its chain ({error}); run this again"))
    })?;
    Ok(ChainEnds {
        established: ends.established,
        established_claim: ends.establishedClaim,
        head: ends.head,
        head_claim: ends.headClaim,
    })
}

fn version_line(version: u32, announced: Option<(u32, u64)>) -> String {
    match announced {
        None => format!("version {version}"),
        Some((next, from)) => {
            format!("version {version}; version {next} is announced, good from {from} on", from = when(from))
        }
    }
}

/// The word that people have for a market's mechanism, or its contract.
fn mechanism_word(session: &Session, contract: Address) -> String {
    terms::mechanism_at(session.deployment(), contract)
        .map_or_else(|| contract.to_string(), |known| known.word().to_owned())
}

async fn list(context: &Context) -> Result<()> {
    let session = context.reader().await?;
    let history: History = session.history().await?;
    let mut rows = Vec::new();
    let mut json = Vec::new();
    for (id, record) in &history.markets {
        let state = session.chain.market(*id).await?;
        let terms = history.terms(record.terms_hash);
        let price = terms.map(|terms| terms.price.to::<U256>()).unwrap_or_default();
        let bond = terms.map(|terms| terms.bond.to::<U256>()).unwrap_or_default();
        let rollup = session.deployment().rollup_of_market(*id).map(|rollup| rollup.name.clone());
        let requester = terms.map(|terms| terms.requester).unwrap_or_default();
        let mechanism = terms.map(|terms| mechanism_word(&session, terms.mechanism)).unwrap_or_default();
        let version = terms.map(|terms| terms.version).unwrap_or_default();
        let told = session.chain.terms_record(*id).await?;
        let announced = told.announced.map(|(_, from)| (told.version, from));
        json.push(json!({
            "market": id.to_string(),
            "creator": state.creator,
            "requester": requester,
            "rollup": rollup,
            "mechanism": mechanism,
            "version": version,
            "announced": announced.map(|(version, from)| json!({ "version": version, "from": from })),
            "capacity": state.capacity,
            "slots": state.slots,
            "funds": state.funds.to_string(),
            "price": price.to_string(),
            "bond": bond.to_string(),
        }));
        rows.push(vec![
            id.to_string(),
            rollup.unwrap_or_else(|| requester.to_string()),
            mechanism,
            session.show(price),
            session.show(bond),
            session.show(state.funds),
            state.slots.to_string(),
            announced.map_or_else(
                || format!("version {version}"),
                |(next, _)| format!("version {version}; {next} announced"),
            ),
        ]);
    }
    context.out.result(&json!({ "markets": json }), || {
        if rows.is_empty() {
            "there is no market yet; `provery rollup create` or `provery market create` makes one".to_string()
        } else {
            table(&["market", "requester", "mechanism", "price", "bond", "funds", "slots", "terms"], &rows)
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_come_from_a_file_or_from_flags() {
        use clap::Parser;
        let parse = |line: &str| crate::args::Cli::try_parse_from(line.split(' '));
        assert!(parse("provery market create --terms t.json --capacity 4").is_ok());
        assert!(parse("provery market create --terms t.json --price 5").is_err());
        let circuit = format!("provery market create --price 5 --circuit {}", B256::ZERO);
        assert!(parse(&circuit).is_ok());
    }

    #[test]
    fn a_capacity_is_a_power_of_two() {
        assert_eq!(capacity("1"), Ok(1));
        assert_eq!(capacity("65536"), Ok(65_536));
        for bad in ["0", "3", "131072", "-1", "x"] {
            assert!(capacity(bad).is_err(), "{bad}");
        }
    }
}
