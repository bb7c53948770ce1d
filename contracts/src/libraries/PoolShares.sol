// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { Bps } from "./Bps.sol";

/// @title Whose a pool's stake is
/// @notice A pool's stake is the sum of four parts: the operator's own, what is delegated, and the exits of two batches
/// (one that still takes requests, one that the registry is unbonding). Rewards and losses move these sums; nobody's
/// share is ever touched, so each costs the same however many delegators there are.
///
/// Delegators hold shares of the delegated part. A share is worth (priced + 1) / (shares + VIRTUAL_SHARES), rounded against
/// whoever trades: the virtual shares take their part of any gift, so making a share expensive costs more than it robs.
/// Exits hold shares of their batch, worth assets / shares: a wei when the batch begins, less after losses, and never more. So
/// whoever joins a batch gets at least one exit share for a wei, and cannot be robbed of more by rounding, whoever leaves again.
///
/// Nothing here overflows: parts are below 2^96, shares below 2^157 and exit shares below 2^128, because a series (or a
/// batch) whose shares lost nearly all their worth takes nobody in any more: see `isSpent`.
library PoolShares {
    /// @notice Shares nobody holds; the first delegation gets as many shares for a wei. They back one asset wei.
    uint256 internal constant VIRTUAL_SHARES = 1e6;
    /// @notice A series with more shares for a wei than this is spent: each is worth 10^-12 of what the first cost.
    uint256 internal constant MAX_SHARES_PER_WEI = 1 << 60;
    /// @notice A batch with more exit shares for a wei than this is spent.
    uint256 internal constant MAX_EXIT_SHARES_PER_WEI = 1 << 32;

    /// @dev Three words.
    /// @param own Asset wei of the operator, what it asked back included.
    /// @param delegated Asset wei of the delegators, `undripped` included.
    /// @param open The batch that takes exits.
    /// @param unbonding The batch that the registry is unbonding; zero if none.
    /// @param undripped Asset wei of rewards that no share is worth yet at `drippedAt`.
    /// @param drippedAt Unix seconds.
    /// @param dripUntil Unix seconds at which nothing is undripped.
    /// @param commissionBps The operator's part of every reward, in bps.
    /// @param nextBps The commission announced.
    /// @param nextFrom Unix seconds from which `nextBps` may take effect; zero if nothing is announced.
    /// @param shares Sum of the shares of this series.
    /// @param series Counts how often the shares were spent and began anew.
    /// @param revision Counts what the operator announced.
    struct Tranches {
        uint96 own;
        uint96 delegated;
        uint32 open;
        uint32 unbonding;
        uint96 undripped;
        uint40 drippedAt;
        uint40 dripUntil;
        uint16 commissionBps;
        uint16 nextBps;
        uint40 nextFrom;
        uint160 shares;
        uint32 series;
        uint32 revision;
    }

    /// @dev Two words.
    /// @param assets Asset wei of delegators on their way out.
    /// @param own Asset wei of the operator on its way out; a part of `Tranches.own` until the batch is settled.
    /// @param readyAt Unix seconds from which the batch can be settled; zero while it takes exits.
    /// @param shares Sum of the exit shares.
    /// @param askedAt Unix seconds of the first exit in it.
    struct Batch {
        uint96 assets;
        uint96 own;
        uint40 readyAt;
        uint128 shares;
        uint40 askedAt;
    }

    /// @dev All of a pool's stake, in memory.
    /// @param harvested Asset wei of credit that just went into it.
    struct Book {
        Tranches tranches;
        Batch open;
        Batch unbonding;
        uint256 harvested;
    }

    /// @dev What the registry and the market know that the book does not, and where it goes; asset wei.
    struct News {
        uint256 reward;
        uint256 commission;
        uint256 toOwn;
        uint256 loss;
        uint256 fromOwn;
        uint256 fromDelegated;
    }

    /// @notice Asset wei the registry must hold for the pool.
    function total(Book memory book) internal pure returns (uint256) {
        return uint256(book.tranches.own) + book.tranches.delegated + book.open.assets + book.unbonding.assets;
    }

    /// @notice The operator's asset wei that it did not ask back.
    function ownActive(Book memory book) internal pure returns (uint256) {
        return uint256(book.tranches.own) - book.open.own - book.unbonding.own;
    }

    /// @notice Asset wei that the open batch needs free.
    function waiting(Book memory book) internal pure returns (uint256) {
        return uint256(book.open.assets) + book.open.own;
    }

    /// @notice Whether nobody but the operator has anything at stake.
    function isOperatorAlone(Book memory book) internal pure returns (bool) {
        return uint256(book.tranches.delegated) + book.open.assets + book.unbonding.assets == 0;
    }

    /// @notice What the shares are worth together.
    function priced(Tranches memory tranches) internal pure returns (uint256) {
        return tranches.delegated - tranches.undripped;
    }

    /// @notice Shares for `assets`, rounded down.
    function toShares(Tranches memory tranches, uint256 assets) internal pure returns (uint256) {
        return assets * (tranches.shares + VIRTUAL_SHARES) / (priced(tranches) + 1);
    }

    /// @notice Asset wei for `shares`, rounded down.
    function toAssets(Tranches memory tranches, uint256 shares) internal pure returns (uint256) {
        return shares * (priced(tranches) + 1) / (tranches.shares + VIRTUAL_SHARES);
    }

    /// @notice Whether losses left the shares next to nothing.
    function isSpent(Tranches memory tranches) internal pure returns (bool) {
        return tranches.shares > (priced(tranches) + 1) * MAX_SHARES_PER_WEI;
    }

    /// @notice Whether losses left a batch's exit shares next to nothing.
    function isSpent(Batch memory batch) internal pure returns (bool) {
        return batch.shares > batch.assets * MAX_EXIT_SHARES_PER_WEI;
    }

    /// @notice What the last ones out left behind, or spent shares are still worth, becomes the operator's own. Shares begin
    /// anew.
    function restart(Tranches memory tranches) internal pure {
        tranches.own += tranches.delegated;
        (tranches.delegated, tranches.undripped, tranches.shares) = (0, 0, 0);
        ++tranches.series;
    }

    /// @notice Bring the book up to now: `reward` and `loss` of `news` go in, the rest of it comes out. Rewards before losses:
    /// they were earned by the stake as it was.
    function take(Book memory book, News memory news, uint256 duration, uint256 firstLossBps) internal view {
        drip(book.tranches, block.timestamp);
        if (news.reward != 0) {
            uint256 own = book.tranches.own;
            news.commission = reward(book, uint96(news.reward), duration);
            news.toOwn = book.tranches.own - own;
        }
        if (news.loss != 0) (news.fromOwn, news.fromDelegated) = lose(book, news.loss, firstLossBps);
    }

    /// @notice Let rewards drip until `time`. What is left rounds up.
    function drip(Tranches memory tranches, uint256 time) internal pure {
        uint256 left = tranches.undripped;
        if (left != 0) {
            if (time < tranches.dripUntil) {
                uint256 span = tranches.dripUntil - tranches.drippedAt;
                left = (left * (tranches.dripUntil - time) + (span - 1)) / span;
            } else {
                left = 0;
            }
            tranches.undripped = uint96(left);
        }
        tranches.drippedAt = uint40(time);
    }

    /// @notice Share a reward, already dripped until now: the commission, then own and delegated by what they have at
    /// stake. The delegated part drips for `duration` seconds; together with what still drips, for their mean by amount, so
    /// that small rewards put off nothing.
    /// @return commission Rounded down.
    function reward(Book memory book, uint96 amount, uint256 duration) internal pure returns (uint256 commission) {
        Tranches memory tranches = book.tranches;
        commission = Bps.down(amount, tranches.commissionBps);
        uint256 rest = amount - commission;
        uint256 base = ownActive(book) + tranches.delegated;
        // Nobody has a share in what is delegated when it is zero.
        uint256 delegated = base == 0 ? 0 : rest * tranches.delegated / base;
        tranches.own += uint96(rest - delegated);
        if (delegated == 0) return commission;
        uint256 before = tranches.undripped;
        uint256 left = before == 0 ? 0 : tranches.dripUntil - tranches.drippedAt;
        uint256 undripped = before + delegated;
        // Rounded down, and still no shorter than what was left: a second more each time would let gifts of a wei put it off.
        duration = (before * left + delegated * duration) / undripped;
        tranches.delegated += uint96(delegated);
        tranches.undripped = uint96(undripped);
        tranches.dripUntil = uint40(tranches.drippedAt + duration);
    }

    /// @notice Share a loss: `firstLossBps` of it to own, as far as that reaches; the rest to all parts by size. Rounded
    /// against own, and where own has nothing left, by single wei against delegated and then the exits.
    /// @return fromOwn Asset wei.
    /// @return fromDelegated Asset wei.
    function lose(Book memory book, uint256 loss, uint256 firstLossBps)
        internal
        pure
        returns (uint256 fromOwn, uint256 fromDelegated)
    {
        Tranches memory tranches = book.tranches;
        uint256 own = tranches.own;
        uint256 delegated = tranches.delegated;
        uint256 open = book.open.assets;
        uint256 unbonding = book.unbonding.assets;

        uint256 part = (loss * firstLossBps + (Bps.ONE - 1)) / Bps.ONE;
        if (part > own) part = own;
        own -= part;
        uint256 rest = loss - part;
        if (rest != 0) {
            uint256 base = own + delegated + open + unbonding;
            uint256 ofDelegated = delegated * rest / base;
            uint256 ofOpen = open * rest / base;
            uint256 ofUnbonding = unbonding * rest / base;
            delegated -= ofDelegated;
            open -= ofOpen;
            unbonding -= ofUnbonding;
            rest -= ofDelegated + ofOpen + ofUnbonding;
            (own, rest) = _take(own, rest);
            (delegated, rest) = _take(delegated, rest);
            (open, rest) = _take(open, rest);
            (unbonding,) = _take(unbonding, rest);
        }

        fromOwn = tranches.own - own;
        fromDelegated = tranches.delegated - delegated;
        if (fromDelegated != 0) {
            tranches.undripped = uint96(uint256(tranches.undripped) * delegated / tranches.delegated);
        }
        tranches.own = uint96(own);
        tranches.delegated = uint96(delegated);
        book.open.assets = uint96(open);
        book.unbonding.assets = uint96(unbonding);
        // What the operator asked back is the last of its own to go.
        if (book.unbonding.own > own) book.unbonding.own = uint96(own);
        own -= book.unbonding.own;
        if (book.open.own > own) book.open.own = uint96(own);
    }

    function _take(uint256 from, uint256 amount) private pure returns (uint256 left, uint256 rest) {
        if (amount > from) return (0, amount - from);
        return (from - amount, 0);
    }
}
