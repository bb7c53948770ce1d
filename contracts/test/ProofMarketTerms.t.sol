// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ICircuitRegistry } from "../src/interfaces/ICircuitRegistry.sol";
import { IProofMarketEvents, Slot, Terms } from "../src/interfaces/IProofMarket.sol";
import { MarketFixture } from "./MarketFixture.sol";
import { MockMechanism } from "./mocks/MockMechanism.sol";
import { MockVerifier } from "./mocks/MockVerifier.sol";

/// @notice Creating markets, their terms, their funds.
contract ProofMarketTermsTest is MarketFixture {
    function _rejects(bytes32 rule) private {
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.TermsRejected.selector, rule));
        market.createMarket(terms, 4);
        vm.prank(creator);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.TermsRejected.selector, rule));
        market.setTerms(id, terms);
    }

    function _accepts() private {
        uint256 snapshot = vm.snapshotState();
        market.createMarket(terms, 4);
        vm.revertToState(snapshot);
    }

    // ------------------------------------------------------------------ creation

    function test_CreateMarketStoresAndEmits() public {
        vm.expectEmit(address(market));
        emit IProofMarketEvents.MarketCreated(2, stranger, 8);
        vm.expectEmit(address(market));
        emit IProofMarketEvents.TermsSet(2, keccak256(abi.encode(terms)), terms);
        vm.prank(stranger);
        assertEq(market.createMarket(terms, 8), 2);
        assertEq(market.marketCount(), 2);

        (address creator_, bytes32 hash, uint32 capacity, uint64 slots, uint128 funds) = market.markets(2);
        assertEq(creator_, stranger);
        assertEq(hash, keccak256(abi.encode(terms)));
        assertEq(capacity, 8);
        assertEq(slots, 0);
        assertEq(funds, 0);
    }

    function test_CreateMarketTakesThePowersOfTwo() public {
        for (uint32 capacity = 1; capacity <= 65_536; capacity *= 2) {
            market.createMarket(terms, capacity);
        }
    }

    function test_RevertCreateMarket_WhenCapacityInvalid() public {
        uint32[5] memory bad = [uint32(0), 3, 65_535, 131_072, type(uint32).max];
        for (uint256 i; i < bad.length; ++i) {
            vm.expectRevert(IProofMarketEvents.CapacityInvalid.selector);
            market.createMarket(terms, bad[i]);
        }
    }

    function test_TheMarketAndItsRegistryKnowEachOther() public view {
        assertEq(registry.market(), address(market));
        assertEq(registry.asset(), market.asset());
        assertEq(market.circuits(), address(circuits));
    }

    // ------------------------------------------------------------------ rules

    function test_RevertTerms_WhenAnAddressIsMissing() public {
        terms.requester = address(0);
        _rejects("address");
        terms = _defaultTerms();
        terms.mechanism = address(0);
        _rejects("address");
        terms = _defaultTerms();
        terms.verifier = address(0);
        _rejects("address");
    }

    function test_RevertTerms_WhenPriceZero() public {
        terms.price = 0;
        _rejects("price");
    }

    function test_RevertTerms_WhenWindowsDisagree() public {
        terms.fastWindow = EXCLUSIVE;
        _accepts();
        terms.fastWindow = EXCLUSIVE + 1;
        _rejects("windows");
        terms.fastWindow = FAST;
        terms.expiryWindow = 2 * EXCLUSIVE;
        _accepts();
        terms.expiryWindow = 2 * EXCLUSIVE - 1;
        _rejects("windows");
        (terms.fastWindow, terms.exclusiveWindow) = (0, 0);
        _rejects("windows");
        (terms.exclusiveWindow, terms.expiryWindow) = (type(uint32).max, type(uint32).max);
        _rejects("windows");
    }

    function test_RevertTerms_WhenFloorOutOfRange() public {
        terms.floorBps = 0;
        _rejects("floor");
        terms.floorBps = 10_000;
        _accepts();
        terms.floorBps = 10_001;
        _rejects("floor");
    }

    function test_RevertTerms_WhenSharesLeaveTooLittleToBurn() public {
        (terms.rescuerBps, terms.requesterBps) = (6000, 3500);
        _accepts();
        (terms.rescuerBps, terms.requesterBps) = (6000, 3501);
        _rejects("shares");
        (terms.rescuerBps, terms.requesterBps) = (type(uint16).max, type(uint16).max);
        _rejects("shares");
    }

    function test_RevertTerms_WhenARescuePaysNoMoreThanTheFee() public {
        // Floor 6, so the premium must be above 4: half of the bond.
        terms.bond = 8 ether;
        _rejects("rescue");
        terms.bond = 8 ether + 2;
        _accepts();
        terms.bond = 0;
        _accepts();
        terms.floorBps = 10_000;
        terms.bond = 1;
        _rejects("rescue");
        terms.bond = 2;
        _accepts();
    }

    function test_RevertTerms_WhenForfeitOutOfRange() public {
        terms.forfeitBps = 99;
        _rejects("forfeit");
        terms.forfeitBps = 100;
        _accepts();
        terms.forfeitBps = 10_000;
        _accepts();
        terms.forfeitBps = 10_001;
        _rejects("forfeit");
    }

    function test_RevertTerms_WhenTooManyOutputs() public {
        terms.outputs = 16;
        _accepts();
        terms.outputs = 17;
        _rejects("outputs");
    }

    function test_RevertTerms_WhenCallbackGasTooHigh() public {
        terms.callbackGas = 1_000_000;
        _accepts();
        terms.callbackGas = 1_000_001;
        _rejects("callback");
    }

    function test_RevertTerms_WhenVerifierIsNotTheCircuits() public {
        terms.verifier = address(new MockVerifier());
        _rejects("circuit");
    }

    function test_RevertTerms_WhenCircuitUnknown() public {
        terms.circuit = "unknown";
        vm.expectRevert(abi.encodeWithSelector(ICircuitRegistry.CircuitNotFound.selector, bytes32("unknown")));
        market.createMarket(terms, 4);
    }

    function test_RevertTerms_WhenTheMechanismRefuses() public {
        mechanism.setRefuses(true);
        vm.expectRevert(MockMechanism.Refused.selector);
        market.createMarket(terms, 4);
        vm.prank(creator);
        vm.expectRevert(MockMechanism.Refused.selector);
        market.setTerms(id, terms);
    }

    // ------------------------------------------------------------------ changing terms

    function test_SetTermsReachesLaterSlotsOnly() public {
        Slot memory old = _open(alice);
        Terms memory oldTerms = terms;
        terms.price = 7 ether;
        _setTerms();
        Slot memory young = _open(bob, 7 ether, 0);
        assertTrue(market.isOpen(old, oldTerms));
        assertFalse(market.isOpen(old, terms));
        assertTrue(market.isOpen(young, terms));

        terms = oldTerms;
        _prove(old, alice);
        assertEq(market.credits(alice), PRICE);
    }

    function test_RevertSetTerms_WhenNotCreator() public {
        vm.prank(requester);
        vm.expectRevert(IProofMarketEvents.NotCreator.selector);
        market.setTerms(id, terms);
        vm.expectRevert(IProofMarketEvents.MarketNotFound.selector);
        market.setTerms(99, terms);
    }

    // ------------------------------------------------------------------ funds

    function test_FundAndDefund() public {
        uint256 before = _funds();
        token.mint(stranger, 5 ether);
        vm.startPrank(stranger);
        token.approve(address(market), 5 ether);
        vm.expectEmit(address(market));
        emit IProofMarketEvents.Funded(id, stranger, 5 ether);
        market.fund(id, 5 ether);
        vm.stopPrank();
        assertEq(_funds(), before + 5 ether);

        vm.expectEmit(address(market));
        emit IProofMarketEvents.Defunded(id, stranger, 2 ether);
        vm.prank(creator);
        market.defund(id, 2 ether, stranger);
        assertEq(_funds(), before + 3 ether);
        assertEq(market.credits(stranger), 2 ether);

        vm.expectEmit(address(market));
        emit IProofMarketEvents.Withdrawn(stranger, bob, 2 ether);
        vm.prank(stranger);
        market.withdraw(bob, 2 ether);
        assertEq(token.balanceOf(bob), 2 ether);
        assertEq(market.credits(stranger), 0);
    }

    function test_RevertFund_WhenMarketUnknownOrAmountWrong() public {
        vm.expectRevert(IProofMarketEvents.MarketNotFound.selector);
        market.fund(99, 1);
        vm.expectRevert(IProofMarketEvents.AmountZero.selector);
        market.fund(id, 0);
        uint256 max = type(uint120).max;
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.FundsTooLarge.selector, 1000 ether, max));
        market.fund(id, max - 1000 ether + 1);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.FundsTooLarge.selector, 1000 ether, max));
        market.fund(id, type(uint256).max);
        _fund(id, max - 1000 ether);
        assertEq(_funds(), max);
    }

    function test_RevertDefund_WhenNotAllowed() public {
        vm.startPrank(creator);
        vm.expectRevert(IProofMarketEvents.AmountZero.selector);
        market.defund(id, 0, creator);
        vm.expectRevert(IProofMarketEvents.RecipientInvalid.selector);
        market.defund(id, 1, address(0));
        vm.expectRevert(IProofMarketEvents.RecipientInvalid.selector);
        market.defund(id, 1, address(market));
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.InsufficientFunds.selector, 1000 ether, 1000 ether + 1));
        market.defund(id, 1000 ether + 1, creator);
        vm.stopPrank();
        vm.expectRevert(IProofMarketEvents.NotCreator.selector);
        market.defund(id, 1, stranger);
        vm.expectRevert(IProofMarketEvents.MarketNotFound.selector);
        market.defund(99, 1, stranger);
    }

    function test_RevertWithdraw_WhenNotAllowed() public {
        vm.expectRevert(IProofMarketEvents.AmountZero.selector);
        market.withdraw(stranger, 0);
        vm.expectRevert(IProofMarketEvents.RecipientInvalid.selector);
        market.withdraw(address(0), 1);
        vm.expectRevert(IProofMarketEvents.RecipientInvalid.selector);
        market.withdraw(address(market), 1);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.InsufficientCredit.selector, 0, 1));
        market.withdraw(stranger, 1);
    }

    function test_RevertSweepBurned_WhenNothingBurned() public {
        vm.expectRevert(IProofMarketEvents.AmountZero.selector);
        market.sweepBurned();
    }
}
