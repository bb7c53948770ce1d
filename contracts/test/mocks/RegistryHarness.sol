// SPDX-License-Identifier: MIT OR Apache-2.0
// solc: via-ir
pragma solidity 0.8.30;

import { ProverRegistry } from "../../src/ProverRegistry.sol";
import { Assignment } from "../../src/interfaces/IMechanism.sol";
import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { IRandomness } from "../../src/interfaces/IRandomness.sol";
import { StakeLottery } from "../../src/mechanisms/StakeLottery.sol";
import { Terms } from "../../src/types/Terms.sol";

/// @notice Stands where the market stands: deploys a registry and may do to it what only a market may. Answers how much
/// gas each call took.
contract RegistryHarness {
    ProverRegistry public immutable registry;
    StakeLottery public immutable lottery;

    constructor(IProverRegistry.Params memory params) {
        registry = new ProverRegistry(params, address(this));
        lottery = new StakeLottery(registry, address(this), IRandomness(address(0)));
    }

    /// @notice Of the terms of all slots of this stand-in.
    uint32 public constant VERSION = 1;

    function reserve(address prover, uint256 market, uint256 amount) external returns (uint256 spent) {
        uint256 gas = gasleft();
        registry.reserve(prover, market, amount, VERSION);
        spent = gas - gasleft();
    }

    function release(address prover, uint256 market, uint256 amount, bool proven) external returns (uint256 spent) {
        uint256 gas = gasleft();
        registry.release(prover, market, amount, proven);
        spent = gas - gasleft();
    }

    function slash(address prover, uint256 market, uint256 amount) external returns (uint256 spent) {
        uint256 gas = gasleft();
        registry.slash(prover, market, amount);
        spent = gas - gasleft();
    }

    function open(uint256 market, uint64 slot, Terms calldata terms)
        external
        returns (Assignment memory assignment, uint256 spent)
    {
        uint256 gas = gasleft();
        assignment = lottery.onOpen(market, slot, terms, "");
        spent = gas - gasleft();
    }

    /// @notice Opens a slot with data for the mechanism.
    function openWith(uint256 market, uint64 slot, Terms calldata terms, bytes calldata data)
        external
        returns (Assignment memory assignment, uint256 spent)
    {
        uint256 gas = gasleft();
        assignment = lottery.onOpen(market, slot, terms, data);
        spent = gas - gasleft();
    }

    /// @notice Opens a slot and reserves its bond, as a market does.
    function openAndReserve(uint256 market, uint64 slot, Terms calldata terms) external returns (address prover) {
        return openAndReserveWith(market, slot, terms, "");
    }

    /// @notice Likewise, with data for the mechanism.
    function openAndReserveWith(uint256 market, uint64 slot, Terms calldata terms, bytes memory data)
        public
        returns (address prover)
    {
        prover = lottery.onOpen(market, slot, terms, data).prover;
        if (prover != address(0)) registry.reserve(prover, market, terms.bond, terms.version);
    }
}
