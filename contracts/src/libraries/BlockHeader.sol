// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IBlockHeader } from "../interfaces/IBlockHeader.sol";

/// @title What a block's header says, read from its RLP
/// @notice A header is a list whose first items are
///
///     0  parentHash    5  receiptsRoot    10  gasUsed
///     1  ommersHash    6  logsBloom       11  timestamp
///     2  beneficiary   7  difficulty      12  extraData
///     3  stateRoot     8  number          13  mixHash
///     4  txRoot        9  gasLimit        …   as the chain's rules ask for
///
/// What it says is true of a chain only if the chain knows its hash. The reader takes one encoding for one header all
/// the same, so that whatever is not a header fails by name and not by a stray value.
library BlockHeader {
    /// @param hash keccak256 of the header: the block's hash.
    /// @param parentHash The block before.
    /// @param mixHash Since the merge: `prevrandao`.
    struct Header {
        bytes32 hash;
        bytes32 parentHash;
        uint256 number;
        uint256 timestamp;
        bytes32 mixHash;
    }

    uint256 private constant NUMBER = 8;
    uint256 private constant TIMESTAMP = 11;
    uint256 private constant MIX_HASH = 13;
    /// @dev How many items are looked at: up to the last that is asked for.
    uint256 private constant READ = MIX_HASH + 1;

    /// @notice Reads the header that `data` begins with.
    /// @return header What it says.
    /// @return rest What of `data` comes after it.
    function read(bytes calldata data) internal pure returns (Header memory header, bytes calldata rest) {
        // A list of 256 to 65,535 bytes: the bloom alone has 256.
        if (data.length < 3 || data[0] != 0xf9) revert IBlockHeader.HeaderMalformed();
        uint256 size = uint256(uint8(data[1])) << 8 | uint8(data[2]);
        if (size < 256 || data.length < 3 + size) revert IBlockHeader.HeaderMalformed();
        bytes calldata list = data[:3 + size];
        rest = data[3 + size:];
        header.hash = keccak256(list);

        uint256 at = 3;
        uint256 length;
        for (uint256 item; item < READ; ++item) {
            (at, length) = _item(list, at);
            if (item == 0) header.parentHash = _bytes32(list, at, length);
            else if (item == NUMBER) header.number = _integer(list, at, length);
            else if (item == TIMESTAMP) header.timestamp = _integer(list, at, length);
            else if (item == MIX_HASH) header.mixHash = _bytes32(list, at, length);
            unchecked {
                at += length;
            }
        }
    }

    /// @dev The string that starts at `at`: where its content is, within the list, and how long that is. What is read
    /// beyond the list comes to nothing: such a string does not end in it.
    function _item(bytes calldata list, uint256 at) private pure returns (uint256 start, uint256 length) {
        unchecked {
            uint256 word = _word(list, at);
            uint256 prefix = word >> 248;
            uint256 next = (word >> 240) & 0xff;
            if (prefix < 0x80) {
                (start, length) = (at, 1);
            } else if (prefix <= 0xb7) {
                (start, length) = (at + 1, prefix - 0x80);
                // A single byte below 0x80 stands for itself.
                if (length == 1 && next < 0x80) revert IBlockHeader.HeaderMalformed();
            } else if (prefix == 0xb8) {
                (start, length) = (at + 2, next);
                if (length < 56) revert IBlockHeader.HeaderMalformed();
            } else if (prefix == 0xb9) {
                (start, length) = (at + 3, (word >> 232) & 0xffff);
                if (length < 256) revert IBlockHeader.HeaderMalformed();
            } else {
                // A list, or longer than a header.
                revert IBlockHeader.HeaderMalformed();
            }
            if (start + length > list.length) revert IBlockHeader.HeaderMalformed();
        }
    }

    function _bytes32(bytes calldata list, uint256 at, uint256 length) private pure returns (bytes32) {
        if (length != 32) revert IBlockHeader.HeaderMalformed();
        return bytes32(_word(list, at));
    }

    /// @dev A number of at most 64 bits without leading zeros; 0 is the empty string.
    function _integer(bytes calldata list, uint256 at, uint256 length) private pure returns (uint256) {
        if (length == 0) return 0;
        uint256 word = _word(list, at);
        if (length > 8 || word >> 248 == 0) revert IBlockHeader.HeaderMalformed();
        unchecked {
            return word >> (256 - 8 * length);
        }
    }

    /// @dev 32 bytes from `at` on.
    function _word(bytes calldata list, uint256 at) private pure returns (uint256 word) {
        // Saves 75 gas an item, some 1,000 a header; and what is beyond the list is zero instead of a revert without a name.
        assembly ("memory-safe") {
            word := calldataload(add(list.offset, at))
        }
    }
}
