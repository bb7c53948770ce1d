// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @title The word of a slot that says what it builds on
/// @notice From the lowest bit; all zero for a slot without a chain, in a market that missed nothing:
///
///     bits      field
///     0..63     premise        the slot it builds on; 0 is the chain's origin
///     64..95    premise depth  where that one stands in the chain: see SlotChain
///     96..127   premise run
///     128..159  depth          where this one stands
///     160..191  run
///     192       TRIAL          the market had misses in a row when the slot opened: whoever holds it and proves it ends them
///     193       OPENED         there were so many that the slot opened to all, whatever its mechanism said
library SlotLink {
    uint256 internal constant TRIAL = 1 << 192;
    uint256 internal constant OPENED = 1 << 193;

    uint256 private constant COORDINATES = (1 << 64) - 1;

    /// @param premiseAt_ Depth and run of the premise: `depth | run << 32`.
    /// @param at_ Depth and run of the slot itself.
    function create(uint64 premise_, uint256 premiseAt_, uint256 at_) internal pure returns (uint256) {
        return uint256(premise_) | premiseAt_ << 64 | at_ << 128;
    }

    function premise(uint256 link) internal pure returns (uint64) {
        return uint64(link);
    }

    /// @notice `depth | run << 32` of the premise.
    function premiseAt(uint256 link) internal pure returns (uint256) {
        return (link >> 64) & COORDINATES;
    }

    /// @notice `depth | run << 32` of the slot.
    function at(uint256 link) internal pure returns (uint256) {
        return (link >> 128) & COORDINATES;
    }
}
