// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IVerifier } from "../../interfaces/IVerifier.sol";
import { ZkvmAdapter } from "./ZkvmAdapter.sol";

/// @notice SP1's verifier: it reverts unless the proof is valid.
interface ISP1Verifier {
    function verifyProof(bytes32 programVKey, bytes calldata publicValues, bytes calldata proofBytes) external view;
}

/// @title SP1's verifiers (Groth16 or PLONK) behind IVerifier
/// @notice The public inputs are the program's public values, which SP1 hashes with sha256. The proof is SP1's `proofBytes`, its first
/// four bytes the selector of the verifier's version.
/// @dev Give it the verifier of one version. SP1's gateway works too, but its owner adds routes and freezes them: a market behind it
/// would depend on that owner.
contract Sp1Adapter is ZkvmAdapter {
    /// @param inner_ An `ISP1Verifier`.
    /// @param programVKey The program's verification key.
    /// @param publicValuesBytes How many bytes of public values the program commits to: 32 for each public input.
    /// @param gasNeeded_ Gas with which a call of `inner_` suffices for any proof.
    constructor(address inner_, bytes32 programVKey, uint256 publicValuesBytes, uint256 gasNeeded_)
        ZkvmAdapter(inner_, programVKey, publicValuesBytes, gasNeeded_)
    { }

    /// @inheritdoc IVerifier
    function verify(uint256[] calldata publicInputs, bytes calldata proof) external view returns (bool) {
        (bool wellFormed, bytes memory publicValues) = _journal(publicInputs);
        if (!wellFormed) return false;
        return _answersNothing(abi.encodeCall(ISP1Verifier.verifyProof, (PROGRAM, publicValues, proof)));
    }
}
