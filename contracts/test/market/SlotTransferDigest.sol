// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { TransferOffer } from "../../src/interfaces/ISlotTransfers.sol";
import { Slot } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";

/// @notice For tests: what a holder signs to offer its slot, written out.
library SlotTransferDigest {
    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant OFFER = keccak256("TransferOffer(bytes32 slot,address to,int96 price,uint40 validUntil)");

    function hash(address slotTransfers, Slot memory slot, Terms memory terms, TransferOffer memory offer)
        internal
        view
        returns (bytes32)
    {
        bytes32 domain =
            keccak256(abi.encode(DOMAIN, keccak256("Provery"), keccak256("1"), block.chainid, slotTransfers));
        bytes32 word = keccak256(abi.encode(slot, keccak256(abi.encode(terms))));
        bytes32 content = keccak256(abi.encode(OFFER, word, offer.to, offer.price, offer.validUntil));
        return keccak256(abi.encodePacked(hex"1901", domain, content));
    }
}
