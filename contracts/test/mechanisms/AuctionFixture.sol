// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ISealedBidAuction } from "../../src/interfaces/ISealedBidAuction.sol";
import { SlotHooks } from "../../src/libraries/SlotHooks.sol";
import { SealedBidAuction } from "../../src/mechanisms/SealedBidAuction.sol";
import { Slot } from "../../src/types/Slot.sol";
import { MarketFixture } from "../MarketFixture.sol";

/// @notice A market that auctions its slots, and bidders with deposits: three provers, a key of the first, a stranger.
abstract contract AuctionFixture is MarketFixture {
    uint32 internal constant COMMIT = 120;
    uint16 internal constant REVEAL = 60;
    uint16 internal constant SETTLE = 60;
    uint80 internal constant BID_BOND = 3 ether;
    uint256 internal constant DEPOSIT = 1000 ether;
    bytes32 internal constant SALT = "salt";

    SealedBidAuction internal auction;
    address internal hot = makeAddr("alice's hot key");
    address[] internal bidders;

    function setUp() public virtual override {
        super.setUp();
        auction = new SealedBidAuction(registry, address(market));
        terms.mechanism = address(auction);
        terms.mechanismParams = _params(COMMIT, REVEAL, SETTLE, BID_BOND);
        _setTerms();
        _stake(carol, id, 60);
        _submitter(alice, hot);
        bidders = [alice, bob, carol, hot, stranger];
        for (uint256 i; i < bidders.length; ++i) {
            _deposit(bidders[i], DEPOSIT);
        }
    }

    function _params(uint256 commit, uint256 reveal, uint256 settle, uint256 bond) internal pure returns (bytes32) {
        return bytes32(SlotHooks.ENDED | bond << 64 | settle << 48 | reveal << 32 | commit);
    }

    function _deposit(address key, uint256 amount) internal {
        token.mint(key, amount);
        vm.startPrank(key);
        token.approve(address(auction), amount);
        auction.deposit(amount);
        vm.stopPrank();
    }

    function _openAuction() internal returns (Slot memory) {
        vm.prank(terms.requester);
        return market.openSlot(id, terms, 0, _statement(), "");
    }

    function _commit(Slot memory slot, address key, uint96 price) internal {
        bytes32 commitment = auction.commitmentOf(id, slot.id, key, price, SALT);
        vm.prank(key);
        auction.commit(id, slot.id, commitment, "memo");
    }

    function _reveal(Slot memory slot, address key, uint96 price) internal {
        vm.prank(key);
        auction.reveal(id, slot.id, price, SALT);
    }

    /// @dev Commits and reveals these bids of the first bidders, in order.
    function _bidAll(Slot memory slot, uint96[] memory prices) internal {
        for (uint256 i; i < prices.length; ++i) {
            _commit(slot, bidders[i], prices[i]);
        }
        vm.warp(slot.openedAt + COMMIT);
        for (uint256 i; i < prices.length; ++i) {
            _reveal(slot, bidders[i], prices[i]);
        }
    }

    function _bids(uint96 a, uint96 b) internal pure returns (uint96[] memory prices) {
        prices = new uint96[](2);
        (prices[0], prices[1]) = (a, b);
    }

    function _bids(uint96 a, uint96 b, uint96 c) internal pure returns (uint96[] memory prices) {
        prices = new uint96[](3);
        (prices[0], prices[1], prices[2]) = (a, b, c);
    }

    /// @dev The slot as it is once `prover` has it at `price`, now.
    function _assigned(Slot memory slot, address prover, uint96 price) internal view returns (Slot memory) {
        Slot memory after_ = abi.decode(abi.encode(slot), (Slot));
        (after_.prover, after_.price, after_.startedAt) = (prover, price, uint40(vm.getBlockTimestamp()));
        after_.exclusiveUntil = after_.startedAt + EXCLUSIVE;
        return after_;
    }

    function _settled(Slot memory slot, address prover, uint96 price) internal returns (Slot memory after_) {
        auction.settle(slot, terms, prover);
        after_ = _assigned(slot, prover, price);
        assertTrue(market.isOpen(after_, terms), "not assigned so");
    }

    function _assertDeposit(address key, uint256 lost) internal view {
        assertEq(auction.balanceOf(key), DEPOSIT - lost, "deposit");
    }

    function _assertOver(Slot memory slot) internal view {
        ISealedBidAuction.Auction memory none;
        ISealedBidAuction.Auction memory left = auction.auctionOf(id, slot.id);
        assertEq(keccak256(abi.encode(left)), keccak256(abi.encode(none)), "words left");
    }
}
