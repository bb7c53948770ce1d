// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProofMarketEvents, Slot, SlotState, Terms } from "../src/interfaces/IProofMarket.sol";
import { ITransferRollup } from "../src/interfaces/ITransferRollup.sol";
import { TransferRollup } from "../src/rollup/TransferRollup.sol";
import { MarketFixture } from "./MarketFixture.sol";
import { MockProof } from "./mocks/MockVerifier.sol";
import { VmSafe } from "forge-std/Vm.sol";

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
        terms.outputs = 1;
        terms.callbackGas = rollup.CALLBACK_GAS();
        _fund(id, 10_000 ether);
        mechanism.setNext(address(0), PRICE, 0);
    }

    // ------------------------------------------------------------------ helpers

    /// @dev Posts the next block with root 1000 + its number.
    function _post() private returns (uint64 number) {
        (,,, uint64 slots,) = market.markets(id);
        return _post(GENESIS + slots + 1);
    }

    function _post(uint256 root) private returns (uint64 number) {
        vm.recordLogs();
        vm.prank(sequencer);
        number = rollup.postBlock(abi.encode("data", root), root, terms, "");
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

    function _expire(uint64 number) private {
        Slot memory slot = _posted[number].slot;
        vm.warp(slot.openedAt + EXPIRY);
        market.expire(slot, terms);
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

    function _expectDropped(uint64 from, uint64 to, uint64 head) private {
        vm.expectEmit(address(rollup));
        emit ITransferRollup.BlocksDropped(from, to, GENESIS + head);
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
        assertEq(rollup.postBlock(data, 5, terms, ""), 1);
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

    function test_RevertPostBlock_WhenNotAllowed() public {
        vm.expectRevert(ITransferRollup.NotSequencer.selector);
        rollup.postBlock("", 1, terms, "");
        vm.startPrank(sequencer);
        vm.expectRevert(abi.encodeWithSelector(ITransferRollup.BlockTooLarge.selector, MAX_BYTES + 1, MAX_BYTES));
        rollup.postBlock(new bytes(MAX_BYTES + 1), 1, terms, "");
        rollup.postBlock(new bytes(MAX_BYTES), 1, terms, "");
        uint256 field = rollup.FIELD();
        vm.expectRevert(ITransferRollup.RootNotInField.selector);
        rollup.postBlock("", field, terms, "");
        rollup.postBlock("", field - 1, terms, "");
        terms.price += 1;
        vm.expectRevert(IProofMarketEvents.TermsMismatch.selector);
        rollup.postBlock("", 1, terms, "");
    }

    function test_RevertOnSlotEnded_WhenNotTheMarket() public {
        uint256[] memory inputs = new uint256[](6);
        vm.expectRevert(ITransferRollup.NotMarket.selector);
        rollup.onSlotEnded(id, 1, SlotState.Proven, inputs);
        vm.prank(address(market));
        vm.expectRevert(ITransferRollup.NotMarket.selector);
        rollup.onSlotEnded(id + 1, 1, SlotState.Proven, inputs);
    }

    // ------------------------------------------------------------------ finalising

    function test_InOrder() public {
        _post(3, 1);
        for (uint64 i = 1; i <= 3; ++i) {
            vm.expectEmit(address(rollup));
            emit ITransferRollup.BlockFinalized(i, GENESIS + i);
            _right(i);
            _assertState(i, 3);
        }
    }

    function test_OutOfOrder() public {
        _post(5, 1);
        _right(3);
        _right(2);
        _right(5);
        _assertState(0, 5);
        _right(1);
        _assertState(3, 5);
        _right(4);
        _assertState(5, 5);
    }

    function test_FinalizeGoesOnWhereProvingStopped() public {
        _post(14, 1);
        for (uint64 i = 14; i > 1; --i) {
            _right(i);
        }
        _right(1);
        _assertState(9, 14);
        vm.prank(stranger);
        rollup.finalize(2);
        _assertState(11, 14);
        rollup.finalize(100);
        _assertState(14, 14);
        rollup.finalize(100);
        _assertState(14, 14);
    }

    function test_ADropFinalisesWhatIsProvenBeforeIt() public {
        _deployRollup(32);
        _post(20, 1);
        for (uint64 i = 18; i > 1; --i) {
            _right(i);
        }
        _right(1);
        _wrong(19);
        _assertState(17, GENESIS + 17, 18, GENESIS + 18);
        _post();
        _right(21);
        _assertState(21, 21);
    }

    function test_LaterProofsFinaliseWhatALateOneLeftBehind() public {
        _deployRollup(32);
        _post(20, 1);
        for (uint64 i = 18; i > 1; --i) {
            _right(i);
        }
        _right(1);
        _assertState(9, 20);
        _right(20);
        _assertState(17, 20);
        _right(19);
        _assertState(20, 20);
    }

    /// @dev The worst settlements fit in what the callback is given, in transactions of their own.
    /// forge-config: default.isolate = true
    function test_TheCallbackHasGasToSpare() public {
        _deployRollup(32);
        _post(20, 1);
        for (uint64 i = 18; i > 1; --i) {
            _right(i);
        }
        uint256[] memory inputs = new uint256[](6);
        (inputs[1], inputs[4]) = (GENESIS + 1, 1);
        vm.prank(address(market));
        rollup.onSlotEnded(id, 1, SlotState.Proven, inputs);
        // Cold, and with a transaction's base on top.
        assertLe(vm.lastCallGas().gasTotalUsed, terms.callbackGas);
        _assertState(9, 20);

        // Out of order, and finalising as many that were left behind.
        inputs[1] = GENESIS + 20;
        vm.prank(address(market));
        rollup.onSlotEnded(id, 20, SlotState.Proven, inputs);
        assertLe(vm.lastCallGas().gasTotalUsed, terms.callbackGas);
        _assertState(17, 20);
    }

    // ------------------------------------------------------------------ dropping

    function test_WrongClaimDropsItAndWhatFollows() public {
        _post(5, 1);
        _expectDropped(3, 5, 2);
        _wrong(3);
        _assertState(0, 2);
        assertEq(market.credits(bob), PRICE);

        // Blocks before it may still finalise; those dropped are paid and change nothing.
        _right(4);
        assertEq(market.credits(bob), 2 * PRICE);
        _right(1);
        _assertState(1, 2);
        assertEq(_post(), 6);
        assertEq(_posted[6].statement[0], GENESIS + 2);
        _right(6);
        _assertState(1, 6);
        _right(2);
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
        rollup.postBlock("x", 9, terms, "");
        vm.expectEmit(address(rollup));
        emit ITransferRollup.BlockPosted(7, 6, 9, 10, "y");
        vm.prank(sequencer);
        rollup.postBlock("y", 10, terms, "");
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
        _expire(2);
        _assertState(1, 1);
        _post();
        // The blocks dropped expire too, which changes nothing.
        _expire(4);
        _assertState(1, 5);
        _right(5);
        _assertState(5, 5);
    }

    function test_ExpiryWhileEarlierBlocksAreOpen() public {
        _post(3, 1);
        _expire(3);
        _assertState(0, 2);
        assertEq(_post(), 4);
        assertEq(_posted[4].statement[0], GENESIS + 2);
        _expire(1);
        _assertState(0, 0);
        _expire(2);
        _assertState(0, 0);
        // 4 was built on 2 and went with it.
        _right(4);
        _assertState(0, 0);
        assertEq(_post(), 5);
        _right(5);
        _assertState(5, 5);
    }

    function test_SecondDropBehindAGapWidensIt() public {
        _post(5, 1);
        _wrong(4);
        _post(9, 6);
        _assertState(0, 9);
        _expectDropped(6, 9, 3);
        _wrong(8);
        _assertState(0, 3);
        _right(6);
        assertEq(_post(), 10);
        assertEq(_posted[10].statement[0], GENESIS + 3);
        _right(10);
        _right(2);
        _right(1);
        _assertState(2, 10);
        _right(3);
        _assertState(10, 10);
    }

    function test_SecondDropBeforeAGapSwallowsIt() public {
        _post(5, 1);
        _wrong(4);
        _post(7, 6);
        _expectDropped(2, 7, 1);
        _wrong(2);
        _assertState(0, 1);
        _right(3);
        _right(6);
        _right(1);
        _assertState(1, 1);
        assertEq(_post(), 8);
        _right(8);
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

    /// @dev The ring of roots wraps many times while nothing finalises: the finalised root must survive.
    function test_NothingIsLostWhenEverythingExpiresForLong() public {
        _right(_post());
        for (uint64 i = 2; i < 100; ++i) {
            assertEq(_post(), i);
            assertEq(_posted[i].statement[0], GENESIS + 1);
            _expire(i);
            _assertState(1, 1);
        }
        _right(_post());
        _assertState(100, 100);
    }

    function test_RevertPostBlock_WhenTooManyWaitToBeFinalised() public {
        _deployRollup(2);
        // 1 and 2 take the ring; each later one is proven as soon as it is posted, while 1 is open.
        _post(2, 1);
        _right(2);
        vm.prank(sequencer);
        vm.expectRevert(IProofMarketEvents.RingFull.selector);
        rollup.postBlock("", 1, terms, "");

        // Only if settlements never reached the rollup could its own ring be full.
        _deployRollup(2);
        vm.mockCall(address(rollup), abi.encodeWithSelector(rollup.onSlotEnded.selector), "");
        for (uint64 i = 1; i <= 3; ++i) {
            assertEq(_post(), i);
            _right(i);
        }
        vm.prank(sequencer);
        vm.expectRevert(ITransferRollup.FinalizeFirst.selector);
        rollup.postBlock("", 1, terms, "");
    }
}
