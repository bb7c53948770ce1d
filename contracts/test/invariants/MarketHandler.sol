// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProofMarket } from "../../src/interfaces/IProofMarket.sol";
import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { Slot } from "../../src/types/Slot.sol";
import { SlotLinkLib } from "../../src/types/SlotLink.sol";
import { Terms } from "../../src/types/Terms.sol";
import { MockMechanism } from "../mocks/MockMechanism.sol";
import { MockProof } from "../mocks/MockVerifier.sol";
import { TestToken } from "../mocks/TestToken.sol";
import { Test } from "forge-std/Test.sol";

/// @notice Everything anyone can do to a market, in any order, at any time; keeps the list of open slots that the chain
/// does not.
contract MarketHandler is Test {
    struct Open {
        Slot slot;
        Terms terms;
    }

    IProofMarket private immutable market;
    IProverRegistry private immutable registry;
    MockMechanism private immutable mechanism;
    TestToken private immutable token;
    uint256 private immutable id;
    address private immutable creator;

    /// @dev In force, and announced if `_dueAt` is not zero.
    Terms private _terms;
    Terms private _next;
    uint256 private _dueAt;
    address[] public actors;
    Open[] private _open;
    uint256 public now_;
    mapping(bytes32 call => uint256 count) public done;
    /// @dev Bonds taken beyond what their prover exposed, or under terms that it had not accepted.
    uint256 public unaccepted;

    constructor(
        IProofMarket market_,
        MockMechanism mechanism_,
        uint256 id_,
        Terms memory terms_,
        address creator_,
        address[] memory actors_
    ) {
        market = market_;
        registry = IProverRegistry(market_.registry());
        mechanism = mechanism_;
        token = TestToken(market_.asset());
        (id, creator, actors, _terms) = (id_, creator_, actors_, terms_);
        now_ = block.timestamp;
    }

    modifier at(uint256 jump) {
        // Short steps mostly, so that slots also meet their windows.
        now_ += jump % 8 == 0 ? jump % 1000 : jump % 90;
        vm.warp(now_);
        _;
    }

    function openCount() external view returns (uint256) {
        return _open.length;
    }

    function openAt(uint256 i) external view returns (Slot memory, Terms memory) {
        return (_open[i].slot, _open[i].terms);
    }

    function actorCount() external view returns (uint256) {
        return actors.length;
    }

    function open(uint256 jump, uint256 who, uint96 price, uint32 undecided) external at(jump) {
        if (_dueAt != 0 && now_ >= _dueAt && who % 2 == 0) (_terms, _dueAt) = (_next, 0);
        price = uint96(bound(price, 0, _terms.price));
        address prover = who % 3 == 0 ? address(0) : _actor(who);
        mechanism.setNext(prover, price, uint40(now_ + undecided % 200));
        vm.prank(_terms.requester);
        try market.openSlot(id, _terms, 0, _statement(), "") returns (Slot memory slot) {
            _open.push(Open(slot, _terms));
            _countBond(slot.prover, _terms);
            ++done[slot.link & SlotLinkLib.OPENED == 0 ? bytes32("open") : bytes32("open to all")];
        } catch { }
    }

    function assign(uint256 jump, uint256 which, uint256 who, uint96 price) external at(jump) {
        if (_open.length == 0) return;
        Open storage item = _open[which % _open.length];
        Slot memory slot = item.slot;
        price = uint96(bound(price, 0, slot.price));
        try mechanism.assign(market, slot, item.terms, _actor(who), price) {
            slot.prover = _actor(who);
            slot.price = price;
            slot.startedAt = uint40(now_);
            slot.exclusiveUntil = uint40(now_) + item.terms.exclusiveWindow;
            item.slot = slot;
            _countBond(slot.prover, item.terms);
            ++done["assign"];
        } catch { }
    }

    /// @dev In time or late, by the prover or by anyone.
    function prove(uint256 jump, uint256 which, uint256 who, bool late) external at(jump) {
        if (_open.length == 0) return;
        Open storage item = _open[which % _open.length];
        if (late && now_ < item.slot.exclusiveUntil) vm.warp(now_ = item.slot.exclusiveUntil);
        address payee = item.slot.prover == address(0) || late ? _actor(who) : item.slot.prover;
        uint256[] memory inputs = new uint256[](4);
        (inputs[0], inputs[1], inputs[3]) = (11, 22, uint160(payee));
        try market.prove(item.slot, item.terms, inputs, MockProof.make(inputs)) {
            bool rescue = item.slot.prover != address(0) && payee != item.slot.prover;
            ++done[rescue ? bytes32("rescue") : bytes32("prove")];
            _remove(which % _open.length);
        } catch { }
    }

    function expire(uint256 jump, uint256 which, bool skip) external at(jump) {
        if (_open.length == 0) return;
        Open storage item = _open[which % _open.length];
        uint256 expiresAt = uint256(item.slot.openedAt) + item.terms.expiryWindow;
        if (skip && now_ < expiresAt) vm.warp(now_ = expiresAt);
        try market.expire(item.slot, item.terms, new uint256[](0)) {
            ++done["expire"];
            _remove(which % _open.length);
        } catch { }
    }

    function cancel(uint256 jump, uint256 which) external at(jump) {
        if (_open.length == 0) return;
        Open storage item = _open[which % _open.length];
        vm.prank(item.terms.requester);
        try market.cancel(item.slot, item.terms, new uint256[](0)) {
            ++done["cancel"];
            _remove(which % _open.length);
        } catch { }
    }

    function drop(uint256 jump, uint256 which) external at(jump) {
        if (_open.length == 0) return;
        Open storage item = _open[which % _open.length];
        vm.prank(item.terms.requester);
        try market.drop(item.slot, item.terms, new uint256[](0)) {
            ++done["drop"];
            _remove(which % _open.length);
        } catch { }
    }

    function fund(uint256 jump, uint96 amount) external at(jump) {
        amount = uint96(bound(amount, 1, 100 ether));
        token.mint(address(this), amount);
        token.approve(address(market), amount);
        market.fund(id, amount);
        ++done["fund"];
    }

    function defund(uint256 jump, uint256 who, uint96 amount) external at(jump) {
        (,,,, uint128 funds) = market.markets(id);
        if (funds == 0) return;
        vm.prank(creator);
        market.defund(id, bound(amount, 1, funds), _actor(who));
        ++done["defund"];
    }

    function withdraw(uint256 jump, uint256 who, uint96 amount) external at(jump) {
        address actor = _actor(who);
        uint256 credit = market.credits(actor);
        if (credit == 0) return;
        vm.prank(actor);
        market.withdraw(actor, bound(amount, 1, credit));
        ++done["withdraw"];
    }

    function sweep(uint256 jump) external at(jump) {
        if (market.burned() == 0) return;
        market.sweepBurned();
        ++done["sweep"];
    }

    /// @dev Announces other terms.
    function setTerms(uint256 jump, uint96 price, uint96 bond, uint16 floorBps) external at(jump) {
        (uint32 version,,,) = market.termsOf(id);
        Terms memory terms = _terms;
        terms.version = version + 1;
        terms.price = uint96(bound(price, 1, 20 ether));
        terms.bond = bond % 5 == 0 ? 0 : uint96(bound(bond, 1, 60 ether));
        terms.floorBps = uint16(bound(floorBps, 1, 10_000));
        vm.prank(creator);
        try market.setTerms(id, _terms, terms) {
            (_next, _dueAt) = (terms, now_ + market.TERMS_NOTICE());
            ++done["terms"];
        } catch { }
    }

    /// @dev Makes the terms in force better for provers.
    function improveTerms(uint256 jump, uint96 price, uint96 bond) external at(jump) {
        Terms memory terms = _terms;
        terms.price = uint96(bound(price, terms.price, terms.price + 1 ether));
        terms.bond = uint96(bound(bond, 0, terms.bond));
        vm.prank(creator);
        try market.setTerms(id, _terms, terms) {
            _terms = terms;
            ++done["better terms"];
        } catch { }
    }

    /// @dev Until what was announced may be used.
    function awaitTerms() external {
        if (now_ < _dueAt) now_ = _dueAt;
    }

    /// @dev What a slashed or suspended prover does to come back.
    function comeBack(uint256 jump, uint256 who) external at(jump) {
        address actor = _actor(who);
        token.mint(actor, 60 ether);
        vm.startPrank(actor);
        if (registry.proverOf(actor).id == 0) registry.register("");
        token.approve(address(registry), 60 ether);
        registry.stake(60 ether);
        registry.reinstate(id);
        uint256 units = registry.allocationOf(id, actor) + 60;
        if (units > registry.MAX_UNITS()) units = registry.MAX_UNITS();
        (uint32 version,,,) = market.termsOf(id);
        // All that was announced, mostly; and all of the allocation, mostly.
        if (who % 5 == 1) --version;
        try registry.allocate(id, units, who % 3 == 0 ? units / 2 : units, 1, version) { } catch { }
        vm.stopPrank();
    }

    function _countBond(address prover, Terms memory terms) private {
        if (prover == address(0) || terms.bond == 0) return;
        IProverRegistry.Position memory position = registry.positionOf(id, prover);
        uint256 units = position.units < position.exposure ? position.units : position.exposure;
        bool accepted = terms.version >= position.fromVersion && terms.version <= position.toVersion;
        if (!accepted || position.bonded > units * registry.STAKE_UNIT()) ++unaccepted;
    }

    function _statement() private pure returns (uint256[] memory inputs) {
        inputs = new uint256[](2);
        (inputs[0], inputs[1]) = (11, 22);
    }

    function _actor(uint256 who) private view returns (address) {
        return actors[who % actors.length];
    }

    function _remove(uint256 i) private {
        _open[i] = _open[_open.length - 1];
        _open.pop();
    }
}
