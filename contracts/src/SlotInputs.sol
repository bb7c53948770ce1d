// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ISlotInputs } from "./interfaces/ISlotInputs.sol";

/// @title The inputs of slots, for a requester without a contract of its own that tells them
contract SlotInputs is ISlotInputs {
    /// @inheritdoc ISlotInputs
    address public immutable REQUESTER;

    constructor(address requester) {
        REQUESTER = requester;
    }

    modifier onlyRequester() {
        if (msg.sender != REQUESTER) revert NotRequester();
        _;
    }

    /// @inheritdoc ISlotInputs
    function post(uint256 market, bytes32 statement, bytes calldata input) external onlyRequester {
        emit InputPosted(market, statement, input);
    }

    /// @inheritdoc ISlotInputs
    function link(uint256 market, bytes32 statement, string calldata url, bytes32 digest, uint64 size)
        external
        onlyRequester
    {
        emit InputLinked(market, statement, url, digest, size);
    }
}
