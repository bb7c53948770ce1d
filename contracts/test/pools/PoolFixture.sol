// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IDelegationPool } from "../../src/interfaces/IDelegationPool.sol";
import { DelegationPool } from "../../src/pools/DelegationPool.sol";
import { DelegationPoolPolicies } from "../../src/pools/DelegationPoolPolicies.sol";
import { DelegationPools } from "../../src/pools/DelegationPools.sol";
import { Slot } from "../../src/types/Slot.sol";
import { MarketFixture } from "../MarketFixture.sol";
import { TestToken } from "../mocks/TestToken.sol";

/// @notice A pool in a market: 10% commission, half of every loss to the operator's own stake first.
abstract contract PoolFixture is MarketFixture {
    uint16 internal constant FIRST_LOSS = 5000;
    uint16 internal constant COMMISSION = 1000;
    /// @dev An epoch longer than the longest window, and so longer than the registry's unbonding time.
    uint256 internal constant EXIT_TIME = 3 * EPOCH;
    uint256 internal constant NOTICE = 3 * EXIT_TIME;
    uint16 internal constant EXPOSURE = 511;

    DelegationPoolPolicies internal policies;
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
            policies = new DelegationPoolPolicies(market);
            pools = new DelegationPools(new DelegationPool(policies));
        }
        vm.prank(operator);
        pool = pools.create(firstLossBps, commissionBps, "uri");
        _announceAll(id);
    }

    /// @dev Nobody has delegated yet, so it counts at once. Tests change terms as they like, so this is for all versions, as if
    /// the market had announced them; `DelegationPoolPolicies.t.sol` shows that it must have.
    function _announceAll(uint256 marketId) internal {
        bytes memory last = abi.encode(type(uint32).max, bytes32(0), uint40(0), uint8(0));
        vm.mockCall(address(market), abi.encodeCall(market.termsOf, (marketId)), last);
        vm.prank(operator);
        pool.announceMarket(marketId, EXPOSURE, 1, type(uint32).max);
        vm.clearMockedCalls();
    }

    /// @dev Another market under the terms as they are.
    function _anotherMarket() internal returns (uint256 marketId) {
        (uint32 version, uint256 price) = (terms.version, 100 ether);
        terms.version = 1;
        vm.prank(creator);
        marketId = market.createMarket(terms, CAPACITY, terms.chain == 0 ? 0 : 11);
        terms.version = version;
        _fund(marketId, price);
    }

    function _provide(address who, uint256 amount) internal {
        token.mint(who, amount);
        vm.prank(who);
        token.approve(address(pool), amount);
    }

    function _delegate(address who, uint256 amount) internal returns (uint256 shares) {
        _provide(who, amount);
        uint256 seen = pool.revision();
        vm.prank(who);
        return pool.delegate(amount, seen);
    }

    function _stakeOperator(uint256 amount) internal {
        _provide(operator, amount);
        vm.prank(operator);
        pool.stakeOperator(amount);
    }

    function _allocate(uint256 units) internal {
        vm.prank(operator);
        pool.allocate(id, units, EXPOSURE);
    }

    /// @dev Credit of the pool, as a proof or a gift would give it.
    function _credit(uint256 amount) internal {
        vm.prank(creator);
        market.defund(id, amount, address(pool));
    }

    /// @dev The pool is allocated a slot with this bond.
    function _openForPool(uint96 bond) internal returns (Slot memory) {
        (terms.bond, terms.floorBps, terms.leastRescue) = (bond, 10_000, 1);
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

    /// @dev The operator announces that it will ask back `amount`, and does when it may.
    function _operatorExit(uint256 amount) internal returns (uint256 batch) {
        vm.startPrank(operator);
        uint256 from = pool.announceOperatorExit(amount);
        if (from > vm.getBlockTimestamp()) vm.warp(from);
        (batch,) = pool.requestOperatorExit();
        vm.stopPrank();
    }

    function _takeBack(address who, uint256 exitShares) internal returns (uint256 assets, uint256 shares) {
        uint256 seen = pool.revision();
        vm.prank(who);
        return pool.takeBackExit(exitShares, seen);
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
        return t.operatorStake + t.delegated + t.exiting + t.operatorExiting;
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
