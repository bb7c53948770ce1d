// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IBlockHeader } from "../interfaces/IBlockHeader.sol";
import { Assignment, IMechanism } from "../interfaces/IMechanism.sol";
import { IProofMarket } from "../interfaces/IProofMarket.sol";
import { IProverRegistry } from "../interfaces/IProverRegistry.sol";
import { IRandomness } from "../interfaces/IRandomness.sol";
import { IStakeLottery } from "../interfaces/IStakeLottery.sol";
import { BlockHeader } from "../libraries/BlockHeader.sol";
import { BlockHistory } from "../libraries/BlockHistory.sol";
import { Slot, SlotState } from "../types/Slot.sol";
import { Terms } from "../types/Terms.sol";

/// @notice An epoch and its seed; a seed of 0 if the epoch has none.
///
/// 216 bits seed | 40 bits epoch
type EpochSeed is uint256;

using EpochSeedLib for EpochSeed global;

/// @title The fields of an epoch's word
library EpochSeedLib {
    uint256 private constant SEED_SHIFT = 40;

    function create(uint256 epoch_, uint256 seed_) internal pure returns (EpochSeed) {
        return EpochSeed.wrap(epoch_ | seed_ << SEED_SHIFT);
    }

    function epoch(EpochSeed word) internal pure returns (uint256) {
        return uint40(EpochSeed.unwrap(word));
    }

    function seed(EpochSeed word) internal pure returns (uint256) {
        return EpochSeed.unwrap(word) >> SEED_SHIFT;
    }

    /// @notice What of `random` fits a word with its epoch.
    function seedOf(bytes32 random) internal pure returns (uint256) {
        return uint256(random) >> SEED_SHIFT;
    }
}

