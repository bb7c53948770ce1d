// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IStakeLottery } from "../../src/interfaces/IStakeLottery.sol";
import { Terms } from "../../src/types/Terms.sol";
import { RegistryFixture } from "../RegistryFixture.sol";
import { RegistryHarness } from "../mocks/RegistryHarness.sol";

/// @notice Mallory's contract: what it does not like has not happened.
contract Chooser {
    error NotMine();

    RegistryHarness private immutable HARNESS;
    IStakeLottery private immutable LOTTERY;
    uint256 private immutable MARKET;
    address private immutable MALLORY;

    constructor(RegistryHarness harness, uint256 market, address mallory) {
        (HARNESS, LOTTERY, MARKET, MALLORY) = (harness, harness.lottery(), market, mallory);
    }

    /// @notice Brings in the seed that these headers show, if with it `slot` is Mallory's.
    function bringIfMine(bytes calldata headers, uint64 slot) external {
        (uint256 epoch,,) = LOTTERY.currentSeed();
        LOTTERY.bringSeed(epoch, headers);
        (,, uint256 seed) = LOTTERY.currentSeed();
        uint256 random = uint256(keccak256(abi.encode(seed, MARKET, slot, uint256(0))));
        (address prover,) = HARNESS.registry().draw(MARKET, random, 1, 1);
        if (prover != MALLORY) revert NotMine();
    }

    /// @notice As a requester that favours Mallory: opens a slot if that makes it Mallory's.
    function openIfMine(bytes calldata headers, uint64 slot, Terms calldata terms) external {
        if (HARNESS.openAndReserveWith(MARKET, slot, terms, headers) != MALLORY) revert NotMine();
    }
}

