// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @title How a market's slots continue one another: `Terms.chain`
/// @notice Zero if they do not. Otherwise, from the lowest bit:
///
///     bits     field
///     0..7     CONTINUES  which statement input of a slot must equal what its premise claims
///     8..15    CLAIM      which statement input, or output, of a slot is what it claims
///     16..23   RIGHT      which output is 1 if the claim is right; 255 if a proof alone says so
///     24       DECLARED   set
///     25       OUTPUT     CLAIM counts outputs; a slot can then be built on once it is proven
///     26..31   zero
///
/// Inputs and outputs count from 0.
library ChainTerms {
    uint32 internal constant DECLARED = 1 << 24;
    uint32 internal constant OUTPUT = 1 << 25;
    uint32 internal constant ALWAYS_RIGHT = 255;

    function continues(uint32 chain) internal pure returns (uint256) {
        return uint8(chain);
    }

    function claim(uint32 chain) internal pure returns (uint256) {
        return uint8(chain >> 8);
    }

    function claimIsOutput(uint32 chain) internal pure returns (bool) {
        return chain & OUTPUT != 0;
    }

    /// @notice Whether a proof's public inputs say that the slot's claim is right.
    /// @param outputsAt How many statement inputs come before the outputs.
    function isRight(uint32 chain, uint256[] calldata publicInputs, uint256 outputsAt) internal pure returns (bool) {
        uint256 index = uint8(chain >> 16);
        return index == ALWAYS_RIGHT || publicInputs[outputsAt + index] == 1;
    }

    /// @notice What a proven slot claims.
    function claimOf(uint32 chain, uint256[] calldata publicInputs, uint256 outputsAt) internal pure returns (uint256) {
        return publicInputs[claimIsOutput(chain) ? outputsAt + claim(chain) : claim(chain)];
    }

    /// @notice Whether the word is one that terms with so many outputs may have.
    function isValid(uint32 chain, uint8 outputs) internal pure returns (bool) {
        if (chain == 0) return true;
        uint256 right = uint8(chain >> 16);
        return chain & DECLARED != 0 && chain >> 26 == 0 && (right == ALWAYS_RIGHT || right < outputs)
            && (!claimIsOutput(chain) || claim(chain) < outputs);
    }
}
