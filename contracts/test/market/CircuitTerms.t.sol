// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ICircuitRegistry } from "../../src/interfaces/ICircuitRegistry.sol";
import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { CircuitTerms, CircuitTermsLib } from "../../src/types/CircuitTerms.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { CircuitSamples } from "../CircuitSamples.sol";
import { MockProof } from "../mocks/MockVerifier.sol";
import { UnboundFixture } from "./UnboundFixture.sol";

/// @notice What a circuit adds to its markets' terms: a royalty, and how proofs that do not bind their payee are taken.
contract CircuitTermsTest is UnboundFixture {
    address private author = makeAddr("author");

    // ---------------------------------------------------------------- the terms say what the registry does

    function _rejected(Terms memory bad, bytes32 rule) private {
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.TermsRejected.selector, rule));
        market.createMarket(bad, CAPACITY, 0);
    }

    function test_AnUnboundCircuitTakesADelayOfTwoBlocks() public {
        Terms memory bad = terms;
        for (uint16 delay; delay < 2; ++delay) {
            bad.circuitTerms = CircuitTerms.unwrap(CircuitTermsLib.create(delay, 0, address(0)));
            _rejected(bad, "revealDelay");
        }
        bad.circuitTerms = 1 << 192;
        _rejected(bad, "royalty");
        bad.circuitTerms = terms.circuitTerms | 1 << 255;
        _rejected(bad, "royalty");
    }

    function test_ABoundCircuitTakesNoDelay() public {
        Terms memory bad = terms;
        bad.circuit = circuit;
        _rejected(bad, "revealDelay");
        bad.circuitTerms = 0;
        market.createMarket(bad, CAPACITY, 0);
    }

    function test_TheRoyaltyIsTheCircuitsOwn() public {
        Terms memory good = terms;
        (good.circuit, good.circuitTerms) = _royal(0, 300);
        market.createMarket(good, CAPACITY, 0);
        Terms memory bad = good;
        uint256[5] memory words = [
            0,
            CircuitTerms.unwrap(CircuitTermsLib.create(0, 299, author)),
            CircuitTerms.unwrap(CircuitTermsLib.create(0, 300, alice)),
            CircuitTerms.unwrap(CircuitTermsLib.create(0, 0, author)),
            CircuitTerms.unwrap(CircuitTermsLib.create(0, 300, author)) | 1 << 200
        ];
        for (uint256 i; i < words.length; ++i) {
            bad.circuitTerms = words[i];
            _rejected(bad, i == 4 ? bytes32("revealDelay") : bytes32("royalty"));
        }
    }

    function test_AVerifierWhoseCodeChangedIsNotTaken() public {
        vm.etch(address(verifier), hex"00");
        _rejected(terms, "circuitCode");
    }

    // ---------------------------------------------------------------- royalty

    function _royal(uint16 delay, uint16 bps) private returns (bytes32 id_, uint256 word) {
        ICircuitRegistry.Registration memory registration = CircuitSamples.registration(address(verifier));
        registration.royaltyBps = bps;
        vm.prank(author);
        id_ = circuits.register(registration, CircuitSamples.mock());
        word = CircuitTerms.unwrap(CircuitTermsLib.create(delay, bps, author));
    }

    function test_TheAuthorGetsItsPartOfEachRewardAndNothingElse() public {
        (terms.circuit, terms.circuitTerms) = _royal(0, 300);
        _setTerms();
        Slot memory slot = _open(alice);
        uint256 funds = _funds();
        vm.expectEmit(address(market));
        emit IProofMarketEvents.RoyaltyPaid(slot.market, slot.id, author, PRICE * 300 / 10_000);
        vm.expectEmit(address(market));
        emit IProofMarketEvents.SlotProven(slot.market, slot.id, alice, PRICE - PRICE * 300 / 10_000, 0, address(0));
        _prove(slot, alice);
        assertEq(market.credits(author), PRICE * 300 / 10_000);
        assertEq(market.credits(author) + market.credits(alice), PRICE);
        assertEq(_funds(), funds);

        // A rescue: of the floor, not of the bond.
        slot = _open(alice);
        (uint256 ofAuthor, uint256 ofBob) = (market.credits(author), market.credits(bob));
        vm.warp(slot.exclusiveUntil);
        _prove(slot, bob);
        uint256 floor = PRICE * 6000 / 10_000;
        assertEq(market.credits(author) - ofAuthor, floor * 300 / 10_000);
        assertEq(market.credits(bob) - ofBob, floor - floor * 300 / 10_000 + BOND / 2);
    }

    function testFuzz_RewardAndRoyaltyAreTheRewardBefore(uint96 price, uint16 bps) public pure {
        bps = uint16(bound(bps, 0, 1_000));
        CircuitTerms word = CircuitTermsLib.create(0, bps, address(1));
        uint256 royalty = word.royaltyOf(price);
        assertEq(royalty, uint256(price) * bps / 10_000);
        assertLe(royalty, price / 10);
    }

    // ---------------------------------------------------------------- within the exclusive window

    function test_TheHolderAndItsSubmitterNeedNoCommitment() public {
        Slot memory slot = _open(alice);
        vm.prank(alice);
        _reveal(slot, alice, 0);
        _assertState(slot, SlotState.Proven);

        slot = _open(alice);
        address key = makeAddr("key");
        _submitter(alice, key);
        vm.prank(key);
        _reveal(slot, alice, 0);
        _assertState(slot, SlotState.Proven);
    }

    function test_RevertProve_WhenAStrangerSendsTheHoldersProof() public {
        Slot memory slot = _open(alice);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.NotPayee.selector, alice));
        _reveal(slot, alice, 0);
    }

    // ---------------------------------------------------------------- after it

    function test_ACommittedProofIsPaidFromTheDelayOn() public {
        Slot memory slot = _open(alice);
        vm.prank(bob);
        market.commitProof(_commitment(slot, bob, "salt"));
        uint256 at = vm.getBlockNumber();
        vm.warp(slot.exclusiveUntil);
        vm.roll(at + DELAY - 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IProofMarketEvents.ProofNotCommitted.selector, _commitment(slot, bob, "salt"), at + DELAY
            )
        );
        _reveal(slot, bob, "salt");
        vm.roll(at + DELAY);
        // Who sends it does not matter: payee and salt are in the commitment.
        _reveal(slot, bob, "salt");
        _assertState(slot, SlotState.Proven);
        assertGt(market.credits(bob), 0);
    }

    function test_ACommitmentHoldsWhenTheSlotChangesHands() public {
        Slot memory slot = _open(address(0), PRICE, uint40(block.timestamp + 10));
        market.commitProof(_commitment(slot, bob, "salt"));
        vm.prank(address(mechanism));
        market.assign(slot, terms, alice, PRICE);
        slot.prover = alice;
        (slot.startedAt, slot.exclusiveUntil) = (uint40(block.timestamp), uint40(block.timestamp) + EXCLUSIVE);
        vm.roll(vm.getBlockNumber() + DELAY);
        vm.warp(slot.exclusiveUntil);
        _reveal(slot, bob, "salt");
        _assertState(slot, SlotState.Proven);
    }

    function test_TheFirstCommitmentCounts() public {
        bytes32 commitment = _commitment(_open(alice), bob, "salt");
        vm.expectEmit(address(market));
        emit IProofMarketEvents.ProofCommitted(commitment, bob);
        vm.prank(bob);
        market.commitProof(commitment);
        uint256 at = market.committedAt(commitment);
        vm.roll(at + 5);
        vm.prank(carol);
        market.commitProof(commitment);
        assertEq(market.committedAt(commitment), at);
    }

    function test_RevertProve_WhenTheProofHasNoSalt() public {
        Slot memory slot = _open(alice);
        vm.expectRevert(IProofMarketEvents.ProofInvalid.selector);
        vm.prank(alice);
        market.prove(slot, terms, _inputs(alice), new bytes(31));
    }

    function test_RevertProve_WhenACommittedProofIsWrong() public {
        Slot memory slot = _open(alice);
        vm.warp(slot.exclusiveUntil);
        bytes32 wrong = keccak256(abi.encode(keccak256("wrong"), bob, slot.market, slot.id, bytes32("salt")));
        market.commitProof(wrong);
        vm.roll(vm.getBlockNumber() + DELAY);
        vm.expectRevert(IProofMarketEvents.ProofInvalid.selector);
        market.prove(slot, terms, _inputs(bob), abi.encodePacked(bytes32("salt"), "wrong"));
    }
}
