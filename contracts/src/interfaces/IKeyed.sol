// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @title What a verifier says of its key
/// @notice A verifier that has its key in code answers with the key's own hash, so that the chain and the files can be compared; one
/// that asks another contract answers with a hash of all that decides which statements it accepts (its NatSpec says of what).
interface IKeyed {
    /// @notice The hash that identifies what is proven. It never changes.
    function keyHash() external view returns (bytes32);
}
