// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IMechanism } from "../../src/interfaces/IMechanism.sol";
import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { IRace } from "../../src/interfaces/IRace.sol";
import { SlotHooks } from "../../src/libraries/SlotHooks.sol";
import { Race } from "../../src/mechanisms/Race.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { MarketFixture } from "../MarketFixture.sol";
import { console } from "forge-std/Test.sol";

/// @notice Alice has two thirds of the weight and bob one third; the window is six slots and the delay thirty seconds.
contract RaceTest is MarketFixture {
    uint256 private constant WINDOW = 6;
    uint256 private constant DELAY = 30;
    uint256 private constant HANDICAP_MAX = 65_000;
    string private constant VECTORS = "tests/vectors/mechanisms.json";

    Race private race;

    function setUp() public override {
        super.setUp();
        race = new Race(registry, address(market));
        terms.mechanism = address(race);
        _setParams(WINDOW, DELAY);
        _nextEpoch();
    }

    function _pack(uint256 window, uint256 delay) private pure returns (bytes32) {
        return bytes32(SlotHooks.ENDED | delay << 8 | window);
    }

    function _setParams(uint256 window, uint256 delay) private {
        terms.mechanismParams = _pack(window, delay);
        _setTerms();
    }

    function _nextEpoch() private {
        vm.warp((vm.getBlockTimestamp() / EPOCH + 2) * EPOCH);
    }

    function _openRace() private returns (Slot memory) {
        vm.prank(requester);
        return market.openSlot(id, terms, 0, _statement(), "");
    }

    /// @dev Opens a slot and proves it at once.
    function _win(address payee) private {
        _prove(_openRace(), payee);
    }

    /// @dev Opens a slot, checks that `payee` has to wait, and proves it as soon as it may.
    function _winLate(address payee) private {
        Slot memory slot = _openRace();
        uint256 until = slot.startedAt + DELAY;
        assertEq(_waitsUntil(payee), until);
        vm.warp(until - 1);
        _proveFails(slot, payee, abi.encodeWithSelector(IRace.HandicapNotOver.selector, until));
        vm.warp(until);
        _prove(slot, payee);
    }

    function _waitsUntil(address payee) private view returns (uint256) {
        return race.waitsUntil(id, payee, uint40(vm.getBlockTimestamp()), terms.mechanismParams);
    }

    function _waits(address payee) private view returns (bool) {
        uint256 until = _waitsUntil(payee);
        if (until == vm.getBlockTimestamp()) return false;
        assertEq(until, vm.getBlockTimestamp() + DELAY);
        return true;
    }

    // ---------------------------------------------------------------- the interface

    function test_Constructor() public view {
        assertEq(address(race.registry()), address(registry));
    }

    function test_RevertOnOpen_WhenNotMarket() public {
        vm.expectRevert(IMechanism.NotMarket.selector);
        race.onOpen(id, 1, terms, "");
    }

    function test_RevertOnEnded_WhenNotMarket() public {
        Slot memory slot;
        vm.expectRevert(IMechanism.NotMarket.selector);
        race.onEnded(slot, terms, SlotState.Proven, alice);
    }

    function _rejects(bytes32 params, bytes32 field) private {
        terms.mechanismParams = params;
        vm.expectRevert(abi.encodeWithSelector(IMechanism.MechanismTermsRejected.selector, field));
        race.validateTerms(terms);
    }

    function test_ValidateTerms() public {
        race.validateTerms(terms);
        terms.mechanismParams = 0;
        race.validateTerms(terms);
        terms.mechanismParams = _pack(1, 1);
        race.validateTerms(terms);
        terms.mechanismParams = _pack(64, EXCLUSIVE - 1);
        race.validateTerms(terms);
    }

    function test_RevertValidateTerms_WhenParamsAreMalformed() public {
        _rejects(_pack(WINDOW, DELAY) & ~bytes32(SlotHooks.ENDED), "mechanismParams");
        _rejects(_pack(WINDOW, DELAY) | bytes32(uint256(1) << 40), "mechanismParams");
        _rejects(_pack(WINDOW, DELAY) | bytes32(uint256(1) << 254), "mechanismParams");
    }

    function test_RevertValidateTerms_WhenWindowIsOutOfRange() public {
        _rejects(bytes32(SlotHooks.ENDED), "window");
        _rejects(_pack(0, DELAY), "window");
        _rejects(_pack(65, DELAY), "window");
    }

    function test_RevertValidateTerms_WhenDelayIsOutOfRange() public {
        _rejects(_pack(WINDOW, 0), "delay");
        _rejects(_pack(WINDOW, EXCLUSIVE), "delay");
    }

    // ---------------------------------------------------------------- without a handicap

    function test_FirstValidProofWins() public {
        terms.mechanismParams = 0;
        _setTerms();
        for (uint256 i = 0; i < 10; ++i) {
            Slot memory slot = _openRace();
            assertEq(slot.prover, address(0));
            assertEq(slot.price, PRICE);
            assertEq(slot.exclusiveUntil, block.timestamp);
            assertEq(_waitsUntil(stranger), block.timestamp);
            _prove(slot, stranger);
            _proveFails(slot, alice, abi.encodeWithSelector(IProofMarketEvents.SlotNotOpen.selector, SlotState.Proven));
        }
        assertEq(market.credits(stranger), 10 * uint256(PRICE));
        assertEq(race.winsOf(id, alice, 64), 0);
    }

    /// @dev Whoever would like a bond asked for must take another mechanism.
    function test_BondIsNeverAskedFor() public {
        Slot memory slot = _openRace();
        assertEq(registry.bondedOf(id, alice), 0);
        vm.warp(slot.openedAt + EXPIRY);
        _expire(slot);
        _assertState(slot, SlotState.Expired);
        assertEq(race.winsOf(id, alice, 64), 0);
    }

    // ---------------------------------------------------------------- the handicap

    function test_WhoWonItsShareWaits() public {
        for (uint256 i = 0; i < 4; ++i) {
            assertFalse(_waits(alice));
            _win(alice);
            assertEq(race.winsOf(id, alice, WINDOW), i + 1);
        }
        assertTrue(_waits(alice));
        assertFalse(_waits(bob));
        _winLate(alice);
        assertTrue(_waits(alice));
        _win(bob);
        _win(bob);
        assertTrue(_waits(bob));
        // The last five: alice, alice, alice, bob, bob.
        assertFalse(_waits(alice));
        _win(alice);
        // What bob won is still among the last five.
        _winLate(bob);
    }

    function test_SlotIsOpenToEveryoneAfterTheDelay() public {
        for (uint256 i = 0; i < 9; ++i) {
            Slot memory slot = _openRace();
            vm.warp(slot.startedAt + DELAY);
            _prove(slot, i % 3 == 0 ? stranger : alice);
        }
        assertEq(market.credits(stranger), 3 * uint256(PRICE));
    }

    /// @dev Provers that take turns by their shares never wait: this slot counts in the window.
    function test_TakingTurnsNeverWaits() public {
        for (uint256 i = 0; i < 4 * WINDOW; ++i) {
            _win(i % 3 == 2 ? bob : alice);
        }
    }

    function test_WhoHasAllTheWeightNeverWaits() public {
        vm.prank(bob);
        _allocate(id, 0);
        _nextEpoch();
        for (uint256 i = 0; i < 2 * WINDOW; ++i) {
            _win(alice);
        }
    }

    function test_NobodyWaitsWhileNobodyHasWeight() public {
        vm.prank(alice);
        _allocate(id, 0);
        vm.prank(bob);
        _allocate(id, 0);
        _nextEpoch();
        for (uint256 i = 0; i < WINDOW; ++i) {
            _win(stranger);
        }
    }

    function test_WindowOfOne() public {
        _setParams(1, DELAY);
        _winLate(alice);
        vm.prank(bob);
        _allocate(id, 0);
        _nextEpoch();
        _win(alice);
        _win(alice);
        _winLate(bob);
    }

    /// @dev Wins are remembered over a change of terms, up to 64.
    function test_WindowMayChange() public {
        _fund(id, 2000 ether);
        for (uint256 i = 0; i < 3; ++i) {
            _win(alice);
        }
        _setParams(3, DELAY);
        assertTrue(_waits(alice));
        _setParams(64, DELAY);
        assertFalse(_waits(alice));
        for (uint256 i = 3; i < 42; ++i) {
            _win(alice);
        }
        _winLate(alice);
        assertEq(race.winsOf(id, alice, 64), 43);
        for (uint256 i = 0; i < 21; ++i) {
            _win(bob);
        }
        assertEq(race.winsOf(id, alice, 64), 43);
        assertEq(race.winsOf(id, bob, 64), 21);
        assertEq(race.winsOf(id, bob, 1000), 21);
        assertEq(race.winsOf(id, bob, 20), 20);
        _winLate(bob);
        assertEq(race.winsOf(id, alice, 64), 42);
        for (uint256 i = 0; i < 80; ++i) {
            Slot memory slot = _openRace();
            vm.warp(slot.startedAt + DELAY);
            _prove(slot, stranger);
        }
        assertEq(race.winsOf(id, alice, 64), 0);
        assertEq(race.winsOf(id, bob, 64), 0);
        assertEq(race.winsOf(id, stranger, 64), 0);
    }

    /// @dev Wins of one market are none in another.
    function test_MarketsAreApart() public {
        Terms memory fresh = terms;
        fresh.version = 1;
        uint256 other = market.createMarket(fresh, CAPACITY, 0);
        for (uint256 i = 0; i < 4; ++i) {
            _win(alice);
        }
        assertTrue(_waits(alice));
        assertEq(race.winsOf(other, alice, 64), 0);
    }

    // ---------------------------------------------------------------- attacks

    /// @dev An address made for the occasion has no share, so it waits from its first slot on, registered or not, and
    /// staked or not until its stake counts.
    function test_Attack_FreshAddressDodgesTheHandicap() public {
        for (uint256 i = 0; i < 4; ++i) {
            _win(alice);
        }
        _winLate(alice);
        _winLate(makeAddr("fresh"));

        vm.prank(stranger);
        registry.register("");
        _winLate(stranger);
        _stake(carol, id, 300);
        _winLate(carol);
        _nextEpoch();
        _win(carol);
    }

    /// @dev Bob's share of six slots is two. In two halves it is one each, in ten tenths it is none.
    function test_Attack_SplitStakeDodgesTheHandicap() public {
        vm.prank(bob);
        _allocate(id, 0);
        address[] memory parts = new address[](10);
        for (uint256 i = 0; i < 2; ++i) {
            parts[i] = makeAddr(string.concat("half", vm.toString(i)));
            _stake(parts[i], id, 50);
        }
        _nextEpoch();
        _win(parts[0]);
        assertTrue(_waits(parts[0]));
        _win(parts[1]);
        assertTrue(_waits(parts[0]));
        assertTrue(_waits(parts[1]));

        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(parts[i]);
            _allocate(id, 0);
        }
        for (uint256 i = 0; i < 10; ++i) {
            parts[i] = makeAddr(string.concat("tenth", vm.toString(i)));
            _stake(parts[i], id, 10);
        }
        _nextEpoch();
        for (uint256 i = 0; i < 10; ++i) {
            assertTrue(_waits(parts[i]));
        }
    }

    /// @dev However an owner splits its stake and whoever else wins, of any `window` slots in a row its addresses win no
    /// more without waiting than one address with all of it could.
    function testFuzz_Attack_AnySplitWinsNoMoreThanItsShare(uint256 seed) public {
        address[] memory parts = new address[](4);
        uint256 sum;
        for (uint256 i = 0; i < parts.length; ++i) {
            parts[i] = makeAddr(string.concat("part", vm.toString(i)));
            uint256 units = bound(uint256(keccak256(abi.encode(seed, i))), 1, 200);
            sum += units;
            _stake(parts[i], id, units);
        }
        uint256 window = bound(seed >> 8, 1, 12);
        _setParams(window, DELAY);
        _nextEpoch();
        uint256 share = window * sum / registry.totalWeight(id);
        bool[] memory won = new bool[](40);
        for (uint256 k = 0; k < won.length; ++k) {
            Slot memory slot = _openRace();
            uint256 start = uint256(keccak256(abi.encode(seed, k, "start")));
            for (uint256 i = 0; i < parts.length && !won[k]; ++i) {
                address part = parts[(start + i) % parts.length];
                if (_waits(part)) continue;
                _prove(slot, part);
                won[k] = true;
            }
            if (!won[k]) {
                vm.warp(slot.startedAt + DELAY);
                _prove(slot, stranger);
            }
            uint256 wins;
            for (uint256 i = k + 1; i != 0 && i + window > k + 1; --i) {
                if (won[i - 1]) ++wins;
            }
            assertLe(wins, share);
        }
    }

    /// @dev Who is paid is what counts: a proof sent by another key wins and waits like any other.
    function test_Attack_ProofSentFromAnotherAddress() public {
        for (uint256 i = 0; i < 4; ++i) {
            _win(alice);
        }
        Slot memory slot = _openRace();
        uint256[] memory inputs = _inputs(alice);
        bytes memory proof = abi.encode(keccak256(abi.encodePacked(inputs)));
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IRace.HandicapNotOver.selector, slot.startedAt + DELAY));
        market.prove(slot, terms, inputs, proof);
        assertEq(race.winsOf(id, alice, 64), 4);
    }

    // ---------------------------------------------------------------- gas

    /// @dev What the handicap adds to a proof that does not wait, as whole transactions on storage written before, for a
    /// window of 63 slots.
    /// forge-config: default.isolate = true
    function test_Gas() public {
        _fund(id, 2000 ether);
        _setParams(63, DELAY);
        uint256 handicapped;
        for (uint256 i = 0; i < 63 + 2; ++i) {
            _win(i % 3 == 2 ? bob : alice);
            handicapped = vm.lastCallGas().gasTotalUsed;
        }
        Slot memory slot = _openRace();
        vm.warp(slot.startedAt + DELAY);
        _prove(slot, alice);
        uint256 late = vm.lastCallGas().gasTotalUsed;
        terms.mechanismParams = 0;
        _setTerms();
        _win(alice);
        uint256 bare = vm.lastCallGas().gasTotalUsed;
        console.log("prove, handicap, window 63", handicapped);
        console.log("prove, handicap, after the delay", late);
        console.log("prove, no handicap", bare);
        assertLe(handicapped, bare + HANDICAP_MAX);
    }

    // ---------------------------------------------------------------- vectors

    /// @dev A race whose market is this test, and whose registry says what the vector says.
    function test_HandicapMatchesVectors() public {
        string memory json = vm.readFile(VECTORS);
        Race bare = new Race(registry, address(this));
        IProverRegistry.Prover memory prover;
        prover.id = 77;
        vm.mockCall(address(registry), abi.encodeCall(registry.proverOf, (alice)), abi.encode(prover));
        Slot memory slot;
        slot.startedAt = uint40(vm.getBlockTimestamp() - DELAY);
        uint256 i;
        for (;; ++i) {
            string memory key = string.concat(".handicap.cases[", vm.toString(i), "]");
            if (!vm.keyExistsJson(json, key)) break;
            slot.market = i;
            uint256 window = vm.parseJsonUint(json, string.concat(key, ".window"));
            uint256 wins = vm.parseJsonUint(json, string.concat(key, ".wins"));
            terms.mechanismParams = _pack(window, DELAY);
            // One win too old to count, then those that do, then others'.
            for (uint256 k = 0; k < window; ++k) {
                bare.onEnded(slot, terms, SlotState.Proven, k <= wins ? alice : stranger);
            }
            uint256 weight = vm.parseJsonUint(json, string.concat(key, ".weight"));
            uint256 total = vm.parseJsonUint(json, string.concat(key, ".total"));
            vm.mockCall(address(registry), abi.encodeCall(registry.weightOf, (i, alice)), abi.encode(weight));
            vm.mockCall(address(registry), abi.encodeCall(registry.totalWeight, (i)), abi.encode(total));
            bool waits = vm.parseJsonBool(json, string.concat(key, ".waits"));
            assertEq(bare.waitsUntil(i, alice, 1000, terms.mechanismParams), waits ? 1000 + DELAY : 1000, key);
        }
        assertGe(i, 40);
    }
}
