// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { IProofMarket } from "./IProofMarket.sol";
import { IProverRegistry } from "./IProverRegistry.sol";

/// @title A prover whose stake many put up together
/// @notice The pool is itself the registered prover: its stake counts in the draws as anybody's, proofs name it as their
/// payee, and the operator's submitter keys act for it. The registry knows nothing of delegators.
///
/// **Losses.** What the registry holds less than the pool put there was slashed. The operator's own stake bears
/// `firstLossBps` of it first; all parts bear the rest by size, exits included, until they are settled. Everything that
/// reads or moves money takes losses in first.
///
/// **Rewards.** The operator's commission, then own and delegated stake by size. The delegators' part raises the worth of a
/// share evenly over `DRIP` seconds, so whoever comes for a reward and leaves with it gets nothing of it. Everything
/// that moves money harvests first. What has not dripped stays with those who stay, and if nobody does, with the operator.
///
/// **Exits.** Asked back stake goes into the open batch: it earns nothing and is still slashed. One batch at a time
/// unbonds in the registry; it is ready after `UNBONDING`, or when the last duty is over that it backed, if that is
/// later. Then anyone may settle it with `advance`, which fixes what its exits get. No later exit puts off a batch that is
/// unbonding, so an exit waits for at most one batch before its own. The operator's stake leaves the same way, and bears
/// its first losses to the end.
///
/// **Trust.** An operator cannot take the stake, but by missing slots on purpose it can burn it, and with a second address
/// rescue a part of what is not burned; its own stake at first loss is what it puts against that. It decides where stake
/// is allocated, and it may hand slots over for less than they pay, or pay for it with credit that nobody harvested yet.
/// Markets with long expiry windows delay exits.
interface IDelegationPool {
    /// @notice What a pool's stake consists of, in asset wei, with losses, dripped rewards and unharvested credit taken in.
    /// @param own The operator's own, without what it asked back.
    /// @param delegated The delegators', with what still drips.
    /// @param undripped What still drips.
    /// @param exiting Delegators' exits that are not settled.
    /// @param ownExiting The operator's exits that are not settled.
    /// @param shares All delegators' shares.
    struct Totals {
        uint256 own;
        uint256 delegated;
        uint256 undripped;
        uint256 exiting;
        uint256 ownExiting;
        uint256 shares;
    }

    event Delegated(address indexed delegator, uint256 assets, uint256 shares);
    event OwnStaked(uint256 assets);
    /// @notice `assets` asset wei went into batch `batch`, `shares` for them out of the delegated ones (zero for the
    /// operator's own), `exitShares` is what the delegator has a claim on.
    event ExitRequested(
        address indexed delegator, uint256 indexed batch, uint256 assets, uint256 shares, uint256 exitShares
    );
    /// @notice The registry unbonds `batch`: `assets` asset wei of delegators and `own` of the operator.
    event UnbondingStarted(uint256 indexed batch, uint256 assets, uint256 own, uint256 readyAt);
    /// @notice What the exits of `batch` get is fixed: `assets` asset wei among them, `own` to the operator.
    event BatchSettled(uint256 indexed batch, uint256 assets, uint256 own);
    event Claimed(address indexed delegator, uint256 indexed batch, address indexed to, uint256 assets);
    /// @notice Credit became commission and stake.
    event Harvested(uint256 amount, uint256 commission, uint256 toOwn, uint256 toDelegated);
    /// @notice A slash was shared.
    event LossShared(uint256 loss, uint256 fromOwn, uint256 fromDelegated, uint256 fromExiting);
    /// @notice The shares so far are worth nothing; new ones begin.
    event SharesSpent(uint256 series);
    /// @notice The commission may be raised to `bps` from `from` on.
    event CommissionAnnounced(uint256 bps, uint256 from);
    event CommissionSet(uint256 bps);
    event OperatorPaid(address indexed to, uint256 amount);

    error NotOperator();
    error AmountZero();
    /// @notice More than 10,000 bps.
    error BpsTooLarge(uint256 bps);
    /// @notice The amount is worth less than one share, or the shares less than one asset wei.
    error AmountTooSmall();
    error InsufficientShares(uint256 available, uint256 needed);
    error InsufficientOwn(uint256 available, uint256 needed);
    /// @notice No rise of the commission is announced.
    error CommissionNotAnnounced();
    error CommissionNotDue(uint256 from);
    /// @notice The pool serves as many markets as it may.
    error TooManyMarkets();
    /// @notice Raising an allocation would tie up stake that exits wait for.
    error ExitsWaiting(uint256 available, uint256 needed);
    /// @notice No exit waits for stake.
    error NothingWaiting();
    /// @notice The allocations leave enough to the exits (bonds may have to end first), or this market has none to lower.
    error NothingToFree();
    /// @notice Exits wait for `needed` asset wei, and allocations and bonds leave `available`.
    error StakeNotFree(uint256 available, uint256 needed);
    /// @notice The batch that is unbonding is not ready.
    error BatchNotReady(uint256 readyAt);
    /// @notice The batch is not settled: it still waits, or unbonds.
    error BatchNotSettled(uint256 batch);
    error NothingToClaim();
    /// @notice Neither the zero address nor this contract can receive.
    error RecipientInvalid();
    /// @notice The asset delivered less than was sent: assets that charge on transfer are refused.
    error AssetTakesFee(uint256 received, uint256 sent);

