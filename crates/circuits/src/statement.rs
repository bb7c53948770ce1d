//! What a proof says, and how three field elements say it.
//!
//! The market sees six words ([`BlockStatement::public_inputs`]) and the block's bytes. Groth16 verification costs about
//! 6,150 gas an input and hashing in the circuit costs constraints, so the circuit takes neither the words nor a Keccak
//! hash as inputs, but a fingerprint of m = \[payee, domain, oldRoot, newRoot, correct, chunk₀, …\]:
//!
//! - C = Poseidon(m) ([`poseidon::hash`]), which the prover supplies;
//! - r = keccak256(C ‖ m₀ ‖ m₁ ‖ m₂ ‖ m₃ ‖ m₄ ‖ keccak256(data)) >> 8, every part a 32-byte word;
//! - y = Σ mᵢ rⁱ.
//!
//! The verifier computes r and y from the words and bytes it holds; the circuit enforces C = Poseidon(m′) and y = Σ m′ᵢ rⁱ
//! over its own m′. C fixes m′ before r is known, and two different vectors of n elements agree at no more than n − 1 of
//! the 2²⁴⁸ values of r (Schwartz–Zippel), so m′ = m. The payee is m₀: a proof serves nobody else.

use crate::{
    Fr, Params,
    block::{BlockTooLong, chunks},
    poseidon,
    word::{self, Word},
};

/// The claim a block's proof is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockStatement {
    /// Who is paid.
    pub payee: [u8; 20],
    /// What transfers are signed for, below the field's modulus.
    pub domain: Word,
    /// Root before the block, below the field's modulus.
    pub old_root: Word,
    /// Root claimed after the block, below the field's modulus.
    pub claimed_root: Word,
    /// Whether the claim is right.
    pub correct: bool,
}

/// A statement together with a block's bytes, as the Groth16 verifier sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// m: payee, domain, oldRoot, newRoot, correct, then the chunks.
    pub coefficients: Vec<Fr>,
    /// C.
    pub commitment: Fr,
    /// r.
    pub challenge: Fr,
    /// y.
    pub evaluation: Fr,
}

/// A statement that can't be proven about any block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// A word that is not below the field's modulus.
    #[error("{0} is not below the field's modulus")]
    NotCanonical(&'static str),
    /// The circuit has no room for the block.
    #[error(transparent)]
    TooLong(#[from] BlockTooLong),
}

impl BlockStatement {
    /// m₀ … m₄.
    pub fn heads(&self) -> Result<[Fr; 5], StatementError> {
        let field = |name, word| word::to_field(word).ok_or(StatementError::NotCanonical(name));
        Ok([
            word::reduce(&self.payee),
            field("domain", &self.domain)?,
            field("oldRoot", &self.old_root)?,
            field("newRoot", &self.claimed_root)?,
            Fr::from(self.correct),
        ])
    }

    /// The market's public inputs: oldRoot, newRoot, dataHash, domain, then the prover's correct, then payee.
    pub fn public_inputs(&self, data: &[u8]) -> Vec<Word> {
        let mut correct = [0; 32];
        correct[31] = u8::from(self.correct);
        vec![
            self.old_root,
            self.claimed_root,
            word::keccak256(&[data]),
            self.domain,
            correct,
            word::from_address(&self.payee),
        ]
    }

    /// C, r and y of this statement about `data`.
    pub fn fingerprint(&self, data: &[u8], params: &Params) -> Result<Fingerprint, StatementError> {
        let heads = self.heads()?;
        let mut coefficients = heads.to_vec();
        coefficients.extend(chunks(data, params)?);
        let commitment = poseidon::hash(&coefficients);
        let challenge = challenge(&commitment, &heads, data);
        let evaluation =
            coefficients.iter().rev().fold(Fr::default(), |sum, coefficient| sum * challenge + coefficient);
        Ok(Fingerprint { coefficients, commitment, challenge, evaluation })
    }
}

impl Fingerprint {
    /// The public inputs of the Groth16 proof: C, r, y.
    pub const fn groth16_inputs(&self) -> [Fr; 3] {
        [self.commitment, self.challenge, self.evaluation]
    }
}

fn challenge(commitment: &Fr, heads: &[Fr; 5], data: &[u8]) -> Fr {
    let mut preimage = word::from_field(commitment).to_vec();
    for head in heads {
        preimage.extend_from_slice(&word::from_field(head));
    }
    preimage.extend_from_slice(&word::keccak256(&[data]));
    word::reduce(&word::keccak256(&[&preimage])[..31])
}
