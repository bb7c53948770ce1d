// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ISealedBidAuction } from "../../src/interfaces/ISealedBidAuction.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { AuctionFixture } from "../mechanisms/AuctionFixture.sol";

/// @notice Bidders and requesters that misbehave, and what each has before and after.
contract SealedBidAuctionAttacksTest is AuctionFixture {
    /// @dev A requester that bids in its own auction lowers the price at most to the winner's own bid; leading with a shill
    /// that will not prove costs the bond.
    function test_ShillBidNeverPaysTheWinnerLessThanItBid() public {
        Slot memory slot = _openAuction();
        _bidAll(slot, _bids(5 ether, 9 ether));
        // Too late to adapt the shill to what was revealed.
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(ISealedBidAuction.CommitOver.selector, slot.openedAt + COMMIT));
        auction.commit(id, slot.id, "late", "");
        Slot memory won = _settled(slot, alice, 9 ether);
        _prove(won, alice);
        assertGe(market.credits(alice), 5 ether);

        slot = _openAuction();
        _commit(slot, alice, 5 ether);
        _commit(slot, stranger, 4 ether);
        vm.warp(slot.openedAt + COMMIT);
        _reveal(slot, alice, 5 ether);
        _reveal(slot, stranger, 4 ether);
        uint256 before = auction.balanceOf(stranger);
        auction.settle(slot, terms, address(0)); // the shill is nobody's key
        vm.warp(slot.exclusiveUntil);
        _prove(slot, alice);
        assertEq(auction.balanceOf(stranger), before);
        _assertDeposit(stranger, BID_BOND);
        _assertDeposit(alice, 0);
        assertEq(market.credits(alice), 9 ether + PRICE);
    }

    /// @dev What others bid is known only when it is too late to bid; the last block of each window counts.
    function test_LastSecondSnipeIsImpossible() public {
        Slot memory slot = _openAuction();
        _commit(slot, alice, 5 ether);
        vm.warp(slot.openedAt + COMMIT - 1);
        _commit(slot, bob, 6 ether);
        vm.prank(alice);
        vm.expectRevert(
            abi.encodeWithSelector(
                ISealedBidAuction.NotRevealTime.selector, slot.openedAt + COMMIT, slot.openedAt + COMMIT + REVEAL
            )
        );
        auction.reveal(id, slot.id, 5 ether, SALT);

        vm.warp(slot.openedAt + COMMIT);
        _reveal(slot, alice, 5 ether);
        uint256 before = auction.balanceOf(carol);
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(ISealedBidAuction.CommitOver.selector, slot.openedAt + COMMIT));
        auction.commit(id, slot.id, "snipe", "");
        // Nor can the seal be opened to another price, nor another's seal be used.
        vm.prank(bob);
        vm.expectRevert(ISealedBidAuction.CommitmentMismatch.selector);
        auction.reveal(id, slot.id, 4 ether, SALT);
        vm.prank(carol);
        vm.expectRevert(ISealedBidAuction.CommitmentMismatch.selector);
        auction.reveal(id, slot.id, 6 ether, SALT);
        vm.warp(slot.openedAt + COMMIT + REVEAL);
        vm.prank(bob);
        vm.expectRevert(
            abi.encodeWithSelector(
                ISealedBidAuction.NotRevealTime.selector, slot.openedAt + COMMIT, slot.openedAt + COMMIT + REVEAL
            )
        );
        auction.reveal(id, slot.id, 6 ether, SALT);
        assertEq(auction.balanceOf(carol), before);
        _settled(slot, alice, PRICE);
        _assertDeposit(bob, BID_BOND);
    }

    /// @dev Copying somebody's commitment gives a seal that its copier cannot open.
    function test_CopiedCommitmentLosesTheBond() public {
        Slot memory slot = _openAuction();
        _commit(slot, alice, 5 ether);
        bytes32 copied = auction.bidOf(id, slot.id, alice);
        vm.prank(bob);
        auction.commit(id, slot.id, copied, "");
        vm.warp(slot.openedAt + COMMIT);
        _reveal(slot, alice, 5 ether);
        vm.prank(bob);
        vm.expectRevert(ISealedBidAuction.CommitmentMismatch.selector);
        auction.reveal(id, slot.id, 5 ether, SALT);
        vm.warp(slot.openedAt + COMMIT + REVEAL);
        _settled(slot, alice, PRICE);
        _assertDeposit(bob, BID_BOND);
    }

    /// @dev Two that agree to bid nothing win, and prove for nothing, under a bond.
    function test_CollusiveZeroBidsProveForNothing() public {
        Slot memory slot = _openAuction();
        uint256 funds = _funds();
        _bidAll(slot, _bids(0, 0, 5 ether));
        bool first = auction.bidOf(id, slot.id, alice) != 0;
        address winner = first ? alice : bob;
        Slot memory won = _settled(slot, winner, 0);
        assertEq(_funds(), funds + PRICE);
        uint256 staked = registry.proverOf(winner).stake;
        uint256 snapshot = vm.snapshotState();
        _prove(won, winner);
        assertEq(market.credits(winner), 0);
        assertEq(registry.proverOf(winner).stake, staked);
        vm.revertToState(snapshot);
        // Not proving costs the stake's bond as ever.
        vm.warp(won.exclusiveUntil);
        _prove(won, carol);
        assertEq(registry.proverOf(winner).stake, staked - BOND);
        assertEq(market.credits(winner), 0);
    }

    /// @dev A zero bid that is dropped because the second price is low loses the bond.
    function test_CollusiveZeroBidThatIsDroppedLosesTheBond() public {
        Slot memory slot = _openAuction();
        _bidAll(slot, _bids(0, 1 ether));
        vm.prank(alice);
        registry.pause();
        auction.settle(slot, terms, alice);
        _assertDeposit(alice, BID_BOND);
        _assertDeposit(bob, 0);
        assertEq(auction.burned(), BID_BOND);
    }

    function testFuzz_UnrevealedBidLosesExactlyTheBond(uint80 bond, uint8 reveals, bool settles) public {
        bond = uint80(bound(bond, 1, DEPOSIT));
        terms.mechanismParams = _params(COMMIT, REVEAL, SETTLE, bond);
        _setTerms();
        Slot memory slot = _openAuction();
        for (uint256 i; i < 5; ++i) {
            _commit(slot, bidders[i], uint96(i + 1) * 1 ether);
        }
        vm.warp(slot.openedAt + COMMIT);
        address leader;
        uint256 hidden;
        for (uint256 i; i < 5; ++i) {
            if (reveals >> i & 1 == 0) {
                ++hidden;
                continue;
            }
            _reveal(slot, bidders[i], uint96(i + 1) * 1 ether);
            if (leader == address(0)) leader = bidders[i];
        }
        address prover = leader == hot ? alice : leader;
        if (leader == stranger || leader == address(0)) settles = false;
        vm.warp(slot.openedAt + COMMIT + REVEAL);
        if (settles) {
            auction.settle(slot, terms, prover);
        } else {
            vm.warp(slot.exclusiveUntil);
            auction.close(id, slot.id);
        }
        for (uint256 i; i < 5; ++i) {
            bool loses = reveals >> i & 1 == 0 || (bidders[i] == leader && !settles);
            _assertDeposit(bidders[i], loses ? bond : 0);
        }
        assertEq(auction.burned(), (hidden + (settles || leader == address(0) ? 0 : 1)) * bond);
        assertEq(token.balanceOf(address(auction)), 5 * DEPOSIT);
        _assertOver(slot);
    }

    /// @dev A second bid of one's own, by another key, only lowers what one is paid.
    function test_SelfOutbidOnlyLowersTheOwnPrice() public {
        Slot memory slot = _openAuction();
        uint256 snapshot = vm.snapshotState();
        _commit(slot, alice, 4 ether);
        _commit(slot, bob, 8 ether);
        vm.warp(slot.openedAt + COMMIT);
        _reveal(slot, alice, 4 ether);
        _reveal(slot, bob, 8 ether);
        _prove(_settled(slot, alice, 8 ether), alice);
        uint256 honest = market.credits(alice);

        vm.revertToState(snapshot);
        _commit(slot, alice, 4 ether);
        _commit(slot, bob, 8 ether);
        _commit(slot, hot, 3 ether);
        vm.warp(slot.openedAt + COMMIT);
        _reveal(slot, alice, 4 ether);
        _reveal(slot, bob, 8 ether);
        _reveal(slot, hot, 3 ether);
        _prove(_settled(slot, alice, 4 ether), alice);
        assertEq(market.credits(alice), 4 ether);
        assertLt(market.credits(alice), honest);
        _assertDeposit(alice, 0);
        _assertDeposit(hot, 0);
    }

    /// @dev Bidding low and lower, and hiding the lower bid when the other turns out to win, costs its bond.
    function test_SelfOutbidThatHidesOneBidLosesItsBond() public {
        Slot memory slot = _openAuction();
        _commit(slot, alice, 4 ether);
        _commit(slot, hot, 1 ether);
        _commit(slot, bob, 8 ether);
        vm.warp(slot.openedAt + COMMIT);
        _reveal(slot, bob, 8 ether);
        _reveal(slot, alice, 4 ether);
        vm.warp(slot.openedAt + COMMIT + REVEAL);
        _settled(slot, alice, 8 ether);
        _assertDeposit(hot, BID_BOND);
    }

    /// @dev A leader that makes itself unable, or sees to it that nobody settles, loses the bond and gets no slot.
    function test_LapsedAuctionBurnsTheLeadersBond() public {
        Slot memory slot = _openAuction();
        _bidAll(slot, _bids(1 ether, 2 ether));
        vm.expectRevert(abi.encodeWithSelector(ISealedBidAuction.AuctionNotOver.selector, slot.exclusiveUntil));
        auction.close(id, slot.id);
        vm.warp(slot.exclusiveUntil);
        vm.expectRevert(
            abi.encodeWithSelector(
                ISealedBidAuction.NotSettleTime.selector, slot.openedAt + COMMIT, slot.exclusiveUntil
            )
        );
        auction.settle(slot, terms, alice);
        uint256 snapshot = vm.snapshotState();
        vm.expectEmit(address(auction));
        emit ISealedBidAuction.AuctionLapsed(id, slot.id, alice, BID_BOND);
        auction.close(id, slot.id);
        _assertDeposit(alice, BID_BOND);
        _assertDeposit(bob, 0);
        assertEq(auction.burned(), BID_BOND);
        vm.expectRevert(ISealedBidAuction.AuctionNotOpen.selector);
        auction.close(id, slot.id);
        _prove(slot, stranger);
        assertEq(market.credits(stranger), PRICE);

        // Whatever ends the slot burns it as well, just once.
        vm.revertToState(snapshot);
        _prove(slot, alice);
        _assertDeposit(alice, BID_BOND);
        assertEq(auction.burned(), BID_BOND);
        vm.revertToState(snapshot);
        vm.warp(slot.openedAt + EXPIRY);
        _expire(slot);
        assertEq(auction.burned(), BID_BOND);
        _assertOver(slot);
    }

    /// @dev With a bond of the price, lapsing to be paid the reserve instead of a low second price does not pay.
    function test_LapsedAuctionDoesNotPayWithABondOfThePrice() public {
        terms.mechanismParams = _params(COMMIT, REVEAL, SETTLE, PRICE);
        _setTerms();
        Slot memory slot = _openAuction();
        _bidAll(slot, _bids(1 ether, 2 ether));
        uint256 before = market.credits(alice) + auction.balanceOf(alice) + PRICE;
        vm.prank(alice);
        registry.pause();
        vm.warp(slot.exclusiveUntil);
        _prove(slot, alice);
        uint256 afterwards = market.credits(alice) + auction.balanceOf(alice);
        assertLt(afterwards, before + 2 ether);
        assertEq(afterwards, before);
    }

    function test_LapsedAuctionCannotBeForcedOnALeader() public {
        Slot memory slot = _openAuction();
        _bidAll(slot, _bids(1 ether, 2 ether));
        // Not by naming another prover, a hostile "owner" of the key, or a bond too large for it.
        vm.prank(carol);
        registry.setSubmitter(alice, true);
        vm.startPrank(bob);
        vm.expectRevert(ISealedBidAuction.NotLeader.selector);
        auction.settle(slot, terms, bob);
        vm.expectRevert(ISealedBidAuction.NotLeader.selector);
        auction.settle(slot, terms, carol);
        vm.expectRevert(ISealedBidAuction.NotLeader.selector);
        auction.settle(slot, terms, address(0));
        Terms memory heavier = abi.decode(abi.encode(terms), (Terms));
        heavier.bond = 10_000 ether;
        vm.expectRevert(ISealedBidAuction.SlotMismatch.selector);
        auction.settle(slot, heavier, alice);
        vm.stopPrank();
        _settled(slot, alice, 2 ether);
        _assertDeposit(alice, 0);
    }

    /// @dev A key that its prover dropped bids for nobody: the bond is burned.
    function test_LapsedAuctionOfADroppedKey() public {
        Slot memory slot = _openAuction();
        _commit(slot, hot, 1 ether);
        vm.warp(slot.openedAt + COMMIT);
        _reveal(slot, hot, 1 ether);
        vm.prank(alice);
        registry.setSubmitter(hot, false);
        vm.expectRevert(ISealedBidAuction.NotLeader.selector);
        auction.settle(slot, terms, alice);
        auction.settle(slot, terms, address(0));
        _assertDeposit(hot, BID_BOND);
        vm.prank(requester);
        market.cancel(slot, terms, _noInputs());
    }

    /// @dev A requester that does not like the bids cannot take the slot back.
    function test_CancelMidAuction() public {
        Slot memory slot = _openAuction();
        uint256 snapshot = vm.snapshotState();
        vm.prank(requester);
        market.cancel(slot, terms, _noInputs());
        _assertState(slot, SlotState.Cancelled);
        _assertOver(slot);
        vm.prank(alice);
        vm.expectRevert(ISealedBidAuction.AuctionNotOpen.selector);
        auction.commit(id, slot.id, "bid", "");
        vm.revertToState(snapshot);

        _commit(slot, alice, 1 ether);
        vm.prank(requester);
        vm.expectRevert(ISealedBidAuction.BidsCommitted.selector);
        market.cancel(slot, terms, _noInputs());
        vm.warp(slot.openedAt + COMMIT);
        _reveal(slot, alice, 1 ether);
        vm.prank(requester);
        vm.expectRevert(ISealedBidAuction.BidsCommitted.selector);
        market.cancel(slot, terms, _noInputs());
        _settled(slot, alice, PRICE);
        _assertDeposit(alice, 0);
    }
}
