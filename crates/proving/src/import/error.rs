use std::{io, path::PathBuf};

use crate::solidity::SolidityError;

use super::{MAX_KEY_BYTES, MAX_PUBLIC_INPUTS};

/// Why a verifying key from elsewhere was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("{path} could not be read ({source}): check the path and its permissions")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// The file is longer than any key.
    #[error(
        "{path} has more than {MAX_KEY_BYTES} bytes: a verifying key for {MAX_PUBLIC_INPUTS} public inputs is far smaller, so this is another file"
    )]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },

    /// Of none of the formats that are known.
    #[error(
        "this is no verifying key that can be read: it must be snarkjs's verification_key.json, an arkworks VerifyingKey or what gnark's WriteTo or WriteRawTo wrote, over BN254"
    )]
    Unrecognised,

    /// JSON, but not what snarkjs writes.
    #[error("this is no verification_key.json of snarkjs ({reason}): export it again from the .zkey")]
    Json {
        /// What is missing or wrong.
        reason: String,
    },

    /// Of another proof system.
    #[error(
        "the key is for the protocol {found:?}: only Groth16 keys are imported; put an adapter before the verifier that snarkjs generates"
    )]
    Protocol {
        /// What the key says.
        found: String,
    },

    /// Over another curve.
    #[error(
        "the key is over the curve {found:?}: the chain's precompiles compute on BN254 (bn128) alone, so the circuit must be set up anew for it"
    )]
    Curve {
        /// What the key says.
        found: String,
    },

    /// The key contradicts itself about its public inputs.
    #[error(
        "the key says it has {declared} public inputs and has points for {found}: it was damaged or altered"
    )]
    PublicInputs {
        /// What it says.
        declared: u64,
        /// How many points it has for them, without that of the constant one.
        found: usize,
    },

    /// So many would not fit in a contract.
    #[error(
        "the key has {found} public inputs, more than the {MAX_PUBLIC_INPUTS} that fit in a contract: hash some of them into one"
    )]
    TooManyPublicInputs {
        /// The key's public inputs.
        found: u64,
    },

    /// The file is shorter or longer than what it holds.
    #[error(
        "the key has {expected} bytes by what it says of itself, and {found} in fact: it was cut off or something was added"
    )]
    Length {
        /// Bytes, by what the key says of itself.
        expected: u64,
        /// Bytes of the file.
        found: u64,
    },

    /// A coordinate is at least the modulus, or written with a sign or leading zeros.
    #[error(
        "a coordinate of {point} is not the one way to write a number below the field's modulus: the key was damaged or altered"
    )]
    NotCanonical {
        /// Of which point of the key.
        point: String,
    },

    /// The bytes or the text of a point are none.
    #[error("{point} is not written as a point: the key was damaged or altered")]
    Encoding {
        /// Which point of the key.
        point: String,
    },

    /// A point does not satisfy the curve's equation.
    #[error("{point} is not on its curve: the key is damaged, or from another curve")]
    OffCurve {
        /// Which point of the key.
        point: String,
    },

    /// A point of the twist that is not of order r.
    #[error(
        "{point} is on its curve but not in the subgroup of order r, where pairings say nothing of it: the key is damaged or made to deceive"
    )]
    OutsideSubgroup {
        /// Which point of the key.
        point: String,
    },

    /// gnark gives β and δ in both groups; the named one differs.
    #[error("{0} in G1 and in G2 are not the same secret: the key was put together from two")]
    Halves(&'static str),

    /// gnark's extension by Pedersen commitments, of which there are so many.
    #[error(
        "the key has {0} Pedersen commitments, a gnark extension that is not Groth16: a verifier without their check would accept forged proofs, so compile the circuit without `Commit` (range checks and lookups use it)"
    )]
    Commitments(u64),

    /// A public input is in no constraint.
    #[error(
        "IC_{} is the point at infinity, so a proof says nothing of public input {input}: no constraint has it, and any value would be accepted", input + 1
    )]
    UnboundInput {
        /// Which, from 0.
        input: usize,
    },

    /// The constant one is in no constraint.
    #[error(
        "IC_0 is the point at infinity: the circuit's constant one is in no constraint, or the key is damaged; a constraint that has it (1 * 1 = 1) gives a key that is taken"
    )]
    NoConstant,

    /// The points are fine, and the key all the same one that accepts forgeries or gives no contract.
    #[error(transparent)]
    Key(#[from] SolidityError),
}
