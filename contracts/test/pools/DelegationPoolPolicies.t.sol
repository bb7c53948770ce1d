// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IDelegationPoolPolicies } from "../../src/interfaces/IDelegationPoolPolicies.sol";
import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { Slot } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { PoolFixture } from "./PoolFixture.sol";

/// @notice What a pool may do in which markets: announced, in force, narrowed, left.
contract DelegationPoolPoliciesTest is PoolFixture {
    uint256 private other;

    function setUp() public override {
        super.setUp();
        other = _anotherMarket();
        _stakeOperator(100 ether);
    }

    function _announce(uint256 marketId, uint16 exposure, uint32 from, uint32 to) private returns (uint256) {
        vm.prank(operator);
        return pool.announceMarket(marketId, exposure, from, to);
    }

    /// @dev The market's terms get a version more; still to come.
    function _nextVersion(uint256 marketId) private {
        (uint32 last,,,) = market.termsOf(marketId);
        Terms memory current = terms;
        (current.version, terms.version) = (1, last + 1);
        vm.prank(creator);
        market.setTerms(marketId, current, terms);
    }

    function _policy(uint256 marketId) private view returns (IDelegationPoolPolicies.Policy memory) {
        return policies.policyOf(address(pool), marketId);
    }

    function _assertPolicy(uint256 marketId, uint256 exposure, uint256 from, uint256 to) private view {
        IDelegationPoolPolicies.Policy memory policy = _policy(marketId);
        assertEq(policy.exposure, exposure, "exposure");
        assertEq(policy.fromVersion, from, "from");
        assertEq(policy.toVersion, to, "to");
    }

    function _beyond(uint256 exposure, uint32 from, uint32 to) private {
        vm.expectRevert(abi.encodeWithSelector(IDelegationPoolPolicies.BeyondPolicy.selector, exposure, from, to));
    }

    function test_AnAnnouncementCountsAfterItsNotice() public {
        _delegate(dora, 100 ether);
        uint256 from = vm.getBlockTimestamp() + NOTICE;
        vm.expectEmit(address(policies));
        emit IDelegationPoolPolicies.MarketAnnounced(address(pool), other, 10, 1, 1, from);
        assertEq(_announce(other, 10, 1, 1), from);
        assertEq(pool.revision(), 2);
        _assertPolicy(other, 0, 0, 0);
        assertEq(_policy(other).nextExposure, 10);
        assertEq(_policy(other).nextFrom, from);

        vm.warp(from - 1);
        vm.startPrank(operator);
        _beyond(0, 0, 0);
        pool.allocate(other, 20, 10);
        vm.warp(from);
        _beyond(10, 1, 1);
        pool.allocate(other, 20, 11);
        pool.allocate(other, 20, 10);
        vm.stopPrank();
        _assertPolicy(other, 10, 1, 1);
        IProverRegistry.Position memory position = registry.positionOf(other, address(pool));
        assertEq(position.units, 20);
        assertEq(position.exposure, 10);
        assertEq(position.fromVersion, 1);
        assertEq(position.toVersion, 1);
    }

    /// @dev The same for an exit that is still at risk.
    function test_AnExitIsSomebodyToWarn() public {
        _delegate(dora, 100 ether);
        (uint256 batch,) = _exitAll(dora);
        assertEq(_announce(other, 10, 1, 1), vm.getBlockTimestamp() + NOTICE);
        _skip(EXIT_TIME);
        _claim(dora, batch);
        assertEq(_announce(other, 10, 1, 1), vm.getBlockTimestamp());
    }

    /// @dev An announcement never says less than what is in force, and its notice is its own.
    function test_AnAnnouncementWidens() public {
        _nextVersion(other);
        _announce(other, 10, 1, 1);
        _delegate(dora, 100 ether);
        uint256 from = _announce(other, 5, 2, 2);
        _assertPolicy(other, 10, 1, 1);
        _skip(NOTICE - 1);
        assertEq(_announce(other, 20, 2, 2), from - 1 + NOTICE);
        _skip(1);
        _assertPolicy(other, 10, 1, 1);
        _skip(NOTICE);
        _assertPolicy(other, 20, 1, 2);
        assertEq(_policy(other).nextFrom, 0);
    }

    function test_ItNarrowsAtOnceAndThePositionWithIt() public {
        _nextVersion(other);
        _announce(other, 10, 1, 2);
        _delegate(dora, 100 ether);
        vm.startPrank(operator);
        pool.allocate(other, 20, 10);
        pool.announceMarket(other, 500, 1, 2);
        vm.expectEmit(address(policies));
        emit IDelegationPoolPolicies.MarketNarrowed(address(pool), other, 7, 2, 2);
        pool.narrowMarket(other, 7, 2, 2);
        vm.stopPrank();
        _assertPolicy(other, 7, 2, 2);
        IProverRegistry.Position memory position = registry.positionOf(other, address(pool));
        assertEq(position.units, 20);
        assertEq(position.exposure, 7);
        assertEq(position.fromVersion, 2);
        // What was announced is forgotten.
        _skip(NOTICE);
        _assertPolicy(other, 7, 2, 2);
        vm.prank(operator);
        pool.narrowMarket(other, 0, 9, 9);
        _assertPolicy(other, 0, 0, 0);
        assertEq(registry.allocationOf(other, address(pool)), 0);
        assertFalse(registry.isEligible(other, address(pool), 1, 2));
    }

    function test_RevertNarrow_WhenThatWouldWiden() public {
        _nextVersion(other);
        _announce(other, 10, 2, 2);
        vm.startPrank(operator);
        _beyond(10, 2, 2);
        pool.narrowMarket(other, 11, 2, 2);
        _beyond(10, 2, 2);
        pool.narrowMarket(other, 10, 1, 2);
        _beyond(10, 2, 2);
        pool.narrowMarket(other, 10, 2, 3);
        _beyond(10, 2, 2);
        pool.narrowMarket(other, 10, 3, 2);
        vm.stopPrank();
    }

    /// @dev What delegators cannot know yet cannot be announced.
    function test_RevertAnnounce_WhenTheMarketHasNoSuchTerms() public {
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPoolPolicies.VersionsInvalid.selector, 1));
        pool.announceMarket(other, 10, 1, 2);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPoolPolicies.VersionsInvalid.selector, 1));
        pool.announceMarket(other, 10, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPoolPolicies.VersionsInvalid.selector, 0));
        pool.announceMarket(other + 1, 10, 1, 1);
        vm.expectRevert(IDelegationPoolPolicies.ExposureZero.selector);
        pool.announceMarket(other, 0, 1, 1);
        vm.stopPrank();
        _nextVersion(other);
        _announce(other, 10, 2, 2);
    }

    function test_RevertAnnounce_WhenTooManyMarkets() public {
        _announce(other, 10, 1, 1);
        uint256[] memory more = new uint256[](7);
        for (uint256 i; i < 7; ++i) {
            more[i] = _anotherMarket();
            if (i < 6) _announce(more[i], 10, 1, 1);
        }
        vm.expectRevert(IDelegationPoolPolicies.TooManyMarkets.selector);
        _announce(more[6], 10, 1, 1);
        // One it left makes room.
        vm.prank(operator);
        pool.narrowMarket(more[2], 0, 0, 0);
        _announce(more[6], 10, 1, 1);
        uint256[] memory served = policies.servedBy(address(pool));
        assertEq(served.length, 8);
        assertEq(served[4], more[6]);
        // And one that is served already needs none.
        _announce(more[1], 11, 1, 1);
    }

    /// @dev Neither one that is announced only, nor one with bonds, gives up its place.
    function test_AMarketWithBondsOrAnAnnouncementKeepsItsPlace() public {
        _allocate(100);
        Slot memory slot = _openForPool(20 ether);
        _delegate(dora, 1 ether);
        vm.prank(operator);
        pool.narrowMarket(id, 0, 0, 0);
        for (uint256 i; i < 7; ++i) {
            _announce(_anotherMarket(), 10, 1, 1);
        }
        vm.expectRevert(IDelegationPoolPolicies.TooManyMarkets.selector);
        _announce(other, 10, 1, 1);
        _prove(slot, address(pool));
        _announce(other, 10, 1, 1);
        assertEq(policies.servedBy(address(pool))[0], other);
    }

    /// @dev Who calls says what it itself may do; a pool listens to its own policies.
    function test_NobodyWritesAnothersPolicies() public {
        vm.prank(stranger);
        policies.announce(other, 10, 1, 1, vm.getBlockTimestamp());
        _assertPolicy(other, 0, 0, 0);
        assertEq(policies.policyOf(stranger, other).exposure, 10);
        vm.prank(stranger);
        policies.narrow(id, 0, 0, 0);
        _assertPolicy(id, EXPOSURE, 1, type(uint32).max);
    }
}
