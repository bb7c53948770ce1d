// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProofMarket } from "../interfaces/IProofMarket.sol";
import { ITransferRollup } from "../interfaces/ITransferRollup.sol";
import { ChainTermsLib } from "../types/ChainTerms.sol";
import { Terms } from "../types/Terms.sol";

/// @title The reference rollup: payments between accounts in a Merkle tree, blocks proven through the market
/// @dev No state of its own: which blocks stand and which are final is its market's chain.
contract TransferRollup is ITransferRollup {
    /// @inheritdoc ITransferRollup
    uint256 public constant FIELD = 21888242871839275222246405745257275088548364400416034343698204186575808495617;

    /// @dev Positions of the market's public inputs: old root, new root, hash of the data, domain; then the output `correct`.
    uint256 private constant NEW_ROOT = 1;
    uint32 private constant CHAIN = uint32(ChainTermsLib.DECLARED | NEW_ROOT << 8);

    /// @inheritdoc ITransferRollup
    uint256 public immutable DOMAIN;
    /// @inheritdoc ITransferRollup
    uint256 public immutable MAX_BLOCK_BYTES;
    /// @inheritdoc ITransferRollup
    address public immutable SEQUENCER;

    IProofMarket private immutable MARKET;
    uint256 private immutable MARKET_ID;

    /// @param market_ The market contract; this creates its own market there, whose terms nobody can change.
    /// @param template Its terms. `requester` becomes this contract, `outputs` 1, `version` 1, `callbackGas` 0, `chain` what makes a
    /// block's old root continue the new root of the block before.
    /// @param capacity Blocks that may be unproven at once: a power of two, 1 to 65,536.
    /// @param sequencer The account that may post blocks.
    /// @param genesisRoot The root of the state that `genesisAccounts` lead to; not checked here, anyone can.
    /// @param genesisAccounts The accounts the state starts with, encoded as `provery-circuits` documents it.
    /// @param maxBlockBytes Bytes a block may have: what the circuit has room for.
    constructor(
        IProofMarket market_,
        Terms memory template,
        uint32 capacity,
        address sequencer,
        uint256 genesisRoot,
        bytes memory genesisAccounts,
        uint256 maxBlockBytes
    ) {
        if (genesisRoot >= FIELD) revert RootNotInField();
        template.requester = address(this);
        template.outputs = 1;
        template.version = 1;
        template.callbackGas = 0;
        template.chain = CHAIN;

        DOMAIN = uint256(keccak256(abi.encode(block.chainid, address(this)))) >> 8;
        MAX_BLOCK_BYTES = maxBlockBytes;
        SEQUENCER = sequencer;
        MARKET = market_;
        MARKET_ID = market_.createMarket(template, capacity, genesisRoot);
        emit GenesisSet(genesisRoot, genesisAccounts);
    }

    /// @inheritdoc ITransferRollup
    function postBlock(
        uint64 parent,
        uint256 parentRoot,
        bytes calldata data,
        uint256 newRoot,
        Terms calldata terms,
        bytes calldata mechanismData
    ) external returns (uint64 number) {
        if (msg.sender != SEQUENCER) revert NotSequencer();
        if (data.length > MAX_BLOCK_BYTES) revert BlockTooLarge(data.length, MAX_BLOCK_BYTES);
        if (newRoot >= FIELD) revert RootNotInField();

        uint256[] memory inputs = new uint256[](4);
        inputs[0] = parentRoot;
        inputs[NEW_ROOT] = newRoot;
        inputs[2] = uint256(keccak256(data));
        inputs[3] = DOMAIN;
        // Only this contract opens slots in its market, one for each block, so their numbers agree.
        number = MARKET.openSlot(MARKET_ID, terms, parent, inputs, mechanismData).id;
        emit BlockPosted(number, parent, parentRoot, newRoot, data);
    }

    /// @inheritdoc ITransferRollup
    function state() external view returns (uint64 finalized, uint256 finalizedRoot, uint64 head, uint256 headRoot) {
        return MARKET.chainOf(MARKET_ID);
    }

    /// @inheritdoc ITransferRollup
    function market() external view returns (address contract_, uint256 id) {
        return (address(MARKET), MARKET_ID);
    }
}
