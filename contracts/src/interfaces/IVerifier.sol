// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @title A proof verifier with its key in code
interface IVerifier {
    /// @notice Whether `proof` proves the statement that `publicInputs` state. Never reverts on malformed input: it
    /// answers false.
    function verify(uint256[] calldata publicInputs, bytes calldata proof) external view returns (bool);
}
