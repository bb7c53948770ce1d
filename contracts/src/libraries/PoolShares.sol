// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { Bps } from "./Bps.sol";

/// @title Whose a pool's stake is
/// @notice A pool's stake is the sum of four parts: the operator's own, what is delegated, and the exits of two batches
/// (one that still takes requests, one that the registry is unbonding). Rewards and losses move these sums; nobody's
/// share is ever touched, so each costs the same however many delegators there are.
///
/// Delegators hold shares of the delegated part. A share is worth (vestedAssets + 1) / (shares + VIRTUAL_SHARES), rounded against
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
    /// @param operatorStake Asset wei of the operator, what it asked back included.
    /// @param delegated Asset wei of the delegators, `unvested` included.
    /// @param open The batch that takes exits.
    /// @param unbonding The batch that the registry is unbonding; zero if none.
    /// @param unvested Asset wei of rewards that no share is worth yet at `vestedAt`.
    /// @param vestedAt Unix seconds.
    /// @param vestUntil Unix seconds at which nothing is unvested.
    /// @param commissionBps The operator's part of every reward, in bps.
    /// @param nextBps The commission announced.
    /// @param nextFrom Unix seconds from which `nextBps` may take effect; zero if nothing is announced.
    /// @param shares Sum of the shares of this series.
    /// @param series Counts how often the shares were spent and began anew.
    /// @param revision Counts what the operator announced.
    struct Tranches {
        uint96 operatorStake;
        uint96 delegated;
        uint32 open;
        uint32 unbonding;
        uint96 unvested;
        uint40 vestedAt;
        uint40 vestUntil;
        uint16 commissionBps;
        uint16 nextBps;
        uint40 nextFrom;
        uint160 shares;
        uint32 series;
        uint32 revision;
    }

    /// @dev Two words.
    /// @param assets Asset wei of delegators on their way out.
    /// @param operatorStake Asset wei of the operator on its way out; a part of `Tranches.operatorStake` until the batch is settled.
    /// @param readyAt Unix seconds from which the batch can be settled; zero while it takes exits.
    /// @param shares Sum of the exit shares.
    /// @param askedAt Unix seconds of the first exit in it.
    struct Batch {
        uint96 assets;
        uint96 operatorStake;
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
    struct Accrual {
        uint256 reward;
        uint256 commission;
        uint256 toOperator;
        uint256 loss;
        uint256 fromOperator;
        uint256 fromDelegated;
    }

    /// @notice Asset wei the registry must hold for the pool.
    function total(Book memory book) internal pure returns (uint256) {
        // Four parts of 96 bits.
        unchecked {
            return
                uint256(book.tranches.operatorStake) + book.tranches.delegated + book.open.assets
                    + book.unbonding.assets;
        }
    }

    /// @notice The operator's asset wei that it did not ask back.
    function operatorActive(Book memory book) internal pure returns (uint256) {
        return uint256(book.tranches.operatorStake) - book.open.operatorStake - book.unbonding.operatorStake;
    }

    /// @notice Asset wei that the open batch needs free.
    function waiting(Book memory book) internal pure returns (uint256) {
        return uint256(book.open.assets) + book.open.operatorStake;
    }

    /// @notice Whether nobody but the operator has anything at stake.
    function isOperatorAlone(Book memory book) internal pure returns (bool) {
        return uint256(book.tranches.delegated) + book.open.assets + book.unbonding.assets == 0;
    }

    /// @notice What the shares are worth together.
    function vestedAssets(Tranches memory tranches) internal pure returns (uint256) {
        return tranches.delegated - tranches.unvested;
    }

    /// @notice Shares for `assets`, rounded down.
    function toShares(Tranches memory tranches, uint256 assets) internal pure returns (uint256) {
        return assets * (tranches.shares + VIRTUAL_SHARES) / (vestedAssets(tranches) + 1);
    }

    /// @notice Asset wei for `shares`, rounded down.
    function toAssets(Tranches memory tranches, uint256 shares) internal pure returns (uint256) {
        return shares * (vestedAssets(tranches) + 1) / (tranches.shares + VIRTUAL_SHARES);
    }

    /// @notice Whether losses left the shares next to nothing.
    function isSpent(Tranches memory tranches) internal pure returns (bool) {
        return tranches.shares > (vestedAssets(tranches) + 1) * MAX_SHARES_PER_WEI;
    }

    /// @notice Whether losses left a batch's exit shares next to nothing.
    function isSpent(Batch memory batch) internal pure returns (bool) {
        return batch.shares > batch.assets * MAX_EXIT_SHARES_PER_WEI;
    }

    /// @notice What the last ones out left behind, or spent shares are still worth, becomes the operator's own. Shares begin
    /// anew.
    function restart(Tranches memory tranches) internal pure {
        tranches.operatorStake += tranches.delegated;
        (tranches.delegated, tranches.unvested, tranches.shares) = (0, 0, 0);
        ++tranches.series;
    }

    /// @notice Bring the book up to now: `reward` and `loss` of `accrual` go in, the rest of it comes out. Rewards before losses:
    /// they were earned by the stake as it was.
    function take(Book memory book, Accrual memory accrual, uint256 duration, uint256 firstLossBps) internal view {
        vest(book.tranches, block.timestamp);
        if (accrual.reward != 0) {
            uint256 own = book.tranches.operatorStake;
            accrual.commission = reward(book, uint96(accrual.reward), duration);
            accrual.toOperator = book.tranches.operatorStake - own;
        }
        if (accrual.loss != 0) (accrual.fromOperator, accrual.fromDelegated) = lose(book, accrual.loss, firstLossBps);
    }

    /// @notice Let rewards vest until `time`. What is left rounds up.
    function vest(Tranches memory tranches, uint256 time) internal pure {
        uint256 left = tranches.unvested;
        if (left != 0) {
            if (time < tranches.vestUntil) {
                uint256 span = tranches.vestUntil - tranches.vestedAt;
                left = (left * (tranches.vestUntil - time) + (span - 1)) / span;
            } else {
                left = 0;
            }
            tranches.unvested = uint96(left);
        }
        tranches.vestedAt = uint40(time);
    }

    /// @notice Share a reward, already vested until now: the commission, then own and delegated by what they have at
    /// stake. The delegated part vests for `duration` seconds; together with what still vests, for their mean by amount, so
    /// that small rewards put off nothing.
    /// @return commission Rounded down.
    function reward(Book memory book, uint96 amount, uint256 duration) internal pure returns (uint256 commission) {
        Tranches memory tranches = book.tranches;
        commission = Bps.down(amount, tranches.commissionBps);
        uint256 rest = amount - commission;
        uint256 base = operatorActive(book) + tranches.delegated;
        // Nobody has a share in what is delegated when it is zero.
        uint256 delegated = base == 0 ? 0 : rest * tranches.delegated / base;
        tranches.operatorStake += uint96(rest - delegated);
        if (delegated == 0) return commission;
        uint256 before = tranches.unvested;
        uint256 left = before == 0 ? 0 : tranches.vestUntil - tranches.vestedAt;
        uint256 unvested = before + delegated;
        // Rounded down, and still no shorter than what was left: a second more each time would let gifts of a wei put it off.
        duration = (before * left + delegated * duration) / unvested;
        tranches.delegated += uint96(delegated);
        tranches.unvested = uint96(unvested);
        tranches.vestUntil = uint40(tranches.vestedAt + duration);
    }

    /// @notice Share a loss: `firstLossBps` of it to own, as far as that reaches; the rest to all parts by size. Rounded
    /// against own, and where own has nothing left, by single wei against delegated and then the exits.
    /// @return fromOperator Asset wei.
    /// @return fromDelegated Asset wei.
    function lose(Book memory book, uint256 loss, uint256 firstLossBps)
        internal
        pure
        returns (uint256 fromOperator, uint256 fromDelegated)
    {
        Tranches memory tranches = book.tranches;
        uint256 own = tranches.operatorStake;
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

        fromOperator = tranches.operatorStake - own;
        fromDelegated = tranches.delegated - delegated;
        if (fromDelegated != 0) {
            tranches.unvested = uint96(uint256(tranches.unvested) * delegated / tranches.delegated);
        }
        tranches.operatorStake = uint96(own);
        tranches.delegated = uint96(delegated);
        book.open.assets = uint96(open);
        book.unbonding.assets = uint96(unbonding);
        // What the operator asked back is the last of its own to go.
        if (book.unbonding.operatorStake > own) book.unbonding.operatorStake = uint96(own);
        own -= book.unbonding.operatorStake;
        if (book.open.operatorStake > own) book.open.operatorStake = uint96(own);
    }

    function _take(uint256 from, uint256 amount) private pure returns (uint256 left, uint256 rest) {
        if (amount > from) return (0, amount - from);
        return (from - amount, 0);
    }
}
