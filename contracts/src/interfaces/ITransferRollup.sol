// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Terms} from "./IProofMarket.sol";
import {IRequester} from "./IRequester.sol";

/// @title The reference rollup: payments between accounts in a Merkle tree, blocks proven through the market
/// @notice The sequencer posts a block's bytes and the root it claims they lead to. Any bytes are provable: an invalid
/// transfer changes nothing, and a wrong claim is proven wrong (the circuit's output `correct` is 0), which pays the
/// prover and drops the block. A block's number is its slot's id. Blocks finalise in order; a block that expires or is
/// proven wrong is dropped with all that were built on it, and the state goes on from the last finalised root.
interface ITransferRollup is IRequester {
    /// @notice The accounts the state starts with, encoded as `provery-circuits` documents it.
    event GenesisSet(uint256 root, bytes accounts);

    /// @param number The block's number and its slot's id.
    /// @param parent The block it builds on (0 is genesis).
    event BlockPosted(uint64 indexed number, uint64 indexed parent, uint256 oldRoot, uint256 newRoot, bytes data);

    event BlockFinalized(uint64 indexed number, uint256 root);

    /// @notice Blocks `from` to `to`, both included, will never finalise.
    event BlocksDropped(uint64 indexed from, uint64 indexed to, uint256 root);

    error NotSequencer();
    error NotMarket();
    error BlockTooLarge(uint256 size, uint256 max);
    error RootNotInField();

    /// @notice Post a block and open its slot. Sequencer only.
    /// @param data At most `MAX_BLOCK_BYTES`; any content.
    /// @param newRoot The root the sequencer claims the block leads to.
    /// @param terms The market's current terms.
    /// @return number The block's number.
    function postBlock(bytes calldata data, uint256 newRoot, Terms calldata terms) external returns (uint64 number);

    /// @notice Finalise blocks that were proven before their parents were. Anyone; proving does it too.
    /// @param most How many at the most.
    function finalize(uint256 most) external;

    /// @notice Last finalised block and its root, and the last posted block and the root it claims.
    function state() external view returns (uint64 finalized, uint256 finalizedRoot, uint64 head, uint256 headRoot);

    /// @notice Binds signatures and proofs to this rollup: keccak256(abi.encode(chainid, this)) >> 8.
    function DOMAIN() external view returns (uint256);

    /// @notice Bytes a block may have.
    function MAX_BLOCK_BYTES() external view returns (uint256);

    /// @notice The account that may post blocks.
    function SEQUENCER() external view returns (address);

    /// @notice The market contract, and this rollup's market in it.
    function market() external view returns (address contract_, uint256 id);
}
