// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { ChainFixture } from "./ChainFixture.sol";

/// @notice A sequencer claims the root of a state that only it knows, and builds blocks on it that nobody else can prove. Its
/// accomplice can. `requester` is the sequencer, `stranger` the accomplice, alice and bob are honest.
contract HiddenStateTest is ChainFixture {
    uint256 private constant HIDDEN = 666;
    uint256 private constant BLOCKS = 6;

    Slot[] private _slots;
    uint256 private _attackersBefore;
    uint256 private _honestBefore;

    /// @dev Block 1, held by `first`, claims the hidden state; alice holds all that is built on it.
    function _attack(address first) private {
        _attackersBefore = _attackers();
        _honestBefore = _stakeOf(alice) + _stakeOf(bob);
        _slots.push(_link(first, HIDDEN));
        for (uint256 i = 1; i <= BLOCKS; ++i) {
            _slots.push(_link(alice, HIDDEN + i));
        }
        assertEq(_bonded(alice), (first == alice ? BLOCKS + 1 : BLOCKS) * LINK_BOND, "honest bonds are on them");
    }

    /// @dev What sequencer and accomplice have: the market's money is the sequencer's.
    function _attackers() private view returns (uint256) {
        return _funds() + market.credits(stranger);
    }

    function _rescueAll() private {
        for (uint256 i = 1; i < _slots.length; ++i) {
            _past(_slots[i]);
            _proveLink(_slots[i], true, stranger);
        }
    }

    function _resolveAll() private {
        for (uint256 i = 1; i < _slots.length; ++i) {
            if (_isPending(_slots[i], true, stranger)) _resolve(_slots[i], true, stranger);
        }
    }

    function _assertNothingTaken() private view {
        assertEq(_stakeOf(alice) + _stakeOf(bob), _honestBefore, "honest stake");
        assertEq(_bonded(alice), 0, "every bond is free again");
        assertEq(registry.positionOf(id, alice).misses, 0, "no miss");
        assertLe(_attackers(), _attackersBefore, "the attackers gained nothing");
    }

    function test_HiddenStateTakesNoBondsWhenBlockOneIsProvenWrongAfterTheRescues() public {
        _attack(bob);
        _rescueAll();
        assertEq(_bonded(alice), BLOCKS * LINK_BOND, "held, not slashed");
        assertEq(_stakeOf(alice) + _stakeOf(bob), _honestBefore, "nothing slashed meanwhile");

        _proveLink(_slots[0], false, bob);
        _resolveAll();
        _assertNothingTaken();
        (uint64 head, uint256 claim) = _head();
        assertEq(head, 0, "back at the origin");
        assertEq(claim, ORIGIN);
    }

    function test_HiddenStateTakesNoBondsWhenBlockOneIsProvenWrongFirst() public {
        _attack(bob);
        _proveLink(_slots[0], false, bob);
        _rescueAll();
        _assertNothingTaken();
    }

    function test_HiddenStateTakesNoBondsWhenTheAccompliceSitsOnBlockOne() public {
        _stake(stranger, id, 20);
        _attack(stranger);
        _rescueAll();
        _pastExpiry(_slots[0]);
        _expireLink(_slots[0]);
        _resolveAll();
        _assertNothingTaken();
    }

    function test_HiddenStateTakesNoBondsWhenTheSequencerDropsBlockOne() public {
        _stake(stranger, id, 20);
        _attack(stranger);
        _drop(_slots[0], requester);
        _rescueAll();
        _assertNothingTaken();
    }

    function test_SlotTwoProvenRightOnAHiddenRootEstablishesNothing() public {
        _attack(bob);
        _past(_slots[1]);
        _proveLink(_slots[1], true, stranger);
        assertEq(_established(), 0);
        (bool established,) = market.premiseOf(_slots[2]);
        assertFalse(established, "a right step from a claim is not a right claim");
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.PremiseOpen.selector, _slots[0].id));
        _resolve(_slots[1], true, stranger);
    }

    function test_HonestHoldersOfTheOthersAreFreedByDroppingThem() public {
        _attack(bob);
        _proveLink(_slots[0], false, bob);
        uint256 fee = uint256(PRICE) * terms.forfeitBps / 10_000;
        for (uint256 i = 1; i < _slots.length; ++i) {
            _drop(_slots[i], carol);
            _assertState(_slots[i], SlotState.Dropped);
        }
        assertEq(market.credits(alice), BLOCKS * fee, "the holder is paid the forfeit");
        _assertNothingTaken();
    }

    function test_BlocksOnTheTrueStateGoOnAfterTheAttack() public {
        _attack(bob);
        _proveLink(_slots[0], false, bob);
        for (uint256 i = 1; i < _slots.length; ++i) {
            _drop(_slots[i], carol);
        }
        Slot memory next = _link(alice, 1001);
        _proveLink(next, true, alice);
        assertEq(_established(), next.id);
    }
}
