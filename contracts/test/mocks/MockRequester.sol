// SPDX-License-Identifier: MIT OR Apache-2.0
// solc: via-ir
pragma solidity 0.8.30;

import { IProofMarket } from "../../src/interfaces/IProofMarket.sol";
import { IRequester } from "../../src/interfaces/IRequester.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";

/// @notice For tests: a requester that records its callback, or misbehaves in it.
contract MockRequester is IRequester {
    enum Mode {
        Record,
        Reenter,
        ReturnBomb,
        RevertBomb,
        BurnGas,
        Revert
    }

    Mode public mode;
    address private _target;
    bytes private _data;

    uint256 public calls;
    uint256 public market;
    uint64 public slot;
    SlotState public state;
    uint256 public inputsHash;
    uint256 public gasGiven;
    bool public attackSucceeded;
    bytes4 public attackError;

    function setMode(Mode mode_) external {
        mode = mode_;
    }

    function setAttack(address target, bytes calldata data) external {
        (mode, _target, _data) = (Mode.Reenter, target, data);
    }

    function open(IProofMarket market_, uint256 id, Terms calldata terms, uint256[] calldata inputs)
        external
        returns (Slot memory)
    {
        return market_.openSlot(id, terms, 0, inputs, "");
    }

    function withdraw(IProofMarket market_, address to, uint256 amount) external {
        market_.withdraw(to, amount);
    }

    function onSlotEnded(uint256 market_, uint64 slot_, SlotState state_, uint256[] calldata publicInputs) external {
        uint256 gasLeft = gasleft();
        if (mode == Mode.BurnGas) {
            while (true) { }
        }
        if (mode == Mode.Revert) revert("no");
        if (mode == Mode.ReturnBomb) {
            assembly {
                return(0, 300000)
            }
        }
        if (mode == Mode.RevertBomb) {
            assembly {
                revert(0, 300000)
            }
        }
        if (mode == Mode.Reenter) {
            (bool success, bytes memory answer) = _target.call(_data);
            (attackSucceeded, attackError) = (success, bytes4(answer));
        }
        ++calls;
        (market, slot, state) = (market_, slot_, state_);
        inputsHash = uint256(keccak256(abi.encodePacked(publicInputs)));
        gasGiven = gasLeft;
    }
}
