//! What a key's transactions cost it, by how they ended. One that fails costs its gas as one that does what it should.

use std::ops::AddAssign;

use crate::transaction::PendingTransaction;
use alloy::primitives::U256;
use serde::{Deserialize, Serialize};

const DAY: u64 = 86_400;

/// Transactions, and what they took of the key besides what they sent along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spent {
    /// How many there were.
    pub transactions: u64,
    /// Gas that they used in all.
    pub gas: u64,
    /// Of the chain's own currency: for gas, and what a rollup took besides.
    #[serde(with = "decimal")]
    pub wei: U256,
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.transactions = self.transactions.saturating_add(other.transactions);
        self.gas = self.gas.saturating_add(other.gas);
        self.wei = self.wei.saturating_add(other.wei);
    }
}

/// The same, apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outlay {
    /// For what was sent and did what it should.
    pub succeeded: Spent,
    /// For what was mined and failed.
    pub reverted: Spent,
    /// For empty transactions that took the nonce of another.
    pub cancelled: Spent,
}

impl AddAssign for Outlay {
    fn add_assign(&mut self, other: Self) {
        self.succeeded += other.succeeded;
        self.reverted += other.reverted;
        self.cancelled += other.cancelled;
    }
}

impl Outlay {
    /// For nothing.
    pub fn wasted(&self) -> Spent {
        let mut wasted = self.reverted;
        wasted += self.cancelled;
        wasted
    }

    /// By outcome, with a stable word for each.
    pub fn parts(&self) -> [(&'static str, &Spent); 3] {
        [("succeeded", &self.succeeded), ("reverted", &self.reverted), ("cancelled", &self.cancelled)]
    }
}

/// A day's, in UTC by the chain's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DayOutlay {
    /// Days since 1970.
    pub day: u64,
    /// What the transactions cost that were mined on it.
    #[serde(flatten)]
    pub outlay: Outlay,
}

impl PendingTransaction {
    /// What its transaction cost; nothing if none was seen mined.
    pub fn outlay(&self) -> Option<DayOutlay> {
        let mined = self.mined?;
        let paid = mined.paid?;
        let spent = Spent { transactions: 1, gas: paid.gas, wei: paid.wei };
        let cancels = self.signed.iter().any(|signed| signed.hash == mined.tx_hash && signed.cancels);
        let mut outlay = Outlay::default();
        match (cancels, mined.success) {
            (true, _) => outlay.cancelled = spent,
            (false, true) => outlay.succeeded = spent,
            (false, false) => outlay.reverted = spent,
        }
        Some(DayOutlay { day: mined.block.timestamp / DAY, outlay })
    }
}

/// Numbers of this size do not survive a double.
mod decimal {
    use alloy::primitives::U256;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(wei: &U256, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(wei)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<U256, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
