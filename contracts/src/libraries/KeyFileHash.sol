// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import { VerifyingKey } from "../interfaces/IBlockVerifier.sol";
import { LibBit } from "solady/utils/LibBit.sol";

/// @title The hash by which a verifying key is known: sha256 of its file
/// @notice The file is the key as arkworks writes it without compression: alpha, beta, gamma, delta, the number of the input points
/// (8 bytes), these points. Numbers are little-endian; of a point of G2 the real part comes first; the highest bit of a point's last
/// byte says whether y is the larger of y and -y. (ark-serialize 0.6, `SWFlags`; ark-ff orders Fq2 by the imaginary part, then the
/// real one.)
library KeyFileHash {
    /// Order of BN254's base field.
    uint256 private constant Q = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;

    /// @notice The hash of a key none of whose points is infinity.
    function hash(VerifyingKey memory key) internal pure returns (bytes32) {
        bytes memory file = abi.encodePacked(_g1(key.alpha), _g2(key.beta), _g2(key.gamma), _g2(key.delta));
        file = abi.encodePacked(file, bytes8(bytes32(LibBit.reverseBytes(key.ic.length))));
        for (uint256 i = 0; i < key.ic.length; ++i) {
            file = abi.encodePacked(file, _g1(key.ic[i]));
        }
        return sha256(file);
    }

    function _g1(uint256[2] memory point) private pure returns (bytes memory) {
        return abi.encodePacked(_little(point[0], false), _little(point[1], _isUpper(point[1])));
    }

    function _g2(uint256[4] memory point) private pure returns (bytes memory) {
        bool upper = point[2] == 0 ? _isUpper(point[3]) : _isUpper(point[2]);
        return abi.encodePacked(
            _little(point[1], false), _little(point[0], false), _little(point[3], false), _little(point[2], upper)
        );
    }

    /// @dev Whether `y` is above `-y`.
    function _isUpper(uint256 y) private pure returns (bool) {
        return y > Q - y;
    }

    function _little(uint256 number, bool flag) private pure returns (uint256) {
        return LibBit.reverseBytes(number) | (flag ? 0x80 : 0);
    }
}
