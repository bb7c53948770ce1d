// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { Allocation, IMechanism } from "../interfaces/IMechanism.sol";
import { Slot, SlotState, Terms } from "../interfaces/IProofMarket.sol";
import { IProverRegistry } from "../interfaces/IProverRegistry.sol";
import { IStakeLottery } from "../interfaces/IStakeLottery.sol";

/// @title Stake lottery: a slot goes to a prover drawn in proportion to the stake it allocated to the market
/// @dev One word of state, whatever the number of markets: `seed << 40 | epoch`.
contract StakeLottery is IStakeLottery {
    /// @inheritdoc IStakeLottery
    uint256 public constant MAX_DRAWS = 4;

    /// @inheritdoc IStakeLottery
    IProverRegistry public immutable registry;

    address private immutable _market;
    uint256 private immutable _epochLength;

    uint256 private _seeded;

    /// @param registry_ The registry whose weights are drawn from.
    /// @param market_ The market contract that opens slots.
    constructor(IProverRegistry registry_, address market_) {
        registry = registry_;
        _market = market_;
        _epochLength = registry_.EPOCH_LENGTH();
    }

    /// @inheritdoc IMechanism
    function validateTerms(Terms calldata terms) external pure {
        if (terms.bond == 0) revert BondZero();
        if (terms.mechanismParams != 0) revert MechanismTermsRejected("mechanismParams");
    }

    /// @inheritdoc IMechanism
    function onOpen(uint256 market, uint64 slot, Terms calldata terms, bytes calldata)
        external
        returns (Allocation memory allocation)
    {
        if (msg.sender != _market) revert NotMarket();
        allocation.price = terms.price;

        uint256 seed = poke();
        uint256 bond = terms.bond;
        uint256 passed = 0;
        for (; passed < MAX_DRAWS; ++passed) {
            uint256 random = uint256(keccak256(abi.encode(seed, market, slot, passed)));
            (address prover, bool able) = registry.draw(market, random, bond, terms.version);
            if (prover == address(0)) break;
            if (able) {
                allocation.prover = prover;
                break;
            }
        }
        if (passed != 0) emit ProversPassedOver(market, slot, passed);
    }

    /// @inheritdoc IMechanism
    /// @dev Never called: the terms cannot ask for it.
    function onEnded(Slot calldata, Terms calldata, SlotState, address) external pure { }

    /// @inheritdoc IStakeLottery
    function poke() public returns (uint256 seed) {
        uint256 seeded = _seeded;
        uint256 epoch = block.timestamp / _epochLength;
        seed = seeded >> 40;
        if (uint40(seeded) != epoch) {
            seed = uint256(keccak256(abi.encode(seed, block.prevrandao, epoch))) >> 40;
            _seeded = seed << 40 | epoch;
            emit EpochSeeded(epoch, seed);
        }
    }

    /// @inheritdoc IStakeLottery
    function currentSeed() external view returns (uint256 epoch, uint256 seed) {
        uint256 seeded = _seeded;
        return (uint40(seeded), seeded >> 40);
    }
}
