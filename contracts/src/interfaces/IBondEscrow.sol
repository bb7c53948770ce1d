// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @title Where the bonds of bids and tickets come from and go back to
/// @notice A balance belongs to the key that deposited it, be it a prover or one of its submitters: whoever bids has the
/// bond at hand without anybody's signature. Every asset wei held is exactly one of: a key's balance, a bond that is
/// locked, burned. A bond goes back by credit to the balance it came from, never by a transfer.
interface IBondEscrow {
    /// @notice A key's balance grew by `amount` asset wei.
    event Deposited(address indexed key, uint256 amount);

    /// @notice `amount` asset wei of a key's balance were sent to `to`.
    event DepositWithdrawn(address indexed key, address indexed to, uint256 amount);

    /// @notice Burned asset wei left the contract for good.
    event BurnedSwept(uint256 amount);

    /// @notice Nothing to deposit, withdraw or sweep.
    error AmountZero();
    /// @notice Neither the zero address nor this contract can receive.
    error RecipientInvalid();
    /// @notice The asset delivered less than was sent: assets that charge on transfer are refused.
    error AssetTakesFee(uint256 received, uint256 sent);
    /// @notice The key's balance does not cover a bond or a withdrawal, in asset wei.
    error InsufficientDeposit(uint256 available, uint256 needed);

    /// @notice Add `amount` asset wei to the caller's balance; needs an allowance to this contract.
    function deposit(uint256 amount) external;

    /// @notice Send `amount` asset wei of the caller's balance to `to`.
    function withdraw(address to, uint256 amount) external;

    /// @notice Send everything burned so far to the dead address. Anyone may call it.
    function sweepBurned() external;

    /// @notice Asset wei a key can withdraw or bond.
    function balanceOf(address key) external view returns (uint256);

    /// @notice Asset wei that are burned and not yet swept.
    function burned() external view returns (uint256);

    /// @notice The registry's asset.
    function asset() external view returns (address);
}
