// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { ISlotTransfers, TransferOffer } from "../../src/interfaces/ISlotTransfers.sol";
import { Slot } from "../../src/types/Slot.sol";
import { ContractProver } from "../mocks/ContractProver.sol";
import { SlotTransferFixture } from "./SlotTransferFixture.sol";

/// @notice Offering a slot, taking the offer back, taking the slot: who may, when, and what moves.
contract SlotTransferTest is SlotTransferFixture {
    // ------------------------------------------------------------------ what moves

    function test_AcceptTransferOfAnOfferMadeOnChain() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(bob, 2 ether);
        bytes32 digest = _digest(slot, offer);
        vm.expectEmit(address(slotTransfers));
        emit ISlotTransfers.TransferOffered(id, slot.id, alice, digest, offer);
        assertEq(_offerTransfer(alice, slot, offer), digest);

        (uint256 funds, uint256 held) = (_funds(), token.balanceOf(address(market)));
        vm.expectEmit(address(market));
        emit IProofMarketEvents.SlotTransferred(id, slot.id, alice, 2 ether, _heldBy(slot, bob));
        _take(slot, offer, bob, "");

        assertEq(market.credits(alice), CREDIT + 2 ether);
        assertEq(market.credits(bob), CREDIT - 2 ether);
        assertEq(registry.bondedOf(id, alice), 0);
        assertEq(registry.bondedOf(id, bob), BOND);
        assertEq(_funds(), funds);
        assertEq(token.balanceOf(address(market)), held);
        assertFalse(market.isOpen(slot, terms));
    }

    function test_TheHoldersStakeIsFreeAgain() public {
        Slot memory slot = _open(alice);
        vm.prank(alice);
        _allocate(id, 0);
        assertEq(registry.freeStake(alice), 200 ether - BOND);
        _pass(slot, alice, bob);
        assertEq(registry.freeStake(alice), 200 ether);
        assertEq(registry.bondedOf(id, alice), 0);
        assertEq(registry.bondedOf(id, bob), BOND);
        vm.prank(alice);
        registry.requestUnstake(200 ether);
    }

    /// @dev Transferring a slot is not proving one.
    function test_MissesStayAsTheyAre() public {
        Slot memory slot = _open(alice);
        vm.warp(slot.exclusiveUntil);
        _prove(slot, bob);
        assertEq(registry.positionOf(id, alice).misses, 1);

        Slot memory passed = _pass(_open(alice), alice, bob);
        assertEq(registry.positionOf(id, alice).misses, 1);
        _prove(passed, bob);
        assertEq(registry.positionOf(id, alice).misses, 1);
        _prove(_open(alice), alice);
        assertEq(registry.positionOf(id, alice).misses, 0);
    }

    function test_OtherBondsStayWhereTheyAre() public {
        _open(alice);
        _open(bob);
        _pass(_open(alice), alice, bob);
        assertEq(registry.bondedOf(id, alice), BOND);
        assertEq(registry.bondedOf(id, bob), 2 * BOND);
    }

    function test_WithoutABond() public {
        terms.bond = 0;
        _setTerms();
        Slot memory slot = _pass(_open(alice), alice, stranger);
        _prove(slot, stranger);
        assertEq(market.credits(stranger), PRICE);
    }

    /// @dev What the curve says for the slot's clock, whoever holds it.
    function test_TheRewardIsAsItWouldHaveBeen() public {
        Slot memory slot = _open(alice);
        vm.warp(slot.startedAt + FAST + 60);
        slot = _pass(slot, alice, bob);
        vm.warp(slot.startedAt + FAST + 120);
        _prove(slot, bob);
        assertEq(market.credits(bob), CREDIT + 8 ether);
        assertEq(registry.bondedOf(id, bob), 0);
        assertEq(registry.proverOf(bob).stake, 100 ether);
    }

    function test_TheOldHoldersProofIsRefused() public {
        Slot memory slot = _open(alice);
        Slot memory held = _pass(slot, alice, bob);
        _proveFails(slot, alice, _notOpen());
        bytes memory error =
            abi.encodeWithSelector(IProofMarketEvents.NotAssignedProver.selector, bob, slot.exclusiveUntil);
        _proveFails(held, alice, error);
        vm.warp(slot.exclusiveUntil - 1);
        _proveFails(held, alice, error);
        _prove(held, bob);
    }

    function test_TheTakerIsSlashedWhenItMisses() public {
        Slot memory slot = _pass(_open(alice), alice, bob);
        vm.warp(slot.exclusiveUntil);
        vm.expectEmit(address(market));
        emit IProofMarketEvents.SlotProven(id, slot.id, carol, 6 ether, 10 ether, bob);
        _prove(slot, carol);
        assertEq(registry.proverOf(bob).stake, 100 ether - BOND);
        assertEq(registry.positionOf(id, bob).misses, 1);
        assertEq(registry.bondedOf(id, bob), 0);
        assertEq(registry.proverOf(alice).stake, 200 ether);
        assertEq(registry.positionOf(id, alice).misses, 0);
        assertEq(market.credits(carol), CREDIT + 16 ether);
    }

    function test_TheOldHolderMayRescueWhatTheTakerMissed() public {
        Slot memory slot = _pass(_open(alice), alice, bob);
        vm.warp(slot.exclusiveUntil);
        _prove(slot, alice);
        assertEq(market.credits(alice), CREDIT + 16 ether);
        assertEq(registry.proverOf(bob).stake, 100 ether - BOND);
    }

    function test_ExpiryFreesTheTakersBond() public {
        Slot memory slot = _pass(_open(alice), alice, bob);
        vm.warp(uint256(slot.openedAt) + EXPIRY);
        market.expire(slot, terms, _noInputs());
        assertEq(registry.bondedOf(id, bob), 0);
        assertEq(registry.proverOf(bob).stake, 100 ether);
    }

    function test_OnAndOnFromHandToHand() public {
        Slot memory slot = _open(alice);
        slot = _pass(slot, alice, bob);
        slot = _pass(slot, bob, carol);
        slot = _pass(slot, carol, alice);
        assertEq(registry.bondedOf(id, alice), BOND);
        assertEq(registry.bondedOf(id, bob) + registry.bondedOf(id, carol), 0);
        _prove(slot, alice);
    }

    // ------------------------------------------------------------------ the price

    function test_BelowZeroTheHolderPays() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(address(0), -3 ether);
        _offerTransfer(alice, slot, offer);
        _take(slot, offer, bob, "");
        assertEq(market.credits(alice), CREDIT - 3 ether);
        assertEq(market.credits(bob), CREDIT + 3 ether);
    }

    function test_ForNothing() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(address(0), 0);
        _offerTransfer(alice, slot, offer);
        _take(slot, offer, bob, "");
        assertEq(market.credits(alice), CREDIT);
        assertEq(market.credits(bob), CREDIT);
    }

    function test_RevertAcceptTransfer_WhenTheCreditDoesNotCoverThePrice() public {
        Slot memory slot = _open(alice);
        TransferOffer[3] memory offers =
            [_offerTo(bob, int96(int256(CREDIT) + 1)), _offerTo(bob, -int96(int256(CREDIT) + 1)), _offerTo(bob, 0)];
        offers[2].price = type(int96).min;
        uint256[3] memory needed = [CREDIT + 1, CREDIT + 1, uint256(1) << 95];
        for (uint256 i; i < offers.length; ++i) {
            _offerTransfer(alice, slot, offers[i]);
            _takeFails(
                slot,
                offers[i],
                bob,
                abi.encodeWithSelector(IProofMarketEvents.InsufficientCredit.selector, CREDIT, needed[i])
            );
        }
        // To the last wei of it.
        TransferOffer memory all = _offerTo(bob, int96(int256(CREDIT)));
        _offerTransfer(alice, slot, all);
        _take(slot, all, bob, "");
        assertEq(market.credits(bob), 0);
        assertEq(market.credits(alice), 2 * CREDIT);
    }

    function testFuzz_CreditOnlyMoves(int96 price, bool signed) public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(bob, price);
        bytes memory signature;
        if (signed) signature = _sign(aliceKey, slot, offer);
        else _offerTransfer(alice, slot, offer);
        vm.prank(bob);
        (bool taken,) = address(slotTransfers)
            .call(abi.encodeCall(slotTransfers.acceptTransfer, (slot, terms, offer, bob, signature)));
        bool covered = price >= -int256(CREDIT) && price <= int256(CREDIT);
        assertEq(taken, covered);
        int256 moved = covered ? int256(price) : int256(0);
        assertEq(int256(market.credits(alice)), int256(CREDIT) + moved);
        assertEq(int256(market.credits(bob)), int256(CREDIT) - moved);
        assertEq(registry.bondedOf(id, alice), covered ? 0 : BOND);
        assertEq(registry.bondedOf(id, bob), covered ? BOND : 0);
    }

    // ------------------------------------------------------------------ signed offers

    function test_AcceptTransferOfASignedOffer() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(bob, 2 ether);
        slot = _take(slot, offer, bob, _sign(aliceKey, slot, offer));
        assertEq(market.credits(alice), CREDIT + 2 ether);
        assertEq(registry.bondedOf(id, bob), BOND);
        _prove(slot, bob);
    }

    function test_AcceptTransferOfAnOfferSignedForAContract() public {
        (address owner, uint256 key) = makeAddrAndKey("owner");
        address prover = address(new ContractProver(owner));
        _stake(prover, id, 100);
        _credit(prover, CREDIT);
        Slot memory slot = _open(prover);
        TransferOffer memory offer = _offerTo(address(0), -2 ether);
        bytes memory wrong = _sign(aliceKey, slot, offer);
        _takeByFails(bob, slot, offer, bob, wrong, _error(ISlotTransfers.TransferNotOffered.selector));
        _take(slot, offer, bob, _sign(key, slot, offer));
        assertEq(market.credits(prover), CREDIT - 2 ether);
        assertEq(registry.bondedOf(id, prover), 0);
    }

    function test_AContractOffersOnChainToo() public {
        ContractProver prover = new ContractProver(alice);
        _stake(address(prover), id, 100);
        Slot memory slot = _open(address(prover));
        TransferOffer memory offer = _offerTo(bob, 1 ether);
        prover.execute(address(slotTransfers), abi.encodeCall(slotTransfers.offerTransfer, (slot, terms, offer)));
        _take(slot, offer, bob, "");
        assertEq(market.credits(address(prover)), 1 ether);
    }

    function test_RevertAcceptTransfer_WhenTheSignatureIsNotTheHoldersForThisOffer() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(bob, 2 ether);
        bytes memory error = _error(ISlotTransfers.TransferNotOffered.selector);
        bytes memory good = _sign(aliceKey, slot, offer);

        (, uint256 bobKey) = makeAddrAndKey("bob");
        _takeByFails(bob, slot, offer, bob, _sign(bobKey, slot, offer), error);
        // A submitter may offer on-chain; its signature is not the prover's.
        (, uint256 hotKey) = makeAddrAndKey("alice's hot key");
        _takeByFails(bob, slot, offer, bob, _sign(hotKey, slot, offer), error);
        _takeByFails(bob, slot, offer, bob, "", error);
        _takeByFails(bob, slot, offer, bob, new bytes(65), error);

        TransferOffer memory altered = TransferOffer(offer.to, offer.price - 1, offer.validUntil);
        _takeByFails(bob, slot, altered, bob, good, error);
        altered = TransferOffer(address(0), offer.price, offer.validUntil);
        _takeByFails(bob, slot, altered, bob, good, error);
        altered = TransferOffer(offer.to, offer.price, offer.validUntil + 1);
        _takeByFails(bob, slot, altered, bob, good, error);
        _take(slot, offer, bob, good);
    }

    function test_RevertAcceptTransfer_WhenTheOfferIsForAnotherSlot() public {
        (Slot memory first, Slot memory second) = (_open(alice), _open(alice));
        TransferOffer memory offer = _offerTo(bob, 0);
        bytes memory error = _error(ISlotTransfers.TransferNotOffered.selector);
        _takeByFails(bob, second, offer, bob, _sign(aliceKey, first, offer), error);
        _offerTransfer(alice, first, offer);
        _takeByFails(bob, second, offer, bob, "", error);
        _take(first, offer, bob, "");
    }

    function test_RevertAcceptTransfer_WhenTheOfferIsForAnotherChain() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(bob, 0);
        bytes memory signature = _sign(aliceKey, slot, offer);
        _offerTransfer(alice, slot, offer);
        vm.chainId(block.chainid + 1);
        bytes memory error = _error(ISlotTransfers.TransferNotOffered.selector);
        _takeByFails(bob, slot, offer, bob, signature, error);
        _takeByFails(bob, slot, offer, bob, "", error);
    }

    /// @dev Whoever signs for the offers of one deployment has signed for no other's.
    function test_RevertAcceptTransfer_WhenTheOfferIsForAnotherContract() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(bob, 0);
        ISlotTransfers this_ = slotTransfers;
        bytes memory error = _error(ISlotTransfers.TransferNotOffered.selector);
        address[2] memory others = [stranger, address(market)];
        for (uint256 i; i < others.length; ++i) {
            slotTransfers = ISlotTransfers(others[i]);
            bytes memory signature = _sign(aliceKey, slot, offer);
            slotTransfers = this_;
            _takeByFails(bob, slot, offer, bob, signature, error);
        }
    }

    // ------------------------------------------------------------------ until when

    function test_RevertAcceptTransfer_AfterValidUntil() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = TransferOffer({ to: bob, price: 0, validUntil: _now() + 100 });
        bytes memory signature = _sign(aliceKey, slot, offer);
        _offerTransfer(alice, slot, offer);
        uint256 snapshot = vm.snapshotState();
        vm.warp(offer.validUntil - 1);
        _take(slot, offer, bob, "");
        vm.revertToState(snapshot);
        vm.warp(offer.validUntil);
        _take(slot, offer, bob, "");
        vm.revertToState(snapshot);
        vm.warp(offer.validUntil + 1);
        bytes memory error = abi.encodeWithSelector(ISlotTransfers.TransferExpired.selector, offer.validUntil);
        _takeFails(slot, offer, bob, error);
        _takeByFails(bob, slot, offer, bob, signature, error);
    }

    function test_RevertOfferTransfer_AfterValidUntil() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = TransferOffer({ to: bob, price: 0, validUntil: _now() + 100 });
        vm.warp(offer.validUntil);
        _offerTransfer(alice, slot, offer);
        vm.warp(offer.validUntil + 1);
        _offerTransferFails(
            alice, slot, offer, abi.encodeWithSelector(ISlotTransfers.TransferExpired.selector, offer.validUntil)
        );
    }

    function test_RevertOfferTransfer_OnceTheExclusiveWindowIsOver() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = TransferOffer({ to: bob, price: 0, validUntil: type(uint40).max });
        bytes memory signature = _sign(aliceKey, slot, offer);
        _offerTransfer(alice, slot, offer);
        uint256 snapshot = vm.snapshotState();
        vm.warp(slot.exclusiveUntil - 1);
        Slot memory held = _take(slot, offer, bob, "");
        vm.warp(slot.exclusiveUntil);
        _prove(held, carol);
        assertEq(registry.positionOf(id, bob).misses, 1);

        vm.revertToState(snapshot);
        bytes memory error = _error(ISlotTransfers.SlotNotHeld.selector);
        for (uint256 late; late < 2; ++late) {
            vm.warp(slot.exclusiveUntil + late);
            _takeFails(slot, offer, bob, error);
            _takeByFails(bob, slot, offer, bob, signature, error);
            _offerTransferFails(alice, slot, offer, error);
            _revokeFails(alice, slot, offer, error);
        }
    }

    function test_RevertOfferTransfer_WhenNobodyHoldsTheSlot() public {
        TransferOffer memory offer = _offerTo(address(0), 0);
        bytes memory error = _error(ISlotTransfers.SlotNotHeld.selector);
        Slot[2] memory slots = [_open(address(0)), _open(address(0), PRICE, _now() + 100)];
        for (uint256 i; i < slots.length; ++i) {
            _offerTransferFails(alice, slots[i], offer, error);
            _revokeFails(alice, slots[i], offer, error);
            _takeFails(slots[i], offer, bob, error);
        }
    }

    function test_RevertOfferTransfer_WhenTheSlotHasEnded() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = TransferOffer({ to: bob, price: 0, validUntil: type(uint40).max });
        _offerTransfer(alice, slot, offer);
        uint256 snapshot = vm.snapshotState();
        _prove(slot, alice);
        _assertVoid(slot, offer);
        vm.revertToState(snapshot);
        vm.warp(uint256(slot.openedAt) + EXPIRY);
        market.expire(slot, terms, _noInputs());
        _assertVoid(slot, offer);
    }

    function test_RevertOfferTransfer_WhenTheSlotIsAltered() public {
        Slot memory slot = _open(alice);
        TransferOffer memory offer = _offerTo(bob, 0);
        _offerTransfer(alice, slot, offer);
        slot.exclusiveUntil += 1;
        _assertVoid(slot, offer);
        slot.exclusiveUntil -= 1;
        slot.prover = bob;
        _assertVoid(slot, offer);
        slot.prover = alice;
        terms.bond -= 1;
        _assertVoid(slot, offer);
    }

    function _assertVoid(Slot memory slot, TransferOffer memory offer) private {
        bytes memory error = _error(ISlotTransfers.SlotNotHeld.selector);
        _offerTransferFails(alice, slot, offer, error);
        _revokeFails(alice, slot, offer, error);
        _takeFails(slot, offer, bob, error);
    }
}
