// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { IVerifier } from "./IVerifier.sol";

/// @title Verifier of the reference rollup's blocks
/// @notice Checks a block's proof against the block's own bytes, with three public inputs in the circuit however long the
/// block is.
///
/// Public inputs: [oldRoot, newRoot, dataHash, domain, correct, payee]. `correct` is 1 if applying the data to `oldRoot` gives
/// `newRoot`, else 0.
/// Proof: the Groth16 proof (256 bytes), then C (32 bytes), then the block's data, whose keccak256 is `dataHash`.
///
/// Let p be the order of BN254's scalar field and m = [payee, domain, oldRoot, newRoot, correct, chunk_0, chunk_1, ...], where the
/// chunks are the data's 31-byte pieces, big-endian, the last one filled up with zero bytes on the right. The circuit has
/// its own m' and the public inputs [C, r, y]; it proves that C commits to m' (a Poseidon hash), that y = sum of m'_i * r^i and
/// that m' is a block whose outcome is `correct`. This contract computes
///   r = keccak256(C, payee, domain, oldRoot, newRoot, correct, dataHash) >> 8 (seven words of 32 bytes)
///   y = sum of m_i * r^i mod p
/// from the real m. The prover is bound to m' by C before it learns r, so m' = m but for a chance of about len(m) / 2^248:
/// two different polynomials agree in no more points than their degree. Chunks of zeros at the end add nothing to y, so
/// the circuit's data is this data with zeros up to its maximum; no block longer than that has a proof, unless only
/// zeros are beyond.
interface IBlockVerifier is IVerifier {
    error Groth16VerifierHasNoCode(address verifier);

    /// @notice The Groth16 verifier for the block circuit's three public inputs [C, r, y].
    function groth16() external view returns (IVerifier);
}
