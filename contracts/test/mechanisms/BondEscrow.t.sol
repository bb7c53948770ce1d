// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { Test } from "forge-std/Test.sol";
import { SafeTransferLib } from "solady/utils/SafeTransferLib.sol";

import { IBondEscrow } from "../../src/interfaces/IBondEscrow.sol";
import { BondEscrow } from "../../src/mechanisms/BondEscrow.sol";
import { FalseToken, HookToken } from "../mocks/HostileTokens.sol";
import { FeeToken, TestToken } from "../mocks/TestToken.sol";

/// @notice The escrow alone, keeping account of what is locked.
contract PlainEscrow is BondEscrow {
    uint256 public locked;

    constructor(address asset_) BondEscrow(asset_) { }

    function lock(address key, uint256 amount) external {
        _lock(key, amount);
        locked += amount;
    }

    function free(address key, uint256 amount) external {
        locked -= amount;
        _free(key, amount);
    }

    function burn(uint256 amount) external {
        locked -= amount;
        _burn(amount);
    }
}

/// @notice Everything anyone can do to an escrow, in any order.
contract EscrowHandler is Test {
    PlainEscrow private immutable escrow;
    TestToken private immutable token;
    address[3] public keys;
    uint256 public swept;
    mapping(bytes32 call => uint256) public done;

    constructor(PlainEscrow escrow_) {
        escrow = escrow_;
        token = TestToken(escrow_.asset());
        keys = [makeAddr("a"), makeAddr("b"), makeAddr("c")];
    }

    function deposit(uint256 who, uint96 amount) external {
        address key = keys[who % 3];
        token.mint(key, amount);
        vm.startPrank(key);
        token.approve(address(escrow), amount);
        try escrow.deposit(amount) {
            ++done["deposit"];
        } catch { }
        vm.stopPrank();
    }

    function withdraw(uint256 who, uint96 amount, uint256 to) external {
        address key = keys[who % 3];
        amount %= uint96(escrow.balanceOf(key) + 2);
        vm.prank(key);
        try escrow.withdraw(keys[to % 3], amount) {
            ++done["withdraw"];
        } catch { }
    }

    function lock(uint256 who, uint96 amount) external {
        try escrow.lock(keys[who % 3], amount % (escrow.balanceOf(keys[who % 3]) + 2)) {
            ++done["lock"];
        } catch { }
    }

    function free(uint256 who, uint96 amount) external {
        escrow.free(keys[who % 3], amount % (escrow.locked() + 1));
    }

    function burn(uint96 amount) external {
        escrow.burn(amount % (escrow.locked() + 1));
    }

    function sweep() external {
        uint256 amount = escrow.burned();
        try escrow.sweepBurned() {
            swept += amount;
        } catch { }
    }
}

