use std::{io, path::PathBuf};

use crate::solidity::SolidityError;

use super::{MAX_KEY_BYTES, MAX_PUBLIC_INPUTS};

/// Why a verifying key from elsewhere was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("{path} could not be read ({source}): check the path and its permissions")]
    Io { path: PathBuf, source: io::Error },

    #[error(
        "{path} has more than {MAX_KEY_BYTES} bytes: a verifying key for {MAX_PUBLIC_INPUTS} public inputs is far smaller, so this is another file"
    )]
    TooLarge { path: PathBuf },

    #[error(
        "this is no verifying key that can be read: it must be snarkjs's verification_key.json, an arkworks VerifyingKey or what gnark's WriteTo or WriteRawTo wrote, over BN254"
    )]
    Unrecognised,

    #[error("this is no verification_key.json of snarkjs ({reason}): export it again from the .zkey")]
    Json { reason: String },

    #[error(
        "the key is for the protocol {found:?}: only Groth16 keys are imported; put an adapter before the verifier that snarkjs generates"
    )]
    Protocol { found: String },

    #[error(
        "the key is over the curve {found:?}: the chain's precompiles compute on BN254 (bn128) alone, so the circuit must be set up anew for it"
    )]
    Curve { found: String },

    #[error(
        "the key says it has {declared} public inputs and has points for {found}: it was damaged or altered"
    )]
    PublicInputs { declared: u64, found: usize },

    #[error(
        "the key has {found} public inputs, more than the {MAX_PUBLIC_INPUTS} that fit in a contract: hash some of them into one"
    )]
    TooManyPublicInputs { found: u64 },

    #[error(
        "the key has {expected} bytes by what it says of itself, and {found} in fact: it was cut off or something was added"
    )]
    Length { expected: u64, found: u64 },

    #[error(
        "a coordinate of {point} is not the one way to write a number below the field's modulus: the key was damaged or altered"
    )]
    NotCanonical { point: String },

    #[error("{point} is not written as a point: the key was damaged or altered")]
    Encoding { point: String },

    #[error("{point} is not on its curve: the key is damaged, or from another curve")]
    OffCurve { point: String },

    #[error(
        "{point} is on its curve but not in the subgroup of order r, where pairings say nothing of it: the key is damaged or made to deceive"
    )]
    OutsideSubgroup { point: String },

    #[error("{0} in G1 and in G2 are not the same secret: the key was put together from two")]
    Halves(&'static str),

    #[error(
        "the key has {0} Pedersen commitments, a gnark extension that is not Groth16: a verifier without their check would accept forged proofs, so compile the circuit without `Commit` (range checks and lookups use it)"
    )]
    Commitments(u64),

    #[error(
        "IC_{} is the point at infinity, so a proof says nothing of public input {input}: no constraint has it, and any value would be accepted", input + 1
    )]
    UnboundInput { input: usize },

    #[error(
        "IC_0 is the point at infinity: the circuit's constant one is in no constraint, or the key is damaged; a constraint that has it (1 * 1 = 1) gives a key that is taken"
    )]
    NoConstant,

    #[error(transparent)]
    Key(#[from] SolidityError),
}
