// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IStakeLottery } from "../src/interfaces/IStakeLottery.sol";
import { Test } from "forge-std/Test.sol";

/// @notice Blocks for contracts that read headers or block hashes: the EIP-2935 history contract, with its real code,
/// and headers to fill it with. A test that inherits this can deploy a StakeLottery or a Mining without a beacon
/// (inherit it even if nothing else is needed: their constructors ask for the history contract).
///
///     vm.warp(…);              // into an epoch
///     _mineSeed(lottery);      // its seed is known: openings draw
///     _mineSeed(lottery, mix); // likewise, from a seed block with this mixHash
///
///     _mineBlocks(2);          // Mining: the round that began in this block has its seed
///
/// `_seedHeaders` makes the seed block and answers what `bringSeed` and an opening's data take, for tests that bring it
/// in themselves. Block numbers and the hashes of blocks are all this touches; time is the test's.
abstract contract HeaderFixture is Test {
    address internal constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;
    uint256 internal constant WINDOW = 8191;
    bytes private constant HISTORY_CODE =
        hex"3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500";

    constructor() {
        vm.etch(HISTORY, HISTORY_CODE);
        // So that there are blocks before this one.
        vm.roll(20_000_000);
    }

    /// @dev The current epoch's seed is known from now on; if it was not, from a block with a mixHash of the epoch's
    /// own, which `prevrandao` varies.
    function _mineSeed(IStakeLottery lottery) internal returns (uint256 seed) {
        (uint256 epoch,,) = lottery.currentSeed();
        return _mineSeed(lottery, keccak256(abi.encode(epoch, block.prevrandao)));
    }

    /// @dev Likewise, with the seed block's mixHash as given.
    function _mineSeed(IStakeLottery lottery, bytes32 mixHash) internal returns (uint256 seed) {
        bool known;
        uint256 epoch;
        (epoch, known, seed) = lottery.currentSeed();
        if (known) return seed;
        lottery.bringSeed(epoch, _seedHeaders(lottery, epoch, mixHash));
        return _seedFrom(epoch, mixHash);
    }

    /// @dev Makes an epoch's seed block the one before this.
    /// @return headers Its header and its parent's.
    function _seedHeaders(IStakeLottery lottery, uint256 epoch, bytes32 mixHash)
        internal
        returns (bytes memory headers)
    {
        uint256 number = vm.getBlockNumber() + 1;
        vm.roll(number + 1);
        uint256 time = lottery.seedTime(epoch);
        bytes memory parent = _header(bytes32(number), number - 1, time - 1, bytes32(0));
        bytes memory header = _header(keccak256(parent), number, time, mixHash);
        _record(number - 1, keccak256(parent));
        _record(number, keccak256(header));
        return bytes.concat(header, parent);
    }

    /// @dev What the lottery makes of a seed block's mixHash.
    function _seedFrom(uint256 epoch, bytes32 mixHash) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(epoch, mixHash))) >> 40;
    }

    /// @dev This block and `count - 1` after it are over.
    function _mineBlocks(uint256 count) internal {
        for (uint256 i; i < count; ++i) {
            uint256 number = vm.getBlockNumber();
            _record(number, keccak256(abi.encode("block", number, vm.getBlockTimestamp(), block.prevrandao)));
            vm.roll(number + 1);
        }
    }

    /// @dev The history has this hash for block `number`, as far as it reaches.
    function _record(uint256 number, bytes32 hash) internal {
        vm.store(HISTORY, bytes32(number % WINDOW), hash);
    }

    /// @dev The header of a block, as under Prague's rules and as big as one of Ethereum's.
    function _header(bytes32 parentHash, uint256 number, uint256 timestamp, bytes32 mixHash)
        internal
        pure
        returns (bytes memory)
    {
        return _header(parentHash, number, timestamp, mixHash, "provery test block ");
    }

    function _header(bytes32 parentHash, uint256 number, uint256 timestamp, bytes32 mixHash, bytes memory extraData)
        internal
        pure
        returns (bytes memory)
    {
        bytes memory items = bytes.concat(
            _string(abi.encode(parentHash)),
            _string(abi.encode(keccak256("ommers"))),
            _string(abi.encodePacked(address(uint160(uint256(keccak256("beneficiary")))))),
            _string(abi.encode(keccak256("state"))),
            _string(abi.encode(keccak256("transactions"))),
            _string(abi.encode(keccak256("receipts"))),
            _string(_bloom(number)),
            _integer(0),
            _integer(number)
        );
        return _list(
            bytes.concat(
                items,
                _integer(60_000_000),
                _integer(27_000_000),
                _integer(timestamp),
                _string(extraData),
                _string(abi.encode(mixHash)),
                _string(new bytes(8)),
                _integer(38_202_867),
                _string(abi.encode(keccak256("withdrawals"))),
                bytes.concat(_integer(0x40000), _integer(0xa2a720e)),
                _string(abi.encode(keccak256("beacon"))),
                _string(abi.encode(keccak256("requests")))
            )
        );
    }

    function _bloom(uint256 number) private pure returns (bytes memory bloom) {
        for (uint256 i; i < 8; ++i) {
            bloom = bytes.concat(bloom, keccak256(abi.encode(number, i)));
        }
    }

    /// @dev RLP.
    function _list(bytes memory content) internal pure returns (bytes memory) {
        return bytes.concat(_prefix(content.length, 0xc0), content);
    }

    /// @dev RLP.
    function _string(bytes memory content) internal pure returns (bytes memory) {
        if (content.length == 1 && uint8(content[0]) < 0x80) return content;
        return bytes.concat(_prefix(content.length, 0x80), content);
    }

    /// @dev RLP.
    function _integer(uint256 value) internal pure returns (bytes memory) {
        uint256 size;
        while (value >> (8 * size) != 0) {
            ++size;
        }
        bytes memory content = new bytes(size);
        for (uint256 i; i < size; ++i) {
            content[i] = bytes1(uint8(value >> (8 * (size - 1 - i))));
        }
        return _string(content);
    }

    function _prefix(uint256 length, uint256 base) private pure returns (bytes memory) {
        if (length < 56) return abi.encodePacked(uint8(base + length));
        if (length < 256) return abi.encodePacked(uint8(base + 56), uint8(length));
        return abi.encodePacked(uint8(base + 57), uint16(length));
    }
}
