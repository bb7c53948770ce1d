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

/// Speaks as halo2-solidity-verifier's contracts do, and asks the one of snark-verifier.
contract NamedHalo2Verifier is IHalo2Verifier {
    address private immutable INNER;

    constructor(address inner) {
        INNER = inner;
    }

    function verifyProof(bytes calldata proof, uint256[] calldata instances) external view returns (bool) {
        (bool success,) = INNER.staticcall(abi.encodePacked(instances, proof));
        require(success);
        return true;
    }
}

contract Halo2AbiAdapterTest is AdapterTest {
    function setUp() public {
        fixture = _load("halo2");
        fixture.inner = address(new NamedHalo2Verifier(fixture.inner));
        adapter = _deploy(fixture.inner, _innerGas());
    }

    function _deploy(address inner, uint256 gasNeeded) internal override returns (VerifierAdapter) {
        return new Halo2AbiAdapter(inner, 3, fixture.proof.length, gasNeeded);
    }

    function _innerGas() internal pure override returns (uint256) {
        return 600_000;
    }

    function test_CostsLittle() public {
        assertLe(_overhead(abi.encodeCall(IHalo2Verifier.verifyProof, (fixture.proof, fixture.inputs))), 3500);
    }
}
