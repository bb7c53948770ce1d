// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ICircuitRegistry } from "../interfaces/ICircuitRegistry.sol";
import { IProofMarket, Terms } from "../interfaces/IProofMarket.sol";
import { Bps } from "./Bps.sol";
import { RewardCurve } from "./RewardCurve.sol";

/// @title The rules every market's terms must keep
/// @notice Checked when a market is created and whenever its terms change; `TermsRejected` names the rule that failed:
///
/// - `address`: requester, mechanism and verifier are set;
/// - `price`: the price is not zero;
/// - `windows`: fastWindow <= exclusiveWindow, 0 < exclusiveWindow, 2 * exclusiveWindow <= expiryWindow, so that a rescuer
///   has at least the time the allocated prover had;
/// - `floor`: 1 to 10,000 bps, so that proving late still pays;
/// - `shares`: rescuerBps + requesterBps <= 9,500, so that at least 5% of every slash is burned. Together the rescuer and the
///   requester get less than the bond, which makes rescuing oneself a loss even when colluding with the requester;
/// - `rescue`: with a bond, floor + the rescuer's share of it > price, so that a rescue pays more than the fee;
/// - `forfeit`: 100 to 10,000 bps, so that an unprovable slot costs its author;
/// - `outputs`: at most 16;
/// - `callback`: at most 1,000,000 gas, so that settling always fits a block;
/// - `circuit`: the verifier is the circuit's.
library TermsRules {
    uint256 internal constant MIN_BURN_BPS = 500;
    uint256 internal constant MIN_FORFEIT_BPS = 100;
    uint256 internal constant MAX_OUTPUTS = 16;
    uint256 internal constant MAX_CALLBACK_GAS = 1_000_000;

    /// @notice Revert with the first rule that `terms` break.
    function check(Terms calldata terms, ICircuitRegistry circuits) internal view {
        require(
            terms.requester != address(0) && terms.mechanism != address(0) && terms.verifier != address(0),
            IProofMarket.TermsRejected("address")
        );
        require(terms.price != 0, IProofMarket.TermsRejected("price"));
        require(
            terms.fastWindow <= terms.exclusiveWindow && terms.exclusiveWindow != 0
                && 2 * uint256(terms.exclusiveWindow) <= terms.expiryWindow,
            IProofMarket.TermsRejected("windows")
        );
        require(terms.floorBps != 0 && terms.floorBps <= Bps.ONE, IProofMarket.TermsRejected("floor"));
        require(
            uint256(terms.rescuerBps) + terms.requesterBps <= Bps.ONE - MIN_BURN_BPS,
            IProofMarket.TermsRejected("shares")
        );
        require(
            terms.bond == 0
                || RewardCurve.floorOf(terms.price, terms.floorBps) + Bps.down(terms.bond, terms.rescuerBps)
                    > terms.price,
            IProofMarket.TermsRejected("rescue")
        );
        require(
            terms.forfeitBps >= MIN_FORFEIT_BPS && terms.forfeitBps <= Bps.ONE, IProofMarket.TermsRejected("forfeit")
        );
        require(terms.outputs <= MAX_OUTPUTS, IProofMarket.TermsRejected("outputs"));
        require(terms.callbackGas <= MAX_CALLBACK_GAS, IProofMarket.TermsRejected("callback"));
        require(circuits.circuitOf(terms.circuit).verifier == terms.verifier, IProofMarket.TermsRejected("circuit"));
    }
}
