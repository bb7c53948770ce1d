// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ProverRegistry } from "../src/ProverRegistry.sol";
import { IProverRegistry } from "../src/interfaces/IProverRegistry.sol";
import { StakeLottery } from "../src/mechanisms/StakeLottery.sol";
import { Terms } from "../src/types/Terms.sol";
import { HeaderFixture } from "./HeaderFixture.sol";
import { RegistryHarness } from "./mocks/RegistryHarness.sol";
import { TestToken } from "./mocks/TestToken.sol";

/// @notice A registry and a lottery with their market played by a harness.
abstract contract RegistryFixture is HeaderFixture {
    uint256 internal constant UNIT = 100e18;
    uint256 internal constant EPOCH = 1 hours;
    uint256 internal constant FREEZE = 5 minutes;
    uint256 internal constant UNBONDING = 1 days;
    uint256 internal constant START = 1_000_000 * EPOCH;
    uint256 internal constant MARKET = 7;

    TestToken internal token;
    RegistryHarness internal harness;
    ProverRegistry internal registry;
    StakeLottery internal lottery;

    address internal alice = makeAddr("alice");
    address internal bob = makeAddr("bob");
    address internal carol = makeAddr("carol");

    function setUp() public virtual {
        vm.warp(START);
        token = new TestToken();
        harness = RegistryHarness(deployCode("RegistryHarness.sol:RegistryHarness", abi.encode(_params())));
        registry = harness.registry();
        lottery = harness.lottery();
    }

    function _params() internal view returns (IProverRegistry.Params memory) {
        return IProverRegistry.Params({
            asset: address(token),
            stakeUnit: uint96(UNIT),
            epochLength: uint32(EPOCH),
            freeze: uint32(FREEZE),
            suspendAfter: 3,
            openAfter: 255,
            unbonding: uint32(UNBONDING),
            maxWindow: uint32(UNBONDING)
        });
    }

    function _terms(uint256 bond) internal pure returns (Terms memory terms) {
        terms.price = 5e18;
        terms.bond = uint96(bond);
        terms.version = 1;
    }

    function _register(address prover) internal {
        vm.prank(prover);
        registry.register("https://prover.example");
    }

    function _stake(address prover, uint256 amount) internal {
        token.mint(prover, amount);
        vm.startPrank(prover);
        token.approve(address(registry), amount);
        registry.stake(amount);
        vm.stopPrank();
    }

    function _allocate(address prover, uint256 market, uint256 units) internal {
        uint256 exposure = registry.MAX_UNITS();
        vm.prank(prover);
        registry.allocate(market, units, exposure, 1, type(uint32).max);
    }

    /// @dev Registered, staked and allocated to MARKET, as of the next epoch.
    function _join(address prover, uint256 units) internal {
        _register(prover);
        _stake(prover, units * UNIT);
        _allocate(prover, MARKET, units);
    }

    /// @dev On to the next epoch's first second, its seed not yet known.
    function _nextEpoch() internal {
        vm.warp((vm.getBlockTimestamp() / EPOCH + 1) * EPOCH);
    }

    /// @dev Likewise, with its seed.
    function _nextSeededEpoch() internal returns (uint256 seed) {
        _nextEpoch();
        return _mineSeed(lottery);
    }
}
