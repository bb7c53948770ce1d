// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IMining } from "../../src/interfaces/IMining.sol";
import { HandOver, Slot } from "../../src/interfaces/IProofMarket.sol";
import { Mining } from "../../src/mechanisms/Mining.sol";
import { MiningFixture } from "./MiningFixture.sol";

/// @notice Miners, winners and creators that misbehave, and what each has before and after.
contract MiningAttacksTest is MiningFixture {
    function test_TicketCopiedByAnotherIsWorthless() public {
        _openSlot();
        Ticket memory ticket = _mine(alice, 0, false);
        uint256 before = mining.balanceOf(bob);
        vm.expectRevert(IMining.ProofInvalid.selector);
        _submit(bob, bob, ticket);
        // For alice only her own keys can submit it.
        vm.expectRevert(IMining.NotAuthorised.selector);
        _submit(bob, alice, ticket);
        assertEq(mining.balanceOf(bob), before);
        _submit(hot, alice, ticket);
        assertEq(mining.round(id).winner, alice);
    }

    /// @dev Another proof of the same evaluation is the same ticket: what misses the target misses it again.
    function test_RerandomisedTicketIsNoFurtherTry() public {
        _openSlot();
        Ticket memory miss = _mine(alice, 0, true);
        uint256 target = mining.round(id).target;
        for (uint256 randomness; randomness < 20; ++randomness) {
            miss.proof = puzzle.prove(mining.challengeOf(id, alice, miss.nonce), randomness);
            vm.expectRevert(abi.encodeWithSelector(IMining.TargetMissed.selector, miss.output, target));
            _submit(hot, alice, miss);
            Ticket memory lie = Ticket(miss.nonce, randomness, miss.proof);
            vm.expectRevert(IMining.ProofInvalid.selector);
            _submit(hot, alice, lie);
        }
        // Nor does a new proof of a good one take a second right.
        vm.warp(vm.getBlockTimestamp() + INTERVAL);
        Ticket memory hit = _mine(alice, 0, false);
        _submit(hot, alice, hit);
        hit.proof = puzzle.prove(mining.challengeOf(id, alice, hit.nonce), 1);
        vm.expectRevert(abi.encodeWithSelector(IMining.RightTaken.selector, alice));
        _submit(hot, alice, hit);
        // In the next round, whose target is the same, it is of another challenge.
        _openSlot();
        assertEq(mining.round(id).target, target);
        vm.expectRevert(IMining.ProofInvalid.selector);
        _submit(hot, alice, hit);
        _assertDeposit(hot, TICKET_BOND);
        assertEq(mining.round(id).winner, address(0));
    }

    /// @dev The seed names the contract, so one piece of work does not win two slots of twin markets.
    function test_TicketOfATwinIsWorthless() public {
        Mining twin = new Mining(registry, address(market), puzzle);
        _openSlot();
        vm.prank(address(market));
        twin.onOpen(id, 1, terms, "");
        assertNotEq(mining.round(id).seed, twin.round(id).seed);
        Ticket memory ticket = _mine(alice, 0, false);
        vm.prank(alice);
        vm.expectRevert(IMining.ProofInvalid.selector);
        twin.submitTicket(id, alice, ticket.nonce, ticket.output, ticket.proof);
    }

    /// @dev Winning to keep others from proving costs the right, the slot's bond and the ticket's.
    function test_WinnerWhoDoesNotProveLosesRightAndTicketBond() public {
        Slot memory slot = _openMined();
        uint256 staked = registry.proverOf(alice).stake;
        vm.warp(slot.exclusiveUntil);
        vm.expectEmit(address(mining));
        emit IMining.TicketForfeited(id, slot.id, hot, TICKET_BOND);
        _prove(slot, carol);
        _assertDeposit(hot, TICKET_BOND);
        assertEq(mining.burned(), TICKET_BOND);
        assertEq(registry.proverOf(alice).stake, staked - BOND);
        assertEq(market.credits(alice), 0);
        assertGt(market.credits(carol), 0);
        _assertNoTicket(slot.id);
    }

    function test_WinnerKeepsTheTicketBondWhenNobodyProves() public {
        Slot memory slot = _openMined();
        uint256 staked = registry.proverOf(alice).stake;
        vm.warp(slot.openedAt + EXPIRY);
        market.expire(slot, terms);
        _assertDeposit(hot, 0);
        assertEq(mining.burned(), 0);
        assertEq(registry.proverOf(alice).stake, staked);
    }

    function test_WinnerWhoProvesLateKeepsTheTicketBond() public {
        Slot memory slot = _openMined();
        vm.warp(slot.exclusiveUntil + 1);
        _prove(slot, alice);
        _assertDeposit(hot, 0);
    }

    function test_WinnerWhoIsNotAbleLosesRightAndTicketBond() public {
        _openSlot();
        _take(hot, alice);
        vm.prank(hot);
        registry.pause();
        vm.expectEmit(address(mining));
        emit IMining.TicketForfeited(id, 2, hot, TICKET_BOND);
        Slot memory slot = _openSlot();
        assertEq(slot.prover, address(0));
        _assertDeposit(hot, TICKET_BOND);
        assertEq(mining.burned(), TICKET_BOND);
        _prove(slot, stranger);
        assertEq(mining.burned(), TICKET_BOND);
    }

    function _handOver(Slot memory slot, address taker) private returns (Slot memory) {
        HandOver memory offer = HandOver(taker, 0, uint40(block.timestamp));
        vm.prank(alice);
        market.handOver(slot, terms, offer);
        vm.prank(taker);
        market.takeOver(slot, terms, offer, taker, "");
        slot.prover = taker;
        return slot;
    }

    function test_HandOverOfAMinedSlot() public {
        Slot memory slot = _handOver(_openMined(), bob);
        uint256 snapshot = vm.snapshotState();
        _prove(slot, bob);
        _assertDeposit(hot, 0);
        _assertDeposit(bob, 0);
        assertEq(market.credits(bob), PRICE);

        // Missed by the taker and rescued, even by the miner itself: the ticket bond stood for the slot.
        vm.revertToState(snapshot);
        vm.warp(slot.exclusiveUntil);
        _prove(slot, alice);
        _assertDeposit(hot, TICKET_BOND);
        assertEq(mining.burned(), TICKET_BOND);

        vm.revertToState(snapshot);
        vm.warp(slot.openedAt + EXPIRY);
        market.expire(slot, terms);
        _assertDeposit(hot, 0);
    }

    /// @dev A creator that lowers the price, or raises the bond, once there is a winner binds nobody to that.
    function test_TermsChangedAfterTheTicketBindNobody() public {
        _openSlot();
        _take(hot, alice);
        terms.price = 1 ether;
        _setTerms();
        Slot memory slot = _openSlot();
        assertEq(slot.prover, address(0));
        _assertDeposit(hot, 0);
        _assertNoTicket(slot.id);
    }

    /// @dev A requester that opens slots in a burst does not ease the target, so none of its friends gets a slot cheaply.
    function test_BurstOfSlotsDoesNotEaseTheTarget() public {
        _prove(_openSlot(), stranger);
        uint256 first = mining.round(id).target;
        for (uint256 i; i < 20; ++i) {
            Slot memory slot = _openSlot();
            _prove(slot, stranger);
        }
        assertEq(mining.round(id).target, first);
    }
}
