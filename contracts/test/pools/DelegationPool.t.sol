// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { console } from "forge-std/Test.sol";
import { LibClone } from "solady/utils/LibClone.sol";

import { IDelegationPool } from "../../src/interfaces/IDelegationPool.sol";
import { IDelegationPools } from "../../src/interfaces/IDelegationPools.sol";
import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { Slot } from "../../src/types/Slot.sol";
import { HookToken } from "../mocks/HostileTokens.sol";
import { TestToken } from "../mocks/TestToken.sol";
import { PoolFixture } from "./PoolFixture.sol";

/// @dev Begins to charge 1% on transfers once told to.
contract LateFeeToken is TestToken {
    bool private _charges;

    function setCharges(bool charges) external {
        _charges = charges;
    }

    function _update(address from, address to, uint256 amount) internal override {
        uint256 fee = _charges && from != address(0) ? amount / 100 : 0;
        if (fee != 0) super._update(from, address(0), fee);
        super._update(from, to, amount - fee);
    }
}

/// @notice A pool's life: delegating, earning, losing, leaving, and everything it refuses.
contract DelegationPoolTest is PoolFixture {
    function _fill() private {
        _stakeOperator(100 ether);
        _delegate(dora, 200 ether);
        _delegate(emil, 100 ether);
        _allocate(400);
    }

    // ------------------------------------------------------------------ creation

    function test_CreateRegistersThePool() public {
        assertTrue(pools.isPool(address(pool)));
        assertFalse(pools.isPool(operator));
        assertEq(registry.proverOf(address(pool)).id, 3);
        assertEq(pool.operator(), operator);
        assertEq(pool.firstLossBps(), FIRST_LOSS);
        assertEq(address(pool.market()), address(market));
        assertEq(address(pool.registry()), address(registry));
        assertEq(pool.asset(), address(token));
        assertEq(address(pool.policies()), address(policies));
        assertEq(pool.EXIT_TIME(), EXIT_TIME);
        assertEq(pool.NOTICE(), NOTICE);
        (uint256 bps, uint256 next, uint256 from) = pool.commission();
        assertEq(bps, COMMISSION);
        assertEq(next + from, 0);
        (uint256 open, uint256 unbonding) = pool.currentBatches();
        assertEq(open, 1);
        assertEq(unbonding, 0);
        assertEq(pool.revision(), 1);

        address expected = vm.computeCreateAddress(address(pools), vm.getNonce(address(pools)));
        vm.expectEmit(address(pools));
        emit IDelegationPools.PoolCreated(expected, dora, 1, 2, "uri");
        vm.prank(dora);
        assertEq(address(pools.create(1, 2, "uri")), expected);
    }

    /// @dev What pools share has no operator, never registers, and takes no stake and no signature.
    function test_TheCodeThatPoolsShareIsNoPool() public {
        IDelegationPool bare = IDelegationPool(pools.implementation());
        assertFalse(pools.isPool(address(bare)));
        assertEq(bare.operator(), address(0));
        assertEq(bare.firstLossBps(), 0);
        vm.expectRevert(IDelegationPool.AlreadyInitialised.selector);
        bare.initialise(0, "");
        token.mint(dora, 1 ether);
        vm.startPrank(dora);
        token.approve(address(bare), 1 ether);
        vm.expectRevert(IProverRegistry.NotRegistered.selector);
        bare.delegate(1 ether, 0);
        vm.expectRevert(IDelegationPool.NotOperator.selector);
        bare.setSubmitter(dora, true);
        vm.stopPrank();
        assertEq(bare.isValidSignature(0, ""), bytes4(0xffffffff));
        assertEq(registry.proverOf(address(bare)).id, 0);
        assertEq(token.balanceOf(dora), 1 ether);
    }

    function test_APoolIsInitialisedOnce() public {
        vm.startPrank(operator);
        vm.expectRevert(IDelegationPool.AlreadyInitialised.selector);
        pool.initialise(10_000, "");
        vm.stopPrank();
        vm.prank(address(pools));
        vm.expectRevert(IDelegationPool.AlreadyInitialised.selector);
        pool.initialise(10_000, "");
    }

    /// @dev A clone of another's making may be a good pool, but the list does not know it.
    function test_AnotherClonesPoolIsNotOnTheList() public {
        IDelegationPool clone =
            IDelegationPool(LibClone.clone(pools.implementation(), abi.encodePacked(operator, uint16(10_000))));
        clone.initialise(0, "");
        assertEq(clone.operator(), operator);
        assertEq(clone.firstLossBps(), 10_000);
        assertFalse(pools.isPool(address(clone)));
    }

    function test_RevertCreate_WhenBpsTooLarge() public {
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.BpsTooLarge.selector, 10_001));
        pools.create(10_001, 0, "");
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.BpsTooLarge.selector, 10_001));
        pools.create(0, 10_001, "");
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.BpsTooLarge.selector, 10_001));
        pool.setCommission(10_001);
    }

    // ------------------------------------------------------------------ stake and rewards

    function test_DelegatedStakeIsThePoolsStake() public {
        _provide(dora, 200 ether);
        vm.expectEmit(address(pool));
        emit IDelegationPool.Delegated(dora, 200 ether, 200 ether * 1e6);
        vm.prank(dora);
        assertEq(pool.delegate(200 ether, 1), 200 ether * 1e6);
        _provide(operator, 5 ether);
        vm.expectEmit(address(pool));
        emit IDelegationPool.OperatorStaked(5 ether);
        vm.prank(operator);
        pool.stakeOperator(5 ether);
        assertEq(registry.proverOf(address(pool)).stake, 205 ether);
        assertEq(pool.assetsOf(dora), 200 ether);
        assertEq(pool.assetsOf(emil), 0);
        _assertBooked();
    }

    function test_AProofPaysOperatorOwnAndDelegated() public {
        _fill();
        Slot memory slot = _open(address(pool));
        _prove(slot, address(pool));
        // 10 ether: 1 commission; of 9, a quarter own, the rest delegated.
        vm.expectEmit(address(pool));
        emit IDelegationPool.Harvested(10 ether, 1 ether, 2.25 ether, 6.75 ether);
        assertEq(pool.harvest(), 10 ether);
        assertEq(pool.harvest(), 0);
        IDelegationPool.Totals memory t = pool.totals();
        assertEq(t.operatorStake, 102.25 ether);
        assertEq(t.delegated, 306.75 ether);
        assertEq(t.unvested, 6.75 ether);
        assertEq(pool.owedToOperator(), 1 ether);
        assertEq(token.balanceOf(address(pool)), 1 ether);
        assertEq(registry.proverOf(address(pool)).stake, 409 ether);

        assertEq(pool.assetsOf(dora), 200 ether);
        _skip(EXIT_TIME / 3);
        assertApproxEqAbs(pool.assetsOf(dora), 201.5 ether, 1e6);
        _skip(EXIT_TIME);
        assertApproxEqAbs(pool.assetsOf(dora), 204.5 ether, 1e6);
        assertApproxEqAbs(pool.assetsOf(emil), 102.25 ether, 1e6);
        _assertBooked();

        vm.prank(operator);
        vm.expectEmit(address(pool));
        emit IDelegationPool.OperatorPaid(operator, 1 ether);
        assertEq(pool.withdrawOperator(operator), 1 ether);
        assertEq(token.balanceOf(operator), 1 ether);
        assertEq(token.balanceOf(address(pool)), 0);
    }

    /// @dev What vests is neither sped up nor put off by rewards next to nothing.
    function test_SmallRewardsDoNotPutOffTheVesting() public {
        _delegate(dora, 100 ether);
        _credit(10 ether);
        pool.harvest();
        for (uint256 i; i < 60; ++i) {
            _skip(EXIT_TIME / 60);
            _credit(1);
            pool.harvest();
        }
        assertApproxEqAbs(pool.assetsOf(dora), 109 ether, 0.001 ether);
    }

    function test_ARewardWithNobodyAtStakeIsTheOperators() public {
        _credit(10 ether);
        pool.harvest();
        assertEq(pool.totals().operatorStake, 9 ether);
        assertEq(pool.owedToOperator(), 1 ether);
        vm.prank(operator);
        pool.setCommission(0);
        _credit(1 ether);
        pool.harvest();
        assertEq(pool.totals().operatorStake, 10 ether);
    }

    /// @dev With a commission of everything there is nothing to stake.
    function test_CommissionOfEverything() public {
        _createPool(0, 10_000);
        _delegate(dora, 1 ether);
        _credit(1 ether);
        assertEq(pool.harvest(), 1 ether);
        assertEq(pool.owedToOperator(), 1 ether);
        assertEq(pool.assetsOf(dora), 1 ether);
    }

    /// @dev What a requester pays its holder for a slot it drops.
    function test_WhatADroppedSlotPaysIsHarvested() public {
        _fill();
        Slot memory slot = _open(address(pool));
        vm.prank(requester);
        market.drop(slot, terms, new uint256[](0));
        assertEq(pool.harvest(), 10 ether);
        assertEq(pool.owedToOperator(), 1 ether);
        assertEq(registry.proverOf(address(pool)).stake, 409 ether);
        assertEq(registry.bondedOf(id, address(pool)), 0);
        _assertBooked();
    }

    // ------------------------------------------------------------------ losses

    function test_ASlashTakesOwnFirst() public {
        _fill();
        _exit(dora, pool.sharesOf(dora) / 2);
        _slash(40 ether);
        // 20 from own first; of the other 20, by 80 : 200 : 100 of 380.
        vm.expectEmit(address(pool));
        emit IDelegationPool.LossShared(
            40 ether, 24.210526315789473685 ether, 10.52631578947368421 ether, 5.263157894736842105 ether
        );
        pool.harvest();
        _assertBooked();
        assertApproxEqAbs(pool.assetsOf(dora), 94.736842105263157895 ether, 2);
        assertApproxEqAbs(pool.assetsOf(emil), 94.736842105263157895 ether, 2);
        assertApproxEqAbs(pool.totals().exiting, 94.736842105263157895 ether, 2);
        assertApproxEqAbs(pool.totals().operatorStake, 75.789473684210526315 ether, 2);
    }

    function test_OwnCannotBearMoreThanItIs() public {
        _createPool(10_000, 0);
        _stakeOperator(10 ether);
        _delegate(dora, 90 ether);
        _allocate(100);
        _slash(30 ether);
        pool.harvest();
        assertEq(pool.totals().operatorStake, 0);
        assertEq(pool.assetsOf(dora), 70 ether);
        _assertBooked();
    }

    function test_AfterATotalLossThePoolBeginsAnew() public {
        _delegate(dora, 100 ether);
        _allocate(100);
        (uint256 batch,) = _exit(dora, pool.sharesOf(dora) / 2);
        _slash(100 ether);
        assertEq(pool.assetsOf(dora), 0);
        assertEq(_sum(), 0);

        _provide(emil, 50 ether);
        vm.expectEmit(address(pool));
        emit IDelegationPool.SharesSpent(1);
        vm.prank(emil);
        pool.delegate(50 ether, 1);
        assertEq(pool.sharesOf(emil), 50 ether * 1e6);
        assertEq(pool.sharesOf(dora), 0);
        assertEq(pool.assetsOf(emil), 50 ether);

        // A fresh exit is not mixed with one that is worth nothing.
        _exitAll(emil);
        (uint256 open, uint256 unbonding) = pool.currentBatches();
        assertEq(unbonding, batch + 1);
        assertEq(open, batch + 2);
        _skip(EXIT_TIME);
        assertEq(_claim(emil, batch + 1), 50 ether);
        assertEq(_claim(dora, batch), 0);
        _assertBooked();
    }

    /// @dev What was earned before a total loss, and not harvested, is still theirs who earned it.
    function test_ARewardBeforeATotalLossIsShared() public {
        _delegate(dora, 100 ether);
        _allocate(100);
        _credit(10 ether);
        _slash(100 ether);
        pool.harvest();
        _skip(EXIT_TIME);
        assertApproxEqAbs(pool.assetsOf(dora), 9 ether, 1e12);
        assertEq(pool.totals().operatorStake, 0);
        _delegate(emil, 9 ether);
        assertApproxEqAbs(pool.assetsOf(dora), 9 ether, 1e12);
        assertApproxEqAbs(pool.assetsOf(emil), 9 ether, 1e12);
    }

    // ------------------------------------------------------------------ gas

    /// @dev The same for any number of delegators. Called once with 1, once with 200 others in the pool.
    function _settleASlash(uint256 others) private returns (uint256 spent) {
        uint256 snapshot = vm.snapshotState();
        _stakeOperator(100 ether);
        for (uint256 i; i < others; ++i) {
            _delegate(address(uint160(0x1000 + i)), 300 ether / others);
        }
        _allocate(400);
        _slash(20 ether);
        vm.cool(address(pool));
        vm.cool(address(registry));
        vm.cool(address(market));
        uint256 gas = gasleft();
        pool.harvest();
        spent = gas - gasleft();
        assertEq(pool.totals().delegated, 300 ether - 300 ether * 10 ether / uint256(390 ether));
        vm.revertToState(snapshot);
    }

    function test_Gas_SettlingASlashDoesNotDependOnTheNumberOfDelegators() public {
        uint256 one = _settleASlash(1);
        uint256 many = _settleASlash(200);
        console.log("slash settled, 1 and 200 delegators", one, many);
        assertEq(one, many);
    }

    function test_Gas_Create() public {
        uint256 gas = gasleft();
        pools.create(5000, 1000, "https://pool.example");
        console.log("create", gas - gasleft());
    }

    function test_Gas_DelegateHarvestExitClaim() public {
        _fill();
        address late = makeAddr("late");
        token.mint(late, 1 ether);
        vm.startPrank(late);
        token.approve(address(pool), 1 ether);
        _cool();
        uint256 gas = gasleft();
        pool.delegate(1 ether, 1);
        console.log("delegate", gas - gasleft());
        vm.stopPrank();

        _credit(1 ether);
        _cool();
        gas = gasleft();
        pool.harvest();
        console.log("harvest", gas - gasleft());

        uint256 shares = pool.sharesOf(late);
        _allocate(300);
        _cool();
        vm.prank(late);
        gas = gasleft();
        pool.requestExit(shares);
        console.log("requestExit, starting a batch", gas - gasleft());

        _skip(EXIT_TIME);
        _cool();
        vm.prank(late);
        gas = gasleft();
        pool.claim(1, late);
        console.log("claim, settling the batch", gas - gasleft());
    }

    function _cool() private {
        vm.cool(address(pool));
        vm.cool(address(registry));
        vm.cool(address(market));
        vm.cool(address(token));
    }

    // ------------------------------------------------------------------ assets

    function test_RevertDelegateAndHarvest_WhenTheAssetTakesAFee() public {
        LateFeeToken fee = new LateFeeToken();
        _deployWith(fee);
        fee.setCharges(true);
        token.mint(dora, 100);
        vm.startPrank(dora);
        token.approve(address(pool), 100);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.AssetTakesFee.selector, 99, 100));
        pool.delegate(100, 1);
        vm.stopPrank();
        _credit(1000);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.AssetTakesFee.selector, 990, 1000));
        pool.harvest();
    }

    function test_ReenteringFromTheAssetFails() public {
        _deployWith(new HookToken());
        HookToken hook = HookToken(address(token));
        _delegate(dora, 10 ether);
        (uint256 batch,) = _exit(dora, pool.sharesOf(dora) / 2);
        _skip(EXIT_TIME);
        bytes[7] memory attacks = [
            abi.encodeCall(pool.delegate, (1, 1)),
            abi.encodeCall(pool.requestExit, (1)),
            abi.encodeCall(pool.takeBackExit, (1, 1)),
            abi.encodeCall(pool.claim, (batch, stranger)),
            abi.encodeCall(pool.advance, ()),
            abi.encodeCall(pool.freeUp, (id)),
            abi.encodeCall(pool.harvest, ())
        ];
        for (uint256 i; i < attacks.length; ++i) {
            uint256 snapshot = vm.snapshotState();
            hook.setAttack(address(pool), attacks[i]);
            _claim(dora, batch);
            assertTrue(hook.attacked());
            assertEq(hook.attackError(), ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
            assertEq(token.balanceOf(dora), 5 ether);
            assertEq(token.balanceOf(stranger), 0);
            vm.revertToState(snapshot);
        }
    }

    /// @dev More credit than stake has room for is harvested as far as there is room, and blocks nobody.
    function test_AGiftTooLargeBlocksNobody() public {
        _delegate(dora, 100 ether);
        uint256 gift = type(uint96).max;
        _fund(id, gift);
        _credit(gift);
        uint256 room = type(uint96).max - 100 ether;
        assertEq(pool.harvest(), room);
        assertEq(market.credits(address(pool)), 100 ether);
        (uint256 batch, uint256 assets) = _exitAll(dora);
        assertEq(assets, 100 ether);
        _skip(EXIT_TIME);
        assertEq(_claim(dora, batch), 100 ether);
    }
}
