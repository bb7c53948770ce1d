// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { console } from "forge-std/Test.sol";

import { IProverRegistry } from "../src/interfaces/IProverRegistry.sol";
import { RegistryFixture } from "./RegistryFixture.sol";

/// @notice Bonds, slashes, and leaving the draws.
contract ProverRegistryBondsTest is RegistryFixture {
    function setUp() public override {
        super.setUp();
        _join(alice, 4);
        _nextEpoch();
    }

    function _able(uint256 bond) private view returns (bool eligible) {
        address prover;
        (prover, eligible) = registry.draw(MARKET, 0, bond, 1);
        assertEq(prover, alice);
    }

    function _insufficient(uint256 available, uint256 needed) private {
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, available, needed));
    }

    // ---------------------------------------------------------------- reserve and release

    function test_RevertBonds_WhenNotMarket() public {
        vm.expectRevert(IProverRegistry.NotMarket.selector);
        registry.reserve(alice, MARKET, 1, 1);
        vm.expectRevert(IProverRegistry.NotMarket.selector);
        registry.release(alice, MARKET, 1, true);
        vm.expectRevert(IProverRegistry.NotMarket.selector);
        registry.slash(alice, MARKET, 1);
    }

    function test_Reserve_UpToTheAllocation() public {
        assertTrue(_able(4 * UNIT));
        assertFalse(_able(4 * UNIT + 1));
        harness.reserve(alice, MARKET, 3 * UNIT);
        assertEq(registry.bondedOf(MARKET, alice), 3 * UNIT);
        assertTrue(_able(UNIT));
        assertFalse(_able(UNIT + 1));
        _insufficient(UNIT, UNIT + 1);
        harness.reserve(alice, MARKET, UNIT + 1);
        harness.reserve(alice, MARKET, UNIT);
        harness.release(alice, MARKET, 3 * UNIT, true);
        assertEq(registry.bondedOf(MARKET, alice), UNIT);
        assertTrue(_able(3 * UNIT));
    }

    /// @dev Stake that is free, or allocated elsewhere, is not exposed to a market.
    function test_RevertReserve_WhenNotAllocatedToThatMarket() public {
        _stake(alice, 10 * UNIT);
        _allocate(alice, MARKET + 1, 5);
        _insufficient(4 * UNIT, 5 * UNIT);
        harness.reserve(alice, MARKET, 5 * UNIT);
        // A market that it never joined, and whoever joined none.
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.TermsNotAccepted.selector, 1, 0, 0));
        harness.reserve(alice, MARKET + 2, 1);
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.TermsNotAccepted.selector, 1, 0, 0));
        harness.reserve(bob, MARKET, 1);
        _allocate(alice, MARKET + 2, 0);
        _insufficient(0, 1);
        harness.reserve(alice, MARKET + 2, 1);
    }

    function test_RevertReleaseOrSlash_WhenMoreThanBonded() public {
        harness.reserve(alice, MARKET, UNIT);
        _insufficient(UNIT, UNIT + 1);
        harness.release(alice, MARKET, UNIT + 1, true);
        _insufficient(UNIT, UNIT + 1);
        harness.slash(alice, MARKET, UNIT + 1);
    }

    /// @dev A bond outlives the exit: its stake stays until it ends, and then is free by itself.
    function test_BondOutlivesExit() public {
        harness.reserve(alice, MARKET, UNIT);
        harness.reserve(alice, MARKET, UNIT / 2);
        _allocate(alice, MARKET, 0);
        assertFalse(_able(1));
        assertEq(registry.freeStake(alice), 4 * UNIT - UNIT * 3 / 2);
        assertEq(registry.proverOf(alice).allocated, UNIT * 3 / 2);
        vm.prank(alice);
        _insufficient(UNIT * 5 / 2, UNIT * 5 / 2 + 1);
        registry.requestUnstake(UNIT * 5 / 2 + 1);
        vm.prank(alice);
        registry.requestUnstake(UNIT * 5 / 2);
        skip(UNBONDING);
        vm.prank(alice);
        registry.withdrawStake(alice);
        assertEq(registry.proverOf(alice).stake, UNIT * 3 / 2);

        harness.release(alice, MARKET, UNIT, false);
        assertEq(registry.freeStake(alice), UNIT);
        harness.slash(alice, MARKET, UNIT / 2);
        assertEq(registry.proverOf(alice).stake, UNIT);
        assertEq(registry.proverOf(alice).allocated, 0);
        assertEq(token.balanceOf(address(registry)), UNIT);
    }

    // ---------------------------------------------------------------- slash

    function test_Slash_PaysTheMarketAndRoundsTheAllocationUp() public {
        harness.reserve(alice, MARKET, UNIT + 1);
        vm.expectEmit(address(registry));
        emit IProverRegistry.AllocationSet(alice, MARKET, 2, 511, 1, type(uint32).max);
        vm.expectEmit(address(registry));
        emit IProverRegistry.WeightSet(MARKET, 1, 2, vm.getBlockTimestamp() / EPOCH + 1);
        vm.expectEmit(address(registry));
        emit IProverRegistry.BondSlashed(alice, MARKET, UNIT + 1);
        harness.slash(alice, MARKET, UNIT + 1);
        IProverRegistry.Prover memory prover = registry.proverOf(alice);
        assertEq(prover.stake, 3 * UNIT - 1);
        assertEq(prover.allocated, 2 * UNIT);
        assertEq(registry.positionOf(MARKET, alice).misses, 1);
        assertFalse(registry.positionOf(MARKET, alice).suspended);
        assertEq(registry.freeStake(alice), UNIT - 1);
        assertEq(registry.bondedOf(MARKET, alice), 0);
        assertEq(token.balanceOf(address(harness)), UNIT + 1);
        assertEq(registry.weightOf(MARKET, alice), 4);
        _nextEpoch();
        assertEq(registry.weightOf(MARKET, alice), 2);
    }

    /// @dev Rounding takes units that other bonds stand on: those bonds stay covered.
    function test_Slash_LeavesOtherBondsCovered() public {
        for (uint256 i = 0; i < 4; ++i) {
            harness.reserve(alice, MARKET, UNIT - 1);
        }
        harness.slash(alice, MARKET, UNIT - 1);
        harness.slash(alice, MARKET, UNIT - 1);
        assertEq(registry.proverOf(alice).allocated, 2 * UNIT);
        harness.slash(alice, MARKET, 1);
        assertEq(registry.proverOf(alice).allocated, 2 * UNIT - 3);
        assertEq(registry.bondedOf(MARKET, alice), 2 * UNIT - 3);
        harness.release(alice, MARKET, UNIT - 1, false);
        harness.slash(alice, MARKET, UNIT - 2);
        assertEq(registry.proverOf(alice).allocated, 0);
        assertEq(registry.proverOf(alice).stake, token.balanceOf(address(registry)));
    }

    /// @dev In the freeze window, with versions of all three epochs alive, and while suspended: a slash never fails.
    function test_Slash_InFreezeWindow() public {
        harness.reserve(alice, MARKET, 4 * UNIT);
        harness.slash(alice, MARKET, UNIT);
        vm.warp(vm.getBlockTimestamp() + EPOCH - 1);
        harness.slash(alice, MARKET, UNIT);
        assertEq(registry.weightOf(MARKET, alice), 4);
        vm.warp(vm.getBlockTimestamp() + 1);
        assertEq(registry.weightOf(MARKET, alice), 3);
        harness.slash(alice, MARKET, UNIT);
        assertTrue(registry.positionOf(MARKET, alice).suspended);
        harness.slash(alice, MARKET, UNIT);
        _nextEpoch();
        assertEq(registry.totalWeight(MARKET), 0);
        assertEq(registry.proverOf(alice).stake, 0);
        assertEq(token.balanceOf(address(registry)), 0);
    }

    // ---------------------------------------------------------------- misses, suspension, pause

    function test_Suspension_AfterMissesInARow() public {
        for (uint256 i = 0; i < 3; ++i) {
            assertFalse(registry.positionOf(MARKET, alice).suspended);
            assertTrue(_able(1));
            harness.reserve(alice, MARKET, 1);
            if (i == 2) {
                vm.expectEmit(address(registry));
                emit IProverRegistry.ProverSuspended(alice, MARKET);
            }
            harness.slash(alice, MARKET, 1);
        }
        assertTrue(registry.positionOf(MARKET, alice).suspended);
        assertFalse(_able(1));
        _nextEpoch();
        assertEq(registry.totalWeight(MARKET), 0);
        // Nothing but its own word brings it back, whatever anyone else says and whatever it allocates.
        registry.sync(MARKET, alice);
        _allocate(alice, MARKET, 1);
        vm.startPrank(alice);
        registry.pause();
        registry.resume();
        vm.stopPrank();
        _nextEpoch();
        assertEq(registry.totalWeight(MARKET), 0);

        vm.expectEmit(address(registry));
        emit IProverRegistry.ProverReinstated(alice, MARKET);
        vm.expectEmit(address(registry));
        emit IProverRegistry.WeightSet(MARKET, 1, 1, vm.getBlockTimestamp() / EPOCH + 1);
        vm.prank(alice);
        registry.reinstate(MARKET);
        assertEq(registry.positionOf(MARKET, alice).misses, 0);
        assertFalse(registry.positionOf(MARKET, alice).suspended);
        _nextEpoch();
        assertEq(registry.totalWeight(MARKET), 1);
        assertTrue(_able(1));
    }

    /// @dev What happens in one market, hostile as it may be, reaches nothing of another: no miss, no suspension, no weight, no
    /// draw, and nothing that its slots can be asked to bond.
    function test_Suspension_StaysInItsMarket() public {
        _stake(alice, 4 * UNIT);
        _allocate(alice, MARKET + 1, 4);
        _nextEpoch();
        bytes32 before = keccak256(abi.encode(registry.positionOf(MARKET + 1, alice)));
        for (uint256 i = 0; i < 4; ++i) {
            harness.reserve(alice, MARKET, UNIT);
            harness.slash(alice, MARKET, UNIT);
            // The slots of the other go on, missed here or proven there.
            (, bool eligible) = registry.draw(MARKET + 1, i, 4 * UNIT, 1);
            assertTrue(eligible);
            assertTrue(registry.isEligible(MARKET + 1, alice, 4 * UNIT, 1));
            if (i < 2) {
                assertEq(registry.positionOf(MARKET, alice).misses, i + 1);
                harness.reserve(alice, MARKET + 1, UNIT);
                harness.release(alice, MARKET + 1, UNIT, true);
                assertEq(registry.positionOf(MARKET, alice).misses, i + 1, "proving elsewhere forgets nothing");
            }
            if (i == 2) {
                assertTrue(registry.positionOf(MARKET, alice).suspended);
                vm.prank(alice);
                registry.reinstate(MARKET + 1);
                assertTrue(registry.positionOf(MARKET, alice).suspended, "reinstated elsewhere");
                vm.prank(alice);
                registry.reinstate(MARKET);
            }
        }
        assertEq(keccak256(abi.encode(registry.positionOf(MARKET + 1, alice))), before);
        assertEq(registry.positionOf(MARKET, alice).units, 0);
        assertEq(registry.freeStake(alice), 0);
        _nextEpoch();
        assertEq(registry.totalWeight(MARKET), 0);
        assertEq(registry.totalWeight(MARKET + 1), 4);
        harness.reserve(alice, MARKET + 1, 4 * UNIT);
    }

    /// @dev A key may say that its prover is back, as it may pause and resume it.
    function test_Reinstate_BySubmitter() public {
        vm.prank(alice);
        registry.setSubmitter(carol, true);
        vm.prank(carol);
        registry.serve(alice);
        for (uint256 i = 0; i < 3; ++i) {
            harness.reserve(alice, MARKET, 1);
            harness.slash(alice, MARKET, 1);
        }
        vm.prank(bob);
        vm.expectRevert(IProverRegistry.NotAuthorised.selector);
        registry.reinstate(MARKET);
        assertTrue(registry.positionOf(MARKET, alice).suspended);
        vm.prank(carol);
        registry.reinstate(MARKET);
        assertFalse(registry.positionOf(MARKET, alice).suspended);
    }

    /// @dev While it is paused its weight stays away.
    function test_Reinstate_WhilePaused() public {
        for (uint256 i = 0; i < 3; ++i) {
            harness.reserve(alice, MARKET, 1);
            harness.slash(alice, MARKET, 1);
        }
        vm.startPrank(alice);
        registry.pause();
        registry.reinstate(MARKET);
        vm.stopPrank();
        _nextEpoch();
        assertEq(registry.totalWeight(MARKET), 0);
        assertFalse(registry.isEligible(MARKET, alice, 0, 1));
    }

    function test_ProvingForgetsMisses_ReleasingDoesNot() public {
        for (uint256 i = 0; i < 2; ++i) {
            harness.reserve(alice, MARKET, 2);
            harness.slash(alice, MARKET, 1);
            harness.release(alice, MARKET, 1, false);
        }
        assertEq(registry.positionOf(MARKET, alice).misses, 2);
        harness.reserve(alice, MARKET, 1);
        harness.release(alice, MARKET, 1, true);
        assertEq(registry.positionOf(MARKET, alice).misses, 0);
        assertFalse(registry.positionOf(MARKET, alice).suspended);
    }

    function test_Pause_OutAtOnceAndBackBySync() public {
        vm.prank(alice);
        registry.pause();
        assertFalse(_able(1));
        assertEq(registry.totalWeight(MARKET), 4);
        registry.sync(MARKET, alice);
        _nextEpoch();
        assertEq(registry.totalWeight(MARKET), 0);
        // Allocating while paused changes no weight.
        _allocate(alice, MARKET, 3);
        _nextEpoch();
        assertEq(registry.totalWeight(MARKET), 0);
        vm.prank(alice);
        registry.resume();
        registry.sync(MARKET, alice);
        _nextEpoch();
        assertEq(registry.totalWeight(MARKET), 3);
        assertTrue(_able(3 * UNIT));
    }

    function test_Sync_ChangesNothingThatIsInLine() public {
        vm.recordLogs();
        registry.sync(MARKET, alice);
        assertEq(vm.getRecordedLogs().length, 0);
    }

    // ---------------------------------------------------------------- gas

    /// @dev One word, read and written. Bounds are the figures measured plus 1%.
    function test_Gas_Reserve() public {
        uint256 reserved = harness.reserve(alice, MARKET, UNIT);
        console.log("reserve, called by the market, all cold", reserved);
        assertLe(reserved, 10_994);
    }

    function test_Gas_Draw() public view {
        uint256 gas = gasleft();
        registry.draw(MARKET, 5, UNIT, 1);
        console.log("registry draw, one prover, all cold", gas - gasleft());
    }
}

/// @notice Release with a bond that was there before the transaction.
contract ProverRegistryReleaseGasTest is RegistryFixture {
    function setUp() public override {
        super.setUp();
        _join(alice, 4);
        _nextEpoch();
        harness.reserve(alice, MARKET, UNIT);
        harness.reserve(alice, MARKET, UNIT);
    }

    function test_Gas_Release() public {
        uint256 spent = harness.release(alice, MARKET, UNIT, true);
        console.log("release, called by the market, all cold", spent);
        assertLe(spent, 11_582);
    }

    function test_Gas_Slash() public {
        uint256 spent = harness.slash(alice, MARKET, UNIT);
        console.log("slash, called by the market, all cold, one prover", spent);
    }
}
