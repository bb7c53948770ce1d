// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { IRandomness } from "../../src/interfaces/IRandomness.sol";
import { StakeLottery } from "../../src/mechanisms/StakeLottery.sol";
import { Slot } from "../../src/types/Slot.sol";
import { HeaderFixture } from "../HeaderFixture.sol";
import { MarketFixture } from "../MarketFixture.sol";

/// @notice Whoever knows the seed wins no slot more for it. Who would choose it: StakeLotterySeedAttacks.
contract StakeLotteryAttacksTest is MarketFixture, HeaderFixture {
    uint256 private constant SLOTS = 12;
    StakeLottery private lottery;
    address private mallory = makeAddr("mallory");
    address private split = makeAddr("split");
    bytes private headers;

    function setUp() public override {
        super.setUp();
        lottery = new StakeLottery(registry, address(market), IRandomness(address(0)));
        terms.mechanism = address(lottery);
        _setTerms();
        _stake(carol, id, 100);
        _stake(mallory, id, 100);
        token.mint(mallory, 1000 ether);
        _nextEpoch();
    }

    function _nextEpoch() private {
        vm.warp((vm.getBlockTimestamp() / EPOCH + 1) * EPOCH);
    }

    /// @dev Opens SLOTS slots and has each proven by whom it was drawn for.
    function _season() private returns (uint256 won) {
        for (uint256 i; i < SLOTS; ++i) {
            vm.prank(requester);
            Slot memory slot = market.openSlot(id, terms, 0, _statement(), headers);
            _prove(slot, slot.prover == address(0) ? alice : slot.prover);
            if (slot.prover == mallory || slot.prover == split) ++won;
        }
    }

    function _worth(address who) private view returns (uint256) {
        return token.balanceOf(who) + market.credits(who) + registry.proverOf(who).stake;
    }

    function _worth() private view returns (uint256) {
        return _worth(mallory) + _worth(split);
    }

    function _more(uint256 units) private {
        vm.startPrank(mallory);
        token.approve(address(registry), units * UNIT);
        registry.stake(units * UNIT);
        _allocate(id, registry.allocationOf(id, mallory) + units);
        vm.stopPrank();
    }

    // ------------------------------------------------------------------ just in time

    /// @dev Ten times everybody's stake, brought when the seed is known, by an address that had none before.
    function test_StakeBroughtForAKnownSeedWinsNothing() public {
        address late = makeAddr("late");
        _mineSeed(lottery);
        for (uint256 i; i < 2; ++i) {
            // By as many addresses as it takes: a leaf holds 511 units.
            _stake(i == 0 ? late : split, id, 500);
        }
        uint256 before = _worth(late) + _worth(split);
        _season();
        assertEq(_worth(late) + _worth(split), before);

        // And it cannot be gone before the next season either.
        vm.prank(late);
        registry.allocate(id, 0, 0, 1, 1);
        vm.prank(late);
        registry.requestUnstake(500 ether);
        _nextEpoch();
        vm.expectPartialRevert(IProverRegistry.UnbondingNotReady.selector);
        vm.prank(late);
        registry.withdrawStake(late);
        vm.warp(vm.getBlockTimestamp() + 2 * EPOCH);
        vm.prank(late);
        registry.withdrawStake(late);
        assertEq(token.balanceOf(late), 500 ether);
    }

    /// @dev The same within the freeze, when the seed's block is about to be built.
    function test_StakeBroughtInTheFreezeWinsNothing() public {
        address late = makeAddr("late");
        vm.warp((vm.getBlockTimestamp() / EPOCH + 1) * EPOCH - 60);
        _stake(late, id, 500);
        uint256 before = _worth(late);
        _nextEpoch();
        _mineSeed(lottery);
        _season();
        assertEq(_worth(late), before);
        // An epoch on it counts like any other.
        _nextEpoch();
        assertEq(registry.weightOf(id, late), 500);
    }

    // ------------------------------------------------------------------ the order of transactions in the block that brings it

    function _act(uint256 action) private {
        if (action == 0) lottery.bringSeed(vm.getBlockTimestamp() / EPOCH, headers);
        if (action == 1) _more(300);
        if (action == 2) {
            // Half of the stake moves to a second address.
            vm.prank(mallory);
            registry.allocate(id, 50, 50, 1, type(uint32).max);
            _stake(split, id, 50);
        }
        if (action == 3) {
            vm.startPrank(mallory);
            registry.pause();
            registry.resume();
            registry.sync(id, mallory);
            vm.stopPrank();
        }
        if (action == 4) {
            vm.prank(requester);
            Slot memory slot = market.openSlot(id, terms, 0, _statement(), headers);
            _prove(slot, slot.prover);
        }
    }

    /// @dev All 120 orders of bringing the seed, staking more, splitting, pausing and resuming, and opening the first
    /// slot.
    function test_GrindingTheOrderInTheFirstBlockWinsNothing() public {
        _stake(split, id + 1, 50);
        _nextEpoch();
        headers = _seedHeaders(lottery, vm.getBlockTimestamp() / EPOCH, keccak256("the seed block"));
        uint256 brought = 50 ether; // what `_stake` mints for the split

        uint256 snapshot = vm.snapshotState();
        uint256 before = _worth();
        _act(4);
        _season();
        uint256 expected = _worth() - before;
        assertGt(expected, 0);
        vm.revertToState(snapshot);

        uint256 orders;
        for (uint256 code; code < 3125; ++code) {
            (uint256 a, uint256 b, uint256 c, uint256 d, uint256 e) =
                (code % 5, code / 5 % 5, code / 25 % 5, code / 125 % 5, code / 625);
            if ((1 << a | 1 << b | 1 << c | 1 << d | 1 << e) != 31) continue;
            ++orders;
            before = _worth();
            _act(a);
            _act(b);
            _act(c);
            _act(d);
            _act(e);
            _season();
            assertEq(_worth() - before - brought, expected, vm.toString(code));
            vm.revertToState(snapshot);
        }
        assertEq(orders, 120);
    }

    /// @dev Being out when a slot is opened gives it away: it cannot be moved to another address of one's own.
    function test_PausingForAnUnwantedSlotWinsNothing() public {
        _mineSeed(lottery);
        uint256 snapshot = vm.snapshotState();
        uint256 before = _worth();
        uint256 won = _season();
        uint256 earned = _worth() - before;
        assertEq(earned, won * PRICE);
        vm.revertToState(snapshot);
        vm.prank(mallory);
        registry.pause();
        _season();
        assertLe(_worth() - before, earned);
    }
}
