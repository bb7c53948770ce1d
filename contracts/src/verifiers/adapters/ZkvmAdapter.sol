// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IKeyed } from "../../interfaces/IKeyed.sol";
import { VerifierAdapter } from "./VerifierAdapter.sol";

/// @title A zkVM's verifier behind IVerifier
/// @notice What the program commits to (its public values, its journal) is the public inputs as the ABI encodes them: 32-byte words,
/// big-endian, the payee last. Any word will do: the system hashes them, they are no field elements.
/// If the program commits to a number of bytes that is no multiple of 32, the last word has them on its left and zeros behind.
abstract contract ZkvmAdapter is VerifierAdapter {
    /// @notice The program, as its system names it.
    bytes32 public immutable PROGRAM;
    /// @notice How many bytes the program commits to.
    uint256 public immutable JOURNAL_BYTES;

    constructor(address inner_, bytes32 program, uint256 journalBytes, uint256 gasNeeded_)
        VerifierAdapter(inner_, journalBytes / 32 + (journalBytes % 32 == 0 ? 0 : 1), gasNeeded_)
    {
        PROGRAM = program;
        JOURNAL_BYTES = journalBytes;
    }

    /// @inheritdoc IKeyed
    /// @dev keccak256(abi.encode(inner, innerCodeHash, program, journalBytes)).
    function keyHash() external view returns (bytes32) {
        return keccak256(abi.encode(inner(), innerCodeHash(), PROGRAM, JOURNAL_BYTES));
    }

    /// The bytes that the inputs stand for; `wellFormed` is false if they stand for none.
    function _journal(uint256[] calldata inputs) internal view returns (bool wellFormed, bytes memory journal) {
        if (inputs.length != INPUTS) return (false, journal);
        uint256 length = JOURNAL_BYTES;
        uint256 unused = 8 * (32 * INPUTS - length);
        if (inputs[inputs.length - 1] & ((1 << unused) - 1) != 0) return (false, journal);
        journal = abi.encodePacked(inputs);
        assembly ("memory-safe") {
            mstore(journal, length)
        }
        return (true, journal);
    }
}
