//! What a cheating prover could try, and that it fails.

use std::collections::BTreeMap;

use ark_bn254::Bn254;
use ark_ff::{AdditiveGroup, Field};
use ark_groth16::{Groth16, prepare_verifying_key};
use ark_relations::gr1cs::{ConstraintSynthesizer, ConstraintSystem, R1CS_PREDICATE_LABEL};
use provery_circuits::{
    BlockCircuit, BlockContext, BlockJob, BlockStatement, Fr, Params, State, TransferOutcome,
    circuit::BlockWitness, gadgets::Builder, poseidon, word,
};

use crate::support::*;

fn honest() -> BlockJob {
    let world = World::new();
    let mut data = vec![0; 31];
    data.extend_from_slice(&record(&world, 0, 0));
    let job = job(&world.state, &data, Params::new(1).expect("a small size"), None);
    assert_eq!(job.trace().transfers[0].outcome, TransferOutcome::Applied);
    job
}

/// The inputs a verifier computes for the honest statement, given the commitment of a prover that uses other
/// coefficients in the circuit.
fn inputs_of_verifier(job: &BlockJob, coefficients: &[Fr]) -> [Fr; 3] {
    let honest = job.fingerprint();
    let commitment = poseidon::hash(coefficients);
    let mut preimage = word::from_field(&commitment).to_vec();
    for head in &honest.coefficients[..5] {
        preimage.extend_from_slice(&word::from_field(head));
    }
    preimage.extend_from_slice(&word::keccak256(&[job.data()]));
    let challenge = word::reduce(&word::keccak256(&[&preimage])[..31]);
    let evaluation = honest.coefficients.iter().rev().fold(Fr::ZERO, |sum, m| sum * challenge + m);
    [commitment, challenge, evaluation]
}

/// Applies a forgery to the assignment, with the honest inputs and with the best a prover could ask for.
fn fails(name: &str, forge: impl Fn(&mut BlockWitness, &mut Vec<Fr>)) {
    let job = honest();
    for adapted in [false, true] {
        let mut circuit = job.circuit();
        let witness = circuit.witness.as_mut().expect("a job has a witness");
        let mut coefficients = job.fingerprint().coefficients.clone();
        forge(witness, &mut coefficients);
        if adapted {
            witness.inputs = inputs_of_verifier(&job, &coefficients);
        }
        assert!(!is_satisfied(circuit), "{name}, adapted: {adapted}");
    }
}

#[test]
fn the_helpers_accept_what_is_honest() {
    let job = honest();
    assert_eq!(inputs_of_verifier(&job, &job.fingerprint().coefficients), job.groth16_inputs());
    assert!(is_satisfied(job.circuit()));
}

#[test]
fn every_part_of_the_statement_is_bound() {
    fails("payee", |witness, m| {
        witness.payee += Fr::ONE;
        m[0] = witness.payee;
    });
    fails("payee beyond 160 bits", |witness, m| {
        witness.payee += Fr::from(2u8).pow([160]);
        m[0] = witness.payee;
    });
    fails("domain", |witness, m| {
        witness.domain += Fr::ONE;
        m[1] = witness.domain;
    });
    fails("old root", |witness, m| {
        witness.trace.old_root += Fr::ONE;
        m[2] = witness.trace.old_root;
    });
    fails("claimed root", |witness, m| {
        witness.claimed_root += Fr::ONE;
        m[3] = witness.claimed_root;
        m[4] = Fr::ZERO;
    });
    // The amount is in the first chunk of the record: bytes 8 to 16 of 31.
    fails("amount", |witness, m| {
        witness.trace.chunks[1] += Fr::from(2u8).pow([8 * (31 - 16)]);
        m[6] = witness.trace.chunks[1];
    });
    fails("ignored header bytes", |witness, m| {
        witness.trace.chunks[0] += Fr::ONE;
        m[5] = witness.trace.chunks[0];
    });
    for i in 0..3 {
        let mut circuit = honest().circuit();
        circuit.witness.as_mut().expect("a job has a witness").inputs[i] += Fr::ONE;
        assert!(!is_satisfied(circuit), "public input {i}");
    }
}

#[test]
fn the_accounts_are_bound() {
    fails("sender's balance", |witness, _| witness.trace.transfers[0].from.account.balance += 1);
    fails("sender's nonce", |witness, _| witness.trace.transfers[0].from.account.nonce += 1);
    fails("sender's key", |witness, _| witness.trace.transfers[0].from.account.key.x += Fr::ONE);
    fails("receiver's balance", |witness, _| witness.trace.transfers[0].to.account.balance -= 1);
    fails("fee account's balance", |witness, _| witness.trace.fee_account.account.balance += 1);
    fails("top of the tree", |witness, _| witness.trace.top[3] += Fr::ONE);
    // The upper levels are in the top.
    let path = 16 - honest().params().top_levels();
    for level in [0, 7, path - 1] {
        fails("sender's path", |witness, _| witness.trace.transfers[0].from.siblings[level] += Fr::ONE);
        fails("receiver's path", |witness, _| witness.trace.transfers[0].to.siblings[level] += Fr::ONE);
        fails("fee account's path", |witness, _| witness.trace.fee_account.siblings[level] += Fr::ONE);
    }
}

