// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { IProofMarket } from "provery/interfaces/IProofMarket.sol";
import { IRequester } from "provery/interfaces/IRequester.sol";
import { ISlotInputsEvents } from "provery/interfaces/ISlotInputs.sol";
import { SlotState } from "provery/types/Slot.sol";
import { Terms } from "provery/types/Terms.sol";

/// @title Asks for proofs of the circuit {{circuit}}, and takes the answers in
/// @dev Written by `provery init`: change it as you like. Only OWNER asks, for each slot is paid from the market's funds.
contract {{contract}} is IRequester, ISlotInputsEvents {
    /// What a slot states: the public inputs that are fixed when it opens, in the market's order.
    struct Statement {
{{statement_fields}}
    }

    /// What was proven of it.
    struct Answer {
        bool proven;
{{answer_fields}}
    }

    /// The scalar field of BN254: a number that is not below it is stated by nobody's proof.
    uint256 internal constant FIELD = 21888242871839275222246405745257275088548364400416034343698204186575808495617;

    IProofMarket public immutable MARKET;
    address public immutable OWNER = msg.sender;

    /// The one market whose answers count; 0 before `setMarket`.
    uint256 public market;

    /// By `hashOf(statement)`.
    mapping(bytes32 statement => Answer) internal _answers;

    error NotAllowed();
    error NotInField();

    constructor(IProofMarket proofMarket) {
        MARKET = proofMarket;
    }

    /// @notice The market that was created with this contract as its requester, and `outputs` of {{outputs}}. Once: answers of another
    /// market could be proven by another circuit, or by none.
    function setMarket(uint256 id) external {
        if (msg.sender != OWNER || market != 0) revert NotAllowed();
        market = id;
    }

    /// @notice Ask for a proof.
    /// @param terms The market's, which has their hash.
    /// @param input What the slot is proven from, as circom's program takes it, without the payee; everybody sees it.
    /// @param data What the market's mechanism is told, such as a signed offer; usually nothing.
    function ask(Terms calldata terms, Statement calldata statement, bytes calldata input, bytes calldata data)
        external
    {
        if (msg.sender != OWNER || market == 0) revert NotAllowed();
        uint256[] memory inputs = inputsOf(statement);
        emit InputPosted(market, keccak256(abi.encodePacked(inputs)), input);
        MARKET.openSlot(market, terms, 0, inputs, data);
    }

    /// @inheritdoc IRequester
    /// @dev It runs with the gas that the terms say (`callbackGas`); whatever it does, the proof is paid.
    function onSlotEnded(uint256 id, uint64, SlotState state, uint256[] calldata publicInputs) external {
        if (msg.sender != address(MARKET) || id != market) revert NotAllowed();
        if (state != SlotState.Proven) return;
        uint256[] memory inputs = new uint256[]({{stated}});
        for (uint256 i = 0; i < {{stated}}; i++) {
            inputs[i] = publicInputs[i];
        }
        Answer storage answer = _answers[keccak256(abi.encodePacked(inputs))];
        answer.proven = true;
{{answer_stores}}
    }

    /// @notice What was proven of a statement; `proven` is false before that.
    function answerTo(Statement calldata statement) external view returns (Answer memory) {
        return _answers[hashOf(statement)];
    }

    /// @notice As the market hashes it: `Slot.statement`.
    function hashOf(Statement calldata statement) public pure returns (bytes32) {
        return keccak256(abi.encodePacked(inputsOf(statement)));
    }

    /// @notice As the market takes it.
    function inputsOf(Statement calldata statement) public pure returns (uint256[] memory inputs) {
        inputs = new uint256[]({{stated}});
{{statement_words}}
        for (uint256 i = 0; i < {{stated}}; i++) {
            if (inputs[i] >= FIELD) revert NotInField();
        }
    }
}
