//! Everything a prover needs for one block, as bytes that can be handed to another process or machine.

use crate::{
    BlockCircuit, BlockStatement, Fr, Params, State,
    circuit::BlockWitness,
    params::ParamsError,
    state::{ApplyError, BlockContext, BlockTrace},
    statement::{Fingerprint, StatementError},
    tree::TreeError,
    word::{self, Word},
};

/// Bytes of a Groth16 proof as EIP-197 points: A.x, A.y, B.x₁, B.x₀, B.y₁, B.y₀, C.x, C.y, 32 each.
pub const GROTH16_PROOF_BYTES: usize = 256;

const MAGIC: &[u8; 8] = b"provery\x02";

/// A block to be proven for a payee.
///
/// What the block does is never taken on trust: it is computed from the accounts whenever a job is made or read, so a
/// job whose accounts don't belong to its bytes can't be built.
#[derive(Clone, Debug)]
pub struct BlockJob {
    params: Params,
    statement: BlockStatement,
    data: Vec<u8>,
    accounts: State,
    trace: BlockTrace,
    fingerprint: Fingerprint,
    witness: BlockWitness,
}

/// What a job says about itself, apart from what follows from the block and the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobTerms {
    /// The circuit's size.
    pub params: Params,
    /// Who is paid.
    pub payee: [u8; 20],
    /// What transfers are signed for.
    pub domain: Word,
    /// Root claimed after the block.
    pub claimed_root: Word,
}

/// Why there is no such job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// The bytes are not those of a job.
    #[error("not a block job: {0}")]
    Format(&'static str),
    /// The circuit can't have this size.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// The accounts can't be read.
    #[error(transparent)]
    Accounts(#[from] TreeError),
    /// The block can't be applied to the accounts.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The statement can't be proven.
    #[error(transparent)]
    Statement(#[from] StatementError),
}

impl BlockJob {
    /// The job of proving `data` on top of `state`, which may be a whole state and is left as it is.
    pub fn from_state(state: &State, data: &[u8], terms: &JobTerms) -> Result<Self, JobError> {
        let accounts = state.subset_for(data, &terms.params).map_err(ApplyError::from)?;
        Self::new(accounts, data.to_vec(), terms)
    }

    fn new(accounts: State, data: Vec<u8>, terms: &JobTerms) -> Result<Self, JobError> {
        let JobTerms { params, payee, domain, claimed_root } = *terms;
        let domain_field = word::to_field(&domain).ok_or(StatementError::NotCanonical("domain"))?;
        let trace = accounts.clone().apply_block(&data, &BlockContext { params, domain: domain_field })?;
        let statement = BlockStatement {
            payee,
            domain,
            old_root: word::from_field(&trace.old_root),
            claimed_root,
            correct: word::from_field(&trace.new_root) == claimed_root,
        };
        let fingerprint = statement.fingerprint(&data, &params)?;
        let witness = BlockWitness {
            inputs: fingerprint.groth16_inputs(),
            payee: fingerprint.coefficients[0],
            domain: domain_field,
            claimed_root: fingerprint.coefficients[3],
            trace: trace.clone(),
        };
        Ok(Self { params, statement, data, accounts, trace, fingerprint, witness })
    }

    /// The circuit's size.
    pub const fn params(&self) -> Params {
        self.params
    }

    /// What will be proven.
    pub const fn statement(&self) -> &BlockStatement {
        &self.statement
    }

    /// The block's bytes.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// What the block does.
    pub const fn trace(&self) -> &BlockTrace {
        &self.trace
    }

    /// C, r and y, and what they are made of.
    pub const fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The circuit with its assignment.
    pub fn circuit(&self) -> BlockCircuit {
        BlockCircuit { params: self.params, witness: Some(self.witness.clone()) }
    }

    /// The market's public inputs: oldRoot, newRoot, dataHash, domain, correct, payee.
    pub fn public_inputs_market(&self) -> Vec<Word> {
        self.statement.public_inputs(&self.data)
    }

    /// The Groth16 proof's public inputs: C, r, y.
    pub const fn groth16_inputs(&self) -> [Fr; 3] {
        self.fingerprint.groth16_inputs()
    }

    /// The job as bytes: eight of magic with the version, `block_txs` (4), payee (20), domain (32), claimed root (32), length
    /// of the data (4), the data, and the accounts ([`State::to_bytes`]). Integers are big-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&(self.params.block_txs() as u32).to_be_bytes());
        bytes.extend_from_slice(&self.statement.payee);
        bytes.extend_from_slice(&self.statement.domain);
        bytes.extend_from_slice(&self.statement.claimed_root);
        bytes.extend_from_slice(&(self.data.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&self.data);
        bytes.extend_from_slice(&self.accounts.to_bytes());
        bytes
    }

    /// Reads what [`BlockJob::to_bytes`] wrote, and applies the block again.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, JobError> {
        let mut rest = bytes;
        if take(&mut rest)? != *MAGIC {
            return Err(JobError::Format("it does not begin with this version's mark"));
        }
        let params = Params::new(u32::from_be_bytes(take(&mut rest)?) as usize)?;
        let payee = take(&mut rest)?;
        let domain = take(&mut rest)?;
        let claimed_root = take(&mut rest)?;
        let length = u32::from_be_bytes(take(&mut rest)?) as usize;
        let (data, accounts) = rest.split_at_checked(length).ok_or(TRUNCATED)?;
        let terms = JobTerms { params, payee, domain, claimed_root };
        Self::new(State::from_bytes(accounts)?, data.to_vec(), &terms)
    }
}

/// The proof as the on-chain verifier takes it: the Groth16 proof, C, and the block's bytes.
pub fn proof_bytes(groth16_proof: &[u8; GROTH16_PROOF_BYTES], job: &BlockJob) -> Vec<u8> {
    [&groth16_proof[..], &word::from_field(&job.fingerprint.commitment), &job.data].concat()
}

const TRUNCATED: JobError = JobError::Format("it ends too early");

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], JobError> {
    let (head, tail) = bytes.split_first_chunk().ok_or(TRUNCATED)?;
    *bytes = tail;
    Ok(*head)
}
