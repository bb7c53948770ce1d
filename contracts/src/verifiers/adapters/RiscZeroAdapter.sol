// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IVerifier } from "../../interfaces/IVerifier.sol";
import { ZkvmAdapter } from "./ZkvmAdapter.sol";

/// @notice RISC Zero's verifier: it reverts unless the seal is valid.
interface IRiscZeroVerifier {
    function verify(bytes calldata seal, bytes32 imageId, bytes32 journalDigest) external view;
}

/// @title RISC Zero's verifiers behind IVerifier
/// @notice The public inputs are the guest's journal, which is handed on as its sha256. The proof is the seal, its first four bytes the
/// selector of the verifier's version.
/// @dev Give it the verifier of one version. RISC Zero's router and emergency stop work too, but have owners: a market behind them
/// would depend on those.
contract RiscZeroAdapter is ZkvmAdapter {
    /// @param inner_ An `IRiscZeroVerifier`.
    /// @param imageId The guest's image id.
    /// @param journalBytes How many bytes the guest commits to: 32 for each public input.
    /// @param gasNeeded_ Gas with which a call of `inner_` suffices for any proof.
    constructor(address inner_, bytes32 imageId, uint256 journalBytes, uint256 gasNeeded_)
        ZkvmAdapter(inner_, imageId, journalBytes, gasNeeded_)
    { }

    /// @inheritdoc IVerifier
    function verify(uint256[] calldata publicInputs, bytes calldata proof) external view returns (bool) {
        (bool wellFormed, bytes memory journal) = _journal(publicInputs);
        if (!wellFormed) return false;
        return _answersNothing(abi.encodeCall(IRiscZeroVerifier.verify, (proof, PROGRAM, sha256(journal))));
    }
}
