//! A market in the deployment file, so that provers can serve it.

use alloy::{
    primitives::{Address, B256, U256},
    sol_types::SolValue as _,
};
use eyre::Result;
use provery_bindings::SlotInputs;
use provery_rpc::Call;
use provery_txmgr::Mined;
use provery_types::{RollupRecord, Terms};
use provery_workloads::Workloads;
use serde_json::Value;

use super::CreateArgs;
use crate::{
    config,
    error::{Code, fail},
    files,
    session::{Session, deployed},
};

/// What is written once the market is there.
pub(super) struct Named {
    name: String,
    workload: &'static str,
    circuit: String,
    key_hash: B256,
    /// The contract that tells the inputs, and its code's hash; none for a new one.
    inputs: Option<(Address, B256)>,
    parameters: Value,
}

/// Checked before anything is sent.
pub(super) async fn plan(session: &Session, name: &str, terms: &Terms, args: &CreateArgs) -> Result<Named> {
    files::check_writable(session.path())?;
    if session.deployment().rollups.iter().any(|rollup| rollup.name == name) {
        return Err(fail(
            Code::RollupExists,
            format!("the deployment already has a rollup or market named {name}; choose another --name"),
        ));
    }
    let registered = session.chain.circuit(terms.circuit).await?;
    let workloads = Workloads::default().with_keys(&config::keys_dir(None));
    let (workload, circuit) = workloads.described(registered.descriptorHash).ok_or_else(|| {
        fail(
            Code::CircuitNotFound,
            "no workload of this program proves circuits from elsewhere; leave out --name",
        )
    })?;
    let inputs = match args.inputs {
        Some(address) => {
            let code = session.chain.rpc().code_hash(address).await?;
            let missing = || fail(Code::WrongContract, format!("there is no contract at --inputs {address}"));
            Some((address, code.ok_or_else(missing)?))
        }
        None => None,
    };
    let named = Named {
        name: name.to_owned(),
        workload: workload.name(),
        circuit: circuit.name(),
        key_hash: registered.keyHash,
        inputs,
        parameters: args.parameters.clone().unwrap_or_else(|| workload.default_parameters()),
    };
    // As a prover will read it.
    let record = named.written(Address::ZERO, B256::ZERO, 0, U256::ZERO, terms);
    workloads.track(session.chain.rpc().chain_id(), &record)?;
    workloads.vet_terms(&record, terms)?;
    Ok(named)
}

impl Named {
    fn written(
        &self,
        address: Address,
        code_hash: B256,
        block: u64,
        market: U256,
        terms: &Terms,
    ) -> RollupRecord {
        RollupRecord {
            name: self.name.clone(),
            address,
            code_hash,
            block,
            market,
            workload: self.workload.to_owned(),
            circuit: self.circuit.clone(),
            circuit_id: terms.circuit,
            key_hash: self.key_hash,
            sources: Vec::new(),
            parameters: self.parameters.clone(),
        }
    }

    /// Puts the market that was created into the deployment file, with the contract that tells its inputs.
    pub(super) async fn record(
        self,
        session: &Session,
        market: U256,
        terms: &Terms,
        created: &Mined,
    ) -> Result<RollupRecord> {
        let (address, code_hash) = match self.inputs {
            Some(known) => known,
            None => {
                let call = Call::deploy(&SlotInputs::BYTECODE, &terms.requester.abi_encode());
                let inputs = deployed(session.chain.rpc(), &session.send(call).await?).await?;
                (inputs.address, inputs.code_hash)
            }
        };
        let record = self.written(address, code_hash, created.block.number, market, terms);
        files::update_deployment(session.path(), |deployment| {
            deployment.rollups.push(record.clone());
            Ok(())
        })?;
        Ok(record)
    }
}
