// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import { Slot } from "../types/Slot.sol";
import { SlotWord } from "../types/SlotWord.sol";
import { Terms } from "../types/Terms.sol";

/// @title One storage word per slot
/// @notice While a slot is open its word is `keccak256(abi.encode(slot, keccak256(abi.encode(terms))))`; while its proof waits
/// for its premise, `keccak256(abi.encode(that word, payee, right, claim))`; once it ended, how (see SlotWord). Slot `id` lives at
/// place `id % capacity` of its market's ring.
///
/// Calldata is hashed as it came. Bits that the ABI wants to be zero but are not give a hash that no word holds.
library SlotRing {
    uint256 private constant TERMS_SIZE = 20 * 32;
    uint256 private constant SLOT_SIZE = 10 * 32;

    /// @notice keccak256(abi.encode(terms)).
    function hash(Terms calldata terms) internal pure returns (bytes32 result) {
        // Saves 1,800 gas over `abi.encode`, which checks and copies one field after the other.
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, terms, TERMS_SIZE)
            result := keccak256(free, TERMS_SIZE)
        }
    }

    /// @notice The word of an open slot that came as calldata.
    function commitment(Slot calldata slot, Terms calldata terms) internal pure returns (SlotWord) {
        return commitmentTo(slot, hash(terms));
    }

    /// @notice The word of an open slot that came as calldata, under terms of this hash.
    function commitmentTo(Slot calldata slot, bytes32 termsHash) internal pure returns (SlotWord result) {
        // Saves 900 gas.
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, slot, SLOT_SIZE)
            mstore(add(free, SLOT_SIZE), termsHash)
            result := keccak256(free, add(SLOT_SIZE, 32))
        }
    }

    /// @notice The word of an open slot in memory.
    function commitment(Slot memory slot, bytes32 termsHash) internal pure returns (SlotWord result) {
        // Saves 390 gas.
        assembly ("memory-safe") {
            let free := mload(0x40)
            mcopy(free, slot, SLOT_SIZE)
            mstore(add(free, SLOT_SIZE), termsHash)
            result := keccak256(free, add(SLOT_SIZE, 32))
        }
    }

    /// @notice The word of a slot that was proven and waits for its premise: the hash of its open word and of what the proof said.
    function pending(Slot calldata slot, bytes32 termsHash, address payee, bool right, uint256 claim)
        internal
        pure
        returns (SlotWord)
    {
        return SlotWord.wrap(uint256(keccak256(abi.encode(commitmentTo(slot, termsHash), payee, right, claim))));
    }

    /// @notice keccak256 of the first `count` words of `inputs`. The caller checks `count <= inputs.length`.
    function statementOf(uint256[] calldata inputs, uint256 count) internal pure returns (bytes32 result) {
        // Saves 200 gas.
        assembly ("memory-safe") {
            let free := mload(0x40)
            let size := shl(5, count)
            calldatacopy(free, inputs.offset, size)
            result := keccak256(free, size)
        }
    }

    /// @notice Which place of its ring a slot lives in; the capacity is a power of two.
    function place(uint64 id, uint32 capacity) internal pure returns (uint256) {
        unchecked {
            return uint256(id) & (uint256(capacity) - 1);
        }
    }
}
