//! Agreements: the requester opens its slots for a prover that signed an offer to it. What is left to the prover is to prove
//! what it is given; the offer itself is signed beforehand ([`Offer::digest`]).

use alloy::{
    primitives::{Address, B256, Bytes, U256, aliases::U96},
    sol_types::{Eip712Domain, SolEvent, SolValue, eip712_domain},
};
use provery_bindings::{Agreement as Contract, Agreement::Offer as SignedOffer};
use provery_types::TypedData;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    Chance, ChanceView, Fact, Line, Mechanism, Past, Quote, QuoteView, phase,
    refusal::{Class, Kind, Refusal},
    view::{Decision, SlotView},
};

/// See the module.
#[derive(Debug)]
pub struct Agreement;

/// Its entry in [`crate::registry`].
pub const MECHANISM: Agreement = Agreement;

/// A prover's standing offer to one requester. Amounts are asset wei, times unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Who offers, signs and is given the slots.
    pub prover: Address,
    /// The only requester that may use it.
    pub requester: Address,
    /// The only market it is good for.
    pub market: U256,
    /// Hash of the terms it is for.
    pub terms: B256,
    /// What a slot pays at most: not above the terms' price.
    pub price: U256,
    /// Exactly the bond of the market's terms.
    pub penalty: U256,
    /// Slots held at once.
    pub capacity: u32,
    /// The last second in which it opens a slot.
    pub expiry: u64,
    /// Names the offer for its revocation: offers with one nonce are revoked together.
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
    pub fn typed_data(&self, chain_id: u64, contract: Address) -> Result<TypedData, OfferTooLarge> {
        let signed = self.signed()?;
        let message = json!({
            "prover": self.prover,
            "requester": self.requester,
            "market": self.market.to_string(),
            "terms": self.terms,
            "price": self.price.to_string(),
            "penalty": self.penalty.to_string(),
            "capacity": self.capacity.to_string(),
            "expiry": self.expiry.to_string(),
            "nonce": self.nonce.to_string(),
        });
        Ok(TypedData::new(&signed, &domain(chain_id, contract), message))
    }

    /// Its hash.
    pub fn digest(&self, chain_id: u64, contract: Address) -> Result<B256, OfferTooLarge> {
        self.typed_data(chain_id, contract).map(|data| data.digest)
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

const ANOTHERS: &str = "the offer is for another requester or market; ask the prover for one";
const UNFIT: &str =
    "the offer does not fit the market's terms; ask the prover for one with this price and bond";

const REFUSALS: [Refusal; 10] = [
    Refusal::new(
        "OfferExpired",
        Class::Failing,
        Kind::OfferExpired,
        "the offer has ended; ask the prover for a new one",
    ),
    Refusal::new("WrongRequester", Class::Failing, Kind::OfferInvalid, ANOTHERS),
    Refusal::new("WrongMarket", Class::Failing, Kind::OfferInvalid, ANOTHERS),
    Refusal::new("PriceAboveTerms", Class::Failing, Kind::OfferInvalid, UNFIT),
    Refusal::new("PenaltyMismatch", Class::Failing, Kind::OfferInvalid, UNFIT),
    Refusal::new("WrongTerms", Class::Failing, Kind::OfferInvalid, UNFIT),
    Refusal::new(
        "OfferRevoked",
        Class::Failing,
        Kind::OfferRevoked,
        "the prover revoked the offer; ask it for a new one",
    ),
    Refusal::new(
        "SignatureInvalid",
        Class::Failing,
        Kind::OfferInvalid,
        "the offer is not signed by its prover, or was altered; ask for it again",
    ),
    Refusal::new(
        "CapacityReached",
        Class::Failing,
        Kind::Busy,
        "the prover holds as many slots as it offered to; wait until one ends, or open without its offer",
    ),
    Refusal::new(
        "NonceTooLow",
        Class::Failing,
        Kind::AlreadyDone,
        "these offers are revoked already; there is nothing to do",
    ),
];

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

    fn refusals(&self) -> &'static [Refusal] {
        &REFUSALS
    }

    fn wants_offer(&self) -> bool {
        true
    }

    fn decide(&self, view: &SlotView<'_>) -> Decision {
        phase::decide(view)
    }

    fn quote(&self, view: &QuoteView<'_>) -> Quote {
        let says = Line::new(
            "the price is what a prover's signed offer says, {most} without one; the middle of what was agreed of late is expected",
            [("most", Fact::Amount(view.most()))],
        );
        Quote {
            least: 0,
            most: view.most(),
            expected: view.usual(),
            decided_within: 0,
            serving: view.able,
            says,
        }
    }

    /// Only the requester knows whose offers it takes.
    fn chance(&self, view: &ChanceView<'_>) -> Chance {
        let price = view.quote.usual().unwrap_or(view.quote.most());
        Chance {
            bps: 0,
            price,
            says: "slots go to whom the requester agreed with: offer it some with `provery prover offer`",
        }
    }

    fn explain(&self, past: &Past<'_>) -> Vec<Line> {
        for (_, log) in past.log {
            if let Ok(used) = Contract::AgreementUsed::decode_log_data(log) {
                return vec![
                    Line::new(
                        "its requester opened it under the offer with nonce {nonce} that {prover} had signed, at {price}",
                        [
                            ("nonce", Fact::Word(used.nonce)),
                            ("prover", Fact::Account(used.prover)),
                            ("price", Fact::Amount(past.slot.price.to())),
                        ],
                    ),
                    Line::new(
                        "the offer's penalty for a miss is the market's bond, {bond}",
                        [("bond", Fact::Amount(past.terms.bond.to()))],
                    ),
                ];
            }
            if let Ok(refused) = Contract::ProverNotEligible::decode_log_data(log) {
                return vec![Line::new(
                    "its requester had an offer that {prover} had signed, but that prover could not back the bond (paused, \
                     suspended, or its stake in use), so it was open to all at {price}",
                    [
                        ("prover", Fact::Account(refused.prover)),
                        ("price", Fact::Amount(past.slot.price.to())),
                    ],
                )];
            }
        }
        vec![Line::new(
            "its requester opened it without an offer, so it was open to all at {price}",
            [("price", Fact::Amount(past.slot.price.to()))],
        )]
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
    fn an_agreement_is_explained_by_its_offer_and_penalty() {
        use crate::explain::testing::{at, past, told};
        let prover = Address::repeat_byte(0x11);
        let (slot, terms) = (crate::testing::slot(prover), crate::testing::terms());
        let used = Contract::AgreementUsed { market: slot.market, slot: 1, prover, nonce: U256::from(7) };
        assert_eq!(
            told(&MECHANISM.explain(&past(&slot, &terms, &[at(1_000, &used)]))),
            [
                "its requester opened it under the offer with nonce 7 that 0x11 had signed, at 1000 wei",
                "the offer's penalty for a miss is the market's bond, 2000 wei",
            ]
        );
        let refused = Contract::ProverNotEligible { market: slot.market, slot: 1, prover };
        let told_so = told(&MECHANISM.explain(&past(&slot, &terms, &[at(1_000, &refused)])));
        assert!(
            told_so[0].contains("0x11") && told_so[0].ends_with("open to all at 1000 wei"),
            "{told_so:?}"
        );
        assert!(told(&MECHANISM.explain(&past(&slot, &terms, &[])))[0].contains("without an offer"));
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
