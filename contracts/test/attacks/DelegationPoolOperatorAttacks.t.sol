// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IDelegationPool } from "../../src/interfaces/IDelegationPool.sol";
import { IDelegationPoolPolicies } from "../../src/interfaces/IDelegationPoolPolicies.sol";
import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { ISlotTransfers, TransferOffer } from "../../src/interfaces/ISlotTransfers.sol";
import { Slot } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { MockProof } from "../mocks/MockVerifier.sol";
import { PoolFixture } from "../pools/PoolFixture.sol";

/// @notice Operators who want what is the delegators'. Each test ends with what everybody has.
contract DelegationPoolOperatorAttacksTest is PoolFixture {
    uint256 private constant STAKE = 500 ether;

    /// @dev The operator's second address.
    address private accomplice = makeAddr("accomplice");
    uint256 private operatorKey;
    uint256 private trap;
    Terms private trapTerms;

    function setUp() public override {
        (operator, operatorKey) = makeAddrAndKey("operator");
        super.setUp();
        _createPool(10_000, 0);
        // One second to prove, and 95% of the bond to who rescues; all of a pool's stake can be asked for as a bond.
        trapTerms = terms;
        (trapTerms.requester, trapTerms.version) = (operator, 1);
        (trapTerms.fastWindow, trapTerms.exclusiveWindow, trapTerms.expiryWindow) = (0, 1, 2);
        (trapTerms.bond, trapTerms.price, trapTerms.floorBps) = (uint96(STAKE), 1, 10_000);
        (trapTerms.rescuerBps, trapTerms.requesterBps) = (9500, 0);
        vm.prank(operator);
        trap = market.createMarket(trapTerms, 1, 0);
        _fund(trap, 10);
    }

    /// @dev The pool is given a slot in the trap, misses it, and the accomplice rescues.
    function _spring() private {
        mechanism.setNext(address(pool), 1, 0);
        vm.prank(operator);
        Slot memory slot = market.openSlot(trap, trapTerms, 0, _statement(), "");
        vm.warp(slot.exclusiveUntil);
        uint256[] memory inputs = _inputs(accomplice);
        market.prove(slot, trapTerms, inputs, MockProof.make(inputs));
    }

    function _announceTrap() private returns (uint256) {
        vm.prank(operator);
        return pool.announceMarket(trap, EXPOSURE, 1, 1);
    }

    function _beyondNothing() private {
        vm.expectRevert(abi.encodeWithSelector(IDelegationPoolPolicies.BeyondPolicy.selector, 0, 0, 0));
    }

    // ------------------------------------------------------------------ a market of its own

    /// @dev Row 4. Without the notice the operator had 475 of 500 in two transactions.
    function test_AnOperatorsOwnMarketTakesNothingFromWhoMinds() public {
        _delegate(dora, STAKE);
        vm.prank(operator);
        _beyondNothing();
        pool.allocate(trap, 500, EXPOSURE);

        uint256 from = _announceTrap();
        // Dora leaves when she sees it; even if all is allocated, and another exit is on its way.
        _allocate(500);
        (uint256 batch,) = _exitAll(dora);
        pool.freeUp(id);
        pool.advance();
        vm.warp(from - 1);
        assertEq(_claim(dora, batch), STAKE);
        vm.prank(operator);
        _beyondNothing();
        pool.allocate(trap, 1, 1);

        vm.warp(from);
        vm.prank(operator);
        vm.expectPartialRevert(IProverRegistry.InsufficientStake.selector);
        pool.allocate(trap, 500, EXPOSURE);
        assertEq(token.balanceOf(dora), STAKE);
        assertEq(market.credits(accomplice), 0);
        assertEq(pool.owedToOperator(), 0);
    }

    /// @dev What all this is about: who sees the announcement and stays gives the operator what it announced.
    function test_WhoStaysPastTheNoticeRisksWhatWasAnnounced() public {
        _delegate(dora, STAKE);
        vm.warp(_announceTrap());
        vm.prank(operator);
        pool.allocate(trap, 500, EXPOSURE);
        _spring();
        assertEq(market.credits(accomplice), 475 ether + 1);
        assertEq(pool.assetsOf(dora), 0);
    }

    /// @dev The trap is set while nobody is there to mind, just before the first who comes.
    function test_NobodyIsLuredIntoATrapSetInTheSameBlock() public {
        _provide(dora, STAKE);
        uint256 seen = pool.revision();
        assertEq(_announceTrap(), vm.getBlockTimestamp());
        vm.prank(dora);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.RevisionChanged.selector, seen + 1));
        pool.delegate(STAKE, seen);
        assertEq(token.balanceOf(dora), STAKE);
    }

    /// @dev What is announced in place of something harmless has a notice of its own.
    function test_AnAnnouncementIsNotSwapped() public {
        _delegate(dora, STAKE);
        uint256 harmless = _anotherMarket();
        vm.startPrank(operator);
        uint256 from = pool.announceMarket(harmless, 1, 1, 1);
        vm.warp(from - 1);
        pool.announceMarket(trap, 1, 1, 1);
        pool.narrowMarket(harmless, 0, 0, 0);
        vm.warp(from - 1 + NOTICE - 1);
        // A little trap is there in a second; for a wide one the clock begins anew.
        assertEq(pool.announceMarket(trap, EXPOSURE, 1, 1), vm.getBlockTimestamp() + NOTICE);
        _beyondNothing();
        pool.allocate(harmless, 1, 1);
        vm.warp(vm.getBlockTimestamp() + NOTICE - 1);
        _beyondNothing();
        pool.allocate(trap, 500, EXPOSURE);
        vm.stopPrank();
        _exitAll(dora);
        _skip(EXIT_TIME);
        assertEq(_claim(dora, 1), STAKE);
    }

    /// @dev The market is harmless when it is announced, and turns into a trap when stake is in it.
    function test_TermsThatWereNotAnnouncedBindNoStake() public {
        vm.startPrank(operator);
        Terms memory fair = terms;
        (fair.requester, fair.version) = (operator, 1);
        trap = market.createMarket(fair, 1, 0);
        pool.announceMarket(trap, EXPOSURE, 1, 1);
        vm.stopPrank();
        _fund(trap, 10 ether);
        _delegate(dora, STAKE);
        vm.startPrank(operator);
        pool.allocate(trap, 500, EXPOSURE);
        trapTerms.version = 2;
        market.setTerms(trap, fair, trapTerms);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPoolPolicies.VersionsInvalid.selector, 2));
        pool.announceMarket(trap, EXPOSURE, 1, 3);
        uint256 from = pool.announceMarket(trap, EXPOSURE, 1, 2);
        assertEq(from, vm.getBlockTimestamp() + NOTICE);
        _skip(market.TERMS_NOTICE());
        pool.allocate(trap, 500, EXPOSURE);
        mechanism.setNext(address(pool), 1, 0);
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.TermsNotAccepted.selector, 2, 1, 1));
        market.openSlot(trap, trapTerms, 0, _statement(), "");
        vm.stopPrank();
        assertEq(pool.assetsOf(dora), STAKE);
        assertEq(market.credits(accomplice), 0);
    }

    /// @dev Who stayed although a market was announced risks there what was announced, at a time.
    function test_AMarketReservesNoMoreThanWasAnnounced() public {
        trapTerms.bond = 11 ether;
        vm.startPrank(operator);
        trap = market.createMarket(trapTerms, 1, 0);
        pool.announceMarket(trap, 10, 1, 1);
        vm.stopPrank();
        _fund(trap, 10);
        _delegate(dora, STAKE);
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPoolPolicies.BeyondPolicy.selector, 10, 1, 1));
        pool.allocate(trap, 500, 11);
        pool.allocate(trap, 500, 10);
        mechanism.setNext(address(pool), 1, 0);
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, 10 ether, 11 ether));
        market.openSlot(trap, trapTerms, 0, _statement(), "");
        vm.stopPrank();
        assertEq(pool.assetsOf(dora), STAKE);
    }

    // ------------------------------------------------------------------ its stake at first loss

    /// @dev Row 8. The operator wants its stake out before a loss that it knows of; emil left just before, so dora's exit is the
    /// slowest there is. Her stake is back while the operator's still stands before it.
    function test_FirstLossStaysUntilWhoSawItGoIsOut() public {
        _stakeOperator(200 ether);
        _delegate(dora, 200 ether);
        _delegate(emil, 100 ether);
        _allocate(500);
        terms.expiryWindow = uint32(registry.MAX_WINDOW());
        (terms.bond, terms.exclusiveWindow) = (50 ether, uint32(registry.MAX_WINDOW() / 2));
        _setTerms();
        _exitAll(emil);
        pool.freeUp(id);
        pool.advance();

        vm.prank(operator);
        uint256 from = pool.announceOperatorExit(200 ether);
        Slot memory slot = _open(address(pool));
        (uint256 batch,) = _exitAll(dora);
        pool.freeUp(id);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.NoticeNotOver.selector, from));
        pool.requestOperatorExit();
        vm.warp(slot.exclusiveUntil);
        _prove(slot, accomplice);
        _skip(EXIT_TIME);
        pool.advance();
        (,, uint256 readyAt,,) = pool.batches(batch);
        assertLe(readyAt, from);
        vm.warp(readyAt);
        assertEq(_claim(dora, batch), 200 ether);
        assertEq(token.balanceOf(dora), 200 ether);

        vm.warp(from);
        vm.prank(operator);
        pool.requestOperatorExit();
        pool.freeUp(id);
        pool.advance();
        _skip(EXIT_TIME);
        pool.advance();
        assertEq(pool.owedToOperator(), 150 ether);
    }

    /// @dev An exit announced long ago is no way out at once.
    function test_AnOperatorExitLapses() public {
        _stakeOperator(200 ether);
        _delegate(dora, 200 ether);
        vm.startPrank(operator);
        uint256 from = pool.announceOperatorExit(200 ether);
        uint256 snapshot = vm.snapshotState();
        vm.warp(from + EXIT_TIME - 1);
        pool.requestOperatorExit();
        vm.revertToState(snapshot);
        vm.warp(from + EXIT_TIME);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.AnnouncementLapsed.selector, from + EXIT_TIME));
        pool.requestOperatorExit();
        vm.stopPrank();
        (uint256 amount, uint256 since) = pool.operatorExit();
        assertEq(amount + since, 0);
        assertEq(pool.totals().operatorStake, 200 ether);
        _allocate(400);
        _slash(50 ether);
        assertEq(pool.assetsOf(dora), 200 ether);
    }

    // ------------------------------------------------------------------ credit

    function _offer(int96 price) private view returns (TransferOffer memory) {
        return TransferOffer({ to: bob, price: price, validUntil: type(uint40).max });
    }

    function _signed(ISlotTransfers offers, Slot memory slot, TransferOffer memory offer)
        private
        view
        returns (bytes memory)
    {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Provery"),
                keccak256("1"),
                block.chainid,
                address(offers)
            )
        );
        bytes32 content = keccak256(
            abi.encode(
                keccak256("TransferOffer(bytes32 slot,address to,int96 price,uint40 validUntil)"),
                keccak256(abi.encode(slot, keccak256(abi.encode(terms)))),
                offer.to,
                offer.price,
                offer.validUntil
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(operatorKey, keccak256(abi.encodePacked(hex"1901", domain, content)));
        return abi.encodePacked(r, s, v);
    }

    /// @dev Row 9. Bob is the operator's. Without the mend he has all of the reward, in the block in which it was earned.
    function test_APoolPaysNobodyToTakeASlot() public {
        _delegate(dora, 400 ether);
        _allocate(400);
        Slot memory earned = _open(address(pool));
        Slot memory slot = _open(address(pool));
        _prove(earned, address(pool));
        assertEq(market.credits(address(pool)), PRICE);
        uint256 bobs = market.credits(bob);

        ISlotTransfers offers = ISlotTransfers(market.slotTransfers());
        TransferOffer memory offer = _offer(-int96(PRICE));
        bytes memory signature = _signed(offers, slot, offer);
        vm.prank(bob);
        vm.expectRevert(ISlotTransfers.TransferNotOffered.selector);
        offers.acceptTransfer(slot, terms, offer, bob, signature);
        // The same on the chain, by a key of the pool's.
        vm.prank(operator);
        pool.setSubmitter(accomplice, true);
        vm.startPrank(accomplice);
        registry.serve(address(pool));
        vm.expectRevert(ISlotTransfers.NotHolder.selector);
        offers.offerTransfer(slot, terms, offer);
        vm.stopPrank();

        assertEq(market.credits(bob), bobs);
        assertEq(pool.harvest(), PRICE);
        _skip(EXIT_TIME);
        assertApproxEqAbs(pool.assetsOf(dora), 400 ether + PRICE, 1e12);
    }

    /// @dev What remains: a slot not proven yet may be given away, and what it would have earned. What the pool has stays.
    function test_ASlotGivenAwayCostsNoMoreThanItsReward() public {
        _delegate(dora, 400 ether);
        _allocate(400);
        Slot memory slot = _open(address(pool));
        _credit(1 ether);
        ISlotTransfers offers = ISlotTransfers(market.slotTransfers());
        vm.prank(operator);
        pool.setSubmitter(accomplice, true);
        vm.startPrank(accomplice);
        registry.serve(address(pool));
        offers.offerTransfer(slot, terms, _offer(0));
        vm.stopPrank();
        vm.prank(bob);
        offers.acceptTransfer(slot, terms, _offer(0), bob, "");
        assertEq(registry.bondedOf(id, address(pool)), 0);
        assertEq(pool.harvest(), 1 ether);
        assertEq(registry.proverOf(address(pool)).stake, 401 ether);
    }

    // ------------------------------------------------------------------ commission

    /// @dev Row 11. Announced before anybody came, and used when there is something to take.
    function test_AnAnnouncedRiseLapses() public {
        _delegate(dora, 100 ether);
        vm.startPrank(operator);
        pool.setCommission(10_000);
        (,, uint256 from) = pool.commission();
        assertEq(from, vm.getBlockTimestamp() + NOTICE);
        uint256 snapshot = vm.snapshotState();
        vm.warp(from + EXIT_TIME - 1);
        pool.raiseCommission();
        (uint256 bps,,) = pool.commission();
        assertEq(bps, 10_000);

        vm.revertToState(snapshot);
        vm.warp(from + EXIT_TIME);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.AnnouncementLapsed.selector, from + EXIT_TIME));
        pool.raiseCommission();
        vm.stopPrank();
        uint256 next;
        (bps, next, from) = pool.commission();
        assertEq(bps + next + from, 0);
        _credit(10 ether);
        pool.harvest();
        assertEq(pool.owedToOperator(), 0);
        _skip(EXIT_TIME);
        assertApproxEqAbs(pool.assetsOf(dora), 110 ether, 1e12);
    }
}
