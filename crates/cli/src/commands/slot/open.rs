//! `provery slot open`: a slot for a requester that is an account.

use std::path::PathBuf;

use alloy::{
    primitives::{B256, Bytes, U256, uint},
    sol_types::SolEvent as _,
};
use clap::{ArgGroup, Args};
use eyre::Result;
use provery_bindings::{Circuit, ProofMarket::SlotOpened};
use provery_types::{RollupRecord, SlotExt as _, Terms, statement_hash};
use provery_workloads::{MOST_INPUT_BYTES, MOST_URL_BYTES};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::public;
use crate::{
    commands::{circuit::text, market, prove, prover},
    config,
    context::Context,
    error::{Code, fail},
    market_ref::MarketRef,
    output::fields,
    session::Session,
    terms,
    time::when,
};

/// A larger input does not fit a transaction, bytes.
const MOST_POSTED: usize = 100_000;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["statement", "public"])))]
pub(crate) struct OpenArgs {
    /// The market: its id, or its rollup's name [default: the market of the deployment's only rollup]
    #[arg(long, value_name = "MARKET")]
    pub market: Option<MarketRef>,
    /// The statement inputs, in order: numbers, decimal or 0x…, separated by commas
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    pub statement: Vec<U256>,
    /// The statement out of a proof's public inputs: snarkjs' public.json
    #[arg(long, value_name = "FILE")]
    pub public: Option<PathBuf>,
    /// What the slot is proven from, in the circuit's own format, such as circom's input.json; it is posted for all to see
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Where provers fetch that input instead; its hash and size are those of --input, or of what is there now
    #[arg(long, value_name = "URL")]
    pub input_url: Option<Url>,
    /// What the mechanism is told, in hexadecimal digits [default: what it needs to draw, where slots are drawn]
    #[arg(long, value_name = "HEX", default_value = "0x", hide_default_value = true)]
    pub data: Bytes,
    /// Open it for the prover that signed this offer (`provery prover offer sign`)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data", "ask"])]
    pub offer: Option<PathBuf>,
    /// Open it for the prover that signed this ask (`provery prover ask sign`)
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    pub ask: Option<PathBuf>,
    /// The slot that it builds on [default: the head of the market's chain]
    #[arg(long, value_name = "N")]
    pub premise: Option<u64>,
    /// Where the circuits' files are kept [env: PROVERY_KEYS_DIR] [default: .provery/keys]
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, args: OpenArgs) -> Result<()> {
    let session = context.signer().await?;
    let market = session.market_or_only(args.market.as_ref())?;
    let terms = session.chain.terms(market).await?;
    let me = session.me()?;
    if terms.requester != me {
        return Err(fail(
            Code::BadKey,
            format!(
                "only {}, its requester, opens slots of market {market}; sign with its key",
                terms.requester
            ),
        ));
    }
    let record = session.deployment().rollup_of_market(market).cloned();
    let statement = statement(&args, record.as_ref(), &terms)?;
    let registered = session.chain.circuit(terms.circuit).await?;
    let stated = market::circuit::stated(&registered, terms.outputs)?;
    if statement.len() != stated {
        return Err(fail(
            Code::Usage,
            format!(
                "the statement has {} numbers and the circuit takes {stated} beside outputs and payee, so nobody could prove it; \
                 correct --statement or --public",
                statement.len()
            ),
        ));
    }
    require_in_field(&statement, &registered)?;
    let funds = session.chain.market(market).await?.funds;
    if funds < U256::from(terms.price) {
        return Err(fail(
            Code::InsufficientFunds,
            format!(
                "market {market} has {} and a slot costs up to {}; add to it with `provery market fund`",
                session.show(funds),
                session.show(terms.price.to())
            ),
        ));
    }
    if let Some(url) = &args.input_url
        && (url.as_str().len() > MOST_URL_BYTES || !matches!(url.scheme(), "http" | "https"))
    {
        return Err(fail(
            Code::Usage,
            format!(
                "--input-url: provers fetch by http and https alone, from URLs of at most {MOST_URL_BYTES} bytes; give another"
            ),
        ));
    }
    let input = match (&args.input, &args.input_url) {
        (Some(path), _) => Some(public::read(path)?),
        (None, Some(url)) => Some(fetch(&session, url).await?),
        (None, None) => None,
    };
    let posted = match input {
        Some(input) => post(&session, market, record.as_ref(), &statement, input, &args).await?,
        None => None,
    };
    let premise = match args.premise {
        Some(premise) => premise,
        None if terms.chain != 0 => session.chain.chain_head(market).await?,
        None => 0,
    };
    let given = prover::opening_data(args.offer.as_deref(), args.ask.as_deref())?.unwrap_or(args.data);
    let data = terms::opening_data(&session, &terms, &given).await?;
    let call = session.calls().open_slot(market, &terms, premise, statement.clone(), data);
    let mined = session.send(call).await?;
    let opened = mined.logs.iter().find_map(|log| SlotOpened::decode_log(&log.inner).ok());
    let slot = opened.map(|event| event.data.slot).ok_or_else(|| {
        fail(
            Code::Internal,
            "the slot was opened but its receipt does not say which it is; see `provery slot list`",
        )
    })?;
    let json = json!({
        "market": market.to_string(),
        "slot": slot.id,
        "statement": slot.statement,
        "statement_inputs": statement,
        "prover": slot.prover,
        "price": slot.price.to_string(),
        "expires_at": slot.expires_at(&terms),
        "input_tx": posted,
        "tx": mined.tx_hash,
    });
    context.out.result(&json, || {
        let holder = if slot.prover.is_zero() { "nobody yet".to_owned() } else { slot.prover.to_string() };
        fields(&[
            ("slot", format!("{} of market {market}", slot.id)),
            ("held by", holder),
            ("price", session.show(slot.price.to())),
            ("to be proven until", when(slot.expires_at(&terms))),
        ])
    });
    Ok(())
}

