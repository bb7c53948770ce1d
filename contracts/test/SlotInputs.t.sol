// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { SlotInputs } from "../src/SlotInputs.sol";
import { ISlotInputs, ISlotInputsEvents } from "../src/interfaces/ISlotInputs.sol";
import { Test } from "forge-std/Test.sol";

contract SlotInputsTest is Test {
    SlotInputs private inputs = new SlotInputs(address(this));

    function test_TheRequesterIsHeard() public {
        vm.expectEmit(address(inputs));
        emit ISlotInputsEvents.InputPosted(3, "statement", "{}");
        inputs.post(3, "statement", "{}");
        vm.expectEmit(address(inputs));
        emit ISlotInputsEvents.InputLinked(3, "statement", "https://example.org/1", "digest", 7);
        inputs.link(3, "statement", "https://example.org/1", "digest", 7);
    }

    function test_RevertPost_WhenSenderIsAStranger() public {
        vm.startPrank(makeAddr("stranger"));
        vm.expectRevert(ISlotInputs.NotRequester.selector);
        inputs.post(3, "statement", "{}");
        vm.expectRevert(ISlotInputs.NotRequester.selector);
        inputs.link(3, "statement", "https://example.org/1", "digest", 7);
    }
}