    /// @notice Delegate `amount` asset wei; needs an allowance to the pool.
    /// @return shares What the delegator gets for it.
    function delegate(uint256 amount) external returns (uint256 shares);

    /// @notice Ask back what `shares` are worth. They stop earning and stay slashable.
    /// @return batch Which batch they are in.
    /// @return assets What they are worth if no loss follows, in asset wei.
    function requestExit(uint256 shares) external returns (uint256 batch, uint256 assets);

    /// @notice Send the caller's part of a settled batch to `to`. Settles the batch itself if it is ready.
    function claim(uint256 batch, address to) external returns (uint256 assets);

    /// @notice Move the exits on: settle the batch that is unbonding if it is ready, and start the next if there is one
    /// and its stake is free. Anyone. Reverts with the reason if there is nothing to do.
    function advance() external;

    /// @notice Lower the allocation to `market` by what waiting exits still need, and no more. Anyone.
    function freeUp(uint256 market) external;

    /// @notice Turn the pool's credit into commission and stake, and take in what was slashed. Anyone; costs the same for
    /// any number of delegators.
    /// @return amount Asset wei harvested.
    function harvest() external returns (uint256 amount);

    /// @notice Add `amount` asset wei to the operator's own stake; needs an allowance to the pool. Operator only.
    function stakeOwn(uint256 amount) external;

    /// @notice Ask back `amount` asset wei of the operator's own stake. It earns nothing and bears first losses until its
    /// batch is settled. Operator only.
    function requestOwnExit(uint256 amount) external returns (uint256 batch);

    /// @notice Send commission and settled own stake to `to`. Operator only.
    function withdrawOperator(address to) external returns (uint256 amount);

    /// @notice Change the commission: to a lower one at once, after a harvest at the old one. A higher one is announced, and
    /// replaces one announced before. Operator only.
    function setCommission(uint16 bps) external;

    /// @notice Raise the commission as announced, at least `COMMISSION_NOTICE` ago, after a harvest at the old one. Operator
    /// only.
    function raiseCommission() external;

    /// @notice Set the pool's allocation to a market: see `IProverRegistry.allocate`. Raising one must leave the stake that
    /// exits wait for. Operator only.
    function allocate(uint256 market, uint256 units) external;

    /// @notice Allow or disallow a key to act for the pool: see `IProverRegistry.setSubmitter`. Operator only.
    function setSubmitter(address submitter, bool allowed) external;

    /// @notice Replace the prover's metadata URI. Operator only.
    function setUri(string calldata uri) external;

    /// @notice ERC-1271: the operator signs for the pool (agreements, hand-overs). Never towards the asset, which
    /// may know permits by signature and would move the pool's money, nor towards the registry.
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4);

    /// @notice The pool's stake as of now.
    function totals() external view returns (Totals memory);

    /// @notice Shares of a delegator.
    function sharesOf(address delegator) external view returns (uint256);

    /// @notice What the shares of a delegator are worth now, in asset wei.
    function assetsOf(address delegator) external view returns (uint256);

    /// @notice What the exits of `batch` are worth together: assets of delegators and own stake of the operator, as far as
    /// not claimed; when it is ready (unix seconds; zero while it takes exits); all exit shares.
    function batches(uint256 batch)
        external
        view
        returns (uint256 assets, uint256 own, uint256 readyAt, uint256 exitShares);

    /// @notice Exit shares of a delegator in a batch.
    function exitSharesOf(uint256 batch, address delegator) external view returns (uint256);

    /// @notice The batch that takes exits, and the one that unbonds (zero if none does).
    function currentBatches() external view returns (uint256 open, uint256 unbonding);

    /// @notice The commission, the one announced and from when it may be set (unix seconds; zero if none is announced).
    function commission() external view returns (uint256 bps, uint256 nextBps, uint256 nextFrom);

    /// @notice Asset wei the operator may withdraw.
    function owedToOperator() external view returns (uint256);

    /// @notice The markets the pool is or was allocated to.
    function servedMarkets() external view returns (uint256[] memory);

    /// @notice Who runs the pool.
    function operator() external view returns (address);

    /// @notice Share of every loss, in bps, that the operator's own stake bears before anyone else.
    function firstLossBps() external view returns (uint256);

    /// @notice The market contract whose slots the pool proves.
    function market() external view returns (IProofMarket);

    /// @notice The registry the pool is registered in.
    function registry() external view returns (IProverRegistry);

    /// @notice The asset staked.
    function asset() external view returns (address);

    /// @notice Seconds over which a reward reaches the shares: the registry's `UNBONDING`.
    function DRIP() external view returns (uint256);

    /// @notice Seconds between the announcement of a higher commission and its coming into force: three times the
    /// registry's `UNBONDING`, where an exit takes at most two and the duties it backs.
    function COMMISSION_NOTICE() external view returns (uint256);

    /// @notice Most markets a pool serves at once.
    function MAX_MARKETS() external view returns (uint256);
}
