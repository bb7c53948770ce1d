// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { ISlotTransfers, TransferOffer } from "../../src/interfaces/ISlotTransfers.sol";
import { Slot } from "../../src/types/Slot.sol";
import { SlotTransferFixture } from "./SlotTransferFixture.sol";

/// @notice Who may offer, revoke and take: holders, takers, their hot keys, and nobody else.
contract SlotTransferRightsTest is SlotTransferFixture {
    // ------------------------------------------------------------------ the holder's side

    function test_RevertOfferTransfer_WhenNotHolder() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(address(0), 0);
        address[4] memory others = [bob, bobHot, stranger, requester];
        for (uint256 i; i < others.length; ++i) {
            _offerTransferFails(others[i], slot, offer, _error(ISlotTransfers.NotHolder.selector));
            _revokeFails(others[i], slot, offer, _error(ISlotTransfers.NotHolder.selector));
        }
    }

    function test_SubmitterOffersWhatCostsItsProverNothing() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(bob, 1 ether);
        _offerTransfer(aliceHot, slot, offer);
        slot = _take(slot, offer, bob, "");
        assertEq(market.credits(alice), CREDIT + 1 ether);

        slot = _open(alice);
        offer = _offerTo(bob, 0);
        _offerTransfer(aliceHot, slot, offer);
        _take(slot, offer, bob, "");
        assertEq(market.credits(alice), CREDIT + 1 ether);
    }

    function test_RevertOfferTransfer_WhenASubmitterOffersCredit() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(bob, -1);
        _offerTransferFails(aliceHot, slot, offer, _error(ISlotTransfers.NotHolder.selector));
        offer.price = type(int96).min;
        _offerTransferFails(aliceHot, slot, offer, _error(ISlotTransfers.NotHolder.selector));
        _offerTransfer(alice, slot, offer);
    }

    function test_RevertOfferTransfer_WhenTheSubmitterWasDisallowed() public {
        Slot memory slot = _open(alice);
        vm.prank(alice);
        registry.setSubmitter(aliceHot, false);
        TransferOffer memory offer = _offerTo(bob, 0);
        _offerTransferFails(aliceHot, slot, offer, _error(ISlotTransfers.NotHolder.selector));
        _revokeFails(aliceHot, slot, offer, _error(ISlotTransfers.NotHolder.selector));
    }

    // ------------------------------------------------------------------ the taker's side

    function test_AnyoneWithStakeTakesAnOfferToAnyone() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(address(0), 0);
        _offerTransfer(alice, slot, offer);
        uint256 snapshot = vm.snapshotState();
        _take(slot, offer, bob, "");
        vm.revertToState(snapshot);
        _take(slot, offer, carol, "");
    }

    function test_RevertAcceptTransfer_WhenTheOfferIsForAnother() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(bob, 0);
        bytes memory signature = _sign(aliceKey, slot, offer);
        _offerTransfer(alice, slot, offer);
        bytes memory error = _error(ISlotTransfers.NotTaker.selector);
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
            TransferOffer memory offer = _offerTo(bob, prices[i]);
            _offerTransfer(alice, slot, offer);
            _takeBy(bobHot, slot, offer, bob, "");
        }
        assertEq(market.credits(bob), CREDIT + 1 ether);
        assertEq(registry.bondedOf(id, bob), 2 * BOND);
        assertEq(registry.bondedOf(id, bobHot), 0);
    }

    function test_RevertAcceptTransfer_WhenASubmitterWouldPay() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(bob, 1);
        _offerTransfer(alice, slot, offer);
        _takeByFails(bobHot, slot, offer, bob, "", _error(ISlotTransfers.NotTaker.selector));
        _take(slot, offer, bob, "");
    }

    /// @dev Half of the exclusive window must be left; the prover itself may take it to the last second.
    function test_RevertAcceptTransfer_WhenASubmitterLeavesItsProverLittleTime() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(bob, 0);
        _offerTransfer(alice, slot, offer);
        uint256 snapshot = vm.snapshotState();
        vm.warp(slot.exclusiveUntil - EXCLUSIVE / 2);
        _takeBy(bobHot, slot, offer, bob, "");
        vm.revertToState(snapshot);
        vm.warp(slot.exclusiveUntil - EXCLUSIVE / 2 + 1);
        _takeByFails(bobHot, slot, offer, bob, "", _error(ISlotTransfers.NotTaker.selector));
        vm.warp(slot.exclusiveUntil - 1);
        _take(slot, offer, bob, "");
    }

    function test_RevertAcceptTransfer_WhenTheTakerHasNoStakeForIt() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(address(0), 0);
        _offerTransfer(alice, slot, offer);
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

    function test_RevertAcceptTransfer_WhenTheTakersStakeIsInAnotherMarket() public {
        vm.prank(bob);
        _allocate(id, 0);
        vm.prank(bob);
        _allocate(id + 1, 100);
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(bob, 0);
        _offerTransfer(alice, slot, offer);
        _takeFails(slot, offer, bob, abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, 0, BOND));
    }

    /// @dev Whoever takes a slot answers for it under the terms that it was opened under, and must have accepted those.
    function test_RevertAcceptTransfer_WhenTheTakerAcceptedOtherTerms() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(bob, 0);
        _offerTransfer(alice, slot, offer);
        vm.prank(bob);
        registry.allocate(id, 100, 100, 2, 3);
        _takeFails(slot, offer, bob, abi.encodeWithSelector(IProverRegistry.TermsNotAccepted.selector, 1, 2, 3));
        assertEq(registry.bondedOf(id, alice), BOND);
        vm.prank(bob);
        registry.allocate(id, 100, 100, 1, 1);
        _take(slot, offer, bob, "");
    }

    /// @dev Nor can it be made to answer for more at once than it exposed.
    function test_RevertAcceptTransfer_WhenTheTakersExposureIsUsedUp() public {
        vm.prank(bob);
        registry.allocate(id, 100, 30, 1, 1);
        _pass(_open(alice), alice, bob);
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(bob, 0);
        _offerTransfer(alice, slot, offer);
        _takeFails(slot, offer, bob, abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, 10 ether, BOND));
    }

    /// @dev Pointless, and harmless: it takes stake for two bonds, and leaves everything as it was.
    function test_TheHolderTakesItsOwnOffer() public {
        Slot memory slot = _open(alice);
        int96[3] memory prices = [int96(0), 5 ether, -5 ether];
        for (uint256 i; i < prices.length; ++i) {
            TransferOffer memory offer = _offerTo(address(0), prices[i]);
            _offerTransfer(alice, slot, offer);
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
        TransferOffer memory last = _offerTo(carol, 0);
        _offerTransfer(carol, slot, last);
        _takeFails(
            slot, last, carol, abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, 10 ether, BOND)
        );
    }

    // ------------------------------------------------------------------ the market's side

    /// @dev Nobody but the contract with the offers moves a slot: neither its holder, nor its requester, nor its mechanism.
    function test_RevertReassign_WhenNotTheSlotTransfers() public {
        Slot memory slot = _open(alice);
        address[6] memory others = [alice, bob, requester, creator, address(mechanism), address(registry)];
        for (uint256 i; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(IProofMarketEvents.NotSlotTransfers.selector);
            market.reassign(slot, terms, bob, 0);
        }
        assertTrue(market.isOpen(slot, terms));
    }

    /// @dev The market itself holds to it too, whatever the contract with the offers asks.
    function test_RevertReassign_WhenTheSlotIsNotHeld() public {
        Slot memory slot = _open(alice);
        Slot memory unheld = _open(address(0), PRICE, _now() + 100);
        vm.startPrank(address(slotTransfers));
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
        TransferOffer memory offer = _offerTo(bob, 0);
        bytes32 digest = _offerTransfer(alice, slot, offer);
        vm.expectEmit(address(slotTransfers));
        emit ISlotTransfers.TransferRevoked(alice, digest);
        _revoke(alice, slot, offer);
        _takeFails(slot, offer, bob, _error(ISlotTransfers.TransferNotOffered.selector));
        // Another offer of the same slot is another offer; and this one may be made again.
        TransferOffer memory other = _offerTo(bob, 1);
        _offerTransfer(alice, slot, other);
        _takeFails(slot, offer, bob, _error(ISlotTransfers.TransferNotOffered.selector));
        _offerTransfer(alice, slot, offer);
        _take(slot, offer, bob, "");
    }

    function test_RevokeASignedOffer() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(bob, 0);
        bytes memory signature = _sign(aliceKey, slot, offer);
        vm.expectEmit(address(slotTransfers));
        emit ISlotTransfers.TransferRevoked(alice, _digest(slot, offer));
        _revoke(alice, slot, offer);
        _takeByFails(bob, slot, offer, bob, signature, _error(ISlotTransfers.TransferNotOffered.selector));
    }

    function test_SubmitterRevokes() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(bob, -1 ether);
        bytes memory signature = _sign(aliceKey, slot, offer);
        _offerTransfer(alice, slot, offer);
        _revoke(aliceHot, slot, offer);
        _takeFails(slot, offer, bob, _error(ISlotTransfers.TransferNotOffered.selector));
        _takeByFails(bob, slot, offer, bob, signature, _error(ISlotTransfers.TransferNotOffered.selector));
    }

    // ------------------------------------------------------------------ an offer is for once

    function test_RevertAcceptTransfer_WhenTheSlotChangedHands() public {
        Slot memory slot = _open(alice);
        TransferOffer memory toBob = _offerTo(bob, 0);
        TransferOffer memory toCarol = _offerTo(carol, 0);
        bytes memory signature = _sign(aliceKey, slot, toCarol);
        _offerTransfer(alice, slot, toBob);
        Slot memory held = _take(slot, toBob, bob, "");
        bytes memory notHeld = _error(ISlotTransfers.SlotNotHeld.selector);
        _takeByFails(carol, slot, toCarol, carol, signature, notHeld);
        _takeFails(slot, toBob, bob, notHeld);
        bytes memory notOffered = _error(ISlotTransfers.TransferNotOffered.selector);
        _takeByFails(carol, held, toCarol, carol, signature, notOffered);
        _takeByFails(carol, held, _offerTo(address(0), 0), carol, "", notOffered);
        _offerTransferFails(alice, held, toCarol, _error(ISlotTransfers.NotHolder.selector));
    }

    /// @dev When the slot is back in the same hands its word is what it was; an offer that was taken must still be used up.
    function test_RevertAcceptTransfer_WhenTheOfferWasTakenBefore() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(bob, -5 ether);
        bytes memory signature = _sign(aliceKey, slot, offer);
        uint256 snapshot = vm.snapshotState();
        for (uint256 signed; signed < 2; ++signed) {
            if (signed == 0) {
                _offerTransfer(alice, slot, offer);
                signature = "";
            }
            _pass(_take(slot, offer, bob, signature), bob, alice);
            _takeByFails(bob, slot, offer, bob, signature, _error(ISlotTransfers.TransferNotOffered.selector));
            vm.revertToState(snapshot);
            signature = _sign(aliceKey, slot, offer);
        }
    }
}
