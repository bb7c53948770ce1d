// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @title Where provers hear from what a market's slots are proven
/// @notice A slot states hashes and roots; a prover needs what is behind them. A requester tells it by one of these events, from the
/// contract that the deployment file names for its market: its own, or a `SlotInputs`. Nothing is stored. Provers read
/// events in the block that opened the slot or at most 1,000 blocks before, and take nothing on of which nothing was posted. The first 32
/// inputs of a statement count, and of those the first 16 MiB together: a later one takes none back, since what was a witness of the
/// statement still is, and provers may be bound by it.
interface ISlotInputsEvents {
    /// @notice The input of slots with this statement, in the circuit's own format (for circom: the JSON of its signals).
    /// @param statement As `Slot.statement`: keccak256 of the statement inputs, 32 bytes each.
    event InputPosted(uint256 indexed market, bytes32 indexed statement, bytes input);

    /// @notice Where that input can be fetched, and what it must be.
    /// @param url Where it is, http or https, at most 2,048 bytes. A prover that cannot fetch it takes the slot for one without an input.
    /// @param digest sha256 of its bytes.
    /// @param size How many bytes it has.
    event InputLinked(uint256 indexed market, bytes32 indexed statement, string url, bytes32 digest, uint64 size);
}

/// @title The inputs of slots, for a requester without a contract of its own that tells them
/// @notice One for each requester, so that what strangers post costs its provers nothing.
interface ISlotInputs is ISlotInputsEvents {
    /// @notice Only the requester posts.
    error NotRequester();

    /// @notice Post an input. Requester only.
    function post(uint256 market, bytes32 statement, bytes calldata input) external;

    /// @notice Post where an input is. Requester only.
    function link(uint256 market, bytes32 statement, string calldata url, bytes32 digest, uint64 size) external;

    /// @notice Who posts: the requester that the markets' terms name.
    function REQUESTER() external view returns (address);
}
