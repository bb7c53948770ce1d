// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { IKeyed } from "./IKeyed.sol";
import { IVerifier } from "./IVerifier.sol";

/// @notice A Groth16 key over BN254 for three public inputs, in the words of EIP-196 and EIP-197: a point of G1 is x, y; a point
/// of G2 is x1, x0, y1, y0, imaginary parts (x1, y1) first.
struct VerifyingKey {
    uint256[2] alpha;
    uint256[4] beta;
    uint256[4] gamma;
    uint256[4] delta;
    /// IC_0, then the points of C, r and y.
    uint256[2][4] ic;
}

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
///
/// The key's hash is that of its file, computed from the key that is given at deployment (see `KeyFileHash`).
interface IBlockVerifier is IVerifier, IKeyed {
    /// @notice A coordinate of the key is not below the base field's order, or a point is off its curve or subgroup.
    error KeyPointNotInGroup();

    /// @notice A point of the key is the point at infinity: the key would accept forged proofs.
    error KeyPointAtInfinity();

    /// @notice Two of beta, gamma and delta, or the points of two inputs, are the same up to sign: the key would accept forged
    /// proofs, or proofs that bind only the sum of two inputs.
    error KeyPointsRelated();
}
