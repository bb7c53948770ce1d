// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { CircuitRegistry } from "../src/CircuitRegistry.sol";
import { ICircuitRegistry } from "../src/interfaces/ICircuitRegistry.sol";
import { MockVerifier } from "./mocks/MockVerifier.sol";
import { Test } from "forge-std/Test.sol";

contract CircuitRegistryTest is Test {
    CircuitRegistry private registry = new CircuitRegistry();
    address private verifier = address(new MockVerifier());

    function test_RegisterStoresAndEmits() public {
        bytes32 expected = keccak256(abi.encode(verifier, bytes32("key"), bytes32("descriptor"), true));
        vm.expectEmit(address(registry));
        emit ICircuitRegistry.CircuitRegistered(expected, verifier, "key", "descriptor", true, "ipfs://x");
        bytes32 circuit = registry.register(verifier, "key", "descriptor", true, "ipfs://x");
        assertEq(circuit, expected);

        ICircuitRegistry.Circuit memory stored = registry.circuitOf(circuit);
        assertEq(stored.verifier, verifier);
        assertEq(stored.keyHash, "key");
        assertEq(stored.descriptorHash, "descriptor");
        assertEq(stored.codeHash, verifier.codehash);
        assertTrue(stored.development);
    }

    function test_SameVerifierUnderAnotherDescriptorIsAnotherCircuit() public {
        bytes32 first = registry.register(verifier, "key", "descriptor", true, "");
        assertNotEq(first, registry.register(verifier, "key", "other", true, ""));
        assertNotEq(first, registry.register(verifier, "key", "descriptor", false, ""));
        assertEq(registry.circuitOf(first).descriptorHash, "descriptor");
        assertTrue(registry.circuitOf(first).development);
    }

    function test_RevertRegister_WhenItExists() public {
        bytes32 circuit = registry.register(verifier, "key", "descriptor", true, "");
        vm.expectRevert(abi.encodeWithSelector(ICircuitRegistry.CircuitExists.selector, circuit));
        vm.prank(makeAddr("somebody else"));
        registry.register(verifier, "key", "descriptor", true, "another uri");
    }

    function test_RevertRegister_WhenVerifierHasNoCode() public {
        address nobody = makeAddr("nobody");
        vm.expectRevert(abi.encodeWithSelector(ICircuitRegistry.VerifierHasNoCode.selector, nobody));
        registry.register(nobody, "key", "descriptor", true, "");
    }

    function test_RevertRegister_WhenVerifierDelegates() public {
        address account = makeAddr("account");
        vm.etch(account, abi.encodePacked(hex"ef0100", verifier));
        vm.expectRevert(abi.encodeWithSelector(ICircuitRegistry.VerifierHasNoCode.selector, account));
        registry.register(account, "key", "descriptor", true, "");
    }

    function test_RevertCircuitOf_WhenUnknown() public {
        vm.expectRevert(abi.encodeWithSelector(ICircuitRegistry.CircuitNotFound.selector, bytes32("x")));
        registry.circuitOf("x");
    }
}
