//! The hashes by which the market knows slots, terms and statements.

use alloy::{
    primitives::{B256, U256, keccak256},
    sol_types::SolValue,
};

use crate::{Slot, Terms};

/// keccak256(abi.encode(terms)): what a market stores of its terms.
pub fn terms_hash(terms: &Terms) -> B256 {
    keccak256(terms.abi_encode())
}

/// keccak256(abi.encode(slot, termsHash)): what a market stores of an open slot.
pub fn slot_hash(slot: &Slot, terms_hash: B256) -> B256 {
    let mut bytes = slot.abi_encode();
    bytes.extend_from_slice(terms_hash.as_slice());
    keccak256(bytes)
}

/// keccak256 of the fixed public inputs, 32 bytes each, big-endian.
pub fn statement_hash(inputs: &[U256]) -> B256 {
    let mut bytes = Vec::with_capacity(32 * inputs.len());
    for input in inputs {
        bytes.extend_from_slice(&input.to_be_bytes::<32>());
    }
    keccak256(bytes)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, aliases::U96};

    use super::*;

    #[test]
    fn slot_hash_is_the_hash_of_both_encoded_together() {
        let slot = Slot {
            market: U256::from(1),
            id: 7,
            statement: B256::repeat_byte(1),
            prover: Address::repeat_byte(2),
            price: U96::from(3),
            openedAt: alloy::primitives::aliases::U40::from(4),
            startedAt: alloy::primitives::aliases::U40::from(5),
            exclusiveUntil: alloy::primitives::aliases::U40::from(6),
            capacity: 64,
            link: U256::from(9),
        };
        let hash = B256::repeat_byte(9);
        assert_eq!(slot_hash(&slot, hash), keccak256((slot.clone(), hash).abi_encode()));
    }

    #[test]
    fn statement_of_nothing_is_the_empty_hash() {
        assert_eq!(statement_hash(&[]), keccak256([]));
    }
}
