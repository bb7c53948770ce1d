// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { IProofMarket } from "provery/interfaces/IProofMarket.sol";
import { IRequester } from "provery/interfaces/IRequester.sol";
import { SlotState } from "provery/types/Slot.sol";
import { Terms } from "provery/types/Terms.sol";

/// @title Proof before inclusion: a block counts once it is proven, in the transaction that carries the proof
/// @notice Its circuit has the public inputs old root, new root, hash of the data, payee: no outputs, so a proof alone says that a
/// claim is right. Every block is proposed on the last one included, whose state anyone can know, so no prover's bond is at stake
/// for a state that only the sequencer knows; that is one block a proof. `TransferRollup` is for blocks ahead of their proofs.
contract ProofFirstRollup is IRequester {
    /// @param number The block that this would be; 0 if there is no such proposal.
    /// @param newRoot What its sequencer claims it leads to.
    struct Proposal {
        uint64 number;
        uint256 newRoot;
    }

    /// @notice Gas that the callback is promised, twice what it takes: whoever proves pays for it.
    uint32 public constant CALLBACK_GAS = 60_000;

    /// @notice The market contract, and this rollup's market there.
    IProofMarket public immutable MARKET;
    uint256 public immutable MARKET_ID;
    /// @notice How many slots the market keeps: see `propose`.
    uint64 public immutable CAPACITY;
    /// @notice Who may propose: every proposal spends the market's funds.
    address public immutable SEQUENCER;

    /// @notice Slots opened so far. Only this contract opens slots in its market, so the last one's id.
    uint64 public slots;
    /// @notice The last included block (0 is genesis). In one word with `slots`, so that the first block costs no more than the others.
    uint64 public number;
    /// @notice The root of the state after it.
    uint256 public root;
    /// @notice Proposals whose end was not taken in yet.
    mapping(uint64 slot => Proposal) public proposals;

    /// @notice A block was proposed, with all that a proof of it takes.
    event BlockProposed(uint64 indexed slot, uint64 indexed number, uint256 oldRoot, uint256 newRoot, bytes data);
    /// @notice It was proven, and is part of the chain for good.
    event BlockIncluded(uint64 indexed slot, uint64 indexed number, uint256 newRoot);
    /// @notice It will never be: it ended unproven, or another block has its number.
    event BlockDiscarded(uint64 indexed slot, uint64 indexed number, SlotState state);

    error NotMarket();
    error NotSequencer();
    /// @notice The block was made for another state: `number` is the last one included.
    error ParentMoved(uint64 number);
    /// @notice The slot is open, was never opened, or its end was taken in already.
    error NothingToTakeIn(uint64 slot);

    /// @param market The market contract; this creates its own market there, whose terms nobody can change.
    /// @param terms Circuit, verifier, mechanism, price, bond, windows and shares; what this contract depends on is set here.
    /// @param capacity Proposals that may be open at once: a power of two, 1 to 65,536.
    constructor(IProofMarket market, Terms memory terms, uint32 capacity, address sequencer, uint256 genesisRoot) {
        terms.requester = address(this);
        terms.outputs = 0;
        terms.version = 1;
        terms.callbackGas = CALLBACK_GAS;
        terms.chain = 0;
        MARKET = market;
        CAPACITY = capacity;
        SEQUENCER = sequencer;
        root = genesisRoot;
        MARKET_ID = market.createMarket(terms, capacity, 0);
    }

    /// @notice Propose block `parent + 1`. Several may be open with one number: the first that is proven is included.
    /// @param terms The market's terms, as `TermsSet` has them.
    function propose(uint64 parent, uint256 newRoot, bytes calldata data, Terms calldata terms)
        external
        returns (uint64 slot)
    {
        if (msg.sender != SEQUENCER) revert NotSequencer();
        // The market forgets how the slot ended whose place the next one takes.
        if (slots >= CAPACITY) _takeInEnded(slots + 1 - CAPACITY);
        if (parent != number) revert ParentMoved(number);

        uint256[] memory statement = new uint256[](3);
        (statement[0], statement[1], statement[2]) = (root, newRoot, uint256(keccak256(data)));
        slot = MARKET.openSlot(MARKET_ID, terms, 0, statement, "").id;
        slots = slot;
        proposals[slot] = Proposal(parent + 1, newRoot);
        emit BlockProposed(slot, parent + 1, statement[0], newRoot, data);
    }

    /// @inheritdoc IRequester
    /// @dev Takes a bounded amount of gas, calls nobody, and reverts for nobody but strangers. Should it fail all the same (gas may
    /// be priced anew), the settlement stands, `CallbackFailed` tells of it, and `takeIn` does the same.
    function onSlotEnded(uint256 market, uint64 slot, SlotState state, uint256[] calldata) external {
        if (msg.sender != address(MARKET) || market != MARKET_ID) revert NotMarket();
        _takeIn(slot, state);
    }

    /// @notice Take in how a slot ended, if the callback did not. Anyone.
    function takeIn(uint64 slot) external {
        if (!_takeInEnded(slot)) revert NothingToTakeIn(slot);
    }

    function _takeInEnded(uint64 slot) private returns (bool) {
        SlotState state = MARKET.slotState(MARKET_ID, slot);
        return state != SlotState.None && _takeIn(slot, state);
    }

    /// @dev Once for each slot, whoever comes first.
    function _takeIn(uint64 slot, SlotState state) private returns (bool taken) {
        Proposal memory proposal = proposals[slot];
        if (proposal.number == 0) return false;
        delete proposals[slot];
        // By number: a root may come back, and what was made for a state long gone must not count then.
        if (state == SlotState.Proven && proposal.number == number + 1) {
            (number, root) = (proposal.number, proposal.newRoot);
            emit BlockIncluded(slot, proposal.number, proposal.newRoot);
        } else {
            emit BlockDiscarded(slot, proposal.number, state);
        }
        return true;
    }
}
