// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { Bps } from "../../src/libraries/Bps.sol";
import { RewardCurve } from "../../src/libraries/RewardCurve.sol";
import { SlashSplit } from "../../src/libraries/SlashSplit.sol";
import { Test } from "forge-std/Test.sol";

/// @notice The curve and the splits against vectors shared with the Rust twins, and their properties.
contract RewardCurveTest is Test {
    string private constant CURVE = "tests/vectors/reward_curve.json";
    string private constant SPLIT = "tests/vectors/slash_split.json";

    string private _json;
    string private _case;

    function _load(string memory path) private {
        _json = vm.readFile(path);
    }

    /// @dev Moves to case `i`; false if there is none.
    function _at(uint256 i) private returns (bool) {
        _case = string.concat(".cases[", vm.toString(i), "]");
        return vm.keyExistsJson(_json, _case);
    }

    function _get(string memory key) private view returns (uint256) {
        return vm.parseJsonUint(_json, string.concat(_case, ".", key));
    }

    function test_RewardMatchesVectors() public {
        _load(CURVE);
        uint256 i;
        for (; _at(i); ++i) {
            uint256 reward = RewardCurve.reward(
                uint96(_get("price")),
                uint16(_get("floorBps")),
                uint32(_get("fastWindow")),
                uint32(_get("exclusiveWindow")),
                _get("elapsed")
            );
            assertEq(reward, _get("reward"), _case);
        }
        assertGe(i, 40);
    }

    function test_SplitMatchesVectors() public {
        _load(SPLIT);
        uint256 i;
        for (; _at(i); ++i) {
            (uint256 toRescuer, uint256 toRequester, uint256 toBurn) =
                SlashSplit.split(uint96(_get("bond")), uint16(_get("rescuerBps")), uint16(_get("requesterBps")));
            assertEq(toRescuer, _get("toRescuer"), _case);
            assertEq(toRequester, _get("toRequester"), _case);
            assertEq(toBurn, _get("toBurn"), _case);
            assertEq(SlashSplit.forfeit(uint96(_get("price")), uint16(_get("forfeitBps"))), _get("forfeit"), _case);
        }
        assertGe(i, 40);
    }

    /// @dev Never grows with time, starts at the price, ends at the floor, stays between them.
    function testFuzz_RewardNeverGrows(
        uint96 price,
        uint16 floorBps,
        uint32 fast,
        uint32 exclusive,
        uint40 early,
        uint40 late
    ) public pure {
        floorBps = uint16(bound(floorBps, 1, Bps.ONE));
        exclusive = uint32(bound(exclusive, 1, type(uint32).max));
        fast = uint32(bound(fast, 0, exclusive));
        late = uint40(bound(late, 0, uint256(exclusive) * 2));
        early = uint40(bound(early, 0, late));
        uint256 floor = RewardCurve.floorOf(price, floorBps);
        uint256 soon = RewardCurve.reward(price, floorBps, fast, exclusive, early);
        uint256 after_ = RewardCurve.reward(price, floorBps, fast, exclusive, late);
        assertGe(soon, after_);
        assertLe(soon, price);
        assertGe(after_, floor);
        assertEq(RewardCurve.reward(price, floorBps, fast, exclusive, 0), price);
        assertEq(RewardCurve.reward(price, floorBps, fast, exclusive, exclusive), floor);
        assertEq(RewardCurve.reward(price, floorBps, fast, exclusive, type(uint256).max), floor);
    }

    function testFuzz_SplitSumsToTheBond(uint96 bond, uint16 rescuerBps, uint16 requesterBps) public pure {
        rescuerBps = uint16(bound(rescuerBps, 0, 9500));
        requesterBps = uint16(bound(requesterBps, 0, 9500 - rescuerBps));
        (uint256 a, uint256 b, uint256 c) = SlashSplit.split(bond, rescuerBps, requesterBps);
        assertEq(a + b + c, bond);
        assertGe(c, Bps.up(bond, 500));
    }
}
