// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IInnerVerifiers } from "../../../src/interfaces/IInnerVerifiers.sol";
import { IVerifier } from "../../../src/interfaces/IVerifier.sol";
import { IVerifierAdapter } from "../../../src/interfaces/IVerifierAdapter.sol";
import { VerifierAdapter } from "../../../src/verifiers/adapters/VerifierAdapter.sol";
import { GasSweep } from "../GasSweep.sol";

/// Proofs of other systems and the contracts they are for, from tests/vectors/proofs.
abstract contract ProofFixtures is GasSweep {
    struct Fixture {
        uint256[] inputs;
        bytes proof;
        address inner;
        bytes32 id;
    }

    function _load(string memory name) internal returns (Fixture memory fixture) {
        string memory json = vm.readFile(string.concat("tests/vectors/proofs/", name, ".json"));
        fixture.inputs = vm.parseJsonUintArray(json, ".inputs");
        fixture.proof = vm.parseJsonBytes(json, ".proof");
        fixture.inner = _create(vm.parseJsonBytes(json, ".code"));
        if (vm.keyExistsJson(json, ".id")) fixture.id = vm.parseJsonBytes32(json, ".id");
    }

    /// False is said of a proof, never of a lack of gas: up to some amount every call reverts, from there on every call accepts.
    function _assertFalseNever(IVerifier verifier, uint256[] memory inputs, bytes memory proof, uint256 used)
        internal
        view
    {
        bytes memory data = abi.encodeCall(IVerifier.verify, (inputs, proof));
        bool accepts;
        uint256 named;
        // Closer together around what is used, where a 64th that is held back decides.
        for (uint256 gas_ = 500; gas_ < 2 * used; gas_ += gas_ + 4000 < used || gas_ > used + 12_000 ? used / 50 : 61) {
            (bool success, bytes memory answer) = address(verifier).staticcall{ gas: gas_ }(data);
            if (success) {
                assertTrue(abi.decode(answer, (bool)), "false of a valid proof");
                accepts = true;
            } else {
                assertFalse(accepts, "more gas, and a revert");
                if (answer.length != 0) {
                    assertEq(bytes4(answer), IVerifier.InsufficientGas.selector);
                    ++named;
                }
            }
        }
        assertTrue(accepts, "never accepts");
        assertGt(named, 20, "a lack of gas is hardly ever named");
    }

    function _create(bytes memory code) internal returns (address created) {
        assembly ("memory-safe") {
            created := create(0, add(code, 0x20), mload(code))
        }
        assertTrue(created != address(0), "a fixture's code does not deploy");
    }
}

