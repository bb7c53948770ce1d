// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IRiscZeroVerifier, RiscZeroAdapter } from "../../../src/verifiers/adapters/RiscZeroAdapter.sol";
import { ISP1Verifier, Sp1Adapter } from "../../../src/verifiers/adapters/Sp1Adapter.sol";
import { VerifierAdapter } from "../../../src/verifiers/adapters/VerifierAdapter.sol";
import { AdapterTest } from "./AdapterFixture.sol";

abstract contract ZkvmAdapterTest is AdapterTest {
    function _takesFieldElements() internal pure override returns (bool) {
        return false;
    }

    function _forProgram(bytes32 program) internal virtual returns (VerifierAdapter);

    function test_RefusesAProofOfAnotherProgram() public {
        VerifierAdapter other = _forProgram(bytes32(uint256(fixture.id) ^ 1));
        assertFalse(other.verify{ gas: PLENTY }(fixture.inputs, fixture.proof));
        assertTrue(_forProgram(fixture.id).verify{ gas: PLENTY }(fixture.inputs, fixture.proof));
        assertNotEq(other.keyHash(), adapter.keyHash());
    }
}

abstract contract Sp1AdapterTest is ZkvmAdapterTest {
    function _deploy(address inner, uint256 gasNeeded) internal override returns (VerifierAdapter) {
        return new Sp1Adapter(inner, fixture.id, 96, gasNeeded);
    }

    function _forProgram(bytes32 program) internal override returns (VerifierAdapter) {
        return new Sp1Adapter(fixture.inner, program, 96, _innerGas());
    }

    function test_CostsLittle() public {
        bytes memory values = abi.encodePacked(fixture.inputs);
        assertLe(_overhead(abi.encodeCall(ISP1Verifier.verifyProof, (fixture.id, values, fixture.proof))), 3500);
    }
}

/// The 20th number of Fibonacci: public values [20, F(20), F(21)].
contract Sp1Groth16AdapterTest is Sp1AdapterTest {
    function setUp() public {
        fixture = _load("sp1_groth16");
        adapter = _deploy(fixture.inner, _innerGas());
    }

    function _innerGas() internal pure override returns (uint256) {
        return 300_000;
    }
}

contract Sp1PlonkAdapterTest is Sp1AdapterTest {
    function setUp() public {
        fixture = _load("sp1_plonk");
        adapter = _deploy(fixture.inner, _innerGas());
    }

    function _innerGas() internal pure override returns (uint256) {
        return 420_000;
    }
}

/// A journal of 21 bytes, "just a simple receipt": one word, filled up.
contract RiscZeroAdapterTest is ZkvmAdapterTest {
    uint256 private constant JOURNAL_BYTES = 21;

    function setUp() public {
        fixture = _load("risc0");
        adapter = _deploy(fixture.inner, _innerGas());
    }

    function _deploy(address inner, uint256 gasNeeded) internal override returns (VerifierAdapter) {
        return new RiscZeroAdapter(inner, fixture.id, JOURNAL_BYTES, gasNeeded);
    }

    function _forProgram(bytes32 program) internal override returns (VerifierAdapter) {
        return new RiscZeroAdapter(fixture.inner, program, JOURNAL_BYTES, _innerGas());
    }

    function _innerGas() internal pure override returns (uint256) {
        return 330_000;
    }

    /// One statement has one encoding: the bytes behind the journal are zeros.
    function test_RefusesAnythingBehindTheJournal() public view {
        for (uint256 bit = 0; bit < 8 * (32 - JOURNAL_BYTES); ++bit) {
            uint256[] memory changed = fixture.inputs;
            changed[0] |= 1 << bit;
            assertFalse(_accepts(changed, fixture.proof));
        }
    }

    function test_CostsLittle() public {
        bytes32 digest = sha256("just a simple receipt");
        assertLe(_overhead(abi.encodeCall(IRiscZeroVerifier.verify, (fixture.proof, fixture.id, digest))), 3500);
    }
}
