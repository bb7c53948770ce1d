// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ICircuitRegistry } from "../interfaces/ICircuitRegistry.sol";
import { IProofMarketEvents } from "../interfaces/IProofMarket.sol";
import { ITermsRules } from "../interfaces/ITermsRules.sol";
import { Bps } from "../libraries/Bps.sol";
import { RewardCurve } from "../libraries/RewardCurve.sol";
import { ChainTerms } from "../types/ChainTerms.sol";
import { CircuitTerms, CircuitTermsLib } from "../types/CircuitTerms.sol";
import { Terms } from "../types/Terms.sol";

/// @title The rules every market's terms must keep
/// @dev A contract of its own, since it is called seldom and the market has no bytes to spare.
contract TermsRules is ITermsRules {
    uint256 private constant MIN_BURN_BPS = 500;
    uint256 private constant MIN_FORFEIT_BPS = 100;
    uint256 private constant MAX_OUTPUTS = 16;
    uint256 private constant MAX_CALLBACK_GAS = 1_000_000;

    /// @inheritdoc ITermsRules
    function check(Terms calldata terms, address circuits, uint256 maxWindow) external view {
        _require(
            terms.requester != address(0) && terms.mechanism != address(0) && terms.verifier != address(0), "address"
        );
        _require(terms.price != 0, "price");
        _require(
            terms.fastWindow <= terms.exclusiveWindow && terms.exclusiveWindow != 0
                && 2 * uint256(terms.exclusiveWindow) <= terms.expiryWindow,
            "windows"
        );
        _require(terms.expiryWindow <= maxWindow, "expiryWindow");
        _require(terms.floorBps != 0 && terms.floorBps <= Bps.ONE, "floor");
        _require(uint256(terms.rescuerBps) + terms.requesterBps <= Bps.ONE - MIN_BURN_BPS, "shares");
        uint256 rescue = Bps.down(terms.bond, terms.rescuerBps);
        _require(terms.bond == 0 || RewardCurve.floorOf(terms.price, terms.floorBps) + rescue > terms.price, "rescue");
        _require(terms.bond == 0 || (terms.leastRescue != 0 && terms.leastRescue <= rescue), "leastRescue");
        _require(terms.forfeitBps >= MIN_FORFEIT_BPS && terms.forfeitBps <= Bps.ONE, "forfeit");
        _require(terms.outputs <= MAX_OUTPUTS, "outputs");
        _require(terms.callbackGas <= MAX_CALLBACK_GAS, "callback");
        _require(ChainTerms.wrap(terms.chain).isValid(terms.outputs), "chain");
        _checkCircuit(terms, ICircuitRegistry(circuits).circuitOf(terms.circuit));
    }

    /// @inheritdoc ITermsRules
    function inFavour(Terms calldata current, Terms calldata next) external pure returns (bool) {
        return next.price >= current.price && next.bond <= current.bond && next.floorBps >= current.floorBps
            && next.fastWindow >= current.fastWindow && next.exclusiveWindow >= current.exclusiveWindow
            && next.callbackGas <= current.callbackGas && _sameRest(current, next);
    }

    /// @dev The terms say what the registry does, so that settling reads no registry.
    function _checkCircuit(Terms calldata terms, ICircuitRegistry.Circuit memory circuit) private view {
        _require(circuit.verifier == terms.verifier, "circuit");
        _require(circuit.codeHash == terms.verifier.codehash, "circuitCode");
        CircuitTerms word = CircuitTerms.wrap(terms.circuitTerms);
        uint256 delay = word.revealDelay();
        _require(circuit.payeeBound ? delay == 0 : delay >= CircuitTermsLib.MIN_REVEAL_DELAY, "revealDelay");
        // Every other bit of the word is decided; a delay that is too long for its bits is too.
        address author = circuit.royaltyBps == 0 ? address(0) : circuit.author;
        CircuitTerms right = CircuitTermsLib.create(uint16(delay), circuit.royaltyBps, author);
        _require(terms.circuitTerms == CircuitTerms.unwrap(right), "royalty");
    }

    /// @dev Compares what is not compared one by one, as words: the callers' ABI has no dirty bits that a hash would not show.
    function _sameRest(Terms memory current, Terms memory next) private pure returns (bool) {
        (next.price, next.bond, next.floorBps) = (current.price, current.bond, current.floorBps);
        (next.fastWindow, next.exclusiveWindow) = (current.fastWindow, current.exclusiveWindow);
        next.callbackGas = current.callbackGas;
        return keccak256(abi.encode(current)) == keccak256(abi.encode(next));
    }

    function _require(bool kept, bytes32 rule) private pure {
        if (!kept) revert IProofMarketEvents.TermsRejected(rule);
    }
}
