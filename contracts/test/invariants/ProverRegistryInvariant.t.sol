// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { Test } from "forge-std/Test.sol";

import { ProverRegistry } from "../../src/ProverRegistry.sol";
import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { RegistryFixture } from "../RegistryFixture.sol";
import { RegistryHarness } from "../mocks/RegistryHarness.sol";
import { TestToken } from "../mocks/TestToken.sol";

/// @notice Provers, submitters and the market doing whatever they may, in any order.
contract RegistryActor is Test {
    RegistryHarness private immutable harness;
    ProverRegistry private immutable registry;
    TestToken private immutable token;
    uint256 public constant PROVERS = 5;
    uint256 public constant MARKETS = 3;

    uint256 private time;
    uint256 public withdrawals;

    /// @dev Time is kept here, so that it only ever goes on.
    modifier inTime() {
        vm.warp(time);
        _;
    }

    constructor(RegistryHarness harness_, TestToken token_) {
        harness = harness_;
        registry = harness_.registry();
        token = token_;
        time = vm.getBlockTimestamp();
        for (uint256 i = 0; i < PROVERS; ++i) {
            vm.prank(prover(i));
            registry.register("");
        }
    }

    function prover(uint256 seed) public pure returns (address) {
        return address(uint160(0x1000 + seed % PROVERS));
    }

    function stake(uint256 who, uint256 amount) external inTime {
        amount = bound(amount, 1, 5_000e18);
        token.mint(prover(who), amount);
        vm.startPrank(prover(who));
        token.approve(address(registry), amount);
        registry.stake(amount);
        vm.stopPrank();
    }

    function allocate(uint256 who, uint256 market, uint256 units, uint256 exposure) external inTime {
        market %= MARKETS;
        address who_ = prover(who);
        uint256 most = registry.allocationOf(market, who_) + registry.freeStake(who_) / registry.STAKE_UNIT();
        units = bound(units, 0, most > 511 ? 511 : most);
        vm.prank(who_);
        registry.allocate(market, units, bound(exposure, 0, 511), 1, uint32(1 + exposure % 2));
    }

    function requestUnstake(uint256 who, uint256 amount) external inTime {
        uint256 free = registry.freeStake(prover(who));
        if (free == 0) return;
        vm.prank(prover(who));
        registry.requestUnstake(bound(amount, 1, free));
    }

    function withdraw(uint256 who) external inTime {
        IProverRegistry.Prover memory record = registry.proverOf(prover(who));
        if (record.unbonding == 0 || record.unbondingReadyAt > time) return;
        vm.prank(prover(who));
        registry.withdrawStake(prover(who));
        ++withdrawals;
    }

    function halt(uint256 who, bool back) external inTime {
        vm.prank(prover(who));
        back ? registry.resume() : registry.pause();
    }

    function reinstate(uint256 who, uint256 market) external inTime {
        vm.prank(prover(who));
        registry.reinstate(market % MARKETS);
    }

    function sync(uint256 who, uint256 market) external inTime {
        registry.sync(market % MARKETS, prover(who));
    }

    function reserve(uint256 who, uint256 market, uint256 amount) external inTime {
        market %= MARKETS;
        IProverRegistry.Position memory position = registry.positionOf(market, prover(who));
        if (position.toVersion == 0) return;
        uint256 units = position.units < position.exposure ? position.units : position.exposure;
        uint256 exposed = units * registry.STAKE_UNIT();
        if (position.bonded < exposed) {
            harness.reserve(prover(who), market, bound(amount, 0, exposed - position.bonded));
        }
    }

    /// @dev A slash or a release of what is bonded must never fail.
    function settle(uint256 who, uint256 market, uint256 amount, uint256 how) external inTime {
        market %= MARKETS;
        uint256 bonded = registry.bondedOf(market, prover(who));
        amount = bound(amount, 0, bonded);
        if (how % 3 == 0) harness.slash(prover(who), market, amount);
        else harness.release(prover(who), market, amount, how % 3 == 1);
    }

    /// @dev Mostly minutes, now and then a day.
    function pass(uint256 seconds_) external {
        time += seconds_ % 4 == 0 ? 1 days : bound(seconds_, 1, 1 hours);
    }
}

contract ProverRegistryInvariantTest is RegistryFixture {
    RegistryActor private actor;

    function setUp() public override {
        super.setUp();
        actor = new RegistryActor(harness, token);
        targetContract(address(actor));
        bytes4[] memory selectors = new bytes4[](10);
        selectors[0] = RegistryActor.stake.selector;
        selectors[1] = RegistryActor.allocate.selector;
        selectors[2] = RegistryActor.requestUnstake.selector;
        selectors[3] = RegistryActor.withdraw.selector;
        selectors[4] = RegistryActor.halt.selector;
        selectors[5] = RegistryActor.sync.selector;
        selectors[6] = RegistryActor.reserve.selector;
        selectors[7] = RegistryActor.settle.selector;
        selectors[8] = RegistryActor.pass.selector;
        selectors[9] = RegistryActor.reinstate.selector;
        targetSelector(FuzzSelector(address(actor), selectors));
    }

    /// forge-config: default.invariant.fail-on-revert = true
    /// @dev Every token held is somebody's stake; every allocation and bond is covered; settled frozen weights sum up.
    function invariant_TokensAndCommitmentsAddUp() public view {
        uint256 stakes = 0;
        for (uint256 i = 0; i < actor.PROVERS(); ++i) {
            IProverRegistry.Prover memory prover = registry.proverOf(actor.prover(i));
            stakes += prover.stake;
            uint256 committed = 0;
            for (uint256 market = 0; market < actor.MARKETS(); ++market) {
                uint256 allocated = registry.allocationOf(market, actor.prover(i)) * UNIT;
                uint256 bonded = registry.bondedOf(market, actor.prover(i));
                committed += allocated > bonded ? allocated : bonded;
            }
            assertEq(committed, prover.allocated, "committed");
            assertLe(committed, prover.stake - prover.unbonding, "covered");
        }
        assertEq(token.balanceOf(address(registry)), stakes, "tokens");
        for (uint256 market = 0; market < actor.MARKETS(); ++market) {
            uint256 sum = 0;
            for (uint256 i = 0; i < actor.PROVERS(); ++i) {
                sum += registry.weightOf(market, actor.prover(i));
            }
            assertEq(registry.totalWeight(market), sum, "weights");
        }
    }
}
