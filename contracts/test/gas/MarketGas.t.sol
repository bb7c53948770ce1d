// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { TransferRollup } from "../../src/examples/TransferRollup.sol";
import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { ChainTermsLib } from "../../src/types/ChainTerms.sol";
import { Slot } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { GasFixture } from "./GasFixture.sol";
import { Vm } from "forge-std/Vm.sol";

/// @notice Whole-transaction gas with the real verifier and 4,096 staked provers; each call is its own transaction, on
/// storage that the lap before has written. Snapshots: contracts/snapshots, printed by script/gas.
contract MarketGasTest is GasFixture {
    uint256 private constant OPEN_MAX = 82_000;
    /// @dev Above base, calldata and pairing.
    uint256 private constant PROVE_MAX = 35_500;

    function setUp() public {
        _build(4096);
    }

    /// forge-config: default.isolate = true
    function test_OpenAndProve() public {
        _warm();
        Slot memory slot = _openForPayee();
        assertLe(vm.lastCallGas().gasTotalUsed, OPEN_MAX);
        _snapshot("open_4096");

        _prove(slot);
        uint256 used = vm.lastCallGas().gasTotalUsed;
        uint256 floor = _floor(abi.encodeCall(market.prove, (slot, terms, publicInputs, proof)), 3);
        assertLe(used, floor + PROVE_MAX);
        _snapshot("prove");
        vm.snapshotValue(GROUP, "prove.floor", floor);

        slot = _openForPayee();
        vm.warp(slot.startedAt + terms.fastWindow + 10);
        _prove(slot);
        _snapshot("prove_after_fast_window");
    }

    /// forge-config: default.isolate = true
    function test_Rescue() public {
        _warm();
        Slot memory slot;
        // The second, on words that the first has written.
        for (uint256 i = 0; i < 2; ++i) {
            for (slot = _open(); slot.prover == payee; slot = _open()) {
                _prove(slot);
            }
            vm.warp(slot.exclusiveUntil);
            _prove(slot);
        }
        _snapshot("rescue");
        vm.snapshotValue(
            GROUP, "rescue.floor", _floor(abi.encodeCall(market.prove, (slot, terms, publicInputs, proof)), 3)
        );
    }

    /// forge-config: default.isolate = true
    function test_Expire() public {
        _warm();
        for (uint256 i = 0; i < 2; ++i) {
            Slot memory slot = _open();
            vm.warp(slot.openedAt + terms.expiryWindow);
            market.expire(slot, terms, new uint256[](0));
        }
        _snapshot("expire");
    }

    /// forge-config: default.isolate = true
    function test_Provers() public {
        address prover = makeAddr("newcomer");
        token.mint(prover, 100 ether);
        vm.prank(prover);
        registry.register("https://prover.example");
        _snapshot("register");
        vm.prank(prover);
        token.approve(address(registry), type(uint256).max);
        vm.prank(prover);
        registry.stake(50 ether);
        _snapshot("stake");
        vm.prank(prover);
        registry.allocate(id, 10, 10, 1, 1);
        _snapshot("allocate_4096");
        vm.prank(prover);
        registry.pause();
        _snapshot("pause");
        vm.prank(prover);
        registry.resume();
        _snapshot("resume");

        _prove(_openForPayee());
        vm.prank(payee);
        market.withdraw(payee, 0.01 ether);
        _snapshot("withdraw");
    }

    /// forge-config: default.isolate = true
    function test_BringSeed() public {
        vm.warp((vm.getBlockTimestamp() / EPOCH + 1) * EPOCH);
        uint256 epoch = vm.getBlockTimestamp() / EPOCH;
        bytes memory headers = _seedHeaders(lottery, epoch, keccak256("mix"));
        lottery.bringSeed(epoch, headers);
        _snapshot("bring_seed");
    }

    /// @dev The reference rollup: its market's chain finalises the block within `prove`. The fixture's block is the first, so
    /// posting it writes to fresh storage; a lap later it costs less.
    /// forge-config: default.isolate = true
    function test_Rollup() public {
        _prove(_openForPayee());
        address rollup = vm.parseJsonAddress(fixture, ".rollup");
        bytes memory data = vm.parseJsonBytes(fixture, ".data");
        deployCodeTo(
            "TransferRollup.sol:TransferRollup",
            abi.encode(market, _terms(rollup), CAPACITY, address(this), statement[0], hex"", data.length),
            rollup
        );
        id = market.marketCount();
        Terms memory rollupTerms = _terms(rollup);
        rollupTerms.chain = ChainTermsLib.DECLARED | 1 << 8;
        market.fund(id, 100 ether);
        token.mint(payee, 1000 ether);
        vm.prank(payee);
        registry.stake(500 ether);
        vm.prank(payee);
        registry.allocate(id, 500, 500, 1, 1);
        _nextEpoch();

        vm.recordLogs();
        TransferRollup(rollup).postBlock(0, statement[0], data, statement[1], rollupTerms, "");
        _snapshot("post_block_first_lap");
        Slot memory slot = _lastSlot();
        assertEq(slot.prover, payee);
        market.prove(slot, rollupTerms, publicInputs, proof);
        _snapshot("prove_rollup");
        vm.snapshotValue(
            GROUP,
            "prove_rollup.floor",
            _floor(abi.encodeCall(market.prove, (slot, rollupTerms, publicInputs, proof)), 3)
        );
        (uint64 finalized, uint256 root,,) = TransferRollup(rollup).state();
        assertEq(finalized, 1);
        assertEq(root, statement[1]);
    }

    /// @dev A static call is no transaction of its own: this is the gas inside it.
    function test_VerifyBlock() public {
        assertTrue(verifier.verify(publicInputs, proof));
        vm.snapshotValue(GROUP, "verify_block", vm.lastCallGas().gasTotalUsed);
        vm.snapshotValue(GROUP, "verify_block.floor", _pairingFloor(3));
    }

    function _lastSlot() private returns (Slot memory slot) {
        bytes32 topic = IProofMarketEvents.SlotOpened.selector;
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == topic) (, slot,) = abi.decode(logs[i].data, (bytes32, Slot, uint256[]));
        }
    }
}

/// @notice The same opening with sixteen times as many provers.
contract MarketGas65536Test is GasFixture {
    function setUp() public {
        _build(65_536);
    }

    /// forge-config: default.isolate = true
    function test_Open() public {
        for (uint256 i = 0; i <= CAPACITY; ++i) {
            Slot memory slot = _open();
            _snapshot("open_65536");
            vm.warp(slot.exclusiveUntil);
            _prove(slot);
        }
    }
}
