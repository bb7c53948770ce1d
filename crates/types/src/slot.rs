//! Slots and terms in plain numbers.

use std::fmt;

use alloy::primitives::{Address, U256};
use serde::{Deserialize, Serialize};

use crate::{Slot, Terms};

/// How a slot ended. `None` covers both a slot that never was and one still open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotState {
    #[default]
    None,
    Proven,
    Expired,
    Cancelled,
}

impl SlotState {
    /// The state that the chain encodes as `value`, if there is one.
    pub fn from_u8(value: u8) -> Option<Self> {
        [Self::None, Self::Proven, Self::Expired, Self::Cancelled].get(usize::from(value)).copied()
    }
}

impl fmt::Display for SlotState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Proven => "proven",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
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
    /// Who holds the allocation.
    fn allocated_to(&self) -> Option<Address>;
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

    fn allocated_to(&self) -> Option<Address> {
        (!self.prover.is_zero()).then_some(self.prover)
    }
}

/// Terms as plain numbers.
pub trait TermsExt {
    /// Highest reward for one slot, in asset wei.
    fn price_wei(&self) -> U256;
    /// Stake reserved from the allocated prover, in asset wei.
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
