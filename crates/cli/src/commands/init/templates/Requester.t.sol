// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { IProofMarket } from "provery/interfaces/IProofMarket.sol";
import { Slot, SlotState } from "provery/types/Slot.sol";
import { Terms } from "provery/types/Terms.sol";
import { {{contract}} } from "../src/{{contract}}.sol";

/// Stands in for the market: keeps what was asked, and tells an answer.
contract Market {
    uint256 public asking;
    uint256[] public asked;

    function openSlot(uint256 id, Terms calldata, uint64, uint256[] calldata inputs, bytes calldata)
        external
        returns (Slot memory slot)
    {
        (asking, asked) = (id, inputs);
        return slot;
    }

    function tell({{contract}} requester, uint256 id, uint256[] calldata publicInputs) external {
        requester.onSlotEnded(id, 1, SlotState.Proven, publicInputs);
    }
}

contract Stranger {
    function ask({{contract}} requester, {{contract}}.Statement calldata statement) external {
        Terms memory terms;
        requester.ask(terms, statement, "{}", "");
    }
}

/// It needs no library: `forge test` runs whatever is named test….
contract {{contract}}Test {
    Market internal market = new Market();
    {{contract}} internal requester = new {{contract}}(IProofMarket(address(market)));

    function setUp() public {
        requester.setMarket(7);
    }

    function statement() internal pure returns ({{contract}}.Statement memory it) {
{{test_statement}}
    }

    function test_a_statement_is_asked_in_the_markets_order() public {
        Terms memory terms;
        requester.ask(terms, statement(), "{}", "");
        require(market.asking() == 7, "another market");
        uint256[] memory inputs = requester.inputsOf(statement());
        require(inputs.length == {{stated}}, "another number of inputs");
        for (uint256 i = 0; i < inputs.length; i++) {
            require(market.asked(i) == inputs[i], "another order");
        }
    }

    function test_an_answer_is_kept_under_its_statement() public {
        Terms memory terms;
        requester.ask(terms, statement(), "{}", "");
        require(!requester.answerTo(statement()).proven, "too early");
        market.tell(requester, 7, answer());
        require(requester.answerTo(statement()).proven, "not kept");
{{test_answers}}
    }

    function test_the_market_alone_answers_and_the_owner_alone_asks() public {
        try requester.onSlotEnded(7, 1, SlotState.Proven, answer()) {
            revert("a stranger answered");
        } catch { }
        try market.tell(requester, 8, answer()) {
            revert("another market answered");
        } catch { }
        try requester.setMarket(8) {
            revert("the market was changed");
        } catch { }
        Stranger stranger = new Stranger();
        try stranger.ask(requester, statement()) {
            revert("a stranger asked");
        } catch { }
    }

    /// Statement, outputs{{payee_words}}.
    function answer() internal view returns (uint256[] memory publicInputs) {
        uint256[] memory inputs = requester.inputsOf(statement());
        publicInputs = new uint256[]({{all}});
        for (uint256 i = 0; i < {{all}}; i++) {
            publicInputs[i] = i < inputs.length ? inputs[i] : 1;
        }
    }
}
