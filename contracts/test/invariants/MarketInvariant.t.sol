// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Slot, Terms} from "../../src/interfaces/IProofMarket.sol";
import {MarketFixture} from "../MarketFixture.sol";
import {MarketHandler} from "./MarketHandler.sol";

/// @notice Every asset wei belongs to exactly one of funds, escrow, credits, burned; every bond to an open slot.
contract MarketInvariantTest is MarketFixture {
    MarketHandler private handler;

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

    function invariant_TheRegistryHoldsEveryStake() public view {
        uint256 stakes;
        for (uint256 a; a < handler.actorCount(); ++a) {
            stakes += registry.proverOf(handler.actors(a)).stake;
        }
        assertEq(token.balanceOf(address(registry)), stakes);
    }
}
