// SPDX-License-Identifier: MIT OR Apache-2.0
// solc: via-ir
pragma solidity 0.8.30;

/// @notice For tests: what a static call costs whoever makes it, in optimised code.
contract GasMeter {
    function around(address to, bytes memory data) external view returns (uint256 used) {
        assembly ("memory-safe") {
            let before := gas()
            pop(staticcall(gas(), to, add(data, 0x20), mload(data), 0x00, 0x20))
            used := sub(before, gas())
        }
    }
}
