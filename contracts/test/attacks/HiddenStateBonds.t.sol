// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ISealedBidAuction } from "../../src/interfaces/ISealedBidAuction.sol";
import { ChainTermsLib } from "../../src/types/ChainTerms.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { MarketFixture } from "../MarketFixture.sol";
import { AuctionFixture } from "../mechanisms/AuctionFixture.sol";
import { MiningFixture } from "../mechanisms/MiningFixture.sol";
import { MockProof } from "../mocks/MockVerifier.sol";

/// @dev A market whose slots continue one another: the first claims a state that nobody else knows, the second builds on it.
abstract contract HiddenStateFixture is MarketFixture {
    function _createChain() internal {
        terms.version = 1;
        terms.chain = ChainTermsLib.DECLARED | 1 << 8;
        vm.prank(creator);
        id = market.createMarket(terms, 8, 1000);
        _fund(id, 1000 ether);
        _stake(alice, id, 100);
        _stake(bob, id, 100);
    }

    function _inputs(uint64 number) internal pure returns (uint256[] memory inputs) {
        inputs = new uint256[](3);
        (inputs[0], inputs[1], inputs[2]) = (999 + number, 1000 + number, 77);
    }

    function _openLink(uint64 number) internal returns (Slot memory) {
        vm.prank(requester);
        return market.openSlot(id, terms, number - 1, _inputs(number), "");
    }

    function _proveLink(Slot memory slot, bool right, address payee) internal {
        uint256[] memory inputs = _inputs(slot.id);
        uint256[] memory all = new uint256[](5);
        (all[0], all[1], all[2], all[3], all[4]) = (inputs[0], inputs[1], inputs[2], right ? 1 : 0, uint160(payee));
        market.prove(slot, terms, all, MockProof.make(all));
    }
}

/// @notice Bids for a slot whose premise falls while they are out.
contract HiddenStateBidsTest is AuctionFixture, HiddenStateFixture {
    Slot private one;
    Slot private two;

    function setUp() public override(AuctionFixture, MarketFixture) {
        super.setUp();
        _createChain();
        one = _openLink(1);
        vm.warp(one.exclusiveUntil);
        two = _openLink(2);
        _commit(two, alice, 5 ether);
        _commit(two, bob, 6 ether);
    }

    function _dropIsRefused() private {
        vm.prank(stranger);
        vm.expectRevert(ISealedBidAuction.BidsCommitted.selector);
        market.drop(two, terms, _inputs(2));
    }

    /// @dev The auction runs to its end; who won is free of the slot, with the forfeit, and no bid bond is burned.
    function test_DroppingAFallenAuctionBurnsNoBids() public {
        uint256 stake = registry.proverOf(alice).stake;
        _proveLink(one, false, carol);
        _dropIsRefused();
        vm.warp(two.openedAt + COMMIT);
        _reveal(two, alice, 5 ether);
        _reveal(two, bob, 6 ether);
        _dropIsRefused();
        Slot memory held = _settled(two, alice, 6 ether);
        vm.prank(stranger);
        market.drop(held, terms, _inputs(2));
        assertEq(auction.balanceOf(alice), DEPOSIT);
        assertEq(auction.balanceOf(bob), DEPOSIT);
        assertEq(auction.burned(), 0);
        assertEq(market.credits(alice), uint256(6 ether) * terms.forfeitBps / 10_000);
        assertEq(registry.proverOf(alice).stake, stake);
        assertEq(registry.bondedOf(id, alice), 0);
    }

    /// @dev Bids that nobody revealed in time burn as ever, and do not keep the slot open.
    function test_AFallenAuctionIsDroppedOnceItIsOver() public {
        _proveLink(one, false, carol);
        vm.warp(two.exclusiveUntil - 1);
        _dropIsRefused();
        vm.warp(two.exclusiveUntil);
        vm.prank(stranger);
        market.drop(two, terms, _inputs(2));
        _assertState(two, SlotState.Dropped);
        assertEq(auction.burned(), 2 * BID_BOND);
    }
}

/// @notice A ticket for a slot that only an accomplice of the requester can prove.
contract HiddenStateTicketsTest is MiningFixture, HiddenStateFixture {
    Slot private one;
    Slot private two;

    function setUp() public override(MiningFixture, MarketFixture) {
        super.setUp();
        _createChain();
        one = _openLink(1);
        _mineBlocks(2);
        _take(hot, alice);
        two = _openLink(2);
        assertEq(two.prover, alice);
        vm.warp(two.exclusiveUntil);
    }

    function _assertNothingLost() private view {
        assertEq(registry.proverOf(alice).stake, 300 ether);
        assertEq(registry.bondedOf(id, alice), 0);
        _assertDeposit(hot, 0);
        assertEq(mining.burned(), 0);
    }

    function test_HiddenStateTakesNoTicketWhenThePremiseIsOpen() public {
        _proveLink(two, true, stranger);
        _proveLink(one, false, carol);
        market.resolve(two, terms, stranger, true, 1002);
        _assertNothingLost();
    }

    function test_HiddenStateTakesNoTicketWhenThePremiseFell() public {
        _proveLink(one, false, carol);
        _proveLink(two, true, stranger);
        _assertNothingLost();
    }

    /// @dev On a premise that everybody knows a missed slot costs its ticket.
    function test_AMissOnAnEstablishedPremiseBurnsTheTicket() public {
        _proveLink(one, true, carol);
        _proveLink(two, true, stranger);
        assertEq(mining.burned(), TICKET_BOND);
        _assertDeposit(hot, TICKET_BOND);
    }
}
