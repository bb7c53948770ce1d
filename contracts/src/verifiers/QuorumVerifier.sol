// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IKeyed } from "../interfaces/IKeyed.sol";
import { IQuorumVerifier } from "../interfaces/IQuorumVerifier.sol";
import { IVerifier } from "../interfaces/IVerifier.sol";

/// @title k of n verifiers, each of another proof system, for one statement
/// @dev The verifiers are fixed in code. That they are of different systems is for whoever deploys this to see to; only
/// what is plainly the same is refused: one address, or one code, twice.
contract QuorumVerifier is IQuorumVerifier {
    /// @inheritdoc IQuorumVerifier
    uint256 public constant MOST = 8;

    /// @inheritdoc IQuorumVerifier
    uint256 public immutable THRESHOLD;
    /// @inheritdoc IQuorumVerifier
    uint256 public immutable COUNT;

    address private immutable V0;
    address private immutable V1;
    address private immutable V2;
    address private immutable V3;
    address private immutable V4;
    address private immutable V5;
    address private immutable V6;
    address private immutable V7;
    bytes32 private immutable C0;
    bytes32 private immutable C1;
    bytes32 private immutable C2;
    bytes32 private immutable C3;
    bytes32 private immutable C4;
    bytes32 private immutable C5;
    bytes32 private immutable C6;
    bytes32 private immutable C7;

    constructor(address[] memory verifiers, uint256 threshold) {
        uint256 count = verifiers.length;
        if (threshold == 0 || threshold > count || count > MOST) revert QuorumInvalid(threshold, count);
        for (uint256 i = 0; i < count; ++i) {
            bytes3 prefix = bytes3(verifiers[i].code);
            if (verifiers[i].code.length == 0 || prefix == 0xef0100) revert VerifierHasNoCode(verifiers[i]);
            for (uint256 j = 0; j < i; ++j) {
                if (verifiers[j].codehash == verifiers[i].codehash) revert VerifierRepeated(j, i);
            }
        }
        THRESHOLD = threshold;
        COUNT = count;
        (V0, C0) = _at(verifiers, 0);
        (V1, C1) = _at(verifiers, 1);
        (V2, C2) = _at(verifiers, 2);
        (V3, C3) = _at(verifiers, 3);
        (V4, C4) = _at(verifiers, 4);
        (V5, C5) = _at(verifiers, 5);
        (V6, C6) = _at(verifiers, 6);
        (V7, C7) = _at(verifiers, 7);
    }

    function _at(address[] memory verifiers, uint256 i) private view returns (address verifier, bytes32 codeHash) {
        if (i < verifiers.length) (verifier, codeHash) = (verifiers[i], verifiers[i].codehash);
    }

    /// @inheritdoc IQuorumVerifier
    function verifierAt(uint256 i) public view returns (address verifier, bytes32 codeHash) {
        if (i == 0) return (V0, C0);
        if (i == 1) return (V1, C1);
        if (i == 2) return (V2, C2);
        if (i == 3) return (V3, C3);
        if (i == 4) return (V4, C4);
        if (i == 5) return (V5, C5);
        if (i == 6) return (V6, C6);
        if (i == 7) return (V7, C7);
    }

    /// @inheritdoc IKeyed
    /// @dev keccak256 of the threshold and then each verifier's address and code hash, words all. An adapter has what it is for in
    /// its code, and so has a verifier with its key in code.
    function keyHash() external view returns (bytes32) {
        bytes memory parts = abi.encode(THRESHOLD);
        for (uint256 i = 0; i < COUNT; ++i) {
            (address verifier, bytes32 codeHash) = verifierAt(i);
            parts = abi.encodePacked(parts, abi.encode(verifier, codeHash));
        }
        return keccak256(parts);
    }

    /// @inheritdoc IVerifier
    /// @dev Reverts, as InsufficientGas if that is what it says, when one of the verifiers does: a revert says nothing of a proof.
    /// Whoever proves chooses the verifiers, so one that always reverts does not keep the others from being enough.
    function verify(uint256[] calldata publicInputs, bytes calldata proof) external view returns (bool) {
        if (proof.length == 0) return false;
        uint256 chosen = uint8(proof[0]);
        if (chosen >> COUNT != 0) return false;

        uint256 at = 1;
        uint256 proofs;
        for (uint256 i = 0; chosen != 0; ++i) {
            if (chosen & 1 == 1) {
                if (proof.length < at + 3) return false;
                uint256 end = at + 3 + uint24(bytes3(proof[at:at + 3]));
                if (proof.length < end) return false;
                (address verifier, bytes32 codeHash) = verifierAt(i);
                if (verifier.codehash != codeHash) revert VerifierChanged(verifier);
                if (!_accepts(verifier, publicInputs, proof[at + 3:end])) return false;
                at = end;
                ++proofs;
            }
            chosen >>= 1;
        }
        return proofs == THRESHOLD && at == proof.length;
    }

    function _accepts(address verifier, uint256[] calldata publicInputs, bytes calldata proof)
        private
        view
        returns (bool accepted)
    {
        bytes memory message = abi.encodeCall(IVerifier.verify, (publicInputs, proof));
        // A word of the answer and no more: its length is the verifier's choice.
        assembly ("memory-safe") {
            mstore(0, 0)
            let success := staticcall(gas(), verifier, add(message, 0x20), mload(message), 0, 0x20)
            if iszero(success) {
                // InsufficientGas(), or without a reason.
                revert(0, mul(4, and(eq(returndatasize(), 4), eq(shr(0xe0, mload(0)), 0x1c26714c))))
            }
            accepted := and(eq(returndatasize(), 0x20), eq(mload(0), 1))
        }
    }
}
