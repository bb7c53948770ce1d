// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { EIP712 } from "solady/utils/EIP712.sol";
import { SignatureCheckerLib } from "solady/utils/SignatureCheckerLib.sol";

import { Assignment, IMechanism } from "../interfaces/IMechanism.sol";
import { IProofMarket } from "../interfaces/IProofMarket.sol";
import { IProverRegistry } from "../interfaces/IProverRegistry.sol";
import { IStandingAsks, SignedAsk, StandingAsk } from "../interfaces/IStandingAsks.sol";
import { AskBook } from "../libraries/AskBook.sol";
import { Bps } from "../libraries/Bps.sol";
import { SlotHooks } from "../libraries/SlotHooks.sol";
import { SlotRing } from "../libraries/SlotRing.sol";
import { Slot, SlotState } from "../types/Slot.sol";
import { Terms } from "../types/Terms.sol";
import { BondEscrow } from "./BondEscrow.sol";

/// @notice `mechanismParams` of standing asks. ENDED is `SlotHooks.ENDED`, set exactly if there is a weight.
///
/// 1 bit ENDED | 127 bits empty | 16 bits matchWindow (seconds) | 16 bits weight (ticks a second) | 96 bits tick (asset wei)
type StandingAsksParams is uint256;

using StandingAsksParamsLib for StandingAsksParams global;

/// @title The fields of standing asks' parameters
library StandingAsksParamsLib {
    uint256 private constant WEIGHT_SHIFT = 96;
    uint256 private constant WINDOW_SHIFT = 112;
    uint256 private constant EMPTY_SHIFT = 128;

    function tick(StandingAsksParams params) internal pure returns (uint256) {
        return uint96(StandingAsksParams.unwrap(params));
    }

    function weight(StandingAsksParams params) internal pure returns (uint256) {
        return uint16(StandingAsksParams.unwrap(params) >> WEIGHT_SHIFT);
    }

    function matchWindow(StandingAsksParams params) internal pure returns (uint256) {
        return uint16(StandingAsksParams.unwrap(params) >> WINDOW_SHIFT);
    }

    /// @notice Whether the market's bit is what the weight asks for and what is empty is zero.
    function isValid(StandingAsksParams params) internal pure returns (bool) {
        uint256 bits = params.weight() == 0 ? 0 : SlotHooks.ENDED;
        return StandingAsksParams.unwrap(params) >> EMPTY_SHIFT == bits >> EMPTY_SHIFT;
    }
}