/// @title Stake lottery: a slot goes to a prover drawn in proportion to the stake it allocated to the market
/// @dev Two words of state, whatever the number of markets: one for even epochs, one for odd, so that the next epoch's
/// seed can be brought in while the current one is in use.
contract StakeLottery is IStakeLottery {
    /// @inheritdoc IStakeLottery
    uint256 public constant MAX_DRAWS = 4;

    IProverRegistry private immutable REGISTRY;
    IRandomness private immutable RANDOMNESS;
    IProofMarket private immutable MARKET;
    uint256 private immutable EPOCH_LENGTH;
    uint256 private immutable LEAD;

    /// @dev By the epoch's lowest bit.
    EpochSeed[2] private _seeds;

    /// @param registry_ The registry whose weights are drawn from.
    /// @param market_ The market contract that opens slots.
    /// @param randomness_ The beacon whose values seed the epochs; zero for the chain's own blocks.
    constructor(IProverRegistry registry_, address market_, IRandomness randomness_) {
        if (address(randomness_) == address(0) && !BlockHistory.exists()) revert HistoryMissing();
        REGISTRY = registry_;
        RANDOMNESS = randomness_;
        MARKET = IProofMarket(market_);
        EPOCH_LENGTH = registry_.EPOCH_LENGTH();
        LEAD = registry_.FREEZE() / 2;
    }

    /// @inheritdoc IStakeLottery
    function registry() external view returns (IProverRegistry) {
        return REGISTRY;
    }

    /// @inheritdoc IStakeLottery
    function randomness() external view returns (IRandomness) {
        return RANDOMNESS;
    }

    /// @inheritdoc IMechanism
    function validateTerms(Terms calldata terms) external pure {
        if (terms.bond == 0) revert BondZero();
        if (terms.mechanismParams != 0) revert MechanismTermsRejected("mechanismParams");
    }

    /// @inheritdoc IMechanism
    /// @dev `data` are headers, as `bringSeed` takes them; read only if the seed is missing, so that an opening that
    /// carries them loses no race.
    function onOpen(uint256 market, uint64 slot, Terms calldata terms, bytes calldata data)
        external
        returns (Assignment memory assignment)
    {
        if (msg.sender != address(MARKET)) revert NotMarket();
        assignment.price = terms.price;

        uint256 epoch = _epoch();
        EpochSeed seeded = _seededOf(epoch);
        if (seeded.epoch() != epoch) seeded = _bring(epoch, data);
        uint256 seed = seeded.seed();
        if (seed != 0) assignment.prover = _draw(seed, market, slot, terms);
    }

    /// @inheritdoc IMechanism
    /// @dev Never called: the terms cannot ask for it.
    function onEnded(Slot calldata, Terms calldata, SlotState, address) external pure { }

    /// @inheritdoc IStakeLottery
    function bringSeed(uint256 epoch, bytes calldata headers) external {
        uint256 current = _epoch();
        unchecked {
            // An older one would displace a seed in use. An epoch's number is no larger than the time.
            if (epoch != current && epoch != current + 1) revert EpochOutOfReach(epoch);
        }
        if (_seededOf(epoch).epoch() != epoch) _bring(epoch, headers);
    }

    /// @inheritdoc IStakeLottery
    /// @dev After the last second in which a weight of the epoch could change, e * EPOCH_LENGTH - FREEZE - 1, whatever
    /// FREEZE is.
    function seedTime(uint256 epoch) public view returns (uint256) {
        return epoch * EPOCH_LENGTH - LEAD;
    }

    /// @inheritdoc IStakeLottery
    function currentSeed() external view returns (uint256 epoch, bool known, uint256 seed) {
        epoch = _epoch();
        (known, seed) = seedOf(epoch);
    }

    /// @inheritdoc IStakeLottery
    function seedOf(uint256 epoch) public view returns (bool known, uint256 seed) {
        EpochSeed seeded = _seededOf(epoch);
        if (seeded.epoch() == epoch) (known, seed) = (true, seeded.seed());
    }

    /// @dev Who the slot is for; zero if nobody that is drawn is eligible.
    function _draw(uint256 seed, uint256 market, uint64 slot, Terms calldata terms) private returns (address prover) {
        uint256 bond = terms.bond;
        uint32 version = terms.version;
        uint256 passed = 0;
        for (; passed < MAX_DRAWS; ++passed) {
            uint256 random = _randomOf(seed, market, slot, passed);
            bool eligible;
            (prover, eligible) = REGISTRY.draw(market, random, bond, version);
            if (eligible || prover == address(0)) break;
            prover = address(0);
        }
        if (passed != 0) emit ProversPassedOver(market, slot, passed);
    }

    /// @dev Finds out the epoch's seed, or that it has none, and keeps it.
    /// @return seeded The epoch's word.
    function _bring(uint256 epoch, bytes calldata headers) private returns (EpochSeed seeded) {
        uint256 time = seedTime(epoch);
        bytes32 value;
        uint256 number;
        bool known = time <= block.timestamp;
        if (address(RANDOMNESS) != address(0)) {
            if (known) (known, value) = RANDOMNESS.randomnessAt(time);
            if (!known) revert SeedMissing(epoch, time);
        } else {
            if (headers.length == 0) revert SeedMissing(epoch, time);
            (known, number, value) = _seedBlock(time, headers);
        }

        uint256 seed;
        if (known) {
            seed = EpochSeedLib.seedOf(keccak256(abi.encode(epoch, value)));
            emit EpochSeeded(epoch, seed, number);
        } else {
            emit EpochSeedless(epoch);
        }
        seeded = EpochSeedLib.create(epoch, seed);
        _seeds[epoch & 1] = seeded;
    }

    /// @dev Checks the headers that show the first block at or after `time`, or that the chain's history has no such
    /// block.
    /// @return found False in the second case.
    function _seedBlock(uint256 time, bytes calldata headers)
        private
        view
        returns (bool found, uint256 number, bytes32 value)
    {
        (BlockHeader.Header memory header, bytes calldata rest) = BlockHeader.read(headers);
        number = header.number;
        if (BlockHistory.hashOf(number) != header.hash) revert HeaderUnknown(number);
        if (header.timestamp < time) revert NotSeedBlock(number);
        if (number != 0) {
            BlockHeader.Header memory parent;
            (parent, rest) = BlockHeader.read(rest);
            if (parent.hash != header.parentHash) revert ParentMismatch(number);
            found = parent.timestamp < time;
            // The block asked for is before this one, which is the oldest there is.
            if (!found && number + BlockHistory.WINDOW != block.number) revert NotSeedBlock(number);
        }
        // A chain's first block was known to whoever started it: it seeds nothing.
        if (rest.length != 0) revert IBlockHeader.HeaderMalformed();
        value = header.mixHash;
    }

    /// @dev keccak256(abi.encode(seed, market, slot, attempt)).
    function _randomOf(uint256 seed, uint256 market, uint64 slot, uint256 attempt)
        private
        pure
        returns (uint256 random)
    {
        // Saves 130 gas an attempt.
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, seed)
            mstore(add(free, 0x20), market)
            mstore(add(free, 0x40), slot)
            mstore(add(free, 0x60), attempt)
            random := keccak256(free, 0x80)
        }
    }

    /// @dev The word that an epoch shares with those of its parity.
    function _seededOf(uint256 epoch) private view returns (EpochSeed seeded) {
        // Saves 30 gas: the index is in bounds.
        assembly ("memory-safe") {
            seeded := sload(add(_seeds.slot, and(epoch, 1)))
        }
    }

    function _epoch() private view returns (uint256) {
        unchecked {
            // The registry has no epochs of length zero.
            return block.timestamp / EPOCH_LENGTH;
        }
    }
}
