// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { Membership } from "../../../examples/membership/Membership.sol";
import { ISlotInputsEvents } from "../../src/interfaces/ISlotInputs.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { MarketFixture } from "../MarketFixture.sol";
import { MockProof } from "../mocks/MockVerifier.sol";

/// @notice What examples/ shows to teams with a circom circuit: it tells the input, opens the slot and keeps the answer.
contract MembershipExampleTest is MarketFixture {
    uint256 private constant ROOT = 7;
    Membership private example;
    uint256 private asked;

    function setUp() public override {
        super.setUp();
        example = new Membership(market);
        (terms.requester, terms.outputs, terms.callbackGas) = (address(example), 1, 100_000);
        asked = market.createMarket(terms, CAPACITY, 0);
        _fund(asked, 100 ether);
        mechanism.setNext(address(0), PRICE, 0);
    }

    function test_WhatIsAskedIsToldAndWhatIsProvenIsKept() public {
        uint256[] memory statement = new uint256[](1);
        statement[0] = ROOT;
        bytes32 hash = keccak256(abi.encodePacked(statement));
        vm.expectEmit(address(example));
        emit ISlotInputsEvents.InputPosted(asked, hash, "{}");
        example.ask(asked, terms, ROOT, "{}", "");

        Slot memory slot = Slot({
            market: asked,
            id: 1,
            statement: hash,
            prover: address(0),
            price: PRICE,
            openedAt: uint40(block.timestamp),
            startedAt: uint40(block.timestamp),
            exclusiveUntil: uint40(block.timestamp),
            capacity: CAPACITY,
            link: 0
        });
        uint256[] memory inputs = new uint256[](3);
        (inputs[0], inputs[1], inputs[2]) = (ROOT, 42, uint160(alice));
        market.prove(slot, terms, inputs, MockProof.make(inputs));
        assertEq(example.nullifiers(ROOT), 42);
        _assertState(slot, SlotState.Proven);
    }

    function test_RevertAsk_WhenSenderIsAStranger() public {
        vm.expectRevert(Membership.NotAllowed.selector);
        vm.prank(stranger);
        example.ask(asked, terms, ROOT, "{}", "");
    }

    function test_RevertCallback_WhenSenderIsAStranger() public {
        vm.expectRevert(Membership.NotAllowed.selector);
        example.onSlotEnded(asked, 1, SlotState.Proven, new uint256[](3));
    }
}
