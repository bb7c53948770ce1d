// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IBondEscrow } from "../../src/interfaces/IBondEscrow.sol";
import { IMechanism } from "../../src/interfaces/IMechanism.sol";
import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { ISealedBidAuction } from "../../src/interfaces/ISealedBidAuction.sol";
import { SlotHooks } from "../../src/libraries/SlotHooks.sol";
import { SealedBidAuction } from "../../src/mechanisms/SealedBidAuction.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { MockProof } from "../mocks/MockVerifier.sol";
import { AuctionFixture } from "./AuctionFixture.sol";

contract SealedBidAuctionTest is AuctionFixture {
    /// @dev Windows wide enough for slots under several terms to be open at once.
    uint32 private constant WIDE = 24 hours;

    /// @dev A bid of a vector, under a key of its own. `rank` counts the bids of lower commitments.
    struct VectorBid {
        address key;
        uint96 price;
        bytes32 commitment;
        bytes32 salt;
        bool revealed;
        uint256 rank;
    }

    function _params() internal view override returns (IProverRegistry.Params memory params) {
        params = super._params();
        (params.maxWindow, params.unbonding) = (WIDE, WIDE);
    }

    // ------------------------------------------------------------------ the rule

    function test_TheLowestBidWinsAtTheSecondLowestPrice() public {
        Slot memory slot = _openAuction();
        assertEq(slot.prover, address(0));
        assertEq(slot.exclusiveUntil, slot.openedAt + COMMIT + REVEAL + SETTLE);

        uint256 funds = _funds();
        _bidAll(slot, _bids(6 ether, 4 ether, 5 ether));
        Slot memory won = _settled(slot, bob, 5 ether);
        assertEq(_funds(), funds + PRICE - 5 ether);
        assertEq(registry.bondedOf(id, bob), BOND);
        for (uint256 i; i < 3; ++i) {
            _assertDeposit(bidders[i], 0);
        }
        assertEq(auction.burned(), 0);
        _assertOver(slot);
        _prove(won, bob);
        assertEq(market.credits(bob), 5 ether);
    }

    /// @dev The rule in a few lines: sort, take the lowest at the second lowest, or at the reserve.
    function testFuzz_AgreesWithTheRule(uint96[5] calldata raw, uint256 order) public {
        Slot memory slot = _openAuction();
        (address winner, uint96 lowest, uint96 second) = (address(0), PRICE, PRICE);
        bytes32 best;
        for (uint256 i; i < 5; ++i) {
            uint96 price = uint96(raw[i] % 13) * 1 ether;
            _commit(slot, bidders[i], price);
            bytes32 commitment = auction.commitmentOf(id, slot.id, bidders[i], price, SALT);
            bool ahead = price < lowest || (price == lowest && (winner == address(0) || commitment < best));
            if (ahead) {
                if (winner != address(0)) second = lowest;
                (winner, lowest, best) = (bidders[i], price, commitment);
            } else if (price < second) {
                second = price;
            }
        }
        vm.warp(slot.openedAt + COMMIT);
        for (uint256 i; i < 5; ++i) {
            uint256 who = (i + order % 5) % 5;
            _reveal(slot, bidders[who], uint96(raw[who] % 13) * 1 ether);
        }
        ISealedBidAuction.Auction memory found = auction.auctionOf(id, slot.id);
        assertEq(found.leader, winner);
        assertEq(found.second, second);
        assertEq(found.outstanding, 0);
        if (winner != address(0)) assertEq(found.lowest, lowest);
        for (uint256 i; i < 5; ++i) {
            _assertDeposit(bidders[i], bidders[i] == winner ? BID_BOND : 0);
        }
    }

    /// @dev An auction whose market is this test. Commitments are hashes, so salts are tried until they are in the order of
    /// the vector's.
    function test_TheWinnerMatchesVectors() public {
        string memory json = vm.readFile("tests/vectors/mechanisms.json");
        auction = new SealedBidAuction(registry, address(this));
        uint64 i;
        for (;; ++i) {
            string memory key = string.concat(".secondPrice.cases[", vm.toString(i), "]");
            if (!vm.keyExistsJson(json, key)) break;
            terms.price = uint96(vm.parseJsonUint(json, string.concat(key, ".reserve")));
            auction.onOpen(id, i, terms, "");
            uint256 opened = vm.getBlockTimestamp();
            VectorBid[] memory bids = _vectorBids(json, key);
            for (uint256 k; k < bids.length; ++k) {
                _deposit(bids[k].key, BID_BOND);
                _salt(i, bids, k);
                vm.prank(bids[k].key);
                auction.commit(id, i, bids[k].commitment, "");
            }
            vm.warp(opened + COMMIT);
            for (uint256 k; k < bids.length; ++k) {
                if (!bids[k].revealed) continue;
                vm.prank(bids[k].key);
                auction.reveal(id, i, bids[k].price, bids[k].salt);
            }
            ISealedBidAuction.Auction memory found = auction.auctionOf(id, i);
            try vm.parseJsonUint(json, string.concat(key, ".winner")) returns (uint256 winner) {
                assertEq(found.leader, bids[winner].key, key);
                assertEq(found.second, vm.parseJsonUint(json, string.concat(key, ".price")), key);
            } catch {
                assertEq(found.leader, address(0), key);
            }
        }
        assertGt(i, 20);
    }

    function _vectorBids(string memory json, string memory case_) private returns (VectorBid[] memory bids) {
        uint256 count;
        while (vm.keyExistsJson(json, string.concat(case_, ".bids[", vm.toString(count), "]"))) ++count;
        bids = new VectorBid[](count);
        for (uint256 k; k < count; ++k) {
            string memory key = string.concat(case_, ".bids[", vm.toString(k), "]");
            bids[k].key = makeAddr(key);
            bids[k].price = uint96(vm.parseJsonUint(json, string.concat(key, ".price")));
            bids[k].commitment = vm.parseJsonBytes32(json, string.concat(key, ".commitment"));
            bids[k].revealed = vm.parseJsonBool(json, string.concat(key, ".revealed"));
        }
        for (uint256 k; k < count; ++k) {
            for (uint256 other; other < count; ++other) {
                if (bids[other].commitment < bids[k].commitment) ++bids[k].rank;
            }
        }
    }

    /// @dev Gives a bid a salt whose commitment has the bid's rank for its highest four bits.
    function _salt(uint64 slot, VectorBid[] memory bids, uint256 k) private view {
        VectorBid memory bid = bids[k];
        do {
            bid.salt = bytes32(uint256(bid.salt) + 1);
            bid.commitment = auction.commitmentOf(id, slot, bid.key, bid.price, bid.salt);
        } while (uint256(bid.commitment) >> 252 != bid.rank);
    }

    function test_ALoneBidIsPaidTheReserve() public {
        Slot memory slot = _openAuction();
        _commit(slot, hot, 1 ether);
        vm.warp(slot.openedAt + COMMIT);
        _reveal(slot, hot, 1 ether);
        Slot memory won = _settled(slot, alice, PRICE);
        _assertDeposit(hot, 0);
        _prove(won, alice);
        assertEq(market.credits(alice), PRICE);
    }

    function test_ABidAboveTheReserveNeverLeadsAndIsRefunded() public {
        Slot memory slot = _openAuction();
        _commit(slot, alice, PRICE + 1);
        vm.warp(slot.openedAt + COMMIT);
        vm.expectEmit(address(auction));
        emit ISealedBidAuction.BidRevealed(id, slot.id, alice, PRICE + 1, false);
        _reveal(slot, alice, PRICE + 1);
        _assertDeposit(alice, 0);
        vm.expectRevert(ISealedBidAuction.NoBids.selector);
        auction.settle(slot, terms, alice);
        vm.warp(slot.exclusiveUntil);
        _prove(slot, stranger);
        assertEq(market.credits(stranger), PRICE);
        _assertOver(slot);
    }

    function test_SettlingWaitsForRevealsButNotLonger() public {
        Slot memory slot = _openAuction();
        _commit(slot, alice, 4 ether);
        _commit(slot, bob, 5 ether);
        vm.warp(slot.openedAt + COMMIT);
        _reveal(slot, alice, 4 ether);
        uint256 revealEnd = slot.openedAt + COMMIT + REVEAL;
        vm.expectRevert(
            abi.encodeWithSelector(ISealedBidAuction.NotSettleTime.selector, revealEnd, slot.exclusiveUntil)
        );
        auction.settle(slot, terms, alice);
        uint256 snapshot = vm.snapshotState();
        _reveal(slot, bob, 5 ether);
        _settled(slot, alice, 5 ether);
        vm.revertToState(snapshot);
        vm.warp(revealEnd);
        _settled(slot, alice, PRICE);
        _assertDeposit(bob, BID_BOND);
    }

    function test_EventsTellEverything() public {
        Slot memory slot = _openAuction();
        bytes32 commitment = auction.commitmentOf(id, slot.id, hot, 4 ether, SALT);
        assertEq(
            commitment, keccak256(abi.encode(block.chainid, address(auction), id, slot.id, hot, uint96(4 ether), SALT))
        );
        vm.expectEmit(address(auction));
        emit ISealedBidAuction.BidCommitted(id, slot.id, hot, "memo");
        vm.prank(hot);
        auction.commit(id, slot.id, commitment, "memo");
        assertEq(auction.bidOf(id, slot.id, hot), commitment);
        _commit(slot, bob, 1 ether);

        vm.warp(slot.openedAt + COMMIT);
        vm.expectEmit(address(auction));
        emit ISealedBidAuction.BidRevealed(id, slot.id, hot, 4 ether, true);
        _reveal(slot, hot, 4 ether);
        ISealedBidAuction.Auction memory running = auction.auctionOf(id, slot.id);
        assertEq(running.commitEnd, slot.openedAt + COMMIT);
        assertEq(running.revealEnd, slot.openedAt + COMMIT + REVEAL);
        assertEq(running.undecidedUntil, slot.exclusiveUntil);
        assertEq(running.outstanding, 1);
        assertEq(running.bidBond, BID_BOND);
        assertEq(running.leader, hot);
        assertEq(running.lowest, 4 ether);
        assertEq(running.second, PRICE);

        vm.warp(running.revealEnd);
        vm.expectEmit(address(auction));
        emit ISealedBidAuction.AuctionSettled(id, slot.id, alice, hot, PRICE, BID_BOND);
        auction.settle(slot, terms, alice);
        assertEq(auction.bidOf(id, slot.id, hot), 0);
        assertEq(address(auction.registry()), address(registry));
    }

    // ------------------------------------------------------------------ accounts and gas

    /// @dev Anybody does anything, in four auctions at once, with bonds that differ from auction to auction.
    function testFuzz_EveryTokenBelongsToExactlyOne(uint256 seed) public {
        Slot[] memory slots = new Slot[](CAPACITY);
        Terms[] memory under = new Terms[](CAPACITY);
        // Commit windows that end together, however long before it their terms had to be announced.
        uint256 commit = COMMIT + CAPACITY * market.TERMS_NOTICE();
        terms.expiryWindow = WIDE;
        for (uint256 i; i < CAPACITY; ++i) {
            commit -= market.TERMS_NOTICE();
            terms.mechanismParams = _params(commit, REVEAL, SETTLE, 1 + (seed >> i) % 1 ether);
            _setTerms();
            (slots[i], under[i]) = (_openAuction(), terms);
        }
        for (uint256 step; step < 120; ++step) {
            uint256 random = uint256(keccak256(abi.encode(seed, step)));
            (uint256 kind, uint256 which, uint256 who) = (random % 16, random >> 8, random >> 16);
            Slot memory slot = slots[which % CAPACITY];
            _try(kind, slot, under[which % CAPACITY], bidders[who % 5]);
            if (step % 4 == 0) vm.warp(vm.getBlockTimestamp() + random % 24);

            uint256 held = auction.burned();
            for (uint256 i; i < 5; ++i) {
                held += auction.balanceOf(bidders[i]);
            }
            for (uint256 i; i < CAPACITY; ++i) {
                ISealedBidAuction.Auction memory running = auction.auctionOf(id, slots[i].id);
                held += (running.outstanding + (running.leader == address(0) ? 0 : 1)) * uint256(running.bidBond);
            }
            assertEq(token.balanceOf(address(auction)), held);
        }
    }

    function _try(uint256 kind, Slot memory slot, Terms memory under, address who) private {
        uint96 price = uint96(uint160(who) % 12) * 1 ether;
        if (kind < 5) {
            bytes32 commitment = auction.commitmentOf(id, slot.id, who, price, SALT);
            vm.prank(who);
            try auction.commit(id, slot.id, commitment, "") { } catch { }
        } else if (kind < 11) {
            vm.prank(who);
            try auction.reveal(id, slot.id, price, SALT) { } catch { }
        } else if (kind < 13) {
            address leader = auction.auctionOf(id, slot.id).leader;
            address prover = leader == hot ? alice : leader == stranger ? address(0) : leader;
            try auction.settle(slot, under, prover) { } catch { }
        } else if (kind == 13) {
            try auction.close(id, slot.id) { } catch { }
        } else if (kind == 14) {
            uint256[] memory inputs = _inputs(who);
            try market.prove(slot, under, inputs, MockProof.make(inputs)) { } catch { }
        } else {
            vm.prank(who);
            try auction.withdraw(stranger, 1 ether) { } catch { }
            try auction.sweepBurned() { } catch { }
        }
    }

    /// @dev Each call is a transaction of its own, from cold storage.
    /// forge-config: default.isolate = true
    function test_GasOfACommit() public {
        Slot memory slot = _openAuction();
        emit log_named_uint("openSlot", vm.lastCallGas().gasTotalUsed);
        bytes32 commitment = auction.commitmentOf(id, slot.id, alice, 4 ether, SALT);
        vm.prank(alice);
        auction.commit(id, slot.id, commitment, keccak256("memo"));
        assertLe(vm.lastCallGas().gasTotalUsed, 60_000);
        emit log_named_uint("commit", vm.lastCallGas().gasTotalUsed);
    }

    /// @dev The dearest reveal puts the bond of another into a balance that was empty.
    /// forge-config: default.isolate = true
    function test_GasOfAReveal() public {
        bytes32 salt = keccak256("salt");
        for (uint256 i; i < 2; ++i) {
            vm.startPrank(bidders[i]);
            auction.withdraw(bidders[i], DEPOSIT - BID_BOND);
            vm.stopPrank();
        }
        Slot memory slot = _openAuction();
        (uint96 high, uint96 low) = (uint96(uint256(keccak256("high")) % 8 ether) + 1 ether, 0.123456789 ether);
        bytes32 first = auction.commitmentOf(id, slot.id, alice, high, salt);
        bytes32 second = auction.commitmentOf(id, slot.id, bob, low, salt);
        bytes32 third = auction.commitmentOf(id, slot.id, carol, PRICE, salt);
        vm.prank(alice);
        auction.commit(id, slot.id, first, "");
        vm.prank(bob);
        auction.commit(id, slot.id, second, "");
        vm.prank(carol);
        auction.commit(id, slot.id, third, "");

        vm.warp(slot.openedAt + COMMIT);
        vm.prank(alice);
        auction.reveal(id, slot.id, high, salt);
        emit log_named_uint("reveal, first", vm.lastCallGas().gasTotalUsed);
        assertLe(vm.lastCallGas().gasTotalUsed, 70_000);
        vm.prank(bob);
        auction.reveal(id, slot.id, low, salt);
        emit log_named_uint("reveal, displaces, empty balance", vm.lastCallGas().gasTotalUsed);
        assertLe(vm.lastCallGas().gasTotalUsed, 70_000);
        assertEq(auction.balanceOf(alice), BID_BOND);
        vm.prank(carol);
        auction.reveal(id, slot.id, PRICE, salt);
        emit log_named_uint("reveal, does not lead", vm.lastCallGas().gasTotalUsed);
        assertLe(vm.lastCallGas().gasTotalUsed, 70_000);
        auction.settle(slot, terms, bob);
        emit log_named_uint("settle", vm.lastCallGas().gasTotalUsed);
    }

    // ------------------------------------------------------------------ errors

    function test_RevertCommit_WhenNotAllowed() public {
        Slot memory slot = _openAuction();
        vm.expectRevert(ISealedBidAuction.AuctionNotOpen.selector);
        auction.commit(id, slot.id + 1, "bid", "");
        vm.expectRevert(abi.encodeWithSelector(IBondEscrow.InsufficientDeposit.selector, 0, BID_BOND));
        auction.commit(id, slot.id, "bid", "");
        vm.startPrank(alice);
        vm.expectRevert(ISealedBidAuction.CommitmentZero.selector);
        auction.commit(id, slot.id, 0, "");
        auction.commit(id, slot.id, "bid", "");
        vm.expectRevert(ISealedBidAuction.AlreadyCommitted.selector);
        auction.commit(id, slot.id, "other", "");
        _assertDeposit(alice, BID_BOND);
    }

    function test_RevertCommit_WhenAuctionFull() public {
        Slot memory slot = _openAuction();
        // Mapping `_auctions`, after the escrow's two variables; `outstanding` is bits 72 to 87.
        bytes32 place = keccak256(abi.encode(slot.id, keccak256(abi.encode(id, 2))));
        uint256 word = uint256(vm.load(address(auction), place));
        vm.store(address(auction), place, bytes32(word | uint256(type(uint16).max) << 72));
        assertEq(auction.auctionOf(id, slot.id).outstanding, type(uint16).max);
        vm.prank(alice);
        vm.expectRevert(ISealedBidAuction.AuctionFull.selector);
        auction.commit(id, slot.id, "bid", "");
    }

    function test_RevertRevealAndSettle_WhenNotAllowed() public {
        Slot memory slot = _openAuction();
        _commit(slot, alice, 1 ether);
        vm.warp(slot.openedAt + COMMIT);
        vm.expectRevert(ISealedBidAuction.AuctionNotOpen.selector);
        auction.reveal(id, slot.id + 1, 1 ether, SALT);
        vm.expectRevert(ISealedBidAuction.CommitmentMismatch.selector);
        auction.reveal(id, slot.id, 1 ether, SALT);
        _reveal(slot, alice, 1 ether);
        vm.prank(alice);
        vm.expectRevert(ISealedBidAuction.AlreadyRevealed.selector);
        auction.reveal(id, slot.id, 1 ether, SALT);
        _settled(slot, alice, PRICE);
        vm.expectRevert(ISealedBidAuction.AuctionNotOpen.selector);
        auction.settle(slot, terms, alice);
    }

    function test_RevertHooks_WhenNotMarket() public {
        Slot memory slot = _openAuction();
        vm.expectRevert(IMechanism.NotMarket.selector);
        auction.onOpen(id, 2, terms, "");
        vm.expectRevert(IMechanism.NotMarket.selector);
        auction.onEnded(slot, terms, SlotState.Cancelled, address(0));
    }

    function _rejects(bytes32 field) private {
        vm.expectRevert(abi.encodeWithSelector(IMechanism.MechanismTermsRejected.selector, field));
        auction.validateTerms(terms);
    }

    function test_RevertValidateTerms() public {
        auction.validateTerms(terms);
        terms.mechanismParams = bytes32(uint256(_params(COMMIT, REVEAL, SETTLE, BID_BOND)) & ~SlotHooks.ENDED);
        _rejects("mechanismParams");
        terms.mechanismParams = bytes32(uint256(_params(COMMIT, REVEAL, SETTLE, BID_BOND)) | 1 << 144);
        _rejects("mechanismParams");
        terms.mechanismParams = _params(0, REVEAL, SETTLE, BID_BOND);
        _rejects("commitWindow");
        terms.mechanismParams = _params(COMMIT, 0, SETTLE, BID_BOND);
        _rejects("revealWindow");
        terms.mechanismParams = _params(COMMIT, REVEAL, 0, BID_BOND);
        _rejects("settleWindow");
        terms.mechanismParams = _params(COMMIT, REVEAL, SETTLE, 0);
        _rejects("bidBond");
        terms.mechanismParams = _params(COMMIT, REVEAL, EXPIRY - 2 * EXCLUSIVE - COMMIT - REVEAL, BID_BOND);
        auction.validateTerms(terms);
        terms.mechanismParams = _params(COMMIT, REVEAL, EXPIRY - 2 * EXCLUSIVE - COMMIT - REVEAL + 1, BID_BOND);
        _rejects("expiryWindow");
        terms.mechanismParams = _params(COMMIT, REVEAL, SETTLE, BID_BOND);
        terms.price = uint96(type(uint88).max) + 1;
        _rejects("price");
        (terms.price, terms.bond) = (PRICE, 0);
        _rejects("bond");
    }
}
