// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IVerifier } from "../../src/interfaces/IVerifier.sol";
import { WeightTreeHarness } from "../mocks/WeightTreeHarness.sol";
import { Groth16K1Verifier } from "../verifiers/generated/Groth16K1Verifier.sol";
import { Groth16K5Verifier } from "../verifiers/generated/Groth16K5Verifier.sol";
import { Test } from "forge-std/Test.sol";

/// @notice Execution gas inside the call: Groth16 verifiers, and the weight tree with its storage cold.
contract PartsGasTest is Test {
    string private GROUP = string.concat("gas-", vm.envOr("FOUNDRY_HARDFORK", string("prague")));
    uint256 private constant LEAF = 1234;
    uint256 private constant RANDOM = uint256(keccak256("weight tree"));

    function test_Verify() public {
        _verify(
            IVerifier(address(Groth16K1Verifier(deployCode("Groth16K1Verifier.sol:Groth16K1Verifier")))), 1, "verify_k1"
        );
        _verify(
            IVerifier(address(Groth16K5Verifier(deployCode("Groth16K5Verifier.sol:Groth16K5Verifier")))), 5, "verify_k5"
        );
    }

    function _verify(IVerifier verifier, uint256 k, string memory name) private {
        string memory json = vm.readFile(string.concat("tests/vectors/groth16_k", vm.toString(k), ".json"));
        uint256[] memory inputs = vm.parseJsonUintArray(json, ".inputs");
        assertTrue(verifier.verify(inputs, vm.parseJsonBytes(json, ".proof")));
        uint256 used = vm.lastCallGas().gasTotalUsed;
        uint256 floor = 181_000 + 6150 * k + 100 * (1 + 2 * k);
        assertLe(used, floor * 1005 / 1000);
        vm.snapshotValue(GROUP, name, used);
        vm.snapshotValue(GROUP, string.concat(name, ".floor"), floor);
    }

    function test_Tree4096() public {
        _tree(4096);
    }

    function test_Tree65536() public {
        _tree(65_536);
    }

    /// @dev The update is the first one of its epoch, which keeps the version that draws still read.
    function _tree(uint256 leaves) private {
        vm.pauseGasMetering();
        WeightTreeHarness tree = WeightTreeHarness(deployCode("WeightTreeHarness.sol:WeightTreeHarness"));
        for (uint256 i = 0; i < leaves; ++i) {
            tree.set(i, 1 + (i * 7) % 500, 1, 2);
        }
        for (uint256 epoch = 2; epoch < 5; ++epoch) {
            tree.set(LEAF, 100 + epoch, epoch, epoch + 1);
        }
        vm.resumeGasMetering();
        vm.cool(address(tree));
        (,, uint256 spent) = tree.draw(5, RANDOM);
        vm.snapshotValue(GROUP, string.concat("draw_", vm.toString(leaves)), spent);
        vm.cool(address(tree));
        (, spent) = tree.set(LEAF, 300, 5, 6);
        vm.snapshotValue(GROUP, string.concat("stake_update_", vm.toString(leaves)), spent);
    }
}
