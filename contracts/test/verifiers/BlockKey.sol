// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { VerifyingKey } from "../../src/interfaces/IBlockVerifier.sol";
import { Vm } from "forge-std/Vm.sol";

/// The block circuit's key in tests/vectors/block_proof.json.
library BlockKey {
    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function read() internal view returns (VerifyingKey memory) {
        string memory json = VM.readFile("tests/vectors/block_proof.json");
        return abi.decode(abi.encodePacked(VM.parseJsonUintArray(json, ".verifyingKey")), (VerifyingKey));
    }
}
