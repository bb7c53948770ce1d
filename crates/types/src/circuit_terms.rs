//! What a market's circuit adds to its terms, and commitments to proofs that do not bind their payee: the twins of
//! `CircuitTerms.sol` and of `IProofMarket.commitProof`.

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    sol_types::SolValue as _,
};
use provery_bindings::{Circuit, Registration, Terms};

/// `Terms.circuitTerms`: 64 bits empty, 16 bits reveal delay, 16 bits royalty, 160 bits author.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CircuitTerms {
    /// Blocks that a commitment to a proof must be old wherever a slot is open to all; 0 if the circuit binds the payee.
    pub reveal_delay: u16,
    /// Bps of each reward that are the author's.
    pub royalty_bps: u16,
    /// Whose the royalty is; zero without one.
    pub author: Address,
}

impl CircuitTerms {
    /// The shortest delay that the rules for terms take, in blocks.
    pub const MIN_REVEAL_DELAY: u16 = 2;
    /// Seconds that a transaction may take into a block, and of a block: Ethereum's, the longest of the chains in use.
    const DELIVERY_SECONDS: u64 = 24;
    const BLOCK_SECONDS: u64 = 12;

    /// What markets of a registered circuit must have; `reveal_delay` counts only where the payee is not bound.
    pub fn of(circuit: &Circuit, reveal_delay: u16) -> Self {
        Self {
            reveal_delay: if circuit.payeeBound { 0 } else { reveal_delay },
            royalty_bps: circuit.royaltyBps,
            author: if circuit.royaltyBps == 0 { Address::ZERO } else { circuit.author },
        }
    }

    /// Out of a market's terms.
    pub fn read(terms: &Terms) -> Self {
        let word = terms.circuitTerms.to_be_bytes::<32>();
        Self {
            reveal_delay: u16::from_be_bytes([word[8], word[9]]),
            royalty_bps: u16::from_be_bytes([word[10], word[11]]),
            author: Address::from_slice(&word[12..]),
        }
    }

    /// As terms have it.
    pub fn word(&self) -> U256 {
        let mut word = [0; 32];
        word[8..10].copy_from_slice(&self.reveal_delay.to_be_bytes());
        word[10..12].copy_from_slice(&self.royalty_bps.to_be_bytes());
        word[12..].copy_from_slice(self.author.as_slice());
        U256::from_be_bytes(word)
    }

    /// Whether a proof that does not bind its payee may be shown in the exclusive window at `now` (unix seconds) without a commitment: were
    /// less left of the window than it may take into a block, and the reveal delay, whoever copies it would have committed first if
    /// it came too late.
    pub fn in_time(&self, now: u64, exclusive_until: u64) -> bool {
        now.saturating_add(self.margin()) < exclusive_until
    }

    /// Seconds of an exclusive window that are no use to its holder: see [`Self::in_time`].
    pub fn margin(&self) -> u64 {
        Self::DELIVERY_SECONDS + Self::BLOCK_SECONDS * u64::from(self.reveal_delay)
    }

    /// Whether the circuit binds the payee, so that a proof that is seen is of use to nobody else.
    pub fn payee_bound(&self) -> bool {
        self.reveal_delay == 0
    }

    /// What whoever proves gets of a reward, in asset wei.
    pub fn after_royalty(&self, reward: u128) -> u128 {
        let royalty = U256::from(reward) * U256::from(self.royalty_bps) / U256::from(10_000);
        reward.saturating_sub(royalty.saturating_to())
    }
}

/// The id under which `author` registers a circuit.
pub fn circuit_id(author: Address, registration: &Registration) -> B256 {
    let Registration {
        verifier,
        proofSystem,
        verifierInterface,
        keyHash,
        descriptorHash,
        development,
        payeeBound,
        royaltyBps,
        uri: _,
    } = registration;
    let id = (
        author,
        *verifier,
        *proofSystem,
        *verifierInterface,
        *keyHash,
        *descriptorHash,
        *development,
        *payeeBound,
        U256::from(*royaltyBps),
    );
    keccak256(id.abi_encode())
}

/// What is committed to before a proof that does not bind its payee is shown: `proof` is the verifier's, without the salt.
pub fn proof_commitment(proof: &[u8], payee: Address, market: U256, slot: u64, salt: B256) -> B256 {
    keccak256((keccak256(proof), payee, market, U256::from(slot), salt).abi_encode())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_as_it_was_written() {
        let author = Address::repeat_byte(0xab);
        let terms = CircuitTerms { reveal_delay: 0x0102, royalty_bps: 0x0304, author };
        let mut word = "0x".to_owned() + &"0".repeat(16) + "01020304";
        word += &"ab".repeat(20);
        assert_eq!(format!("{:#066x}", terms.word()), word);
    }

    #[test]
    fn royalties_round_in_favour_of_the_prover() {
        let terms = CircuitTerms { royalty_bps: 300, ..CircuitTerms::default() };
        assert_eq!(terms.after_royalty(10_000), 9_700);
        assert_eq!(terms.after_royalty(33), 33);
        assert_eq!(terms.after_royalty(34), 33);
        let most = u128::MAX >> 32;
        assert_eq!(terms.after_royalty(most), most - most / 10_000 * 300 - most % 10_000 * 300 / 10_000);
    }
}
