// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { Slot } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { MarketFixture } from "../MarketFixture.sol";

/// @notice A market's creator, its mechanism, its requester and a rescuer are one and the same attacker. Alice joined with 500
/// units, under the terms she read: a bond of 20, and five minutes to prove.
contract TermsChangeTest is MarketFixture {
    uint96 private constant ALL = 500 ether;

    address private accomplice = makeAddr("accomplice");

    function setUp() public override {
        super.setUp();
        _stake(alice, id, 300);
        vm.prank(alice);
        registry.allocate(id, 500, 500, 1, 1);
        // Nobody else's stake is in it.
        vm.prank(bob);
        _allocate(id, 0);
    }

    function _worth(address who) private view returns (uint256) {
        return market.credits(who) + registry.proverOf(who).stake + token.balanceOf(who);
    }

    /// @dev All of her stake for a bond, a second to prove, and what is slashed is the rescuer's.
    function _hostile() private {
        (terms.bond, terms.leastRescue) = (ALL, 1);
        (terms.fastWindow, terms.exclusiveWindow, terms.expiryWindow) = (0, 1, 2);
        (terms.rescuerBps, terms.requesterBps) = (9500, 0);
        terms.price = 1;
    }

    /// @dev Opens a slot for alice, lets its second pass, and rescues it.
    function _openAndRescue() private {
        Slot memory slot = _open(alice, terms.price, 0);
        vm.warp(slot.exclusiveUntil);
        _prove(slot, accomplice);
    }

    function test_TermsChangeUnderJoinedStakeCostsTheProverNothing() public {
        uint256 hers = _worth(alice);
        uint256 theirs = _worth(accomplice);
        Terms memory joined = terms;
        _hostile();

        // Not as an improvement, not at once, and not once the notice is over.
        vm.prank(creator);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.VersionInvalid.selector, 2));
        market.setTerms(id, joined, terms);
        mechanism.setNext(alice, terms.price, 0);
        _announceTerms();
        vm.prank(requester);
        vm.expectPartialRevert(IProofMarketEvents.TermsNotDue.selector);
        market.openSlot(id, terms, 0, _statement(), "");
        vm.warp(vm.getBlockTimestamp() + market.TERMS_NOTICE());
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.TermsNotAccepted.selector, 2, 1, 1));
        market.openSlot(id, terms, 0, _statement(), "");
        assertFalse(registry.isEligible(id, alice, terms.bond, terms.version));

        // Nor by giving it to her later, or by way of a slot that opens to all.
        Slot memory slot = _open(address(0), terms.price, 0);
        _prove(slot, accomplice);
        assertEq(market.credits(accomplice), 1, "of the attackers' own funds");
        assertEq(registry.bondedOf(id, alice), 0);
        assertEq(_worth(alice), hers);
        assertEq(_worth(accomplice), theirs + 1);
        assertEq(registry.allocationOf(id, alice), 500);

        // And she leaves with all of it.
        vm.startPrank(alice);
        registry.allocate(id, 0, 0, 1, 1);
        registry.requestUnstake(ALL);
        vm.warp(vm.getBlockTimestamp() + registry.UNBONDING());
        registry.withdrawStake(alice);
        vm.stopPrank();
        assertEq(token.balanceOf(alice), ALL);
    }

    /// @dev What it is that the version keeps from her: had she accepted it, all of her stake would be gone in two seconds.
    function test_TermsChangeUnderJoinedStakeTakesAllFromWhoeverAcceptedIt() public {
        uint256 hers = _worth(alice);
        _hostile();
        _setTerms();
        vm.prank(alice);
        registry.allocate(id, 500, 500, 1, 2);
        _openAndRescue();
        assertEq(_worth(alice), hers - ALL);
        assertEq(market.credits(accomplice), 475 ether + 1);
    }

    /// @dev Accepting what was announced, she has accepted that, and nothing that could be announced under the same number after.
    function test_TermsChangeUnderAnAcceptedNumberIsRefused() public {
        uint256 hers = _worth(alice);
        Terms memory joined = terms;
        terms.price -= 1;
        _announceTerms();
        vm.prank(alice);
        registry.allocate(id, 500, 500, 1, 2);

        Terms memory harmless = terms;
        _hostile();
        vm.startPrank(creator);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.VersionInvalid.selector, 3));
        market.setTerms(id, joined, terms);
        vm.warp(vm.getBlockTimestamp() + market.TERMS_NOTICE());
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.VersionInvalid.selector, 3));
        market.setTerms(id, joined, terms);
        vm.stopPrank();

        // What she accepted can be used, and then bonds what it says: she proves, or loses that and no more.
        terms = harmless;
        _openAndRescue();
        assertEq(_worth(alice), hers - BOND);
        // In force, it changes under its number only for the better.
        _hostile();
        vm.prank(creator);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.VersionInvalid.selector, 3));
        market.setTerms(id, harmless, terms);
    }

    /// @dev However many slots are opened for her at once under terms that she did accept: no more than she exposed.
    function test_ManySlotsAtOnceTakeNoMoreThanWasExposed() public {
        vm.prank(alice);
        registry.allocate(id, 500, 50, 1, 1);
        uint256 hers = _worth(alice);
        Slot[2] memory slots = [_open(alice), _open(alice)];
        mechanism.setNext(alice, PRICE, 0);
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, 10 ether, BOND));
        market.openSlot(id, terms, 0, _statement(), "");
        for (uint256 i; i < slots.length; ++i) {
            vm.warp(slots[i].exclusiveUntil);
            _prove(slots[i], accomplice);
        }
        assertEq(_worth(alice), hers - 2 * BOND);
    }
}
