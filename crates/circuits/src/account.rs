//! An account of the rollup.

use crate::{Fr, keys::PublicKey, poseidon};

/// An account. It exists if and only if its key is a point of the curve; the all-zero key is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Account {
    /// Who may spend.
    pub key: PublicKey,
    /// In the rollup's smallest unit.
    pub balance: u64,
    /// Transfers sent so far.
    pub nonce: u64,
}

impl Account {
    /// The account's leaf in the tree.
    pub fn hash(&self) -> Fr {
        poseidon::hash(&[self.key.x, self.key.y, Fr::from(self.balance), Fr::from(self.nonce)])
    }
}
