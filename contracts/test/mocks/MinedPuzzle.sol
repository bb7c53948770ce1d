// SPDX-License-Identifier: MIT OR Apache-2.0
// solc: via-ir
pragma solidity 0.8.30;

import { IVerifier } from "../../src/interfaces/IVerifier.sol";

/// @notice Accepts the ticket that was mined for these tests, whatever the seed of the round, which comes of a block's hash: asks the
/// real verifier about the challenge it was mined for. Costs some 4,000 gas that a puzzle of its own would not.
contract MinedPuzzle is IVerifier {
    IVerifier private immutable REAL;
    uint256 private immutable CHALLENGE;

    constructor(IVerifier real, uint256 challenge) {
        (REAL, CHALLENGE) = (real, challenge);
    }

    function verify(uint256[] calldata publicInputs, bytes calldata proof) external view returns (bool) {
        uint256[] memory mined = publicInputs;
        mined[0] = CHALLENGE;
        return REAL.verify(mined, proof);
    }
}
