// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProofMarketEvents } from "../src/interfaces/IProofMarket.sol";
import { IProverRegistry } from "../src/interfaces/IProverRegistry.sol";
import { Slot } from "../src/types/Slot.sol";
import { SlotLinkLib } from "../src/types/SlotLink.sol";
import { MarketFixture } from "./MarketFixture.sol";

/// @notice A market whose slots are missed in a row opens them to all at once, until provers with stake in it deliver.
contract ProofMarketOpenAfterTest is MarketFixture {
    uint8 private constant OPEN_AFTER = 2;
    uint96 private constant LOW = 4 ether;

    function _params() internal view override returns (IProverRegistry.Params memory params) {
        params = super._params();
        params.openAfter = OPEN_AFTER;
        params.suspendAfter = 10;
    }

    function _misses() private view returns (uint8 misses) {
        (,,, misses) = market.termsOf(id);
    }

    /// @dev A slot that `prover` holds and a stranger rescues.
    function _miss(address prover) private {
        Slot memory slot = _open(prover, LOW, 0);
        assertEq(slot.prover, prover, "not given out");
        vm.warp(slot.exclusiveUntil);
        _prove(slot, stranger);
    }

    function _missAll() private {
        for (uint256 i; i < OPEN_AFTER; ++i) {
            assertEq(_misses(), i);
            _miss(alice);
        }
        assertEq(_misses(), OPEN_AFTER);
    }

    /// @dev A slot that the mechanism gave to alice, and the market to all.
    function _opened() private returns (Slot memory slot) {
        slot = _open(alice, LOW, 0);
        assertEq(slot.prover, address(0));
        assertEq(slot.link, SlotLinkLib.TRIAL | SlotLinkLib.OPENED);
    }

    function test_SlotsOpenToAllAfterMissesInARow() public {
        assertEq(market.OPEN_AFTER(), OPEN_AFTER);
        _missAll();
        uint256 funds = _funds();
        uint256 bonded = registry.bondedOf(id, alice);
        Slot memory slot = _opened();
        assertEq(slot.price, terms.price, "all that the terms pay");
        assertEq(slot.startedAt, block.timestamp);
        assertEq(slot.exclusiveUntil, block.timestamp);
        assertEq(_funds(), funds - PRICE);
        assertEq(registry.bondedOf(id, alice), bonded);
        // At once, to anyone.
        uint256 before = market.credits(stranger);
        _prove(slot, stranger);
        assertEq(market.credits(stranger), before + PRICE);
    }

    /// @dev Whoever has no stake in the market says nothing about those who have.
    function test_AStrangersProofGivesNothingOut() public {
        _missAll();
        for (uint256 i; i < 3; ++i) {
            _prove(_opened(), stranger);
            assertEq(_misses(), OPEN_AFTER);
        }
    }

    function test_AnAbleProversProofGivesTheNextSlotOutAndAMissOpensAgain() public {
        _missAll();
        for (uint256 i; i < 3; ++i) {
            _prove(_opened(), bob);
            assertEq(_misses(), OPEN_AFTER - 1);
            // One miss is enough from here.
            _miss(alice);
            assertEq(_misses(), OPEN_AFTER);
        }
        _opened();
    }

    /// @dev Paused, suspended, without stake for the bond, or under other terms: it could not have held the slot.
    function test_AProverThatIsNotAbleGivesNothingOut() public {
        _missAll();
        vm.prank(bob);
        registry.pause();
        _prove(_opened(), bob);
        assertEq(_misses(), OPEN_AFTER);
        vm.startPrank(bob);
        registry.resume();
        registry.allocate(id, 100, 19, 1, 1);
        vm.stopPrank();
        _prove(_opened(), bob);
        assertEq(_misses(), OPEN_AFTER);
        vm.prank(bob);
        registry.allocate(id, 100, 100, 2, 2);
        _prove(_opened(), bob);
        assertEq(_misses(), OPEN_AFTER);
        vm.prank(bob);
        registry.allocate(id, 100, 20, 1, 1);
        _prove(_opened(), bob);
        assertEq(_misses(), OPEN_AFTER - 1);
    }

    function test_AHoldersDeliveryEndsTheMisses() public {
        _miss(alice);
        assertEq(_misses(), 1);
        Slot memory slot = _open(bob, LOW, 0);
        assertEq(slot.link, SlotLinkLib.TRIAL);
        _prove(slot, bob);
        assertEq(_misses(), 0);
        slot = _open(bob, LOW, 0);
        assertEq(slot.link, 0);
        _prove(slot, bob);

        // After slots opened to all as well; and late, as long as it is first.
        _miss(alice);
        _miss(alice);
        _prove(_opened(), bob);
        slot = _open(alice, LOW, 0);
        vm.warp(slot.openedAt + EXPIRY - 1);
        _prove(slot, alice);
        assertEq(_misses(), 0);
    }

    /// @dev What was opened before the misses is no answer to them.
    function test_ASlotOpenedBeforeTheMissesSaysNothing() public {
        Slot memory before = _open(bob, LOW, 0);
        Slot memory unheld = _open(address(0), LOW, 0);
        _missAll();
        _prove(unheld, bob);
        assertEq(_misses(), OPEN_AFTER);
        _prove(before, bob);
        assertEq(_misses(), OPEN_AFTER);
        _opened();
    }

    /// @dev A rescue says that the slot could be proven, which it says of the one who missed it too.
    function test_ARescueByAnAbleProverIsAMissAllTheSame() public {
        for (uint256 i; i < OPEN_AFTER; ++i) {
            Slot memory slot = _open(alice, LOW, 0);
            vm.warp(slot.exclusiveUntil);
            _prove(slot, bob);
        }
        assertEq(_misses(), OPEN_AFTER);
        _opened();
    }

    function test_OnlyMissesCount() public {
        _miss(alice);
        // Expired: nobody could prove it.
        Slot memory slot = _open(alice, LOW, 0);
        vm.warp(slot.openedAt + EXPIRY);
        _expire(slot);
        slot = _open(alice, LOW, 0);
        vm.prank(requester);
        market.drop(slot, terms, _noInputs());
        slot = _open(address(0), LOW, uint40(vm.getBlockTimestamp()) + 100);
        vm.prank(requester);
        market.cancel(slot, terms, _noInputs());
        _prove(_open(address(0), LOW, 0), stranger);
        assertEq(_misses(), 1);
    }

    /// @dev A mechanism that sells slots once they are open goes on doing so: whoever takes one wants it now.
    function test_SlotsThatWaitForATakerAreStillTaken() public {
        _missAll();
        Slot memory slot = _open(address(0), LOW, uint40(vm.getBlockTimestamp()) + 100);
        assertEq(slot.link, SlotLinkLib.TRIAL);
        assertEq(slot.price, LOW);
        mechanism.assign(market, slot, terms, bob, LOW);
        slot.prover = bob;
        (slot.startedAt, slot.exclusiveUntil) = (slot.openedAt, slot.openedAt + EXCLUSIVE);
        _prove(slot, bob);
        assertEq(_misses(), 0);
    }

    /// @dev One market's misses are none of another's.
    function test_MissesAreMarketByMarket() public {
        uint256 other = market.createMarket(_defaultTerms(), CAPACITY, 0);
        _fund(other, 100 ether);
        _stake(carol, other, 100);
        _missAll();
        id = other;
        assertEq(_misses(), 0);
        Slot memory slot = _open(carol, LOW, 0);
        assertEq(slot.prover, carol);
        assertEq(slot.link, 0);
    }

    /// @dev The mechanism's price is its own to ask for as long as it is its prover's.
    function test_RevertOpenSlot_WhenTheMechanismAsksForTooMuchAllTheSame() public {
        _missAll();
        mechanism.setNext(alice, PRICE + 1, 0);
        vm.prank(requester);
        vm.expectRevert(IProofMarketEvents.AssignmentInvalid.selector);
        market.openSlot(id, terms, 0, _statement(), "");
    }
}
