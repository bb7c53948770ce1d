// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ICircuitRegistry } from "../../src/interfaces/ICircuitRegistry.sol";
import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { ChainTermsLib } from "../../src/types/ChainTerms.sol";
import { Terms } from "../../src/types/Terms.sol";
import { MarketFixture } from "../MarketFixture.sol";
import { MockMechanism } from "../mocks/MockMechanism.sol";
import { MockVerifier } from "../mocks/MockVerifier.sol";

/// @notice Creating markets, the rules for their terms, their funds. How terms change: ProofMarketVersions.
contract ProofMarketTermsTest is MarketFixture {
    function _rejects(bytes32 rule) private {
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.TermsRejected.selector, rule));
        market.createMarket(terms, 4, 0);
        Terms memory current = _termsInForce();
        terms.version = 2;
        vm.prank(creator);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.TermsRejected.selector, rule));
        market.setTerms(id, current, terms);
        terms.version = 1;
    }

    function _accepts() private {
        uint256 snapshot = vm.snapshotState();
        market.createMarket(terms, 4, 0);
        if (terms.chain == 0) _announceTerms();
        vm.revertToState(snapshot);
    }

    function _rejectsNew(bytes32 rule) private {
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.TermsRejected.selector, rule));
        market.createMarket(terms, 4, 0);
    }

    // ------------------------------------------------------------------ creation

    function test_CreateMarketStoresAndEmits() public {
        vm.expectEmit(address(market));
        emit IProofMarketEvents.MarketCreated(2, stranger, 8, 0);
        vm.expectEmit(address(market));
        emit IProofMarketEvents.TermsSet(2, keccak256(abi.encode(terms)), block.timestamp, terms);
        vm.prank(stranger);
        assertEq(market.createMarket(terms, 8, 0), 2);
        assertEq(market.marketCount(), 2);

        (address creator_, bytes32 hash, uint32 capacity, uint64 slots, uint128 funds) = market.markets(2);
        assertEq(creator_, stranger);
        assertEq(hash, keccak256(abi.encode(terms)));
        assertEq(capacity, 8);
        assertEq(slots, 0);
        assertEq(funds, 0);
        (uint32 version, bytes32 announced, uint40 from, uint8 misses) = market.termsOf(2);
        assertEq(version, 1);
        assertEq(announced, 0);
        assertEq(from, 0);
        assertEq(misses, 0);
    }

    function test_CreateMarketWithAChainStartsAtItsOrigin() public {
        terms.chain = ChainTermsLib.DECLARED | 1 << 8;
        vm.expectEmit(address(market));
        emit IProofMarketEvents.MarketCreated(2, address(this), 8, 77);
        market.createMarket(terms, 8, 77);
        (uint64 established, uint256 claim, uint64 head, uint256 headClaim) = market.chainOf(2);
        assertEq(established, 0);
        assertEq(claim, 77);
        assertEq(head, 0);
        assertEq(headClaim, 77);
    }

    function test_RevertCreateMarket_WhenAnOriginComesWithoutAChain() public {
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.TermsRejected.selector, bytes32("origin")));
        market.createMarket(terms, 4, 1);
    }

    function test_RevertCreateMarket_WhenTheVersionIsNotTheFirst() public {
        uint32[3] memory bad = [uint32(0), 2, type(uint32).max];
        for (uint256 i; i < bad.length; ++i) {
            terms.version = bad[i];
            vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.VersionInvalid.selector, 1));
            market.createMarket(terms, 4, 0);
        }
    }

    function test_CreateMarketTakesThePowersOfTwo() public {
        for (uint32 capacity = 1; capacity <= 65_536; capacity *= 2) {
            market.createMarket(terms, capacity, 0);
        }
    }

    function test_RevertCreateMarket_WhenCapacityInvalid() public {
        uint32[5] memory bad = [uint32(0), 3, 65_535, 131_072, type(uint32).max];
        for (uint256 i; i < bad.length; ++i) {
            vm.expectRevert(IProofMarketEvents.CapacityInvalid.selector);
            market.createMarket(terms, bad[i], 0);
        }
    }

    function test_TheMarketAndItsRegistryKnowEachOther() public view {
        assertEq(registry.market(), address(market));
        assertEq(registry.asset(), market.asset());
        assertEq(market.circuits(), address(circuits));
        assertEq(slotTransfers.market(), address(market));
        assertEq(slotTransfers.registry(), address(registry));
        assertEq(market.TERMS_NOTICE(), 2 * EPOCH);
        assertEq(market.OPEN_AFTER(), registry.OPEN_AFTER());
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

    /// @dev No bond is tied up for longer than stake takes to come back.
    function test_RevertTerms_WhenTheExpiryWindowIsTooLong() public {
        uint32 most = uint32(registry.MAX_WINDOW());
        assertLe(most, registry.UNBONDING());
        terms.expiryWindow = most;
        _accepts();
        terms.expiryWindow = most + 1;
        _rejects("expiryWindow");
        terms.expiryWindow = type(uint32).max;
        _rejects("expiryWindow");
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
        (terms.floorBps, terms.leastRescue) = (10_000, 1);
        terms.bond = 1;
        _rejects("rescue");
        terms.bond = 2;
        _accepts();
    }

    /// @dev What a rescue is worth at least must be there, whatever the price that a mechanism gives a slot.
    function test_RevertTerms_WhenLeastRescueIsNotCovered() public {
        terms.leastRescue = 0;
        _rejects("leastRescue");
        terms.leastRescue = 1;
        _accepts();
        // Half of the bond of twenty.
        terms.leastRescue = 10 ether;
        _accepts();
        terms.leastRescue = 10 ether + 1;
        _rejects("leastRescue");
        (terms.bond, terms.leastRescue) = (0, 0);
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

    function test_RevertTerms_WhenTheChainIsMalformed() public {
        uint32[6] memory bad = [
            // Not declared; unknown bits; `right` not among the outputs, of which there is one; nor the claim, if it is one.
            uint32(1),
            ChainTermsLib.DECLARED | 1 << 26,
            ChainTermsLib.DECLARED | 1 << 31,
            ChainTermsLib.DECLARED | 1 << 16,
            ChainTermsLib.DECLARED | 254 << 16,
            ChainTermsLib.DECLARED | ChainTermsLib.OUTPUT | 1 << 8
        ];
        for (uint256 i; i < bad.length; ++i) {
            terms.chain = bad[i];
            _rejectsNew("chain");
        }
        uint32[4] memory good = [
            ChainTermsLib.DECLARED,
            ChainTermsLib.DECLARED | 255 << 8 | 255,
            ChainTermsLib.DECLARED | ChainTermsLib.ALWAYS_RIGHT << 16,
            ChainTermsLib.DECLARED | ChainTermsLib.OUTPUT
        ];
        for (uint256 i; i < good.length; ++i) {
            terms.chain = good[i];
            _accepts();
        }
        // Nothing but the proof itself can say that a claim is right if there are no outputs.
        (terms.outputs, terms.chain) = (0, ChainTermsLib.DECLARED);
        _rejectsNew("chain");
        terms.chain = ChainTermsLib.DECLARED | ChainTermsLib.ALWAYS_RIGHT << 16;
        _accepts();
    }

    function test_RevertTerms_WhenVerifierIsNotTheCircuits() public {
        terms.verifier = address(new MockVerifier());
        _rejects("circuit");
    }

    function test_RevertTerms_WhenCircuitUnknown() public {
        terms.circuit = "unknown";
        vm.expectRevert(abi.encodeWithSelector(ICircuitRegistry.CircuitNotFound.selector, bytes32("unknown")));
        market.createMarket(terms, 4, 0);
    }

    function test_RevertTerms_WhenTheMechanismRefuses() public {
        mechanism.setRefuses(true);
        vm.expectRevert(MockMechanism.Refused.selector);
        market.createMarket(terms, 4, 0);
        Terms memory current = terms;
        terms.price += 1;
        vm.prank(creator);
        vm.expectRevert(MockMechanism.Refused.selector);
        market.setTerms(id, current, terms);
        terms.version = 2;
        vm.prank(creator);
        vm.expectRevert(MockMechanism.Refused.selector);
        market.setTerms(id, current, terms);
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
        vm.expectRevert(
            abi.encodeWithSelector(IProofMarketEvents.InsufficientFunds.selector, 1000 ether, 1000 ether + 1)
        );
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
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.InsufficientCredit.selector, 0, 1));
        market.withdraw(stranger, 1);
    }

    function test_RevertSweepBurned_WhenNothingBurned() public {
        vm.expectRevert(IProofMarketEvents.AmountZero.selector);
        market.sweepBurned();
    }
}
