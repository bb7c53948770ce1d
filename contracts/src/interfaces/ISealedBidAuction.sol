// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { Slot } from "../types/Slot.sol";
import { Terms } from "../types/Terms.sol";
import { IBondEscrow } from "./IBondEscrow.sol";
import { IMechanism } from "./IMechanism.sol";
import { IProverRegistry } from "./IProverRegistry.sol";

/// @title Sealed second-price auction: the lowest bid proves the slot, at the second-lowest price
/// @notice Bids are committed, then revealed, then the auction is settled. The winner is paid the lowest price that another
/// key bid, or the reserve (the terms' price) if that is lower, so its own bid decides whether it wins and not what it is
/// paid: bidding what the proof costs is never worse than bidding anything else, and bidding again with a second key can
/// only lower what one is paid. Of equal bids the one with the lower commitment leads, and is paid what it bid.
///
/// `mechanismParams`, from the lowest bit: `commitWindow` uint32, `revealWindow` uint16, `settleWindow` uint16 (seconds,
/// all above 0), `bidBond` uint80 (asset wei, above 0), zeros, and `SlotHooks.ENDED`. With o for the second in which the slot
/// opened, c = o + commitWindow, r = c + revealWindow, u = r + settleWindow:
///
/// - o <= now < c: `commit`. Each bid locks `bidBond` of its key's balance.
/// - c <= now < r: `reveal`. A bid that does not lead gets its bond back at once.
/// - r <= now < u, or sooner if every bid is revealed: `settle`. The leader gets its bond back and the slot. What bids
///   were not revealed lose their bonds, exactly.
/// - u <= now: the slot is open to all at the reserve. A leader without a slot has lost its bond, exactly: see `close`.
///
/// The bond is what waiting costs. Who does not reveal, or leads and is not eligible when the auction is settled, loses it, be it
/// to spare a rival, to drop a bid that turned out too low, or to see the slot opened to all at the reserve. The last is worth
/// at most what the reserve is above the second price to somebody who then also proves first: with a `bidBond` of at
/// least the terms' price no such plan can pay.
///
/// A requester can bid in its own auctions, and so bring the price down to just above the lowest bid, as a lower reserve
/// does; no winner is paid less than it bid. A shill that leads holds the slot and its duty like any other.
interface ISealedBidAuction is IMechanism, IBondEscrow {
    /// @notice A running auction.
    /// @param commitEnd Unix seconds: no commit from here on, reveals from here on.
    /// @param revealEnd Unix seconds: no reveal from here on.
    /// @param undecidedUntil Unix seconds: no settlement from here on.
    /// @param outstanding Bids committed and not revealed.
    /// @param bidBond Asset wei locked by each outstanding bid and by the leader's.
    /// @param leader The key that leads; zero if none does.
    /// @param lowest What the leader bid, in asset wei.
    /// @param second What the leader would be paid, in asset wei.
    struct Auction {
        uint40 commitEnd;
        uint40 revealEnd;
        uint40 undecidedUntil;
        uint16 outstanding;
        uint80 bidBond;
        address leader;
        uint96 lowest;
        uint96 second;
    }

    /// @notice A bid was sealed; its bond is locked.
    /// @param memo Whatever the bidder wants to find again: price and salt, encrypted to itself.
    event BidCommitted(uint256 indexed market, uint64 indexed slot, address indexed key, bytes32 memo);

    /// @notice A bid was opened. Unless it leads, its bond is back in the key's balance; if it leads, that of the
    /// leader before it is.
    event BidRevealed(uint256 indexed market, uint64 indexed slot, address indexed key, uint96 price, bool leads);

    /// @notice The slot went to the leader's prover at the second price; the leader's bond is back in its balance.
    /// @param burned Asset wei: bonds of bids that were not revealed.
    event AuctionSettled(
        uint256 indexed market,
        uint64 indexed slot,
        address indexed prover,
        address leader,
        uint96 price,
        uint256 burned
    );

    /// @notice The slot went to nobody.
    /// @param leader Whose bond is burned, because it was not eligible or nobody settled; zero if no bid led.
    /// @param burned Asset wei: the leader's bond and those of bids that were not revealed.
    event AuctionLapsed(uint256 indexed market, uint64 indexed slot, address indexed leader, uint256 burned);

    /// @notice No auction runs for this slot: there never was one, or it is settled or closed.
    error AuctionNotOpen();
    /// @notice Too late to commit since `since`.
    error CommitOver(uint256 since);
    /// @notice Bids can be revealed from `from` on and before `until`.
    error NotRevealTime(uint256 from, uint256 until);
    /// @notice An auction can be settled from `from` on (sooner once every bid is revealed) and before `until`.
    error NotSettleTime(uint256 from, uint256 until);
    /// @notice An auction can still be settled until `until`.
    error AuctionNotOver(uint256 until);
    /// @notice Zero is no commitment.
    error CommitmentZero();
    /// @notice One bid a key.
    error AlreadyCommitted();
    /// @notice An auction takes 65,535 bids.
    error AuctionFull();
    /// @notice The caller committed to no such bid, or has revealed it.
    error CommitmentMismatch();
    /// @notice The caller's bid is revealed and leads.
    error AlreadyRevealed();
    /// @notice No bid at or below the reserve was revealed.
    error NoBids();
    /// @notice The leader bids for another prover.
    error NotLeader();
    /// @notice The slot and terms passed in are not those of an open slot.
    error SlotMismatch();
    /// @notice While a sealed or a leading bid stands, neither its requester nor, once its premise fell, anyone else ends a slot.
    error BidsCommitted();

    /// @notice Seal a bid of the caller, which may be a prover or a submitter, and lock the bond.
    /// @param commitment keccak256(abi.encode(chainid, this, market, slot, key, price, salt)): see `commitmentOf`.
    /// @param memo Opaque; logged, so that a bidder that lost its disk can still reveal.
    function commit(uint256 market, uint64 slot, bytes32 commitment, bytes32 memo) external;

    /// @notice Open the caller's bid. A price above the reserve never leads; its bond comes back like any other.
    /// @param price Asset wei asked for proving the slot.
    function reveal(uint256 market, uint64 slot, uint96 price, bytes32 salt) external;

    /// @notice Give the slot to the leader's prover at the second price. Anyone may call it. If that prover is not eligible
    /// (see `IProverRegistry.isEligible`) the leader loses its bond and nobody gets the slot, so whoever bids must be eligible from
    /// the moment its auction can be settled.
    /// @param prover The leader's: the leading key itself if it is registered, else the prover it is a submitter of, zero
    /// if it is none's any more.
    function settle(Slot calldata slot, Terms calldata terms, address prover) external;

    /// @notice Burn the bonds of an auction that was not settled in time. Anyone may call it; the end of the slot does too.
    function close(uint256 market, uint64 slot) external;

    /// @notice The running auction of a slot; all zero if there is none.
    function auctionOf(uint256 market, uint64 slot) external view returns (Auction memory);

    /// @notice A key's commitment; zero if it has none or has revealed a bid that does not lead.
    function bidOf(uint256 market, uint64 slot, address key) external view returns (bytes32 commitment);

    /// @notice The commitment to a bid.
    function commitmentOf(uint256 market, uint64 slot, address key, uint96 price, bytes32 salt)
        external
        view
        returns (bytes32);

    /// @notice Who can win, and be asked for bonds: the registry's provers.
    function registry() external view returns (IProverRegistry);
}
