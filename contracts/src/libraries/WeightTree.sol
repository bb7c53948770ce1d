// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title A sum tree over weights, with every frozen version one storage read a level away
/// @notice Leaves are numbered from 0 without a cap (the tables end at 10 levels, which hold every uint32). A write
/// names the epoch it takes effect in (`target`); a read names the epoch it wants and sees the newest version whose
/// target is not later. Nothing is copied when an epoch begins: a node gets a new version when it is first written for a
/// new target.
///
/// A node is one word of packed child sums, its fan-out falling towards the root as the sums get wider, so that no sum
/// can overflow:
///
///     level          0     1     2      3       4        5 ...
///     bits a sum     9    14    18     22      25       28
///     fan-out       28    15    12     10       9        8
///     ... of root   23    12    10      8       7        6
///     leaves        23   336  4200  40320  352800  2721600      (of a tree whose root is on this level)
///
/// Word of a node on level l, fan-out f, sums of w bits, from the lowest bit:
///
///     f × w bits   the children's sums (the weights themselves on level 0)
///     f × 3 bits   above level 0 only: where each child's version is: 2 bits `version`, 1 bit `dirty`
///
/// Every node but the root has three places for its versions, used in turn. The parent's `version` says which one
/// belongs to this version of the parent, so a draw never has to look for it. `dirty` says that the child was already
/// written for the same target as the parent, so that it is overwritten in place instead of taking the next place.
/// Three places are enough: with targets at most two epochs ahead, the current epoch, the next and the one after are
/// all that can still be read.
///
/// The root is kept newest first in three words of its own. It has a smaller fan-out, and in its 44 highest bits
/// the height of its tree (4 bits) and the epoch it takes effect in (40 bits). A tree grows by one level when a leaf
/// beyond its root comes: the root's content moves into an ordinary node, the first child of the new root; older
/// versions of the root stay valid as they are.
///
/// @dev Why this layout: gas inside the call at 4,096 leaves, storage cold, all places in use, measured by
/// test/libraries/WeightTreeGas.t.sol. "Tagged" nodes carry their epoch and copy themselves aside on the first write for a target;
/// "pending" is a draw past writes for the next epoch; "first" is a path's first update for its target, "again" any other.
///
///                                     levels    draw   pending   first   again
///     selected,  9 bits a weight        3      8,283    10,432  26,464  16,804   <- this layout
///     selected, 12 or 16 bits           4     10,965    13,114  34,384  22,429
///     tagged,    9 bits                 3      8,233    14,680  32,495  16,793
///     tagged,   16 bits                 4     10,890    19,486  43,289  22,353
///     this library                      3      7,740     9,884  27,241  17,648
///     this library at 65,536 leaves     5     13,850            43,429
///
/// The price of 9 bits is a smaller largest weight: chance being linear, whoever wants more uses several leaves.
///
/// Weights are whole units. What does not fill a unit has no weight, by the caller's choice of amounts and never by
/// rounding in here; so chance is exactly linear in units.
library WeightTree {
    /// @dev A root's three words; the nodes follow at offsets computed by `_load`.
    /// Keep trees in a mapping: a tree takes 2^68 slots from where it starts, as a large array would.
    struct Tree {
        uint256[3] roots;
    }

    /// @notice A leaf's largest weight.
    uint256 internal constant MAX_WEIGHT = 511;

    /// @dev 3 bytes a level: bits of a sum, fan-out of a node, and their product, which is where its `version`s start.
    uint256 private constant NODES = 0xea0627de0625cc0622d9071fe0081ce10919dc0a16d80c12d20f0efc1c09;
    /// @dev A byte a level: fan-out of a root.
    uint256 private constant ROOT_FANS = 0x050505060607080a0c17;
    /// @dev `dirty` bits of as many children as a node above level 0 can have.
    uint256 private constant DIRTY = 0x124924924924;

    /// @dev What `_lanes` computes, for the levels that are visited most.
    uint256 private constant WIDTH_0 = 9;
    uint256 private constant TOP_0 = 234;
    uint256 private constant ONES_0 = 0x40001000040001000040001000040001000040001000040001000040001;
    uint256 private constant LOW_0 = 0x7fc01ff007fc01ff007fc01ff007fc01ff007fc01ff007fc01ff007fc01ff;
    uint256 private constant WIDTH_1 = 14;
    uint256 private constant FAN_1 = 15;
    uint256 private constant TOP_1 = 196;
    uint256 private constant ONES_1 = 0x10000001000000100000010000001000000100000010000001;
    uint256 private constant LOW_1 = 0x3fff0003fff0003fff0003fff0003fff0003fff0003fff0003fff;
    uint256 private constant META_1 = 210;
    uint256 private constant WIDTH_2 = 18;
    uint256 private constant FAN_2 = 12;
    uint256 private constant TOP_2 = 180;
    uint256 private constant ONES_2 = 0x1000000001000000001000000001000000001000000001;
    uint256 private constant LOW_2 = 0x3ffff00003ffff00003ffff00003ffff00003ffff00003ffff;

    uint256 private constant HEIGHT_SHIFT = 212;
    uint256 private constant EPOCH_SHIFT = 216;
    uint256 private constant CONTENT = (1 << HEIGHT_SHIFT) - 1;

    /// @notice Give leaf `index` the weight `weight` from epoch `target` on.
    /// @dev Needs weight <= MAX_WEIGHT, index < 2^32, target epoch + 1 or epoch + 2, targets never falling.
    /// @return changed False if the leaf already had that weight; nothing is written then.
    function set(Tree storage tree, uint256 index, uint256 weight, uint256 epoch, uint256 target)
        internal
        returns (bool changed)
    {
        unchecked {
            uint256 newest = tree.roots[0];
            uint256 height = (newest >> HEIGHT_SHIFT) & 0xf;
            bool roll = newest >> EPOCH_SHIFT != target;

            Step memory step;
            step.weight = weight;
            step.fresh = roll;
            uint256 word = newest & CONTENT;
            uint256 top;
            (step.path, top) = _path(index, height);
            if (height == 0 || top >= _rootFan(height - 1)) {
                if (weight == 0) return false;
                if (roll && height > 1) word &= ~(DIRTY << (_rootFan(height - 1) * _width(height - 1)));
                (word, height, step.path) = _grow(tree, word, height, step.path, top);
                step.fresh = false;
            } else {
                step.path |= top << (8 * (height - 1));
            }
            step.level = height - 1;
            step.meta = _rootFan(height - 1) * _width(height - 1);

            uint256 delta;
            (word, delta) = _write(tree, step, word);
            if (delta == 0) return false;

            if (roll && newest != 0) {
                // Not yet in effect: the version before it is the one that draws read now.
                if (newest >> EPOCH_SHIFT > epoch) tree.roots[2] = tree.roots[1];
                tree.roots[1] = newest;
            }
            tree.roots[0] = word | height << HEIGHT_SHIFT | target << EPOCH_SHIFT;
            return true;
        }
    }

    /// @notice The leaf that `random` picks among the weights in effect in `epoch`: the first, in index order, whose
    /// cumulative weight exceeds `random` modulo the total.
    /// @return found False if the total is zero.
    /// @return index The leaf.
    function draw(Tree storage tree, uint256 epoch, uint256 random) internal view returns (bool found, uint256 index) {
        unchecked {
            uint256 word = _rootAt(tree, epoch);
            if (word == 0) return (false, 0);
            uint256 level = ((word >> HEIGHT_SHIFT) & 0xf) - 1;
            uint256 meta;
            uint256 sums;
            {
                (uint256 width, uint256 top, uint256 ones, uint256 low) = _lanes(level);
                meta = _rootFan(level) * width;
                sums = word & ((1 << meta) - 1);
                uint256 sum = _sum(sums, width, top, ones, low);
                if (sum == 0) return (false, 0);
                random %= sum;
            }

            uint256 child;
            while (level > 2) {
                {
                    (uint256 width, uint256 top, uint256 ones, uint256 low) = _lanes(level);
                    (child, random) = _pick(sums, random, width, top, ones, low);
                }
                index = index * _fan(level) + child;
                --level;
                word = _load(tree, level, index, (word >> (meta + 3 * child)) & 3);
                meta = _meta(level);
                sums = word & ((1 << meta) - 1);
            }
            if (level == 2) {
                (child, random) = _pick(sums, random, WIDTH_2, TOP_2, ONES_2, LOW_2);
                index = index * FAN_2 + child;
                level = 1;
                word = _load(tree, 1, index, (word >> (meta + 3 * child)) & 3);
                meta = META_1;
                sums = word & ((1 << META_1) - 1);
            }
            if (level == 1) {
                (child, random) = _pick(sums, random, WIDTH_1, TOP_1, ONES_1, LOW_1);
                index = index * FAN_1 + child;
                sums = _load(tree, 0, index, (word >> (meta + 3 * child)) & 3);
            }
            (child,) = _pick(sums, random, WIDTH_0, TOP_0, ONES_0, LOW_0);
            return (true, index * _fan(0) + child);
        }
    }

    /// @notice The sum of all weights in effect in `epoch`.
    function total(Tree storage tree, uint256 epoch) internal view returns (uint256) {
        unchecked {
            uint256 root = _rootAt(tree, epoch);
            if (root == 0) return 0;
            return _rootSum(root & CONTENT, ((root >> HEIGHT_SHIFT) & 0xf) - 1);
        }
    }

    /// @notice The weight of leaf `index` in effect in `epoch`.
    function weightAt(Tree storage tree, uint256 epoch, uint256 index) internal view returns (uint256) {
        unchecked {
            uint256 word = _rootAt(tree, epoch);
            uint256 height = (word >> HEIGHT_SHIFT) & 0xf;
            if (height == 0) return 0;
            (uint256 path, uint256 child) = _path(index, height);
            uint256 level = height - 1;
            uint256 meta = _rootFan(level) * _width(level);
            if (child >= _rootFan(level)) return 0;

            uint256 node = 0;
            while (level != 0) {
                node = node * _fan(level) + child;
                --level;
                word = _load(tree, level, node, (word >> (meta + 3 * child)) & 3);
                meta = _meta(level);
                child = (path >> (8 * level)) & 0xff;
            }
            return (word >> (WIDTH_0 * child)) & MAX_WEIGHT;
        }
    }

    /// @dev Where a write is: on which level, where the `version`s of that node start, its number, which child to take
    /// on each level (byte l), the leaf's new weight, and whether the node's word is still of an older target than the write's.
    struct Step {
        uint256 level;
        uint256 meta;
        uint256 node;
        uint256 path;
        uint256 weight;
        bool fresh;
    }

    /// @dev Writes the nodes below `word` and returns what `word` becomes, and by how much its sum grows (mod 2^256).
    function _write(Tree storage tree, Step memory step, uint256 word) private returns (uint256, uint256 delta) {
        unchecked {
            uint256 level = step.level;
            uint256 child = (step.path >> (8 * level)) & 0xff;
            if (level == 0) {
                delta = step.weight - ((word >> (WIDTH_0 * child)) & MAX_WEIGHT);
                return (word + (delta << (WIDTH_0 * child)), delta);
            }

            uint256 row = NODES >> (24 * level);
            uint256 place = step.meta + 3 * child;
            if (step.fresh) word &= ~(DIRTY << step.meta);
            uint256 flags = (word >> place) & 7;
            bool dirty = flags > 3;
            uint256 version = flags & 3;
            uint256 node = step.node * ((row >> 8) & 0xff) + child;
            --level;

            step.level = level;
            step.meta = _meta(level);
            step.node = node;
            step.fresh = !dirty;
            uint256 childWord;
            (childWord, delta) = _write(tree, step, _load(tree, level, node, version));
            if (delta == 0) return (word, 0);

            if (!dirty) {
                uint256 next = (version + 1) % 3;
                word ^= ((version ^ next) | 4) << place;
                version = next;
            }
            _store(tree, level, node, version, childWord);
            return (word + (delta << ((row & 0xff) * child)), delta);
        }
    }

    /// @dev Adds levels until child `top` of the root exists. `word` is the root's content, already of this target.
    function _grow(Tree storage tree, uint256 word, uint256 height, uint256 path, uint256 top)
        private
        returns (uint256, uint256, uint256)
    {
        unchecked {
            if (height == 0) height = 1;
            while (top >= _rootFan(height - 1)) {
                uint256 level = height - 1;
                if (word != 0) {
                    uint256 meta = _rootFan(level) * _width(level);
                    uint256 sums = word & ((1 << meta) - 1);
                    _store(tree, level, 0, 0, sums | (word >> meta) << _meta(level));
                    // Child 0 of the new root: that sum, version 0, dirty.
                    word = _rootSum(word, level) | 4 << (_rootFan(height) * _width(height));
                }
                path |= (top % _fan(level)) << (8 * level);
                top /= _fan(level);
                ++height;
            }
            return (word, height, path | top << (8 * (height - 1)));
        }
    }

    /// @dev The children to take to leaf `index` in a tree of `height`: byte l of `path` for level l below the root, and
    /// `top` for the root, where that child may not exist.
    function _path(uint256 index, uint256 height) private pure returns (uint256 path, uint256 top) {
        unchecked {
            top = index;
            for (uint256 level = 0; level + 1 < height; ++level) {
                uint256 fan = _fan(level);
                path |= (top % fan) << (8 * level);
                top /= fan;
            }
        }
    }

    /// @dev The child of a node that `random`, below the node's sum, falls into, and what of `random` is left in it.
    /// Without a branch: adds neighbours, so that each pair has a lane of 2w bits, multiplies by 0…1…1 to get
    /// the running sums in all lanes at once, compares all with `random`, and counts the lanes passed.
    /// @param sums The node's sums and nothing else.
    function _pick(uint256 sums, uint256 random, uint256 width, uint256 top, uint256 ones, uint256 low)
        private
        pure
        returns (uint256 child, uint256 rest)
    {
        // Saves 55 gas a level.
        assembly ("memory-safe") {
            let lane := shl(1, width)
            let mask := sub(shl(lane, 1), 1)
            let evens := and(sums, low)
            sums := mul(add(evens, and(shr(width, sums), low)), ones)
            // The highest bit of a lane, set first, survives where the running sum is not above `random`.
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

    /// @dev The sum of a node: its highest running sum.
    function _sum(uint256 sums, uint256 width, uint256 top, uint256 ones, uint256 low) private pure returns (uint256) {
        unchecked {
            return (((sums & low) + ((sums >> width) & low)) * ones >> top) & ((1 << (2 * width)) - 1);
        }
    }

    /// @dev The sum of a root.
    function _rootSum(uint256 word, uint256 level) private pure returns (uint256) {
        unchecked {
            (uint256 width, uint256 top, uint256 ones, uint256 low) = _lanes(level);
            return _sum(word & ((1 << (_rootFan(level) * width)) - 1), width, top, ones, low);
        }
    }

    /// @dev For `_pick` on a level: bits of a sum, where the highest lane starts, 1 in each lane, and a sum's mask in
    /// each lane.
    function _lanes(uint256 level) private pure returns (uint256 width, uint256 top, uint256 ones, uint256 low) {
        unchecked {
            if (level == 2) return (WIDTH_2, TOP_2, ONES_2, LOW_2);
            if (level == 1) return (WIDTH_1, TOP_1, ONES_1, LOW_1);
            if (level == 0) return (WIDTH_0, TOP_0, ONES_0, LOW_0);
            width = _width(level);
            top = 2 * width * ((_fan(level) - 1) / 2);
            ones = ((1 << (top + 2 * width)) - 1) / ((1 << (2 * width)) - 1);
            low = ones * ((1 << width) - 1);
        }
    }

    /// @dev The newest root that is in effect in `epoch`; zero if there is none.
    function _rootAt(Tree storage tree, uint256 epoch) private view returns (uint256 root) {
        root = tree.roots[0];
        if (root >> EPOCH_SHIFT > epoch) {
            root = tree.roots[1];
            if (root >> EPOCH_SHIFT > epoch) root = tree.roots[2];
        }
    }

    function _width(uint256 level) private pure returns (uint256) {
        unchecked {
            return (NODES >> (24 * level)) & 0xff;
        }
    }

    function _fan(uint256 level) private pure returns (uint256) {
        unchecked {
            return (NODES >> (24 * level + 8)) & 0xff;
        }
    }

    function _meta(uint256 level) private pure returns (uint256) {
        unchecked {
            return (NODES >> (24 * level + 16)) & 0xff;
        }
    }

    function _rootFan(uint256 level) private pure returns (uint256) {
        unchecked {
            return (ROOT_FANS >> (8 * level)) & 0xff;
        }
    }

    /// @dev The place of a node's version: level + 1 (from bit 64 up), node (from bit 2 up), version.
    function _load(Tree storage tree, uint256 level, uint256 node, uint256 version)
        private
        view
        returns (uint256 word)
    {
        // Not for gas alone: Solidity has no storage at a place that is computed. A mapping would hash twice a level.
        assembly ("memory-safe") {
            word := sload(add(tree.slot, or(shl(64, add(level, 1)), or(shl(2, node), version))))
        }
    }

    function _store(Tree storage tree, uint256 level, uint256 node, uint256 version, uint256 word) private {
        // As in `_load`.
        assembly ("memory-safe") {
            sstore(add(tree.slot, or(shl(64, add(level, 1)), or(shl(2, node), version))), word)
        }
    }
}
