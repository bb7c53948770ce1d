// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IDelegationPool } from "../../src/interfaces/IDelegationPool.sol";
import { PoolFixture } from "./PoolFixture.sol";

/// @notice What must hold of a pool for any amounts.
contract DelegationPoolFuzzTest is PoolFixture {
    /// @dev Two delegators and the operator, after a reward: each got the part that its stake is.
    function testFuzz_RewardsAreSharedByStake(uint96 own, uint96 a, uint96 b, uint96 reward, uint16 commission) public {
        own = uint96(bound(own, 0, 1e24));
        a = uint96(bound(a, 1e6, 1e24));
        b = uint96(bound(b, 1e6, 1e24));
        reward = uint96(bound(reward, 1, 100 ether));
        _createPool(0, uint16(bound(commission, 0, 10_000)));
        if (own != 0) _stakeOperator(own);
        _delegate(dora, a);
        _delegate(emil, b);
        _credit(reward);
        pool.harvest();
        _skip(EXIT_TIME);
        (uint256 bps,,) = pool.commission();
        uint256 rest = reward - uint256(reward) * bps / 10_000;
        uint256 base = uint256(own) + a + b;
        assertEq(pool.owedToOperator(), reward - rest);
        assertApproxEqAbs(pool.totals().operatorStake, own + rest * own / base, 1);
        // One wei for rounding, and the virtual shares' part of the reward.
        uint256 dust = 2 + rest / (uint256(a) + b);
        assertLe(pool.assetsOf(dora), a + rest * a / base);
        assertLe(pool.assetsOf(emil), b + rest * b / base);
        assertGe(pool.assetsOf(dora) + dust, a + rest * a / base);
        assertGe(pool.assetsOf(emil) + dust, b + rest * b / base);
        _assertBooked();
    }

    /// @dev The same for a loss, with an exit under way.
    function testFuzz_LossesAreSharedByStake(
        uint256 own,
        uint256 a,
        uint256 b,
        uint256 exit,
        uint256 loss,
        uint16 first
    ) public {
        own = bound(own, 0, 100 ether);
        a = bound(a, 1 ether, 100 ether);
        b = bound(b, 1 ether, 100 ether);
        _createPool(uint16(bound(first, 0, 10_000)), 0);
        if (own != 0) _stakeOperator(own);
        _delegate(dora, a);
        _delegate(emil, b);
        _allocate((own + a + b) / UNIT);
        (, exit) = _exit(dora, bound(exit, 1e6, pool.sharesOf(dora)));
        loss = bound(loss, 2, (own + a + b) / UNIT * UNIT);
        _slash(uint96(loss));

        uint256 firstLoss = (loss * pool.firstLossBps() + 9999) / 10_000;
        if (firstLoss > own) firstLoss = own;
        (uint256 rest, uint256 base) = (loss - firstLoss, own - firstLoss + a + b);
        if (base == 0) base = 1;
        IDelegationPool.Totals memory t = pool.totals();
        assertApproxEqAbs(t.operatorStake, own - firstLoss - (own - firstLoss) * rest / base, 4);
        assertApproxEqAbs(pool.assetsOf(dora), (a - exit) - (a - exit) * rest / base, 5);
        assertApproxEqAbs(pool.assetsOf(emil), b - b * rest / base, 5);
        assertApproxEqAbs(t.exiting, exit - exit * rest / base, 5);
        _assertBooked();
        pool.harvest();
        _assertBooked();
        assertEq(_sum(), own + a + b - loss);
    }

    /// @dev In and out, with whatever between them in the pool: nobody takes out more than was put in.
    function testFuzz_InAndOutNeverPays(uint256 others, uint256 reward, uint256 loss, uint256 amount) public {
        others = bound(others, 1, 500 ether);
        _delegate(dora, others);
        _allocate(others / UNIT);
        _credit(bound(reward, 1, 100 ether));
        pool.harvest();
        _skip(EXIT_TIME / 2);
        if (others > 2 * UNIT) _slash(uint96(bound(loss, 2, others / UNIT * UNIT)));
        amount = bound(amount, 1e12, 1e24);
        _provide(emil, amount);
        vm.prank(emil);
        try pool.delegate(amount, 1) returns (uint256 shares) {
            uint256 worth = pool.assetsOf(dora);
            (uint256 batch, uint256 assets) = _exit(emil, shares);
            assertLe(assets, amount);
            assertGe(pool.assetsOf(dora), worth);
            _skip(EXIT_TIME);
            assertEq(_claim(emil, batch), assets);
        } catch (bytes memory reason) {
            assertEq(bytes4(reason), IDelegationPool.AmountTooSmall.selector);
        }
    }

    /// @dev Out and back in, a loss or a reward on the way or not: never more than who stays, and nobody else loses by it.
    function testFuzz_OutAndBackNeverPays(uint256 others, uint256 amount, uint256 part, uint256 what, uint256 accrual)
        public
    {
        others = bound(others, 1 ether, 200 ether);
        amount = bound(amount, 1 ether, 200 ether);
        _delegate(dora, others);
        _delegate(emil, amount);
        _allocate((others + amount) / UNIT);
        _credit(10 ether);
        pool.harvest();
        _skip(EXIT_TIME / 2);
        uint256 snapshot = vm.snapshotState();
        _happens(what, accrual);
        _skip(EXIT_TIME);
        (uint256 stayed, uint256 doras) = (pool.assetsOf(emil), pool.assetsOf(dora));

        vm.revertToState(snapshot);
        // More than what no allocation holds, so that it waits in the open batch.
        part = bound(part, pool.sharesOf(emil) / 2 + 1, pool.sharesOf(emil));
        (uint256 batch, uint256 assets) = _exit(emil, part);
        (uint256 open,) = pool.currentBatches();
        if (open != batch) return;
        assertLe(assets, stayed + 10 ether);
        _happens(what, accrual);
        uint256 exitShares = pool.exitSharesOf(batch, emil);
        (uint256 worth,,, uint256 all,) = pool.batches(batch);
        assertLe(worth, all, "never more than a wei");
        if (worth < 2) return;
        _takeBack(emil, exitShares);
        _skip(EXIT_TIME);
        uint256 dust = 1e9;
        assertLe(pool.assetsOf(emil), stayed + dust);
        assertGe(pool.assetsOf(dora) + dust, doras);
        assertEq(pool.totals().exiting, 0);
        _assertBooked();
    }

    /// @dev Nothing, a reward, or a loss of a part.
    function _happens(uint256 what, uint256 accrual) private {
        if (what % 3 == 1) {
            _credit(bound(accrual, 1, 100 ether));
            pool.harvest();
        }
        if (what % 3 == 2) _slash(uint96(bound(accrual, 2, 1 ether)));
    }

    /// @dev However many put it up: 60 units delegated by one or by twelve are 60 units of weight.
    function test_DelegatedStakeCountsLinearlyInTheWeights() public {
        IDelegationPool first = pool;
        _delegate(dora, 60 ether);
        _allocate(60);
        _createPool(0, 0);
        for (uint256 i; i < 12; ++i) {
            _delegate(address(uint160(0x1000 + i)), 5 ether);
        }
        _allocate(60);
        _skip(EPOCH);
        assertEq(registry.weightOf(id, address(first)), 60);
        assertEq(registry.weightOf(id, address(pool)), 60);
        assertEq(registry.totalWeight(id), 420);
        uint256[2] memory wins;
        for (uint256 i; i < 420; ++i) {
            (address drawn, bool able) = registry.draw(id, i, BOND, 1);
            assertTrue(able);
            if (drawn == address(first)) ++wins[0];
            if (drawn == address(pool)) ++wins[1];
        }
        assertEq(wins[0], 60);
        assertEq(wins[1], 60);
    }
}
