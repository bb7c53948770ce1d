//! A rollup's circuit: its verifier and its registration, those of another rollup where there is one of the same circuit.

use alloy::{
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, keccak256},
    providers::Provider,
    rpc::types::TransactionRequest,
    sol_types::SolValue,
};
use eyre::Result;
use provery_bindings::BlockVerifier;

use super::Plan;
use crate::{output::Steps, session::Session};

const VERIFIER: &str = "verifier";
const CIRCUIT: &str = "circuit";

/// A registered circuit and its verifier.
#[derive(Debug, Clone, Copy, Default)]
pub struct Circuit {
    pub id: B256,
    pub verifier: Address,
}

/// The circuit of another rollup of the deployment, if it is this one: its verifier must have the code that this one's would have.
pub async fn existing(session: &Session, plan: &Plan) -> Result<Option<Circuit>> {
    let same = |rollup: &&provery_types::RollupRecord| rollup.key_hash == plan.key_hash;
    for rollup in session.deployment().rollups.iter().filter(same) {
        let found = session.chain.circuit(rollup.circuit).await?;
        let registered = found.keyHash == plan.key_hash
            && found.descriptorHash == plan.descriptor_hash
            && found.development == plan.development;
        if registered && code_hash(session, plan).await == Some(found.codeHash) {
            return Ok(Some(Circuit { id: rollup.circuit, verifier: found.verifier }));
        }
    }
    Ok(None)
}

/// keccak256 of the code that the verifier's creation leaves, if the node tells.
async fn code_hash(session: &Session, plan: &Plan) -> Option<B256> {
    let request = TransactionRequest::default().with_input(creation(plan)).into_create();
    session.chain.rpc().provider().call(request).await.ok().map(keccak256)
}

/// The verifier's creation code.
pub fn creation(plan: &Plan) -> Bytes {
    [&BlockVerifier::BYTECODE[..], &plan.verifier_arguments].concat().into()
}

/// The circuit, deployed and registered unless it is.
pub async fn provide(
    session: &Session,
    plan: &Plan,
    existing: Option<Circuit>,
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
    let call =
        session.calls().register_circuit(verifier, plan.key_hash, plan.descriptor_hash, plan.development, "");
    session.send_once(CIRCUIT, call).await?;
    let id = keccak256((verifier, plan.key_hash, plan.descriptor_hash, plan.development).abi_encode());
    session.chain.circuit(id).await?;
    step.finish(&id.to_string());
    Ok(Circuit { id, verifier })
}
