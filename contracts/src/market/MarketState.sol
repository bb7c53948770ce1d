// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import { ICircuitRegistry } from "../interfaces/ICircuitRegistry.sol";
import { IProofMarketState } from "../interfaces/IProofMarket.sol";
import { IProverRegistry } from "../interfaces/IProverRegistry.sol";
import { ISlotTransfers } from "../interfaces/ISlotTransfers.sol";
import { ITermsRules } from "../interfaces/ITermsRules.sol";
import { RewardCurve } from "../libraries/RewardCurve.sol";
import { SlashSplit } from "../libraries/SlashSplit.sol";
import { SlotChain } from "../libraries/SlotChain.sol";
import { SlotRing } from "../libraries/SlotRing.sol";
import { CircuitTerms } from "../types/CircuitTerms.sol";
import { MarketWord } from "../types/MarketWord.sol";
import { Slot } from "../types/Slot.sol";
import { SlotWord } from "../types/SlotWord.sol";
import { Terms } from "../types/Terms.sol";

/// @title What both halves of the proof market know: its state, and what every way for a slot to end has in common
/// @dev ProofMarket has the code that every slot runs through, ProofMarketExt the rest; both work on the state of the market's
/// address, so they share this layout, and neither has state of its own.
abstract contract MarketState is IProofMarketState, ReentrancyGuardTransient {
    using SlotRing for Terms;

    /// @param creator May change the terms and take back funds.
    /// @param version Of the terms announced or set last.
    /// @param announcedFrom Unix seconds from which slots may open under `announced`; 0 if nothing is announced.
    /// @param termsHash Terms of slots opened from now on.
    /// @param announced Hash of the terms that replace them.
    /// @param word Slots, capacity, funds, misses.
    struct Market {
        address creator;
        uint32 version;
        uint40 announcedFrom;
        bytes32 termsHash;
        MarketWord word;
        bytes32 announced;
    }

    /// @dev The contracts a market works with; all but the registry of circuits and the rules know it from birth.
    struct Contracts {
        address circuits;
        address registry;
        address rules;
        address slotTransfers;
    }

    /// @dev A place of a ring. A struct, since only that can be pointed at.
    struct RingPlace {
        SlotWord word;
    }

    address internal immutable ASSET;
    IProverRegistry internal immutable REGISTRY;
    ICircuitRegistry internal immutable CIRCUITS;
    ITermsRules internal immutable RULES;
    ISlotTransfers internal immutable SLOT_TRANSFERS;
    /// @inheritdoc IProofMarketState
    uint256 public immutable TERMS_NOTICE;
    /// @inheritdoc IProofMarketState
    uint256 public immutable OPEN_AFTER;

    /// @inheritdoc IProofMarketState
    uint256 public marketCount;
    /// @inheritdoc IProofMarketState
    uint256 public burned;
    /// @inheritdoc IProofMarketState
    mapping(address account => uint256) public credits;
    /// @inheritdoc IProofMarketState
    mapping(bytes32 commitment => uint256) public committedAt;

    mapping(uint256 market => Market) internal _markets;
    /// @dev Only the first word of each ring has a name: the others follow it, up to the market's capacity.
    mapping(uint256 market => RingPlace first) internal _rings;
    mapping(uint256 market => SlotChain.Chain) internal _chains;

    constructor(Contracts memory contracts) {
        IProverRegistry registry_ = IProverRegistry(contracts.registry);
        CIRCUITS = ICircuitRegistry(contracts.circuits);
        REGISTRY = registry_;
        RULES = ITermsRules(contracts.rules);
        SLOT_TRANSFERS = ISlotTransfers(contracts.slotTransfers);
        ASSET = registry_.asset();
        TERMS_NOTICE = 2 * registry_.EPOCH_LENGTH();
        OPEN_AFTER = registry_.OPEN_AFTER();
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IProofMarketState
    function asset() external view returns (address) {
        return ASSET;
    }

    /// @inheritdoc IProofMarketState
    function registry() external view returns (address) {
        return address(REGISTRY);
    }

    /// @inheritdoc IProofMarketState
    function circuits() external view returns (address) {
        return address(CIRCUITS);
    }

    /// @inheritdoc IProofMarketState
    function rules() external view returns (address) {
        return address(RULES);
    }

    /// @inheritdoc IProofMarketState
    function slotTransfers() external view returns (address) {
        return address(SLOT_TRANSFERS);
    }

    // ---------------------------------------------------------------- bonds and funds

    /// @dev Takes the bond of the prover that missed the slot and splits it.
    function _slash(Slot calldata slot, Terms calldata terms)
        internal
        returns (uint256 toRescuer, uint256 toRequester)
    {
        uint256 toBurn;
        (toRescuer, toRequester, toBurn) = SlashSplit.split(terms.bond, terms.rescuerBps, terms.requesterBps);
        burned += toBurn;
        Market storage record = _markets[slot.market];
        record.word = record.word.missed();
        REGISTRY.slash(slot.prover, slot.market, terms.bond);
        emit BondSlashed(slot.market, slot.id, slot.prover, toRescuer, toRequester, toBurn);
    }

    function _returnFunds(uint256 market, uint256 amount) internal {
        Market storage record = _markets[market];
        record.word = record.word.credited(amount);
    }

    function _reserve(address prover, uint256 market, Terms calldata terms) internal {
        if (terms.bond != 0) REGISTRY.reserve(prover, market, terms.bond, terms.version);
    }

    // ---------------------------------------------------------------- slots

    /// @dev Where a slot's word is. A capacity that is not the market's leads anywhere in the ring's neighbourhood, where no
    /// word can match, because the commitment contains the capacity.
    function _place(uint256 market, uint64 id, uint32 capacity) internal view returns (RingPlace storage place) {
        RingPlace storage first = _rings[market];
        uint256 offset = SlotRing.place(id, capacity);
        // Saves 32 gas over an array, which checks its bounds.
        assembly ("memory-safe") {
            place.slot := add(first.slot, offset)
        }
    }

    function _requireOpen(Slot calldata slot, Terms calldata terms) internal view returns (RingPlace storage place) {
        place = _place(slot.market, slot.id, slot.capacity);
        SlotWord word = place.word;
        if (word != SlotRing.commitment(slot, terms)) revert SlotNotOpen(word.stateOf(slot.id));
    }

    /// @dev What a proof of the slot earns now, in asset wei: at most the price. Its clock has started.
    function _rewardOf(Slot calldata slot, Terms calldata terms) internal view returns (uint256) {
        unchecked {
            return RewardCurve.reward(
                slot.price, terms.floorBps, terms.fastWindow, terms.exclusiveWindow, block.timestamp - slot.startedAt
            );
        }
    }

    /// @dev The part of a reward that is the circuit's author's, in asset wei.
    function _royaltyOf(Terms calldata terms, uint256 reward) internal pure returns (uint256) {
        return CircuitTerms.wrap(terms.circuitTerms).royaltyOf(reward);
    }

    /// @dev Whether a proof is somebody else's than that of the holder, who has a bond at stake.
    function _isRescue(Slot calldata slot, Terms calldata terms, address payee) internal pure returns (bool) {
        return slot.prover != address(0) && slot.prover != payee && terms.bond != 0;
    }

    /// @dev The first second at which the slot can be expired and no longer proven.
    function _expiryOf(Slot calldata slot, Terms calldata terms) internal pure returns (uint256) {
        unchecked {
            return uint256(slot.openedAt) + terms.expiryWindow;
        }
    }

    // ---------------------------------------------------------------- who is never paid

    /// @dev Contracts of the deployment, and of the slot, that never withdraw: what they are credited is lost.
    function _isOwn(address account, Terms calldata terms) internal view returns (bool) {
        return _isOwnContract(account) || account == terms.mechanism || account == terms.verifier;
    }

    function _isOwnContract(address account) internal view returns (bool) {
        return account == address(this) || account == address(REGISTRY) || account == address(CIRCUITS)
            || account == address(RULES) || account == address(SLOT_TRANSFERS) || account == ASSET
            || account == _extension();
    }

    /// @dev The address that the extension was created at.
    function _extension() internal view virtual returns (address);
}
