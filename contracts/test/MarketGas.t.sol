// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { Slot, Terms } from "../src/interfaces/IProofMarket.sol";
import { StakeLottery } from "../src/mechanisms/StakeLottery.sol";
import { MarketFixture } from "./MarketFixture.sol";
import { MockProof } from "./mocks/MockVerifier.sol";

/// @notice Whole-transaction gas of the market's calls, each in a transaction of its own, with a verifier that costs next to
/// nothing: what is left is the market's share. 4,096 provers are staked.
contract MarketGasTest is MarketFixture {
    uint256 private constant PROVERS = 4096;
    StakeLottery private lottery;

    function setUp() public override {
        super.setUp();
        lottery = new StakeLottery(registry, address(market));
        terms.mechanism = address(lottery);
        _setTerms();
        vm.pauseGasMetering();
        for (uint256 i; i < PROVERS - 2; ++i) {
            _stake(address(uint160(0x100000 + i)), id, 20 + i % 400);
        }
        vm.resumeGasMetering();
        _nextEpoch();
    }

    function _nextEpoch() private {
        vm.warp((vm.getBlockTimestamp() / EPOCH + 2) * EPOCH);
        vm.roll(vm.getBlockNumber() + 1);
        vm.prevrandao(keccak256(abi.encode(vm.getBlockTimestamp())));
        lottery.poke();
    }

    function _openByLottery() private returns (Slot memory) {
        vm.prank(requester);
        return market.openSlot(id, terms, _statement(), "");
    }

    function _gas(string memory name) private returns (uint256 used) {
        used = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint(name, used);
    }

    /// @dev Every place of the ring written, every prover in play with credit.
    function _warm(uint256 rounds) private returns (Slot memory slot) {
        for (uint256 i; i < rounds; ++i) {
            slot = _openByLottery();
            _prove(slot, slot.prover);
        }
    }

    /// forge-config: default.isolate = true
    function test_OpenWarm() public {
        _warm(CAPACITY);
        uint256 sum;
        for (uint256 i; i < 16; ++i) {
            Slot memory slot = _openByLottery();
            uint256 used = _gas("open_4096");
            sum += used;
            assertLe(used, 90_000, "open_4096");
            _prove(slot, slot.prover);
        }
        emit log_named_uint("open_4096 mean", sum / 16);
    }

    /// forge-config: default.isolate = true
    function test_ProveWarm() public {
        _warm(CAPACITY);
        Slot memory slot = _openByLottery();
        _creditOf(slot.prover);
        uint256[] memory inputs = _inputs(slot.prover);
        bytes memory proof = MockProof.make(inputs);
        market.prove(slot, terms, inputs, proof);
        uint256 used = _gas("prove with mock verifier");
        uint256 base = 21_000 + _calldataGas(abi.encodeCall(market.prove, (slot, terms, inputs, proof)));
        // Apart from calling the verifier, which answers in under 1,000 gas.
        emit log_named_uint("prove above base and calldata", used - base);
        assertLe(used - base, 31_500);
    }

    /// forge-config: default.isolate = true
    function test_ProveSlower() public {
        _warm(CAPACITY);
        Slot memory slot = _openByLottery();
        _creditOf(slot.prover);
        vm.warp(slot.startedAt + FAST + 10);
        _prove(slot, slot.prover);
        _gas("prove after the fast window");
    }

    /// forge-config: default.isolate = true
    function test_Rescue() public {
        _warm(CAPACITY);
        Slot memory slot = _openByLottery();
        _creditOf(carol);
        vm.warp(slot.exclusiveUntil);
        _prove(slot, carol);
        _gas("rescue");
    }

    /// forge-config: default.isolate = true
    function test_Expire() public {
        _warm(CAPACITY);
        Slot memory slot = _openByLottery();
        vm.warp(slot.openedAt + EXPIRY);
        market.expire(slot, terms);
        _gas("expire, first burn");
        slot = _openByLottery();
        vm.warp(slot.openedAt + EXPIRY);
        market.expire(slot, terms);
        _gas("expire");
    }

    function _creditOf(address account) private {
        vm.prank(creator);
        market.defund(id, 1, account);
    }

    function _calldataGas(bytes memory data) private pure returns (uint256 gas) {
        for (uint256 i; i < data.length; ++i) {
            gas += data[i] == 0 ? 4 : 16;
        }
    }
}
