// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { TestToken } from "./TestToken.sol";

/// @notice For tests: answers false and moves nothing once told to.
contract FalseToken is TestToken {
    bool public lies;

    function setLies(bool lies_) external {
        lies = lies_;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return !lies && super.transfer(to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        return !lies && super.transferFrom(from, to, amount);
    }
}

/// @notice For tests: calls somebody back during a transfer, as assets with hooks do.
contract HookToken is TestToken {
    address private _target;
    bytes private _data;
    bytes4 public attackError;
    bool public attacked;

    function setAttack(address target, bytes calldata data) external {
        (_target, _data) = (target, data);
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (_target != address(0)) {
            (bool success, bytes memory answer) = _target.call(_data);
            (attacked, attackError) = (true, success ? bytes4(0) : bytes4(answer));
        }
    }
}
