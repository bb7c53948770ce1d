// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ProverRegistry } from "../src/ProverRegistry.sol";
import { IProverRegistry } from "../src/interfaces/IProverRegistry.sol";
import { RegistryFixture } from "./RegistryFixture.sol";
import { RegistryHarness } from "./mocks/RegistryHarness.sol";
import { FeeToken } from "./mocks/TestToken.sol";

/// @notice Deployment, identity, stake and its ways out.
contract ProverRegistryTest is RegistryFixture {
    // ---------------------------------------------------------------- deployment

    function test_Constructor() public view {
        assertEq(registry.market(), address(harness));
        assertEq(registry.asset(), address(token));
        assertEq(registry.STAKE_UNIT(), UNIT);
        assertEq(registry.EPOCH_LENGTH(), EPOCH);
        assertEq(registry.FREEZE(), FREEZE);
        assertEq(registry.SUSPEND_AFTER(), 3);
        assertEq(registry.OPEN_AFTER(), 255);
        assertEq(registry.MAX_WINDOW(), UNBONDING);
        assertEq(registry.UNBONDING(), UNBONDING);
        assertEq(registry.MAX_UNITS(), 511);
    }

    function _refuses(IProverRegistry.Params memory params, bytes32 rule) private {
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.ParamsRejected.selector, rule));
        new ProverRegistry(params, address(harness));
    }

    function test_RevertConstructor_WhenParamsBreakARule() public {
        IProverRegistry.Params memory params = _params();
        params.asset = alice;
        _refuses(params, "asset");
        params = _params();
        params.stakeUnit = 0;
        _refuses(params, "stakeUnit");
        params = _params();
        params.freeze = 0;
        _refuses(params, "freeze");
        params.freeze = uint32(EPOCH);
        _refuses(params, "freeze");
        params = _params();
        params.suspendAfter = 0;
        _refuses(params, "suspendAfter");
        params = _params();
        params.openAfter = 0;
        _refuses(params, "openAfter");
        params = _params();
        params.maxWindow = 0;
        _refuses(params, "maxWindow");
    }

    /// @dev By when stake comes back its weight has left the draws, and every bond that was open has ended.
    function test_RevertConstructor_WhenUnbondingIsTooShort() public {
        IProverRegistry.Params memory params = _params();
        params.maxWindow = 1;
        params.unbonding = uint32(EPOCH + FREEZE - 1);
        _refuses(params, "unbonding");
        params.unbonding = uint32(EPOCH + FREEZE);
        new ProverRegistry(params, address(harness));

        params.maxWindow = params.unbonding + 1;
        _refuses(params, "unbonding");
        params.maxWindow = type(uint32).max;
        _refuses(params, "unbonding");
        params.maxWindow = params.unbonding;
        new ProverRegistry(params, address(harness));
        params.epochLength = type(uint32).max;
        _refuses(params, "unbonding");
    }

    // ---------------------------------------------------------------- identity

    function test_Register_CountsIdsFromOne() public {
        vm.expectEmit(address(registry));
        emit IProverRegistry.ProverRegistered(alice, 1, "https://prover.example");
        _register(alice);
        _register(bob);
        assertEq(registry.proverOf(alice).id, 1);
        assertEq(registry.proverOf(bob).id, 2);
        assertEq(registry.proverById(1), alice);
        assertEq(registry.proverById(2), bob);
        assertEq(registry.proverById(3), address(0));
        assertEq(registry.proverCount(), 2);
        assertEq(registry.proverOf(carol).id, 0);
    }

    function test_RevertRegister_WhenRegistered() public {
        _register(alice);
        vm.expectRevert(IProverRegistry.AlreadyRegistered.selector);
        _register(alice);
    }

    function test_SetUri() public {
        _register(alice);
        vm.expectEmit(address(registry));
        emit IProverRegistry.UriSet(alice, "ipfs://x");
        vm.prank(alice);
        registry.setUri("ipfs://x");
    }

    function test_RevertOwnerActions_WhenNotRegistered() public {
        vm.startPrank(carol);
        vm.expectRevert(IProverRegistry.NotRegistered.selector);
        registry.setUri("");
        vm.expectRevert(IProverRegistry.NotRegistered.selector);
        registry.setSubmitter(bob, true);
        vm.expectRevert(IProverRegistry.NotRegistered.selector);
        registry.stake(1);
        vm.expectRevert(IProverRegistry.NotRegistered.selector);
        registry.allocate(MARKET, 0, 0, 0, 0);
        vm.expectRevert(IProverRegistry.NotRegistered.selector);
        registry.requestUnstake(1);
        vm.expectRevert(IProverRegistry.NothingToWithdraw.selector);
        registry.withdrawStake(carol);
        vm.expectRevert(IProverRegistry.NotAuthorised.selector);
        registry.pause();
        vm.expectRevert(IProverRegistry.NotAuthorised.selector);
        registry.resume();
        vm.expectRevert(IProverRegistry.NotAuthorised.selector);
        registry.reinstate(MARKET);
        vm.expectRevert(IProverRegistry.NotRegistered.selector);
        registry.sync(MARKET, carol);
    }

    // ---------------------------------------------------------------- stake in

    function test_Stake() public {
        _register(alice);
        _stake(alice, 250e18);
        assertEq(registry.proverOf(alice).stake, 250e18);
        assertEq(registry.freeStake(alice), 250e18);
        assertEq(token.balanceOf(address(registry)), 250e18);
    }

    function test_RevertStake_WhenZero() public {
        _register(alice);
        vm.prank(alice);
        vm.expectRevert(IProverRegistry.AmountZero.selector);
        registry.stake(0);
    }

    function test_RevertStake_WhenAssetTakesFee() public {
        FeeToken fee = new FeeToken();
        IProverRegistry.Params memory params = _params();
        params.asset = address(fee);
        ProverRegistry other = new RegistryHarness(params).registry();
        fee.mint(alice, 100);
        vm.startPrank(alice);
        other.register("");
        fee.approve(address(other), 100);
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.AssetTakesFee.selector, 99, 100));
        other.stake(100);
    }

    /// @dev Stake and stake asked back stay below 2^96 together, so that no later move can overflow.
    function test_RevertStake_WhenTooLargeForItsField() public {
        _register(alice);
        _stake(alice, type(uint96).max);
        vm.prank(alice);
        registry.requestUnstake(type(uint96).max);
        token.mint(alice, 1);
        vm.startPrank(alice);
        token.approve(address(registry), 1);
        vm.expectRevert();
        registry.stake(1);
    }

    // ---------------------------------------------------------------- allocation

    function test_Allocate_TakesEffectNextEpoch() public {
        _register(alice);
        _stake(alice, 10 * UNIT);
        vm.expectEmit(address(registry));
        emit IProverRegistry.AllocationSet(alice, MARKET, 4, 511, 1, type(uint32).max);
        vm.expectEmit(address(registry));
        emit IProverRegistry.WeightSet(MARKET, 1, 4, START / EPOCH + 1);
        _allocate(alice, MARKET, 4);
        assertEq(registry.allocationOf(MARKET, alice), 4);
        assertEq(registry.freeStake(alice), 6 * UNIT);
        assertEq(registry.weightOf(MARKET, alice), 0);
        assertEq(registry.totalWeight(MARKET), 0);
        _nextEpoch();
        assertEq(registry.weightOf(MARKET, alice), 4);
        assertEq(registry.totalWeight(MARKET), 4);
        assertEq(registry.weightOf(MARKET, bob), 0);
    }

    /// @dev One second before the freeze a change reaches the next epoch; from its first second on, the one after.
    function test_Allocate_FreezeBoundary() public {
        _join(alice, 1);
        _join(bob, 1);
        _nextEpoch();
        uint256 next = vm.getBlockTimestamp() + EPOCH;
        vm.warp(next - FREEZE - 1);
        _allocate(alice, MARKET, 0);
        vm.warp(next - FREEZE);
        _allocate(bob, MARKET, 0);
        vm.warp(next - 1);
        assertEq(registry.totalWeight(MARKET), 2);
        vm.warp(next);
        assertEq(registry.weightOf(MARKET, alice), 0);
        assertEq(registry.weightOf(MARKET, bob), 1);
        vm.warp(next + EPOCH);
        assertEq(registry.totalWeight(MARKET), 0);
    }

    function test_RevertAllocate_WhenAboveMost() public {
        _register(alice);
        _stake(alice, 512 * UNIT);
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.AllocationTooLarge.selector, 512, 511));
        registry.allocate(MARKET, 512, 511, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.AllocationTooLarge.selector, 512, 511));
        registry.allocate(MARKET, 511, 512, 1, 1);
        vm.stopPrank();
        _allocate(alice, MARKET, 511);
    }

    function test_RevertAllocate_WhenStakeDoesNotCoverIt() public {
        _register(alice);
        _stake(alice, 10 * UNIT - 1);
        _allocate(alice, MARKET, 4);
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, 6 * UNIT - 1, 6 * UNIT));
        registry.allocate(MARKET + 1, 6, 6, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, 10 * UNIT - 1, 10 * UNIT));
        registry.allocate(MARKET, 10, 10, 1, 1);
        vm.stopPrank();
        _allocate(alice, MARKET, 9);
        assertEq(registry.proverOf(alice).allocated, 9 * UNIT);
    }

    // ---------------------------------------------------------------- stake out

    function test_Unstake() public {
        _register(alice);
        _stake(alice, 10 * UNIT);
        _allocate(alice, MARKET, 4);
        vm.startPrank(alice);
        registry.requestUnstake(2 * UNIT);
        skip(100);
        uint256 readyAt = vm.getBlockTimestamp() + UNBONDING;
        vm.expectEmit(address(registry));
        emit IProverRegistry.UnstakeRequested(alice, 1 * UNIT, readyAt);
        registry.requestUnstake(1 * UNIT);
        IProverRegistry.Prover memory prover = registry.proverOf(alice);
        assertEq(prover.stake, 10 * UNIT);
        assertEq(prover.unbonding, 3 * UNIT);
        assertEq(prover.unbondingReadyAt, readyAt);
        assertEq(registry.freeStake(alice), 3 * UNIT);

        vm.warp(readyAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.UnbondingNotReady.selector, readyAt));
        registry.withdrawStake(carol);
        vm.warp(readyAt);
        vm.expectEmit(address(registry));
        emit IProverRegistry.Unstaked(alice, carol, 3 * UNIT);
        registry.withdrawStake(carol);
        assertEq(token.balanceOf(carol), 3 * UNIT);
        assertEq(registry.proverOf(alice).stake, 7 * UNIT);
        vm.expectRevert(IProverRegistry.NothingToWithdraw.selector);
        registry.withdrawStake(carol);
    }

    /// @dev None of these could ever send it on.
    function test_RevertWithdrawStake_WhenTheRecipientIsInvalid() public {
        _register(alice);
        _stake(alice, UNIT);
        vm.startPrank(alice);
        registry.requestUnstake(UNIT);
        skip(UNBONDING);
        address[3] memory bad = [address(0), address(registry), address(harness)];
        for (uint256 i; i < bad.length; ++i) {
            vm.expectRevert(IProverRegistry.RecipientInvalid.selector);
            registry.withdrawStake(bad[i]);
        }
        assertEq(registry.proverOf(alice).unbonding, UNIT);
        registry.withdrawStake(alice);
        assertEq(token.balanceOf(alice), UNIT);
    }

    function test_RevertRequestUnstake_WhenZeroOrAllocated() public {
        _register(alice);
        _stake(alice, 10 * UNIT);
        _allocate(alice, MARKET, 4);
        vm.startPrank(alice);
        vm.expectRevert(IProverRegistry.AmountZero.selector);
        registry.requestUnstake(0);
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, 6 * UNIT, 6 * UNIT + 1));
        registry.requestUnstake(6 * UNIT + 1);
        registry.requestUnstake(6 * UNIT);
        assertEq(registry.freeStake(alice), 0);
    }
}
