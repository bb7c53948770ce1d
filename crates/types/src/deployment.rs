//! deployments/<chainid>.json: what was deployed where, by which compiler, with which keys.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, U256};
use provery_bindings::epoch_seeds;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Source, amount::AssetUnit};

/// A contract's record in a deployment file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractRecord {
    /// Where it is.
    pub address: Address,
    /// keccak256 of the code at the address.
    pub code_hash: B256,
    /// The block in which it was deployed.
    pub block: u64,
    /// It is a mechanism: markets may name it, and its logs tell about slots.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mechanism: bool,
}

/// A rollup that opens slots in one of the deployment's markets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollupRecord {
    /// What people call it.
    pub name: String,
    /// The contract that opens the slots.
    pub address: Address,
    /// keccak256 of the code at the address.
    pub code_hash: B256,
    /// The block in which it was deployed.
    pub block: u64,
    /// The market in which it opens slots.
    pub market: U256,
    /// What is proven in it, by its name in the list of workloads.
    pub workload: String,
    /// The circuit's name, by which its keys are found.
    pub circuit: String,
    /// Its id in the CircuitRegistry.
    pub circuit_id: B256,
    /// sha256 of the verifying key file.
    pub key_hash: B256,
    /// Contracts whose logs the workload reads besides the rollup's own. Of the deployment's own contracts it sees none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Address>,
    /// What the workload has to know besides, in its own words.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub parameters: Value,
}

/// A deployment of the market on one chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// EIP-155 id of the chain that it is on.
    pub chain_id: u64,
    /// Its circuits have development keys, whose secrets are known.
    pub development: bool,
    /// The first block of interest: nothing was deployed before it.
    pub block: u64,
    /// Version of the Solidity compiler.
    pub compiler: String,
    /// The ERC-20 asset of stakes, prices and rewards.
    pub asset: Address,
    /// What amounts of the asset count in; read from the chain if the file does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset_unit: Option<AssetUnit>,
    /// By name in their Solidity source.
    pub contracts: BTreeMap<String, ContractRecord>,
    /// The rollups whose slots a client may prove: their markets, workloads and keys.
    #[serde(default)]
    pub rollups: Vec<RollupRecord>,
}

/// Contracts that every deployment has. It may have more: each mechanism is named by its contract.
pub const REQUIRED_CONTRACTS: [&str; 7] = [
    PROOF_MARKET,
    PROOF_MARKET_EXT,
    SLOT_TRANSFERS,
    TERMS_RULES,
    PROVER_REGISTRY,
    CIRCUIT_REGISTRY,
    EPOCH_SEEDS,
];
/// The market: slots, escrow, settlement.
pub const PROOF_MARKET: &str = "ProofMarket";
/// What the market delegates to: terms, funds, credit, held slashes.
pub const PROOF_MARKET_EXT: &str = "ProofMarketExt";
/// The offers of slot transfers.
pub const SLOT_TRANSFERS: &str = "SlotTransfers";
/// The rules that all terms must keep.
pub const TERMS_RULES: &str = "TermsRules";
/// Who proves: identity, stake, bonds, weights.
pub const PROVER_REGISTRY: &str = "ProverRegistry";
/// What can be proven.
pub const CIRCUIT_REGISTRY: &str = "CircuitRegistry";
/// The mechanism that keeps the seeds of epochs.
pub const EPOCH_SEEDS: &str = epoch_seeds::NAME;
/// What pools may do in which markets.
pub const DELEGATION_POOL_POLICIES: &str = "DelegationPoolPolicies";
/// The code of all pools; no pool itself.
pub const DELEGATION_POOL: &str = "DelegationPool";
/// The factory of pools.
pub const DELEGATION_POOLS: &str = "DelegationPools";
/// Verifies proofs of the mining puzzle. Only where there is such a mechanism.
pub const PUZZLE_VERIFIER: &str = "PuzzleVerifier";

