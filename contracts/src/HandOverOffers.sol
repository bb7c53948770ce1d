// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { EIP712 } from "solady/utils/EIP712.sol";
import { SignatureCheckerLib } from "solady/utils/SignatureCheckerLib.sol";

import { HandOver } from "./interfaces/IProofMarket.sol";

/// @title Which offers to hand a slot over stand
/// @dev An offer is of a slot as its holder has it, and void while another does. Should the slot come back, an offer that was
/// taken before must not cost the holder again what it paid then: see `_take`.
abstract contract HandOverOffers is EIP712 {
    /// @dev A signed offer stands until it is revoked.
    enum OfferState {
        Unknown,
        Offered,
        Revoked
    }

    bytes32 private constant HAND_OVER_TYPEHASH =
        keccak256("HandOver(bytes32 slot,address to,int96 price,uint40 validUntil)");

    mapping(bytes32 digest => OfferState) private _offers;

    /// @dev The offer's EIP-712 hash, with the slot's word for the slot.
    function _digestOf(uint256 word, HandOver calldata offer) internal view returns (bytes32) {
        return _hashTypedData(keccak256(abi.encode(HAND_OVER_TYPEHASH, word, offer.to, offer.price, offer.validUntil)));
    }

    function _offer(bytes32 digest) internal {
        _offers[digest] = OfferState.Offered;
    }

    function _revoke(bytes32 digest) internal {
        _offers[digest] = OfferState.Revoked;
    }

    /// @dev Whether the offer stands. Taking it uses it up, unless it is a signed one that costs its holder no credit:
    /// that is good for as long as it says, whoever held the slot in between, and spares the taker a word of storage.
    function _take(bytes32 digest, int96 price, address holder, bytes calldata signature) internal returns (bool) {
        OfferState state = _offers[digest];
        if (state == OfferState.Revoked) return false;
        bool signed = state == OfferState.Unknown;
        if (
            signed
                && (signature.length == 0
                    || !SignatureCheckerLib.isValidSignatureNowCalldata(holder, digest, signature))
        ) return false;
        if (!signed || price < 0) _revoke(digest);
        return true;
    }

    /// @dev EIP-712.
    function _domainNameAndVersion() internal pure override returns (string memory, string memory) {
        return ("Provery", "1");
    }
}
