// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IVerifier } from "../../src/interfaces/IVerifier.sol";

/// @notice For tests: a puzzle whose output is a hash of the challenge, and whose proofs can be re-randomised as Groth16's
/// can: `abi.encode(keccak256(challenge, output), anything)`.
contract MockPuzzle is IVerifier {
    uint256 private constant MODULUS = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;

    function verify(uint256[] calldata publicInputs, bytes calldata proof) external pure returns (bool) {
        return publicInputs.length == 2 && publicInputs[1] == outputOf(publicInputs[0]) && proof.length == 64
            && bytes32(proof) == keccak256(abi.encodePacked(publicInputs));
    }

    function outputOf(uint256 challenge) public pure returns (uint256) {
        return uint256(keccak256(abi.encode("puzzle", challenge))) % MODULUS;
    }

    function prove(uint256 challenge, uint256 randomness) external pure returns (bytes memory) {
        return abi.encode(keccak256(abi.encodePacked(challenge, outputOf(challenge))), randomness);
    }
}
