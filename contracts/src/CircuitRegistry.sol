// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ICircuitRegistry } from "./interfaces/ICircuitRegistry.sol";

/// @title What can be proven
contract CircuitRegistry is ICircuitRegistry {
    mapping(bytes32 circuit => Circuit) private _circuits;

    /// @inheritdoc ICircuitRegistry
    function register(address verifier, bytes32 keyHash, bytes32 descriptorHash, bool development, string calldata uri)
        external
        returns (bytes32 circuit)
    {
        bytes3 prefix = bytes3(verifier.code);
        // An account that delegates (EIP-7702: 0xef0100 and an address) is no contract: its owner can point it elsewhere.
        if (verifier.code.length == 0 || prefix == 0xef0100) revert VerifierHasNoCode(verifier);
        circuit = keccak256(abi.encode(verifier, keyHash, descriptorHash, development));
        Circuit storage stored = _circuits[circuit];
        if (stored.verifier != address(0)) revert CircuitExists(circuit);
        stored.verifier = verifier;
        stored.keyHash = keyHash;
        stored.descriptorHash = descriptorHash;
        stored.codeHash = verifier.codehash;
        stored.development = development;
        emit CircuitRegistered(circuit, verifier, keyHash, descriptorHash, development, uri);
    }

    /// @inheritdoc ICircuitRegistry
    function circuitOf(bytes32 circuit) external view returns (Circuit memory result) {
        result = _circuits[circuit];
        if (result.verifier == address(0)) revert CircuitNotFound(circuit);
    }
}
