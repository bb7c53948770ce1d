//! Counts and sums that do not need the records they came from.

use std::ops::AddAssign;

use alloy::primitives::{Address, I256, U256};

/// Whose totals these are, and where they arose. Ordered by market, mechanism and prover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    /// The market's id.
    pub market: U256,
    /// The contract under whose rule the slot was opened; zero if the slot's terms are not known.
    pub mechanism: Address,
    /// Whose work it was.
    pub prover: Address,
}

/// What came of a prover's work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Slots that the mechanism gave to it, or that nobody was given and it proved.
    pub won: u64,
    /// Slots whose proof it was paid for.
    pub delivered: u64,
    /// Those of them that another had missed, or held while its premise was open.
    pub rescued: u64,
    /// Slots whose bond it lost.
    pub missed: u64,
    /// Base units of the asset, as are all below.
    pub rewards: U256,
    /// For rescues, from the bonds of who missed the slots.
    pub premiums: U256,
    /// For slots that were dropped while it held them.
    pub drop_fees: U256,
    /// As the author of a circuit that others proved.
    pub royalties: U256,
    /// What slots brought when they were transferred, less what they cost.
    pub transfers: I256,
    /// Bonds that it lost.
    pub slashed: U256,
}

impl Totals {
    /// What it earned, less what it lost; gas is not in it.
    pub fn net(&self) -> I256 {
        signed(self.rewards)
            + signed(self.premiums)
            + signed(self.drop_fees)
            + signed(self.royalties)
            + self.transfers
            - signed(self.slashed)
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.won += other.won;
        self.delivered += other.delivered;
        self.rescued += other.rescued;
        self.missed += other.missed;
        self.rewards += other.rewards;
        self.premiums += other.premiums;
        self.drop_fees += other.drop_fees;
        self.royalties += other.royalties;
        self.transfers += other.transfers;
        self.slashed += other.slashed;
    }
}

/// No amount on a chain comes near 255 bits.
pub(crate) fn signed(amount: U256) -> I256 {
    I256::try_from(amount).unwrap_or(I256::MAX)
}
