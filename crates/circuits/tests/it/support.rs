//! A small world with every kind of account, and every kind of record.

use std::sync::OnceLock;

use ark_ec::AffineRepr;
use ark_ed_on_bn254::EdwardsAffine;
use ark_ff::{AdditiveGroup, BigInteger, BigInteger256, Field, PrimeField};
use ark_relations::gr1cs::{
    ConstraintSynthesizer, ConstraintSystem, Matrix, OptimizationGoal, R1CS_PREDICATE_LABEL, SynthesisMode,
};
use provery_circuits::{
    Account, BlockCircuit, BlockJob, Fr, Params, PublicKey, SignedTransfer, State, Traffic, Transfer, Word,
    block::RECORD_BYTES, gadgets::Builder, payload::JobTerms, tree::MissingAccount, word,
};

/// Accounts 0..4 are ordinary.
pub(crate) const ORDINARY: u32 = 4;
/// Has the largest balance there is.
pub(crate) const RICH: u32 = 4;
/// Has used all nonces but the last.
pub(crate) const WORN: u32 = 5;
/// Its key is the neutral element.
pub(crate) const NEUTRAL: u32 = 6;
/// Its key has order 2.
pub(crate) const TORSION: u32 = 7;
/// Its key is off the curve.
pub(crate) const OFF_CURVE: u32 = 8;
/// Never set.
pub(crate) const EMPTY: u32 = 9;
/// Accounts in the world.
pub(crate) const ACCOUNTS: u16 = 10;

pub(crate) const DOMAIN: u64 = 31_337;
pub(crate) const PAYEE: [u8; 20] = [0xa5; 20];

pub(crate) struct World {
    pub traffic: Traffic,
    pub state: State,
}

impl World {
    pub(crate) fn new() -> Self {
        let traffic = Traffic::new(1, 6);
        let mut accounts = traffic.accounts();
        accounts[RICH as usize].balance = u64::MAX;
        accounts[WORN as usize].nonce = u64::MAX;
        let odd = |x: Fr, y: Fr| Account { key: PublicKey { x, y }, balance: 1000, nonce: 0 };
        accounts.push(odd(Fr::ZERO, Fr::ONE));
        accounts.push(odd(Fr::ZERO, -Fr::ONE));
        accounts.push(odd(Fr::from(3u8), Fr::from(4u8)));
        Self { traffic, state: State::new(&accounts).expect("a handful of accounts") }
    }

    pub(crate) fn transfer(&self, from: u32, to: u32) -> Transfer {
        let nonce = self.state.account(from as u16).map_or(0, |account| account.nonce);
        Transfer { from, to, amount: 70, fee: 3, nonce }
    }

    pub(crate) fn sign(&self, transfer: Transfer) -> SignedTransfer {
        let key = self.traffic.key(transfer.from as usize % 6).expect("six keys");
        transfer.sign(key, &Fr::from(DOMAIN))
    }
}

/// Kinds of records. `pick` varies the details.
pub(crate) const KINDS: u8 = 18;

