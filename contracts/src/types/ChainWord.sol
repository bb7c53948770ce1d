// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @notice The ends of a market's chain: the last established slot, the head and where it stands, and the newest run and its depth
/// (see SlotChain).
///
/// 32 bits newest run | 32 bits its depth | 32 bits head's run | 32 bits head's depth | 64 bits head | 64 bits established
type ChainWord is uint256;

/// @notice A run of a chain: its number, and from which slot on the run below it is cut off.
///
/// 160 bits empty | 64 bits cut | 32 bits run
type ChainRun is uint256;

using ChainWordLib for ChainWord global;
using ChainRunLib for ChainRun global;

/// @title The fields of a chain's word
/// @notice A place is `depth | run << 32`.
library ChainWordLib {
    uint256 private constant ID = type(uint64).max;
    uint256 private constant HEAD_SHIFT = 64;
    uint256 private constant HEAD_PLACE_SHIFT = 128;
    uint256 private constant PLACE_SHIFT = 192;
    uint256 private constant RUN_SHIFT = 224;

    function established(ChainWord word) internal pure returns (uint64) {
        return uint64(ChainWord.unwrap(word));
    }

    function head(ChainWord word) internal pure returns (uint64) {
        return uint64(ChainWord.unwrap(word) >> HEAD_SHIFT);
    }

    /// @notice Where the head stands.
    function headAt(ChainWord word) internal pure returns (uint256) {
        return (ChainWord.unwrap(word) >> HEAD_PLACE_SHIFT) & ID;
    }

    /// @notice Where a slot that opens now stands.
    function at(ChainWord word) internal pure returns (uint256) {
        return ChainWord.unwrap(word) >> PLACE_SHIFT;
    }

    /// @notice The newest run.
    function run(ChainWord word) internal pure returns (uint256) {
        return ChainWord.unwrap(word) >> RUN_SHIFT;
    }

    /// @notice Slot `id` is established.
    function withEstablished(ChainWord word, uint64 id) internal pure returns (ChainWord) {
        return ChainWord.wrap((ChainWord.unwrap(word) & ~ID) | id);
    }

    /// @notice Slot `id`, which opens now, is the head.
    function appended(ChainWord word, uint64 id) internal pure returns (ChainWord) {
        return ChainWord.wrap(
            (ChainWord.unwrap(word) & (ID | ID << PLACE_SHIFT)) | uint256(id) << HEAD_SHIFT | word.at()
                << HEAD_PLACE_SHIFT
        );
    }

    /// @notice The head is `head_`, which stands at `headAt_`, and what opens now is of run `run_` at `depth`.
    function cut(ChainWord word, uint64 head_, uint256 headAt_, uint256 depth, uint256 run_)
        internal
        pure
        returns (ChainWord)
    {
        return ChainWord.wrap(
            (ChainWord.unwrap(word) & ID) | uint256(head_) << HEAD_SHIFT | headAt_ << HEAD_PLACE_SHIFT | depth
                << PLACE_SHIFT | run_ << RUN_SHIFT
        );
    }
}

/// @title The fields of a run
library ChainRunLib {
    uint256 private constant CUT_SHIFT = 32;

    function create(uint256 run, uint64 cut_) internal pure returns (ChainRun) {
        return ChainRun.wrap(run | uint256(cut_) << CUT_SHIFT);
    }

    function number(ChainRun run) internal pure returns (uint256) {
        return uint32(ChainRun.unwrap(run));
    }

    /// @notice The first slot of the run below that no longer stands.
    function cut(ChainRun run) internal pure returns (uint256) {
        return ChainRun.unwrap(run) >> CUT_SHIFT;
    }
}
