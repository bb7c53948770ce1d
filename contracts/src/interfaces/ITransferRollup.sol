// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { Terms } from "./IProofMarket.sol";
import { IRequester } from "./IRequester.sol";

/// @title The reference rollup: payments between accounts in a Merkle tree, blocks proven through the market
/// @notice The sequencer posts a block's bytes and the root it claims they lead to. Any bytes are provable: an invalid
/// transfer changes nothing, and a wrong claim is proven wrong (the circuit's output `correct` is 0), which pays the
/// prover and drops the block. A block's number is its slot's id.
///
/// A posted block is in one of five states:
///
/// - **pending**: its slot is open. It builds on the block before it in the chain, its parent.
/// - **proven**: its claim was proven right, but its parent is not finalised yet. It waits.
/// - **finalised**: it and all its ancestors were proven right. Final.
/// - **dropped**: it will never finalise. Final, whatever happens to its slot afterwards: a late proof is paid by the
///   market and changes nothing here.
/// - (never posted)
///
/// The moves:
///
/// 1. `postBlock` appends a pending block to the head: the last block posted that is not dropped, or the last finalised one.
/// 2. A slot proven with `correct` 1 makes its block proven; if its parent is finalised, it is finalised at once, and after
///    it as many proven successors as one settlement may carry. `finalize` goes on from there.
/// 3. A slot proven with `correct` 0, or expired, drops its block and every block posted after it. Blocks before it are
///    untouched: they stay pending or proven and may still finalise. The head falls back to the dropped block's parent,
///    and the next block builds on that.
///
/// The dropped blocks that finalisation has yet to step over are always one range, the gap. A second drop while there is
/// a gap widens it to the last block posted: if it starts before the gap it swallows it, and if it starts behind it, the
/// blocks between are dropped as well (they were built on what the gap left, are few, and their provers are paid all the
/// same). Finalisation steps over the gap when it reaches it. So the whole state is one word and every move is O(1), but for
/// finalising successors, which is bounded.
interface ITransferRollup is IRequester {
    /// @notice The accounts the state starts with, encoded as `provery-circuits` documents it.
    event GenesisSet(uint256 root, bytes accounts);

    /// @param number The block's number and its slot's id.
    /// @param parent The block it builds on (0 is genesis).
    event BlockPosted(uint64 indexed number, uint64 indexed parent, uint256 oldRoot, uint256 newRoot, bytes data);

    event BlockFinalized(uint64 indexed number, uint256 root);

    /// @notice Blocks `from` to `to`, both included, will never finalise.
    /// @param root The root of the head, from which the next block goes on.
    event BlocksDropped(uint64 indexed from, uint64 indexed to, uint256 root);

    error NotSequencer();
    error NotMarket();
    error BlockTooLarge(uint256 size, uint256 max);
    error RootNotInField();
    /// @notice So many proven blocks wait to be finalised that there is no room for another; call `finalize` first.
    error FinalizeFirst();

    /// @notice Post a block and open its slot. Sequencer only.
    /// @param data At most `MAX_BLOCK_BYTES`; any content.
    /// @param newRoot The root the sequencer claims the block leads to.
    /// @param terms The market's terms, which never change.
    /// @param mechanismData What the market's mechanism wants to know of a slot as it opens: nothing, for most.
    /// @return number The block's number.
    function postBlock(bytes calldata data, uint256 newRoot, Terms calldata terms, bytes calldata mechanismData)
        external
        returns (uint64 number);

    /// @notice Finalise blocks that were proven before their parents were. Anyone; proving does it too.
    /// @param most How many at the most.
    function finalize(uint256 most) external;

    /// @notice The last finalised block and its root, and the head (the block the next one will build on) and the root it
    /// claims.
    function state() external view returns (uint64 finalized, uint256 finalizedRoot, uint64 head, uint256 headRoot);

    /// @notice Binds signatures and proofs to this rollup: keccak256(abi.encode(chainid, this)) >> 8.
    function DOMAIN() external view returns (uint256);

    /// @notice Bytes a block may have.
    function MAX_BLOCK_BYTES() external view returns (uint256);

    /// @notice The account that may post blocks.
    function SEQUENCER() external view returns (address);

    /// @notice The market contract, and this rollup's market in it. Anyone may fund it there; nobody can take funds out
    /// again except by proving.
    function market() external view returns (address contract_, uint256 id);
}
