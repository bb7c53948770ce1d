// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ProverRegistry } from "../../src/ProverRegistry.sol";
import { IBlockHeader } from "../../src/interfaces/IBlockHeader.sol";
import { Assignment } from "../../src/interfaces/IMechanism.sol";
import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { IRandomness } from "../../src/interfaces/IRandomness.sol";
import { IStakeLottery } from "../../src/interfaces/IStakeLottery.sol";
import { StakeLottery } from "../../src/mechanisms/StakeLottery.sol";
import { RegistryFixture } from "../RegistryFixture.sol";
import { MockRandomness } from "../mocks/MockRandomness.sol";

/// @notice Which block seeds an epoch, what shows it, and what does not.
contract StakeLotterySeedsTest is RegistryFixture {
    bytes32 private constant MIX = keccak256("mix");
    uint256 private next;
    uint256 private time;

    function setUp() public override {
        super.setUp();
        _join(alice, 1);
        _nextEpoch();
        next = vm.getBlockTimestamp() / EPOCH;
        time = lottery.seedTime(next);
    }

    /// @dev A run of blocks, `step` seconds apart, whose first has `at`; the history has them.
    function _chain(uint256 count, uint256 at, uint256 step) private returns (bytes[] memory blocks) {
        blocks = new bytes[](count);
        bytes32 parent = keccak256("before");
        for (uint256 i; i < count; ++i) {
            uint256 number = vm.getBlockNumber();
            blocks[i] = _header(parent, number, at + i * step, _mix(i));
            parent = keccak256(blocks[i]);
            _record(number, parent);
            vm.roll(number + 1);
        }
    }

    function _mix(uint256 i) private pure returns (bytes32) {
        return keccak256(abi.encode("mix", i));
    }

    function _pair(bytes[] memory blocks, uint256 i) private pure returns (bytes memory) {
        return bytes.concat(blocks[i], blocks[i - 1]);
    }

    function _bringFails(bytes memory headers, bytes memory error) private {
        vm.expectRevert(error);
        lottery.bringSeed(next, headers);
        vm.expectRevert(error);
        harness.openWith(MARKET, 1, _terms(1), headers);
    }

    function _assertSeed(uint256 epoch, bytes32 mix) private view {
        (bool known, uint256 seed) = lottery.seedOf(epoch);
        assertTrue(known);
        assertEq(seed, _seedFrom(epoch, mix));
    }

    // ---------------------------------------------------------------- the seed block

    function test_SeedTime() public view {
        assertEq(time, next * EPOCH - FREEZE / 2);
    }

    /// @dev Whatever the freeze, the seed block comes after the last second in which a weight of its epoch could
    /// change.
    function testFuzz_SeedTimeIsAfterTheWeightsAreFinal(uint32 freeze, uint32 length, uint40 at) public {
        freeze = uint32(bound(freeze, 1, 1 days));
        length = uint32(bound(length, freeze + 1, 2 days));
        IProverRegistry.Params memory params = _params();
        (params.freeze, params.epochLength) = (freeze, length);
        (params.unbonding, params.maxWindow) = (4 days, 1 days);
        ProverRegistry frozen = new ProverRegistry(params, address(this));
        StakeLottery drawn = new StakeLottery(frozen, address(this), IRandomness(address(0)));
        // The epoch that a change at this time is for: see ProverRegistry.
        uint256 target = (uint256(at) + freeze) / length + 1;
        assertGt(drawn.seedTime(target), at);
        assertLe(drawn.seedTime(target), target * length);
    }

    function test_TheFirstBlockAtOrAfterSeedTimeSeedsTheEpoch() public {
        bytes[] memory blocks = _chain(2, time - 1, 1);
        vm.expectEmit(address(lottery));
        emit IStakeLottery.EpochSeeded(next, _seedFrom(next, _mix(1)), vm.getBlockNumber() - 1);
        lottery.bringSeed(next, _pair(blocks, 1));
        _assertSeed(next, _mix(1));
        (uint256 epoch, bool known, uint256 seed) = lottery.currentSeed();
        assertEq(epoch, next);
        assertTrue(known);
        assertEq(seed, _seedFrom(next, _mix(1)));
    }

    /// @dev After a pause of the chain over the whole seed time, and the epoch's start too.
    function test_TheSeedBlockMayBeLate() public {
        bytes[] memory blocks = _chain(2, time - 5000, 8000);
        vm.warp(time + 3000);
        assertEq(vm.getBlockTimestamp() / EPOCH, next);
        lottery.bringSeed(next, _pair(blocks, 1));
        _assertSeed(next, _mix(1));
    }

    /// @dev Blocks may share a second where it is short.
    function test_OfBlocksWithOneTimestampTheFirstCounts() public {
        bytes[] memory blocks = _chain(1, time - 1, 1);
        bytes memory first = _header(keccak256(blocks[0]), vm.getBlockNumber(), time, _mix(10));
        bytes memory second = _header(keccak256(first), vm.getBlockNumber() + 1, time, _mix(11));
        _record(vm.getBlockNumber(), keccak256(first));
        _record(vm.getBlockNumber() + 1, keccak256(second));
        vm.roll(vm.getBlockNumber() + 2);
        uint256 number = vm.getBlockNumber() - 1;
        _bringFails(bytes.concat(second, first), abi.encodeWithSelector(IStakeLottery.NotSeedBlock.selector, number));
        lottery.bringSeed(next, bytes.concat(first, blocks[0]));
        _assertSeed(next, _mix(10));
    }

    function test_AnOpeningBringsTheSeed() public {
        bytes[] memory blocks = _chain(2, time - 6, 12);
        vm.expectEmit(address(lottery));
        emit IStakeLottery.EpochSeeded(next, _seedFrom(next, _mix(1)), vm.getBlockNumber() - 1);
        (Assignment memory assignment,) = harness.openWith(MARKET, 1, _terms(1), _pair(blocks, 1));
        assertEq(assignment.prover, alice);
        _assertSeed(next, _mix(1));
    }

    /// @dev An opening that carries headers loses no race, not even against itself: what it carries is not looked at.
    function test_DataAreIgnoredOnceTheSeedIsThere() public {
        bytes[] memory blocks = _chain(3, time - 6, 12);
        lottery.bringSeed(next, _pair(blocks, 1));
        bytes[4] memory data = [_pair(blocks, 1), _pair(blocks, 2), bytes("junk"), bytes("")];
        vm.recordLogs();
        for (uint64 i; i < 4; ++i) {
            (Assignment memory assignment,) = harness.openWith(MARKET, i, _terms(1), data[i]);
            assertEq(assignment.prover, alice);
            lottery.bringSeed(next, data[i]);
        }
        assertEq(vm.getRecordedLogs().length, 0);
        _assertSeed(next, _mix(1));
    }

    function test_TheNextEpochsSeedCanBeBroughtInAndDisplacesNone() public {
        _mineSeed(lottery, MIX);
        vm.warp(lottery.seedTime(next + 1) + 30);
        bytes memory headers = _seedHeaders(lottery, next + 1, keccak256("other"));
        lottery.bringSeed(next + 1, headers);
        _assertSeed(next, MIX);
        _assertSeed(next + 1, keccak256("other"));
        (, bool known, uint256 seed) = lottery.currentSeed();
        assertTrue(known);
        assertEq(seed, _seedFrom(next, MIX));
        harness.open(MARKET, 1, _terms(1));
        vm.warp((next + 1) * EPOCH);
        harness.open(MARKET, 2, _terms(1));
        // The last but one is let go for the next but one.
        vm.warp((next + 2) * EPOCH);
        (known,) = lottery.seedOf(next + 2);
        assertFalse(known);
        _mineSeed(lottery, MIX);
        (known,) = lottery.seedOf(next);
        assertFalse(known);
        _assertSeed(next + 1, keccak256("other"));
    }

    // ---------------------------------------------------------------- what shows nothing

    function test_RevertWhen_NothingIsShown() public {
        _bringFails("", abi.encodeWithSelector(IStakeLottery.SeedMissing.selector, next, time));
    }

    /// @dev In the seed block itself its hash is not known: an opening waits, as all others do.
    function test_RevertWhen_TheBlockIsNotOver() public {
        bytes[] memory blocks = _chain(1, time - 12, 1);
        bytes memory now_ = _header(keccak256(blocks[0]), vm.getBlockNumber(), time, MIX);
        bytes memory coming = _header(keccak256(now_), vm.getBlockNumber() + 1, time + 12, MIX);
        // As if the history could know.
        _record(vm.getBlockNumber(), keccak256(now_));
        _record(vm.getBlockNumber() + 1, keccak256(coming));
        bytes4 error = IStakeLottery.HeaderUnknown.selector;
        _bringFails(bytes.concat(now_, blocks[0]), abi.encodeWithSelector(error, vm.getBlockNumber()));
        _bringFails(bytes.concat(coming, now_), abi.encodeWithSelector(error, vm.getBlockNumber() + 1));
    }

    function test_RevertWhen_NotTheFirst() public {
        bytes[] memory blocks = _chain(40, time - 24, 12);
        uint256 first = vm.getBlockNumber() - 40;
        for (uint256 i = 1; i < 40; ++i) {
            if (i == 2) continue;
            _bringFails(_pair(blocks, i), abi.encodeWithSelector(IStakeLottery.NotSeedBlock.selector, first + i));
        }
        lottery.bringSeed(next, _pair(blocks, 2));
        _assertSeed(next, _mix(2));
    }

    function test_RevertWhen_TheHeaderIsNotTheChains() public {
        bytes[] memory blocks = _chain(3, time - 6, 12);
        uint256 number = vm.getBlockNumber() - 2;
        // Another mixHash, as a proposer would have it; a block beside the one that the chain kept; its number changed.
        bytes memory wrong = _header(keccak256(blocks[0]), number, time + 6, MIX);
        _bringFails(
            bytes.concat(wrong, blocks[0]), abi.encodeWithSelector(IStakeLottery.HeaderUnknown.selector, number)
        );
        wrong = _header(keccak256(blocks[0]), number, time + 6, _mix(1), "another extra data");
        _bringFails(
            bytes.concat(wrong, blocks[0]), abi.encodeWithSelector(IStakeLottery.HeaderUnknown.selector, number)
        );
        wrong = _header(keccak256(blocks[0]), number + 1, time + 6, _mix(1));
        _bringFails(
            bytes.concat(wrong, blocks[0]), abi.encodeWithSelector(IStakeLottery.HeaderUnknown.selector, number + 1)
        );
    }

    function test_RevertWhen_TheParentIsNotTheParent() public {
        bytes[] memory blocks = _chain(4, time - 6, 12);
        uint256 number = vm.getBlockNumber() - 2;
        bytes memory error = abi.encodeWithSelector(IStakeLottery.ParentMismatch.selector, number);
        // Block 2 would be the first if block 0 were its parent; or one made up.
        _bringFails(bytes.concat(blocks[2], blocks[0]), error);
        _bringFails(bytes.concat(blocks[2], _header(bytes32(0), number - 1, time - 1, MIX)), error);
    }

    function test_RevertWhen_HeadersAreMalformed() public {
        bytes[] memory blocks = _chain(2, time - 6, 12);
        bytes memory error = abi.encodePacked(IBlockHeader.HeaderMalformed.selector);
        bytes memory headers = _pair(blocks, 1);
        _bringFails(bytes.concat(headers, hex"00"), error);
        _bringFails(blocks[1], error);
        _bringFails("junk", error);
        for (uint256 length = 1; length < headers.length; length += 7) {
            bytes memory cut = new bytes(length);
            for (uint256 i; i < length; ++i) {
                cut[i] = headers[i];
            }
            vm.expectRevert(error);
            lottery.bringSeed(next, cut);
        }
        lottery.bringSeed(next, headers);
    }

    function test_RevertWhen_TheEpochIsOutOfReach() public {
        uint256[4] memory epochs = [next - 1, next + 2, next + 2 ** 40, 0];
        for (uint256 i; i < 4; ++i) {
            bytes memory headers = i < 2 ? _seedHeaders(lottery, epochs[i], MIX) : bytes("");
            vm.expectRevert(abi.encodeWithSelector(IStakeLottery.EpochOutOfReach.selector, epochs[i]));
            lottery.bringSeed(epochs[i], headers);
        }
    }

    /// @dev The seed block of one epoch is not that of another.
    function test_RevertWhen_TheBlockIsAnotherEpochs() public {
        bytes memory headers = _seedHeaders(lottery, next - 1, MIX);
        uint256 number = vm.getBlockNumber() - 1;
        _bringFails(headers, abi.encodeWithSelector(IStakeLottery.NotSeedBlock.selector, number));
        headers = _seedHeaders(lottery, next, MIX);
        number = vm.getBlockNumber() - 1;
        vm.expectRevert(abi.encodeWithSelector(IStakeLottery.NotSeedBlock.selector, number));
        lottery.bringSeed(next + 1, headers);
    }

    /// @dev A chain that stood still over an epoch seeds two by one block, differently.
    function test_OneBlockMaySeedTwoEpochs() public {
        bytes[] memory blocks = _chain(2, time - 6, 12 + EPOCH);
        vm.warp(time + 6 + EPOCH);
        assertEq(vm.getBlockTimestamp() / EPOCH, next);
        lottery.bringSeed(next, _pair(blocks, 1));
        lottery.bringSeed(next + 1, _pair(blocks, 1));
        _assertSeed(next, _mix(1));
        _assertSeed(next + 1, _mix(1));
        assertTrue(_seedFrom(next, _mix(1)) != _seedFrom(next + 1, _mix(1)));
    }

    // ---------------------------------------------------------------- out of reach

    /// @dev At every block exactly one of the two can be shown: the seed block, or that the history has lost it.
    function test_WithoutSeedAsSoonAsTheHistoryHasLostItAndNoBlockSooner() public {
        bytes[] memory blocks = _chain(4, time - 6, 12);
        uint256 number = vm.getBlockNumber() - 3; // of the seed block
        bytes memory error = abi.encodeWithSelector(IStakeLottery.NotSeedBlock.selector, number + 1);

        // One block too soon: the seed block is the oldest there is, and still counts.
        vm.roll(number + WINDOW);
        _bringFails(_pair(blocks, 2), error);
        _bringFails(_pair(blocks, 3), abi.encodeWithSelector(IStakeLottery.NotSeedBlock.selector, number + 2));
        uint256 snapshot = vm.snapshotState();
        lottery.bringSeed(next, _pair(blocks, 1));
        _assertSeed(next, _mix(1));
        vm.revertToState(snapshot);

        // Now it is gone. Only the oldest block shows that, not the one after.
        vm.roll(number + WINDOW + 1);
        _bringFails(_pair(blocks, 1), abi.encodeWithSelector(IStakeLottery.HeaderUnknown.selector, number));
        _bringFails(_pair(blocks, 3), abi.encodeWithSelector(IStakeLottery.NotSeedBlock.selector, number + 2));
        vm.expectEmit(address(lottery));
        emit IStakeLottery.EpochSeedless(next);
        lottery.bringSeed(next, _pair(blocks, 2));
        (bool known, uint256 seed) = lottery.seedOf(next);
        assertTrue(known);
        assertEq(seed, 0);
    }

    function test_SlotsOfAnEpochWithoutSeedAreOpenToAll() public {
        bytes[] memory blocks = _chain(3, time - 6, 12);
        vm.roll(vm.getBlockNumber() - 1 + WINDOW);
        (Assignment memory assignment,) = harness.openWith(MARKET, 1, _terms(1), _pair(blocks, 2));
        assertEq(assignment.prover, address(0));
        assertEq(assignment.price, 5e18);
        assertEq(assignment.undecidedUntil, 0);
        (assignment,) = harness.open(MARKET, 2, _terms(1));
        assertEq(assignment.prover, address(0));
        // That is final: the seed block, if somebody comes with it after all, is not looked at.
        vm.roll(vm.getBlockNumber() - 1);
        lottery.bringSeed(next, _pair(blocks, 1));
        (, uint256 seed) = lottery.seedOf(next);
        assertEq(seed, 0);
        _nextEpoch();
        _mineSeed(lottery);
        (assignment,) = harness.open(MARKET, 3, _terms(1));
        assertEq(assignment.prover, alice);
    }

    /// @dev A chain that began after the seed time has no weights for that epoch either. The epoch after has both.
    function test_AChainsFirstEpochHasNoSeed() public {
        vm.roll(0);
        bytes[] memory blocks = _chain(2, time + 100, 12);
        _bringFails(_pair(blocks, 1), abi.encodeWithSelector(IStakeLottery.NotSeedBlock.selector, 1));
        _bringFails(_pair(blocks, 1), abi.encodeWithSelector(IStakeLottery.NotSeedBlock.selector, 1));
        _bringFails(bytes.concat(blocks[0], blocks[1]), abi.encodePacked(IBlockHeader.HeaderMalformed.selector));
        vm.expectEmit(address(lottery));
        emit IStakeLottery.EpochSeedless(next);
        lottery.bringSeed(next, blocks[0]);
    }

    function test_RevertWhen_TheFirstBlockIsBeforeSeedTime() public {
        vm.roll(0);
        bytes[] memory blocks = _chain(1, time - 1, 1);
        _bringFails(blocks[0], abi.encodeWithSelector(IStakeLottery.NotSeedBlock.selector, 0));
    }

    // ---------------------------------------------------------------- a chain without history, a beacon

    function test_RevertConstructor_WhenThereIsNoHistory() public {
        vm.etch(HISTORY, "");
        vm.expectRevert(IStakeLottery.HistoryMissing.selector);
        new StakeLottery(registry, address(this), IRandomness(address(0)));
    }

    /// @dev A block from before the fork is zero in the history; an account without code answers nothing.
    function test_RevertWhen_TheHistoryHasNothing() public {
        bytes[] memory blocks = _chain(2, time - 6, 12);
        uint256 number = vm.getBlockNumber() - 1;
        bytes memory error = abi.encodeWithSelector(IStakeLottery.HeaderUnknown.selector, number);
        _record(number, 0);
        _bringFails(_pair(blocks, 1), error);
        vm.etch(HISTORY, "");
        _bringFails(_pair(blocks, 1), error);
        vm.etch(HISTORY, hex"fe");
        _bringFails(_pair(blocks, 1), error);
    }

    function test_ABeaconSeedsInsteadOfBlocks() public {
        vm.etch(HISTORY, "");
        MockRandomness beacon = new MockRandomness(30, 3);
        StakeLottery drawn = new StakeLottery(registry, address(this), beacon);
        assertEq(address(drawn.randomness()), address(beacon));

        // The next epoch's value is known some seconds after its time.
        uint256 at = drawn.seedTime(next + 1);
        bytes memory error = abi.encodeWithSelector(IStakeLottery.SeedMissing.selector, next + 1, at);
        vm.warp(at - 1);
        vm.expectRevert(error);
        drawn.bringSeed(next + 1, "");
        vm.warp(at + 2);
        vm.expectRevert(error);
        drawn.bringSeed(next + 1, "");
        vm.warp(at + 3);
        uint256 seed = _seedFrom(next + 1, beacon.valueOf(at / 30));
        vm.expectEmit(address(drawn));
        emit IStakeLottery.EpochSeeded(next + 1, seed, 0);
        drawn.bringSeed(next + 1, "junk");

        // An opening needs nobody for it.
        vm.warp((next + 2) * EPOCH);
        Assignment memory assignment = drawn.onOpen(MARKET, 1, _terms(1), "");
        assertEq(assignment.prover, alice);
        (, seed) = drawn.seedOf(next + 2);
        assertEq(seed, _seedFrom(next + 2, beacon.valueOf(drawn.seedTime(next + 2) / 30)));
    }

    function test_RevertOnOpen_WhenTheBeaconIsLate() public {
        StakeLottery drawn = new StakeLottery(registry, address(this), new MockRandomness(30, FREEZE));
        vm.expectRevert(abi.encodeWithSelector(IStakeLottery.SeedMissing.selector, next, time));
        drawn.onOpen(MARKET, 1, _terms(1), "");
        skip(FREEZE);
        drawn.onOpen(MARKET, 1, _terms(1), "");
    }
}
