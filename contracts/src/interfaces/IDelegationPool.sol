// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { IDelegationPoolPolicies } from "./IDelegationPoolPolicies.sol";
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
/// share evenly over `EXIT_TIME` seconds, so whoever comes for a reward and leaves with it gets nothing of it. Everything
/// that moves money harvests first. What has not vested stays with those who stay, and if nobody does, with the operator.
///
/// **Exits.** Asked back stake goes into the open batch: it earns nothing and is still slashed. While it waits there it can
/// become shares again, at what both are worth then. One batch at a time unbonds in the registry, and is ready `EXIT_TIME`
/// seconds after that began, whatever anyone does. By then every bond that was open when it began has ended, or can be ended by
/// anyone (`IProofMarket.expire`, `resolve`), and could be for an epoch: a slash that was held is there before the exits are
/// paid, if anyone who stays has it brought in. Then anyone may settle the batch with `advance`, which fixes what its exits get.
/// The operator's stake leaves the same way, after a notice, and bears its first losses to the end.
///
/// An exit takes at most `NOTICE` seconds, if `advance` and `freeUp` are called when they can do something: `EXIT_TIME` for the
/// batch before its own, a window for bonds to end, `EXIT_TIME` for its own. Exits that come later put none of this off: when a
/// batch has waited for `EXIT_TIME`, and bonds still tie up what it needs, anyone may lower allocations to nothing.
///
/// **Notice.** What delegators may not like is announced `NOTICE` seconds before it counts: a market to serve, the most the pool
/// exposes to it and the versions of its terms; a higher commission; the exit of the operator's own stake. The last two lapse
/// `EXIT_TIME` after they became good. While nobody but the operator has anything at stake there is nobody to warn, and
/// announcements are good at once; so whoever delegates says which announcements it has seen.
///
/// **Trust.** An operator cannot take the stake, but by missing slots on purpose it can burn it, and with a second address
/// rescue a part of what is not burned; its own stake at first loss is what it puts against that, and markets and terms that were
/// announced are where it can happen. It can also give away rewards to come: transfer slots for nothing, or agree on a low
/// price. Not what the pool has: neither stake, nor credit.
interface IDelegationPool {
    /// @notice What a pool's stake consists of, in asset wei, with losses, vested rewards and unharvested credit taken in.
    /// @param operatorStake The operator's own, without what it asked back.
    /// @param delegated The delegators', with what still vests.
    /// @param unvested What still vests.
    /// @param exiting Delegators' exits that are not settled.
    /// @param operatorExiting The operator's exits that are not settled.
    /// @param shares All delegators' shares.
    struct Totals {
        uint256 operatorStake;
        uint256 delegated;
        uint256 unvested;
        uint256 exiting;
        uint256 operatorExiting;
        uint256 shares;
    }

    /// @notice `assets` asset wei became `shares` of the delegated ones.
    event Delegated(address indexed delegator, uint256 assets, uint256 shares);
    /// @notice `assets` asset wei were added to the operator's own stake.
    event OperatorStaked(uint256 assets);
    /// @notice `assets` asset wei went into batch `batch`, `shares` for them out of the delegated ones (zero for the
    /// operator's own), `exitShares` is what the delegator has a claim on.
    event ExitRequested(
        address indexed delegator, uint256 indexed batch, uint256 assets, uint256 shares, uint256 exitShares
    );
    /// @notice `exitShares` of the open batch, worth `assets` asset wei, became `shares` again.
    event ExitTakenBack(
        address indexed delegator, uint256 indexed batch, uint256 assets, uint256 exitShares, uint256 shares
    );
    /// @notice The registry unbonds `batch`: `assets` asset wei of delegators and `operatorStake` of the operator.
    event UnbondingStarted(uint256 indexed batch, uint256 assets, uint256 operatorStake, uint256 readyAt);
    /// @notice What the exits of `batch` get is fixed: `assets` asset wei among them, `operatorStake` to the operator.
    event BatchSettled(uint256 indexed batch, uint256 assets, uint256 operatorStake);
    /// @notice `assets` asset wei, the delegator's part of a settled batch, were sent to `to`.
    event Claimed(address indexed delegator, uint256 indexed batch, address indexed to, uint256 assets);
    /// @notice Credit became commission and stake.
    event Harvested(uint256 amount, uint256 commission, uint256 toOperator, uint256 toDelegated);
    /// @notice A slash was shared.
    event LossShared(uint256 loss, uint256 fromOperator, uint256 fromDelegated, uint256 fromExiting);
    /// @notice The shares so far are worth nothing; new ones begin.
    event SharesSpent(uint256 series);
    /// @notice The commission may be raised to `bps` from `from` on.
    event CommissionAnnounced(uint256 bps, uint256 from);
    /// @notice The operator's part of every reward to come is `bps`.
    event CommissionSet(uint256 bps);
    /// @notice The operator may ask back `amount` asset wei of its own from `from` on; zero if it no longer wants to.
    event OperatorExitAnnounced(uint256 amount, uint256 from);
    /// @notice `amount` asset wei that were owed to the operator were sent to `to`.
    event OperatorPaid(address indexed to, uint256 amount);

