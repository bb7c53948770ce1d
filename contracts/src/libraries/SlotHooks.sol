// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { Terms } from "../types/Terms.sol";

/// @title Which hooks of a mechanism the market calls apart from `onOpen`
/// @notice The highest bit of `Terms.mechanismParams` is the market's: a slot whose mechanism does not ask for a hook
/// ends without a call. The other bits are the mechanism's own.
library SlotHooks {
    /// @notice The mechanism is told how a slot ended.
    uint256 internal constant ENDED = 1 << 255;

    /// @notice Gas for `IMechanism.onEnded` where the mechanism cannot refuse.
    uint256 internal constant GAS = 100_000;

    /// @notice Whether a mechanism wants to know how slots under these terms end.
    function wantsEnded(Terms calldata terms) internal pure returns (bool) {
        return uint256(terms.mechanismParams) & ENDED != 0;
    }
}
