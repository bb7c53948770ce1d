// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { Slot } from "../types/Slot.sol";
import { Terms } from "../types/Terms.sol";
import { IMechanism } from "./IMechanism.sol";
import { IProverRegistry } from "./IProverRegistry.sol";

/// @title Reverse Dutch auction: the price climbs from a floor to the terms' price, and the first to lock gets the slot
/// @notice `t` seconds after the opening the price is
///
///     floorPrice + floor((price - floorPrice) * t / rise)
///
/// and ends at `price` after `rise` seconds, when the slot is open to all. Who locked shows in the market's
/// `SlotAssigned`.
///
/// `mechanismParams`:
///
/// - bits 0..95: `floorPrice`, in asset wei, at most the terms' price;
/// - bits 96..127: `rise`, in seconds, above 0; with two exclusive windows it fits the expiry window;
/// - all others: zero.
interface IReverseDutchAuction is IMechanism {
    /// @notice The caller is neither the prover nor one of its submitters, or the prover is not registered.
    error NotAuthorised();

    /// @notice Take the slot for `prover` at the price of this block. The prover itself or one of its submitters.
    /// @dev Fails as `IProofMarket.assign` does: with `SlotNotOpen` if somebody else was faster, with `SlotOpenToAll` if it
    /// is too late, with `InsufficientStake` if the prover cannot bond. A call that comes too late is made to cost little.
    function lock(Slot calldata slot, Terms calldata terms, address prover) external;

    /// @notice The price at `time` (unix seconds) of a slot not locked before.
    function priceAt(Slot calldata slot, Terms calldata terms, uint256 time) external pure returns (uint96);

    /// @notice The registry that says who may act for whom.
    function registry() external view returns (IProverRegistry);
}
