// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { UnboundFixture } from "../market/UnboundFixture.sol";

/// @notice A proof that does not bind its payee is seen in a pending transaction, and copied.
contract CopiedProofTest is UnboundFixture {
    Slot private slot;

    function setUp() public override {
        super.setUp();
        slot = _open(alice);
        vm.warp(slot.exclusiveUntil);
    }

    /// @dev Bob committed and shows his proof; the copier sees it pending and is in the same block, and in every block of which Bob's
    /// transaction is kept out up to the delay.
    function test_ACopiedRevealEarnsNothingUntilTheProofWasHeldBackForTheDelay() public {
        market.commitProof(_commitment(slot, bob, "salt"));
        vm.roll(vm.getBlockNumber() + DELAY);
        // Here Bob's transaction is pending.
        uint256 seen = vm.getBlockNumber();
        vm.startPrank(stranger);
        // With Bob's salt and the copier as payee there is no commitment.
        vm.expectRevert(
            abi.encodeWithSelector(
                IProofMarketEvents.ProofNotCommitted.selector, _commitment(slot, stranger, "salt"), 0
            )
        );
        _reveal(slot, stranger, "salt");
        market.commitProof(_commitment(slot, stranger, "mine"));
        for (uint256 held; held < DELAY; ++held) {
            vm.roll(seen + held);
            vm.expectRevert(
                abi.encodeWithSelector(
                    IProofMarketEvents.ProofNotCommitted.selector, _commitment(slot, stranger, "mine"), seen + DELAY
                )
            );
            _reveal(slot, stranger, "mine");
        }
        vm.stopPrank();
        _reveal(slot, bob, "salt");
        assertEq(market.credits(stranger), 0);
        assertGt(market.credits(bob), 0);
    }

    /// @dev Copying the commitment itself commits to Bob's payee: it helps Bob.
    function test_ACopiedCommitmentIsBobs() public {
        bytes32 commitment = _commitment(slot, bob, "salt");
        vm.prank(stranger);
        market.commitProof(commitment);
        market.commitProof(commitment);
        vm.roll(vm.getBlockNumber() + DELAY);
        _reveal(slot, bob, "salt");
        assertGt(market.credits(bob), 0);
        assertEq(market.credits(stranger), 0);
    }

    /// @dev Commitments made before any proof is known name no proof that will be.
    function test_BlindCommitmentsEarnNothing() public {
        for (uint256 i; i < 100; ++i) {
            market.commitProof(keccak256(abi.encode(keccak256(abi.encode(i)), stranger, slot.market, slot.id, i)));
        }
        vm.roll(vm.getBlockNumber() + 1_000);
        for (uint256 i; i < 100; ++i) {
            vm.expectRevert();
            _reveal(slot, stranger, bytes32(i));
        }
        _assertState(slot, SlotState.None);
    }

    /// @dev A commitment for one slot is none for another of the same statement, whose proof is the same.
    function test_ACommitmentIsForOneSlot() public {
        Slot memory second = _open(address(0));
        market.commitProof(_commitment(slot, bob, "salt"));
        vm.roll(vm.getBlockNumber() + DELAY);
        vm.expectRevert(
            abi.encodeWithSelector(IProofMarketEvents.ProofNotCommitted.selector, _commitment(second, bob, "salt"), 0)
        );
        _reveal(second, bob, "salt");
    }

    /// @dev The holder's proof, shown in its window and held back until after it: the copier still waits out the delay, and the
    /// holder that committed at the same time is paid first.
    function test_ALateHolderThatCommittedIsNotOvertaken() public {
        slot = _open(alice);
        vm.startPrank(stranger);
        market.commitProof(_commitment(slot, stranger, "copied"));
        vm.stopPrank();
        market.commitProof(_commitment(slot, alice, "own"));
        vm.warp(slot.exclusiveUntil);
        vm.roll(vm.getBlockNumber() + DELAY - 1);
        vm.prank(stranger);
        vm.expectRevert();
        _reveal(slot, stranger, "copied");
        vm.roll(vm.getBlockNumber() + 1);
        _reveal(slot, alice, "own");
        assertEq(market.credits(stranger), 0);
    }

    /// @dev In the exclusive window nobody but the holder is the payee, commitment or not.
    function test_NoCommitmentOpensTheExclusiveWindow() public {
        slot = _open(alice);
        market.commitProof(_commitment(slot, bob, "salt"));
        vm.roll(vm.getBlockNumber() + 1_000);
        vm.expectRevert(
            abi.encodeWithSelector(IProofMarketEvents.NotAssignedProver.selector, alice, slot.exclusiveUntil)
        );
        _reveal(slot, bob, "salt");
    }
}
