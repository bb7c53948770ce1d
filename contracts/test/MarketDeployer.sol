// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ProofMarket } from "../src/ProofMarket.sol";
import { ProverRegistry } from "../src/ProverRegistry.sol";
import { IProofMarket } from "../src/interfaces/IProofMarket.sol";
import { IProverRegistry } from "../src/interfaces/IProverRegistry.sol";
import { MarketState } from "../src/market/MarketState.sol";
import { ProofMarketExt } from "../src/market/ProofMarketExt.sol";
import { SlotTransfers } from "../src/market/SlotTransfers.sol";
import { TermsRules } from "../src/market/TermsRules.sol";
import { Test } from "forge-std/Test.sol";

/// @notice Puts up a market and all it works with, in the order that `provery deploy` does.
abstract contract MarketDeployer is Test {
    function _deployMarket(address circuits, IProverRegistry.Params memory params) internal returns (IProofMarket) {
        MarketState.Contracts memory contracts;
        contracts.circuits = circuits;
        contracts.rules = address(new TermsRules());
        address market = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 3);
        contracts.registry = address(new ProverRegistry(params, market));
        contracts.slotTransfers = address(new SlotTransfers(market, contracts.registry));
        address extension = address(new ProofMarketExt(contracts));
        assertEq(address(new ProofMarket(contracts, extension)), market, "the market's address");
        return IProofMarket(market);
    }
}
