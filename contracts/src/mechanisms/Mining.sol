// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { Assignment, IMechanism } from "../interfaces/IMechanism.sol";
import { IMining } from "../interfaces/IMining.sol";
import { IProofMarket } from "../interfaces/IProofMarket.sol";
import { IProverRegistry } from "../interfaces/IProverRegistry.sol";
import { IRandomness } from "../interfaces/IRandomness.sol";
import { IVerifier } from "../interfaces/IVerifier.sol";
import { BlockHistory } from "../libraries/BlockHistory.sol";
import { SlotHooks } from "../libraries/SlotHooks.sol";
import { Slot, SlotState } from "../types/Slot.sol";
import { Terms } from "../types/Terms.sol";
import { BondEscrow } from "./BondEscrow.sol";

/// @notice `mechanismParams` of mining: the interval in seconds, the bond in asset wei. ENDED is `SlotHooks.ENDED`.
///
/// 1 bit ENDED | 119 bits empty | 8 bits initialBits | 96 bits ticketBond | 32 bits interval
type MiningParams is uint256;

using MiningParamsLib for MiningParams global;

/// @title The fields of mining's parameters
library MiningParamsLib {
    uint256 private constant BOND_SHIFT = 32;
    uint256 private constant BITS_SHIFT = 128;
    uint256 private constant EMPTY_SHIFT = 136;

    function interval(MiningParams params) internal pure returns (uint32) {
        return uint32(MiningParams.unwrap(params));
    }

    function ticketBond(MiningParams params) internal pure returns (uint96) {
        return uint96(MiningParams.unwrap(params) >> BOND_SHIFT);
    }

    function initialBits(MiningParams params) internal pure returns (uint8) {
        return uint8(MiningParams.unwrap(params) >> BITS_SHIFT);
    }

    /// @notice Whether the market's bit is set and what is empty is zero.
    function isValid(MiningParams params) internal pure returns (bool) {
        return MiningParams.unwrap(params) >> EMPTY_SHIFT == SlotHooks.ENDED >> EMPTY_SHIFT;
    }
}

