// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { IProofMarket } from "provery/interfaces/IProofMarket.sol";
import { IRequester } from "provery/interfaces/IRequester.sol";
import { SlotState } from "provery/types/Slot.sol";
import { Terms } from "provery/types/Terms.sol";

/// @title A requester of its own: asks the market for proven answers f(x), and keeps them
/// @notice Its circuit has the public inputs x, f(x), payee: one that the statement fixes, one output, and whom to pay.
contract MinimalRequester is IRequester {
    /// @notice The market contract.
    IProofMarket public immutable MARKET;
    /// @notice This requester's market there.
    uint256 public immutable MARKET_ID;
    /// @notice Who may ask: every question spends the market's funds.
    address public immutable OWNER;

    /// @notice The answer that was proven in a slot; 0 before that.
    mapping(uint64 slot => uint256) public answers;

    /// @notice A question was asked.
    event Asked(uint64 indexed slot, uint256 x);
    /// @notice Its answer was proven.
    event Answered(uint64 indexed slot, uint256 x, uint256 answer);
    /// @notice It ended without a proof.
    event Unanswered(uint64 indexed slot, SlotState state);

    error NotOwner();
    error NotMarket();

    /// @param market The market contract; this creates its own market there, whose terms nobody can change.
    /// @param terms Circuit, verifier, mechanism, price, bond, windows and shares; what this contract depends on is set here.
    /// @param capacity Questions that may be open at once: a power of two, 1 to 65,536.
    constructor(IProofMarket market, Terms memory terms, uint32 capacity) {
        terms.requester = address(this);
        terms.outputs = 1;
        terms.version = 1;
        terms.callbackGas = 100_000;
        terms.chain = 0; // questions do not build on one another
        MARKET = market;
        MARKET_ID = market.createMarket(terms, capacity, 0);
        OWNER = msg.sender;
    }

    /// @notice Ask for f(x). Anyone funds the market with `IProofMarket.fund`; the price is escrowed here.
    /// @param terms The market's terms, as `TermsSet` has them: the chain stores their hash alone.
    function ask(uint256 x, Terms calldata terms) external returns (uint64 slot) {
        if (msg.sender != OWNER) revert NotOwner();
        uint256[] memory statement = new uint256[](1);
        statement[0] = x;
        slot = MARKET.openSlot(MARKET_ID, terms, 0, statement, "").id;
        emit Asked(slot, x);
    }

    /// @inheritdoc IRequester
    /// @dev The market calls this with `callbackGas`, whatever it does the settlement stands. So it must not fail: what it does not
    /// store here is lost to it.
    function onSlotEnded(uint256, uint64 slot, SlotState state, uint256[] calldata publicInputs) external {
        if (msg.sender != address(MARKET)) revert NotMarket();
        if (state == SlotState.Proven) {
            answers[slot] = publicInputs[1];
            emit Answered(slot, publicInputs[0], publicInputs[1]);
        } else {
            emit Unanswered(slot, state);
        }
    }
}
