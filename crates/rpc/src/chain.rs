//! A connection to a deployment that was checked against the chain.

use std::{path::Path, sync::Arc};

use provery_bindings::{CircuitRegistry, ProofMarket, ProverRegistry, epoch_seeds};
use provery_types::{Currency, Deployment};

use alloy::providers::RootProvider;

use crate::{Calls, ChainError, Rpc};

/// A connection to a deployment that was checked against the chain. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Chain {
    rpc: Rpc,
    deployment: Arc<Deployment>,
    asset: Currency,
}

/// Read and parse a deployment file.
pub fn load_deployment(path: &Path) -> Result<Deployment, ChainError> {
    let text = std::fs::read_to_string(path).map_err(|error| ChainError::DeploymentUnreadable {
        path: path.to_path_buf(),
        reason: error.to_string(),
    })?;
    Ok(Deployment::from_json(&text)?)
}

impl Chain {
    /// Check that the chain is the deployment's, and that its contracts are where and what the file says. Rollups are not checked:
    /// one whose record is wrong is for whoever stakes on it or sends for it to refuse, and keeps nobody from anything else.
    pub async fn connect(rpc: Rpc, deployment: Deployment) -> Result<Self, ChainError> {
        if deployment.chain_id != rpc.chain_id() {
            return Err(ChainError::WrongChain {
                url: rpc.name().to_string(),
                deployment: deployment.chain_id,
                rpc: rpc.chain_id(),
            });
        }
        deployment.validate()?;
        for (name, record) in &deployment.contracts {
            let (contract, address, expected) = (name.clone(), record.address, record.code_hash);
            match rpc.code_hash(address).await? {
                Some(found) if found == expected => {}
                Some(found) => return Err(ChainError::CodeDiffers { contract, address, found, expected }),
                None => return Err(ChainError::CodeMissing { contract, address }),
            }
        }
        let asset = crate::asset::currency(&rpc, deployment.asset).await?;
        // One endpoint's answer decides what every amount means; what was written down at the deployment must agree.
        if let Some(unit) = &deployment.asset_unit
            && unit.decimals != asset.decimals()
        {
            return Err(ChainError::DecimalsDiffer { file: unit.decimals, chain: asset.decimals() });
        }
        Ok(Self { rpc, deployment: Arc::new(deployment), asset })
    }

    /// A deployment that is taken on trust, with its asset's currency: nothing is asked.
    pub fn unchecked(rpc: Rpc, deployment: Deployment, asset: Currency) -> Self {
        Self { rpc, deployment: Arc::new(deployment), asset }
    }

    /// The connection to the chain.
    pub fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    /// The contracts that it was checked for.
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// What amounts of the deployment's asset count in.
    pub fn asset(&self) -> &Currency {
        &self.asset
    }

    /// Builders of the calls to this deployment's contracts.
    pub fn calls(&self) -> Calls {
        Calls::new(&self.deployment)
    }

    /// The market, to be read by way of [`Rpc::provider`]. Likewise below.
    pub fn market_contract(&self) -> ProofMarket::ProofMarketInstance<RootProvider> {
        ProofMarket::new(self.deployment.market(), self.rpc.provider().clone())
    }

    /// The provers' registry.
    pub fn registry_contract(&self) -> ProverRegistry::ProverRegistryInstance<RootProvider> {
        ProverRegistry::new(self.deployment.registry(), self.rpc.provider().clone())
    }

    /// The mechanism that keeps the seeds of epochs.
    pub fn seeds_contract(&self) -> epoch_seeds::Instance<RootProvider> {
        epoch_seeds::new(self.deployment.epoch_seeds(), self.rpc.provider().clone())
    }

    /// The registry of circuits.
    pub fn circuits_contract(&self) -> CircuitRegistry::CircuitRegistryInstance<RootProvider> {
        CircuitRegistry::new(self.deployment.circuits(), self.rpc.provider().clone())
    }
}
