// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IBondEscrow } from "../../src/interfaces/IBondEscrow.sol";
import { IMechanism } from "../../src/interfaces/IMechanism.sol";
import { IStandingAsks, SignedAsk, StandingAsk } from "../../src/interfaces/IStandingAsks.sol";
import { SlotHooks } from "../../src/libraries/SlotHooks.sol";
import { Slot } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { ContractProver } from "../mocks/ContractProver.sol";
import { StandingAsksFixture } from "./StandingAsksFixture.sol";

contract StandingAsksTest is StandingAsksFixture {
    // ---------------------------------------------------------------- the book

    function test_LowestScoreGetsTheSlotAtItsOwnPrice() public {
        _post(alice, 6 ether);
        _post(bob, 5 ether);
        _post(carol, 7 ether);
        Slot memory slot = _openNext();
        assertEq(slot.prover, bob);
        assertEq(slot.price, 5 ether);
        assertEq(slot.exclusiveUntil, slot.openedAt + EXCLUSIVE);
        assertEq(registry.bondedOf(id, bob), BOND);
        assertEq(_capacity(bob), 3);
    }

    /// @dev Sixty seconds less count six tenths of an asset unit.
    function test_PromisedSecondsCountAgainstThePrice() public {
        _post(alice, 5.5 ether, 40, 4);
        _post(bob, 5 ether, 100, 4);
        assertEq(asks.scoreOf(terms, 5.5 ether, 40), 590);
        assertEq(asks.scoreOf(terms, 5 ether, 100), 600);
        assertEq(_openNext().prover, alice);
        _post(bob, 4.8 ether, 100, 4);
        assertEq(_openNext().prover, bob);
    }

    function test_EqualsAreServedInTheOrderInWhichTheyCame() public {
        _post(carol, 5 ether);
        _post(alice, 5 ether);
        _post(bob, 5 ether);
        address[] memory order = asks.asksOf(id, terms.version, 9);
        assertEq(order.length, 3);
        assertEq(order[0], carol);
        assertEq(order[1], alice);
        assertEq(order[2], bob);
        assertEq(_openNext().prover, carol);
    }

    function test_CapacityCountsDownAndTheLastSlotEndsTheAsk() public {
        _post(alice, 5 ether, PROMISED, 2);
        _post(bob, 6 ether);
        assertEq(_openNext().prover, alice);
        assertEq(_capacity(alice), 1);
        assertEq(_openNext().prover, alice);
        assertEq(_capacity(alice), 0);
        assertEq(_openNext().prover, bob);
        assertEq(asks.asksOf(id, terms.version, 9).length, 1);
    }

    function test_PostReplacesTheAskThatIsThere() public {
        _post(alice, 5 ether);
        _post(alice, 8 ether, 50, 2);
        StandingAsk memory ask = _ask(alice);
        assertEq(ask.price, 8 ether);
        assertEq(ask.promised, 50);
        assertEq(ask.capacity, 2);
        assertEq(ask.score, 850);
        assertEq(ask.key, alice);
        assertEq(asks.asksOf(id, terms.version, 9).length, 1);
    }

    function test_TopUpAddsSlotsAndGoesToTheEndOfItsQueue() public {
        _post(alice, 5 ether);
        _post(bob, 5 ether);
        uint40 later = _tomorrow() + 5;
        vm.prank(hot);
        asks.topUp(id, terms, alice, 6, later);
        assertEq(_capacity(alice), 10);
        assertEq(_ask(alice).expiry, later);
        assertEq(_openNext().prover, bob);
        // Longer, and no more: its place is kept.
        vm.prank(bob);
        asks.topUp(id, terms, bob, 0, later);
        assertEq(_openNext().prover, bob);
    }

    function test_CancelledAskIsGivenNothing() public {
        _post(alice, 5 ether);
        _post(bob, 6 ether);
        vm.prank(hot);
        vm.expectEmit();
        emit IStandingAsks.AskRemoved(id, alice, terms.version, true);
        asks.cancel(id, terms.version, alice);
        assertEq(_openNext().prover, bob);
        vm.prank(alice);
        vm.expectRevert(IStandingAsks.AskNotFound.selector);
        asks.cancel(id, terms.version, alice);
        uint40 expiry = _tomorrow();
        vm.prank(alice);
        vm.expectRevert(IStandingAsks.AskNotFound.selector);
        asks.topUp(id, terms, alice, 1, expiry);
    }

    function test_SubmitterPostsForItsProverAndAnswersWithItsOwnDeposit() public {
        uint40 expiry = _tomorrow();
        vm.prank(hot);
        asks.post(id, terms, alice, 5 ether, PROMISED, 1, expiry);
        Slot memory slot = _openNext();
        assertEq(slot.prover, alice);
        (address key, uint32 promised) = asks.promiseOf(id, slot.id);
        assertEq(key, hot);
        assertEq(promised, PROMISED);
        assertEq(asks.balanceOf(hot), DEPOSIT - asks.promiseBondOf(terms, PROMISED));
        assertEq(asks.balanceOf(alice), DEPOSIT);
    }

    // ---------------------------------------------------------------- who is passed over

    function test_UnableAsksAreRemovedWhenMet() public {
        _post(alice, 5 ether);
        _post(bob, 6 ether);
        _post(carol, 7 ether);
        vm.prank(alice);
        registry.pause();
        vm.prank(bob);
        registry.allocate(id, 100, 1, 1, type(uint32).max);
        Slot memory slot = _openNext();
        assertEq(slot.prover, carol);
        assertEq(asks.asksOf(id, terms.version, 9).length, 1);
    }

    function test_ExpiredAskIsGoodInItsLastSecondAndNotAfter() public {
        _post(alice, 5 ether);
        uint256 expiry = _ask(alice).expiry;
        uint256 snapshot = vm.snapshotState();
        vm.warp(expiry);
        assertEq(_openNext().prover, alice);
        vm.revertToState(snapshot);
        vm.warp(expiry + 1);
        _assertUndecided(_openNext());
        assertEq(_capacity(alice), 0);
    }

    function test_AskWithoutTheDepositThatItsPromiseNeedsIsPassedOver() public {
        _post(alice, 5 ether);
        _post(bob, 6 ether);
        vm.prank(alice);
        asks.withdraw(alice, DEPOSIT);
        assertEq(_openNext().prover, bob);
        assertEq(_capacity(alice), 0);
    }

    function test_EmptyBookLeavesTheSlotUndecidedAndThenOpenToAll() public {
        Slot memory slot = _openNext();
        _assertUndecided(slot);
        vm.expectRevert(IStandingAsks.BookEmpty.selector);
        asks.matchSlot(slot, terms);
        vm.warp(slot.exclusiveUntil - 1);
        _post(alice, 4 ether);
        uint256 funds = _funds();
        vm.prank(stranger);
        asks.matchSlot(slot, terms);
        _assigned(slot, alice, 4 ether);
        assertEq(_funds(), funds + terms.price - 4 ether);

        slot = _openWith("");
        assertEq(slot.prover, alice);
        vm.prank(alice);
        asks.cancel(id, terms.version, alice);
        slot = _openNext();
        vm.warp(slot.exclusiveUntil);
        _post(alice, 4 ether);
        vm.expectRevert(IStandingAsks.SlotNotUndecided.selector);
        asks.matchSlot(slot, terms);
        _prove(slot, stranger);
        assertEq(market.credits(stranger), terms.price);
    }

    /// @dev Ten in the way: eight go with the opening, two with the call that then finds bob.
    function test_MatchingGoesOnWhereTheOpeningStopped() public {
        _post(bob, 6 ether);
        _clog(10, 5 ether);
        Slot memory slot = _openNext();
        _assertUndecided(slot);
        assertEq(asks.asksOf(id, terms.version, 99).length, 3);
        asks.matchSlot(slot, terms);
        _assigned(slot, bob, 6 ether);
        assertEq(asks.asksOf(id, terms.version, 99).length, 1);
    }

    function test_PruneRemovesUnableAsksAndNoOthers() public {
        _post(alice, 5 ether);
        _post(bob, 6 ether);
        vm.prank(alice);
        registry.pause();
        address[] memory provers = new address[](4);
        (provers[0], provers[1], provers[2], provers[3]) = (bob, alice, carol, stranger);
        vm.prank(stranger);
        asks.prune(id, terms, provers);
        assertEq(_capacity(alice), 0);
        assertEq(_capacity(bob), 4);
    }

    // ---------------------------------------------------------------- what may be posted

    function _postFails(address sender, Terms memory under, uint96 price, uint32 promised, bytes memory error) private {
        uint40 expiry = _tomorrow();
        vm.prank(sender);
        vm.expectRevert(error);
        asks.post(id, under, alice, price, promised, 1, expiry);
    }

    function test_RevertPost_WhenItCouldNotBeGivenASlot() public {
        bytes4 notAuthorised = IStandingAsks.NotAuthorised.selector;
        _postFails(stranger, terms, 5 ether, 100, abi.encodeWithSelector(notAuthorised));
        _postFails(bob, terms, 5 ether, 100, abi.encodeWithSelector(notAuthorised));
        _postFails(alice, terms, 5 ether + 1, 100, abi.encodeWithSelector(IStandingAsks.PriceOffTick.selector, TICK));
        bytes memory tooHigh = abi.encodeWithSelector(IStandingAsks.PriceTooHigh.selector, PRICE + TICK, uint256(PRICE));
        _postFails(alice, terms, uint96(PRICE + TICK), 100, tooHigh);
        bytes memory invalid = abi.encodeWithSelector(IStandingAsks.PromiseInvalid.selector, uint256(EXCLUSIVE));
        _postFails(alice, terms, 5 ether, 0, invalid);
        _postFails(alice, terms, 5 ether, EXCLUSIVE + 1, invalid);
        Terms memory others = abi.decode(abi.encode(terms), (Terms));
        others.bond = 1;
        _postFails(alice, others, 5 ether, 100, abi.encodeWithSelector(IStandingAsks.TermsNotInForce.selector));

        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(IStandingAsks.CapacityInvalid.selector, type(uint32).max));
        asks.post(id, terms, alice, 5 ether, 100, 0, type(uint40).max);
        uint40 now_ = uint40(vm.getBlockTimestamp());
        vm.expectRevert(abi.encodeWithSelector(IStandingAsks.ExpiryTooEarly.selector, now_));
        asks.post(id, terms, alice, 5 ether, 100, 1, now_);
        registry.pause();
        vm.expectRevert(IStandingAsks.ProverNotAble.selector);
        asks.post(id, terms, alice, 5 ether, 100, 1, type(uint40).max);
        registry.resume();
        asks.withdraw(alice, DEPOSIT);
        uint256 bond = asks.promiseBondOf(terms, 100);
        vm.expectRevert(abi.encodeWithSelector(IBondEscrow.InsufficientDeposit.selector, 0, bond));
        asks.post(id, terms, alice, 5 ether, 100, 1, type(uint40).max);
        vm.stopPrank();
    }

    function test_RevertTopUp_WhenItWouldShortenOrOverflow() public {
        _post(alice, 5 ether);
        uint40 expiry = _ask(alice).expiry;
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(IStandingAsks.ExpiryTooEarly.selector, expiry - 1));
        asks.topUp(id, terms, alice, 1, expiry - 1);
        vm.expectRevert(abi.encodeWithSelector(IStandingAsks.CapacityInvalid.selector, type(uint32).max));
        asks.topUp(id, terms, alice, type(uint32).max, expiry);
        vm.stopPrank();
        vm.prank(stranger);
        vm.expectRevert(IStandingAsks.NotAuthorised.selector);
        asks.topUp(id, terms, alice, 1, expiry);
        vm.prank(stranger);
        vm.expectRevert(IStandingAsks.NotAuthorised.selector);
        asks.cancel(id, 2, alice);
    }

    // ---------------------------------------------------------------- terms

    function _rejects(bytes32 params, bytes32 field) private {
        terms.mechanismParams = params;
        vm.expectRevert(abi.encodeWithSelector(IMechanism.MechanismTermsRejected.selector, field));
        asks.validateTerms(terms);
    }

    function test_RevertValidateTerms_NamesTheField() public {
        bytes32 good = terms.mechanismParams;
        asks.validateTerms(terms);
        for (uint256 bit = 128; bit < 256; ++bit) {
            _rejects(good ^ bytes32(1 << bit), "mechanismParams");
        }
        _rejects(_paramsOf(TICK, 0, WINDOW) | bytes32(SlotHooks.ENDED), "mechanismParams");
        _rejects(_paramsOf(0, WEIGHT, WINDOW), "tick");
        _rejects(_paramsOf(TICK, WEIGHT, 0), "matchWindow");
        // Ten asset units are more ticks than there are.
        _rejects(_paramsOf(0.0001 ether, 0, WINDOW), "tick");
        _rejects(_paramsOf(1, 300, WINDOW), "tick");
        _rejects(_paramsOf(TICK, WEIGHT, EXPIRY - 2 * EXCLUSIVE + 1), "expiryWindow");
        // What a rescue leaves of the bond is ten asset units: 300 seconds of 2 * weight * tick are 6 for a weight of one.
        _rejects(_paramsOf(TICK, 2, WINDOW), "weight");
        terms.bond = 0;
        _rejects(_paramsOf(TICK, 0, WINDOW), "bond");
        terms.bond = BOND;
        terms.mechanismParams = _paramsOf(TICK, 0, EXPIRY - 2 * EXCLUSIVE);
        asks.validateTerms(terms);
        (terms.rescuerBps, terms.mechanismParams) = (type(uint16).max, good);
        _rejects(good, "weight");
    }

    /// @dev Announced terms have a book of their own, that fills before they are in force.
    function test_EachVersionHasItsOwnBook() public {
        _openNext();
        _post(alice, 5 ether);
        Terms memory old = abi.decode(abi.encode(terms), (Terms));
        terms.price = PRICE - 1 ether;
        _announceTerms();
        _post(bob, 7 ether);
        assertEq(asks.asksOf(id, old.version, 9)[0], alice);
        assertEq(asks.asksOf(id, terms.version, 9)[0], bob);
        vm.prank(requester);
        assertEq(market.openSlot(id, old, 0, _statement(), "").prover, alice);
        vm.warp(vm.getBlockTimestamp() + market.TERMS_NOTICE());
        assertEq(_openNext().prover, bob);
        vm.prank(alice);
        vm.expectRevert(IStandingAsks.TermsNotInForce.selector);
        asks.post(id, old, alice, 5 ether, 100, 1, type(uint40).max);
    }

    /// @dev What the client knows by the same vectors.
    function test_SharedVectors() public {
        string memory json = vm.readFile("tests/vectors/mechanisms.json");
        uint256 cases;
        for (; vm.keyExistsJson(json, _path(cases, "name")); ++cases) {
            uint256 weight = vm.parseJsonUint(json, _path(cases, "weight"));
            terms.mechanismParams = _paramsOf(vm.parseJsonUint(json, _path(cases, "tick")), weight, WINDOW);
            terms.exclusiveWindow = uint32(vm.parseJsonUint(json, _path(cases, "exclusive")));
            uint256 promised = vm.parseJsonUint(json, _path(cases, "promised"));
            uint256 price = vm.parseJsonUint(json, _path(cases, "price"));
            assertEq(asks.scoreOf(terms, price, promised), vm.parseJsonUint(json, _path(cases, "score")));
            uint256 late = vm.parseJsonUint(json, _path(cases, "elapsed"));
            late = late > promised ? late - promised : 0;
            uint256 bond = asks.promiseBondOf(terms, promised);
            assertEq(bond, vm.parseJsonUint(json, _path(cases, "bond")));
            // What is locked for a promise of nothing in a window of as many seconds.
            terms.exclusiveWindow = uint32(late);
            uint256 worth = asks.promiseBondOf(terms, 0);
            assertEq(worth < bond ? worth : bond, vm.parseJsonUint(json, _path(cases, "burned")));
        }
        assertGt(cases, 5);
    }

    function _path(uint256 index, string memory field) private pure returns (string memory) {
        return string.concat(".asks.cases[", vm.toString(index), "].", field);
    }

    // ---------------------------------------------------------------- the promise

    function test_KeptPromiseCostsNothing() public {
        _post(alice, 5 ether);
        Slot memory slot = _openNext();
        uint256 bond = asks.promiseBondOf(terms, PROMISED);
        assertEq(bond, 2 * TICK * (EXCLUSIVE - PROMISED));
        assertEq(asks.balanceOf(alice), DEPOSIT - bond);
        vm.warp(slot.startedAt + PROMISED);
        _prove(slot, alice);
        assertEq(asks.balanceOf(alice), DEPOSIT);
        assertEq(asks.burned(), 0);
    }

    function test_EachSecondLateBurnsTwiceWhatItCounted() public {
        _post(alice, 5 ether);
        Slot memory slot = _openNext();
        vm.warp(slot.startedAt + PROMISED + 30);
        vm.expectEmit();
        emit IStandingAsks.PromiseBroken(id, slot.id, alice, 30, 60 * TICK);
        _prove(slot, alice);
        assertEq(asks.balanceOf(alice), DEPOSIT - 60 * TICK);
        assertEq(asks.burned(), 60 * TICK);
    }

    function test_LateBeyondTheWindowBurnsAllThatIsLockedAndNoMore() public {
        _post(alice, 5 ether);
        Slot memory slot = _openNext();
        uint256 bond = asks.promiseBondOf(terms, PROMISED);
        vm.warp(slot.openedAt + EXPIRY - 1);
        _prove(slot, alice);
        assertEq(asks.balanceOf(alice), DEPOSIT - bond);
        assertEq(asks.burned(), bond);
    }

    /// @dev The slot's bond is what a miss costs, and there is none where nobody could prove.
    function test_MissedExpiredAndDroppedSlotsBurnNoPromise() public {
        for (uint256 i; i < 3; ++i) {
            _post(alice, 5 ether);
            Slot memory slot = _openNext();
            if (i == 0) {
                vm.warp(slot.exclusiveUntil);
                _prove(slot, stranger);
            } else if (i == 1) {
                vm.warp(slot.exclusiveUntil - 1);
                vm.prank(requester);
                market.drop(slot, terms, _noInputs());
            } else {
                vm.warp(slot.openedAt + EXPIRY);
                _expire(slot);
            }
            assertEq(asks.balanceOf(alice), DEPOSIT);
            (address key,) = asks.promiseOf(id, slot.id);
            assertEq(key, address(0));
        }
        assertEq(asks.burned(), 0);
    }

    // ---------------------------------------------------------------- signed asks

    function test_SignedAskBelowTheBookIsUsed() public {
        _post(bob, 5 ether);
        Slot memory slot = _openWith(_sign(_signedAsk(4.5 ether, PROMISED, 1)));
        assertEq(slot.prover, alice);
        assertEq(slot.price, 4.5 ether);
        assertEq(_capacity(bob), 4, "bob's is untouched");
        assertEq(asks.usesOf(alice, 7), 1);
        (address key,) = asks.promiseOf(id, slot.id);
        assertEq(key, alice);
    }

    function test_SignedAskAsGoodAsTheBookIsNotUsed() public {
        _post(bob, 5 ether);
        bytes memory data = _sign(_signedAsk(5 ether, PROMISED, 1));
        vm.expectEmit();
        emit IStandingAsks.SignedAskUnused(id, 1, alice, "score");
        assertEq(_openWith(data).prover, bob);
        assertEq(asks.usesOf(alice, 7), 0);
    }

    /// @dev Only those of the book that are able are in its way.
    function test_SignedAskIsUsedBeforeWorseAndUnableAsks() public {
        _post(bob, 4 ether);
        _post(carol, 6 ether);
        vm.prank(bob);
        registry.pause();
        assertEq(_openWith(_sign(_signedAsk(5 ether, PROMISED, 1))).prover, alice);
        assertEq(_capacity(carol), 4);
    }

    function _unused(SignedAsk memory ask, bytes32 reason) private {
        uint256 snapshot = vm.snapshotState();
        bytes memory data = _sign(ask);
        vm.expectEmit();
        emit IStandingAsks.SignedAskUnused(id, 1, alice, reason);
        assertEq(_openWith(data).prover, bob, "the book decides");
        vm.revertToState(snapshot);
    }

    function test_SignedAskThatCannotBeUsedLeavesTheSlotToTheBook() public {
        _post(bob, 5 ether);
        SignedAsk memory ask = _signedAsk(4 ether, PROMISED, 1);
        ask.market = 9;
        _unused(ask, "market");
        ask = _signedAsk(4 ether, PROMISED, 1);
        ask.version = 1;
        _unused(ask, "version");
        ask = _signedAsk(4 ether, PROMISED, 1);
        ask.expiry = uint40(vm.getBlockTimestamp() - 1);
        _unused(ask, "expiry");
        _unused(_signedAsk(4 ether + 1, PROMISED, 1), "price");
        _unused(_signedAsk(uint96(PRICE + TICK), 1, 1), "price");
        _unused(_signedAsk(4 ether, 0, 1), "promised");
        _unused(_signedAsk(4 ether, EXCLUSIVE + 1, 1), "promised");
        _unused(_signedAsk(4 ether, PROMISED, 0), "capacity");
        ask = _signedAsk(4 ether, PROMISED, 1);
        vm.prank(alice);
        registry.pause();
        _unused(ask, "prover");
        vm.prank(alice);
        registry.resume();
        vm.prank(alice);
        asks.withdraw(alice, DEPOSIT);
        _unused(ask, "deposit");
        _deposit(alice, DEPOSIT);
        aliceKey += 1;
        _unused(ask, "signature");
    }

    function test_ContractSignsByErc1271() public {
        ContractProver wallet = new ContractProver(alice);
        wallet.execute(address(registry), abi.encodeCall(registry.register, ("")));
        token.mint(address(wallet), 200 ether);
        wallet.execute(address(token), abi.encodeCall(token.approve, (address(registry), 100 ether)));
        wallet.execute(address(registry), abi.encodeCall(registry.stake, (100 ether)));
        wallet.execute(address(registry), abi.encodeCall(registry.allocate, (id, 100, MAX_UNITS, 1, type(uint32).max)));
        wallet.execute(address(token), abi.encodeCall(token.approve, (address(asks), 100 ether)));
        wallet.execute(address(asks), abi.encodeCall(asks.deposit, (100 ether)));
        SignedAsk memory ask = _signedAsk(4 ether, PROMISED, 1);
        ask.prover = address(wallet);
        assertEq(_openWith(_sign(ask)).prover, address(wallet));
    }
}
