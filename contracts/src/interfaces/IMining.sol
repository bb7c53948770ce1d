// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { IBondEscrow } from "./IBondEscrow.sol";
import { IMechanism } from "./IMechanism.sol";
import { IProverRegistry } from "./IProverRegistry.sol";
import { IRandomness } from "./IRandomness.sol";
import { IVerifier } from "./IVerifier.sol";

/// @title Mining: the right to a slot is earned by a puzzle, while the slot before it is open
/// @notice When slot k of a market opens, the round for slot k+1 begins. The first ticket that meets the round's target
/// takes the right to slot k+1, and locks the ticket bond. When slot k+1 opens it is assigned to the ticket's prover
/// at the terms' price; without a ticket it is open to all at once. A ticket holds for the version of the terms its
/// round began under: if slot k+1 opens under another it is open to all, and the ticket bond goes back. So it does if
/// the market, after a run of misses, opens the slot to all although a ticket stands for it.
///
/// What a ticket is. A prover picks any `nonce`. Its challenge is `uint256(keccak256(abi.encode(seed, market, prover,
/// nonce))) >> 8`; the puzzle is a fixed function of the challenge alone (a chain of Poseidon hashes) whose `output` is
/// an element of the BN254 scalar field; the ticket is good if `output < target` and the puzzle's verifier accepts a
/// proof of the public inputs `[challenge, output]`.
///
/// What work it proves. As long as the hash behaves like a random function, an expected `modulus / target` evaluations
/// of the chain, by somebody who knew the seed and worked for this prover, market and seed; and one Groth16 proof, of
/// the one good evaluation. What it does not prove: that each try took a proof (tries are evaluations, in the clear),
/// that the prover did the work itself, that it has any hardware beyond what these take, or that it can prove the
/// market's circuit in time: the bonds are for that. Nothing depends on a proof's bytes: a proof made anew, or
/// re-randomised, has the same output and is the same ticket, so it is no further try. Copying a ticket is of no use,
/// because the challenge names the prover. Evaluations are independent, so k provers with a k-th of the work each find
/// a ticket first as often as one with all of it.
///
/// The seed of the round for slot k+1 is `uint256(keccak256(abi.encode(value, chainid, this, market, k + 1))) >> 128`,
/// where `value` is the hash of the block after the one that slot k opened in: so tickets can be handed in from the
/// second block after that on. If the round has no ticket by when the chain's history (EIP-2935) no longer reaches back
/// to it, the block 8,191 later counts instead, and so on. With a beacon (see IRandomness) `value` is its first at or
/// after the second that follows the opening.
///
/// Why not `prevrandao` of the opening's own block. Everybody knows that one block before, so a requester could mine on
/// each coming block's seed for a friend, and open only in a block for which it has a ticket already: a friend with a
/// share h of all work gets every slot, at h = 10 % and one ticket a minute for ten minutes' delay each. This way the
/// slot is open before the seed exists. What is left is a lead: who builds the block after knows its hash when it is
/// built, at most a block time t before the others, in which it finds a ticket with probability 1 - e^(-h * t /
/// interval): 2 % for h = 10 %, t = 12 s and an interval of a minute. To choose among hashes gains nothing: whether one
/// is good takes the same work as a nonce.
///
/// The target follows the tickets. When a round ends with a ticket taken t seconds after its beginning, the next target
/// is target * t / interval, at least a quarter of it. If it ends without one, after t seconds, it is target *
/// (interval + t) / interval, so that slots opened in a burst hardly ease it. Either is at most four times the old one,
/// and within `MIN_TARGET` and `MAX_TARGET`. A market's first round, and the first after slots that were opened under
/// another mechanism, starts from `MAX_TARGET >> initialBits`. Of the interval, two blocks pass before there is a seed
/// to work on.
///
/// `mechanismParams`, from the lowest bit: `interval` uint32 (seconds, above 0), `ticketBond` uint96 (asset wei, above
/// 0), `initialBits` uint8 (at most 159), zeros, and `SlotHooks.ENDED`.
///
/// The ticket bond is what taking a right and not using it costs, besides the slash of the slot's own bond: it is
/// burned, exactly, if the prover is not eligible when its slot opens, or somebody else than its holder proves the slot. It
/// goes back to the key it came from if the slot's holder proves it, nobody does before it expires, it is dropped, or
/// the market gave it to nobody. A transfer of the slot leaves the ticket where it is: its bond stands for the slot
/// until that ends.
interface IMining is IMechanism, IBondEscrow {
    /// @notice The round for a market's next slot.
    /// @param slot The slot the round is for.
    /// @param seed 128 bits; 0 as long as it is not known.
    /// @param startedIn The block in which the round began. Without a beacon the seed follows from a later block's
    /// hash.
    /// @param target A ticket's output must be below it.
    /// @param startedAt Unix seconds; 0 if no slot was opened yet.
    /// @param winner The prover that has the right to the slot; zero if nobody does.
    /// @param ticketBond Asset wei that a ticket locks.
    struct Round {
        uint64 slot;
        uint256 seed;
        uint64 startedIn;
        uint256 target;
        uint40 startedAt;
        address winner;
        uint96 ticketBond;
    }

