// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { Assignment, IMechanism } from "./interfaces/IMechanism.sol";
import { IProofMarketSlots, IProofMarketState } from "./interfaces/IProofMarket.sol";
import { IProverRegistry } from "./interfaces/IProverRegistry.sol";
import { IVerifier } from "./interfaces/IVerifier.sol";
import { Callbacks } from "./libraries/Callbacks.sol";
import { SlotChain } from "./libraries/SlotChain.sol";
import { SlotRing } from "./libraries/SlotRing.sol";
import { MarketState } from "./market/MarketState.sol";
import { ChainTerms } from "./types/ChainTerms.sol";
import { CircuitTerms } from "./types/CircuitTerms.sol";
import { MarketWord } from "./types/MarketWord.sol";
import { Slot, SlotState } from "./types/Slot.sol";
import { SlotLink, SlotLinkLib } from "./types/SlotLink.sol";
import { SlotWord, SlotWordLib } from "./types/SlotWord.sol";
import { Terms } from "./types/Terms.sol";

/// @title The proof market: slots, escrow, settlement
/// @notice Every asset wei this contract holds is exactly one of: a market's funds, the escrowed price of an open slot,
/// an account's credit, burned. Slots are words in a ring (see SlotRing), everything else about them is passed in.
///
/// One transient lock covers everything that moves money, so neither a mechanism nor a requester nor the asset can come
/// back in. Settlements change state first and call the requester last; verifiers are called statically.
///
/// A market whose terms declare a chain has one (see SlotChain). A bond is slashed only for a slot whose premise is
/// established: if that is still open when the slot is rescued, the slot's word is that of a pending slot, which nothing
/// overwrites, and the bond stays reserved until `resolve`.
///
/// What every slot runs through is here. The rest is the extension's, which this contract calls by delegation for whatever it
/// does not know itself: one contract would not fit the limit on code. Both are immutable, and so is which extension.
///
/// @dev What the market relies on, and what depends on whom.
///
/// **The asset.** An ERC-20 with code, which returns true, or nothing, for what it has done.
/// - A transfer moves exactly what it says. `fund` refuses an asset that charges on the way in; one that charges on the way out, or
///   whose balances change without a transfer, leaves the market with less than it owes, and whoever withdraws last without.
/// - It may call anyone during a transfer: the lock keeps such calls out.
/// - It may refuse accounts, or stop. Then who is refused cannot withdraw, and as long as the market or the registry is refused
///   nobody can, nor is any missed slot rescued, since a slash moves the bond. Proofs by holders and expiries move nothing.
///
/// **Verifiers.** A market's terms name one. It answers true for valid proofs alone, today and later; and a circuit that is registered as
/// one that binds the last public input, the payee, does, or anyone could copy a proof and be paid. Of a verifier that lies, the markets that name it lose
/// their funds and their provers the bonds reserved there; no other market does. One that cannot be called expires its slots.
///
/// **Mechanisms.** A market's terms name one. It decides whom a slot is assigned to, at no more than the terms' price, among provers
/// that accepted this version of the terms, for as much as they exposed to the market. It can keep slots from opening, and as long
/// as nobody holds a slot keep it from being proven or taken back; it never holds up who holds a slot, nor an expiry.
///
/// **Requesters.** They open slots for statements that can be proven, and see to it that provers have what a proof takes. The market
/// does not know whether they do: provers choose whose terms they accept. A statement that nobody can prove costs its requester
/// the forfeit, and no prover anything. One that only a friend can prove would cost whoever holds it the bond: in markets with a
/// chain that bond is slashed only once all that the slot builds on is proven, hence known.
///
/// **Creators.** They may take back funds that no slot has, and announce other terms. Open slots keep theirs, and no prover is assigned
/// a slot under a version of the terms that it did not accept.
///
/// **Liveness.** No account has to act for a slot to end: once its expiry window is over anyone may expire it, whatever requester,
/// mechanism and verifier do, with the gas that these were promised. But somebody has to:
/// - a place of the ring is free again only when its slot was proven, expired, cancelled or dropped;
/// - a held slash waits until all that its slot builds on has ended, and then for `resolve`;
/// - an offered slot, a rescue and an expiry are worth somebody's gas only if the terms make them so.
/// Time is the block's: whoever makes blocks moves deadlines and rewards by as much as the chain lets timestamps drift.
contract ProofMarket is IProofMarketSlots, MarketState {
    using SlotChain for SlotChain.Chain;
    using SlotRing for Terms;

    /// @dev What a proven slot builds on, as far as its bond goes. Without a chain it is established.
    enum Premise {
        Established,
        Open,
        Fallen
    }

    /// @dev Not an interface: each call that is passed on would pay 18 gas for that.
    address private immutable EXTENSION;

    /// @param contracts Created before this one, for the address that it has now.
    /// @param extension_ Created with the same contracts.
    constructor(Contracts memory contracts, address extension_) MarketState(contracts) {
        IProofMarketState other = IProofMarketState(extension_);
        if (
            REGISTRY.market() != address(this) || SLOT_TRANSFERS.market() != address(this)
                || SLOT_TRANSFERS.registry() != address(REGISTRY) || other.registry() != address(REGISTRY)
                || other.circuits() != address(CIRCUITS) || other.rules() != address(RULES)
                || other.slotTransfers() != address(SLOT_TRANSFERS)
        ) revert ContractsMismatch();
        EXTENSION = extension_;
    }

    // ---------------------------------------------------------------- the extension

    /// @dev Hands a call to the extension, on this contract's state.
    fallback() external {
        address target = EXTENSION;
        // Not for gas: Solidity cannot pass on what a failed call says.
        assembly ("memory-safe") {
            calldatacopy(0, 0, calldatasize())
            let success := delegatecall(gas(), target, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if success { return(0, returndatasize()) }
            revert(0, returndatasize())
        }
    }

    // ---------------------------------------------------------------- slots

    /// @inheritdoc IProofMarketSlots
    function openSlot(
        uint256 market,
        Terms calldata terms,
        uint64 premise,
        uint256[] calldata statementInputs,
        bytes calldata data
    ) external nonReentrant returns (Slot memory slot) {
        Market storage record = _markets[market];
        bytes32 termsHash = terms.hash();
        if (record.termsHash != termsHash) _replaceTerms(record, termsHash);
        if (msg.sender != terms.requester) revert NotRequester();

        MarketWord word = record.word;
        if (word.funds() < terms.price) revert InsufficientFunds(word.funds(), terms.price);
        slot.market = market;
        slot.id = word.slots() + 1;
        slot.capacity = word.capacity();
        slot.statement = SlotRing.statementOf(statementInputs, statementInputs.length);
        slot.openedAt = uint40(block.timestamp);

        RingPlace storage place = _place(market, slot.id, slot.capacity);
        if (place.word.isOpen()) revert RingFull();

        Assignment memory assignment = IMechanism(terms.mechanism).onOpen(market, slot.id, terms, data);
        if (assignment.price > terms.price) revert AssignmentInvalid();
        uint256 misses = word.misses();
        if (misses != 0) {
            slot.link = SlotLinkLib.TRIAL;
            if (misses >= OPEN_AFTER && assignment.prover != address(0)) {
                slot.link |= SlotLinkLib.OPENED;
                (assignment.prover, assignment.price, assignment.undecidedUntil) = (address(0), terms.price, 0);
            }
        }
        if (terms.chain != 0) slot.link |= _append(slot, ChainTerms.wrap(terms.chain), premise, statementInputs);
        else if (premise != 0) revert HeadMoved(0);

        slot.prover = assignment.prover;
        slot.price = assignment.price;
        // The time has 40 bits, of which it will need 35 for centuries; a window has 32.
        unchecked {
            if (slot.prover != address(0)) {
                slot.startedAt = slot.openedAt;
                slot.exclusiveUntil = slot.openedAt + terms.exclusiveWindow;
            } else {
                slot.startedAt = assignment.undecidedUntil > slot.openedAt ? assignment.undecidedUntil : slot.openedAt;
                slot.exclusiveUntil = slot.startedAt;
                if (
                    uint256(slot.startedAt) + 2 * uint256(terms.exclusiveWindow)
                        > uint256(slot.openedAt) + terms.expiryWindow
                ) revert AssignmentInvalid();
            }
        }

        place.word = SlotRing.commitment(slot, termsHash);
        record.word = word.opened(slot.price);
        if (slot.prover != address(0)) _reserve(slot.prover, market, terms);
        emit SlotOpened(market, slot.id, slot.prover, termsHash, slot, statementInputs);
    }

    /// @inheritdoc IProofMarketSlots
    function assign(Slot calldata slot, Terms calldata terms, address prover, uint96 price) external nonReentrant {
        RingPlace storage place = _requireOpen(slot, terms);
        if (msg.sender != terms.mechanism) revert NotMechanism();
        if (slot.prover != address(0)) revert SlotAlreadyAssigned();
        if (block.timestamp >= slot.exclusiveUntil) revert SlotOpenToAll(slot.exclusiveUntil);
        if (prover == address(0) || price > slot.price) revert AssignmentInvalid();

        Slot memory assigned = slot;
        assigned.prover = prover;
        assigned.price = price;
        assigned.startedAt = uint40(block.timestamp);
        assigned.exclusiveUntil = assigned.startedAt + terms.exclusiveWindow;

        place.word = SlotRing.commitment(assigned, terms.hash());
        if (price < slot.price) _returnFunds(slot.market, slot.price - price);
        _reserve(prover, slot.market, terms);
        emit SlotAssigned(slot.market, slot.id, prover, assigned);
    }

    /// @inheritdoc IProofMarketSlots
    function prove(Slot calldata slot, Terms calldata terms, uint256[] calldata publicInputs, bytes calldata proof)
        external
        nonReentrant
    {
        RingPlace storage place = _requireOpen(slot, terms);
        uint256 expiresAt = _expiryOf(slot, terms);
        if (block.timestamp >= expiresAt) revert SlotHasExpired(expiresAt);

        address payee = _payeeOf(slot, terms, publicInputs);
        if (block.timestamp < slot.exclusiveUntil && payee != slot.prover) {
            revert NotAssignedProver(slot.prover, slot.exclusiveUntil);
        }
        (uint256[] calldata inputs, bytes calldata bare) = (publicInputs, proof);
        if (CircuitTerms.wrap(terms.circuitTerms).revealDelay() != 0) {
            (inputs, bare) = _unbound(slot, terms, publicInputs, proof, payee);
        }
        if (!_verify(terms.verifier, inputs, bare)) revert ProofInvalid();

        if (terms.chain == 0) {
            place.word = SlotWordLib.ended(slot.id, SlotState.Proven);
            _pay(slot, terms, payee, Premise.Established);
        } else {
            (Premise premise, SlotWord word) = _proveLink(slot, terms, publicInputs, payee);
            place.word = word;
            _pay(slot, terms, payee, premise);
        }
        Callbacks.tellMechanism(slot, terms, SlotState.Proven, payee);
        Callbacks.tellRequester(slot, terms, SlotState.Proven, publicInputs);
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IProofMarketSlots
    function extension() external view returns (address) {
        return EXTENSION;
    }

    /// @inheritdoc IProofMarketSlots
    function isOpen(Slot calldata slot, Terms calldata terms) external view returns (bool) {
        return _place(slot.market, slot.id, slot.capacity).word == SlotRing.commitment(slot, terms);
    }

    // ---------------------------------------------------------------- terms and chains

    function _extension() internal view override returns (address) {
        return EXTENSION;
    }

    /// @dev Puts the announced terms in force, if these are they and it is time.
    function _replaceTerms(Market storage record, bytes32 termsHash) private {
        if (record.termsHash == 0) revert MarketNotFound();
        if (termsHash != record.announced) revert TermsMismatch();
        if (block.timestamp < record.announcedFrom) revert TermsNotDue(record.announcedFrom);
        record.termsHash = termsHash;
        record.announced = 0;
        record.announcedFrom = 0;
    }

    /// @dev Puts a slot on its market's chain.
    function _append(Slot memory slot, ChainTerms chain, uint64 premise, uint256[] calldata statementInputs)
        private
        returns (uint256 link)
    {
        bool output = chain.claimIsOutput();
        if (chain.continues() >= statementInputs.length || (!output && chain.claim() >= statementInputs.length)) {
            revert StatementMismatch();
        }
        uint256 claim = output ? 0 : statementInputs[chain.claim()];
        return SlotLink.unwrap(
            _chains[slot.market].append(slot.id, premise, statementInputs[chain.continues()], claim, output)
        );
    }

    /// @dev What a proof means for its market's chain, and the slot's word after it.
    function _proveLink(Slot calldata slot, Terms calldata terms, uint256[] calldata publicInputs, address payee)
        private
        returns (Premise premise, SlotWord word)
    {
        SlotChain.Chain storage chain = _chains[slot.market];
        ChainTerms chainTerms = ChainTerms.wrap(terms.chain);
        SlotLink link = SlotLink.wrap(slot.link);
        SlotChain.Place memory place = chain.placeOf(slot.id, link);
        uint256 outputsAt;
        unchecked {
            // `_payeeOf` has seen that there are outputs and a payee.
            outputsAt = publicInputs.length - 1 - terms.outputs;
        }
        bool right = chainTerms.isRight(publicInputs, outputsAt);
        uint256 claim = chainTerms.claimOf(publicInputs, outputsAt);
        if (chainTerms.claimIsOutput()) chain.claimed(slot.id, claim);

        if (place.premiseFallen) return (Premise.Fallen, SlotWordLib.ended(slot.id, SlotState.Proven));
        if (!right && place.stands) {
            chain.cut(slot.market, slot.id, link, publicInputs[chainTerms.continues()]);
        }
        if (place.premiseEstablished) {
            if (right) chain.establish(slot.market, slot.id, claim);
            return (Premise.Established, SlotWordLib.ended(slot.id, SlotState.Proven));
        }
        // A wrong claim has nothing to become; it waits only for the sake of a bond.
        if (!right && !_isRescue(slot, terms, payee)) {
            return (Premise.Open, SlotWordLib.ended(slot.id, SlotState.Proven));
        }
        emit SlotPending(slot.market, slot.id, payee, right, claim);
        return (Premise.Open, SlotRing.pending(slot, terms.hash(), payee, right, claim));
    }

    // ---------------------------------------------------------------- payment

    /// @dev Pays for a proven slot: the reward to the payee, the rest of the price back to the funds; the bond released,
    /// or, if somebody else proved what the assigned prover missed, slashed and split. Of a rescue whose slot has its
    /// premise still open the bond stays as it is.
    function _pay(Slot calldata slot, Terms calldata terms, address payee, Premise premise) private {
        uint256 reward = _rewardOf(slot, terms);
        uint256 returned;
        unchecked {
            returned = slot.price - reward;
        }
        uint256 premium;
        address missedBy;

        if (slot.prover != address(0) && terms.bond != 0) {
            if (payee == slot.prover) {
                REGISTRY.release(payee, slot.market, terms.bond, true);
            } else if (premise == Premise.Established) {
                missedBy = slot.prover;
                uint256 toRequester;
                (premium, toRequester) = _slash(slot, terms);
                returned += toRequester;
            } else if (premise == Premise.Fallen) {
                REGISTRY.release(slot.prover, slot.market, terms.bond, false);
            }
        }
        if (SlotLink.wrap(slot.link).isTrial()) _endMisses(slot, terms, payee);

        uint256 earned;
        unchecked {
            // Parts of a price and of a bond, of 96 bits each.
            earned = reward + premium;
        }
        if (terms.circuitTerms != 0) {
            uint256 royalty = _royaltyOf(terms, reward);
            if (royalty != 0) {
                address author = CircuitTerms.wrap(terms.circuitTerms).author();
                credits[author] += royalty;
                emit RoyaltyPaid(slot.market, slot.id, author, royalty);
                unchecked {
                    // A tenth of the reward at most.
                    reward -= royalty;
                    earned -= royalty;
                }
            }
        }
        credits[payee] += earned;
        if (returned != 0) _returnFunds(slot.market, returned);
        emit SlotProven(slot.market, slot.id, payee, reward, premium, missedBy);
    }

    /// @dev A slot that opened while its market missed slots was proven. By its holder: the misses are over. One that opened to
    /// all because of them, by a prover that could have held it: the next slot is given out again, and if that is missed,
    /// slots open to all again.
    function _endMisses(Slot calldata slot, Terms calldata terms, address payee) private {
        Market storage record = _markets[slot.market];
        if (payee == slot.prover) {
            record.word = record.word.withMisses(0);
        } else if (
            SlotLink.wrap(slot.link).isOpened() && record.word.misses() >= OPEN_AFTER
                && REGISTRY.isEligible(slot.market, payee, terms.bond, terms.version)
        ) {
            record.word = record.word.withMisses(OPEN_AFTER - 1);
        }
    }

    // ---------------------------------------------------------------- proofs

    /// @dev What the verifier is given of a proof that says nothing of its payee. In the exclusive window it comes from whoever the
    /// payee is, and after that it was committed to, so that who sees it in a pending transaction is too late.
    /// @param proof A salt of 32 bytes, then the verifier's proof.
    function _unbound(
        Slot calldata slot,
        Terms calldata terms,
        uint256[] calldata publicInputs,
        bytes calldata proof,
        address payee
    ) private view returns (uint256[] calldata inputs, bytes calldata bare) {
        if (proof.length < 32) revert ProofInvalid();
        bare = proof[32:];
        inputs = publicInputs[:publicInputs.length - 1];
        if (block.timestamp < slot.exclusiveUntil) {
            if (msg.sender != payee && !REGISTRY.isSubmitterFor(msg.sender, payee)) revert NotPayee(payee);
        } else {
            bytes32 commitment =
                keccak256(abi.encode(keccak256(bare), payee, slot.market, slot.id, bytes32(proof[:32])));
            uint256 at = committedAt[commitment];
            uint256 from = at == 0 ? 0 : at + CircuitTerms.wrap(terms.circuitTerms).revealDelay();
            if (at == 0 || block.number < from) revert ProofNotCommitted(commitment, from);
        }
    }

    /// @dev Asks the verifier: `IVerifier.verify(publicInputs, proof)`, encoded by hand because this is on the path of every
    /// proof. One that reverts, answers nothing, or anything but true, has not accepted the proof.
    function _verify(address verifier, uint256[] calldata publicInputs, bytes calldata proof)
        private
        view
        returns (bool accepted)
    {
        bytes4 selector = IVerifier.verify.selector;
        // Saves 590 gas, with a proof of 800 bytes.
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
        view
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
            if (_isOwn(address(uint160(payee)), terms)) revert PayeeInvalid();
            return address(uint160(payee));
        }
    }
}
