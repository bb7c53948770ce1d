//! What to send, apart from sending it. Pure.

use std::ops::RangeInclusive;

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::{SolCall, SolValue},
};
use provery_bindings::{
    CircuitRegistry, DevelopmentToken, IBondEscrow, IMechanism, ProofMarket, ProverRegistry, Registration,
    Sample, SlotInputs,
    SlotTransfers::{self, TransferOffer},
};
use provery_types::{DELEGATION_POOLS, Deployment, Slot, Terms};

/// A transaction before it has a nonce, fees and a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// None to deploy a contract.
    pub to: Option<Address>,
    /// The call, encoded; or bytecode and the constructor's arguments.
    pub data: Bytes,
    /// Wei of the chain's own currency.
    pub value: U256,
    /// What it is, in logs, gas tables and errors.
    pub kind: &'static str,
    /// Gas limit; estimated if not given.
    pub gas: Option<u64>,
}

impl Call {
    /// A call of a contract's function.
    pub fn new(kind: &'static str, to: Address, call: &impl SolCall) -> Self {
        Self { to: Some(to), data: call.abi_encode().into(), value: U256::ZERO, kind, gas: None }
    }

    /// A contract's deployment: its bytecode and its constructor's encoded arguments.
    pub fn deploy(bytecode: &[u8], args: &[u8]) -> Self {
        Self {
            to: None,
            data: [bytecode, args].concat().into(),
            value: U256::ZERO,
            kind: "deploy",
            gas: None,
        }
    }

    /// A payment in the chain's own currency.
    pub fn transfer(to: Address, value: U256) -> Self {
        Self { to: Some(to), data: Bytes::new(), value, kind: "transfer", gas: None }
    }
}

/// Builders of the calls to a deployment's contracts.
#[derive(Clone, Copy, Debug)]
pub struct Calls {
    market: Address,
    slot_transfers: Address,
    registry: Address,
    circuits: Address,
    pub(crate) seeds: Address,
    asset: Address,
    pub(crate) pools: Address,
}

impl Calls {
    /// Of the calls to these contracts.
    pub fn new(deployment: &Deployment) -> Self {
        Self {
            market: deployment.market(),
            slot_transfers: deployment.slot_transfers(),
            registry: deployment.registry(),
            circuits: deployment.circuits(),
            seeds: deployment.epoch_seeds(),
            asset: deployment.asset,
            pools: deployment.address(DELEGATION_POOLS),
        }
    }

    // The asset.

    /// Allow `spender` to take `amount` asset wei.
    pub fn approve(&self, spender: Address, amount: U256) -> Call {
        Call::new("approve", self.asset, &DevelopmentToken::approveCall { spender, value: amount })
    }

    /// Send `amount` asset wei.
    pub fn transfer_asset(&self, to: Address, amount: U256) -> Call {
        Call::new("transfer_asset", self.asset, &DevelopmentToken::transferCall { to, value: amount })
    }

    /// Mint asset wei; only the development token lets one.
    pub fn mint(&self, to: Address, amount: U256) -> Call {
        Call::new("mint", self.asset, &DevelopmentToken::mintCall { to, amount })
    }

    // The registry.

    /// Make the sender a prover, whose metadata are at `uri`.
    pub fn register(&self, uri: &str) -> Call {
        Call::new("register", self.registry, &ProverRegistry::registerCall { uri: uri.to_string() })
    }

    /// The sender's metadata are at `uri` from now on.
    pub fn set_uri(&self, uri: &str) -> Call {
        Call::new("set_uri", self.registry, &ProverRegistry::setUriCall { uri: uri.to_string() })
    }

    /// Nominate a key to act for the sender, or end that; the key answers with [`Self::serve`].
    pub fn set_submitter(&self, submitter: Address, allowed: bool) -> Call {
        Call::new("set_submitter", self.registry, &ProverRegistry::setSubmitterCall { submitter, allowed })
    }

    /// Needs an allowance; [`crate::Sender::stake`] sees to it.
    pub fn stake(&self, amount: U256) -> Call {
        Call::new("stake", self.registry, &ProverRegistry::stakeCall { amount })
    }

    /// Units of stake behind a market, how many of them may be bonded at once, and the versions of its terms accepted.
    pub fn allocate(&self, market: U256, units: U256, exposure: U256, versions: RangeInclusive<u32>) -> Call {
        let call = ProverRegistry::allocateCall {
            marketId: market,
            units,
            exposure,
            fromVersion: *versions.start(),
            toVersion: *versions.end(),
        };
        Call::new("allocate", self.registry, &call)
    }

    /// The key that sends this acts for `prover`, which nominated it.
    pub fn serve(&self, prover: Address) -> Call {
        Call::new("serve", self.registry, &ProverRegistry::serveCall { prover })
    }

