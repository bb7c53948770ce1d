// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { AttestedVerifier } from "../../../examples/requester/AttestedVerifier.sol";
import { MinimalRequester } from "../../../examples/requester/MinimalRequester.sol";
import { ICircuitRegistry } from "../../src/interfaces/ICircuitRegistry.sol";
import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { IVerifier } from "../../src/interfaces/IVerifier.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { CircuitSamples } from "../CircuitSamples.sol";
import { MarketFixture } from "../MarketFixture.sol";
import { VmSafe } from "forge-std/Vm.sol";

/// @notice What examples/ shows to integrators works: a question is asked, answered with a proof, and paid.
contract RequesterExampleTest is MarketFixture {
    uint256 private constant X = 7;
    uint256 private constant ANSWER = 49;

    VmSafe.Wallet private attester = vm.createWallet("attester");
    AttestedVerifier private attested = new AttestedVerifier(attester.addr);
    MinimalRequester private example;
    Terms private asked;

    function setUp() public override {
        super.setUp();
        Terms memory template = terms;
        ICircuitRegistry.Sample memory sample;
        sample.publicInputs = _answer(alice);
        sample.proof = _sign(sample.publicInputs);
        template.circuit = circuits.register(CircuitSamples.registration(address(attested)), sample);
        template.verifier = address(attested);
        vm.recordLogs();
        example = new MinimalRequester(market, template, CAPACITY);
        asked = _termsSet();
        _fund(example.MARKET_ID(), 100 ether);
        mechanism.setNext(address(0), PRICE, 0);
    }

    /// @dev As a client reads them.
    function _termsSet() private returns (Terms memory set) {
        VmSafe.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == IProofMarketEvents.TermsSet.selector) {
                (, set) = abi.decode(logs[i].data, (uint256, Terms));
            }
        }
    }

    function _ask() private returns (Slot memory slot) {
        vm.recordLogs();
        example.ask(X, asked);
        VmSafe.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == IProofMarketEvents.SlotOpened.selector) {
                (, slot,) = abi.decode(logs[i].data, (bytes32, Slot, uint256[]));
            }
        }
    }

    function _answer(address payee) private pure returns (uint256[] memory inputs) {
        inputs = new uint256[](3);
        (inputs[0], inputs[1], inputs[2]) = (X, ANSWER, uint160(payee));
    }

    function _sign(uint256[] memory inputs) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(attester.privateKey, attested.digest(inputs));
        return abi.encodePacked(r, s, v);
    }

    function test_AQuestionIsAnsweredAndPaid() public {
        Slot memory slot = _ask();
        uint256[] memory inputs = _answer(alice);
        vm.expectEmit(address(example));
        emit MinimalRequester.Answered(slot.id, X, ANSWER);
        market.prove(slot, asked, inputs, _sign(inputs));
        assertEq(example.answers(slot.id), ANSWER);
        assertEq(market.credits(alice), PRICE);
    }

    function test_RevertProve_WhenAStrangerTakesTheProof() public {
        Slot memory slot = _ask();
        bytes memory proof = _sign(_answer(alice));
        vm.expectRevert(IProofMarketEvents.ProofInvalid.selector);
        market.prove(slot, asked, _answer(bob), proof);
    }

    function test_AQuestionThatNobodyAnswersIsToldOf() public {
        Slot memory slot = _ask();
        vm.warp(slot.openedAt + asked.expiryWindow);
        vm.expectEmit(address(example));
        emit MinimalRequester.Unanswered(slot.id, SlotState.Expired);
        market.expire(slot, asked, _noInputs());
    }

    function test_RevertAsk_WhenNotOwner() public {
        vm.prank(stranger);
        vm.expectRevert(MinimalRequester.NotOwner.selector);
        example.ask(X, asked);
    }

    function test_TheVerifierRevertsWithTooLittleGasAndSaysFalseOfWrongProofs() public {
        uint256[] memory inputs = _answer(alice);
        bytes memory proof = _sign(inputs);
        assertTrue(attested.verify(inputs, proof));
        assertFalse(attested.verify(inputs, ""));
        assertFalse(attested.verify(inputs, new bytes(65)));
        vm.expectRevert(IVerifier.InsufficientGas.selector);
        attested.verify{ gas: 9000 }(inputs, proof);
    }
}
