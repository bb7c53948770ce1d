//! Slots and terms in plain numbers.

use std::fmt;

use alloy::primitives::{Address, U256};
use serde::{Deserialize, Serialize};

use crate::{Slot, Terms};

/// A slot's place: ids count within a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SlotKey {
    /// The market's id.
    pub market: U256,
    /// Counts from 1 within the market.
    pub id: u64,
}

impl SlotKey {
    /// Where this slot is.
    pub fn of(slot: &Slot) -> Self {
        Self { market: slot.market, id: slot.id }
    }
}

impl fmt::Display for SlotKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of market {}", self.id, self.market)
    }
}

/// How a slot ended. `None` covers a slot that never was, one still open, and one whose proof waits for its premise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotState {
    /// Not ended, or unknown to the chain.
    #[default]
    None,
    /// A proof was accepted and paid, and waits for nothing.
    Proven,
    /// Nobody proved it in time.
    Expired,
    /// Its requester took it back before anybody held it and before it was open to all.
    Cancelled,
    /// Its premise fell, or its requester paid its holder to end it.
    Dropped,
}

impl SlotState {
    /// The state that the chain encodes as `value`, if there is one.
    pub fn from_u8(value: u8) -> Option<Self> {
        [Self::None, Self::Proven, Self::Expired, Self::Cancelled, Self::Dropped]
            .get(usize::from(value))
            .copied()
    }
}

impl fmt::Display for SlotState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Proven => "proven",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Dropped => "dropped",
        })
    }
}

/// A slot's fields as plain numbers.
pub trait SlotExt {
    /// What the slot pays at most, in asset wei.
    fn price_wei(&self) -> U256;
    /// Unix seconds.
    fn opened_at(&self) -> u64;
    /// Unix seconds at which the reward curve starts.
    fn started_at(&self) -> u64;
    /// Unix seconds from which anyone may prove.
    fn exclusive_until(&self) -> u64;
    /// Unix seconds from which the slot may be expired and no longer proven.
    fn expires_at(&self, terms: &Terms) -> u64;
    /// The prover that holds it.
    fn holder(&self) -> Option<Address>;
    /// The slot it builds on; 0 is the chain's origin, and what every slot without a chain has.
    fn premise(&self) -> u64;
}

impl SlotExt for Slot {
    fn price_wei(&self) -> U256 {
        self.price.to()
    }

    fn opened_at(&self) -> u64 {
        self.openedAt.to()
    }

    fn started_at(&self) -> u64 {
        self.startedAt.to()
    }

    fn exclusive_until(&self) -> u64 {
        self.exclusiveUntil.to()
    }

    fn expires_at(&self, terms: &Terms) -> u64 {
        self.opened_at() + u64::from(terms.expiryWindow)
    }

    fn holder(&self) -> Option<Address> {
        (!self.prover.is_zero()).then_some(self.prover)
    }

    fn premise(&self) -> u64 {
        // The lowest 64 bits of `SlotLink`.
        self.link.as_limbs()[0]
    }
}

/// Terms as plain numbers.
pub trait TermsExt {
    /// Highest reward for one slot, in asset wei.
    fn price_wei(&self) -> U256;
    /// Stake reserved from the holder, in asset wei.
    fn bond_wei(&self) -> U256;
}

impl TermsExt for Terms {
    fn price_wei(&self) -> U256 {
        self.price.to()
    }

    fn bond_wei(&self) -> U256 {
        self.bond.to()
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{
        B256,
        aliases::{U40, U96},
    };

    use super::*;

    #[test]
    fn slot_and_terms_are_json_in_snake_case_and_come_back() {
        let slot = Slot {
            market: U256::from(1),
            id: 2,
            statement: B256::repeat_byte(3),
            prover: Address::repeat_byte(4),
            price: U96::MAX,
            openedAt: U40::from(5),
            startedAt: U40::from(6),
            exclusiveUntil: U40::MAX,
            capacity: 64,
            link: U256::from(7) | U256::from(9) << 64,
        };
        let json = serde_json::to_value(&slot).expect("a slot has a JSON form");
        assert_eq!(json["price"], U96::MAX.to_string());
        assert_eq!(json["opened_at"], 5);
        assert_eq!(serde_json::from_value::<Slot>(json).expect("its own JSON form"), slot);

        let terms = Terms { price: U96::from(7), expiryWindow: 8, outputs: 1, ..Default::default() };
        let json = serde_json::to_value(&terms).expect("terms have a JSON form");
        assert_eq!((json["price"].clone(), json["expiry_window"].clone()), ("7".into(), 8.into()));
        assert_eq!(serde_json::from_value::<Terms>(json).expect("their own JSON form"), terms);
    }

    #[test]
    fn seconds_that_do_not_fit_are_refused() {
        let mut json = serde_json::to_value(Slot::default()).expect("a slot has a JSON form");
        json["opened_at"] = u64::MAX.into();
        assert!(serde_json::from_value::<Slot>(json).is_err());
    }

    #[test]
    fn plain_numbers_are_the_packed_ones() {
        let slot = Slot { openedAt: U40::from(100), ..Default::default() };
        let terms = Terms { expiryWindow: 40, ..Default::default() };
        assert_eq!((slot.expires_at(&terms), slot.holder()), (140, None));
        assert_eq!(SlotState::from_u8(2), Some(SlotState::Expired));
        assert_eq!(SlotState::from_u8(4), Some(SlotState::Dropped));
        assert_eq!(SlotState::from_u8(5), None);
        let slot = Slot { link: U256::from(7) | U256::from(9) << 64, ..Default::default() };
        assert_eq!(slot.premise(), 7);
        assert_eq!(format!("{:>8}", SlotState::Proven), "  proven");
    }
}
