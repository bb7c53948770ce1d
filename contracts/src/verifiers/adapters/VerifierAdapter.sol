// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IVerifierAdapter } from "../../interfaces/IVerifierAdapter.sol";

/// @title Another system's verifier contract behind IVerifier
/// @dev Foreign verifiers revert, or answer false, on a bad proof and on a lack of gas alike. So what is not accepted is refused only
/// if the inner verifier had `gasNeeded`; with less the call reverts with InsufficientGas. A proof that is accepted needs no
/// such care. Deployed with a `gasNeeded` that is too low, a contract refuses valid proofs that were short of gas. Anything but
/// the answer that its interface promises is a refusal.
abstract contract VerifierAdapter is IVerifierAdapter {
    /// Order of BN254's scalar field.
    uint256 internal constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    /// A pairing of two pairs, which no verifier of a succinct proof over BN254 does without.
    uint256 private constant LEAST_GAS = 113_000;
    /// What is spent between looking at the gas and handing it on, and a little more.
    uint256 private constant CALL_GAS = 500;

    address private immutable INNER;
    bytes32 private immutable CODE_HASH;
    uint256 private immutable GAS_NEEDED;
    uint256 internal immutable INPUTS;

    constructor(address inner_, uint256 inputs, uint256 gasNeeded_) {
        bytes3 prefix = bytes3(inner_.code);
        if (inner_.code.length == 0 || prefix == 0xef0100) revert VerifierHasNoCode(inner_);
        if (gasNeeded_ < LEAST_GAS) revert GasNeededTooLow(gasNeeded_);
        if (inputs == 0) revert InputCountInvalid(inputs);
        INNER = inner_;
        CODE_HASH = inner_.codehash;
        GAS_NEEDED = gasNeeded_;
        INPUTS = inputs;
    }

    /// @inheritdoc IVerifierAdapter
    function inner() public view returns (address) {
        return INNER;
    }

    /// @inheritdoc IVerifierAdapter
    function innerCodeHash() public view returns (bytes32) {
        return CODE_HASH;
    }

    /// @inheritdoc IVerifierAdapter
    function gasNeeded() external view returns (uint256) {
        return GAS_NEEDED;
    }

    /// @inheritdoc IVerifierAdapter
    function publicInputCount() external view returns (uint256) {
        return INPUTS;
    }

    /// Whether the inner verifier answers `message` with true and nothing else.
    function _answersTrue(bytes memory message) internal view returns (bool) {
        (bool success, uint256 size, uint256 answer, uint256 given) = _ask(message);
        return (success && size == 0x20 && answer == 1) || _refused(given);
    }

    /// Whether the inner verifier takes `message` without a word.
    function _answersNothing(bytes memory message) internal view returns (bool) {
        (bool success, uint256 size,, uint256 given) = _ask(message);
        return (success && size == 0) || _refused(given);
    }

    /// False, if the inner verifier had gas enough to tell.
    function _refused(uint256 given) private view returns (bool) {
        if (given < GAS_NEEDED + CALL_GAS) revert InsufficientGas();
        return false;
    }

    /// Whether the call succeeds, how long the answer is, its first word, and the gas that the inner verifier had, at most.
    function _ask(bytes memory message)
        private
        view
        returns (bool success, uint256 size, uint256 answer, uint256 given)
    {
        address to = INNER;
        if (to.codehash != CODE_HASH) revert VerifierChanged(to);
        // No more than a word of the answer is copied: its length is the inner verifier's choice.
        assembly ("memory-safe") {
            mstore(0, 0)
            given := sub(gas(), div(gas(), 64))
            success := staticcall(gas(), to, add(message, 0x20), mload(message), 0, 0x20)
            size := returndatasize()
            answer := mload(0)
        }
    }

    /// Whether every input is an element of the scalar field. Verifiers that reduce their inputs would accept several
    /// encodings of one statement.
    function _inField(uint256[] calldata inputs) internal pure returns (bool) {
        for (uint256 i = 0; i < inputs.length; ++i) {
            if (inputs[i] >= R) return false;
        }
        return true;
    }
}
