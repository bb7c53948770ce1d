// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IBlockHeader } from "../../src/interfaces/IBlockHeader.sol";
import { BlockHeader } from "../../src/libraries/BlockHeader.sol";
import { HeaderFixture } from "../HeaderFixture.sol";

/// @notice The library behind a call, so that its errors can be caught.
contract BlockHeaderReader {
    function read(bytes calldata data) external pure returns (BlockHeader.Header memory header, bytes memory rest) {
        return BlockHeader.read(data);
    }
}

contract BlockHeaderTest is HeaderFixture {
    BlockHeaderReader private reader = new BlockHeaderReader();

    function _refused(bytes memory data) private {
        vm.expectRevert(IBlockHeader.HeaderMalformed.selector);
        reader.read(data);
    }

    // ---------------------------------------------------------------- real headers

    /// @dev Of Ethereum, Sepolia and anvil: first, small and big numbers, with and without transactions.
    function test_ReadsRealHeaders() public view {
        string memory json = vm.readFile("tests/vectors/headers.json");
        uint256 i;
        for (;; ++i) {
            string memory key = string.concat(".headers[", vm.toString(i), "]");
            if (!vm.keyExistsJson(json, key)) break;
            bytes memory rlp = vm.parseJsonBytes(json, string.concat(key, ".rlp"));
            (BlockHeader.Header memory header, bytes memory rest) = reader.read(rlp);
            assertEq(rest.length, 0, key);
            assertEq(header.hash, vm.parseJsonBytes32(json, string.concat(key, ".hash")), key);
            assertEq(header.parentHash, vm.parseJsonBytes32(json, string.concat(key, ".parentHash")), key);
            assertEq(header.number, vm.parseJsonUint(json, string.concat(key, ".number")), key);
            assertEq(header.timestamp, vm.parseJsonUint(json, string.concat(key, ".timestamp")), key);
            assertEq(header.mixHash, vm.parseJsonBytes32(json, string.concat(key, ".mixHash")), key);
        }
        assertEq(i, 7);
    }

    /// @dev The history contract of the fixture is the one that anvil answered with; a header and its parent go
    /// together.
    function test_ReadsTwoInARow() public view {
        string memory json = vm.readFile("tests/vectors/headers.json");
        bytes memory child = vm.parseJsonBytes(json, ".headers[6].rlp");
        bytes memory parent = vm.parseJsonBytes(json, ".headers[5].rlp");
        (BlockHeader.Header memory header, bytes memory rest) = reader.read(bytes.concat(child, parent));
        assertEq(rest, parent);
        assertEq(header.parentHash, keccak256(parent));
    }

    // ---------------------------------------------------------------- sizes

    function testFuzz_ReadsItemsOfEverySize(uint64 number, uint64 timestamp, bytes32 mixHash, bytes memory extraData)
        public
        view
    {
        vm.assume(extraData.length < 4000);
        for (uint256 shift; shift <= 64; shift += 8) {
            bytes memory rlp = _header(mixHash, number >> shift, timestamp >> shift, ~mixHash, extraData);
            (BlockHeader.Header memory header, bytes memory rest) = reader.read(bytes.concat(rlp, "rest"));
            assertEq(rest, "rest");
            assertEq(header.hash, keccak256(rlp));
            assertEq(header.parentHash, mixHash);
            assertEq(header.number, number >> shift);
            assertEq(header.timestamp, timestamp >> shift);
            assertEq(header.mixHash, ~mixHash);
        }
    }

    function test_ReadsExtraDataAtTheSizesWhereItsPrefixChanges() public view {
        uint256[8] memory sizes = [uint256(0), 1, 2, 55, 56, 255, 256, 4096];
        for (uint256 i; i < 8; ++i) {
            bytes memory extraData = new bytes(sizes[i]);
            for (uint256 fill; fill < 2; ++fill) {
                if (sizes[i] != 0) extraData[0] = fill == 0 ? bytes1(0x7f) : bytes1(0x80);
                (BlockHeader.Header memory header,) = reader.read(_header(0, 1, 2, bytes32(uint256(3)), extraData));
                assertEq(header.mixHash, bytes32(uint256(3)));
            }
        }
    }

    // ---------------------------------------------------------------- what is no header

    function test_RevertWhen_CutOffAnywhere() public {
        bytes memory rlp = _header(keccak256("parent"), 20_000_000, 1_700_000_000, keccak256("mix"));
        for (uint256 length; length < rlp.length; ++length) {
            bytes memory cut = new bytes(length);
            for (uint256 i; i < length; ++i) {
                cut[i] = rlp[i];
            }
            _refused(cut);
        }
    }

    /// @dev Cut off, with the list's length corrected: whatever is missing of the first fourteen items is missed.
    function test_RevertWhen_ItemsAreMissing() public {
        bytes memory rlp = _header(keccak256("parent"), 20_000_000, 1_700_000_000, keccak256("mix"));
        // Up to the mixHash's last byte: prefixes and contents of items 0 to 13.
        uint256 end = 3 + 33 * 2 + 21 + 33 * 3 + 259 + 1 + 5 + 5 + 5 + 5 + 20 + 33;
        for (uint256 length = 3; length < rlp.length; ++length) {
            bytes memory cut = new bytes(length);
            for (uint256 i; i < length; ++i) {
                cut[i] = rlp[i];
            }
            (cut[1], cut[2]) = (bytes1(uint8((length - 3) >> 8)), bytes1(uint8(length - 3)));
            if (length < end) _refused(cut);
            else reader.read(cut);
        }
    }

    function test_RevertWhen_NotAList() public {
        _refused("");
        _refused(hex"f9");
        _refused(hex"f9ffff");
        _refused(_string(new bytes(600)));
        _refused(_list(new bytes(55)));
        _refused(_list(new bytes(200)));
        // Bytes that stand for themselves are items, but no hash.
        _refused(_list(new bytes(600)));
        // Longer than the encoding of its length needs.
        _refused(bytes.concat(hex"f90010", new bytes(16)));
        _refused(bytes.concat(hex"fa000258", new bytes(600)));
    }

    /// @dev A header's items, one of them put otherwise.
    function _with(uint256 which, bytes memory item) private pure returns (bytes memory) {
        bytes memory items;
        for (uint256 i; i < 15; ++i) {
            bytes memory usual = _string(abi.encode(i));
            if (i == 6) usual = _string(new bytes(256));
            if (i == 8 || i == 11) usual = _integer(i);
            items = bytes.concat(items, i == which ? item : usual);
        }
        return _list(items);
    }

    function test_RevertWhen_AnItemIsMalformed() public {
        (BlockHeader.Header memory header,) = reader.read(_with(99, ""));
        assertEq(header.number, 8);
        assertEq(header.timestamp, 11);
        assertEq(header.mixHash, bytes32(uint256(13)));
        for (uint256 i; i < 14; ++i) {
            _refused(_with(i, _list("")));
            _refused(_with(i, _list(new bytes(100))));
            // One byte that stands for itself, and lengths that a shorter prefix would do for.
            _refused(_with(i, hex"8101"));
            _refused(_with(i, bytes.concat(hex"b837", new bytes(55))));
            _refused(_with(i, bytes.concat(hex"b900ff", new bytes(255))));
            // Nothing is that long.
            _refused(_with(i, bytes.concat(hex"ba010000", new bytes(65_536))));
            _refused(_with(i, hex"bfffffffffffffffff"));
            _refused(_with(i, hex"b9ffff"));
        }
        uint256[2] memory hashes = [uint256(0), 13];
        for (uint256 i; i < 2; ++i) {
            _refused(_with(hashes[i], _string(new bytes(31))));
            _refused(_with(hashes[i], _string(new bytes(33))));
            _refused(_with(hashes[i], _string("")));
        }
        uint256[2] memory numbers = [uint256(8), 11];
        for (uint256 i; i < 2; ++i) {
            _refused(_with(numbers[i], hex"00"));
            _refused(_with(numbers[i], hex"820001"));
            _refused(_with(numbers[i], hex"89010000000000000000"));
        }
    }

    /// @dev Whatever a byte is turned into, the answer is a header or the one error.
    function testFuzz_FailsByNameOnly(uint256 at, bytes1 value, uint256 length) public view {
        bytes memory rlp = _header(keccak256("parent"), 20_000_000, 1_700_000_000, keccak256("mix"));
        rlp[at % rlp.length] = value;
        length = bound(length, 0, rlp.length);
        assembly ("memory-safe") {
            mstore(rlp, length)
        }
        try reader.read(rlp) returns (BlockHeader.Header memory header, bytes memory) {
            assertEq(header.hash, keccak256(rlp));
        } catch (bytes memory error) {
            assertEq(error, abi.encodePacked(IBlockHeader.HeaderMalformed.selector));
        }
    }
}
