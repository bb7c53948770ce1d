// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProverRegistry } from "../src/interfaces/IProverRegistry.sol";
import { Bps } from "../src/libraries/Bps.sol";
import { RewardCurve } from "../src/libraries/RewardCurve.sol";
import { Slot } from "../src/types/Slot.sol";
import { MarketFixture } from "./MarketFixture.sol";

/// @notice What must hold for every terms that the market accepts.
contract ProofMarketFuzzTest is MarketFixture {
    struct Seeds {
        uint96 price;
        uint96 bond;
        uint32 fast;
        uint32 exclusive;
        uint16 floorBps;
        uint16 rescuerBps;
        uint16 requesterBps;
        uint16 forfeitBps;
        uint96 leastRescue;
        uint96 slotPrice;
        uint32 inTime;
        uint32 late;
    }

    function _params() internal view override returns (IProverRegistry.Params memory params) {
        params = super._params();
        (params.maxWindow, params.unbonding) = (3_000_000, 3_000_000);
    }

    /// @dev Terms with a bond, anywhere in what the rules accept; skips what they reject.
    function _accept(Seeds memory s) private returns (bool) {
        terms.price = uint96(bound(s.price, 1, 1_000_000 ether));
        terms.bond = uint96(bound(s.bond, 1, 100 ether));
        terms.exclusiveWindow = uint32(bound(s.exclusive, 1, 1_000_000));
        terms.fastWindow = uint32(bound(s.fast, 0, terms.exclusiveWindow));
        terms.expiryWindow = terms.exclusiveWindow * 3;
        terms.floorBps = uint16(bound(s.floorBps, 1, 10_000));
        terms.rescuerBps = uint16(bound(s.rescuerBps, 0, 10_000));
        terms.requesterBps = uint16(bound(s.requesterBps, 0, 10_000 - terms.rescuerBps));
        terms.forfeitBps = uint16(bound(s.forfeitBps, 100, 10_000));
        terms.leastRescue = uint96(bound(s.leastRescue, 1, 1 + Bps.down(terms.bond, terms.rescuerBps)));
        // What is missing for a rescue to pay more than the fee, the price gives up.
        if (s.price % 4 != 0) {
            uint256 premium = Bps.down(terms.bond, terms.rescuerBps);
            uint256 lost = terms.price - RewardCurve.floorOf(terms.price, terms.floorBps);
            if (lost >= premium) terms.price = uint96(bound(terms.price, 1, premium + 1));
        }
        try this.announce() {
            vm.warp(vm.getBlockTimestamp() + market.TERMS_NOTICE());
            return true;
        } catch {
            return false;
        }
    }

    /// @dev External, so that a refusal can be caught.
    function announce() external {
        _announceTerms();
    }

    function _before() private {
        // Bonds up to 100, and the largest price.
        _stake(alice, id, 300);
        _fund(id, 1_000_000 ether);
    }

    function testFuzz_LaterNeverPaysMore(Seeds memory s) public {
        _before();
        vm.assume(_accept(s));
        Slot memory slot = _open(alice, terms.price, 0);
        uint256 late = bound(s.late, 0, terms.expiryWindow - 1);
        uint256 early = bound(s.inTime, 0, late);
        uint256 snapshot = vm.snapshotState();
        vm.warp(slot.startedAt + early);
        _prove(slot, alice);
        uint256 soon = market.credits(alice);
        vm.revertToState(snapshot);
        vm.warp(slot.startedAt + late);
        _prove(slot, alice);
        assertGe(soon, market.credits(alice));
    }

    /// @dev Whatever price a mechanism gave the slot, a rescue is worth what the terms say at least.
    function testFuzz_ARescuePaysAtLeastWhatTheTermsSay(Seeds memory s) public {
        _before();
        vm.assume(_accept(s));
        Slot memory slot = _open(alice, uint96(bound(s.slotPrice, 0, terms.price)), 0);
        vm.warp(slot.exclusiveUntil + bound(s.late, 0, terms.expiryWindow - terms.exclusiveWindow - 1));
        _prove(slot, carol);
        assertGe(market.credits(carol), terms.leastRescue);
        assertGt(market.credits(carol), slot.price);
    }

    function testFuzz_ExpiryCostsTheRequesterAndNobodyElse(Seeds memory s) public {
        _before();
        vm.assume(_accept(s));
        uint256 fundsBefore = _funds();
        uint256 stakeBefore = registry.proverOf(alice).stake;
        Slot memory slot = _open(alice, terms.price, 0);
        vm.warp(slot.openedAt + terms.expiryWindow);
        _expire(slot);
        assertEq(registry.proverOf(alice).stake, stakeBefore);
        assertEq(registry.bondedOf(id, alice), 0);
        assertEq(fundsBefore - _funds(), market.burned());
        assertGe(market.burned() * 100, terms.price);
    }
}
