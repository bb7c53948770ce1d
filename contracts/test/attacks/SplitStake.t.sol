// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { console } from "forge-std/Test.sol";

import { RegistryFixture } from "../RegistryFixture.sol";

/// @notice Splitting stake over many addresses buys nothing: 100,000 draws follow the units, whosever they are.
contract SplitStakeTest is RegistryFixture {
    uint256 private constant ADDRESSES = 100;
    uint256 private constant DRAWS = 100_000;
    uint256 private constant UNITS = 300;
    uint256 private constant REWARD = 5e18;

    /// @dev Quantiles of chi-square at 0.999, in thousandths: 100 and 1 degrees of freedom.
    uint256 private constant QUANTILE_100 = 149_449;
    uint256 private constant QUANTILE_1 = 10_828;

    uint256[] private units;

    /// @dev Alice has in one place what the attacker has in a hundred, 1 to 5 units in each.
    function setUp() public override {
        super.setUp();
        _join(alice, UNITS);
        units.push(UNITS);
        for (uint256 i; i < ADDRESSES; ++i) {
            units.push(1 + i % 5);
            _join(address(uint160(0x10000 + i)), units[i + 1]);
        }
        _nextEpoch();
        assertEq(registry.totalWeight(MARKET), 2 * UNITS);
    }

    function test_StakeSplitOverAHundredAddressesWinsNoMore() public view {
        uint256 seed = uint256(keccak256("Splitting buys nothing"));
        console.log("seed", seed);
        uint256[] memory wins = new uint256[](ADDRESSES + 1);
        for (uint256 i; i < DRAWS; ++i) {
            (address prover,) = registry.draw(MARKET, uint256(keccak256(abi.encode(seed, i))), 1, 1);
            ++wins[prover == alice ? 0 : uint160(prover) - 0xffff];
        }

        // Address by address.
        uint256 statistic;
        for (uint256 i; i <= ADDRESSES; ++i) {
            statistic += _deviation(wins[i], units[i]);
        }
        console.log("chi-square, 100 degrees of freedom, thousandths", statistic);
        assertLt(statistic, QUANTILE_100);

        // All of the attacker against the one with as much stake: what each earned with its slots.
        uint256 attackers = (DRAWS - wins[0]) * REWARD;
        uint256 hers = wins[0] * REWARD;
        statistic = _deviation(wins[0], UNITS) + _deviation(DRAWS - wins[0], UNITS);
        console.log("chi-square, 1 degree of freedom, thousandths", statistic);
        assertLt(statistic, QUANTILE_1);
        assertApproxEqRel(attackers, hers, 0.025e18);
    }

    /// @dev (observed - expected)^2 / expected, in thousandths.
    function _deviation(uint256 observed, uint256 weight) private pure returns (uint256) {
        // In parts of a draw, so that nothing is rounded away.
        uint256 expected = DRAWS * weight;
        observed *= 2 * UNITS;
        uint256 difference = observed > expected ? observed - expected : expected - observed;
        return difference * difference * 1000 / expected / (2 * UNITS);
    }
}
