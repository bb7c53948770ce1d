// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @title A proof verifier with its key in code
/// @dev Act on true alone. False is said of a proof and never of a lack of gas, as far as a verifier can tell the two apart:
/// with too little gas it reverts. It cannot always tell: a precompile does not say why it failed, its price may have risen
/// since the verifier was written, and a stranger's verifier may not even try. A revert says nothing of the proof at all.
/// So whatever a contract does on anything but true (slash, refund, ban, skip, close), whoever chooses a transaction's gas
/// may have it do to a valid proof. Revert instead, as `ProofMarket.prove` does: then a lack of gas settles nothing.
interface IVerifier {
    /// @notice The call had too little gas to tell whether the proof is valid.
    error InsufficientGas();

    /// @notice Whether `proof` proves the statement that `publicInputs` state. Malformed input is answered with false, not with
    /// a revert; a call with too little gas for an answer reverts, with InsufficientGas or without a reason.
    function verify(uint256[] calldata publicInputs, bytes calldata proof) external view returns (bool);
}
