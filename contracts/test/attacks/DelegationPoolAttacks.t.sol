// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IDelegationPool } from "../../src/interfaces/IDelegationPool.sol";
import { Slot } from "../../src/types/Slot.sol";
import { PoolFixture } from "../pools/PoolFixture.sol";

/// @notice Delegators and operators who want more than their part. Each test ends with the attacker's balance.
contract DelegationPoolAttacksTest is PoolFixture {
    uint256 private constant PURSE = 1000 ether;
    address private mallory = makeAddr("mallory");

    function setUp() public override {
        super.setUp();
        token.mint(mallory, PURSE);
        vm.prank(mallory);
        token.approve(address(pool), type(uint256).max);
    }

    /// @dev Credit for the pool out of mallory's purse, through a market of her own.
    function _gift(uint256 amount) private {
        vm.startPrank(mallory);
        uint256 own = market.createMarket(terms, 1, 0);
        token.approve(address(market), amount);
        market.fund(own, amount);
        market.defund(own, amount, address(pool));
        vm.stopPrank();
    }

    function _delegateAll() private {
        uint256 purse = token.balanceOf(mallory);
        vm.prank(mallory);
        pool.delegate(purse, 1);
    }

    /// @dev Everything mallory has in the pool, back in her purse.
    function _leave(address who) private returns (uint256) {
        (uint256 batch,) = _exitAll(who);
        return _collect(who, batch);
    }

    function _collect(address who, uint256 batch) private returns (uint256) {
        (, uint256 unbonding) = pool.currentBatches();
        if (unbonding != 0 && unbonding != batch) {
            _skip(EXIT_TIME);
            pool.advance();
        }
        (,, uint256 readyAt,,) = pool.batches(batch);
        if (readyAt > vm.getBlockTimestamp()) vm.warp(readyAt);
        _claim(who, batch);
        return token.balanceOf(who);
    }

    // ------------------------------------------------------------------ the worth of a share

    function test_FirstDepositorShareInflationLosesTheGift() public {
        assertEq(token.balanceOf(mallory), PURSE);
        vm.prank(mallory);
        pool.delegate(1, 1);
        _gift(900 ether);
        pool.harvest();
        _skip(EXIT_TIME);
        _delegate(dora, 10 ether);
        // Virtual shares hold half of the gift; what rounding takes of dora is next to nothing.
        assertLt(_leave(mallory), PURSE - 400 ether);
        assertGt(_leave(dora), 10 ether - 0.001 ether);
    }

    /// @dev However much is given and delegated: never a profit, and the victim loses less than a millionth of the gift.
    function testFuzz_FirstDepositorShareInflationNeverPays(uint256 first, uint256 gift, uint256 victim) public {
        first = bound(first, 1, 10 ether);
        gift = bound(gift, 1, 900 ether);
        // A wei may be worth less than one by then.
        victim = bound(victim, gift / 1e5 + 10, 100 ether);
        vm.prank(mallory);
        pool.delegate(first, 1);
        _gift(gift);
        pool.harvest();
        _skip(EXIT_TIME);
        _delegate(dora, victim);
        assertLe(_leave(mallory), PURSE);
        assertGe(_leave(dora) + gift / 1e6 + 2, victim);
    }

    function test_DonationDoesNotMovePriceNow() public {
        _delegate(dora, 100 ether);
        vm.prank(mallory);
        pool.delegate(100 ether, 1);
        uint256 worth = pool.assetsOf(mallory);
        _gift(500 ether);
        assertEq(pool.assetsOf(mallory), worth);
        pool.harvest();
        assertEq(pool.assetsOf(mallory), worth);
        vm.prank(mallory);
        assertTrue(token.transfer(address(pool), 100 ether));
        pool.harvest();
        assertEq(pool.assetsOf(mallory), worth);
        assertEq(_leave(mallory), PURSE - 600 ether);
        // The gift is the others', less the commission.
        _skip(EXIT_TIME);
        assertApproxEqAbs(pool.assetsOf(dora), 100 ether + 450 ether, 1e12);
    }

    // ------------------------------------------------------------------ rewards

    /// @dev Ten times everybody's stake, there for the proof and the harvest, gone after them.
    function test_JustInTimeDelegationEarnsNothing() public {
        _stakeOperator(20 ether);
        _delegate(dora, 80 ether);
        _allocate(100);
        Slot memory slot = _open(address(pool));
        _delegateAll();
        _prove(slot, address(pool));
        pool.harvest();
        assertLe(_leave(mallory), PURSE);
        // And dora got no less than without the visit.
        _skip(EXIT_TIME);
        assertGe(pool.assetsOf(dora), 80 ether + uint256(9 ether) * 80 / 100 - 1e12);
    }

    /// @dev Credit that nobody harvested yet is out of reach for who comes now.
    function test_JustInTimeDelegationBeforeAHarvestEarnsNothing() public {
        _delegate(dora, 100 ether);
        _credit(100 ether);
        _delegateAll();
        assertLe(_leave(mallory), PURSE);
        assertApproxEqAbs(pool.assetsOf(dora), 190 ether, 1e12);
    }

    function test_CommissionRaisedJustBeforeRewardTakesTheOldPart() public {
        _delegate(dora, 100 ether);
        vm.prank(operator);
        pool.setCommission(10_000);
        _credit(10 ether);
        vm.prank(operator);
        vm.expectPartialRevert(IDelegationPool.NoticeNotOver.selector);
        pool.raiseCommission();
        assertEq(token.balanceOf(operator), 0);

        // Even when its time has come: what is credited by then is shared at the old rate.
        _skip(NOTICE);
        vm.startPrank(operator);
        pool.raiseCommission();
        pool.withdrawOperator(operator);
        vm.stopPrank();
        assertEq(token.balanceOf(operator), 1 ether);
        // Who asked back at the announcement was out long before.
        assertGe(pool.NOTICE(), 2 * EXIT_TIME + registry.MAX_WINDOW());
        _skip(EXIT_TIME);
        assertApproxEqAbs(pool.assetsOf(dora), 109 ether, 1e12);
    }

    /// @dev The operator adds to its own stake for one proof and takes it back: no more than that proof's part of it.
    function test_JustInTimeOwnStakeTakesNoPastReward() public {
        _delegate(dora, 100 ether);
        _credit(100 ether);
        _stakeOperator(900 ether);
        assertEq(pool.totals().operatorStake, 900 ether);
        _operatorExit(900 ether);
        _skip(EXIT_TIME);
        pool.advance();
        vm.prank(operator);
        pool.withdrawOperator(operator);
        assertEq(token.balanceOf(operator), 900 ether + 10 ether);
        assertApproxEqAbs(pool.assetsOf(dora), 190 ether, 1e12);
    }

    // ------------------------------------------------------------------ slashes

    /// @dev Dora stays, mallory asks back as soon as she sees that the pool missed: they lose the same.
    function test_ExitBeforeSlashLosesTheSame() public {
        _delegate(dora, 200 ether);
        vm.prank(mallory);
        pool.delegate(200 ether, 1);
        _allocate(200);
        Slot memory slot = _openForPool(100 ether);
        vm.warp(slot.exclusiveUntil);
        (uint256 batch,) = _exitAll(mallory);
        _prove(slot, stranger);
        assertEq(_collect(mallory, batch), PURSE - 50 ether);
        assertApproxEqAbs(pool.assetsOf(dora), 150 ether, 1);
    }

    /// @dev The same with the slash not taken in by anybody before the exit is ready.
    function test_ExitBeforeAnUnnoticedSlashLosesTheSame() public {
        _delegate(dora, 200 ether);
        vm.prank(mallory);
        pool.delegate(200 ether, 1);
        _allocate(200);
        (uint256 batch,) = _exitAll(mallory);
        Slot memory slot = _openForPool(100 ether);
        _skip(slot.exclusiveUntil - vm.getBlockTimestamp());
        _prove(slot, stranger);
        _skip(EXIT_TIME);
        _claim(mallory, batch);
        assertEq(token.balanceOf(mallory), PURSE - 50 ether);
        assertApproxEqAbs(pool.assetsOf(dora), 150 ether, 1);
    }

    /// @dev The one who knows best that a slot will be missed is the operator.
    function test_OperatorExitBeforeSlashStillBearsFirstLoss() public {
        _stakeOperator(100 ether);
        _delegate(dora, 100 ether);
        _allocate(100);
        _operatorExit(100 ether);
        _slash(80 ether);
        _skip(EXIT_TIME);
        pool.advance();
        vm.prank(operator);
        pool.withdrawOperator(operator);
        // 40 of 80 first; of the other 40, 60 : 100.
        assertEq(token.balanceOf(operator), 100 ether - 40 ether - 15 ether);
        assertEq(pool.assetsOf(dora), 75 ether);
    }

    /// @dev Delegating between a slash and its being taken in buys at the price after it.
    function test_DelegationAfterAnUnnoticedSlashGainsNothing() public {
        _delegate(dora, 200 ether);
        _allocate(200);
        _slash(100 ether);
        _delegateAll();
        assertLe(_leave(mallory), PURSE);
        assertApproxEqAbs(pool.assetsOf(dora), 100 ether, 1e6);
    }

    /// @dev Two wei asked back every second minute: others wait no longer than for one batch and their own.
    function test_TinyExitsDoNotPostponeOthers() public {
        _delegate(dora, 100 ether);
        vm.prank(mallory);
        pool.delegate(1 ether, 1);
        uint256 shares = pool.sharesOf(mallory) / 1e12;
        _exit(mallory, shares);
        _skip(60);
        uint256 asked = vm.getBlockTimestamp();
        (uint256 batch,) = _exitAll(dora);
        while (token.balanceOf(dora) == 0) {
            _skip(120);
            _exit(mallory, shares);
            (uint256 open, uint256 unbonding) = pool.currentBatches();
            if (batch < open && batch != unbonding) _claim(dora, batch);
        }
        assertLe(vm.getBlockTimestamp() - asked, 2 * EXIT_TIME + 240);
        assertApproxEqAbs(token.balanceOf(dora), 100 ether, 1);
        assertLt(token.balanceOf(mallory), PURSE);
    }

    /// @dev The worst an operator can do: miss on purpose and rescue through a second address. With its own stake at first
    /// loss it loses; so those who delegate look at what it has at stake.
    function test_OperatorSlashingItsPoolToRescueItselfLoses() public {
        _createPool(10_000, 0);
        _stakeOperator(100 ether);
        _delegate(dora, 300 ether);
        _allocate(400);
        Slot memory slot = _openForPool(100 ether);
        vm.warp(slot.exclusiveUntil);
        _prove(slot, mallory);
        pool.harvest();
        // Before: 100 at stake and a price to earn. The rescuer got that price, and half of what was all its own to lose.
        assertEq(market.credits(mallory), PRICE + 50 ether);
        assertEq(pool.totals().operatorStake, 0);
        assertLt(market.credits(mallory) + pool.totals().operatorStake, 100 ether + PRICE);
        assertEq(pool.assetsOf(dora), 300 ether);
    }
}
