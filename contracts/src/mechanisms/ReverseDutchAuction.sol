// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { Assignment, IMechanism } from "../interfaces/IMechanism.sol";
import { IProofMarket } from "../interfaces/IProofMarket.sol";
import { IProverRegistry } from "../interfaces/IProverRegistry.sol";
import { IReverseDutchAuction } from "../interfaces/IReverseDutchAuction.sol";
import { Slot, SlotState } from "../types/Slot.sol";
import { Terms } from "../types/Terms.sol";

/// @notice `mechanismParams` of a reverse Dutch auction.
///
/// 128 bits empty | 32 bits rise (seconds) | 96 bits floorPrice (asset wei)
type ReverseDutchAuctionParams is uint256;

using ReverseDutchAuctionParamsLib for ReverseDutchAuctionParams global;

/// @title The fields of a reverse Dutch auction's parameters
library ReverseDutchAuctionParamsLib {
    uint256 private constant RISE_SHIFT = 96;
    uint256 private constant EMPTY_SHIFT = 128;

    function floorPrice(ReverseDutchAuctionParams params) internal pure returns (uint256) {
        return uint96(ReverseDutchAuctionParams.unwrap(params));
    }

    function rise(ReverseDutchAuctionParams params) internal pure returns (uint256) {
        return uint32(ReverseDutchAuctionParams.unwrap(params) >> RISE_SHIFT);
    }

    /// @notice Whether what is empty is zero.
    function isValid(ReverseDutchAuctionParams params) internal pure returns (bool) {
        return ReverseDutchAuctionParams.unwrap(params) >> EMPTY_SHIFT == 0;
    }
}

/// @title Reverse Dutch auction: the price climbs from a floor to the terms' price, and the first to lock gets the slot
/// @dev No state: the price follows from the slot's opening, and the market knows whether the slot is still to be had.
contract ReverseDutchAuction is IReverseDutchAuction {
    IProverRegistry private immutable REGISTRY;
    IProofMarket private immutable MARKET;

    /// @param registry_ The registry that says who may act for whom.
    /// @param market_ The market contract that opens slots.
    constructor(IProverRegistry registry_, address market_) {
        REGISTRY = registry_;
        MARKET = IProofMarket(market_);
    }

    /// @inheritdoc IReverseDutchAuction
    function registry() external view returns (IProverRegistry) {
        return REGISTRY;
    }

    /// @inheritdoc IMechanism
    function validateTerms(Terms calldata terms) external pure {
        ReverseDutchAuctionParams params = _paramsOf(terms);
        uint256 rise = params.rise();
        if (!params.isValid()) revert MechanismTermsRejected("mechanismParams");
        if (params.floorPrice() > terms.price) revert MechanismTermsRejected("floorPrice");
        if (rise == 0) revert MechanismTermsRejected("rise");
        if (terms.bond == 0) revert MechanismTermsRejected("bond");
        if (rise + 2 * uint256(terms.exclusiveWindow) > terms.expiryWindow) {
            revert MechanismTermsRejected("expiryWindow");
        }
    }

    /// @inheritdoc IMechanism
    function onOpen(uint256, uint64, Terms calldata terms, bytes calldata)
        external
        view
        returns (Assignment memory assignment)
    {
        if (msg.sender != address(MARKET)) revert NotMarket();
        assignment.price = terms.price;
        assignment.undecidedUntil = uint40(block.timestamp + _paramsOf(terms).rise());
    }

    /// @inheritdoc IMechanism
    /// @dev Never called: the terms cannot ask for it.
    function onEnded(Slot calldata, Terms calldata, SlotState, address) external pure { }

    /// @inheritdoc IReverseDutchAuction
    /// @dev The market first: whoever comes second finds out before anything else is read. It is also who checks that the
    /// slot and the terms, which give the price, are what they claim to be.
    function lock(Slot calldata slot, Terms calldata terms, address prover) external {
        MARKET.assign(slot, terms, prover, priceAt(slot, terms, block.timestamp));
        if (!REGISTRY.isSubmitterFor(msg.sender, prover)) revert NotAuthorised();
    }

    /// @inheritdoc IReverseDutchAuction
    /// @dev Slots and terms that no market would accept get some price: refusing them is the market's.
    function priceAt(Slot calldata slot, Terms calldata terms, uint256 time) public pure returns (uint96) {
        ReverseDutchAuctionParams params = _paramsOf(terms);
        (uint256 floorPrice, uint256 rise) = (params.floorPrice(), params.rise());
        uint256 cap = terms.price;
        if (time <= slot.openedAt) return uint96(floorPrice);
        unchecked {
            uint256 elapsed = time - slot.openedAt;
            if (elapsed >= rise) return uint96(cap);
            // 96 and 32 bits: the product cannot overflow.
            return uint96(floorPrice + (cap - floorPrice) * elapsed / rise);
        }
    }

    function _paramsOf(Terms calldata terms) private pure returns (ReverseDutchAuctionParams) {
        return ReverseDutchAuctionParams.wrap(uint256(terms.mechanismParams));
    }
}
