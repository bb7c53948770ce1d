// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IVerifier } from "../../src/interfaces/IVerifier.sol";
import { GasMeter } from "../mocks/GasMeter.sol";
import { GasSweep } from "./GasSweep.sol";
import { Groth16K1Verifier } from "./generated/Groth16K1Verifier.sol";
import { Groth16K5Verifier } from "./generated/Groth16K5Verifier.sol";
import { Groth16K9Verifier } from "./generated/Groth16K9Verifier.sol";

interface IGenerated is IVerifier {
    function publicInputCount() external pure returns (uint256);
    function verifyingKeyHash() external pure returns (bytes32);
    function keyHash() external pure returns (bytes32);
}

/// Behaviour that every generated verifier shares, on a key and a proof made by ark-groth16 (tests/vectors).
abstract contract Groth16VerifierTest is GasSweep {
    uint256 internal constant P = 21888242871839275222246405745257275088696311157297823662689037894645226208583;
    uint256 internal constant R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;

    IGenerated internal verifier;
    uint256 internal k;
    string internal json;
    uint256[] internal inputs;
    bytes internal proof;

    function _start(IGenerated verifier_, uint256 k_, string memory vector) internal {
        verifier = verifier_;
        k = k_;
        json = vm.readFile(vector);
        inputs = vm.parseJsonUintArray(json, ".inputs");
        proof = vm.parseJsonBytes(json, ".proof");
    }

    // ------------------------------------------------------------------ helpers

    /// Fails if the call reverts. Its gas is bounded because a precompile that rejects its input burns all it is given.
    function _verify(uint256[] memory inputs_, bytes memory proof_) internal view returns (bool) {
        return verifier.verify{ gas: 400_000 }(inputs_, proof_);
    }

    function _word(bytes memory data, uint256 i) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 0x20), mul(i, 0x20)))
        }
    }

    function _setWord(bytes memory data, uint256 i, uint256 word) internal pure {
        assembly ("memory-safe") {
            mstore(add(add(data, 0x20), mul(i, 0x20)), word)
        }
    }

    /// The proof with word `i` replaced.
    function _with(uint256 i, uint256 word) internal view returns (bytes memory changed) {
        changed = proof;
        _setWord(changed, i, word);
    }

    /// The proof with `count` words from `i` set to zero.
    function _zeroed(uint256 i, uint256 count) internal view returns (bytes memory changed) {
        changed = proof;
        for (uint256 j = 0; j < count; ++j) {
            _setWord(changed, i + j, 0);
        }
    }

    function _resized(uint256 length) internal view returns (bytes memory changed) {
        changed = new bytes(length);
        for (uint256 i = 0; i < length && i < proof.length; ++i) {
            changed[i] = proof[i];
        }
    }

    // ------------------------------------------------------------------ the proof and the key

    function test_AcceptsAnHonestProof() public view {
        assertTrue(_verify(inputs, proof));
    }

    function test_SaysItsNumberOfInputs() public view {
        assertEq(verifier.publicInputCount(), k);
        assertEq(inputs.length, k);
    }

    function test_SaysTheHashOfItsKey() public view {
        bytes memory words = bytes.concat(
            abi.encodePacked(vm.parseJsonUintArray(json, ".alpha")),
            abi.encodePacked(vm.parseJsonUintArray(json, ".beta")),
            abi.encodePacked(vm.parseJsonUintArray(json, ".gamma")),
            abi.encodePacked(vm.parseJsonUintArray(json, ".delta")),
            abi.encodePacked(vm.parseJsonUintArray(json, ".ic"))
        );
        assertEq(words.length, 32 * (2 + 3 * 4 + 2 * (k + 1)));
        assertEq(verifier.verifyingKeyHash(), sha256(words));
    }

    /// Of the key's file, as the vectors have it: what is registered on chain and what is on disk are compared by it.
    function test_SaysTheHashOfItsKeysFile() public view {
        assertEq(verifier.keyHash(), vm.parseJsonBytes32(json, ".key_hash"));
    }

    // ------------------------------------------------------------------ calldata

    function test_RevertFallback_WhenSelectorIsUnknown() public {
        bytes4[3] memory selectors = [bytes4(0), bytes4(0xffffffff), bytes4(IVerifier.verify.selector ^ 0x00000001)];
        for (uint256 i = 0; i < selectors.length; ++i) {
            (bool success,) = address(verifier).call(abi.encodeWithSelector(selectors[i], inputs, proof));
            assertFalse(success);
        }
        (bool empty,) = address(verifier).call("");
        assertFalse(empty);
    }

    function test_RevertFallback_WhenValueIsSent() public {
        vm.deal(address(this), 1);
        (bool success,) = address(verifier).call{ value: 1 }(abi.encodeCall(IVerifier.verify, (inputs, proof)));
        assertFalse(success);
    }

    /// Cut anywhere, the calldata is answered with false.
    function testFuzz_RejectsCalldataThatEndsEarly(uint256 length) public {
        _mockPairing();
        bytes memory data = abi.encodeCall(IVerifier.verify, (inputs, proof));
        length = bound(length, 4, data.length - 1);
        assembly ("memory-safe") {
            mstore(data, length)
        }
        (bool success, bytes memory answer) = address(verifier).staticcall{ gas: 400_000 }(data);
        assertTrue(success);
        assertFalse(abi.decode(answer, (bool)));
    }

    function testFuzz_RejectsOffsetsThatLeadNowhere(uint256 inputsAt, uint256 proofAt) public view {
        bytes memory data = abi.encodeCall(IVerifier.verify, (inputs, proof));
        vm.assume(inputsAt != _word4(data, 0) || proofAt != _word4(data, 1));
        assembly ("memory-safe") {
            mstore(add(data, 0x24), inputsAt)
            mstore(add(data, 0x44), proofAt)
        }
        (bool success, bytes memory answer) = address(verifier).staticcall{ gas: 400_000 }(data);
        assertTrue(success);
        assertFalse(abi.decode(answer, (bool)));
    }

    function _word4(bytes memory data, uint256 i) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 0x24), mul(i, 0x20)))
        }
    }

    /// Any encoding of the arguments is understood, not only the one that Solidity writes.
    function test_AcceptsTheArgumentsInTheOtherOrder() public view {
        bytes memory data = bytes.concat(
            abi.encodePacked(IVerifier.verify.selector, uint256(0x40 + 0x20 + 0x100), uint256(0x40)),
            abi.encodePacked(uint256(0x100), proof),
            abi.encodePacked(k, inputs)
        );
        (bool success, bytes memory answer) = address(verifier).staticcall(data);
        assertTrue(success && abi.decode(answer, (bool)));
    }

    // ------------------------------------------------------------------ public inputs

    function testFuzz_RejectsAnyOtherInput(uint256 i, uint256 value) public view {
        uint256[] memory changed = inputs;
        i = bound(i, 0, k - 1);
        vm.assume(value != changed[i]);
        changed[i] = value;
        assertFalse(_verify(changed, proof));
    }

    /// input + r is the same element of the field: without the range check one statement would have several encodings.
    function test_RejectsAnInputPlusTheOrder() public view {
        for (uint256 i = 0; i < k; ++i) {
            uint256[] memory changed = inputs;
            for (uint256 multiple = 1; inputs[i] <= type(uint256).max - multiple * R; ++multiple) {
                changed[i] = inputs[i] + multiple * R;
                assertFalse(_verify(changed, proof));
                if (multiple == 5) break;
            }
        }
    }

    function test_RejectsInputsAtTheEdgesOfTheField() public view {
        uint256[5] memory edges = [uint256(0), R - 1, R, R + 1, type(uint256).max];
        for (uint256 i = 0; i < k; ++i) {
            for (uint256 j = 0; j < edges.length; ++j) {
                uint256[] memory changed = inputs;
                changed[i] = edges[j];
                assertFalse(_verify(changed, proof));
            }
        }
    }

    function test_RejectsSwappedInputs() public view {
        for (uint256 i = 1; i < k; ++i) {
            uint256[] memory changed = inputs;
            (changed[i - 1], changed[i]) = (changed[i], changed[i - 1]);
            assertFalse(_verify(changed, proof));
        }
    }

    function test_RejectsAWrongNumberOfInputs() public view {
        for (uint256 length = 0; length < k + 3; ++length) {
            if (length == k) continue;
            uint256[] memory changed = new uint256[](length);
            for (uint256 i = 0; i < length && i < k; ++i) {
                changed[i] = inputs[i];
            }
            assertFalse(_verify(changed, proof));
        }
    }

    // ------------------------------------------------------------------ the proof's bytes

    function test_RejectsEveryChangedWord() public view {
        for (uint256 i = 0; i < 8; ++i) {
            uint256 word = _word(proof, i);
            assertFalse(_verify(inputs, _with(i, word ^ 1)));
            assertFalse(_verify(inputs, _with(i, 0)));
            assertFalse(_verify(inputs, _with(i, P)));
            assertFalse(_verify(inputs, _with(i, type(uint256).max)));
            // The same coordinate, not reduced.
            assertFalse(_verify(inputs, _with(i, word + P)));
        }
    }

    function testFuzz_RejectsAChangedWord(uint256 i, uint256 word) public view {
        i = bound(i, 0, 7);
        vm.assume(word != _word(proof, i));
        assertFalse(_verify(inputs, _with(i, word)));
    }

    function test_RejectsANegatedPoint() public view {
        assertFalse(_verify(inputs, _with(1, P - _word(proof, 1))));
        assertFalse(_verify(inputs, _with(7, P - _word(proof, 7))));
        bytes memory changed = _with(4, P - _word(proof, 4));
        _setWord(changed, 5, P - _word(proof, 5));
        assertFalse(_verify(inputs, changed));
    }

    function test_RejectsSwappedPartsOfB() public view {
        bytes memory changed = _with(2, _word(proof, 3));
        _setWord(changed, 3, _word(proof, 2));
        _setWord(changed, 4, _word(proof, 5));
        _setWord(changed, 5, _word(proof, 4));
        assertFalse(_verify(inputs, changed));
    }

    function test_RejectsSwappedAAndC() public view {
        bytes memory changed = proof;
        for (uint256 i = 0; i < 2; ++i) {
            _setWord(changed, i, _word(proof, 6 + i));
            _setWord(changed, 6 + i, _word(proof, i));
        }
        assertFalse(_verify(inputs, changed));
    }

    function test_RejectsPointsAtInfinity() public view {
        assertFalse(_verify(inputs, _zeroed(0, 8)));
        assertFalse(_verify(inputs, _zeroed(0, 2)));
        assertFalse(_verify(inputs, _zeroed(2, 4)));
        assertFalse(_verify(inputs, _zeroed(6, 2)));
        assertFalse(_verify(inputs, _zeroed(0, 6)));
        assertFalse(_verify(inputs, _zeroed(2, 6)));
    }

    /// Infinity is refused before the pairing sees it, not by the pairing's outcome.
    function test_RejectsPointsAtInfinity_WhateverThePairingSays() public {
        vm.mockCall(address(8), bytes(""), abi.encode(uint256(1)));
        assertTrue(_verify(inputs, proof));
        assertFalse(_verify(inputs, _zeroed(0, 8)));
        assertFalse(_verify(inputs, _zeroed(0, 2)));
        assertFalse(_verify(inputs, _zeroed(2, 4)));
        assertFalse(_verify(inputs, _zeroed(6, 2)));
    }

    /// On the twist, but not in the subgroup of order r.
    function test_RejectsAPointOutsideItsSubgroup() public view {
        uint256[4] memory outside = _outsideSubgroup();
        bytes memory changed = proof;
        for (uint256 i = 0; i < 4; ++i) {
            _setWord(changed, 2 + i, outside[i]);
        }
        assertFalse(_verify(inputs, changed));
    }

    function _outsideSubgroup() internal view returns (uint256[4] memory words) {
        uint256[] memory read = vm.parseJsonUintArray(json, ".outside_subgroup");
        for (uint256 i = 0; i < 4; ++i) {
            words[i] = read[i];
        }
    }

    function test_RejectsAWrongLength() public view {
        uint256[9] memory lengths = [uint256(0), 1, 32, 128, 255, 257, 288, 512, 1024];
        for (uint256 i = 0; i < lengths.length; ++i) {
            assertFalse(_verify(inputs, _resized(lengths[i])));
        }
    }

    function testFuzz_RejectsNoise(uint256[] calldata anyInputs, bytes calldata anyProof) public view {
        assertFalse(_verify(anyInputs, anyProof));
    }

    // ------------------------------------------------------------------ malleability

    /// (A, B, C) and (-A, -B, C) prove the same. Nothing in Provery is keyed on a proof's bytes: a slot ends once, and the
    /// payee is a public input, so whoever sends the copy pays the gas and gains nothing.
    function test_AcceptsANegatedPair() public view {
        bytes memory changed = _with(1, P - _word(proof, 1));
        _setWord(changed, 4, P - _word(proof, 4));
        _setWord(changed, 5, P - _word(proof, 5));
        assertNotEq(keccak256(changed), keccak256(proof));
        assertTrue(_verify(inputs, changed));
    }

    /// Anyone can re-randomise a proof all the way: harmless for the same reason.
    function test_AcceptsARerandomisedProof() public view {
        bytes memory changed = vm.parseJsonBytes(json, ".rerandomized");
        for (uint256 i = 0; i < 8; ++i) {
            assertNotEq(_word(changed, i), _word(proof, i));
        }
        assertTrue(_verify(inputs, changed));
    }

    // ------------------------------------------------------------------ precompiles

    /// The pairing says yes throughout, so that nothing but the check on the call itself can say no.
    function test_RejectsWhenAPrecompileFails() public {
        for (uint160 precompile = 6; precompile <= 8; ++precompile) {
            _mockPairing();
            assertTrue(_verify(inputs, proof));
            vm.mockCallRevert(address(precompile), bytes(""), "");
            assertFalse(_verify(inputs, proof));
            // A failure that comes with what success would return.
            bytes memory answer = precompile == 8 ? abi.encode(uint256(1)) : new bytes(64);
            vm.mockCallRevert(address(precompile), bytes(""), answer);
            assertFalse(_verify(inputs, proof));
            vm.clearMockedCalls();
        }
    }

    /// As on a chain that lacks the precompile, where the call succeeds and returns nothing.
    function test_RejectsWhenEcAddOrEcMulReturnsShort() public {
        uint256[4] memory lengths = [uint256(0), 1, 32, 63];
        for (uint160 precompile = 6; precompile <= 7; ++precompile) {
            for (uint256 i = 0; i < lengths.length; ++i) {
                _mockPairing();
                vm.mockCall(address(precompile), bytes(""), new bytes(lengths[i]));
                assertFalse(_verify(inputs, proof));
                vm.clearMockedCalls();
            }
        }
    }

    /// A.x is where the pairing's answer goes: a proof with A.x = 1 must not answer for a pairing that says nothing.
    function test_RejectsWhenThePairingReturnsShort() public {
        bytes memory changed = _with(0, 1);
        _setWord(changed, 1, 2);
        uint256[3] memory lengths = [uint256(0), 1, 31];
        for (uint256 i = 0; i < lengths.length; ++i) {
            vm.mockCall(address(8), bytes(""), new bytes(lengths[i]));
            assertFalse(_verify(inputs, changed));
            assertFalse(_verify(inputs, proof));
        }
    }

    function _mockPairing() internal {
        vm.mockCall(address(8), bytes(""), abi.encode(uint256(1)));
    }

    function test_RejectsAnyAnswerOfThePairingButOne() public {
        uint256[4] memory answers = [uint256(0), 2, 3, type(uint256).max];
        for (uint256 i = 0; i < answers.length; ++i) {
            vm.mockCall(address(8), bytes(""), abi.encode(answers[i]));
            assertFalse(_verify(inputs, proof));
        }
    }

    // ------------------------------------------------------------------ gas

    function test_RevertVerify_WhenGasIsLacking_NeverFalseOfAValidProof() public view {
        _assertRevertsOrAccepts(verifier, inputs, proof, _gasOfVerify());
    }

    /// The generated contract's interface names the amount.
    function test_RejectsAMalformedProof_WithEnoughGas() public view {
        uint256 enough = 200_000 + 7000 * k;
        _assertRevertsOrRefuses(verifier, inputs, _with(0, _word(proof, 0) ^ 1), enough);
        _assertRevertsOrRefuses(verifier, inputs, _with(1, P - _word(proof, 1)), enough);
        _assertRevertsOrRefuses(verifier, inputs, _resized(255), enough);
    }

    /// What the precompiles and the calls to them cost.
    function _gasFloor() internal view returns (uint256) {
        return 181_000 + 6150 * k + 100 * (1 + 2 * k);
    }

    function _gasAllowed() internal view virtual returns (uint256) {
        return _gasFloor() * 1005 / 1000;
    }

    /// Gas used inside the call, as the EVM meters it for the frame.
    function test_GasInsideTheCallIsNearTheFloor() public {
        uint256 used = _gasOfVerify();
        emit log_named_uint("gas inside the call", used);
        assertLe(used, _gasAllowed());
        assertGt(used, _gasFloor());
    }

    /// The stricter measure: gasleft() around a warm static call, so with the call itself.
    function test_GasAroundTheCallIsNearTheFloor() public {
        assertTrue(_verify(inputs, proof));
        bytes memory data = abi.encodeCall(IVerifier.verify, (inputs, proof));
        uint256 used = GasMeter(deployCode("GasMeter.sol:GasMeter")).around(address(verifier), data);
        emit log_named_uint("gasleft() around the call", used);
        assertLe(used, _gasAllowed());
    }

    function _gasOfVerify() internal view returns (uint256) {
        assertTrue(_verify(inputs, proof));
        return vm.lastCallGas().gasTotalUsed;
    }
}

