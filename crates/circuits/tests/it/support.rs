//! A small world with every kind of account, and every kind of record.

use std::sync::OnceLock;

use ark_ec::{AffineRepr, CurveGroup, twisted_edwards::TECurveConfig};
use ark_ff::{AdditiveGroup, BigInteger, BigInteger256, Field, PrimeField, Zero};
use ark_relations::gr1cs::{
    ConstraintSynthesizer, ConstraintSystem, Matrix, OptimizationGoal, R1CS_PREDICATE_LABEL, SynthesisMode,
};
use provery_circuits::{
    Account, BlockCircuit, BlockJob, Fr, Params, PublicKey, Signature, SignedTransfer, State, Traffic,
    Transfer, Word,
    babyjub::{Affine, BabyJubjub, Scalar},
    gadgets::Builder,
    layout::{RECORD_BYTES, TRANSFER_BYTES},
    payload::JobTerms,
    poseidon,
    tree::MissingAccount,
    word,
};

/// Accounts 0..4 are ordinary.
pub(crate) const ORDINARY: u32 = 4;
/// Has the largest balance there is.
pub(crate) const RICH: u32 = 4;
/// Has used all nonces but the last.
pub(crate) const WORN: u32 = 5;
/// Its key is the neutral element.
pub(crate) const NEUTRAL: u32 = 6;
/// Keys of the others whose order divides the cofactor: of order 2, 4 and 8.
pub(crate) const TORSION: [u32; 3] = [7, 8, 9];
/// Its key is [`MIXED_SECRET`]·B8 plus a point of order 8.
pub(crate) const MIXED: u32 = 10;
/// Its key is off the curve.
pub(crate) const OFF_CURVE: u32 = 11;
/// Never set.
pub(crate) const EMPTY: u32 = 12;
/// Accounts in the world.
pub(crate) const ACCOUNTS: u16 = 13;

/// What signs for the mixed key.
const MIXED_SECRET: u8 = 3;

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
        let of_order_8 = point_of_order_8();
        let of_order_4 = (of_order_8 + of_order_8).into_affine();
        let of_order_2 = (of_order_4 + of_order_4).into_affine();
        assert_eq!((of_order_2.x, of_order_2.y), (Fr::ZERO, -Fr::ONE));
        let mixed = (Affine::generator() * Scalar::from(MIXED_SECRET) + of_order_8).into_affine();
        accounts.push(odd(Fr::ZERO, Fr::ONE));
        for point in [of_order_2, of_order_4, of_order_8, mixed] {
            assert!(point.is_on_curve());
            accounts.push(odd(point.x, point.y));
        }
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

/// l times a point that is not in the subgroup, which leaves its part of low order.
fn point_of_order_8() -> Affine {
    (2u8..)
        .filter_map(|y| {
            let square = Fr::from(y).square();
            let x = ((Fr::ONE - square) / (BabyJubjub::COEFF_A - BabyJubjub::COEFF_D * square)).sqrt()?;
            let point = Affine::new_unchecked(x, Fr::from(y)).mul_bigint(Scalar::MODULUS).into_affine();
            (!point.mul_bigint([4]).is_zero()).then_some(point)
        })
        .next()
        .expect("half of all points are such")
}

/// A signature under a key of low order, which anybody can make: R8 = B8 · S, so that the equation holds if the key's
/// part of it vanishes.
fn signed_by_nobody(world: &World, from: u32, to: u32, s: u8) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    bytes[..TRANSFER_BYTES].copy_from_slice(&world.transfer(from, to).to_bytes());
    let r8 = Affine::generator().mul_bigint([u64::from(s)]).into_affine();
    bytes[28..60].copy_from_slice(&word::from_field(&r8.x));
    bytes[60..92].copy_from_slice(&word::from_field(&r8.y));
    bytes[123] = s;
    bytes
}

/// Kinds of records. `pick` varies the details.
pub(crate) const KINDS: u8 = 20;

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
        9 => signed(world.transfer([NEUTRAL, TORSION[0], OFF_CURVE, EMPTY][usize::from(pick % 4)], to)),
        10 => altered(usize::from(pick) % 28, pick / 28),
        11 => altered(28 + usize::from(pick) % 64, pick),
        12 => altered(92 + usize::from(pick) % 32, pick),
        // s + l: the same point, not canonical.
        13 => shifted(92, Scalar::MODULUS),
        // R8.x + p: reduced, so still valid.
        14 => shifted(28, Fr::MODULUS),
        15 => [0; RECORD_BYTES],
        16 => std::array::from_fn(|i| word::keccak256(&[&[pick, i as u8]])[0]),
        17 => {
            let key = [NEUTRAL, TORSION[0], TORSION[1], TORSION[2]][usize::from(pick % 4)];
            signed_by_nobody(world, key, to, pick / 4)
        }
        // R8 plus a point of low order, which 8·h·A cannot make up for.
        18 => {
            let mut bytes = signed(base);
            let part = |at: usize| word::reduce(&bytes[at..at + 32]);
            let low = point_of_order_8().mul_bigint([1 + u64::from(pick % 7)]);
            let r8 = (low + Affine::new_unchecked(part(28), part(60))).into_affine();
            bytes[28..60].copy_from_slice(&word::from_field(&r8.x));
            bytes[60..92].copy_from_slice(&word::from_field(&r8.y));
            bytes
        }
        // Valid: the part of low order vanishes.
        _ => {
            let transfer = world.transfer(MIXED, to);
            let key = world.state.account(MIXED as u16).expect("a whole state").key;
            let nonce = Scalar::from(5 + u64::from(pick));
            let r8 = (Affine::generator() * nonce).into_affine();
            let message = transfer.message(&Fr::from(DOMAIN));
            let challenge = poseidon::hash(&[r8.x, r8.y, key.x, key.y, message]);
            let challenge = Scalar::from_be_bytes_mod_order(&word::from_field(&challenge));
            let s = nonce + challenge * Scalar::from(8 * MIXED_SECRET);
            let [r8_x, r8_y] = [word::from_field(&r8.x), word::from_field(&r8.y)];
            let mut s_word = [0; 32];
            s_word.copy_from_slice(&s.into_bigint().to_bytes_be());
            let signature = Signature { r8_x, r8_y, s: s_word };
            SignedTransfer { transfer, signature }.to_bytes()
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
