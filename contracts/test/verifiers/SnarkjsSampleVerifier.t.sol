// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IVerifier } from "../../src/interfaces/IVerifier.sol";
import { ProofFixtures } from "./adapters/AdapterFixture.sol";
import { SnarkjsSampleVerifier } from "./generated/SnarkjsSampleVerifier.sol";

/// The verifier that is generated here from a key of snarkjs, with the inputs in a market's order, and the proof of snarkjs.
contract SnarkjsSampleVerifierTest is ProofFixtures {
    IVerifier private verifier;
    Fixture private fixture;

    function setUp() public {
        fixture = _load("groth16");
        verifier =
            IVerifier(address(SnarkjsSampleVerifier(deployCode("SnarkjsSampleVerifier.sol:SnarkjsSampleVerifier"))));
    }

    function test_AcceptsTheProofOfSnarkjs() public {
        assertTrue(verifier.verify(fixture.inputs, fixture.proof));
        emit log_named_uint("generated verifier", vm.lastCallGas().gasTotalUsed);
    }

    function test_RefusesAnotherStatementAndAnotherPayee() public view {
        for (uint256 i = 0; i < 3; ++i) {
            uint256[] memory changed = fixture.inputs;
            changed[i] ^= 1;
            assertFalse(verifier.verify{ gas: 400_000 }(changed, fixture.proof));
        }
    }

    function test_RefusesTheCircuitsOrder() public view {
        uint256[] memory changed = fixture.inputs;
        (changed[0], changed[1]) = (changed[1], changed[0]);
        assertFalse(verifier.verify{ gas: 400_000 }(changed, fixture.proof));
    }
}
