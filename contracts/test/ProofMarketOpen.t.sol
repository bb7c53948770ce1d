// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProofMarketEvents } from "../src/interfaces/IProofMarket.sol";
import { IProverRegistry } from "../src/interfaces/IProverRegistry.sol";
import { Slot, SlotState } from "../src/types/Slot.sol";
import { MarketFixture } from "./MarketFixture.sol";

/// @notice Opening, assigning and cancelling slots; the ring.
contract ProofMarketOpenTest is MarketFixture {
    function _assign(Slot memory slot, address prover, uint96 price) private {
        mechanism.assign(market, slot, terms, prover, price);
    }

    // ------------------------------------------------------------------ opening

    function test_OpenSlotAssigned() public {
        uint256 before = _funds();
        Slot memory expected = Slot({
            market: id,
            id: 1,
            statement: keccak256(abi.encodePacked(_statement())),
            prover: alice,
            price: 9 ether,
            openedAt: uint40(block.timestamp),
            startedAt: uint40(block.timestamp),
            exclusiveUntil: uint40(block.timestamp) + EXCLUSIVE,
            capacity: CAPACITY,
            link: 0
        });
        mechanism.setNext(alice, 9 ether, 0);
        vm.expectEmit(address(market));
        emit IProofMarketEvents.SlotOpened(id, 1, alice, keccak256(abi.encode(terms)), expected, _statement());
        vm.prank(requester);
        Slot memory slot = market.openSlot(id, terms, 0, _statement(), "");
        assertEq(keccak256(abi.encode(slot)), keccak256(abi.encode(expected)));
        assertTrue(market.isOpen(slot, terms));
        _assertState(slot, SlotState.None);
        assertEq(_funds(), before - 9 ether);
        assertEq(registry.bondedOf(id, alice), BOND);
        (,,, uint64 slots,) = market.markets(id);
        assertEq(slots, 1);
        assertEq(mechanism.lastSlot(), 1);
        assertEq(mechanism.lastMarket(), id);
    }

    function test_OpenSlotPassesDataOn() public {
        vm.prank(requester);
        market.openSlot(id, terms, 0, _statement(), "hello");
        assertEq(mechanism.lastData(), "hello");
    }

    function test_OpenSlotOpenToAllAtOnce() public {
        Slot memory slot = _open(address(0));
        assertEq(slot.startedAt, block.timestamp);
        assertEq(slot.exclusiveUntil, block.timestamp);
        slot = _open(address(0), PRICE, uint40(block.timestamp - 100));
        assertEq(slot.exclusiveUntil, block.timestamp);
    }

    function test_OpenSlotUndecided() public {
        Slot memory slot = _open(address(0), PRICE, uint40(block.timestamp) + 100);
        assertEq(slot.startedAt, block.timestamp + 100);
        assertEq(slot.exclusiveUntil, block.timestamp + 100);
    }

    function test_RevertOpenSlot_WhenUndecidedTooLong() public {
        // A prover assigned in the last second, and a rescuer, each need their 300 of 900 seconds.
        uint40 last = uint40(block.timestamp) + EXPIRY - 2 * EXCLUSIVE;
        _open(address(0), PRICE, last);
        mechanism.setNext(address(0), PRICE, last + 1);
        vm.prank(requester);
        vm.expectRevert(IProofMarketEvents.AssignmentInvalid.selector);
        market.openSlot(id, terms, 0, _statement(), "");
    }

    function test_RevertOpenSlot_WhenMechanismAsksForMoreThanThePrice() public {
        mechanism.setNext(alice, PRICE + 1, 0);
        vm.prank(requester);
        vm.expectRevert(IProofMarketEvents.AssignmentInvalid.selector);
        market.openSlot(id, terms, 0, _statement(), "");
    }

    function test_RevertOpenSlot_WhenNotRequester() public {
        vm.prank(creator);
        vm.expectRevert(IProofMarketEvents.NotRequester.selector);
        market.openSlot(id, terms, 0, _statement(), "");
    }

    function test_RevertOpenSlot_WhenTermsAreNotTheMarkets() public {
        terms.price -= 1;
        vm.startPrank(requester);
        vm.expectRevert(IProofMarketEvents.TermsMismatch.selector);
        market.openSlot(id, terms, 0, _statement(), "");
        vm.expectRevert(IProofMarketEvents.MarketNotFound.selector);
        market.openSlot(99, terms, 0, _statement(), "");
    }

    /// @dev Without a chain a slot builds on nothing.
    function test_RevertOpenSlot_WhenAPremiseIsNamedWithoutAChain() public {
        _open(alice);
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.HeadMoved.selector, 0));
        market.openSlot(id, terms, 1, _statement(), "");
    }

    function test_RevertOpenSlot_WhenFundsDoNotCoverThePrice() public {
        vm.prank(creator);
        market.defund(id, 990 ether + 1, creator);
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.InsufficientFunds.selector, 10 ether - 1, 10 ether));
        market.openSlot(id, terms, 0, _statement(), "");
    }

    function test_RevertOpenSlot_WhenProverHasNoFreeStake() public {
        terms.bond = 60 ether;
        _setTerms();
        _open(bob);
        mechanism.setNext(bob, PRICE, 0);
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, 40 ether, 60 ether));
        market.openSlot(id, terms, 0, _statement(), "");
    }

    function test_RevertOpenSlot_WhenProverNeverJoinedTheMarket() public {
        // A market's creator picks its mechanism, so only joining a market may put stake at its disposal.
        vm.prank(stranger);
        uint256 other = market.createMarket(terms, 4, 0);
        _fund(other, 100 ether);
        mechanism.setNext(alice, PRICE, 0);
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.TermsNotAccepted.selector, 1, 0, 0));
        market.openSlot(other, terms, 0, _statement(), "");
    }

    function test_OpenSlotWithoutBondTouchesNoStake() public {
        terms.bond = 0;
        _setTerms();
        Slot memory slot = _open(stranger);
        _prove(slot, stranger);
        assertEq(market.credits(stranger), PRICE);

        slot = _open(stranger);
        vm.warp(slot.exclusiveUntil);
        _prove(slot, carol);
        assertEq(market.credits(carol), 6 ether);
    }

    // ------------------------------------------------------------------ the ring

    function test_RingWrapsAndForgets() public {
        Slot[] memory old = new Slot[](CAPACITY);
        for (uint256 i; i < CAPACITY; ++i) {
            old[i] = _open(alice);
        }
        mechanism.setNext(alice, PRICE, 0);
        vm.prank(requester);
        vm.expectRevert(IProofMarketEvents.RingFull.selector);
        market.openSlot(id, terms, 0, _statement(), "");

        // Only the place of the oldest counts.
        _prove(old[1], alice);
        vm.prank(requester);
        vm.expectRevert(IProofMarketEvents.RingFull.selector);
        market.openSlot(id, terms, 0, _statement(), "");

        _prove(old[0], alice);
        _assertState(old[0], SlotState.Proven);
        Slot memory fifth = _open(alice);
        assertEq(fifth.id, 5);
        _assertState(old[0], SlotState.None);

        // The old slot can't be replayed, neither while its place is taken nor after.
        _proveFails(old[0], alice, abi.encodeWithSelector(IProofMarketEvents.SlotNotOpen.selector, SlotState.None));
        _prove(fifth, alice);
        _proveFails(old[0], alice, abi.encodeWithSelector(IProofMarketEvents.SlotNotOpen.selector, SlotState.None));
        _proveFails(fifth, alice, abi.encodeWithSelector(IProofMarketEvents.SlotNotOpen.selector, SlotState.Proven));
    }

    function test_SlotStateOfSlotsThatNeverWere() public view {
        assertEq(uint256(market.slotState(id, 0)), uint256(SlotState.None));
        assertEq(uint256(market.slotState(id, 1)), uint256(SlotState.None));
        assertEq(uint256(market.slotState(99, 1)), uint256(SlotState.None));
    }

    // ------------------------------------------------------------------ later assignment

    function test_AssignReservesAndRestartsTheClock() public {
        Slot memory slot = _open(address(0), PRICE, uint40(block.timestamp) + 100);
        uint256 before = _funds();
        vm.warp(slot.exclusiveUntil - 1);
        Slot memory expected = abi.decode(abi.encode(slot), (Slot));
        expected.prover = alice;
        expected.price = 8 ether;
        expected.startedAt = slot.exclusiveUntil - 1;
        expected.exclusiveUntil = expected.startedAt + EXCLUSIVE;
        vm.expectEmit(address(market));
        emit IProofMarketEvents.SlotAssigned(id, slot.id, alice, expected);
        _assign(slot, alice, 8 ether);
        assertEq(_funds(), before + 2 ether);
        assertEq(registry.bondedOf(id, alice), BOND);
        assertFalse(market.isOpen(slot, terms));
        assertTrue(market.isOpen(expected, terms));
        _proveFails(slot, alice, abi.encodeWithSelector(IProofMarketEvents.SlotNotOpen.selector, SlotState.None));

        vm.warp(expected.startedAt + FAST);
        _prove(expected, alice);
        assertEq(market.credits(alice), 8 ether);
    }

    function test_RevertAssign_WhenNotAllowed() public {
        Slot memory slot = _open(address(0), PRICE, uint40(block.timestamp) + 100);
        vm.expectRevert(IProofMarketEvents.NotMechanism.selector);
        market.assign(slot, terms, alice, PRICE);
        vm.expectRevert(IProofMarketEvents.AssignmentInvalid.selector);
        _assign(slot, alice, PRICE + 1);
        vm.expectRevert(IProofMarketEvents.AssignmentInvalid.selector);
        _assign(slot, address(0), PRICE);
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.TermsNotAccepted.selector, 1, 0, 0));
        _assign(slot, stranger, PRICE);
        vm.prank(bob);
        registry.allocate(id, 100, 19, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, 19 ether, 20 ether));
        _assign(slot, bob, PRICE);

        vm.warp(slot.exclusiveUntil);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.SlotOpenToAll.selector, slot.exclusiveUntil));
        _assign(slot, alice, PRICE);

        slot.statement = "altered";
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.SlotNotOpen.selector, SlotState.None));
        _assign(slot, alice, PRICE);
        slot = _open(alice);
        vm.expectRevert(IProofMarketEvents.SlotAlreadyAssigned.selector);
        _assign(slot, bob, PRICE);
    }

    // ------------------------------------------------------------------ cancelling

    function test_CancelReturnsThePrice() public {
        uint256 before = _funds();
        Slot memory slot = _open(address(0), PRICE, uint40(block.timestamp) + 100);
        vm.warp(slot.exclusiveUntil - 1);
        vm.expectEmit(address(market));
        emit IProofMarketEvents.SlotCancelled(id, slot.id);
        vm.prank(requester);
        market.cancel(slot, terms, _noInputs());
        assertEq(_funds(), before);
        _assertState(slot, SlotState.Cancelled);
        vm.warp(slot.exclusiveUntil);
        _proveFails(slot, alice, abi.encodeWithSelector(IProofMarketEvents.SlotNotOpen.selector, SlotState.Cancelled));
    }

    function test_RevertCancel_WhenNotAllowed() public {
        Slot memory slot = _open(address(0), PRICE, uint40(block.timestamp) + 100);
        vm.prank(creator);
        vm.expectRevert(IProofMarketEvents.NotRequester.selector);
        market.cancel(slot, terms, _noInputs());
        vm.warp(slot.exclusiveUntil);
        vm.prank(requester);
        vm.expectRevert(IProofMarketEvents.SlotNotCancellable.selector);
        market.cancel(slot, terms, _noInputs());
        slot = _open(alice);
        vm.prank(requester);
        vm.expectRevert(IProofMarketEvents.SlotNotCancellable.selector);
        market.cancel(slot, terms, _noInputs());
        slot.price += 1;
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.SlotNotOpen.selector, SlotState.None));
        market.cancel(slot, terms, _noInputs());
    }
}
