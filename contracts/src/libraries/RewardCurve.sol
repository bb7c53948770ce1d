// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { Bps } from "./Bps.sol";

/// @title What a proof earns as a function of its delivery time
/// @notice With `elapsed` seconds since the slot's `startedAt`, in this order:
///
/// - `elapsed >= exclusiveWindow`: the floor, ceil(price * floorBps / 10,000);
/// - `elapsed <= fastWindow`: the price;
/// - between: price - ceil((price - floor) * (elapsed - fastWindow) / (exclusiveWindow - fastWindow)).
///
/// So the floor rounds up and the slope rounds the reward down, which never takes it under the floor. The reward never
/// grows with `elapsed`. With `fastWindow == exclusiveWindow` the curve is a step: the price before that second, the
/// floor from it on. Shared vectors: tests/vectors/reward_curve.json.
library RewardCurve {
    /// @notice The least a proof earns: ceil(price * floorBps / 10,000).
    function floorOf(uint96 price, uint16 floorBps) internal pure returns (uint256) {
        return Bps.up(price, floorBps);
    }

    /// @notice What a proof earns `elapsed` seconds after the clock's start. Needs `fastWindow <= exclusiveWindow` and
    /// `floorBps <= 10,000`, which the rules for terms ensure.
    function reward(uint96 price, uint16 floorBps, uint32 fastWindow, uint32 exclusiveWindow, uint256 elapsed)
        internal
        pure
        returns (uint256)
    {
        if (elapsed < exclusiveWindow && elapsed <= fastWindow) return price;
        uint256 floor = floorOf(price, floorBps);
        if (elapsed >= exclusiveWindow) return floor;
        // 2^96 * 2^32 fits easily; the divisor is not zero because fastWindow < elapsed < exclusiveWindow.
        unchecked {
            uint256 span = uint256(exclusiveWindow) - fastWindow;
            uint256 loss = ((price - floor) * (elapsed - fastWindow) + (span - 1)) / span;
            return price - loss;
        }
    }
}
