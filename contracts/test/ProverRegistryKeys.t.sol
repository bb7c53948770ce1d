// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProverRegistry } from "../src/interfaces/IProverRegistry.sol";
import { RegistryFixture } from "./RegistryFixture.sol";

/// @notice Keys that act for a prover: by the consent of both, until one of them ends it.
contract ProverRegistryKeysTest is RegistryFixture {
    address private hot = makeAddr("hot");

    function _serve(address prover, address key) private {
        vm.prank(prover);
        registry.setSubmitter(key, true);
        vm.prank(key);
        registry.serve(prover);
        assertEq(registry.proverOfSubmitter(key), prover);
    }

    // ------------------------------------------------------------------ submitters

    function test_Submitter_PausesAndResumesButMovesNoMoney() public {
        _join(alice, 3);
        _serve(alice, bob);
        vm.startPrank(bob);
        vm.expectEmit(address(registry));
        emit IProverRegistry.ProverPaused(alice);
        registry.pause();
        assertTrue(registry.proverOf(alice).paused);
        vm.expectEmit(address(registry));
        emit IProverRegistry.ProverResumed(alice);
        registry.resume();
        assertFalse(registry.proverOf(alice).paused);
        vm.expectRevert(IProverRegistry.NotRegistered.selector);
        registry.requestUnstake(1);
        vm.expectRevert(IProverRegistry.NothingToWithdraw.selector);
        registry.withdrawStake(bob);
        vm.expectRevert(IProverRegistry.NotRegistered.selector);
        registry.allocate(MARKET, 0, 0, 0, 0);
    }

    function test_Submitter_EndsByProverOrByItself() public {
        _register(alice);
        address[2] memory enders = [alice, bob];
        for (uint256 i; i < enders.length; ++i) {
            _serve(alice, bob);
            vm.expectEmit(address(registry));
            emit IProverRegistry.SubmitterSet(alice, bob, false);
            vm.prank(enders[i]);
            registry.setSubmitter(bob, false);
            assertEq(registry.proverOfSubmitter(bob), address(0));
            assertFalse(registry.isNominated(alice, bob));
            vm.startPrank(bob);
            vm.expectRevert(IProverRegistry.NotAuthorised.selector);
            registry.pause();
            // To serve again it has to be asked again.
            vm.expectRevert(IProverRegistry.NotNominated.selector);
            registry.serve(alice);
            vm.stopPrank();
        }
    }

    /// @dev A nomination gives a key no right and takes none from it; the key's answer does.
    function test_Submitter_NeedsTheKeysConsent() public {
        _register(alice);
        vm.expectEmit(address(registry));
        emit IProverRegistry.SubmitterNominated(alice, bob);
        vm.prank(alice);
        registry.setSubmitter(bob, true);
        assertTrue(registry.isNominated(alice, bob));
        assertEq(registry.proverOfSubmitter(bob), address(0));
        assertFalse(registry.isSubmitterFor(bob, alice));
        vm.startPrank(bob);
        vm.expectRevert(IProverRegistry.NotAuthorised.selector);
        registry.pause();
        vm.expectEmit(address(registry));
        emit IProverRegistry.SubmitterSet(alice, bob, true);
        registry.serve(alice);
        assertTrue(registry.isSubmitterFor(bob, alice));
        registry.pause();
        // Saying so twice changes nothing.
        vm.recordLogs();
        registry.serve(alice);
        assertEq(vm.getRecordedLogs().length, 0);
        vm.stopPrank();
    }

    /// @dev Whoever names a key first does not have it: its prover gets it all the same, before or after.
    function test_Submitter_CannotBeSquatted() public {
        _register(alice);
        address mallory = makeAddr("mallory");
        _register(mallory);
        vm.prank(mallory);
        registry.setSubmitter(bob, true);
        _serve(alice, bob);
        // Nor be taken, nor sent away, while it serves another.
        vm.startPrank(mallory);
        registry.setSubmitter(bob, true);
        assertTrue(registry.isSubmitterFor(bob, alice));
        assertFalse(registry.isSubmitterFor(bob, mallory));
        registry.setSubmitter(bob, false);
        assertEq(registry.proverOfSubmitter(bob), alice);
        assertTrue(registry.isNominated(alice, bob));
        vm.stopPrank();
        vm.prank(bob);
        vm.expectRevert(IProverRegistry.NotNominated.selector);
        registry.serve(mallory);
    }

    /// @dev A key moves to another prover that nominated it, and acts for the one before no longer.
    function test_Submitter_MovesToAnotherProver() public {
        _register(alice);
        _register(carol);
        _serve(alice, bob);
        vm.prank(carol);
        registry.setSubmitter(bob, true);
        vm.expectEmit(address(registry));
        emit IProverRegistry.SubmitterSet(alice, bob, false);
        vm.expectEmit(address(registry));
        emit IProverRegistry.SubmitterSet(carol, bob, true);
        vm.prank(bob);
        registry.serve(carol);
        assertFalse(registry.isSubmitterFor(bob, alice));
        assertTrue(registry.isSubmitterFor(bob, carol));
        // The one before still wants it, and it may go back.
        vm.prank(bob);
        registry.serve(alice);
        assertTrue(registry.isSubmitterFor(bob, alice));
        assertFalse(registry.isSubmitterFor(bob, carol));
    }

    function test_Submitter_NominationCanBeWithdrawn() public {
        _register(alice);
        vm.startPrank(alice);
        registry.setSubmitter(bob, true);
        registry.setSubmitter(bob, false);
        vm.stopPrank();
        assertFalse(registry.isNominated(alice, bob));
        vm.prank(bob);
        vm.expectRevert(IProverRegistry.NotNominated.selector);
        registry.serve(alice);
        // Its nominator's, while it serves another: that stays as it is.
        _register(carol);
        vm.prank(alice);
        registry.setSubmitter(bob, true);
        _serve(carol, bob);
        vm.prank(alice);
        registry.setSubmitter(bob, false);
        assertTrue(registry.isSubmitterFor(bob, carol));
    }

    function test_RevertSetSubmitter_WhenNotOwn() public {
        _register(alice);
        _register(bob);
        _serve(alice, carol);
        vm.startPrank(bob);
        vm.expectRevert(IProverRegistry.NotAuthorised.selector);
        registry.setSubmitter(carol, false);
        vm.expectRevert(IProverRegistry.NotAuthorised.selector);
        registry.setSubmitter(makeAddr("nobody's"), false);
        vm.expectRevert(IProverRegistry.NotNominated.selector);
        registry.serve(alice);
    }

    // ------------------------------------------------------------------ isSubmitterFor

    function test_IsSubmitterFor() public {
        _register(alice);
        assertTrue(registry.isSubmitterFor(alice, alice));
        assertFalse(registry.isSubmitterFor(hot, alice));
        _serve(alice, hot);
        assertTrue(registry.isSubmitterFor(hot, alice));
        assertFalse(registry.isSubmitterFor(alice, hot));
        assertFalse(registry.isSubmitterFor(hot, hot));
        vm.prank(hot);
        registry.setSubmitter(hot, false);
        assertFalse(registry.isSubmitterFor(hot, alice));
    }

    function test_IsSubmitterFor_NobodyWithoutRegistration() public {
        _register(alice);
        assertFalse(registry.isSubmitterFor(bob, bob));
        assertFalse(registry.isSubmitterFor(bob, alice));
        assertFalse(registry.isSubmitterFor(bob, address(0)));
        assertFalse(registry.isSubmitterFor(address(0), address(0)));
        assertFalse(registry.isSubmitterFor(alice, address(0)));
    }

    /// @dev A prover may be a key of another's besides, and loses nothing by it.
    function test_IsSubmitterFor_AProverThatIsAnothersSubmitter() public {
        _register(alice);
        _register(bob);
        _serve(alice, bob);
        assertTrue(registry.isSubmitterFor(bob, alice));
        assertTrue(registry.isSubmitterFor(bob, bob));
        assertFalse(registry.isSubmitterFor(alice, bob));
    }

    function test_IsSubmitterFor_AProverThatIsItsOwnSubmitter() public {
        _register(alice);
        _serve(alice, alice);
        assertTrue(registry.isSubmitterFor(alice, alice));
        vm.prank(alice);
        registry.setSubmitter(alice, false);
        assertTrue(registry.isSubmitterFor(alice, alice));
    }

    /// @dev Who may act is not a matter of stake, nor of being in the draws.
    function test_IsSubmitterFor_WhilePaused() public {
        _register(alice);
        _serve(alice, hot);
        vm.prank(alice);
        registry.pause();
        assertTrue(registry.isSubmitterFor(alice, alice));
        assertTrue(registry.isSubmitterFor(hot, alice));
    }
}
