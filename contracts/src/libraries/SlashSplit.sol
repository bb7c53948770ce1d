// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { Bps } from "./Bps.sol";

/// @title Where a slashed bond and a forfeited price go
/// @notice The two shares round down and the burn takes what is left, so the three parts always sum to the bond, and
/// any bond above zero burns something as long as the shares leave anything over. The forfeit rounds up, so a price
/// above zero never expires for free. Shared vectors: tests/vectors/slash_split.json.
library SlashSplit {
    /// @return toRescuer floor(bond * rescuerBps / 10,000).
    /// @return toRequester floor(bond * requesterBps / 10,000).
    /// @return toBurn The rest.
    function split(uint96 bond, uint16 rescuerBps, uint16 requesterBps)
        internal
        pure
        returns (uint256 toRescuer, uint256 toRequester, uint256 toBurn)
    {
        toRescuer = Bps.down(bond, rescuerBps);
        toRequester = Bps.down(bond, requesterBps);
        // Underflows, and so reverts, only for shares above 10,000 together, which the rules for terms refuse.
        toBurn = bond - toRescuer - toRequester;
    }

    /// @notice What a slot that nobody proved burns: ceil(price * forfeitBps / 10,000).
    function forfeit(uint96 price, uint16 forfeitBps) internal pure returns (uint256) {
        return Bps.up(price, forfeitBps);
    }
}
