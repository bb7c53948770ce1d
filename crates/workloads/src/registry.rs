//! The workloads that a program knows.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy::primitives::{Address, B256};
use provery_proving::{KeyError, ProofBackend, ProofVerifier};
use provery_types::{RollupRecord, Terms, text::plain};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{Circuit, KNOWN, Refusal, Shape, Tracked, Why, Witnesses, Workload};

/// Every workload of the list, unless others are named.
#[derive(Clone, Debug)]
pub struct Workloads {
    known: Vec<&'static dyn Workload>,
    /// Rollups that were found not fit to be staked on.
    refused: BTreeMap<Address, Refusal>,
    /// Where circuits' files are, if they are looked for.
    keys: Option<PathBuf>,
}

impl Default for Workloads {
    fn default() -> Self {
        Self { known: KNOWN.to_vec(), refused: BTreeMap::new(), keys: None }
    }
}

/// A circuit as the chain's registry has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// sha256 of the verifying key's file.
    pub key_hash: B256,
    /// sha256 of the descriptor: see [`Circuit::descriptor_hash`].
    pub descriptor_hash: B256,
    /// Its keys are development keys.
    pub development: bool,
}

/// sha256 of a descriptor as it is written here: compact, its keys in order.
pub fn descriptor_hash(descriptor: &Value) -> B256 {
    B256::from_slice(&Sha256::digest(descriptor.to_string()))
}

impl Workloads {
    /// One more than those of the list.
    pub fn and(mut self, workload: &'static dyn Workload) -> Self {
        self.known.push(workload);
        self
    }

    /// The same, which look for circuits' files there: what these tell of a circuit is compared with markets' terms.
    pub fn with_keys(mut self, keys: &Path) -> Self {
        self.keys = Some(keys.to_owned());
        self
    }

    /// The same, and none of them proves this rollup's slots.
    pub fn refusing(mut self, rollup: Address, refusal: Refusal) -> Self {
        self.refused.insert(rollup, refusal);
        self
    }

    /// The circuit of this name, whichever workload it is of.
    pub fn circuit(&self, name: &str) -> Option<Arc<dyn Circuit>> {
        self.known.iter().find_map(|workload| workload.circuit(name))
    }

    /// The workload that proves whatever is described, and the circuit whose descriptor has this sha256.
    pub fn described(&self, descriptor: B256) -> Option<(&'static dyn Workload, Arc<dyn Circuit>)> {
        self.known.iter().find_map(|workload| Some((*workload, workload.described(descriptor)?)))
    }

    /// A circuit's name, to show how they look.
    pub fn example(&self) -> String {
        // The shortest: what can be typed.
        self.known.iter().map(|workload| workload.example()).min_by_key(String::len).unwrap_or_default()
    }

    /// What proves a circuit's jobs, with the keys under `keys`.
    pub fn prover(
        &self,
        circuit: &str,
        keys: &Path,
        hash: Option<&[u8; 32]>,
    ) -> Result<Arc<dyn ProofBackend>, KeyError> {
        self.known(circuit)?.prover(keys, hash)
    }

    /// What computes witnesses of a circuit's jobs, if others can make proofs of these.
    pub fn witness(
        &self,
        circuit: &str,
        keys: &Path,
        hash: Option<&[u8; 32]>,
    ) -> Result<Option<Witnesses>, KeyError> {
        self.known(circuit)?.witness(keys, hash)
    }

    /// What checks proofs of a circuit's jobs.
    pub fn verifier(
        &self,
        circuit: &str,
        keys: &Path,
        hash: Option<&[u8; 32]>,
    ) -> Result<Arc<dyn ProofVerifier>, KeyError> {
        self.known(circuit)?.verifier(keys, hash)
    }

    fn known(&self, circuit: &str) -> Result<Arc<dyn Circuit>, KeyError> {
        self.circuit(circuit).ok_or_else(|| KeyError::UnknownCircuit { circuit: plain(circuit) })
    }

