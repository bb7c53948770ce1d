//! Agreements: the requester opens its slots for a prover that signed an offer to it. What is left to the prover is to prove
//! what it is given; the offer itself is signed beforehand ([`Offer::digest`]).

use alloy::primitives::aliases::U96;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::{Eip712Domain, SolStruct, SolValue, eip712_domain};
use provery_bindings::Agreement as Contract;
use provery_bindings::Agreement::Offer as SignedOffer;
use serde::{Deserialize, Serialize};

use crate::view::{Decision, SlotView};
use crate::{Mechanism, phase};

/// See the module.
#[derive(Debug)]
pub struct Agreement;

pub const MECHANISM: Agreement = Agreement;

/// A prover's standing offer to one requester. Amounts are asset wei, times unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    pub prover: Address,
    pub requester: Address,
    pub market: U256,
    /// Hash of the terms it is for.
    pub terms: B256,
    pub price: U256,
    /// Exactly the bond of the market's terms.
    pub penalty: U256,
    /// Slots held at once.
    pub capacity: u32,
    /// The last second in which it opens a slot.
    pub expiry: u64,
    pub nonce: U256,
}

/// A number of an offer that its type has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the offer's {0} is too large; choose a smaller one")]
pub struct OfferTooLarge(&'static str);

impl Offer {
    fn signed(&self) -> Result<SignedOffer, OfferTooLarge> {
        Ok(SignedOffer {
            prover: self.prover,
            requester: self.requester,
            market: self.market,
            terms: self.terms,
            price: wei("price", self.price)?,
            penalty: wei("penalty", self.penalty)?,
            capacity: self.capacity,
            expiry: self.expiry.try_into().map_err(|_| OfferTooLarge("expiry"))?,
            nonce: self.nonce,
        })
    }

    /// What the prover signs, for the Agreement contract at `contract`.
    pub fn digest(&self, chain_id: u64, contract: Address) -> Result<B256, OfferTooLarge> {
        Ok(self.signed()?.eip712_signing_hash(&domain(chain_id, contract)))
    }

    /// The mechanism's data for opening a slot under the offer.
    pub fn open_data(&self, signature: &Bytes) -> Result<Bytes, OfferTooLarge> {
        Ok((self.signed()?, signature.clone()).abi_encode_params().into())
    }
}

fn wei(field: &'static str, amount: U256) -> Result<U96, OfferTooLarge> {
    U96::checked_from_limbs_slice(amount.as_limbs()).ok_or(OfferTooLarge(field))
}

fn domain(chain_id: u64, contract: Address) -> Eip712Domain {
    eip712_domain! {
        name: "Provery Agreement",
        version: "1",
        chain_id: chain_id,
        verifying_contract: contract,
    }
}

impl Mechanism for Agreement {
    fn name(&self) -> &'static str {
        "Agreement"
    }

    fn word(&self) -> &'static str {
        "agreement"
    }

    fn code(&self) -> &'static Bytes {
        &Contract::BYTECODE
    }

    fn decide(&self, view: &SlotView<'_>) -> Decision {
        phase::decide(view)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer() -> Offer {
        Offer {
            prover: Address::repeat_byte(1),
            requester: Address::repeat_byte(2),
            market: U256::from(3),
            terms: B256::repeat_byte(10),
            price: U256::from(4),
            penalty: U256::from(5),
            capacity: 6,
            expiry: 7,
            nonce: U256::from(8),
        }
    }

    #[test]
    fn every_field_and_the_contract_are_signed() {
        let contract = Address::repeat_byte(9);
        let digest = |offer: &Offer| offer.digest(1, contract).expect("fits");
        let good = digest(&offer());
        let others = [
            Offer { prover: Address::ZERO, ..offer() },
            Offer { requester: Address::ZERO, ..offer() },
            Offer { market: U256::ZERO, ..offer() },
            Offer { terms: B256::ZERO, ..offer() },
            Offer { price: U256::ZERO, ..offer() },
            Offer { penalty: U256::ZERO, ..offer() },
            Offer { capacity: 0, ..offer() },
            Offer { expiry: 0, ..offer() },
            Offer { nonce: U256::ZERO, ..offer() },
        ];
        assert!(others.iter().all(|other| digest(other) != good));
        assert_ne!(offer().digest(2, contract), Ok(good));
        assert_ne!(offer().digest(1, Address::ZERO), Ok(good));
    }

    #[test]
    fn numbers_without_room_are_refused() {
        let offer = Offer { price: U256::MAX, ..offer() };
        assert_eq!(offer.digest(1, Address::ZERO), Err(OfferTooLarge("price")));
    }
}
