// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IVerifier } from "../../src/interfaces/IVerifier.sol";
import { Slot } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { GasFixture } from "./GasFixture.sol";

/// @notice The system of GasFixture, its market under one mechanism after the other, in the state of one that runs: every
/// place of the ring was used, and the accounts that are paid and charged have balances already.
abstract contract MechanismGasFixture is GasFixture {
    uint256 internal constant PROVERS = 4096;
    /// @dev Asset wei deposited with a mechanism: more than is ever locked.
    uint256 internal constant DEPOSIT = 100 ether;

    function _buildForMechanisms() internal {
        _build(PROVERS);
        _warm();
    }

    /// @dev From now on slots are opened under this mechanism: its terms are announced, and in force once a slot was.
    function _use(address mechanism, bytes32 params) internal {
        Terms memory current = terms;
        (terms.mechanism, terms.mechanismParams, terms.version) = (mechanism, params, 2);
        market.setTerms(id, current, terms);
        _pass(market.TERMS_NOTICE());
    }

    /// @dev Gas of the last call as a transaction of its own, without refunds.
    function _used() internal view returns (uint256) {
        return vm.lastCallGas().gasTotalUsed;
    }

    function _record(string memory name) internal returns (uint256 used) {
        used = _used();
        _record(name, used);
    }

    function _record(string memory name, uint256 gas) internal {
        vm.snapshotValue(GROUP, name, gas);
    }

    function _bounded(string memory name, uint256 gas, uint256 max) internal {
        assertLe(gas, max, name);
        _record(name, gas);
    }

    function _openWith(bytes memory data) internal returns (Slot memory) {
        return market.openSlot(id, terms, 0, statement, data);
    }

    /// @dev The slot as it is once `prover` has it at `price`, now.
    function _assigned(Slot memory slot, address prover, uint96 price) internal view returns (Slot memory held) {
        held = abi.decode(abi.encode(slot), (Slot));
        (held.prover, held.price, held.startedAt) = (prover, price, uint40(vm.getBlockTimestamp()));
        held.exclusiveUntil = held.startedAt + terms.exclusiveWindow;
        assertTrue(market.isOpen(held, terms), "not assigned so");
    }

    /// @dev Proves with a verifier that accepts anything: only to get the market into a state.
    function _proveFor(Slot memory slot, address winner) internal {
        uint256[] memory inputs = publicInputs;
        inputs[inputs.length - 1] = uint160(winner);
        vm.mockCall(address(verifier), abi.encodeWithSelector(IVerifier.verify.selector), abi.encode(true));
        market.prove(slot, terms, inputs, "");
        vm.clearMockedCalls();
    }

    function _deposit(address escrow, address key) internal {
        token.mint(key, DEPOSIT);
        vm.prank(key);
        token.approve(escrow, DEPOSIT);
        vm.prank(key);
        (bool success,) = escrow.call(abi.encodeWithSignature("deposit(uint256)", DEPOSIT));
        assertTrue(success);
    }

    function _pass(uint256 time) internal {
        vm.warp(vm.getBlockTimestamp() + time);
    }
}
