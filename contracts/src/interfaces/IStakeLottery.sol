// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { IMechanism } from "./IMechanism.sol";
import { IProverRegistry } from "./IProverRegistry.sol";

/// @title Stake lottery: a slot goes to a prover drawn in proportion to the stake it allocated to the market
/// @notice Weights are frozen before the seed exists (see IProverRegistry), so nothing done after the seed is known
/// changes whom it picks. Attempt `i` for slot `k` of market `m` draws with keccak256(abi.encode(seed, m, k, i)).
interface IStakeLottery is IMechanism {
    /// @notice The seed of `epoch` was fixed: keccak256(abi.encode(previous seed, prevrandao, epoch)) >> 40, so that
    /// seed and epoch share a word. The first seed's previous seed is 0; an epoch that nobody pokes has no seed.
    event EpochSeeded(uint256 indexed epoch, uint256 seed);

    /// @notice Provers drawn for a slot and passed over (paused, suspended, or too little free stake) before one fit.
    event ProversPassedOver(uint256 indexed market, uint64 indexed slot, uint256 count);

    /// @notice The terms' bond is zero: a lottery without a bond gives slots away for nothing.
    error BondZero();

    /// @notice Fix this epoch's seed if nobody has. Anyone may call it; opening a slot does it too.
    /// @return seed This epoch's seed.
    function poke() external returns (uint256 seed);

    /// @notice The last epoch that has a seed, and the seed.
    function currentSeed() external view returns (uint256 epoch, uint256 seed);

    /// @notice The registry whose weights are drawn from.
    function registry() external view returns (IProverRegistry);

    /// @notice Draws a slot makes before it is left open to all.
    function MAX_DRAWS() external view returns (uint256);
}
