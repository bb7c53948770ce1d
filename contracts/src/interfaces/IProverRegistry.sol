// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @title Who proves: identity, submitter keys, stake, bonds, and the weights that lotteries draw from
/// @notice Registering needs no permission. Stake is one ERC-20 asset, allocated to markets in whole units of
/// `STAKE_UNIT` asset wei, so that a weight is exact and nothing is rounded away. A change of weight made in epoch e
/// takes effect in epoch e+1, or in e+2 if made in the last `FREEZE` seconds of e: a draw of any epoch sees only what
/// was fixed at least `FREEZE` seconds before that epoch, and so before its seed existed.
interface IProverRegistry {
    /// @notice A prover's record. Its bonds are kept market by market: see `bondedOf`.
    /// @param id Counts from 1 by registration; the order of leaves in every weight tree.
    /// @param stake Asset wei staked: bonds and stake asked back included.
    /// @param allocated Asset wei allocated to markets, all together; where the bonds of a market are more than what is
    /// still allocated to it, the bonds count. Never more than `stake - unbonding`.
    /// @param unbonding Asset wei asked back. No bond stands on it.
    /// @param unbondingReadyAt Unix seconds from which `unbonding` may be withdrawn.
    /// @param paused By itself, in every market.
    struct Prover {
        uint32 id;
        uint96 stake;
        uint96 allocated;
        uint96 unbonding;
        uint40 unbondingReadyAt;
        bool paused;
    }

    /// @notice What a prover puts behind a market, and how it fares there. One word, from the lowest bit as listed.
    /// @param units Its allocation, in units of `STAKE_UNIT`: its weight once it took effect.
    /// @param exposure What of the allocation may be bonded at once, in units.
    /// @param bonded Asset wei reserved by its open slots, held slashes included.
    /// @param fromVersion The first version of the market's terms that it accepts.
    /// @param toVersion The last one.
    /// @param misses Slots missed since it last proved one of this market.
    /// @param suspended Out of this market's draws after `SUSPEND_AFTER` misses in a row, until it is reinstated.
    struct Position {
        uint16 units;
        uint16 exposure;
        uint96 bonded;
        uint32 fromVersion;
        uint32 toVersion;
        uint8 misses;
        bool suspended;
    }

    /// @notice What a registry is deployed with; none of it can be changed.
    /// @param asset The ERC-20 staked; must not charge on transfer.
    /// @param stakeUnit Asset wei in one unit of weight.
    /// @param epochLength Seconds in an epoch.
    /// @param freeze Seconds before an epoch in which its weights can no longer change; above 0, below `epochLength`.
    /// @param suspendAfter Misses of a market in a row that suspend a prover there; 1 to 255.
    /// @param openAfter Misses of a market in a row, by whomever, after which its slots open to all at once; 1 to 255.
    /// @param unbonding Seconds from `requestUnstake` to `withdrawStake`; at least `epochLength + freeze`, by when the
    /// prover's weight has left the draws, and at least `maxWindow`, by when every bond that was open has ended.
    /// @param maxWindow The longest expiry window that terms may have, in seconds: no bond is tied up for longer.
    struct Params {
        address asset;
        uint96 stakeUnit;
        uint32 epochLength;
        uint32 freeze;
        uint8 suspendAfter;
        uint8 openAfter;
        uint32 unbonding;
        uint32 maxWindow;
    }

    /// @notice A prover registered.
    event ProverRegistered(address indexed prover, uint32 indexed id, string uri);
    /// @notice A prover's metadata are at `uri` from now on.
    event UriSet(address indexed prover, string uri);
    /// @notice A prover asks a key to act for it; the key answers with `serve`.
    event SubmitterNominated(address indexed prover, address indexed submitter);
    /// @notice A key acts for a prover from now on, or no longer.
    event SubmitterSet(address indexed prover, address indexed submitter, bool allowed);
    /// @notice A prover's stake grew by `amount` asset wei.
    event Staked(address indexed prover, uint256 amount);
    /// @notice A prover asked back `amount` asset wei; all it asked back may be withdrawn from `readyAt` on (unix seconds).
    event UnstakeRequested(address indexed prover, uint256 amount, uint256 readyAt);
    /// @notice `amount` asset wei that a prover had asked back were sent to `to`.
    event Unstaked(address indexed prover, address indexed to, uint256 amount);
    /// @notice A prover's allocation to a market is now `units`, of which `exposure` may be bonded at once by slots under versions
    /// `fromVersion` to `toVersion` of the terms.
    event AllocationSet(
        address indexed prover,
        uint256 indexed market,
        uint256 units,
        uint256 exposure,
        uint32 fromVersion,
        uint32 toVersion
    );
    /// @notice A leaf's weight, in units, from `epoch` on. Replaying these in order gives every frozen tree.
    event WeightSet(uint256 indexed market, uint32 indexed id, uint256 weight, uint256 epoch);
    /// @notice A prover left the draws of every market.
    event ProverPaused(address indexed prover);
    /// @notice A prover may be drawn again.
    event ProverResumed(address indexed prover);
    /// @notice A prover missed so many slots of a market in a row that it is out of its draws.
    event ProverSuspended(address indexed prover, uint256 indexed market);
    /// @notice A prover is back in the draws of a market, its misses there forgotten.
    event ProverReinstated(address indexed prover, uint256 indexed market);
    /// @notice A bond of `amount` asset wei was slashed, and sent to the market contract.
    event BondSlashed(address indexed prover, uint256 indexed market, uint256 amount);

