// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { Assignment, IMechanism } from "../interfaces/IMechanism.sol";
import { IProofMarket } from "../interfaces/IProofMarket.sol";
import { IProverRegistry } from "../interfaces/IProverRegistry.sol";
import { IRace } from "../interfaces/IRace.sol";
import { SlotHooks } from "../libraries/SlotHooks.sol";
import { Slot, SlotState } from "../types/Slot.sol";
import { Terms } from "../types/Terms.sol";

/// @notice `mechanismParams` of a race: zero without a handicap. ENDED is `SlotHooks.ENDED`.
///
/// 1 bit ENDED | 215 bits empty | 32 bits delay (seconds) | 8 bits window (slots)
type RaceParams is uint256;

using RaceParamsLib for RaceParams global;

/// @title The fields of a race's parameters
library RaceParamsLib {
    uint256 private constant DELAY_SHIFT = 8;
    uint256 private constant EMPTY_SHIFT = 40;

    function window(RaceParams params) internal pure returns (uint256) {
        return uint8(RaceParams.unwrap(params));
    }

    function delay(RaceParams params) internal pure returns (uint256) {
        return uint32(RaceParams.unwrap(params) >> DELAY_SHIFT);
    }

    /// @notice Whether the market's bit is set and what is empty is zero.
    function isValid(RaceParams params) internal pure returns (bool) {
        return RaceParams.unwrap(params) >> EMPTY_SHIFT == SlotHooks.ENDED >> EMPTY_SHIFT;
    }
}

/// @title Race: a slot is open to all at once, and the first valid proof wins it
/// @dev Winners are remembered by their registry id, eight to a word, 0 for who is not registered: such a payee has no
/// share and always waits, so its wins need no counting. The last 64 are kept whatever the window, so that markets may
/// change it.
contract Race is IRace {
    uint256 private constant MAX_WINDOW = 64;
    uint256 private constant ID_BITS = 32;
    uint256 private constant IDS_PER_WORD = 8;
    uint256 private constant WORDS = 8;

    /// @param proven Slots proven so far; the next winner goes to lane `proven % MAX_WINDOW`.
    struct Winners {
        uint256 proven;
        uint256[WORDS] ids;
    }

    IProverRegistry private immutable REGISTRY;
    IProofMarket private immutable MARKET;

    mapping(uint256 market => Winners) private _winners;

    /// @param registry_ The registry whose weights give the shares.
    /// @param market_ The market contract that opens slots.
    constructor(IProverRegistry registry_, address market_) {
        REGISTRY = registry_;
        MARKET = IProofMarket(market_);
    }

    /// @inheritdoc IRace
    function registry() external view returns (IProverRegistry) {
        return REGISTRY;
    }

    /// @inheritdoc IMechanism
    function validateTerms(Terms calldata terms) external pure {
        if (terms.mechanismParams == 0) return;
        RaceParams params = RaceParams.wrap(uint256(terms.mechanismParams));
        (uint256 window, uint256 delay) = (params.window(), params.delay());
        if (!params.isValid()) revert MechanismTermsRejected("mechanismParams");
        if (window == 0 || window > MAX_WINDOW) revert MechanismTermsRejected("window");
        if (delay == 0 || delay >= terms.exclusiveWindow) revert MechanismTermsRejected("delay");
    }

    /// @inheritdoc IMechanism
    function onOpen(uint256, uint64, Terms calldata terms, bytes calldata)
        external
        view
        returns (Assignment memory assignment)
    {
        if (msg.sender != address(MARKET)) revert NotMarket();
        assignment.price = terms.price;
    }

    /// @inheritdoc IMechanism
    /// @dev Nobody holds a slot of a race, so a revert here refuses the proof.
    function onEnded(Slot calldata slot, Terms calldata terms, SlotState state, address payee) external {
        if (msg.sender != address(MARKET)) revert NotMarket();
        if (state != SlotState.Proven) return;
        Winners storage winners = _winners[slot.market];
        uint256 id = REGISTRY.proverOf(payee).id;
        RaceParams params = RaceParams.wrap(uint256(terms.mechanismParams));
        uint256 until = slot.startedAt + params.delay();
        if (block.timestamp < until && _waits(winners, slot.market, payee, id, params.window())) {
            revert HandicapNotOver(until);
        }

        unchecked {
            uint256 proven = winners.proven++;
            (uint256 index, uint256 shift) = _lane(proven);
            uint256 word = winners.ids[index];
            winners.ids[index] = word & ~(uint256(type(uint32).max) << shift) | id << shift;
        }
    }

    /// @inheritdoc IRace
    function waitsUntil(uint256 market, address payee, uint40 startedAt, bytes32 params)
        external
        view
        returns (uint256)
    {
        RaceParams handicap = RaceParams.wrap(uint256(params));
        if (handicap.delay() == 0) return startedAt;
        bool waits = _waits(_winners[market], market, payee, REGISTRY.proverOf(payee).id, handicap.window());
        return waits ? startedAt + handicap.delay() : startedAt;
    }

    /// @inheritdoc IRace
    function winsOf(uint256 market, address prover, uint256 slots) external view returns (uint256) {
        uint256 id = REGISTRY.proverOf(prover).id;
        return id == 0 ? 0 : _wins(_winners[market], id, slots < MAX_WINDOW ? slots : MAX_WINDOW);
    }

    /// @dev Whether one more win would give the payee more than its share of `window` slots.
    function _waits(Winners storage winners, uint256 market, address payee, uint256 id, uint256 window)
        private
        view
        returns (bool)
    {
        uint256 total = REGISTRY.totalWeight(market);
        if (total == 0) return false;
        // A window has 8 bits, and a weight far less than 200. Of a window of no slots nobody has a share.
        unchecked {
            uint256 share = id == 0 ? 0 : window * REGISTRY.weightOf(market, payee) / total;
            return share == 0 || _wins(winners, id, window - 1) >= share;
        }
    }

    /// @dev How many of the last `slots` proven slots, at most 64, were won by `id`.
    function _wins(Winners storage winners, uint256 id, uint256 slots) private view returns (uint256 wins) {
        unchecked {
            uint256 end = winners.proven;
            if (slots > end) slots = end;
            uint256 loaded = WORDS;
            uint256 word;
            for (uint256 lane = end - slots; lane < end; ++lane) {
                (uint256 index, uint256 shift) = _lane(lane);
                if (index != loaded) (loaded, word) = (index, winners.ids[index]);
                if (uint32(word >> shift) == id) ++wins;
            }
        }
    }

    /// @dev Where the winner of the slot proven as number `proven` is: which word, and how far up in it.
    function _lane(uint256 proven) private pure returns (uint256 index, uint256 shift) {
        unchecked {
            return (proven / IDS_PER_WORD % WORDS, proven % IDS_PER_WORD * ID_BITS);
        }
    }
}
