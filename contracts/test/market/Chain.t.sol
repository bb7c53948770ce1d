// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { ChainTermsLib } from "../../src/types/ChainTerms.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { MockProof } from "../mocks/MockVerifier.sol";
import { ChainFixture } from "./ChainFixture.sol";

/// @notice What a link is checked against as it opens, and what falls with what.
contract ChainTest is ChainFixture {
    function test_ASlotNamesTheHeadAndContinuesIt() public {
        _link(bob, 1);
        vm.startPrank(requester);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.HeadMoved.selector, 1));
        market.openSlot(id, terms, 0, _statementOf(ORIGIN, 2), "");
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.HeadMoved.selector, 1));
        market.openSlot(id, terms, 2, _statementOf(1, 2), "");
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.PremiseMismatch.selector, 1));
        market.openSlot(id, terms, 1, _statementOf(ORIGIN, 2), "");
        vm.stopPrank();
    }

    function test_TheFirstSlotContinuesTheOrigin() public {
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.PremiseMismatch.selector, ORIGIN));
        market.openSlot(id, terms, 0, _statementOf(666, 1), "");
    }

    function test_InputsThatAreMissingAreRefused() public {
        vm.prank(requester);
        vm.expectRevert(IProofMarketEvents.StatementMismatch.selector);
        market.openSlot(id, terms, 0, new uint256[](1), "");
    }

    function test_ASlotWithoutAChainNamesNoPremise() public {
        Terms memory plain = _defaultTerms();
        vm.prank(creator);
        uint256 other = market.createMarket(plain, 4, 0);
        _fund(other, 100 ether);
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.HeadMoved.selector, 0));
        market.openSlot(other, plain, 1, _statement(), "");
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.TermsRejected.selector, bytes32("origin")));
        market.createMarket(plain, 4, ORIGIN);
    }

    function test_WhatExpiresTakesWhatBuildsOnItAlong() public {
        Slot memory first = _link(bob, 1);
        _proveLink(first, true, bob);
        Slot memory second = _link(bob, 2);
        Slot memory third = _link(alice, 3);
        _pastExpiry(second);
        _expireLink(second);
        (uint64 head, uint256 claim) = _head();
        assertEq(head, first.id);
        assertEq(claim, 1);
        (, bool fallen) = market.premiseOf(third);
        assertTrue(fallen);
        _drop(third, stranger);
        assertEq(_bonded(alice), 0);
    }

    function test_AFallenSlotIsStillPaidForUntilItIsDropped() public {
        Slot memory first = _link(bob, 1);
        Slot memory second = _link(alice, 2);
        _proveLink(first, false, bob);
        _proveLink(second, true, alice);
        assertEq(market.credits(alice), PRICE);
        assertEq(_established(), 0);
        _assertState(second, SlotState.Proven);
    }

    function test_ALateFallOfAFallenSlotMovesNothing() public {
        Slot memory first = _link(bob, 1);
        Slot memory second = _link(alice, 2);
        _proveLink(first, false, bob);
        Slot memory next = _link(bob, 3);
        _proveLink(second, false, alice);
        (uint64 head,) = _head();
        assertEq(head, next.id, "what stands still stands");
        _proveLink(next, true, bob);
        assertEq(_established(), next.id);
    }

    function test_OnlyTheRequesterDropsWhatStands() public {
        Slot memory slot = _link(alice, 1);
        vm.prank(stranger);
        vm.expectRevert(IProofMarketEvents.NotRequester.selector);
        market.drop(slot, terms, _inputsOf[slot.id]);
        _past(slot);
        vm.prank(requester);
        vm.expectRevert(IProofMarketEvents.SlotNotDroppable.selector);
        market.drop(slot, terms, _inputsOf[slot.id]);
    }

    function test_DroppingWhatStandsPaysItsHolderAsAProofWould() public {
        Slot memory slot = _link(alice, 1);
        _drop(slot, requester);
        assertEq(market.credits(alice), PRICE);
        assertEq(_bonded(alice), 0);
        (uint64 head,) = _head();
        assertEq(head, 0);
    }

    function test_OtherInputsThanTheSlotsAreRefused() public {
        Slot memory slot = _link(alice, 1);
        _pastExpiry(slot);
        vm.expectRevert(IProofMarketEvents.StatementMismatch.selector);
        market.expire(slot, terms, _statementOf(666, 1));
        vm.expectRevert(IProofMarketEvents.StatementMismatch.selector);
        market.expire(slot, terms, new uint256[](0));
    }

    function test_AClaimThatIsAnOutputIsBuiltOnOnceItIsProven() public {
        // Output 0 says right, output 1 is the claim.
        terms.outputs = 2;
        terms.chain = ChainTermsLib.DECLARED | ChainTermsLib.OUTPUT | 1 << 8;
        vm.prank(creator);
        id = market.createMarket(terms, 4, ORIGIN);
        _fund(id, 100 ether);
        _stake(alice, id, 20);
        mechanism.setNext(alice, PRICE, 0);
        uint256[] memory inputs = new uint256[](1);
        inputs[0] = ORIGIN;
        vm.prank(requester);
        Slot memory first = market.openSlot(id, terms, 0, inputs, "");
        inputs[0] = 5;
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.PremiseNotProven.selector, first.id));
        market.openSlot(id, terms, first.id, inputs, "");

        uint256[] memory all = new uint256[](4);
        (all[0], all[1], all[2], all[3]) = (ORIGIN, 1, 5, uint160(alice));
        market.prove(first, terms, all, MockProof.make(all));
        vm.prank(requester);
        Slot memory second = market.openSlot(id, terms, first.id, inputs, "");
        (bool established,) = market.premiseOf(second);
        assertTrue(established);
    }

    function test_AChainWordThatNobodyKnowsIsRefused() public {
        uint32[4] memory words = [
            uint32(1 << 8),
            ChainTermsLib.DECLARED | 1 << 26,
            ChainTermsLib.DECLARED | 3 << 16,
            ChainTermsLib.DECLARED | ChainTermsLib.OUTPUT | 2 << 8
        ];
        for (uint256 i; i < words.length; ++i) {
            terms.chain = words[i];
            vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.TermsRejected.selector, bytes32("chain")));
            market.createMarket(terms, 4, ORIGIN);
        }
    }
}
