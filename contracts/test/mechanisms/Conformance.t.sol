// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IAgreement, Offer } from "../../src/interfaces/IAgreement.sol";
import { IMechanism } from "../../src/interfaces/IMechanism.sol";
import { IMining } from "../../src/interfaces/IMining.sol";
import { IRandomness } from "../../src/interfaces/IRandomness.sol";
import { IReverseDutchAuction } from "../../src/interfaces/IReverseDutchAuction.sol";
import { ISealedBidAuction } from "../../src/interfaces/ISealedBidAuction.sol";
import { IStakeLottery } from "../../src/interfaces/IStakeLottery.sol";
import { IStandingAsks } from "../../src/interfaces/IStandingAsks.sol";
import { SlotHooks } from "../../src/libraries/SlotHooks.sol";
import { Agreement } from "../../src/mechanisms/Agreement.sol";
import { Mining } from "../../src/mechanisms/Mining.sol";
import { Race } from "../../src/mechanisms/Race.sol";
import { ReverseDutchAuction } from "../../src/mechanisms/ReverseDutchAuction.sol";
import { SealedBidAuction } from "../../src/mechanisms/SealedBidAuction.sol";
import { StakeLottery } from "../../src/mechanisms/StakeLottery.sol";
import { StandingAsks } from "../../src/mechanisms/StandingAsks.sol";
import { Slot } from "../../src/types/Slot.sol";
import { HeaderFixture } from "../HeaderFixture.sol";
import { MockProof } from "../mocks/MockVerifier.sol";
import { MechanismConformance } from "./MechanismConformance.sol";

contract StakeLotteryConformanceTest is MechanismConformance, HeaderFixture {
    function _deployMechanism() internal override returns (IMechanism) {
        return new StakeLottery(registry, address(market), IRandomness(address(0)));
    }

    function _mechanismParams() internal pure override returns (bytes32) {
        return 0;
    }

    /// @dev Nobody else has weight.
    function _beforeOpen(address prover) internal override {
        address[3] memory provers = [alice, bob, carol];
        for (uint256 i = 0; i < provers.length; ++i) {
            vm.prank(provers[i]);
            _allocate(id, provers[i] == prover ? 100 : 0);
        }
        vm.warp((vm.getBlockTimestamp() / EPOCH + 2) * EPOCH);
        _mineSeed(IStakeLottery(address(tested)));
    }
}

contract RaceConformanceTest is MechanismConformance {
    function _deployMechanism() internal override returns (IMechanism) {
        return new Race(registry, address(market));
    }

    function _mechanismParams() internal pure override returns (bytes32) {
        return bytes32(SlotHooks.ENDED | 30 << 8 | 4);
    }

    function _assigns() internal pure override returns (bool) {
        return false;
    }

    function _handicap() internal pure override returns (uint256) {
        return 30;
    }
}

contract ReverseDutchAuctionConformanceTest is MechanismConformance {
    function _deployMechanism() internal override returns (IMechanism) {
        return new ReverseDutchAuction(registry, address(market));
    }

    function _mechanismParams() internal pure override returns (bytes32) {
        return bytes32(uint256(200) << 96 | 1 ether);
    }

    function _take(Slot memory slot, address prover) internal override returns (bool) {
        vm.warp(vm.getBlockTimestamp() + 77);
        vm.prank(prover);
        IReverseDutchAuction(address(tested)).lock(slot, terms, prover);
        return true;
    }

    function _takeCall(Slot memory slot, address prover) internal view override returns (bytes memory) {
        return abi.encodeCall(IReverseDutchAuction.lock, (slot, terms, prover));
    }
}

contract AgreementConformanceTest is MechanismConformance {
    function _deployMechanism() internal override returns (IMechanism) {
        return new Agreement(registry, address(market));
    }

    function _mechanismParams() internal pure override returns (bytes32) {
        return 0;
    }

    function _openData(address prover) internal override returns (bytes memory) {
        if (prover == address(0)) return "";
        Offer memory offer = Offer({
            prover: prover,
            requester: requester,
            market: id,
            terms: keccak256(abi.encode(terms)),
            price: 7 ether + 3,
            penalty: terms.bond,
            capacity: 4,
            expiry: type(uint40).max,
            nonce: 0
        });
        (, uint256 key) = makeAddrAndKey(prover == alice ? "alice" : "bob");
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, IAgreement(address(tested)).digestOf(offer));
        return abi.encode(offer, abi.encodePacked(r, s, v));
    }
}