/// @notice Whoever would choose an epoch's seed: Mallory with 9.9 % of the stake, over 500 epochs for each number of
/// tries. What she wins is held against 9.9 % by a chi-square with one degree of freedom, below 15.1 (p = 10^-4).
///
/// When the first poke fixed the seed she won, of the first slots of 200 epochs, 14 (7 %) honestly, 31 (16 %) with one
/// try of her own, 140 (70 %) with ten blocks to choose from, 194 (97 %) with thirty. Now, of 500: with 1, 2, 10, 30
/// blocks to bring the seed in from 54, 47, 53, 54; to open from 43, 50, 54, 51. Expected are 49.5 in all.
contract StakeLotterySeedAttacksTest is RegistryFixture {
    uint256 private constant EPOCHS = 500;
    uint256 private constant SHARE = 99;
    uint256 private constant CHI_MAX_MILLI = 15_137;

    address private mallory = makeAddr("mallory");
    Chooser private chooser;
    uint64 private slot;

    function setUp() public override {
        super.setUp();
        _join(alice, 500);
        _join(bob, 401);
        _join(mallory, SHARE);
        _nextEpoch();
        chooser = new Chooser(harness, MARKET, mallory);
    }

    /// @dev What a run of `wins` out of EPOCHS makes of the hypothesis that each had `share` thousandths.
    function _assertChance(string memory name, uint256 wins, uint256 share) private {
        uint256 expected = EPOCHS * share;
        uint256 difference = wins * 1000 > expected ? wins * 1000 - expected : expected - wins * 1000;
        uint256 chi = difference * difference * 1000 * EPOCHS / (expected * (EPOCHS * 1000 - expected));
        emit log_named_uint(name, wins);
        assertLt(chi, CHI_MAX_MILLI, name);
    }

    /// @dev The blocks around the epoch's seed time: block 0 before it, block 1 the first, and `tries` more, all in the
    /// history. Every run and every epoch has its own values.
    function _blocks(uint256 tries, bool opens) private returns (bytes[] memory blocks) {
        uint256 epoch = vm.getBlockTimestamp() / EPOCH;
        uint256 time = lottery.seedTime(epoch);
        blocks = new bytes[](tries + 2);
        bytes32 parent = keccak256("before");
        for (uint256 i; i < blocks.length; ++i) {
            uint256 number = vm.getBlockNumber();
            blocks[i] = _header(parent, number, time - 6 + 12 * i, _mixOf(tries, opens, epoch, i));
            parent = keccak256(blocks[i]);
            _record(number, parent);
            vm.roll(number + 1);
        }
    }

    function _mixOf(uint256 tries, bool opens, uint256 epoch, uint256 i) private pure returns (bytes32) {
        return keccak256(abi.encode(tries, opens, epoch, i));
    }

    function _tryAll(bytes[] memory blocks, bool opens) private {
        // Every block but the seed block is refused, so she has all tries in one order or the other.
        for (uint256 i = blocks.length - 1; i != 0; --i) {
            bytes memory headers = bytes.concat(blocks[i], blocks[i - 1]);
            bool succeeded;
            if (opens) {
                (succeeded,) = address(chooser).call(abi.encodeCall(chooser.openIfMine, (headers, slot, _terms(1))));
            } else {
                (succeeded,) = address(chooser).call(abi.encodeCall(chooser.bringIfMine, (headers, slot)));
            }
            if (succeeded) return;
        }
        // Without headers an opening is no opening.
        if (opens) {
            (bool succeeded,) = address(chooser).call(abi.encodeCall(chooser.openIfMine, ("", slot, _terms(1))));
            assertFalse(succeeded);
        }
    }

    function _season(uint256 tries, bool opens) private returns (uint256 wins) {
        for (uint256 i; i < EPOCHS; ++i) {
            if (this.playEpoch(tries, opens)) ++wins;
        }
    }

    /// @dev Mallory has her tries in the blocks from the seed block on; then somebody brings the seed in, and the slot
    /// opens. External, so that each epoch has memory of its own.
    function playEpoch(uint256 tries, bool opens) external returns (bool won) {
        _nextEpoch();
        uint256 epoch = vm.getBlockTimestamp() / EPOCH;
        bytes[] memory blocks = _blocks(tries, opens);
        bytes memory headers = bytes.concat(blocks[1], blocks[0]);
        ++slot;
        uint256 expected = _seedFrom(epoch, _mixOf(tries, opens, epoch, 1));

        _tryAll(blocks, opens);
        (bool known,) = lottery.seedOf(epoch);
        if (opens && known) {
            won = true;
        } else {
            lottery.bringSeed(epoch, headers);
            won = harness.openAndReserve(MARKET, slot, _terms(1)) == mallory;
        }
        // Whatever she did, the seed is the one that the first block at the seed time gives.
        (, uint256 seed) = lottery.seedOf(epoch);
        assertEq(seed, expected);
    }

    // ---------------------------------------------------------------- the first poke, by a contract

    function test_TheFirstPokeChoosesTheSeed_OneTry() public {
        _assertChance("brought in by choice, 1 block", _season(1, false), SHARE);
    }

    function test_TheFirstPokeChoosesTheSeed_TwoTries() public {
        _assertChance("brought in by choice, 2 blocks", _season(2, false), SHARE);
    }

    function test_TheFirstPokeChoosesTheSeed_TenTries() public {
        _assertChance("brought in by choice, 10 blocks", _season(10, false), SHARE);
    }

    function test_TheFirstPokeChoosesTheSeed_ThirtyTries() public {
        _assertChance("brought in by choice, 30 blocks", _season(30, false), SHARE);
    }

    // ---------------------------------------------------------------- conditional openings by the requester

    function test_TheFirstOpeningChoosesTheSeed_OneTry() public {
        _assertChance("opened by choice, 1 block", _season(1, true), SHARE);
    }

    function test_TheFirstOpeningChoosesTheSeed_TwoTries() public {
        _assertChance("opened by choice, 2 blocks", _season(2, true), SHARE);
    }

    function test_TheFirstOpeningChoosesTheSeed_TenTries() public {
        _assertChance("opened by choice, 10 blocks", _season(10, true), SHARE);
    }

    function test_TheFirstOpeningChoosesTheSeed_ThirtyTries() public {
        _assertChance("opened by choice, 30 blocks", _season(30, true), SHARE);
    }

    // ---------------------------------------------------------------- what is left, with its figure

    /// @dev A requester that waits: one try an epoch. 1 - 0.901^n within n epochs.
    function test_ARequesterThatWaitsForItsFriendHasOneTryAnEpoch() public {
        uint16[4] memory patience = [uint16(1), 2, 5, 10];
        uint16[4] memory shares = [uint16(99), 188, 406, 647];
        for (uint256 i; i < 4; ++i) {
            uint256 wins;
            for (uint256 run; run < EPOCHS; ++run) {
                if (this.playPatience(patience[i])) ++wins;
            }
            _assertChance(string.concat("epochs waited: ", vm.toString(patience[i])), wins, shares[i]);
        }
    }

    function playPatience(uint256 epochs) external returns (bool won) {
        ++slot;
        for (uint256 n; n < epochs && !won; ++n) {
            _nextSeededEpoch();
            won = _drawn() == mallory;
        }
    }

    /// @dev The proposer of the last block before the seed time: with its block B's value is one, without it another,
    /// and it knows both. 1 - 0.901^2.
    function test_AProposerThatWithholdsItsBlockHasOneTryMore() public {
        uint256 wins;
        for (uint256 i; i < EPOCHS; ++i) {
            if (this.playWithheld(i)) ++wins;
        }
        _assertChance("with one block to withhold", wins, 188);
    }

    function playWithheld(uint256 run) external returns (bool won) {
        _nextEpoch();
        ++slot;
        uint256 snapshot = vm.snapshotState();
        _mineSeed(lottery, keccak256(abi.encode("published", run)));
        won = _drawn() == mallory;
        if (!won) {
            vm.revertToState(snapshot);
            _mineSeed(lottery, keccak256(abi.encode("withheld", run)));
            won = _drawn() == mallory;
        }
        vm.deleteStateSnapshot(snapshot);
    }

    function _drawn() private returns (address) {
        return harness.openAndReserve(MARKET, slot, _terms(0));
    }

    // ---------------------------------------------------------------- no draw instead of a draw

    /// @dev A requester that does not like the seed cannot have the slot open to all: not before the seed block is
    /// over, not by junk, not by the proof that it is out of reach, at any block up to that at which it is.
    function test_ARequesterCannotOpenWithoutADraw() public {
        _nextEpoch();
        bytes[] memory blocks = _blocks(30, true);
        uint256 first = vm.getBlockNumber() - 31;
        uint256[5] memory ages = [uint256(1), 2, 30, WINDOW - 1, WINDOW];
        for (uint256 age; age < 5; ++age) {
            uint256 snapshot = vm.snapshotState();
            vm.roll(first + ages[age]);
            for (uint256 i; i < 33; ++i) {
                bytes memory data;
                if (i == 1) data = "junk";
                if (i > 2) data = bytes.concat(blocks[i - 1], blocks[i - 2]);
                if (i == 2) {
                    (bool opened,) = _open(bytes.concat(blocks[1], blocks[0]));
                    assertTrue(opened);
                    (,, uint256 seed) = lottery.currentSeed();
                    assertGt(seed, 0);
                    vm.revertToState(snapshot);
                    vm.roll(first + ages[age]);
                } else {
                    (bool opened,) = _open(data);
                    assertFalse(opened);
                }
            }
            vm.revertToState(snapshot);
        }
    }

    function _open(bytes memory data) private returns (bool success, bytes memory answer) {
        return address(harness).call(abi.encodeCall(harness.openWith, (MARKET, 1, _terms(1), data)));
    }
}
