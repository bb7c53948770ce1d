// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IDelegationPool } from "../../src/interfaces/IDelegationPool.sol";
import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { ChainTermsLib } from "../../src/types/ChainTerms.sol";
import { Slot } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { MockProof } from "../mocks/MockVerifier.sol";
import { PoolFixture } from "../pools/PoolFixture.sol";

/// @notice Whoever wants exits to wait, or to leave without a loss, or to come and go for a profit.
contract DelegationPoolExitAttacksTest is PoolFixture {
    uint256 private constant PURSE = 1000 ether;
    address private mallory = makeAddr("mallory");
    uint256 private other;
    /// @dev Its slots build on one another.
    uint256 private chained;
    Terms private chainTerms;
    uint256 private seen;

    function setUp() public override {
        super.setUp();
        _createPool(0, 0);
        token.mint(mallory, PURSE);
        vm.prank(mallory);
        token.approve(address(pool), type(uint256).max);
        terms.expiryWindow = uint32(registry.MAX_WINDOW());
        (terms.bond, terms.floorBps) = (100 ether, 10_000);
        _setTerms();
        other = _anotherMarket();
        _announceAll(other);
        chainTerms = terms;
        (chainTerms.version, chainTerms.chain) = (1, ChainTermsLib.DECLARED | ChainTermsLib.ALWAYS_RIGHT << 16);
        vm.prank(creator);
        chained = market.createMarket(chainTerms, CAPACITY, 11);
        _fund(chained, 100 ether);
        _announceAll(chained);
        seen = pool.revision();
    }

    function _delegateMallory(uint256 amount) private {
        vm.prank(mallory);
        pool.delegate(amount, seen);
    }

    function _allocateTo(uint256 marketId, uint256 units) private {
        vm.prank(operator);
        pool.allocate(marketId, units, EXPOSURE);
    }

    function _openChained(address prover, uint64 premise) private returns (Slot memory) {
        mechanism.setNext(prover, PRICE, 0);
        vm.prank(requester);
        return market.openSlot(chained, chainTerms, premise, _statement(), "");
    }

    function _proveChained(Slot memory slot, address payee) private {
        uint256[] memory inputs = _inputs(payee);
        market.prove(slot, chainTerms, inputs, MockProof.make(inputs));
    }

    // ------------------------------------------------------------------ waiting

    /// @dev Row 3. A slot with the longest window there is, an exit of 10 wei that fixes the batch's time, and the slot proven at
    /// once: dora waits for as long as without all that.
    function test_NobodyFreezesAPool() public {
        Terms memory forever = terms;
        (forever.version, forever.expiryWindow) = (1, type(uint32).max);
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.TermsRejected.selector, bytes32("expiryWindow")));
        market.createMarket(forever, 1, 0);

        _delegate(dora, 300 ether);
        _delegateMallory(1 ether);
        _allocate(200);
        Slot memory slot = _open(address(pool));
        uint256 asked = vm.getBlockTimestamp();
        (uint256 first,) = _exit(mallory, 10e6);
        _prove(slot, address(pool));
        slot = _open(address(pool));
        (,, uint256 readyAt,,) = pool.batches(first);
        assertEq(readyAt, asked + EXIT_TIME);
        (uint256 batch,) = _exitAll(dora);
        pool.freeUp(id);
        vm.warp(readyAt);
        _expire(slot);
        pool.advance();
        (,, readyAt,,) = pool.batches(batch);
        assertEq(readyAt, asked + 2 * EXIT_TIME);
        vm.warp(readyAt);
        _claim(dora, batch);
        assertGe(token.balanceOf(dora), 300 ether);
    }

    /// @dev Mallory asks back slice after slice, each just before the batch that dora waits in could begin, and the pool is given
    /// slots in whatever the slices leave. Dora is out in time.
    function test_LaterExitsDoNotPutOffABatchForever() public {
        terms.bond = 50 ether;
        _setTerms();
        other = _anotherMarket();
        vm.prank(operator);
        pool.narrowMarket(chained, 0, 0, 0);
        _announceAll(other);
        seen = pool.revision();
        _delegate(dora, 50 ether);
        _delegateMallory(300 ether);
        _allocate(150);
        _allocateTo(other, 200);

        uint256 start = vm.getBlockTimestamp();
        Slot[] memory first = _openMany(id, 3);
        (uint256 batch,) = _exitAll(dora);
        pool.freeUp(id);
        vm.warp(start + 114 minutes);
        Slot[] memory second = _openMany(other, 4);
        _slice(other);
        vm.warp(start + 120 minutes);
        _expireAll(first);

        // Dora has waited for EXIT_TIME, and bonds still hold what she waits for.
        vm.warp(start + EXIT_TIME - 1);
        vm.expectRevert(IDelegationPool.NothingToFree.selector);
        pool.freeUp(id);
        vm.warp(start + EXIT_TIME);
        pool.freeUp(id);
        pool.advance();

        vm.warp(start + 228 minutes);
        Slot[] memory third = _openMany(id, 2);
        _slice(id);
        vm.warp(start + 234 minutes);
        _expireAll(second);
        vm.warp(start + 342 minutes);
        Slot[] memory fourth = _openMany(other, 2);
        _slice(other);
        vm.warp(start + 348 minutes);
        _expireAll(third);
        vm.warp(start + 462 minutes);
        _expireAll(fourth);

        (,, uint256 readyAt,,) = pool.batches(batch);
        assertGt(readyAt, 0);
        assertLe(readyAt, start + NOTICE);
        if (readyAt > vm.getBlockTimestamp()) vm.warp(readyAt);
        assertEq(_claim(dora, batch), 50 ether);
    }

    /// @dev A batch that waited long, but for nobody's bonds, loses the pool nothing but what it needs.
    function test_ALongWaitAloneLowersNoAllocation() public {
        _delegate(dora, 200 ether);
        _delegateMallory(1 ether);
        _allocate(201);
        _exit(mallory, 10e6);
        _skip(2 * EXIT_TIME);
        vm.startPrank(mallory);
        pool.freeUp(id);
        vm.expectRevert(IDelegationPool.NothingToFree.selector);
        pool.freeUp(id);
        vm.stopPrank();
        assertEq(registry.allocationOf(id, address(pool)), 200);
    }

    /// @dev Slots for the pool, as many as it can back, and zeros for the others.
    function _openMany(uint256 marketId, uint256 count) private returns (Slot[] memory slots) {
        slots = new Slot[](count);
        mechanism.setNext(address(pool), PRICE, 0);
        for (uint256 i; i < count; ++i) {
            vm.prank(requester);
            try market.openSlot(marketId, _termsOf(marketId), 0, _statement(), "") returns (Slot memory slot) {
                slots[i] = slot;
            } catch { }
        }
    }

    function _expireAll(Slot[] memory slots) private {
        for (uint256 i; i < slots.length; ++i) {
            if (slots[i].id != 0) market.expire(slots[i], _termsOf(slots[i].market), new uint256[](0));
        }
        try pool.advance() { } catch { }
    }

    function _termsOf(uint256 marketId) private view returns (Terms memory current) {
        current = abi.decode(abi.encode(terms), (Terms));
        if (marketId != id) current.version = 1;
    }

    /// @dev Another 100 ether asked back, and freed where fresh bonds are.
    function _slice(uint256 marketId) private {
        _exit(mallory, pool.sharesOf(mallory) * 100 ether / pool.assetsOf(mallory));
        try pool.freeUp(marketId) { } catch { }
    }

    // ------------------------------------------------------------------ held slashes

    /// @dev The pool misses a slot whose premise is open, and mallory, who rescued it, leaves before the slash that is held. The
    /// premise is established in the last second there is, and she keeps to herself that the slash is due: whoever stays has an
    /// epoch to bring it in.
    function test_AnExitDoesNotEscapeASlashThatWasHeld() public {
        _delegate(dora, 200 ether);
        _delegateMallory(200 ether);
        _allocateTo(chained, 200);
        Slot memory premise = _openChained(address(0), 0);
        Slot memory slot = _openChained(address(pool), premise.id);
        vm.warp(slot.exclusiveUntil);
        _proveChained(slot, mallory);
        assertEq(registry.bondedOf(chained, address(pool)), 100 ether);
        assertEq(pool.assetsOf(mallory), 200 ether);
        (uint256 batch,) = _exitAll(mallory);

        uint256 window = registry.MAX_WINDOW();
        vm.warp(premise.openedAt + window - 1);
        _proveChained(premise, alice);
        (,, uint256 readyAt,,) = pool.batches(batch);
        assertGe(readyAt, vm.getBlockTimestamp() + EPOCH);
        vm.warp(readyAt - 1);
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.BatchNotSettled.selector, batch));
        pool.claim(batch, mallory);
        vm.prank(dora);
        market.resolve(slot, chainTerms, mallory, true, 11);
        vm.warp(readyAt);
        assertEq(_claim(mallory, batch), 150 ether);
        assertEq(pool.assetsOf(dora), 150 ether);
        // Half of the bond for the rescue, as for anybody.
        assertEq(market.credits(mallory), PRICE + 50 ether);
        _assertBooked();
    }

    /// @dev While a slash is held, nothing that moves stake changes who bears it: out and back in, and own exits.
    function test_AHeldSlashIsBorneByAllWhoeverMoves() public {
        _createPool(5000, 0);
        _announceAll(chained);
        vm.prank(mallory);
        token.approve(address(pool), type(uint256).max);
        seen = pool.revision();
        _stakeOperator(100 ether);
        _delegate(dora, 100 ether);
        _delegateMallory(100 ether);
        _allocateTo(chained, 300);
        Slot memory premise = _openChained(address(0), 0);
        Slot memory slot = _openChained(address(pool), premise.id);
        vm.warp(slot.exclusiveUntil);
        _proveChained(slot, stranger);
        vm.prank(operator);
        pool.announceOperatorExit(100 ether);
        seen = pool.revision();
        (uint256 batch,) = _exitAll(mallory);
        pool.freeUp(chained);
        vm.expectRevert(abi.encodeWithSelector(IDelegationPool.InsufficientShares.selector, 0, 1));
        pool.takeBackExit(1, seen);
        _proveChained(premise, alice);
        market.resolve(slot, chainTerms, stranger, true, 11);
        // 50 of 100 are the operator's; of the rest a fifth, and two fifths of either delegator's.
        assertEq(pool.totals().operatorStake, 40 ether);
        assertEq(pool.assetsOf(dora), 80 ether);
        (uint256 worth,,,,) = pool.batches(batch);
        assertEq(worth, 80 ether);
        _assertBooked();
    }

    /// @dev A premise that falls undoes it.
    function test_ASlashThatWasHeldAndUndoneCostsNobody() public {
        _delegate(dora, 200 ether);
        _allocateTo(chained, 200);
        Slot memory premise = _openChained(address(0), 0);
        Slot memory slot = _openChained(address(pool), premise.id);
        vm.warp(slot.exclusiveUntil);
        _proveChained(slot, stranger);
        (uint256 batch,) = _exitAll(dora);
        pool.freeUp(chained);
        vm.expectPartialRevert(IDelegationPool.StakeNotFree.selector);
        pool.advance();
        vm.warp(premise.openedAt + chainTerms.expiryWindow);
        market.expire(premise, chainTerms, _statement());
        market.resolve(slot, chainTerms, stranger, true, 11);
        pool.advance();
        _skip(EXIT_TIME);
        assertEq(_claim(dora, batch), 200 ether);
    }

    // ------------------------------------------------------------------ out and back in

    /// @dev Mallory is out when the loss comes and back when it is over. She bears what dora bears.
    function test_OutAndBackDodgesNoLoss() public {
        _delegate(dora, 200 ether);
        _delegateMallory(200 ether);
        _allocate(400);
        Slot memory slot = _open(address(pool));
        vm.warp(slot.exclusiveUntil);
        _exitAll(mallory);
        _prove(slot, stranger);
        _takeBack(mallory, 200 ether);
        assertApproxEqAbs(pool.assetsOf(mallory), 150 ether, 1);
        assertApproxEqAbs(pool.assetsOf(dora), 150 ether, 1);
        _assertBooked();
    }

    /// @dev Out while a reward vests, back for the rest of it: never more than who stayed.
    function test_OutAndBackCatchesNoVesting() public {
        _delegate(dora, 200 ether);
        _delegateMallory(200 ether);
        _allocate(400);
        _credit(40 ether);
        pool.harvest();
        _allocate(440);
        for (uint256 i; i < 6; ++i) {
            _skip(EXIT_TIME / 12);
            (uint256 batch,) = _exitAll(mallory);
            _skip(EXIT_TIME / 12);
            _takeBack(mallory, pool.exitSharesOf(batch, mallory));
        }
        _skip(EXIT_TIME);
        assertLt(pool.assetsOf(mallory), 220 ether);
        assertGt(pool.assetsOf(dora), 220 ether);
        _assertBooked();
    }

    /// @dev The shares of a batch cannot be made dear by leaving it again: who joins it later gets what it puts in.
    function testFuzz_NobodyInflatesExitShares(uint256 pieces, uint256 loss, uint256 victim) public {
        victim = bound(victim, 1, 100 ether);
        _delegate(dora, 100 ether);
        _delegateMallory(200 ether);
        _allocate(300);
        _exit(mallory, pool.sharesOf(mallory) / 2);
        Slot memory slot = _openForPool(uint96(bound(loss, 2, 150 ether)));
        vm.warp(slot.exclusiveUntil);
        _prove(slot, stranger);
        pool.harvest();
        for (uint256 i; i < 24; ++i) {
            (uint256 batch,) = pool.currentBatches();
            uint256 mine = pool.exitSharesOf(batch, mallory);
            uint256 held = pool.sharesOf(mallory);
            pieces = uint256(keccak256(abi.encode(pieces)));
            if (i % 3 == 2 && held > 1e7) _exit(mallory, bound(pieces, 1e7, held));
            else if (mine > 4) _takeBack(mallory, i == 22 ? mine - 1 : bound(pieces, 3, mine - 1));
        }
        uint256 shares = pool.sharesOf(dora) * victim / 100 ether;
        (uint256 open,) = pool.currentBatches();
        (uint256 worth,,, uint256 all,) = pool.batches(open);
        assertLe(worth, all);
        if (shares < 1e7) return;
        (uint256 doras, uint256 assets) = _exit(dora, shares);
        (worth,,, all,) = pool.batches(doras);
        assertGe(worth * pool.exitSharesOf(doras, dora) / all + 1, assets);
    }
}
