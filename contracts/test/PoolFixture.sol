// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { DelegationPools } from "../src/DelegationPools.sol";
import { IDelegationPool } from "../src/interfaces/IDelegationPool.sol";
import { Slot } from "../src/interfaces/IProofMarket.sol";
import { MarketFixture } from "./MarketFixture.sol";
import { TestToken } from "./mocks/TestToken.sol";

/// @notice A pool in a market: 10% commission, half of every loss to the operator's own stake first.
abstract contract PoolFixture is MarketFixture {
    uint16 internal constant FIRST_LOSS = 5000;
    uint16 internal constant COMMISSION = 1000;
    uint256 internal constant UNBONDING = 2 * EPOCH;

    DelegationPools internal pools;
    IDelegationPool internal pool;

    address internal operator = makeAddr("operator");
    address internal dora = makeAddr("dora");
    address internal emil = makeAddr("emil");

    function setUp() public virtual override {
        super.setUp();
        _createPool(FIRST_LOSS, COMMISSION);
    }

    function _deployWith(TestToken token_) internal {
        _deploy(token_);
        _createPool(FIRST_LOSS, COMMISSION);
    }

    function _createPool(uint16 firstLossBps, uint16 commissionBps) internal {
        if (address(pools) == address(0) || address(pools.market()) != address(market)) {
            pools = new DelegationPools(market);
        }
        vm.prank(operator);
        pool = pools.create(firstLossBps, commissionBps, "uri");
    }

    function _provide(address who, uint256 amount) internal {
        token.mint(who, amount);
        vm.prank(who);
        token.approve(address(pool), amount);
    }

    function _delegate(address who, uint256 amount) internal returns (uint256 shares) {
        _provide(who, amount);
        vm.prank(who);
        return pool.delegate(amount);
    }

    function _stakeOwn(uint256 amount) internal {
        _provide(operator, amount);
        vm.prank(operator);
        pool.stakeOwn(amount);
    }

    function _allocate(uint256 units) internal {
        vm.prank(operator);
        pool.allocate(id, units);
    }

    /// @dev Credit of the pool, as a proof or a gift would give it.
    function _credit(uint256 amount) internal {
        vm.prank(creator);
        market.defund(id, amount, address(pool));
    }

    /// @dev The pool is allocated a slot with this bond.
    function _openForPool(uint96 bond) internal returns (Slot memory) {
        (terms.bond, terms.floorBps) = (bond, 10_000);
        _setTerms();
        return _open(address(pool));
    }

    /// @dev The pool misses a slot with this bond and a stranger proves it.
    function _slash(uint96 bond) internal {
        Slot memory slot = _openForPool(bond);
        vm.warp(slot.exclusiveUntil);
        _prove(slot, stranger);
    }

    function _exit(address who, uint256 shares) internal returns (uint256 batch, uint256 assets) {
        vm.prank(who);
        return pool.requestExit(shares);
    }

    function _exitAll(address who) internal returns (uint256 batch, uint256 assets) {
        return _exit(who, pool.sharesOf(who));
    }

    function _claim(address who, uint256 batch) internal returns (uint256 assets) {
        vm.prank(who);
        return pool.claim(batch, who);
    }

    function _skip(uint256 time) internal {
        vm.warp(vm.getBlockTimestamp() + time);
    }

    /// @dev What the pool's parts add up to.
    function _sum() internal view returns (uint256) {
        IDelegationPool.Totals memory t = pool.totals();
        return t.own + t.delegated + t.exiting + t.ownExiting;
    }

    function _assertBooked() internal view {
        assertEq(_sum(), registry.proverOf(address(pool)).stake + _unharvested(), "the book is the stake");
    }

    /// @dev What a harvest now would stake.
    function _unharvested() internal view returns (uint256) {
        uint256 credit = market.credits(address(pool));
        (uint256 bps,,) = pool.commission();
        return credit - credit * bps / 10_000;
    }
}