    /// Come back after a suspension in a market.
    pub fn reinstate(&self, market: U256) -> Call {
        Call::new("reinstate", self.registry, &ProverRegistry::reinstateCall { marketId: market })
    }

    /// Ask back `amount` asset wei of free stake.
    pub fn request_unstake(&self, amount: U256) -> Call {
        Call::new("request_unstake", self.registry, &ProverRegistry::requestUnstakeCall { amount })
    }

    /// Send stake that was asked back to `to`, once its time has come.
    pub fn withdraw_stake(&self, to: Address) -> Call {
        Call::new("withdraw_stake", self.registry, &ProverRegistry::withdrawStakeCall { to })
    }

    /// Leave the draws of every market.
    pub fn pause(&self) -> Call {
        Call::new("pause", self.registry, &ProverRegistry::pauseCall {})
    }

    /// Come back after a pause; weights follow market by market, by [`Self::sync`].
    pub fn resume(&self) -> Call {
        Call::new("resume", self.registry, &ProverRegistry::resumeCall {})
    }

    /// Bring a prover's weight in a market in line with its allocation, its pause or its suspension.
    pub fn sync(&self, market: U256, prover: Address) -> Call {
        Call::new("sync", self.registry, &ProverRegistry::syncCall { marketId: market, prover })
    }

    /// Fails with a named error unless the mechanism can serve the terms. To be checked, not sent.
    pub fn validate_terms(&self, mechanism: Address, terms: &Terms) -> Call {
        // Every mechanism's is alike.
        let selector = IMechanism::validateTermsCall::SELECTOR;
        let data = [selector.as_slice(), &(terms.clone(),).abi_encode_params()].concat();
        Call { to: Some(mechanism), data: data.into(), value: U256::ZERO, kind: "validate_terms", gas: None }
    }

    // Mechanisms that keep the bonds of bids themselves.

    /// Needs an allowance; [`crate::Sender::deposit`] sees to it.
    pub fn deposit(&self, mechanism: Address, amount: U256) -> Call {
        Call::new("deposit", mechanism, &IBondEscrow::depositCall { amount })
    }

    /// Send `amount` asset wei of the sender's deposit to `to`.
    pub fn withdraw_deposit(&self, mechanism: Address, to: Address, amount: U256) -> Call {
        Call::new("withdraw_deposit", mechanism, &IBondEscrow::withdrawCall { to, amount })
    }

    // The secondary market.

    /// `price` is asset wei that the taker pays; below zero, that it is paid.
    pub fn offer_transfer(&self, slot: &Slot, terms: &Terms, offer: TransferOffer) -> Call {
        let call = SlotTransfers::offerTransferCall {
            slot: slot.clone().into(),
            terms: terms.clone().into(),
            offer,
        };
        Call::new("offer_transfer", self.slot_transfers, &call)
    }

    /// Make void an offer of a slot that the sender holds, made on-chain or signed.
    pub fn revoke_transfer(&self, slot: &Slot, terms: &Terms, offer: TransferOffer) -> Call {
        let call = SlotTransfers::revokeTransferCall {
            slot: slot.clone().into(),
            terms: terms.clone().into(),
            offer,
        };
        Call::new("revoke_transfer", self.slot_transfers, &call)
    }

    /// `signature` is the holder's; empty for an offer made on-chain.
    pub fn accept_transfer(
        &self,
        slot: &Slot,
        terms: &Terms,
        offer: TransferOffer,
        taker: Address,
        signature: Bytes,
    ) -> Call {
        let call = SlotTransfers::acceptTransferCall {
            slot: slot.clone().into(),
            terms: terms.clone().into(),
            offer,
            taker,
            signature,
        };
        Call::new("accept_transfer", self.slot_transfers, &call)
    }

    // The circuits.

    /// Register a circuit, with a sample that its verifier accepts.
    pub fn register_circuit(&self, registration: Registration, sample: Sample) -> Call {
        Call::new("register_circuit", self.circuits, &CircuitRegistry::registerCall { registration, sample })
    }

    /// Commit to a proof that does not bind its payee, before it is shown.
    pub fn commit_proof(&self, commitment: B256) -> Call {
        Call::new("commit_proof", self.market, &ProofMarket::commitProofCall { commitment })
    }

    /// Say what slots with a statement are proven from, by the contract that tells the market's inputs.
    pub fn post_input(&self, inputs: Address, market: U256, statement: B256, input: Bytes) -> Call {
        Call::new("post_input", inputs, &SlotInputs::postCall { market, statement, input })
    }

