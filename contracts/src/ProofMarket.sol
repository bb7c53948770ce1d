// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { SafeTransferLib } from "solady/utils/SafeTransferLib.sol";

import { HandOverOffers } from "./HandOverOffers.sol";
import { ProverRegistry } from "./ProverRegistry.sol";
import { ICircuitRegistry } from "./interfaces/ICircuitRegistry.sol";
import { Allocation, IMechanism } from "./interfaces/IMechanism.sol";
import { HandOver, IProofMarket, Slot, SlotState, Terms } from "./interfaces/IProofMarket.sol";
import { IProverRegistry } from "./interfaces/IProverRegistry.sol";
import { IRequester } from "./interfaces/IRequester.sol";
import { IVerifier } from "./interfaces/IVerifier.sol";
import { MarketWord, MarketWordLib } from "./libraries/MarketWord.sol";
import { RewardCurve } from "./libraries/RewardCurve.sol";
import { SlashSplit } from "./libraries/SlashSplit.sol";
import { SlotHooks } from "./libraries/SlotHooks.sol";
import { SlotRing } from "./libraries/SlotRing.sol";
import { TermsRules } from "./libraries/TermsRules.sol";

/// @title The proof market: slots, escrow, settlement
/// @notice Every asset wei this contract holds is exactly one of: a market's funds, the escrowed price of an open slot,
/// an account's credit, burned. Slots are words in a ring (see SlotRing), everything else about them is passed in.
///
/// One transient lock covers everything that moves money, so neither a mechanism nor a requester nor the asset can come
/// back in. Settlements change state first and call the requester last; verifiers are called statically.
contract ProofMarket is IProofMarket, HandOverOffers, ReentrancyGuardTransient {
    using SafeTransferLib for address;
    using SlotHooks for Terms;
    using SlotRing for Terms;

    /// @param creator May change the terms and take back funds.
    /// @param termsHash Terms of slots opened from now on.
    /// @param word Slots, capacity and funds.
    struct Market {
        address creator;
        bytes32 termsHash;
        MarketWord word;
    }

    /// @param word See SlotRing.
    struct SlotWord {
        uint256 word;
    }

    uint256 private constant MAX_CAPACITY = 65_536;
    address private constant DEAD = 0x000000000000000000000000000000000000dEaD;

    /// @dev What reaching the requester costs at most before its own gas starts: a cold account, the cold account it may
    /// delegate to (EIP-7702), and a few words.
    uint256 private constant CALLBACK_OVERHEAD = 6000;

    /// @inheritdoc IProofMarket
    address public immutable asset;
    /// @inheritdoc IProofMarket
    address public immutable registry;
    /// @inheritdoc IProofMarket
    address public immutable circuits;

    /// @inheritdoc IProofMarket
    uint256 public marketCount;
    /// @inheritdoc IProofMarket
    uint256 public burned;
    /// @inheritdoc IProofMarket
    mapping(address account => uint256) public credits;

    mapping(uint256 market => Market) private _markets;
    /// @dev Only the first word of each ring has a name: the others follow it, up to the market's capacity.
    mapping(uint256 market => SlotWord first) private _rings;

    /// @param circuits_ The circuits that terms may name.
    /// @param params The registry's parameters; its asset is this market's asset. The registry is created here, so each
    /// knows the other from birth.
    constructor(address circuits_, IProverRegistry.Params memory params) {
        circuits = circuits_;
        asset = params.asset;
        registry = address(new ProverRegistry(params));
    }

    /// @inheritdoc IProofMarket
    function createMarket(Terms calldata terms, uint32 capacity) external returns (uint256 market) {
        if (capacity == 0 || capacity > MAX_CAPACITY || capacity & (capacity - 1) != 0) revert CapacityInvalid();
        market = ++marketCount;
        Market storage record = _markets[market];
        record.creator = msg.sender;
        record.word = MarketWordLib.create(capacity);
        emit MarketCreated(market, msg.sender, capacity);
        _setTerms(market, record, terms);
    }

    /// @inheritdoc IProofMarket
    function setTerms(uint256 market, Terms calldata terms) external {
        _setTerms(market, _recordOfCreator(market), terms);
    }

    /// @inheritdoc IProofMarket
    function fund(uint256 market, uint256 amount) external nonReentrant {
        if (amount == 0) revert AmountZero();
        Market storage record = _markets[market];
        MarketWord word = record.word;
        if (word.capacity() == 0) revert MarketNotFound();
        if (amount > MarketWordLib.MAX_FUNDS || word.funds() + amount > MarketWordLib.MAX_FUNDS) {
            revert FundsTooLarge(word.funds(), MarketWordLib.MAX_FUNDS);
        }

        uint256 before = asset.balanceOf(address(this));
        asset.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = asset.balanceOf(address(this)) - before;
        if (received != amount) revert AssetTakesFee(received, amount);

        record.word = word.credited(amount);
        emit Funded(market, msg.sender, amount);
    }

    /// @inheritdoc IProofMarket
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

    /// @inheritdoc IProofMarket
    function openSlot(uint256 market, Terms calldata terms, uint256[] calldata statementInputs, bytes calldata data)
        external
        nonReentrant
        returns (Slot memory slot)
    {
        Market storage record = _markets[market];
        bytes32 termsHash = record.termsHash;
        if (termsHash != terms.hash()) {
            if (termsHash == 0) revert MarketNotFound();
            revert TermsMismatch();
        }
        if (msg.sender != terms.requester) revert NotRequester();

        MarketWord word = record.word;
        if (word.funds() < terms.price) revert InsufficientFunds(word.funds(), terms.price);
        slot.market = market;
        slot.id = word.slots() + 1;
        slot.capacity = word.capacity();
        slot.statement = SlotRing.statementOf(statementInputs, statementInputs.length);
        slot.openedAt = uint40(block.timestamp);

        SlotWord storage place = _place(market, slot.id, slot.capacity);
        if (SlotRing.isOpen(place.word)) revert RingFull();

        Allocation memory allocation = IMechanism(terms.mechanism).onOpen(market, slot.id, terms, data);
        if (allocation.price > terms.price) revert AllocationInvalid();
        slot.prover = allocation.prover;
        slot.price = allocation.price;
        if (slot.prover != address(0)) {
            slot.startedAt = slot.openedAt;
            slot.exclusiveUntil = slot.openedAt + terms.exclusiveWindow;
        } else {
            slot.startedAt = allocation.undecidedUntil > slot.openedAt ? allocation.undecidedUntil : slot.openedAt;
            slot.exclusiveUntil = slot.startedAt;
            if (
                uint256(slot.startedAt) + 2 * uint256(terms.exclusiveWindow)
                    > uint256(slot.openedAt) + terms.expiryWindow
            ) revert AllocationInvalid();
        }

        place.word = SlotRing.commitment(slot, termsHash);
        record.word = word.opened(slot.price);
        if (slot.prover != address(0)) _reserve(slot.prover, slot, terms);
        emit SlotOpened(market, slot.id, slot.prover, termsHash, slot, statementInputs);
    }

    /// @inheritdoc IProofMarket
    function allocate(Slot calldata slot, Terms calldata terms, address prover, uint96 price) external nonReentrant {
        SlotWord storage place = _requireOpen(slot, terms);
        if (msg.sender != terms.mechanism) revert NotMechanism();
        if (slot.prover != address(0)) revert SlotAlreadyAllocated();
        if (block.timestamp >= slot.exclusiveUntil) revert SlotOpenToAll(slot.exclusiveUntil);
        if (prover == address(0) || price > slot.price) revert AllocationInvalid();

        Slot memory allocated = slot;
        allocated.prover = prover;
        allocated.price = price;
        allocated.startedAt = uint40(block.timestamp);
        allocated.exclusiveUntil = allocated.startedAt + terms.exclusiveWindow;

        place.word = SlotRing.commitment(allocated, terms.hash());
        if (price < slot.price) _returnFunds(slot.market, slot.price - price);
        _reserve(prover, slot, terms);
        emit SlotAllocated(slot.market, slot.id, prover, allocated);
    }

    /// @inheritdoc IProofMarket
    function prove(Slot calldata slot, Terms calldata terms, uint256[] calldata publicInputs, bytes calldata proof)
        external
        nonReentrant
    {
        SlotWord storage place = _requireOpen(slot, terms);
        uint256 expiresAt = _expiryOf(slot, terms);
        if (block.timestamp >= expiresAt) revert SlotHasExpired(expiresAt);

        address payee = _payeeOf(slot, terms, publicInputs);
        if (block.timestamp < slot.exclusiveUntil && payee != slot.prover) {
            revert NotAllocatedProver(slot.prover, slot.exclusiveUntil);
        }
        if (!_verify(terms.verifier, publicInputs, proof)) revert ProofInvalid();

        place.word = SlotRing.ended(slot.id, SlotState.Proven);
        _pay(slot, terms, payee);
        _tellMechanism(slot, terms, SlotState.Proven, payee);
        _notify(slot, terms, SlotState.Proven, publicInputs);
    }

    /// @inheritdoc IProofMarket
    function expire(Slot calldata slot, Terms calldata terms) external nonReentrant {
        SlotWord storage place = _requireOpen(slot, terms);
        uint256 expiresAt = _expiryOf(slot, terms);
        if (block.timestamp < expiresAt) revert SlotNotExpired(expiresAt);

        place.word = SlotRing.ended(slot.id, SlotState.Expired);
        uint256 forfeited = SlashSplit.forfeit(slot.price, terms.forfeitBps);
        burned += forfeited;
        _returnFunds(slot.market, slot.price - forfeited);
        if (slot.prover != address(0) && terms.bond != 0) {
            IProverRegistry(registry).release(slot.prover, slot.market, terms.bond, false);
        }
        emit SlotExpired(slot.market, slot.id, forfeited);
        _tellMechanism(slot, terms, SlotState.Expired, address(0));
        _notify(slot, terms, SlotState.Expired, _none());
    }

    /// @inheritdoc IProofMarket
    function cancel(Slot calldata slot, Terms calldata terms) external nonReentrant {
        SlotWord storage place = _requireOpen(slot, terms);
        if (msg.sender != terms.requester) revert NotRequester();
        if (slot.prover != address(0) || block.timestamp >= slot.exclusiveUntil) revert SlotNotCancellable();

        place.word = SlotRing.ended(slot.id, SlotState.Cancelled);
        _returnFunds(slot.market, slot.price);
        emit SlotCancelled(slot.market, slot.id);
        _tellMechanism(slot, terms, SlotState.Cancelled, address(0));
        _notify(slot, terms, SlotState.Cancelled, _none());
    }

    /// @inheritdoc IProofMarket
    function handOver(Slot calldata slot, Terms calldata terms, HandOver calldata offer)
        external
        returns (bytes32 digest)
    {
        digest = _offerOf(slot, terms, offer);
        _requireHolder(slot, offer.price < 0);
        if (block.timestamp > offer.validUntil) revert HandOverExpired(offer.validUntil);
        _offer(digest);
        emit HandOverOffered(slot.market, slot.id, slot.prover, digest, offer);
    }

    /// @inheritdoc IProofMarket
    function revokeHandOver(Slot calldata slot, Terms calldata terms, HandOver calldata offer) external {
        bytes32 digest = _offerOf(slot, terms, offer);
        _requireHolder(slot, false);
        _revoke(digest);
        emit HandOverRevoked(slot.prover, digest);
    }

    /// @inheritdoc IProofMarket
    function takeOver(
        Slot calldata slot,
        Terms calldata terms,
        HandOver calldata offer,
        address taker,
        bytes calldata signature
    ) external nonReentrant {
        bytes32 digest = _offerOf(slot, terms, offer);
        if (block.timestamp > offer.validUntil) revert HandOverExpired(offer.validUntil);
        if (offer.to != address(0) && offer.to != taker) revert NotTaker();
        if (msg.sender != taker) {
            // With less time left a submitter could make its prover miss the slot, and be the one to rescue it.
            bool late = slot.exclusiveUntil - block.timestamp < terms.exclusiveWindow / 2;
            if (offer.price > 0 || late || !IProverRegistry(registry).actsFor(msg.sender, taker)) revert NotTaker();
        }
        if (!_take(digest, offer.price, slot.prover, signature)) revert HandOverNotOffered();

        Slot memory handedOver = slot;
        handedOver.prover = taker;
        _place(slot.market, slot.id, slot.capacity).word = SlotRing.commitment(handedOver, terms.hash());
        if (offer.price > 0) _moveCredit(taker, slot.prover, uint96(offer.price));
        if (offer.price < 0) _moveCredit(slot.prover, taker, uint256(-int256(offer.price)));
        // The taker's bond first: at no time is the slot without one.
        _reserve(taker, handedOver, terms);
        if (terms.bond != 0) IProverRegistry(registry).release(slot.prover, slot.market, terms.bond, false);
        emit SlotHandedOver(slot.market, slot.id, slot.prover, offer.price, handedOver);
    }

    /// @inheritdoc IProofMarket
    function withdraw(address to, uint256 amount) external nonReentrant {
        if (amount == 0) revert AmountZero();
        _requireRecipient(to);
        uint256 credit = credits[msg.sender];
        if (credit < amount) revert InsufficientCredit(credit, amount);
        unchecked {
            credits[msg.sender] = credit - amount;
        }
        asset.safeTransfer(to, amount);
        emit Withdrawn(msg.sender, to, amount);
    }

    /// @inheritdoc IProofMarket
    function sweepBurned() external nonReentrant {
        uint256 amount = burned;
        if (amount == 0) revert AmountZero();
        burned = 0;
        asset.safeTransfer(DEAD, amount);
        emit BurnedSwept(amount);
    }

    /// @inheritdoc IProofMarket
    function markets(uint256 market)
        external
        view
        returns (address creator, bytes32 termsHash, uint32 capacity, uint64 slots, uint128 funds)
    {
        Market storage record = _markets[market];
        MarketWord word = record.word;
        return (record.creator, record.termsHash, word.capacity(), word.slots(), word.funds());
    }

    /// @inheritdoc IProofMarket
    function isOpen(Slot calldata slot, Terms calldata terms) external view returns (bool) {
        return _place(slot.market, slot.id, slot.capacity).word == SlotRing.commitment(slot, terms);
    }

    /// @inheritdoc IProofMarket
    function slotState(uint256 market, uint64 id) external view returns (SlotState) {
        uint32 capacity = _markets[market].word.capacity();
        return SlotRing.stateOf(_place(market, id, capacity).word, id);
    }

    /// @dev Checks the terms against every rule and makes them those of slots opened from now on.
    function _setTerms(uint256 market, Market storage record, Terms calldata terms) private {
        TermsRules.check(terms, ICircuitRegistry(circuits));
        IMechanism(terms.mechanism).validateTerms(terms);
        bytes32 termsHash = terms.hash();
        record.termsHash = termsHash;
        emit TermsSet(market, termsHash, terms);
    }

    /// @dev Pays for a proven slot: the reward to the payee, the rest of the price back to the funds; the bond released,
    /// or, if somebody else proved what the allocated prover missed, slashed and split.
    function _pay(Slot calldata slot, Terms calldata terms, address payee) private {
        uint256 reward;
        uint256 returned;
        unchecked {
            // A slot can't be proven before its clock starts, and the reward is at most the price.
            reward = RewardCurve.reward(
                slot.price, terms.floorBps, terms.fastWindow, terms.exclusiveWindow, block.timestamp - slot.startedAt
            );
            returned = slot.price - reward;
        }
        uint256 premium;
        address missedBy;

        if (slot.prover != address(0) && terms.bond != 0) {
            if (payee == slot.prover) {
                IProverRegistry(registry).release(payee, slot.market, terms.bond, true);
            } else {
                missedBy = slot.prover;
                uint256 toRequester;
                (premium, toRequester) = _slash(slot, terms);
                returned += toRequester;
            }
        }

        credits[payee] += reward + premium;
        if (returned != 0) _returnFunds(slot.market, returned);
        emit SlotProven(slot.market, slot.id, payee, reward, premium, missedBy);
    }

    /// @dev Takes the bond of the prover that missed the slot and splits it.
    function _slash(Slot calldata slot, Terms calldata terms) private returns (uint256 toRescuer, uint256 toRequester) {
        uint256 toBurn;
        (toRescuer, toRequester, toBurn) = SlashSplit.split(terms.bond, terms.rescuerBps, terms.requesterBps);
        burned += toBurn;
        IProverRegistry(registry).slash(slot.prover, slot.market, terms.bond);
        emit BondSlashed(slot.market, slot.id, slot.prover, toRescuer, toRequester, toBurn);
    }

    /// @dev Tells the mechanism how a slot ended, if the terms say so. What it answers counts only while nobody holds the
    /// slot, and never against an expiry.
    function _tellMechanism(Slot calldata slot, Terms calldata terms, SlotState state, address payee) private {
        if (!terms.wantsEnded()) return;
        IMechanism mechanism = IMechanism(terms.mechanism);
        if (slot.prover == address(0) && state != SlotState.Expired) {
            mechanism.onEnded(slot, terms, state, payee);
            return;
        }
        if (!_tryCall(
                address(mechanism), SlotHooks.GAS, abi.encodeCall(mechanism.onEnded, (slot, terms, state, payee))
            )) {
            emit HookFailed(slot.market, slot.id);
        }
    }

    /// @dev Calls with exactly `callGas`, or reverts if too little is left to promise it. What comes back is ignored.
    function _tryCall(address target, uint256 callGas, bytes memory message) private returns (bool success) {
        // A call gets at most 63/64 of what is left. Asking for more than that gives it less, silently.
        if (gasleft() < callGas * 64 / 63 + CALLBACK_OVERHEAD) revert InsufficientCallbackGas();
        assembly ("memory-safe") {
            success := call(callGas, target, 0, add(message, 32), mload(message), 0, 0)
        }
    }

    /// @dev Tells the requester, with exactly the gas promised and ignoring what it returns.
    function _notify(Slot calldata slot, Terms calldata terms, SlotState state, uint256[] calldata publicInputs)
        private
    {
        uint256 callbackGas = terms.callbackGas;
        if (callbackGas == 0) return;
        bytes memory message = abi.encodeCall(IRequester.onSlotEnded, (slot.market, slot.id, state, publicInputs));
        if (!_tryCall(terms.requester, callbackGas, message)) emit CallbackFailed(slot.market, slot.id);
    }

    function _returnFunds(uint256 market, uint256 amount) private {
        Market storage record = _markets[market];
        record.word = record.word.credited(amount);
    }

    function _reserve(address prover, Slot memory slot, Terms calldata terms) private {
        if (terms.bond == 0) return;
        IProverRegistry(registry).reserve(prover, slot.market, terms.bond, uint256(slot.openedAt) + terms.expiryWindow);
    }

    /// @dev Asks the verifier: `IVerifier.verify(publicInputs, proof)`, encoded by hand because this is on the path of every
    /// proof. One that reverts, answers nothing, or anything but true, has not accepted the proof.
    function _verify(address verifier, uint256[] calldata publicInputs, bytes calldata proof)
        private
        view
        returns (bool accepted)
    {
        bytes4 selector = IVerifier.verify.selector;
        assembly ("memory-safe") {
            let message := mload(0x40)
            let inputsSize := shl(5, publicInputs.length)
            mstore(message, selector)
            let head := add(message, 4)
            mstore(head, 0x40)
            mstore(add(head, 0x20), add(0x60, inputsSize))
            mstore(add(head, 0x40), publicInputs.length)
            calldatacopy(add(head, 0x60), publicInputs.offset, inputsSize)
            let tail := add(add(head, 0x60), inputsSize)
            mstore(tail, proof.length)
            let end := add(add(tail, 0x20), proof.length)
            calldatacopy(add(tail, 0x20), proof.offset, proof.length)
            // The ABI pads bytes with zeros to whole words.
            mstore(end, 0)
            let size := add(0x84, add(inputsSize, and(add(proof.length, 0x1f), not(0x1f))))
            mstore(0, 0)
            accepted := staticcall(gas(), verifier, message, size, 0, 0x20)
            accepted := and(and(accepted, gt(returndatasize(), 0x1f)), eq(mload(0), 1))
        }
    }

    /// @dev Checks the public inputs against the slot's statement and returns the payee, which is the last of them.
    function _payeeOf(Slot calldata slot, Terms calldata terms, uint256[] calldata publicInputs)
        private
        pure
        returns (address)
    {
        uint256 tail = uint256(terms.outputs) + 1;
        if (publicInputs.length < tail) revert StatementMismatch();
        unchecked {
            if (SlotRing.statementOf(publicInputs, publicInputs.length - tail) != slot.statement) {
                revert StatementMismatch();
            }
            uint256 payee = publicInputs[publicInputs.length - 1];
            if (payee == 0 || payee > type(uint160).max) revert PayeeInvalid();
            return address(uint160(payee));
        }
    }

    /// @dev Where a slot's word is. A capacity that is not the market's leads anywhere in the ring's neighbourhood, where no
    /// word can match, because the commitment contains the capacity.
    function _place(uint256 market, uint64 id, uint32 capacity) private view returns (SlotWord storage place) {
        SlotWord storage first = _rings[market];
        uint256 offset = SlotRing.place(id, capacity);
        assembly ("memory-safe") {
            place.slot := add(first.slot, offset)
        }
    }

    function _requireOpen(Slot calldata slot, Terms calldata terms) private view returns (SlotWord storage place) {
        place = _place(slot.market, slot.id, slot.capacity);
        uint256 word = place.word;
        if (word != SlotRing.commitment(slot, terms)) revert SlotNotOpen(SlotRing.stateOf(word, slot.id));
    }

    /// @dev The digest of an offer for a slot that is open and still held.
    function _offerOf(Slot calldata slot, Terms calldata terms, HandOver calldata offer)
        private
        view
        returns (bytes32)
    {
        uint256 word = _requireOpen(slot, terms).word;
        if (slot.prover == address(0) || block.timestamp >= slot.exclusiveUntil) revert SlotNotHeld();
        return _digestOf(word, offer);
    }

    function _requireHolder(Slot calldata slot, bool inPerson) private view {
        if (msg.sender == slot.prover) return;
        if (inPerson || !IProverRegistry(registry).actsFor(msg.sender, slot.prover)) revert NotHolder();
    }

    function _moveCredit(address from, address to, uint256 amount) private {
        uint256 credit = credits[from];
        if (credit < amount) revert InsufficientCredit(credit, amount);
        unchecked {
            credits[from] = credit - amount;
        }
        credits[to] += amount;
    }

    /// @dev The first second at which the slot can be expired and no longer proven.
    function _expiryOf(Slot calldata slot, Terms calldata terms) private pure returns (uint256) {
        unchecked {
            return uint256(slot.openedAt) + terms.expiryWindow;
        }
    }

    function _requireRecipient(address to) private view {
        if (to == address(0) || to == address(this)) revert RecipientInvalid();
    }

    function _recordOfCreator(uint256 market) private view returns (Market storage record) {
        record = _markets[market];
        if (msg.sender != record.creator) {
            if (record.creator == address(0)) revert MarketNotFound();
            revert NotCreator();
        }
    }

    function _none() private pure returns (uint256[] calldata none) {
        assembly {
            none.offset := 0
            none.length := 0
        }
    }
}
