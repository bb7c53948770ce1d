// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { console } from "forge-std/Test.sol";

import { IDelegationPool } from "../src/interfaces/IDelegationPool.sol";
import { IDelegationPools } from "../src/interfaces/IDelegationPools.sol";
import { Slot } from "../src/interfaces/IProofMarket.sol";
import { PoolFixture } from "./PoolFixture.sol";
import { HookToken } from "./mocks/HostileTokens.sol";
import { TestToken } from "./mocks/TestToken.sol";

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
        _stakeOwn(100 ether);
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
        assertEq(pool.DRIP(), UNBONDING);
        assertEq(pool.COMMISSION_NOTICE(), 3 * UNBONDING);
        (uint256 bps, uint256 next, uint256 from) = pool.commission();
        assertEq(bps, COMMISSION);
        assertEq(next + from, 0);
        (uint256 open, uint256 unbonding) = pool.currentBatches();
        assertEq(open, 1);
        assertEq(unbonding, 0);

        address expected = vm.computeCreateAddress(address(pools), vm.getNonce(address(pools)));
        vm.expectEmit(address(pools));
        emit IDelegationPools.PoolCreated(expected, dora, 1, 2, "uri");
        vm.prank(dora);
        assertEq(address(pools.create(1, 2, "uri")), expected);
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
        assertEq(pool.delegate(200 ether), 200 ether * 1e6);
        _provide(operator, 5 ether);
        vm.expectEmit(address(pool));
        emit IDelegationPool.OwnStaked(5 ether);
        vm.prank(operator);
        pool.stakeOwn(5 ether);
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
        assertEq(t.own, 102.25 ether);
        assertEq(t.delegated, 306.75 ether);
        assertEq(t.undripped, 6.75 ether);
        assertEq(pool.owedToOperator(), 1 ether);
        assertEq(token.balanceOf(address(pool)), 1 ether);
        assertEq(registry.proverOf(address(pool)).stake, 409 ether);

        assertEq(pool.assetsOf(dora), 200 ether);
        _skip(UNBONDING / 3);
        assertApproxEqAbs(pool.assetsOf(dora), 201.5 ether, 1e6);
        _skip(UNBONDING);
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

    /// @dev What drips is neither sped up nor put off by rewards next to nothing.
    function test_SmallRewardsDoNotPutOffTheDrip() public {
        _delegate(dora, 100 ether);
        _credit(10 ether);
        pool.harvest();
        for (uint256 i; i < 60; ++i) {
            _skip(UNBONDING / 60);
            _credit(1);
            pool.harvest();
        }
        assertApproxEqAbs(pool.assetsOf(dora), 109 ether, 0.001 ether);
    }

    function test_ARewardWithNobodyAtStakeIsTheOperators() public {
        _credit(10 ether);
        pool.harvest();
        assertEq(pool.totals().own, 9 ether);
        assertEq(pool.owedToOperator(), 1 ether);
        vm.prank(operator);
        pool.setCommission(0);
        _credit(1 ether);
        pool.harvest();
        assertEq(pool.totals().own, 10 ether);
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
        assertApproxEqAbs(pool.totals().own, 75.789473684210526315 ether, 2);
    }

    function test_OwnCannotBearMoreThanItIs() public {
        _createPool(10_000, 0);
        _stakeOwn(10 ether);
        _delegate(dora, 90 ether);
        _allocate(100);
        _slash(30 ether);
        pool.harvest();
        assertEq(pool.totals().own, 0);
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
        pool.delegate(50 ether);
        assertEq(pool.sharesOf(emil), 50 ether * 1e6);
        assertEq(pool.sharesOf(dora), 0);
        assertEq(pool.assetsOf(emil), 50 ether);

        // A fresh exit is not mixed with one that is worth nothing.
        _exitAll(emil);
        (uint256 open, uint256 unbonding) = pool.currentBatches();
        assertEq(unbonding, batch + 1);
        assertEq(open, batch + 2);
        _skip(UNBONDING);
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
        _skip(UNBONDING);
        assertApproxEqAbs(pool.assetsOf(dora), 9 ether, 1e12);
        assertEq(pool.totals().own, 0);
        _delegate(emil, 9 ether);
        assertApproxEqAbs(pool.assetsOf(dora), 9 ether, 1e12);
        assertApproxEqAbs(pool.assetsOf(emil), 9 ether, 1e12);
    }

    // ------------------------------------------------------------------ gas

    /// @dev The same for any number of delegators. Called once with 1, once with 200 others in the pool.
    function _settleASlash(uint256 others) private returns (uint256 spent) {
        uint256 snapshot = vm.snapshotState();
        _stakeOwn(100 ether);
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

    function test_Gas_DelegateHarvestExitClaim() public {
        _fill();
        address late = makeAddr("late");
        token.mint(late, 1 ether);
        vm.startPrank(late);
        token.approve(address(pool), 1 ether);
        _cool();
        uint256 gas = gasleft();
        pool.delegate(1 ether);
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

        _skip(UNBONDING);
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
        pool.delegate(100);
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
        _skip(UNBONDING);
        bytes[6] memory attacks = [
            abi.encodeCall(pool.delegate, (1)),
            abi.encodeCall(pool.requestExit, (1)),
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
        _skip(UNBONDING);
        assertEq(_claim(dora, batch), 100 ether);
    }
}
