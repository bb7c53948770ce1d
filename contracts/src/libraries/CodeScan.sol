// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Whether a contract's behaviour is fixed by its code
library CodeScan {
    /// @notice Whether the code has a reachable DELEGATECALL, CALLCODE or SELFDESTRUCT.
    /// @dev One instruction after the other. After an instruction that ends or jumps away nothing is reached until the next JUMPDEST: so
    /// what compilers write behind the code (metadata, immutable data) is not taken for instructions, and whatever can be jumped to is.
    function mayChange(bytes memory code) internal pure returns (bool found) {
        // Of 24,576 bytes some 1.5 million gas; Solidity's checks would double it.
        assembly ("memory-safe") {
            let at := add(code, 0x20)
            let end := add(at, mload(code))
            let reached := 1
            // Bits by opcode. STOP, JUMP, RETURN, REVERT, INVALID, SELFDESTRUCT.
            let ending := or(or(1, shl(0x56, 1)), or(or(shl(0xf3, 1), shl(0xfd, 1)), or(shl(0xfe, 1), shl(0xff, 1))))
            // CALLCODE, DELEGATECALL, SELFDESTRUCT.
            let changing := or(or(shl(0xf2, 1), shl(0xf4, 1)), shl(0xff, 1))
            for { } lt(at, end) { at := add(at, 1) } {
                let op := byte(0, mload(at))
                // PUSH1 to PUSH32: what they push is no instruction.
                if lt(sub(op, 0x60), 0x20) {
                    at := add(at, sub(op, 0x5f))
                    continue
                }
                if eq(op, 0x5b) { reached := 1 }
                if iszero(reached) { continue }
                if and(shr(op, changing), 1) {
                    found := 1
                    break
                }
                if and(shr(op, ending), 1) { reached := 0 }
            }
        }
    }
}
