// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @notice What changes when a slot opens, in one word: slots ever opened, capacity, funds, held slots missed in a row.
///
/// 24 bits empty | 8 bits misses | 128 bits funds | 32 bits capacity | 64 bits slots
type MarketWord is uint256;

using MarketWordLib for MarketWord global;

/// @title The packed part of a market's record
/// @notice Opening a slot counts it and takes its price out of the funds in a single write.
library MarketWordLib {
    uint256 private constant CAPACITY_SHIFT = 64;
    uint256 private constant FUNDS_SHIFT = 96;
    uint256 private constant MISSES_SHIFT = 224;
    uint256 private constant MAX_MISSES = type(uint8).max;

    /// @notice The most that funding may bring a market's funds to. Settlements add slashed bonds and returned prices on
    /// top; from here to 2^128 there is room for 2^31 of the largest, so they cannot overflow.
    uint256 internal constant MAX_FUNDS = type(uint120).max;

    /// @notice A market with nothing opened and no funds.
    function create(uint32 capacity_) internal pure returns (MarketWord) {
        return MarketWord.wrap(uint256(capacity_) << CAPACITY_SHIFT);
    }

    /// @notice Slots ever opened.
    function slots(MarketWord word) internal pure returns (uint64) {
        return uint64(MarketWord.unwrap(word));
    }

    /// @notice Slots that may be open at once; zero if there is no such market.
    function capacity(MarketWord word) internal pure returns (uint32) {
        return uint32(MarketWord.unwrap(word) >> CAPACITY_SHIFT);
    }

    /// @notice Asset wei not bound to any slot.
    function funds(MarketWord word) internal pure returns (uint128) {
        return uint128(MarketWord.unwrap(word) >> FUNDS_SHIFT);
    }

    /// @notice Held slots missed in a row, at most 255.
    function misses(MarketWord word) internal pure returns (uint256) {
        return MarketWord.unwrap(word) >> MISSES_SHIFT;
    }

    /// @notice One more slot missed in a row.
    function missed(MarketWord word) internal pure returns (MarketWord) {
        uint256 count = word.misses();
        return count == MAX_MISSES ? word : word.withMisses(count + 1);
    }

    /// @notice `count` slots missed in a row.
    function withMisses(MarketWord word, uint256 count) internal pure returns (MarketWord) {
        uint256 rest = MarketWord.unwrap(word) & ((1 << MISSES_SHIFT) - 1);
        return MarketWord.wrap(rest | count << MISSES_SHIFT);
    }

    /// @notice Count a slot and take its price. The caller checks that the funds cover it.
    function opened(MarketWord word, uint256 price) internal pure returns (MarketWord) {
        unchecked {
            return MarketWord.wrap(MarketWord.unwrap(word) + 1 - (price << FUNDS_SHIFT));
        }
    }

    /// @notice Add to the funds. `MAX_FUNDS` keeps the sum below 2^128.
    function credited(MarketWord word, uint256 amount) internal pure returns (MarketWord) {
        return MarketWord.wrap(MarketWord.unwrap(word) + (amount << FUNDS_SHIFT));
    }

    /// @notice Take from the funds. The caller checks that they cover it.
    function debited(MarketWord word, uint256 amount) internal pure returns (MarketWord) {
        unchecked {
            return MarketWord.wrap(MarketWord.unwrap(word) - (amount << FUNDS_SHIFT));
        }
    }
}
