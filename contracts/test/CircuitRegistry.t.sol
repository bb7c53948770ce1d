// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { CircuitRegistry } from "../src/CircuitRegistry.sol";
import { ICircuitRegistry } from "../src/interfaces/ICircuitRegistry.sol";
import { BlockVerifier } from "../src/verifiers/BlockVerifier.sol";
import { CircuitSamples } from "./CircuitSamples.sol";
import {
    AnyPayeeVerifier,
    BurningVerifier,
    KeyedVerifier,
    LongAnswerVerifier,
    ProxyVerifier,
    YesVerifier
} from "./mocks/CircuitVerifiers.sol";
import { MockProof, MockVerifier, OddVerifier } from "./mocks/MockVerifier.sol";
import { BlockKey } from "./verifiers/BlockKey.sol";
import { Test } from "forge-std/Test.sol";

contract CircuitRegistryTest is Test {
    CircuitRegistry private registry = new CircuitRegistry();
    address private verifier = address(new MockVerifier());
    ICircuitRegistry.Registration private registration;
    ICircuitRegistry.Sample private sample;

    function setUp() public {
        registration = CircuitSamples.registration(verifier);
        sample = CircuitSamples.mock();
    }

    function _register() private returns (bytes32) {
        return registry.register(registration, sample);
    }

    function _refused(bytes memory error) private {
        vm.expectRevert(error);
        _register();
    }

    // ---------------------------------------------------------------- what is kept

    function test_RegisterStoresAndEmits() public {
        (registration.royaltyBps, registration.development) = (250, false);
        address author = makeAddr("author");
        bytes32 expected = keccak256(
            abi.encode(
                author,
                verifier,
                bytes32("mock"),
                bytes32("IVerifier"),
                bytes32("key"),
                bytes32("descriptor"),
                false,
                true,
                uint16(250)
            )
        );
        ICircuitRegistry.Circuit memory circuit = ICircuitRegistry.Circuit({
            verifier: verifier,
            royaltyBps: 250,
            development: false,
            payeeBound: true,
            keyChecked: false,
            codeMayChange: false,
            inputs: 4,
            author: author,
            proofSystem: "mock",
            verifierInterface: "IVerifier",
            keyHash: "key",
            descriptorHash: "descriptor",
            codeHash: verifier.codehash
        });
        vm.expectEmit(address(registry));
        emit ICircuitRegistry.CircuitRegistered(expected, verifier, author, circuit, "uri");
        vm.prank(author);
        assertEq(_register(), expected);
        assertEq(abi.encode(registry.circuitOf(expected)), abi.encode(circuit));
    }

    function test_EveryFieldButTheUriMakesAnotherCircuit() public {
        bytes32 first = _register();
        registration.uri = "elsewhere";
        _refused(abi.encodeWithSelector(ICircuitRegistry.CircuitExists.selector, first));
        registration.descriptorHash = "other";
        assertNotEq(_register(), first);
        (registration.descriptorHash, registration.development) = ("descriptor", false);
        assertNotEq(_register(), first);
        (registration.development, registration.royaltyBps) = (true, 1);
        assertNotEq(_register(), first);
        registration.royaltyBps = 0;
        // Whoever registers a stranger's circuit first takes nothing from its author.
        vm.prank(makeAddr("author"));
        assertNotEq(_register(), first);
    }

    function test_RevertCircuitOf_WhenUnknown() public {
        vm.expectRevert(abi.encodeWithSelector(ICircuitRegistry.CircuitNotFound.selector, bytes32("x")));
        registry.circuitOf("x");
    }

    // ---------------------------------------------------------------- the verifier's code

    function test_RevertRegister_WhenVerifierHasNoCode() public {
        registration.verifier = makeAddr("nobody");
        _refused(abi.encodeWithSelector(ICircuitRegistry.VerifierHasNoCode.selector, registration.verifier));
    }

    function test_RevertRegister_WhenVerifierDelegates() public {
        address account = makeAddr("account");
        vm.etch(account, abi.encodePacked(hex"ef0100", verifier));
        registration.verifier = account;
        _refused(abi.encodeWithSelector(ICircuitRegistry.VerifierHasNoCode.selector, account));
    }

    function test_AProxyIsMarked() public {
        registration.verifier = address(new ProxyVerifier(verifier));
        assertTrue(registry.circuitOf(_register()).codeMayChange);
    }

    // ---------------------------------------------------------------- the key

    function test_AVerifierThatTellsItsKeyIsHeld() public {
        registration.verifier = address(new KeyedVerifier("key"));
        assertTrue(registry.circuitOf(_register()).keyChecked);
        registration.keyHash = "another";
        _refused(abi.encodeWithSelector(ICircuitRegistry.KeyHashMismatch.selector, bytes32("another"), bytes32("key")));
    }

    function test_TheBlockCircuitRegistersWithTheHashOfItsKeyFile() public {
        BlockVerifier blocks = new BlockVerifier(BlockKey.read());
        ICircuitRegistry.Circuit memory circuit = registry.circuitOf(CircuitSamples.registerBlocks(registry, blocks));
        assertTrue(circuit.keyChecked && circuit.payeeBound && !circuit.codeMayChange);
        assertEq(circuit.inputs, 6);
    }

    // ---------------------------------------------------------------- the sample

    function test_RevertRegister_WhenTheSampleIsNoProof() public {
        sample.proof = "not a proof";
        _refused(abi.encodeWithSelector(ICircuitRegistry.SampleRejected.selector));
    }

    function test_RevertRegister_WhenTheVerifierIsOdd() public {
        for (uint256 mode; mode < 4; ++mode) {
            registration.verifier = address(new OddVerifier(OddVerifier.Mode(mode), 2));
            _refused(abi.encodeWithSelector(ICircuitRegistry.SampleRejected.selector));
        }
        registration.verifier = address(new LongAnswerVerifier());
        _refused(abi.encodeWithSelector(ICircuitRegistry.SampleRejected.selector));
        registration.verifier = address(new BurningVerifier());
        _refused(abi.encodeWithSelector(ICircuitRegistry.SampleRejected.selector));
    }

    function test_RevertRegister_WhenTheVerifierAcceptsEverything() public {
        registration.verifier = address(new YesVerifier());
        _refused(abi.encodeWithSelector(ICircuitRegistry.InputNotBound.selector, 0));
    }

    /// @dev A verifier given too little gas to answer yes would look as if it refused what was altered.
    function test_LittleGasHidesNoVerifierThatAcceptsEverything() public {
        registration.verifier = address(new YesVerifier());
        for (uint256 gas_ = 100_000; gas_ < 7_000_000; gas_ += 100_000) {
            (bool passed,) =
                address(registry).call{ gas: gas_ }(abi.encodeCall(registry.register, (registration, sample)));
            assertFalse(passed);
        }
    }

    function test_RevertRegister_WhenThePayeeIsNotBound() public {
        registration.verifier = address(new AnyPayeeVerifier());
        sample.proof = AnyPayeeVerifier(registration.verifier).prove(sample.publicInputs);
        _refused(abi.encodeWithSelector(ICircuitRegistry.PayeeNotBound.selector));
        // Nor does it register as a circuit without a payee: an input that nothing binds states nothing.
        registration.payeeBound = false;
        _refused(abi.encodeWithSelector(ICircuitRegistry.InputNotBound.selector, 3));
    }

    function test_ACircuitWithoutAPayeeIsMarkedUnbound() public {
        registration.payeeBound = false;
        sample.publicInputs.pop();
        sample.proof = MockProof.make(sample.publicInputs);
        ICircuitRegistry.Circuit memory circuit = registry.circuitOf(_register());
        assertFalse(circuit.payeeBound);
        assertEq(circuit.inputs, 3);
    }

    function test_RevertRegister_WhenTheSamplePaysNobody() public {
        uint256[2] memory payees = [uint256(0), uint256(1) << 160];
        for (uint256 i; i < payees.length; ++i) {
            sample.publicInputs[3] = payees[i];
            sample.proof = MockProof.make(sample.publicInputs);
            _refused(abi.encodeWithSelector(ICircuitRegistry.SampleWithoutPayee.selector));
        }
    }

    function test_RevertRegister_WhenTheSampleIsEmptyOrHuge() public {
        sample.publicInputs = new uint256[](0);
        _refused(abi.encodeWithSelector(ICircuitRegistry.SampleInvalid.selector));
        sample.publicInputs = new uint256[](257);
        _refused(abi.encodeWithSelector(ICircuitRegistry.SampleInvalid.selector));
        sample = CircuitSamples.mock();
        sample.proof = "";
        _refused(abi.encodeWithSelector(ICircuitRegistry.SampleInvalid.selector));
    }

    /// @dev Of many inputs the first six and the last are altered.
    function test_ManyInputsFit() public {
        sample.publicInputs = new uint256[](256);
        sample.publicInputs[255] = 1;
        sample.proof = MockProof.make(sample.publicInputs);
        assertEq(registry.circuitOf(_register()).inputs, 256);
    }

    function test_RevertRegister_WhenTheRoyaltyIsAboveATenth() public {
        registration.royaltyBps = 1_001;
        _refused(abi.encodeWithSelector(ICircuitRegistry.RoyaltyTooHigh.selector, 1_000));
        registration.royaltyBps = 1_000;
        _register();
    }
}
