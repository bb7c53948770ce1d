// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IMechanism } from "../interfaces/IMechanism.sol";
import { IProofMarketEvents } from "../interfaces/IProofMarket.sol";
import { IRequester } from "../interfaces/IRequester.sol";
import { Slot, SlotState } from "../types/Slot.sol";
import { Terms } from "../types/Terms.sol";
import { SlotHooks } from "./SlotHooks.sol";

/// @title How a market tells others that a slot ended
/// @notice Both are told after the market changed its state. Neither can hold a settlement up, but for a mechanism while nobody holds
/// the slot; and whoever settles cannot keep from them the gas that they were promised.
library Callbacks {
    using SlotHooks for Terms;

    /// @dev What reaching an account costs at most before its own gas starts: a cold account, the cold account it may
    /// delegate to (EIP-7702), and a few words.
    uint256 private constant OVERHEAD = 6000;

    /// @notice Tells the mechanism, if the terms say so. What it answers counts only while nobody holds the slot, and never
    /// against an expiry.
    function tellMechanism(Slot calldata slot, Terms calldata terms, SlotState state, address payee) internal {
        if (!terms.wantsEnded()) return;
        IMechanism mechanism = IMechanism(terms.mechanism);
        if (slot.prover == address(0) && state != SlotState.Expired) {
            mechanism.onEnded(slot, terms, state, payee);
            return;
        }
        if (!_tryCall(
                address(mechanism), SlotHooks.GAS, abi.encodeCall(mechanism.onEnded, (slot, terms, state, payee))
            )) {
            emit IProofMarketEvents.HookFailed(slot.market, slot.id);
        }
    }

    /// @notice Tells the requester, with exactly the gas promised and ignoring what it returns.
    function tellRequester(Slot calldata slot, Terms calldata terms, SlotState state, uint256[] calldata publicInputs)
        internal
    {
        uint256 callbackGas = terms.callbackGas;
        if (callbackGas == 0) return;
        bytes memory message = abi.encodeCall(IRequester.onSlotEnded, (slot.market, slot.id, state, publicInputs));
        if (!_tryCall(terms.requester, callbackGas, message)) {
            emit IProofMarketEvents.CallbackFailed(slot.market, slot.id);
        }
    }

    /// @dev Calls with exactly `callGas`, or reverts if too little is left to promise it. What comes back is ignored.
    function _tryCall(address target, uint256 callGas, bytes memory message) private returns (bool success) {
        // A call gets at most 63/64 of what is left. Asking for more than that gives it less, silently.
        if (gasleft() < callGas * 64 / 63 + OVERHEAD) revert IProofMarketEvents.InsufficientCallbackGas();
        // Not for gas: Solidity's own call would copy whatever comes back, at the cost of whoever settles.
        assembly ("memory-safe") {
            success := call(callGas, target, 0, add(message, 32), mload(message), 0, 0)
        }
    }
}
