// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IMechanism } from "../../src/interfaces/IMechanism.sol";
import { TransferOffer } from "../../src/interfaces/ISlotTransfers.sol";
import { IStandingAsks, SignedAsk } from "../../src/interfaces/IStandingAsks.sol";
import { StandingAsks } from "../../src/mechanisms/StandingAsks.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { StandingAsksFixture } from "../mechanisms/StandingAsksFixture.sol";
import { HookToken } from "../mocks/HostileTokens.sol";
import { TestToken } from "../mocks/TestToken.sol";

/// @notice A contract that is a prover, and says whatever it likes about signatures, with all the gas that it gets.
contract GasEater {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        while (true) { }
        return this.isValidSignature.selector;
    }

    function execute(address target, bytes calldata data) external {
        (bool success,) = target.call(data);
        require(success);
    }
}

contract StandingAsksAttacks is StandingAsksFixture {
    // ---------------------------------------------------------------- clogging the book

    /// @dev However many asks stand in the way that nobody can keep: an opening meets eight, costs no more for it than those, and
    /// whoever wants the slot goes on.
    function test_Attack_ClogTheBookWithUnableAsks() public {
        _post(bob, 6 ether);
        _clog(40, 1 ether);
        vm.prank(requester);
        uint256 gas = gasleft();
        Slot memory slot = market.openSlot(id, terms, 0, _statement(), "");
        gas -= gasleft();
        assertLt(gas, 500_000, "an opening among unable asks");
        _assertUndecided(slot);
        for (uint256 i; i < 4; ++i) {
            gas = gasleft();
            asks.matchSlot(slot, terms);
            assertLt(gas - gasleft(), 350_000, "a call that goes on");
            assertTrue(market.isOpen(slot, terms), "removing costs nobody the slot");
        }
        asks.matchSlot(slot, terms);
        _assigned(slot, bob, 6 ether);
        assertEq(asks.asksOf(id, terms.version, 99).length, 1);
    }

    /// @dev Or they are gone before a slot opens.
    function test_Attack_CloggingIsPruned() public {
        _post(bob, 6 ether);
        address[] memory unable = _clog(40, 1 ether);
        asks.prune(id, terms, unable);
        assertEq(_openNext().prover, bob);
    }

    /// @dev One stake has one place: asking twice moves it, and a key of the prover's is not another prover.
    function test_Attack_OneStakeInSeveralPlacesOfTheQueue() public {
        _post(bob, 5 ether);
        for (uint96 i; i < 9; ++i) {
            _post(alice, 1 ether + i * 0.01 ether);
        }
        vm.startPrank(hot);
        asks.post(id, terms, alice, 2 ether, PROMISED, 1, type(uint40).max);
        vm.expectRevert(IStandingAsks.NotAuthorised.selector);
        asks.post(id, terms, hot, 2 ether, PROMISED, 1, type(uint40).max);
        vm.stopPrank();
        assertEq(asks.asksOf(id, terms.version, 99).length, 2);
        assertEq(_openNext().prover, alice);
        assertEq(_openNext().prover, bob);
    }

    /// @dev Terms that were made up would make everybody unable.
    function test_Attack_RemoveOthersAsksByTermsThatAreNotTheMarkets() public {
        _post(alice, 5 ether);
        _openNext();
        vm.prank(alice);
        asks.cancel(id, terms.version, alice);
        Slot memory slot = _openNext();
        _post(alice, 5 ether);
        Terms memory others = abi.decode(abi.encode(terms), (Terms));
        others.bond = type(uint96).max;
        address[] memory provers = new address[](1);
        provers[0] = alice;
        vm.startPrank(stranger);
        vm.expectRevert(IStandingAsks.TermsNotInForce.selector);
        asks.prune(id, others, provers);
        vm.expectRevert(IStandingAsks.SlotNotUndecided.selector);
        asks.matchSlot(slot, others);
        // A market of the attacker's own, under terms with the same version.
        others = abi.decode(abi.encode(terms), (Terms));
        (others.requester, others.version) = (stranger, 1);
        uint256 own = market.createMarket(others, CAPACITY, 0);
        vm.expectRevert(IStandingAsks.TermsNotInForce.selector);
        asks.prune(id, others, provers);
        asks.prune(own, others, provers);
        vm.stopPrank();
        assertEq(_capacity(alice), 4);
    }

    // ---------------------------------------------------------------- cheap asks that are not there

    /// @dev Undercutting and then cancelling, or pausing, before the opening is mined, gives the slot to who asked before.
    function test_Attack_UndercutAndCancelInTheSameBlock() public {
        _post(bob, 5 ether);
        _post(alice, 1 ether);
        vm.prank(alice);
        asks.cancel(id, terms.version, alice);
        Slot memory slot = _openNext();
        assertEq(slot.prover, bob);
        assertEq(slot.price, 5 ether);

        _post(alice, 1 ether);
        vm.prank(alice);
        registry.pause();
        assertEq(_openNext().prover, bob);
        vm.prank(alice);
        registry.resume();

        _post(alice, 1 ether);
        vm.prank(alice);
        asks.withdraw(alice, DEPOSIT);
        assertEq(_openNext().prover, bob);
    }

    /// @dev Once the slot is given away, cancelling the ask is too late.
    function test_Attack_CancelAfterTheSlotWasGiven() public {
        _post(alice, 1 ether);
        Slot memory slot = _openNext();
        vm.startPrank(alice);
        asks.cancel(id, terms.version, alice);
        asks.withdraw(alice, asks.balanceOf(alice));
        registry.allocate(id, 0, 0, 1, 1);
        vm.stopPrank();
        assertEq(registry.bondedOf(id, alice), BOND);
        vm.warp(slot.startedAt + PROMISED + 10);
        _prove(slot, alice);
        assertEq(asks.burned(), 20 * TICK, "what was locked stayed");
    }

    // ---------------------------------------------------------------- signed asks

    /// @dev A requester that would rather pay a friend more: not while the book has one as good.
    function test_Attack_FavourAFriendWithAWorseSignedAsk() public {
        _post(bob, 5 ether);
        assertEq(_openWith(_sign(_signedAsk(5 ether + uint96(TICK), PROMISED, 9))).prover, bob);
        assertEq(_openWith(_sign(_signedAsk(5 ether, PROMISED, 9))).prover, bob);
        assertEq(_openWith(_sign(_signedAsk(4.99 ether, PROMISED + 1, 9))).prover, bob);
        assertEq(_openWith(_sign(_signedAsk(4.99 ether, PROMISED, 9))).prover, alice);
    }

    /// @dev Nor by hiding behind asks that are unable: those are removed first, and where more than eight are in the way, neither is used.
    function test_Attack_FavourAFriendBehindUnableAsks() public {
        _post(bob, 5 ether);
        _clog(8, 1 ether);
        bytes memory data = _sign(_signedAsk(6 ether, PROMISED, 9));
        Slot memory slot = _openWith(data);
        _assertUndecided(slot);
        assertEq(asks.usesOf(alice, 7), 0);
        asks.matchSlot(slot, terms);
        _assigned(slot, bob, 5 ether);
    }

    function test_Attack_ReplayASignedAskBeyondItsCapacity() public {
        bytes memory data = _sign(_signedAsk(4 ether, PROMISED, 2));
        assertEq(_openWith(data).prover, alice);
        assertEq(_openWith(data).prover, alice);
        _assertUndecided(_openWith(data));
        // Nor by another signature under the same nonce, for as many.
        SignedAsk memory other = _signedAsk(3 ether, PROMISED, 2);
        _assertUndecided(_openWith(_sign(other)));
        assertEq(asks.usesOf(alice, 7), 2);
    }

    function test_Attack_UseASignedAskAfterItWasCancelled() public {
        bytes memory data = _sign(_signedAsk(4 ether, PROMISED, 2));
        vm.prank(stranger);
        vm.expectRevert(IStandingAsks.NotAuthorised.selector);
        asks.cancelSigned(alice, 7);
        assertEq(_openWith(data).prover, alice);
        vm.prank(hot);
        asks.cancelSigned(alice, 7);
        _assertUndecided(_openWith(data));
        // For good.
        SignedAsk memory most = _signedAsk(4 ether, PROMISED, type(uint32).max);
        _assertUndecided(_openWith(_sign(most)));
    }

    /// @dev On another chain, for another contract, in another market, under other terms, by another signer.
    function test_Attack_UseASignedAskElsewhere() public {
        SignedAsk memory ask = _signedAsk(4 ether, PROMISED, 2);
        bytes memory data = _sign(ask);
        uint256 chain = block.chainid;
        vm.chainId(chain + 1);
        _assertUndecided(_openWith(data));
        vm.chainId(chain);

        StandingAsks second = new StandingAsks(registry, address(market));
        assertNotEq(second.digestOf(ask), asks.digestOf(ask));

        (, bytes memory signature) = abi.decode(data, (SignedAsk, bytes));
        ask.price = 3 ether;
        _assertUndecided(_openWith(abi.encode(ask, signature)));
        ask.prover = bob;
        _assertUndecided(_openWith(abi.encode(ask, signature)));
        assertEq(_openWith(data).prover, alice);
    }

    /// @dev A signer with code has its gas, and no more: the slot opens all the same.
    function test_Attack_SignerThatBurnsTheOpeningsGas() public {
        GasEater eater = new GasEater();
        address prover = address(eater);
        token.mint(prover, 200 ether);
        eater.execute(address(registry), abi.encodeCall(registry.register, ("")));
        eater.execute(address(token), abi.encodeCall(token.approve, (address(registry), 100 ether)));
        eater.execute(address(registry), abi.encodeCall(registry.stake, (100 ether)));
        eater.execute(address(registry), abi.encodeCall(registry.allocate, (id, 100, MAX_UNITS, 1, 9)));
        eater.execute(address(token), abi.encodeCall(token.approve, (address(asks), 100 ether)));
        eater.execute(address(asks), abi.encodeCall(asks.deposit, (100 ether)));
        _post(bob, 5 ether);
        SignedAsk memory ask = _signedAsk(4 ether, PROMISED, 1);
        ask.prover = prover;
        bytes memory data = _sign(ask);
        vm.prank(requester);
        Slot memory slot = market.openSlot{ gas: 700_000 }(id, terms, 0, _statement(), data);
        assertEq(slot.prover, bob);
    }

    // ---------------------------------------------------------------- more than one's stake, other terms

    /// @dev Exposure for two bonds, an ask for a hundred slots: the third goes to the next, and no opening reverts.
    function test_Attack_PostCapacityBeyondTheStake() public {
        vm.prank(alice);
        registry.allocate(id, 200, 40, 1, type(uint32).max);
        _post(alice, 1 ether, PROMISED, 100);
        _post(bob, 5 ether);
        assertEq(_openNext().prover, alice);
        assertEq(_openNext().prover, alice);
        assertEq(_openNext().prover, bob);
        assertEq(registry.bondedOf(id, alice), 2 * BOND);
        assertEq(_capacity(alice), 0);
    }

    /// @dev The same ask in the old book, terms that cost more, a prover that accepted everything: it is bound by nothing.
    function test_Attack_BindAnAskToTermsThatCameAfterIt() public {
        _openNext();
        _post(alice, 1 ether, PROMISED, 100);
        terms.bond = 2 * BOND;
        _setTerms();
        Slot memory slot = _openNext();
        _assertUndecided(slot);
        vm.expectRevert(IStandingAsks.BookEmpty.selector);
        asks.matchSlot(slot, terms);
        assertEq(registry.bondedOf(id, alice), 0);
        bytes memory data = _sign(_signedAsk(1 ether, PROMISED, 1));
        assertEq(_openWith(data).prover, alice, "one signed for them");
    }

    /// @dev Other parameters would make another score of the same ask.
    function test_Attack_ChangeTheScoreUnderAsksThatStand() public {
        _openNext();
        _post(alice, 5 ether, 10, 4);
        _post(bob, 4.5 ether, 100, 4);
        terms.mechanismParams = _paramsOf(TICK, 0, WINDOW);
        _setTerms();
        _assertUndecided(_openNext());
    }

    // ---------------------------------------------------------------- the promise

    /// @dev At equal scores, a lie of ten seconds is a price that is ten ticks higher, and burns twenty.
    function test_Attack_PromiseLessThanOneNeeds() public {
        uint32 needed = 120;
        _post(bob, 5 ether, needed, 4);
        _post(alice, 5.09 ether, needed - 10, 4);
        Slot memory slot = _openNext();
        assertEq(slot.prover, alice, "the lie wins");
        vm.warp(slot.startedAt + needed);
        uint256 gained = slot.price - 5 ether;
        _prove(slot, alice);
        assertGt(DEPOSIT - asks.balanceOf(alice), gained, "and loses");
    }

    /// @dev The way out of a broken promise, a miss and a rescue by another address of one's own, costs more than the promise.
    function test_Attack_RescueOneselfToSaveThePromise() public {
        uint256 promise_ = asks.promiseBondOf(terms, 1);
        _post(alice, 5 ether, 1, 1);
        Slot memory slot = _openNext();
        vm.warp(slot.exclusiveUntil);
        address second = makeAddr("alice's other address");
        uint256 stake = registry.proverOf(alice).stake;
        _prove(slot, second);
        uint256 lost = stake - registry.proverOf(alice).stake;
        uint256 back = market.credits(second) - uint256(slot.price) * terms.floorBps / 10_000;
        assertEq(asks.balanceOf(alice), DEPOSIT);
        assertGt(lost - back, promise_);
    }

    /// @dev Whoever hands a slot over still answers for the time: it cannot be late under another name.
    function test_Attack_HandASlotOverToEscapeThePromise() public {
        _post(alice, 5 ether);
        Slot memory slot = _openNext();
        Slot memory taken = _handOver(slot, carol);
        vm.warp(slot.startedAt + PROMISED + 50);
        _prove(taken, carol);
        assertEq(asks.balanceOf(alice), DEPOSIT - 100 * TICK);
        assertEq(asks.balanceOf(carol), DEPOSIT);
    }

    function _handOver(Slot memory slot, address taker) private returns (Slot memory taken) {
        vm.prank(slot.prover);
        slotTransfers.offerTransfer(slot, terms, TransferOffer({ to: taker, price: 0, validUntil: type(uint40).max }));
        vm.prank(taker);
        slotTransfers.acceptTransfer(
            slot, terms, TransferOffer({ to: taker, price: 0, validUntil: type(uint40).max }), taker, ""
        );
        taken = abi.decode(abi.encode(slot), (Slot));
        taken.prover = taker;
    }

    /// @dev Nobody but the market says that a slot ended, and a promise is over once.
    function test_Attack_EndAPromiseOneself() public {
        _post(alice, 5 ether);
        Slot memory slot = _openNext();
        vm.prank(alice);
        vm.expectRevert(IMechanism.NotMarket.selector);
        asks.onEnded(slot, terms, SlotState.Dropped, address(0));
        _prove(slot, alice);
        assertEq(asks.balanceOf(alice), DEPOSIT);
        vm.prank(address(market));
        asks.onEnded(slot, terms, SlotState.Dropped, address(0));
        assertEq(asks.balanceOf(alice), DEPOSIT);
    }
}

