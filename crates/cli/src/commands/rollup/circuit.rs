//! A rollup's circuit: its verifier and its registration, those of another rollup where there is one of the same circuit.

use std::path::PathBuf;

use alloy::{
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, U256, keccak256},
    providers::Provider,
    rpc::types::TransactionRequest,
    sol_types::SolValue,
};
use eyre::Result;
use provery_bindings::{BlockVerifier, Registration, Sample, TransferRollup};
use provery_txmgr::Journal;
use provery_types::circuit_id;

use super::plan::{Plan, ROLLUP};
use crate::{output::Steps, samples, session::Session};

pub(super) const VERIFIER: &str = "verifier";
pub(super) const CIRCUIT: &str = "circuit";

/// A registered circuit and its verifier.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Circuit {
    pub id: B256,
    pub verifier: Address,
}

/// The circuit of another rollup of the deployment, if it is this one: its verifier must have the code that this one's would have.
pub(super) async fn existing(session: &Session, plan: &Plan) -> Result<Option<Circuit>> {
    let same = |rollup: &&provery_types::RollupRecord| rollup.key_hash == plan.key_hash;
    for rollup in session.deployment().rollups.iter().filter(same) {
        // One whose record is wrong is passed over.
        let Some(found) = session.chain.surest_circuit(rollup.circuit_id).await? else { continue };
        let registered = found.keyHash == plan.key_hash
            && found.descriptorHash == plan.descriptor_hash
            && found.development == plan.development;
        if registered && code_hash(session, plan).await == Some(found.codeHash) {
            return Ok(Some(Circuit { id: rollup.circuit_id, verifier: found.verifier }));
        }
    }
    Ok(None)
}

/// The circuit that an earlier run of the same command began with, whatever came since: its own, which is [`provide`]d, or that of
/// the rollup it has sent. Else one that is there.
pub(super) async fn settled(
    session: &Session,
    plan: &Plan,
    journal: &dyn Journal,
) -> Result<Option<Circuit>> {
    let sender = session.sender()?;
    if sender.live(VERIFIER) {
        return Ok(None);
    }
    if let Some(nonce) = sender.nonce_of(ROLLUP) {
        let sent = journal.load(sender.address())?;
        let sent = sent.iter().find(|pending| pending.nonce == nonce);
        if let Some(circuit) = sent.and_then(|pending| created_with(&pending.data)) {
            return Ok(Some(circuit));
        }
    }
    existing(session, plan).await
}

/// The circuit in a rollup's creation code.
fn created_with(code: &[u8]) -> Option<Circuit> {
    type Arguments = (Address, TransferRollup::Terms, u32, Address, U256, Bytes, U256);
    let arguments = code.get(TransferRollup::BYTECODE.len()..)?;
    let (_, terms, ..) = Arguments::abi_decode_params(arguments).ok()?;
    Some(Circuit { id: terms.circuit, verifier: terms.verifier })
}

/// keccak256 of the code that the verifier's creation leaves, if the node tells.
async fn code_hash(session: &Session, plan: &Plan) -> Option<B256> {
    let request = TransactionRequest::default().with_input(creation(plan)).into_create();
    session.chain.rpc().provider().call(request).await.ok().map(keccak256)
}

/// A short string in a word.
fn short(text: &str) -> B256 {
    B256::right_padding_from(text.as_bytes())
}

/// A sample and its proof, which are made now if they are not beside the circuit's keys. Not of a circuit that is registered.
pub(super) async fn sample(plan: &Plan, existing: Option<Circuit>, keys: PathBuf) -> Result<Sample> {
    if existing.is_some() {
        return Ok(Sample::default());
    }
    let (circuit, hash) = (plan.circuit.clone(), plan.key_hash);
    tokio::task::spawn_blocking(move || samples::prove(&*circuit, &keys, &hash.0)).await?
}

/// The verifier's creation code.
pub(super) fn creation(plan: &Plan) -> Bytes {
    [&BlockVerifier::BYTECODE[..], &plan.verifier_arguments].concat().into()
}

/// The circuit, deployed and registered unless it is.
pub(super) async fn provide(
    session: &Session,
    plan: &Plan,
    existing: Option<Circuit>,
    sample: Sample,
    steps: &mut Steps,
) -> Result<Circuit> {
    let step = steps.start("BlockVerifier");
    if let Some(known) = existing {
        step.finish(&format!("{}, which is there", known.verifier));
        steps.start(CIRCUIT).finish(&format!("{}, which is registered", known.id));
        return Ok(known);
    }
    let deployed = session.deploy_once(VERIFIER, &BlockVerifier::BYTECODE, &plan.verifier_arguments).await?;
    let verifier = deployed.address;
    step.finish(&verifier.to_string());

    let step = steps.start(CIRCUIT);
    let registration = Registration {
        verifier,
        proofSystem: short("groth16"),
        verifierInterface: short("IBlockVerifier"),
        keyHash: plan.key_hash,
        descriptorHash: plan.descriptor_hash,
        development: plan.development,
        payeeBound: true,
        royaltyBps: 0,
        uri: String::new(),
    };
    let id = circuit_id(session.me()?, &registration);
    session.send_once(CIRCUIT, session.calls().register_circuit(registration, sample)).await?;
    session.chain.circuit(id).await?;
    step.finish(&id.to_string());
    Ok(Circuit { id, verifier })
}
