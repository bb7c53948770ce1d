// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { TransferOffer } from "../../src/interfaces/ISlotTransfers.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { MarketFixture } from "../MarketFixture.sol";
import { SlotTransferDigest } from "./SlotTransferDigest.sol";

/// @notice Three provers with stake and credit, each with a hot key of its own, that hand slots to each other.
abstract contract SlotTransferFixture is MarketFixture {
    uint256 internal constant CREDIT = 50 ether;

    uint256 internal aliceKey;
    address internal aliceHot = makeAddr("alice's hot key");
    address internal bobHot = makeAddr("bob's hot key");

    function setUp() public virtual override {
        super.setUp();
        (, aliceKey) = makeAddrAndKey("alice");
        _stake(carol, id, 50);
        _submitter(alice, aliceHot);
        _submitter(bob, bobHot);
        address[3] memory provers = [alice, bob, carol];
        for (uint256 i; i < provers.length; ++i) {
            _credit(provers[i], CREDIT);
        }
    }

    function _credit(address account, uint256 amount) internal {
        vm.prank(creator);
        market.defund(id, amount, account);
    }

    function _now() internal view returns (uint40) {
        return uint40(vm.getBlockTimestamp());
    }

    /// @dev To `to`, or anyone if zero, good for as long as a slot opened now is held.
    function _offerTo(address to, int96 price) internal view returns (TransferOffer memory) {
        return TransferOffer({ to: to, price: price, validUntil: _now() + EXCLUSIVE });
    }

    /// @dev The slot after `to` took it.
    function _heldBy(Slot memory slot, address to) internal pure returns (Slot memory held) {
        held = abi.decode(abi.encode(slot), (Slot));
        held.prover = to;
    }

    function _digest(Slot memory slot, TransferOffer memory offer) internal view returns (bytes32) {
        return SlotTransferDigest.hash(address(slotTransfers), slot, terms, offer);
    }

    function _sign(uint256 key, Slot memory slot, TransferOffer memory offer) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, _digest(slot, offer));
        return abi.encodePacked(r, s, v);
    }

    function _offerTransfer(address sender, Slot memory slot, TransferOffer memory offer) internal returns (bytes32) {
        vm.prank(sender);
        return slotTransfers.offerTransfer(slot, terms, offer);
    }

    function _offerTransferFails(address sender, Slot memory slot, TransferOffer memory offer, bytes memory error)
        internal
    {
        vm.prank(sender);
        vm.expectRevert(error);
        slotTransfers.offerTransfer(slot, terms, offer);
    }

    function _revoke(address sender, Slot memory slot, TransferOffer memory offer) internal {
        vm.prank(sender);
        slotTransfers.revokeTransfer(slot, terms, offer);
    }

    function _revokeFails(address sender, Slot memory slot, TransferOffer memory offer, bytes memory error) internal {
        vm.prank(sender);
        vm.expectRevert(error);
        slotTransfers.revokeTransfer(slot, terms, offer);
    }

    /// @dev `taker` takes the slot itself; returns the slot as it then is.
    function _take(Slot memory slot, TransferOffer memory offer, address taker, bytes memory signature)
        internal
        returns (Slot memory held)
    {
        return _takeBy(taker, slot, offer, taker, signature);
    }

    function _takeBy(
        address sender,
        Slot memory slot,
        TransferOffer memory offer,
        address taker,
        bytes memory signature
    ) internal returns (Slot memory held) {
        vm.prank(sender);
        slotTransfers.acceptTransfer(slot, terms, offer, taker, signature);
        held = _heldBy(slot, taker);
        assertTrue(market.isOpen(held, terms), "changed more than the holder");
    }

    function _takeFails(Slot memory slot, TransferOffer memory offer, address taker, bytes memory error) internal {
        _takeByFails(taker, slot, offer, taker, "", error);
    }

    function _takeByFails(
        address sender,
        Slot memory slot,
        TransferOffer memory offer,
        address taker,
        bytes memory signature,
        bytes memory error
    ) internal {
        vm.prank(sender);
        vm.expectRevert(error);
        slotTransfers.acceptTransfer(slot, terms, offer, taker, signature);
    }

    /// @dev The slot is transferred on-chain at no price.
    function _pass(Slot memory slot, address from, address to) internal returns (Slot memory) {
        TransferOffer memory offer = TransferOffer({ to: to, price: 0, validUntil: type(uint40).max });
        _offerTransfer(from, slot, offer);
        return _take(slot, offer, to, "");
    }

    function _error(bytes4 selector) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector);
    }

    function _notOpen() internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IProofMarketEvents.SlotNotOpen.selector, SlotState.None);
    }

    /// @dev All that an account has in the system and out of it.
    function _worth(address account) internal view returns (uint256) {
        return market.credits(account) + registry.proverOf(account).stake + token.balanceOf(account);
    }
}
