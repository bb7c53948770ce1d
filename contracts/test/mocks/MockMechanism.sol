// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { Assignment, IMechanism } from "../../src/interfaces/IMechanism.sol";
import { IProofMarket } from "../../src/interfaces/IProofMarket.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";

/// @notice For tests: assigns as it was told.
contract MockMechanism is IMechanism {
    error Refused();

    Assignment private _next;
    bool public refuses;
    uint256 public lastMarket;
    uint64 public lastSlot;
    bytes public lastData;

    /// @notice What `onEnded` was last told.
    SlotState public endedState;
    address public endedPayee;
    address public endedProver;
    bool public refusesEnd;
    bool public burnsGas;

    address private _target;
    bytes private _attack;
    bytes4 public attackError;

    function setNext(address prover, uint96 price, uint40 undecidedUntil) external {
        _next = Assignment(prover, price, undecidedUntil);
    }

    function setRefuses(bool refuses_) external {
        refuses = refuses_;
    }

    function setRefusesEnd(bool refuses_) external {
        refusesEnd = refuses_;
    }

    function setBurnsGas(bool burns) external {
        burnsGas = burns;
    }

    /// @dev During the next `onOpen`, call `target` with `data` and remember the error.
    function setAttack(address target, bytes calldata data) external {
        (_target, _attack) = (target, data);
    }

    function validateTerms(Terms calldata) external view {
        if (refuses) revert Refused();
    }

    function onOpen(uint256 market, uint64 slot, Terms calldata, bytes calldata data)
        external
        returns (Assignment memory)
    {
        (lastMarket, lastSlot) = (market, slot);
        if (data.length != 0) lastData = data;
        if (_target != address(0)) {
            (bool success, bytes memory answer) = _target.call(_attack);
            attackError = success ? bytes4(0) : bytes4(answer);
        }
        return _next;
    }

    function onEnded(Slot calldata slot, Terms calldata, SlotState state, address payee) external {
        if (refusesEnd) revert Refused();
        while (burnsGas) { }
        (endedState, endedPayee, endedProver) = (state, payee, slot.prover);
    }

    function assign(IProofMarket market, Slot calldata slot, Terms calldata terms, address prover, uint96 price)
        external
    {
        market.assign(slot, terms, prover, price);
    }
}
