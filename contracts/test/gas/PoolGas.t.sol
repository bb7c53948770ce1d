// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IDelegationPool } from "../../src/interfaces/IDelegationPool.sol";
import { ReverseDutchAuction } from "../../src/mechanisms/ReverseDutchAuction.sol";
import { DelegationPool } from "../../src/pools/DelegationPool.sol";
import { DelegationPoolPolicies } from "../../src/pools/DelegationPoolPolicies.sol";
import { DelegationPools } from "../../src/pools/DelegationPools.sol";
import { Slot } from "../../src/types/Slot.sol";
import { MechanismGasFixture } from "./MechanismGasFixture.sol";

/// @notice Whole-transaction gas of a pool that has earned, lost and paid out before; and that what a miss costs does not
/// depend on how many delegated.
contract PoolGasTest is MechanismGasFixture {
    uint256 private constant DELEGATORS = 200;
    /// @dev Zero bytes in calldata, and which words of a tree are shared.
    uint256 private constant SLASH_TOLERANCE = 500;

    ReverseDutchAuction private dutch;
    DelegationPools private pools;
    IDelegationPool private pool;

    address private operator = makeAddr("operator");
    address private dora = makeAddr("dora");

    function setUp() public {
        _buildForMechanisms();
        dutch = new ReverseDutchAuction(registry, address(market));
        _use(address(dutch), bytes32(uint256(180) << 96 | uint256(0.02 ether)));
        pools = new DelegationPools(new DelegationPool(new DelegationPoolPolicies(market)));
        pool = _createPool(1);
        _runOnce(pool);
        _nextEpoch();
    }

    /// @dev A pool with `delegators` delegators, dora the first of them, and a third of its stake not allocated.
    function _createPool(uint256 delegators) private returns (IDelegationPool created) {
        vm.prank(operator);
        created = pools.create(5000, 1000, "uri");
        vm.prank(operator);
        created.announceMarket(id, 500, 1, terms.version);
        _approve(operator, created, 10 ether);
        vm.prank(operator);
        created.stakeOperator(10 ether);
        for (uint256 i; i < delegators; ++i) {
            address delegator = i == 0 ? dora : address(uint160(0x200000 + i));
            uint256 amount = 20 ether / delegators;
            _approve(delegator, created, amount + 10 ether);
            vm.prank(delegator);
            created.delegate(amount, 1);
        }
        vm.prank(operator);
        created.allocate(id, 20, 20);
        vm.prank(operator);
        created.setSubmitter(address(uint160(0x300000 + delegators)), true);
        vm.prank(address(uint160(0x300000 + delegators)));
        registry.serve(address(created));
    }

    function _approve(address owner, IDelegationPool spender, uint256 amount) private {
        token.mint(owner, amount);
        vm.prank(owner);
        token.approve(address(spender), type(uint256).max);
    }

    /// @dev The pool proves a slot and misses one; dora exits with some and is paid.
    function _runOnce(IDelegationPool ran) private {
        _earn(ran);
        ran.harvest();
        _miss(ran);
        ran.harvest();
        vm.prank(dora);
        (uint256 batch,) = ran.requestExit(1e12);
        (,, uint256 readyAt,,) = ran.batches(batch);
        vm.warp(readyAt);
        vm.prank(dora);
        ran.claim(batch, dora);
    }

    function _lock(IDelegationPool taker) private returns (Slot memory slot) {
        slot = _openWith("");
        _pass(60);
        address key = taker == pool ? address(uint160(0x300000 + 1)) : address(uint160(0x300000 + DELEGATORS));
        vm.prank(key);
        dutch.lock(slot, terms, address(taker));
        slot = _assigned(slot, address(taker), dutch.priceAt(slot, terms, vm.getBlockTimestamp()));
    }

    function _earn(IDelegationPool earner) private {
        _proveFor(_lock(earner), address(earner));
    }

    /// @dev The payee rescues.
    function _miss(IDelegationPool loser) private {
        Slot memory slot = _lock(loser);
        vm.warp(slot.exclusiveUntil);
        _prove(slot);
    }

    /// @dev What an operator pays once.
    /// forge-config: default.isolate = true
    function test_Create() public {
        vm.prank(operator);
        pools.create(5000, 1000, "https://pool.example");
        _record("pool_create");
    }

    /// @dev Of who has delegated to the pool before.
    /// forge-config: default.isolate = true
    function test_Delegate() public {
        vm.prank(dora);
        pool.delegate(1 ether, 1);
        _record("pool_delegate");
    }

    /// @dev One slot's reward: withdrawn from the market, the commission booked, the rest staked.
    /// forge-config: default.isolate = true
    function test_Harvest() public {
        _earn(pool);
        assertGt(pool.harvest(), 0);
        _record("pool_harvest");
    }

    /// @dev With stake that is free, so that the batch begins to unbond at once.
    /// forge-config: default.isolate = true
    function test_RequestExit() public {
        vm.prank(dora);
        (uint256 batch,) = pool.requestExit(1e18);
        _record("pool_request_exit");
        (, uint256 unbonding) = pool.currentBatches();
        assertEq(batch, unbonding);
    }

    /// @dev The rescue of a slot that the pool missed, and the call that shares the loss among who delegated.
    /// forge-config: default.isolate = true
    function test_Slash() public {
        IDelegationPool crowded = _createPool(DELEGATORS);
        _runOnce(crowded);
        _nextEpoch();
        uint256 snapshot = vm.snapshotState();
        uint256 one = _slash(pool);
        vm.revertToState(snapshot);
        uint256 many = _slash(crowded);
        assertApproxEqAbs(one, many, SLASH_TOLERANCE);
        _record("pool_slash_1", one);
        _record(string.concat("pool_slash_", vm.toString(DELEGATORS)), many);
    }

    function _slash(IDelegationPool loser) private returns (uint256 gas) {
        uint256 before = registry.proverOf(address(loser)).stake;
        _miss(loser);
        gas = _used();
        loser.harvest();
        gas += _used();
        assertEq(registry.proverOf(address(loser)).stake, before - terms.bond);
        IDelegationPool.Totals memory totals = loser.totals();
        assertEq(totals.operatorStake + totals.delegated + totals.exiting + totals.operatorExiting, before - terms.bond);
    }
}
