// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { Offer } from "../../src/interfaces/IAgreement.sol";
import { IRandomness } from "../../src/interfaces/IRandomness.sol";
import { TransferOffer } from "../../src/interfaces/ISlotTransfers.sol";
import { IVerifier } from "../../src/interfaces/IVerifier.sol";
import { SlotHooks } from "../../src/libraries/SlotHooks.sol";
import { Agreement } from "../../src/mechanisms/Agreement.sol";
import { Mining } from "../../src/mechanisms/Mining.sol";
import { Race } from "../../src/mechanisms/Race.sol";
import { ReverseDutchAuction } from "../../src/mechanisms/ReverseDutchAuction.sol";
import { SealedBidAuction } from "../../src/mechanisms/SealedBidAuction.sol";
import { Slot } from "../../src/types/Slot.sol";
import { SlotTransferDigest } from "../market/SlotTransferDigest.sol";
import { MinedPuzzle } from "../mocks/MinedPuzzle.sol";
import { PuzzleVerifier } from "../verifiers/generated/PuzzleVerifier.sol";
import { MechanismGasFixture } from "./MechanismGasFixture.sol";

/// @notice Whole-transaction gas of every step of every mechanism, with real verifiers, and of a slot from its opening to its
/// proof (`*_slot`: the sum of the transactions it takes when one prover wants it). Each call is its own transaction.
contract MechanismGasTest is MechanismGasFixture {
    /// @dev Of one auction's transactions; bids by bidder.
    struct Vickrey {
        uint256 open;
        uint256[3] commits;
        uint256[3] reveals;
        uint256 settle;
        uint256 prove;
    }

    uint256 private constant LOCK_MAX = 90_000;
    uint256 private constant COMMIT_MAX = 60_000;
    uint256 private constant REVEAL_MAX = 70_000;
    /// @dev Hashes the terms, which the offer binds, apart from the market, which hashes them too.
    uint256 private constant OPEN_WITH_AGREEMENT_MAX = 93_500;
    /// @dev Two contracts: offers, and the market, which is passed slot and terms once more.
    uint256 private constant ACCEPT_TRANSFER_MAX = 93_000;
    /// @dev Laps before the one that is measured: as many slots as the ring has places.
    uint256 private constant LAPS = CAPACITY;

    string private constant PUZZLE = "tests/vectors/puzzle_proof.json";

    address private bob;
    uint256 private bobKey;

    /// @dev Gas of calls before the last one.
    uint256 private _lockGas;
    uint256 private _offerGas;
    Vickrey private _vickrey;

    function setUp() public {
        _buildForMechanisms();
        (bob, bobKey) = makeAddrAndKey("bob");
        _enter(bob, 500);
        market.defund(id, 1 ether, bob);
        _nextEpoch();
    }

    // ------------------------------------------------------------------ lottery

    /// @dev Open, prove.
    /// forge-config: default.isolate = true
    function test_Lottery() public {
        Slot memory slot = _openForPayee();
        uint256 gas = _used();
        _prove(slot);
        _record("lottery_slot", gas + _used());
    }

    // ------------------------------------------------------------------ race

    /// @dev Open, prove.
    /// forge-config: default.isolate = true
    function test_Race() public {
        Race race = new Race(registry, address(market));
        _use(address(race), 0);
        _prove(_openWith(""));
        Slot memory slot = _openWith("");
        uint256 gas = _record("race_open");
        _prove(slot);
        _record("race_slot", gas + _record("race_prove"));
    }

    /// @dev The widest window, full of other winners, and a winner that need not wait: all of the window is read.
    /// forge-config: default.isolate = true
    function test_RaceWithHandicap() public {
        uint256 window = 64;
        Race race = new Race(registry, address(market));
        _use(address(race), bytes32(SlotHooks.ENDED | uint256(30) << 8 | window));
        for (uint256 i; i < window; ++i) {
            Slot memory won = _openWith("");
            _pass(30);
            _proveFor(won, i == 0 ? payee : registry.proverById(uint32(i + 1)));
        }
        Slot memory slot = _openWith("");
        assertEq(race.waitsUntil(id, payee, slot.startedAt, terms.mechanismParams), slot.startedAt);
        _prove(slot);
        _record("race_handicap_prove");
        assertEq(race.winsOf(id, payee, 1), 1);
    }

    // ------------------------------------------------------------------ reverse Dutch auction

    /// @dev Open, lock, prove. The lock that comes second is not part of the slot with one bidder.
    /// forge-config: default.isolate = true
    function test_Dutch() public {
        ReverseDutchAuction dutch = new ReverseDutchAuction(registry, address(market));
        _use(address(dutch), bytes32(uint256(180) << 96 | uint256(0.02 ether)));
        for (uint256 i; i < LAPS; ++i) {
            _prove(_lock(dutch, _openWith("")));
        }
        Slot memory slot = _openWith("");
        uint256 gas = _record("dutch_open");
        Slot memory held = _lock(dutch, slot);
        vm.prank(bob);
        (bool locked,) = address(dutch).call(abi.encodeCall(dutch.lock, (slot, terms, bob)));
        _record("dutch_lock_lost");
        assertFalse(locked);
        _bounded("dutch_lock", _lockGas, LOCK_MAX);
        gas += _lockGas;
        _prove(held);
        _record("dutch_slot", gas + _record("dutch_prove"));
    }

    function _lock(ReverseDutchAuction dutch, Slot memory slot) private returns (Slot memory) {
        _pass(60);
        vm.prank(payee);
        dutch.lock(slot, terms, payee);
        _lockGas = _used();
        return _assigned(slot, payee, dutch.priceAt(slot, terms, vm.getBlockTimestamp()));
    }

    // ------------------------------------------------------------------ sealed bids

    /// forge-config: default.isolate = true
    function test_VickreyWithOneBidder() public {
        SealedBidAuction auction = _useAuction();
        uint96[] memory prices = new uint96[](1);
        prices[0] = 0.05 ether;
        for (uint256 i; i < LAPS; ++i) {
            _bidAndProve(auction, prices);
        }
        _vickrey = _bidAndProve(auction, prices);
        // Open, commit, reveal, settle, prove.
        uint256 sum = _vickrey.open + _vickrey.commits[0] + _vickrey.reveals[0] + _vickrey.settle + _vickrey.prove;
        _record("vickrey_slot", sum);
        _record("vickrey_open", _vickrey.open);
        _record("vickrey_settle", _vickrey.settle);
        _record("vickrey_prove", _vickrey.prove);
        _bounded("vickrey_reveal_first", _vickrey.reveals[0], REVEAL_MAX);
    }

    /// @dev Bob reveals first, the payee takes the lead, a third loses to both.
    /// forge-config: default.isolate = true
    function test_VickreyWithThreeBidders() public {
        SealedBidAuction auction = _useAuction();
        uint96[] memory prices = new uint96[](3);
        (prices[0], prices[1], prices[2]) = (0.05 ether, 0.08 ether, 0.09 ether);
        _bidAndProve(auction, prices);
        _vickrey = _bidAndProve(auction, prices);
        _bounded("vickrey_commit", _vickrey.commits[0], COMMIT_MAX);
        _bounded("vickrey_reveal_displacing", _vickrey.reveals[0], REVEAL_MAX);
        _bounded("vickrey_reveal_losing", _vickrey.reveals[2], REVEAL_MAX);
        for (uint256 i; i < 3; ++i) {
            assertLe(_vickrey.commits[i], COMMIT_MAX);
            assertLe(_vickrey.reveals[i], REVEAL_MAX);
        }
    }

    function _useAuction() private returns (SealedBidAuction auction) {
        auction = new SealedBidAuction(registry, address(market));
        uint256 bond = 0.01 ether;
        _use(
            address(auction),
            bytes32(SlotHooks.ENDED | bond << 64 | uint256(60) << 48 | uint256(60) << 32 | uint256(120))
        );
        for (uint256 i; i < 3; ++i) {
            _deposit(address(auction), _bidder(i));
        }
    }

    /// @dev The payee, bob and a prover of the crowd.
    function _bidder(uint256 i) private view returns (address) {
        return i == 0 ? payee : i == 1 ? bob : registry.proverById(77);
    }

    /// @dev The payee is the first to bid and the lowest; if there are others, the second reveals before it.
    function _bidAndProve(SealedBidAuction auction, uint96[] memory prices) private returns (Vickrey memory gas) {
        Slot memory slot = _openWith("");
        gas.open = _used();
        bytes32 salt = keccak256(abi.encode(slot.id));
        for (uint256 i; i < prices.length; ++i) {
            address key = _bidder(i);
            bytes32 commitment = auction.commitmentOf(id, slot.id, key, prices[i], salt);
            vm.prank(key);
            auction.commit(id, slot.id, commitment, salt);
            gas.commits[i] = _used();
        }
        _pass(120);
        for (uint256 k; k < prices.length; ++k) {
            uint256 i = prices.length == 1 || k == 2 ? k : 1 - k;
            vm.prank(_bidder(i));
            auction.reveal(id, slot.id, prices[i], salt);
            gas.reveals[i] = _used();
        }
        auction.settle(slot, terms, payee);
        gas.settle = _used();
        slot = _assigned(slot, payee, prices.length == 1 ? terms.price : prices[1]);
        _prove(slot);
        gas.prove = _used();
    }

    // ------------------------------------------------------------------ mining

    /// @dev Open, ticket (handed in while the slot before is open), prove.
    /// forge-config: default.isolate = true
    function test_Mining() public {
        IVerifier puzzle = IVerifier(address(PuzzleVerifier(deployCode("PuzzleVerifier.sol:PuzzleVerifier"))));
        uint256 challenge = vm.parseJsonUint(vm.readFile(PUZZLE), ".challenge");
        puzzle = MinedPuzzle(deployCode("MinedPuzzle.sol:MinedPuzzle", abi.encode(puzzle, challenge)));
        Mining mining = new Mining(registry, address(market), puzzle, IRandomness(address(0)));
        uint256 ticketBond = 0.01 ether;
        _use(address(mining), bytes32(SlotHooks.ENDED | uint256(1) << 128 | ticketBond << 32 | uint256(60)));
        _deposit(address(mining), payee);
        Slot memory slot = _openWith("");
        uint256 ticket = _ticket(mining);
        _prove(slot);
        for (uint256 i; i < LAPS; ++i) {
            slot = _openWith("");
            ticket = _ticket(mining);
            _prove(slot);
        }
        slot = _openWith("");
        uint256 gas = _record("mining_open");
        assertEq(slot.prover, payee);
        ticket = _ticket(mining);
        _record("mining_ticket", ticket);
        _prove(slot);
        _record("mining_slot", gas + ticket + _record("mining_prove"));
    }

    /// @dev The ticket that was mined for these tests, once the round's seed is known.
    function _ticket(Mining mining) private returns (uint256) {
        string memory json = vm.readFile(PUZZLE);
        uint256 nonce = vm.parseJsonUint(json, ".nonce");
        uint256 output = vm.parseJsonUint(json, ".output");
        bytes memory puzzleProof = vm.parseJsonBytes(json, ".proof");
        _pass(60);
        _mineBlocks(2);
        vm.prank(payee);
        mining.submitTicket(id, payee, nonce, output, puzzleProof);
        uint256 gas = _used();
        assertEq(mining.round(id).winner, payee);
        return gas;
    }

    // ------------------------------------------------------------------ agreement

    /// @dev Open, prove. Bob signs; the proof is the payee's, to whom bob hands the slot.
    /// forge-config: default.isolate = true
    function test_Agreement() public {
        Agreement agreement = new Agreement(registry, address(market));
        _use(address(agreement), 0);
        Offer memory offer = Offer({
            prover: bob,
            requester: address(this),
            market: id,
            terms: keccak256(abi.encode(terms)),
            price: 0.08 ether,
            penalty: terms.bond,
            capacity: 4,
            expiry: uint40(vm.getBlockTimestamp() + 30 days),
            nonce: 7
        });
        bytes32 digest = agreement.digestOf(offer);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(bobKey, digest);
        bytes memory data = abi.encode(offer, abi.encodePacked(r, s, v));
        Slot memory slot;
        for (uint256 i; i < LAPS; ++i) {
            slot = _openWith(data);
            _prove(_offerTransfer(slot, 0));
        }
        slot = _openWith(data);
        uint256 gas = _record("agreement_open");
        assertLe(gas, OPEN_WITH_AGREEMENT_MAX);
        assertEq(slot.prover, bob);
        _prove(_offerTransfer(slot, 0));
        _record("agreement_slot", gas + _record("agreement_prove"));
    }

    // ------------------------------------------------------------------ slot transfers

    /// @dev From bob to the payee, for a price: credit moves as well as the bond.
    /// forge-config: default.isolate = true
    function test_OfferTransfer() public {
        ReverseDutchAuction dutch = new ReverseDutchAuction(registry, address(market));
        _use(address(dutch), bytes32(uint256(180) << 96 | uint256(0.02 ether)));
        _prove(_offerTransfer(_lockByBob(dutch), 0.01 ether));

        _offerTransfer(_lockByBob(dutch), 0.01 ether);
        _bounded("transfer_accept", _used(), ACCEPT_TRANSFER_MAX);
        _record("transfer_offer", _offerGas);

        Slot memory slot = _lockByBob(dutch);
        TransferOffer memory offer = _offerOf(0.01 ether);
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(bobKey, SlotTransferDigest.hash(address(slotTransfers), slot, terms, offer));
        vm.prank(payee);
        slotTransfers.acceptTransfer(slot, terms, offer, payee, abi.encodePacked(r, s, v));
        _bounded("transfer_accept_signed", _used(), ACCEPT_TRANSFER_MAX);
    }

    function _lockByBob(ReverseDutchAuction dutch) private returns (Slot memory slot) {
        slot = _openWith("");
        vm.prank(bob);
        dutch.lock(slot, terms, bob);
        return _assigned(slot, bob, dutch.priceAt(slot, terms, vm.getBlockTimestamp()));
    }

    function _offerOf(int96 price) private view returns (TransferOffer memory) {
        return TransferOffer({ to: payee, price: price, validUntil: uint40(vm.getBlockTimestamp()) + 60 });
    }

    /// @dev From bob to the payee, by an offer made on-chain; the last call is the taking.
    function _offerTransfer(Slot memory slot, int96 price) private returns (Slot memory held) {
        TransferOffer memory offer = _offerOf(price);
        vm.prank(bob);
        slotTransfers.offerTransfer(slot, terms, offer);
        _offerGas = _used();
        vm.prank(payee);
        slotTransfers.acceptTransfer(slot, terms, offer, payee, "");
        held = abi.decode(abi.encode(slot), (Slot));
        held.prover = payee;
    }
}