    /// @notice A round began: for slot `slot`, which is the next to open, in the block of this event.
    event RoundStarted(uint256 indexed market, uint64 indexed slot, uint256 target, uint96 ticketBond);

    /// @notice The right to a slot was taken for `prover`; the ticket bond of `key` is locked.
    event TicketTaken(uint256 indexed market, uint64 indexed slot, address indexed prover, address key);

    /// @notice A ticket bond of `amount` asset wei was burned.
    event TicketForfeited(uint256 indexed market, uint64 indexed slot, address indexed key, uint256 amount);

    /// @notice A ticket bond of `amount` asset wei is back in the key's balance.
    event TicketReturned(uint256 indexed market, uint64 indexed slot, address indexed key, uint256 amount);

    /// @notice The caller is neither the prover nor one of its submitters, or not the key that took the ticket.
    error NotAuthorised();
    /// @notice No round runs: no slot of the market was opened under this mechanism.
    error RoundNotStarted();
    /// @notice The round's seed is not known: the block after the one it began in must be over, or the beacon have a
    /// value.
    error SeedMissing();
    /// @notice The chain has no history of block hashes (EIP-2935), and the contract no beacon.
    error HistoryMissing();
    /// @notice The right to the next slot is `winner`'s.
    error RightTaken(address winner);
    /// @notice The puzzle's output is not below the round's target.
    error TargetMissed(uint256 output, uint256 target);
    /// @notice The puzzle's verifier does not accept the proof.
    error ProofInvalid();
    /// @notice Nobody has a ticket for the market's next slot.
    error TicketNotFound();
    /// @notice The slot may still open; the ticket can be given up from `until` on.
    error TicketHeld(uint256 until);

    /// @notice Take the right to the market's next slot for a prover that the caller acts for, and lock the ticket
    /// bond.
    /// @param output Of the puzzle, for this round's challenge of `prover` and `nonce`.
    /// @param proof Of the public inputs `[challenge, output]`.
    function submitTicket(uint256 market, address prover, uint256 nonce, uint256 output, bytes calldata proof) external;

    /// @notice Give the bond back of a ticket whose slot was not opened by this mechanism: by anyone if the slot was
    /// opened under another one; by the ticket's key if it did not open for `TICKET_HOLD` seconds, which gives up the
    /// right.
    function reclaimTicket(uint256 market) external;

    /// @notice The round for a market's next slot.
    function round(uint256 market) external view returns (Round memory);

    /// @notice The challenge of a try in a market's current round, once its seed is known.
    function challengeOf(uint256 market, address prover, uint256 nonce) external view returns (uint256);

    /// @notice The ticket bond that stands for a slot, from the ticket until the slot ends.
    /// @return key Whose balance it came from; zero if there is none.
    /// @return bond Asset wei.
    function ticketOf(uint256 market, uint64 slot) external view returns (address key, uint96 bond);

    /// @notice Who can win, and be asked for bonds: the registry's provers.
    function registry() external view returns (IProverRegistry);

    /// @notice The beacon whose values seed the rounds; zero if blocks do.
    function randomness() external view returns (IRandomness);

    /// @notice Verifies `[challenge, output]`.
    function puzzle() external view returns (IVerifier);

    /// @notice The hardest target: 2^94. Every target is a multiple of it.
    function MIN_TARGET() external view returns (uint256);

    /// @notice The easiest target: the BN254 scalar field's modulus, rounded down to a multiple of `MIN_TARGET`.
    function MAX_TARGET() external view returns (uint256);

    /// @notice Seconds after which a ticket can be given up if its slot has not opened.
    function TICKET_HOLD() external view returns (uint256);
}
