// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IKeyed } from "../../src/interfaces/IKeyed.sol";
import { MockVerifier } from "./MockVerifier.sol";

/// @notice For tests: accepts everything.
contract YesVerifier {
    function verify(uint256[] calldata, bytes calldata) external pure returns (bool) {
        return true;
    }
}

/// @notice For tests: does not look at the payee.
contract AnyPayeeVerifier {
    function prove(uint256[] calldata publicInputs) public pure returns (bytes memory) {
        return abi.encode(keccak256(abi.encodePacked(publicInputs[:publicInputs.length - 1])));
    }

    function verify(uint256[] calldata publicInputs, bytes calldata proof) external pure returns (bool) {
        return keccak256(proof) == keccak256(prove(publicInputs));
    }
}

/// @notice For tests: says the hash of its key.
contract KeyedVerifier is MockVerifier, IKeyed {
    bytes32 public immutable keyHash;

    constructor(bytes32 keyHash_) {
        keyHash = keyHash_;
    }
}

/// @notice For tests: burns all the gas it is given.
contract BurningVerifier {
    function verify(uint256[] calldata, bytes calldata) external pure returns (bool) {
        assembly {
            invalid()
        }
    }
}

/// @notice For tests: answers true and then a megabyte.
contract LongAnswerVerifier {
    function verify(uint256[] calldata, bytes calldata) external pure returns (bool) {
        assembly {
            mstore(0, 1)
            return(0, 100000)
        }
    }
}

/// @notice For tests: passes every call to another contract, which it could exchange.
contract ProxyVerifier {
    address private _target;

    constructor(address target) {
        _target = target;
    }

    fallback(bytes calldata call) external returns (bytes memory) {
        (bool success, bytes memory answer) = _target.delegatecall(call);
        require(success);
        return answer;
    }
}
