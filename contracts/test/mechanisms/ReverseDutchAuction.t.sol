// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IMechanism } from "../../src/interfaces/IMechanism.sol";
import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { IReverseDutchAuction } from "../../src/interfaces/IReverseDutchAuction.sol";
import { ReverseDutchAuction } from "../../src/mechanisms/ReverseDutchAuction.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { MarketFixture } from "../MarketFixture.sol";
import { console } from "forge-std/Test.sol";

/// @notice The price climbs from one to ten asset units in 180 seconds.
contract ReverseDutchAuctionTest is MarketFixture {
    uint96 private constant FLOOR = 1 ether;
    uint256 private constant RISE = 180;
    uint256 private constant LOCK_MAX = 90_000;
    uint256 private constant LOSING_LOCK_MAX = 45_000;
    string private constant VECTORS = "tests/vectors/mechanisms.json";

    ReverseDutchAuction private auction;

    function setUp() public override {
        super.setUp();
        auction = new ReverseDutchAuction(registry, address(market));
        terms.mechanism = address(auction);
        terms.mechanismParams = _pack(FLOOR, RISE);
        _setTerms();
    }

    function _pack(uint256 floorPrice, uint256 rise) private pure returns (bytes32) {
        return bytes32(rise << 96 | floorPrice);
    }

    function _openAuction() private returns (Slot memory) {
        vm.prank(requester);
        return market.openSlot(id, terms, 0, _statement(), "");
    }

    function _lock(Slot memory slot, address prover) private {
        vm.prank(prover);
        auction.lock(slot, terms, prover);
    }

    /// @dev The slot as it is once locked now.
    function _locked(Slot memory slot, address prover) private view returns (Slot memory locked) {
        locked = abi.decode(abi.encode(slot), (Slot));
        locked.prover = prover;
        locked.price = auction.priceAt(slot, terms, vm.getBlockTimestamp());
        locked.startedAt = uint40(vm.getBlockTimestamp());
        locked.exclusiveUntil = locked.startedAt + EXCLUSIVE;
    }

    // ---------------------------------------------------------------- the interface

    function test_Constructor() public view {
        assertEq(address(auction.registry()), address(registry));
    }

    function test_RevertOnOpen_WhenNotMarket() public {
        vm.expectRevert(IMechanism.NotMarket.selector);
        auction.onOpen(id, 1, terms, "");
    }

    function _rejects(bytes32 field) private {
        vm.expectRevert(abi.encodeWithSelector(IMechanism.MechanismTermsRejected.selector, field));
        auction.validateTerms(terms);
    }

    function test_ValidateTerms() public {
        auction.validateTerms(terms);
        terms.mechanismParams = _pack(PRICE, 1);
        auction.validateTerms(terms);
        terms.mechanismParams = _pack(0, EXPIRY - 2 * EXCLUSIVE);
        auction.validateTerms(terms);
    }

    function test_RevertValidateTerms_WhenParamsHaveOtherBits() public {
        terms.mechanismParams |= bytes32(uint256(1) << 128);
        _rejects("mechanismParams");
        terms.mechanismParams = _pack(FLOOR, RISE) | bytes32(uint256(1) << 255);
        _rejects("mechanismParams");
    }

    function test_RevertValidateTerms_WhenFloorIsAboveThePrice() public {
        terms.mechanismParams = _pack(uint256(PRICE) + 1, RISE);
        _rejects("floorPrice");
    }

    function test_RevertValidateTerms_WhenRiseIsZero() public {
        terms.mechanismParams = _pack(FLOOR, 0);
        _rejects("rise");
    }

    function test_RevertValidateTerms_WhenBondIsZero() public {
        terms.bond = 0;
        _rejects("bond");
    }

    function test_RevertValidateTerms_WhenWindowsDoNotFit() public {
        terms.mechanismParams = _pack(FLOOR, EXPIRY - 2 * EXCLUSIVE + 1);
        _rejects("expiryWindow");
        terms.mechanismParams = _pack(FLOOR, type(uint32).max);
        terms.exclusiveWindow = type(uint32).max;
        terms.expiryWindow = type(uint32).max;
        _rejects("expiryWindow");
    }

    // ---------------------------------------------------------------- the price

    function test_PriceMatchesVectors() public {
        string memory json = vm.readFile(VECTORS);
        Slot memory slot;
        uint256 i;
        for (;; ++i) {
            string memory key = string.concat(".dutch.cases[", vm.toString(i), "]");
            if (!vm.keyExistsJson(json, key)) break;
            terms.price = uint96(vm.parseJsonUint(json, string.concat(key, ".cap")));
            terms.mechanismParams = _pack(
                vm.parseJsonUint(json, string.concat(key, ".floor")),
                vm.parseJsonUint(json, string.concat(key, ".rise"))
            );
            slot.openedAt = uint40(vm.parseJsonUint(json, string.concat(key, ".openedAt")));
            uint256 time = vm.parseJsonUint(json, string.concat(key, ".time"));
            assertEq(auction.priceAt(slot, terms, time), vm.parseJsonUint(json, string.concat(key, ".price")), key);
        }
        assertGe(i, 40);
    }

    /// @dev While nobody takes it the price never falls, from the floor to the cap.
    function testFuzz_PriceNeverFalls(uint96 floorPrice, uint96 cap, uint32 rise, uint40 early, uint40 late)
        public
        view
    {
        Terms memory any = terms;
        any.price = cap;
        floorPrice = uint96(bound(floorPrice, 0, cap));
        rise = uint32(bound(rise, 1, type(uint32).max));
        late = uint40(bound(late, 0, 2 * uint256(rise)));
        early = uint40(bound(early, 0, late));
        any.mechanismParams = _pack(floorPrice, rise);
        Slot memory slot;
        slot.openedAt = 1_700_000_000;
        uint96 soon = auction.priceAt(slot, any, slot.openedAt + early);
        uint96 after_ = auction.priceAt(slot, any, slot.openedAt + late);
        assertLe(soon, after_);
        assertGe(soon, floorPrice);
        assertLe(after_, cap);
        assertEq(auction.priceAt(slot, any, slot.openedAt), floorPrice);
        assertEq(auction.priceAt(slot, any, uint256(slot.openedAt) + rise), cap);
        assertEq(auction.priceAt(slot, any, type(uint256).max), cap);
    }

    // ---------------------------------------------------------------- locking

    function test_Open() public {
        Slot memory slot = _openAuction();
        assertEq(slot.prover, address(0));
        assertEq(slot.price, PRICE);
        assertEq(slot.exclusiveUntil, slot.openedAt + RISE);
    }

    function test_Lock() public {
        uint256 funds = _funds();
        Slot memory slot = _openAuction();
        vm.warp(slot.openedAt + 60);
        Slot memory locked = _locked(slot, alice);
        assertEq(locked.price, 4 ether);
        vm.expectEmit(address(market));
        emit IProofMarketEvents.SlotAssigned(id, slot.id, alice, locked);
        _lock(slot, alice);
        assertEq(_funds(), funds - 4 ether);
        assertEq(registry.bondedOf(id, alice), BOND);

        // Its clock starts with the lock, and the price stays.
        vm.warp(locked.startedAt + FAST);
        _prove(locked, alice);
        assertEq(market.credits(alice), 4 ether);
        assertEq(registry.bondedOf(id, alice), 0);
    }

    function test_LockAtOnceAndInTheLastSecond() public {
        Slot memory slot = _openAuction();
        Slot memory locked = _locked(slot, alice);
        assertEq(locked.price, FLOOR);
        _lock(slot, alice);
        _prove(locked, alice);

        slot = _openAuction();
        vm.warp(slot.openedAt + RISE - 1);
        locked = _locked(slot, bob);
        assertEq(locked.price, PRICE - 0.05 ether);
        _lock(slot, bob);
        assertTrue(market.isOpen(locked, terms));
    }

    function test_SubmitterLocks() public {
        _submitter(alice, stranger);
        Slot memory slot = _openAuction();
        vm.prank(stranger);
        auction.lock(slot, terms, alice);
        assertEq(registry.bondedOf(id, alice), BOND);
    }

    function test_RevertLock_WhenOpenToAll() public {
        Slot memory slot = _openAuction();
        vm.warp(slot.openedAt + RISE);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.SlotOpenToAll.selector, slot.exclusiveUntil));
        auction.lock(slot, terms, alice);
        _prove(slot, stranger);
        assertEq(market.credits(stranger), PRICE);
    }

    function test_RevertLock_WhenStakeIsTooLittle() public {
        vm.startPrank(stranger);
        registry.register("");
        _allocate(id, 0);
        vm.stopPrank();
        Slot memory slot = _openAuction();
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, 0, BOND));
        auction.lock(slot, terms, stranger);
    }

    /// @dev The market does not have a stranger to its terms hold a slot, and the reverting call changes nothing.
    function test_RevertLock_WhenTheTermsAreNotAccepted() public {
        uint32 version = terms.version;
        vm.prank(alice);
        registry.allocate(id, 200, MAX_UNITS, version + 1, version + 1);
        Slot memory slot = _openAuction();
        vm.prank(alice);
        vm.expectRevert(
            abi.encodeWithSelector(IProverRegistry.TermsNotAccepted.selector, version, version + 1, version + 1)
        );
        auction.lock(slot, terms, alice);
        assertTrue(market.isOpen(slot, terms));
    }

    function test_RevertLock_WhenCancelled() public {
        Slot memory slot = _openAuction();
        vm.prank(requester);
        market.cancel(slot, terms, _noInputs());
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.SlotNotOpen.selector, SlotState.Cancelled));
        auction.lock(slot, terms, alice);
    }

    // ---------------------------------------------------------------- attacks

    /// @dev The second finds the slot changed: neither the old slot nor the one locked can be had.
    function test_Attack_LockAfterAnothersLock() public {
        Slot memory slot = _openAuction();
        vm.warp(slot.openedAt + 10);
        Slot memory locked = _locked(slot, alice);
        _lock(slot, alice);
        vm.startPrank(bob);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.SlotNotOpen.selector, SlotState.None));
        auction.lock(slot, terms, bob);
        vm.expectRevert(IProofMarketEvents.SlotAlreadyAssigned.selector);
        auction.lock(locked, terms, bob);
        vm.stopPrank();
        assertEq(registry.bondedOf(id, alice), BOND);
        assertEq(registry.bondedOf(id, bob), 0);
    }

    /// @dev Nobody is bound by another: not by a stranger, not by another prover or its submitter.
    function test_Attack_LockForAnother() public {
        _submitter(bob, carol);
        // Asked to be alice's, and not having agreed, a key is not hers either.
        vm.prank(alice);
        registry.setSubmitter(carol, true);
        Slot memory slot = _openAuction();
        address[3] memory senders = [stranger, bob, carol];
        for (uint256 i = 0; i < senders.length; ++i) {
            vm.prank(senders[i]);
            vm.expectRevert(IReverseDutchAuction.NotAuthorised.selector);
            auction.lock(slot, terms, alice);
        }
        assertEq(registry.bondedOf(id, alice), 0);
        assertTrue(market.isOpen(slot, terms));
    }

    /// @dev A slot said to have opened earlier would have climbed higher.
    function test_Attack_ForgedSlotOrTerms() public {
        Slot memory slot = _openAuction();
        bytes memory notOpen = abi.encodeWithSelector(IProofMarketEvents.SlotNotOpen.selector, SlotState.None);
        vm.startPrank(alice);
        slot.openedAt -= 100;
        vm.expectRevert(notOpen);
        auction.lock(slot, terms, alice);
        slot.openedAt += 200;
        vm.expectRevert(notOpen);
        auction.lock(slot, terms, alice);
        slot.openedAt -= 100;

        terms.mechanismParams = _pack(PRICE, RISE);
        vm.expectRevert(notOpen);
        auction.lock(slot, terms, alice);
        terms.mechanismParams = _pack(type(uint96).max, 0);
        vm.expectRevert(notOpen);
        auction.lock(slot, terms, alice);
        terms.mechanismParams = _pack(type(uint96).max, type(uint32).max);
        vm.warp(slot.openedAt + 1);
        vm.expectRevert(notOpen);
        auction.lock(slot, terms, alice);
    }

    /// @dev A slot of a market with another mechanism.
    function test_Attack_LockOfAnotherMechanismsSlot() public {
        terms = _defaultTerms();
        _setTerms();
        Slot memory slot = _open(address(0), PRICE, uint40(block.timestamp + 100));
        vm.prank(alice);
        vm.expectRevert(IProofMarketEvents.NotMechanism.selector);
        auction.lock(slot, terms, alice);
    }

    function testFuzz_LockPaysTheCurve(uint256 delay) public {
        delay = bound(delay, 0, RISE - 1);
        Slot memory slot = _openAuction();
        vm.warp(slot.openedAt + delay);
        Slot memory locked = _locked(slot, alice);
        assertEq(locked.price, FLOOR + uint256(PRICE - FLOOR) * delay / RISE);
        uint256 funds = _funds();
        _lock(slot, alice);
        assertEq(_funds(), funds + PRICE - locked.price);
        _prove(locked, alice);
        assertEq(market.credits(alice), locked.price);
    }

    // ---------------------------------------------------------------- gas

    function _used(string memory name) private view returns (uint256 used) {
        used = vm.lastCallGas().gasTotalUsed;
        console.log(name, used);
    }

    /// @dev Whole transactions: the first lock, one on storage written before, by a submitter, and one that comes too late.
    /// forge-config: default.isolate = true
    function test_Gas() public {
        _submitter(alice, stranger);
        for (uint256 i = 0; i < 2 * CAPACITY; ++i) {
            Slot memory slot = _openAuction();
            vm.warp(slot.openedAt + 61);
            Slot memory locked = _locked(slot, alice);
            if (i % 2 == 0) {
                _lock(slot, alice);
            } else {
                vm.prank(stranger);
                auction.lock(slot, terms, alice);
            }
            assertLe(_used(i == 0 ? "lock, first" : i % 2 == 0 ? "lock" : "lock by a submitter"), LOCK_MAX);

            vm.prank(bob);
            (bool success,) = address(auction).call(abi.encodeCall(auction.lock, (slot, terms, bob)));
            assertFalse(success);
            assertLe(_used("losing lock"), LOSING_LOCK_MAX);
            _prove(locked, alice);
        }
    }
}
