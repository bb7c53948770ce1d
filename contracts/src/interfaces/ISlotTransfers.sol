// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { Slot } from "../types/Slot.sol";
import { Terms } from "../types/Terms.sol";

/// @notice An offer to transfer a slot, made by the prover that holds it: on-chain, or by its EIP-712 signature (EOA or
/// ERC-1271) over `TransferOffer(bytes32 slot,address to,int96 price,uint40 validUntil)` with the slot's word for `slot`. It is
/// void while another holds the slot, and used up when it is taken; but a signed one with a price of zero or more stands
/// again if the slot comes back, until `validUntil` or its revocation.
/// @param to Who may take it; zero for anyone.
/// @param price Asset wei of credit that the taker pays the holder; below zero, that the holder pays the taker.
/// @param validUntil Unix seconds of the last block in which it may be taken.
struct TransferOffer {
    address to;
    int96 price;
    uint40 validUntil;
}

/// @title Offers to transfer a slot to another prover
/// @notice Right, bond and duty move together, by `IProofMarket.reassign`. EIP-712: domain name "Provery", version "1", this chain,
/// this contract.
interface ISlotTransfers {
    /// @notice The prover that holds a slot offers it.
    event TransferOffered(
        uint256 indexed market, uint64 indexed id, address indexed prover, bytes32 digest, TransferOffer offer
    );

    /// @notice An offer, made on-chain or signed, can no longer be taken.
    event TransferRevoked(address indexed prover, bytes32 digest);

    /// @notice Only the prover that holds a slot, or, where it costs that prover nothing, one of its submitters.
    error NotHolder();
    /// @notice No such open slot, nobody holds it, or its exclusive window is over: there is nothing left to transfer.
    error SlotNotHeld();
    /// @notice The offer is for another taker, or the sender may not act for (or spend the credit of) this one.
    error NotTaker();
    /// @notice The offer could be taken until `validUntil` (unix seconds).
    error TransferExpired(uint256 validUntil);
    /// @notice There is no such offer: not made on-chain, not signed by the holder, or revoked.
    error TransferNotOffered();

    /// @notice Offer a slot that the caller holds, or that a prover holds for which the caller is a submitter (then at no
    /// price below zero: a submitter never spends a prover's credit). It can be taken until the exclusive window is over.
    /// @return digest The offer's EIP-712 hash, for `revokeTransfer`.
    function offerTransfer(Slot calldata slot, Terms calldata terms, TransferOffer calldata offer)
        external
        returns (bytes32 digest);

    /// @notice Make an offer void that the caller holds the slot of, made on-chain or signed. Holder or its submitter.
    function revokeTransfer(Slot calldata slot, Terms calldata terms, TransferOffer calldata offer) external;

    /// @notice Take a slot that its holder offered: `taker`'s bond is reserved, the holder's is free again, and the price
    /// moves from credit to credit, all at once. The reward and every deadline stay as they are.
    /// @param taker The prover that takes it: the caller; or one whose submitter the caller is, if the price is not above
    /// zero and half of the exclusive window is left to prove in.
    /// @param signature The holder's; empty for an offer made on-chain.
    function acceptTransfer(
        Slot calldata slot,
        Terms calldata terms,
        TransferOffer calldata offer,
        address taker,
        bytes calldata signature
    ) external;

    /// @notice The one market whose slots are transferred.
    function market() external view returns (address);

    /// @notice That market's registry, which says who may act for whom.
    function registry() external view returns (address);
}
