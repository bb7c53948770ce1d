// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IBlockVerifier, VerifyingKey } from "../interfaces/IBlockVerifier.sol";
import { IVerifier } from "../interfaces/IVerifier.sol";

/// @title Groth16 over BN254 for three public inputs, with the key it was deployed with
/// @dev The check is that of the generated verifiers. It is inherited, not called, because a contract of its own would cost
/// every proof a cold account.
abstract contract Groth16Check {
    /// Order of BN254's base field.
    uint256 private constant Q = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;

    // The key. alpha, gamma and delta are negated, so that a proof goes into the pairing as it came:
    // e(A, B) * e(C, -delta) * e(-alpha, beta) * e(L, -gamma) = 1, with L = IC0 + input_1 * IC1 + input_2 * IC2 + input_3 * IC3.
    // Points of G2 have the imaginary part (_1) first, as the precompile wants it.
    uint256 private immutable NEG_ALPHA_X;
    uint256 private immutable NEG_ALPHA_Y;
    uint256 private immutable BETA_X_1;
    uint256 private immutable BETA_X_0;
    uint256 private immutable BETA_Y_1;
    uint256 private immutable BETA_Y_0;
    uint256 private immutable NEG_GAMMA_X_1;
    uint256 private immutable NEG_GAMMA_X_0;
    uint256 private immutable NEG_GAMMA_Y_1;
    uint256 private immutable NEG_GAMMA_Y_0;
    uint256 private immutable NEG_DELTA_X_1;
    uint256 private immutable NEG_DELTA_X_0;
    uint256 private immutable NEG_DELTA_Y_1;
    uint256 private immutable NEG_DELTA_Y_0;
    uint256 private immutable IC0_X;
    uint256 private immutable IC0_Y;
    uint256 private immutable IC1_X;
    uint256 private immutable IC1_Y;
    uint256 private immutable IC2_X;
    uint256 private immutable IC2_Y;
    uint256 private immutable IC3_X;
    uint256 private immutable IC3_Y;

    constructor(VerifyingKey memory key) {
        _checkKey(key);
        (NEG_ALPHA_X, NEG_ALPHA_Y) = (key.alpha[0], _negated(key.alpha[1]));
        (BETA_X_1, BETA_X_0, BETA_Y_1, BETA_Y_0) = (key.beta[0], key.beta[1], key.beta[2], key.beta[3]);
        (NEG_GAMMA_X_1, NEG_GAMMA_X_0) = (key.gamma[0], key.gamma[1]);
        (NEG_GAMMA_Y_1, NEG_GAMMA_Y_0) = (_negated(key.gamma[2]), _negated(key.gamma[3]));
        (NEG_DELTA_X_1, NEG_DELTA_X_0) = (key.delta[0], key.delta[1]);
        (NEG_DELTA_Y_1, NEG_DELTA_Y_0) = (_negated(key.delta[2]), _negated(key.delta[3]));
        (IC0_X, IC0_Y) = (key.ic[0][0], key.ic[0][1]);
        (IC1_X, IC1_Y) = (key.ic[1][0], key.ic[1][1]);
        (IC2_X, IC2_Y) = (key.ic[2][0], key.ic[2][1]);
        (IC3_X, IC3_Y) = (key.ic[3][0], key.ic[3][1]);
    }

    /// Refuses a key that would accept forged proofs, or none, as far as it can be seen from a key.
    function _checkKey(VerifyingKey memory key) private view {
        // The precompile takes only points of the two groups; what it says of their product is of no interest.
        bytes memory pairs = abi.encodePacked(
            abi.encodePacked(key.alpha, key.beta, key.ic[0], key.gamma, key.ic[1], key.delta),
            abi.encodePacked(key.ic[2], key.gamma, key.ic[3], key.gamma)
        );
        (bool success, bytes memory answer) = address(8).staticcall(pairs);
        if (!success || answer.length != 0x20) {
            // Five pairs cost 215,000 gas, and a failure leaves a 63rd of what it burned: see below.
            if (gasleft() < 3600) revert IVerifier.InsufficientGas();
            revert IBlockVerifier.KeyPointNotInGroup();
        }

        // Neither curve has a point of order two, so only infinity has y = 0.
        bool infinity = key.alpha[1] == 0 || _isInfinity(key.beta) || _isInfinity(key.gamma) || _isInfinity(key.delta);
        for (uint256 i = 0; i < 4; ++i) {
            infinity = infinity || key.ic[i][1] == 0;
        }
        if (infinity) revert IBlockVerifier.KeyPointAtInfinity();

        // With one point of G2 in two pairs, what one of them says can be taken back in the other; with one point for two inputs,
        // a proof binds only their sum.
        bool related = _sameX(key.beta, key.gamma) || _sameX(key.beta, key.delta) || _sameX(key.gamma, key.delta);
        related =
            related || key.ic[1][0] == key.ic[2][0] || key.ic[1][0] == key.ic[3][0] || key.ic[2][0] == key.ic[3][0];
        if (related) revert IBlockVerifier.KeyPointsRelated();
    }

    function _isInfinity(uint256[4] memory point) private pure returns (bool) {
        return point[2] | point[3] == 0;
    }

    /// Whether two points of G2 are the same up to sign.
    function _sameX(uint256[4] memory a, uint256[4] memory b) private pure returns (bool) {
        return a[0] == b[0] && a[1] == b[1];
    }

    function _negated(uint256 y) private pure returns (uint256) {
        return (Q - y) % Q;
    }

    /// Whether the first 256 bytes of `proof` prove these inputs: the bytes are there, the inputs below the scalar field's order.
    /// Answers the call instead of returning: memory is this function's alone.
    function _answer(bytes calldata proof, uint256 input1, uint256 input2, uint256 input3) internal view {
        // Assembly does not read immutables.
        (uint256 negAlphaX, uint256 negAlphaY) = (NEG_ALPHA_X, NEG_ALPHA_Y);
        (uint256 betaX1, uint256 betaX0) = (BETA_X_1, BETA_X_0);
        (uint256 betaY1, uint256 betaY0) = (BETA_Y_1, BETA_Y_0);
        (uint256 negGammaX1, uint256 negGammaX0) = (NEG_GAMMA_X_1, NEG_GAMMA_X_0);
        (uint256 negGammaY1, uint256 negGammaY0) = (NEG_GAMMA_Y_1, NEG_GAMMA_Y_0);
        (uint256 negDeltaX1, uint256 negDeltaX0) = (NEG_DELTA_X_1, NEG_DELTA_X_0);
        (uint256 negDeltaY1, uint256 negDeltaY0) = (NEG_DELTA_Y_1, NEG_DELTA_Y_0);
        (uint256 ic0X, uint256 ic0Y) = (IC0_X, IC0_Y);
        (uint256 ic1X, uint256 ic1Y) = (IC1_X, IC1_Y);
        (uint256 ic2X, uint256 ic2Y) = (IC2_X, IC2_Y);
        (uint256 ic3X, uint256 ic3Y) = (IC3_X, IC3_Y);

        // Saves 5,300 gas: the precompiles read and write the pairing's input where it lies. Not memory-safe, and need not be, since it
        // ends the call.
        assembly {
            // The four pairs of the pairing lie at 0x000 A, B; 0x0c0 C, -delta; 0x180 -alpha, beta; 0x240 L, -gamma.
            calldatacopy(0x000, proof.offset, 0x100)
            // The inputs; two words are free before the first of them.
            mstore(0x140, input1)
            mstore(0x160, input2)
            mstore(0x180, input3)
            // No point at infinity. Neither curve has a point of order two, so only infinity has y = 0.
            if or(iszero(mload(0x020)), or(iszero(or(mload(0x080), mload(0x0a0))), iszero(mload(0x0e0)))) {
                mstore(0x000, 0)
                return(0x000, 0x20)
            }

            // From here on as generated: a test of crates/proving compares.
            // L grows at 0x240; each product goes right behind it, where ecAdd looks for it. The two coordinates of
            // IC_i are written just before input i, over what is no longer needed. `ok` stays 1 << 0x40 as long as every call
            // succeeds and returns a point, 0x40 bytes.
            mstore(0x240, ic0X)
            mstore(0x260, ic0Y)

            mstore(0x100, ic1X)
            mstore(0x120, ic1Y)
            let ok := shl(returndatasize(), staticcall(gas(), 7, 0x100, 0x60, 0x280, 0x40))
            ok := and(ok, shl(returndatasize(), staticcall(gas(), 6, 0x240, 0x80, 0x240, 0x40)))

            mstore(0x120, ic2X)
            mstore(0x140, ic2Y)
            ok := and(ok, shl(returndatasize(), staticcall(gas(), 7, 0x120, 0x60, 0x280, 0x40)))
            ok := and(ok, shl(returndatasize(), staticcall(gas(), 6, 0x240, 0x80, 0x240, 0x40)))

            mstore(0x140, ic3X)
            mstore(0x160, ic3Y)
            ok := and(ok, shl(returndatasize(), staticcall(gas(), 7, 0x140, 0x60, 0x280, 0x40)))
            ok := and(ok, shl(returndatasize(), staticcall(gas(), 6, 0x240, 0x80, 0x240, 0x40)))

            mstore(0x100, negDeltaX1)
            mstore(0x120, negDeltaX0)
            mstore(0x140, negDeltaY1)
            mstore(0x160, negDeltaY0)
            mstore(0x180, negAlphaX)
            mstore(0x1a0, negAlphaY)
            mstore(0x1c0, betaX1)
            mstore(0x1e0, betaX0)
            mstore(0x200, betaY1)
            mstore(0x220, betaY0)
            mstore(0x280, negGammaX1)
            mstore(0x2a0, negGammaX0)
            mstore(0x2c0, negGammaY1)
            mstore(0x2e0, negGammaY0)
            // ecPairing has address 8 = 1 << 0x40 >> 61. If something failed before, this calls an address without code
            // instead, which returns nothing.
            ok := and(eq(returndatasize(), 0x20), staticcall(gas(), shr(61, ok), 0x000, 0x300, 0x000, 0x20))
            if iszero(ok) {
                // A precompile that fails burns what it was given, 63 times what is left now. Below 189,000, a little above
                // today's price of the pairing (181,000), it may be gas that was lacking, and nothing is known of the proof.
                // ecMul and ecAdd need no such care: a 63rd of less than their price does not pay for the next call.
                if lt(gas(), 3000) {
                    mstore(0x000, 0x1c26714c) // InsufficientGas()
                    revert(0x1c, 0x04)
                }
                mstore(0x000, 0)
            }
            mstore(0x000, eq(mload(0x000), 1))
            return(0x000, 0x20)
        }
    }
}
