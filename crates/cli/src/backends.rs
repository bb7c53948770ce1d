//! Proving keys of a deployment's rollups, as backends.

use std::{path::Path, sync::Arc};

use eyre::Result;
use provery_circuits::Params;
use provery_proving::{BlockBackend, ProofBackend, block};
use provery_types::RollupRecord;

use crate::error::{Code, fail};

/// The backend for a rollup's circuit; its keys must be those that the chain knows.
pub fn load(rollup: &RollupRecord, dir: &Path) -> Result<Arc<dyn ProofBackend>> {
    let params = usize::try_from(rollup.block_txs).ok().and_then(|block_txs| Params::new(block_txs).ok());
    let params = params.ok_or_else(|| {
        fail(
            Code::DeploymentInvalid,
            format!(
                "the deployment gives rollup {} no possible block size; write it anew with `provery deploy`",
                rollup.name
            ),
        )
    })?;
    let keys = block::load_keys(&params, dir, Some(&rollup.key_hash.0))?;
    Ok(Arc::new(BlockBackend::new(keys)))
}
