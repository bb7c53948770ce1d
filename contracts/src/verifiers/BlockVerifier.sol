// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IBlockVerifier, VerifyingKey } from "../interfaces/IBlockVerifier.sol";
import { IKeyed } from "../interfaces/IKeyed.sol";
import { IVerifier } from "../interfaces/IVerifier.sol";
import { KeyFileHash } from "../libraries/KeyFileHash.sol";
import { Groth16Check } from "./Groth16Check.sol";

/// @title Verifier of the reference rollup's blocks
contract BlockVerifier is IBlockVerifier, Groth16Check {
    /// Order of BN254's scalar field.
    uint256 private constant P = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    uint256 private constant INPUTS = 6;
    /// Where C is in the proof.
    uint256 private constant COMMITMENT = 256;
    /// Where the data starts in the proof.
    uint256 private constant DATA = 288;

    bytes32 private immutable KEY_HASH;

    constructor(VerifyingKey memory key) Groth16Check(key) {
        KEY_HASH = KeyFileHash.hash(key);
    }

    /// @inheritdoc IKeyed
    function keyHash() external view returns (bytes32) {
        return KEY_HASH;
    }

    /// @inheritdoc IVerifier
    function verify(uint256[] calldata publicInputs, bytes calldata proof) external view returns (bool valid) {
        if (publicInputs.length != INPUTS || proof.length < DATA) return false;
        (bool wellFormed, uint256 c, uint256 r) = _challenge(publicInputs, proof);
        if (!wellFormed) return false;
        _answer(proof, c, r, _evaluate(publicInputs, proof[DATA:], r)); // does not return
    }

    /// Checks the inputs' ranges and the data's hash, and draws the point at which the polynomial is evaluated.
    function _challenge(uint256[] calldata publicInputs, bytes calldata proof)
        private
        pure
        returns (bool wellFormed, uint256 c, uint256 r)
    {
        // Saves 1,100 gas, with data of a kilobyte.
        assembly ("memory-safe") {
            let preimage := mload(0x40)
            let size := sub(proof.length, DATA)
            calldatacopy(preimage, add(proof.offset, DATA), size)
            let dataHash := keccak256(preimage, size)

            c := calldataload(add(proof.offset, COMMITMENT))
            let oldRoot := calldataload(publicInputs.offset)
            let newRoot := calldataload(add(publicInputs.offset, 0x20))
            let domain := calldataload(add(publicInputs.offset, 0x60))
            let correct := calldataload(add(publicInputs.offset, 0x80))
            let payee := calldataload(add(publicInputs.offset, 0xa0))

            wellFormed := and(eq(dataHash, calldataload(add(publicInputs.offset, 0x40))), lt(correct, 2))
            wellFormed := and(wellFormed, and(lt(c, P), and(lt(payee, P), lt(domain, P))))
            wellFormed := and(wellFormed, and(lt(oldRoot, P), lt(newRoot, P)))

            mstore(preimage, c)
            mstore(add(preimage, 0x20), payee)
            mstore(add(preimage, 0x40), domain)
            mstore(add(preimage, 0x60), oldRoot)
            mstore(add(preimage, 0x80), newRoot)
            mstore(add(preimage, 0xa0), correct)
            mstore(add(preimage, 0xc0), dataHash)
            r := shr(8, keccak256(preimage, 0xe0))
        }
    }

    /// y by Horner's rule, from the last chunk of the data down to the payee. Sums are left unreduced where they stay below
    /// 2^256: what mulmod returns is below P < 2^254, and so is every coefficient.
    function _evaluate(uint256[] calldata publicInputs, bytes calldata data, uint256 r)
        private
        pure
        returns (uint256 y)
    {
        // Saves 8,400 gas, with data of a kilobyte: a slice of 31 bytes is checked, cut and shifted.
        assembly ("memory-safe") {
            let at := add(data.offset, data.length)

            // A last chunk that is not whole: its bytes, then zeros.
            let rest := mod(data.length, 31)
            if rest {
                at := sub(at, rest)
                y := shl(mul(8, sub(31, rest)), shr(mul(8, sub(32, rest)), calldataload(at)))
            }

            // Single chunks until their number is a multiple of four: a header and records of four need one.
            for { let groups := sub(at, mul(31, and(div(data.length, 31), 3))) } gt(at, groups) { } {
                at := sub(at, 31)
                y := add(mulmod(y, r, P), shr(8, calldataload(at)))
            }
            for { } gt(at, data.offset) { } {
                at := sub(at, 124)
                y := add(mulmod(y, r, P), shr(8, calldataload(add(at, 93))))
                y := add(mulmod(y, r, P), shr(8, calldataload(add(at, 62))))
                y := add(mulmod(y, r, P), shr(8, calldataload(add(at, 31))))
                y := add(mulmod(y, r, P), shr(8, calldataload(at)))
            }

            y := add(mulmod(y, r, P), calldataload(add(publicInputs.offset, 0x80))) // correct
            y := add(mulmod(y, r, P), calldataload(add(publicInputs.offset, 0x20))) // newRoot
            y := add(mulmod(y, r, P), calldataload(publicInputs.offset)) // oldRoot
            y := add(mulmod(y, r, P), calldataload(add(publicInputs.offset, 0x60))) // domain
            y := addmod(mulmod(y, r, P), calldataload(add(publicInputs.offset, 0xa0)), P) // payee
        }
    }
}
