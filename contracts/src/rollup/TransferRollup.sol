// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProofMarket, SlotState, Terms } from "../interfaces/IProofMarket.sol";
import { IRequester } from "../interfaces/IRequester.sol";
import { ITransferRollup } from "../interfaces/ITransferRollup.sol";

/// @title The reference rollup: payments between accounts in a Merkle tree, blocks proven through the market
/// @notice ITransferRollup describes the states and moves. How they are stored:
///
/// - `_packed`: last finalised block, last posted block, first and last block of the gap (both 0 without one).
/// - `_roots`, a ring: a block's place holds the root it claims, and the flag PROVEN while it is proven and waits. When
///   blocks are dropped, the place of the last of them takes the root of the block before the first. So the root a block
///   builds on is always in the place of the number before its own, gap or not.
///
/// The ring has twice as many places as the market, which keeps every root from the last finalised block (or the end of
/// the gap right behind it) to the last posted one.
contract TransferRollup is ITransferRollup {
    /// @param finalized Last finalised block.
    /// @param posted Last posted block.
    /// @param gapFrom First block of the gap, 0 without one.
    /// @param gapTo Last block of the gap.
    struct Chain {
        uint64 finalized;
        uint64 posted;
        uint64 gapFrom;
        uint64 gapTo;
    }

    /// @notice Order of the BN254 scalar field: roots are below it.
    uint256 public constant FIELD = 21888242871839275222246405745257275088548364400416034343698204186575808495617;

    /// @notice What a settlement may spend here. Enough for the worst case, so that this rollup never misses one.
    uint32 public constant CALLBACK_GAS = 100_000;

    /// @notice Blocks, apart from its own, that one settlement finalises.
    uint256 public constant BLOCKS_PER_SETTLEMENT = 8;

    uint256 private constant PROVEN = 1 << 255;

    /// @dev Positions of the market's public inputs.
    uint256 private constant NEW_ROOT = 1;
    uint256 private constant CORRECT = 4;

    /// @inheritdoc ITransferRollup
    uint256 public immutable DOMAIN;
    /// @inheritdoc ITransferRollup
    uint256 public immutable MAX_BLOCK_BYTES;
    /// @inheritdoc ITransferRollup
    address public immutable SEQUENCER;

    IProofMarket private immutable _MARKET;
    uint256 private immutable _MARKET_ID;
    uint256 private immutable _MASK;

    /// @dev A Chain, packed from its first field in the lowest bits: one read and one write a move.
    uint256 private _packed;
    mapping(uint256 place => uint256) private _roots;

    /// @param market_ The market contract; this creates its own market there, whose terms nobody can change.
    /// @param template Its terms. `requester` becomes this contract, `outputs` 1 and `callbackGas` CALLBACK_GAS.
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
        template.callbackGas = CALLBACK_GAS;

        DOMAIN = uint256(keccak256(abi.encode(block.chainid, address(this)))) >> 8;
        MAX_BLOCK_BYTES = maxBlockBytes;
        SEQUENCER = sequencer;
        _MARKET = market_;
        _MARKET_ID = market_.createMarket(template, capacity);
        _MASK = 2 * uint256(capacity) - 1;
        _roots[0] = genesisRoot;
        emit GenesisSet(genesisRoot, genesisAccounts);
    }

    /// @inheritdoc ITransferRollup
    function postBlock(bytes calldata data, uint256 newRoot, Terms calldata terms, bytes calldata mechanismData)
        external
        returns (uint64 number)
    {
        if (msg.sender != SEQUENCER) revert NotSequencer();
        if (data.length > MAX_BLOCK_BYTES) revert BlockTooLarge(data.length, MAX_BLOCK_BYTES);
        if (newRoot >= FIELD) revert RootNotInField();

        Chain memory chain = _load();
        uint64 parent = _head(chain);
        uint256 oldRoot = _rootAt(chain.posted);
        number = chain.posted + 1;
        if (number - _base(chain) > _MASK) revert FinalizeFirst();
        chain.posted = number;
        _store(chain);
        _roots[number & _MASK] = newRoot;

        uint256[] memory inputs = new uint256[](4);
        inputs[0] = oldRoot;
        inputs[NEW_ROOT] = newRoot;
        inputs[2] = uint256(keccak256(data));
        inputs[3] = DOMAIN;
        // Only this contract opens slots in its market, one for each block, so their numbers agree.
        _MARKET.openSlot(_MARKET_ID, terms, inputs, mechanismData);
        emit BlockPosted(number, parent, oldRoot, newRoot, data);
    }

    /// @inheritdoc IRequester
    function onSlotEnded(uint256 market_, uint64 slot, SlotState ended, uint256[] calldata publicInputs) external {
        if (msg.sender != address(_MARKET) || market_ != _MARKET_ID) revert NotMarket();

        Chain memory chain = _load();
        if (slot <= chain.finalized || (chain.gapFrom <= slot && slot <= chain.gapTo)) return;

        if (ended != SlotState.Proven || publicInputs[CORRECT] == 0) {
            _drop(chain, slot);
        } else if (slot == _next(chain)) {
            _finalize(chain, slot, publicInputs[NEW_ROOT]);
        } else {
            _roots[slot & _MASK] = publicInputs[NEW_ROOT] | PROVEN;
        }
        // Whatever the slot was: a late proof may have left more proven blocks behind it than it could finalise itself.
        _finalizeProven(chain, BLOCKS_PER_SETTLEMENT);
        _store(chain);
    }

    /// @inheritdoc ITransferRollup
    function finalize(uint256 most) external {
        Chain memory chain = _load();
        _finalizeProven(chain, most);
        _store(chain);
    }

    /// @inheritdoc ITransferRollup
    function state() external view returns (uint64 finalized, uint256 finalizedRoot, uint64 head, uint256 headRoot) {
        Chain memory chain = _load();
        return (chain.finalized, _rootAt(_base(chain)), _head(chain), _rootAt(chain.posted));
    }

    /// @inheritdoc ITransferRollup
    function market() external view returns (address contract_, uint256 id) {
        return (address(_MARKET), _MARKET_ID);
    }

    /// @dev Drops block `from` and all after it; the caller stores `chain`. `from` is posted, not finalised and not in the gap.
    function _drop(Chain memory chain, uint64 from) private {
        // Blocks behind a gap go back to what was before it.
        uint64 first = chain.gapTo != 0 && chain.gapTo < from ? chain.gapFrom : from;
        uint64 dropped = first < from ? chain.gapTo + 1 : from;
        uint256 root = _rootAt(first < from ? chain.gapTo : from - 1);
        chain.gapFrom = first;
        chain.gapTo = chain.posted;
        _roots[chain.posted & _MASK] = root;
        emit BlocksDropped(dropped, chain.posted, root);
    }

    /// @dev Finalises up to `most` blocks that are already proven; the caller stores `chain`.
    function _finalizeProven(Chain memory chain, uint256 most) private {
        for (; most != 0; --most) {
            uint64 next = _next(chain);
            if (next > chain.posted) return;
            uint256 root = _roots[next & _MASK];
            if (root & PROVEN == 0) return;
            _finalize(chain, next, root ^ PROVEN);
        }
    }

    /// @dev Finalises `number`, which is next in the chain; a gap before it is behind us now.
    function _finalize(Chain memory chain, uint64 number, uint256 root) private {
        if (chain.gapTo < number) (chain.gapFrom, chain.gapTo) = (0, 0);
        chain.finalized = number;
        emit BlockFinalized(number, root);
    }

    function _load() private view returns (Chain memory) {
        uint256 packed = _packed;
        return Chain({
            finalized: uint64(packed),
            posted: uint64(packed >> 64),
            gapFrom: uint64(packed >> 128),
            gapTo: uint64(packed >> 192)
        });
    }

    function _store(Chain memory chain) private {
        _packed = uint256(chain.finalized) | uint256(chain.posted) << 64 | uint256(chain.gapFrom) << 128
            | uint256(chain.gapTo) << 192;
    }

    /// @dev The root in the place of `number`.
    function _rootAt(uint64 number) private view returns (uint256) {
        return _roots[number & _MASK] & ~PROVEN;
    }

    /// @dev The number whose place holds the last finalised root: that block's own, or the last of a gap right behind it.
    function _base(Chain memory chain) private pure returns (uint64) {
        return chain.gapFrom == chain.finalized + 1 ? chain.gapTo : chain.finalized;
    }

    /// @dev The first block after the last finalised one that is not dropped, posted or not.
    function _next(Chain memory chain) private pure returns (uint64) {
        return _base(chain) + 1;
    }

    /// @dev The block the next one will build on.
    function _head(Chain memory chain) private pure returns (uint64) {
        return chain.gapTo != 0 && chain.gapTo == chain.posted ? chain.gapFrom - 1 : chain.posted;
    }
}
