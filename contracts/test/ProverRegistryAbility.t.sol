// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProverRegistry } from "../src/interfaces/IProverRegistry.sol";
import { RegistryFixture } from "./RegistryFixture.sol";

/// @notice Whether a prover can take a slot: what of its stake a market may ask for, under which terms, and until when.
contract ProverRegistryAbilityTest is RegistryFixture {
    uint256 private constant OTHER = MARKET + 1;
    uint32 private constant VERSION = 1;

    function setUp() public override {
        super.setUp();
        _join(alice, 10);
    }

    function _able(uint256 bond) private view returns (bool) {
        return _ableUnder(VERSION, bond);
    }

    function _ableUnder(uint32 version, uint256 bond) private view returns (bool) {
        return registry.isEligible(MARKET, alice, bond, version);
    }

    function _set(uint256 units, uint256 exposure, uint32 from, uint32 to) private {
        vm.prank(alice);
        registry.allocate(MARKET, units, exposure, from, to);
    }

    function _reserve(uint256 amount, uint32 version) private {
        vm.prank(address(harness));
        registry.reserve(alice, MARKET, amount, version);
    }

    function _reserveFails(uint256 amount, uint32 version, bytes memory error) private {
        vm.prank(address(harness));
        vm.expectRevert(error);
        registry.reserve(alice, MARKET, amount, version);
    }

    function _insufficient(uint256 available, uint256 needed) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, available, needed);
    }

    function _notAccepted(uint32 version, uint32 from, uint32 to) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IProverRegistry.TermsNotAccepted.selector, version, from, to);
    }

    // ------------------------------------------------------------------ isEligible

    function test_IsEligible_UpToWhatIsNotBonded() public {
        assertTrue(_able(0));
        assertTrue(_able(10 * UNIT));
        assertFalse(_able(10 * UNIT + 1));
        harness.reserve(alice, MARKET, 4 * UNIT + 1);
        assertTrue(_able(6 * UNIT - 1));
        assertFalse(_able(6 * UNIT));
        harness.release(alice, MARKET, 4 * UNIT + 1, false);
        assertTrue(_able(10 * UNIT));
    }

    function test_IsEligible_InTheMarketItIsAllocatedTo() public {
        assertFalse(registry.isEligible(OTHER, alice, 1, VERSION));
        // Nobody answers for a slot in a market it never joined, not even without a bond.
        assertFalse(registry.isEligible(OTHER, alice, 0, VERSION));
        _stake(alice, 5 * UNIT);
        assertFalse(registry.isEligible(OTHER, alice, 1, VERSION));
        _allocate(alice, OTHER, 5);
        assertTrue(registry.isEligible(OTHER, alice, 5 * UNIT, VERSION));
        assertTrue(_able(10 * UNIT));
    }

    /// @dev At once, while weights only follow in a later epoch.
    function test_IsEligible_AsSoonAsAllocated() public {
        assertEq(registry.weightOf(MARKET, alice), 0);
        assertTrue(_able(10 * UNIT));
        _allocate(alice, MARKET, 3);
        assertFalse(_able(3 * UNIT + 1));
        assertTrue(_able(3 * UNIT));
    }

    function test_IsEligible_NotWithoutRegistration() public {
        assertFalse(registry.isEligible(MARKET, bob, 0, VERSION));
        assertFalse(registry.isEligible(MARKET, address(0), 0, VERSION));
        // No version is 0; but it is what an empty position says.
        assertFalse(registry.isEligible(MARKET, address(0), 0, 0));
        _register(bob);
        assertFalse(registry.isEligible(MARKET, bob, 0, VERSION));
        _allocate(bob, MARKET, 0);
        assertTrue(registry.isEligible(MARKET, bob, 0, VERSION));
        assertFalse(registry.isEligible(MARKET, bob, 1, VERSION));
    }

    function test_IsEligible_NotWhilePaused() public {
        vm.prank(alice);
        registry.pause();
        assertFalse(_able(0));
        vm.prank(alice);
        registry.resume();
        assertTrue(_able(10 * UNIT));
    }

    function test_IsEligible_NotWhileSuspended() public {
        for (uint256 i; i < 3; ++i) {
            assertTrue(_able(1));
            harness.reserve(alice, MARKET, UNIT);
            harness.slash(alice, MARKET, UNIT);
        }
        assertFalse(_able(0));
        vm.prank(alice);
        registry.resume();
        assertFalse(_able(0), "resuming is for pauses");
        vm.prank(alice);
        registry.reinstate(MARKET);
        assertTrue(_able(7 * UNIT));
        assertFalse(_able(7 * UNIT + 1));
    }

    /// @dev Bonds that outlive the allocation leave nothing to bond.
    function test_IsEligible_NotOnceTheAllocationIsBelowTheBonds() public {
        harness.reserve(alice, MARKET, 4 * UNIT);
        _allocate(alice, MARKET, 2);
        assertFalse(_able(1));
        _allocate(alice, MARKET, 5);
        assertTrue(_able(UNIT));
        assertFalse(_able(UNIT + 1));
    }

    function testFuzz_IsAble_IsWhetherReserveSucceeds(
        uint8 units,
        uint8 exposure,
        uint96 bonded,
        uint96 bond,
        uint32 from,
        uint32 to,
        uint32 version
    ) public {
        bonded = uint96(bound(bonded, 0, 10 * UNIT));
        bond = uint96(bound(bond, 0, 12 * UNIT));
        harness.reserve(alice, MARKET, bonded);
        units = uint8(bound(units, 0, 10));
        exposure = uint8(bound(exposure, 0, 12));
        _set(units, exposure, from % 4, to % 4);
        bool eligible = _ableUnder(version % 4, bond);
        vm.prank(address(harness));
        (bool reserved,) = address(registry).call(abi.encodeCall(registry.reserve, (alice, MARKET, bond, version % 4)));
        assertEq(eligible, reserved);
        if (!reserved || bond == 0) return;
        assertLe(registry.bondedOf(MARKET, alice), units * UNIT);
        assertLe(registry.bondedOf(MARKET, alice), exposure * UNIT);
    }

    // ------------------------------------------------------------------ exposure

    /// @dev However many slots a market opens for one prover: no more bonds at once than it exposed.
    function test_Exposure_CapsTheBondsThatAreOpenAtOnce() public {
        uint256 bond = UNIT * 9 / 10;
        _set(10, 3, VERSION, VERSION);
        uint256 reserved;
        for (uint256 i; i < 10; ++i) {
            bool eligible = _able(bond);
            assertEq(eligible, i < 3);
            if (eligible) {
                _reserve(bond, VERSION);
                ++reserved;
            } else {
                _reserveFails(bond, VERSION, _insufficient(UNIT * 3 / 10, bond));
            }
        }
        assertEq(reserved, 3);
        assertEq(registry.bondedOf(MARKET, alice), 3 * bond);
        // Its weight is that of the whole allocation, and a draw passes it over.
        _nextEpoch();
        assertEq(registry.weightOf(MARKET, alice), 10);
        (address drawn, bool able_) = registry.draw(MARKET, 5, bond, VERSION);
        assertEq(drawn, alice);
        assertFalse(able_);
        // One that ends makes room for one.
        harness.release(alice, MARKET, bond, true);
        (, able_) = registry.draw(MARKET, 5, bond, VERSION);
        assertTrue(able_);
    }

    /// @dev Above the allocation it means all of it.
    function test_Exposure_IsNoMoreThanTheAllocation() public {
        _set(4, 511, VERSION, VERSION);
        assertTrue(_able(4 * UNIT));
        assertFalse(_able(4 * UNIT + 1));
        _set(4, 0, VERSION, VERSION);
        assertFalse(_able(1));
        assertTrue(_able(0));
        assertEq(registry.freeStake(alice), 6 * UNIT, "what is not exposed is allocated all the same");
    }

    /// @dev Lowered, it bounds what is to come; bonds that are open stay, and count.
    function test_Exposure_LoweredUnderOpenBonds() public {
        _reserve(4 * UNIT, VERSION);
        _set(10, 2, VERSION, VERSION);
        assertEq(registry.bondedOf(MARKET, alice), 4 * UNIT);
        _reserveFails(1, VERSION, _insufficient(0, 1));
        harness.release(alice, MARKET, 3 * UNIT, false);
        _reserve(UNIT, VERSION);
        _reserveFails(1, VERSION, _insufficient(0, 1));
    }

    /// @dev One market's exposure is none of another's.
    function test_Exposure_IsMarketByMarket() public {
        _set(4, 1, VERSION, VERSION);
        vm.prank(alice);
        registry.allocate(OTHER, 6, 6, VERSION, VERSION);
        _reserve(UNIT, VERSION);
        harness.reserve(alice, OTHER, 6 * UNIT);
        assertFalse(_able(1));
        assertEq(registry.bondedOf(OTHER, alice), 6 * UNIT);
    }

    // ------------------------------------------------------------------ terms

    /// @dev Outside the range that a prover accepted nothing of its can be reserved, and draws pass it over.
    function test_Terms_OutsideTheAcceptedRangeReserveNothing() public {
        _set(10, 10, 2, 4);
        _nextEpoch();
        uint32[4] memory outside = [uint32(0), 1, 5, type(uint32).max];
        for (uint256 i; i < outside.length; ++i) {
            _reserveFails(UNIT, outside[i], _notAccepted(outside[i], 2, 4));
            _reserveFails(0, outside[i], _notAccepted(outside[i], 2, 4));
            assertFalse(_ableUnder(outside[i], 0));
            (address drawn, bool eligible) = registry.draw(MARKET, 3, 0, outside[i]);
            assertEq(drawn, alice, "drawn by weight alone");
            assertFalse(eligible, "but passed over");
        }
        for (uint32 version = 2; version <= 4; ++version) {
            (, bool eligible) = registry.draw(MARKET, 3, UNIT, version);
            assertTrue(eligible);
            _reserve(UNIT, version);
        }
    }

    /// @dev An announced version can be accepted before it is in force, and with no other step the prover goes on.
    function test_Terms_AnnouncedVersionsCanBeAcceptedAhead() public {
        _set(10, 10, 1, 1);
        assertFalse(_ableUnder(2, UNIT));
        _set(10, 10, 1, 2);
        assertTrue(_ableUnder(1, UNIT));
        assertTrue(_ableUnder(2, UNIT));
        assertFalse(_ableUnder(3, UNIT));
        IProverRegistry.Position memory position = registry.positionOf(MARKET, alice);
        assertEq(position.fromVersion, 1);
        assertEq(position.toVersion, 2);
        assertEq(position.units, 10);
        assertEq(position.exposure, 10);
    }

    /// @dev It counts at once, both ways; a bond that is open under other terms stays.
    function test_Terms_WithdrawnAtOnce() public {
        _reserve(UNIT, VERSION);
        _set(10, 10, 2, 2);
        _reserveFails(UNIT, VERSION, _notAccepted(VERSION, 2, 2));
        assertEq(registry.bondedOf(MARKET, alice), UNIT);
        harness.slash(alice, MARKET, UNIT);
        assertEq(registry.proverOf(alice).stake, 9 * UNIT);
    }

    /// @dev An empty range is a way to answer for nothing.
    function test_Terms_AnEmptyRangeAcceptsNothing() public {
        _set(10, 10, 2, 1);
        for (uint32 version; version < 4; ++version) {
            assertFalse(_ableUnder(version, 0));
        }
    }

    /// @dev What was accepted in one market says nothing in another.
    function test_Terms_AreMarketByMarket() public {
        _set(5, 5, 1, 9);
        _reserveFails(0, 10, _notAccepted(10, 1, 9));
        vm.prank(address(harness));
        vm.expectRevert(_notAccepted(3, 0, 0));
        registry.reserve(alice, OTHER, 0, 3);
    }

    // ------------------------------------------------------------------ how long a bond lasts

    /// @dev No date is kept: a bond ends when its slot does, and that within the longest window that terms may have.
    function test_ABondLastsUntilItsSlotEnds() public {
        harness.reserve(alice, MARKET, 4 * UNIT);
        assertLe(registry.MAX_WINDOW(), registry.UNBONDING());
        vm.warp(START + 10 * UNBONDING);
        assertEq(registry.bondedOf(MARKET, alice), 4 * UNIT);
        // A prover that left still answers, and has the stake for it.
        _allocate(alice, MARKET, 0);
        vm.expectRevert(_insufficient(6 * UNIT, 6 * UNIT + 1));
        vm.prank(alice);
        registry.requestUnstake(6 * UNIT + 1);
        harness.release(alice, MARKET, 4 * UNIT, true);
        assertEq(registry.bondedOf(MARKET, alice), 0);
        assertEq(registry.freeStake(alice), 10 * UNIT);
    }

    /// @dev Stake asked back the moment after a bond of the longest window was reserved comes back when that has ended, and not
    /// with it: the two do not meet.
    function test_ABondNeverStandsOnStakeAskedBack() public {
        harness.reserve(alice, MARKET, 10 * UNIT);
        vm.prank(alice);
        vm.expectRevert(_insufficient(0, 1));
        registry.requestUnstake(1);
        harness.slash(alice, MARKET, 10 * UNIT);
        assertEq(registry.proverOf(alice).stake, 0);
    }
}
