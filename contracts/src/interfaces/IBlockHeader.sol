// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @title What whoever brings in a block's header may get wrong
interface IBlockHeader {
    /// @notice The bytes are not the RLP of a header, or are cut off.
    error HeaderMalformed();
}
