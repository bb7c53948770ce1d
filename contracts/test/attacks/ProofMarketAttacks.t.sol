// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { SafeTransferLib } from "solady/utils/SafeTransferLib.sol";

import { IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { MarketFixture } from "../MarketFixture.sol";
import { FalseToken, HookToken } from "../mocks/HostileTokens.sol";
import { MockRequester } from "../mocks/MockRequester.sol";
import { MockProof } from "../mocks/MockVerifier.sol";
import { FeeToken } from "../mocks/TestToken.sol";

/// @notice Requesters, mechanisms and assets that misbehave.
contract ProofMarketAttacksTest is MarketFixture {
    uint32 private constant CALLBACK_GAS = 200_000;
    MockRequester private caller;

    function setUp() public override {
        super.setUp();
        _useCaller();
    }

    function _useCaller() private {
        caller = MockRequester(deployCode("MockRequester.sol:MockRequester"));
        (terms.requester, terms.callbackGas) = (address(caller), CALLBACK_GAS);
        _setTerms();
    }

    function _reentered() private pure returns (bytes4) {
        return ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector;
    }

    // ------------------------------------------------------------------ the callback

    function test_CallbackTellsHowTheSlotEnded() public {
        Slot memory slot = _open(alice);
        _prove(slot, alice);
        assertEq(caller.calls(), 1);
        assertEq(caller.market(), id);
        assertEq(caller.slot(), slot.id);
        assertEq(uint256(caller.state()), uint256(SlotState.Proven));
        assertEq(caller.inputsHash(), uint256(keccak256(abi.encodePacked(_inputs(alice)))));

        slot = _open(address(0), PRICE, uint40(block.timestamp) + 10);
        vm.prank(address(caller));
        market.cancel(slot, terms, _noInputs());
        assertEq(uint256(caller.state()), uint256(SlotState.Cancelled));
        assertEq(caller.inputsHash(), uint256(keccak256("")));

        slot = _open(alice);
        vm.warp(slot.openedAt + EXPIRY);
        _expire(slot);
        assertEq(caller.calls(), 3);
        assertEq(uint256(caller.state()), uint256(SlotState.Expired));

        slot = _open(alice);
        vm.prank(address(caller));
        market.drop(slot, terms, _noInputs());
        assertEq(caller.calls(), 4);
        assertEq(uint256(caller.state()), uint256(SlotState.Dropped));
        assertEq(caller.inputsHash(), uint256(keccak256("")));
    }

    function test_ReenteringFromTheCallbackFailsAndTheSettlementStands() public {
        Slot memory other = _open(bob);
        Slot memory slot = _open(alice);
        uint256[] memory inputs = _inputs(alice);
        uint256[] memory otherInputs = _inputs(bob);
        bytes[12] memory attacks = [
            abi.encodeCall(market.prove, (slot, terms, inputs, MockProof.make(inputs))),
            abi.encodeCall(market.prove, (other, terms, otherInputs, MockProof.make(otherInputs))),
            abi.encodeCall(market.expire, (slot, terms, _noInputs())),
            abi.encodeCall(market.cancel, (slot, terms, _noInputs())),
            abi.encodeCall(market.drop, (other, terms, _noInputs())),
            abi.encodeCall(market.resolve, (other, terms, bob, true, 0)),
            abi.encodeCall(market.reassign, (other, terms, carol, 0)),
            abi.encodeCall(market.withdraw, (stranger, 1)),
            abi.encodeCall(market.openSlot, (id, terms, 0, _statement(), "")),
            abi.encodeCall(market.fund, (id, 1)),
            abi.encodeCall(market.defund, (id, 1, stranger)),
            abi.encodeCall(market.sweepBurned, ())
        ];
        for (uint256 i; i < attacks.length; ++i) {
            uint256 snapshot = vm.snapshotState();
            caller.setAttack(address(market), attacks[i]);
            _prove(slot, alice);
            assertFalse(caller.attackSucceeded(), vm.toString(i));
            assertEq(caller.attackError(), _reentered(), vm.toString(i));
            assertEq(market.credits(alice), PRICE);
            _assertState(slot, SlotState.Proven);
            vm.revertToState(snapshot);
        }
    }

    function test_ACallbackThatFailsChangesNothing() public {
        MockRequester.Mode[3] memory modes =
            [MockRequester.Mode.Revert, MockRequester.Mode.RevertBomb, MockRequester.Mode.BurnGas];
        uint256 fundsBefore = _funds();
        for (uint256 i; i < modes.length; ++i) {
            caller.setMode(modes[i]);
            Slot memory slot = _open(alice);
            vm.expectEmit(address(market));
            emit IProofMarketEvents.CallbackFailed(id, slot.id);
            uint256 gasBefore = gasleft();
            _prove(slot, alice);
            assertLt(gasBefore - gasleft(), CALLBACK_GAS + 150_000);
            _assertState(slot, SlotState.Proven);

            slot = _open(alice);
            vm.warp(slot.openedAt + EXPIRY);
            vm.expectEmit(address(market));
            emit IProofMarketEvents.CallbackFailed(id, slot.id);
            _expire(slot);
            _assertState(slot, SlotState.Expired);
        }
        assertEq(market.credits(alice), 3 * PRICE);
        // The requester paid for three proofs and forfeited a tenth of three prices, as one that behaves would.
        assertEq(_funds(), fundsBefore - 3 * PRICE - 3 * PRICE / 10);
    }

    /// @dev The answer is not copied: what it costs is bounded by the callback's own gas.
    function test_AReturnBombIsNotCopied() public {
        terms.callbackGas = 1_000_000;
        _setTerms();
        caller.setMode(MockRequester.Mode.ReturnBomb);
        Slot memory slot = _open(alice);
        uint256 fundsBefore = _funds();
        uint256 gasBefore = gasleft();
        _prove(slot, alice);
        assertLt(gasBefore - gasleft(), 350_000);
        _assertState(slot, SlotState.Proven);
        assertEq(_funds(), fundsBefore);
        assertEq(market.credits(alice), PRICE);
    }

    function test_RevertProve_WhenTooLittleGasIsLeftForTheCallback() public {
        Slot memory slot = _open(alice);
        uint256[] memory inputs = _inputs(alice);
        bytes memory call = abi.encodeCall(market.prove, (slot, terms, inputs, MockProof.make(inputs)));
        bool refused;
        // With every amount of gas: either it reverts, or the callback got all it was promised.
        for (uint256 given = 150_000; given < 400_000; given += 3001) {
            uint256 snapshot = vm.snapshotState();
            (bool success, bytes memory answer) = address(market).call{ gas: given }(call);
            if (success) {
                assertEq(caller.calls(), 1);
                assertGe(caller.gasGiven(), CALLBACK_GAS - 1000);
            } else if (answer.length != 0) {
                assertEq(bytes4(answer), IProofMarketEvents.InsufficientCallbackGas.selector);
                refused = true;
            }
            vm.revertToState(snapshot);
        }
        assertTrue(refused);
    }

    function test_ARequesterWithoutCodeIsNoObstacle() public {
        terms.requester = requester;
        _setTerms();
        Slot memory slot = _open(alice);
        _prove(slot, alice);
        _assertState(slot, SlotState.Proven);
    }

    // ------------------------------------------------------------------ the mechanism

    function test_ReenteringFromTheMechanismFails() public {
        mechanism.setAttack(address(market), abi.encodeCall(market.openSlot, (id, terms, 0, _statement(), "")));
        _open(alice);
        assertEq(mechanism.attackError(), _reentered());
        (,,, uint64 slots,) = market.markets(id);
        assertEq(slots, 1);
    }

    // ------------------------------------------------------------------ assets

    function test_RevertFund_WhenTheAssetTakesAFee() public {
        token = new FeeToken();
        market = _deployMarket(address(circuits), _params());
        id = market.createMarket(_defaultTerms(), 1, 0);
        token.mint(address(this), 100);
        token.approve(address(market), 100);
        vm.expectRevert(abi.encodeWithSelector(IProofMarketEvents.AssetTakesFee.selector, 99, 100));
        market.fund(id, 100);
    }

    function test_RevertFundAndWithdraw_WhenTheAssetAnswersFalse() public {
        _deploy(new FalseToken());
        Slot memory slot = _open(alice);
        _prove(slot, alice);
        FalseToken(address(token)).setLies(true);
        token.mint(address(this), 100);
        token.approve(address(market), 100);
        vm.expectRevert(SafeTransferLib.TransferFromFailed.selector);
        market.fund(id, 100);
        vm.prank(alice);
        vm.expectRevert(SafeTransferLib.TransferFailed.selector);
        market.withdraw(alice, PRICE);
        assertEq(market.credits(alice), PRICE);
    }

    function test_ReenteringFromTheAssetFails() public {
        _deploy(new HookToken());
        HookToken hook = HookToken(address(token));
        Slot memory slot = _open(alice);
        _prove(slot, alice);
        hook.setAttack(address(market), abi.encodeCall(market.withdraw, (alice, 1)));
        vm.prank(alice);
        market.withdraw(alice, 1 ether);
        assertTrue(hook.attacked());
        assertEq(hook.attackError(), _reentered());
        assertEq(market.credits(alice), PRICE - 1 ether);
    }
}
