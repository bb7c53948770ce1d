// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { console } from "forge-std/Test.sol";

import { Assignment, IMechanism } from "../../src/interfaces/IMechanism.sol";
import { IStakeLottery } from "../../src/interfaces/IStakeLottery.sol";
import { Terms } from "../../src/types/Terms.sol";
import { RegistryFixture } from "../RegistryFixture.sol";

contract StakeLotteryTest is RegistryFixture {
    // ---------------------------------------------------------------- the interface

    function test_Constructor() public view {
        assertEq(address(lottery.registry()), address(registry));
        assertEq(lottery.MAX_DRAWS(), 4);
    }

    function test_ValidateTerms() public view {
        lottery.validateTerms(_terms(1));
    }

    function test_RevertValidateTerms_WhenBondIsZero() public {
        vm.expectRevert(IStakeLottery.BondZero.selector);
        lottery.validateTerms(_terms(0));
    }

    function test_RevertOnOpen_WhenNotMarket() public {
        vm.expectRevert(IMechanism.NotMarket.selector);
        lottery.onOpen(MARKET, 1, _terms(1), "");
    }

    // ---------------------------------------------------------------- draws

    /// @dev The winner of slot k follows from (seed, market, k): it is the same whenever in the epoch, in whatever
    /// order slots are opened.
    function test_WinnerIsAFunctionOfSeedMarketAndSlot() public {
        _join(alice, 5);
        _join(bob, 5);
        _join(carol, 5);
        uint256 seed = _nextSeededEpoch();
        for (uint64 k = 1; k < 20; ++k) {
            uint256 random = uint256(keccak256(abi.encode(seed, MARKET, k, uint256(0))));
            address expected = [alice, bob, carol][(random % 15) / 5];
            (Assignment memory assignment,) = harness.open(MARKET, 20 - k, _terms(1));
            random = uint256(keccak256(abi.encode(seed, MARKET, 20 - k, uint256(0))));
            assertEq(assignment.prover, [alice, bob, carol][(random % 15) / 5]);
            assertEq(assignment.price, 5e18);
            assertEq(assignment.undecidedUntil, 0);
            (assignment,) = harness.open(MARKET, k, _terms(1));
            assertEq(assignment.prover, expected);
            skip(60);
            vm.prevrandao(bytes32(uint256(k)));
        }
    }

    // ---------------------------------------------------------------- nobody, and passing over

    function test_OpenToAll_WhenNobodyStaked() public {
        _mineSeed(lottery);
        vm.recordLogs();
        (Assignment memory assignment,) = harness.open(MARKET, 1, _terms(1));
        assertEq(assignment.prover, address(0));
        assertEq(assignment.price, 5e18);
        assertEq(vm.getRecordedLogs().length, 0);
    }

    function test_PassesOverProversThatCannotBond() public {
        _join(alice, 500);
        _join(bob, 500);
        _nextEpoch();
        vm.prank(alice);
        registry.pause();
        uint256 seed = _mineSeed(lottery);
        uint256 rescued = 0;
        for (uint64 k = 1; k < 60; ++k) {
            uint256 passed = 0;
            while (passed < 4 && uint256(keccak256(abi.encode(seed, MARKET, k, passed))) % 1_000 < 500) {
                ++passed;
            }
            if (passed != 0) {
                vm.expectEmit(address(lottery));
                emit IStakeLottery.ProversPassedOver(MARKET, k, passed);
                ++rescued;
            }
            (Assignment memory assignment,) = harness.open(MARKET, k, _terms(1));
            assertEq(assignment.prover, passed == 4 ? address(0) : bob);
        }
        assertGt(rescued, 10);
    }

    /// @dev After a mass failure: those who miss are suspended, drop out of the tree, and the draw converges on the one
    /// who is alive.
    function test_ConvergesOnTheLiving() public {
        address[] memory provers = new address[](20);
        for (uint256 i = 0; i < 20; ++i) {
            provers[i] = makeAddr(string.concat("prover ", vm.toString(i)));
            _join(provers[i], 10);
        }
        uint64 slot = 0;
        for (uint256 round = 0; round < 12; ++round) {
            _nextSeededEpoch();
            for (uint256 i = 0; i < 20; ++i) {
                address prover = harness.openAndReserve(MARKET, ++slot, _terms(1));
                if (prover == address(0)) continue;
                if (prover == provers[7]) harness.release(prover, MARKET, 1, true);
                else harness.slash(prover, MARKET, 1);
            }
        }
        _nextSeededEpoch();
        assertEq(registry.totalWeight(MARKET), 10);
        for (uint256 i = 0; i < 20; ++i) {
            (Assignment memory assignment,) = harness.open(MARKET, ++slot, _terms(1));
            assertEq(assignment.prover, provers[7]);
        }
    }

    // ---------------------------------------------------------------- freeze, then draw

    function _winners(uint256 count) private returns (address[] memory winners) {
        winners = new address[](count);
        for (uint64 k = 0; k < count; ++k) {
            (Assignment memory assignment,) = harness.open(MARKET, 1_000 + k, _terms(1));
            winners[k] = assignment.prover;
        }
    }

    function _arriveAndMove() private {
        address late = makeAddr("late");
        _join(late, 500);
        _stake(alice, 100 * UNIT);
        _allocate(alice, MARKET, 110);
        _allocate(bob, MARKET, 1);
        address split = makeAddr("split");
        _join(split, 9);
    }

    /// @dev At any time from the freeze on, before the seed block, when it is known but not brought in, and after:
    /// whoever stakes, allocates more or less, or splits, the seed picks the same.
    function testFuzz_NothingDoneAfterTheFreezeChangesAWinner(bytes32 mix, uint256 when) public {
        _join(alice, 10);
        _join(bob, 20);
        _join(carol, 30);
        _nextEpoch();
        uint256 next = vm.getBlockTimestamp() + EPOCH;

        uint256 snapshot = vm.snapshotState();
        vm.warp(next);
        _mineSeed(lottery, mix);
        address[] memory expected = _winners(30);

        vm.revertToState(snapshot);
        when = bound(when, next - FREEZE, next + EPOCH - 1);
        vm.warp(when);
        if (when % 2 == 0 && when >= lottery.seedTime(next / EPOCH)) {
            lottery.bringSeed(next / EPOCH, _seedHeaders(lottery, next / EPOCH, mix));
        }
        _arriveAndMove();
        if (when < next) vm.warp(next);
        _mineSeed(lottery, mix);
        assertEq(_winners(30), expected);
    }

    /// @dev The other side of the boundary: one second before the freeze, a change still counts.
    function test_OneSecondBeforeTheFreezeCounts() public {
        _join(alice, 10);
        _nextEpoch();
        uint256 next = vm.getBlockTimestamp() + EPOCH;
        vm.warp(next - FREEZE - 1);
        _join(bob, 490);
        vm.warp(next - FREEZE);
        _join(carol, 500);
        vm.warp(next);
        assertEq(registry.totalWeight(MARKET), 500);
        _nextEpoch();
        assertEq(registry.totalWeight(MARKET), 1_000);
    }

    /// @dev A pause after the seed only passes its prover over: slots of others stay theirs.
    function test_PauseAfterTheSeedOnlyPassesOver() public {
        _join(alice, 10);
        _join(bob, 20);
        _join(carol, 30);
        _nextSeededEpoch();
        address[] memory before = _winners(60);
        vm.prank(carol);
        registry.pause();
        address[] memory afterwards = _winners(60);
        uint256 moved = 0;
        for (uint256 i = 0; i < 60; ++i) {
            if (before[i] == carol) {
                ++moved;
                assertTrue(afterwards[i] != carol);
            } else {
                assertEq(afterwards[i], before[i]);
            }
        }
        assertGt(moved, 10);
    }

    // ---------------------------------------------------------------- linearity

    /// @dev One prover with s units against k with s/k each and a third with other units: over many draws the shares
    /// follow the units, by a chi-square at p = 10^-6 (so that a run of 256 seeds does not fail by chance). A seed is 1,500 draws
    /// and some tenths of a second.
    /// forge-config: default.fuzz.runs = 16
    /// forge-config: assure.fuzz.runs = 256
    function testFuzz_SplittingBuysNothing(bytes32 mix) public {
        _join(alice, 240);
        for (uint256 i = 0; i < 8; ++i) {
            _join(makeAddr(string.concat("part ", vm.toString(i))), 30);
        }
        _join(bob, 120);
        _nextEpoch();
        _mineSeed(lottery, mix);
        uint256 draws = 1_500;
        uint256[3] memory wins;
        for (uint64 k = 0; k < draws; ++k) {
            (Assignment memory assignment,) = harness.open(MARKET, k, _terms(1));
            uint256 id = registry.proverOf(assignment.prover).id;
            ++wins[id == 1 ? 0 : id == 10 ? 2 : 1];
        }
        uint256[3] memory expected = [draws * 2 / 5, draws * 2 / 5, draws / 5];
        uint256 chi = 0;
        for (uint256 i = 0; i < 3; ++i) {
            uint256 difference = wins[i] > expected[i] ? wins[i] - expected[i] : expected[i] - wins[i];
            chi += difference * difference * 1_000 / expected[i];
        }
        assertLt(chi, 27_631); // two degrees of freedom
    }
}

