// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { LibClone } from "solady/utils/LibClone.sol";

import { IDelegationPool } from "../interfaces/IDelegationPool.sol";
import { IDelegationPools } from "../interfaces/IDelegationPools.sol";
import { IProofMarket } from "../interfaces/IProofMarket.sol";

/// @title Where pools come from
/// @dev Pools are ERC-1167 clones: where every byte of state has its price, a contract of its own for each would cost more than
/// most pools earn. A clone is initialised in the transaction that creates it, at an address that had no code before.
contract DelegationPools is IDelegationPools {
    IDelegationPool private immutable IMPLEMENTATION;
    IProofMarket private immutable MARKET;

    /// @inheritdoc IDelegationPools
    mapping(address pool => bool) public isPool;

    /// @param implementation_ A `DelegationPool` as its constructor left it.
    constructor(IDelegationPool implementation_) {
        IMPLEMENTATION = implementation_;
        MARKET = implementation_.market();
    }

    /// @inheritdoc IDelegationPools
    function implementation() external view returns (address) {
        return address(IMPLEMENTATION);
    }

    /// @inheritdoc IDelegationPools
    function market() external view returns (IProofMarket) {
        return MARKET;
    }

    /// @inheritdoc IDelegationPools
    function create(uint16 firstLossBps, uint16 commissionBps, string calldata uri)
        external
        returns (IDelegationPool pool)
    {
        pool = IDelegationPool(LibClone.clone(address(IMPLEMENTATION), abi.encodePacked(msg.sender, firstLossBps)));
        isPool[address(pool)] = true;
        emit PoolCreated(address(pool), msg.sender, firstLossBps, commissionBps, uri);
        pool.initialise(commissionBps, uri);
    }
}
