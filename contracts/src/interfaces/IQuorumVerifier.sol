// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { IInnerVerifiers } from "./IInnerVerifiers.sol";

/// @title k of n verifiers, each of another proof system, for one statement
/// @notice A proof is accepted if k of the verifiers accept a proof of their own for the same public inputs: a flaw in one system, one
/// circuit or one setup is not enough to have a false statement accepted, and n - k of the verifiers may fail for good.
///
/// Proof: one byte with a bit for each verifier that has a proof, bit i for verifier i; then for each of them, in their order, the length of
/// its proof (3 bytes, big-endian) and the proof. There are exactly k of them and nothing follows.
interface IQuorumVerifier is IInnerVerifiers {
    /// @notice The list is empty or longer than MOST, or the threshold is 0 or above its length.
    error QuorumInvalid(uint256 threshold, uint256 verifiers);

    /// @notice Two of the verifiers are the same, by address or by code.
    error VerifierRepeated(uint256 first, uint256 second);

    /// @notice Verifier `i` and its code hash at deployment; zeros if there is none.
    function verifierAt(uint256 i) external view returns (address verifier, bytes32 codeHash);

    /// @notice The most verifiers in a quorum.
    function MOST() external view returns (uint256);

    /// @notice How many proofs it takes.
    function THRESHOLD() external view returns (uint256);

    /// @notice How many verifiers there are.
    function COUNT() external view returns (uint256);
}
