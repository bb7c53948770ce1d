// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { Slot } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { MarketFixture } from "../MarketFixture.sol";
import { MarketHandler } from "./MarketHandler.sol";

/// @notice Every asset wei belongs to exactly one of funds, escrow, credits, burned; every bond to an open slot.
contract MarketInvariantTest is MarketFixture {
    MarketHandler private handler;

    /// @dev So few misses that slots open to all because of them now and then.
    function _params() internal view override returns (IProverRegistry.Params memory params) {
        params = super._params();
        params.openAfter = 2;
    }

    function setUp() public override {
        super.setUp();
        _stake(carol, id, 60);
        address[] memory actors = new address[](4);
        (actors[0], actors[1], actors[2], actors[3]) = (alice, bob, carol, stranger);
        handler = new MarketHandler(market, mechanism, id, terms, creator, actors);
        vm.prank(creator);
        market.defund(id, 900 ether, stranger);
        targetContract(address(handler));
    }

    /// @dev The handler is worth something only if what it tries succeeds often.
    function test_TheHandlerReachesEverything() public {
        for (uint256 i; i < 1500; ++i) {
            uint256 random = uint256(keccak256(abi.encode(i)));
            (uint256 jump, uint256 a, uint256 b) = (random >> 8, random >> 40, random >> 96);
            uint256 kind = random % 11;
            if (kind < 2) handler.open(jump, a, uint96(b), uint32(b));
            if (kind == 2) handler.assign(jump, a, b, uint96(b));
            if (kind == 3 || kind == 4) handler.prove(jump, a, b, kind == 4);
            if (kind == 5) handler.expire(jump, a, b % 2 == 0);
            if (kind == 6 && b % 2 == 0) handler.cancel(jump, a);
            if (kind == 6 && b % 2 == 1) handler.drop(jump, a);
            if (kind == 7) handler.withdraw(jump, a, uint96(b));
            if (kind == 8) handler.fund(jump, uint96(b));
            if (kind == 9 && b % 6 == 0) handler.defund(jump, a, uint96(b % 1 ether));
            if (kind == 9 && b % 6 == 1) handler.sweep(jump);
            if (kind == 9 && b % 6 == 2) handler.setTerms(jump, uint96(a), uint96(b), uint16(b));
            if (kind == 9 && b % 6 == 3) handler.improveTerms(jump, uint96(a), uint96(b));
            if (kind == 9 && b % 6 == 4) handler.awaitTerms();
            if (kind == 10) handler.comeBack(jump, a);
        }
        bytes32[14] memory kinds = [
            bytes32("open"),
            "open to all",
            "assign",
            "prove",
            "rescue",
            "expire",
            "cancel",
            "drop",
            "fund",
            "defund",
            "withdraw",
            "sweep",
            "terms",
            "better terms"
        ];
        for (uint256 i; i < kinds.length; ++i) {
            assertGe(handler.done(kinds[i]), 1, string(abi.encodePacked(kinds[i])));
        }
        invariant_EveryTokenBelongsToExactlyOne();
        invariant_EveryBondBelongsToAnOpenSlot();
        invariant_BondsAreTakenAsTheirProverAccepted();
    }

    function invariant_EveryTokenBelongsToExactlyOne() public view {
        uint256 owed = _funds() + market.burned();
        for (uint256 i; i < handler.openCount(); ++i) {
            (Slot memory slot,) = handler.openAt(i);
            owed += slot.price;
        }
        for (uint256 i; i < handler.actorCount(); ++i) {
            owed += market.credits(handler.actors(i));
        }
        assertEq(token.balanceOf(address(market)), owed);
    }

    function invariant_EveryBondBelongsToAnOpenSlot() public view {
        for (uint256 a; a < handler.actorCount(); ++a) {
            address actor = handler.actors(a);
            uint256 bonds;
            for (uint256 i; i < handler.openCount(); ++i) {
                (Slot memory slot, Terms memory terms_) = handler.openAt(i);
                if (slot.prover == actor) bonds += terms_.bond;
            }
            assertEq(registry.bondedOf(id, actor), bonds);
        }
    }

    /// @dev Slots that the handler holds to be open are, and no more than the ring has room for.
    function invariant_OpenSlotsAreOpen() public view {
        assertLe(handler.openCount(), CAPACITY);
        for (uint256 i; i < handler.openCount(); ++i) {
            (Slot memory slot, Terms memory terms_) = handler.openAt(i);
            assertTrue(market.isOpen(slot, terms_));
        }
    }

    /// @dev A bond is taken under a version that its prover accepted, and with it no more is open than the prover exposed.
    function invariant_BondsAreTakenAsTheirProverAccepted() public view {
        assertEq(handler.unaccepted(), 0);
    }

    /// @dev No prover has more at stake at once than all that it ever exposed could back.
    function invariant_NoPositionBacksMoreThanItsStake() public view {
        for (uint256 a; a < handler.actorCount(); ++a) {
            IProverRegistry.Prover memory prover = registry.proverOf(handler.actors(a));
            assertLe(registry.bondedOf(id, handler.actors(a)), prover.allocated);
            assertLe(prover.allocated, prover.stake - prover.unbonding);
        }
    }

    function invariant_TheRegistryHoldsEveryStake() public view {
        uint256 stakes;
        for (uint256 a; a < handler.actorCount(); ++a) {
            stakes += registry.proverOf(handler.actors(a)).stake;
        }
        assertEq(token.balanceOf(address(registry)), stakes);
    }
}
