// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ERC20 } from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title An ERC-20 that anyone may mint: the asset on development chains
contract DevelopmentToken is ERC20("Provery Development Token", "DEV") {
    /// @notice Mint `amount` wei to `to`. Anyone.
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}
