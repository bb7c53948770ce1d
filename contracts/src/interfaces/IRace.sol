// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { IMechanism } from "./IMechanism.sol";
import { IProverRegistry } from "./IProverRegistry.sol";

/// @title Race: a slot is open to all at once, and the first valid proof wins it
/// @notice Nobody is ever assigned a slot, so a bond in the terms is never asked for.
///
/// With a handicap, a proof that would give its payee more than its stake's share of the last `window` proven slots,
/// this one included, is accepted only `delay` seconds after the slot's start. The share is
///
///     floor(window * weightOf(market, payee) / totalWeight(market))
///
/// by the registry's frozen weights, and a payee waits if it won at least that many of the `window - 1` slots proven
/// before. The share rounds down, so that in any `window` slots in a row the addresses of one owner win no more without
/// waiting than one address with all its stake would: neither a fresh address nor a split stake gains anything. Whoever has
/// less than `1 / window` of the weight always waits. While nobody has weight, nobody waits. Once `delay` is over the
/// slot is open to everyone.
///
/// `mechanismParams` is zero for no handicap; otherwise
///
/// - bits 0..7: `window`, in slots, 1 to 64;
/// - bits 8..39: `delay`, in seconds, above 0 and below the exclusive window;
/// - bit 255: set, so that the market tells how slots end (see `IMechanism.onEnded`);
/// - all others: zero.
interface IRace is IMechanism {
    /// @notice The payee of a proof has won its share of late: its proof is accepted from `until` (unix seconds) on.
    error HandicapNotOver(uint256 until);

    /// @notice Unix seconds from which a proof that pays `payee` is accepted, as things stand: `startedAt`, or
    /// `startedAt + delay` if it has to wait. Wins and weights can still change until its proof arrives.
    /// @param startedAt The slot's.
    /// @param params The terms' `mechanismParams`.
    function waitsUntil(uint256 market, address payee, uint40 startedAt, bytes32 params) external view returns (uint256);

    /// @notice How many of the last `slots` slots proven in a market under a handicap `prover` won; 0 for who is not
    /// registered. At most 64 are remembered.
    function winsOf(uint256 market, address prover, uint256 slots) external view returns (uint256);

    /// @notice The registry whose weights give the shares.
    function registry() external view returns (IProverRegistry);
}
