// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { SignedAsk } from "../../src/interfaces/IStandingAsks.sol";
import { SlotHooks } from "../../src/libraries/SlotHooks.sol";
import { StandingAsks } from "../../src/mechanisms/StandingAsks.sol";
import { Slot } from "../../src/types/Slot.sol";
import { MechanismGasFixture } from "./MechanismGasFixture.sol";

/// @notice Whole-transaction gas of standing asks, as MechanismGas has that of the others. An ask is for many slots, so its posting is
/// no part of a slot.
contract StandingAsksGasTest is MechanismGasFixture {
    uint256 private constant OPEN_MAX = 115_000;
    uint256 private constant POST_MAX = 130_000;
    uint256 private constant LAPS = CAPACITY;

    address private bob;
    uint256 private bobKey;
    StandingAsks private asks;
    uint40 private expiry;

    function setUp() public {
        _buildForMechanisms();
        (bob, bobKey) = makeAddrAndKey("bob");
        _enter(bob, 500);
    }

    /// @dev Ticks of a ten-thousandth, of which a promised second counts `weight`.
    function _useAsks(uint256 weight) private {
        asks = new StandingAsks(registry, address(market));
        uint256 bits = weight == 0 ? 0 : SlotHooks.ENDED;
        _use(address(asks), bytes32(bits | uint256(60) << 112 | weight << 96 | 0.0001 ether));
        expiry = uint40(vm.getBlockTimestamp() + 30 days);
        _deposit(address(asks), payee);
        _deposit(address(asks), bob);
    }

    function _post(address prover, uint96 price, uint32 capacity) private returns (uint256) {
        vm.prank(prover);
        asks.post(id, terms, prover, price, 100, capacity, expiry);
        return _used();
    }

    function _lap() private returns (Slot memory slot) {
        for (uint256 i; i < LAPS; ++i) {
            slot = _openWith("");
            assertEq(slot.prover, payee);
            _prove(slot);
        }
    }

    /// @dev Open, prove.
    /// forge-config: default.isolate = true
    function test_Asks() public {
        _useAsks(0);
        _post(payee, 0.05 ether, 100);
        _lap();
        Slot memory slot = _openWith("");
        uint256 gas = _used();
        _bounded("asks_open", gas, OPEN_MAX);
        _prove(slot);
        _record("asks_slot", gas + _record("asks_prove"));
        // Behind another of the same price.
        _bounded("asks_post", _post(bob, 0.05 ether, 100), POST_MAX);
        vm.prank(payee);
        asks.topUp(id, terms, payee, 10, expiry + 1);
        _record("asks_top_up");
        vm.prank(payee);
        asks.cancel(id, terms.version, payee);
        _record("asks_cancel");
    }

    /// @dev With a promise that counts.
    /// forge-config: default.isolate = true
    function test_AsksWithAPromise() public {
        _useAsks(1);
        _post(payee, 0.05 ether, 100);
        _lap();
        Slot memory slot = _openWith("");
        uint256 gas = _record("asks_promise_open");
        _prove(slot);
        _record("asks_promise_slot", gas + _used());
    }

    /// @dev Eight that are not able are removed, which is the most that an opening does; the next call finds one that is.
    /// forge-config: default.isolate = true
    function test_AsksThatAreNotAble() public {
        _useAsks(0);
        _post(payee, 0.05 ether, 100);
        _lap();
        for (uint32 i; i < 8; ++i) {
            address prover = registry.proverById(77 + i);
            _post(prover, uint96(0.01 ether) * (1 + i), 1);
            vm.prank(prover);
            registry.pause();
        }
        vm.prank(payee);
        asks.cancel(id, terms.version, payee);
        _post(payee, 0.09 ether, 100);
        Slot memory slot = _openWith("");
        _record("asks_open_removing_8");
        assertEq(slot.prover, address(0));
        asks.matchSlot(slot, terms);
        _record("asks_match");
        _assigned(slot, payee, 0.09 ether);
    }

    /// @dev A signed ask that is below the book's, used before.
    /// forge-config: default.isolate = true
    function test_AsksThatAreSigned() public {
        _useAsks(0);
        _post(payee, 0.05 ether, 100);
        _lap();
        SignedAsk memory ask = SignedAsk({
            prover: bob,
            market: id,
            version: terms.version,
            price: 0.04 ether,
            promised: 100,
            capacity: 100,
            expiry: expiry,
            nonce: 7
        });
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(bobKey, asks.digestOf(ask));
        bytes memory data = abi.encode(ask, abi.encodePacked(r, s, v));
        Slot memory slot;
        for (uint256 i; i < 2; ++i) {
            slot = _openWith(data);
            assertEq(slot.prover, bob);
        }
        slot = _openWith(data);
        _record("asks_open_signed");
    }
}