/// @title Mining: the right to a slot is earned by a puzzle, while the slot before it is open
/// @dev Three words a market, and one a ticket. A ticket is kept by its slot, so that opening the slot need not move
/// it.
contract Mining is IMining, BondEscrow {
    /// @dev Three words, all zero before the market's first slot under this mechanism.
    /// @param slot The slot the round is for.
    /// @param startedIn The block the round began in.
    /// @param version Of the terms the round began under.
    /// @param units The target in units of MIN_TARGET.
    /// @param bond What a ticket of this round locks, in asset wei.
    /// @param ticketAt Unix seconds; 0 as long as nobody has the right.
    struct Record {
        uint64 slot;
        uint64 startedIn;
        uint32 version;
        uint160 units;
        uint96 bond;
        address winner;
        uint40 startedAt;
        uint40 ticketAt;
    }

    /// @dev One word.
    struct Ticket {
        address key;
        uint96 bond;
    }

    uint256 private constant MODULUS = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    uint256 private constant UNIT_BITS = 94;
    uint256 private constant MAX_UNITS = MODULUS >> UNIT_BITS;
    uint256 private constant MAX_INITIAL_BITS = 159;
    /// @dev A target changes by at most this factor from round to round.
    uint256 private constant MAX_STEP = 4;

    /// @inheritdoc IMining
    uint256 public constant MIN_TARGET = 1 << UNIT_BITS;
    /// @inheritdoc IMining
    uint256 public constant MAX_TARGET = MAX_UNITS << UNIT_BITS;
    /// @inheritdoc IMining
    uint256 public constant TICKET_HOLD = 1 days;

    IProverRegistry private immutable REGISTRY;
    IRandomness private immutable RANDOMNESS;
    IVerifier private immutable PUZZLE;
    IProofMarket private immutable MARKET;

    mapping(uint256 market => Record) private _rounds;
    mapping(uint256 market => mapping(uint64 slot => Ticket)) private _tickets;

    /// @param registry_ The registry whose provers mine; its asset is what bonds are in.
    /// @param market_ The market contract that opens slots.
    /// @param puzzle_ Verifies that the second public input is the puzzle's output for the first.
    /// @param randomness_ The beacon whose values seed the rounds; zero for the hashes of the chain's own blocks.
    constructor(IProverRegistry registry_, address market_, IVerifier puzzle_, IRandomness randomness_)
        BondEscrow(registry_.asset())
    {
        if (address(randomness_) == address(0) && !BlockHistory.exists()) revert HistoryMissing();
        REGISTRY = registry_;
        RANDOMNESS = randomness_;
        MARKET = IProofMarket(market_);
        PUZZLE = puzzle_;
    }

    /// @inheritdoc IMining
    function registry() external view returns (IProverRegistry) {
        return REGISTRY;
    }

    /// @inheritdoc IMining
    function randomness() external view returns (IRandomness) {
        return RANDOMNESS;
    }

    /// @inheritdoc IMining
    function puzzle() external view returns (IVerifier) {
        return PUZZLE;
    }

    /// @inheritdoc IMechanism
    function validateTerms(Terms calldata terms) external pure {
        MiningParams params = _paramsOf(terms);
        if (!params.isValid()) revert MechanismTermsRejected("mechanismParams");
        if (params.interval() == 0) revert MechanismTermsRejected("interval");
        if (params.ticketBond() == 0) revert MechanismTermsRejected("ticketBond");
        if (params.initialBits() > MAX_INITIAL_BITS) revert MechanismTermsRejected("initialBits");
        if (terms.bond == 0) revert MechanismTermsRejected("bond");
    }

    /// @inheritdoc IMechanism
    function onOpen(uint256 market, uint64 slot, Terms calldata terms, bytes calldata)
        external
        returns (Assignment memory assignment)
    {
        _onlyMarket();
        MiningParams params = _paramsOf(terms);
        Record memory record = _rounds[market];
        assignment.price = terms.price;

        bool stale = record.slot != slot;
        address winner = record.winner;
        if (winner != address(0)) {
            if (stale || record.version != terms.version) _return(market, record.slot);
            else if (REGISTRY.isEligible(market, winner, terms.bond, terms.version)) assignment.prover = winner;
            else _forfeit(market, slot);
        }

        record.units = stale ? uint160(MAX_UNITS >> params.initialBits()) : _retarget(record, params.interval());
        record.slot = slot + 1;
        record.startedIn = uint64(block.number);
        record.version = terms.version;
        record.bond = params.ticketBond();
        record.winner = address(0);
        record.startedAt = uint40(block.timestamp);
        record.ticketAt = 0;
        _rounds[market] = record;
        emit RoundStarted(market, record.slot, uint256(record.units) << UNIT_BITS, record.bond);
    }

    /// @inheritdoc IMechanism
    /// @dev A ticket that stands for a slot means that this contract gave the slot to its winner when it opened. If
    /// nobody holds it, the market opened it to all instead. Otherwise who holds it now proved it, or nobody did, or
    /// the right was not used; or its premise is not established, and who proved it may know a state that is hidden.
    function onEnded(Slot calldata slot, Terms calldata terms, SlotState state, address payee) external {
        _onlyMarket();
        if (_tickets[slot.market][slot.id].key == address(0)) return;
        if (
            state == SlotState.Proven && slot.prover != address(0) && payee != slot.prover
                && _isPremiseEstablished(slot, terms)
        ) {
            _forfeit(slot.market, slot.id);
        } else {
            _return(slot.market, slot.id);
        }
    }

    /// @inheritdoc IMining
    function submitTicket(uint256 market, address prover, uint256 nonce, uint256 output, bytes calldata proof)
        external
    {
        Record storage stored = _rounds[market];
        Record memory record = stored;
        if (record.startedAt == 0) revert RoundNotStarted();
        if (record.winner != address(0)) revert RightTaken(record.winner);
        uint256 target = uint256(record.units) << UNIT_BITS;
        if (output >= target) revert TargetMissed(output, target);
        if (!REGISTRY.isSubmitterFor(msg.sender, prover)) revert NotAuthorised();

        uint256[] memory inputs = new uint256[](2);
        (inputs[0], inputs[1]) = (_challenge(_seedOf(market, record), market, prover, nonce), output);
        if (!PUZZLE.verify(inputs, proof)) revert ProofInvalid();

        _lock(msg.sender, record.bond);
        _tickets[market][record.slot] = Ticket(msg.sender, record.bond);
        stored.winner = prover;
        stored.ticketAt = uint40(block.timestamp);
        emit TicketTaken(market, record.slot, prover, msg.sender);
    }

    /// @inheritdoc IMining
    function reclaimTicket(uint256 market) external {
        Record storage stored = _rounds[market];
        Record memory record = stored;
        if (record.winner == address(0)) revert TicketNotFound();
        (,,, uint64 slots,) = MARKET.markets(market);
        // Had the slot opened under this mechanism, the round would be a later one's.
        if (slots < record.slot) {
            uint256 until = record.ticketAt + TICKET_HOLD;
            if (block.timestamp < until) revert TicketHeld(until);
            if (msg.sender != _tickets[market][record.slot].key) revert NotAuthorised();
        }
        stored.winner = address(0);
        stored.ticketAt = 0;
        _return(market, record.slot);
    }

    /// @inheritdoc IMining
    function round(uint256 market) external view returns (Round memory) {
        Record memory record = _rounds[market];
        (bool known, uint256 seed) = _findSeed(market, record);
        return Round({
            slot: record.slot,
            seed: known ? seed : 0,
            startedIn: record.startedIn,
            target: uint256(record.units) << UNIT_BITS,
            startedAt: record.startedAt,
            winner: record.winner,
            ticketBond: record.bond
        });
    }

    /// @inheritdoc IMining
    function challengeOf(uint256 market, address prover, uint256 nonce) external view returns (uint256) {
        return _challenge(_seedOf(market, _rounds[market]), market, prover, nonce);
    }

    /// @inheritdoc IMining
    function ticketOf(uint256 market, uint64 slot) external view returns (address key, uint96 bond) {
        Ticket memory ticket = _tickets[market][slot];
        return (ticket.key, ticket.bond);
    }

    function _isPremiseEstablished(Slot calldata slot, Terms calldata terms) private view returns (bool established) {
        if (terms.chain == 0) return true;
        (established,) = MARKET.premiseOf(slot);
    }

    /// @dev Gives the ticket bond of a slot back to the key it came from.
    function _return(uint256 market, uint64 slot) private {
        Ticket memory ticket = _tickets[market][slot];
        delete _tickets[market][slot];
        _free(ticket.key, ticket.bond);
        emit TicketReturned(market, slot, ticket.key, ticket.bond);
    }

    /// @dev Burns the ticket bond of a slot.
    function _forfeit(uint256 market, uint64 slot) private {
        Ticket memory ticket = _tickets[market][slot];
        delete _tickets[market][slot];
        _burn(ticket.bond);
        emit TicketForfeited(market, slot, ticket.key, ticket.bond);
    }

    /// @dev The next round's target.
    function _retarget(Record memory record, uint256 interval) private view returns (uint160) {
        // Products are below 2^160 * 2^41, and no round ends or has its ticket before it began.
        unchecked {
            uint256 old = record.units;
            uint256 time = record.ticketAt == 0
                ? interval + block.timestamp - record.startedAt
                : record.ticketAt - record.startedAt;
            uint256 units = old * time / interval;
            if (units < old / MAX_STEP) units = old / MAX_STEP;
            if (units > old * MAX_STEP) units = old * MAX_STEP;
            if (units > MAX_UNITS) units = MAX_UNITS;
            return uint160(units == 0 ? 1 : units);
        }
    }

    function _seedOf(uint256 market, Record memory record) private view returns (uint256 seed) {
        bool known;
        (known, seed) = _findSeed(market, record);
        if (!known) revert SeedMissing();
    }

    /// @dev The seed of a market's round, if it has begun and the seed is known. Never kept: a ticket ends the search
    /// for it.
    function _findSeed(uint256 market, Record memory record) private view returns (bool known, uint256 seed) {
        if (record.startedAt == 0) return (false, 0);
        bytes32 value;
        if (address(RANDOMNESS) != address(0)) {
            uint256 time = uint256(record.startedAt) + 1;
            if (time <= block.timestamp) (known, value) = RANDOMNESS.randomnessAt(time);
        } else {
            uint256 number = uint256(record.startedIn) + 1;
            if (block.number > number) {
                // The first of the blocks `number`, `number + WINDOW`, … that the history still serves.
                number += (block.number - 1 - number) / BlockHistory.WINDOW * BlockHistory.WINDOW;
                value = BlockHistory.hashOf(number);
                known = value != 0;
            }
        }
        if (known) {
            seed = uint256(keccak256(abi.encode(value, block.chainid, address(this), market, record.slot))) >> 128;
        }
    }

    function _onlyMarket() private view {
        if (msg.sender != address(MARKET)) revert NotMarket();
    }

    /// @dev Below 2^248, so a field element.
    function _challenge(uint256 seed, uint256 market, address prover, uint256 nonce) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, market, prover, nonce))) >> 8;
    }

    function _paramsOf(Terms calldata terms) private pure returns (MiningParams) {
        return MiningParams.wrap(uint256(terms.mechanismParams));
    }
}
