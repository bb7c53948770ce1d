// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IKeyed } from "../../interfaces/IKeyed.sol";
import { IVerifier } from "../../interfaces/IVerifier.sol";
import { VerifierAdapter } from "./VerifierAdapter.sol";

/// @title A verifier that snarkjs generated for a circom circuit, behind IVerifier
/// @notice A market has the public inputs in the order statement, outputs, payee; circom puts a circuit's outputs before its public
/// inputs: outputs, statement, payee, if the payee is the last public input that the circuit declares. The inputs come in
/// the market's order and are handed on in the circuit's.
/// A circuit that does not bind the payee has statement, outputs in a market, and outputs, statement in circom.
/// @dev The proof is the words of `verifyProof`'s first arguments as `snarkjs zkey export soliditycalldata` prints them.
abstract contract SnarkjsAdapter is VerifierAdapter {
    /// @notice How many of the public inputs are the circuit's outputs.
    uint256 public immutable OUTPUTS;
    /// @notice Whether the last public input is the payee.
    bool public immutable BINDS_PAYEE;

    bytes4 private immutable SELECTOR;
    uint256 private immutable PROOF_BYTES;
    /// Where the outputs begin and where they end, in the market's order.
    uint256 private immutable OUTPUTS_AT;
    uint256 private immutable OUTPUTS_END;

    /// @param inputs Number of public inputs, with outputs and payee.
    /// @param proofType The arguments of `verifyProof` before the last, as a signature has them.
    constructor(
        address inner_,
        uint256 inputs,
        uint256 outputs,
        bool bindsPayee,
        uint256 gasNeeded_,
        string memory proofType,
        uint256 proofBytes
    ) VerifierAdapter(inner_, inputs, gasNeeded_) {
        uint256 tail = bindsPayee ? 1 : 0;
        if (outputs > inputs - tail) revert InputCountInvalid(inputs);
        OUTPUTS = outputs;
        BINDS_PAYEE = bindsPayee;
        SELECTOR = bytes4(keccak256(abi.encodePacked("verifyProof(", proofType, ",uint256[", _decimal(inputs), "])")));
        PROOF_BYTES = proofBytes;
        OUTPUTS_AT = inputs - tail - outputs;
        OUTPUTS_END = inputs - tail;
    }

    /// @inheritdoc IKeyed
    /// @dev keccak256(abi.encode(inner, innerCodeHash, outputs, bindsPayee)): the verifying key is in the inner verifier's code.
    function keyHash() external view returns (bytes32) {
        return keccak256(abi.encode(inner(), innerCodeHash(), OUTPUTS, BINDS_PAYEE));
    }

    /// @inheritdoc IVerifier
    function verify(uint256[] calldata publicInputs, bytes calldata proof) external view returns (bool) {
        if (publicInputs.length != INPUTS || proof.length != PROOF_BYTES || !_inField(publicInputs)) return false;
        return _answersTrue(
            abi.encodePacked(
                SELECTOR,
                proof,
                publicInputs[OUTPUTS_AT:OUTPUTS_END],
                publicInputs[:OUTPUTS_AT],
                publicInputs[OUTPUTS_END:]
            )
        );
    }

    function _decimal(uint256 value) private pure returns (string memory digits) {
        do {
            digits = string.concat(string(abi.encodePacked(bytes1(uint8(48 + value % 10)))), digits);
            value /= 10;
        } while (value != 0);
    }
}
