//! Whether a rollup of the deployment file is what this program proves, asked of the chain: before it is served, before anything is
//! staked on it, and before anything is sent for it.

use provery_rpc::{Chain, ChainError};
use provery_types::RollupRecord;
use provery_workloads::{Refusal, Registered, Workloads};

/// Refuses a record whose contract or circuit is another on the chain. Of its market's terms nothing is asked: slots that are open
/// may have others than those in force.
pub async fn vet(
    chain: &Chain,
    workloads: &Workloads,
    record: &RollupRecord,
) -> Result<Result<(), Refusal>, ChainError> {
    if let Err(refusal) = workloads.knows(record) {
        return Ok(Err(refusal));
    }
    if let Err(refusal) = workloads.vet_code(record, chain.surest_code_hash(record.address).await?) {
        return Ok(Err(refusal));
    }
    let Some(found) = chain.surest_circuit(record.circuit_id).await? else {
        return Ok(Err(workloads.unregistered(record)));
    };
    let registered = Registered {
        key_hash: found.keyHash,
        descriptor_hash: found.descriptorHash,
        development: found.development,
    };
    Ok(workloads.vet(record, &registered, chain.rpc().is_development()))
}
