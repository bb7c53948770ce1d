// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @title What can be proven
/// @notice Anyone registers a circuit: a verifier contract, the hash of its verifying key, the hash of a descriptor
/// that says where every input comes from. Nothing registered can be changed.
interface ICircuitRegistry {
    /// @param verifier Contract behind IVerifier.
    /// @param keyHash sha256 of the verifying key file (see `provery keys`).
    /// @param descriptorHash sha256 of the descriptor's bytes.
    /// @param codeHash The verifier's code hash at registration.
    /// @param development The key comes from a setup whose secrets are known: worthless outside a development chain.
    struct Circuit {
        address verifier;
        bytes32 keyHash;
        bytes32 descriptorHash;
        bytes32 codeHash;
        bool development;
    }

    /// @param uri Where the descriptor and the proving key can be fetched.
    event CircuitRegistered(
        bytes32 indexed circuit,
        address indexed verifier,
        bytes32 keyHash,
        bytes32 descriptorHash,
        bool development,
        string uri
    );

    /// @notice The same circuit was registered before.
    error CircuitExists(bytes32 circuit);
    /// @notice No circuit has this id.
    error CircuitNotFound(bytes32 circuit);
    /// @notice The verifier is not a contract (an account that delegates its code is none: it can change its mind).
    error VerifierHasNoCode(address verifier);

    /// @notice Register a circuit.
    /// @return circuit keccak256(abi.encode(verifier, keyHash, descriptorHash, development)).
    function register(address verifier, bytes32 keyHash, bytes32 descriptorHash, bool development, string calldata uri)
        external
        returns (bytes32 circuit);

    /// @notice A registered circuit; reverts with `CircuitNotFound` otherwise.
    function circuitOf(bytes32 circuit) external view returns (Circuit memory);
}
