// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { SnarkjsAdapter } from "./SnarkjsAdapter.sol";

/// @title snarkjs's Groth16 verifiers behind IVerifier
/// @notice Asks `verifyProof(uint256[2],uint256[2][2],uint256[2],uint256[N])`. The proof is 256 bytes: A.x, A.y, B.x1, B.x0, B.y1, B.y0, C.x, C.y: as ours.
contract SnarkjsGroth16Adapter is SnarkjsAdapter {
    /// @param inner_ A verifier that snarkjs generated.
    /// @param inputs Number of public inputs, with outputs and payee.
    /// @param outputs How many of them are outputs of the circuit, which circom puts first.
    /// @param bindsPayee Whether the last of them is the payee.
    /// @param gasNeeded_ Gas with which a call of `inner_` suffices for any proof.
    constructor(address inner_, uint256 inputs, uint256 outputs, bool bindsPayee, uint256 gasNeeded_)
        SnarkjsAdapter(inner_, inputs, outputs, bindsPayee, gasNeeded_, "uint256[2],uint256[2][2],uint256[2]", 256)
    { }
}
