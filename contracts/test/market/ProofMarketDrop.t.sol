// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { SlashSplit } from "../../src/libraries/SlashSplit.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { MarketFixture } from "../MarketFixture.sol";

/// @notice A requester that no longer wants a proof lets its prover go, and pays it as if it had proven: slots without a chain. Those
/// that fall with what they build on: contracts/test/market/Chain.t.sol.
contract ProofMarketDropTest is MarketFixture {
    function _drop(address sender, Slot memory slot) private {
        vm.prank(sender);
        market.drop(slot, terms, _noInputs());
    }

    function _dropFails(address sender, Slot memory slot, bytes4 error) private {
        vm.prank(sender);
        vm.expectRevert(error);
        market.drop(slot, terms, _noInputs());
    }

    function test_DropPaysTheHolderWhatAProofWouldAndFreesItsBond() public {
        uint256 funds = _funds();
        Slot memory slot = _open(alice);
        assertEq(registry.bondedOf(id, alice), BOND);
        // To the last second, with a proof all but on its way.
        vm.warp(slot.exclusiveUntil - 1);
        uint256 snapshot = vm.snapshotState();
        _prove(slot, alice);
        uint256 reward = market.credits(alice);
        vm.revertToState(snapshot);
        vm.expectEmit(address(market));
        emit IProofMarketEvents.SlotDropped(id, slot.id, reward);
        _drop(requester, slot);
        assertEq(market.credits(alice), reward);
        assertEq(_funds(), funds - reward);
        assertEq(market.burned(), 0);
        assertEq(registry.bondedOf(id, alice), 0);
        assertEq(registry.proverOf(alice).stake, 200 ether);
        assertEq(registry.positionOf(id, alice).misses, 0);
        _assertState(slot, SlotState.Dropped);
        assertFalse(market.isOpen(slot, terms));
        _proveFails(slot, alice, abi.encodeWithSelector(IProofMarketEvents.SlotNotOpen.selector, SlotState.Dropped));
        vm.prank(alice);
        market.withdraw(alice, reward);
    }

    /// @dev Whatever the terms, the slot's price and the time: no less than what a proof would cost the requester now, and than what
    /// letting the slot expire would.
    function testFuzz_DropSavesTheRequesterNothing(uint96 price, uint16 forfeitBps, uint32 elapsed) public {
        terms.forfeitBps = uint16(bound(forfeitBps, 100, 10_000));
        _setTerms();
        uint256 funds = _funds();
        Slot memory slot = _open(alice, uint96(bound(price, 0, PRICE)), 0);
        uint256 snapshot = vm.snapshotState();
        vm.warp(slot.openedAt + EXPIRY);
        _expire(slot);
        uint256 forfeited = funds - _funds();
        assertEq(forfeited, SlashSplit.forfeit(slot.price, terms.forfeitBps));
        vm.revertToState(snapshot);
        vm.warp(slot.openedAt + bound(elapsed, 0, EXCLUSIVE - 1));
        snapshot = vm.snapshotState();
        _prove(slot, alice);
        uint256 reward = market.credits(alice);
        vm.revertToState(snapshot);
        _drop(requester, slot);
        uint256 fee = funds - _funds();
        assertEq(market.credits(alice), fee);
        assertEq(fee, reward > forfeited ? reward : forfeited);
        assertEq(token.balanceOf(address(market)), funds);
    }

    /// @dev Whoever holds it when it is dropped, which may not be who held it first.
    function test_DropOfASlotAssignedLater() public {
        Slot memory slot = _open(address(0), PRICE, uint40(block.timestamp) + 100);
        mechanism.assign(market, slot, terms, bob, 8 ether);
        (slot.prover, slot.price) = (bob, 8 ether);
        (slot.startedAt, slot.exclusiveUntil) = (slot.openedAt, slot.openedAt + EXCLUSIVE);
        _drop(requester, slot);
        assertEq(market.credits(bob), 8 ether);
        assertEq(registry.bondedOf(id, bob), 0);
    }

    /// @dev Late, the holder still waits for the floor, and others for a rescue.
    function test_RevertDrop_OnceTheExclusiveWindowIsOver() public {
        Slot memory slot = _open(alice);
        vm.warp(slot.exclusiveUntil);
        _dropFails(requester, slot, IProofMarketEvents.SlotNotDroppable.selector);
        vm.warp(slot.openedAt + EXPIRY);
        _dropFails(requester, slot, IProofMarketEvents.SlotNotDroppable.selector);
        _expire(slot);
    }

    /// @dev There are ways for a slot that nobody holds: to cancel it, or to wait.
    function test_RevertDrop_WhenNobodyHoldsTheSlot() public {
        _dropFails(requester, _open(address(0)), IProofMarketEvents.SlotNotDroppable.selector);
        Slot memory slot = _open(address(0), PRICE, uint40(block.timestamp) + 100);
        _dropFails(requester, slot, IProofMarketEvents.SlotNotDroppable.selector);
    }

    function test_RevertDrop_WhenNotTheRequester() public {
        Slot memory slot = _open(alice);
        address[6] memory others = [alice, bob, creator, stranger, address(mechanism), address(slotTransfers)];
        for (uint256 i; i < others.length; ++i) {
            _dropFails(others[i], slot, IProofMarketEvents.NotRequester.selector);
        }
        assertTrue(market.isOpen(slot, terms));
        assertEq(registry.bondedOf(id, alice), BOND);
    }

    function test_RevertDrop_WhenTheSlotIsAlteredOrEnded() public {
        Slot memory slot = _open(alice);
        slot.exclusiveUntil += 1;
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.SlotNotOpen.selector, SlotState.None));
        market.drop(slot, terms, _noInputs());
        slot.exclusiveUntil -= 1;
        _drop(requester, slot);
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.SlotNotOpen.selector, SlotState.Dropped));
        market.drop(slot, terms, _noInputs());
        assertEq(market.credits(alice), PRICE, "paid once");
    }

    /// @dev Nothing of it is anybody's fault: dropping forgets no miss and counts none.
    function test_DropLeavesMissesAsTheyAre() public {
        Slot memory slot = _open(alice);
        vm.warp(slot.exclusiveUntil);
        _prove(slot, carol);
        _drop(requester, _open(alice));
        assertEq(registry.positionOf(id, alice).misses, 1);
    }

    function test_DropWithoutABond() public {
        terms.bond = 0;
        _setTerms();
        _drop(requester, _open(stranger));
        assertEq(market.credits(stranger), PRICE);
    }
}
