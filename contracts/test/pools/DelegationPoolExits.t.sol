// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IDelegationPool } from "../../src/interfaces/IDelegationPool.sol";
import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { Slot } from "../../src/types/Slot.sol";
import { PoolFixture } from "./PoolFixture.sol";

/// @notice How stake leaves a pool, what the operator may do, and what is refused.
contract DelegationPoolExitsTest is PoolFixture {
    uint256 private other;
    uint256 private seen;

    function setUp() public override {
        super.setUp();
        other = _anotherMarket();
        _announceAll(other);
        seen = pool.revision();
        _stakeOperator(100 ether);
        _delegate(dora, 200 ether);
        _delegate(emil, 100 ether);
    }

    // ------------------------------------------------------------------ batches

    function test_AnExitIsPaidAfterUnbonding() public {
        uint256 shares = pool.sharesOf(dora);
        uint256 readyAt = vm.getBlockTimestamp() + EXIT_TIME;
        vm.expectEmit(address(pool));
        emit IDelegationPool.ExitRequested(dora, 1, 50 ether, shares / 4, 50 ether);
        vm.expectEmit(address(pool));
        emit IDelegationPool.UnbondingStarted(1, 50 ether, 0, readyAt);
        (uint256 batch, uint256 assets) = _exit(dora, shares / 4);
        assertEq(assets, 50 ether);
        assertEq(pool.exitSharesOf(batch, dora), 50 ether);
        assertEq(pool.assetsOf(dora), 150 ether);
        assertEq(pool.totals().exiting, 50 ether);
        (uint256 worth, uint256 own, uint256 ready, uint256 exitShares, uint256 askedAt) = pool.batches(batch);
        assertEq(worth, 50 ether);
        assertEq(own, 0);
        assertEq(ready, readyAt);
        assertEq(exitShares, 50 ether);
        assertEq(askedAt, readyAt - EXIT_TIME);

        _skip(EXIT_TIME - 1);
        vm.prank(dora);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.BatchNotSettled.selector, 1));
        pool.claim(batch, dora);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.BatchNotReady.selector, readyAt));
        pool.advance();
        _skip(1);
        vm.expectEmit(address(pool));
        emit IDelegationPool.BatchSettled(1, 50 ether, 0);
        pool.advance();
        vm.expectEmit(address(pool));
        emit IDelegationPool.Claimed(dora, 1, dora, 50 ether);
        assertEq(_claim(dora, batch), 50 ether);
        assertEq(token.balanceOf(dora), 50 ether);
        assertEq(token.balanceOf(address(pool)), 0);
        _assertBooked();
    }

    /// @dev Three exits of one delegator, one of another: one in the first batch, three in the second.
    function test_SeveralExitsOfOneDelegator() public {
        uint256 shares = pool.sharesOf(dora);
        _exit(dora, shares / 4);
        _skip(EXIT_TIME / 2);
        (uint256 batch,) = _exit(dora, shares / 4);
        assertEq(batch, 2);
        _exit(dora, shares / 4);
        _exitAll(emil);
        assertEq(pool.exitSharesOf(2, dora), 100 ether);

        _skip(EXIT_TIME / 2);
        assertEq(_claim(dora, 1), 50 ether);
        (uint256 open, uint256 unbonding) = pool.currentBatches();
        assertEq(open, 3);
        assertEq(unbonding, 2);
        _skip(EXIT_TIME);
        assertEq(_claim(dora, 2), 100 ether);
        assertEq(_claim(emil, 2), 100 ether);
        assertEq(pool.assetsOf(dora), 50 ether);
        _assertBooked();
    }

    /// @dev Settled is settled: no loss reaches it any more, claimed or not.
    function test_ASettledBatchLosesNothing() public {
        (uint256 batch,) = _exitAll(emil);
        _skip(EXIT_TIME);
        pool.advance();
        _allocate(300);
        _slash(200 ether);
        pool.harvest();
        assertEq(_claim(emil, batch), 100 ether);
        _assertBooked();
    }

    /// @dev What is bonded, and for how long, moves nothing; a slash that comes in time is shared.
    function test_AnExitIsReadyWhateverIsBonded() public {
        terms.expiryWindow = uint32(registry.MAX_WINDOW());
        _allocate(100);
        Slot memory slot = _openForPool(20 ether);
        (uint256 batch,) = _exitAll(emil);
        (,, uint256 readyAt,,) = pool.batches(batch);
        assertEq(readyAt, vm.getBlockTimestamp() + EXIT_TIME);
        vm.warp(slot.openedAt + terms.expiryWindow - 1);
        _prove(slot, stranger);
        vm.warp(readyAt);
        // Of 20: 10 from own first, 10 from 90 : 200 : 100.
        assertApproxEqAbs(_claim(emil, batch), 100 ether - uint256(1000 ether) / 390, 1);
        _assertBooked();
    }

    // ------------------------------------------------------------------ taken back

    function test_AnExitTakenBackIsSharesAgain() public {
        _allocate(400);
        uint256 shares = pool.sharesOf(dora);
        (uint256 batch,) = _exitAll(dora);
        vm.expectEmit(address(pool));
        emit IDelegationPool.ExitTakenBack(dora, batch, 50 ether, 50 ether, shares / 4);
        (uint256 assets, uint256 bought) = _takeBack(dora, 50 ether);
        assertEq(assets, 50 ether);
        assertEq(bought, shares / 4);
        assertEq(pool.exitSharesOf(batch, dora), 150 ether);
        assertEq(pool.assetsOf(dora), 50 ether);
        assertEq(pool.totals().exiting, 150 ether);
        _takeBack(dora, 150 ether);
        assertEq(pool.sharesOf(dora), shares);
        assertEq(pool.totals().exiting, 0);
        vm.expectRevert(IDelegationPool.NothingWaiting.selector);
        pool.freeUp(id);
        _assertBooked();
    }

    /// @dev What is left in the batch may be free then, and begins to unbond.
    function test_TakingBackLetsTheOthersGo() public {
        _allocate(300);
        _exitAll(dora);
        (uint256 batch,) = _exitAll(emil);
        (, uint256 unbonding) = pool.currentBatches();
        assertEq(unbonding, 0);
        _takeBack(dora, 200 ether);
        (, unbonding) = pool.currentBatches();
        assertEq(unbonding, batch);
        // From now on it is on its way.
        vm.prank(emil);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.InsufficientShares.selector, 0, 1));
        pool.takeBackExit(1, seen);
        _skip(EXIT_TIME);
        assertEq(_claim(emil, batch), 100 ether);
    }

    function test_RevertTakeBackExit_WhenTooFewOrTooMany() public {
        _allocate(400);
        _exitAll(dora);
        vm.startPrank(dora);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.InsufficientShares.selector, 200 ether, 200 ether + 1));
        pool.takeBackExit(200 ether + 1, seen);
        vm.expectRevert(IDelegationPool.AmountTooSmall.selector);
        pool.takeBackExit(0, seen);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.RevisionChanged.selector, seen));
        pool.takeBackExit(1, 0);
        vm.stopPrank();
    }

    // ------------------------------------------------------------------ stake that is allocated

    function test_FreeUpLowersTheAllocationJustAsNeeded() public {
        _allocate(390);
        _exit(dora, pool.sharesOf(dora) / 400 * 41); // 20.5, of which 10 are free
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.StakeNotFree.selector, 10 ether, 20.5 ether));
        pool.advance();
        vm.expectRevert(IDelegationPool.NothingToFree.selector);
        pool.freeUp(other);
        vm.prank(stranger);
        pool.freeUp(id);
        IProverRegistry.Position memory position = registry.positionOf(id, address(pool));
        assertEq(position.units, 379);
        assertEq(position.exposure, EXPOSURE);
        assertEq(position.fromVersion, 1);
        assertEq(position.toVersion, type(uint32).max);
        vm.expectRevert(IDelegationPool.NothingToFree.selector);
        pool.freeUp(id);
        // The operator cannot take it back before the exit has it.
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.ExitsWaiting.selector, 20 ether, 20.5 ether));
        pool.allocate(id, 380, 380);
        _allocate(379);
        pool.advance();
        vm.expectRevert(IDelegationPool.NothingWaiting.selector);
        pool.freeUp(id);
        _skip(EXIT_TIME);
        assertEq(_claim(dora, 1), 20.5 ether);
    }

    /// @dev Bonds hold stake longer than the allocation; nothing new is bonded meanwhile, and no second call lowers more.
    function test_FreeUpThenTheBondsRunOff() public {
        _allocate(400);
        Slot memory slot = _openForPool(350 ether);
        _exitAll(dora);
        pool.freeUp(id);
        assertEq(registry.allocationOf(id, address(pool)), 200);
        vm.expectRevert(IDelegationPool.NothingToFree.selector);
        pool.freeUp(id);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.StakeNotFree.selector, 50 ether, 200 ether));
        pool.advance();
        assertFalse(registry.isEligible(id, address(pool), 1, terms.version));
        // Nor may the operator put to other use what the bonds hold for now.
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.ExitsWaiting.selector, 49 ether, 200 ether));
        pool.allocate(other, 1, 1);
        _prove(slot, address(pool));
        pool.advance();
        _skip(EXIT_TIME);
        assertEq(_claim(dora, 1), 200 ether);
    }

    function test_FreeUpLowersToZero() public {
        vm.startPrank(operator);
        pool.allocate(id, 50, 50);
        pool.allocate(other, 350, 350);
        vm.stopPrank();
        _exitAll(dora);
        pool.freeUp(id);
        assertEq(registry.allocationOf(id, address(pool)), 0);
        pool.freeUp(other);
        assertEq(registry.allocationOf(other, address(pool)), 200);
        pool.advance();
    }

    function test_RevertAdvanceAndFreeUp_WhenNothingWaits() public {
        vm.expectRevert(IDelegationPool.NothingWaiting.selector);
        pool.advance();
        vm.expectRevert(IDelegationPool.NothingWaiting.selector);
        pool.freeUp(id);
    }

    // ------------------------------------------------------------------ the operator

    function test_TheOperatorsExit() public {
        vm.startPrank(operator);
        vm.expectRevert(
            abi.encodeWithSelector(IDelegationPool.InsufficientOperatorStake.selector, 100 ether, 101 ether)
        );
        pool.announceOperatorExit(101 ether);
        uint256 from = vm.getBlockTimestamp() + NOTICE;
        vm.expectEmit(address(pool));
        emit IDelegationPool.OperatorExitAnnounced(60 ether, from);
        assertEq(pool.announceOperatorExit(60 ether), from);
        assertEq(pool.revision(), seen + 1);
        (uint256 amount, uint256 since) = pool.operatorExit();
        assertEq(amount, 60 ether);
        assertEq(since, from);
        assertEq(pool.totals().operatorStake, 100 ether);
        vm.warp(from);
        vm.expectEmit(address(pool));
        emit IDelegationPool.ExitRequested(operator, 1, 60 ether, 0, 0);
        pool.requestOperatorExit();
        vm.stopPrank();
        (amount, since) = pool.operatorExit();
        assertEq(amount + since, 0);
        assertEq(pool.totals().operatorStake, 40 ether);
        assertEq(pool.totals().operatorExiting, 60 ether);
        vm.prank(operator);
        vm.expectRevert(IDelegationPool.NothingToClaim.selector);
        pool.withdrawOperator(operator);
        // What it asked back earns nothing: 9 to 40 of 340.
        _credit(10 ether);
        pool.harvest();
        assertEq(pool.totals().operatorStake, 40 ether + uint256(9 ether) * 40 / 340 + 1);
        _skip(EXIT_TIME);
        pool.advance();
        vm.prank(operator);
        assertEq(pool.withdrawOperator(stranger), 61 ether);
        assertEq(token.balanceOf(stranger), 61 ether);
        _assertBooked();
    }

    /// @dev What a loss left of it; and nothing if it left nothing.
    function test_TheOperatorsExitIsAtMostWhatIsLeft() public {
        _allocate(400);
        vm.prank(operator);
        uint256 from = pool.announceOperatorExit(90 ether);
        _slash(100 ether);
        vm.warp(from);
        uint256 left = pool.totals().operatorStake;
        assertLt(left, 90 ether);
        vm.prank(operator);
        (, uint256 amount) = pool.requestOperatorExit();
        assertEq(amount, left);
    }

    function test_AnOperatorExitIsTakenBackAndAnnouncedAnew() public {
        vm.startPrank(operator);
        vm.expectRevert(IDelegationPool.NothingAnnounced.selector);
        pool.requestOperatorExit();
        vm.expectRevert(IDelegationPool.NothingAnnounced.selector);
        pool.announceOperatorExit(0);
        uint256 from = pool.announceOperatorExit(1 ether);
        vm.warp(from - 1);
        // Another amount is another announcement, with all of its notice.
        uint256 later = pool.announceOperatorExit(100 ether);
        assertEq(later, from - 1 + NOTICE);
        vm.warp(from);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.NoticeNotOver.selector, later));
        pool.requestOperatorExit();
        pool.announceOperatorExit(0);
        vm.warp(later);
        vm.expectRevert(IDelegationPool.NothingAnnounced.selector);
        pool.requestOperatorExit();
        vm.stopPrank();
    }

    /// @dev Alone it is warned of by nobody, and whoever comes in the same block has not seen it.
    function test_AnOperatorThatIsAloneNeedsNoNotice() public {
        _createPool(0, 0);
        _stakeOperator(10 ether);
        vm.startPrank(operator);
        assertEq(pool.announceOperatorExit(10 ether), vm.getBlockTimestamp());
        pool.requestOperatorExit();
        pool.setCommission(10_000);
        pool.raiseCommission();
        vm.stopPrank();
        _provide(dora, 1 ether);
        vm.prank(dora);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.RevisionChanged.selector, 3));
        pool.delegate(1 ether, 1);
        _skip(EXIT_TIME);
        pool.advance();
        assertEq(pool.owedToOperator(), 10 ether);
    }

    function test_CommissionFallsAtOnceAndRisesAfterNotice() public {
        vm.startPrank(operator);
        vm.expectRevert(IDelegationPool.NothingAnnounced.selector);
        pool.raiseCommission();
        uint256 from = vm.getBlockTimestamp() + NOTICE;
        vm.expectEmit(address(pool));
        emit IDelegationPool.CommissionAnnounced(3000, from);
        pool.setCommission(3000);
        vm.warp(from - 1);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.NoticeNotOver.selector, from));
        pool.raiseCommission();
        vm.warp(from);
        vm.expectEmit(address(pool));
        emit IDelegationPool.CommissionSet(3000);
        pool.raiseCommission();
        pool.setCommission(4000);
        vm.expectEmit(address(pool));
        emit IDelegationPool.CommissionSet(500);
        pool.setCommission(500);
        (uint256 bps, uint256 next, uint256 nextFrom) = pool.commission();
        assertEq(bps, 500);
        assertEq(next + nextFrom, 0);
        vm.expectRevert(IDelegationPool.NothingAnnounced.selector);
        pool.raiseCommission();
        vm.stopPrank();
    }

    function test_TheOperatorsKeysActForThePool() public {
        vm.startPrank(operator);
        pool.setSubmitter(stranger, true);
        pool.setUri("elsewhere");
        vm.stopPrank();
        assertFalse(registry.isSubmitterFor(stranger, address(pool)));
        assertTrue(registry.isNominated(address(pool), stranger));
        vm.prank(stranger);
        registry.serve(address(pool));
        assertTrue(registry.isSubmitterFor(stranger, address(pool)));
        vm.prank(operator);
        pool.setSubmitter(stranger, false);
        assertFalse(registry.isSubmitterFor(stranger, address(pool)));
    }

    function test_TheOperatorSignsForThePool_ButNotTowardsWhatMovesItsMoney() public {
        (address signer, uint256 key) = makeAddrAndKey("signer");
        operator = signer;
        _createPool(0, 0);
        bytes32 digest = keccak256("digest");
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        bytes memory signature = abi.encodePacked(r, s, v);
        assertEq(pool.isValidSignature(digest, signature), bytes4(0x1626ba7e));
        assertEq(pool.isValidSignature(keccak256("another"), signature), bytes4(0xffffffff));
        address[4] memory movers = [address(token), address(registry), address(market), market.slotTransfers()];
        for (uint256 i; i < movers.length; ++i) {
            vm.prank(movers[i]);
            assertEq(pool.isValidSignature(digest, signature), bytes4(0xffffffff));
        }
    }

    // ------------------------------------------------------------------ refused

    function test_Revert_WhenNotOperator() public {
        bytes[11] memory calls = [
            abi.encodeCall(pool.stakeOperator, (1)),
            abi.encodeCall(pool.announceOperatorExit, (1)),
            abi.encodeCall(pool.requestOperatorExit, ()),
            abi.encodeCall(pool.withdrawOperator, (stranger)),
            abi.encodeCall(pool.setCommission, (1)),
            abi.encodeCall(pool.raiseCommission, ()),
            abi.encodeCall(pool.announceMarket, (id, 1, 1, 1)),
            abi.encodeCall(pool.narrowMarket, (id, 1, 1, 1)),
            abi.encodeCall(pool.allocate, (id, 1, 1)),
            abi.encodeCall(pool.setSubmitter, (stranger, true)),
            abi.encodeCall(pool.setUri, (""))
        ];
        for (uint256 i; i < calls.length; ++i) {
            vm.prank(stranger);
            (bool success, bytes memory answer) = address(pool).call(calls[i]);
            assertFalse(success);
            assertEq(bytes4(answer), IDelegationPool.NotOperator.selector, vm.toString(i));
        }
    }

    function test_Revert_WhenAmountZero() public {
        vm.expectRevert(IDelegationPool.AmountZero.selector);
        pool.delegate(0, seen);
        vm.startPrank(operator);
        vm.expectRevert(IDelegationPool.AmountZero.selector);
        pool.stakeOperator(0);
        vm.stopPrank();
    }

    function test_RevertRequestExit_WhenTooFewOrTooManyShares() public {
        uint256 shares = pool.sharesOf(dora);
        vm.startPrank(dora);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.InsufficientShares.selector, shares, shares + 1));
        pool.requestExit(shares + 1);
        vm.expectRevert(IDelegationPool.AmountTooSmall.selector);
        pool.requestExit(0);
        vm.expectRevert(IDelegationPool.AmountTooSmall.selector);
        pool.requestExit(1e6 - 1);
        vm.stopPrank();
    }

    /// @dev One wei of shares and a gift that took its time: a share costs more than a wei.
    function test_RevertDelegate_WhenTheAmountBuysNoShare() public {
        _createPool(0, 0);
        _delegate(dora, 1);
        _credit(100 ether);
        pool.harvest();
        _skip(EXIT_TIME);
        _provide(emil, 100 ether);
        vm.startPrank(emil);
        vm.expectRevert(IDelegationPool.AmountTooSmall.selector);
        pool.delegate(1e13, 1);
        assertGt(pool.delegate(1e14, 1), 0);
        vm.stopPrank();
    }

    function test_RevertClaimAndWithdraw_WhenNothingOrNobody() public {
        (uint256 batch,) = _exitAll(emil);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.BatchNotSettled.selector, batch + 1));
        pool.claim(batch + 1, stranger);
        _skip(EXIT_TIME);
        vm.prank(dora);
        vm.expectRevert(IDelegationPool.NothingToClaim.selector);
        pool.claim(batch, dora);
        _claim(emil, batch);
        vm.startPrank(emil);
        vm.expectRevert(IDelegationPool.NothingToClaim.selector);
        pool.claim(batch, emil);
        vm.expectRevert(IDelegationPool.RecipientInvalid.selector);
        pool.claim(batch, address(0));
        vm.expectRevert(IDelegationPool.RecipientInvalid.selector);
        pool.claim(batch, address(pool));
        vm.stopPrank();
        vm.prank(operator);
        vm.expectRevert(IDelegationPool.RecipientInvalid.selector);
        pool.withdrawOperator(address(pool));
    }
}
