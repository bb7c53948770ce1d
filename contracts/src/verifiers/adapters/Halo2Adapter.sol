// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IKeyed } from "../../interfaces/IKeyed.sol";
import { IVerifier } from "../../interfaces/IVerifier.sol";
import { VerifierAdapter } from "./VerifierAdapter.sol";

/// @title snark-verifier's Halo2 verifiers behind IVerifier
/// @notice The verifier's fallback is called with the instances and the proof, nothing before or between them; it reverts unless the proof
/// is valid, and answers nothing. It reduces instances and ignores what follows the proof, so both are checked here.
contract Halo2Adapter is VerifierAdapter {
    /// @notice How long a proof is: the circuit fixes it.
    uint256 public immutable PROOF_BYTES;

    /// @param inner_ A verifier that snark-verifier generated.
    /// @param inputs Number of instances, over all instance columns, in their order.
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
        return _answersNothing(abi.encodePacked(publicInputs, proof));
    }
}
