// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { Assignment, IMechanism } from "../interfaces/IMechanism.sol";
import { IProofMarket } from "../interfaces/IProofMarket.sol";
import { IProverRegistry } from "../interfaces/IProverRegistry.sol";
import { ISealedBidAuction } from "../interfaces/ISealedBidAuction.sol";
import { SlotHooks } from "../libraries/SlotHooks.sol";
import { Slot, SlotState } from "../types/Slot.sol";
import { Terms } from "../types/Terms.sol";
import { BondEscrow } from "./BondEscrow.sol";

/// @notice `mechanismParams` of a sealed-bid auction: windows in seconds, the bond in asset wei. ENDED is `SlotHooks.ENDED`.
///
/// 1 bit ENDED | 111 bits empty | 80 bits bidBond | 16 bits settleWindow | 16 bits revealWindow | 32 bits commitWindow
type SealedBidAuctionParams is uint256;

using SealedBidAuctionParamsLib for SealedBidAuctionParams global;

/// @title The fields of a sealed-bid auction's parameters
library SealedBidAuctionParamsLib {
    uint256 private constant REVEAL_SHIFT = 32;
    uint256 private constant SETTLE_SHIFT = 48;
    uint256 private constant BOND_SHIFT = 64;
    uint256 private constant EMPTY_SHIFT = 144;

    function commitWindow(SealedBidAuctionParams params) internal pure returns (uint32) {
        return uint32(SealedBidAuctionParams.unwrap(params));
    }

    function revealWindow(SealedBidAuctionParams params) internal pure returns (uint16) {
        return uint16(SealedBidAuctionParams.unwrap(params) >> REVEAL_SHIFT);
    }

    function settleWindow(SealedBidAuctionParams params) internal pure returns (uint16) {
        return uint16(SealedBidAuctionParams.unwrap(params) >> SETTLE_SHIFT);
    }

    function bidBond(SealedBidAuctionParams params) internal pure returns (uint80) {
        return uint80(SealedBidAuctionParams.unwrap(params) >> BOND_SHIFT);
    }

    /// @notice Whether the market's bit is set and what is empty is zero.
    function isValid(SealedBidAuctionParams params) internal pure returns (bool) {
        return SealedBidAuctionParams.unwrap(params) >> EMPTY_SHIFT == SlotHooks.ENDED >> EMPTY_SHIFT;
    }
}

