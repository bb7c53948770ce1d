// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IProofMarketEvents } from "../interfaces/IProofMarket.sol";
import { ChainRun, ChainRunLib, ChainWord } from "../types/ChainWord.sol";
import { SlotLink, SlotLinkLib } from "../types/SlotLink.sol";

/// @title Which slots of a market build on which, and which of them stand
/// @notice Every slot of a chain builds on its head, the last one that stands. A slot falls when it is proven wrong, expires, or
/// is taken back; with it falls what builds on it, and the head is its premise again. So the slots that stand are one line, in
/// the order of their ids, and its beginning is established: proven right, one after the other.
///
/// Whether a slot stands is told in two reads, whatever fell in between and whatever became of its premise's word. Slots opened
/// between two falls are a **run**. Runs that still have slots standing are a stack: run `runs[d].run` at depth d has its slots
/// cut off from id `runs[d + 1].cut` on, where the run above it begins. A fall of slot k, at depth d, puts a new run at depth
/// d + 1 with cut k, and forgets the runs above. A slot keeps its depth and run in its link, and stands if the stack still has
/// that run at that depth and its id is below the cut:
///
///     opened   1 2 3 4 | 5 6 | 7          | what happened
///     stack    run 0                        4 falls: run 1, cut 4, at depth 1
///              run 0 | run 1, cut 4         5, 6 open on 3; 6 falls: run 2, cut 6, at depth 2
///              run 0 | run 1 | run 2, cut 6 7 opens on 5; then 2 falls: run 3, cut 2, at depth 1
///              run 0 | run 3, cut 2         only 1 stands: 3 is at or above the cut, 5 and 7 are of other runs
///
/// An established slot never falls. Of the slots that stand, those up to the last established id are established.
library SlotChain {
    /// @param word Its ends.
    /// @param headClaim What the head claims; meaningless while it is an output that is not there yet.
    /// @param establishedClaim What the last established slot claims.
    /// @param runs By depth.
    /// @param unclaimed The head whose claim is an output still to come; 0 if there is none.
    struct Chain {
        ChainWord word;
        uint256 headClaim;
        uint256 establishedClaim;
        uint256 unclaimed;
        mapping(uint256 depth => ChainRun) runs;
    }

    /// @notice What is known of a slot's place in the chain.
    /// @param stands Whether neither it nor anything it builds on fell.
    /// @param premiseEstablished Whether what it builds on is final.
    /// @param premiseFallen Whether what it builds on fell.
    struct Place {
        bool stands;
        bool premiseEstablished;
        bool premiseFallen;
    }

    uint256 private constant DEPTH = type(uint32).max;
    uint256 private constant RUN_SHIFT = 32;

    /// @notice Begin with the claim that the first slot continues.
    function start(Chain storage chain, uint256 origin) internal {
        if (origin != 0) (chain.headClaim, chain.establishedClaim) = (origin, origin);
    }

    /// @notice Put slot `id` on the head, which it must name and continue.
    /// @param continued The slot's input that continues its premise.
    /// @param claim What the slot claims itself; ignored if that is an output.
    /// @return link Its link.
    function append(
        Chain storage chain,
        uint64 id,
        uint64 premise,
        uint256 continued,
        uint256 claim,
        bool claimIsOutput
    ) internal returns (SlotLink link) {
        ChainWord word = chain.word;
        uint64 head = word.head();
        if (premise != head) revert IProofMarketEvents.HeadMoved(head);
        if (claimIsOutput) {
            if (head != 0 && chain.unclaimed == head) revert IProofMarketEvents.PremiseNotProven(head);
            chain.unclaimed = id;
        }
        if (chain.headClaim != continued) revert IProofMarketEvents.PremiseMismatch(chain.headClaim);
        if (!claimIsOutput) chain.headClaim = claim;

        link = SlotLinkLib.create(head, word.headAt(), word.at());
        chain.word = word.appended(id);
    }

    /// @notice Where a slot stands now.
    function placeOf(Chain storage chain, uint64 id, SlotLink link) internal view returns (Place memory place) {
        ChainWord word = chain.word;
        place.stands = _stands(chain, word, id, link.at());
        uint64 premise = link.premise();
        bool premiseStands = place.stands || _stands(chain, word, premise, link.premiseAt());
        place.premiseEstablished = premiseStands && premise <= word.established();
        place.premiseFallen = !premiseStands;
    }

    /// @notice Slot `id` stands, was proven right, and its premise is established: so is it.
    function establish(Chain storage chain, uint256 market, uint64 id, uint256 claim) internal {
        chain.word = chain.word.withEstablished(id);
        chain.establishedClaim = claim;
        emit IProofMarketEvents.SlotEstablished(market, id, claim);
    }

    /// @notice The head's claim is an output, and slot `id` was proven with it.
    function claimed(Chain storage chain, uint64 id, uint256 claim) internal {
        if (chain.unclaimed != id) return;
        chain.unclaimed = 0;
        chain.headClaim = claim;
    }

    /// @notice Slot `id`, which stands, falls with all that builds on it.
    /// @param continued The slot's input that continues its premise: what the next slot must continue.
    function cut(Chain storage chain, uint256 market, uint64 id, SlotLink link, uint256 continued) internal {
        ChainWord word = chain.word;
        uint256 run = word.run() + 1;
        uint256 depth = (link.at() & DEPTH) + 1;
        uint64 head = link.premise();
        chain.runs[depth] = ChainRunLib.create(run, id);
        chain.word = word.cut(head, link.premiseAt(), depth, run);
        chain.headClaim = continued;
        if (chain.unclaimed != 0) chain.unclaimed = 0;
        emit IProofMarketEvents.ChainCut(market, id, head, continued);
    }

    /// @notice The last established slot and the head.
    function ends(Chain storage chain) internal view returns (uint64 established, uint64 head) {
        ChainWord word = chain.word;
        return (word.established(), word.head());
    }

    /// @param at `depth | run << 32`.
    function _stands(Chain storage chain, ChainWord word, uint64 id, uint256 at) private view returns (bool) {
        uint256 newest = word.at();
        uint256 depth = at & DEPTH;
        if (depth == newest & DEPTH) return at == newest;
        if (depth > newest & DEPTH || chain.runs[depth].number() != at >> RUN_SHIFT) return false;
        return id < chain.runs[depth + 1].cut();
    }
}
