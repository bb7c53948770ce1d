// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { SafeTransferLib } from "solady/utils/SafeTransferLib.sol";

import { IBondEscrow } from "../interfaces/IBondEscrow.sol";

/// @title Where the bonds of bids and tickets come from and go back to
/// @dev Only what moves the asset needs the lock: locking, freeing and burning a bond are plain sums.
abstract contract BondEscrow is IBondEscrow, ReentrancyGuardTransient {
    using SafeTransferLib for address;

    address private constant DEAD = 0x000000000000000000000000000000000000dEaD;

    address private immutable ASSET;

    /// @inheritdoc IBondEscrow
    uint256 public burned;
    /// @inheritdoc IBondEscrow
    mapping(address key => uint256) public balanceOf;

    constructor(address asset_) {
        ASSET = asset_;
    }

    /// @inheritdoc IBondEscrow
    function asset() external view returns (address) {
        return ASSET;
    }

    /// @inheritdoc IBondEscrow
    function deposit(uint256 amount) external nonReentrant {
        if (amount == 0) revert AmountZero();
        uint256 held = ASSET.balanceOf(address(this));
        ASSET.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = ASSET.balanceOf(address(this)) - held;
        if (received != amount) revert AssetTakesFee(received, amount);
        balanceOf[msg.sender] += amount;
        emit Deposited(msg.sender, amount);
    }

    /// @inheritdoc IBondEscrow
    function withdraw(address to, uint256 amount) external nonReentrant {
        if (amount == 0) revert AmountZero();
        if (to == address(0) || to == address(this)) revert RecipientInvalid();
        _lock(msg.sender, amount);
        ASSET.safeTransfer(to, amount);
        emit DepositWithdrawn(msg.sender, to, amount);
    }

    /// @inheritdoc IBondEscrow
    function sweepBurned() external nonReentrant {
        uint256 amount = burned;
        if (amount == 0) revert AmountZero();
        burned = 0;
        ASSET.safeTransfer(DEAD, amount);
        emit BurnedSwept(amount);
    }

    /// @dev Takes a bond out of a key's balance. Whoever inherits keeps account of what it locked.
    function _lock(address key, uint256 amount) internal {
        uint256 balance = balanceOf[key];
        if (balance < amount) revert InsufficientDeposit(balance, amount);
        unchecked {
            balanceOf[key] = balance - amount;
        }
    }

    /// @dev Gives a locked bond back.
    function _free(address key, uint256 amount) internal {
        balanceOf[key] += amount;
    }

    /// @dev Burns what was locked.
    function _burn(uint256 amount) internal {
        if (amount != 0) burned += amount;
    }
}