/// @title Standing asks: provers say what they take for a slot before there is one, and the best ask is given it as it opens
/// @dev Asks are in AskBook, by their prover's id in the registry. Nothing is removed for terms that are not the market's: every way
/// to the book but the market's own starts with `_requireTerms` or with a slot that is open under them.
contract StandingAsks is IStandingAsks, BondEscrow, EIP712 {
    using AskBook for AskBook.Book;
    using SlotRing for Terms;

    /// @dev Unable asks that one call removes at most.
    uint256 private constant MOST_REMOVED = 8;
    uint256 private constant MAX_SCORE = type(uint16).max;
    /// @dev What a second more than promised costs, in what a promised second counts. Above 1, so that a lie never pays; at 2 it is best to
    /// promise what one needs half of the time.
    uint256 private constant LATE_FACTOR = 2;
    uint256 private constant SIGNATURE_GAS = 200_000;
    bytes32 private constant SIGNED_ASK_TYPEHASH = keccak256(
        "SignedAsk(address prover,uint256 market,uint32 version,uint96 price,uint32 promised,uint32 capacity,uint40 expiry,uint256 nonce)"
    );

    /// @param keys By prover's id: whose deposit answers for its promises. Zero without a weight.
    struct Record {
        AskBook.Book book;
        mapping(uint32 id => address) keys;
    }

    /// @dev One word, from when a slot is given away until it ends; only where a promise has a weight.
    struct Promise {
        address key;
        uint32 promised;
    }

    IProverRegistry private immutable REGISTRY;
    IProofMarket private immutable MARKET;

    mapping(uint256 market => mapping(uint32 version => Record)) private _records;
    mapping(uint256 market => mapping(uint64 slot => Promise)) private _promises;
    /// @inheritdoc IStandingAsks
    mapping(address prover => mapping(uint256 nonce => uint256)) public usesOf;

    /// @param registry_ The registry whose provers ask; its asset is what deposits are in.
    /// @param market_ The market contract that opens slots.
    constructor(IProverRegistry registry_, address market_) BondEscrow(registry_.asset()) {
        REGISTRY = registry_;
        MARKET = IProofMarket(market_);
    }

    // ---------------------------------------------------------------- the market's side

    /// @inheritdoc IMechanism
    function validateTerms(Terms calldata terms) external pure {
        StandingAsksParams params = _paramsOf(terms);
        (uint256 tick, uint256 weight) = (params.tick(), params.weight());
        if (!params.isValid()) revert MechanismTermsRejected("mechanismParams");
        if (tick == 0) revert MechanismTermsRejected("tick");
        if (params.matchWindow() == 0) revert MechanismTermsRejected("matchWindow");
        if (terms.bond == 0) revert MechanismTermsRejected("bond");
        // Whoever asks the terms' price and promises the whole window has a score.
        if (terms.price / tick + weight * terms.exclusiveWindow > MAX_SCORE) revert MechanismTermsRejected("tick");
        // Being late costs no more than missing the slot, even for who rescues itself: else that would be the way out.
        uint256 lost = terms.rescuerBps < Bps.ONE ? Bps.down(terms.bond, uint16(Bps.ONE - terms.rescuerBps)) : 0;
        if (promiseBondOf(terms, 0) > lost) revert MechanismTermsRejected("weight");
        if (params.matchWindow() + 2 * uint256(terms.exclusiveWindow) > terms.expiryWindow) {
            revert MechanismTermsRejected("expiryWindow");
        }
    }

    /// @inheritdoc IMechanism
    function onOpen(uint256 market, uint64 slot, Terms calldata terms, bytes calldata data)
        external
        returns (Assignment memory assignment)
    {
        _onlyMarket();
        Record storage record = _records[market][terms.version];
        if (data.length == 0) {
            (uint32 id, address prover,) = _ableAsk(record, market, terms, MAX_SCORE);
            if (id != 0) return Assignment(prover, _take(record, market, slot, terms, id, prover), 0);
        } else {
            (SignedAsk memory ask, bytes memory signature) = abi.decode(data, (SignedAsk, bytes));
            bytes32 reason = _lackOf(ask, signature, market, terms);
            // One whose score is the same goes to the book's.
            uint256 most = reason == 0 ? scoreOf(terms, ask.price, ask.promised) : MAX_SCORE;
            (uint32 id, address prover, bool isOver) = _ableAsk(record, market, terms, most);
            if (id == 0 && isOver && reason == 0) {
                _takeSigned(ask, slot, terms);
                return Assignment(ask.prover, ask.price, 0);
            }
            emit SignedAskUnused(market, slot, ask.prover, reason == 0 ? bytes32("score") : reason);
            if (id != 0) return Assignment(prover, _take(record, market, slot, terms, id, prover), 0);
        }
        assignment.price = terms.price;
        assignment.undecidedUntil = uint40(block.timestamp + _paramsOf(terms).matchWindow());
    }

    /// @inheritdoc IMechanism
    /// @dev Nothing here can fail. Who proves for somebody else's miss, and a slot that nobody proved, burn nothing: see the
    /// interface's notice.
    function onEnded(Slot calldata slot, Terms calldata terms, SlotState state, address payee) external {
        _onlyMarket();
        Promise memory made = _promises[slot.market][slot.id];
        if (made.key == address(0)) return;
        delete _promises[slot.market][slot.id];
        uint256 bond = promiseBondOf(terms, made.promised);
        uint256 due = uint256(slot.startedAt) + made.promised;
        uint256 toBurn;
        if (state == SlotState.Proven && payee == slot.prover && block.timestamp > due && !_fell(slot, terms)) {
            uint256 late = block.timestamp - due;
            toBurn = _worthOf(terms, late);
            if (toBurn > bond) toBurn = bond;
            _burn(toBurn);
            emit PromiseBroken(slot.market, slot.id, made.key, late, toBurn);
        }
        _free(made.key, bond - toBurn);
    }

    /// @inheritdoc IStandingAsks
    function matchSlot(Slot calldata slot, Terms calldata terms) external {
        // The bond and the version to be able for are in the terms: nobody may remove asks by making some up.
        if (slot.prover != address(0) || block.timestamp >= slot.exclusiveUntil || !MARKET.isOpen(slot, terms)) {
            revert SlotNotUndecided();
        }
        Record storage record = _records[slot.market][terms.version];
        (bool found,) = record.book.best();
        if (!found) revert BookEmpty();
        (uint32 id, address prover,) = _ableAsk(record, slot.market, terms, MAX_SCORE);
        if (id == 0) return;
        uint96 price = _take(record, slot.market, slot.id, terms, id, prover);
        MARKET.assign(slot, terms, prover, price);
    }

    // ---------------------------------------------------------------- the provers' side

    /// @inheritdoc IStandingAsks
    function post(
        uint256 market,
        Terms calldata terms,
        address prover,
        uint96 price,
        uint32 promised,
        uint32 capacity,
        uint40 expiry
    ) external {
        _requireSubmitterFor(prover);
        _requireTerms(market, terms);
        uint256 tick = _paramsOf(terms).tick();
        if (price % tick != 0) revert PriceOffTick(tick);
        if (price > terms.price) revert PriceTooHigh(price, terms.price);
        if (promised == 0 || promised > terms.exclusiveWindow) revert PromiseInvalid(terms.exclusiveWindow);
        uint256 score = scoreOf(terms, price, promised);
        if (score > MAX_SCORE) revert ScoreTooHigh(score, MAX_SCORE);
        if (capacity == 0) revert CapacityInvalid(type(uint32).max);
        if (expiry <= block.timestamp) revert ExpiryTooEarly(expiry);
        if (!REGISTRY.isEligible(market, prover, terms.bond, terms.version)) revert ProverNotAble();
        uint256 bond = promiseBondOf(terms, promised);
        if (balanceOf[msg.sender] < bond) revert InsufficientDeposit(balanceOf[msg.sender], bond);

        Record storage record = _records[market][terms.version];
        uint32 id = REGISTRY.proverOf(prover).id;
        if (record.book.asks[id].capacity != 0) record.book.remove(id);
        // Both have been found to fit 16 bits: a price has no more ticks than its score.
        record.book.add(id, AskBook.Ask(uint16(price / tick), uint16(score), promised, capacity, expiry, 0, 0));
        if (_paramsOf(terms).weight() != 0) record.keys[id] = msg.sender;
        emit AskPosted(market, prover, terms.version, price, promised, capacity, expiry);
    }

    /// @inheritdoc IStandingAsks
    function topUp(uint256 market, Terms calldata terms, address prover, uint32 slots, uint40 expiry) external {
        _requireSubmitterFor(prover);
        _requireTerms(market, terms);
        (AskBook.Book storage book, uint32 id, AskBook.Ask memory ask) = _askOf(market, terms.version, prover);
        if (slots > type(uint32).max - ask.capacity) revert CapacityInvalid(type(uint32).max);
        if (expiry < ask.expiry || expiry <= block.timestamp) revert ExpiryTooEarly(expiry);
        unchecked {
            ask.capacity += slots;
        }
        ask.expiry = expiry;
        if (slots == 0) {
            book.asks[id] = ask;
        } else {
            book.remove(id);
            book.add(id, ask);
        }
        uint96 price = uint96(ask.price * _paramsOf(terms).tick());
        emit AskPosted(market, prover, terms.version, price, ask.promised, ask.capacity, expiry);
    }

    /// @inheritdoc IStandingAsks
    function cancel(uint256 market, uint32 version, address prover) external {
        _requireSubmitterFor(prover);
        (AskBook.Book storage book, uint32 id,) = _askOf(market, version, prover);
        book.remove(id);
        emit AskRemoved(market, prover, version, true);
    }

    /// @inheritdoc IStandingAsks
    function cancelSigned(address prover, uint256 nonce) external {
        _requireSubmitterFor(prover);
        usesOf[prover][nonce] = type(uint256).max;
        emit SignedAskCancelled(prover, nonce);
    }

    /// @inheritdoc IStandingAsks
    function prune(uint256 market, Terms calldata terms, address[] calldata provers) external {
        _requireTerms(market, terms);
        Record storage record = _records[market][terms.version];
        for (uint256 i; i < provers.length; ++i) {
            address prover = provers[i];
            uint32 id = REGISTRY.proverOf(prover).id;
            if (record.book.asks[id].capacity == 0 || _isAble(record, market, terms, id, prover)) continue;
            record.book.remove(id);
            emit AskRemoved(market, prover, terms.version, false);
        }
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IStandingAsks
    function askOf(uint256 market, Terms calldata terms, address prover) external view returns (StandingAsk memory) {
        uint32 id = REGISTRY.proverOf(prover).id;
        Record storage record = _records[market][terms.version];
        AskBook.Ask memory ask = record.book.asks[id];
        return StandingAsk({
            price: uint96(ask.price * _paramsOf(terms).tick()),
            promised: ask.promised,
            capacity: ask.capacity,
            expiry: ask.expiry,
            score: ask.score,
            key: record.keys[id]
        });
    }

    /// @inheritdoc IStandingAsks
    function asksOf(uint256 market, uint32 version, uint256 most) external view returns (address[] memory provers) {
        AskBook.Book storage book = _records[market][version].book;
        uint256 count = REGISTRY.proverCount();
        if (count < most) most = count;
        provers = new address[](most);
        count = 0;
        (bool found, uint256 score) = book.best();
        while (found && count < most) {
            for (uint32 id = book.queues[score].first; id != 0 && count < most; id = book.asks[id].behind) {
                provers[count++] = REGISTRY.proverById(id);
            }
            (found, score) = book.nextAfter(score);
        }
        // Shorter than it was made.
        assembly ("memory-safe") {
            mstore(provers, count)
        }
    }

    /// @inheritdoc IStandingAsks
    function scoreOf(Terms calldata terms, uint256 price, uint256 promised) public pure returns (uint256) {
        StandingAsksParams params = _paramsOf(terms);
        return price / params.tick() + params.weight() * promised;
    }

    /// @inheritdoc IStandingAsks
    function promiseBondOf(Terms calldata terms, uint256 promised) public pure returns (uint256) {
        return promised < terms.exclusiveWindow ? _worthOf(terms, terms.exclusiveWindow - promised) : 0;
    }

    /// @inheritdoc IStandingAsks
    function promiseOf(uint256 market, uint64 slot) external view returns (address key, uint32 promised) {
        Promise memory made = _promises[market][slot];
        return (made.key, made.promised);
    }

    /// @inheritdoc IStandingAsks
    function isSigned(SignedAsk memory ask, bytes memory signature) external view returns (bool) {
        return SignatureCheckerLib.isValidSignatureNow(ask.prover, digestOf(ask), signature);
    }

    /// @inheritdoc IStandingAsks
    function digestOf(SignedAsk memory ask) public view returns (bytes32) {
        return _hashTypedData(keccak256(abi.encode(SIGNED_ASK_TYPEHASH, ask)));
    }

    /// @inheritdoc IStandingAsks
    function registry() external view returns (IProverRegistry) {
        return REGISTRY;
    }

    // ---------------------------------------------------------------- internals

    /// @dev The best ask that is able and scores at most `most`; the unable ones before it are removed, so many at most. Zero if there
    /// is none; `isOver` then says whether none is left to look at.
    function _ableAsk(Record storage record, uint256 market, Terms calldata terms, uint256 most)
        private
        returns (uint32 id, address prover, bool isOver)
    {
        for (uint256 removed;; ++removed) {
            (bool found, uint256 score) = record.book.best();
            if (!found || score > most) return (0, address(0), true);
            if (removed == MOST_REMOVED) return (0, address(0), false);
            id = record.book.queues[score].first;
            prover = REGISTRY.proverById(id);
            if (_isAble(record, market, terms, id, prover)) return (id, prover, false);
            record.book.remove(id);
            emit AskRemoved(market, prover, terms.version, false);
        }
    }

    /// @dev Gives a slot to an able ask, for the price that is returned (asset wei).
    function _take(Record storage record, uint256 market, uint64 slot, Terms calldata terms, uint32 id, address prover)
        private
        returns (uint96 price)
    {
        AskBook.Ask memory ask = record.book.asks[id];
        uint32 left;
        unchecked {
            left = ask.capacity - 1;
        }
        price = uint96(ask.price * _paramsOf(terms).tick());
        if (left == 0) record.book.remove(id);
        else record.book.asks[id].capacity = left;
        if (_paramsOf(terms).weight() != 0) _bind(market, slot, terms, record.keys[id], ask.promised);
        emit AskTaken(market, slot, prover, price, ask.promised, left, false);
    }

    function _takeSigned(SignedAsk memory ask, uint64 slot, Terms calldata terms) private {
        uint256 left;
        unchecked {
            left = ask.capacity - ++usesOf[ask.prover][ask.nonce];
        }
        if (_paramsOf(terms).weight() != 0) _bind(ask.market, slot, terms, ask.prover, ask.promised);
        emit AskTaken(ask.market, slot, ask.prover, ask.price, ask.promised, left, true);
    }

    /// @dev Locks what a slot's promise can lose. That it is there has been seen.
    function _bind(uint256 market, uint64 slot, Terms calldata terms, address key, uint32 promised) private {
        _lock(key, promiseBondOf(terms, promised));
        _promises[market][slot] = Promise(key, promised);
    }

    /// @dev Whether what the slot builds on fell: then nobody knows when its prover could have begun.
    function _fell(Slot calldata slot, Terms calldata terms) private view returns (bool fallen) {
        if (terms.chain != 0) (, fallen) = MARKET.premiseOf(slot);
    }

    /// @dev Whether an ask could be given a slot now.
    function _isAble(Record storage record, uint256 market, Terms calldata terms, uint32 id, address prover)
        private
        view
        returns (bool)
    {
        AskBook.Ask memory ask = record.book.asks[id];
        if (block.timestamp > ask.expiry) return false;
        StandingAsksParams params = _paramsOf(terms);
        // Terms in the provers' favour may be announced and not be in force yet.
        if (ask.price * params.tick() > terms.price) return false;
        if (params.weight() != 0) {
            address key = record.keys[id];
            // One that no longer serves the prover answers for nothing.
            if (balanceOf[key] < promiseBondOf(terms, ask.promised) || !REGISTRY.isSubmitterFor(key, prover)) {
                return false;
            }
        }
        return REGISTRY.isEligible(market, prover, terms.bond, terms.version);
    }

    /// @dev Why a signed ask cannot be used for a slot of `market` under `terms`; zero if it can.
    function _lackOf(SignedAsk memory ask, bytes memory signature, uint256 market, Terms calldata terms)
        private
        view
        returns (bytes32)
    {
        if (ask.market != market) return "market";
        if (ask.version != terms.version) return "version";
        if (block.timestamp > ask.expiry) return "expiry";
        if (ask.price > terms.price || ask.price % _paramsOf(terms).tick() != 0) return "price";
        if (ask.promised == 0 || ask.promised > terms.exclusiveWindow) return "promised";
        if (scoreOf(terms, ask.price, ask.promised) > MAX_SCORE) return "price";
        if (usesOf[ask.prover][ask.nonce] >= ask.capacity) return "capacity";
        if (balanceOf[ask.prover] < promiseBondOf(terms, ask.promised)) return "deposit";
        if (!REGISTRY.isEligible(market, ask.prover, terms.bond, terms.version)) return "prover";
        // A prover with code is asked, and must not be able to use up the opening's gas.
        try this.isSigned{ gas: SIGNATURE_GAS }(ask, signature) returns (bool valid) {
            return valid ? bytes32(0) : bytes32("signature");
        } catch {
            return "signature";
        }
    }

    /// @dev A prover's ask, which it has.
    function _askOf(uint256 market, uint32 version, address prover)
        private
        view
        returns (AskBook.Book storage book, uint32 id, AskBook.Ask memory ask)
    {
        book = _records[market][version].book;
        id = REGISTRY.proverOf(prover).id;
        ask = book.asks[id];
        if (ask.capacity == 0) revert AskNotFound();
    }

    /// @dev A submitter that the prover nominated, or the prover itself, which is registered then.
    function _requireSubmitterFor(address prover) private view {
        if (!REGISTRY.isSubmitterFor(msg.sender, prover)) revert NotAuthorised();
    }

    function _requireTerms(uint256 market, Terms calldata terms) private view {
        bytes32 hash = terms.hash();
        (, bytes32 inForce,,,) = MARKET.markets(market);
        if (hash != inForce) {
            (, bytes32 announced,,) = MARKET.termsOf(market);
            if (hash != announced) revert TermsNotInForce();
        }
        if (terms.mechanism != address(this)) revert TermsNotInForce();
    }

    function _onlyMarket() private view {
        if (msg.sender != address(MARKET)) revert NotMarket();
    }

    /// @dev What so many seconds too many cost, in asset wei.
    function _worthOf(Terms calldata terms, uint256 late) private pure returns (uint256) {
        StandingAsksParams params = _paramsOf(terms);
        return LATE_FACTOR * params.weight() * params.tick() * late;
    }

    function _paramsOf(Terms calldata terms) private pure returns (StandingAsksParams) {
        return StandingAsksParams.wrap(uint256(terms.mechanismParams));
    }

    /// @dev EIP-712.
    function _domainNameAndVersion() internal pure override returns (string memory, string memory) {
        return ("Provery Standing Asks", "1");
    }
}
