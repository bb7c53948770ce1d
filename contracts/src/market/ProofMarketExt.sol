// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { SafeTransferLib } from "solady/utils/SafeTransferLib.sol";

import { IMechanism } from "../interfaces/IMechanism.sol";
import { IProofMarketExt } from "../interfaces/IProofMarket.sol";
import { IProverRegistry } from "../interfaces/IProverRegistry.sol";
import { ITermsRules } from "../interfaces/ITermsRules.sol";
import { Callbacks } from "../libraries/Callbacks.sol";
import { SlashSplit } from "../libraries/SlashSplit.sol";
import { SlotChain } from "../libraries/SlotChain.sol";
import { SlotRing } from "../libraries/SlotRing.sol";
import { ChainTerms } from "../types/ChainTerms.sol";
import { MarketWord, MarketWordLib } from "../types/MarketWord.sol";
import { Slot, SlotState } from "../types/Slot.sol";
import { SlotLink } from "../types/SlotLink.sol";
import { SlotWord, SlotWordLib } from "../types/SlotWord.sol";
import { Terms } from "../types/Terms.sol";
import { MarketState } from "./MarketState.sol";

/// @title The proof market's extension: terms, funds, credit, slots that end otherwise than by a proof in order
/// @dev Runs on the market's state. What is called at this contract's own address works on state that is nobody's: no market
/// there has a registry that obeys it.
contract ProofMarketExt is IProofMarketExt, MarketState {
    using SafeTransferLib for address;
    using SlotChain for SlotChain.Chain;
    using SlotRing for Terms;

    uint256 private constant MAX_CAPACITY = 65_536;
    address private constant DEAD = 0x000000000000000000000000000000000000dEaD;

    address private immutable SELF = address(this);

    /// @param contracts The market's.
    constructor(Contracts memory contracts) MarketState(contracts) { }

    // ---------------------------------------------------------------- markets and their terms

    /// @inheritdoc IProofMarketExt
    function createMarket(Terms calldata terms, uint32 capacity, uint256 origin) external returns (uint256 market) {
        if (capacity == 0 || capacity > MAX_CAPACITY || capacity & (capacity - 1) != 0) revert CapacityInvalid();
        if (terms.version != 1) revert VersionInvalid(1);
        if (terms.chain == 0 && origin != 0) revert TermsRejected("origin");
        market = ++marketCount;
        Market storage record = _markets[market];
        record.creator = msg.sender;
        record.version = 1;
        record.word = MarketWordLib.create(capacity);
        _chains[market].start(origin);
        emit MarketCreated(market, msg.sender, capacity, origin);
        record.termsHash = _checked(market, terms, block.timestamp);
    }

    /// @inheritdoc IProofMarketExt
    function setTerms(uint256 market, Terms calldata current, Terms calldata next) external {
        Market storage record = _recordOfCreator(market);
        if (record.termsHash != current.hash()) revert TermsMismatch();
        if (next.chain != current.chain) revert TermsRejected("chain");
        if (next.version == current.version) {
            if (!RULES.inFavour(current, next)) revert VersionInvalid(record.version + 1);
            record.termsHash = _checked(market, next, block.timestamp);
            return;
        }
        // Never a number that was announced before: provers may have accepted what it stood for.
        if (next.version != record.version + 1) revert VersionInvalid(record.version + 1);
        uint256 from = block.timestamp + TERMS_NOTICE;
        record.version = next.version;
        record.announcedFrom = uint40(from);
        record.announced = _checked(market, next, from);
    }

    // ---------------------------------------------------------------- funds

    /// @inheritdoc IProofMarketExt
    function fund(uint256 market, uint256 amount) external nonReentrant {
        if (amount == 0) revert AmountZero();
        Market storage record = _markets[market];
        MarketWord word = record.word;
        if (word.capacity() == 0) revert MarketNotFound();
        if (amount > MarketWordLib.MAX_FUNDS || word.funds() + amount > MarketWordLib.MAX_FUNDS) {
            revert FundsTooLarge(word.funds(), MarketWordLib.MAX_FUNDS);
        }

        uint256 before = ASSET.balanceOf(address(this));
        ASSET.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = ASSET.balanceOf(address(this)) - before;
        if (received != amount) revert AssetTakesFee(received, amount);

        record.word = word.credited(amount);
        emit Funded(market, msg.sender, amount);
    }

    /// @inheritdoc IProofMarketExt
    function defund(uint256 market, uint256 amount, address to) external nonReentrant {
        if (amount == 0) revert AmountZero();
        _requireRecipient(to);
        Market storage record = _recordOfCreator(market);
        MarketWord word = record.word;
        if (word.funds() < amount) revert InsufficientFunds(word.funds(), amount);
        record.word = word.debited(amount);
        credits[to] += amount;
        emit Defunded(market, to, amount);
    }

    // ---------------------------------------------------------------- slots that end otherwise

    /// @inheritdoc IProofMarketExt
    function resolve(Slot calldata slot, Terms calldata terms, address payee, bool right, uint256 claim)
        external
        nonReentrant
    {
        RingPlace storage stored = _place(slot.market, slot.id, slot.capacity);
        SlotWord word = stored.word;
        if (word != SlotRing.pending(slot, terms.hash(), payee, right, claim)) {
            revert SlotNotOpen(word.stateOf(slot.id));
        }
        SlotChain.Chain storage chain = _chains[slot.market];
        SlotLink link = SlotLink.wrap(slot.link);
        SlotChain.Place memory place = chain.placeOf(slot.id, link);
        if (!place.premiseEstablished && !place.premiseFallen) revert PremiseOpen(link.premise());

        stored.word = SlotWordLib.ended(slot.id, SlotState.Proven);
        if (right && place.premiseEstablished) chain.establish(slot.market, slot.id, claim);
        uint256 premium;
        if (_isRescue(slot, terms, payee)) {
            if (place.premiseEstablished) {
                uint256 toRequester;
                (premium, toRequester) = _slash(slot, terms);
                credits[payee] += premium;
                _returnFunds(slot.market, toRequester);
            } else {
                REGISTRY.release(slot.prover, slot.market, terms.bond, false);
            }
        }
        emit SlotResolved(slot.market, slot.id, premium);
    }

    /// @inheritdoc IProofMarketExt
    function expire(Slot calldata slot, Terms calldata terms, uint256[] calldata statementInputs)
        external
        nonReentrant
    {
        RingPlace storage place = _requireOpen(slot, terms);
        uint256 expiresAt = _expiryOf(slot, terms);
        if (block.timestamp < expiresAt) revert SlotNotExpired(expiresAt);

        _fall(slot, terms, statementInputs);
        uint96 price = slot.price;
        uint256 forfeited = SlashSplit.forfeit(price, terms.forfeitBps);
        burned += forfeited;
        uint256 returned;
        unchecked {
            // The rules for terms let at most all of the price be forfeited.
            returned = price - forfeited;
        }
        _endUnproven(place, slot, terms, SlotState.Expired, returned);
        emit SlotExpired(slot.market, slot.id, forfeited);
        _tell(slot, terms, SlotState.Expired);
    }

    /// @inheritdoc IProofMarketExt
    function cancel(Slot calldata slot, Terms calldata terms, uint256[] calldata statementInputs)
        external
        nonReentrant
    {
        RingPlace storage place = _requireOpen(slot, terms);
        if (msg.sender != terms.requester) revert NotRequester();
        if (slot.prover != address(0) || block.timestamp >= slot.exclusiveUntil) revert SlotNotCancellable();

        _fall(slot, terms, statementInputs);
        _endUnproven(place, slot, terms, SlotState.Cancelled, slot.price);
        emit SlotCancelled(slot.market, slot.id);
        _tell(slot, terms, SlotState.Cancelled);
    }

    /// @inheritdoc IProofMarketExt
    function drop(Slot calldata slot, Terms calldata terms, uint256[] calldata statementInputs) external nonReentrant {
        RingPlace storage place = _requireOpen(slot, terms);
        bool stood = _fall(slot, terms, statementInputs);
        if (stood) {
            if (msg.sender != terms.requester) revert NotRequester();
            if (slot.prover == address(0) || block.timestamp >= slot.exclusiveUntil) revert SlotNotDroppable();
        }
        uint256 fee;
        if (slot.prover != address(0)) {
            fee = SlashSplit.forfeit(slot.price, terms.forfeitBps);
            if (stood) {
                uint256 reward = _rewardOf(slot, terms);
                reward -= _royaltyOf(terms, reward);
                if (fee < reward) fee = reward;
            }
            credits[slot.prover] += fee;
        }
        _endUnproven(place, slot, terms, SlotState.Dropped, slot.price - fee);
        emit SlotDropped(slot.market, slot.id, fee);
        _tell(slot, terms, SlotState.Dropped);
    }

    // ---------------------------------------------------------------- proofs that do not bind their payee

    /// @inheritdoc IProofMarketExt
    function commitProof(bytes32 commitment) external {
        // The first time counts: whoever repeats a commitment does not put it off.
        if (committedAt[commitment] != 0) return;
        committedAt[commitment] = block.number;
        emit ProofCommitted(commitment, msg.sender);
    }

    // ---------------------------------------------------------------- slots that change hands

    /// @inheritdoc IProofMarketExt
    function reassign(Slot calldata slot, Terms calldata terms, address taker, int96 price) external nonReentrant {
        if (msg.sender != address(SLOT_TRANSFERS)) revert NotSlotTransfers();
        RingPlace storage place = _requireOpen(slot, terms);
        if (slot.prover == address(0) || block.timestamp >= slot.exclusiveUntil) revert SlotNotHeld();

        Slot memory transferred = slot;
        transferred.prover = taker;
        place.word = SlotRing.commitment(transferred, terms.hash());
        if (price > 0) _moveCredit(taker, slot.prover, uint96(price));
        if (price < 0) _moveCredit(slot.prover, taker, uint256(-int256(price)));
        // The taker's bond first: at no time is the slot without one.
        _reserve(taker, slot.market, terms);
        if (terms.bond != 0) REGISTRY.release(slot.prover, slot.market, terms.bond, false);
        emit SlotTransferred(slot.market, slot.id, slot.prover, price, transferred);
    }

    // ---------------------------------------------------------------- credit

    /// @inheritdoc IProofMarketExt
    function withdraw(address to, uint256 amount) external nonReentrant {
        if (amount == 0) revert AmountZero();
        _requireRecipient(to);
        uint256 credit = credits[msg.sender];
        if (credit < amount) revert InsufficientCredit(credit, amount);
        unchecked {
            credits[msg.sender] = credit - amount;
        }
        ASSET.safeTransfer(to, amount);
        emit Withdrawn(msg.sender, to, amount);
    }

    /// @inheritdoc IProofMarketExt
    function sweepBurned() external nonReentrant {
        uint256 amount = burned;
        if (amount == 0) revert AmountZero();
        burned = 0;
        ASSET.safeTransfer(DEAD, amount);
        emit BurnedSwept(amount);
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IProofMarketExt
    function markets(uint256 market)
        external
        view
        returns (address creator, bytes32 termsHash, uint32 capacity, uint64 slots, uint128 funds)
    {
        Market storage record = _markets[market];
        MarketWord word = record.word;
        return (record.creator, record.termsHash, word.capacity(), word.slots(), word.funds());
    }

    /// @inheritdoc IProofMarketExt
    function termsOf(uint256 market)
        external
        view
        returns (uint32 version, bytes32 announced, uint40 from, uint8 misses)
    {
        Market storage record = _markets[market];
        return (record.version, record.announced, record.announcedFrom, uint8(record.word.misses()));
    }

    /// @inheritdoc IProofMarketExt
    function chainOf(uint256 market)
        external
        view
        returns (uint64 established, uint256 establishedClaim, uint64 head, uint256 headClaim)
    {
        SlotChain.Chain storage chain = _chains[market];
        (established, head) = chain.ends();
        return (established, chain.establishedClaim, head, chain.headClaim);
    }

    /// @inheritdoc IProofMarketExt
    function premiseOf(Slot calldata slot) external view returns (bool established, bool fallen) {
        SlotChain.Place memory place = _chains[slot.market].placeOf(slot.id, SlotLink.wrap(slot.link));
        return (place.premiseEstablished, place.premiseFallen);
    }

    /// @inheritdoc IProofMarketExt
    function isPending(Slot calldata slot, Terms calldata terms, address payee, bool right, uint256 claim)
        external
        view
        returns (bool)
    {
        return _place(slot.market, slot.id, slot.capacity).word
            == SlotRing.pending(slot, terms.hash(), payee, right, claim);
    }

    /// @inheritdoc IProofMarketExt
    function slotState(uint256 market, uint64 id) external view returns (SlotState) {
        uint32 capacity = _markets[market].word.capacity();
        return _place(market, id, capacity).word.stateOf(id);
    }

    // ---------------------------------------------------------------- internals

    function _extension() internal view override returns (address) {
        return SELF;
    }

    /// @dev Checks the terms against every rule.
    function _checked(uint256 market, Terms calldata terms, uint256 from) private returns (bytes32 termsHash) {
        RULES.check(terms, address(CIRCUITS), REGISTRY.MAX_WINDOW());
        IMechanism(terms.mechanism).validateTerms(terms);
        termsHash = terms.hash();
        emit TermsSet(market, termsHash, from, terms);
    }

    /// @dev If an open slot of a chain stands, it falls, with all that builds on it.
    /// @return stood Whether it stood; always without a chain.
    function _fall(Slot calldata slot, Terms calldata terms, uint256[] calldata statementInputs)
        private
        returns (bool stood)
    {
        if (terms.chain == 0) return true;
        SlotChain.Chain storage chain = _chains[slot.market];
        SlotLink link = SlotLink.wrap(slot.link);
        if (!chain.placeOf(slot.id, link).stands) return false;
        if (SlotRing.statementOf(statementInputs, statementInputs.length) != slot.statement) {
            revert StatementMismatch();
        }
        chain.cut(slot.market, slot.id, link, statementInputs[ChainTerms.wrap(terms.chain).continues()]);
        return true;
    }

    /// @dev Ends a slot that was not proven: the bond is released, `returned` asset wei go back to the funds.
    function _endUnproven(
        RingPlace storage place,
        Slot calldata slot,
        Terms calldata terms,
        SlotState state,
        uint256 returned
    ) private {
        place.word = SlotWordLib.ended(slot.id, state);
        _returnFunds(slot.market, returned);
        if (slot.prover != address(0) && terms.bond != 0) {
            REGISTRY.release(slot.prover, slot.market, terms.bond, false);
        }
    }

    /// @dev Tells mechanism and requester that a slot ended unproven.
    function _tell(Slot calldata slot, Terms calldata terms, SlotState state) private {
        Callbacks.tellMechanism(slot, terms, state, address(0));
        Callbacks.tellRequester(slot, terms, state, _none());
    }

    function _moveCredit(address from, address to, uint256 amount) private {
        uint256 credit = credits[from];
        if (credit < amount) revert InsufficientCredit(credit, amount);
        unchecked {
            credits[from] = credit - amount;
        }
        credits[to] += amount;
    }

    function _requireRecipient(address to) private view {
        if (to == address(0) || _isOwnContract(to)) revert RecipientInvalid();
    }

    function _recordOfCreator(uint256 market) private view returns (Market storage record) {
        record = _markets[market];
        if (msg.sender != record.creator) {
            if (record.creator == address(0)) revert MarketNotFound();
            revert NotCreator();
        }
    }

    function _none() private pure returns (uint256[] calldata none) {
        // Not for gas: Solidity has no empty array of words in calldata.
        assembly {
            none.offset := 0
            none.length := 0
        }
    }
}
