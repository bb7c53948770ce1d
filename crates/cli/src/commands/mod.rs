//! One file per command group. Each parses its arguments, does its effects through [`Session`](crate::session::Session), and prints one result.

pub(crate) mod calibrate;
pub(crate) mod circuit;
pub(crate) mod contracts;
pub(crate) mod credit;
pub(crate) mod deploy;
pub(crate) mod doctor;
pub(crate) mod init;
pub(crate) mod keys;
pub(crate) mod keystore;
pub(crate) mod manual;
pub(crate) mod market;
pub(crate) mod node;
pub(crate) mod pool;
pub(crate) mod prove;
pub(crate) mod prover;
pub(crate) mod rollup;
pub(crate) mod slot;
pub(crate) mod status;
pub(crate) mod token;
pub(crate) mod verifier;
pub(crate) mod worker;
