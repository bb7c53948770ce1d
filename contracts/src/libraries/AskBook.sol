// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import { LibBit } from "solady/utils/LibBit.sol";

/// @title A book of asks by score: the lowest first, equals in the order in which they came
/// @notice A score is one of 2^16 ticks. A tick that has asks has a bit, and so has a word of 256 of these: the lowest is found in two
/// words, however many asks there are. The asks of a tick are a queue. Whoever asks is named by an id above 0 and has one ask at most,
/// so adding, removing and taking cost the same in a book of ten and in one of ten thousand.
library AskBook {
    uint256 private constant WORD_BITS = 8;
    uint256 private constant LOW_BITS = 0xff;

    /// @dev One word.
    ///
    /// 56 bits empty | 32 bits behind | 32 bits ahead | 40 bits expiry | 32 bits capacity | 32 bits promised | 16 bits score | 16 bits price
    /// @param price In ticks.
    /// @param score In ticks; which queue it is in.
    /// @param promised Seconds that a slot takes at most, it says.
    /// @param capacity Slots left; above 0.
    /// @param expiry Unix seconds of the last block in which it is good.
    /// @param ahead Who is before it in its queue. Of the first it says nothing.
    /// @param behind Who is after it; 0 for the last.
    struct Ask {
        uint16 price;
        uint16 score;
        uint32 promised;
        uint32 capacity;
        uint40 expiry;
        uint32 ahead;
        uint32 behind;
    }

    /// @dev One word; zero while nobody is in it.
    struct Queue {
        uint32 first;
        uint32 last;
    }

    /// @param words Bit w: `ticks[w]` is not zero.
    /// @param ticks Bit b of word w: queue `w << 8 | b` is not empty.
    struct Book {
        uint256 words;
        mapping(uint256 word => uint256) ticks;
        mapping(uint256 score => Queue) queues;
        mapping(uint32 id => Ask) asks;
    }

    /// @notice Whether there are asks, and the lowest score of them.
    function best(Book storage book) internal view returns (bool found, uint256 score) {
        uint256 words = book.words;
        if (words == 0) return (false, 0);
        uint256 word = LibBit.ffs(words);
        return (true, word << WORD_BITS | LibBit.ffs(book.ticks[word]));
    }

    /// @notice The lowest score that asks have and that is above `score`.
    function nextAfter(Book storage book, uint256 score) internal view returns (bool found, uint256 next) {
        uint256 word = score >> WORD_BITS;
        uint256 rest = _above(book.ticks[word], score & LOW_BITS);
        if (rest != 0) return (true, word << WORD_BITS | LibBit.ffs(rest));
        rest = _above(book.words, word);
        if (rest == 0) return (false, 0);
        word = LibBit.ffs(rest);
        return (true, word << WORD_BITS | LibBit.ffs(book.ticks[word]));
    }

    /// @notice Puts an ask at the end of its score's queue. Who asks has none; the ask has capacity.
    function add(Book storage book, uint32 id, Ask memory ask) internal {
        uint256 score = ask.score;
        Queue memory queue = book.queues[score];
        (ask.ahead, ask.behind) = (queue.last, 0);
        if (queue.last == 0) {
            queue.first = id;
            uint256 word = score >> WORD_BITS;
            uint256 ticks = book.ticks[word];
            if (ticks == 0) book.words |= 1 << word;
            book.ticks[word] = ticks | 1 << (score & LOW_BITS);
        } else {
            book.asks[queue.last].behind = id;
        }
        queue.last = id;
        book.queues[score] = queue;
        book.asks[id] = ask;
    }

    /// @notice Takes out an ask that is there.
    function remove(Book storage book, uint32 id) internal {
        Ask memory ask = book.asks[id];
        uint256 score = ask.score;
        delete book.asks[id];
        Queue memory queue = book.queues[score];
        if (queue.first == id && queue.last == id) {
            delete book.queues[score];
            uint256 word = score >> WORD_BITS;
            uint256 ticks = book.ticks[word] & ~(1 << (score & LOW_BITS));
            book.ticks[word] = ticks;
            if (ticks == 0) book.words &= ~(1 << word);
            return;
        }
        if (queue.first == id) {
            queue.first = ask.behind;
            book.queues[score] = queue;
            return;
        }
        book.asks[ask.ahead].behind = ask.behind;
        if (queue.last == id) {
            queue.last = ask.ahead;
            book.queues[score] = queue;
        } else {
            book.asks[ask.behind].ahead = ask.ahead;
        }
    }

    /// @dev The bits of a word that are higher than `bit`.
    function _above(uint256 word, uint256 bit) private pure returns (uint256) {
        return word & (type(uint256).max << bit << 1);
    }
}
