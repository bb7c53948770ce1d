// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { Halo2AbiAdapter, IHalo2Verifier } from "../../../src/verifiers/adapters/Halo2AbiAdapter.sol";
import { Halo2Adapter } from "../../../src/verifiers/adapters/Halo2Adapter.sol";
import { VerifierAdapter } from "../../../src/verifiers/adapters/VerifierAdapter.sol";
import { AdapterTest } from "./AdapterFixture.sol";

/// A verifier and a proof of snark-verifier.
contract Halo2AdapterTest is AdapterTest {
    function setUp() public {
        fixture = _load("halo2");
        adapter = _deploy(fixture.inner, _innerGas());
    }

    function _deploy(address inner, uint256 gasNeeded) internal override returns (VerifierAdapter) {
        return new Halo2Adapter(inner, 3, fixture.proof.length, gasNeeded);
    }

    function _innerGas() internal pure override returns (uint256) {
        return 450_000;
    }

    /// It reduces its instances itself, which is why the adapter looks at them.
    function test_TheVerifierAloneTakesAnInstancePlusTheOrder() public view {
        uint256[] memory inputs = fixture.inputs;
        inputs[2] += R;
        (bool success,) = fixture.inner.staticcall(abi.encodePacked(inputs, fixture.proof));
        assertTrue(success);
        assertFalse(_accepts(inputs, fixture.proof));
    }

    function test_CostsLittle() public {
        assertLe(_overhead(abi.encodePacked(fixture.inputs, fixture.proof)), 3500);
    }
}

/// A verifier and a proof of halo2-solidity-verifier, for the same relation.
contract Halo2AbiAdapterTest is AdapterTest {
    function setUp() public {
        fixture = _load("halo2_abi");
        adapter = _deploy(fixture.inner, _innerGas());
    }

    function _deploy(address inner, uint256 gasNeeded) internal override returns (VerifierAdapter) {
        return new Halo2AbiAdapter(inner, 3, fixture.proof.length, gasNeeded);
    }

    function _innerGas() internal pure override returns (uint256) {
        return 450_000;
    }

    function test_CostsLittle() public {
        assertLe(_overhead(abi.encodeCall(IHalo2Verifier.verifyProof, (fixture.proof, fixture.inputs))), 3500);
    }
}
