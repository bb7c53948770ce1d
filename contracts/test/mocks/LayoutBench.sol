// SPDX-License-Identifier: MIT OR Apache-2.0
// solc: via-ir
pragma solidity 0.8.30;

/// @notice A weight tree of fixed height for comparing layouts: the two ways to keep versions, with any field widths.
/// - selected: a node has three places, and its parent says which one to read (what WeightTree does).
/// - tagged: a node carries its epoch in its 32 highest bits; the newest version comes first, and the first write for a
///   new target copies it to the next place. A read tries the places in turn.
/// Both keep the root the tagged way. Written as WeightTree is, without growth and checks.
contract LayoutBench {
    uint256 private immutable WIDTHS;
    uint256 private immutable FANS;
    uint256 private immutable HEIGHT;
    bool private immutable TAGGED;
    uint256 private constant TAG = 224;

    constructor(uint256 widths, uint256 fans, uint256 height, bool tagged) {
        (WIDTHS, FANS, HEIGHT, TAGGED) = (widths, fans, height, tagged);
    }

    function draw(uint256 epoch, uint256 random) external view returns (uint256 index, uint256 spent) {
        uint256 gas = gasleft();
        unchecked {
            uint256 level = HEIGHT - 1;
            uint256 word = _newestFirst(level, 0, epoch);
            random %= _sum(word, _at(WIDTHS, level), _at(FANS, level));
            uint256 child;
            while (true) {
                uint256 width = _at(WIDTHS, level);
                uint256 fan = _at(FANS, level);
                (child, random) = _pick(word, width, fan, random);
                index = index * fan + child;
                if (level == 0) break;
                --level;
                word = TAGGED
                    ? _newestFirst(level, index, epoch)
                    : _load(level, index, (word >> (fan * width + 3 * child)) & 3);
            }
        }
        spent = gas - gasleft();
    }

    function set(uint256 index, uint256 weight, uint256 epoch, uint256 target) external returns (uint256 spent) {
        uint256 gas = gasleft();
        unchecked {
            uint256 level = HEIGHT - 1;
            uint256 path = 0;
            for (uint256 i = 0; i < level; ++i) {
                path |= (index % _at(FANS, i)) << (8 * i);
                index /= _at(FANS, i);
            }
            path |= index << (8 * level);
            uint256 root = _load(level, 0, 0);
            bool fresh = root >> TAG != target;
            (uint256 word,) = TAGGED
                ? _writeTagged(level, 0, path, weight, epoch, target)
                : _writeSelected(level, 0, path, fresh, root, weight);
            if (!TAGGED) {
                if (fresh && root != 0) _shift(level, 0, root, epoch);
                _store(level, 0, 0, (word << 32) >> 32 | target << TAG);
            }
        }
        spent = gas - gasleft();
    }

    function _writeTagged(uint256 level, uint256 node, uint256 path, uint256 weight, uint256 epoch, uint256 target)
        private
        returns (uint256 word, uint256 delta)
    {
        unchecked {
            uint256 place = _at(WIDTHS, level) * _at(path, level);
            uint256 old = _load(level, node, 0);
            if (level == 0) {
                delta = weight - ((old >> place) & ((1 << _at(WIDTHS, 0)) - 1));
            } else {
                uint256 below = node * _at(FANS, level) + _at(path, level);
                (, delta) = _writeTagged(level - 1, below, path, weight, epoch, target);
            }
            word = old + (delta << place);
            if (old >> TAG != target) {
                if (old != 0) _shift(level, node, old, epoch);
                word = (word << 32) >> 32 | target << TAG;
            }
            _store(level, node, 0, word);
        }
    }

    function _writeSelected(uint256 level, uint256 node, uint256 path, bool fresh, uint256 word, uint256 weight)
        private
        returns (uint256, uint256 delta)
    {
        unchecked {
            uint256 width = _at(WIDTHS, level);
            uint256 child = _at(path, level);
            if (level == 0) {
                delta = weight - ((word >> (width * child)) & ((1 << width) - 1));
                return (word + (delta << (width * child)), delta);
            }
            uint256 fan = _at(FANS, level);
            uint256 place = fan * width + 3 * child;
            if (fresh) word &= ~((4 * (((1 << (3 * fan)) - 1) / 7)) << (fan * width));
            uint256 version = (word >> place) & 3;
            bool dirty = (word >> place) & 4 != 0;
            uint256 below = node * fan + child;
            uint256 childWord = _load(level - 1, below, version);
            (childWord, delta) = _writeSelected(level - 1, below, path, !dirty, childWord, weight);
            if (!dirty) {
                uint256 next = version == 2 ? 0 : version + 1;
                word ^= ((version ^ next) | 4) << place;
                version = next;
            }
            _store(level - 1, below, version, childWord);
            return (word + (delta << (width * child)), delta);
        }
    }

    function _shift(uint256 level, uint256 node, uint256 newest, uint256 epoch) private {
        if (newest >> TAG > epoch) _store(level, node, 2, _load(level, node, 1));
        _store(level, node, 1, newest);
    }

    function _newestFirst(uint256 level, uint256 node, uint256 epoch) private view returns (uint256 word) {
        word = _load(level, node, 0);
        if (word >> TAG > epoch) {
            word = _load(level, node, 1);
            if (word >> TAG > epoch) word = _load(level, node, 2);
        }
    }

    function _pick(uint256 word, uint256 width, uint256 fan, uint256 random)
        private
        pure
        returns (uint256 child, uint256 rest)
    {
        assembly ("memory-safe") {
            let lane := shl(1, width)
            let top := mul(lane, shr(1, sub(fan, 1)))
            let mask := sub(shl(lane, 1), 1)
            let ones := div(sub(shl(add(top, lane), 1), 1), mask)
            let low := mul(ones, sub(shl(width, 1), 1))
            let sums := and(word, sub(shl(mul(fan, width), 1), 1))
            let evens := and(sums, low)
            sums := mul(add(evens, and(shr(width, sums), low)), ones)
            let guard := shl(sub(lane, 1), ones)
            let passed := and(sub(or(mul(random, ones), guard), sums), guard)
            let pair := and(shr(top, mul(shr(sub(lane, 1), passed), ones)), mask)
            let shift := mul(pair, lane)
            rest := sub(random, and(shr(shift, shl(lane, sums)), mask))
            let even := and(shr(shift, evens), mask)
            let odd := iszero(lt(rest, even))
            rest := sub(rest, mul(odd, even))
            child := add(shl(1, pair), odd)
        }
    }

    function _sum(uint256 word, uint256 width, uint256 fan) private pure returns (uint256 sum) {
        assembly ("memory-safe") {
            let lane := shl(1, width)
            let top := mul(lane, shr(1, sub(fan, 1)))
            let mask := sub(shl(lane, 1), 1)
            let ones := div(sub(shl(add(top, lane), 1), 1), mask)
            let low := mul(ones, sub(shl(width, 1), 1))
            let sums := and(word, sub(shl(mul(fan, width), 1), 1))
            sums := mul(add(and(sums, low), and(shr(width, sums), low)), ones)
            sum := and(shr(top, sums), mask)
        }
    }

    function _at(uint256 table, uint256 level) private pure returns (uint256) {
        unchecked {
            return (table >> (8 * level)) & 0xff;
        }
    }

    function _load(uint256 level, uint256 node, uint256 place) private view returns (uint256 word) {
        assembly ("memory-safe") {
            word := sload(or(shl(64, add(level, 1)), or(shl(2, node), place)))
        }
    }

    function _store(uint256 level, uint256 node, uint256 place, uint256 word) private {
        assembly ("memory-safe") {
            sstore(or(shl(64, add(level, 1)), or(shl(2, node), place)), word)
        }
    }
}
