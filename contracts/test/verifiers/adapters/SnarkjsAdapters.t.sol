// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IVerifierAdapter } from "../../../src/interfaces/IVerifierAdapter.sol";
import { SnarkjsAdapter } from "../../../src/verifiers/adapters/SnarkjsAdapter.sol";
import { SnarkjsFflonkAdapter } from "../../../src/verifiers/adapters/SnarkjsFflonkAdapter.sol";
import { SnarkjsGroth16Adapter } from "../../../src/verifiers/adapters/SnarkjsGroth16Adapter.sol";
import { SnarkjsPlonkAdapter } from "../../../src/verifiers/adapters/SnarkjsPlonkAdapter.sol";
import { VerifierAdapter } from "../../../src/verifiers/adapters/VerifierAdapter.sol";
import { AdapterTest } from "./AdapterFixture.sol";
import { Test } from "forge-std/Test.sol";

/// One circom circuit, proven three ways: [x, out, payee] for a market, [out, x, payee] for circom.
abstract contract SnarkjsAdapterTest is AdapterTest {
    function test_HandsTheInputsOnInTheCircuitsOrder() public view {
        uint256[] memory inputs = fixture.inputs;
        (inputs[0], inputs[1]) = (inputs[1], inputs[0]);
        assertFalse(_accepts(inputs, fixture.proof));
    }

    function _check(string memory signature, uint256 most) internal {
        uint256[3] memory signals = [fixture.inputs[1], fixture.inputs[0], fixture.inputs[2]];
        uint256 overhead = _overhead(abi.encodePacked(bytes4(keccak256(bytes(signature))), fixture.proof, signals));
        assertLe(overhead, most);
    }
}

contract SnarkjsGroth16AdapterTest is SnarkjsAdapterTest {
    function setUp() public {
        fixture = _load("groth16");
        adapter = _deploy(fixture.inner, _innerGas());
    }

    function _deploy(address inner, uint256 gasNeeded) internal override returns (VerifierAdapter) {
        return new SnarkjsGroth16Adapter(inner, 3, 1, true, gasNeeded);
    }

    function _innerGas() internal pure override returns (uint256) {
        return 260_000;
    }

    function test_CostsLittle() public {
        _check("verifyProof(uint256[2],uint256[2][2],uint256[2],uint256[3])", 3500);
    }
}

contract SnarkjsPlonkAdapterTest is SnarkjsAdapterTest {
    function setUp() public {
        fixture = _load("plonk");
        adapter = _deploy(fixture.inner, _innerGas());
    }

    function _deploy(address inner, uint256 gasNeeded) internal override returns (VerifierAdapter) {
        return new SnarkjsPlonkAdapter(inner, 3, 1, true, gasNeeded);
    }

    function _innerGas() internal pure override returns (uint256) {
        return 400_000;
    }

    function test_CostsLittle() public {
        _check("verifyProof(uint256[24],uint256[3])", 3500);
    }
}

contract SnarkjsFflonkAdapterTest is SnarkjsAdapterTest {
    function setUp() public {
        fixture = _load("fflonk");
        adapter = _deploy(fixture.inner, _innerGas());
    }

    function _deploy(address inner, uint256 gasNeeded) internal override returns (VerifierAdapter) {
        return new SnarkjsFflonkAdapter(inner, 3, 1, true, gasNeeded);
    }

    function _innerGas() internal pure override returns (uint256) {
        return 280_000;
    }

    function test_CostsLittle() public {
        _check("verifyProof(bytes32[24],uint256[3])", 3500);
    }
}

/// Answers true to one message and false to every other.
contract OneMessage {
    bytes32 private immutable EXPECTED;

    constructor(bytes memory message) {
        EXPECTED = keccak256(message);
    }

    fallback() external {
        bool same = keccak256(msg.data) == EXPECTED;
        assembly {
            mstore(0, same)
            return(0, 0x20)
        }
    }
}

