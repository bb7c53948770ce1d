// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { IVerifier } from "provery/interfaces/IVerifier.sol";

/// @title A verifier of its own: accepts what an attester signed, such as a program in a trusted enclave
/// @notice Any contract behind `IVerifier` will do, of any proof system. Two rules: everything that must not be exchanged is signed
/// (or constrained), the payee above all, who is the last public input; and false is said of proofs alone, never for a lack of gas.
contract AttestedVerifier is IVerifier {
    /// @dev What ecrecover costs, and room around it.
    uint256 private constant GAS = 10_000;
    uint256 private constant SIGNATURE = 65;

    /// @notice Whose signatures are proofs.
    address public immutable ATTESTER;

    constructor(address attester) {
        ATTESTER = attester;
    }

    /// @notice What the attester signs. It names this chain and this verifier, so that no signature counts elsewhere.
    function digest(uint256[] calldata publicInputs) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), publicInputs));
    }

    /// @inheritdoc IVerifier
    function verify(uint256[] calldata publicInputs, bytes calldata proof) external view returns (bool) {
        if (proof.length != SIGNATURE) return false;
        bytes32 signed = digest(publicInputs);
        if (gasleft() < GAS) revert InsufficientGas();
        address signer = ecrecover(signed, uint8(proof[64]), bytes32(proof[:32]), bytes32(proof[32:64]));
        return signer != address(0) && signer == ATTESTER;
    }
}
