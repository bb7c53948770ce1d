// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { IDelegationPool } from "./IDelegationPool.sol";
import { IProofMarket } from "./IProofMarket.sol";

/// @title Where pools come from
/// @notice Anyone may create a pool. All pools from here run the same code, that of `implementation`: what may differ is what
/// `create` takes. Operator and first loss are written into the pool's own code, and so are for good.
interface IDelegationPools {
    /// @notice A pool was created and is registered as a prover.
    event PoolCreated(
        address indexed pool, address indexed operator, uint16 firstLossBps, uint16 commissionBps, string uri
    );

    /// @notice Create a pool that the caller operates, for good.
    /// @param firstLossBps Share of every loss, in bps, that the operator's own stake bears before anyone else.
    /// @param commissionBps Share of every reward, in bps, that is the operator's.
    /// @param uri Where the prover's metadata are.
    function create(uint16 firstLossBps, uint16 commissionBps, string calldata uri)
        external
        returns (IDelegationPool pool);

    /// @notice Whether `pool` was created here.
    function isPool(address pool) external view returns (bool);

    /// @notice The code of all pools; no pool itself.
    function implementation() external view returns (address);

    /// @notice The market contract whose slots the pools prove.
    function market() external view returns (IProofMarket);
}