    /// @notice Only the operator.
    error NotOperator();
    /// @notice The pool was initialised before, or this is the code that all pools share and no pool.
    error AlreadyInitialised();
    /// @notice The operator announced something that the caller has not seen: see `revision`.
    error RevisionChanged(uint256 revision);
    /// @notice Nothing to delegate or stake.
    error AmountZero();
    /// @notice More than 10,000 bps.
    error BpsTooLarge(uint256 bps);
    /// @notice The amount is worth less than one share, or the shares less than one asset wei.
    error AmountTooSmall();
    /// @notice The delegator has `available` shares, or exit shares of the open batch.
    error InsufficientShares(uint256 available, uint256 needed);
    /// @notice The operator's own stake that it did not ask back is `available` asset wei.
    error InsufficientOperatorStake(uint256 available, uint256 needed);
    /// @notice No such thing is announced.
    error NothingAnnounced();
    /// @notice What was announced is good from `from` on (unix seconds).
    error NoticeNotOver(uint256 from);
    /// @notice What was announced could be done until `until` (unix seconds), and has to be announced again.
    error AnnouncementLapsed(uint256 until);
    /// @notice Raising an allocation would leave less stake free than exits wait for.
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
    /// @notice The caller has no exit shares of the batch, or nothing is owed to the operator.
    error NothingToClaim();
    /// @notice Neither the zero address nor this contract can receive.
    error RecipientInvalid();
    /// @notice The asset delivered less than was sent: assets that charge on transfer are refused.
    error AssetTakesFee(uint256 received, uint256 sent);

    /// @notice Register the pool, once. For who creates it, in the same transaction: see `IDelegationPools.create`.
    function initialise(uint16 commissionBps, string calldata uri) external;

    /// @notice Delegate `amount` asset wei; needs an allowance to the pool.
    /// @param seen The `revision` that the delegator decided by.
    /// @return shares What the delegator gets for it.
    function delegate(uint256 amount, uint256 seen) external returns (uint256 shares);

    /// @notice Ask back what `shares` are worth. They stop earning and stay slashable.
    /// @return batch Which batch they are in.
    /// @return assets What they are worth if no loss follows, in asset wei.
    function requestExit(uint256 shares) external returns (uint256 batch, uint256 assets);

    /// @notice Turn exit shares of the open batch into shares again, as if what they are worth were delegated now.
    /// @param seen The `revision` that the delegator decided by.
    function takeBackExit(uint256 exitShares, uint256 seen) external returns (uint256 assets, uint256 shares);

    /// @notice Send the caller's part of a settled batch to `to`. Settles the batch itself if it is ready.
    function claim(uint256 batch, address to) external returns (uint256 assets);

    /// @notice Move the exits on: settle the batch that is unbonding if it is ready, and start the next if there is one
    /// and its stake is free. Anyone. Reverts with the reason if there is nothing to do.
    function advance() external;

    /// @notice Lower the allocation to `market` by what waiting exits still need, and no more; to nothing if the open batch has
    /// waited for `EXIT_TIME` and open bonds still tie up what it needs. Anyone.
    function freeUp(uint256 market) external;

    /// @notice Turn the pool's credit into commission and stake, and take in what was slashed. Anyone; costs the same for
    /// any number of delegators.
    /// @return amount Asset wei harvested.
    function harvest() external returns (uint256 amount);

    /// @notice Add `amount` asset wei to the operator's own stake; needs an allowance to the pool. Operator only.
    function stakeOperator(uint256 amount) external;

    /// @notice Announce that the operator will ask back `amount` asset wei of its own; zero takes that back. Replaces what was
    /// announced before. Operator only.
    /// @return from Unix seconds from which `requestOperatorExit` may follow, for `EXIT_TIME`.
    function announceOperatorExit(uint256 amount) external returns (uint256 from);

    /// @notice Ask back what was announced, or what is left of it. It earns nothing and bears first losses until its batch is
    /// settled. Operator only.
    function requestOperatorExit() external returns (uint256 batch, uint256 amount);

