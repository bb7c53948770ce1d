// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { Terms } from "../types/Terms.sol";
import { IProofMarketEvents } from "./IProofMarket.sol";

/// @title The rules every market's terms must keep
/// @notice Checked when a market is created and whenever its terms change; `IProofMarketEvents.TermsRejected` names the rule that failed:
///
/// - `address`: requester, mechanism and verifier are set;
/// - `price`: the price is not zero;
/// - `windows`: fastWindow <= exclusiveWindow, 0 < exclusiveWindow, 2 * exclusiveWindow <= expiryWindow, so that a rescuer
///   has at least the time the assigned prover had;
/// - `expiryWindow`: at most the deployment's largest window, so that no bond is tied up for longer;
/// - `floor`: 1 to 10,000 bps, so that proving late still pays;
/// - `shares`: rescuerBps + requesterBps <= 9,500, so that at least 5% of every slash is burned. Together the rescuer and the
///   requester get less than the bond, which makes rescuing oneself a loss even when colluding with the requester;
/// - `rescue`: with a bond, floor + the rescuer's share of it > price, so that a rescue pays more than the fee;
/// - `leastRescue`: with a bond, above 0 and at most the rescuer's share of it, so that a rescue is worth its gas at every price
///   a mechanism can give;
/// - `forfeit`: 100 to 10,000 bps, so that an unprovable slot costs its author;
/// - `outputs`: at most 16;
/// - `callback`: at most 1,000,000 gas, so that settling always fits a block;
/// - `chain`: a word that `ChainTerms` knows, within the outputs;
/// - `circuit`: the verifier is the circuit's;
/// - `circuitCode`: it has the code with which the circuit was registered;
/// - `revealDelay`: zero for a circuit that binds the payee, at least two blocks for any other;
/// - `royalty`: the circuit's royalty and author, and no other bit in `circuitTerms`.
interface ITermsRules {
    /// @notice Revert with the first rule that `terms` break.
    /// @param circuits The registry of circuits.
    /// @param maxWindow Seconds.
    function check(Terms calldata terms, address circuits, uint256 maxWindow) external view;

    /// @notice Whether nobody who accepted `current` can mind `next`: the price, its floor and the prover's windows are no smaller,
    /// the bond and the callback's gas no larger, and everything else is the same.
    function inFavour(Terms calldata current, Terms calldata next) external pure returns (bool);
}
