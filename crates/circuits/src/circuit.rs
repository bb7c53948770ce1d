//! The block circuit: [`crate::state`]'s rules as constraints.
//!
//! Public inputs are C, r and y of [`crate::statement`]. Everything else is private: m, and for each record the two
//! accounts it names with their Merkle paths. Whatever bytes a block has and whatever root is claimed, there is a
//! satisfying assignment: a record that is not a valid transfer replaces two accounts by themselves, and a wrong claim
//! makes m's `correct` 0.
//!
//! Balances and nonces read from the tree are not range-checked: a root is either the rollup's genesis, whose balances
//! are 64 bits wide by their encoding, or the output of this circuit, which keeps them so.

use ark_ff::{Field, One};
use ark_relations::gr1cs::{ConstraintSynthesizer, ConstraintSystemRef, SynthesisError};

use crate::{
    Fr, Params,
    gadgets::{Bit, Builder, Num, eddsa, edwards::Point, merkle::Forest, poseidon},
    layout::{CHUNK_BYTES, TRANSFER_BYTES},
    state::{AccountWitness, BlockTrace, TransferTrace},
    tree::DEPTH,
};

/// Bits of an address.
const ADDRESS_BITS: usize = 160;
/// Bits of a balance.
const BALANCE_BITS: usize = 64;

/// The circuit of blocks of one size, with or without an assignment.
#[derive(Clone, Debug)]
pub struct BlockCircuit {
    /// The circuit's size.
    pub params: Params,
    /// The assignment, not needed to generate keys.
    pub witness: Option<BlockWitness>,
}

/// An assignment of the circuit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockWitness {
    /// C, r and y.
    pub inputs: [Fr; 3],
    /// Who is paid.
    pub payee: Fr,
    /// What transfers are signed for.
    pub domain: Fr,
    /// The root claimed after the block.
    pub claimed_root: Fr,
    /// Old root, chunks and accounts.
    pub trace: BlockTrace,
}

impl BlockCircuit {
    /// The circuit without an assignment, for key generation.
    pub const fn blank(params: Params) -> Self {
        Self { params, witness: None }
    }
}

impl ConstraintSynthesizer<Fr> for BlockCircuit {
    fn generate_constraints(self, cs: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
        let builder = &Builder::new(cs);
        let witness = self.witness.as_ref();
        let trace = witness.map(|witness| &witness.trace);

        let commitment = builder.input(witness.map(|witness| witness.inputs[0]))?;
        let challenge = builder.input(witness.map(|witness| witness.inputs[1]))?;
        let evaluation = builder.input(witness.map(|witness| witness.inputs[2]))?;

        let payee = builder.witness(witness.map(|witness| witness.payee))?;
        builder.bits(payee, ADDRESS_BITS)?;
        let domain = builder.witness(witness.map(|witness| witness.domain))?;
        let old_root = builder.witness(trace.map(|trace| trace.old_root))?;
        let claimed_root = builder.witness(witness.map(|witness| witness.claimed_root))?;

        let mut chunks = Vec::with_capacity(self.params.chunks());
        let mut stream = Vec::with_capacity(8 * self.params.max_block_bytes());
        for i in 0..self.params.chunks() {
            let chunk = builder.witness(trace.and_then(|trace| trace.chunks.get(i).copied()))?;
            stream.extend(builder.bits(chunk, 8 * CHUNK_BYTES)?.into_iter().rev());
            chunks.push(chunk);
        }

        let top = (0..1 << self.params.top_levels())
            .map(|i| builder.witness(trace.and_then(|trace| trace.top.get(i).copied())))
            .collect::<Result<_, _>>()?;
        let mut forest = Forest::new(top);
        builder.assert_equal(forest.root(builder)?, old_root)?;

        let (header, records) = stream.split_at(8 * CHUNK_BYTES);
        let mut fees = Vec::with_capacity(self.params.block_txs());
        for (i, record) in records.chunks_exact(32 * CHUNK_BYTES).enumerate() {
            let trace = trace.and_then(|trace| trace.transfers.get(i));
            fees.push(transfer(builder, &mut forest, domain, &Record::read(builder, record)?, trace)?);
        }
        let fees = builder.sum(&fees)?;
        collect_fees(builder, &mut forest, &header[..32], fees, trace.map(|trace| &trace.fee_account))?;
        let correct = builder.is_equal(forest.root(builder)?, claimed_root)?;

        let mut coefficients = vec![payee, domain, old_root, claimed_root, correct.num()];
        coefficients.extend(chunks);
        builder.assert_equal(poseidon::hash(builder, &coefficients)?, commitment)?;
        let mut sum = builder.zero();
        for coefficient in coefficients.into_iter().rev() {
            sum = builder.add(builder.mul(sum, challenge)?, coefficient)?;
        }
        builder.assert_equal(sum, evaluation)
    }
}

/// The fields of a record, decoded from its bits.
struct Record {
    from: Index,
    to: Index,
    amount: Num,
    fee: Num,
    nonce: Num,
    /// The first bytes of the record as an integer.
    unsigned: Num,
    r8: Point,
    s: Vec<Bit>,
}

/// A 32-bit account index.
struct Index {
    /// Low 16 bits, least significant first: the place in the tree.
    place: Vec<Bit>,
    /// The others, all 0 in a valid index.
    excess: Vec<Bit>,
}

impl Index {
    /// `bits` are most significant first.
    fn read(bits: &[Bit]) -> Self {
        let mut place: Vec<_> = bits.iter().rev().copied().collect();
        let excess = place.split_off(DEPTH);
        Self { place, excess }
    }
}

