// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { ITermsRules } from "../../src/interfaces/ITermsRules.sol";
import { ChainTermsLib } from "../../src/types/ChainTerms.sol";
import { Slot } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { MarketFixture } from "../MarketFixture.sol";

/// @notice How terms change: what counts at once, what only after notice, and that a version stands for the same terms
/// forever, but for what makes them better for provers.
contract ProofMarketVersionsTest is MarketFixture {
    uint256 private constant FIELDS = 19;
    uint256 private constant PRICE_FIELD = 5;
    uint256 private constant VERSION = 16;
    uint256 private constant CHAIN = 18;

    Terms private _current;

    function setUp() public override {
        super.setUp();
        // No field at an end of what it may be, so that each can move either way.
        terms.callbackGas = 100_000;
        terms.outputs = 2;
        vm.prank(creator);
        id = market.createMarket(terms, CAPACITY, 0);
        _fund(id, 1000 ether);
        _stake(alice, id, 200);
        _current = terms;
    }

    function _set(Terms memory next) private {
        vm.prank(creator);
        market.setTerms(id, _current, next);
    }

    function _setFails(Terms memory next, bytes memory error) private {
        vm.prank(creator);
        vm.expectRevert(error);
        market.setTerms(id, _current, next);
    }

    function _versionInvalid(uint256 expected) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IProofMarketEvents.VersionInvalid.selector, expected);
    }

    function _opens(Terms memory under) private returns (Slot memory) {
        mechanism.setNext(alice, 0, 0);
        vm.prank(requester);
        return market.openSlot(id, under, 0, _statement(), "");
    }

    function _openFails(Terms memory under, bytes memory error) private {
        vm.prank(requester);
        vm.expectRevert(error);
        market.openSlot(id, under, 0, _statement(), "");
    }

    /// @dev `terms` with the field at `word` of their encoding one higher or lower; where it is zero, something else.
    function _changed(uint256 word, bool higher) private view returns (Terms memory) {
        bytes memory encoded = abi.encode(terms);
        uint256 value;
        assembly ("memory-safe") {
            value := mload(add(add(encoded, 32), mul(word, 32)))
        }
        if (higher) ++value;
        else value = value == 0 ? 2 : value - 1;
        assembly ("memory-safe") {
            mstore(add(add(encoded, 32), mul(word, 32)), value)
        }
        return abi.decode(encoded, (Terms));
    }

    /// @dev Of the terms' fields in their order: 1 if higher is better for provers, -1 if lower is, 0 if neither is.
    function _better() private pure returns (int8[FIELDS] memory) {
        return [
            int8(0), // requester
            0, // mechanism
            0, // mechanismParams
            0, // circuit
            0, // verifier
            1, // price
            -1, // bond
            1, // fastWindow
            1, // exclusiveWindow
            0, // expiryWindow
            1, // floorBps
            0, // rescuerBps
            0, // requesterBps
            0, // forfeitBps
            0, // outputs
            -1, // callbackGas
            0, // version
            0, // leastRescue
            0 // chain
        ];
    }

    // ------------------------------------------------------------------ in provers' favour

    function test_TermsInProversFavourCountAtOnceAndKeepTheirVersion() public {
        Slot memory old = _opens(_current);
        terms.price += 1 ether;
        terms.bond -= 1 ether;
        terms.floorBps += 1;
        terms.fastWindow += 1;
        terms.exclusiveWindow += 1;
        terms.callbackGas -= 1;
        bytes32 hash = keccak256(abi.encode(terms));
        vm.expectEmit(address(market));
        emit IProofMarketEvents.TermsSet(id, hash, block.timestamp, terms);
        _set(terms);
        (, bytes32 inForce,,,) = market.markets(id);
        assertEq(inForce, hash);
        (uint32 version, bytes32 announced, uint40 from,) = market.termsOf(id);
        assertEq(version, 1);
        assertEq(announced, 0);
        assertEq(from, 0);
        Slot memory young = _opens(terms);

        // An open slot stays as it was opened, and the terms before are gone for those to come.
        assertTrue(market.isOpen(old, _current));
        assertFalse(market.isOpen(old, terms));
        assertTrue(market.isOpen(young, terms));
        _openFails(_current, abi.encodeWithSelector(IProofMarketEvents.TermsMismatch.selector));
        assertEq(registry.bondedOf(id, alice), uint256(_current.bond) + terms.bond);
    }

    /// @dev Each field that may get better does so alone, and no other may change.
    function test_EveryFieldCountsAsBetterInOneDirectionAtMost() public view {
        ITermsRules rules = ITermsRules(market.rules());
        int8[FIELDS] memory better = _better();
        assertTrue(rules.inFavour(_current, _current));
        for (uint256 word; word < FIELDS; ++word) {
            assertEq(rules.inFavour(_current, _changed(word, true)), better[word] == 1, vm.toString(word));
            assertEq(rules.inFavour(_current, _changed(word, false)), better[word] == -1, vm.toString(word));
        }
    }

    /// @dev Whatever gets better besides, a single field that gets worse needs a new version. Of the version and the chain there
    /// are rules of their own.
    function test_RevertSetTerms_WhenASingleFieldIsWorseUnderTheSameVersion() public {
        int8[FIELDS] memory better = _better();
        for (uint256 word; word < FIELDS; ++word) {
            if (word == VERSION || word == CHAIN) continue;
            for (uint256 higher; higher < 2; ++higher) {
                if (better[word] == (higher == 1 ? int8(1) : int8(-1))) continue;
                Terms memory next = _changed(word, higher == 1);
                if (word != PRICE_FIELD) next.price += 1;
                _setFails(next, _versionInvalid(2));
            }
        }
        (, bytes32 inForce,,,) = market.markets(id);
        assertEq(inForce, keccak256(abi.encode(_current)));
    }

    /// @dev As long as they wait, what they would replace may still get better.
    function test_TermsInForceGetBetterWhileOthersAreAnnounced() public {
        Terms memory next = terms;
        (next.version, next.price) = (2, 1 ether);
        _set(next);
        (, bytes32 announced, uint40 from,) = market.termsOf(id);
        terms.price += 1;
        _set(terms);
        (uint32 version, bytes32 still, uint40 stillFrom,) = market.termsOf(id);
        assertEq(version, 2);
        assertEq(still, announced);
        assertEq(stillFrom, from);
        _opens(terms);
        vm.warp(from);
        _opens(next);
    }

    /// @dev The rules hold for better terms too.
    function test_RevertSetTerms_WhenBetterTermsBreakARule() public {
        Terms memory next = terms;
        next.bond = 1;
        _setFails(next, abi.encodeWithSelector(IProofMarketEvents.TermsRejected.selector, bytes32("rescue")));
        next = terms;
        next.exclusiveWindow = EXPIRY / 2 + 1;
        _setFails(next, abi.encodeWithSelector(IProofMarketEvents.TermsRejected.selector, bytes32("windows")));
    }

    // ------------------------------------------------------------------ with notice

    function test_OtherTermsCountAfterNoticeAndTheOldOnesUntilThen() public {
        Terms memory next = terms;
        (next.version, next.bond) = (2, 50 ether);
        bytes32 hash = keccak256(abi.encode(next));
        uint256 from = vm.getBlockTimestamp() + market.TERMS_NOTICE();
        vm.expectEmit(address(market));
        emit IProofMarketEvents.TermsSet(id, hash, from, next);
        _set(next);
        (uint32 version, bytes32 announced, uint40 from_,) = market.termsOf(id);
        assertEq(version, 2);
        assertEq(announced, hash);
        assertEq(from_, from);

        bytes memory notDue = abi.encodeWithSelector(IProofMarketEvents.TermsNotDue.selector, from);
        _openFails(next, notDue);
        _opens(terms);
        vm.warp(from - 1);
        _openFails(next, notDue);
        Slot memory old = _opens(terms);
        vm.warp(from);
        // The old ones are good for as long as nobody opened a slot under the new ones.
        _opens(terms);
        Slot memory young = _opens(next);
        _openFails(terms, abi.encodeWithSelector(IProofMarketEvents.TermsMismatch.selector));
        (, bytes32 inForce,,,) = market.markets(id);
        assertEq(inForce, hash);
        (version, announced, from_,) = market.termsOf(id);
        assertEq(version, 2);
        assertEq(announced, 0);
        assertEq(from_, 0);

        // Slots keep the terms they were opened under.
        assertTrue(market.isOpen(old, terms));
        assertFalse(market.isOpen(old, next));
        assertTrue(market.isOpen(young, next));
    }

    /// @dev In two epochs whoever minds is out of every draw: its weight is gone by the second.
    function test_TheNoticeIsLongEnoughToLeaveTheDraws() public {
        assertEq(market.TERMS_NOTICE(), 2 * registry.EPOCH_LENGTH());
        vm.warp((vm.getBlockTimestamp() / EPOCH + 2) * EPOCH);
        assertEq(registry.weightOf(id, alice), 200);
        // As late as the announcement may be read, in the freeze.
        vm.warp(vm.getBlockTimestamp() + EPOCH - 1);
        Terms memory next = terms;
        next.version = 2;
        _set(next);
        vm.prank(alice);
        _allocate(id, 0);
        vm.warp(vm.getBlockTimestamp() + market.TERMS_NOTICE());
        assertEq(registry.weightOf(id, alice), 0);
    }

    function test_RevertSetTerms_WhenTheVersionIsNotTheNext() public {
        Terms memory next = terms;
        uint32[4] memory bad = [uint32(0), 3, 4, type(uint32).max];
        for (uint256 i; i < bad.length; ++i) {
            next.version = bad[i];
            _setFails(next, _versionInvalid(2));
        }
    }

    /// @dev A version that was announced stands for what it stood for, even while it is pending: provers may have accepted it.
    function test_RevertSetTerms_WhenANumberIsAnnouncedAgain() public {
        Terms memory next = terms;
        (next.version, next.bond) = (2, 10 ether);
        _set(next);
        next.bond = 50 ether;
        _setFails(next, _versionInvalid(3));
        // Not even to say the same again, which would only start the notice anew.
        next.bond = 10 ether;
        _setFails(next, _versionInvalid(3));

        next.version = 3;
        _set(next);
        vm.warp(vm.getBlockTimestamp() + market.TERMS_NOTICE());
        Terms memory second = next;
        second.version = 2;
        _openFails(second, abi.encodeWithSelector(IProofMarketEvents.TermsMismatch.selector));
        next.version = 3;
        _opens(next);
        _current = next;
        second.version = 2;
        _setFails(second, _versionInvalid(4));
    }

    /// @dev What replaces an announcement has its whole notice.
    function test_AnAnnouncementReplacesTheOneBefore() public {
        Terms memory first = terms;
        (first.version, first.bond) = (2, 10 ether);
        _set(first);
        vm.warp(vm.getBlockTimestamp() + market.TERMS_NOTICE() - 1);
        Terms memory second = abi.decode(abi.encode(first), (Terms));
        (second.version, second.bond) = (3, 50 ether);
        uint256 from = vm.getBlockTimestamp() + market.TERMS_NOTICE();
        _set(second);
        vm.warp(from - 1);
        _openFails(first, abi.encodeWithSelector(IProofMarketEvents.TermsMismatch.selector));
        _openFails(second, abi.encodeWithSelector(IProofMarketEvents.TermsNotDue.selector, from));
        vm.warp(from);
        _opens(second);
        _openFails(first, abi.encodeWithSelector(IProofMarketEvents.TermsMismatch.selector));
    }

    /// @dev Even terms that are better may come as a new version.
    function test_BetterTermsMayComeAsANewVersion() public {
        terms.price += 1;
        terms.version = 2;
        _set(terms);
        uint256 from = vm.getBlockTimestamp() + market.TERMS_NOTICE();
        _openFails(terms, abi.encodeWithSelector(IProofMarketEvents.TermsNotDue.selector, from));
        _opens(_current);
    }

    // ------------------------------------------------------------------ never

    function test_RevertSetTerms_WhenTheChainWordChanges() public {
        bytes memory error = abi.encodeWithSelector(IProofMarketEvents.TermsRejected.selector, bytes32("chain"));
        Terms memory next = terms;
        (next.version, next.chain) = (2, ChainTermsLib.DECLARED);
        _setFails(next, error);

        terms.chain = ChainTermsLib.DECLARED;
        vm.prank(creator);
        id = market.createMarket(terms, CAPACITY, 5);
        _current = terms;
        uint32[3] memory words = [uint32(0), ChainTermsLib.DECLARED | 1, ChainTermsLib.DECLARED | ChainTermsLib.OUTPUT];
        for (uint256 i; i < words.length; ++i) {
            next = terms;
            next.chain = words[i];
            _setFails(next, error);
            next.version = 2;
            _setFails(next, error);
        }
        next.chain = terms.chain;
        _set(next);
    }

    function test_RevertSetTerms_WhenNotCreator() public {
        Terms memory next = terms;
        next.version = 2;
        vm.prank(requester);
        vm.expectRevert(IProofMarketEvents.NotCreator.selector);
        market.setTerms(id, _current, next);
        vm.expectRevert(IProofMarketEvents.MarketNotFound.selector);
        market.setTerms(99, _current, next);
    }

    function test_RevertSetTerms_WhenTheCurrentTermsAreOthers() public {
        Terms memory next = terms;
        next.version = 2;
        bytes memory error = abi.encodeWithSelector(IProofMarketEvents.TermsMismatch.selector);
        for (uint256 word; word < FIELDS; ++word) {
            _current = _changed(word, true);
            _setFails(next, error);
        }
        _current = terms;
        _set(next);
        // Those announced are not in force before a slot opened under them.
        vm.warp(vm.getBlockTimestamp() + market.TERMS_NOTICE());
        _current = next;
        next.version = 3;
        _setFails(next, error);
    }
}
