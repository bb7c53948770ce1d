// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { IKeyed } from "./IKeyed.sol";
import { IVerifier } from "./IVerifier.sol";

/// @title A verifier that asks others, whose code is what it was at deployment
interface IInnerVerifiers is IVerifier, IKeyed {
    /// @notice The account has no code, or delegates it (EIP-7702: 0xef0100 and an address) and could point it elsewhere.
    error VerifierHasNoCode(address verifier);

    /// @notice A verifier no longer has the code it had when this contract was deployed.
    error VerifierChanged(address verifier);
}