    /// @notice Only the market contract.
    error NotMarket();
    /// @notice A parameter of the constructor breaks a rule; `rule` names it.
    error ParamsRejected(bytes32 rule);
    /// @notice The caller is a prover already.
    error AlreadyRegistered();
    /// @notice The account is no prover.
    error NotRegistered();
    /// @notice The caller is neither the prover nor one of its submitters.
    error NotAuthorised();
    /// @notice The prover has not nominated the caller.
    error NotNominated();
    /// @notice Neither the zero address, the market nor this contract can receive.
    error RecipientInvalid();
    /// @notice Nothing to stake or ask back.
    error AmountZero();
    /// @notice The asset delivered less than was sent: assets that charge on transfer are refused.
    error AssetTakesFee(uint256 received, uint256 sent);
    /// @notice The stake that is free, that can be bonded here, or that is bonded, is `available` asset wei.
    error InsufficientStake(uint256 available, uint256 needed);
    /// @notice An allocation or an exposure has at most `max` units.
    error AllocationTooLarge(uint256 units, uint256 max);
    /// @notice The prover accepted versions `from` to `to` of the market's terms, and not this one.
    error TermsNotAccepted(uint32 version, uint32 from, uint32 to);
    /// @notice The prover asked nothing back.
    error NothingToWithdraw();
    /// @notice What was asked back may be withdrawn from `readyAt` on (unix seconds).
    error UnbondingNotReady(uint256 readyAt);

    /// @notice Register the caller as a prover.
    /// @param uri Where its metadata are (endpoint, hardware).
    function register(string calldata uri) external returns (uint32 id);

    /// @notice Replace the metadata URI.
    function setUri(string calldata uri) external;

    /// @notice Nominate a hot key, which has to `serve`, or end its service or nomination (prover or key). It may pause and resume
    /// its prover, take slots for it by mechanisms that ask for that, and offer or take them over; so it can bring bonds into
    /// play, up to the exposure the prover set in a market, and never moves stake or credit.
    function setSubmitter(address submitter, bool allowed) external;

    /// @notice Act for `prover`, which nominated the caller, and for no other any more.
    function serve(address prover) external;

    /// @notice Stake `amount` asset wei; needs an allowance to this contract.
    function stake(uint256 amount) external;

    /// @notice Set the caller's allocation to `market` to `units` of `STAKE_UNIT`. Its weight follows as the contract's
    /// notice says; what it may be asked to bond follows at once. Stake under an open bond stays allocated until the
    /// bond ends, however few `units` are asked for, and is then free by itself.
    /// @param exposure Units of it that may be bonded at once; bonds already open stay.
    /// @param fromVersion The first version of the market's terms under which the caller answers for a slot.
    /// @param toVersion The last one; it may be announced only. Versions are never used twice.
    function allocate(uint256 market, uint256 units, uint256 exposure, uint32 fromVersion, uint32 toVersion) external;

    /// @notice Ask back `amount` asset wei that is neither allocated nor bonded.
    /// A second request adds to the first and restarts the wait.
    function requestUnstake(uint256 amount) external;

    /// @notice Withdraw what was asked back, once its time has come.
    function withdrawStake(address to) external;

    /// @notice Leave the draws of every market until `resume`. Prover or submitter. Mechanisms ask `isEligible` before they give a slot
    /// away; one that does not may still bond a prover that paused, within its exposure, but none that is suspended.
    function pause() external;

    /// @notice Return to the draws after a pause. Prover or submitter. Weights come back market by market through `sync`.
    function resume() external;

    /// @notice Return to the draws of `market` after a suspension there, and forget the misses. Prover or submitter.
    function reinstate(uint256 market) external;