    /// Begin with a market.
    pub fn track(&self, chain_id: u64, record: &RollupRecord) -> Result<Tracked, Refusal> {
        self.knows(record)?;
        let (workload, circuit) = self.of(record)?;
        Ok(Tracked::new(record, self.shape(&*circuit)?, workload.track(chain_id, record)?))
    }

    fn shape(&self, circuit: &dyn Circuit) -> Result<Option<Shape>, Refusal> {
        circuit.shape(self.keys.as_deref()).map_err(|error| Refusal::new(Why::Circuit, error.to_string()))
    }

    /// Whether a market can be served, as far as its record in the deployment file tells.
    pub fn knows(&self, record: &RollupRecord) -> Result<(), Refusal> {
        match self.refused.get(&record.address) {
            Some(refusal) => Err(refusal.clone()),
            None => self.of(record).map(|_| ()),
        }
    }

    /// Whether a market may be staked on: what the chain has registered as its circuit is what this program proves.
    pub fn vet(
        &self,
        record: &RollupRecord,
        registered: &Registered,
        development_chain: bool,
    ) -> Result<(), Refusal> {
        let (_, circuit) = self.of(record)?;
        let (rollup, name) = (plain(&record.name), circuit.name());
        let refuse = |why, what: &str| Err(Refusal::new(why, format!("rollup {rollup}: {what}")));
        if registered.development && !development_chain {
            let what =
                "its circuit has development keys, whose secrets are known, and this is no development chain";
            return refuse(Why::DevelopmentKeys, what);
        }
        if registered.key_hash != record.key_hash {
            let what =
                "the chain has another key of its circuit than the deployment file; write the file anew";
            return refuse(Why::Circuit, what);
        }
        if registered.descriptor_hash != circuit.descriptor_hash() {
            let what = format!(
                "what is registered as its circuit describes something else than this program's {name}: get the version of \
                 this program that it was made with"
            );
            return refuse(Why::Circuit, &what);
        }
        Ok(())
    }

    /// Whether the code at a rollup's address, of which `found` is the hash, is what the deployment file says.
    pub fn vet_code(&self, record: &RollupRecord, found: Option<B256>) -> Result<(), Refusal> {
        let what = match found {
            Some(found) if found == record.code_hash => return Ok(()),
            Some(_) => "another contract than the deployment file says",
            None => "no contract",
        };
        let (rollup, address) = (plain(&record.name), record.address);
        let message = format!("rollup {rollup}: there is {what} at {address}; use the file of this chain");
        Err(Refusal::new(Why::Contract, message))
    }

    /// Whether a rollup's slots are proven here under these terms of its market.
    pub fn vet_terms(&self, record: &RollupRecord, terms: &Terms) -> Result<(), Refusal> {
        let (_, circuit) = self.of(record)?;
        let shape = self.shape(&*circuit)?;
        let fits = || shape.map_or(Ok(()), |shape| shape.unless_of(terms));
        let in_time = || Refusal::unless_in_time(terms);
        Refusal::unless_of(record.circuit_id, terms).and_then(|()| in_time()).and_then(|()| fits()).map_err(
            |refusal| Refusal::new(refusal.why, format!("rollup {}: {refusal}", plain(&record.name))),
        )
    }

    /// That the chain has no circuit under the id that the deployment file gives.
    pub fn unregistered(&self, record: &RollupRecord) -> Refusal {
        let (rollup, circuit) = (plain(&record.name), record.circuit_id);
        let message = format!(
            "rollup {rollup}: no circuit {circuit} is registered on the chain; use the file of this chain, or write it anew"
        );
        Refusal::new(Why::Circuit, message)
    }