/// The message itself, for any number of inputs and outputs.
contract SnarkjsMessageTest is Test {
    uint256 private constant GAS = 120_000;

    function _inputs(uint256 count) private pure returns (uint256[] memory inputs) {
        inputs = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            inputs[i] = 100 + i;
        }
    }

    function _proof(uint256 words) private pure returns (bytes memory) {
        return abi.encodePacked(_inputs(words));
    }

    function test_OneInput() public {
        uint256[1] memory inputs = [uint256(100)];
        bytes memory message = abi.encodePacked(
            bytes4(keccak256("verifyProof(uint256[2],uint256[2][2],uint256[2],uint256[1])")), _proof(8), inputs
        );
        assertTrue(
            new SnarkjsGroth16Adapter(address(new OneMessage(message)), 1, 0, true, GAS).verify(_inputs(1), _proof(8))
        );
        assertTrue(
            new SnarkjsGroth16Adapter(address(new OneMessage(message)), 1, 1, false, GAS).verify(_inputs(1), _proof(8))
        );
    }

    function test_TwelveInputs_FiveOutputs() public {
        uint256[12] memory inputs = [uint256(106), 107, 108, 109, 110, 100, 101, 102, 103, 104, 105, 111];
        bytes memory message =
            abi.encodePacked(bytes4(keccak256("verifyProof(uint256[24],uint256[12])")), _proof(24), inputs);
        SnarkjsPlonkAdapter adapter = new SnarkjsPlonkAdapter(address(new OneMessage(message)), 12, 5, true, GAS);
        assertTrue(adapter.verify(_inputs(12), _proof(24)));
        assertFalse(adapter.verify(_inputs(12), _proof(8)));
        assertFalse(adapter.verify(_inputs(11), _proof(24)));
    }

    /// Without a payee the outputs are last.
    function test_AHundredInputs_ThreeOutputs_NoPayee() public {
        uint256[] memory market = _inputs(100);
        uint256[] memory circuit = new uint256[](100);
        for (uint256 i = 0; i < 100; ++i) {
            circuit[i] = market[(i + 97) % 100];
        }
        bytes memory message = abi.encodePacked(
            bytes4(keccak256("verifyProof(bytes32[24],uint256[100])")), _proof(24), abi.encodePacked(circuit)
        );
        SnarkjsFflonkAdapter adapter = new SnarkjsFflonkAdapter(address(new OneMessage(message)), 100, 3, false, GAS);
        assertTrue(adapter.verify(market, _proof(24)));
        assertEq(adapter.OUTPUTS(), 3);
        assertFalse(adapter.BINDS_PAYEE());
    }

    function test_KeyHashTellsOrdersApart() public {
        address inner = address(new OneMessage(""));
        bytes32 hash = new SnarkjsPlonkAdapter(inner, 3, 1, true, GAS).keyHash();
        assertNotEq(new SnarkjsPlonkAdapter(inner, 3, 0, true, GAS).keyHash(), hash);
        assertNotEq(new SnarkjsPlonkAdapter(inner, 3, 1, false, GAS).keyHash(), hash);
        assertEq(hash, keccak256(abi.encode(inner, inner.codehash, uint256(1), true)));
    }

    function test_RevertConstructor_WhenTheNumbersDoNotFit() public {
        address inner = address(new OneMessage(""));
        vm.expectRevert(abi.encodeWithSelector(IVerifierAdapter.InputCountInvalid.selector, 0));
        new SnarkjsPlonkAdapter(inner, 0, 0, false, GAS);
        vm.expectRevert(abi.encodeWithSelector(IVerifierAdapter.InputCountInvalid.selector, 3));
        new SnarkjsPlonkAdapter(inner, 3, 3, true, GAS);
        vm.expectRevert(abi.encodeWithSelector(IVerifierAdapter.InputCountInvalid.selector, 3));
        new SnarkjsPlonkAdapter(inner, 3, type(uint256).max, true, GAS);
        assertEq(SnarkjsAdapter(new SnarkjsPlonkAdapter(inner, 3, 3, false, GAS)).OUTPUTS(), 3);
    }
}
