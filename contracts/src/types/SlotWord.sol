// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { SlotState } from "./Slot.sol";

/// @notice What the chain stores of a slot, or of who was in its place of the ring before. While the slot is open, or its proof waits
/// for its premise, a hash (see SlotRing); once it ended
///
/// 184 bits empty | 64 bits id | 8 bits state
///
/// Zero if the place was never used. A hash practically never is below 2^72, so the word alone says whether its place is free.
type SlotWord is uint256;

using { equals as ==, differs as != } for SlotWord global;
using SlotWordLib for SlotWord global;

function equals(SlotWord a, SlotWord b) pure returns (bool) {
    return SlotWord.unwrap(a) == SlotWord.unwrap(b);
}

function differs(SlotWord a, SlotWord b) pure returns (bool) {
    return SlotWord.unwrap(a) != SlotWord.unwrap(b);
}

/// @title What a slot's word says
library SlotWordLib {
    uint256 private constant ID_SHIFT = 8;
    uint256 private constant ENDED_BITS = 72;

    /// @notice The word of a slot that ended.
    function ended(uint64 id, SlotState state) internal pure returns (SlotWord) {
        return SlotWord.wrap(uint256(id) << ID_SHIFT | uint256(state));
    }

    /// @notice Whether it is that of a slot that is open or pending.
    function isOpen(SlotWord word) internal pure returns (bool) {
        return SlotWord.unwrap(word) >> ENDED_BITS != 0;
    }

    /// @notice How slot `id` ended according to the word in its place; `None` if that word is not about it.
    function stateOf(SlotWord word, uint64 id) internal pure returns (SlotState) {
        uint256 bits = SlotWord.unwrap(word);
        return bits != 0 && bits >> ID_SHIFT == id ? SlotState(uint8(bits)) : SlotState.None;
    }
}
