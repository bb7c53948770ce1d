// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { IProofMarket } from "./IProofMarket.sol";

/// @title What pools may do in which markets
/// @notice Each pool writes its own policies here, and asks before it allocates. A policy only ever widens by an announcement, to
/// the hull of what was in force and what is announced, and narrows at once. So whatever a pool's position in the registry was
/// set to stays within its policy until that is narrowed, and then the pool narrows the position too.
interface IDelegationPoolPolicies {
    /// @notice What a pool may do in a market, in force and announced. One word, from the lowest bit as listed.
    /// @param exposure Most units of stake that it may have bonded there at once; 0 if none.
    /// @param fromVersion The first version of the market's terms under which it may.
    /// @param toVersion The last one.
    /// @param nextExposure These three from `nextFrom` on.
    /// @param nextFromVersion Likewise.
    /// @param nextToVersion Likewise.
    /// @param nextFrom Unix seconds; 0 if nothing is announced.
    struct Policy {
        uint16 exposure;
        uint32 fromVersion;
        uint32 toVersion;
        uint16 nextExposure;
        uint32 nextFromVersion;
        uint32 nextToVersion;
        uint40 nextFrom;
    }

    /// @notice From `from` on (unix seconds) the pool may have `exposure` units bonded at once in `market`, under versions
    /// `fromVersion` to `toVersion` of its terms. Replaces what was announced for the market before.
    event MarketAnnounced(
        address indexed pool,
        uint256 indexed market,
        uint256 exposure,
        uint32 fromVersion,
        uint32 toVersion,
        uint256 from
    );
    /// @notice From now on the pool may do no more than this in `market`, and nothing is announced there.
    event MarketNarrowed(
        address indexed pool, uint256 indexed market, uint256 exposure, uint32 fromVersion, uint32 toVersion
    );

    /// @notice An exposure of zero cannot be announced.
    error ExposureZero();
    /// @notice The market has versions 1 to `last` of its terms, and a pool may serve it only under such.
    error VersionsInvalid(uint32 last);
    /// @notice In this market the pool may do no more than this.
    error BeyondPolicy(uint256 exposure, uint32 fromVersion, uint32 toVersion);
    /// @notice The pool serves as many markets as it may.
    error TooManyMarkets();

    /// @notice Announce a wider policy of the caller, in place of what it announced for the market before. Only versions of the
    /// terms that the market has announced itself, so that delegators know them. A market that the caller left for good makes
    /// room for another.
    /// @param from Unix seconds from which it is in force.
    function announce(uint256 market, uint16 exposure, uint32 fromVersion, uint32 toVersion, uint256 from) external;

    /// @notice Narrow the caller's policy to this, or to nothing with an exposure of zero, and forget what it announced.
    function narrow(uint256 market, uint16 exposure, uint32 fromVersion, uint32 toVersion) external;

    /// @notice The versions under which `pool` may allocate to `market`. Reverts if it may not with this exposure.
    function versionsFor(address pool, uint256 market, uint256 exposure)
        external
        view
        returns (uint32 fromVersion, uint32 toVersion);

    /// @notice A pool's policy as of now.
    function policyOf(address pool, uint256 market) external view returns (Policy memory);

    /// @notice The markets that a pool may serve, will be allowed to, or left last.
    function servedBy(address pool) external view returns (uint256[] memory);

    /// @notice Units that a pool has allocated in these markets.
    function allocatedBy(address pool) external view returns (uint256 units);

    /// @notice The market contract whose markets these are.
    function market() external view returns (IProofMarket);

    /// @notice Most markets a pool serves at once.
    function MAX_MARKETS() external view returns (uint256);
}
