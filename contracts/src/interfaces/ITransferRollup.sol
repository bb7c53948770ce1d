// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { Terms } from "../types/Terms.sol";
import { IProofMarketEvents } from "./IProofMarket.sol";

/// @title The reference rollup: payments between accounts in a Merkle tree, blocks proven through the market
/// @notice The sequencer posts a block's bytes and the root it claims they lead to. Any bytes are provable: an invalid
/// transfer changes nothing, and a wrong claim is proven wrong (the circuit's output `correct` is 0), which pays the
/// prover and drops the block. A block's number is its slot's id.
///
/// Blocks are the slots of the rollup's market, and continue one another by its chain (see IProofMarket): a block's old root must
/// be the new root of the block it builds on, which is the chain's head. So a posted block is in one of these states:
///
/// - **pending**: it builds on blocks that are not final, and neither it nor they were proven wrong or expired.
/// - **finalised**: it and all its ancestors were proven right: `IProofMarketEvents.SlotEstablished`. Final.
/// - **dropped**: it, or a block it builds on, was proven wrong or expired: `IProofMarketEvents.ChainCut`. It will never finalise, and
///   anyone may end its slot. The head is the parent of the block that fell.
interface ITransferRollup {
    /// @notice The accounts the state starts with, encoded as `provery-circuits` documents it.
    event GenesisSet(uint256 root, bytes accounts);

    /// @param number The block's number and its slot's id.
    /// @param parent The block it builds on (0 is genesis).
    event BlockPosted(uint64 indexed number, uint64 indexed parent, uint256 oldRoot, uint256 newRoot, bytes data);

    /// @notice Only the sequencer posts blocks.
    error NotSequencer();
    /// @notice The block has more bytes than the circuit has room for.
    error BlockTooLarge(uint256 size, uint256 max);
    /// @notice A root is an element of the BN254 scalar field.
    error RootNotInField();

    /// @notice Post a block and open its slot. Sequencer only. Fails as `IProofMarket.openSlot` does: with `HeadMoved` or
    /// `PremiseMismatch` if the chain's head is not what the caller took it for, so that a block never claims what it was not made
    /// for.
    /// @param parent The block it builds on (0 is genesis).
    /// @param parentRoot The root that block claims.
    /// @param data At most `MAX_BLOCK_BYTES`; any content.
    /// @param newRoot The root the sequencer claims the block leads to.
    /// @param terms The market's terms, which never change.
    /// @param mechanismData What the market's mechanism wants to know of a slot as it opens: nothing, for most.
    /// @return number The block's number.
    function postBlock(
        uint64 parent,
        uint256 parentRoot,
        bytes calldata data,
        uint256 newRoot,
        Terms calldata terms,
        bytes calldata mechanismData
    ) external returns (uint64 number);

    /// @notice The last finalised block and its root, and the head (the block the next one will build on) and the root it
    /// claims.
    function state() external view returns (uint64 finalized, uint256 finalizedRoot, uint64 head, uint256 headRoot);

    /// @notice Order of the BN254 scalar field: roots are below it.
    function FIELD() external view returns (uint256);

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
