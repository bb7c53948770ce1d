// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProverRegistry } from "../src/interfaces/IProverRegistry.sol";
import { RegistryFixture } from "./RegistryFixture.sol";

/// @notice What mechanisms and pools ask of a prover: whether it can take a slot, who acts for it, until when it must answer.
contract ProverRegistryDutiesTest is RegistryFixture {
    uint256 private constant OTHER = MARKET + 1;

    address private hot = makeAddr("hot");

    function setUp() public override {
        super.setUp();
        _join(alice, 10);
    }

    function _able(uint256 bond) private view returns (bool) {
        return registry.isAble(MARKET, alice, bond);
    }

    function _reserve(uint256 market, uint256 amount, uint256 until) private {
        vm.prank(address(harness));
        registry.reserve(alice, market, amount, until);
    }

    function _duty(uint256 market) private view returns (uint256) {
        return registry.dutyUntil(market, alice);
    }

    // ------------------------------------------------------------------ isAble

    function test_IsAble_UpToWhatIsNotBonded() public {
        assertTrue(_able(0));
        assertTrue(_able(10 * UNIT));
        assertFalse(_able(10 * UNIT + 1));
        harness.reserve(alice, MARKET, 4 * UNIT + 1);
        assertTrue(_able(6 * UNIT - 1));
        assertFalse(_able(6 * UNIT));
        harness.release(alice, MARKET, 4 * UNIT + 1, false);
        assertTrue(_able(10 * UNIT));
    }

    function test_IsAble_InTheMarketItIsAllocatedTo() public {
        assertFalse(registry.isAble(OTHER, alice, 1));
        assertTrue(registry.isAble(OTHER, alice, 0));
        _stake(alice, 5 * UNIT);
        assertFalse(registry.isAble(OTHER, alice, 1));
        _allocate(alice, OTHER, 5);
        assertTrue(registry.isAble(OTHER, alice, 5 * UNIT));
        assertTrue(_able(10 * UNIT));
    }

    /// @dev At once, while weights only follow in a later epoch.
    function test_IsAble_AsSoonAsAllocated() public {
        assertEq(registry.weightOf(MARKET, alice), 0);
        assertTrue(_able(10 * UNIT));
        _allocate(alice, MARKET, 3);
        assertFalse(_able(3 * UNIT + 1));
        assertTrue(_able(3 * UNIT));
    }

    function test_IsAble_NotWithoutRegistration() public {
        assertFalse(registry.isAble(MARKET, bob, 0));
        assertFalse(registry.isAble(MARKET, address(0), 0));
        _register(bob);
        assertTrue(registry.isAble(MARKET, bob, 0));
        assertFalse(registry.isAble(MARKET, bob, 1));
    }

    function test_IsAble_NotWhilePaused() public {
        vm.prank(alice);
        registry.pause();
        assertFalse(_able(0));
        vm.prank(alice);
        registry.resume();
        assertTrue(_able(10 * UNIT));
    }

    function test_IsAble_NotWhileSuspended() public {
        for (uint256 i; i < 3; ++i) {
            assertTrue(_able(1));
            harness.reserve(alice, MARKET, UNIT);
            harness.slash(alice, MARKET, UNIT);
        }
        assertFalse(_able(0));
        vm.prank(alice);
        registry.resume();
        assertTrue(_able(7 * UNIT));
        assertFalse(_able(7 * UNIT + 1));
    }

    /// @dev Bonds that outlive the allocation leave nothing to bond.
    function test_IsAble_NotOnceTheAllocationIsBelowTheBonds() public {
        harness.reserve(alice, MARKET, 4 * UNIT);
        _allocate(alice, MARKET, 2);
        assertFalse(_able(1));
        _allocate(alice, MARKET, 5);
        assertTrue(_able(UNIT));
        assertFalse(_able(UNIT + 1));
    }

    function testFuzz_IsAble_IsWhetherReserveSucceeds(uint8 units, uint96 bonded, uint96 bond) public {
        bonded = uint96(bound(bonded, 0, 10 * UNIT));
        bond = uint96(bound(bond, 0, 12 * UNIT));
        harness.reserve(alice, MARKET, bonded);
        _allocate(alice, MARKET, bound(units, 0, 10));
        bool able = _able(bond);
        vm.prank(address(harness));
        (bool reserved,) =
            address(registry).call(abi.encodeCall(registry.reserve, (alice, MARKET, bond, block.timestamp + 1)));
        assertEq(able, reserved);
    }

    // ------------------------------------------------------------------ actsFor

    function test_ActsFor() public {
        assertTrue(registry.actsFor(alice, alice));
        assertFalse(registry.actsFor(hot, alice));
        vm.prank(alice);
        registry.setSubmitter(hot, true);
        assertTrue(registry.actsFor(hot, alice));
        assertFalse(registry.actsFor(alice, hot));
        assertFalse(registry.actsFor(hot, hot));
        vm.prank(hot);
        registry.setSubmitter(hot, false);
        assertFalse(registry.actsFor(hot, alice));
    }

    function test_ActsFor_NobodyWithoutRegistration() public view {
        assertFalse(registry.actsFor(bob, bob));
        assertFalse(registry.actsFor(bob, alice));
        assertFalse(registry.actsFor(bob, address(0)));
        assertFalse(registry.actsFor(address(0), address(0)));
        assertFalse(registry.actsFor(alice, address(0)));
    }

    /// @dev Being named as a submitter takes no consent, and must take nothing away.
    function test_ActsFor_AProverThatIsAnothersSubmitter() public {
        _register(bob);
        vm.prank(alice);
        registry.setSubmitter(bob, true);
        assertTrue(registry.actsFor(bob, alice));
        assertTrue(registry.actsFor(bob, bob));
        assertFalse(registry.actsFor(alice, bob));
    }

    function test_ActsFor_AProverThatIsItsOwnSubmitter() public {
        vm.startPrank(alice);
        registry.setSubmitter(alice, true);
        assertTrue(registry.actsFor(alice, alice));
        registry.setSubmitter(alice, false);
        vm.stopPrank();
        assertTrue(registry.actsFor(alice, alice));
    }

    /// @dev Who may act is not a matter of stake, nor of being in the draws.
    function test_ActsFor_WhilePaused() public {
        vm.startPrank(alice);
        registry.setSubmitter(hot, true);
        registry.pause();
        vm.stopPrank();
        assertTrue(registry.actsFor(alice, alice));
        assertTrue(registry.actsFor(hot, alice));
    }

    // ------------------------------------------------------------------ dutyUntil

    function test_DutyUntil_WhileABondIsOpen() public {
        assertEq(_duty(MARKET), 0);
        harness.reserve(alice, MARKET, UNIT);
        assertEq(_duty(MARKET), START + 1 days);
        assertEq(_duty(OTHER), 0);
        assertEq(registry.dutyUntil(MARKET, bob), 0);
        // It says when, and does not pass by itself: the bond is what ends it.
        vm.warp(START + 2 days);
        assertEq(_duty(MARKET), START + 1 days);
        harness.release(alice, MARKET, UNIT, true);
        assertEq(_duty(MARKET), 0);
    }

    function test_DutyUntil_EndsWithASlashToo() public {
        harness.reserve(alice, MARKET, UNIT);
        harness.slash(alice, MARKET, UNIT);
        assertEq(_duty(MARKET), 0);
    }

    function test_DutyUntil_IsThatOfTheLastBond() public {
        _reserve(MARKET, UNIT, START + 500);
        _reserve(MARKET, UNIT, START + 900);
        _reserve(MARKET, UNIT, START + 100);
        assertEq(_duty(MARKET), START + 900);
        // Later than need be, perhaps: which bond ended is not kept.
        harness.release(alice, MARKET, UNIT, true);
        harness.release(alice, MARKET, UNIT, true);
        assertEq(_duty(MARKET), START + 900);
        harness.release(alice, MARKET, UNIT, true);
        assertEq(_duty(MARKET), 0);
    }

    /// @dev Once higher it is never lower, and never sooner than the open bond.
    function test_DutyUntil_AfterAnEarlierOne() public {
        _reserve(MARKET, UNIT, START + 900);
        harness.release(alice, MARKET, UNIT, true);
        _reserve(MARKET, UNIT, START + 100);
        assertEq(_duty(MARKET), START + 900);
        _reserve(MARKET, UNIT, START + 1000);
        assertEq(_duty(MARKET), START + 1000);
    }

    function test_DutyUntil_MarketByMarket() public {
        _stake(alice, 5 * UNIT);
        _allocate(alice, OTHER, 5);
        _reserve(MARKET, UNIT, START + 100);
        _reserve(OTHER, UNIT, START + 700);
        assertEq(_duty(MARKET), START + 100);
        assertEq(_duty(OTHER), START + 700);
        vm.prank(address(harness));
        registry.release(alice, OTHER, UNIT, false);
        assertEq(_duty(MARKET), START + 100);
        assertEq(_duty(OTHER), 0);
    }

    /// @dev A prover that left still has its duty, and the stake for it.
    function test_DutyUntil_OutlivesTheAllocation() public {
        _reserve(MARKET, 4 * UNIT, START + 900);
        _allocate(alice, MARKET, 0);
        assertEq(_duty(MARKET), START + 900);
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, 6 * UNIT, 6 * UNIT + 1));
        vm.prank(alice);
        registry.requestUnstake(6 * UNIT + 1);
    }

    function testFuzz_DutyUntil_CoversEveryOpenBond(uint32[5] calldata untils, uint8 released) public {
        uint256 latest;
        for (uint256 i; i < untils.length; ++i) {
            _reserve(MARKET, UNIT, START + 1 + untils[i]);
            if (START + 1 + untils[i] > latest) latest = START + 1 + untils[i];
        }
        released = uint8(bound(released, 0, untils.length));
        for (uint256 i; i < released; ++i) {
            harness.release(alice, MARKET, UNIT, false);
        }
        assertEq(_duty(MARKET), released == untils.length ? 0 : latest);
    }
}
