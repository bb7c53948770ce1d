//! Kinds of chains, by what they take for a transaction's bytes.

use alloy::primitives::{Address, address};

/// What a chain takes for a transaction's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataFees {
    /// Nothing apart from gas.
    InGas,
    /// Gas that is known to the chain alone: limits are what it estimates, and never a constant (Arbitrum).
    InEstimates,
    /// Wei, by the oracle at this address (the OP stack, Scroll), which tells its operator's fee, too, if there is one.
    Oracle(Address),
    /// Something that this program does not know.
    Unknown(&'static str),
}

/// Contracts that a chain has at a fixed address, and what that says of its fees.
pub(crate) const SIGNS: [(Address, DataFees); 4] = [
    (OP_ORACLE, DataFees::Oracle(OP_ORACLE)),
    (SCROLL_ORACLE, DataFees::Oracle(SCROLL_ORACLE)),
    (address!("000000000000000000000000000000000000006C"), DataFees::InEstimates),
    (
        address!("000000000000000000000000000000000000800A"),
        DataFees::Unknown("a ZKsync chain, which charges for published bytes within a limit of its own"),
    ),
];
const OP_ORACLE: Address = address!("420000000000000000000000000000000000000F");
const SCROLL_ORACLE: Address = address!("5300000000000000000000000000000000000002");
