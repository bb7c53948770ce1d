// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { SlotState } from "../types/Slot.sol";

/// @title What a requester that is a contract may implement
interface IRequester {
    /// @notice A slot ended. Called with `Terms.callbackGas` gas; whatever this does, the settlement stands. In a chain `Proven` says
    /// that the proof was accepted, not that the slot is final: that is `IProofMarketEvents.SlotEstablished` and `chainOf`.
    /// @param publicInputs Statement inputs, outputs and payee when proven; empty otherwise.
    function onSlotEnded(uint256 market, uint64 slot, SlotState state, uint256[] calldata publicInputs) external;
}
