// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import { IMechanism } from "../../src/interfaces/IMechanism.sol";
import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { TransferOffer } from "../../src/interfaces/ISlotTransfers.sol";
import { SlotHooks } from "../../src/libraries/SlotHooks.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { MarketFixture } from "../MarketFixture.sol";
import { EndedProbe } from "../mocks/EndedProbe.sol";
import { MockMechanism } from "../mocks/MockMechanism.sol";
import { MockRequester } from "../mocks/MockRequester.sol";
import { MockProof } from "../mocks/MockVerifier.sol";

/// @notice `IMechanism.onEnded`: when the market calls it, with what, and what it can and cannot do by failing.
contract MechanismHookTest is MarketFixture {
    /// @dev Gas of the call and of the event about its failure.
    uint256 private constant CALL_MAX = 15_000;
    /// @dev Of calls whose gas a mechanism burns: test runs have no limit of their own.
    uint256 private constant GAS_LIMIT = 2_000_000;

    EndedProbe private probe;

    function setUp() public override {
        super.setUp();
        terms.mechanismParams = bytes32(SlotHooks.ENDED);
        _setTerms();
        probe = new EndedProbe();
    }

    function _useProbe() private {
        terms.mechanism = address(probe);
        _setTerms();
        probe.setNext(alice, PRICE);
    }

    function _openProbed() private returns (Slot memory) {
        vm.prank(requester);
        return market.openSlot(id, terms, 0, _statement(), "");
    }

    function _undecided() private returns (Slot memory) {
        return _open(address(0), PRICE, uint40(vm.getBlockTimestamp()) + 100);
    }

    function _expectTold(Slot memory slot, SlotState state, address payee) private {
        vm.expectCall(address(mechanism), abi.encodeCall(IMechanism.onEnded, (slot, terms, state, payee)), 1);
    }

    function _expectHookFailed(Slot memory slot) private {
        vm.expectEmit(address(market));
        emit IProofMarketEvents.HookFailed(id, slot.id);
    }

    function _cancel(Slot memory slot) private {
        vm.prank(requester);
        market.cancel(slot, terms, _noInputs());
    }

    function _letExpire(Slot memory slot) private {
        vm.warp(uint256(slot.openedAt) + EXPIRY);
        _expire(slot);
    }

    // ------------------------------------------------------------------ when

    /// @dev All other bits are the mechanism's own.
    function test_NotToldWithoutTheFlag() public {
        terms.mechanismParams = bytes32(SlotHooks.ENDED - 1);
        _setTerms();
        vm.expectCall(address(mechanism), abi.encodeWithSelector(IMechanism.onEnded.selector), 0);
        _prove(_open(alice), alice);
        _prove(_open(address(0)), carol);
        _cancel(_undecided());
        Slot memory slot = _open(alice);
        vm.warp(slot.exclusiveUntil);
        _prove(slot, carol);
        _letExpire(_open(alice));
    }

    function test_ToldOfAProofByTheHolder() public {
        Slot memory slot = _open(alice);
        _expectTold(slot, SlotState.Proven, alice);
        _prove(slot, alice);
        assertEq(uint256(mechanism.endedState()), uint256(SlotState.Proven));
        assertEq(mechanism.endedPayee(), alice);
        assertEq(mechanism.endedProver(), alice);
    }

    function test_ToldOfAProofByAnyone() public {
        Slot memory slot = _open(address(0));
        _expectTold(slot, SlotState.Proven, carol);
        _prove(slot, carol);
    }

    function test_ToldOfARescue() public {
        Slot memory slot = _open(alice);
        vm.warp(slot.exclusiveUntil);
        _expectTold(slot, SlotState.Proven, carol);
        _prove(slot, carol);
        assertEq(mechanism.endedPayee(), carol);
        assertEq(mechanism.endedProver(), alice);
    }

    function test_ToldOfAnExpiry() public {
        Slot memory slot = _open(alice);
        _expectTold(slot, SlotState.Expired, address(0));
        _letExpire(slot);
        slot = _open(address(0));
        _expectTold(slot, SlotState.Expired, address(0));
        _letExpire(slot);
        assertEq(uint256(mechanism.endedState()), uint256(SlotState.Expired));
    }

    function test_ToldOfACancellation() public {
        Slot memory slot = _undecided();
        _expectTold(slot, SlotState.Cancelled, address(0));
        _cancel(slot);
        assertEq(uint256(mechanism.endedState()), uint256(SlotState.Cancelled));
    }

    function test_ToldOfADrop() public {
        Slot memory slot = _open(alice);
        _expectTold(slot, SlotState.Dropped, address(0));
        vm.prank(requester);
        market.drop(slot, terms, _noInputs());
        assertEq(uint256(mechanism.endedState()), uint256(SlotState.Dropped));
        assertEq(mechanism.endedProver(), alice);
    }

    function test_ToldWhoHeldTheSlotLast() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = TransferOffer(bob, 0, type(uint40).max);
        vm.prank(alice);
        slotTransfers.offerTransfer(slot, terms, offer);
        vm.prank(bob);
        slotTransfers.acceptTransfer(slot, terms, offer, bob, "");
        slot.prover = bob;
        _expectTold(slot, SlotState.Proven, bob);
        _prove(slot, bob);
        assertEq(mechanism.endedProver(), bob);
    }

    /// @dev Terms bind a slot as it was opened: a change reaches neither whether it is told nor who.
    function test_ToldUnderTheTermsOfTheSlot() public {
        _prove(_open(alice), alice);
        Terms memory old = terms;
        MockMechanism other = new MockMechanism();
        (terms.mechanism, terms.mechanismParams) = (address(other), 0);
        _setTerms();
        Terms memory young = terms;
        terms = old;
        Slot memory slot = _open(alice);
        vm.prank(requester);
        market.openSlot(id, young, 0, _statement(), "");
        _expectTold(slot, SlotState.Proven, alice);
        _prove(slot, alice);
        assertEq(uint256(other.endedState()), uint256(SlotState.None));
    }

    // ------------------------------------------------------------------ refusing

    function test_RevertProve_WhenTheMechanismRefusesAndNobodyHoldsTheSlot() public {
        Slot memory slot = _open(address(0));
        mechanism.setRefusesEnd(true);
        _proveFails(slot, carol, abi.encodeWithSelector(MockMechanism.Refused.selector));
        assertTrue(market.isOpen(slot, terms));
        assertEq(market.credits(carol), 0);
        mechanism.setRefusesEnd(false);
        _prove(slot, carol);
        assertEq(market.credits(carol), PRICE);
    }

    function test_RevertCancel_WhenTheMechanismRefuses() public {
        Slot memory slot = _undecided();
        mechanism.setRefusesEnd(true);
        uint256 before = _funds();
        vm.prank(requester);
        vm.expectRevert(MockMechanism.Refused.selector);
        market.cancel(slot, terms, _noInputs());
        assertTrue(market.isOpen(slot, terms));
        assertEq(_funds(), before);
    }

    function test_NoRefusalStopsTheHoldersProof() public {
        Slot memory slot = _open(alice);
        mechanism.setRefusesEnd(true);
        _expectHookFailed(slot);
        _prove(slot, alice);
        assertEq(market.credits(alice), PRICE);
        assertEq(registry.bondedOf(id, alice), 0);
    }

    function test_NoRefusalStopsARescue() public {
        Slot memory slot = _open(alice);
        vm.warp(slot.exclusiveUntil);
        mechanism.setRefusesEnd(true);
        _expectHookFailed(slot);
        _prove(slot, carol);
        assertEq(market.credits(carol), 16 ether);
        assertEq(registry.proverOf(alice).stake, 180 ether);
    }

    function test_NoRefusalStopsADrop() public {
        Slot memory slot = _open(alice);
        mechanism.setRefusesEnd(true);
        _expectHookFailed(slot);
        vm.prank(requester);
        market.drop(slot, terms, _noInputs());
        _assertState(slot, SlotState.Dropped);
        assertEq(registry.bondedOf(id, alice), 0);
    }

    function test_NoRefusalStopsAnExpiry() public {
        mechanism.setRefusesEnd(true);
        address[2] memory holders = [alice, address(0)];
        for (uint256 i; i < holders.length; ++i) {
            Slot memory slot = _open(holders[i]);
            uint256 before = _funds();
            vm.warp(uint256(slot.openedAt) + EXPIRY);
            _expectHookFailed(slot);
            market.expire(slot, terms, _noInputs());
            _assertState(slot, SlotState.Expired);
            assertEq(_funds(), before + 9 ether);
        }
        assertEq(registry.bondedOf(id, alice), 0);
    }

    /// @dev A mechanism assigns a slot while it may, and from then on has nothing to say.
    function test_NoRefusalOnceTheMechanismAssigned() public {
        Slot memory slot = _undecided();
        mechanism.assign(market, slot, terms, bob, PRICE);
        slot.prover = bob;
        (slot.startedAt, slot.exclusiveUntil) = (slot.openedAt, slot.openedAt + EXCLUSIVE);
        mechanism.setRefusesEnd(true);
        _expectHookFailed(slot);
        _prove(slot, bob);
    }

    // ------------------------------------------------------------------ gas

    function _gasOf(Slot memory slot, address payee) private returns (uint256 spent) {
        uint256[] memory inputs = _inputs(payee);
        bytes memory proof = MockProof.make(inputs);
        spent = gasleft();
        market.prove{ gas: GAS_LIMIT }(slot, terms, inputs, proof);
        spent -= gasleft();
    }

    function _gasOfExpiry(Slot memory slot) private returns (uint256 spent) {
        vm.warp(uint256(slot.openedAt) + EXPIRY);
        spent = gasleft();
        market.expire{ gas: GAS_LIMIT }(slot, terms, _noInputs());
        spent -= gasleft();
    }

    /// @dev Against the same settlement under terms that ask for no hook.
    function test_BurningAllGasCostsNoMoreThanTheHooks() public {
        mechanism.setBurnsGas(true);
        bytes32 params = terms.mechanismParams;
        for (uint256 rescued; rescued < 2; ++rescued) {
            uint256[2] memory spent;
            for (uint256 told; told < 2; ++told) {
                uint256 snapshot = vm.snapshotState();
                terms.mechanismParams = told == 0 ? bytes32(0) : params;
                _setTerms();
                Slot memory slot = _open(alice);
                if (rescued == 1) vm.warp(slot.exclusiveUntil);
                if (told == 1) _expectHookFailed(slot);
                spent[told] = _gasOf(slot, rescued == 1 ? carol : alice);
                _assertState(slot, SlotState.Proven);
                assertEq(registry.bondedOf(id, alice), 0);
                vm.revertToState(snapshot);
            }
            assertGe(spent[1], spent[0] + SlotHooks.GAS);
            assertLe(spent[1], spent[0] + SlotHooks.GAS + CALL_MAX);
        }
    }

    function test_BurningAllGasDoesNotStopAnExpiry() public {
        mechanism.setBurnsGas(true);
        address[2] memory holders = [alice, address(0)];
        for (uint256 i; i < holders.length; ++i) {
            Slot memory slot = _open(holders[i]);
            _expectHookFailed(slot);
            assertLe(_gasOfExpiry(slot), SlotHooks.GAS + 150_000);
            _assertState(slot, SlotState.Expired);
        }
    }

    /// @dev Huge answers are not copied: they cost the mechanism its own gas alone.
    function test_HugeAnswersCostNoMoreThanTheHooksGas() public {
        _useProbe();
        uint256 plain = _gasOf(_openProbed(), alice);
        probe.setMode(EndedProbe.Mode.ReturnBomb);
        assertLe(_gasOf(_openProbed(), alice), plain + SlotHooks.GAS);
        probe.setMode(EndedProbe.Mode.RevertBomb);
        Slot memory slot = _openProbed();
        _expectHookFailed(slot);
        assertLe(_gasOf(slot, alice), plain + SlotHooks.GAS);
    }

    /// @dev After a hook that burned what it got, the requester still gets what the terms promise it.
    function test_TheCallbackHasItsGasAllTheSame() public {
        MockRequester caller = MockRequester(deployCode("MockRequester.sol:MockRequester"));
        (terms.requester, terms.callbackGas) = (address(caller), 200_000);
        _setTerms();
        mechanism.setBurnsGas(true);
        _gasOf(_open(alice), alice);
        assertEq(caller.calls(), 1);
        assertGe(caller.gasGiven(), 199_000);
    }

    /// @dev Whoever settles cannot starve the mechanism: with any gas the settlement fails, or the hook had all of its own.
    function test_RevertProve_WhenTooLittleGasIsLeftForTheHook() public {
        _useProbe();
        Slot memory slot = _openProbed();
        uint256[] memory inputs = _inputs(alice);
        bytes memory call = abi.encodeCall(market.prove, (slot, terms, inputs, MockProof.make(inputs)));
        _starve(call);
    }

    function test_RevertExpire_WhenTooLittleGasIsLeftForTheHook() public {
        _useProbe();
        probe.setNext(address(0), PRICE);
        Slot memory slot = _openProbed();
        vm.warp(uint256(slot.openedAt) + EXPIRY);
        _starve(abi.encodeCall(market.expire, (slot, terms, _noInputs())));
    }

    function _starve(bytes memory call) private {
        uint256 refused;
        uint256 settled;
        for (uint256 gas = 60_000; gas < 300_000; gas += 1000) {
            uint256 snapshot = vm.snapshotState();
            (bool success, bytes memory answer) = address(market).call{ gas: gas }(call);
            if (success) {
                ++settled;
                assertEq(probe.calls(), 1, vm.toString(gas));
                assertGe(probe.gasGiven(), SlotHooks.GAS - 1500, vm.toString(gas));
            } else if (answer.length != 0) {
                assertEq(bytes4(answer), IProofMarketEvents.InsufficientCallbackGas.selector, vm.toString(gas));
                ++refused;
            }
            vm.revertToState(snapshot);
        }
        assertGt(refused, 50);
        assertGt(settled, 50);
    }

    /// @dev Where the mechanism may refuse it has all the gas there is, and running out of it is a refusal.
    function test_RevertProve_WhenTheMechanismBurnsAllGasAndNobodyHoldsTheSlot() public {
        Slot memory slot = _open(address(0));
        mechanism.setBurnsGas(true);
        uint256[] memory inputs = _inputs(carol);
        bytes memory call = abi.encodeCall(market.prove, (slot, terms, inputs, MockProof.make(inputs)));
        (bool success,) = address(market).call{ gas: GAS_LIMIT }(call);
        assertFalse(success);
        assertTrue(market.isOpen(slot, terms));
        vm.warp(uint256(slot.openedAt) + EXPIRY);
        _expectHookFailed(slot);
        _gasOfExpiry(slot);
    }

    // ------------------------------------------------------------------ re-entering

    function test_ReenteringFromTheHookFailsAndTheSettlementStands() public {
        _useProbe();
        Slot memory other = _openProbed();
        Slot memory slot = _openProbed();
        uint256[] memory inputs = _inputs(alice);
        bytes[9] memory attacks = [
            abi.encodeCall(market.prove, (other, terms, inputs, MockProof.make(inputs))),
            abi.encodeCall(market.assign, (other, terms, bob, PRICE)),
            abi.encodeCall(market.expire, (other, terms, _noInputs())),
            abi.encodeCall(market.cancel, (other, terms, _noInputs())),
            abi.encodeCall(market.drop, (other, terms, _noInputs())),
            abi.encodeCall(market.resolve, (other, terms, alice, true, 0)),
            abi.encodeCall(market.reassign, (other, terms, bob, 0)),
            abi.encodeCall(market.withdraw, (stranger, 1)),
            abi.encodeCall(market.openSlot, (id, terms, 0, _statement(), ""))
        ];
        for (uint256 i; i < attacks.length; ++i) {
            uint256 snapshot = vm.snapshotState();
            probe.setAttack(address(market), attacks[i]);
            _prove(slot, alice);
            assertEq(probe.calls(), 1);
            assertFalse(probe.attackSucceeded());
            assertEq(probe.attackError(), ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
            assertTrue(market.isOpen(other, terms));
            vm.revertToState(snapshot);
        }
    }
}