    /// The same for an input that is fetched from elsewhere.
    pub fn link_input(
        &self,
        inputs: Address,
        market: U256,
        statement: B256,
        url: &str,
        digest: B256,
        size: u64,
    ) -> Call {
        let call = SlotInputs::linkCall { market, statement, url: url.to_owned(), digest, size };
        Call::new("link_input", inputs, &call)
    }

    // The market.

    /// `origin` is what the first slot of a chain continues; 0 without a chain.
    pub fn create_market(&self, terms: &Terms, capacity: u32, origin: U256) -> Call {
        Call::new(
            "create_market",
            self.market,
            &ProofMarket::createMarketCall { terms: terms.clone(), capacity, origin },
        )
    }

    /// Change the terms of slots to come; `current` are those in force.
    pub fn set_terms(&self, market: U256, current: &Terms, next: &Terms) -> Call {
        let call = ProofMarket::setTermsCall { market, current: current.clone(), next: next.clone() };
        Call::new("set_terms", self.market, &call)
    }

    /// Needs an allowance; [`crate::Sender::fund`] sees to it.
    pub fn fund(&self, market: U256, amount: U256) -> Call {
        Call::new("fund", self.market, &ProofMarket::fundCall { market, amount })
    }

    /// Turn `amount` asset wei of a market's unused funds into credit of `to`.
    pub fn defund(&self, market: U256, amount: U256, to: Address) -> Call {
        Call::new("defund", self.market, &ProofMarket::defundCall { market, amount, to })
    }

    /// `premise` is the slot it builds on: the chain's head, or 0.
    pub fn open_slot(
        &self,
        market: U256,
        terms: &Terms,
        premise: u64,
        statement_inputs: Vec<U256>,
        data: Bytes,
    ) -> Call {
        let call = ProofMarket::openSlotCall {
            market,
            terms: terms.clone(),
            premise,
            statementInputs: statement_inputs,
            data,
        };
        Call::new("open", self.market, &call)
    }

    /// `public_inputs` are the statement's, then the outputs, then the payee.
    pub fn prove(&self, slot: &Slot, terms: &Terms, public_inputs: Vec<U256>, proof: Bytes) -> Call {
        let call = ProofMarket::proveCall {
            slot: slot.clone(),
            terms: terms.clone(),
            publicInputs: public_inputs,
            proof,
        };
        Call::new("prove", self.market, &call)
    }

    /// `inputs` are the slot's statement inputs; only those of a slot in a chain are sent.
    pub fn expire(&self, slot: &Slot, terms: &Terms, inputs: &[U256]) -> Call {
        let inputs = linked(terms, inputs);
        let (slot, terms) = (slot.clone(), terms.clone());
        Call::new("expire", self.market, &ProofMarket::expireCall { slot, terms, statementInputs: inputs })
    }

    /// Likewise.
    pub fn cancel(&self, slot: &Slot, terms: &Terms, inputs: &[U256]) -> Call {
        let inputs = linked(terms, inputs);
        let (slot, terms) = (slot.clone(), terms.clone());
        Call::new("cancel", self.market, &ProofMarket::cancelCall { slot, terms, statementInputs: inputs })
    }

    /// Likewise.
    pub fn drop_slot(&self, slot: &Slot, terms: &Terms, inputs: &[U256]) -> Call {
        let inputs = linked(terms, inputs);
        let (slot, terms) = (slot.clone(), terms.clone());
        Call::new("drop", self.market, &ProofMarket::dropCall { slot, terms, statementInputs: inputs })
    }

    /// Settle a slot that was proven before its premise was; the last three as its `SlotPending` tells them.
    pub fn resolve(&self, slot: &Slot, terms: &Terms, payee: Address, right: bool, claim: U256) -> Call {
        let (slot, terms) = (slot.clone(), terms.clone());
        Call::new("resolve", self.market, &ProofMarket::resolveCall { slot, terms, payee, right, claim })
    }

    /// Send `amount` asset wei of the sender's credit to `to`.
    pub fn withdraw(&self, to: Address, amount: U256) -> Call {
        Call::new("withdraw", self.market, &ProofMarket::withdrawCall { to, amount })
    }

    /// Send what is burned in the market to the dead address.
    pub fn sweep_burned(&self) -> Call {
        Call::new("sweep_burned", self.market, &ProofMarket::sweepBurnedCall {})
    }

    // A rollup.
}

/// Nobody asks for the inputs of a slot that stands alone.
fn linked(terms: &Terms, inputs: &[U256]) -> Vec<U256> {
    if terms.chain == 0 { Vec::new() } else { inputs.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_appends_its_arguments() {
        let call = Call::deploy(&[1, 2], &[3]);
        assert_eq!((call.to, call.data), (None, Bytes::from(vec![1, 2, 3])));
    }
}
