// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Basis points of an amount, rounded one way or the other
/// @notice The types bound the products far below 2^256, so nothing here can overflow.
library Bps {
    /// @notice One hundred percent.
    uint256 internal constant ONE = 10_000;

    /// @notice floor(amount * bps / 10,000).
    function down(uint96 amount, uint16 bps) internal pure returns (uint256) {
        unchecked {
            return uint256(amount) * bps / ONE;
        }
    }

    /// @notice ceil(amount * bps / 10,000).
    function up(uint96 amount, uint16 bps) internal pure returns (uint256) {
        unchecked {
            return (uint256(amount) * bps + (ONE - 1)) / ONE;
        }
    }
}
