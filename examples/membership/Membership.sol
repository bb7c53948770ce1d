// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { IProofMarket } from "provery/interfaces/IProofMarket.sol";
import { IRequester } from "provery/interfaces/IRequester.sol";
import { ISlotInputsEvents } from "provery/interfaces/ISlotInputs.sol";
import { SlotState } from "provery/types/Slot.sol";
import { Terms } from "provery/types/Terms.sol";

/// @title Who asks for proofs of membership, of a circom circuit (membership.circom)
contract Membership is IRequester, ISlotInputsEvents {
    IProofMarket public immutable MARKET;
    address public immutable OWNER = msg.sender;

    /// @notice The nullifier that was proven for a root; 0 before that.
    mapping(uint256 root => uint256) public nullifiers;

    error NotAllowed();

    constructor(IProofMarket market) {
        MARKET = market;
    }

    /// @notice Ask for a proof that something is below `root`; `input` says what, as circom's program takes it. The market's terms
    /// name this contract as its requester, with one output.
    function ask(uint256 market, Terms calldata terms, uint256 root, bytes calldata input, bytes calldata data)
        external
    {
        if (msg.sender != OWNER) revert NotAllowed();
        uint256[] memory statement = new uint256[](1);
        statement[0] = root;
        emit InputPosted(market, keccak256(abi.encodePacked(statement)), input);
        MARKET.openSlot(market, terms, 0, statement, data);
    }

    /// @inheritdoc IRequester
    function onSlotEnded(uint256, uint64, SlotState state, uint256[] calldata publicInputs) external {
        if (msg.sender != address(MARKET)) revert NotAllowed();
        if (state == SlotState.Proven) nullifiers[publicInputs[0]] = publicInputs[1];
    }
}
