// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IDelegationPoolPolicies } from "../interfaces/IDelegationPoolPolicies.sol";
import { IProofMarket } from "../interfaces/IProofMarket.sol";
import { IProverRegistry } from "../interfaces/IProverRegistry.sol";

/// @title What pools may do in which markets
/// @dev A contract of its own because a pool's code has no bytes to spare, and calls this seldom. Whoever calls writes about
/// itself and nobody else, so it need not know which callers are pools.
contract DelegationPoolPolicies is IDelegationPoolPolicies {
    /// @inheritdoc IDelegationPoolPolicies
    uint256 public constant MAX_MARKETS = 8;

    IProofMarket private immutable MARKET;
    IProverRegistry private immutable REGISTRY;

    mapping(address pool => mapping(uint256 market => Policy)) private _policies;
    /// @dev Every market with a policy, and of those that a pool left the ones whose place no other took.
    mapping(address pool => uint256[]) private _served;

    constructor(IProofMarket market_) {
        MARKET = market_;
        REGISTRY = IProverRegistry(market_.registry());
    }

    /// @inheritdoc IDelegationPoolPolicies
    function market() external view returns (IProofMarket) {
        return MARKET;
    }

    /// @inheritdoc IDelegationPoolPolicies
    function announce(uint256 marketId, uint16 exposure, uint32 fromVersion, uint32 toVersion, uint256 from) external {
        if (exposure == 0) revert ExposureZero();
        (uint32 last,,,) = MARKET.termsOf(marketId);
        if (fromVersion == 0 || fromVersion > toVersion || toVersion > last) revert VersionsInvalid(last);
        Policy memory policy = policyOf(msg.sender, marketId);
        if (policy.exposure == 0) {
            _serve(marketId);
        } else {
            if (policy.exposure > exposure) exposure = policy.exposure;
            if (policy.fromVersion < fromVersion) fromVersion = policy.fromVersion;
            if (policy.toVersion > toVersion) toVersion = policy.toVersion;
        }
        (policy.nextExposure, policy.nextFromVersion, policy.nextToVersion, policy.nextFrom) =
        (exposure, fromVersion, toVersion, uint40(from));
        _policies[msg.sender][marketId] = policy;
        emit MarketAnnounced(msg.sender, marketId, exposure, fromVersion, toVersion, from);
    }

    /// @inheritdoc IDelegationPoolPolicies
    function narrow(uint256 marketId, uint16 exposure, uint32 fromVersion, uint32 toVersion) external {
        Policy memory policy = policyOf(msg.sender, marketId);
        if (exposure == 0) {
            (fromVersion, toVersion) = (0, 0);
        } else if (
            exposure > policy.exposure || fromVersion < policy.fromVersion || toVersion > policy.toVersion
                || fromVersion > toVersion
        ) {
            revert BeyondPolicy(policy.exposure, policy.fromVersion, policy.toVersion);
        }
        _policies[msg.sender][marketId] = Policy(exposure, fromVersion, toVersion, 0, 0, 0, 0);
        emit MarketNarrowed(msg.sender, marketId, exposure, fromVersion, toVersion);
    }

    /// @inheritdoc IDelegationPoolPolicies
    function versionsFor(address pool, uint256 marketId, uint256 exposure)
        external
        view
        returns (uint32 fromVersion, uint32 toVersion)
    {
        Policy memory policy = policyOf(pool, marketId);
        if (policy.exposure == 0 || exposure > policy.exposure) {
            revert BeyondPolicy(policy.exposure, policy.fromVersion, policy.toVersion);
        }
        return (policy.fromVersion, policy.toVersion);
    }

    /// @inheritdoc IDelegationPoolPolicies
    function policyOf(address pool, uint256 marketId) public view returns (Policy memory policy) {
        policy = _policies[pool][marketId];
        if (policy.nextFrom == 0 || block.timestamp < policy.nextFrom) return policy;
        return Policy(policy.nextExposure, policy.nextFromVersion, policy.nextToVersion, 0, 0, 0, 0);
    }

    /// @inheritdoc IDelegationPoolPolicies
    function servedBy(address pool) external view returns (uint256[] memory) {
        return _served[pool];
    }

    /// @inheritdoc IDelegationPoolPolicies
    function allocatedBy(address pool) external view returns (uint256 units) {
        uint256[] storage served = _served[pool];
        for (uint256 i = 0; i < served.length; ++i) {
            units += REGISTRY.allocationOf(served[i], pool);
        }
    }

    /// @dev Puts a market on the caller's list, in the place of one that it has left if there is any.
    function _serve(uint256 marketId) private {
        uint256[] storage served = _served[msg.sender];
        uint256 count = served.length;
        uint256 left = count;
        for (uint256 i = 0; i < count; ++i) {
            if (served[i] == marketId) return;
            if (left == count && _isLeft(served[i])) left = i;
        }
        if (left != count) served[left] = marketId;
        else if (count < MAX_MARKETS) served.push(marketId);
        else revert TooManyMarkets();
    }

    /// @dev Whether the caller has neither a policy in a market, nor an announcement, nor stake.
    function _isLeft(uint256 marketId) private view returns (bool) {
        Policy memory policy = _policies[msg.sender][marketId];
        if (policy.exposure != 0 || policy.nextFrom != 0) return false;
        IProverRegistry.Position memory position = REGISTRY.positionOf(marketId, msg.sender);
        return position.units == 0 && position.bonded == 0;
    }
}