/// @notice What opening a slot costs in the mechanism with 4,096 provers, all of them really staked.
contract StakeLotteryGasTest is RegistryFixture {
    function setUp() public override {
        super.setUp();
        vm.pauseGasMetering();
        for (uint256 i = 0; i < 4_096; ++i) {
            _join(address(uint160(0x10000 + i)), 1 + (i * 7) % 500);
        }
        _nextSeededEpoch();
        vm.resumeGasMetering();
    }

    function test_Gas_OnOpen() public {
        (Assignment memory assignment, uint256 spent) = harness.open(MARKET, 1, _terms(UNIT));
        assertTrue(assignment.prover != address(0));
        console.log("onOpen 4096, called by the market, all cold", spent);
        assertLe(spent, 25_100);
    }

    function test_Gas_OnOpenWithSeed() public {
        // Both words have been written, as in all but the first two epochs.
        _nextSeededEpoch();
        _nextEpoch();
        bytes memory headers = _seedHeaders(lottery, vm.getBlockTimestamp() / EPOCH, keccak256("mix"));
        (Assignment memory assignment, uint256 spent) = harness.openWith(MARKET, 1, _terms(UNIT), headers);
        assertTrue(assignment.prover != address(0));
        console.log("onOpen 4096, that brings the seed in", spent);
        assertLe(spent, 42_000);
    }

    /// @dev A transaction of its own, calldata included.
    /// forge-config: default.isolate = true
    function test_Gas_BringSeed() public {
        _nextSeededEpoch();
        for (uint256 i; i < 2; ++i) {
            _nextEpoch();
            uint256 epoch = vm.getBlockTimestamp() / EPOCH;
            bytes memory headers = _seedHeaders(lottery, epoch, keccak256("mix"));
            lottery.bringSeed(epoch, headers);
            uint256 used = vm.lastCallGas().gasTotalUsed;
            console.log("bringSeed, whole transaction, bytes of headers", used, headers.length);
            // What its calldata cost at least (EIP-7623).
            assertLe(used, 72_000);
        }
    }

    /// @dev What `reserve` costs after the draw, in the same transaction.
    function test_Gas_OpenAndReserve() public {
        uint256 gas = gasleft();
        harness.openAndReserve(MARKET, 1, _terms(UNIT));
        console.log("onOpen and reserve 4096, with the harness", gas - gasleft());
    }

    function test_Gas_Allocate() public {
        vm.prank(address(uint160(0x10000 + 1_234)));
        uint256 gas = gasleft();
        registry.allocate(MARKET, 1, 1, 1, 1);
        console.log("allocate 4096, first versions of its nodes", gas - gasleft());
    }
}
