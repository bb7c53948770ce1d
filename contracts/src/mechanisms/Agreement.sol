// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { EIP712 } from "solady/utils/EIP712.sol";
import { SignatureCheckerLib } from "solady/utils/SignatureCheckerLib.sol";

import { IAgreement, Offer } from "../interfaces/IAgreement.sol";
import { Assignment, IMechanism } from "../interfaces/IMechanism.sol";
import { IProofMarket } from "../interfaces/IProofMarket.sol";
import { IProverRegistry } from "../interfaces/IProverRegistry.sol";
import { SlotRing } from "../libraries/SlotRing.sol";
import { Slot, SlotState } from "../types/Slot.sol";
import { Terms } from "../types/Terms.sol";

/// @title Agreement: the requester opens its slots for a prover that signed an offer to it
/// @dev How many slots a prover holds is not counted here: its open bonds in the registry say so.
contract Agreement is IAgreement, EIP712 {
    using SlotRing for Terms;

    bytes32 private constant OFFER_TYPEHASH = keccak256(
        "Offer(address prover,address requester,uint256 market,bytes32 terms,uint96 price,uint96 penalty,uint32 capacity,uint40 expiry,uint256 nonce)"
    );

    IProverRegistry private immutable REGISTRY;
    IProofMarket private immutable MARKET;

    /// @inheritdoc IAgreement
    mapping(address prover => uint256) public minNonce;
    /// @dev One bit per nonce.
    mapping(address prover => mapping(uint256 nonces => uint256)) private _revoked;

    /// @param registry_ The registry whose bonds are counted.
    /// @param market_ The market contract that opens slots.
    constructor(IProverRegistry registry_, address market_) {
        REGISTRY = registry_;
        MARKET = IProofMarket(market_);
    }

    /// @inheritdoc IAgreement
    function registry() external view returns (IProverRegistry) {
        return REGISTRY;
    }

    /// @inheritdoc IMechanism
    function validateTerms(Terms calldata terms) external pure {
        if (terms.mechanismParams != 0) revert MechanismTermsRejected("mechanismParams");
        if (terms.bond == 0) revert MechanismTermsRejected("bond");
    }

    /// @inheritdoc IMechanism
    function onOpen(uint256 market, uint64 slot, Terms calldata terms, bytes calldata data)
        external
        returns (Assignment memory assignment)
    {
        if (msg.sender != address(MARKET)) revert NotMarket();
        assignment.price = terms.price;
        if (data.length == 0) return assignment;

        (Offer memory offer, bytes memory signature) = abi.decode(data, (Offer, bytes));
        _check(market, terms, offer, signature);
        if (!REGISTRY.isEligible(market, offer.prover, terms.bond, terms.version)) {
            emit ProverNotEligible(market, slot, offer.prover);
            return assignment;
        }
        (assignment.prover, assignment.price) = (offer.prover, offer.price);
        emit AgreementUsed(market, slot, offer.prover, offer.nonce);
    }

    /// @inheritdoc IMechanism
    /// @dev Never called: the terms cannot ask for it.
    function onEnded(Slot calldata, Terms calldata, SlotState, address) external pure { }

    /// @inheritdoc IAgreement
    function revoke(address prover, uint256 nonce) external {
        _requireSubmitterFor(prover);
        _revoked[prover][nonce >> 8] |= 1 << (nonce & 0xff);
        emit NonceRevoked(prover, nonce);
    }

    /// @inheritdoc IAgreement
    function revokeAllBelow(address prover, uint256 nonce) external {
        _requireSubmitterFor(prover);
        uint256 current = minNonce[prover];
        if (nonce <= current) revert NonceTooLow(current);
        minNonce[prover] = nonce;
        emit NoncesRevokedBelow(prover, nonce);
    }

    /// @inheritdoc IAgreement
    function isRevoked(address prover, uint256 nonce) public view returns (bool) {
        return nonce < minNonce[prover] || _revoked[prover][nonce >> 8] >> (nonce & 0xff) & 1 != 0;
    }

    /// @inheritdoc IAgreement
    function digestOf(Offer memory offer) public view returns (bytes32) {
        return _hashTypedData(keccak256(abi.encode(OFFER_TYPEHASH, offer)));
    }

    /// @dev Reverts unless the offer is good for one more slot of `market` under `terms`.
    function _check(uint256 market, Terms calldata terms, Offer memory offer, bytes memory signature) private view {
        if (block.timestamp > offer.expiry) revert OfferExpired(offer.expiry);
        if (offer.requester != terms.requester) revert WrongRequester(offer.requester);
        if (offer.market != market) revert WrongMarket(offer.market);
        if (offer.terms != terms.hash()) revert WrongTerms(offer.terms);
        if (offer.price > terms.price) revert PriceAboveTerms(offer.price, terms.price);
        uint256 bond = terms.bond;
        if (offer.penalty != bond) revert PenaltyMismatch(offer.penalty, bond);
        if (isRevoked(offer.prover, offer.nonce)) revert OfferRevoked();
        if (!SignatureCheckerLib.isValidSignatureNow(offer.prover, digestOf(offer), signature)) {
            revert SignatureInvalid();
        }
        uint256 bonded = REGISTRY.bondedOf(market, offer.prover);
        // A capacity has 32 bits, a bond 96, and so have all bonds of a prover in a market together.
        unchecked {
            uint256 max = uint256(offer.capacity) * bond;
            if (bonded + bond > max) revert CapacityReached(bonded, max);
        }
    }

    /// @dev EIP-712.
    function _domainNameAndVersion() internal pure override returns (string memory, string memory) {
        return ("Provery Agreement", "1");
    }

    /// @dev A prover may always, registered or not: an offer can be signed before.
    function _requireSubmitterFor(address prover) private view {
        if (msg.sender != prover && !REGISTRY.isSubmitterFor(msg.sender, prover)) revert NotAuthorised();
    }
}