impl Record {
    /// `bits` are most significant first.
    fn read(builder: &Builder, bits: &[Bit]) -> Result<Self, SynthesisError> {
        let bytes = |range: std::ops::Range<usize>| -> Vec<Bit> {
            bits[8 * range.start..8 * range.end].iter().rev().copied().collect()
        };
        let number = |range| builder.outline(builder.pack(&bytes(range))?);
        Ok(Self {
            from: Index::read(&bits[..32]),
            to: Index::read(&bits[32..64]),
            amount: number(8..16)?,
            fee: number(16..20)?,
            nonce: number(20..28)?,
            unsigned: number(0..TRANSFER_BYTES)?,
            r8: Point { x: number(28..60)?, y: number(60..92)? },
            s: bytes(92..124),
        })
    }
}

/// An account of the tree.
struct AccountWires {
    key: Point,
    balance: Num,
    nonce: Num,
    siblings: Vec<Num>,
}

impl AccountWires {
    /// The path has `levels` levels: it ends where the forest's roots begin.
    fn witness(
        builder: &Builder,
        levels: usize,
        witness: Option<&AccountWitness>,
    ) -> Result<Self, SynthesisError> {
        let account = witness.map(|witness| &witness.account);
        Ok(Self {
            key: Point {
                x: builder.witness(account.map(|account| account.key.x))?,
                y: builder.witness(account.map(|account| account.key.y))?,
            },
            balance: builder.witness(account.map(|account| Fr::from(account.balance)))?,
            nonce: builder.witness(account.map(|account| Fr::from(account.nonce)))?,
            siblings: (0..levels)
                .map(|level| builder.witness(witness.map(|witness| witness.siblings[level])))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Proves the account at `place` of the tree, and puts `balance` and `nonce` in their stead.
    fn update(
        &self,
        builder: &Builder,
        forest: &mut Forest,
        place: &[Bit],
        balance: Num,
        nonce: Num,
    ) -> Result<(), SynthesisError> {
        let leaf = |balance, nonce| poseidon::hash(builder, &[self.key.x, self.key.y, balance, nonce]);
        let leaves = [leaf(self.balance, self.nonce)?, leaf(balance, nonce)?];
        forest.replace(builder, place, &self.siblings, leaves)
    }
}

/// Applies a record, and returns the fee it adds to the block's.
fn transfer(
    builder: &Builder,
    forest: &mut Forest,
    domain: Num,
    record: &Record,
    trace: Option<&TransferTrace>,
) -> Result<Num, SynthesisError> {
    let levels = DEPTH - forest.levels();
    let from = AccountWires::witness(builder, levels, trace.map(|trace| &trace.from))?;
    let to = AccountWires::witness(builder, levels, trace.map(|trace| &trace.to))?;
    let one = Fr::one();

    let excess = [&record.from.excess[..], &record.to.excess].concat();
    let in_range = builder.none(&excess)?;
    let same = builder.is_equal(builder.pack(&record.from.place)?, builder.pack(&record.to.place)?)?;
    let sender_exists = from.key.is_on_curve(builder)?;
    let receiver_exists = to.key.is_on_curve(builder)?;
    let nonce_right = builder.is_equal(record.nonce, from.nonce)?;
    let nonce_last = builder.is_equal(from.nonce, builder.constant(Fr::from(u64::MAX))?)?;
    // amount + fee < 2^65, so the top bit of balance - amount - fee + 2^65 says whether the balance suffices.
    let left = builder.combine(
        &[(one, from.balance), (-one, record.amount), (-one, record.fee)],
        power_of_two(BALANCE_BITS + 1),
    )?;
    let sufficient = builder.bits(left, BALANCE_BITS + 2)?[BALANCE_BITS + 1];
    let overflows = builder.bits(builder.add(to.balance, record.amount)?, BALANCE_BITS + 1)?[BALANCE_BITS];
    let signed = eddsa::verify(
        builder,
        &eddsa::Statement {
            key: from.key,
            key_on_curve: sender_exists,
            r8: record.r8,
            s: &record.s,
            message: poseidon::hash(builder, &[domain, record.unsigned])?,
        },
    )?;
    let valid = builder.all(&[
        in_range,
        builder.not(same)?,
        receiver_exists,
        nonce_right,
        builder.not(nonce_last)?,
        sufficient,
        builder.not(overflows)?,
        signed,
    ])?;

    let amount = builder.mul(record.amount, valid.num())?;
    let fee = builder.mul(record.fee, valid.num())?;
    let debited = builder.combine(&[(one, from.balance), (-one, amount), (-one, fee)], Fr::default())?;
    let nonce = builder.add(from.nonce, valid.num())?;
    from.update(builder, forest, &record.from.place, debited, nonce)?;
    let credited = builder.add(to.balance, amount)?;
    to.update(builder, forest, &record.to.place, credited, to.nonce)?;
    Ok(fee)
}

/// Credits the block's fees, or burns them.
fn collect_fees(
    builder: &Builder,
    forest: &mut Forest,
    index: &[Bit],
    fees: Num,
    witness: Option<&AccountWitness>,
) -> Result<(), SynthesisError> {
    let index = Index::read(index);
    let account = AccountWires::witness(builder, DEPTH - forest.levels(), witness)?;
    let in_range = builder.none(&index.excess)?;
    let exists = account.key.is_on_curve(builder)?;
    // Fees are 32 bits wide and a block has at most 2^10 of them.
    let sum = builder.add(account.balance, fees)?;
    let overflows = builder.bits(sum, BALANCE_BITS + 1)?[BALANCE_BITS];
    let valid = builder.all(&[in_range, exists, builder.not(overflows)?])?;
    let credited = builder.add(account.balance, builder.mul(fees, valid.num())?)?;
    account.update(builder, forest, &index.place, credited, account.nonce)
}

fn power_of_two(exponent: usize) -> Fr {
    Fr::from(2u8).pow([exponent as u64])
}