/// What every adapter does with a real proof of its system.
abstract contract AdapterTest is ProofFixtures {
    uint256 internal constant R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;

    /// Four fifths more than any inner verifier here uses, which no proof's refusal exceeds in these tests.
    uint256 internal constant PLENTY = 1_200_000;

    Fixture internal fixture;
    VerifierAdapter internal adapter;

    /// `VerifierAdapter` for `inner`, with the fixture's parameters.
    function _deploy(address inner, uint256 gasNeeded) internal virtual returns (VerifierAdapter);

    function _innerGas() internal view virtual returns (uint256);

    /// Whether inputs are field elements, or words that are hashed.
    function _takesFieldElements() internal pure virtual returns (bool) {
        return true;
    }

    function _accepts(uint256[] memory inputs, bytes memory proof) internal view returns (bool) {
        return adapter.verify{ gas: PLENTY }(inputs, proof);
    }

    function test_AcceptsTheRealProof() public view {
        assertTrue(_accepts(fixture.inputs, fixture.proof));
        assertEq(adapter.publicInputCount(), fixture.inputs.length);
        assertEq(adapter.inner(), fixture.inner);
        assertEq(adapter.innerCodeHash(), fixture.inner.codehash);
        assertEq(adapter.gasNeeded(), _innerGas());
    }

    /// Every seventh byte, so that every word of the proof is changed at several places.
    function test_RefusesAProofThatIsChangedAnywhere() public view {
        bytes memory changed = fixture.proof;
        for (uint256 i = 0; i < changed.length; i += 7) {
            bytes1 was = changed[i];
            changed[i] = was ^ bytes1(uint8(1 << (i % 8)));
            assertFalse(_accepts(fixture.inputs, changed), vm.toString(i));
            changed[i] = was;
        }
        assertTrue(_accepts(fixture.inputs, changed));
    }

    function test_RefusesWordsThatAreZeroOrFull() public view {
        bytes memory proof = fixture.proof;
        uint256 from = proof.length % 32;
        for (uint256 at = from; at < proof.length; at += 32) {
            uint256 was = _word(proof, at);
            if (was != 0) assertFalse(_with(at, 0));
            assertFalse(_with(at, type(uint256).max));
        }
    }

    function _word(bytes memory data, uint256 at) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 0x20), at))
        }
    }

    function _with(uint256 at, uint256 word) private view returns (bool) {
        bytes memory changed = fixture.proof;
        assembly ("memory-safe") {
            mstore(add(add(changed, 0x20), at), word)
        }
        return _accepts(fixture.inputs, changed);
    }

    /// The payee is the last input, the statement what comes before.
    function test_RefusesAnotherPayeeAndAnotherStatement() public view {
        for (uint256 i = 0; i < fixture.inputs.length; ++i) {
            uint256[] memory changed = fixture.inputs;
            changed[i] ^= 1;
            assertFalse(_accepts(changed, fixture.proof));
            changed[i] = 0;
            assertFalse(_accepts(changed, fixture.proof));
        }
    }

    function test_RefusesTheSameElementsWrittenOtherwise() public view {
        if (!_takesFieldElements()) return;
        for (uint256 i = 0; i < fixture.inputs.length; ++i) {
            uint256[] memory changed = fixture.inputs;
            for (uint256 multiple = 1; multiple < 6; ++multiple) {
                if (fixture.inputs[i] > type(uint256).max - multiple * R) break;
                changed[i] = fixture.inputs[i] + multiple * R;
                assertFalse(_accepts(changed, fixture.proof));
            }
        }
    }

    function test_RefusesAWrongNumberOfInputs() public view {
        uint256 count = fixture.inputs.length;
        for (uint256 length = 0; length < count + 3; ++length) {
            if (length == count) continue;
            uint256[] memory changed = new uint256[](length);
            for (uint256 i = 0; i < length && i < count; ++i) {
                changed[i] = fixture.inputs[i];
            }
            assertFalse(_accepts(changed, fixture.proof));
        }
    }

    /// Longer proofs too, where the system fixes the length.
    function test_RefusesAWrongLength() public view {
        uint256 right = fixture.proof.length;
        uint256[6] memory lengths = [uint256(0), 3, 4, 32, right - 1, right - 32];
        for (uint256 i = 0; i < lengths.length; ++i) {
            assertFalse(_accepts(fixture.inputs, _resized(lengths[i])));
        }
        if (_takesFieldElements()) {
            assertFalse(_accepts(fixture.inputs, _resized(right + 1)));
            assertFalse(_accepts(fixture.inputs, _resized(right + 32)));
        }
    }

    function _resized(uint256 length) private view returns (bytes memory changed) {
        changed = new bytes(length);
        for (uint256 i = 0; i < length && i < fixture.proof.length; ++i) {
            changed[i] = fixture.proof[i];
        }
    }

    // ------------------------------------------------------------------ gas

    function test_SaysNothingFalseOfAValidProof_WhateverTheGas() public view {
        uint256 before = gasleft();
        assertTrue(adapter.verify(fixture.inputs, fixture.proof));
        _assertFalseNever(adapter, fixture.inputs, fixture.proof, before - gasleft());
    }

    function test_RefusesABadProof_WithGasEnough() public view {
        bytes memory changed = fixture.proof;
        changed[changed.length - 1] ^= 0x01;
        uint256 enough = (_innerGas() + 500) * 64 / 63 + 40_000;
        _assertRevertsOrRefuses(adapter, fixture.inputs, changed, enough);
    }

    // ------------------------------------------------------------------ the inner verifier

    function test_RevertConstructor_WhenTheVerifierHasNoCode() public {
        address nobody = makeAddr("nobody");
        vm.expectRevert(abi.encodeWithSelector(IInnerVerifiers.VerifierHasNoCode.selector, nobody));
        _deploy(nobody, _innerGas());
        vm.etch(nobody, abi.encodePacked(hex"ef0100", fixture.inner));
        vm.expectRevert(abi.encodeWithSelector(IInnerVerifiers.VerifierHasNoCode.selector, nobody));
        _deploy(nobody, _innerGas());
    }

    function test_RevertConstructor_WhenTheGasIsTooLittle() public {
        vm.expectRevert(abi.encodeWithSelector(IVerifierAdapter.GasNeededTooLow.selector, 112_999));
        _deploy(fixture.inner, 112_999);
    }

    function test_RevertVerify_WhenTheVerifiersCodeChanges() public {
        vm.etch(fixture.inner, hex"00");
        vm.expectRevert(abi.encodeWithSelector(IInnerVerifiers.VerifierChanged.selector, fixture.inner));
        adapter.verify(fixture.inputs, fixture.proof);
        vm.etch(fixture.inner, "");
        vm.expectRevert(abi.encodeWithSelector(IInnerVerifiers.VerifierChanged.selector, fixture.inner));
        adapter.verify(fixture.inputs, fixture.proof);
    }

    function test_KeyHashTellsVerifiersApart() public {
        bytes32 hash = adapter.keyHash();
        assertEq(_deploy(fixture.inner, _innerGas() + 1).keyHash(), hash);
        address other = makeAddr("another with the same code");
        vm.etch(other, fixture.inner.code);
        assertNotEq(_deploy(other, _innerGas()).keyHash(), hash);
        vm.etch(fixture.inner, hex"00");
        assertNotEq(_deploy(fixture.inner, _innerGas()).keyHash(), hash);
    }

    /// Garbage is no answer; only a contract that answers as its interface says can accept.
    function test_RefusesGarbage() public {
        bytes[6] memory codes = [
            bytes(hex"60025f5260205ff3"), // 2
            hex"60015f5260405ff3", // 1 and a word more
            hex"60015f52601f5ff3", // 31 bytes
            hex"5f1960205260205ff3", // 0
            hex"62100000" // reverts with a mebibyte
            hex"5ffd",
            hex"5b5f56" // loops
        ];
        for (uint256 i = 0; i < codes.length; ++i) {
            address odd = makeAddr("odd");
            vm.etch(odd, codes[i]);
            assertFalse(_deploy(odd, _innerGas()).verify{ gas: 2 * PLENTY }(fixture.inputs, fixture.proof));
        }
    }

    /// What the adapter costs over what it asks, with both accounts warm; cold, it costs 2,500 more.
    function _overhead(bytes memory message) internal returns (uint256) {
        assertTrue(adapter.verify(fixture.inputs, fixture.proof));
        assertTrue(adapter.verify(fixture.inputs, fixture.proof));
        uint256 used = vm.lastCallGas().gasTotalUsed;
        (bool success,) = fixture.inner.staticcall(message);
        uint256 alone = vm.lastCallGas().gasTotalUsed;
        assertTrue(success);
        emit log_named_uint("inner verifier", alone);
        emit log_named_uint("through the adapter", used);
        return used - alone;
    }
}
