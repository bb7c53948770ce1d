// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { TransferRollup } from "../../src/examples/TransferRollup.sol";
import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { ITransferRollup } from "../../src/interfaces/ITransferRollup.sol";
import { ChainTermsLib } from "../../src/types/ChainTerms.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { MarketFixture } from "../MarketFixture.sol";
import { MockProof } from "../mocks/MockVerifier.sol";
import { VmSafe } from "forge-std/Vm.sol";

/// @notice Blocks are posted, proven in any order, proven wrong and let expire: which are final, and what the next builds on.
contract TransferRollupTest is MarketFixture {
    uint256 private constant GENESIS = 1000;
    uint256 private constant MAX_BYTES = 31 + 8 * 124;
    uint32 private constant BLOCKS = 16;

    TransferRollup private rollup;
    address private sequencer = makeAddr("sequencer");

    struct Posted {
        Slot slot;
        uint256[] statement;
    }

    mapping(uint64 number => Posted) private _posted;

    function setUp() public override {
        super.setUp();
        _deployRollup(BLOCKS);
    }

    function _deployRollup(uint32 capacity) private {
        rollup = new TransferRollup(market, _defaultTerms(), capacity, sequencer, GENESIS, "accounts", MAX_BYTES);
        (, id) = rollup.market();
        terms.requester = address(rollup);
        terms.chain = uint32(ChainTermsLib.DECLARED | 1 << 8);
        _fund(id, 10_000 ether);
        mechanism.setNext(address(0), PRICE, 0);
    }

    // ------------------------------------------------------------------ helpers

    /// @dev Posts the next block, on the head, with root 1000 + its number.
    function _post() private returns (uint64 number) {
        (,,, uint64 slots,) = market.markets(id);
        return _post(GENESIS + slots + 1);
    }

    function _post(uint256 root) private returns (uint64 number) {
        (,, uint64 head, uint256 headRoot) = rollup.state();
        vm.recordLogs();
        vm.prank(sequencer);
        number = rollup.postBlock(head, headRoot, abi.encode("data", root), root, terms, "");
        VmSafe.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != IProofMarketEvents.SlotOpened.selector) continue;
            (, Slot memory slot, uint256[] memory statement) = abi.decode(logs[i].data, (bytes32, Slot, uint256[]));
            _posted[number] = Posted(slot, statement);
        }
    }

    function _post(uint64 upTo, uint64 from) private {
        for (uint64 i = from; i <= upTo; ++i) {
            assertEq(_post(), i);
        }
    }

    function _settle(uint64 number, uint256 correct) private {
        uint256[] memory statement = _posted[number].statement;
        uint256[] memory inputs = new uint256[](6);
        for (uint256 i; i < 4; ++i) {
            inputs[i] = statement[i];
        }
        (inputs[4], inputs[5]) = (correct, uint160(bob));
        market.prove(_posted[number].slot, terms, inputs, MockProof.make(inputs));
    }

    function _right(uint64 number) private {
        _settle(number, 1);
    }

    function _wrong(uint64 number) private {
        _settle(number, 0);
    }

    /// @dev A block that was proven right before its parent was.
    function _resolve(uint64 number) private {
        vm.prank(stranger);
        market.resolve(_posted[number].slot, terms, bob, true, GENESIS + number);
    }

    function _letExpire(uint64 number) private {
        Slot memory slot = _posted[number].slot;
        vm.warp(slot.openedAt + EXPIRY);
        market.expire(slot, terms, _posted[number].statement);
    }

    function _isPending(uint64 number) private view returns (bool) {
        return market.isPending(_posted[number].slot, terms, bob, true, GENESIS + number);
    }

    function _assertState(uint64 finalized, uint256 finalizedRoot, uint64 head, uint256 headRoot) private view {
        (uint64 a, uint256 b, uint64 c, uint256 d) = rollup.state();
        assertEq(a, finalized, "finalized");
        assertEq(b, finalizedRoot, "finalized root");
        assertEq(c, head, "head");
        assertEq(d, headRoot, "head root");
    }

    function _assertState(uint64 finalized, uint64 head) private view {
        _assertState(finalized, GENESIS + finalized, head, GENESIS + head);
    }

    function _expectFinal(uint64 number) private {
        vm.expectEmit(address(market));
        emit IProofMarketEvents.SlotEstablished(id, number, GENESIS + number);
    }

    function _expectCut(uint64 number, uint64 head) private {
        vm.expectEmit(address(market));
        emit IProofMarketEvents.ChainCut(id, number, head, GENESIS + head);
    }

    // ------------------------------------------------------------------ birth

    function test_Genesis() public {
        _assertState(0, 0);
        assertEq(rollup.DOMAIN(), uint256(keccak256(abi.encode(block.chainid, address(rollup)))) >> 8);
        assertEq(rollup.SEQUENCER(), sequencer);
        assertEq(rollup.MAX_BLOCK_BYTES(), MAX_BYTES);
        (address contract_,) = rollup.market();
        assertEq(contract_, address(market));
        (address creator_, bytes32 hash, uint32 capacity,,) = market.markets(id);
        assertEq(creator_, address(rollup));
        assertEq(hash, keccak256(abi.encode(terms)));
        assertEq(capacity, BLOCKS);

        vm.expectEmit();
        emit ITransferRollup.GenesisSet(7, hex"0102");
        new TransferRollup(market, _defaultTerms(), 4, sequencer, 7, hex"0102", 100);
    }

    /// @dev What the rollup itself depends on is not the template's to say.
    function test_TheTemplateDoesNotDecideWhatTheRollupNeeds() public {
        Terms memory template = _defaultTerms();
        (template.requester, template.outputs, template.version) = (stranger, 7, 9);
        (template.callbackGas, template.chain) = (50_000, 3);
        rollup = new TransferRollup(market, template, BLOCKS, sequencer, GENESIS, "", 100);
        (, id) = rollup.market();
        terms.requester = address(rollup);
        (, bytes32 hash,,,) = market.markets(id);
        assertEq(hash, keccak256(abi.encode(terms)));
    }

    function test_RevertConstructor_WhenRootNotInField() public {
        uint256 field = rollup.FIELD();
        vm.expectRevert(ITransferRollup.RootNotInField.selector);
        new TransferRollup(market, _defaultTerms(), 4, sequencer, field, "", 100);
    }

    // ------------------------------------------------------------------ posting

    function test_PostBlockOpensASlotForItsStatement() public {
        bytes memory data = "some bytes";
        vm.expectEmit(address(rollup));
        emit ITransferRollup.BlockPosted(1, 0, GENESIS, 5, data);
        vm.prank(sequencer);
        assertEq(rollup.postBlock(0, GENESIS, data, 5, terms, ""), 1);
        _assertState(0, GENESIS, 1, 5);

        _post(6);
        uint256[] memory statement = _posted[2].statement;
        assertEq(statement.length, 4);
        assertEq(statement[0], 5);
        assertEq(statement[1], 6);
        assertEq(statement[2], uint256(keccak256(abi.encode("data", uint256(6)))));
        assertEq(statement[3], rollup.DOMAIN());
        assertEq(_posted[2].slot.id, 2);
    }

    function test_PostBlockPassesTheMechanismsDataOn() public {
        vm.prank(sequencer);
        rollup.postBlock(0, GENESIS, "", 5, terms, "for the mechanism");
        assertEq(mechanism.lastData(), "for the mechanism");
    }

    function test_RevertPostBlock_WhenNotAllowed() public {
        vm.expectRevert(ITransferRollup.NotSequencer.selector);
        rollup.postBlock(0, GENESIS, "", 1, terms, "");
        vm.startPrank(sequencer);
        vm.expectRevert(abi.encodeWithSelector(ITransferRollup.BlockTooLarge.selector, MAX_BYTES + 1, MAX_BYTES));
        rollup.postBlock(0, GENESIS, new bytes(MAX_BYTES + 1), 1, terms, "");
        rollup.postBlock(0, GENESIS, new bytes(MAX_BYTES), 1, terms, "");
        uint256 field = rollup.FIELD();
        vm.expectRevert(ITransferRollup.RootNotInField.selector);
        rollup.postBlock(1, 1, "", field, terms, "");
        rollup.postBlock(1, 1, "", field - 1, terms, "");
        terms.price += 1;
        vm.expectRevert(IProofMarketEvents.TermsMismatch.selector);
        rollup.postBlock(2, field - 1, "", 1, terms, "");
    }

    /// @dev Nobody else opens slots in the rollup's market, so blocks and slots have the same numbers.
    function test_RevertOpenSlot_WhenNotTheRollup() public {
        uint256[] memory inputs = new uint256[](4);
        inputs[0] = GENESIS;
        vm.prank(sequencer);
        vm.expectRevert(IProofMarketEvents.NotRequester.selector);
        market.openSlot(id, terms, 0, inputs, "");
    }

    /// @dev A block never claims what it was not made for.
    function test_RevertPostBlock_WhenTheHeadIsAnother() public {
        _post(2, 1);
        vm.startPrank(sequencer);
        uint64[3] memory others = [uint64(0), 1, 3];
        for (uint256 i; i < others.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.HeadMoved.selector, 2));
            rollup.postBlock(others[i], GENESIS + 2, "", 7, terms, "");
        }
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.PremiseMismatch.selector, GENESIS + 2));
        rollup.postBlock(2, GENESIS + 1, "", 7, terms, "");
        vm.stopPrank();
        _assertState(0, 2);
    }

    /// @dev A block on its way while its parent falls: refused, rather than posted on what it was not computed from.
    function test_RevertPostBlock_WhenTheHeadFellMeanwhile() public {
        _post(3, 1);
        _wrong(3);
        vm.startPrank(sequencer);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.HeadMoved.selector, 2));
        rollup.postBlock(3, GENESIS + 3, "", 7, terms, "");
        rollup.postBlock(2, GENESIS + 2, "", 7, terms, "");
        vm.stopPrank();
        _assertState(0, GENESIS, 4, 7);
    }

    // ------------------------------------------------------------------ finalising

    function test_InOrder() public {
        _post(3, 1);
        for (uint64 i = 1; i <= 3; ++i) {
            _expectFinal(i);
            _right(i);
            _assertState(i, 3);
            _assertEnded(i);
        }
    }

    function _assertEnded(uint64 number) private view {
        assertEq(uint256(market.slotState(id, number)), uint256(SlotState.Proven));
    }

    /// @dev A block proven before its parent is paid at once, and final once anyone says so after its parent is.
    function test_OutOfOrder() public {
        _post(5, 1);
        vm.expectEmit(address(market));
        emit IProofMarketEvents.SlotPending(id, 3, bob, true, GENESIS + 3);
        _right(3);
        assertEq(market.credits(bob), PRICE);
        _right(2);
        _right(5);
        _assertState(0, 5);
        for (uint64 i = 2; i <= 5; ++i) {
            if (i == 4) continue;
            assertTrue(_isPending(i));
            assertEq(uint256(market.slotState(id, i)), uint256(SlotState.None));
        }
        _right(1);
        _assertState(1, 5);
        for (uint64 i = 2; i <= 3; ++i) {
            _expectFinal(i);
            _resolve(i);
            _assertState(i, 5);
            _assertEnded(i);
        }
        _right(4);
        _assertState(4, 5);
        _resolve(5);
        _assertState(5, 5);
        assertEq(market.credits(bob), 5 * PRICE);
    }

    function test_RevertResolve_BeforeTheParentIsSettled() public {
        _post(3, 1);
        _right(3);
        _right(2);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.PremiseOpen.selector, 2));
        _resolve(3);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.PremiseOpen.selector, 1));
        _resolve(2);
        _right(1);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.PremiseOpen.selector, 2));
        _resolve(3);
        _assertState(1, 3);
    }

    /// @dev Only as the proof said, and once.
    function test_RevertResolve_WhenItIsNotWhatWasProven() public {
        _post(2, 1);
        _right(2);
        _right(1);
        bytes memory error = abi.encodeWithSelector(IProofMarketEvents.SlotNotOpen.selector, SlotState.None);
        Slot memory slot = _posted[2].slot;
        vm.expectRevert(error);
        market.resolve(slot, terms, alice, true, GENESIS + 2);
        vm.expectRevert(error);
        market.resolve(slot, terms, bob, false, GENESIS + 2);
        vm.expectRevert(error);
        market.resolve(slot, terms, bob, true, GENESIS + 3);
        slot.price += 1;
        vm.expectRevert(error);
        market.resolve(slot, terms, bob, true, GENESIS + 2);
        _resolve(2);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.SlotNotOpen.selector, SlotState.Proven));
        _resolve(2);
    }

    /// @dev Final is final, whatever is proven or not of blocks that come after.
    function test_AFinalBlockStaysFinal() public {
        _post(6, 1);
        _right(1);
        _right(2);
        _wrong(3);
        _assertState(2, 2);
        _post(8, 7);
        _letExpire(7);
        _assertState(2, 2);
        _letExpire(8);
        _assertState(2, 2);
    }

    // ------------------------------------------------------------------ dropping

    function test_WrongClaimDropsItAndWhatFollows() public {
        _post(5, 1);
        _expectCut(3, 2);
        _wrong(3);
        _assertState(0, 2);
        _assertEnded(3);
        assertEq(market.credits(bob), PRICE);

        // Blocks before it may still finalise; those dropped are paid and change nothing.
        _right(4);
        _assertEnded(4);
        assertEq(market.credits(bob), 2 * PRICE);
        _right(1);
        _assertState(1, 2);
        assertEq(_post(), 6);
        assertEq(_posted[6].statement[0], GENESIS + 2);
        _right(6);
        _assertState(1, 6);
        _right(2);
        _assertState(2, 6);
        _resolve(6);
        _assertState(6, 6);
        _wrong(5);
        _assertState(6, 6);
    }

    function test_PostedEventNamesTheParentAcrossAGap() public {
        _post(5, 1);
        _wrong(3);
        vm.expectEmit(address(rollup));
        emit ITransferRollup.BlockPosted(6, 2, GENESIS + 2, 9, "x");
        vm.prank(sequencer);
        rollup.postBlock(2, GENESIS + 2, "x", 9, terms, "");
        vm.expectEmit(address(rollup));
        emit ITransferRollup.BlockPosted(7, 6, 9, 10, "y");
        vm.prank(sequencer);
        rollup.postBlock(6, 9, "y", 10, terms, "");
    }

    function test_FirstBlockWrongGoesBackToTheFinalisedRoot() public {
        _post(4, 1);
        _right(1);
        _wrong(2);
        _assertState(1, 1);
        assertEq(_post(), 5);
        assertEq(_posted[5].statement[0], GENESIS + 1);
        _assertState(1, 5);
        _right(5);
        _assertState(5, 5);
    }

    function test_ExpiryDropsEverythingAfter() public {
        _post(2, 1);
        vm.warp(block.timestamp + 100);
        _post(4, 3);
        _right(1);
        _right(3);
        _expectCut(2, 1);
        _letExpire(2);
        _assertState(1, 1);
        _post();
        // The blocks dropped are settled or expire too, which changes nothing.
        _resolve(3);
        _assertEnded(3);
        _letExpire(4);
        assertEq(uint256(market.slotState(id, 4)), uint256(SlotState.Expired));
        _assertState(1, 5);
        _right(5);
        _assertState(5, 5);
    }

    /// @dev Of a block that stands, what the chain goes back to must be shown.
    function test_RevertExpire_WhenTheStatementIsNotTheBlocks() public {
        _post(2, 1);
        Slot memory slot = _posted[2].slot;
        vm.warp(slot.openedAt + EXPIRY);
        vm.expectRevert(IProofMarketEvents.StatementMismatch.selector);
        market.expire(slot, terms, _noInputs());
        uint256[] memory other = _posted[2].statement;
        other[0] = 7;
        vm.expectRevert(IProofMarketEvents.StatementMismatch.selector);
        market.expire(slot, terms, other);
        _letExpire(2);
        _assertState(0, 1);
    }

    /// @dev Anyone ends the slot of a dropped block, so that its place is free; for that, nothing need be shown.
    function test_AnyoneEndsADroppedBlocksSlot() public {
        _post(3, 1);
        vm.prank(stranger);
        vm.expectRevert(IProofMarketEvents.NotRequester.selector);
        market.drop(_posted[3].slot, terms, _posted[3].statement);
        _wrong(2);
        uint256 funds = _funds();
        vm.expectEmit(address(market));
        emit IProofMarketEvents.SlotDropped(id, 3, 0);
        vm.prank(stranger);
        market.drop(_posted[3].slot, terms, _noInputs());
        assertEq(uint256(market.slotState(id, 3)), uint256(SlotState.Dropped));
        assertEq(_funds(), funds + PRICE);
        assertEq(market.burned(), 0);
        _assertState(0, 1);
    }

    function test_ExpiryWhileEarlierBlocksAreOpen() public {
        _post(3, 1);
        _letExpire(3);
        _assertState(0, 2);
        assertEq(_post(), 4);
        assertEq(_posted[4].statement[0], GENESIS + 2);
        _letExpire(1);
        _assertState(0, 0);
        _letExpire(2);
        _assertState(0, 0);
        // 4 was built on 2 and went with it.
        _right(4);
        _assertState(0, 0);
        assertEq(_post(), 5);
        _right(5);
        _assertState(5, 5);
    }

    /// @dev What stands behind a gap stands when a later block falls.
    function test_SecondDropBehindAGap() public {
        _post(5, 1);
        _wrong(4);
        _post(9, 6);
        _assertState(0, 9);
        _expectCut(8, 7);
        _wrong(8);
        _assertState(0, 7);
        assertEq(_post(), 10);
        assertEq(_posted[10].statement[0], GENESIS + 7);
        _right(10);
        _right(6);
        _right(2);
        _right(1);
        _resolve(2);
        _assertState(2, 10);
        _right(3);
        _resolve(6);
        _assertState(6, 10);
        _right(7);
        _assertState(7, 10);
        _resolve(10);
        _assertState(10, 10);
        _right(9);
        _assertState(10, 10);
    }

    function test_SecondDropBeforeAGapSwallowsIt() public {
        _post(5, 1);
        _wrong(4);
        _post(7, 6);
        _expectCut(2, 1);
        _wrong(2);
        _assertState(0, 1);
        _right(3);
        _right(6);
        _right(1);
        _assertState(1, 1);
        assertEq(_post(), 8);
        _right(8);
        _assertState(8, 8);
        _right(7);
        _assertState(8, 8);
    }

    function test_DropRightBehindAGap() public {
        _post(4, 1);
        _wrong(3);
        _post(6, 5);
        _wrong(5);
        _assertState(0, 2);
        _right(1);
        _right(2);
        _assertState(2, 2);
        assertEq(_post(), 7);
        _wrong(7);
        _assertState(2, 2);
        assertEq(_post(), 8);
        _right(8);
        _assertState(8, 8);
    }

    /// @dev The ring of slots wraps many times while nothing finalises: the finalised root must survive.
    function test_NothingIsLostWhenEverythingExpiresForLong() public {
        _right(_post());
        for (uint64 i = 2; i < 100; ++i) {
            assertEq(_post(), i);
            assertEq(_posted[i].statement[0], GENESIS + 1);
            _letExpire(i);
            _assertState(1, 1);
        }
        _right(_post());
        _assertState(100, 100);
    }

    /// @dev A block that waits for its parent keeps its place: nothing forgets a proof that is still to count.
    function test_RevertPostBlock_WhenTooManyAreNotSettled() public {
        _deployRollup(2);
        _post(2, 1);
        _right(2);
        vm.prank(sequencer);
        vm.expectRevert(IProofMarketEvents.RingFull.selector);
        rollup.postBlock(2, GENESIS + 2, "", 1, terms, "");
        _right(1);
        assertEq(_post(), 3);
        vm.prank(sequencer);
        vm.expectRevert(IProofMarketEvents.RingFull.selector);
        rollup.postBlock(3, GENESIS + 3, "", 1, terms, "");
        _resolve(2);
        assertEq(_post(), 4);
        _right(3);
        _right(4);
        _assertState(4, 4);
    }
}
