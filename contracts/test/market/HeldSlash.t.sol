// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { ChainFixture } from "./ChainFixture.sol";

/// @notice A rescue whose slot has an open premise: the slash is held, and paid or undone once.
contract HeldSlashTest is ChainFixture {
    /// @dev alice misses `second`, which builds on `first`, and carol rescues it.
    function _held() private returns (Slot memory first, Slot memory second) {
        first = _link(bob, 1);
        second = _link(alice, 2);
        _past(second);
        _proveLink(second, true, carol);
    }

    function test_TheFloorIsPaidAtOnceAndTheRestIsHeld() public {
        (, Slot memory second) = _held();
        assertEq(market.credits(carol), uint256(PRICE) * 9000 / 10_000, "the floor");
        assertTrue(_isPending(second, true, carol));
        _assertState(second, SlotState.None);
        assertEq(_bonded(alice), LINK_BOND, "the bond stays reserved");
        assertEq(registry.positionOf(id, alice).misses, 0, "no miss yet");
        assertEq(registry.allocationOf(id, alice), 100, "no weight lost yet");
    }

    function test_TheSlashIsPaidOnceThePremiseIsEstablished() public {
        (Slot memory first, Slot memory second) = _held();
        uint256 floor = market.credits(carol);
        _proveLink(first, true, bob);
        assertEq(_established(), first.id, "the second waits for resolve");
        _resolve(second, true, carol);
        assertEq(_established(), second.id);
        assertEq(_stakeOf(alice), 300 ether - LINK_BOND, "slashed once");
        assertEq(market.credits(carol) - floor, uint256(LINK_BOND) * terms.rescuerBps / 10_000, "the premium");
        assertEq(registry.positionOf(id, alice).misses, 1);
        assertEq(_bonded(alice), 0);
        _assertState(second, SlotState.Proven);

        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.SlotNotOpen.selector, SlotState.Proven));
        _resolve(second, true, carol);
    }

    function test_TheSlashIsUndoneOnceThePremiseFell() public {
        (Slot memory first, Slot memory second) = _held();
        _proveLink(first, false, bob);
        _resolve(second, true, carol);
        assertEq(_stakeOf(alice), 300 ether);
        assertEq(_bonded(alice), 0);
        assertEq(registry.positionOf(id, alice).misses, 0);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.SlotNotOpen.selector, SlotState.Proven));
        _resolve(second, true, carol);
    }

    function test_NobodyResolvesItToOtherWords() public {
        (Slot memory first, Slot memory second) = _held();
        _proveLink(first, true, bob);
        bytes memory error = abi.encodeWithSelector(IProofMarketEvents.SlotNotOpen.selector, SlotState.None);
        vm.expectRevert(error);
        market.resolve(second, terms, stranger, true, 2);
        vm.expectRevert(error);
        market.resolve(second, terms, carol, false, 2);
        vm.expectRevert(error);
        market.resolve(second, terms, carol, true, 3);
        second.prover = bob;
        vm.expectRevert(error);
        market.resolve(second, terms, carol, true, 2);
    }

    function test_AHeldBondCountsTowardsTheExposure() public {
        uint256 units = uint256(LINK_BOND) / UNIT;
        vm.prank(alice);
        registry.allocate(id, 100, units, 1, 1);
        _held();
        (uint64 head, uint256 from) = _head();
        mechanism.setNext(alice, PRICE, 0);
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, 0, LINK_BOND));
        market.openSlot(id, terms, head, _statementOf(from, 3), "");
    }

    function test_AHeldBondCannotLeave() public {
        _held();
        vm.startPrank(alice);
        registry.allocate(id, 0, 0, 1, 1);
        uint256 free = registry.freeStake(alice);
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, free, free + 1));
        registry.requestUnstake(free + 1);
        vm.stopPrank();
        // The other market's 200 units are hers as well; the bond is what is missing.
        assertEq(free, 300 ether - 200 ether - LINK_BOND);
    }

    function test_AWrongClaimThatWasRescuedIsSlashedWhenItsOwnPremiseIsEstablished() public {
        Slot memory first = _link(bob, 1);
        Slot memory second = _link(alice, 2);
        _past(second);
        _proveLink(second, false, carol);
        (uint64 head,) = _head();
        assertEq(head, first.id, "it fell at once");
        assertEq(_stakeOf(alice), 300 ether);
        _proveLink(first, true, bob);
        _resolve(second, false, carol);
        assertEq(_stakeOf(alice), 300 ether - LINK_BOND, "anybody could have proven it wrong");
        assertEq(_established(), first.id, "and it establishes nothing");
    }

    function test_AHolderIsFreeAtOnceWhateverThePremise() public {
        _link(bob, 1);
        Slot memory second = _link(alice, 2);
        _proveLink(second, true, alice);
        assertEq(_bonded(alice), 0);
        assertEq(market.credits(alice), PRICE);
        assertTrue(_isPending(second, true, alice), "what builds on it still asks");
    }

    /// @dev Slots are resolved by anyone within the largest window, whatever the ring overwrote.
    function test_ThePremisesWordMayBeOverwrittenBeforeTheHeldSlashIsResolved() public {
        _createChain(CHAIN, 2);
        Slot memory first = _link(bob, 1);
        Slot memory second = _link(alice, 2);
        _past(second);
        _proveLink(second, true, carol);
        _proveLink(first, true, bob);
        // The third takes the first's place; the second's is kept.
        Slot memory third = _link(bob, 3);
        (uint64 head, uint256 from) = _head();
        vm.prank(requester);
        vm.expectRevert(IProofMarketEvents.RingFull.selector);
        market.openSlot(id, terms, head, _statementOf(from, 4), "");
        _resolve(second, true, carol);
        assertEq(_stakeOf(alice), 400 ether - LINK_BOND);
        _proveLink(third, true, bob);
        assertEq(_established(), third.id);
    }

    function test_ManyPendingSlotsAreEstablishedOneByOne() public {
        Slot[] memory slots = new Slot[](5);
        for (uint256 i; i < 5; ++i) {
            slots[i] = _link(bob, i + 1);
        }
        for (uint256 i = 4; i != 0; --i) {
            _proveLink(slots[i], true, bob);
        }
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.PremiseOpen.selector, slots[0].id));
        _resolve(slots[1], true, bob);
        _proveLink(slots[0], true, bob);
        for (uint256 i = 1; i < 5; ++i) {
            _resolve(slots[i], true, bob);
            assertEq(_established(), slots[i].id);
        }
    }
}
