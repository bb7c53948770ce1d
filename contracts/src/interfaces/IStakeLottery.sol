// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { IMechanism } from "./IMechanism.sol";
import { IProverRegistry } from "./IProverRegistry.sol";
import { IRandomness } from "./IRandomness.sol";

/// @title Stake lottery: a slot goes to a prover drawn in proportion to the stake it allocated to the market
/// @notice Weights are frozen before the seed exists (see IProverRegistry), so nothing done after the seed is known
/// changes whom it picks. Attempt `i` for slot `k` of market `m` draws with keccak256(abi.encode(seed, m, k, i)).
///
/// Which block seeds an epoch. Epoch e's weights are final from e * EPOCH_LENGTH - FREEZE on. Its seed block B is the
/// first block whose timestamp is `seedTime(e)`, half a freeze later, or more: seed e = keccak256(abi.encode(e, mixHash
/// of B)) >> 40, so that seed and epoch share a word. It depends on no other seed, nor on who brings it in, when, or
/// whether anybody does: all that is done is to show B, by its header and its parent's, whose hashes the chain vouches
/// for (EIP-2935). Opening a slot shows B if nobody has, or reverts; it cannot do with another seed, nor without. A
/// seed may be brought in from the block after B on, before its epoch begins. From the block at which the history no
/// longer reaches back to B (8,191 blocks later) the epoch has no seed, and its slots are open to all; no block is
/// early enough for the one proof and late enough for the other.
///
/// Who can still have a second try, and at what price, for a prover that has a share p of the weight (figures for p =
/// 9.9 %):
///
/// - Who brings the seed, in whatever order, from whatever contract: none.
/// - A requester knows whom slot k of the epoch goes to, and may wait for the next epoch: one try an epoch. That its
///   friend has the slot within n epochs has probability 1 - (1 - p)^n: 9.9 %, 18.8 %, 40.6 %, 64.7 % for n = 1, 2, 5,
///   10. It costs n - 1 epochs of delay. It may as well open slot k and drop it, to come to slot k + 1: that costs
///   what a proof would, which the prover drawn is paid; or open it in another market that the same provers serve. Which
///   provers serve a requester is for them to say.
/// - B's own proposer: none. What B's header has was fixed by the blocks before B, and if B's proposer withholds it the
///   next block has the same.
/// - The proposer of the last block before `seedTime(e)` knows both values that B may have, with and without its block,
///   and may withhold it: one try more, at the price of its block's reward: 1 - (1 - p)^2, 18.8 %. Whoever proposes the
///   last k has 2^k tries at most. Over all epochs, a proposer of a share q of the blocks gains about q * p * (1 - p)
///   of the slots: with p = q = 9.9 %, 10.8 % of them instead of 9.9 %.
///
/// What a chain must be like. Its `prevrandao` is fresh in every block and its proposer's to withhold but not to
/// choose, as on Ethereum since the merge; its history contract is EIP-2935's, and the header's first items are
/// Ethereum's. Everybody knows B's value one block before B, and the proposer of B's parent one block earlier: FREEZE /
/// 2 must be more than two block times, or that one could still move its stake. Whoever proposes all blocks of FREEZE /
/// 2 in a row knows the seed before the freeze: with q = 9.9 % of Ethereum's slots once in 100 epochs for a FREEZE of
/// 60 seconds (2 blocks), once in 10^12 for 300 (12 blocks). Where `prevrandao` is constant or a sequencer chooses it
/// (rollups among them), deploy with a beacon: see IRandomness.
interface IStakeLottery is IMechanism {
    /// @notice The seed of `epoch` is known: it follows from block `blockNumber`, or from the beacon, if that is 0.
    event EpochSeeded(uint256 indexed epoch, uint256 seed, uint256 blockNumber);

    /// @notice `epoch` has no seed: the history does not reach back to its seed block. Its slots are open to all.
    event EpochSeedless(uint256 indexed epoch);

    /// @notice Provers drawn for a slot and passed over (paused, suspended, or too little free stake) before one fit.
    event ProversPassedOver(uint256 indexed market, uint64 indexed slot, uint256 count);

    /// @notice The terms' bond is zero: a lottery without a bond gives slots away for nothing.
    error BondZero();
    /// @notice The chain has no history of block hashes (EIP-2935), and the lottery no beacon.
    error HistoryMissing();
    /// @notice `epoch` has no seed yet. It follows from the first block, or the beacon's first value, at or after
    /// `time`: bring it in, or wait for it.
    error SeedMissing(uint256 epoch, uint256 time);
    /// @notice Only the current epoch's seed and the next one's can be brought in.
    error EpochOutOfReach(uint256 epoch);
    /// @notice The chain's history does not have this header under its number: it is another chain's, to come, or too
    /// old.
    error HeaderUnknown(uint256 number);
    /// @notice The second header is not that of the parent of block `number`.
    error ParentMismatch(uint256 number);
    /// @notice Block `number` is not the first at or after the epoch's `seedTime`, nor does it show that this one is
    /// out of reach.
    error NotSeedBlock(uint256 number);

    /// @notice Bring in the seed of the current or the next epoch. Anyone; does nothing if it is there. An opening does
    /// the same for the current epoch if the seed is missing and its data are `headers`.
    /// @param headers The RLP of B's header and that of its parent's, one after the other. If the history does not
    /// reach back to B: the oldest header it serves (block.number - 8,191) and its parent's, of which both are at or
    /// after `seedTime`. If the chain itself began after `seedTime`: its first header alone. Empty, or anything, with a
    /// beacon.
    function bringSeed(uint256 epoch, bytes calldata headers) external;

    /// @notice Unix seconds: the first block at or after it, or the beacon's first value, seeds `epoch`.
    function seedTime(uint256 epoch) external view returns (uint256);

    /// @notice The current epoch and its seed.
    /// @return epoch Counts from 1970: see IProverRegistry.
    /// @return known Whether the seed was brought in.
    /// @return seed 216 bits; 0 if the epoch has none, and its slots are open to all.
    function currentSeed() external view returns (uint256 epoch, bool known, uint256 seed);

    /// @notice The seed of an epoch. The contract keeps the last that were brought in of even and of odd epochs; events
    /// have all.
    /// @return known Whether it is kept.
    /// @return seed 216 bits; 0 if the epoch has none, and its slots are open to all.
    function seedOf(uint256 epoch) external view returns (bool known, uint256 seed);

    /// @notice The registry whose weights are drawn from.
    function registry() external view returns (IProverRegistry);

    /// @notice The beacon whose values seed the epochs; zero if blocks do.
    function randomness() external view returns (IRandomness);

    /// @notice Draws a slot makes before it is left open to all.
    function MAX_DRAWS() external view returns (uint256);
}
