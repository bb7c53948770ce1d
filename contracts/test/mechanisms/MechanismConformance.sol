// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IMechanism } from "../../src/interfaces/IMechanism.sol";
import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { TransferOffer } from "../../src/interfaces/ISlotTransfers.sol";
import { RewardCurve } from "../../src/libraries/RewardCurve.sol";
import { SlashSplit } from "../../src/libraries/SlashSplit.sol";
import { SlotHooks } from "../../src/libraries/SlotHooks.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { SlotLinkLib } from "../../src/types/SlotLink.sol";
import { MockProof } from "../mocks/MockVerifier.sol";
import { ConformanceHooks } from "./ConformanceHooks.sol";

/// @notice What every mechanism must keep, whatever its rule. To run it for one more, derive from this, say in the hooks
/// how to deploy it and how a prover comes to hold a slot, and that is all.
abstract contract MechanismConformance is ConformanceHooks {
    // ---------------------------------------------------------------- the seam

    function test_RevertOnOpen_WhenNotMarket() public {
        bytes memory data = _openData(alice);
        vm.prank(stranger);
        vm.expectRevert(IMechanism.NotMarket.selector);
        tested.onOpen(id, 1, terms, data);
    }

    /// @dev A mechanism without the hook may as well do nothing.
    function test_OnEnded_IsTheMarketsAlone() public {
        Slot memory slot = _openUnsold();
        vm.record();
        vm.recordLogs();
        bytes memory call = abi.encodeCall(tested.onEnded, (slot, terms, SlotState.Proven, stranger));
        vm.prank(stranger);
        (bool success, bytes memory answer) = address(tested).call(call);
        assertEq(vm.getRecordedLogs().length, 0);
        if (success) {
            assertEq(uint256(terms.mechanismParams) & SlotHooks.ENDED, 0, "hook open to all");
            (, bytes32[] memory writes) = vm.accesses(address(tested));
            assertEq(writes.length, 0);
        } else {
            assertEq(bytes4(answer), IMechanism.NotMarket.selector);
        }
    }

    function test_RevertSetTerms_WhenParamsHaveUnknownBits() public {
        terms.mechanismParams |= bytes32(uint256(1) << 250);
        _setTermsFails();
    }

    function test_RevertSetTerms_WhenTheEndedBitIsWrong() public {
        terms.mechanismParams ^= bytes32(SlotHooks.ENDED);
        _setTermsFails();
    }

    /// @dev Else an assignment late in the windows would leave a rescuer no time.
    function test_RevertSetTerms_WhenWindowsDoNotFit() public {
        Slot memory slot = _openUnsold();
        uint32 undecided = uint32(slot.exclusiveUntil - slot.openedAt);
        terms.expiryWindow = 2 * terms.exclusiveWindow + undecided - 1;
        _setTermsFails();
        ++terms.expiryWindow;
        _setTerms();
        _openUnsold();
        // Nor do sums overflow that no market could ask for.
        terms.exclusiveWindow = type(uint32).max / 2;
        terms.expiryWindow = type(uint32).max - 1 + (undecided == 0 ? 1 : 0);
        if (undecided == 0) tested.validateTerms(terms);
        else _expectNamedError(address(this), address(tested), abi.encodeCall(tested.validateTerms, (terms)));
    }

    function test_RevertSetTerms_WhenBondIsZero() public {
        terms.bond = 0;
        if (_assigns()) _setTermsFails();
        else _setTerms();
    }

    // ---------------------------------------------------------------- nobody takes it

    function test_UnsoldSlotIsOpenToAllInTimeAndPaysTheCap() public {
        Slot memory slot = _openUnsold();
        assertEq(slot.price, terms.price);
        assertEq(slot.startedAt, slot.exclusiveUntil);
        assertLe(uint256(slot.exclusiveUntil) + 2 * EXCLUSIVE, uint256(slot.openedAt) + terms.expiryWindow);
        if (block.timestamp < slot.exclusiveUntil) {
            vm.warp(slot.exclusiveUntil - 1);
            _proveFails(
                slot,
                stranger,
                abi.encodeWithSelector(IProofMarketEvents.NotAssignedProver.selector, address(0), slot.exclusiveUntil)
            );
        }
        _warpToOpenToAll(slot);
        assertLe(block.timestamp, slot.startedAt + FAST);
        _assertAccounted(slot.price);
        _prove(slot, stranger);
        assertEq(market.credits(stranger), terms.price);
        _assertEnded(slot, SlotState.Proven);
        _assertAccounted(0);
        _assertNothingTakes(slot, slot);
    }

    function test_UnsoldSlotExpires() public {
        uint256 funds = _funds();
        Slot memory slot = _openUnsold();
        _warpToOpenToAll(slot);
        _assertNothingTakes(slot, slot);
        _warpToExpiry(slot);
        _assertNothingTakes(slot, slot);
        market.expire(slot, terms, _noInputs());
        uint256 forfeit = SlashSplit.forfeit(terms.price, terms.forfeitBps);
        assertEq(_funds(), funds - forfeit);
        assertEq(market.burned(), forfeit);
        _assertEnded(slot, SlotState.Expired);
        _assertAccounted(0);
        _assertNothingTakes(slot, slot);
    }

    /// @dev The requester can take back what the mechanism has not decided yet, and nothing else.
    function test_CancelBeforeTheDecisionOnly() public {
        uint256 funds = _funds();
        Slot memory slot = _openUnsold();
        if (block.timestamp < slot.exclusiveUntil) {
            vm.prank(requester);
            market.cancel(slot, terms, _noInputs());
            _assertEnded(slot, SlotState.Cancelled);
            assertEq(_funds(), funds);
            _assertNothingTakes(slot, slot);
        } else {
            vm.prank(requester);
            vm.expectRevert(IProofMarketEvents.SlotNotCancellable.selector);
            market.cancel(slot, terms, _noInputs());
            _prove(slot, bob, _handicap());
        }
        _assertAccounted(0);
    }

    function _prove(Slot memory slot, address payee, uint256 later) private {
        vm.warp(vm.getBlockTimestamp() + later);
        _prove(slot, payee);
    }

    // ---------------------------------------------------------------- somebody holds it

    function test_HolderProvesAndIsPaid() public {
        uint256 funds = _funds();
        (bool held, Slot memory slot) = _hold(alice);
        if (!held) return;
        assertLe(slot.price, terms.price);
        assertEq(slot.startedAt, block.timestamp);
        assertEq(slot.exclusiveUntil, slot.startedAt + EXCLUSIVE);
        assertLe(uint256(slot.exclusiveUntil) + EXCLUSIVE, uint256(slot.openedAt) + terms.expiryWindow);
        assertEq(registry.bondedOf(id, alice), terms.bond);
        _assertAccounted(slot.price);
        vm.warp(slot.exclusiveUntil - 1);
        _proveFails(
            slot, bob, abi.encodeWithSelector(IProofMarketEvents.NotAssignedProver.selector, alice, slot.exclusiveUntil)
        );
        vm.warp(slot.startedAt + FAST);
        _prove(slot, alice);
        assertEq(market.credits(alice), slot.price);
        assertEq(registry.bondedOf(id, alice), 0);
        assertEq(_funds(), funds - slot.price);
        _assertEnded(slot, SlotState.Proven);
        _assertAccounted(0);
    }

    /// @dev Late but first is still accepted, for the floor.
    function test_HolderProvesLate() public {
        (bool held, Slot memory slot) = _hold(alice);
        if (!held) return;
        vm.warp(uint256(slot.openedAt) + terms.expiryWindow - 1);
        _prove(slot, alice);
        assertEq(market.credits(alice), RewardCurve.floorOf(slot.price, terms.floorBps));
        assertEq(registry.bondedOf(id, alice), 0);
        _assertEnded(slot, SlotState.Proven);
        _assertAccounted(0);
    }

    function test_MissedSlotIsRescuedAndTheSlashSplitsToTheWei() public {
        uint256 funds = _funds();
        uint256 stake = registry.proverOf(alice).stake;
        (bool held, Slot memory slot) = _hold(alice);
        if (!held) return;
        _warpToOpenToAll(slot);
        _prove(slot, stranger);

        uint256 reward = RewardCurve.floorOf(slot.price, terms.floorBps);
        (uint256 premium, uint256 toRequester, uint256 toBurn) =
            SlashSplit.split(terms.bond, terms.rescuerBps, terms.requesterBps);
        assertEq(premium + toRequester + toBurn, terms.bond);
        assertEq(market.credits(stranger), reward + premium);
        assertGt(reward + premium, slot.price, "a rescue pays more than the fee");
        assertEq(market.burned(), toBurn);
        assertEq(_funds(), funds - reward + toRequester);
        assertEq(registry.proverOf(alice).stake, stake - terms.bond);
        assertEq(registry.bondedOf(id, alice), 0);
        _assertEnded(slot, SlotState.Proven);
        _assertAccounted(0);
    }

    function test_ExpiredSlotReleasesTheBond() public {
        uint256 funds = _funds();
        uint256 stake = registry.proverOf(alice).stake;
        (bool held, Slot memory slot) = _hold(alice);
        if (!held) return;
        vm.warp(uint256(slot.openedAt) + terms.expiryWindow - 1);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.SlotNotExpired.selector, slot.openedAt + EXPIRY));
        market.expire(slot, terms, _noInputs());
        _warpToExpiry(slot);
        _proveFails(
            slot, alice, abi.encodeWithSelector(IProofMarketEvents.SlotHasExpired.selector, slot.openedAt + EXPIRY)
        );
        market.expire(slot, terms, _noInputs());

        uint256 forfeit = SlashSplit.forfeit(slot.price, terms.forfeitBps);
        assertEq(registry.proverOf(alice).stake, stake);
        assertEq(registry.bondedOf(id, alice), 0);
        assertEq(market.burned(), forfeit);
        assertEq(_funds(), funds - forfeit);
        _assertEnded(slot, SlotState.Expired);
        _assertAccounted(0);
    }

    /// @dev A requester that drops a slot pays its holder what a proof would earn, whatever the mechanism.
    function test_DroppedSlotReleasesTheBond() public {
        uint256 funds = _funds();
        uint256 stake = registry.proverOf(alice).stake;
        (bool held, Slot memory slot) = _hold(alice);
        if (!held) return;
        uint256 snapshot = vm.snapshotState();
        _prove(slot, alice);
        uint256 fee = market.credits(alice);
        vm.revertToState(snapshot);
        vm.prank(requester);
        market.drop(slot, terms, _noInputs());

        assertEq(registry.proverOf(alice).stake, stake);
        assertEq(registry.bondedOf(id, alice), 0);
        assertEq(market.credits(alice), fee);
        assertEq(market.burned(), 0);
        assertEq(_funds(), funds - fee);
        _assertEnded(slot, SlotState.Dropped);
        _assertAccounted(0);
    }

    /// @dev A prover that did not accept the terms holds no slot under them, however it is taken.
    function test_NobodyHoldsASlotUnderTermsItDidNotAccept() public {
        _beforeOpen(alice);
        bytes memory data = _openData(alice);
        address[3] memory provers = [alice, bob, carol];
        for (uint256 i; i < provers.length; ++i) {
            uint256 units = registry.allocationOf(id, provers[i]);
            vm.prank(provers[i]);
            registry.allocate(id, units, MAX_UNITS, terms.version + 1, type(uint32).max);
        }
        vm.prank(requester);
        Slot memory slot = market.openSlot(id, terms, 0, _statement(), data);
        assertEq(slot.prover, address(0));
        try this.takeFor(slot, alice) { } catch { }
        for (uint256 i; i < provers.length; ++i) {
            assertEq(registry.bondedOf(id, provers[i]), 0);
        }
        assertTrue(market.isOpen(slot, terms));
    }

    /// @dev After misses in a row the market gives no slot to a mechanism's choice as it opens, and nobody is the worse for it.
    function test_OpenedToAllAfterMissesInARow() public {
        for (uint256 i; i < OPEN_AFTER; ++i) {
            (bool held, Slot memory missed) = _hold(i == 0 ? bob : alice);
            if (!held) return;
            _warpToOpenToAll(missed);
            _prove(missed, stranger);
        }
        uint256 stake = registry.proverOf(alice).stake;
        Slot memory slot = _openFor(alice);
        assertEq(slot.prover, address(0));
        assertEq(slot.price, terms.price);
        if (slot.exclusiveUntil == block.timestamp) {
            assertNotEq(slot.link & SlotLinkLib.OPENED, 0);
            _assertNothingTakes(slot, slot);
        } else {
            // Taken, by whoever wants it.
            assertEq(slot.link & SlotLinkLib.OPENED, 0);
            vm.recordLogs();
            assertTrue(_take(slot, alice));
            slot = _lastAssigned();
        }
        assertEq(registry.bondedOf(id, alice), slot.prover == alice ? terms.bond : 0);
        _prove(slot, alice);
        assertEq(registry.proverOf(alice).stake, stake);
        _assertEnded(slot, SlotState.Proven);
        _assertAccounted(0);
        (,,, uint8 misses) = market.termsOf(id);
        assertEq(misses, slot.prover == alice ? 0 : OPEN_AFTER - 1);
    }

    /// @dev External, so that a refusal anywhere on the way can be caught.
    function takeFor(Slot memory slot, address prover) external {
        _take(slot, prover);
    }

    // ---------------------------------------------------------------- hostile orders

    function test_Attack_TakeTwice() public {
        Slot memory open = _openFor(alice);
        vm.recordLogs();
        if (!_take(open, alice)) return;
        Slot memory slot = open.prover == address(0) ? _lastAssigned() : open;
        _assertNothingTakes(open, slot);
        assertEq(registry.bondedOf(id, alice), terms.bond, "reserved twice");
        assertEq(registry.bondedOf(id, bob), 0);
        vm.prank(requester);
        vm.expectRevert(IProofMarketEvents.SlotNotCancellable.selector);
        market.cancel(slot, terms, _noInputs());

        vm.warp(slot.exclusiveUntil);
        _assertNothingTakes(open, slot);
        assertEq(registry.bondedOf(id, alice), terms.bond);
        _prove(slot, alice);
        _assertNothingTakes(open, slot);
        assertEq(registry.bondedOf(id, alice), 0);
        assertEq(registry.bondedOf(id, bob), 0);
        _assertAccounted(0);
    }

    function test_Attack_TakeAfterTheSlotExpired() public {
        Slot memory open = _openFor(alice);
        vm.recordLogs();
        if (!_take(open, alice)) return;
        Slot memory slot = open.prover == address(0) ? _lastAssigned() : open;
        _warpToExpiry(slot);
        _assertNothingTakes(open, slot);
        market.expire(slot, terms, _noInputs());
        _assertNothingTakes(open, slot);
        assertEq(registry.bondedOf(id, alice), 0);
        assertEq(registry.bondedOf(id, bob), 0);
        _assertAccounted(0);
    }

    /// @dev A slot of the same ring's place, one lap later, is another slot.
    function test_SlotsFollowEachOther() public {
        (,,, uint64 opened,) = market.markets(id);
        for (uint256 i = 0; i < 2 * CAPACITY; ++i) {
            (bool held, Slot memory slot) = _hold(i % 2 == 0 ? alice : bob);
            assertEq(slot.id, ++opened);
            if (!held) _warpToOpenToAll(slot);
            _prove(slot, i % 2 == 0 ? alice : bob);
            _assertEnded(slot, SlotState.Proven);
            _assertAccounted(0);
        }
        assertEq(registry.bondedOf(id, alice), 0);
        assertEq(registry.bondedOf(id, bob), 0);
    }

    /// @dev A bond stands until its slot ends, with however many others.
    function test_BondsOfSlotsOpenAtOnceAddUp() public {
        (bool held, Slot memory first) = _hold(alice);
        if (!held) return;
        uint256 funds = _funds();
        (, Slot memory second) = _hold(alice);
        if (block.timestamp >= uint256(first.openedAt) + terms.expiryWindow) return;
        assertEq(registry.bondedOf(id, alice), 2 * uint256(terms.bond));
        _assertAccounted(uint256(first.price) + second.price);
        assertEq(_funds(), funds - second.price);
        _prove(first, alice);
        assertEq(registry.bondedOf(id, alice), terms.bond);
        _prove(second, alice);
        assertEq(registry.bondedOf(id, alice), 0);
        _assertAccounted(0);
    }

    // ---------------------------------------------------------------- slot transfer

    function _offerTransfer(Slot memory slot, address taker) private returns (Slot memory transferred) {
        TransferOffer memory offer = TransferOffer({ to: taker, price: 0, validUntil: type(uint40).max });
        vm.prank(slot.prover);
        slotTransfers.offerTransfer(slot, terms, offer);
        vm.prank(taker);
        slotTransfers.acceptTransfer(slot, terms, offer, taker, "");
        transferred = slot;
        transferred.prover = taker;
    }

    function test_TransferredSlotIsProvenByItsTaker() public {
        (bool held, Slot memory slot) = _hold(alice);
        if (!held) return;
        _enable(carol);
        Slot memory taken = _offerTransfer(slot, carol);
        assertEq(registry.bondedOf(id, alice), 0);
        assertEq(registry.bondedOf(id, carol), terms.bond);
        _assertNothingTakes(slot, taken);
        _prove(taken, carol);
        assertEq(market.credits(carol), slot.price);
        assertEq(registry.bondedOf(id, carol), 0);
        _assertEnded(taken, SlotState.Proven);
        _assertAccounted(0);
    }

    function test_TransferredSlotIsMissedByItsTaker() public {
        (bool held, Slot memory slot) = _hold(alice);
        if (!held) return;
        _enable(carol);
        uint256 stake = registry.proverOf(alice).stake;
        uint256 stakeOfTaker = registry.proverOf(carol).stake;
        Slot memory taken = _offerTransfer(slot, carol);
        _warpToOpenToAll(taken);
        _prove(taken, stranger);
        assertEq(registry.proverOf(alice).stake, stake);
        assertEq(registry.proverOf(carol).stake, stakeOfTaker - terms.bond);
        _assertEnded(taken, SlotState.Proven);
        _assertAccounted(0);
    }

    function test_TransferredSlotExpires() public {
        (bool held, Slot memory slot) = _hold(alice);
        if (!held) return;
        _enable(carol);
        Slot memory taken = _offerTransfer(slot, carol);
        _warpToExpiry(taken);
        market.expire(taken, terms, _noInputs());
        assertEq(registry.bondedOf(id, carol), 0);
        _assertEnded(taken, SlotState.Expired);
        _assertAccounted(0);
    }

    /// @dev Gives a prover an allocation to the market again, should the mechanism's hooks have taken it.
    function _enable(address prover) private {
        vm.prank(prover);
        _allocate(id, 100);
    }

    // ---------------------------------------------------------------- any order

    /// @dev One slot, held or not, ended by whoever at whatever time.
    function testFuzz_SlotEndsInExactlyOneState(bool take, uint8 who, uint32 delay) public {
        Slot memory slot;
        bool held;
        if (take) (held, slot) = _hold(alice);
        else slot = _openUnsold();
        delay = uint32(bound(delay, 0, EXPIRY + 100));
        vm.warp(vm.getBlockTimestamp() + delay);
        address payee = [alice, bob, stranger][who % 3];

        uint256[] memory inputs = _inputs(payee);
        bytes memory proof = MockProof.make(inputs);
        bool expired = block.timestamp >= uint256(slot.openedAt) + EXPIRY;
        uint256 free = slot.exclusiveUntil + (held ? 0 : _handicap());
        bool provable = !expired && (block.timestamp >= free || (held && payee == alice));
        try market.prove(slot, terms, inputs, proof) {
            assertTrue(!expired && (provable || (!held && block.timestamp >= slot.exclusiveUntil)), "too early");
            _assertEnded(slot, SlotState.Proven);
        } catch {
            assertFalse(provable, "refused");
            _assertState(slot, SlotState.None);
            _assertAccounted(slot.price);
            _warpToExpiry(slot);
            market.expire(slot, terms, _noInputs());
            _assertEnded(slot, SlotState.Expired);
        }
        assertEq(registry.bondedOf(id, alice), 0);
        assertEq(registry.bondedOf(id, bob), 0);
        _assertAccounted(0);
    }
}