/// Why a deployment file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    /// It is not the JSON of a deployment.
    #[error("the deployment file is not valid ({0}); write it anew with `provery deploy`")]
    Syntax(#[from] serde_json::Error),
    /// It has no contract of this name, which every deployment has.
    #[error("the deployment file names no {0}; write it anew with `provery deploy`")]
    Missing(&'static str),
    /// Two of its contracts or rollups are at one address.
    #[error(
        "the deployment file gives {first} and {second} one address, {address}; write it anew with `provery deploy`"
    )]
    SharedAddress {
        /// One of them.
        first: String,
        /// The other.
        second: String,
        /// Where both are.
        address: Address,
    },
    /// Its keys' secrets are known, and the chain with this id is not one for development.
    #[error(
        "the deployment has development keys, whose secrets are known, and chain {0} is not a development chain; deploy with keys from a ceremony"
    )]
    DevelopmentKeys(u64),
    /// It has no rollup of this name.
    #[error("the deployment has no rollup or market named {name}; it has: {known}")]
    UnknownRollup {
        /// What was asked for.
        name: String,
        /// The names it has, separated by commas.
        known: String,
    },
}

/// Chains on which keys with known secrets may be used.
pub fn is_development_chain(chain_id: u64) -> bool {
    matches!(chain_id, 31337 | 1337)
}

