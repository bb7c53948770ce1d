// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IInnerVerifiers } from "../../src/interfaces/IInnerVerifiers.sol";
import { IQuorumVerifier } from "../../src/interfaces/IQuorumVerifier.sol";
import { IVerifier } from "../../src/interfaces/IVerifier.sol";
import { QuorumVerifier } from "../../src/verifiers/QuorumVerifier.sol";
import { SnarkjsFflonkAdapter } from "../../src/verifiers/adapters/SnarkjsFflonkAdapter.sol";
import { SnarkjsGroth16Adapter } from "../../src/verifiers/adapters/SnarkjsGroth16Adapter.sol";
import { SnarkjsPlonkAdapter } from "../../src/verifiers/adapters/SnarkjsPlonkAdapter.sol";
import { OddVerifier } from "../mocks/MockVerifier.sol";
import { ProofFixtures } from "./adapters/AdapterFixture.sol";

/// One statement of one circom circuit, proven with Groth16, PLONK and fflonk.
contract QuorumVerifierTest is ProofFixtures {
    uint256 private constant PLENTY = 2_000_000;

    uint256[] private inputs;
    IVerifier[3] private systems;
    bytes[3] private proofs;
    QuorumVerifier private both;
    QuorumVerifier private twoOfThree;

    function setUp() public {
        Fixture[3] memory fixtures = [_load("groth16"), _load("plonk"), _load("fflonk")];
        inputs = fixtures[0].inputs;
        systems[0] = new SnarkjsGroth16Adapter(fixtures[0].inner, 3, 1, true, 260_000);
        systems[1] = new SnarkjsPlonkAdapter(fixtures[1].inner, 3, 1, true, 400_000);
        systems[2] = new SnarkjsFflonkAdapter(fixtures[2].inner, 3, 1, true, 280_000);
        for (uint256 i = 0; i < 3; ++i) {
            assertEq(abi.encode(fixtures[i].inputs), abi.encode(inputs), "the fixtures are of different statements");
            proofs[i] = fixtures[i].proof;
        }
        both = new QuorumVerifier(_list(2), 2);
        twoOfThree = new QuorumVerifier(_list(3), 2);
    }

    function _list(uint256 count) private view returns (address[] memory list) {
        list = new address[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = address(systems[i]);
        }
    }

    /// The proofs of the systems in `chosen`, packed.
    function _packed(uint8 chosen) private view returns (bytes memory packed) {
        packed = abi.encodePacked(chosen);
        for (uint256 i = 0; i < 3; ++i) {
            if (chosen >> i & 1 == 1) packed = abi.encodePacked(packed, uint24(proofs[i].length), proofs[i]);
        }
    }

    function _accepts(QuorumVerifier quorum, bytes memory proof) private view returns (bool) {
        return quorum.verify{ gas: PLENTY }(inputs, proof);
    }

    // ------------------------------------------------------------------ proofs

    function test_AcceptsGroth16AndPlonkOfOneCircuit() public view {
        assertTrue(_accepts(both, _packed(3)));
    }

    function test_AcceptsAnyTwoOfThree() public view {
        assertTrue(_accepts(twoOfThree, _packed(3)));
        assertTrue(_accepts(twoOfThree, _packed(5)));
        assertTrue(_accepts(twoOfThree, _packed(6)));
    }

    /// Exactly as many as needed: one set of proofs has one encoding.
    function test_RefusesMoreOrFewerThanTheThreshold() public view {
        for (uint8 chosen = 0; chosen < 8; ++chosen) {
            bool two = chosen == 3 || chosen == 5 || chosen == 6;
            assertEq(_accepts(twoOfThree, _packed(chosen)), two);
        }
        assertFalse(_accepts(both, _packed(1)));
        assertFalse(_accepts(both, _packed(2)));
    }

    function test_RefusesOneGoodProofBesideABadOne() public {
        for (uint256 i = 0; i < 2; ++i) {
            bytes memory good = proofs[i];
            proofs[i][40] ^= 0x01;
            assertFalse(_accepts(both, _packed(3)));
            proofs[i] = good;
        }
        // One verifier's proof in the other's place.
        assertFalse(_accepts(both, abi.encodePacked(uint8(3), uint24(256), proofs[0], uint24(256), proofs[0])));
        assertFalse(_accepts(both, abi.encodePacked(uint8(3), uint24(768), proofs[1], uint24(256), proofs[0])));
    }

    function test_RefusesAnotherPayeeAndAnotherStatement() public {
        bytes memory proof = _packed(3);
        for (uint256 i = 0; i < 3; ++i) {
            uint256 was = inputs[i];
            inputs[i] ^= 1;
            assertFalse(_accepts(both, proof));
            inputs[i] = was;
        }
        inputs.push(0);
        assertFalse(_accepts(both, proof));
    }

    function test_RefusesAProofThatIsChangedAnywhere() public view {
        bytes memory changed = _packed(3);
        for (uint256 i = 0; i < changed.length; i += 5) {
            bytes1 was = changed[i];
            changed[i] = was ^ bytes1(uint8(1 << (i % 8)));
            assertFalse(_accepts(both, changed));
            changed[i] = was;
        }
    }

    function test_RefusesBrokenPacking() public view {
        bytes memory good = _packed(3);
        assertFalse(_accepts(both, ""));
        assertFalse(_accepts(both, abi.encodePacked(good, uint8(0))));
        for (uint256 length = 0; length < good.length; length += 13) {
            bytes memory cut = new bytes(length);
            for (uint256 i = 0; i < length; ++i) {
                cut[i] = good[i];
            }
            assertFalse(_accepts(both, cut));
        }
        // A verifier that is not there, and a length beyond the end.
        assertFalse(_accepts(both, abi.encodePacked(uint8(0x83), proofs[0])));
        assertFalse(_accepts(both, abi.encodePacked(uint8(4), uint24(0), uint24(0))));
        assertFalse(_accepts(both, abi.encodePacked(uint8(3), uint24(256), proofs[0], type(uint24).max, proofs[1])));
    }

    function testFuzz_RefusesNoise(bytes calldata noise) public view {
        assertFalse(_accepts(twoOfThree, noise));
    }

    // ------------------------------------------------------------------ gas

    function test_SaysNothingFalseOfAValidProof_WhateverTheGas() public view {
        bytes memory proof = _packed(3);
        uint256 before = gasleft();
        assertTrue(both.verify(inputs, proof));
        _assertFalseNever(both, inputs, proof, before - gasleft());
    }

    /// With every account warm; cold, each verifier's costs 2,500 more, as it does when it is called alone.
    function test_CostsLittleMoreThanItsVerifiers() public {
        bytes memory proof = _packed(3);
        assertTrue(both.verify(inputs, proof));
        assertTrue(both.verify(inputs, proof));
        uint256 used = vm.lastCallGas().gasTotalUsed;
        uint256 sum;
        for (uint256 i = 0; i < 2; ++i) {
            assertTrue(systems[i].verify(inputs, proofs[i]));
            sum += vm.lastCallGas().gasTotalUsed;
        }
        emit log_named_uint("sum of the verifiers", sum);
        emit log_named_uint("quorum", used);
        assertLe(used - sum, 6000);
    }

    // ------------------------------------------------------------------ the verifiers

    function test_SaysWhatItIsMadeOf() public {
        assertEq(twoOfThree.THRESHOLD(), 2);
        assertEq(twoOfThree.COUNT(), 3);
        bytes memory parts = abi.encode(2);
        for (uint256 i = 0; i < 3; ++i) {
            (address verifier, bytes32 codeHash) = twoOfThree.verifierAt(i);
            assertEq(verifier, address(systems[i]));
            assertEq(codeHash, address(systems[i]).codehash);
            parts = abi.encodePacked(parts, abi.encode(verifier, codeHash));
        }
        (address none,) = twoOfThree.verifierAt(3);
        assertEq(none, address(0));
        assertEq(twoOfThree.keyHash(), keccak256(parts));
        assertNotEq(new QuorumVerifier(_list(3), 3).keyHash(), twoOfThree.keyHash());
        assertNotEq(both.keyHash(), twoOfThree.keyHash());
    }

    /// One that reverts to everything does not keep two others from being enough, and does not count.
    function test_AVerifierThatFailsForGoodCanBeDoneWithout() public {
        address[] memory list = _list(3);
        list[0] = address(new OddVerifier(OddVerifier.Mode.RevertHuge, 0));
        QuorumVerifier quorum = new QuorumVerifier(list, 2);
        assertTrue(_accepts(quorum, _packed(6)));
        (bool success, bytes memory answer) =
            address(quorum).staticcall(abi.encodeCall(IVerifier.verify, (inputs, _packed(3))));
        assertFalse(success);
        assertEq(answer.length, 0);
    }

    function test_RefusesAnswersThatAreNotTrue() public {
        OddVerifier[4] memory odd = [
            new OddVerifier(OddVerifier.Mode.AnswerWord, 2),
            new OddVerifier(OddVerifier.Mode.AnswerWord, type(uint256).max),
            new OddVerifier(OddVerifier.Mode.AnswerNothing, 1),
            new OddVerifier(OddVerifier.Mode.AnswerShort, 1)
        ];
        for (uint256 i = 0; i < odd.length; ++i) {
            address[] memory list = _list(2);
            list[1] = address(odd[i]);
            assertFalse(_accepts(new QuorumVerifier(list, 2), _packed(3)));
        }
    }

    function test_RevertVerify_WhenAVerifiersCodeChanges() public {
        bytes memory proof = _packed(3);
        vm.etch(address(systems[1]), "");
        vm.expectRevert(abi.encodeWithSelector(IInnerVerifiers.VerifierChanged.selector, systems[1]));
        both.verify(inputs, proof);
    }

    function test_RevertConstructor_WhenTheNumbersDoNotFit() public {
        uint256[3] memory thresholds = [uint256(0), 3, type(uint256).max];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IQuorumVerifier.QuorumInvalid.selector, thresholds[i], 2));
            new QuorumVerifier(_list(2), thresholds[i]);
        }
        vm.expectRevert(abi.encodeWithSelector(IQuorumVerifier.QuorumInvalid.selector, 0, 0));
        new QuorumVerifier(new address[](0), 0);
        address[] memory nine = new address[](9);
        for (uint256 i = 0; i < 9; ++i) {
            nine[i] = address(new OddVerifier(OddVerifier.Mode.AnswerWord, i));
        }
        vm.expectRevert(abi.encodeWithSelector(IQuorumVerifier.QuorumInvalid.selector, 2, 9));
        new QuorumVerifier(nine, 2);
        assembly {
            mstore(nine, 8)
        }
        QuorumVerifier eight = new QuorumVerifier(nine, 8);
        (address last,) = eight.verifierAt(7);
        assertEq(last, nine[7]);
    }

    function test_RevertConstructor_WhenAVerifierIsThereTwice() public {
        address[] memory list = _list(3);
        list[2] = list[0];
        vm.expectRevert(abi.encodeWithSelector(IQuorumVerifier.VerifierRepeated.selector, 0, 2));
        new QuorumVerifier(list, 2);
        // The same code at another address.
        list[2] = makeAddr("another");
        vm.etch(list[2], list[1].code);
        vm.expectRevert(abi.encodeWithSelector(IQuorumVerifier.VerifierRepeated.selector, 1, 2));
        new QuorumVerifier(list, 2);
    }

    function test_RevertConstructor_WhenAVerifierHasNoCode() public {
        address[] memory list = _list(2);
        list[1] = makeAddr("nobody");
        vm.expectRevert(abi.encodeWithSelector(IInnerVerifiers.VerifierHasNoCode.selector, list[1]));
        new QuorumVerifier(list, 1);
        vm.etch(list[1], abi.encodePacked(hex"ef0100", list[0]));
        vm.expectRevert(abi.encodeWithSelector(IInnerVerifiers.VerifierHasNoCode.selector, list[1]));
        new QuorumVerifier(list, 1);
    }
}
