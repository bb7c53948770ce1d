// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @title A beacon: a source of randomness for chains whose headers have none
/// @notice For a chain whose `prevrandao` is constant, or is chosen by whoever builds its blocks. Whoever reads a
/// beacon trusts it for the three promises below, and for going on: as long as it says nothing new, lotteries give out
/// no slots.
interface IRandomness {
    /// @notice The first value that the beacon published at or after `time`.
    ///
    /// 1. Nobody could know it before `time`, and nobody could choose it, or choose between it and another: neither the
    ///    caller, nor who carries values to the chain, nor who builds its blocks.
    /// 2. Once known it never changes, and what is known is known to all: it does not depend on the caller.
    /// 3. It becomes known without anybody's leave: a value that one party can keep back gives that party a second try.
    ///
    /// A drand round whose signature anybody may hand in and the contract verifies keeps them; the hash of a block that
    /// a single sequencer builds does not.
    /// @param time Unix seconds.
    /// @return known False as long as there is no such value.
    /// @return value The value; any 256 bits.
    function randomnessAt(uint256 time) external view returns (bool known, bytes32 value);
}
