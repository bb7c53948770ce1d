// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { Slot } from "../../src/types/Slot.sol";
import { GasFixture } from "../gas/GasFixture.sol";

/// @notice Somebody who sends another's proof with as much gas as suits it, so that the real verifier cannot answer.
contract StarvedProofTest is GasFixture {
    function setUp() public {
        _build(1);
    }

    /// @dev Whatever the gas, the slot is proven and its prover paid, or nothing at all has happened.
    function test_RevertProve_WhenGasIsLacking_SettlesNothing() public {
        Slot memory slot = _openForPayee();
        bytes memory data = abi.encodeCall(market.prove, (slot, terms, publicInputs, proof));
        uint256 bonded = registry.bondedOf(id, payee);
        uint256 stake = registry.proverOf(payee).stake;
        assertEq(bonded, terms.bond);

        uint256 starved;
        uint256 settled;
        for (uint256 gas_ = 2000; gas_ < 320_000; gas_ += 501) {
            uint256 snapshot = vm.snapshotState();
            vm.prank(makeAddr("mallory"));
            (bool success,) = address(market).call{ gas: gas_ }(data);
            if (success) {
                assertEq(market.credits(payee), slot.price, "paid");
                assertEq(registry.bondedOf(id, payee), 0, "freed");
                assertFalse(market.isOpen(slot, terms));
                ++settled;
            } else {
                assertEq(settled, 0, "more gas, and a revert");
                assertEq(market.credits(payee), 0);
                assertEq(registry.bondedOf(id, payee), bonded);
                assertTrue(market.isOpen(slot, terms));
                ++starved;
            }
            assertEq(registry.proverOf(payee).stake, stake);
            assertEq(registry.positionOf(id, payee).misses, 0);
            vm.revertToState(snapshot);
        }
        assertGt(starved, 300);
        assertGt(settled, 20);
    }
}
