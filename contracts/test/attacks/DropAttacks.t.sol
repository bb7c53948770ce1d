// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IRandomness } from "../../src/interfaces/IRandomness.sol";
import { TransferOffer } from "../../src/interfaces/ISlotTransfers.sol";
import { StakeLottery } from "../../src/mechanisms/StakeLottery.sol";
import { Slot } from "../../src/types/Slot.sol";
import { HeaderFixture } from "../HeaderFixture.sol";
import { SlotTransferFixture } from "../market/SlotTransferFixture.sol";

/// @notice Requesters that drop what somebody holds.
contract DropAttacksTest is SlotTransferFixture, HeaderFixture {
    /// @dev A friend of the requester sells its slot, and the requester drops it under the buyer.
    function test_ASlotThatWasSoldAndDroppedPaysItsBuyer() public {
        uint256 funds = _funds();
        Slot memory slot = _open(bob);
        TransferOffer memory offer = _offerTo(address(0), 9 ether);
        _offerTransfer(bob, slot, offer);
        Slot memory held = _take(slot, offer, alice, "");
        vm.prank(requester);
        market.drop(held, terms, _noInputs());
        assertEq(market.credits(alice), CREDIT - 9 ether + PRICE);
        assertEq(market.credits(bob), CREDIT + 9 ether);
        assertEq(_funds(), funds - PRICE, "the requester pays what a proof costs");
        assertEq(registry.bondedOf(id, alice), 0);
    }

    /// @dev In one block: the requester opens and drops until its friend is drawn. Each try costs it a proof's price, and whoever was
    /// drawn instead earns that.
    function test_DroppingForAnotherDrawCostsAProofATry() public {
        StakeLottery lottery = new StakeLottery(registry, address(market), IRandomness(address(0)));
        terms.mechanism = address(lottery);
        terms.forfeitBps = 100;
        _setTerms();
        vm.warp((vm.getBlockTimestamp() / EPOCH + 2) * EPOCH);
        _mineSeed(lottery);
        uint256 funds = _funds();
        uint256 opened;
        for (uint256 won; won < 5; ++opened) {
            vm.prank(requester);
            Slot memory slot = market.openSlot(id, terms, 0, _statement(), "");
            if (slot.prover == bob) {
                ++won;
                _prove(slot, bob);
            } else if (slot.prover != address(0)) {
                vm.prank(requester);
                market.drop(slot, terms, _noInputs());
            } else {
                _prove(slot, stranger);
            }
        }
        assertGt(opened, 5, "no try was needed");
        assertEq(funds - _funds(), opened * PRICE);
        assertEq(vm.getBlockTimestamp() % EPOCH, 0, "in one block");
    }
}
