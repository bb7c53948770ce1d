//! `provery slot submit`: a proof that was made elsewhere.

use std::path::PathBuf;

use alloy::primitives::{Address, B256, Bytes, U256};
use clap::Args;
use eyre::Result;
use provery_indexer::Outcome;
use provery_types::{CircuitTerms, Slot, SlotExt as _, Terms, proof_commitment};
use serde_json::json;

use super::{chosen::SlotArg, public};
use crate::{
    address,
    commands::prove,
    config,
    context::Context,
    error::{Code, fail},
    output::fields,
    session::Session,
    time::when,
};

/// Before the chain is asked again for a new block.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(500);

#[derive(Debug, Args)]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    pub slot: SlotArg,
    /// The proof's public inputs, in the circuit's order: snarkjs' public.json
    #[arg(long, value_name = "FILE")]
    pub public: PathBuf,
    /// The proof: snarkjs' proof.json, or hexadecimal digits as the verifier takes them
    #[arg(long, value_name = "FILE")]
    pub proof: PathBuf,
    /// Who is paid [default: the signing account, or the prover that it sends for]
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
    pub payee: Option<Address>,
    /// Where the circuits' files are kept [env: PROVERY_KEYS_DIR] [default: .provery/keys]
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, args: SubmitArgs) -> Result<()> {
    let session = context.signer().await?;
    let id = args.slot.slot.get();
    let market = session.market_or_only(args.slot.market.as_ref())?;
    session.chain.market(market).await?;
    let history = session.history().await?;
    let record = history.slot(market, id).ok_or_else(|| {
        fail(
            Code::SlotNotFound,
            format!(
                "market {market} has no slot {id}; `provery slot list --market {market}` shows those it has"
            ),
        )
    })?;
    let terms = history.terms(record.terms_hash).cloned().ok_or_else(|| {
        fail(
            Code::RpcRejected,
            format!("the terms of slot {id} of market {market} are not in the chain's logs; is the endpoint's history pruned?"),
        )
    })?;
    let slot = record.slot.clone();
    let rollup = session.deployment().rollup_of_market(market).cloned();
    let mut inputs = public::inputs(&args.public, rollup.as_ref(), &config::keys_dir(args.keys.clone()))?;
    let circuit = CircuitTerms::read(&terms);
    let mut proof = public::proof(&args.proof)?;
    let payee = if circuit.payee_bound() {
        bound_payee(&inputs, args.payee, &[session.me()?, prove::payee(&session, None).await?])?
    } else {
        let payee = args.payee.unwrap_or(session.me()?);
        inputs.push(U256::from_be_slice(payee.as_slice()));
        proof = [B256::random().as_slice(), &proof].concat().into();
        payee
    };
    check(&slot, &terms, &inputs, payee, &record.statement_inputs, session.head().await?.timestamp)?;
    if !circuit.payee_bound() {
        reveal_later(context, &session, &slot, &circuit, payee, &proof).await?;
    }
    let mined = session.send(session.calls().prove(&slot, &terms, inputs, proof)).await?;
    // As the chain tells it, not as it was meant.
    let history = session.history().await?;
    let (reward, premium) = match history.slot(market, id).map(|record| &record.outcome) {
        Some(Outcome::Proven { reward, premium, .. }) => (*reward, *premium),
        _ => (U256::ZERO, U256::ZERO),
    };
    let json = json!({
        "market": market.to_string(),
        "slot": id,
        "payee": payee,
        "reward": reward.to_string(),
        "premium": premium.to_string(),
        "gas": mined.gas_used,
        "tx": mined.tx_hash,
    });
    context.out.result(&json, || {
        fields(&[
            ("proven", format!("slot {id} of market {market}")),
            ("paid", format!("{} to {payee}", session.show(reward + premium))),
            ("gas", mined.gas_used.to_string()),
        ])
    });
    Ok(())
}

/// The payee among the public inputs: the last.
fn bound_payee(inputs: &[U256], wanted: Option<Address>, ours: &[Address]) -> Result<Address> {
    let word = inputs.last().copied().unwrap_or_default();
    if word.is_zero() || word.bit_len() > 160 {
        return Err(fail(
            Code::ProofInvalid,
            "the last public input is no address, and it is who is paid; prove with your address as the payee",
        ));
    }
    let payee = Address::from_slice(&word.to_be_bytes::<32>()[12..]);
    match wanted.filter(|wanted| *wanted != payee) {
        Some(wanted) => Err(fail(
            Code::ProofForAnother,
            format!(
                "the proof pays {payee}, not {wanted}; prove again with that payee, or leave out --payee"
            ),
        )),
        None if wanted.is_none() && !ours.contains(&payee) => Err(fail(
            Code::ProofForAnother,
            format!(
                "the proof pays {payee}, which is not the signing account; if that is meant, say it with --payee {payee}"
            ),
        )),
        None => Ok(payee),
    }
}

/// What the contract would refuse, said before anything is paid.
fn check(
    slot: &Slot,
    terms: &Terms,
    inputs: &[U256],
    payee: Address,
    stated: &[U256],
    now: u64,
) -> Result<()> {
    let tail = usize::from(terms.outputs) + 1;
    if inputs.len() != stated.len() + tail || !inputs.starts_with(stated) {
        return Err(fail(
            Code::ProofForAnother,
            format!(
                "the proof's public inputs are not those of slot {}: it states {} numbers, of which the proof has others",
                slot.id,
                stated.len()
            ),
        ));
    }
    if now >= slot.expires_at(terms) {
        return Err(fail(
            Code::SlotExpired,
            format!(
                "slot {} could be proven until {}; it is too late",
                slot.id,
                when(slot.expires_at(terms))
            ),
        ));
    }
    let until = slot.exclusive_until();
    if now < until && slot.prover != payee {
        return Err(fail(
            Code::NotReady,
            format!("slot {} is not open to all before {}; run this again then", slot.id, when(until)),
        ));
    }
    Ok(())
}

/// Commits to a proof that does not bind its payee and waits until it may be shown, unless whoever is paid holds the slot and there is
/// time.
async fn reveal_later(
    context: &Context,
    session: &Session,
    slot: &Slot,
    circuit: &CircuitTerms,
    payee: Address,
    proof: &Bytes,
) -> Result<()> {
    let now = session.head().await?.timestamp;
    if slot.prover == payee && circuit.in_time(now, slot.exclusive_until()) {
        return Ok(());
    }
    let (salt, bare) = proof.split_at(32);
    let commitment = proof_commitment(bare, payee, slot.market, slot.id, B256::from_slice(salt));
    let mined = session.send(session.calls().commit_proof(commitment)).await?;
    let from = mined.block.number + u64::from(circuit.reveal_delay);
    context.out.note(&format!("the proof is committed to; it may be shown from block {from} on"));
    while session.head().await?.number + 1 < from {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(())
}
