// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { WeightTree } from "../../src/libraries/WeightTree.sol";
import { Test } from "forge-std/Test.sol";

/// @notice The tree's table and its packed constants, as its source has them, follow from four numbers: the bits of a weight, of a
/// child's version, of a word, and of what a root says of its tree.
contract WeightTreeLayoutTest is Test {
    uint256 private constant LEVELS = 10;
    uint256 private constant VERSION_BITS = 3;
    uint256 private constant WORD_BITS = 256;
    /// @dev Height and epoch.
    uint256 private constant ROOT_BITS = 4 + 40;

    string private source;
    uint256[LEVELS] private widths;
    uint256[LEVELS] private fans;
    uint256[LEVELS] private rootFans;
    uint256[LEVELS] private leaves;

    /// @dev A sum has the bits of the largest there can be; a node as many children as fit a word, a root what is left.
    function setUp() public {
        source = vm.readFile("contracts/src/libraries/WeightTree.sol");
        uint256 largest = WeightTree.MAX_WEIGHT;
        uint256 below = 1;
        for (uint256 level; level < LEVELS; ++level) {
            while (largest >> widths[level] != 0) ++widths[level];
            uint256 child = widths[level] + (level == 0 ? 0 : VERSION_BITS);
            fans[level] = WORD_BITS / child;
            rootFans[level] = (WORD_BITS - ROOT_BITS) / child;
            leaves[level] = rootFans[level] * below;
            largest *= fans[level];
            below *= fans[level];
        }
    }

    function _constant(string memory name) private view returns (uint256) {
        string[] memory after_ = vm.split(source, string.concat(" constant ", name, " = "));
        assertEq(after_.length, 2, name);
        return vm.parseUint(vm.split(after_[1], ";")[0]);
    }

    /// @dev The numbers of a line of the table, of the levels that have a column.
    function _assertRow(string memory name, uint256[LEVELS] memory expected) private view {
        string memory line = vm.split(vm.split(source, string.concat("///     ", name))[1], "\n")[0];
        string[] memory words = vm.split(line, " ");
        uint256 level;
        for (uint256 i; i < words.length; ++i) {
            bytes memory word = bytes(words[i]);
            if (word.length == 0 || word[0] < "0" || word[0] > "9") continue;
            assertEq(vm.parseUint(words[i]), expected[level++], name);
        }
        assertGe(level, 6, name);
    }

    function test_TheTableFollows() public view {
        _assertRow("bits a sum", widths);
        _assertRow("fan-out   ", fans);
        _assertRow("... of root", rootFans);
        _assertRow("leaves    ", leaves);
        assertGt(leaves[LEVELS - 1], type(uint32).max, "every id has a leaf");
    }

    function test_NodesAndRoots() public view {
        uint256 nodes;
        uint256 roots;
        uint256 dirty;
        for (uint256 level; level < LEVELS; ++level) {
            nodes |= (widths[level] | fans[level] << 8 | fans[level] * widths[level] << 16) << (24 * level);
            roots |= rootFans[level] << (8 * level);
        }
        for (uint256 child; child < fans[1]; ++child) {
            dirty |= 4 << (VERSION_BITS * child);
        }
        assertEq(_constant("NODES"), nodes, "NODES");
        assertEq(_constant("ROOT_FANS"), roots, "ROOT_FANS");
        assertEq(_constant("DIRTY"), dirty, "DIRTY");
        assertEq(_constant("HEIGHT_SHIFT"), WORD_BITS - ROOT_BITS, "HEIGHT_SHIFT");
        assertEq(_constant("EPOCH_SHIFT"), WORD_BITS - 40, "EPOCH_SHIFT");
    }

    function test_LanesOfTheLevelsVisitedMost() public view {
        for (uint256 level; level < 3; ++level) {
            string memory suffix = string.concat("_", vm.toString(level));
            uint256 width = widths[level];
            uint256 top = 2 * width * ((fans[level] - 1) / 2);
            uint256 ones;
            for (uint256 at; at <= top; at += 2 * width) {
                ones |= 1 << at;
            }
            assertEq(_constant(string.concat("WIDTH", suffix)), width, "WIDTH");
            assertEq(_constant(string.concat("TOP", suffix)), top, "TOP");
            assertEq(_constant(string.concat("ONES", suffix)), ones, "ONES");
            assertEq(_constant(string.concat("LOW", suffix)), ones * ((1 << width) - 1), "LOW");
            if (level != 0) assertEq(_constant(string.concat("FAN", suffix)), fans[level], "FAN");
        }
        assertEq(_constant("META_1"), fans[1] * widths[1], "META");
    }
}
