// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { DelegationPool } from "./DelegationPool.sol";
import { IDelegationPool } from "./interfaces/IDelegationPool.sol";
import { IDelegationPools } from "./interfaces/IDelegationPools.sol";
import { IProofMarket } from "./interfaces/IProofMarket.sol";

/// @title Where pools come from
/// @dev Whole contracts and no clones: a pool is created once and used for long, a constructor needs no guard against
/// running twice, and there is no bare implementation that somebody could mistake for a pool.
contract DelegationPools is IDelegationPools {
    /// @inheritdoc IDelegationPools
    IProofMarket public immutable market;

    /// @inheritdoc IDelegationPools
    mapping(address pool => bool) public isPool;

    /// @param market_ The market contract whose slots the pools prove.
    constructor(IProofMarket market_) {
        market = market_;
    }

    /// @inheritdoc IDelegationPools
    function create(uint16 firstLossBps, uint16 commissionBps, string calldata uri)
        external
        returns (IDelegationPool pool)
    {
        pool = new DelegationPool(market, msg.sender, firstLossBps, commissionBps, uri);
        isPool[address(pool)] = true;
        emit PoolCreated(address(pool), msg.sender, firstLossBps, commissionBps, uri);
    }
}
