// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @notice How a slot ended. `None` covers a slot that never was, one still open, and one whose proof waits for its premise.
enum SlotState {
    None,
    Proven,
    Expired,
    Cancelled,
    Dropped
}

/// @notice A slot as its events tell it. The chain stores one word for it: `hash(slot, hash(terms))` while open, and
/// `id << 8 | state` once ended (an open slot's hash is never that small, so the two cannot be confused). A slot whose proof
/// was paid while its premise is open is in between: see `IProofMarket.resolve`.
/// @param market The market's id.
/// @param id Counts from 1 within the market.
/// @param statement keccak256 of the fixed public inputs, 32 bytes each, without outputs and payee.
/// @param prover Who holds the assignment; zero if nobody does.
/// @param price What the slot pays at most, in asset wei.
/// @param openedAt Unix seconds.
/// @param startedAt Unix seconds at which the reward curve starts: the assignment, or the opening to all.
/// @param exclusiveUntil Before this second only `prover` may prove (nobody while `prover` is zero: the mechanism is
/// still deciding). From this second on anyone may.
/// @param capacity The market's capacity: says where the slot's word is without reading the market's record.
/// @param link The slot's premise and place in its chain, and how its market fared when it opened: see `SlotLink`.
struct Slot {
    uint256 market;
    uint64 id;
    bytes32 statement;
    address prover;
    uint96 price;
    uint40 openedAt;
    uint40 startedAt;
    uint40 exclusiveUntil;
    uint32 capacity;
    uint256 link;
}