/// The order of BN254's scalar field, in which every proof system on Ethereum's curve counts.
const FIELD: U256 = uint!(0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001_U256);

/// A number outside of the field is no public input of any proof: the slot would expire, and a part of its price burn.
fn require_in_field(statement: &[U256], circuit: &Circuit) -> Result<()> {
    let counts_in_field = ["groth16", "plonk", "fflonk"].contains(&text(circuit.proofSystem).as_str());
    match statement.iter().position(|number| *number >= FIELD) {
        Some(at) if counts_in_field => Err(fail(
            Code::Usage,
            format!(
                "input {} of the statement is not below the order of the circuit's field, so nobody could prove it; correct \
                 --statement or --public",
                at + 1
            ),
        )),
        _ => Ok(()),
    }
}

/// The statement's inputs: as given, or out of a proof's.
fn statement(args: &OpenArgs, record: Option<&RollupRecord>, terms: &Terms) -> Result<Vec<U256>> {
    let Some(path) = &args.public else { return Ok(args.statement.clone()) };
    let mut inputs = public::inputs(path, record, &config::keys_dir(args.keys.clone()))?;
    let payee = usize::from(provery_types::CircuitTerms::read(terms).payee_bound());
    let stated = inputs.len().checked_sub(usize::from(terms.outputs) + payee).ok_or_else(|| {
        fail(
            Code::Usage,
            format!(
                "{} has {} numbers, fewer than the market's outputs and the payee; pass the public.json of a proof",
                path.display(),
                inputs.len()
            ),
        )
    })?;
    inputs.truncate(stated);
    Ok(inputs)
}

/// What provers are going to find there.
async fn fetch(session: &Session, url: &Url) -> Result<Vec<u8>> {
    prove::fetcher(session)?.bytes(url, MOST_INPUT_BYTES).await.map_err(|error| {
        fail(
            Code::ArtifactUnavailable,
            format!("--input-url: {error}, so no prover would find the input there; put it there, or give its file with --input"),
        )
    })
}

/// Says what the slot is proven from.
async fn post(
    session: &Session,
    market: U256,
    record: Option<&RollupRecord>,
    statement: &[U256],
    input: Vec<u8>,
    args: &OpenArgs,
) -> Result<Option<B256>> {
    let record = record.ok_or_else(|| {
        fail(
            Code::RollupNotFound,
            format!(
                "the deployment file does not say which contract tells the inputs of market {market}; create the market with \
                 --name, or leave out --input"
            ),
        )
    })?;
    let hash = statement_hash(statement);
    let calls = session.calls();
    let call = match &args.input_url {
        Some(url) => {
            if input.len() as u64 > MOST_INPUT_BYTES {
                return Err(fail(
                    Code::Usage,
                    format!(
                        "the input has {} bytes, and provers take no more than {MOST_INPUT_BYTES}; make it smaller",
                        input.len()
                    ),
                ));
            }
            let digest = B256::from_slice(&Sha256::digest(&input));
            calls.link_input(record.address, market, hash, url.as_str(), digest, input.len() as u64)
        }
        None if input.len() > MOST_POSTED => {
            return Err(fail(
                Code::Usage,
                format!(
                    "the input has {} bytes, more than the {MOST_POSTED} that are posted; put it on a web server and give --input-url",
                    input.len()
                ),
            ));
        }
        None => calls.post_input(record.address, market, hash, input.into()),
    };
    Ok(Some(session.send(call).await?.tx_hash))
}
