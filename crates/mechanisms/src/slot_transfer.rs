//! The secondary market: a slot that its holder cannot prove in time is offered to others, and one that others offer is
//! taken if it pays.

use alloy::{
    primitives::{
        Address, B256,
        aliases::{I96, U40},
    },
    sol_types::eip712_domain,
};
use provery_bindings::SlotTransfers;
use provery_types::TypedData;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::json;

use crate::{
    reward::Curve,
    view::{MechanismAction, SlotView},
};

/// An offer as its event tells it. The price is asset wei that the taker pays; below zero, that it is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferOffer {
    /// Anyone may take it if not given.
    pub to: Option<Address>,
    /// Asset wei of credit from taker to holder; below zero, from holder to taker.
    #[serde(with = "decimal")]
    pub price: i128,
    /// Unix seconds of the last block in which it can be taken.
    pub valid_until: u64,
}

mod signed {
    alloy::sol! {
        /// What the holder signs.
        struct TransferOffer {
            bytes32 slot;
            address to;
            int96 price;
            uint40 validUntil;
        }
    }
}

impl TransferOffer {
    /// As the contract takes it; nothing if a number has no room there.
    pub fn sol(self) -> Option<SlotTransfers::TransferOffer> {
        Some(SlotTransfers::TransferOffer {
            to: self.to.unwrap_or_default(),
            price: I96::try_from(self.price).ok()?,
            validUntil: U40::checked_from_limbs_slice(&[self.valid_until])?,
        })
    }

    /// What its slot's holder signs, for the contract with the offers at `slot_transfers`. `word` is the slot's hash under its terms, so an
    /// offer is void once the slot changed in any way. Nothing if a number has no room.
    pub fn typed_data(self, word: B256, chain_id: u64, slot_transfers: Address) -> Option<TypedData> {
        let SlotTransfers::TransferOffer { to, price, validUntil } = self.sol()?;
        let domain = eip712_domain! {
            name: "Provery",
            version: "1",
            chain_id: chain_id,
            verifying_contract: slot_transfers,
        };
        let message = json!({
            "slot": word,
            "to": to,
            "price": self.price.to_string(),
            "validUntil": self.valid_until.to_string(),
        });
        Some(TypedData::new(&signed::TransferOffer { slot: word, to, price, validUntil }, &domain, message))
    }

    /// Its EIP-712 hash.
    pub fn digest(self, word: B256, chain_id: u64, slot_transfers: Address) -> Option<B256> {
        self.typed_data(word, chain_id, slot_transfers).map(|data| data.digest)
    }
}

