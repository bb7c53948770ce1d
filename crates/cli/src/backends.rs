//! Proving keys of a deployment's rollups, as backends.

use std::{path::Path, sync::Arc};

use eyre::Result;
use provery_proving::ProofBackend;
use provery_types::RollupRecord;
use provery_worker::external::{External, Subject};
use provery_workloads::{Circuit, Refusal, Registered, Workloads};

use crate::{
    config::external::ExternalValues,
    error::{Code, fail},
    session::{Session, patiently},
};

/// The backend for a rollup's circuit; its keys must be those that the chain knows.
pub(crate) fn load(rollup: &RollupRecord, dir: &Path) -> Result<Arc<dyn ProofBackend>> {
    let workloads = Workloads::default();
    workloads.knows(rollup)?;
    Ok(workloads.prover(&rollup.circuit, dir, Some(&rollup.key_hash.0))?)
}

/// The backend for a rollup's circuit whose proofs the configured program or service makes; they are checked here, by the key that
/// the chain knows.
pub(crate) fn external(
    rollup: &RollupRecord,
    dir: &Path,
    values: &ExternalValues,
) -> Result<Arc<dyn ProofBackend>> {
    let workloads = Workloads::default();
    workloads.knows(rollup)?;
    let verifier = workloads.verifier(&rollup.circuit, dir, Some(&rollup.key_hash.0))?;
    let subject = Subject::Checked { circuit: rollup.circuit.clone(), verifier };
    let external = External::new(subject, values.prover()?, values.time());
    Ok(Arc::new(external.map_err(|error| fail(Code::Config, error.to_string()))?))
}

/// Whether a rollup's market may be staked on: the circuit that the chain has registered is what this program proves.
pub(crate) async fn vet(session: &Session, rollup: &RollupRecord) -> Result<Result<(), Refusal>> {
    let workloads = Workloads::default();
    if let Err(refusal) = workloads.knows(rollup) {
        return Ok(Err(refusal));
    }
    let found = patiently(|| session.chain.circuit(rollup.circuit_id)).await?;
    let registered = Registered {
        key_hash: found.keyHash,
        descriptor_hash: found.descriptorHash,
        development: found.development,
    };
    Ok(workloads.vet(rollup, &registered, session.chain.rpc().is_development()))
}

/// The circuit that is called so on the command line.
pub(crate) fn circuit(name: &str) -> Result<Arc<dyn Circuit>> {
    Workloads::default().circuit(name).ok_or_else(|| {
        fail(
            Code::Usage,
            format!(
                "--circuit: no workload is proven with `{name}`; circuits are called as in deployment files, such as {}",
                Workloads::default().example()
            ),
        )
    })
}
