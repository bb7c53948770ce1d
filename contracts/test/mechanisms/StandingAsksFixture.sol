// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { SignedAsk, StandingAsk } from "../../src/interfaces/IStandingAsks.sol";
import { SlotHooks } from "../../src/libraries/SlotHooks.sol";
import { StandingAsks } from "../../src/mechanisms/StandingAsks.sol";
import { Slot } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { MarketFixture } from "../MarketFixture.sol";

/// @notice A market with standing asks: ticks of a hundredth of an asset unit, of which a promised second counts one, and half a
/// minute to match a slot that no ask was able to take. Three provers with deposits, and a key of alice's.
abstract contract StandingAsksFixture is MarketFixture {
    uint256 internal constant TICK = 0.01 ether;
    uint256 internal constant WEIGHT = 1;
    uint256 internal constant WINDOW = 30;
    uint256 internal constant DEPOSIT = 100 ether;
    uint32 internal constant PROMISED = 100;

    StandingAsks internal asks;
    address internal hot = makeAddr("alice's hot key");
    uint256 internal aliceKey;

    function setUp() public virtual override {
        super.setUp();
        _setUpAsks(WEIGHT);
    }

    function _setUpAsks(uint256 weight) internal {
        asks = new StandingAsks(registry, address(market));
        (, aliceKey) = makeAddrAndKey("alice");
        terms.mechanism = address(asks);
        terms.mechanismParams = _paramsOf(TICK, weight, WINDOW);
        _setTerms();
        _stake(carol, id, 60);
        _submitter(alice, hot);
        address[4] memory keys = [alice, bob, carol, hot];
        for (uint256 i; i < keys.length; ++i) {
            _deposit(keys[i], DEPOSIT);
        }
    }

    function _paramsOf(uint256 tick, uint256 weight, uint256 window) internal pure returns (bytes32) {
        return bytes32((weight == 0 ? 0 : SlotHooks.ENDED) | window << 112 | weight << 96 | tick);
    }

    function _deposit(address key, uint256 amount) internal {
        token.mint(key, amount);
        vm.startPrank(key);
        token.approve(address(asks), amount);
        asks.deposit(amount);
        vm.stopPrank();
    }

    function _tomorrow() internal view returns (uint40) {
        return uint40(vm.getBlockTimestamp() + 1 days);
    }

    function _post(address prover, uint96 price, uint32 promised, uint32 capacity) internal {
        uint40 expiry = _tomorrow();
        vm.prank(prover);
        asks.post(id, terms, prover, price, promised, capacity, expiry);
    }

    function _post(address prover, uint96 price) internal {
        _post(prover, price, PROMISED, 4);
    }

    function _openWith(bytes memory data) internal returns (Slot memory) {
        vm.prank(requester);
        return market.openSlot(id, terms, 0, _statement(), data);
    }

    function _openNext() internal returns (Slot memory) {
        return _openWith("");
    }

    function _ask(address prover) internal view returns (StandingAsk memory) {
        return asks.askOf(id, terms, prover);
    }

    function _capacity(address prover) internal view returns (uint256) {
        return _ask(prover).capacity;
    }

    /// @dev The slot as it is once `prover` has it at `price`, now.
    function _assigned(Slot memory slot, address prover, uint96 price) internal view returns (Slot memory held) {
        held = abi.decode(abi.encode(slot), (Slot));
        (held.prover, held.price, held.startedAt) = (prover, price, uint40(vm.getBlockTimestamp()));
        held.exclusiveUntil = held.startedAt + EXCLUSIVE;
        assertTrue(market.isOpen(held, terms), "not assigned so");
    }

    function _assertUndecided(Slot memory slot) internal view {
        assertEq(slot.prover, address(0), "given away");
        assertEq(slot.price, terms.price);
        assertEq(slot.exclusiveUntil, slot.openedAt + WINDOW, "undecided");
    }

    function _signedAsk(uint96 price, uint32 promised, uint32 capacity) internal view returns (SignedAsk memory) {
        return SignedAsk({
            prover: alice,
            market: id,
            version: terms.version,
            price: price,
            promised: promised,
            capacity: capacity,
            expiry: _tomorrow(),
            nonce: 7
        });
    }

    function _sign(SignedAsk memory ask) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(aliceKey, asks.digestOf(ask));
        return abi.encode(ask, abi.encodePacked(r, s, v));
    }

    /// @dev A prover of a crowd: with stake for one bond, and a deposit.
    function _enter(uint256 i) internal returns (address prover) {
        prover = address(uint160(0x100000 + i));
        _stake(prover, id, BOND / UNIT);
        _deposit(prover, DEPOSIT);
    }

    /// @dev `count` provers of the crowd, each with an ask at `price` that it is not able to keep.
    function _clog(uint256 count, uint96 price) internal returns (address[] memory provers) {
        provers = new address[](count);
        for (uint256 i; i < count; ++i) {
            provers[i] = _enter(i);
            _post(provers[i], price);
            vm.prank(provers[i]);
            registry.pause();
        }
    }
}
