// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @notice How a market's slots continue one another: `Terms.chain`. Zero if they do not.
///
/// 6 bits empty | 1 bit OUTPUT | 1 bit DECLARED | 8 bits RIGHT | 8 bits CLAIM | 8 bits CONTINUES
///
/// `CONTINUES`: which statement input of a slot must equal what its premise claims. `CLAIM`: which statement input, or output, of a
/// slot is what it claims. `RIGHT`: which output is 1 if the claim is right; 255 if a proof alone says so. `DECLARED` is set.
/// `OUTPUT`: CLAIM counts outputs, and a slot can be built on once it is proven. Inputs and outputs count from 0.
type ChainTerms is uint32;

using ChainTermsLib for ChainTerms global;

/// @title The fields of a market's chain
library ChainTermsLib {
    uint32 internal constant DECLARED = 1 << 24;
    uint32 internal constant OUTPUT = 1 << 25;
    uint32 internal constant ALWAYS_RIGHT = 255;

    uint32 private constant CLAIM_SHIFT = 8;
    uint32 private constant RIGHT_SHIFT = 16;
    uint32 private constant EMPTY_SHIFT = 26;

    function continues(ChainTerms chain) internal pure returns (uint256) {
        return uint8(ChainTerms.unwrap(chain));
    }

    function claim(ChainTerms chain) internal pure returns (uint256) {
        return uint8(ChainTerms.unwrap(chain) >> CLAIM_SHIFT);
    }

    function claimIsOutput(ChainTerms chain) internal pure returns (bool) {
        return ChainTerms.unwrap(chain) & OUTPUT != 0;
    }

    /// @notice Whether a proof's public inputs say that the slot's claim is right.
    /// @param outputsAt How many statement inputs come before the outputs.
    function isRight(ChainTerms chain, uint256[] calldata publicInputs, uint256 outputsAt)
        internal
        pure
        returns (bool)
    {
        uint256 index = uint8(ChainTerms.unwrap(chain) >> RIGHT_SHIFT);
        return index == ALWAYS_RIGHT || publicInputs[outputsAt + index] == 1;
    }

    /// @notice What a proven slot claims.
    function claimOf(ChainTerms chain, uint256[] calldata publicInputs, uint256 outputsAt)
        internal
        pure
        returns (uint256)
    {
        return publicInputs[chain.claimIsOutput() ? outputsAt + chain.claim() : chain.claim()];
    }

    /// @notice Whether the word is one that terms with so many outputs may have.
    function isValid(ChainTerms chain, uint8 outputs) internal pure returns (bool) {
        uint32 word = ChainTerms.unwrap(chain);
        if (word == 0) return true;
        uint256 right = uint8(word >> RIGHT_SHIFT);
        return word & DECLARED != 0 && word >> EMPTY_SHIFT == 0 && (right == ALWAYS_RIGHT || right < outputs)
            && (!chain.claimIsOutput() || chain.claim() < outputs);
    }
}
