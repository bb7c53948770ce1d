//! What to send, apart from sending it. Pure.

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::{SolCall, SolValue},
};
use provery_bindings::{
    CircuitRegistry, DevelopmentToken, ProofMarket, ProofMarket::HandOver, ProverRegistry, SealedBidAuction,
    StakeLottery, TransferRollup,
};
use provery_types::{DELEGATION_POOLS, Deployment, Slot, Terms};

/// A transaction before it has a nonce, fees and a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// None to deploy a contract.
    pub to: Option<Address>,
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
    registry: Address,
    circuits: Address,
    lottery: Address,
    asset: Address,
    pub(crate) pools: Address,
}

impl Calls {
    pub fn new(deployment: &Deployment) -> Self {
        Self {
            market: deployment.market(),
            registry: deployment.registry(),
            circuits: deployment.circuits(),
            lottery: deployment.lottery(),
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

    pub fn register(&self, uri: &str) -> Call {
        Call::new("register", self.registry, &ProverRegistry::registerCall { uri: uri.to_string() })
    }

    pub fn set_uri(&self, uri: &str) -> Call {
        Call::new("set_uri", self.registry, &ProverRegistry::setUriCall { uri: uri.to_string() })
    }

    pub fn set_submitter(&self, submitter: Address, allowed: bool) -> Call {
        Call::new("set_submitter", self.registry, &ProverRegistry::setSubmitterCall { submitter, allowed })
    }

    /// Needs an allowance; [`crate::Sender::stake`] sees to it.
    pub fn stake(&self, amount: U256) -> Call {
        Call::new("stake", self.registry, &ProverRegistry::stakeCall { amount })
    }

    pub fn allocate(&self, market: U256, units: U256) -> Call {
        Call::new("allocate", self.registry, &ProverRegistry::allocateCall { marketId: market, units })
    }

    pub fn request_unstake(&self, amount: U256) -> Call {
        Call::new("request_unstake", self.registry, &ProverRegistry::requestUnstakeCall { amount })
    }

    pub fn withdraw_stake(&self, to: Address) -> Call {
        Call::new("withdraw_stake", self.registry, &ProverRegistry::withdrawStakeCall { to })
    }

    pub fn pause(&self) -> Call {
        Call::new("pause", self.registry, &ProverRegistry::pauseCall {})
    }

    pub fn resume(&self) -> Call {
        Call::new("resume", self.registry, &ProverRegistry::resumeCall {})
    }

    pub fn sync(&self, market: U256, prover: Address) -> Call {
        Call::new("sync", self.registry, &ProverRegistry::syncCall { marketId: market, prover })
    }

    /// Fails with a named error unless the mechanism can serve the terms. To be checked, not sent.
    pub fn validate_terms(&self, mechanism: Address, terms: &Terms) -> Call {
        // Every mechanism's is alike.
        let selector = StakeLottery::validateTermsCall::SELECTOR;
        let data = [selector.as_slice(), &(terms.clone(),).abi_encode_params()].concat();
        Call { to: Some(mechanism), data: data.into(), value: U256::ZERO, kind: "validate_terms", gas: None }
    }

    // Mechanisms that keep the bonds of bids themselves.

    /// Needs an allowance; [`crate::Sender::deposit`] sees to it.
    pub fn deposit(&self, mechanism: Address, amount: U256) -> Call {
        Call::new("deposit", mechanism, &SealedBidAuction::depositCall { amount })
    }

    pub fn withdraw_deposit(&self, mechanism: Address, to: Address, amount: U256) -> Call {
        Call::new("withdraw_deposit", mechanism, &SealedBidAuction::withdrawCall { to, amount })
    }

    // The secondary market.

    /// `price` is asset wei that the taker pays; below zero, that it is paid.
    pub fn hand_over(&self, slot: &Slot, terms: &Terms, offer: HandOver) -> Call {
        let call = ProofMarket::handOverCall { slot: slot.clone(), terms: terms.clone(), offer };
        Call::new("hand_over", self.market, &call)
    }

    pub fn revoke_hand_over(&self, slot: &Slot, terms: &Terms, offer: HandOver) -> Call {
        let call = ProofMarket::revokeHandOverCall { slot: slot.clone(), terms: terms.clone(), offer };
        Call::new("revoke_hand_over", self.market, &call)
    }

    /// `signature` is the holder's; empty for an offer made on-chain.
    pub fn take_over(
        &self,
        slot: &Slot,
        terms: &Terms,
        offer: HandOver,
        taker: Address,
        signature: Bytes,
    ) -> Call {
        let call =
            ProofMarket::takeOverCall { slot: slot.clone(), terms: terms.clone(), offer, taker, signature };
        Call::new("take_over", self.market, &call)
    }

    // The lottery.

    pub fn poke(&self) -> Call {
        Call::new("poke", self.lottery, &StakeLottery::pokeCall {})
    }

    // The circuits.

    pub fn register_circuit(
        &self,
        verifier: Address,
        key_hash: B256,
        descriptor_hash: B256,
        development: bool,
        uri: &str,
    ) -> Call {
        let call = CircuitRegistry::registerCall {
            verifier,
            keyHash: key_hash,
            descriptorHash: descriptor_hash,
            development,
            uri: uri.to_string(),
        };
        Call::new("register_circuit", self.circuits, &call)
    }

    // The market.

    pub fn create_market(&self, terms: &Terms, capacity: u32) -> Call {
        Call::new(
            "create_market",
            self.market,
            &ProofMarket::createMarketCall { terms: terms.clone(), capacity },
        )
    }

    pub fn set_terms(&self, market: U256, terms: &Terms) -> Call {
        Call::new("set_terms", self.market, &ProofMarket::setTermsCall { market, terms: terms.clone() })
    }

    /// Needs an allowance; [`crate::Sender::fund`] sees to it.
    pub fn fund(&self, market: U256, amount: U256) -> Call {
        Call::new("fund", self.market, &ProofMarket::fundCall { market, amount })
    }

    pub fn defund(&self, market: U256, amount: U256, to: Address) -> Call {
        Call::new("defund", self.market, &ProofMarket::defundCall { market, amount, to })
    }

    pub fn open_slot(&self, market: U256, terms: &Terms, statement_inputs: Vec<U256>, data: Bytes) -> Call {
        let call = ProofMarket::openSlotCall {
            market,
            terms: terms.clone(),
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

    pub fn expire(&self, slot: &Slot, terms: &Terms) -> Call {
        Call::new(
            "expire",
            self.market,
            &ProofMarket::expireCall { slot: slot.clone(), terms: terms.clone() },
        )
    }

    pub fn cancel(&self, slot: &Slot, terms: &Terms) -> Call {
        Call::new(
            "cancel",
            self.market,
            &ProofMarket::cancelCall { slot: slot.clone(), terms: terms.clone() },
        )
    }

    pub fn withdraw(&self, to: Address, amount: U256) -> Call {
        Call::new("withdraw", self.market, &ProofMarket::withdrawCall { to, amount })
    }

    pub fn sweep_burned(&self) -> Call {
        Call::new("sweep_burned", self.market, &ProofMarket::sweepBurnedCall {})
    }

    // A rollup.

    /// `mechanism_data` is what the market's mechanism wants to know of a slot as it opens: nothing, or an agreement's offer.
    pub fn post_block(
        &self,
        rollup: Address,
        data: Bytes,
        new_root: U256,
        terms: &Terms,
        mechanism_data: Bytes,
    ) -> Call {
        let call = TransferRollup::postBlockCall {
            data,
            newRoot: new_root,
            terms: terms.clone().into(),
            mechanismData: mechanism_data,
        };
        Call::new("post_block", rollup, &call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rollups_terms_encode_as_the_markets() {
        let terms = Terms {
            requester: Address::repeat_byte(1),
            mechanism: Address::repeat_byte(2),
            mechanismParams: B256::repeat_byte(3),
            circuit: B256::repeat_byte(4),
            verifier: Address::repeat_byte(5),
            fastWindow: 6,
            exclusiveWindow: 7,
            expiryWindow: 8,
            floorBps: 9,
            rescuerBps: 10,
            requesterBps: 11,
            forfeitBps: 12,
            outputs: 13,
            callbackGas: 14,
            ..Default::default()
        };
        assert_eq!(TransferRollup::Terms::from(terms.clone()).abi_encode(), terms.abi_encode());
    }

    #[test]
    fn a_deployment_appends_its_arguments() {
        let call = Call::deploy(&[1, 2], &[3]);
        assert_eq!((call.to, call.data), (None, Bytes::from(vec![1, 2, 3])));
    }
}
