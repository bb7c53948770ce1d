// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { Assignment, IMechanism } from "../../src/interfaces/IMechanism.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";

/// @notice For tests: a mechanism that counts how often it is told and with how much gas, or misbehaves when it is.
contract EndedProbe is IMechanism {
    enum Mode {
        Record,
        ReturnBomb,
        RevertBomb,
        Reenter
    }

    Assignment private _next;
    Mode private _mode;
    address private _target;
    bytes private _attack;

    uint256 public calls;
    uint256 public gasGiven;
    bool public attackSucceeded;
    bytes4 public attackError;

    function setNext(address prover, uint96 price) external {
        _next = Assignment(prover, price, 0);
    }

    function setMode(Mode mode) external {
        _mode = mode;
    }

    /// @dev In the next `onEnded`, call `target` with `data` and remember the error.
    function setAttack(address target, bytes calldata data) external {
        (_mode, _target, _attack) = (Mode.Reenter, target, data);
    }

    function validateTerms(Terms calldata) external view { }

    function onOpen(uint256, uint64, Terms calldata, bytes calldata) external view returns (Assignment memory) {
        return _next;
    }

    function onEnded(Slot calldata, Terms calldata, SlotState, address) external {
        uint256 gasLeft = gasleft();
        if (_mode == Mode.ReturnBomb) {
            assembly {
                return(0, 150000)
            }
        }
        if (_mode == Mode.RevertBomb) {
            assembly {
                revert(0, 150000)
            }
        }
        if (_mode == Mode.Reenter) {
            (bool success, bytes memory answer) = _target.call(_attack);
            (attackSucceeded, attackError) = (success, bytes4(answer));
        }
        ++calls;
        gasGiven = gasLeft;
    }
}
