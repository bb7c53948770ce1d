// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { CircuitRegistry } from "../src/CircuitRegistry.sol";
import { DevelopmentToken } from "../src/examples/DevelopmentToken.sol";
import { TransferRollup } from "../src/examples/TransferRollup.sol";
import { IProofMarket } from "../src/interfaces/IProofMarket.sol";
import { IProverRegistry } from "../src/interfaces/IProverRegistry.sol";
import { IRandomness } from "../src/interfaces/IRandomness.sol";
import { IVerifier } from "../src/interfaces/IVerifier.sol";
import { Agreement } from "../src/mechanisms/Agreement.sol";
import { Mining } from "../src/mechanisms/Mining.sol";
import { Race } from "../src/mechanisms/Race.sol";
import { ReverseDutchAuction } from "../src/mechanisms/ReverseDutchAuction.sol";
import { SealedBidAuction } from "../src/mechanisms/SealedBidAuction.sol";
import { StakeLottery } from "../src/mechanisms/StakeLottery.sol";
import { StandingAsks } from "../src/mechanisms/StandingAsks.sol";
import { DelegationPool } from "../src/pools/DelegationPool.sol";
import { DelegationPoolPolicies } from "../src/pools/DelegationPoolPolicies.sol";
import { DelegationPools } from "../src/pools/DelegationPools.sol";
import { Terms } from "../src/types/Terms.sol";
import { BlockVerifier } from "../src/verifiers/BlockVerifier.sol";
import { CircuitSamples } from "./CircuitSamples.sol";
import { HeaderFixture } from "./HeaderFixture.sol";
import { MarketDeployer } from "./MarketDeployer.sol";
import { BlockKey } from "./verifiers/BlockKey.sol";
import { PuzzleVerifier } from "./verifiers/generated/PuzzleVerifier.sol";

/// @notice Every contract as it is deployed: its code, and what it is created with, are within what a chain accepts.
contract CodeSizeTest is MarketDeployer, HeaderFixture {
    /// @dev EIP-170.
    uint256 private constant CODE_MAX = 24_576;
    /// @dev EIP-3860.
    uint256 private constant INITCODE_MAX = 2 * CODE_MAX;
    /// @dev Of the market's two halves each: a change to one must not need the other.
    uint256 private constant HALF_MAX = 20_000;
    /// @dev Room for the constructor's arguments.
    uint256 private constant ARGUMENTS = 2048;

    DevelopmentToken private token = new DevelopmentToken();
    CircuitRegistry private circuits = new CircuitRegistry();
    IProofMarket private market;
    IProverRegistry private registry;

    function setUp() public {
        market = _deployMarket(
            address(circuits),
            IProverRegistry.Params({
                asset: address(token),
                stakeUnit: 1 ether,
                epochLength: 1 hours,
                freeze: 60,
                suspendAfter: 3,
                openAfter: 8,
                unbonding: 1 days,
                maxWindow: 1 days
            })
        );
        registry = IProverRegistry(market.registry());
    }

    function _check(string memory name, address deployed) private view {
        assertGt(deployed.code.length, 0, name);
        assertLe(deployed.code.length, CODE_MAX, name);
        assertLe(vm.getCode(string.concat(name, ".sol:", name)).length + ARGUMENTS, INITCODE_MAX, name);
    }

    function test_Core() public view {
        _check("DevelopmentToken", address(token));
        _check("CircuitRegistry", address(circuits));
        _check("ProofMarket", address(market));
        _check("ProofMarketExt", market.extension());
        _check("ProverRegistry", address(registry));
        _check("SlotTransfers", market.slotTransfers());
        _check("TermsRules", market.rules());
        assertLt(address(market).code.length, HALF_MAX, "ProofMarket");
        assertLt(market.extension().code.length, HALF_MAX, "ProofMarketExt");
    }

    function test_Mechanisms() public {
        _check("StakeLottery", address(new StakeLottery(registry, address(market), IRandomness(address(0)))));
        _check("Race", address(new Race(registry, address(market))));
        _check("ReverseDutchAuction", address(new ReverseDutchAuction(registry, address(market))));
        _check("SealedBidAuction", address(new SealedBidAuction(registry, address(market))));
        _check("Agreement", address(new Agreement(registry, address(market))));
        _check("StandingAsks", address(new StandingAsks(registry, address(market))));
        IVerifier puzzle = IVerifier(address(PuzzleVerifier(deployCode("PuzzleVerifier.sol:PuzzleVerifier"))));
        _check("PuzzleVerifier", address(puzzle));
        _check("Mining", address(new Mining(registry, address(market), puzzle, IRandomness(address(0)))));
    }

    function test_Pools() public {
        DelegationPoolPolicies policies = new DelegationPoolPolicies(market);
        _check("DelegationPoolPolicies", address(policies));
        DelegationPool pool = new DelegationPool(policies);
        _check("DelegationPool", address(pool));
        _check("DelegationPools", address(new DelegationPools(pool)));
    }

    function test_Rollup() public {
        BlockVerifier verifier = new BlockVerifier(BlockKey.read());
        _check("BlockVerifier", address(verifier));

        Terms memory terms = Terms({
            requester: address(this),
            mechanism: address(new StakeLottery(registry, address(market), IRandomness(address(0)))),
            mechanismParams: 0,
            circuit: CircuitSamples.registerBlocks(circuits, verifier),
            verifier: address(verifier),
            price: 0.1 ether,
            bond: 0.2 ether,
            fastWindow: 60,
            exclusiveWindow: 300,
            expiryWindow: 900,
            floorBps: 6000,
            rescuerBps: 5000,
            requesterBps: 3000,
            forfeitBps: 1000,
            outputs: 1,
            callbackGas: 0,
            version: 1,
            leastRescue: 0.1 ether,
            chain: 0,
            circuitTerms: 0
        });
        TransferRollup rollup = new TransferRollup(market, terms, 64, address(this), 0, "", 100_000);
        _check("TransferRollup", address(rollup));
    }
}
