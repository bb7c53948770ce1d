// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IDelegationPool } from "../../src/interfaces/IDelegationPool.sol";
import { IDelegationPoolPolicies } from "../../src/interfaces/IDelegationPoolPolicies.sol";
import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { Slot } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { PoolFixture } from "../pools/PoolFixture.sol";

/// @notice What everybody could claim of a pool is there, and what is there is somebody's, but for dust.
contract PoolInvariantTest is PoolFixture {
    address[3] private actors;
    Slot private pending;
    Terms private pendingTerms;
    mapping(bytes32 action => uint256) private done;
    uint256[2] private markets;

    function setUp() public override {
        super.setUp();
        actors = [dora, emil, carol];
        _fund(id, 1_000_000 ether);
        markets = [_anotherMarket(), _anotherMarket()];
        bytes4[] memory selectors = new bytes4[](14);
        (selectors[0], selectors[1], selectors[2]) = (this.delegate.selector, this.exit.selector, this.claim.selector);
        (selectors[3], selectors[4], selectors[5]) =
        (this.own.selector, this.operatorExit.selector, this.credit.selector);
        (selectors[6], selectors[7], selectors[8]) = (this.open.selector, this.end.selector, this.allocation.selector);
        (selectors[9], selectors[10], selectors[11]) =
        (this.advance.selector, this.freeUp.selector, this.withdraw.selector);
        (selectors[12], selectors[13]) = (this.takeBack.selector, this.policy.selector);
        targetContract(address(this));
        targetSelector(FuzzSelector(address(this), selectors));
    }

    // ------------------------------------------------------------------ what may happen

    function delegate(uint256 jump, uint256 who, uint256 amount) external {
        _jump(jump);
        _provide(actors[who % 3], amount = _amount(amount));
        uint256 seen = pool.revision();
        vm.prank(actors[who % 3]);
        try pool.delegate(amount, seen) {
            ++done["delegate"];
        } catch (bytes memory reason) {
            assertEq(bytes4(reason), IDelegationPool.AmountTooSmall.selector);
        }
    }

    function exit(uint256 jump, uint256 who, uint256 shares) external {
        _jump(jump);
        address actor = actors[who % 3];
        shares = shares % 3 == 0 ? pool.sharesOf(actor) : bound(shares, 0, pool.sharesOf(actor));
        vm.prank(actor);
        try pool.requestExit(shares) {
            ++done["exit"];
        } catch (bytes memory reason) {
            assertEq(bytes4(reason), IDelegationPool.AmountTooSmall.selector);
        }
    }

    function claim(uint256 jump, uint256 who, uint256 batch) external {
        _jump(jump);
        (uint256 last,) = pool.currentBatches();
        batch = bound(batch, 1, last);
        (uint256 worth,,, uint256 all,) = pool.batches(batch);
        address actor = actors[who % 3];
        uint256 mine = pool.exitSharesOf(batch, actor);
        vm.prank(actor);
        try pool.claim(batch, actor) returns (uint256 assets) {
            assertLe(assets, worth * mine / all);
            ++done["claim"];
        } catch { }
    }

    function own(uint256 jump, uint256 amount) external {
        _jump(jump);
        _stakeOperator(_amount(amount));
        ++done["own"];
    }

    /// @dev Announces, waits a while, and asks back if it may; what is announced and not due stays for another time.
    function operatorExit(uint256 jump, uint256 amount) external {
        _jump(jump);
        uint256 active = pool.totals().operatorStake;
        (, uint256 from) = pool.operatorExit();
        vm.startPrank(operator);
        if (from == 0 && active != 0) from = pool.announceOperatorExit(bound(amount, 1, active));
        if (from > vm.getBlockTimestamp() && amount % 2 == 0) vm.warp(from);
        try pool.requestOperatorExit() {
            assertGe(vm.getBlockTimestamp(), from);
            ++done["operatorExit"];
        } catch { }
        vm.stopPrank();
    }

    function takeBack(uint256 jump, uint256 who, uint256 exitShares) external {
        _jump(jump);
        address actor = actors[who % 3];
        (uint256 batch,) = pool.currentBatches();
        uint256 mine = pool.exitSharesOf(batch, actor);
        exitShares = exitShares % 3 == 0 ? mine : bound(exitShares, 0, mine);
        uint256 seen = pool.revision();
        vm.prank(actor);
        try pool.takeBackExit(exitShares, seen) {
            ++done["takeBack"];
        } catch (bytes memory reason) {
            assertEq(bytes4(reason), IDelegationPool.AmountTooSmall.selector);
        }
    }

    /// @dev The operator announces for a market that it has no right to, narrows one, and allocates as far as it can.
    function policy(uint256 jump, uint256 which, uint256 exposure) external {
        _jump(jump);
        uint256 marketId = markets[which % 2];
        uint16 units = uint16(bound(exposure, 1, EXPOSURE));
        IDelegationPoolPolicies.Policy memory policy_ = policies.policyOf(address(pool), marketId);
        vm.startPrank(operator);
        if (exposure % 4 == 0 && policy_.exposure > 1) {
            pool.narrowMarket(marketId, units % policy_.exposure, policy_.fromVersion, policy_.toVersion);
            ++done["narrow"];
        } else if (exposure % 4 == 1) {
            bool alone = _isAlone();
            uint256 from = pool.announceMarket(marketId, units, 1, 1);
            assertEq(from, vm.getBlockTimestamp() + (alone ? 0 : NOTICE));
            ++done["announce"];
        } else {
            try pool.allocate(marketId, 1, units) {
                assertLe(units, policy_.exposure);
                ++done["allocateOther"];
            } catch { }
        }
        vm.stopPrank();
    }

    function _isAlone() private view returns (bool) {
        IDelegationPool.Totals memory t = pool.totals();
        return t.delegated + t.exiting == 0;
    }

    function credit(uint256 jump, uint256 amount) external {
        _jump(jump);
        _credit(_amount(amount) / 10 + 1);
        if (amount % 2 == 0) pool.harvest();
        ++done["credit"];
    }

    function open(uint256 jump, uint256 bond) external {
        _jump(jump);
        // The mock gives out slots that the pool could not be drawn for.
        uint256 most = registry.allocationOf(id, address(pool)) * UNIT;
        if (pending.id != 0 || most < 2) return;
        _reinstate();
        pending = _openForPool(uint96(bond % 3 == 0 ? most : bound(bond, 2, most)));
        pendingTerms = terms;
        ++done["open"];
    }

    /// @dev As the pool's node does after misses.
    function _reinstate() private {
        if (!registry.positionOf(id, address(pool)).suspended) return;
        address hot = makeAddr("hot");
        if (registry.proverOfSubmitter(hot) == address(0)) {
            vm.prank(operator);
            pool.setSubmitter(hot, true);
            vm.prank(hot);
            registry.serve(address(pool));
        }
        vm.prank(hot);
        registry.reinstate(id);
    }

    function end(uint256 jump, uint256 how) external {
        if (pending.id == 0) return;
        (Slot memory slot, Terms memory current) = (pending, terms);
        terms = pendingTerms;
        uint256 expiresAt = slot.openedAt + EXPIRY;
        if (how % 4 == 0 && vm.getBlockTimestamp() < expiresAt) {
            _prove(slot, address(pool));
            ++done["prove"];
        } else if (how % 4 != 1 && vm.getBlockTimestamp() < expiresAt) {
            if (vm.getBlockTimestamp() < slot.exclusiveUntil) vm.warp(slot.exclusiveUntil);
            _prove(slot, stranger);
            ++done["slash"];
        } else {
            if (vm.getBlockTimestamp() < expiresAt) vm.warp(expiresAt);
            market.expire(slot, terms, new uint256[](0));
        }
        terms = current;
        delete pending;
        _jump(jump);
    }

    function allocation(uint256 jump, uint256 units) external {
        _jump(jump);
        uint256 most = (registry.freeStake(address(pool)) / UNIT) + registry.allocationOf(id, address(pool));
        if (most > 511) most = 511;
        vm.prank(operator);
        try pool.allocate(id, bound(units, most / 2, most), EXPOSURE) {
            ++done["allocate"];
        } catch { }
    }

    function advance(uint256 jump) external {
        _jump(jump);
        try pool.advance() {
            ++done["advance"];
        } catch { }
    }

    function freeUp(uint256 jump) external {
        _jump(jump);
        try pool.freeUp(id) {
            ++done["freeUp"];
        } catch { }
    }

    function withdraw(uint256 jump) external {
        _jump(jump);
        if (pool.owedToOperator() == 0) return;
        vm.prank(operator);
        pool.withdrawOperator(operator);
    }

    function _jump(uint256 jump) private {
        if (jump % 2 == 0) _skip(jump % (jump % 8 == 0 ? EXIT_TIME : 300));
    }

    function _amount(uint256 amount) private pure returns (uint256) {
        return amount % 5 == 0 ? bound(amount, 1, 1e6) : bound(amount, 0.1 ether, 100 ether);
    }

    // ------------------------------------------------------------------ what must hold

    function invariant_TheBookIsTheStake() public view {
        _assertBooked();
    }

    function invariant_SharesAreBackedUpToDust() public view {
        IDelegationPool.Totals memory t = pool.totals();
        uint256 worth;
        uint256 shares;
        for (uint256 i; i < 3; ++i) {
            worth += pool.assetsOf(actors[i]);
            shares += pool.sharesOf(actors[i]);
        }
        assertEq(shares, t.shares, "shares");
        uint256 vestedAssets = t.delegated - t.unvested;
        assertLe(worth, vestedAssets, "backed");
        // Rounding, and what the virtual shares hold.
        if (shares != 0) assertLe(vestedAssets - worth, 4 + (vestedAssets + 1) * 1e6 / (shares + 1e6), "dust");
        else assertEq(t.delegated, 0, "nobody's");
    }

    function invariant_ExitsAreBacked() public view {
        (uint256 last, uint256 unbonding) = pool.currentBatches();
        uint256 idle = pool.owedToOperator();
        for (uint256 batch = 1; batch <= last; ++batch) {
            (uint256 assets,,, uint256 all,) = pool.batches(batch);
            uint256 claims;
            uint256 shares;
            for (uint256 i; i < 3; ++i) {
                uint256 mine = pool.exitSharesOf(batch, actors[i]);
                shares += mine;
                if (mine != 0) claims += assets * mine / all;
            }
            assertEq(shares, all, "exit shares");
            assertLe(claims, assets, "exits backed");
            assertLe(assets, all, "an exit share is a wei at most");
            if (batch != last && batch != unbonding) idle += assets;
        }
        assertEq(token.balanceOf(address(pool)), idle, "the pool holds what it owes");
    }

    /// @dev Whatever was done: the pool's position in every market is within its policy there.
    function invariant_NothingButByAnnouncedTerms() public view {
        for (uint256 i; i < 3; ++i) {
            uint256 marketId = i == 2 ? id : markets[i];
            IDelegationPoolPolicies.Policy memory policy_ = policies.policyOf(address(pool), marketId);
            IProverRegistry.Position memory position = registry.positionOf(marketId, address(pool));
            assertLe(position.exposure, policy_.exposure, "exposure");
            if (position.units == 0) continue;
            assertGt(policy_.exposure, 0, "no policy");
            assertGe(position.fromVersion, policy_.fromVersion, "from");
            assertLe(position.toVersion, policy_.toVersion, "to");
        }
    }

    /// @dev Every exit is paid, in the time it may take, whatever state the pool is in.
    function afterInvariant() public {
        uint256 asked = vm.getBlockTimestamp();
        uint256[3] memory batch;
        for (uint256 i; i < 3; ++i) {
            if (pool.assetsOf(actors[i]) != 0) (batch[i],) = _exitAll(actors[i]);
        }
        _freeUp();
        if (pending.id != 0) this.end(1, 1);
        for (uint256 i; i < 4; ++i) {
            try pool.advance() { } catch { }
            (, uint256 unbonding) = pool.currentBatches();
            if (unbonding == 0) break;
            (,, uint256 readyAt,,) = pool.batches(unbonding);
            if (readyAt > vm.getBlockTimestamp()) vm.warp(readyAt);
        }
        assertLe(vm.getBlockTimestamp() - asked, NOTICE, "too long");
        for (uint256 i; i < 3; ++i) {
            if (batch[i] == 0) continue;
            (uint256 assets,,, uint256 all,) = pool.batches(batch[i]);
            uint256 due = assets * pool.exitSharesOf(batch[i], actors[i]) / all;
            assertEq(_claim(actors[i], batch[i]), due, "paid");
        }
    }

    function _freeUp() private {
        for (uint256 i; i < 3; ++i) {
            try pool.freeUp(i == 2 ? id : markets[i]) { } catch { }
        }
    }

    /// @dev The actions are worth something only if they succeed often.
    function test_TheActionsReachEverything() public {
        for (uint256 i; i < 1500; ++i) {
            uint256 random = uint256(keccak256(abi.encode(i)));
            (uint256 jump, uint256 a, uint256 b) = (random >> 8, random >> 40, random >> 96);
            uint256 kind = random % 15;
            if (kind < 2) this.delegate(jump, a, b);
            if (kind == 2) this.exit(jump, a, b);
            if (kind == 3) this.claim(jump, a, b);
            if (kind == 4) this.own(jump, b);
            if (kind == 5) this.operatorExit(jump, b);
            if (kind == 6) this.credit(jump, b);
            if (kind == 7) this.open(jump, b);
            if (kind == 8) this.end(jump, b);
            if (kind == 9) this.allocation(jump, b);
            if (kind == 10) this.advance(jump);
            if (kind == 11) this.freeUp(jump);
            if (kind == 12) this.withdraw(jump);
            if (kind == 13) this.takeBack(jump, a, b);
            if (kind == 14) this.policy(jump, a, b);
            invariant_TheBookIsTheStake();
            invariant_NothingButByAnnouncedTerms();
            if (i % 50 == 0) {
                invariant_SharesAreBackedUpToDust();
                invariant_ExitsAreBacked();
            }
        }
        bytes32[15] memory kinds = [
            bytes32("delegate"),
            "exit",
            "claim",
            "own",
            "operatorExit",
            "credit",
            "open",
            "prove",
            "slash",
            "allocate",
            "freeUp",
            "takeBack",
            "announce",
            "narrow",
            "allocateOther"
        ];
        for (uint256 i; i < kinds.length; ++i) {
            assertGe(done[kinds[i]], 3, string(abi.encodePacked(kinds[i])));
        }
        afterInvariant();
    }
}
