// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ICircuitRegistry } from "./interfaces/ICircuitRegistry.sol";
import { IKeyed } from "./interfaces/IKeyed.sol";
import { IVerifier } from "./interfaces/IVerifier.sol";
import { CodeScan } from "./libraries/CodeScan.sol";

/// @title What can be proven
contract CircuitRegistry is ICircuitRegistry {
    /// @inheritdoc ICircuitRegistry
    uint256 public constant VERIFY_GAS = 3_000_000;
    /// @inheritdoc ICircuitRegistry
    uint256 public constant MAX_ROYALTY_BPS = 1_000;
    /// @inheritdoc ICircuitRegistry
    uint256 public constant MAX_INPUTS = 256;

    /// @dev A verifier's answer about its key reads a constant.
    uint256 private constant KEY_HASH_GAS = 50_000;
    /// @dev How many inputs are altered one at a time; of more, these and the last. Each costs a whole verification.
    uint256 private constant ALTERED = 6;

    mapping(bytes32 circuit => Circuit) private _circuits;

    /// @inheritdoc ICircuitRegistry
    function register(Registration calldata registration, Sample calldata sample) external returns (bytes32 circuit) {
        address verifier = registration.verifier;
        bytes memory code = verifier.code;
        // An account that delegates (EIP-7702: 0xef0100 and an address) is no contract: its owner can point it elsewhere.
        if (code.length == 0 || bytes3(code) == 0xef0100) revert VerifierHasNoCode(verifier);
        if (registration.royaltyBps > MAX_ROYALTY_BPS) revert RoyaltyTooHigh(MAX_ROYALTY_BPS);
        circuit = _idOf(registration);
        if (_circuits[circuit].verifier != address(0)) revert CircuitExists(circuit);

        Circuit memory registered = Circuit({
            verifier: verifier,
            royaltyBps: registration.royaltyBps,
            development: registration.development,
            payeeBound: registration.payeeBound,
            keyChecked: _checkKey(verifier, registration.keyHash),
            codeMayChange: CodeScan.mayChange(code),
            inputs: uint32(sample.publicInputs.length),
            author: msg.sender,
            proofSystem: registration.proofSystem,
            verifierInterface: registration.verifierInterface,
            keyHash: registration.keyHash,
            descriptorHash: registration.descriptorHash,
            codeHash: verifier.codehash
        });
        _checkSample(registration, sample);
        _circuits[circuit] = registered;
        emit CircuitRegistered(circuit, verifier, msg.sender, registered, registration.uri);
    }

    /// @inheritdoc ICircuitRegistry
    function circuitOf(bytes32 circuit) external view returns (Circuit memory result) {
        result = _circuits[circuit];
        if (result.verifier == address(0)) revert CircuitNotFound(circuit);
    }

    function _idOf(Registration calldata r) private view returns (bytes32) {
        return keccak256(
            abi.encode(
                msg.sender,
                r.verifier,
                r.proofSystem,
                r.verifierInterface,
                r.keyHash,
                r.descriptorHash,
                r.development,
                r.payeeBound,
                r.royaltyBps
            )
        );
    }

    /// @dev Whether the verifier tells the hash of its key, which then must be this.
    function _checkKey(address verifier, bytes32 keyHash) private view returns (bool) {
        if (gasleft() < 2 * KEY_HASH_GAS) revert InsufficientGas();
        bytes memory message = abi.encodeCall(IKeyed.keyHash, ());
        (bool answered, uint256 told) = _ask(verifier, message, KEY_HASH_GAS);
        if (!answered) return false;
        if (bytes32(told) != keyHash) revert KeyHashMismatch(keyHash, bytes32(told));
        return true;
    }

    function _checkSample(Registration calldata registration, Sample calldata sample) private view {
        address verifier = registration.verifier;
        uint256[] memory inputs = sample.publicInputs;
        uint256 count = inputs.length;
        if (count == 0 || count > MAX_INPUTS || sample.proof.length == 0) revert SampleInvalid();
        if (registration.payeeBound && (inputs[count - 1] == 0 || inputs[count - 1] > type(uint160).max)) {
            revert SampleWithoutPayee();
        }
        if (!_accepts(verifier, inputs, sample.proof)) revert SampleRejected();

        for (uint256 i = 0; i < count; ++i) {
            if (i >= ALTERED) i = count - 1;
            uint256 input = inputs[i];
            // Never above what the input was, so within its field.
            inputs[i] = input == 0 ? 1 : input - 1;
            bool isPayee = registration.payeeBound && i == count - 1;
            // The next address below, and above zero, which a verifier may treat apart.
            if (isPayee && input == 1) inputs[i] = 2;
            if (_accepts(verifier, inputs, sample.proof)) {
                if (isPayee) revert PayeeNotBound();
                revert InputNotBound(i);
            }
            inputs[i] = input;
        }

        bytes memory proof = sample.proof;
        // The last bit of the first word: part of a coordinate in most systems, of a selector in the others.
        uint256 at = proof.length < 32 ? proof.length - 1 : 31;
        proof[at] = proof[at] ^ 0x01;
        if (_accepts(verifier, inputs, proof)) revert AlteredProofAccepted();
    }

    /// @dev Whether the verifier answers true within VERIFY_GAS. Given less it might not, so whoever registers could have a verifier that
    /// accepts everything pass.
    function _accepts(address verifier, uint256[] memory inputs, bytes memory proof) private view returns (bool) {
        bytes memory message = abi.encodeCall(IVerifier.verify, (inputs, proof));
        // A call is given at most 63 of 64 parts of what is left (EIP-150).
        if (gasleft() - gasleft() / 64 < VERIFY_GAS + KEY_HASH_GAS) revert InsufficientGas();
        (bool answered, uint256 answer) = _ask(verifier, message, VERIFY_GAS);
        return answered && answer == 1;
    }

    /// @dev The first word of an answer of 32 bytes; more is not read, so a verifier cannot make its answer dear.
    function _ask(address verifier, bytes memory message, uint256 gasLimit)
        private
        view
        returns (bool answered, uint256 answer)
    {
        // Not for gas: Solidity would copy all that is answered.
        assembly ("memory-safe") {
            mstore(0, 0)
            answered := staticcall(gasLimit, verifier, add(message, 0x20), mload(message), 0, 0x20)
            answered := and(answered, eq(returndatasize(), 0x20))
            answer := mload(0)
        }
    }
}