impl Deployment {
    /// Parse and check a deployment file.
    pub fn from_json(text: &str) -> Result<Self, DeploymentError> {
        let deployment: Self = serde_json::from_str(text)?;
        deployment.validate()?;
        Ok(deployment)
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// What can be checked without the chain.
    pub fn validate(&self) -> Result<(), DeploymentError> {
        if let Some(missing) = REQUIRED_CONTRACTS.into_iter().find(|name| !self.contracts.contains_key(*name))
        {
            return Err(DeploymentError::Missing(missing));
        }
        let mut seen = BTreeMap::new();
        for (name, record) in self.code_hashes() {
            if let Some(first) = seen.insert(record.0, name.clone()) {
                return Err(DeploymentError::SharedAddress { first, second: name, address: record.0 });
            }
        }
        if self.development && !is_development_chain(self.chain_id) {
            return Err(DeploymentError::DevelopmentKeys(self.chain_id));
        }
        Ok(())
    }

    /// Address of the contract `name`; zero if the deployment has none (no required one, once validated).
    pub fn address(&self, name: &str) -> Address {
        self.contracts.get(name).map_or(Address::ZERO, |record| record.address)
    }

    /// Address of the market.
    pub fn market(&self) -> Address {
        self.address(PROOF_MARKET)
    }

    /// Address of the contract with the offers of slot transfers.
    pub fn slot_transfers(&self) -> Address {
        self.address(SLOT_TRANSFERS)
    }

    /// Address of the provers' registry.
    pub fn registry(&self) -> Address {
        self.address(PROVER_REGISTRY)
    }

    /// Address of the registry of circuits.
    pub fn circuits(&self) -> Address {
        self.address(CIRCUIT_REGISTRY)
    }

    /// The contract that keeps the seeds of epochs.
    pub fn epoch_seeds(&self) -> Address {
        self.address(EPOCH_SEEDS)
    }

    /// The rollup named `name`.
    pub fn rollup(&self, name: &str) -> Result<&RollupRecord, DeploymentError> {
        self.rollups.iter().find(|rollup| rollup.name == name).ok_or_else(|| DeploymentError::UnknownRollup {
            name: name.to_string(),
            known: match self.rollups.as_slice() {
                [] => "none".to_owned(),
                some => some.iter().map(|rollup| rollup.name.as_str()).collect::<Vec<_>>().join(", "),
            },
        })
    }

    /// The rollup that opens slots in `market`, if it is one of this deployment's.
    pub fn rollup_of_market(&self, market: U256) -> Option<&RollupRecord> {
        self.rollups.iter().find(|rollup| rollup.market == market)
    }

    /// What must be on the chain: name → (address, code hash).
    pub fn code_hashes(&self) -> Vec<(String, (Address, B256))> {
        let contracts =
            self.contracts.iter().map(|(name, record)| (name.clone(), (record.address, record.code_hash)));
        let rollups = self
            .rollups
            .iter()
            .map(|rollup| (format!("rollup {}", rollup.name), (rollup.address, rollup.code_hash)));
        contracts.chain(rollups).collect()
    }

    /// The contracts whose logs tell the deployment's history, and how to decode each one's.
    pub fn sources(&self) -> BTreeMap<Address, Source> {
        let contracts = self.contracts.iter().filter_map(|(name, record)| {
            let source = Source::of_contract(name).or(record.mechanism.then_some(Source::Mechanism));
            source.map(|source| (record.address, source))
        });
        let read = |rollup: &RollupRecord| [&[rollup.address][..], &rollup.sources].concat();
        let workloads = self.rollups.iter().flat_map(read).map(|address| (address, Source::Workload));
        // The last word counts: nobody's file makes the market's logs a rollup's.
        workloads.chain(contracts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment() -> Deployment {
        let record = |byte| ContractRecord {
            address: Address::repeat_byte(byte),
            code_hash: B256::repeat_byte(byte),
            block: u64::from(byte),
            mechanism: false,
        };
        let contracts = REQUIRED_CONTRACTS.into_iter().map(str::to_string).zip((1..).map(record)).collect();
        Deployment {
            chain_id: 31337,
            development: true,
            block: 1,
            compiler: "0.8.30".to_string(),
            asset: Address::repeat_byte(9),
            asset_unit: None,
            contracts,
            rollups: Vec::new(),
        }
    }

    #[test]
    fn a_file_comes_back_as_it_was() {
        let deployment = deployment();
        assert_eq!(Deployment::from_json(&deployment.to_json()).expect("its own file"), deployment);
    }

    #[test]
    fn a_workload_reads_contracts_besides_its_own_and_none_of_the_markets() {
        let mut deployment = deployment();
        let (own, other) = (Address::repeat_byte(0x71), Address::repeat_byte(0x72));
        deployment.rollups.push(rollup(own));
        deployment.rollups[0].sources = vec![other, deployment.market()];
        let sources = deployment.sources();
        assert_eq!([own, other].map(|it| sources[&it]), [Source::Workload; 2]);
        assert_eq!(sources[&deployment.market()], Source::Market);
        assert_eq!(Deployment::from_json(&deployment.to_json()).expect("its own file"), deployment);
    }

    #[test]
    fn a_file_that_names_a_block_size_and_no_workload_is_to_be_written_anew() {
        let mut deployment = deployment();
        deployment.rollups.push(rollup(Address::repeat_byte(0x71)));
        let text = deployment.to_json().replace("\"workload\": \"w\"", "\"block_txs\": 8");
        let error = Deployment::from_json(&text).expect_err("of an older program").to_string();
        assert!(error.contains("block_txs") && error.contains("provery deploy"), "{error}");
    }

    #[test]
    fn the_record_in_the_guide_has_every_field() {
        let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guides/add-a-workload.md");
        let guide = std::fs::read_to_string(guide).expect("is there");
        let shown =
            guide.split("```json").nth(1).and_then(|rest| rest.split("```").next()).expect("a record");
        let record: RollupRecord = serde_json::from_str(shown).expect("a record");
        // Fields that may be left out are there as well.
        let shown: Value = serde_json::from_str(shown).expect("JSON");
        let full = RollupRecord { sources: vec![Address::ZERO], parameters: Value::Bool(true), ..record };
        let full = serde_json::to_value(full).expect("JSON");
        let names = |value: &Value| {
            value.as_object().expect("an object").keys().cloned().collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(names(&shown), names(&full));
    }

    fn rollup(address: Address) -> RollupRecord {
        RollupRecord {
            name: "r".to_string(),
            address,
            code_hash: B256::ZERO,
            block: 1,
            market: U256::from(1),
            workload: "w".to_string(),
            circuit: "c".to_string(),
            circuit_id: B256::ZERO,
            key_hash: B256::ZERO,
            sources: Vec::new(),
            parameters: Value::Null,
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut deployment = deployment();
        deployment.contracts.remove(EPOCH_SEEDS);
        let error = Deployment::from_json(&deployment.to_json()).expect_err("no seeds");
        assert!(error.to_string().contains(EPOCH_SEEDS), "{error}");
    }

    #[test]
    fn one_address_for_two_contracts_is_refused() {
        let mut deployment = deployment();
        let market = deployment.market();
        deployment.contracts.get_mut(PROVER_REGISTRY).expect("required").address = market;
        assert!(matches!(deployment.validate(), Err(DeploymentError::SharedAddress { .. })));
    }

    #[test]
    fn development_keys_stay_on_development_chains() {
        let deployment = Deployment { chain_id: 1, ..deployment() };
        assert!(matches!(deployment.validate(), Err(DeploymentError::DevelopmentKeys(1))));
        assert!(Deployment { development: false, ..deployment }.validate().is_ok());
    }

    #[test]
    fn unknown_fields_and_rollups_are_refused() {
        let text = deployment().to_json().replacen('{', "{\"chain\": 1,", 1);
        assert!(matches!(Deployment::from_json(&text), Err(DeploymentError::Syntax(_))));
        assert!(matches!(deployment().rollup("none"), Err(DeploymentError::UnknownRollup { .. })));
    }
}