pub(crate) fn record(world: &World, kind: u8, pick: u8) -> [u8; RECORD_BYTES] {
    let from = u32::from(pick) % ORDINARY;
    let to = (from + 1 + u32::from(pick / 16) % (ORDINARY - 1)) % ORDINARY;
    let base = world.transfer(from, to);
    let signed = |transfer| world.sign(transfer).to_bytes();
    let altered = |at: usize, bit: u8| {
        let mut bytes = signed(base);
        bytes[at] ^= 1 << (bit % 8);
        bytes
    };
    let shifted = |at: usize, by: BigInteger256| {
        let mut bytes = signed(base);
        let mut carry = 0;
        for (byte, added) in bytes[at..at + 32].iter_mut().zip(by.to_bytes_be()).rev() {
            let sum = u16::from(*byte) + u16::from(added) + carry;
            (*byte, carry) = (sum as u8, sum >> 8);
        }
        assert_eq!(carry, 0, "the sum fits in 256 bits");
        bytes
    };
    match kind {
        0 => signed(base),
        1 => signed(Transfer { nonce: base.nonce.wrapping_add(1 + u64::from(pick)), ..base }),
        2 => signed(Transfer { amount: u64::MAX - u64::from(pick), ..base }),
        3 => signed(Transfer { to: RICH, ..base }),
        4 => signed(Transfer { from, to: from, ..base }),
        5 => signed(Transfer { from: base.from + (1 << (16 + pick % 16)), ..base }),
        6 => signed(Transfer { to: base.to + (1 << (16 + pick % 16)), ..base }),
        7 => signed(Transfer { to: [OFF_CURVE, EMPTY][usize::from(pick % 2)], ..base }),
        8 => signed(world.transfer(WORN, to)),
        9 => signed(world.transfer([NEUTRAL, TORSION, OFF_CURVE, EMPTY][usize::from(pick % 4)], to)),
        10 => altered(usize::from(pick) % 28, pick / 28),
        11 => altered(28 + usize::from(pick) % 64, pick),
        12 => altered(92 + usize::from(pick) % 32, pick),
        // s + l: the same point, not canonical.
        13 => shifted(92, ark_ed_on_bn254::Fr::MODULUS),
        // R.x + p: reduced, so still valid.
        14 => shifted(28, Fr::MODULUS),
        15 => [0; RECORD_BYTES],
        16 => std::array::from_fn(|i| word::keccak256(&[&[pick, i as u8]])[0]),
        // From the neutral key anyone can sign: R = B, s = 1.
        _ => {
            let mut bytes = [0; RECORD_BYTES];
            bytes[..28].copy_from_slice(&world.transfer(NEUTRAL, to).to_bytes());
            let generator = EdwardsAffine::generator();
            bytes[28..60].copy_from_slice(&word::from_field(&generator.x));
            bytes[60..92].copy_from_slice(&word::from_field(&generator.y));
            bytes[123] = 1;
            bytes
        }
    }
}

pub(crate) fn job(state: &State, data: &[u8], params: Params, claimed_root: Option<Word>) -> BlockJob {
    let mut terms = JobTerms {
        params,
        payee: PAYEE,
        domain: word::from_field(&Fr::from(DOMAIN)),
        claimed_root: claimed_root.unwrap_or_default(),
    };
    let job = BlockJob::from_state(state, data, &terms).expect("any bytes that fit are a block");
    if claimed_root.is_some() {
        return job;
    }
    terms.claimed_root = word::from_field(&job.trace().new_root);
    BlockJob::from_state(state, data, &terms).expect("any bytes that fit are a block")
}

/// A, B and C as key generation sees them.
pub(crate) fn setup_matrices(params: Params) -> Vec<Matrix<Fr>> {
    let cs = ConstraintSystem::new_ref();
    cs.set_optimization_goal(OptimizationGoal::Constraints);
    cs.set_mode(SynthesisMode::Setup);
    BlockCircuit::blank(params).generate_constraints(cs.clone()).expect("keys need no witness");
    cs.finalize();
    cs.to_matrices().expect("key generation keeps matrices").remove(R1CS_PREDICATE_LABEL).expect("an R1CS")
}

/// Whether the circuit's assignment satisfies the constraints of its size, which are made once.
pub(crate) fn is_satisfied(circuit: BlockCircuit) -> bool {
    static MATRICES: [OnceLock<Vec<Matrix<Fr>>>; 3] = [const { OnceLock::new() }; 3];
    let params = circuit.params;
    let matrices = MATRICES[params.block_txs()].get_or_init(|| setup_matrices(params));
    let cs = Builder::witness_only();
    circuit.generate_constraints(cs.clone()).expect("synthesis does not depend on values");
    let assignment =
        [cs.instance_assignment().expect("an assignment"), cs.witness_assignment().expect("an assignment")]
            .concat();
    let value =
        |row: &Vec<(Fr, usize)>| row.iter().map(|(coefficient, i)| *coefficient * assignment[*i]).sum::<Fr>();
    let [a, b, c] = &matrices[..] else { panic!("three matrices") };
    a.iter().zip(b).zip(c).all(|((a, b), c)| value(a) * value(b) == value(c))
}

pub(crate) fn supply(state: &State) -> Result<u128, MissingAccount> {
    (0..ACCOUNTS).map(|index| state.account(index).map(|account| u128::from(account.balance))).sum()
}
