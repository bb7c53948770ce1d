// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { HandOver, IHandOvers } from "../../src/interfaces/IHandOvers.sol";
import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { Slot } from "../../src/types/Slot.sol";
import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { HandOverFixture } from "./HandOverFixture.sol";

/// @notice Who may offer, revoke and take: holders, takers, their hot keys, and nobody else.
contract HandOverRightsTest is HandOverFixture {
    // ------------------------------------------------------------------ the holder's side

    function test_RevertHandOver_WhenNotHolder() public {
        Slot memory slot = _open(alice);
        HandOver memory offer = _offerTo(address(0), 0);
        address[4] memory others = [bob, bobHot, stranger, requester];
        for (uint256 i; i < others.length; ++i) {
            _handOverFails(others[i], slot, offer, _error(IHandOvers.NotHolder.selector));
            _revokeFails(others[i], slot, offer, _error(IHandOvers.NotHolder.selector));
        }
    }

    function test_SubmitterOffersWhatCostsItsProverNothing() public {
        Slot memory slot = _open(alice);
        HandOver memory offer = _offerTo(bob, 1 ether);
        _handOver(aliceHot, slot, offer);
        slot = _take(slot, offer, bob, "");
        assertEq(market.credits(alice), CREDIT + 1 ether);

        slot = _open(alice);
        offer = _offerTo(bob, 0);
        _handOver(aliceHot, slot, offer);
        _take(slot, offer, bob, "");
        assertEq(market.credits(alice), CREDIT + 1 ether);
    }

    function test_RevertHandOver_WhenASubmitterOffersCredit() public {
        Slot memory slot = _open(alice);
        HandOver memory offer = _offerTo(bob, -1);
        _handOverFails(aliceHot, slot, offer, _error(IHandOvers.NotHolder.selector));
        offer.price = type(int96).min;
        _handOverFails(aliceHot, slot, offer, _error(IHandOvers.NotHolder.selector));
        _handOver(alice, slot, offer);
    }

    function test_RevertHandOver_WhenTheSubmitterWasDisallowed() public {
        Slot memory slot = _open(alice);
        vm.prank(alice);
        registry.setSubmitter(aliceHot, false);
        HandOver memory offer = _offerTo(bob, 0);
        _handOverFails(aliceHot, slot, offer, _error(IHandOvers.NotHolder.selector));
        _revokeFails(aliceHot, slot, offer, _error(IHandOvers.NotHolder.selector));
    }

    // ------------------------------------------------------------------ the taker's side

    function test_AnyoneWithStakeTakesAnOfferToAnyone() public {
        Slot memory slot = _open(alice);
        HandOver memory offer = _offerTo(address(0), 0);
        _handOver(alice, slot, offer);
        uint256 snapshot = vm.snapshotState();
        _take(slot, offer, bob, "");
        vm.revertToState(snapshot);
        _take(slot, offer, carol, "");
    }

    function test_RevertTakeOver_WhenTheOfferIsForAnother() public {
        Slot memory slot = _open(alice);
        HandOver memory offer = _offerTo(bob, 0);
        bytes memory signature = _sign(aliceKey, slot, offer);
        _handOver(alice, slot, offer);
        bytes memory error = _error(IHandOvers.NotTaker.selector);
        _takeFails(slot, offer, carol, error);
        _takeByFails(carol, slot, offer, carol, signature, error);
        // Nor for the one it is for, by somebody who may not act for it.
        address[4] memory others = [carol, alice, aliceHot, stranger];
        for (uint256 i; i < others.length; ++i) {
            _takeByFails(others[i], slot, offer, bob, "", error);
        }
        _take(slot, offer, bob, "");
    }

    function test_SubmitterTakesWhatCostsItsProverNothing() public {
        int96[2] memory prices = [int96(0), -1 ether];
        for (uint256 i; i < prices.length; ++i) {
            Slot memory slot = _open(alice);
            HandOver memory offer = _offerTo(bob, prices[i]);
            _handOver(alice, slot, offer);
            _takeBy(bobHot, slot, offer, bob, "");
        }
        assertEq(market.credits(bob), CREDIT + 1 ether);
        assertEq(registry.bondedOf(id, bob), 2 * BOND);
        assertEq(registry.bondedOf(id, bobHot), 0);
    }

    function test_RevertTakeOver_WhenASubmitterWouldPay() public {
        Slot memory slot = _open(alice);
        HandOver memory offer = _offerTo(bob, 1);
        _handOver(alice, slot, offer);
        _takeByFails(bobHot, slot, offer, bob, "", _error(IHandOvers.NotTaker.selector));
        _take(slot, offer, bob, "");
    }

    /// @dev Half of the exclusive window must be left; the prover itself may take it to the last second.
    function test_RevertTakeOver_WhenASubmitterLeavesItsProverLittleTime() public {
        Slot memory slot = _open(alice);
        HandOver memory offer = _offerTo(bob, 0);
        _handOver(alice, slot, offer);
        uint256 snapshot = vm.snapshotState();
        vm.warp(slot.exclusiveUntil - EXCLUSIVE / 2);
        _takeBy(bobHot, slot, offer, bob, "");
        vm.revertToState(snapshot);
        vm.warp(slot.exclusiveUntil - EXCLUSIVE / 2 + 1);
        _takeByFails(bobHot, slot, offer, bob, "", _error(IHandOvers.NotTaker.selector));
        vm.warp(slot.exclusiveUntil - 1);
        _take(slot, offer, bob, "");
    }

    function test_RevertTakeOver_WhenTheTakerHasNoStakeForIt() public {
        Slot memory slot = _open(alice);
        HandOver memory offer = _offerTo(address(0), 0);
        _handOver(alice, slot, offer);
        _takeFails(slot, offer, stranger, abi.encodeWithSelector(IProverRegistry.TermsNotAccepted.selector, 1, 0, 0));
        // Carol's fifty units back two slots, and not a third.
        _open(carol);
        _open(carol);
        _takeFails(
            slot, offer, carol, abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, 10 ether, BOND)
        );
        assertTrue(market.isOpen(slot, terms));
        assertEq(registry.bondedOf(id, alice), BOND);
    }

    function test_RevertTakeOver_WhenTheTakersStakeIsInAnotherMarket() public {
        vm.prank(bob);
        _allocate(id, 0);
        vm.prank(bob);
        _allocate(id + 1, 100);
        Slot memory slot = _open(alice);
        HandOver memory offer = _offerTo(bob, 0);
        _handOver(alice, slot, offer);
        _takeFails(slot, offer, bob, abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, 0, BOND));
    }

    /// @dev Whoever takes a slot answers for it under the terms that it was opened under, and must have accepted those.
    function test_RevertTakeOver_WhenTheTakerAcceptedOtherTerms() public {
        Slot memory slot = _open(alice);
        HandOver memory offer = _offerTo(bob, 0);
        _handOver(alice, slot, offer);
        vm.prank(bob);
        registry.allocate(id, 100, 100, 2, 3);
        _takeFails(slot, offer, bob, abi.encodeWithSelector(IProverRegistry.TermsNotAccepted.selector, 1, 2, 3));
        assertEq(registry.bondedOf(id, alice), BOND);
        vm.prank(bob);
        registry.allocate(id, 100, 100, 1, 1);
        _take(slot, offer, bob, "");
    }

    /// @dev Nor can it be made to answer for more at once than it exposed.
    function test_RevertTakeOver_WhenTheTakersExposureIsUsedUp() public {
        vm.prank(bob);
        registry.allocate(id, 100, 30, 1, 1);
        _pass(_open(alice), alice, bob);
        Slot memory slot = _open(alice);
        HandOver memory offer = _offerTo(bob, 0);
        _handOver(alice, slot, offer);
        _takeFails(slot, offer, bob, abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, 10 ether, BOND));
    }

    /// @dev Pointless, and harmless: it takes stake for two bonds, and leaves everything as it was.
    function test_TheHolderTakesItsOwnOffer() public {
        Slot memory slot = _open(alice);
        int96[3] memory prices = [int96(0), 5 ether, -5 ether];
        for (uint256 i; i < prices.length; ++i) {
            HandOver memory offer = _offerTo(address(0), prices[i]);
            _handOver(alice, slot, offer);
            _take(slot, offer, alice, "");
            assertEq(market.credits(alice), CREDIT);
            assertEq(registry.bondedOf(id, alice), BOND);
            assertEq(registry.proverOf(alice).stake, 200 ether);
        }
        _prove(slot, alice);
        assertEq(registry.bondedOf(id, alice), 0);

        for (uint256 i; i < 2; ++i) {
            slot = _open(carol);
        }
        HandOver memory last = _offerTo(carol, 0);
        _handOver(carol, slot, last);
        _takeFails(
            slot, last, carol, abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, 10 ether, BOND)
        );
    }

    // ------------------------------------------------------------------ the market's side

    /// @dev Nobody but the contract with the offers moves a slot: neither its holder, nor its requester, nor its mechanism.
    function test_RevertReassign_WhenNotTheHandOvers() public {
        Slot memory slot = _open(alice);
        address[6] memory others = [alice, bob, requester, creator, address(mechanism), address(registry)];
        for (uint256 i; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(IProofMarketEvents.NotHandOvers.selector);
            market.reassign(slot, terms, bob, 0);
        }
        assertTrue(market.isOpen(slot, terms));
    }

    /// @dev The market itself holds to it too, whatever the contract with the offers asks.
    function test_RevertReassign_WhenTheSlotIsNotHeld() public {
        Slot memory slot = _open(alice);
        Slot memory unheld = _open(address(0), PRICE, _now() + 100);
        vm.startPrank(address(handOvers));
        vm.expectRevert(IProofMarketEvents.SlotNotHeld.selector);
        market.reassign(unheld, terms, bob, 0);
        vm.warp(slot.exclusiveUntil);
        vm.expectRevert(IProofMarketEvents.SlotNotHeld.selector);
        market.reassign(slot, terms, bob, 0);
        slot.exclusiveUntil += 1;
        vm.expectRevert(_notOpen());
        market.reassign(slot, terms, bob, 0);
    }

    // ------------------------------------------------------------------ revocation

    function test_RevokeAnOfferMadeOnChain() public {
        Slot memory slot = _open(alice);
        HandOver memory offer = _offerTo(bob, 0);
        bytes32 digest = _handOver(alice, slot, offer);
        vm.expectEmit(address(handOvers));
        emit IHandOvers.HandOverRevoked(alice, digest);
        _revoke(alice, slot, offer);
        _takeFails(slot, offer, bob, _error(IHandOvers.HandOverNotOffered.selector));
        // Another offer of the same slot is another offer; and this one may be made again.
        HandOver memory other = _offerTo(bob, 1);
        _handOver(alice, slot, other);
        _takeFails(slot, offer, bob, _error(IHandOvers.HandOverNotOffered.selector));
        _handOver(alice, slot, offer);
        _take(slot, offer, bob, "");
    }

    function test_RevokeASignedOffer() public {
        Slot memory slot = _open(alice);
        HandOver memory offer = _offerTo(bob, 0);
        bytes memory signature = _sign(aliceKey, slot, offer);
        vm.expectEmit(address(handOvers));
        emit IHandOvers.HandOverRevoked(alice, _digest(slot, offer));
        _revoke(alice, slot, offer);
        _takeByFails(bob, slot, offer, bob, signature, _error(IHandOvers.HandOverNotOffered.selector));
    }

    function test_SubmitterRevokes() public {
        Slot memory slot = _open(alice);
        HandOver memory offer = _offerTo(bob, -1 ether);
        bytes memory signature = _sign(aliceKey, slot, offer);
        _handOver(alice, slot, offer);
        _revoke(aliceHot, slot, offer);
        _takeFails(slot, offer, bob, _error(IHandOvers.HandOverNotOffered.selector));
        _takeByFails(bob, slot, offer, bob, signature, _error(IHandOvers.HandOverNotOffered.selector));
    }

    // ------------------------------------------------------------------ an offer is for once

    function test_RevertTakeOver_WhenTheSlotChangedHands() public {
        Slot memory slot = _open(alice);
        HandOver memory toBob = _offerTo(bob, 0);
        HandOver memory toCarol = _offerTo(carol, 0);
        bytes memory signature = _sign(aliceKey, slot, toCarol);
        _handOver(alice, slot, toBob);
        Slot memory held = _take(slot, toBob, bob, "");
        bytes memory notHeld = _error(IHandOvers.SlotNotHeld.selector);
        _takeByFails(carol, slot, toCarol, carol, signature, notHeld);
        _takeFails(slot, toBob, bob, notHeld);
        bytes memory notOffered = _error(IHandOvers.HandOverNotOffered.selector);
        _takeByFails(carol, held, toCarol, carol, signature, notOffered);
        _takeByFails(carol, held, _offerTo(address(0), 0), carol, "", notOffered);
        _handOverFails(alice, held, toCarol, _error(IHandOvers.NotHolder.selector));
    }

    /// @dev When the slot is back in the same hands its word is what it was; an offer that was taken must still be used up.
    function test_RevertTakeOver_WhenTheOfferWasTakenBefore() public {
        Slot memory slot = _open(alice);
        HandOver memory offer = _offerTo(bob, -5 ether);
        bytes memory signature = _sign(aliceKey, slot, offer);
        uint256 snapshot = vm.snapshotState();
        for (uint256 signed; signed < 2; ++signed) {
            if (signed == 0) {
                _handOver(alice, slot, offer);
                signature = "";
            }
            _pass(_take(slot, offer, bob, signature), bob, alice);
            _takeByFails(bob, slot, offer, bob, signature, _error(IHandOvers.HandOverNotOffered.selector));
            vm.revertToState(snapshot);
            signature = _sign(aliceKey, slot, offer);
        }
    }
}
