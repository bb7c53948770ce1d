// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @notice For tests: accepts exactly keccak256 of the public inputs as a proof. HashVerifier.hex is its creation code.
contract HashVerifier {
    function verify(uint256[] calldata publicInputs, bytes calldata proof) external pure returns (bool) {
        return proof.length == 32 && bytes32(proof) == keccak256(abi.encodePacked(publicInputs));
    }
}
