// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @notice What a market's circuit adds to its terms: `Terms.circuitTerms`. Zero for a circuit that binds the payee and whose author
/// asks for nothing.
///
/// 64 bits empty | 16 bits REVEAL_DELAY | 16 bits ROYALTY_BPS | 160 bits AUTHOR
///
/// `REVEAL_DELAY`: blocks between the commitment to a proof and the proof, wherever a slot is open to all; above zero exactly where
/// the circuit does not bind the payee. `ROYALTY_BPS`: share of each reward, in bps, that is the author's. `AUTHOR`: who registered the
/// circuit; zero without a royalty.
type CircuitTerms is uint256;

using CircuitTermsLib for CircuitTerms global;

/// @title The fields of what a market's circuit adds to its terms
library CircuitTermsLib {
    /// @notice The shortest reveal delay, in blocks: whoever makes one block, and sees a proof that it could put off, cannot
    /// commit to it and reveal it in the same block or the next.
    uint256 internal constant MIN_REVEAL_DELAY = 2;

    uint256 private constant ROYALTY_SHIFT = 160;
    uint256 private constant REVEAL_SHIFT = 176;
    uint256 private constant BPS = 10_000;

    /// @param revealDelay_ Blocks.
    /// @param royaltyBps Bps of the reward.
    function create(uint16 revealDelay_, uint16 royaltyBps, address author_) internal pure returns (CircuitTerms) {
        return CircuitTerms.wrap(
            uint256(revealDelay_) << REVEAL_SHIFT | uint256(royaltyBps) << ROYALTY_SHIFT | uint160(author_)
        );
    }

    /// @notice Blocks that a commitment to a proof must be old; 0 for a circuit that binds the payee.
    function revealDelay(CircuitTerms terms) internal pure returns (uint256) {
        return CircuitTerms.unwrap(terms) >> REVEAL_SHIFT;
    }

    /// @notice Whose the royalty is.
    function author(CircuitTerms terms) internal pure returns (address) {
        return address(uint160(CircuitTerms.unwrap(terms)));
    }

    /// @notice What the author gets of a reward, in asset wei, rounded down.
    function royaltyOf(CircuitTerms terms, uint256 reward) internal pure returns (uint256) {
        unchecked {
            // A reward has 96 bits.
            return reward * uint16(CircuitTerms.unwrap(terms) >> ROYALTY_SHIFT) / BPS;
        }
    }
}