/// The whole assignment of another state, in which the sender has more, under the root of the real one. Everything is
/// consistent, and the root that follows is claimed, so nothing but the proof of membership is in the way.
#[test]
fn accounts_of_another_state_are_refused() {
    let world = World::new();
    let params = Params::new(1).expect("a small size");
    let data = [&[0; 31][..], &record(&world, 0, 0)].concat();
    let real = job(&world.state, &data, params, None);
    let mut accounts: Vec<_> =
        (0..ACCOUNTS).map(|i| world.state.account(i).expect("a whole state")).collect();
    accounts[0].balance *= 2;
    let richer = State::new(&accounts).expect("a handful of accounts");
    let forged = job(&richer, &data, params, None);
    assert_eq!(forged.trace().transfers[0].outcome, TransferOutcome::Applied);

    let mut after = richer.clone();
    let context = BlockContext { params, domain: Fr::from(DOMAIN) };
    after.apply_block(&data, &context).expect("the block fits");
    let change = after.top(params.top_levels()).expect("a whole state")[0] - forged.trace().top[0];
    let mut grafted = real.trace().top.clone();
    grafted[0] += change;
    let mut nodes = grafted;
    while nodes.len() > 1 {
        nodes = nodes.chunks(2).map(poseidon::hash).collect();
    }

    // The paths of the forged tree hang under the real top, or the forged top stands in for the real one.
    for (top, claimed_root) in [(&real.trace().top, nodes[0]), (&forged.trace().top, forged.trace().new_root)]
    {
        let mut trace = forged.trace().clone();
        trace.old_root = real.trace().old_root;
        trace.top.clone_from(top);
        let statement = BlockStatement {
            claimed_root: word::from_field(&claimed_root),
            correct: true,
            ..*real.statement()
        };
        let fingerprint = statement.fingerprint(&data, &params).expect("canonical words");
        let mut circuit = forged.circuit();
        let witness = circuit.witness.as_mut().expect("a job has a witness");
        witness.inputs = fingerprint.groth16_inputs();
        witness.claimed_root = claimed_root;
        witness.trace = trace;
        assert!(!is_satisfied(circuit));
    }
}

/// Changes every private variable by itself. Only the helper of an equality test may be free, and only where what is
/// tested is 0, so that its value means nothing.
#[test]
fn no_private_variable_is_free() {
    let cs = ConstraintSystem::new_ref();
    honest().circuit().generate_constraints(cs.clone()).expect("a complete witness");
    cs.finalize();
    let matrices = &cs.to_matrices().expect("matrices were kept")[R1CS_PREDICATE_LABEL];
    let assignment =
        [cs.instance_assignment().expect("an assignment"), cs.witness_assignment().expect("an assignment")]
            .concat();
    let value =
        |row: &[(Fr, usize)]| row.iter().map(|(coefficient, i)| *coefficient * assignment[*i]).sum::<Fr>();
    let rows: Vec<[Fr; 3]> =
        (0..cs.num_constraints()).map(|row| [0, 1, 2].map(|matrix| value(&matrices[matrix][row]))).collect();
    assert!(rows.iter().all(|[a, b, c]| *a * b == *c));

    let mut uses: BTreeMap<usize, BTreeMap<usize, [Fr; 3]>> = BTreeMap::new();
    for (matrix, table) in matrices.iter().enumerate() {
        for (row, terms) in table.iter().enumerate() {
            for (coefficient, variable) in terms {
                uses.entry(*variable).or_default().entry(row).or_default()[matrix] += coefficient;
            }
        }
    }
    let mut free = 0;
    for variable in cs.num_instance_variables()..assignment.len() {
        let uses = uses.get(&variable).unwrap_or_else(|| panic!("variable {variable} is in no constraint"));
        let bound = uses.iter().any(|(row, [a, b, c])| {
            let [row_a, row_b, row_c] = rows[*row];
            (row_a + a) * (row_b + b) != row_c + c
        });
        if !bound {
            free += 1;
            let helper = uses.len() == 1
                && uses
                    .iter()
                    .all(|(row, [a, _, c])| *a == Fr::ZERO && *c == Fr::ZERO && rows[*row][0] == Fr::ZERO);
            assert!(helper, "variable {variable} is free");
        }
    }
    assert!(free < 100, "{free} free helpers");
}

#[test]
fn the_shape_does_not_depend_on_the_assignment() {
    let job = honest();
    let proving = ConstraintSystem::new_ref();
    job.circuit().generate_constraints(proving.clone()).expect("a complete witness");
    let witness_only = Builder::witness_only();
    job.circuit().generate_constraints(witness_only.clone()).expect("a complete witness");
    assert_eq!(proving.witness_assignment(), witness_only.witness_assignment());
    proving.finalize();
    let matrices = &proving.to_matrices().expect("matrices were kept")[R1CS_PREDICATE_LABEL];
    assert_eq!(matrices, &setup_matrices(job.params()));
}

#[test]
fn a_proof_for_one_payee_serves_no_other() {
    let job = honest();
    let mut rng = ark_std::test_rng();
    let blank = BlockCircuit::blank(job.params());
    let key = Groth16::<Bn254>::generate_random_parameters_with_reduction(blank, &mut rng).expect("a setup");
    let proof =
        Groth16::<Bn254>::create_random_proof_with_reduction(job.circuit(), &key, &mut rng).expect("a proof");
    let verifying_key = prepare_verifying_key(&key.vk);
    let accepts =
        |inputs: &[Fr]| Groth16::<Bn254>::verify_proof(&verifying_key, &proof, inputs).expect("three inputs");
    assert!(accepts(&job.groth16_inputs()));

    let mut statement = *job.statement();
    statement.payee[19] ^= 1;
    let other = statement.fingerprint(job.data(), &job.params()).expect("an address");
    assert!(!accepts(&other.groth16_inputs()));
    // With the first prover's commitment left in place.
    assert!(!accepts(&[job.groth16_inputs()[0], other.challenge, other.evaluation]));
}
