// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { StandingAsk } from "../../src/interfaces/IStandingAsks.sol";
import { AskBook } from "../../src/libraries/AskBook.sol";
import { Slot } from "../../src/types/Slot.sol";
import { StandingAsksFixture } from "./StandingAsksFixture.sol";
import { Test } from "forge-std/Test.sol";

/// @notice The contract against a list that is searched from one end to the other, over orders of calls drawn by a seed.
contract StandingAsksModelTest is StandingAsksFixture {
    /// @dev An ask as the list has it; it is none without a capacity. `turn` says which came first.
    struct Listed {
        address prover;
        uint256 score;
        uint256 price;
        uint256 capacity;
        uint256 turn;
        bool paused;
    }

    uint256 private constant PROVERS = 12;
    uint256 private constant CALLS = 40;

    Listed[PROVERS] private _listed;
    uint256 private _turns;
    uint256 private _random;

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < PROVERS; ++i) {
            _listed[i].prover = address(uint160(0x200000 + i));
            _stake(_listed[i].prover, id, 100);
            _deposit(_listed[i].prover, DEPOSIT);
        }
    }

    function _draw(uint256 below) private returns (uint256) {
        _random = uint256(keccak256(abi.encode(_random)));
        return _random % below;
    }

    function testFuzz_TheBookIsASortedList(uint256 seed) public {
        _random = seed;
        for (uint256 i; i < CALLS; ++i) {
            Listed storage who = _listed[_draw(PROVERS)];
            uint256 call = _draw(8);
            if (call < 3) _postRandom(who);
            else if (call == 3) _topUpRandom(who);
            else if (call == 4) _cancelIfThere(who);
            else if (call == 5) _togglePause(who);
            else _openAndCompare();
            _compare();
        }
    }

    /// @dev Few prices and times, so that many scores are equal, and some far apart.
    function _postRandom(Listed storage who) private {
        if (who.paused) return;
        uint256 price = (_draw(3) * 300 + _draw(3)) * TICK;
        uint256 promised = 1 + _draw(3);
        uint256 capacity = 1 + _draw(3);
        _post(who.prover, uint96(price), uint32(promised), uint32(capacity));
        (who.score, who.price, who.capacity, who.turn) = (price / TICK + promised, price, capacity, ++_turns);
    }

    function _topUpRandom(Listed storage who) private {
        if (who.capacity == 0) return;
        uint256 slots = _draw(3);
        uint40 expiry = _tomorrow();
        vm.prank(who.prover);
        asks.topUp(id, terms, who.prover, uint32(slots), expiry);
        who.capacity += slots;
        if (slots != 0) who.turn = ++_turns;
    }

    function _cancelIfThere(Listed storage who) private {
        if (who.capacity == 0) return;
        vm.prank(who.prover);
        asks.cancel(id, terms.version, who.prover);
        who.capacity = 0;
    }

    function _togglePause(Listed storage who) private {
        vm.prank(who.prover);
        if (who.paused) registry.resume();
        else registry.pause();
        who.paused = !who.paused;
    }

    function _openAndCompare() private {
        Slot memory slot = _openNext();
        for (uint256 removed; removed < 8; ++removed) {
            (bool found, uint256 best) = _best();
            if (!found) break;
            Listed storage first = _listed[best];
            if (!first.paused) {
                assertEq(slot.prover, first.prover, "given to another");
                assertEq(slot.price, first.price, "at another price");
                --first.capacity;
                _prove(slot, slot.prover);
                return;
            }
            first.capacity = 0;
        }
        assertEq(slot.prover, address(0), "given away");
        vm.warp(slot.exclusiveUntil);
        _prove(slot, stranger);
    }

    function _best() private view returns (bool found, uint256 best) {
        for (uint256 i; i < PROVERS; ++i) {
            if (_listed[i].capacity == 0) continue;
            if (!found || _isBefore(_listed[i], _listed[best])) (found, best) = (true, i);
        }
    }

    function _isBefore(Listed memory one, Listed memory other) private pure returns (bool) {
        return one.score < other.score || (one.score == other.score && one.turn < other.turn);
    }

    function _compare() private view {
        address[] memory order = asks.asksOf(id, terms.version, 2 * PROVERS);
        uint256 count;
        for (uint256 i; i < PROVERS; ++i) {
            Listed memory who = _listed[i];
            StandingAsk memory ask = _ask(who.prover);
            assertEq(ask.capacity, who.capacity, "capacity");
            if (who.capacity == 0) continue;
            ++count;
            uint256 place;
            for (uint256 k; k < PROVERS; ++k) {
                if (_listed[k].capacity != 0 && _isBefore(_listed[k], who)) ++place;
            }
            assertEq(order[place], who.prover, "order");
        }
        assertEq(order.length, count, "number of asks");
    }
}

/// @notice The book alone, over all scores that there are.
contract AskBookTest is Test {
    using AskBook for AskBook.Book;

    AskBook.Book private book;

    function _add(uint32 id, uint16 score) private {
        book.add(id, AskBook.Ask({ price: 0, score: score, promised: 1, capacity: 1, expiry: 1, ahead: 9, behind: 9 }));
    }

    function testFuzz_FindsTheLowestAndTheNext(uint16 a, uint16 b, uint16 c) public {
        (bool found,) = book.best();
        assertFalse(found);
        _add(1, a);
        _add(2, b);
        _add(3, c);
        uint256 lowest = a < b ? a : b;
        lowest = lowest < c ? lowest : c;
        uint256 score;
        (found, score) = book.best();
        assertTrue(found);
        assertEq(score, lowest);
        uint256 seen;
        while (found) {
            for (uint32 id = book.queues[score].first; id != 0; id = book.asks[id].behind) {
                assertEq(book.asks[id].score, score);
                ++seen;
            }
            (found, score) = book.nextAfter(score);
        }
        assertEq(seen, 3);
        book.remove(2);
        book.remove(1);
        (, score) = book.best();
        assertEq(score, c);
        book.remove(3);
        (found,) = book.best();
        assertFalse(found);
        assertEq(book.words, 0);
    }
}
