// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ChainTermsLib } from "../../src/types/ChainTerms.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { MarketFixture } from "../MarketFixture.sol";
import { MockProof } from "../mocks/MockVerifier.sol";

/// @notice A market whose slots continue one another: inputs [old, new, data], one output that is 1 if the claim is right.
/// States are numbers; the chain begins at ORIGIN.
abstract contract ChainFixture is MarketFixture {
    uint256 internal constant ORIGIN = 1000;
    uint32 internal constant CHAIN = ChainTermsLib.DECLARED | 1 << 8;

    /// @dev Bonds are small, so that a prover can hold a whole ring.
    uint96 internal constant LINK_BOND = 5 ether;

    mapping(uint64 id => uint256[]) internal _inputsOf;

    function setUp() public virtual override {
        super.setUp();
        _createChain(CHAIN, 8);
    }

    function _createChain(uint32 chain, uint32 capacity) internal {
        terms = _defaultTerms();
        terms.chain = chain;
        terms.bond = LINK_BOND;
        terms.floorBps = 9000;
        vm.prank(creator);
        id = market.createMarket(terms, capacity, ORIGIN);
        _fund(id, 1000 ether);
        _stake(alice, id, 100);
        _stake(bob, id, 100);
    }

    function _head() internal view returns (uint64 head, uint256 claim) {
        (,, head, claim) = market.chainOf(id);
    }

    function _established() internal view returns (uint64 established) {
        (established,,,) = market.chainOf(id);
    }

    /// @dev The next link, held by `prover`, which claims `to`.
    function _link(address prover, uint256 to) internal returns (Slot memory slot) {
        (uint64 head, uint256 from) = _head();
        uint256[] memory inputs = _statementOf(from, to);
        mechanism.setNext(prover, PRICE, 0);
        vm.prank(requester);
        slot = market.openSlot(id, terms, head, inputs, "");
        _inputsOf[slot.id] = inputs;
    }

    function _statementOf(uint256 from, uint256 to) internal pure returns (uint256[] memory inputs) {
        inputs = new uint256[](3);
        (inputs[0], inputs[1], inputs[2]) = (from, to, 77);
    }

    function _publicInputs(Slot memory slot, bool right, address payee) internal view returns (uint256[] memory all) {
        uint256[] memory inputs = _inputsOf[slot.id];
        all = new uint256[](5);
        (all[0], all[1], all[2]) = (inputs[0], inputs[1], inputs[2]);
        (all[3], all[4]) = (right ? 1 : 0, uint160(payee));
    }

    function _proveLink(Slot memory slot, bool right, address payee) internal {
        uint256[] memory inputs = _publicInputs(slot, right, payee);
        market.prove(slot, terms, inputs, MockProof.make(inputs));
    }

    function _resolve(Slot memory slot, bool right, address payee) internal {
        market.resolve(slot, terms, payee, right, _inputsOf[slot.id][1]);
    }

    function _isPending(Slot memory slot, bool right, address payee) internal view returns (bool) {
        return market.isPending(slot, terms, payee, right, _inputsOf[slot.id][1]);
    }

    function _expireLink(Slot memory slot) internal {
        market.expire(slot, terms, _inputsOf[slot.id]);
    }

    function _drop(Slot memory slot, address sender) internal {
        vm.prank(sender);
        market.drop(slot, terms, _inputsOf[slot.id]);
    }

    function _stakeOf(address prover) internal view returns (uint256) {
        return registry.proverOf(prover).stake;
    }

    function _bonded(address prover) internal view returns (uint256) {
        return registry.bondedOf(id, prover);
    }

    function _past(Slot memory slot) internal {
        vm.warp(slot.exclusiveUntil);
    }

    function _pastExpiry(Slot memory slot) internal {
        vm.warp(uint256(slot.openedAt) + terms.expiryWindow);
    }
}
