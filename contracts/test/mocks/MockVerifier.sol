// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IVerifier } from "../../src/interfaces/IVerifier.sol";

/// @notice For tests: accepts exactly the proof that `MockProof.make` gives for the public inputs.
contract MockVerifier is IVerifier {
    function verify(uint256[] calldata publicInputs, bytes calldata proof) external pure returns (bool) {
        return proof.length == 32 && bytes32(proof) == keccak256(abi.encodePacked(publicInputs));
    }
}

library MockProof {
    function make(uint256[] memory publicInputs) internal pure returns (bytes memory) {
        return abi.encode(keccak256(abi.encodePacked(publicInputs)));
    }
}

/// @notice For tests: answers whatever word it was created with, reverts with megabytes, or answers nothing.
contract OddVerifier {
    enum Mode {
        AnswerWord,
        RevertHuge,
        AnswerNothing,
        AnswerShort
    }

    Mode private immutable MODE;
    uint256 private immutable WORD;

    constructor(Mode mode, uint256 word) {
        MODE = mode;
        WORD = word;
    }

    function verify(uint256[] calldata, bytes calldata) external view returns (bool) {
        Mode mode = MODE;
        uint256 word = WORD;
        assembly {
            switch mode
            case 0 {
                mstore(0, word)
                return(0, 32)
            }
            case 1 { revert(0, 1000000) }
            case 2 { return(0, 0) }
            default {
                mstore(0, not(0))
                return(0, 31)
            }
        }
    }
}
