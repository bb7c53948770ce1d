// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { ISlotTransfers, TransferOffer } from "../../src/interfaces/ISlotTransfers.sol";
import { Slot } from "../../src/types/Slot.sol";
import { SlotTransferFixture } from "../market/SlotTransferFixture.sol";

/// @notice What a slot transfer cannot be used for. Mallory has two addresses with stake: alice and carol.
contract SlotTransferAttacksTest is SlotTransferFixture {
    function _coalition() private view returns (uint256) {
        return _worth(alice) + _worth(carol);
    }

    /// @dev A second address of the holder takes over, in the last second, and misses. Whoever of the others rescues, the
    /// coalition loses the bond; rescuing itself, it still loses what the split does not give back.
    function test_OfferTransferToOneselfToEscapeASlash() public {
        Slot memory slot = _open(alice);
        uint256 before = _coalition();
        vm.warp(slot.exclusiveUntil - 1);
        Slot memory passed = _pass(slot, alice, carol);
        assertEq(_coalition(), before);
        vm.warp(slot.exclusiveUntil);
        _prove(passed, bob);
        assertEq(_coalition(), before - BOND);
        assertEq(registry.positionOf(id, carol).misses, 1);
    }

    function test_OfferTransferToOneselfAndRescueIt() public {
        Slot memory slot = _open(alice);
        uint256 before = _coalition();
        uint256 honest = before + PRICE;
        slot = _pass(slot, alice, carol);
        vm.warp(slot.exclusiveUntil);
        _prove(slot, alice);
        // The floor and half the bond come back; the requester's share and the burn do not.
        assertEq(_coalition(), before + 6 ether - 10 ether);
        assertLt(_coalition(), honest);
    }

    /// @dev An address that a coalition can afford to lose has nothing to lose, so it cannot take the slot either.
    function test_OfferTransferToAnEmptyAddress() public {
        Slot memory slot = _open(alice);
        address empty = makeAddr("empty");
        vm.startPrank(empty);
        registry.register("");
        _allocate(id, 0);
        vm.stopPrank();
        TransferOffer memory offer = _offerTo(empty, 0);
        _offerTransfer(alice, slot, offer);
        _takeFails(slot, offer, empty, abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, 0, BOND));
        vm.warp(slot.exclusiveUntil);
        uint256 before = _worth(alice);
        _prove(slot, bob);
        assertEq(_worth(alice), before - BOND);
    }

    /// @dev Misses in a row suspend whoever missed, through however many hands the slots went before.
    function test_OfferTransferDoesNotLaunderMisses() public {
        for (uint256 i; i < 2; ++i) {
            Slot memory slot = _pass(_open(alice), alice, carol);
            vm.warp(slot.exclusiveUntil);
            _prove(slot, bob);
        }
        assertEq(registry.positionOf(id, carol).misses, 2);
        // Passing one on is no proof of one.
        token.mint(carol, BOND);
        vm.startPrank(carol);
        token.approve(address(registry), BOND);
        registry.stake(BOND);
        _allocate(id, 30);
        vm.stopPrank();
        _pass(_open(carol), carol, alice);
        assertEq(registry.positionOf(id, carol).misses, 2);
        Slot memory last = _pass(_open(alice), alice, carol);
        vm.warp(last.exclusiveUntil);
        _prove(last, bob);
        assertTrue(registry.positionOf(id, carol).suspended);
    }

    /// @dev Everything a stolen hot key of alice can try with her credit, as holder and as taker.
    function test_StolenSubmitterCannotSpendCredit() public {
        Slot memory hers = _open(alice);
        Slot memory his = _open(bob);
        uint256 before = market.credits(alice);

        TransferOffer memory away = _offerTo(bob, -1);
        _offerTransferFails(aliceHot, hers, away, _error(ISlotTransfers.NotHolder.selector));
        (, uint256 stolen) = makeAddrAndKey("alice's hot key");
        bytes memory notOffered = _error(ISlotTransfers.TransferNotOffered.selector);
        _takeByFails(bob, hers, away, bob, _sign(stolen, hers, away), notOffered);

        TransferOffer memory dear = _offerTo(alice, int96(int256(CREDIT)));
        _offerTransfer(bob, his, dear);
        _takeByFails(aliceHot, his, dear, alice, "", _error(ISlotTransfers.NotTaker.selector));
        // Nor as a taker of its own account: its credit is not alice's.
        dear.to = address(0);
        _offerTransfer(bob, his, dear);
        bytes memory broke = abi.encodeWithSelector(IProofMarketEvents.InsufficientCredit.selector, 0, CREDIT);
        _takeByFails(aliceHot, his, dear, aliceHot, "", broke);

        // What it can do: give the slot away for nothing, which frees the bond.
        TransferOffer memory gift = _offerTo(bob, 0);
        _offerTransfer(aliceHot, hers, gift);
        _take(hers, gift, bob, "");
        assertEq(market.credits(alice), before);
        assertEq(registry.proverOf(alice).stake, 200 ether);
        assertEq(registry.bondedOf(id, alice), 0);
    }

    /// @dev Alice pays bob, once, to take a slot. A stolen hot key of hers may take the slot back for nothing: the offer must
    /// not come to life again.
    function test_StolenSubmitterCannotHaveAnOfferTakenTwice() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(bob, -10 ether);
        _offerTransfer(alice, slot, offer);
        for (uint256 i; i < 3; ++i) {
            vm.prank(bob);
            (bool taken,) =
                address(slotTransfers).call(abi.encodeCall(slotTransfers.acceptTransfer, (slot, terms, offer, bob, "")));
            if (!taken) break;
            Slot memory held = _heldBy(slot, bob);
            TransferOffer memory back = _offerTo(alice, 0);
            _offerTransfer(bob, held, back);
            _takeBy(aliceHot, held, back, alice, "");
        }
        assertEq(market.credits(alice), CREDIT - 10 ether);
        assertEq(market.credits(bob), CREDIT + 10 ether);
    }

    /// @dev The same with a signature: one that pays the taker is used up as well.
    function test_SignedPaymentCannotBeTakenTwice() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(bob, -10 ether);
        bytes memory signature = _sign(aliceKey, slot, offer);
        _takeBy(bob, slot, offer, bob, signature);
        Slot memory held = _heldBy(slot, bob);
        TransferOffer memory back = _offerTo(alice, 0);
        _offerTransfer(bob, held, back);
        _takeBy(aliceHot, held, back, alice, "");
        _takeByFails(bob, slot, offer, bob, signature, _error(ISlotTransfers.TransferNotOffered.selector));
        assertEq(market.credits(alice), CREDIT - 10 ether);
        assertEq(market.credits(bob), CREDIT + 10 ether);
    }

    /// @dev Carol has a slot and bob's hot key: she would have him take it in its last second, and rescue it herself.
    function test_StolenSubmitterCannotTakeASlotToMissIt() public {
        Slot memory slot = _open(carol);
        TransferOffer memory trap = _offerTo(bob, 0);
        _offerTransfer(carol, slot, trap);
        uint256 before = registry.proverOf(bob).stake;
        vm.warp(slot.exclusiveUntil - 1);
        _takeByFails(bobHot, slot, trap, bob, "", _error(ISlotTransfers.NotTaker.selector));
        vm.warp(slot.exclusiveUntil);
        _prove(slot, bob);
        assertEq(registry.proverOf(bob).stake, before);
        assertEq(registry.proverOf(carol).stake, 50 ether - BOND, "the bond lost is her own");
    }

    /// @dev An offer seen in the mempool does not help whoever comes first unless it is for them: and to anyone is to anyone.
    function test_FrontRunningAnOfferToAnyoneStillPaysTheHolder() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(address(0), 4 ether);
        _offerTransfer(alice, slot, offer);
        _take(slot, offer, carol, "");
        _takeFails(slot, offer, bob, _error(ISlotTransfers.SlotNotHeld.selector));
        assertEq(market.credits(alice), CREDIT + 4 ether);
        assertEq(market.credits(bob), CREDIT);
    }
}