/// @title Sealed second-price auction: the lowest bid proves the slot, at the second-lowest price
/// @dev Two words an auction, and one a bid. A commit touches the first word alone, and neither market nor registry.
/// Whatever ends an auction clears both words, so no bond can be counted twice.
contract SealedBidAuction is ISealedBidAuction, BondEscrow {
    /// @dev One word, written when the slot opens; zero while no auction runs.
    /// @param outstanding Bids committed and not revealed.
    /// @param second The lowest price revealed that does not lead; to begin with, the reserve.
    struct Bidding {
        uint40 commitEnd;
        uint16 revealWindow;
        uint16 settleWindow;
        uint16 outstanding;
        uint80 bond;
        uint88 second;
    }

    /// @dev One word, zero until a bid leads. `lowest <= Bidding.second`.
    struct Lead {
        address key;
        uint88 lowest;
    }

    /// @param bids Commitments by key. The leader's stays until it no longer leads; the others' until revealed.
    struct Record {
        Bidding bidding;
        Lead lead;
        mapping(address key => bytes32) bids;
    }

    IProverRegistry private immutable REGISTRY;
    IProofMarket private immutable MARKET;

    mapping(uint256 market => mapping(uint64 slot => Record)) private _auctions;

    /// @param registry_ The registry whose provers bid; its asset is what bonds are in.
    /// @param market_ The market contract that opens slots.
    constructor(IProverRegistry registry_, address market_) BondEscrow(registry_.asset()) {
        REGISTRY = registry_;
        MARKET = IProofMarket(market_);
    }

    /// @inheritdoc ISealedBidAuction
    function registry() external view returns (IProverRegistry) {
        return REGISTRY;
    }

    /// @inheritdoc IMechanism
    function validateTerms(Terms calldata terms) external pure {
        SealedBidAuctionParams params = _paramsOf(terms);
        if (!params.isValid()) revert MechanismTermsRejected("mechanismParams");
        if (params.commitWindow() == 0) revert MechanismTermsRejected("commitWindow");
        if (params.revealWindow() == 0) revert MechanismTermsRejected("revealWindow");
        if (params.settleWindow() == 0) revert MechanismTermsRejected("settleWindow");
        if (params.bidBond() == 0) revert MechanismTermsRejected("bidBond");
        if (terms.bond == 0) revert MechanismTermsRejected("bond");
        if (terms.price > type(uint88).max) revert MechanismTermsRejected("price");
        uint256 windows = uint256(params.commitWindow()) + params.revealWindow() + params.settleWindow();
        if (windows + 2 * uint256(terms.exclusiveWindow) > terms.expiryWindow) {
            revert MechanismTermsRejected("expiryWindow");
        }
    }

    /// @inheritdoc IMechanism
    function onOpen(uint256 market, uint64 slot, Terms calldata terms, bytes calldata)
        external
        returns (Assignment memory assignment)
    {
        _onlyMarket();
        SealedBidAuctionParams params = _paramsOf(terms);
        Bidding memory bidding = Bidding({
            commitEnd: uint40(block.timestamp + params.commitWindow()),
            revealWindow: params.revealWindow(),
            settleWindow: params.settleWindow(),
            outstanding: 0,
            bond: params.bidBond(),
            // The rules for terms bound the price to 88 bits.
            second: uint88(terms.price)
        });
        _auctions[market][slot].bidding = bidding;
        assignment.price = terms.price;
        assignment.undecidedUntil = uint40(_undecidedUntil(bidding));
    }

    /// @inheritdoc IMechanism
    /// @dev Without an assignment a slot can be proven or expire only after its auction is over; whoever would end it before, its
    /// requester or, once its premise fell, anybody, waits for the bids that are out. Nothing here can fail but the refusal.
    function onEnded(Slot calldata slot, Terms calldata, SlotState, address) external {
        _onlyMarket();
        Record storage record = _auctions[slot.market][slot.id];
        Bidding memory bidding = record.bidding;
        if (bidding.commitEnd == 0) return;
        bool early = slot.prover == address(0) && block.timestamp < _undecidedUntil(bidding);
        if (early && (bidding.outstanding != 0 || record.lead.key != address(0))) revert BidsCommitted();
        _lapse(slot.market, slot.id, record, bidding);
    }

    /// @inheritdoc ISealedBidAuction
    function commit(uint256 market, uint64 slot, bytes32 commitment, bytes32 memo) external {
        Record storage record = _auctions[market][slot];
        Bidding memory bidding = record.bidding;
        if (block.timestamp >= bidding.commitEnd) {
            if (bidding.commitEnd == 0) revert AuctionNotOpen();
            revert CommitOver(bidding.commitEnd);
        }
        if (commitment == 0) revert CommitmentZero();
        if (record.bids[msg.sender] != 0) revert AlreadyCommitted();
        if (bidding.outstanding == type(uint16).max) revert AuctionFull();

        _lock(msg.sender, bidding.bond);
        record.bids[msg.sender] = commitment;
        unchecked {
            ++bidding.outstanding;
        }
        record.bidding = bidding;
        emit BidCommitted(market, slot, msg.sender, memo);
    }

    /// @inheritdoc ISealedBidAuction
    function reveal(uint256 market, uint64 slot, uint96 price, bytes32 salt) external {
        Record storage record = _auctions[market][slot];
        Bidding memory bidding = record.bidding;
        if (bidding.commitEnd == 0) revert AuctionNotOpen();
        uint256 revealEnd = _revealEnd(bidding);
        if (block.timestamp < bidding.commitEnd || block.timestamp >= revealEnd) {
            revert NotRevealTime(bidding.commitEnd, revealEnd);
        }
        bytes32 commitment = record.bids[msg.sender];
        if (commitment == 0 || commitment != commitmentOf(market, slot, msg.sender, price, salt)) {
            revert CommitmentMismatch();
        }
        Lead memory lead = record.lead;
        if (msg.sender == lead.key) revert AlreadyRevealed();

        bool leads = lead.key == address(0)
            ? price <= bidding.second
            : price < lead.lowest || (price == lead.lowest && commitment < record.bids[lead.key]);
        address loser = leads ? lead.key : msg.sender;
        if (leads) {
            if (lead.key != address(0)) bidding.second = lead.lowest;
            // At most the reserve, which has 88 bits.
            record.lead = Lead(msg.sender, uint88(price));
        } else if (price < bidding.second) {
            bidding.second = uint88(price);
        }
        // Underflows never: each commitment is counted once, and revealed at most once.
        unchecked {
            --bidding.outstanding;
        }
        record.bidding = bidding;
        if (loser != address(0)) {
            delete record.bids[loser];
            _free(loser, bidding.bond);
        }
        emit BidRevealed(market, slot, msg.sender, price, leads);
    }

    /// @inheritdoc ISealedBidAuction
    function settle(Slot calldata slot, Terms calldata terms, address prover) external {
        Record storage record = _auctions[slot.market][slot.id];
        Bidding memory bidding = record.bidding;
        if (bidding.commitEnd == 0) revert AuctionNotOpen();
        uint256 from = bidding.outstanding == 0 ? bidding.commitEnd : _revealEnd(bidding);
        uint256 until = _undecidedUntil(bidding);
        if (block.timestamp < from || block.timestamp >= until) revert NotSettleTime(from, until);
        address leader = record.lead.key;
        if (leader == address(0)) revert NoBids();
        if (prover != _proverOf(leader)) revert NotLeader();

        if (prover == address(0) || !REGISTRY.isEligible(slot.market, prover, terms.bond, terms.version)) {
            // The bond to be eligible for is in the terms: nobody may burn the leader's by making one up.
            if (!MARKET.isOpen(slot, terms)) revert SlotMismatch();
            _lapse(slot.market, slot.id, record, bidding);
            return;
        }

        uint256 toBurn = uint256(bidding.outstanding) * bidding.bond;
        delete record.bids[leader];
        delete record.bidding;
        delete record.lead;
        _free(leader, bidding.bond);
        _burn(toBurn);
        emit AuctionSettled(slot.market, slot.id, prover, leader, bidding.second, toBurn);
        MARKET.assign(slot, terms, prover, bidding.second);
    }

    /// @inheritdoc ISealedBidAuction
    function close(uint256 market, uint64 slot) external {
        Record storage record = _auctions[market][slot];
        Bidding memory bidding = record.bidding;
        if (bidding.commitEnd == 0) revert AuctionNotOpen();
        uint256 until = _undecidedUntil(bidding);
        if (block.timestamp < until) revert AuctionNotOver(until);
        _lapse(market, slot, record, bidding);
    }

    /// @inheritdoc ISealedBidAuction
    function auctionOf(uint256 market, uint64 slot) external view returns (Auction memory auction) {
        Bidding memory bidding = _auctions[market][slot].bidding;
        Lead memory lead = _auctions[market][slot].lead;
        return Auction({
            commitEnd: bidding.commitEnd,
            revealEnd: uint40(_revealEnd(bidding)),
            undecidedUntil: uint40(_undecidedUntil(bidding)),
            outstanding: bidding.outstanding,
            bidBond: bidding.bond,
            leader: lead.key,
            lowest: lead.lowest,
            second: bidding.second
        });
    }

    /// @inheritdoc ISealedBidAuction
    function bidOf(uint256 market, uint64 slot, address key) external view returns (bytes32) {
        return _auctions[market][slot].bids[key];
    }

    /// @inheritdoc ISealedBidAuction
    function commitmentOf(uint256 market, uint64 slot, address key, uint96 price, bytes32 salt)
        public
        view
        returns (bytes32)
    {
        return keccak256(abi.encode(block.chainid, address(this), market, slot, key, price, salt));
    }

    /// @dev Ends an auction without a winner: the bonds still locked are burned.
    function _lapse(uint256 market, uint64 slot, Record storage record, Bidding memory bidding) private {
        address leader = record.lead.key;
        uint256 toBurn = (uint256(bidding.outstanding) + (leader == address(0) ? 0 : 1)) * bidding.bond;
        delete record.bidding;
        if (leader != address(0)) delete record.lead;
        if (toBurn == 0) return;
        _burn(toBurn);
        emit AuctionLapsed(market, slot, leader, toBurn);
    }

    /// @dev A registered key bids for itself, whoever else names it as a submitter: that takes no consent of its own.
    function _proverOf(address key) private view returns (address) {
        return REGISTRY.isSubmitterFor(key, key) ? key : REGISTRY.proverOfSubmitter(key);
    }

    function _onlyMarket() private view {
        if (msg.sender != address(MARKET)) revert NotMarket();
    }

    function _revealEnd(Bidding memory bidding) private pure returns (uint256) {
        return uint256(bidding.commitEnd) + bidding.revealWindow;
    }

    function _undecidedUntil(Bidding memory bidding) private pure returns (uint256) {
        return _revealEnd(bidding) + bidding.settleWindow;
    }

    function _paramsOf(Terms calldata terms) private pure returns (SealedBidAuctionParams) {
        return SealedBidAuctionParams.wrap(uint256(terms.mechanismParams));
    }
}
