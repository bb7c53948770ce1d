// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IBondEscrow } from "../../src/interfaces/IBondEscrow.sol";
import { IMechanism } from "../../src/interfaces/IMechanism.sol";
import { IMining } from "../../src/interfaces/IMining.sol";
import { IRandomness } from "../../src/interfaces/IRandomness.sol";
import { SlotHooks } from "../../src/libraries/SlotHooks.sol";
import { Mining } from "../../src/mechanisms/Mining.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { MockRandomness } from "../mocks/MockRandomness.sol";
import { MockProof } from "../mocks/MockVerifier.sol";
import { MiningFixture } from "./MiningFixture.sol";

contract MiningTest is MiningFixture {
    // ------------------------------------------------------------------ the rule

    function test_ARoundBeginsWhenASlotOpens() public {
        uint256 target = (mining.MAX_TARGET() >> (94 + BITS)) << 94;
        vm.expectEmit(address(mining));
        emit IMining.RoundStarted(id, 2, target, TICKET_BOND);
        Slot memory slot = _openOnly();
        assertEq(slot.prover, address(0));
        assertEq(slot.exclusiveUntil, slot.openedAt);

        IMining.Round memory round = mining.round(id);
        assertEq(round.slot, 2);
        assertEq(round.seed, 0);
        assertEq(round.startedIn, vm.getBlockNumber());
        assertEq(round.target, target);
        assertEq(round.startedAt, block.timestamp);
        assertEq(round.winner, address(0));
        assertEq(round.ticketBond, TICKET_BOND);
        assertEq(address(mining.puzzle()), address(puzzle));
        assertEq(address(mining.registry()), address(registry));
        assertEq(address(mining.randomness()), address(0));
    }

    // ------------------------------------------------------------------ the seed

    function _assertNoSeed() private {
        assertEq(mining.round(id).seed, 0);
        vm.expectRevert(IMining.SeedMissing.selector);
        mining.challengeOf(id, alice, 7);
        vm.expectRevert(IMining.SeedMissing.selector);
        vm.prank(alice);
        mining.submitTicket(id, alice, 7, 0, "");
    }

    /// @dev Not in the block of the opening, nor in the one after, whose hash it is.
    function test_TheSeedIsTheHashOfTheBlockAfterTheOpening() public {
        vm.expectRevert(IMining.SeedMissing.selector);
        mining.challengeOf(id, alice, 7);
        _openOnly();
        _assertNoSeed();
        _mineBlocks(1);
        _assertNoSeed();
        uint256 number = vm.getBlockNumber();
        _mineBlocks(1);
        uint256 seed = _seedFrom(vm.load(HISTORY, bytes32(number % WINDOW)), address(mining), 2);
        assertEq(mining.round(id).seed, seed);
        assertEq(mining.challengeOf(id, alice, 7), uint256(keccak256(abi.encode(seed, id, alice, uint256(7)))) >> 8);

        // It stays as long as the history has the block, and a ticket that was taken outlives it.
        vm.roll(number + WINDOW);
        assertEq(mining.round(id).seed, seed);
        _take(hot, alice);
        vm.roll(number + 2 * WINDOW);
        assertEq(_openSlot().prover, alice);
    }

    /// @dev A round without a ticket, at every block around the one at which its seed leaves the history.
    function test_ASeedThatTheHistoryLostIsReplacedByTheBlocksThatFollowInStep() public {
        _openOnly();
        uint256 first = vm.getBlockNumber() + 1;
        for (uint256 lap = 1; lap < 4; ++lap) {
            uint256 number = first + lap * WINDOW;
            // The place in the history is the one that its predecessor had.
            vm.roll(number);
            _record(number - WINDOW, keccak256(abi.encode(lap - 1)));
            assertEq(mining.round(id).seed, _seedFrom(keccak256(abi.encode(lap - 1)), address(mining), 2));
            _record(number, keccak256(abi.encode(lap)));
            vm.roll(number + 1);
            assertEq(mining.round(id).seed, _seedFrom(keccak256(abi.encode(lap)), address(mining), 2));
            vm.roll(number + WINDOW - 1);
            assertEq(mining.round(id).seed, _seedFrom(keccak256(abi.encode(lap)), address(mining), 2));
        }
        _take(alice, alice);
        assertEq(_openSlot().prover, alice);
    }

    /// @dev Each of a round of its own, of a contract at the case's address whose market is this test.
    function test_TheSeedMatchesVectors() public {
        string memory json = vm.readFile("tests/vectors/mechanisms.json");
        bytes memory code = address(new Mining(registry, address(this), puzzle, IRandomness(address(0)))).code;
        uint256 i;
        for (;; ++i) {
            string memory key = string.concat(".miningSeed.cases[", vm.toString(i), "]");
            if (!vm.keyExistsJson(json, key)) break;
            Mining bare = Mining(vm.parseJsonAddress(json, string.concat(key, ".contract")));
            vm.etch(address(bare), code);
            vm.chainId(vm.parseJsonUint(json, string.concat(key, ".chainId")));
            uint256 market_ = vm.parseJsonUint(json, string.concat(key, ".market"));
            vm.roll(vm.parseJsonUint(json, string.concat(key, ".startedIn")));
            bare.onOpen(market_, uint64(vm.parseJsonUint(json, string.concat(key, ".slot")) - 1), terms, "");
            uint256 number = vm.parseJsonUint(json, string.concat(key, ".block"));
            _record(number, vm.parseJsonBytes32(json, string.concat(key, ".value")));
            vm.roll(vm.parseJsonUint(json, string.concat(key, ".ticketIn")));
            assertEq(bare.round(market_).seed, vm.parseJsonUint(json, string.concat(key, ".seed")), key);
            _record(number, 0);
        }
        assertGt(i, 8);
    }

    function test_RevertConstructor_WhenThereIsNoHistory() public {
        vm.etch(HISTORY, "");
        vm.expectRevert(IMining.HistoryMissing.selector);
        new Mining(registry, address(market), puzzle, IRandomness(address(0)));
    }

    /// @dev Its first value after the opening's second.
    function test_ABeaconSeedsInsteadOfBlocks() public {
        vm.etch(HISTORY, "");
        MockRandomness beacon = new MockRandomness(30, 3);
        Mining seeded = new Mining(registry, address(this), puzzle, beacon);
        assertEq(address(seeded.randomness()), address(beacon));
        vm.warp((vm.getBlockTimestamp() / 30 + 1) * 30);
        uint256 round = vm.getBlockTimestamp() / 30 + 1;
        // A value that is published in this very second was known to who waited for it.
        seeded.onOpen(id, 4, terms, "");
        uint256[4] memory waits = [uint256(0), 3, 29, 32];
        uint256 start = vm.getBlockTimestamp();
        for (uint256 i; i < 4; ++i) {
            vm.warp(start + waits[i]);
            assertEq(seeded.round(id).seed, 0);
            vm.expectRevert(IMining.SeedMissing.selector);
            seeded.challengeOf(id, alice, 7);
        }
        vm.warp(start + 33);
        assertEq(seeded.round(id).seed, _seedFrom(beacon.valueOf(round), address(seeded), 5));
    }

    // ------------------------------------------------------------------ the right

    function test_TheFirstTicketTakesTheNextSlot() public {
        _openSlot();
        Ticket memory ticket = _mine(alice, 0, false);
        vm.expectEmit(address(mining));
        emit IMining.TicketTaken(id, 2, alice, hot);
        _submit(hot, alice, ticket);
        _assertDeposit(hot, TICKET_BOND);
        _assertDeposit(alice, 0);
        assertEq(mining.round(id).winner, alice);
        (address key, uint96 bond) = mining.ticketOf(id, 2);
        assertEq(key, hot);
        assertEq(bond, TICKET_BOND);

        Ticket memory later = _mine(bob, 0, false);
        vm.expectRevert(abi.encodeWithSelector(IMining.RightTaken.selector, alice));
        _submit(bob, bob, later);

        Slot memory slot = _openSlot();
        assertEq(slot.prover, alice);
        assertEq(slot.price, PRICE);
        assertEq(registry.bondedOf(id, alice), BOND);
        assertEq(mining.round(id).winner, address(0));
        assertEq(mining.round(id).slot, 3);
        _assertDeposit(hot, TICKET_BOND);

        vm.expectEmit(address(mining));
        emit IMining.TicketReturned(id, 2, hot, TICKET_BOND);
        _prove(slot, alice);
        _assertDeposit(hot, 0);
        _assertNoTicket(2);
        assertEq(mining.burned(), 0);
    }

    function test_WithoutATicketASlotIsOpenToAll() public {
        _openSlot();
        Slot memory slot = _openSlot();
        assertEq(slot.prover, address(0));
        _prove(slot, stranger);
        assertEq(market.credits(stranger), PRICE);
    }

    // ------------------------------------------------------------------ the target

    /// @dev The next target after a round with a ticket (or without) and these times.
    function _nextTarget(bool ticket, uint256 wait) private returns (uint256) {
        vm.warp(vm.getBlockTimestamp() + wait);
        if (ticket) _take(alice, alice);
        _openSlot();
        return mining.round(id).target;
    }

    function test_TheTargetFollowsTheTickets() public {
        _openSlot();
        uint256 first = mining.round(id).target;
        uint256 unit = mining.MIN_TARGET();
        uint256 snapshot = vm.snapshotState();
        assertEq(_nextTarget(true, INTERVAL), first);
        vm.revertToState(snapshot);
        assertEq(_nextTarget(true, INTERVAL / 2) / unit, first / unit / 2);
        vm.revertToState(snapshot);
        assertEq(_nextTarget(true, 2 * INTERVAL), 2 * first);
        vm.revertToState(snapshot);
        assertEq(_nextTarget(true, 0) / unit, first / unit / 4);
        vm.revertToState(snapshot);
        assertEq(_nextTarget(true, 100 * INTERVAL), 4 * first);
        vm.revertToState(snapshot);
        // The time from the ticket to the slot does not count.
        _take(alice, alice);
        vm.warp(vm.getBlockTimestamp() + 100 * INTERVAL);
        _openSlot();
        assertEq(mining.round(id).target / unit, first / unit / 4);
        uint256 quarter = first / unit / 4;
        assertEq(_nextTarget(false, INTERVAL) / unit, quarter * 2);
        assertEq(_nextTarget(false, 100 * INTERVAL) / unit, quarter * 8);
    }

    function test_TheTargetStaysInRange() public {
        _openSlot();
        assertEq(_nextTarget(false, 100 * INTERVAL), (mining.MAX_TARGET() >> (94 + BITS) << 94) * 4);
        assertEq(_nextTarget(false, 100 * INTERVAL), mining.MAX_TARGET());
        assertEq(_nextTarget(false, 100 * INTERVAL), mining.MAX_TARGET());

        // Straight to the hardest.
        id = _anotherMarket(_params(INTERVAL, TICKET_BOND, 159));
        _openSlot();
        assertEq(mining.round(id).target, mining.MIN_TARGET());
        assertEq(_nextTarget(false, 1), mining.MIN_TARGET());
        assertEq(_nextTarget(false, INTERVAL), 2 * mining.MIN_TARGET());
    }

    function _anotherMarket(bytes32 params) private returns (uint256 another) {
        terms.mechanismParams = params;
        terms.version = 1;
        vm.prank(creator);
        another = market.createMarket(terms, CAPACITY, 0);
        _fund(another, 1000 ether);
    }

    /// @dev Rounds written to the storage of a mechanism whose market is this test: mapping `_rounds`, after the
    /// escrow's two variables.
    function test_TheTargetMatchesVectors() public {
        string memory json = vm.readFile("tests/vectors/mechanisms.json");
        Mining bare = new Mining(registry, address(this), puzzle, IRandomness(address(0)));
        uint256 i;
        for (;; ++i) {
            string memory key = string.concat(".retarget.cases[", vm.toString(i), "]");
            if (!vm.keyExistsJson(json, key)) break;
            uint256 elapsed = vm.parseJsonUint(json, string.concat(key, ".elapsed"));
            // A time has 40 bits, and zero is no ticket.
            uint256 start = elapsed == type(uint40).max ? 0 : 1;
            uint256 ended = vm.parseJsonBool(json, string.concat(key, ".hadTicket")) ? start + elapsed : 0;
            uint256 place = uint256(keccak256(abi.encode(i, 2)));
            vm.store(address(bare), bytes32(place), bytes32(uint256(9)));
            uint256 old = vm.parseJsonUint(json, string.concat(key, ".old"));
            vm.store(address(bare), bytes32(place + 1), bytes32(old >> 94));
            vm.store(address(bare), bytes32(place + 2), bytes32(ended << 200 | start << 160));
            terms.mechanismParams = _params(vm.parseJsonUint(json, string.concat(key, ".interval")), 1, 0);
            vm.warp(start + elapsed);
            assertEq(bare.round(i).target, old, "old");
            bare.onOpen(i, 9, terms, "");
            assertEq(bare.round(i).target, vm.parseJsonUint(json, string.concat(key, ".new")), key);
        }
        assertGt(i, 30);
    }

    // ------------------------------------------------------------------ tickets whose slot does not open here

    function _openElsewhere() private returns (Slot memory slot) {
        Terms memory mined = terms;
        terms = other;
        _setTerms();
        slot = _open(bob);
        terms = mined;
    }

    function test_ReclaimTicket_WhenTheSlotOpenedUnderAnotherMechanism() public {
        _openSlot();
        _take(hot, alice);
        _openElsewhere();
        vm.prank(stranger);
        mining.reclaimTicket(id);
        _assertDeposit(hot, 0);
        _assertDeposit(stranger, 0);
        _assertNoTicket(2);
        vm.expectRevert(IMining.TicketNotFound.selector);
        mining.reclaimTicket(id);
    }

    function test_ATicketComesBackWhenTheMarketDoes() public {
        _openSlot();
        _take(hot, alice);
        _openElsewhere();
        _setTerms();
        Slot memory slot = _openSlot();
        assertEq(slot.id, 3);
        assertEq(slot.prover, address(0));
        _assertDeposit(hot, 0);
        assertEq(mining.round(id).slot, 4);
        assertEq(mining.round(id).target, mining.MAX_TARGET() >> (94 + BITS) << 94);
        vm.expectRevert(IMining.TicketNotFound.selector);
        mining.reclaimTicket(id);
    }

    function test_ReclaimTicket_WhenTheSlotDoesNotOpen() public {
        _openSlot();
        _take(hot, alice);
        uint256 until = block.timestamp + mining.TICKET_HOLD();
        vm.warp(until - 1);
        vm.prank(hot);
        vm.expectRevert(abi.encodeWithSelector(IMining.TicketHeld.selector, until));
        mining.reclaimTicket(id);
        vm.warp(until);
        vm.prank(bob);
        vm.expectRevert(IMining.NotAuthorised.selector);
        mining.reclaimTicket(id);
        vm.prank(hot);
        mining.reclaimTicket(id);
        _assertDeposit(hot, 0);
        // The right is free again.
        _take(bob, bob);
        assertEq(_openSlot().prover, bob);
    }

    // ------------------------------------------------------------------ errors

    function test_RevertSubmitTicket_WhenNotAllowed() public {
        vm.expectRevert(IMining.RoundNotStarted.selector);
        mining.submitTicket(id, alice, 0, 0, "");
        _openSlot();
        Ticket memory ticket = _mine(alice, 0, false);
        vm.startPrank(hot);
        mining.withdraw(hot, DEPOSIT);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IBondEscrow.InsufficientDeposit.selector, 0, TICKET_BOND));
        _submit(hot, alice, ticket);
    }

    function test_RevertHooks_WhenNotMarket() public {
        Slot memory slot = _openSlot();
        vm.expectRevert(IMechanism.NotMarket.selector);
        mining.onOpen(id, 2, terms, "");
        vm.expectRevert(IMechanism.NotMarket.selector);
        mining.onEnded(slot, terms, SlotState.Proven, alice);
    }

    function _rejects(bytes32 field) private {
        vm.expectRevert(abi.encodeWithSelector(IMechanism.MechanismTermsRejected.selector, field));
        mining.validateTerms(terms);
    }

    function test_RevertValidateTerms() public {
        terms.mechanismParams = _params(INTERVAL, TICKET_BOND, 159);
        mining.validateTerms(terms);
        terms.mechanismParams = _params(INTERVAL, TICKET_BOND, 160);
        _rejects("initialBits");
        terms.mechanismParams = bytes32(uint256(_params(INTERVAL, TICKET_BOND, BITS)) & ~SlotHooks.ENDED);
        _rejects("mechanismParams");
        terms.mechanismParams = bytes32(uint256(_params(INTERVAL, TICKET_BOND, BITS)) | 1 << 136);
        _rejects("mechanismParams");
        terms.mechanismParams = _params(0, TICKET_BOND, BITS);
        _rejects("interval");
        terms.mechanismParams = _params(INTERVAL, 0, BITS);
        _rejects("ticketBond");
        terms.mechanismParams = _params(INTERVAL, TICKET_BOND, BITS);
        terms.bond = 0;
        _rejects("bond");
    }

    // ------------------------------------------------------------------ accounts and gas

    /// @dev Slots come and go in every way, and with bonds that differ.
    function testFuzz_EveryTokenBelongsToExactlyOne(uint256 seed) public {
        Slot[] memory slots = new Slot[](41);
        Terms[] memory under = new Terms[](41);
        (slots[0], under[0]) = (_openSlot(), terms);
        uint256 count = 1;
        for (uint256 step; step < 40; ++step) {
            uint256 random = uint256(keccak256(abi.encode(seed, step)));
            address key = keys[(random >> 8) % 4];
            vm.warp(vm.getBlockTimestamp() + random % 400);
            // Tries are evaluations, and these are slow.
            bool easy = mining.round(id).target > mining.MAX_TARGET() >> 6;
            if (random % 4 != 0 && easy && mining.round(id).winner == address(0)) {
                _take(key, key == hot ? alice : key);
            }
            if (random >> 16 & 7 == 0) {
                terms = abi.decode(abi.encode(terms), (Terms));
                terms.mechanismParams = _params(INTERVAL, 1 + (random >> 32) % 1 ether, BITS);
                _setTerms();
            }
            uint256 which = (random >> 56) % count;
            uint256[] memory inputs = _inputs(keys[(random >> 24) % 5]);
            try market.prove(slots[which], under[which], inputs, MockProof.make(inputs)) { } catch { }
            try market.expire(slots[count - 1], under[count - 1], new uint256[](0)) { } catch { }
            if (random >> 40 & 3 == 0) {
                vm.prank(key);
                try mining.reclaimTicket(id) { } catch { }
            }
            vm.prank(terms.requester);
            try market.openSlot(id, terms, 0, _statement(), "") returns (Slot memory next) {
                (slots[count], under[count]) = (next, terms);
                ++count;
            } catch { }
            _mineBlocks(2);
            if (random >> 48 & 7 == 0) try mining.sweepBurned() { } catch { }

            uint256 held = mining.burned();
            for (uint256 i; i < keys.length; ++i) {
                held += mining.balanceOf(keys[i]);
            }
            for (uint64 i; i <= count + 1; ++i) {
                (, uint96 bond) = mining.ticketOf(id, i);
                held += bond;
            }
            assertEq(token.balanceOf(address(mining)), held);
        }
    }

    /// @dev Each call is a transaction of its own, from cold storage; without the verifier, which is a mock.
    /// forge-config: default.isolate = true
    function test_GasOfATicket() public {
        _openSlot();
        _prove(_openSlot(), stranger);
        Ticket memory ticket = _mine(alice, 0, false);
        _submit(hot, alice, ticket);
        emit log_named_uint("submitTicket", vm.lastCallGas().gasTotalUsed);
        vm.warp(vm.getBlockTimestamp() + 30);
        Slot memory slot = _openSlot();
        emit log_named_uint("openSlot", vm.lastCallGas().gasTotalUsed);
        _prove(slot, alice);
        emit log_named_uint("prove", vm.lastCallGas().gasTotalUsed);
    }
}