    fn of(&self, record: &RollupRecord) -> Result<(&'static dyn Workload, Arc<dyn Circuit>), Refusal> {
        let (rollup, name) = (plain(&record.name), plain(&record.workload));
        let workload = self.known.iter().copied().find(|workload| workload.name() == record.workload);
        let workload = workload.ok_or_else(|| {
            let known: Vec<&str> = self.known.iter().map(|workload| workload.name()).collect();
            let message = format!(
                "rollup {rollup} has workload {name}, and this program knows {}: get a version that knows it",
                known.join(", ")
            );
            Refusal::new(Why::UnknownWorkload, message)
        })?;
        let circuit = workload.circuit(&record.circuit).ok_or_else(|| {
            let message = format!(
                "rollup {rollup} names circuit {}, with which {name} is not proven; write the deployment file anew",
                plain(&record.circuit)
            );
            Refusal::new(Why::Circuit, message)
        })?;
        Ok((workload, circuit))
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::U256;

    use super::*;
    use crate::testing::record;

    #[test]
    fn each_workload_has_the_name_it_has_in_the_list() {
        let names: Vec<&str> = KNOWN.iter().map(|workload| workload.name()).collect();
        assert_eq!(names, crate::WORDS);
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        let known = record(Address::ZERO, U256::ONE, 2);
        let why = |record: &RollupRecord| {
            let refusal = Workloads::default().track(1, record).err();
            refusal.map(|refusal| (refusal.why, refusal.to_string()))
        };
        assert_eq!(why(&known), None);
        let (kind, message) =
            why(&RollupRecord { workload: "knitting".into(), ..known.clone() }).expect("refused");
        assert!(kind == Why::UnknownWorkload && message.contains("knitting"), "{message}");
        for circuit in
            ["", "transfer-block-d16-n0", "transfer-block-d16-n02", "transfer-block-d16-n4096", "puzzle"]
        {
            let other = RollupRecord { circuit: circuit.into(), ..known.clone() };
            assert_eq!(why(&other).map(|it| it.0), Some(Why::Circuit), "{circuit}");
        }
    }

    #[test]
    fn nothing_is_staked_on_another_circuit_or_on_keys_whose_secrets_are_known() {
        let (workloads, record) = (Workloads::default(), record(Address::ZERO, U256::ONE, 2));
        let circuit = workloads.circuit(&record.circuit).expect("known");
        let good = Registered {
            key_hash: record.key_hash,
            descriptor_hash: circuit.descriptor_hash(),
            development: true,
        };
        let why = |registered: Registered, development| {
            workloads.vet(&record, &registered, development).err().map(|refusal| refusal.why)
        };
        assert_eq!(why(good, true), None);
        assert_eq!(why(good, false), Some(Why::DevelopmentKeys));
        assert_eq!(why(Registered { development: false, ..good }, false), None);
        let other = B256::repeat_byte(7);
        assert_eq!(why(Registered { key_hash: other, ..good }, true), Some(Why::Circuit));
        assert_eq!(why(Registered { descriptor_hash: other, ..good }, true), Some(Why::Circuit));
    }

    #[test]
    fn nothing_is_staked_on_terms_that_name_another_circuit_or_on_another_contract() {
        let (workloads, record) = (Workloads::default(), record(Address::ZERO, U256::ONE, 2));
        let terms = |circuit| Terms { circuit, version: 3, outputs: 1, ..Terms::default() };
        assert_eq!(workloads.vet_terms(&record, &terms(record.circuit_id)), Ok(()));
        let refused = workloads.vet_terms(&record, &terms(B256::repeat_byte(7))).expect_err("another");
        assert!(refused.why == Why::Circuit && refused.to_string().contains("version 3"), "{refused}");
        assert_eq!(workloads.vet_code(&record, Some(record.code_hash)), Ok(()));
        for found in [None, Some(B256::repeat_byte(7))] {
            let refused = workloads.vet_code(&record, found).expect_err("another");
            assert!(refused.why == Why::Contract && refused.to_string().contains("payments"), "{refused}");
        }
    }
}