contract SealedBidAuctionConformanceTest is MechanismConformance {
    uint256 private constant BID_BOND = 3 ether + 1;

    function _deployMechanism() internal override returns (IMechanism) {
        return new SealedBidAuction(registry, address(market));
    }

    /// @dev Sixty seconds each to commit, reveal and settle.
    function _mechanismParams() internal pure override returns (bytes32) {
        return bytes32(SlotHooks.ENDED | BID_BOND << 64 | 60 << 48 | 60 << 32 | 60);
    }

    function _take(Slot memory slot, address prover) internal override returns (bool) {
        ISealedBidAuction auction = ISealedBidAuction(address(tested));
        token.mint(prover, BID_BOND);
        bytes32 commitment = auction.commitmentOf(id, slot.id, prover, 6 ether, "salt");
        vm.startPrank(prover);
        token.approve(address(auction), BID_BOND);
        auction.deposit(BID_BOND);
        auction.commit(id, slot.id, commitment, "");
        vm.warp(vm.getBlockTimestamp() + 60);
        auction.reveal(id, slot.id, 6 ether, "salt");
        auction.settle(slot, terms, prover);
        vm.stopPrank();
        return true;
    }

    function _takeCall(Slot memory slot, address prover) internal view override returns (bytes memory) {
        return abi.encodeCall(ISealedBidAuction.settle, (slot, terms, prover));
    }

    function _mechanismHolds() internal view override returns (uint256) {
        ISealedBidAuction auction = ISealedBidAuction(address(tested));
        return auction.balanceOf(alice) + auction.balanceOf(bob) + auction.balanceOf(carol) + auction.burned();
    }
}

contract MiningConformanceTest is MechanismConformance, HeaderFixture {
    uint256 private constant TICKET_BOND = 3 ether + 1;

    /// @dev The first slot is for nobody; with it the rounds begin.
    function setUp() public override {
        super.setUp();
        _prove(_openUnsold(), creator);
    }

    function _deployMechanism() internal override returns (IMechanism) {
        return new Mining(registry, address(market), verifier, IRandomness(address(0)));
    }

    function _mechanismParams() internal pure override returns (bytes32) {
        return bytes32(SlotHooks.ENDED | TICKET_BOND << 32 | 60);
    }

    function _beforeOpen(address prover) internal override {
        if (prover == address(0)) return;
        // The round's seed is known.
        _mineBlocks(2);
        IMining mining = IMining(address(tested));
        token.mint(prover, TICKET_BOND);
        uint256[] memory inputs = new uint256[](2);
        inputs[0] = mining.challengeOf(id, prover, 5);
        vm.startPrank(prover);
        token.approve(address(mining), TICKET_BOND);
        mining.deposit(TICKET_BOND);
        mining.submitTicket(id, prover, 5, 0, MockProof.make(inputs));
        vm.stopPrank();
    }

    /// @dev Whoever mined a right that the market then does not honour, because of others' misses, has its bond back.
    function test_TicketComesBackWhenTheMarketOpensTheSlotToAll() public {
        IMining mining = IMining(address(tested));
        for (uint256 i; i < OPEN_AFTER; ++i) {
            (, Slot memory missed) = _hold(bob);
            _warpToOpenToAll(missed);
            _prove(missed, stranger);
        }
        uint256 burned = mining.burned();
        assertEq(burned, OPEN_AFTER * TICKET_BOND);
        Slot memory slot = _openFor(alice);
        assertEq(slot.prover, address(0));
        _prove(slot, stranger);
        assertEq(mining.balanceOf(alice), TICKET_BOND);
        assertEq(mining.burned(), burned);
        _assertAccounted(0);
    }

    function _mechanismHolds() internal view override returns (uint256 amount) {
        IMining mining = IMining(address(tested));
        amount = mining.balanceOf(alice) + mining.balanceOf(bob) + mining.balanceOf(carol) + mining.burned();
        (,,, uint64 opened,) = market.markets(id);
        for (uint64 slot = 1; slot <= opened + 1; ++slot) {
            (, uint96 bond) = mining.ticketOf(id, slot);
            amount += bond;
        }
    }
}

contract StandingAsksConformanceTest is MechanismConformance {
    function _deployMechanism() internal override returns (IMechanism) {
        return new StandingAsks(registry, address(market));
    }

    /// @dev Odd ticks, two of which a promised second counts.
    function _mechanismParams() internal pure override returns (bytes32) {
        return bytes32(SlotHooks.ENDED | uint256(60) << 112 | uint256(2) << 96 | 0.003 ether + 1);
    }

    /// @dev For one slot, so that none is left for the next.
    function _beforeOpen(address prover) internal override {
        if (prover == address(0)) return;
        IStandingAsks asks = IStandingAsks(address(tested));
        uint256 bond = asks.promiseBondOf(terms, 100);
        token.mint(prover, bond);
        vm.startPrank(prover);
        token.approve(address(asks), bond);
        asks.deposit(bond);
        asks.post(id, terms, prover, 1000 * (0.003 ether + 1), 100, 1, type(uint40).max);
        vm.stopPrank();
    }

    function _take(Slot memory slot, address prover) internal override returns (bool) {
        if (slot.prover == prover) return true;
        _beforeOpen(prover);
        IStandingAsks(address(tested)).matchSlot(slot, terms);
        return true;
    }

    function _takeCall(Slot memory slot, address) internal view override returns (bytes memory) {
        return abi.encodeCall(IStandingAsks.matchSlot, (slot, terms));
    }

    function _mechanismHolds() internal view override returns (uint256 amount) {
        IStandingAsks asks = IStandingAsks(address(tested));
        amount = asks.balanceOf(alice) + asks.balanceOf(bob) + asks.balanceOf(carol) + asks.burned();
        (,,, uint64 opened,) = market.markets(id);
        for (uint64 slot = 1; slot <= opened; ++slot) {
            (address key, uint32 promised) = asks.promiseOf(id, slot);
            if (key != address(0)) amount += asks.promiseBondOf(terms, promised);
        }
    }
}
