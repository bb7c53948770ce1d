//! Whatever the bytes and whatever the claim: the circuit is satisfied by what the state machine says, and only by that.

use ark_ff::{AdditiveGroup, PrimeField};
use proptest::prelude::*;
use provery_circuits::{
    BlockContext, BlockJob, BlockStatement, Fr, Params, RejectReason, TransferOutcome, circuit::BlockWitness,
    layout::HEADER_BYTES, word,
};

use crate::support::*;

fn params(block_txs: usize) -> Params {
    Params::new(block_txs).expect("a small size")
}

fn block(world: &World, fee_account: u32, records: &[(u8, u8)]) -> Vec<u8> {
    let mut data = vec![0xee; HEADER_BYTES];
    data[..4].copy_from_slice(&fee_account.to_be_bytes());
    for (kind, pick) in records {
        data.extend_from_slice(&record(world, *kind, *pick));
    }
    data
}

/// The same block with the opposite answer, as a verifier would see it.
fn with_opposite_answer(job: &BlockJob) -> provery_circuits::BlockCircuit {
    let statement = BlockStatement { correct: !job.statement().correct, ..*job.statement() };
    let fingerprint = statement.fingerprint(job.data(), &job.params()).expect("the job's statement");
    let mut circuit = job.circuit();
    let witness: &mut BlockWitness = circuit.witness.as_mut().expect("a job has a witness");
    witness.inputs = fingerprint.groth16_inputs();
    circuit
}

#[test]
fn every_kind_of_record() {
    use TransferOutcome::{Absent, Applied, Rejected};
    let world = World::new();
    let expected = [
        Applied,
        Rejected(RejectReason::WrongNonce),
        Rejected(RejectReason::InsufficientBalance),
        Rejected(RejectReason::BalanceOverflow),
        Rejected(RejectReason::SelfTransfer),
        Rejected(RejectReason::IndexOutOfRange),
        Rejected(RejectReason::IndexOutOfRange),
        Rejected(RejectReason::UnknownReceiver),
        Rejected(RejectReason::NonceExhausted),
        Rejected(RejectReason::InvalidSignature),
        Rejected(RejectReason::IndexOutOfRange),
        Rejected(RejectReason::InvalidSignature),
        Rejected(RejectReason::InvalidSignature),
        Rejected(RejectReason::InvalidSignature),
        Applied,
        Absent,
        Rejected(RejectReason::IndexOutOfRange),
        Rejected(RejectReason::InvalidSignature),
        Rejected(RejectReason::InvalidSignature),
        Applied,
    ];
    assert_eq!(expected.len(), usize::from(KINDS));
    for (kind, expected) in (0..KINDS).zip(expected) {
        let data = block(&world, 1, &[(kind, 0)]);
        let job = job(&world.state, &data, params(1), None);
        assert_eq!(job.trace().transfers[0].outcome, expected, "kind {kind}");
        assert!(job.statement().correct);
        assert!(is_satisfied(job.circuit()), "kind {kind}");
        assert!(!is_satisfied(with_opposite_answer(&job)), "kind {kind}");
    }
}

/// Whatever S and whichever key, the state machine and the circuit know that nobody signed.
#[test]
fn keys_of_low_order_sign_nothing() {
    let world = World::new();
    for pick in 0..12 {
        let data = block(&world, 1, &[(17, pick)]);
        let job = job(&world.state, &data, params(1), None);
        let outcome = job.trace().transfers[0].outcome;
        assert_eq!(outcome, TransferOutcome::Rejected(RejectReason::InvalidSignature), "pick {pick}");
        assert!(is_satisfied(job.circuit()), "pick {pick}");
        assert!(!is_satisfied(with_opposite_answer(&job)), "pick {pick}");
    }
}

/// The seven points of low order beside the neutral one, added to a valid R8.
#[test]
fn r8_has_no_part_of_low_order() {
    let world = World::new();
    for pick in 0..7 {
        let data = block(&world, 1, &[(18, pick)]);
        let job = job(&world.state, &data, params(1), None);
        let outcome = job.trace().transfers[0].outcome;
        assert_eq!(outcome, TransferOutcome::Rejected(RejectReason::InvalidSignature), "pick {pick}");
        assert!(is_satisfied(job.circuit()), "pick {pick}");
        assert!(!is_satisfied(with_opposite_answer(&job)), "pick {pick}");
    }
}

#[test]
fn fees_are_credited_or_burned() {
    let world = World::new();
    let before = supply(&world.state).expect("a whole state");
    for (fee_account, credited) in [
        (0, true),
        (1, true),
        (RICH, false),
        (EMPTY, false),
        (OFF_CURVE, false),
        (1 << 16, false),
        (u32::MAX, false),
    ] {
        let data = block(&world, fee_account, &[(0, 0)]);
        let job = job(&world.state, &data, params(1), None);
        assert_eq!((job.trace().fees, job.trace().fees_credited), (3, credited), "account {fee_account}");
        assert!(is_satisfied(job.circuit()), "account {fee_account}");
        let mut state = world.state.clone();
        let context = BlockContext { params: params(1), domain: Fr::from(DOMAIN) };
        state.apply_block(&data, &context).expect("the block fits");
        let burned = if credited { 0 } else { 3 };
        assert_eq!(supply(&state).expect("a whole state"), before - burned, "account {fee_account}");
    }
}