contract Groth16K1VerifierTest is Groth16VerifierTest {
    function setUp() public {
        _start(
            IGenerated(address(Groth16K1Verifier(deployCode("Groth16K1Verifier.sol:Groth16K1Verifier")))),
            1,
            "tests/vectors/groth16_k1.json"
        );
    }
}

contract Groth16K5VerifierTest is Groth16VerifierTest {
    function setUp() public {
        _start(
            IGenerated(address(Groth16K5Verifier(deployCode("Groth16K5Verifier.sol:Groth16K5Verifier")))),
            5,
            "tests/vectors/groth16_k5.json"
        );
    }

    function test_RejectsTheProofOfAnotherKey() public view {
        string memory other = vm.readFile("tests/vectors/groth16_k1.json");
        assertFalse(_verify(inputs, vm.parseJsonBytes(other, ".proof")));
    }
}

/// From nine inputs on, the inputs have memory of their own.
contract Groth16K9VerifierTest is Groth16VerifierTest {
    function setUp() public {
        _start(
            IGenerated(address(Groth16K9Verifier(deployCode("Groth16K9Verifier.sol:Groth16K9Verifier")))),
            9,
            "tests/vectors/groth16_k9.json"
        );
    }

    function _gasAllowed() internal view override returns (uint256) {
        return _gasFloor() * 1007 / 1000;
    }
}
