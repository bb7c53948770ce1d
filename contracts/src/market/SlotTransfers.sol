// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { EIP712 } from "solady/utils/EIP712.sol";
import { SignatureCheckerLib } from "solady/utils/SignatureCheckerLib.sol";

import { IProofMarket } from "../interfaces/IProofMarket.sol";
import { IProverRegistry } from "../interfaces/IProverRegistry.sol";
import { ISlotTransfers, TransferOffer } from "../interfaces/ISlotTransfers.sol";
import { SlotRing } from "../libraries/SlotRing.sol";
import { Slot } from "../types/Slot.sol";
import { SlotWord } from "../types/SlotWord.sol";
import { Terms } from "../types/Terms.sol";

/// @title Which offers to transfer a slot stand
/// @dev An offer is of a slot as its holder has it, and void while another does. Should the slot come back, an offer that was
/// taken before must not cost the holder again what it paid then: see `_take`.
contract SlotTransfers is ISlotTransfers, EIP712 {
    /// @dev A signed offer stands until it is revoked.
    enum OfferState {
        Unknown,
        Offered,
        Revoked
    }

    bytes32 private constant TRANSFER_OFFER_TYPEHASH =
        keccak256("TransferOffer(bytes32 slot,address to,int96 price,uint40 validUntil)");

    IProofMarket private immutable MARKET;
    IProverRegistry private immutable REGISTRY;

    mapping(bytes32 digest => OfferState) private _offers;

    /// @param market_ The market, which may not exist yet.
    /// @param registry_ Its registry.
    constructor(address market_, address registry_) {
        MARKET = IProofMarket(market_);
        REGISTRY = IProverRegistry(registry_);
    }

    /// @inheritdoc ISlotTransfers
    function market() external view returns (address) {
        return address(MARKET);
    }

    /// @inheritdoc ISlotTransfers
    function registry() external view returns (address) {
        return address(REGISTRY);
    }

    /// @inheritdoc ISlotTransfers
    function offerTransfer(Slot calldata slot, Terms calldata terms, TransferOffer calldata offer)
        external
        returns (bytes32 digest)
    {
        address holder = slot.prover;
        digest = _digestOf(slot, terms, holder, offer);
        _requireHolder(holder, offer.price < 0);
        if (block.timestamp > offer.validUntil) revert TransferExpired(offer.validUntil);
        _offers[digest] = OfferState.Offered;
        emit TransferOffered(slot.market, slot.id, holder, digest, offer);
    }

    /// @inheritdoc ISlotTransfers
    function revokeTransfer(Slot calldata slot, Terms calldata terms, TransferOffer calldata offer) external {
        address holder = slot.prover;
        bytes32 digest = _digestOf(slot, terms, holder, offer);
        _requireHolder(holder, false);
        _offers[digest] = OfferState.Revoked;
        emit TransferRevoked(holder, digest);
    }

    /// @inheritdoc ISlotTransfers
    function acceptTransfer(
        Slot calldata slot,
        Terms calldata terms,
        TransferOffer calldata offer,
        address taker,
        bytes calldata signature
    ) external {
        address holder = slot.prover;
        bytes32 digest = _digestOf(slot, terms, holder, offer);
        if (block.timestamp > offer.validUntil) revert TransferExpired(offer.validUntil);
        if (offer.to != address(0) && offer.to != taker) revert NotTaker();
        if (msg.sender != taker) {
            // With less time left a submitter could make its prover miss the slot, and be the one to rescue it.
            bool late = slot.exclusiveUntil - block.timestamp < terms.exclusiveWindow / 2;
            if (offer.price > 0 || late || !REGISTRY.isSubmitterFor(msg.sender, taker)) {
                revert NotTaker();
            }
        }
        if (!_take(digest, offer.price, holder, signature)) revert TransferNotOffered();
        MARKET.reassign(slot, terms, taker, offer.price);
    }

    /// @dev EIP-712.
    function _domainNameAndVersion() internal pure override returns (string memory, string memory) {
        return ("Provery", "1");
    }

    /// @dev Whether the offer stands. Taking it uses it up, unless it is a signed one that costs its holder no credit:
    /// that is good for as long as it says, whoever held the slot in between, and spares the taker a word of storage.
    function _take(bytes32 digest, int96 price, address holder, bytes calldata signature) private returns (bool) {
        OfferState state = _offers[digest];
        if (state == OfferState.Revoked) return false;
        bool signed = state == OfferState.Unknown;
        if (
            signed
                && (signature.length == 0
                    || !SignatureCheckerLib.isValidSignatureNowCalldata(holder, digest, signature))
        ) return false;
        if (!signed || price < 0) _offers[digest] = OfferState.Revoked;
        return true;
    }

    /// @dev The EIP-712 hash of an offer for a slot that is open and still held, with the slot's word for the slot.
    function _digestOf(Slot calldata slot, Terms calldata terms, address holder, TransferOffer calldata offer)
        private
        view
        returns (bytes32)
    {
        if (holder == address(0) || block.timestamp >= slot.exclusiveUntil || !MARKET.isOpen(slot, terms)) {
            revert SlotNotHeld();
        }
        SlotWord word = SlotRing.commitment(slot, terms);
        return
            _hashTypedData(
                keccak256(abi.encode(TRANSFER_OFFER_TYPEHASH, word, offer.to, offer.price, offer.validUntil))
            );
    }

    function _requireHolder(address holder, bool inPerson) private view {
        if (msg.sender == holder) return;
        if (inPerson || !REGISTRY.isSubmitterFor(msg.sender, holder)) revert NotHolder();
    }
}