#[test]
fn a_wrong_claim_is_provable_and_says_so() {
    let world = World::new();
    let data = block(&world, 0, &[(0, 5), (0, 1)]);
    let claim = word::from_field(&Fr::from(99u8));
    let job = job(&world.state, &data, params(2), Some(claim));
    assert!(!job.statement().correct);
    assert!(is_satisfied(job.circuit()));
    assert!(!is_satisfied(with_opposite_answer(&job)));
}

#[test]
fn a_job_survives_bytes_and_refuses_others() {
    let world = World::new();
    let data = block(&world, 0, &[(0, 5), (16, 1)]);
    let job = job(&world.state, &data, params(2), None);
    let bytes = job.to_bytes();
    let again = BlockJob::from_bytes(&bytes).expect("the bytes were just written");
    assert_eq!(again.to_bytes(), bytes);
    assert_eq!(again.circuit().witness, job.circuit().witness);
    assert_eq!(again.public_inputs_market(), job.public_inputs_market());
    for end in [0, 7, 8, 40, 130, bytes.len() - 1] {
        assert!(BlockJob::from_bytes(&bytes[..end]).is_err(), "{end} bytes");
    }
    let mut other = bytes.clone();
    other[0] ^= 1;
    assert!(BlockJob::from_bytes(&other).is_err());
    // A size for which the data are too long.
    let mut other = bytes;
    other[11] = 1;
    assert!(BlockJob::from_bytes(&other).is_err());
}

#[test]
fn proof_bytes_are_proof_commitment_data() {
    let world = World::new();
    let job = job(&world.state, &[1, 2, 3], params(1), None);
    let bytes = provery_circuits::payload::proof_bytes(&[7; 256], &job);
    assert_eq!(bytes.len(), 256 + 32 + 3);
    assert_eq!(bytes[256..288], word::from_field(&job.groth16_inputs()[0]));
    assert_eq!(bytes[288..], [1, 2, 3]);
}

#[test]
fn workload_is_deterministic_and_mostly_valid() {
    let domain = word::from_field(&Fr::from(DOMAIN));
    let run = || {
        let mut traffic = provery_circuits::Traffic::new(7, 20);
        let mut state =
            provery_circuits::State::from_genesis(&traffic.genesis_bytes()).expect("its own genesis");
        let context = BlockContext { params: params(8), domain: Fr::from(DOMAIN) };
        let mut applied = 0;
        for _ in 0..6 {
            let data = traffic.next_block(&state, 8, &domain).expect("a whole state");
            let trace = state.apply_block(&data, &context).expect("the block fits");
            assert!(trace.fees_credited);
            applied += trace
                .transfers
                .iter()
                .filter(|transfer| transfer.outcome == TransferOutcome::Applied)
                .count();
        }
        (state.root_word(), applied)
    };
    let (root, applied) = run();
    assert!((36..48).contains(&applied), "{applied} of 48 applied");
    assert_eq!(run(), (root, applied));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn circuit_follows_the_state_machine(
        records in prop::collection::vec((0..KINDS, any::<u8>()), 2),
        fee_account in prop_oneof![0..=EMPTY, any::<u32>()],
        cut in prop_oneof![4 => Just(0usize), 1 => 0..=279usize],
        claim in prop_oneof![3 => Just(None), 1 => any::<[u8; 20]>().prop_map(Some)],
    ) {
        let world = World::new();
        let params = params(2);
        let mut data = block(&world, fee_account, &records);
        data.truncate(data.len() - cut);
        let claim = claim.map(|bytes| word::from_address(&bytes));
        let job = job(&world.state, &data, params, claim);
        prop_assert!(is_satisfied(job.circuit()));
        prop_assert!(!is_satisfied(with_opposite_answer(&job)));

        let before = supply(&world.state).expect("a whole state");
        let mut state = world.state.clone();
        let trace = state.apply_block(&data, &BlockContext { params, domain: Fr::from(DOMAIN) }).expect("the block fits");
        let burned = if trace.fees_credited { 0 } else { u128::from(trace.fees) };
        prop_assert_eq!(supply(&state).expect("a whole state") + burned, before);
        prop_assert_eq!(state.root(), trace.new_root);
        let nonces = |state: &provery_circuits::State| -> u128 {
            (0..ACCOUNTS).map(|i| u128::from(state.account(i).expect("a whole state").nonce)).sum()
        };
        let applied = trace.transfers.iter().filter(|transfer| transfer.outcome == TransferOutcome::Applied).count();
        prop_assert_eq!(nonces(&state), nonces(&world.state) + applied as u128);
    }

    #[test]
    fn any_bytes_are_a_block(data in prop::collection::vec(any::<u8>(), 0..=155usize)) {
        let world = World::new();
        let job = job(&world.state, &data, params(1), None);
        prop_assert!(job.statement().correct);
        prop_assert!(is_satisfied(job.circuit()));
        prop_assert!(job.fingerprint().coefficients.iter().all(|m| m.into_bigint() < Fr::MODULUS));
        prop_assert_ne!(job.fingerprint().challenge, Fr::ZERO);
    }
}
