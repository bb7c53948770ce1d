// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ProofFirstRollup } from "../../../examples/requester/ProofFirstRollup.sol";
import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { IRequester } from "../../src/interfaces/IRequester.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { MarketFixture } from "../MarketFixture.sol";
import { MockProof } from "../mocks/MockVerifier.sol";
import { VmSafe } from "forge-std/Vm.sol";

/// @notice The example that includes a block only once it is proven.
contract ProofFirstRollupTest is MarketFixture {
    uint256 private constant GENESIS = 1000;
    bytes private constant DATA = "transfers";

    address private sequencer = makeAddr("sequencer");
    ProofFirstRollup private rollup;
    Terms private ruled;

    function setUp() public override {
        super.setUp();
        vm.recordLogs();
        rollup = new ProofFirstRollup(market, terms, CAPACITY, sequencer, GENESIS);
        VmSafe.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == IProofMarketEvents.TermsSet.selector) {
                (, ruled) = abi.decode(logs[i].data, (uint256, Terms));
            }
        }
        _fund(rollup.MARKET_ID(), 500 ether);
        mechanism.setNext(address(0), PRICE, 0);
    }

    function _propose(uint256 newRoot) private returns (Slot memory slot) {
        uint64 parent = rollup.number();
        vm.recordLogs();
        vm.prank(sequencer);
        rollup.propose(parent, newRoot, DATA, ruled);
        VmSafe.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == IProofMarketEvents.SlotOpened.selector) {
                (, slot,) = abi.decode(logs[i].data, (bytes32, Slot, uint256[]));
            }
        }
    }

    function _proveBlock(Slot memory slot, uint256 oldRoot, uint256 newRoot) private {
        uint256[] memory inputs = new uint256[](4);
        (inputs[0], inputs[1]) = (oldRoot, newRoot);
        (inputs[2], inputs[3]) = (uint256(keccak256(DATA)), uint160(alice));
        market.prove(slot, ruled, inputs, MockProof.make(inputs));
    }

    /// @dev A proof whose callback fails, as it would if gas were priced anew.
    function _proveUntold(Slot memory slot, uint256 oldRoot, uint256 newRoot) private {
        vm.mockCallRevert(address(rollup), abi.encodeWithSelector(IRequester.onSlotEnded.selector), "");
        vm.expectEmit(address(market));
        emit IProofMarketEvents.CallbackFailed(rollup.MARKET_ID(), slot.id);
        _proveBlock(slot, oldRoot, newRoot);
        vm.clearMockedCalls();
    }

    function _expireBlock(Slot memory slot) private {
        vm.warp(uint256(slot.openedAt) + ruled.expiryWindow);
        market.expire(slot, ruled, _noInputs());
    }

    function _assertAt(uint64 number, uint256 root) private view {
        assertEq(rollup.number(), number, "number");
        assertEq(rollup.root(), root, "root");
    }

    function test_ABlockIsIncludedByItsProofAndNotBefore() public {
        Slot memory slot = _propose(1001);
        _assertAt(0, GENESIS);
        vm.expectEmit(address(rollup));
        emit ProofFirstRollup.BlockIncluded(slot.id, 1, 1001);
        _proveBlock(slot, GENESIS, 1001);
        _assertAt(1, 1001);
        assertEq(market.credits(alice), PRICE);

        _proveBlock(_propose(1002), 1001, 1002);
        _assertAt(2, 1002);
    }

    function test_AnExpiredSlotLeavesTheStateAlone() public {
        Slot memory slot = _propose(1001);
        vm.expectEmit(address(rollup));
        emit ProofFirstRollup.BlockDiscarded(slot.id, 1, SlotState.Expired);
        _expireBlock(slot);
        _assertAt(0, GENESIS);

        // The same block, proposed again.
        _proveBlock(_propose(1001), GENESIS, 1001);
        _assertAt(1, 1001);
    }

    function test_OfTwoBlocksWithOneNumberTheFirstProvenIsIncluded() public {
        Slot memory first = _propose(1001);
        Slot memory second = _propose(2001);
        _proveBlock(second, GENESIS, 2001);
        _assertAt(1, 2001);

        vm.expectEmit(address(rollup));
        emit ProofFirstRollup.BlockDiscarded(first.id, 1, SlotState.Proven);
        _proveBlock(first, GENESIS, 1001);
        _assertAt(1, 2001);
    }

    function test_ABlockMadeForAStateDoesNotCountWhenItsRootComesBack() public {
        Slot memory late = _propose(1001);
        _proveBlock(_propose(2001), GENESIS, 2001);
        _proveBlock(_propose(GENESIS), 2001, GENESIS);
        _proveBlock(late, GENESIS, 1001);
        _assertAt(2, GENESIS);
    }

    function test_AFailedCallbackIsCaughtUpByAnyone() public {
        Slot memory slot = _propose(1001);
        _proveUntold(slot, GENESIS, 1001);
        _assertAt(0, GENESIS);

        vm.prank(stranger);
        rollup.takeIn(slot.id);
        _assertAt(1, 1001);

        vm.expectRevert(abi.encodeWithSelector(ProofFirstRollup.NothingToTakeIn.selector, slot.id));
        rollup.takeIn(slot.id);
    }

    function test_AFailedCallbackIsNotLostWhenTheRingGoesRound() public {
        Slot memory slot = _propose(1001);
        _proveUntold(slot, GENESIS, 1001);
        for (uint256 i = 1; i < CAPACITY; ++i) {
            _expireBlock(_propose(2000 + i));
        }
        _assertAt(0, GENESIS);
        // The next proposal takes the place of the first, whose end is taken in before: it must be made for the state after that.
        vm.prank(sequencer);
        vm.expectRevert(abi.encodeWithSelector(ProofFirstRollup.ParentMoved.selector, 1));
        rollup.propose(0, 3001, DATA, ruled);
        vm.prank(sequencer);
        rollup.propose(1, 1002, DATA, ruled);
        _assertAt(1, 1001);
    }

    function test_RevertTakeIn_WhenTheSlotIsOpenOrWasNeverOpened() public {
        Slot memory slot = _propose(1001);
        for (uint64 id = slot.id; id < slot.id + 2; ++id) {
            vm.expectRevert(abi.encodeWithSelector(ProofFirstRollup.NothingToTakeIn.selector, id));
            rollup.takeIn(id);
        }
        _proveBlock(slot, GENESIS, 1001);
        _assertAt(1, 1001);
    }

    function test_RevertOnSlotEnded_WhenNotTheMarketOrNotThisOne() public {
        Slot memory slot = _propose(1001);
        uint256 marketId = rollup.MARKET_ID();
        vm.prank(sequencer);
        vm.expectRevert(ProofFirstRollup.NotMarket.selector);
        rollup.onSlotEnded(marketId, slot.id, SlotState.Proven, _noInputs());
        vm.prank(address(market));
        vm.expectRevert(ProofFirstRollup.NotMarket.selector);
        rollup.onSlotEnded(marketId + 1, slot.id, SlotState.Proven, _noInputs());
        _assertAt(0, GENESIS);
    }

    function test_TheCallbackTakesHalfOfItsGasAtMost() public {
        Slot memory slot = _propose(1001);
        uint256 marketId = rollup.MARKET_ID();
        uint256 half = rollup.CALLBACK_GAS() / 2;
        // As cold as in a transaction of its own.
        vm.cool(address(rollup));
        vm.prank(address(market));
        rollup.onSlotEnded{ gas: half }(marketId, slot.id, SlotState.Proven, _inputs(alice));
        _assertAt(1, 1001);
    }

    function test_RevertPropose_WhenNotTheSequencer() public {
        vm.prank(stranger);
        vm.expectRevert(ProofFirstRollup.NotSequencer.selector);
        rollup.propose(0, 1001, DATA, ruled);
    }

    function test_NobodyElseOpensItsSlots() public {
        uint256 marketId = rollup.MARKET_ID();
        vm.prank(sequencer);
        vm.expectRevert(IProofMarketEvents.NotRequester.selector);
        market.openSlot(marketId, ruled, 0, _statement(), "");
    }
}
