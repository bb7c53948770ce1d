// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { CircuitRegistry } from "../src/CircuitRegistry.sol";
import { ICircuitRegistry } from "../src/interfaces/ICircuitRegistry.sol";
import { BlockVerifier } from "../src/verifiers/BlockVerifier.sol";
import { MockProof } from "./mocks/MockVerifier.sol";
import { Vm } from "forge-std/Vm.sol";

/// @notice Registrations of circuits for tests, with samples that their verifiers accept.
library CircuitSamples {
    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function registration(address verifier) internal pure returns (ICircuitRegistry.Registration memory) {
        return ICircuitRegistry.Registration({
            verifier: verifier,
            proofSystem: "mock",
            verifierInterface: "IVerifier",
            keyHash: "key",
            descriptorHash: "descriptor",
            development: true,
            payeeBound: true,
            royaltyBps: 0,
            uri: "uri"
        });
    }

    /// @dev Two statement inputs, one output, a payee.
    function mock() internal pure returns (ICircuitRegistry.Sample memory sample) {
        sample.publicInputs = new uint256[](4);
        (sample.publicInputs[0], sample.publicInputs[1], sample.publicInputs[2]) = (11, 22, 1);
        sample.publicInputs[3] = 0xa11ce;
        sample.proof = MockProof.make(sample.publicInputs);
    }

    /// @dev A circuit of a MockVerifier, which binds the payee.
    function register(CircuitRegistry circuits, address verifier) internal returns (bytes32) {
        return circuits.register(registration(verifier), mock());
    }

    /// @dev The block circuit, with the proven block of tests/vectors/block_proof.json.
    function registerBlocks(CircuitRegistry circuits, BlockVerifier verifier) internal returns (bytes32) {
        ICircuitRegistry.Registration memory blocks = registration(address(verifier));
        blocks.keyHash = verifier.keyHash();
        string memory json = VM.readFile("tests/vectors/block_proof.json");
        ICircuitRegistry.Sample memory sample = ICircuitRegistry.Sample({
            publicInputs: VM.parseJsonUintArray(json, ".publicInputs"), proof: VM.parseJsonBytes(json, ".proof")
        });
        return circuits.register(blocks, sample);
    }
}
