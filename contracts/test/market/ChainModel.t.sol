// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { Slot, SlotState } from "../../src/types/Slot.sol";
import { ChainFixture } from "./ChainFixture.sol";

/// @notice Random histories of one chain, held against a model that knows the whole tree and walks it.
contract ChainModelTest is ChainFixture {
    enum End {
        Open,
        Right,
        Wrong,
        Unproven
    }

    uint256 private constant STEPS = 60;

    Slot[] private _slots;
    End[] private _ends;
    /// @dev Who was paid for a proof that waits; zero if none does.
    address[] private _waits;
    uint256 private _random;
    uint256 private _expectedStake;

    function testFuzz_TheChainAgreesWithTheTree(uint256 seed) public {
        _random = seed;
        _expectedStake = _stakeOf(alice);
        for (uint256 i; i < STEPS; ++i) {
            _step();
            _check();
        }
        _settleEverything();
        assertEq(_bonded(alice), 0, "every bond was freed or slashed");
        assertEq(_stakeOf(alice), _expectedStake, "each once");
    }

    function _next(uint256 below) private returns (uint256) {
        _random = uint256(keccak256(abi.encode(_random)));
        return _random % below;
    }

    function _step() private {
        uint256 what = _next(10);
        if (what < 4) return _openOne();
        if (_slots.length == 0) return;
        // Recent ones, mostly: a chain's life is at its head.
        uint256 span = _slots.length < 8 ? _slots.length : 8;
        uint256 index = _slots.length - 1 - _next(span);
        if (what < 8) return _proveOne(index);
        if (what == 8) return _endOne(index);
        if (_waits[index] != address(0)) _tryResolve(index);
    }

    function _openOne() private {
        // Places are kept by what is open or pending; 8 of them.
        uint256 count = _slots.length;
        if (count >= 8 && (_ends[count - 8] == End.Open || _waits[count - 8] != address(0))) return;
        if (registry.positionOf(id, alice).suspended) {
            vm.prank(alice);
            registry.reinstate(id);
        }
        _slots.push(_link(_next(4) == 0 ? address(0) : alice, 1 + _next(3)));
        _ends.push(End.Open);
        _waits.push(address(0));
    }

    function _proveOne(uint256 index) private {
        if (_ends[index] != End.Open) return;
        Slot memory slot = _slots[index];
        bool right = _next(4) != 0;
        bool rescued = _next(2) == 0;
        if (rescued && block.timestamp < slot.exclusiveUntil) vm.warp(slot.exclusiveUntil);
        if (block.timestamp >= uint256(slot.openedAt) + terms.expiryWindow) return;
        address payee = rescued || slot.prover == address(0) ? carol : alice;
        bool established = _isEstablishedPremise(index);
        bool fallen = _premiseFell(index);
        _ends[index] = right ? End.Right : End.Wrong;
        bool rescue = slot.prover != address(0) && payee != slot.prover;
        if (established) {
            if (rescue) _expectedStake -= LINK_BOND;
        } else if (!fallen && (right || rescue)) {
            _waits[index] = payee;
        }
        _proveLink(slot, right, payee);
    }

    function _endOne(uint256 index) private {
        if (_ends[index] != End.Open) return;
        Slot memory slot = _slots[index];
        if (_premiseFell(index)) {
            _drop(slot, stranger);
        } else {
            if (block.timestamp < uint256(slot.openedAt) + terms.expiryWindow) _pastExpiry(slot);
            _expireLink(slot);
        }
        _ends[index] = End.Unproven;
    }

    /// @dev Resolves it if the model says that it can be, and checks that it cannot otherwise.
    function _tryResolve(uint256 index) private {
        Slot memory slot = _slots[index];
        bool right = _ends[index] == End.Right;
        bool established = _isEstablishedPremise(index);
        bool fallen = _premiseFell(index);
        if (!established && !fallen) {
            vm.expectRevert();
            _resolve(slot, right, _waits[index]);
            return;
        }
        bool held = slot.prover != address(0) && _waits[index] != slot.prover;
        if (held && established) _expectedStake -= LINK_BOND;
        _resolve(slot, right, _waits[index]);
        _waits[index] = address(0);
    }

    function _settleEverything() private {
        for (uint256 i; i < _slots.length; ++i) {
            _endOne(i);
            if (_waits[i] != address(0)) _tryResolve(i);
            assertEq(_waits[i], address(0), "in order, each can be settled");
        }
    }

    function _check() private view {
        (uint64 established,, uint64 head, uint256 claim) = market.chainOf(id);
        uint64 expectedHead;
        uint256 expectedClaim = ORIGIN;
        uint64 expectedEstablished;
        for (uint256 i; i < _slots.length; ++i) {
            if (_stands(i)) {
                expectedHead = _slots[i].id;
                expectedClaim = _inputsOf[_slots[i].id][1];
                if (_isEstablished(i)) expectedEstablished = _slots[i].id;
            }
            (bool premiseEstablished, bool premiseFallen) = market.premiseOf(_slots[i]);
            assertEq(premiseEstablished, _isEstablishedPremise(i), "premise established");
            assertEq(premiseFallen, _premiseFell(i), "premise fallen");
        }
        assertEq(head, expectedHead, "head");
        assertEq(claim, expectedClaim, "claim");
        assertEq(established, expectedEstablished, "established");
    }

    // The model: by walking the tree.

    function _parent(uint256 index) private view returns (uint256) {
        return uint64(_slots[index].link);
    }

    function _premiseFell(uint256 index) private view returns (bool) {
        uint256 parent = _parent(index);
        return parent != 0 && !_stands(parent - 1);
    }

    function _stands(uint256 index) private view returns (bool) {
        return (_ends[index] == End.Open || _ends[index] == End.Right) && !_premiseFell(index);
    }

    /// @dev Proven right, not waiting, and so is all it builds on.
    function _isEstablished(uint256 index) private view returns (bool) {
        return _ends[index] == End.Right && _waits[index] == address(0) && _isEstablishedPremise(index);
    }

    function _isEstablishedPremise(uint256 index) private view returns (bool) {
        uint256 parent = _parent(index);
        return parent == 0 || _isEstablished(parent - 1);
    }
}
