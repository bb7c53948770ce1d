// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { TransferOffer } from "../../src/interfaces/ISlotTransfers.sol";
import { Bps } from "../../src/libraries/Bps.sol";
import { Slot } from "../../src/types/Slot.sol";
import { MarketFixture } from "../MarketFixture.sol";

/// @notice Missing one's own slot and rescuing it through a second address, under every setting that the rules for terms
/// accept: a loss alone, with the requester and the market's creator, and by way of a slot transfer.
contract SelfRescueTest is MarketFixture {
    struct Seeds {
        uint96 price;
        uint96 bond;
        uint32 fast;
        uint32 exclusive;
        uint32 expiry;
        uint16 floorBps;
        uint16 rescuerBps;
        uint16 requesterBps;
        uint16 forfeitBps;
        uint96 leastRescue;
        uint96 slotPrice;
        uint32 inTime;
        uint32 late;
        bool handsOver;
    }

    /// @dev Any window that a field can hold.
    function _params() internal view override returns (IProverRegistry.Params memory params) {
        params = super._params();
        params.maxWindow = type(uint32).max;
        params.unbonding = type(uint32).max;
    }

    function setUp() public override {
        super.setUp();
        _stake(alice, id, 300);
        _stake(carol, id, 300);
        _fund(id, 2_000_000 ether);
    }

    /// @dev Reaches all of what the rules accept with a bond, and nothing else: the market agrees.
    function _accept(Seeds memory s) private {
        terms.exclusiveWindow = uint32(bound(s.exclusive, 1, type(uint32).max / 2));
        terms.fastWindow = uint32(bound(s.fast, 0, terms.exclusiveWindow));
        terms.expiryWindow = uint32(bound(s.expiry, 2 * uint256(terms.exclusiveWindow), type(uint32).max));
        terms.floorBps = uint16(bound(s.floorBps, 1, 10_000));
        terms.rescuerBps = uint16(bound(s.rescuerBps, 1, 9500));
        terms.requesterBps = uint16(bound(s.requesterBps, 0, 9500 - terms.rescuerBps));
        terms.forfeitBps = uint16(bound(s.forfeitBps, 100, 10_000));
        // The premium is at least a wei, and more than what is lost of the price at its floor.
        uint256 least = (10_000 + terms.rescuerBps - 1) / terms.rescuerBps;
        terms.bond = uint96(bound(s.bond, least, s.bond % 4 == 0 ? least + 100 : 300 ether));
        uint256 share = Bps.down(terms.bond, terms.rescuerBps);
        terms.leastRescue = uint96(bound(s.leastRescue, 1, share));
        uint256 most = 1_000_000 ether;
        if (terms.floorBps != 10_000) {
            uint256 highest = (share * 10_000 - 1) / (10_000 - uint256(terms.floorBps));
            if (highest < most) most = highest;
        }
        terms.price = uint96(bound(s.price, 1, most));
        _setTerms();
    }

    /// @dev All that a prover and its second address own.
    function _worth() private view returns (uint256) {
        return market.credits(alice) + market.credits(carol) + token.balanceOf(alice) + token.balanceOf(carol)
            + registry.proverOf(alice).stake + registry.proverOf(carol).stake;
    }

    /// @dev And what the requester and the creator have in the market besides.
    function _coalition() private view returns (uint256) {
        return _worth() + _funds();
    }

    function _offerTransfer(Slot memory slot) private returns (Slot memory) {
        TransferOffer memory offer = TransferOffer(carol, 0, uint40(vm.getBlockTimestamp()));
        vm.prank(alice);
        slotTransfers.offerTransfer(slot, terms, offer);
        vm.prank(carol);
        slotTransfers.acceptTransfer(slot, terms, offer, carol, "");
        slot.prover = carol;
        return slot;
    }

    /// forge-config: default.fuzz.runs = 1024
    /// forge-config: assure.fuzz.runs = 4096
    function testFuzz_SelfRescueLosesMoneyAtEverySetting(Seeds memory s) public {
        _accept(s);
        uint96 slotPrice = uint96(bound(s.slotPrice, 0, terms.price));
        uint256 alone = _worth();
        uint256 together = _coalition();
        Slot memory slot = _open(alice, slotPrice, 0);

        // Honest, as late as the window allows or sooner.
        uint256 snapshot = vm.snapshotState();
        vm.warp(slot.startedAt + bound(s.inTime, 0, terms.exclusiveWindow - 1));
        _prove(slot, alice);
        uint256 honest = _worth();
        if (slotPrice != 0) assertGt(honest, alone);
        assertEq(_coalition(), together, "honest work moves money inside the coalition only");
        vm.revertToState(snapshot);

        address rescuer = carol;
        if (s.handsOver) (slot, rescuer) = (_offerTransfer(slot), alice);
        vm.warp(slot.exclusiveUntil + bound(s.late, 0, terms.expiryWindow - terms.exclusiveWindow - 1));
        _prove(slot, rescuer);
        assertLt(_worth(), honest, "alone");
        assertLt(_coalition(), together, "with requester and creator");
        // What is missing was burned, a twentieth of the bond or more.
        assertEq(together - _coalition(), market.burned());
        assertGe(market.burned() * 20, terms.bond);
        // A rescue of somebody else's slot does pay, and more than the fee.
        assertGt(market.credits(rescuer), slotPrice);
        assertGe(market.credits(rescuer), terms.leastRescue);
    }

    /// @dev Letting it expire instead costs the coalition the forfeit.
    /// forge-config: default.fuzz.runs = 256
    /// forge-config: assure.fuzz.runs = 1024
    function testFuzz_LettingItExpireLosesMoneyToo(Seeds memory s) public {
        _accept(s);
        uint256 alone = _worth();
        uint256 together = _coalition();
        Slot memory slot = _open(alice, uint96(bound(s.slotPrice, 1, terms.price)), 0);
        vm.warp(uint256(slot.openedAt) + terms.expiryWindow);
        market.expire(slot, terms, _noInputs());
        assertEq(_worth(), alone);
        assertLt(_coalition(), together);
    }
}