/// @notice An asset that calls back while it moves: whoever is called may post, cancel and match, and has nothing of it.
contract StandingAsksReentrancy is StandingAsksFixture {
    HookToken private hooked;

    function setUp() public override {
        hooked = new HookToken();
        _deploy(TestToken(address(hooked)));
        _setUpAsks(WEIGHT);
    }

    function test_Attack_WithdrawAgainWhileWithdrawing() public {
        hooked.setAttack(address(asks), abi.encodeCall(asks.withdraw, (alice, DEPOSIT)));
        vm.prank(alice);
        asks.withdraw(alice, DEPOSIT);
        assertTrue(hooked.attacked());
        assertNotEq(hooked.attackError(), bytes4(0));
        assertEq(asks.balanceOf(alice), 0);
        assertEq(token.balanceOf(address(asks)), 3 * DEPOSIT);
    }

    /// @dev The balance is gone before the asset is told, so an ask that is given a slot meanwhile is passed over.
    function test_Attack_MatchWhileTheDepositIsOnItsWayOut() public {
        Slot memory slot = _openNext();
        _post(alice, 5 ether);
        hooked.setAttack(address(asks), abi.encodeCall(asks.matchSlot, (slot, terms)));
        vm.prank(alice);
        asks.withdraw(alice, DEPOSIT);
        assertTrue(hooked.attacked());
        assertEq(hooked.attackError(), bytes4(0), "anyone may match");
        assertTrue(market.isOpen(slot, terms), "given to nobody");
        assertEq(_capacity(alice), 0);
        assertEq(asks.balanceOf(alice), 0);
    }
}