contract BondEscrowTest is Test {
    address private constant DEAD = 0x000000000000000000000000000000000000dEaD;

    TestToken private token;
    PlainEscrow private escrow;
    EscrowHandler private handler;
    address private alice = makeAddr("alice");
    address private bob = makeAddr("bob");

    function setUp() public {
        _deploy(new TestToken());
        handler = new EscrowHandler(escrow);
        targetContract(address(handler));
    }

    function _deploy(TestToken token_) private {
        token = token_;
        escrow = new PlainEscrow(address(token));
    }

    function _deposit(address key, uint256 amount) private {
        token.mint(key, amount);
        vm.startPrank(key);
        token.approve(address(escrow), amount);
        escrow.deposit(amount);
        vm.stopPrank();
    }

    function test_DepositAndWithdraw() public {
        token.mint(alice, 100);
        vm.startPrank(alice);
        token.approve(address(escrow), 100);
        vm.expectEmit(address(escrow));
        emit IBondEscrow.Deposited(alice, 100);
        escrow.deposit(100);
        assertEq(escrow.balanceOf(alice), 100);
        assertEq(escrow.asset(), address(token));

        vm.expectEmit(address(escrow));
        emit IBondEscrow.DepositWithdrawn(alice, bob, 30);
        escrow.withdraw(bob, 30);
        assertEq(escrow.balanceOf(alice), 70);
        assertEq(escrow.balanceOf(bob), 0);
        assertEq(token.balanceOf(bob), 30);
        assertEq(token.balanceOf(address(escrow)), 70);
    }

    function test_WhatIsLockedCannotBeWithdrawn() public {
        _deposit(alice, 100);
        _deposit(bob, 100);
        escrow.lock(alice, 60);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IBondEscrow.InsufficientDeposit.selector, 40, 41));
        escrow.withdraw(alice, 41);
        escrow.free(alice, 60);
        vm.prank(alice);
        escrow.withdraw(alice, 100);
        assertEq(token.balanceOf(alice), 100);
    }

    function test_BurnedIsSweptToTheDeadAddress() public {
        _deposit(alice, 100);
        escrow.lock(alice, 60);
        escrow.burn(60);
        assertEq(escrow.burned(), 60);
        vm.expectEmit(address(escrow));
        emit IBondEscrow.BurnedSwept(60);
        escrow.sweepBurned();
        assertEq(token.balanceOf(DEAD), 60);
        assertEq(escrow.burned(), 0);
        vm.expectRevert(IBondEscrow.AmountZero.selector);
        escrow.sweepBurned();
    }

    function test_RevertDepositAndWithdraw_WhenAmountZero() public {
        vm.expectRevert(IBondEscrow.AmountZero.selector);
        escrow.deposit(0);
        vm.expectRevert(IBondEscrow.AmountZero.selector);
        escrow.withdraw(alice, 0);
    }

    function test_RevertWithdraw_WhenRecipientInvalid() public {
        _deposit(alice, 100);
        vm.startPrank(alice);
        vm.expectRevert(IBondEscrow.RecipientInvalid.selector);
        escrow.withdraw(address(0), 1);
        vm.expectRevert(IBondEscrow.RecipientInvalid.selector);
        escrow.withdraw(address(escrow), 1);
    }

    function test_RevertDeposit_WhenTheAssetTakesAFee() public {
        _deploy(new FeeToken());
        token.mint(alice, 100);
        vm.startPrank(alice);
        token.approve(address(escrow), 100);
        vm.expectRevert(abi.encodeWithSelector(IBondEscrow.AssetTakesFee.selector, 99, 100));
        escrow.deposit(100);
    }

    function test_RevertDepositAndWithdraw_WhenTheAssetAnswersFalse() public {
        _deploy(new FalseToken());
        _deposit(alice, 100);
        FalseToken(address(token)).setLies(true);
        vm.startPrank(alice);
        vm.expectRevert(SafeTransferLib.TransferFailed.selector);
        escrow.withdraw(alice, 100);
        vm.expectRevert(SafeTransferLib.TransferFromFailed.selector);
        escrow.deposit(100);
        assertEq(escrow.balanceOf(alice), 100);
    }

    function test_ReenteringFromTheAssetFails() public {
        _deploy(new HookToken());
        HookToken hook = HookToken(address(token));
        _deposit(alice, 100);
        bytes[3] memory attacks = [
            abi.encodeCall(escrow.withdraw, (alice, 1)),
            abi.encodeCall(escrow.deposit, (1)),
            abi.encodeCall(escrow.sweepBurned, ())
        ];
        for (uint256 i; i < attacks.length; ++i) {
            hook.setAttack(address(escrow), attacks[i]);
            vm.prank(alice);
            escrow.withdraw(alice, 10);
            assertTrue(hook.attacked());
            assertEq(hook.attackError(), ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        }
        assertEq(escrow.balanceOf(alice), 70);
    }

    function invariant_EveryTokenBelongsToExactlyOne() public view {
        uint256 balances;
        for (uint256 i; i < 3; ++i) {
            balances += escrow.balanceOf(handler.keys(i));
        }
        assertEq(token.balanceOf(address(escrow)), balances + escrow.locked() + escrow.burned());
        assertEq(token.balanceOf(DEAD), handler.swept());
    }

    /// @dev The handler is worth something only if what it tries succeeds.
    function test_TheHandlerReachesEverything() public {
        for (uint256 i; i < 300; ++i) {
            uint256 random = uint256(keccak256(abi.encode(i)));
            (uint256 kind, uint256 who, uint96 amount) = (random % 6, random >> 8, uint96(random >> 64));
            if (kind == 0) handler.deposit(who, amount);
            if (kind == 1) handler.withdraw(who, amount, random >> 160);
            if (kind == 2) handler.lock(who, amount);
            if (kind == 3) handler.free(who, amount);
            if (kind == 4) handler.burn(amount);
            if (kind == 5) handler.sweep();
        }
        assertGt(handler.done("deposit"), 10);
        assertGt(handler.done("withdraw"), 10);
        assertGt(handler.done("lock"), 10);
        assertGt(handler.swept(), 0);
        invariant_EveryTokenBelongsToExactlyOne();
    }
}
