// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IMechanism } from "../../src/interfaces/IMechanism.sol";
import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { MarketFixture } from "../MarketFixture.sol";
import { MockProof } from "../mocks/MockVerifier.sol";
import { Vm } from "forge-std/Vm.sol";

/// @notice What the conformance suite must be told about a mechanism, and its helpers.
abstract contract ConformanceHooks is MarketFixture {
    uint8 internal constant OPEN_AFTER = 3;

    IMechanism internal tested;

    // ---------------------------------------------------------------- hooks

    /// @dev Deploys the mechanism for `market` and `registry`.
    function _deployMechanism() internal virtual returns (IMechanism);

    /// @dev Parameters it serves. Bit 250 must not mean anything to it.
    function _mechanismParams() internal view virtual returns (bytes32);

    /// @dev Whether it ever assigns a slot.
    function _assigns() internal pure virtual returns (bool) {
        return true;
    }

    /// @dev What must happen before a slot opens for `prover` to get it, if anything; for nobody to get it if zero.
    function _beforeOpen(address prover) internal virtual { }

    /// @dev The data with which to open a slot that `prover`, or nobody if zero, is to get.
    function _openData(address prover) internal virtual returns (bytes memory) {
        prover;
        return "";
    }

    /// @dev Whatever this mechanism needs so that `prover` holds a slot just opened; false if it does not. A mechanism that
    /// assigns at the opening needs nothing.
    function _take(Slot memory slot, address prover) internal virtual returns (bool) {
        return slot.prover == prover;
    }

    /// @dev The call to the mechanism by which `prover` takes a slot; empty if there is none.
    function _takeCall(Slot memory slot, address prover) internal virtual returns (bytes memory) { }

    /// @dev Seconds more than `exclusiveUntil` for which a stranger's proof may be refused while nobody holds a slot.
    function _handicap() internal pure virtual returns (uint256) {
        return 0;
    }

    /// @dev Asset wei that the mechanism must hold as things stand.
    function _mechanismHolds() internal view virtual returns (uint256) {
        return 0;
    }

    // ---------------------------------------------------------------- helpers

    function _params() internal view override returns (IProverRegistry.Params memory params) {
        params = super._params();
        params.openAfter = OPEN_AFTER;
    }

    function setUp() public virtual override {
        super.setUp();
        _stake(carol, id, 100);
        tested = _deployMechanism();
        terms.mechanism = address(tested);
        terms.mechanismParams = _mechanismParams();
        // No share of it is a whole number.
        terms.bond = BOND + 7;
        _setTerms();
        vm.warp((vm.getBlockTimestamp() / EPOCH + 2) * EPOCH);
    }

    function _openFor(address prover) internal returns (Slot memory) {
        _beforeOpen(prover);
        bytes memory data = _openData(prover);
        vm.prank(requester);
        return market.openSlot(id, terms, 0, _statement(), data);
    }

    /// @dev Opens a slot that nobody takes.
    function _openUnsold() internal returns (Slot memory slot) {
        slot = _openFor(address(0));
        assertEq(slot.prover, address(0), "sold to nobody");
    }

    /// @dev Opens a slot and has `prover` hold it; false if this mechanism never assigns.
    function _hold(address prover) internal returns (bool held, Slot memory slot) {
        slot = _openFor(prover);
        vm.recordLogs();
        held = _take(slot, prover);
        assertEq(held, _assigns(), "held");
        if (held && slot.prover == address(0)) slot = _lastAssigned();
        if (held) assertEq(slot.prover, prover, "holder");
    }

    function _lastAssigned() internal returns (Slot memory slot) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = logs.length; i != 0; --i) {
            if (logs[i - 1].topics[0] == IProofMarketEvents.SlotAssigned.selector) {
                return abi.decode(logs[i - 1].data, (Slot));
            }
        }
        revert("no SlotAssigned");
    }

    /// @dev To when anyone may prove the slot.
    function _warpToOpenToAll(Slot memory slot) internal {
        vm.warp(slot.exclusiveUntil + (slot.prover == address(0) ? _handicap() : 0));
    }

    function _warpToExpiry(Slot memory slot) internal {
        vm.warp(uint256(slot.openedAt) + terms.expiryWindow);
    }

    function _expectNamedError(address sender, address target, bytes memory data) internal {
        vm.prank(sender);
        (bool success, bytes memory answer) = target.call(data);
        assertFalse(success, "accepted");
        assertGe(answer.length, 4, "no error");
        assertTrue(bytes4(answer) != bytes4(keccak256("Panic(uint256)")), "panic");
        assertTrue(bytes4(answer) != bytes4(keccak256("Error(string)")), "string error");
        assertTrue(bytes4(answer) != IProofMarketEvents.VersionInvalid.selector, "version");
        assertTrue(bytes4(answer) != IProofMarketEvents.TermsMismatch.selector, "terms in force");
    }

    /// @dev Announcing `terms`, which would be in order otherwise.
    function _setTermsFails() internal {
        Terms memory current = _termsInForce();
        (uint32 version,,,) = market.termsOf(id);
        terms.version = version + 1;
        _expectNamedError(creator, address(market), abi.encodeCall(market.setTerms, (id, current, terms)));
    }

    /// @dev All that could still be done to a slot, each refused. `open` is the slot as it was opened, `slot` as it is.
    function _assertNothingTakes(Slot memory open, Slot memory slot) internal {
        bytes memory call = _takeCall(open, bob);
        if (call.length != 0) {
            _expectNamedError(bob, address(tested), call);
            _expectNamedError(bob, address(tested), _takeCall(slot, bob));
            _expectNamedError(alice, address(tested), _takeCall(slot, alice));
            _expectNamedError(stranger, address(tested), _takeCall(slot, bob));
        }
        call = abi.encodeCall(market.assign, (slot, terms, bob, slot.price));
        _expectNamedError(bob, address(market), call);
        _expectNamedError(address(tested), address(market), call);
    }

    function _assertEnded(Slot memory slot, SlotState state) internal {
        _assertState(slot, state);
        assertFalse(market.isOpen(slot, terms), "open");
        uint256[] memory inputs = _inputs(stranger);
        bytes memory error = abi.encodeWithSelector(IProofMarketEvents.SlotNotOpen.selector, state);
        vm.expectRevert(error);
        market.prove(slot, terms, inputs, MockProof.make(inputs));
        vm.expectRevert(error);
        market.expire(slot, terms, _noInputs());
        vm.expectRevert(error);
        vm.prank(requester);
        market.cancel(slot, terms, _noInputs());
        vm.expectRevert(error);
        vm.prank(requester);
        market.drop(slot, terms, _noInputs());
    }

    /// @dev Every token in exactly one place, with `escrow` asset wei in open slots.
    function _assertAccounted(uint256 escrow) internal view {
        address[7] memory accounts = [alice, bob, carol, stranger, requester, creator, address(tested)];
        uint256 credits;
        uint256 stakes;
        for (uint256 i = 0; i < accounts.length; ++i) {
            credits += market.credits(accounts[i]);
            stakes += registry.proverOf(accounts[i]).stake;
        }
        assertEq(token.balanceOf(address(market)), _funds() + escrow + credits + market.burned(), "market");
        assertEq(token.balanceOf(address(registry)), stakes, "registry");
        assertEq(token.balanceOf(address(tested)), _mechanismHolds(), "mechanism");
    }
}
