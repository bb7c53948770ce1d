// SPDX-License-Identifier: MIT OR Apache-2.0
// solc: via-ir
pragma solidity 0.8.30;

import { WeightTree } from "../../src/libraries/WeightTree.sol";

/// @notice The library behind external functions, with the gas each call took inside.
contract WeightTreeHarness {
    using WeightTree for WeightTree.Tree;

    mapping(uint256 => WeightTree.Tree) private _trees;

    function set(uint256 index, uint256 weight, uint256 epoch, uint256 target)
        external
        returns (bool changed, uint256 spent)
    {
        WeightTree.Tree storage tree = _trees[1];
        uint256 gas = gasleft();
        changed = tree.set(index, weight, epoch, target);
        spent = gas - gasleft();
    }

    function draw(uint256 epoch, uint256 random) external view returns (bool found, uint256 index, uint256 spent) {
        WeightTree.Tree storage tree = _trees[1];
        uint256 gas = gasleft();
        (found, index) = tree.draw(epoch, random);
        spent = gas - gasleft();
    }

    function total(uint256 epoch) external view returns (uint256) {
        return _trees[1].total(epoch);
    }

    function weightAt(uint256 epoch, uint256 index) external view returns (uint256) {
        return _trees[1].weightAt(epoch, index);
    }
}
