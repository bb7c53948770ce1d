// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { CodeScan } from "../../src/libraries/CodeScan.sol";
import { Test } from "forge-std/Test.sol";

contract CodeScanTest is Test {
    function test_FindsWhatCanChangeAContract() public pure {
        assertTrue(CodeScan.mayChange(hex"f4"), "DELEGATECALL");
        assertTrue(CodeScan.mayChange(hex"f2"), "CALLCODE");
        assertTrue(CodeScan.mayChange(hex"ff"), "SELFDESTRUCT");
        assertTrue(CodeScan.mayChange(hex"6001600155f4"), "after what is pushed");
        assertTrue(CodeScan.mayChange(hex"005bf4"), "where one can jump to");
        assertTrue(CodeScan.mayChange(hex"57f4"), "after a conditional jump");
        // EIP-1167.
        assertTrue(
            CodeScan.mayChange(
                hex"363d3d373d3d3d363d73bebebebebebebebebebebebebebebebebebebebe5af43d82803e903d91602b57fd5bf3"
            ),
            "a minimal proxy"
        );
    }

    function test_FindsNothingWhereItIsNoInstruction() public pure {
        assertFalse(CodeScan.mayChange(""), "no code");
        assertFalse(CodeScan.mayChange(hex"60f400"), "pushed");
        assertFalse(
            CodeScan.mayChange(hex"7ff4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f400"),
            "32 bytes pushed"
        );
        assertFalse(CodeScan.mayChange(hex"5ff1fa00"), "other calls");
        bytes5[6] memory endings = [
            bytes5(hex"00f4f2ffff"), hex"56f4f2ffff", hex"f3f4f2ffff", hex"fdf4f2ffff", hex"fef4f2ffff", hex"00605bf4ff"
        ];
        for (uint256 i; i < endings.length; ++i) {
            assertFalse(CodeScan.mayChange(abi.encodePacked(endings[i])), "behind the code");
        }
        // A push at the end that is cut short.
        assertFalse(CodeScan.mayChange(hex"7f"), "cut short");
    }

    /// @dev The same, byte by byte, as plainly as it can be written.
    function testFuzz_AgreesWithAPlainScan(bytes calldata code) public pure {
        bool found;
        bool reached = true;
        for (uint256 i; i < code.length; ++i) {
            uint8 op = uint8(code[i]);
            if (op >= 0x60 && op <= 0x7f) {
                i += op - 0x5f;
                continue;
            }
            if (op == 0x5b) reached = true;
            if (!reached) continue;
            if (op == 0xf2 || op == 0xf4 || op == 0xff) found = true;
            if (op == 0 || op == 0x56 || op == 0xf3 || op == 0xfd || op == 0xfe || op == 0xff) reached = false;
        }
        assertEq(CodeScan.mayChange(code), found);
    }
}
