// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { IInnerVerifiers } from "./IInnerVerifiers.sol";

/// @title Another system's verifier contract behind IVerifier
/// @notice Everything is fixed at deployment: the contract that is asked, how many public inputs it takes, and the gas it needs.
interface IVerifierAdapter is IInnerVerifiers {
    /// @notice A pairing alone costs more: with so little gas the inner verifier could refuse a valid proof.
    error GasNeededTooLow(uint256 gasNeeded);

    /// @notice The number of inputs is 0, or smaller than that of the outputs and the payee.
    error InputCountInvalid(uint256 inputs);

    /// @notice The contract that is asked.
    function inner() external view returns (address);

    /// @notice Its code hash at deployment, which is checked at every call: an account may lose its code.
    function innerCodeHash() external view returns (bytes32);

    /// @notice Gas with which a call of the inner verifier is answered for any proof: with less, nothing is refused.
    function gasNeeded() external view returns (uint256);

    /// @notice How many public inputs a proof has.
    function publicInputCount() external view returns (uint256);
}
