//! Proving keys of a deployment's rollups, as backends.

use std::{path::Path, sync::Arc};

use eyre::Result;
use provery_proving::ProofBackend;
use provery_types::RollupRecord;
use provery_workloads::{Circuit, Workloads};

use crate::error::{Code, fail};

/// The backend for a rollup's circuit; its keys must be those that the chain knows.
pub fn load(rollup: &RollupRecord, dir: &Path) -> Result<Arc<dyn ProofBackend>> {
    let workloads = Workloads::default();
    workloads.knows(rollup)?;
    Ok(workloads.prover(&rollup.circuit, dir, Some(&rollup.key_hash.0))?)
}

/// The circuit that is called so on the command line.
pub fn circuit(name: &str) -> Result<Arc<dyn Circuit>> {
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