    /// @notice Bring a leaf in line with its prover: 0 while paused or suspended, its allocation otherwise. Anyone.
    function sync(uint256 market, address prover) external;

    /// @notice Reserve a bond for a slot of `market` under version `version` of its terms. Market contract only. Reverts with
    /// `TermsNotAccepted`, or with `InsufficientStake` unless what the prover exposes to `market` (nothing while it is suspended
    /// there), less the bonds already reserved there, covers it: whoever creates a market chooses its mechanism and its terms, so consent and exposure are
    /// bounded by the prover's own allocation, market by market.
    function reserve(address prover, uint256 market, uint256 amount, uint32 version) external;

    /// @notice Release a bond of `market`. Market contract only.
    /// @param proven True when the prover proved the slot itself, which forgets its misses in the market.
    function release(address prover, uint256 market, uint256 amount, bool proven) external;

    /// @notice Slash a bond and send it to the market, which splits it. Lowers the prover's allocation to `market` by
    /// the bond, rounded up to whole units, and counts a miss in `market`, and nowhere else. Market only.
    function slash(address prover, uint256 market, uint256 amount) external;

    /// @notice Draw from the weights of `market` frozen for the current epoch.
    /// @param random Uniform over 256 bits; taken modulo the total weight.
    /// @param bond Asset wei the prover must have free.
    /// @param version Of the market's terms that it must have accepted.
    /// @return prover Who was drawn; zero if the tree is empty.
    /// @return eligible Whether it is active and `reserve` of `bond` would succeed.
    function draw(uint256 market, uint256 random, uint256 bond, uint32 version)
        external
        view
        returns (address prover, bool eligible);

    /// @notice Frozen total weight of `market` in the current epoch, in units.
    function totalWeight(uint256 market) external view returns (uint256);

    /// @notice Frozen weight of a prover in the current epoch, in units.
    function weightOf(uint256 market, address prover) external view returns (uint256);

    /// @notice Asset wei of a prover reserved by its open slots of a market.
    function bondedOf(uint256 market, address prover) external view returns (uint256);

    /// @notice Whether a prover is active and `reserve` of `bond` asset wei for a slot of `market` would succeed.
    function isEligible(uint256 market, address prover, uint256 bond, uint32 version) external view returns (bool);

    /// @notice Whether `key` may act for `prover`: it is the registered prover itself or one of its submitters.
    function isSubmitterFor(address key, address prover) external view returns (bool);

    /// @notice What a prover allocated to a market, in units; what its weight will be once it took effect.
    function allocationOf(uint256 market, address prover) external view returns (uint256);

    /// @notice What a prover puts behind a market; all zero if nothing.
    function positionOf(uint256 market, address prover) external view returns (Position memory);

    /// @notice A prover's record; all zero if it never registered.
    function proverOf(address prover) external view returns (Prover memory);

    /// @notice How many have registered; ids are 1 to this.
    function proverCount() external view returns (uint32);

    /// @notice The prover with `id`, or zero.
    function proverById(uint32 id) external view returns (address);

    /// @notice Whether a prover nominated a key.
    function isNominated(address prover, address submitter) external view returns (bool);

    /// @notice The prover a submitter key belongs to, or zero.
    function proverOfSubmitter(address submitter) external view returns (address);

    /// @notice Asset wei a prover may allocate or ask back.
    function freeStake(address prover) external view returns (uint256);

    /// @notice The current epoch: unix seconds divided by `EPOCH_LENGTH`.
    function epoch() external view returns (uint256);

    /// @notice The asset staked.
    function asset() external view returns (address);

    /// @notice The one market that may reserve, release and slash.
    function market() external view returns (address);

    /// @notice Asset wei in one unit of weight.
    function STAKE_UNIT() external view returns (uint256);

    /// @notice Seconds in an epoch.
    function EPOCH_LENGTH() external view returns (uint256);

    /// @notice Seconds before an epoch in which its weights can no longer change.
    function FREEZE() external view returns (uint256);

    /// @notice Misses in a row that open a market's slots to all at once; the market counts them.
    function OPEN_AFTER() external view returns (uint256);

    /// @notice The longest expiry window that terms may have, in seconds.
    function MAX_WINDOW() external view returns (uint256);

    /// @notice Misses of a market in a row that suspend a prover there.
    function SUSPEND_AFTER() external view returns (uint256);

    /// @notice Seconds from `requestUnstake` until `withdrawStake`.
    function UNBONDING() external view returns (uint256);

    /// @notice Most units a prover can allocate to one market. Chance is linear in units, so whoever has more stake
    /// loses nothing by registering another address.
    function MAX_UNITS() external view returns (uint256);
}