/// @notice An opening costs the same however many asks there are.
contract StandingAsksGas is StandingAsksFixture {
    function setUp() public override {
        super.setUp();
        // Every place of the ring, and both accounts, have been used.
        _post(alice, 1 ether, PROMISED, 100);
        for (uint256 i; i < 2 * CAPACITY; ++i) {
            _prove(_openNext(), alice);
        }
    }

    function _openingGas() private returns (uint256 gas) {
        vm.cool(address(asks));
        vm.cool(address(registry));
        vm.cool(address(market));
        vm.prank(requester);
        gas = gasleft();
        Slot memory slot = market.openSlot(id, terms, 0, _statement(), "");
        gas -= gasleft();
        assertEq(slot.prover, alice);
        _prove(slot, alice);
    }

    function test_AnOpeningCostsTheSameWithTenThousandAsks() public {
        for (uint256 i; i < 10; ++i) {
            _postBehind(i);
        }
        uint256 few = _openingGas();
        for (uint256 i = 10; i < 10_000; ++i) {
            _postBehind(i);
        }
        uint256 many = _openingGas();
        assertLt(many, few * 105 / 100);
        assertLt(few, many * 105 / 100);
    }

    /// @dev At many prices, above and equal to the one that is given the slot.
    function _postBehind(uint256 i) private {
        _post(_enter(i), uint96(1 ether + i % 850 * TICK));
    }
}