    /// @notice Send commission and settled own stake to `to`. Operator only.
    function withdrawOperator(address to) external returns (uint256 amount);

    /// @notice Change the commission: to a lower one at once, after a harvest at the old one. A higher one is announced, and
    /// replaces one announced before. Operator only.
    function setCommission(uint16 bps) external;

    /// @notice Raise the commission as announced, at least `NOTICE` and less than `NOTICE + EXIT_TIME` ago, after a harvest at
    /// the old one. Operator only.
    function raiseCommission() external;

    /// @notice Announce what more the pool may do in a market: see `IDelegationPoolPolicies.announce`. Each announcement has a
    /// notice of its own. Operator only.
    /// @return from Unix seconds from which it counts.
    function announceMarket(uint256 market, uint16 exposure, uint32 fromVersion, uint32 toVersion)
        external
        returns (uint256 from);

    /// @notice Narrow at once what the pool may do in a market, to nothing with an exposure of zero: see
    /// `IDelegationPoolPolicies.narrow`. The allocation follows. Operator only.
    function narrowMarket(uint256 market, uint16 exposure, uint32 fromVersion, uint32 toVersion) external;

    /// @notice Set the pool's allocation to a market, under the versions of its terms that were announced, and what of it may be
    /// bonded at once, up to the exposure that was: see `IProverRegistry.allocate`. Raising one must leave as much stake free as
    /// exits wait for. Operator only.
    function allocate(uint256 market, uint256 units, uint256 exposure) external;

    /// @notice Nominate a key, which has to `IProverRegistry.serve`, to act for the pool, or end that. Operator only.
    function setSubmitter(address submitter, bool allowed) external;

    /// @notice Replace the prover's metadata URI. Operator only.
    function setUri(string calldata uri) external;

    /// @notice ERC-1271: the operator signs for the pool (agreements). Never towards a contract that would move what is the pool's
    /// by it: the offers of slot transfers, which may have the pool pay for that, the market, the registry, and the asset, which
    /// may know permits by signature. A slot is transferred by a submitter, at no price below zero.
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4);

    /// @notice The pool's stake as of now.
    function totals() external view returns (Totals memory);

    /// @notice Shares of a delegator.
    function sharesOf(address delegator) external view returns (uint256);

    /// @notice What the shares of a delegator are worth now, in asset wei.
    function assetsOf(address delegator) external view returns (uint256);

    /// @notice What the exits of `batch` are worth together: assets of delegators and own stake of the operator, as far as
    /// not claimed; when it is ready (unix seconds; zero while it takes exits); all exit shares; and when the first exit in it was
    /// asked for (unix seconds; zero if none was).
    function batches(uint256 batch)
        external
        view
        returns (uint256 assets, uint256 operatorStake, uint256 readyAt, uint256 exitShares, uint256 askedAt);

    /// @notice Exit shares of a delegator in a batch.
    function exitSharesOf(uint256 batch, address delegator) external view returns (uint256);

    /// @notice The batch that takes exits, and the one that unbonds (zero if none does).
    function currentBatches() external view returns (uint256 open, uint256 unbonding);

    /// @notice The commission, the one announced and from when it may be set (unix seconds; zero if none is announced, or it
    /// lapsed).
    function commission() external view returns (uint256 bps, uint256 nextBps, uint256 nextFrom);

    /// @notice What the operator may ask back of its own, and from when (unix seconds; zero if nothing is announced, or it
    /// lapsed).
    function operatorExit() external view returns (uint256 amount, uint256 from);

    /// @notice How often the operator announced something: a market, a higher commission, an exit of its own.
    function revision() external view returns (uint256);

    /// @notice Asset wei the operator may withdraw.
    function owedToOperator() external view returns (uint256);

    /// @notice Who runs the pool.
    function operator() external view returns (address);

    /// @notice Share of every loss, in bps, that the operator's own stake bears before anyone else.
    function firstLossBps() external view returns (uint256);

    /// @notice The market contract whose slots the pool proves.
    function market() external view returns (IProofMarket);

    /// @notice What pools may do in which markets.
    function policies() external view returns (IDelegationPoolPolicies);

    /// @notice The registry the pool is registered in.
    function registry() external view returns (IProverRegistry);

    /// @notice The asset staked.
    function asset() external view returns (address);

    /// @notice Seconds a batch of exits takes from the start of its unbonding, and a reward to reach the shares: the registry's
    /// `UNBONDING`, or an epoch more than its `MAX_WINDOW` if that is longer.
    function EXIT_TIME() external view returns (uint256);

    /// @notice Seconds of notice, the longest that an exit takes: three times `EXIT_TIME`.
    function NOTICE() external view returns (uint256);
}
