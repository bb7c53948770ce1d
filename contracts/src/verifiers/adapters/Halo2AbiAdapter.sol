// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IKeyed } from "../../interfaces/IKeyed.sol";
import { IVerifier } from "../../interfaces/IVerifier.sol";
import { VerifierAdapter } from "./VerifierAdapter.sol";

/// @notice What halo2-solidity-verifier generates, with the verifying key in the verifier's own code.
interface IHalo2Verifier {
    function verifyProof(bytes calldata proof, uint256[] calldata instances) external view returns (bool);
}

/// @title halo2-solidity-verifier's verifiers behind IVerifier
/// @notice They are called by name, answer true, and revert unless the proof is valid. Those whose verifying key is a contract of
/// its own are called with its address and need another adapter.
contract Halo2AbiAdapter is VerifierAdapter {
    /// @notice How long a proof is: the circuit fixes it.
    uint256 public immutable PROOF_BYTES;

    /// @param inner_ A verifier that halo2-solidity-verifier generated.
    /// @param inputs Number of instances.
    /// @param gasNeeded_ Gas with which a call of `inner_` suffices for any proof.
    constructor(address inner_, uint256 inputs, uint256 proofBytes, uint256 gasNeeded_)
        VerifierAdapter(inner_, inputs, gasNeeded_)
    {
        PROOF_BYTES = proofBytes;
    }

    /// @inheritdoc IKeyed
    /// @dev keccak256(abi.encode(inner, innerCodeHash, inputs, proofBytes)): the verifying key is in the inner verifier's code.
    function keyHash() external view returns (bytes32) {
        return keccak256(abi.encode(inner(), innerCodeHash(), INPUTS, PROOF_BYTES));
    }

    /// @inheritdoc IVerifier
    function verify(uint256[] calldata publicInputs, bytes calldata proof) external view returns (bool) {
        if (publicInputs.length != INPUTS || proof.length != PROOF_BYTES || !_inField(publicInputs)) return false;
        return _answersTrue(abi.encodeCall(IHalo2Verifier.verifyProof, (proof, publicInputs)));
    }
}
