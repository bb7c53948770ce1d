// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { Slot, SlotState } from "../types/Slot.sol";
import { Terms } from "../types/Terms.sol";

/// @notice What a mechanism answers when a slot opens.
/// @param prover Who is assigned the slot; zero if nobody is, yet or at all.
/// @param price What the slot pays at most, in asset wei; at most the terms' price.
/// @param undecidedUntil Only without a prover: unix seconds until which the mechanism may still assign the slot, by
/// calling the market. From then on the slot is open to all.
struct Assignment {
    address prover;
    uint96 price;
    uint40 undecidedUntil;
}

/// @title The rule that decides who may prove a slot, and at what price
/// @notice The market knows mechanisms by this interface alone.
interface IMechanism {
    /// @notice Only the market contract.
    error NotMarket();
    /// @notice The terms do not suit the mechanism; `field` names what is wrong: a field of `Terms`, or one packed into
    /// `mechanismParams`.
    error MechanismTermsRejected(bytes32 field);

    /// @notice Revert with a named error unless this mechanism can serve these terms.
    function validateTerms(Terms calldata terms) external view;

    /// @notice A slot opens: assign it, or say until when the mechanism may. Market only.
    function onOpen(uint256 market, uint64 slot, Terms calldata terms, bytes calldata data)
        external
        returns (Assignment memory);

    /// @notice A slot ended. Market only, and only under terms whose `mechanismParams` have the bit `SlotHooks.ENDED`.
    /// While nobody holds the slot, the mechanism may refuse a proof or a cancellation by reverting. Otherwise it is told with
    /// at most `SlotHooks.GAS` gas and cannot object: whoever holds a slot, and an expiry, depend on no mechanism.
    /// @param slot The slot as it was when it ended; `slot.prover` is its last holder.
    /// @param payee Who is paid; zero unless `state` is `Proven`.
    function onEnded(Slot calldata slot, Terms calldata terms, SlotState state, address payee) external;
}
