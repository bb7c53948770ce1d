// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProofMarketEvents } from "../src/interfaces/IProofMarket.sol";
import { IProverRegistry } from "../src/interfaces/IProverRegistry.sol";
import { Slot, SlotState } from "../src/types/Slot.sol";
import { Terms } from "../src/types/Terms.sol";
import { MarketFixture } from "./MarketFixture.sol";
import { MockProof, OddVerifier } from "./mocks/MockVerifier.sol";

/// @notice Proving, rescuing, expiring; every deadline to the second; nothing altered gets through.
contract ProofMarketSettleTest is MarketFixture {
    function _notOpen(SlotState state) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IProofMarketEvents.SlotNotOpen.selector, state);
    }

    // ------------------------------------------------------------------ in time

    function test_ProveInTimePaysAndReleases() public {
        Slot memory slot = _open(alice);
        uint256 before = _funds();
        vm.warp(slot.startedAt + FAST);
        vm.expectEmit(address(market));
        emit IProofMarketEvents.SlotProven(id, slot.id, alice, PRICE, 0, address(0));
        vm.prank(stranger);
        _prove(slot, alice);
        assertEq(market.credits(alice), PRICE);
        assertEq(_funds(), before);
        assertEq(registry.bondedOf(id, alice), 0);
        assertEq(registry.proverOf(alice).stake, 200 ether);
        _assertState(slot, SlotState.Proven);
        assertFalse(market.isOpen(slot, terms));
        _proveFails(slot, alice, _notOpen(SlotState.Proven));
    }

    function test_ProveSlowerPaysLessAndReturnsTheRest() public {
        Slot memory slot = _open(alice);
        uint256 before = _funds();
        vm.warp(slot.startedAt + FAST + 120);
        _prove(slot, alice);
        assertEq(market.credits(alice), 8 ether);
        assertEq(_funds(), before + 2 ether);
    }

    function test_ProveLateByTheAssignedProverPaysTheFloorAndSlashesNothing() public {
        Slot memory slot = _open(alice);
        vm.warp(slot.openedAt + EXPIRY - 1);
        _prove(slot, alice);
        assertEq(market.credits(alice), 6 ether);
        assertEq(registry.proverOf(alice).stake, 200 ether);
        assertEq(registry.bondedOf(id, alice), 0);
        assertEq(registry.positionOf(id, alice).misses, 0);
        assertEq(market.burned(), 0);
    }

    function test_ProveOpenToAll() public {
        Slot memory slot = _open(address(0), PRICE, uint40(block.timestamp) + 100);
        vm.warp(slot.exclusiveUntil - 1);
        _proveFails(
            slot,
            carol,
            abi.encodeWithSelector(IProofMarketEvents.NotAssignedProver.selector, address(0), slot.exclusiveUntil)
        );
        vm.warp(slot.exclusiveUntil);
        vm.expectEmit(address(market));
        emit IProofMarketEvents.SlotProven(id, slot.id, carol, PRICE, 0, address(0));
        _prove(slot, carol);
        assertEq(market.credits(carol), PRICE);
    }

    // ------------------------------------------------------------------ rescue

    function test_RescueSplitsTheBond() public {
        Slot memory slot = _open(alice);
        uint256 before = _funds();
        vm.warp(slot.exclusiveUntil);
        vm.expectEmit(address(market));
        emit IProofMarketEvents.BondSlashed(id, slot.id, alice, 10 ether, 6 ether, 4 ether);
        vm.expectEmit(address(market));
        emit IProofMarketEvents.SlotProven(id, slot.id, carol, 6 ether, 10 ether, alice);
        _prove(slot, carol);
        assertEq(market.credits(carol), 16 ether);
        assertEq(_funds(), before + 4 ether + 6 ether);
        assertEq(market.burned(), 4 ether);
        assertEq(registry.proverOf(alice).stake, 180 ether);
        assertEq(registry.bondedOf(id, alice), 0);
        assertEq(registry.positionOf(id, alice).misses, 1);
        _assertState(slot, SlotState.Proven);

        vm.expectEmit(address(market));
        emit IProofMarketEvents.BurnedSwept(4 ether);
        vm.prank(stranger);
        market.sweepBurned();
        assertEq(market.burned(), 0);
        assertEq(token.balanceOf(0x000000000000000000000000000000000000dEaD), 4 ether);
    }

    /// @dev A mechanism may give a slot any price down to nothing; rescuing it is worth at least what the terms say.
    function test_RescueOfASlotWithoutAPricePaysWhatTheTermsSay() public {
        terms.leastRescue = 10 ether;
        _setTerms();
        Slot memory slot = _open(alice, 0, 0);
        assertEq(slot.price, 0);
        vm.warp(slot.openedAt + EXPIRY - 1);
        _prove(slot, carol);
        assertEq(market.credits(carol), terms.leastRescue);
    }

    function test_ProvingForgetsMisses() public {
        Slot memory slot = _open(alice);
        vm.warp(slot.exclusiveUntil);
        _prove(slot, bob);
        assertEq(registry.positionOf(id, alice).misses, 1);
        _prove(_open(alice), alice);
        assertEq(registry.positionOf(id, alice).misses, 0);
    }

    function test_RevertProve_WhenSomebodyElseIsAssigned() public {
        Slot memory slot = _open(alice);
        bytes memory error =
            abi.encodeWithSelector(IProofMarketEvents.NotAssignedProver.selector, alice, slot.exclusiveUntil);
        _proveFails(slot, carol, error);
        vm.warp(slot.exclusiveUntil - 1);
        _proveFails(slot, carol, error);
    }

    // ------------------------------------------------------------------ expiry

    function test_ExpireForfeitsAndHarmsNoProver() public {
        Slot memory slot = _open(alice);
        uint256 before = _funds();
        vm.warp(slot.openedAt + EXPIRY - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IProofMarketEvents.SlotNotExpired.selector, uint256(slot.openedAt) + EXPIRY)
        );
        _expire(slot);

        vm.warp(slot.openedAt + EXPIRY);
        _proveFails(
            slot,
            alice,
            abi.encodeWithSelector(IProofMarketEvents.SlotHasExpired.selector, uint256(slot.openedAt) + EXPIRY)
        );
        vm.expectEmit(address(market));
        emit IProofMarketEvents.SlotExpired(id, slot.id, 1 ether);
        vm.prank(stranger);
        _expire(slot);
        assertEq(_funds(), before + 9 ether);
        assertEq(market.burned(), 1 ether);
        assertEq(registry.proverOf(alice).stake, 200 ether);
        assertEq(registry.bondedOf(id, alice), 0);
        _assertState(slot, SlotState.Expired);
        _proveFails(slot, alice, _notOpen(SlotState.Expired));
        vm.expectRevert(_notOpen(SlotState.Expired));
        _expire(slot);
    }

    function test_ExpireWithoutProver() public {
        Slot memory slot = _open(address(0));
        vm.warp(slot.openedAt + EXPIRY);
        _expire(slot);
        _assertState(slot, SlotState.Expired);
        assertEq(market.burned(), 1 ether);
    }

    function testFuzz_NeverBothProvableAndExpirable(uint32 elapsed) public {
        Slot memory slot = _open(address(0));
        vm.warp(slot.openedAt + bound(elapsed, 0, 2 * EXPIRY));
        uint256[] memory inputs = _inputs(carol);
        uint256 snapshot = vm.snapshotState();
        (bool provable,) =
            address(market).call(abi.encodeCall(market.prove, (slot, terms, inputs, MockProof.make(inputs))));
        vm.revertToState(snapshot);
        (bool expirable,) = address(market).call(abi.encodeCall(market.expire, (slot, terms, _noInputs())));
        assertTrue(provable != expirable);
    }

    // ------------------------------------------------------------------ public inputs and proofs

    function test_RevertProve_WhenTheStatementDiffers() public {
        Slot memory slot = _open(alice);
        uint256[] memory inputs = _inputs(alice);
        inputs[1] = 23;
        vm.expectRevert(IProofMarketEvents.StatementMismatch.selector);
        market.prove(slot, terms, inputs, MockProof.make(inputs));

        // One output too many or too few shifts the statement.
        inputs = new uint256[](5);
        (inputs[0], inputs[1], inputs[2], inputs[4]) = (11, 22, 1, uint160(alice));
        vm.expectRevert(IProofMarketEvents.StatementMismatch.selector);
        market.prove(slot, terms, inputs, MockProof.make(inputs));
        inputs = new uint256[](3);
        (inputs[0], inputs[1], inputs[2]) = (11, 22, uint160(alice));
        vm.expectRevert(IProofMarketEvents.StatementMismatch.selector);
        market.prove(slot, terms, inputs, MockProof.make(inputs));
        for (uint256 length; length < 2; ++length) {
            inputs = new uint256[](length);
            vm.expectRevert(IProofMarketEvents.StatementMismatch.selector);
            market.prove(slot, terms, inputs, "");
        }
    }

    function test_AnyOutputIsTheProversToState() public {
        Slot memory slot = _open(alice);
        uint256[] memory inputs = _inputs(alice);
        inputs[2] = type(uint256).max;
        market.prove(slot, terms, inputs, MockProof.make(inputs));
        _assertState(slot, SlotState.Proven);
    }

    function test_RevertProve_WhenPayeeIsNoAddress() public {
        Slot memory slot = _open(address(0));
        uint256[] memory inputs = _inputs(alice);
        inputs[3] |= 1 << 160;
        vm.expectRevert(IProofMarketEvents.PayeeInvalid.selector);
        market.prove(slot, terms, inputs, MockProof.make(inputs));
        inputs[3] = 0;
        vm.expectRevert(IProofMarketEvents.PayeeInvalid.selector);
        market.prove(slot, terms, inputs, MockProof.make(inputs));
    }

    function test_RevertProve_WhenTheProofIsForAnotherPayee() public {
        Slot memory slot = _open(address(0));
        bytes memory proof = MockProof.make(_inputs(alice));
        vm.expectRevert(IProofMarketEvents.ProofInvalid.selector);
        market.prove(slot, terms, _inputs(stranger), proof);
    }

    /// @dev The verifier is called exactly as the ABI would, for proofs of any length.
    function testFuzz_TheVerifierGetsWhatTheAbiSays(bytes calldata proof) public {
        Slot memory slot = _open(address(0));
        uint256[] memory inputs = _inputs(alice);
        bytes memory call = abi.encodeCall(verifier.verify, (inputs, proof));
        vm.mockCall(address(verifier), call, abi.encode(true));
        vm.expectCall(address(verifier), call);
        market.prove(slot, terms, inputs, proof);
        _assertState(slot, SlotState.Proven);
    }

    function test_RevertProve_WhenTheVerifierIsOdd() public {
        OddVerifier.Mode[4] memory modes = [
            OddVerifier.Mode.AnswerWord,
            OddVerifier.Mode.RevertHuge,
            OddVerifier.Mode.AnswerNothing,
            OddVerifier.Mode.AnswerShort
        ];
        for (uint256 i; i < modes.length; ++i) {
            // Nobody could have registered it so.
            Slot memory slot = _open(address(0));
            vm.etch(address(verifier), address(new OddVerifier(modes[i], 2)).code);
            _proveFails(slot, alice, abi.encodeWithSelector(IProofMarketEvents.ProofInvalid.selector));
        }
    }

    // ------------------------------------------------------------------ altered slots and terms

    function test_RevertProve_WhenTheSlotIsAltered() public {
        Slot memory good = _open(alice);
        bytes memory encoded = abi.encode(good);
        for (uint256 word; word < encoded.length / 32; ++word) {
            bytes memory bad = abi.encode(good);
            bad[word * 32 + 31] = bytes1(uint8(bad[word * 32 + 31]) ^ 1);
            Slot memory slot = abi.decode(bad, (Slot));
            assertFalse(market.isOpen(slot, terms));
            _proveFails(slot, alice, _notOpen(SlotState.None));
            vm.expectRevert(_notOpen(SlotState.None));
            _expire(slot);
        }
        _prove(good, alice);
    }

    function test_RevertProve_WhenTheCapacityIsMadeUp() public {
        Slot memory slot = _open(alice);
        uint32[6] memory capacities = [uint32(0), 1, 2, 8, 65_536, type(uint32).max];
        for (uint256 i; i < capacities.length; ++i) {
            slot.capacity = capacities[i];
            _proveFails(slot, alice, _notOpen(SlotState.None));
        }
    }

    function test_RevertProve_WhenTheTermsAreAltered() public {
        Slot memory slot = _open(alice);
        uint256[] memory inputs = _inputs(alice);
        bytes memory encoded = abi.encode(terms);
        for (uint256 word; word < encoded.length / 32; ++word) {
            bytes memory bad = abi.encode(terms);
            bad[word * 32 + 31] = bytes1(uint8(bad[word * 32 + 31]) ^ 1);
            Terms memory altered = abi.decode(bad, (Terms));
            vm.expectRevert(_notOpen(SlotState.None));
            market.prove(slot, altered, inputs, MockProof.make(inputs));
        }
    }

    /// @dev Calldata is hashed as it came, so bits that the ABI wants to be zero must not change what a field means.
    function test_RevertProve_WhenCalldataIsDirty() public {
        Slot memory slot = _open(alice);
        uint256[] memory inputs = _inputs(alice);
        bytes memory good = abi.encodeCall(market.prove, (slot, terms, inputs, MockProof.make(inputs)));
        for (uint256 word; word < 29; ++word) {
            // Full words have no spare bits: market, statement, link, mechanismParams, circuit.
            if (word == 0 || word == 2 || word == 9 || word == 12 || word == 13) continue;
            bytes memory bad = bytes.concat(good);
            bad[4 + word * 32] = 0x80;
            (bool success,) = address(market).call(bad);
            assertFalse(success, vm.toString(word));
        }
        (bool ok,) = address(market).call(good);
        assertTrue(ok);
    }
}
