//! Proofs that do not bind their payee: whoever sees one could send it for another, so wherever a slot is open to all it is committed
//! to first. See `IProofMarket.commitProof`.

use alloy::primitives::{Address, B256};
use provery_types::{CircuitTerms, Slot, SlotKey, Terms, proof_commitment};

use crate::store::StoredProof;

/// Bytes of the salt before the proof.
const SALT_BYTES: usize = 32;

/// Whether a proof may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// It may.
    Open,
    /// This has to be sent before it.
    Commit(B256),
    /// What it was committed to by is too young.
    Closed,
}

/// `known` is a commitment that is in a block, and that block; `head` the newest block; `now` its time in unix seconds.
pub(super) fn gate(
    slot: &Slot,
    terms: &Terms,
    me: Address,
    proof: &StoredProof,
    known: Option<(B256, u64)>,
    now: u64,
    head: u64,
) -> Gate {
    let circuit = CircuitTerms::read(terms);
    if circuit.payee_bound() {
        return Gate::Open;
    }
    if slot.prover == me && proof.payee == me && circuit.in_time(now, slot.exclusiveUntil.to()) {
        return Gate::Open;
    }
    // A proof without a salt is refused by name where it is sent.
    let Some((salt, bare)) = proof.proof.split_at_checked(SALT_BYTES) else { return Gate::Open };
    let key = SlotKey::of(slot);
    let commitment = proof_commitment(bare, proof.payee, key.market, key.id, B256::from_slice(salt));
    match known {
        // The next block is the first that it can be in.
        Some((same, block)) if same == commitment => {
            if head + 1 >= block + u64::from(circuit.reveal_delay) {
                Gate::Open
            } else {
                Gate::Closed
            }
        }
        _ => Gate::Commit(commitment),
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{U256, aliases::U40};

    use super::*;

    const ME: Address = Address::repeat_byte(1);
    const OTHER: Address = Address::repeat_byte(2);

    fn slot(prover: Address) -> Slot {
        Slot { market: U256::from(3), id: 4, prover, exclusiveUntil: U40::from(1_000), ..Slot::default() }
    }

    fn terms(reveal_delay: u16) -> Terms {
        let word = CircuitTerms { reveal_delay, ..CircuitTerms::default() }.word();
        Terms { circuitTerms: word, ..Terms::default() }
    }

    fn proof() -> StoredProof {
        let bytes = [[7; 32], [9; 32]].concat();
        StoredProof {
            statement: B256::ZERO,
            payee: ME,
            made_at: 1,
            public_inputs: vec![],
            proof: bytes.into(),
        }
    }

    #[test]
    fn what_binds_its_payee_is_sent_at_once() {
        assert_eq!(gate(&slot(OTHER), &terms(0), ME, &proof(), None, 2_000, 5), Gate::Open);
    }

    #[test]
    fn a_holder_in_time_is_open_and_a_late_one_commits() {
        let at = |now| gate(&slot(ME), &terms(3), ME, &proof(), None, now, 5);
        assert_eq!(at(939), Gate::Open);
        assert!(matches!(at(940), Gate::Commit(_)), "24 s and three blocks before the end");
        assert!(matches!(at(1_000), Gate::Commit(_)));
    }

    #[test]
    fn a_rescuer_waits_for_its_commitment_to_age() {
        let at = |known, head| gate(&slot(OTHER), &terms(3), ME, &proof(), known, 2_000, head);
        let Gate::Commit(commitment) = at(None, 10) else { panic!("it commits") };
        assert_eq!(commitment, proof_commitment(&[9; 32], ME, U256::from(3), 4, B256::repeat_byte(7)));
        assert_eq!(at(Some((commitment, 10)), 11), Gate::Closed);
        assert_eq!(at(Some((commitment, 10)), 12), Gate::Open, "block 13 is three after it");
        assert!(matches!(at(Some((B256::ZERO, 10)), 90), Gate::Commit(_)), "another proof's");
    }
}
