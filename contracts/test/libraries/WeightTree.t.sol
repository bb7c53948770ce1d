// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { Test } from "forge-std/Test.sol";

import { WeightTree } from "../../src/libraries/WeightTree.sol";
import { WeightTreeHarness } from "../mocks/WeightTreeHarness.sol";

/// @notice The tree against a list: every weight ever written, scanned in order.
contract WeightTreeTest is Test {
    struct Write {
        uint256 index;
        uint256 weight;
        uint256 target;
    }

    WeightTreeHarness private tree;
    Write[] private writes;
    uint256[] private leaves;
    mapping(uint256 => bool) private known;

    function setUp() public {
        tree = WeightTreeHarness(deployCode("WeightTreeHarness.sol:WeightTreeHarness"));
    }

    // ---------------------------------------------------------------- the naive model

    function _set(uint256 index, uint256 weight, uint256 epoch, uint256 target) private {
        bool differs = _naiveWeight(index, type(uint256).max) != weight;
        (bool changed,) = tree.set(index, weight, epoch, target);
        assertEq(changed, differs, "changed");
        writes.push(Write(index, weight, target));
        if (known[index]) return;
        known[index] = true;
        leaves.push(index);
        for (uint256 i = leaves.length - 1; i > 0 && leaves[i - 1] > index; --i) {
            (leaves[i - 1], leaves[i]) = (leaves[i], leaves[i - 1]);
        }
    }

    function _naiveWeight(uint256 index, uint256 epoch) private view returns (uint256) {
        for (uint256 i = writes.length; i > 0; --i) {
            if (writes[i - 1].index == index && writes[i - 1].target <= epoch) return writes[i - 1].weight;
        }
        return 0;
    }

    function _check(uint256 epoch, uint256 random) private view {
        uint256 sum = 0;
        uint256[] memory weights = new uint256[](leaves.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            weights[i] = _naiveWeight(leaves[i], epoch);
            sum += weights[i];
        }
        assertEq(tree.total(epoch), sum, "total");
        (bool found, uint256 index,) = tree.draw(epoch, random);
        assertEq(found, sum != 0, "found");
        if (sum == 0) return;
        uint256 left = random % sum;
        for (uint256 i = 0; i < leaves.length; ++i) {
            if (left < weights[i]) {
                assertEq(index, leaves[i], "drawn");
                assertEq(tree.weightAt(epoch, index), weights[i], "weight");
                return;
            }
            left -= weights[i];
        }
        assertTrue(false, "nobody drawn");
    }

    // ---------------------------------------------------------------- against the model

    /// @dev Sequences of writes, epochs passing and draws; in the freeze window a write goes two epochs ahead, and both
    /// the current and the next epoch must stay as they are.
    function testFuzz_HistoryMatchesList(uint256 seed) public {
        uint256 epoch = 1;
        bool frozen = false;
        uint256 spread = [uint256(23), 30, 336, 450, 4_200, 45_000, 400_000][seed % 7];
        for (uint256 step = 0; step < 40; ++step) {
            uint256 dice = uint256(keccak256(abi.encode(seed, step)));
            uint256 kind = dice % 16;
            if (kind == 0) {
                epoch += 1 + (dice >> 8) % 3;
                frozen = false;
            } else if (kind == 1) {
                frozen = true;
            } else if (kind < 12) {
                // Half of the time a leaf that was written before.
                uint256 index = leaves.length != 0 && dice >> 16 & 1 == 0
                    ? leaves[(dice >> 20) % leaves.length]
                    : (dice >> 20) % (1 + (spread * (step + 1)) / 40);
                uint256 weight = dice >> 17 & 7 == 0 ? 0 : (dice >> 84) % (WeightTree.MAX_WEIGHT + 1);
                _set(index, weight, epoch, frozen ? epoch + 2 : epoch + 1);
            }
            uint256 random = dice >> 18 & 1 == 0 ? dice : dice % 3;
            _check(epoch, random);
            if (frozen) _check(epoch + 1, random);
        }
        for (uint256 i = 0; i < leaves.length; ++i) {
            for (uint256 at = epoch; at < epoch + 3; ++at) {
                assertEq(tree.weightAt(at, leaves[i]), _naiveWeight(leaves[i], at));
            }
        }
    }

    /// @dev Every leaf of several thousand, drawn at both ends of its range.
    function test_ThousandsOfLeaves() public {
        uint256 count = 4_300;
        for (uint256 i = 0; i < count; ++i) {
            tree.set(i, _weight(i), 1, 2);
        }
        uint256 below = 0;
        for (uint256 i = 0; i < count; ++i) {
            uint256 weight = _weight(i);
            if (weight == 0) continue;
            (, uint256 first,) = tree.draw(2, below);
            below += weight;
            (, uint256 last,) = tree.draw(2, below - 1);
            assertEq(first, i);
            assertEq(last, i);
        }
        assertEq(tree.total(2), below);
        assertEq(tree.total(1), 0);
    }

    function _weight(uint256 index) private pure returns (uint256) {
        return index % 7 == 0 ? 0 : uint256(keccak256(abi.encode(index))) % (WeightTree.MAX_WEIGHT + 1);
    }

    // ---------------------------------------------------------------- by hand

    function test_EmptyTree() public view {
        (bool found,,) = tree.draw(5, 123);
        assertFalse(found);
        assertEq(tree.total(5), 0);
        assertEq(tree.weightAt(5, 0), 0);
    }

    function test_ZeroOnAnEmptyTreeWritesNothing() public {
        (bool changed,) = tree.set(1_000_000, 0, 1, 2);
        assertFalse(changed);
    }

    function test_AllZeroAgainDrawsNobody() public {
        tree.set(3, 5, 1, 2);
        tree.set(3, 0, 2, 3);
        (bool found,,) = tree.draw(2, 0);
        assertTrue(found);
        (found,,) = tree.draw(3, 0);
        assertFalse(found);
    }

    /// @dev All leaves of a node at the most: no sum spills into its neighbour, on any level.
    function test_SumsDoNotOverflow() public {
        for (uint256 i = 0; i < 420; ++i) {
            tree.set(i, WeightTree.MAX_WEIGHT, 1, 2);
        }
        tree.set(420, 1, 1, 2);
        tree.set(5_040, 2, 1, 2);
        assertEq(tree.total(2), 420 * WeightTree.MAX_WEIGHT + 3);
        (, uint256 index,) = tree.draw(2, 420 * WeightTree.MAX_WEIGHT - 1);
        assertEq(index, 419);
        (, index,) = tree.draw(2, 420 * WeightTree.MAX_WEIGHT);
        assertEq(index, 420);
        (, index,) = tree.draw(2, 420 * WeightTree.MAX_WEIGHT + 1);
        assertEq(index, 5_040);
    }

    /// @dev The last index an id can have, in the tallest tree.
    function test_LargestIndex() public {
        _set(0, 3, 1, 2);
        _set(type(uint32).max - 1, 4, 1, 2);
        _set(type(uint32).max - 2, 5, 2, 3);
        _check(2, 2);
        _check(2, 3);
        _check(3, 3);
        _check(3, 8);
        assertEq(tree.weightAt(3, type(uint32).max - 1), 4);
    }

    /// @dev The three versions alive in the freeze window, twice around the places a version can take.
    function test_ThreeVersionsAtOnce() public {
        for (uint256 epoch = 1; epoch < 9; ++epoch) {
            _set(500, 10 + epoch, epoch, epoch + 1);
            _set(7, 20 + epoch, epoch, epoch + 1);
            _set(500, 30 + epoch, epoch, epoch + 2);
            _set(500, 40 + epoch, epoch, epoch + 2);
            _check(epoch, 25);
            _check(epoch + 1, 25);
            _check(epoch + 2, 25);
            ++epoch;
        }
    }

    function test_GrowthKeepsOlderVersions() public {
        _set(0, 11, 1, 2);
        _set(22, 12, 1, 2);
        _set(23, 13, 2, 3);
        _set(335, 14, 2, 3);
        _set(336, 15, 2, 4);
        _set(4_200, 16, 3, 5);
        for (uint256 epoch = 3; epoch < 6; ++epoch) {
            for (uint256 random = 0; random < 90; random += 5) {
                _check(epoch, random);
            }
        }
    }

    // ---------------------------------------------------------------- vectors shared with the client

    function test_Vectors() public {
        string memory json = vm.readFile("tests/vectors/weight_tree.json");
        uint256 count = 0;
        for (; vm.keyExistsJson(json, string.concat(".scenarios[", vm.toString(count), "]")); ++count) {
            _checkScenario(json, string.concat(".scenarios[", vm.toString(count), "]"));
        }
        assertEq(count, 10);
    }

    /// @dev A tree keeps what draws can still want, not all history: each draw is made once its epoch's writes are in,
    /// and before those of epochs more than one later.
    function _checkScenario(string memory json, string memory at) private {
        WeightTreeHarness fresh = WeightTreeHarness(deployCode("WeightTreeHarness.sol:WeightTreeHarness"));
        uint256[] memory ids = vm.parseJsonUintArray(json, string.concat(at, ".writes.id"));
        uint256[] memory weights = vm.parseJsonUintArray(json, string.concat(at, ".writes.weight"));
        uint256[] memory epochs = vm.parseJsonUintArray(json, string.concat(at, ".writes.epoch"));
        uint256[] memory at_ = vm.parseJsonUintArray(json, string.concat(at, ".draws.epoch"));
        uint256[] memory totals = vm.parseJsonUintArray(json, string.concat(at, ".draws.total"));
        uint256[] memory randoms = vm.parseJsonUintArray(json, string.concat(at, ".draws.random"));
        uint256[] memory winners = vm.parseJsonUintArray(json, string.concat(at, ".draws.winner"));
        uint256 done = 0;
        for (uint256 i = 0; i < at_.length; ++i) {
            while (done < ids.length && epochs[done] <= at_[i] + 1) {
                fresh.set(ids[done] - 1, weights[done], epochs[done] - 1, epochs[done]);
                ++done;
            }
            (bool found, uint256 index,) = fresh.draw(at_[i], randoms[i]);
            assertEq(fresh.total(at_[i]), totals[i], at);
            assertEq(found ? index + 1 : 0, winners[i], at);
        }
        assertGt(at_.length, 0);
    }
}