/// A decimal string: JSON's numbers do not hold as many digits.
mod decimal {
    use super::{Deserialize, Deserializer, Error, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &i128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What is known here of what a slot of a chain builds on. Nothing is asked of it where slots stand alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ground {
    /// It is proven right, with all that it builds on: only then is a bond at stake.
    pub established: bool,
    /// The state that it starts from is known: nobody can prove it without.
    pub known: bool,
}

impl Ground {
    fn firm(self, view: &SlotView<'_>) -> bool {
        view.terms.chain == 0 || (self.established && self.known)
    }
}

/// Offer a slot of this prover's that it cannot deliver in time, at `price`, to anyone, for as long as somebody else could
/// still be assigned it. `unable` is that no proof of it can be made here at all. Nobody is paid for taking a slot whose
/// bond is not at stake: whoever hides what it starts from would be the one to take it.
pub fn offer(
    view: &SlotView<'_>,
    slot_transfers: Address,
    price: i128,
    unable: bool,
    ground: Ground,
) -> Option<MechanismAction> {
    let held = view.slot.prover == view.me && view.now < view.exclusive_until();
    let late = view.now.saturating_add(view.delivery_seconds()) >= view.exclusive_until();
    // A submitter may not spend its prover's credit.
    let may = price >= 0 || (view.key == view.me && ground.firm(view));
    if !held || !may || !(late || unable) {
        return None;
    }
    let valid_until = view.exclusive_until().saturating_sub(1);
    let call = SlotTransfers::offerTransferCall {
        slot: view.slot.clone().into(),
        terms: view.terms.clone().into(),
        offer: TransferOffer { to: None, price, valid_until }.sol()?,
    };
    Some(MechanismAction::new("offer_transfer", slot_transfers, &call))
}

/// Make an offer of this prover's own void. A proof that does not bind its payee must not be seen while the slot can be taken: whoever
/// takes it holds it, and is paid for a copy.
pub fn revoke(
    view: &SlotView<'_>,
    slot_transfers: Address,
    offer: &TransferOffer,
) -> Option<MechanismAction> {
    let call = SlotTransfers::revokeTransferCall {
        slot: view.slot.clone().into(),
        terms: view.terms.clone().into(),
        offer: offer.sol()?,
    };
    Some(MechanismAction::new("revoke_transfer", slot_transfers, &call))
}

/// Take a slot that another offers, if what it pays by the time it can be delivered covers the price and the least this
/// prover works for, it can be delivered within what is left of the exclusive window, and is known to be provable: a slot may
/// be offered because it is not.
pub fn take(
    view: &SlotView<'_>,
    slot_transfers: Address,
    offer: &TransferOffer,
    ground: Ground,
) -> Option<MechanismAction> {
    let offered = !view.slot.prover.is_zero()
        && view.slot.prover != view.me
        && view.now <= offer.valid_until
        && offer.to.is_none_or(|to| to == view.me);
    let delivered = view.now.saturating_add(view.delivery_seconds());
    if !offered || !view.taking || !ground.firm(view) || delivered >= view.exclusive_until() {
        return None;
    }
    let elapsed = delivered.saturating_sub(view.slot.startedAt.to::<u64>());
    let reward = i128::try_from(Curve::of(view.slot, view.terms).earned(elapsed)).ok()?;
    let wanted = i128::try_from(view.minimum_reward).ok()?;
    if reward.checked_sub(offer.price)? < wanted {
        return None;
    }
    // A submitter may not spend its prover's credit, nor take what is hardly left time to prove.
    let left = view.exclusive_until().saturating_sub(view.now);
    let late = left < u64::from(view.terms.exclusiveWindow / 2);
    if view.key != view.me && (offer.price > 0 || late) {
        return None;
    }
    let call = SlotTransfers::acceptTransferCall {
        slot: view.slot.clone().into(),
        terms: view.terms.clone().into(),
        offer: offer.sol()?,
        taker: view.me,
        signature: Default::default(),
    };
    Some(MechanismAction::new("accept_transfer", slot_transfers, &call))
}

#[cfg(test)]
mod tests {
    use provery_types::Terms;

    use super::*;
    use crate::testing::{slot, terms, view};

    const ME: Address = Address::repeat_byte(0x11);
    const OTHER: Address = Address::repeat_byte(0x22);
    const MARKET: Address = Address::repeat_byte(0x33);

    const FIRM: Ground = Ground { established: true, known: true };
    const LOOSE: [Ground; 3] = [
        Ground { established: false, known: true },
        Ground { established: true, known: false },
        Ground { established: false, known: false },
    ];

    const SIGNED: TransferOffer = TransferOffer { to: Some(ME), price: -5, valid_until: 7 };

    #[test]
    fn every_field_the_slot_and_the_contract_are_signed() {
        let word = B256::repeat_byte(1);
        let good = SIGNED.digest(word, 1, MARKET).expect("fits");
        let others = [
            TransferOffer { to: None, ..SIGNED },
            TransferOffer { price: 5, ..SIGNED },
            TransferOffer { valid_until: 8, ..SIGNED },
        ];
        assert!(others.iter().all(|other| other.digest(word, 1, MARKET) != Some(good)));
        assert_ne!(SIGNED.digest(B256::ZERO, 1, MARKET), Some(good));
        assert_ne!(SIGNED.digest(word, 2, MARKET), Some(good));
        assert_ne!(SIGNED.digest(word, 1, OTHER), Some(good));
        assert_eq!(TransferOffer { price: i128::MAX, ..SIGNED }.digest(word, 1, MARKET), None, "no room");
    }

    /// The type as the contract spells it: a name or a type off by a letter is another hash.
    #[test]
    fn the_type_is_the_contracts() {
        assert_eq!(
            <signed::TransferOffer as alloy::sol_types::SolStruct>::eip712_root_type(),
            "TransferOffer(bytes32 slot,address to,int96 price,uint40 validUntil)"
        );
    }

    #[test]
    fn an_offer_comes_back_from_its_file() {
        let text = serde_json::to_string(&SIGNED).expect("serialises");
        assert!(text.contains("\"price\":\"-5\""), "{text}");
        assert_eq!(serde_json::from_str::<TransferOffer>(&text).expect("its own"), SIGNED);
    }

    #[test]
    fn what_cannot_be_delivered_in_time_is_offered() {
        let (mine, others, terms) = (slot(ME), slot(OTHER), terms());
        let offered = |view: &SlotView<'_>, unable| offer(view, MARKET, 0, unable, FIRM).is_some();
        let at = |now| view(&mine, &terms, ME, now, &[]);
        assert!(!offered(&at(1_000), false));
        assert!(offered(&at(1_000), true), "no key for its circuit");
        assert!(!offered(&at(1_069), false));
        assert!(offered(&at(1_070), false), "30 seconds are left of 100, and a proof takes them");
        assert!(offered(&SlotView { queue_seconds: 70, ..at(1_000) }, false), "the queue counts");
        assert!(!offered(&at(1_100), true), "too late");
        let submitter = SlotView { key: OTHER, ..at(1_070) };
        assert!(offered(&submitter, false));
        assert!(offer(&submitter, MARKET, -1, false, FIRM).is_none(), "not for its prover's credit");
        assert!(offer(&at(1_070), MARKET, -1, false, FIRM).is_some());
        assert!(!offered(&view(&others, &terms, ME, 1_090, &[]), true), "not this prover's");
    }

    #[test]
    fn what_pays_is_taken() {
        let (others, terms) = (slot(OTHER), terms());
        let at = view(&others, &terms, ME, 1_000, &[]);
        let open = TransferOffer { to: None, price: 0, valid_until: 1_099 };
        let taken = |view: &SlotView<'_>, offer: TransferOffer| take(view, MARKET, &offer, FIRM).is_some();
        assert!(taken(&at, open));
        assert!(!taken(&at, TransferOffer { to: Some(OTHER), ..open }));
        assert!(taken(&at, TransferOffer { to: Some(ME), ..open }));
        assert!(!taken(&at, TransferOffer { valid_until: 999, ..open }));
        // Delivered after 30 of 100 seconds it pays 950.
        let wants = |minimum_reward| SlotView { minimum_reward, ..at.clone() };
        assert!(taken(&wants(900), TransferOffer { price: 50, ..open }));
        assert!(!taken(&wants(900), TransferOffer { price: 51, ..open }));
        assert!(taken(&wants(1_000), TransferOffer { price: -50, ..open }));
        assert!(!taken(&SlotView { now: 1_070, ..at.clone() }, open), "too late to deliver");
        assert!(!taken(&SlotView { taking: false, ..at.clone() }, open));
        let submitter = SlotView { key: OTHER, ..at };
        assert!(taken(&submitter, open));
        assert!(!taken(&submitter, TransferOffer { price: 1, ..open }));
        assert!(taken(&SlotView { now: 1_050, ..submitter.clone() }, open), "half the window is left");
        assert!(!taken(&SlotView { now: 1_051, ..submitter }, open));
    }

    #[test]
    fn nobody_is_paid_to_take_what_costs_no_bond() {
        let (mine, alone) = (slot(ME), terms());
        let chained = Terms { chain: 1, ..alone.clone() };
        for ground in LOOSE {
            let offered =
                |terms, price| offer(&view(&mine, terms, ME, 1_070, &[]), MARKET, price, true, ground);
            assert!(offered(&chained, -1).is_none(), "{ground:?}");
            assert!(offered(&chained, 0).is_some(), "it costs nothing");
            assert!(offered(&alone, -1).is_some(), "it builds on nothing");
        }
        assert!(offer(&view(&mine, &chained, ME, 1_070, &[]), MARKET, -1, true, FIRM).is_some());
    }

    #[test]
    fn what_may_not_be_provable_is_not_taken_whatever_it_pays() {
        let (others, alone) = (slot(OTHER), terms());
        let chained = Terms { chain: 1, ..alone.clone() };
        let open = TransferOffer { to: None, price: -1_000, valid_until: 1_099 };
        let taken =
            |terms, ground| take(&view(&others, terms, ME, 1_000, &[]), MARKET, &open, ground).is_some();
        assert!(taken(&chained, FIRM));
        for ground in LOOSE {
            assert!(!taken(&chained, ground), "{ground:?}");
            assert!(taken(&alone, ground), "it builds on nothing");
        }
    }
}
