// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IRandomness } from "../../src/interfaces/IRandomness.sol";

/// @notice For tests: a beacon that publishes a value every `period` seconds, and says so `delay` seconds later.
contract MockRandomness is IRandomness {
    uint256 private immutable _period;
    uint256 private immutable _delay;

    constructor(uint256 period, uint256 delay) {
        (_period, _delay) = (period, delay);
    }

    function randomnessAt(uint256 time) external view returns (bool known, bytes32 value) {
        uint256 round = (time + _period - 1) / _period;
        if (round * _period + _delay <= block.timestamp) return (true, valueOf(round));
    }

    function valueOf(uint256 round) public view returns (bytes32) {
        return keccak256(abi.encode(address(this), round));
    }
}
