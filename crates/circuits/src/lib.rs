//! The reference rollup's block circuit: what a block is, what it does to the state, and the R1CS that proves it.
//!
//! The crate knows nothing of chains. A 32-byte word is `[u8; 32]`, big-endian, as the EVM has it; an address is
//! `[u8; 20]`. The path of a block through it:
//!
//! | module | what it holds |
//! |---|---|
//! | [`layout`] | how long the parts of a block are |
//! | [`params`] | the size of the circuit, its name and its machine-readable descriptor |
//! | [`account`] | an account of the rollup |
//! | [`block`] | the bytes of a block: header, records, and how any bytes at all are read as a block |
//! | [`keys`] | EdDSA-Poseidon keys and signatures over Baby Jubjub ([`babyjub`]) |
//! | [`state`] | accounts in a sparse Merkle tree ([`tree`]), and what a block does to them |
//! | [`statement`] | the public statement, and its three-element compression for Groth16 |
//! | [`circuit`] | the constraints, over the gadgets in [`gadgets`] |
//! | [`payload`] | everything a prover needs for one block, as bytes |
//! | [`traffic`] | deterministic accounts and transfers for demos and tests |
//!
//! [`poseidon`] is the one hash, also of the mining puzzle (`provery-puzzle`); [`word`] converts between field elements and EVM words. Hash, curve and
//! signatures are circomlib's, so that any wallet, circom circuit or JavaScript library can make them.

pub mod account;
pub mod babyjub;
pub mod block;
pub mod circuit;
pub mod gadgets;
pub mod keys;
pub mod layout;
pub mod params;
pub mod payload;
pub mod poseidon;
pub mod state;
pub mod statement;
pub mod traffic;
pub mod tree;
pub mod word;

pub use account::Account;
/// The field of the circuit: scalars of BN254, which are the coordinates of Baby Jubjub.
pub use ark_bn254::Fr;
pub use block::{Block, SignedTransfer, Transfer};
pub use circuit::BlockCircuit;
pub use keys::{KeyPair, PublicKey, Signature};
pub use params::Params;
pub use payload::BlockJob;
pub use state::{BlockContext, BlockTrace, RejectReason, State, TransferOutcome};
pub use statement::BlockStatement;
pub use traffic::Traffic;
pub use word::Word;
