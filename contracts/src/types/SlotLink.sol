// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @notice What a slot builds on, and how its market fared when it opened. All zero for a slot without a chain, in a market that
/// missed nothing. Where a slot stands in its chain is a depth and a run: see SlotChain.
///
/// 62 bits empty | 1 bit OPENED | 1 bit TRIAL | 32 bits run | 32 bits depth | 32 bits premise's run | 32 bits premise's depth
/// | 64 bits premise
///
/// The premise is the slot it builds on; 0 is the chain's origin. `TRIAL`: the market had misses in a row when the slot opened, and
/// whoever holds it and proves it ends them. `OPENED`: there were so many that the slot opened to all, whatever its mechanism said.
type SlotLink is uint256;

using SlotLinkLib for SlotLink global;

/// @title The fields of a slot's link
library SlotLinkLib {
    uint256 internal constant TRIAL = 1 << 192;
    uint256 internal constant OPENED = 1 << 193;

    uint256 private constant PLACE = type(uint64).max;
    uint256 private constant PREMISE_PLACE_SHIFT = 64;
    uint256 private constant PLACE_SHIFT = 128;

    /// @param premiseAt_ Depth and run of the premise: `depth | run << 32`.
    /// @param at_ Depth and run of the slot itself.
    function create(uint64 premise_, uint256 premiseAt_, uint256 at_) internal pure returns (SlotLink) {
        return SlotLink.wrap(uint256(premise_) | premiseAt_ << PREMISE_PLACE_SHIFT | at_ << PLACE_SHIFT);
    }

    function premise(SlotLink link) internal pure returns (uint64) {
        return uint64(SlotLink.unwrap(link));
    }

    /// @notice `depth | run << 32` of the premise.
    function premiseAt(SlotLink link) internal pure returns (uint256) {
        return (SlotLink.unwrap(link) >> PREMISE_PLACE_SHIFT) & PLACE;
    }

    /// @notice `depth | run << 32` of the slot.
    function at(SlotLink link) internal pure returns (uint256) {
        return (SlotLink.unwrap(link) >> PLACE_SHIFT) & PLACE;
    }

    function isTrial(SlotLink link) internal pure returns (bool) {
        return SlotLink.unwrap(link) & TRIAL != 0;
    }

    function isOpened(SlotLink link) internal pure returns (bool) {
        return SlotLink.unwrap(link) & OPENED != 0;
    }
}
