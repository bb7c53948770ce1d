// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { SafeTransferLib } from "solady/utils/SafeTransferLib.sol";

import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { MarketFixture } from "../MarketFixture.sol";
import { MockProof } from "../mocks/MockVerifier.sol";
import { TestToken } from "../mocks/TestToken.sol";

/// @dev Refuses transfers from and to whom it was told.
contract BlacklistToken is TestToken {
    error Blacklisted();

    mapping(address account => bool) public blacklisted;

    function blacklist(address account) external {
        blacklisted[account] = true;
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (blacklisted[from] || blacklisted[to]) revert Blacklisted();
        super._update(from, to, amount);
    }
}

/// @notice Provers that want to keep a bond, copiers of proofs, requesters of the unprovable, assets with a blacklist.
contract SettlementAttacksTest is MarketFixture {
    uint256 private constant UNBONDING = 2 * EPOCH;
    address private mallory = makeAddr("mallory");

    function setUp() public override {
        super.setUp();
        _stake(mallory, id, 100);
    }

    function _worth(address who) private view returns (uint256) {
        return token.balanceOf(who) + market.credits(who) + registry.proverOf(who).stake;
    }

    // ------------------------------------------------------------------ a mechanism that asks for what it should not

    /// @dev A mechanism of the creator's gives slot after slot to a prover that missed three, which is suspended.
    function test_ASuspendedProverIsNotBondedAgain() public {
        uint256 before = _worth(alice);
        for (uint256 i; i < 3; ++i) {
            Slot memory slot = _open(alice);
            vm.warp(slot.exclusiveUntil);
            _prove(slot, mallory);
        }
        assertEq(_worth(alice), before - 3 * BOND);
        mechanism.setNext(alice, PRICE, 0);
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, 0, BOND));
        market.openSlot(id, terms, 0, _statement(), "");
        assertEq(_worth(alice), before - 3 * BOND);
    }

    // ------------------------------------------------------------------ exit before slash

    /// @dev Everything that can be asked back is, between the miss and the rescue: the bond is not among it.
    function test_ExitBeforeSlashPaysTheBond() public {
        uint256 before = _worth(mallory);
        Slot memory slot = _open(mallory);
        vm.warp(slot.exclusiveUntil);
        vm.startPrank(mallory);
        _allocate(id, 0);
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, 80 ether, 80 ether + 1));
        registry.requestUnstake(80 ether + 1);
        registry.requestUnstake(80 ether);
        vm.stopPrank();

        // Not even if the rescue comes after the unbonding would have let everything go.
        uint256 snapshot = vm.snapshotState();
        _prove(slot, bob);
        assertEq(_worth(mallory), before - BOND);
        vm.revertToState(snapshot);
        vm.warp(slot.openedAt + EXPIRY - 1);
        _prove(slot, bob);
        vm.warp(vm.getBlockTimestamp() + UNBONDING);
        vm.prank(mallory);
        registry.withdrawStake(mallory);
        assertEq(_worth(mallory), before - BOND);
        assertEq(token.balanceOf(mallory), 80 ether);
    }

    /// @dev Stake that was asked back first backs no slot.
    function test_ExitBeforeAnAllocationGetsNoSlot() public {
        uint256 before = _worth(mallory);
        vm.startPrank(mallory);
        _allocate(id, 0);
        registry.requestUnstake(100 ether);
        vm.stopPrank();
        assertFalse(registry.isEligible(id, mallory, 1, terms.version));
        mechanism.setNext(mallory, PRICE, 0);
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IProverRegistry.InsufficientStake.selector, 0, BOND));
        market.openSlot(id, terms, 0, _statement(), "");
        assertEq(_worth(mallory), before);
    }

    // ------------------------------------------------------------------ copying proofs

    /// @dev Alice's transaction seen in the mempool and sent first, as it is and with another payee.
    function test_CopyingAProofFromTheMempoolPaysItsAuthor() public {
        uint256 before = _worth(mallory);
        uint256 hers = _worth(alice);
        Slot[2] memory slots = [_open(alice), _open(address(0))];
        uint256[] memory inputs = _inputs(alice);
        bytes memory proof = MockProof.make(inputs);
        for (uint256 i; i < 2; ++i) {
            uint256[] memory changed = _inputs(mallory);
            if (i == 1) {
                vm.prank(mallory);
                vm.expectRevert(IProofMarketEvents.ProofInvalid.selector);
                market.prove(slots[i], terms, changed, proof);
            } else {
                vm.prank(mallory);
                vm.expectPartialRevert(IProofMarketEvents.NotAssignedProver.selector);
                market.prove(slots[i], terms, changed, proof);
            }
            vm.prank(mallory);
            market.prove(slots[i], terms, inputs, proof);
            // Alice's own transaction comes too late and does no harm.
            vm.prank(alice);
            vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.SlotNotOpen.selector, SlotState.Proven));
            market.prove(slots[i], terms, inputs, proof);
        }
        assertEq(_worth(mallory), before);
        assertEq(_worth(alice), hers + 2 * PRICE);
    }

    /// @dev A rescue is no different: the premium is the author's.
    function test_CopyingARescuePaysItsAuthor() public {
        uint256 before = _worth(mallory);
        Slot memory slot = _open(alice);
        vm.warp(slot.exclusiveUntil);
        uint256[] memory inputs = _inputs(bob);
        bytes memory proof = MockProof.make(inputs);
        vm.startPrank(mallory);
        vm.expectRevert(IProofMarketEvents.ProofInvalid.selector);
        market.prove(slot, terms, _inputs(mallory), proof);
        market.prove(slot, terms, inputs, proof);
        vm.stopPrank();
        assertEq(_worth(mallory), before);
        assertEq(market.credits(bob), 6 ether + 10 ether);
    }

    // ------------------------------------------------------------------ the unprovable

    /// @dev A requester fills its market with blocks that nobody can prove, to tie up and slash bonds.
    function test_UnprovableSlotsCostTheirRequesterAndNobodyElse() public {
        uint256 before = _funds();
        uint256 hers = _worth(alice);
        for (uint256 i; i < CAPACITY; ++i) {
            Slot memory slot = _open(alice);
            vm.prank(requester);
            vm.expectRevert(IProofMarketEvents.SlotNotCancellable.selector);
            market.cancel(slot, terms, _noInputs());
            vm.warp(slot.exclusiveUntil);
            // Without a proof the accomplice gets no bond.
            vm.expectRevert(IProofMarketEvents.ProofInvalid.selector);
            market.prove(slot, terms, _inputs(mallory), "no proof");
            vm.warp(slot.openedAt + EXPIRY);
            _expire(slot);
        }
        assertEq(_worth(alice), hers);
        assertEq(registry.bondedOf(id, alice), 0);
        assertEq(registry.positionOf(id, alice).misses, 0);
        assertEq(_funds(), before - CAPACITY * PRICE / 10);
        assertEq(market.burned(), CAPACITY * PRICE / 10);
    }

    // ------------------------------------------------------------------ a blacklist

    /// @dev Whoever the asset refuses to serve: slots settle as ever, and what they hold waits for another address.
    function test_ABlacklistedReceiverBlocksNoSettlement() public {
        BlacklistToken asset = new BlacklistToken();
        _deploy(asset);
        _stake(mallory, id, 100);
        asset.blacklist(mallory);
        asset.blacklist(requester);
        asset.blacklist(creator);
        uint256 before = _worth(mallory);

        // Paid, and rescued; with everybody concerned but the rescuer on the list.
        _prove(_open(mallory), mallory);
        Slot memory slot = _open(mallory);
        vm.warp(slot.exclusiveUntil);
        _prove(slot, bob);
        _assertState(slot, SlotState.Proven);
        slot = _open(mallory);
        vm.warp(slot.openedAt + EXPIRY);
        _expire(slot);
        _assertState(slot, SlotState.Expired);
        assertEq(_worth(mallory), before + PRICE - BOND);

        // The list does bind withdrawals to whom it names, and only those.
        vm.startPrank(mallory);
        vm.expectRevert(SafeTransferLib.TransferFailed.selector);
        market.withdraw(mallory, PRICE);
        market.withdraw(stranger, PRICE);
        vm.stopPrank();
        assertEq(token.balanceOf(stranger), PRICE);
        assertEq(_worth(mallory), before - BOND);
        vm.prank(bob);
        market.withdraw(bob, 1 ether);
    }

    /// @dev A slash pays no third party either: the rescuer may be blacklisted.
    function test_ABlacklistedRescuerSlashesAllTheSame() public {
        BlacklistToken asset = new BlacklistToken();
        _deploy(asset);
        asset.blacklist(mallory);
        Slot memory slot = _open(alice);
        vm.warp(slot.exclusiveUntil);
        uint256 hers = _worth(alice);
        _prove(slot, mallory);
        assertEq(_worth(alice), hers - BOND);
        assertEq(market.credits(mallory), 16 ether);
    }
}
