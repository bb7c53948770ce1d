// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IVerifier } from "../../src/interfaces/IVerifier.sol";
import { Test } from "forge-std/Test.sol";

/// What a verifier says with every amount of gas: false is said of a proof, never of a lack of gas.
abstract contract GasSweep is Test {
    /// The gas from which on a valid proof is accepted: below it every call reverts. `used` is what verify uses.
    function _assertRevertsOrAccepts(IVerifier verifier, uint256[] memory inputs, bytes memory proof, uint256 used)
        internal
        view
    {
        bytes memory data = abi.encodeCall(IVerifier.verify, (inputs, proof));
        bool accepts;
        uint256 named;
        // Around the boundary, which is where a 64th held back no longer keeps the pairing from its price, nearly every amount.
        for (uint256 gas_ = 500; gas_ < used + 12_000; gas_ += gas_ < used + 2000 || gas_ > used + 4000 ? 251 : 3) {
            (bool success, bytes memory answer) = address(verifier).staticcall{ gas: gas_ }(data);
            if (success) {
                assertTrue(abi.decode(answer, (bool)), "false of a valid proof");
                accepts = true;
            } else {
                assertFalse(accepts, "more gas, and a revert");
                if (answer.length != 0) {
                    assertEq(bytes4(answer), IVerifier.InsufficientGas.selector);
                    ++named;
                }
            }
        }
        assertTrue(accepts, "never accepts");
        // The pairing is what is starved in nearly all of these.
        assertGt(named, 400);
    }

    /// A malformed proof is never accepted, and answered with false from `enough` on.
    function _assertRevertsOrRefuses(IVerifier verifier, uint256[] memory inputs, bytes memory proof, uint256 enough)
        internal
        view
    {
        bytes memory data = abi.encodeCall(IVerifier.verify, (inputs, proof));
        for (uint256 gas_ = 500; gas_ < enough; gas_ += 977) {
            (bool cheap, bytes memory said) = address(verifier).staticcall{ gas: gas_ }(data);
            assertFalse(cheap && abi.decode(said, (bool)));
        }
        uint256[4] memory plenty = [enough, enough + 10_000, 2 * enough, 20 * enough];
        for (uint256 i = 0; i < plenty.length; ++i) {
            (bool success, bytes memory answer) = address(verifier).staticcall{ gas: plenty[i] }(data);
            assertTrue(success, "a revert with ample gas");
            assertFalse(abi.decode(answer, (bool)));
        }
    }
}
