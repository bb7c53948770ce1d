// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { IMechanism } from "./IMechanism.sol";
import { IProverRegistry } from "./IProverRegistry.sol";

/// @notice A prover's standing offer to one requester, signed as EIP-712 (EOA or ERC-1271). It opens any number of slots,
/// one after the other, until it expires or is revoked.
/// @param prover Who offers, signs and is assigned the slots.
/// @param requester The only requester that may use it.
/// @param market The only market it is good for.
/// @param terms Hash of the only terms it is good for: keccak256(abi.encode(terms)).
/// @param price What a slot pays at most, in asset wei.
/// @param penalty What a missed slot costs the prover, in asset wei: exactly the bond of the market's terms.
/// @param capacity How many slots the prover may hold at once, counted in bonds: with the new one, its open bonds in the
/// market are at most `capacity * penalty`, however it came to them.
/// @param expiry Unix seconds of the last block in which it opens a slot.
/// @param nonce Names the offer for `revoke`. Offers with the same nonce are revoked together.
struct Offer {
    address prover;
    address requester;
    uint256 market;
    bytes32 terms;
    uint96 price;
    uint96 penalty;
    uint32 capacity;
    uint40 expiry;
    uint256 nonce;
}

/// @title Agreement: the requester opens its slots for a prover that signed an offer to it
/// @notice `data` of `IProofMarket.openSlot` is `abi.encode(offer, signature)`, with `offer` an `Offer` and `signature` bytes;
/// empty, it opens the slot to all at the terms' price. An offer that is not good reverts the opening. One that is good but
/// whose prover cannot bond (paused, suspended, or with too little stake left) opens the slot to all at the terms' price:
/// a prover cannot hold the requester up.
///
/// EIP-712: domain name "Provery Agreement", version "1", this chain, this contract; type
/// `Offer(address prover,address requester,uint256 market,bytes32 terms,uint96 price,uint96 penalty,uint32 capacity,uint40 expiry,
/// uint256 nonce)` (without the line break).
///
/// `mechanismParams` is zero.
interface IAgreement is IMechanism {
    /// @notice A slot was opened under an offer and assigned to its prover.
    event AgreementUsed(uint256 indexed market, uint64 indexed slot, address indexed prover, uint256 nonce);

    /// @notice The offer was good but its prover could not bond: the slot is open to all.
    event ProverNotEligible(uint256 indexed market, uint64 indexed slot, address prover);

    /// @notice Offers of `prover` with this nonce open no more slots.
    event NonceRevoked(address indexed prover, uint256 nonce);

    /// @notice Offers of `prover` with a nonce below this open no more slots.
    event NoncesRevokedBelow(address indexed prover, uint256 nonce);

    /// @notice Only the prover or one of its submitters revokes its offers.
    error NotAuthorised();
    /// @notice The offer opened slots until `expiry` (unix seconds).
    error OfferExpired(uint256 expiry);
    /// @notice The offer is to another requester.
    error WrongRequester(address requester);
    /// @notice The offer is for another market.
    error WrongMarket(uint256 market);
    /// @notice The offer is for other terms than the slot's.
    error WrongTerms(bytes32 terms);
    /// @notice The offer's price is above the terms'.
    error PriceAboveTerms(uint256 price, uint256 cap);
    /// @notice The offer's penalty is not the terms' bond.
    error PenaltyMismatch(uint256 penalty, uint256 bond);
    /// @notice The prover revoked the offer's nonce, by itself or with all below.
    error OfferRevoked();
    /// @notice The offer is not signed by its prover.
    error SignatureInvalid();
    /// @notice The prover has `bonded` asset wei of bonds open in the market already; one more would exceed its offer.
    error CapacityReached(uint256 bonded, uint256 max);
    /// @notice All nonces below `minNonce` are revoked already.
    error NonceTooLow(uint256 minNonce);

    /// @notice Revoke a prover's offers with `nonce`. The prover or one of its submitters. Open slots are untouched.
    function revoke(address prover, uint256 nonce) external;

    /// @notice Revoke all a prover's offers with a nonce below `nonce`. The prover or one of its submitters. Open slots are
    /// untouched.
    function revokeAllBelow(address prover, uint256 nonce) external;

    /// @notice Whether offers of `prover` with `nonce` are revoked, one by one or with all below.
    function isRevoked(address prover, uint256 nonce) external view returns (bool);

    /// @notice All offers of `prover` with a nonce below this are revoked.
    function minNonce(address prover) external view returns (uint256);

    /// @notice What the prover signs: the offer's EIP-712 hash.
    function digestOf(Offer calldata offer) external view returns (bytes32);

    /// @notice The registry whose bonds are counted.
    function registry() external view returns (IProverRegistry);
}
