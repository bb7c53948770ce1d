// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { Slot } from "../types/Slot.sol";
import { Terms } from "../types/Terms.sol";
import { IBondEscrow } from "./IBondEscrow.sol";
import { IMechanism } from "./IMechanism.sol";
import { IProverRegistry } from "./IProverRegistry.sol";

/// @notice An ask in a book.
/// @param price What a slot pays at most, in asset wei: a multiple of the tick.
/// @param promised Seconds from the assignment in which its prover means to prove a slot.
/// @param capacity Slots left; 0 if there is no such ask.
/// @param expiry Unix seconds of the last block in which it is given a slot.
/// @param score Ticks: price, and weight times `promised`. The lowest is given the next slot.
/// @param key Whose deposit answers for `promised`; zero where a promise has no weight.
struct StandingAsk {
    uint96 price;
    uint32 promised;
    uint32 capacity;
    uint40 expiry;
    uint16 score;
    address key;
}

/// @notice An ask that is signed instead of posted (EIP-712; EOA or ERC-1271), which costs nothing until it is used.
/// @param prover Who asks, signs, is given slots, and whose own deposit answers for `promised`.
/// @param market The only market it is good for.
/// @param version The only version of that market's terms it is good for.
/// @param price What a slot pays at most, in asset wei: a multiple of the tick.
/// @param promised Seconds from the assignment in which the prover means to prove a slot.
/// @param capacity How many slots it may be given under this nonce, all together.
/// @param expiry Unix seconds of the last block in which it is given a slot.
/// @param nonce Names the ask: what is given under one nonce is counted together, and cancelled together.
struct SignedAsk {
    address prover;
    uint256 market;
    uint32 version;
    uint96 price;
    uint32 promised;
    uint32 capacity;
    uint40 expiry;
    uint256 nonce;
}

/// @title Standing asks: provers say what they take for a slot before there is one, and the best ask is given it as it opens
/// @notice There is a book for each market and version of its terms, so no ask outlives the terms it was posted under. In a book a
/// prover has one ask at most. The lowest score goes first, of equals the one that came first. An ask that cannot be given a slot when
/// one opens (it expired, or its prover could not bond) is removed; eight at most at an opening. Is none of those able, or the
/// book empty, the slot stays undecided for `matchWindow` seconds, in which anybody goes on with `matchSlot`; then it is open to
/// all at the terms' price.
///
/// `mechanismParams`, from the lowest bit: `tick` uint96 (asset wei, above 0), `weight` uint16 (ticks a promised second),
/// `matchWindow` uint16 (seconds, above 0), zeros, and `SlotHooks.ENDED` exactly if `weight` is above 0. A score is
/// price / tick + weight * promised, at most 65,535.
///
/// **The promise.** Where a promised second counts `weight` ticks, a second more than promised costs two times that, out of a deposit
/// (see `IBondEscrow`): promising a second less than one needs gains less than it loses. What a slot can lose is locked as it
/// is given, `2 * weight * tick * (exclusiveWindow - promised)` asset wei, and what is lost is burned, so nobody gains by making
/// somebody late. It is lost only if the slot's holder itself proves late, on a premise that did not fall. Who does not prove at all loses the slot's bond, or,
/// if nobody can prove, nothing: the terms must have what a rescue leaves of a bond cover all that a promise can lose. A slot
/// that is handed over keeps its promise, which stays that of the key that made it.
///
/// **A signed ask** is the opening's `data`, `abi.encode(ask, signature)` with `ask` a `SignedAsk`. It is used only if its score is
/// below that of the best able ask of the book. One that cannot be used never reverts the opening: the book decides, so no prover can
/// keep a slot from opening (one with code has 200,000 gas to say whether it signed). EIP-712: domain name "Provery Standing Asks", version "1", this chain, this contract; type
/// `SignedAsk(address prover,uint256 market,uint32 version,uint96 price,uint32 promised,uint32 capacity,uint40 expiry,uint256 nonce)`.
interface IStandingAsks is IMechanism, IBondEscrow {
    /// @notice A prover's ask in the book of a version of a market's terms is now this.
    event AskPosted(
        uint256 indexed market,
        address indexed prover,
        uint32 version,
        uint96 price,
        uint32 promised,
        uint32 capacity,
        uint40 expiry
    );

    /// @notice An ask was taken out of its book: by its prover, or because it could not be given a slot.
    event AskRemoved(uint256 indexed market, address indexed prover, uint32 version, bool cancelled);

    /// @notice A slot was given to an ask, of which `left` slots are left.
    event AskTaken(
        uint256 indexed market,
        uint64 indexed slot,
        address indexed prover,
        uint96 price,
        uint32 promised,
        uint256 left,
        bool isSigned
    );

    /// @notice The signed ask that a slot was opened with was not used; `reason` names what it lacked, or is "score" if the book had
    /// one as good.
    event SignedAskUnused(uint256 indexed market, uint64 indexed slot, address indexed prover, bytes32 reason);

    /// @notice A slot was proven `late` seconds after what `key` had promised, which burned `toBurn` asset wei.
    event PromiseBroken(uint256 indexed market, uint64 indexed slot, address indexed key, uint256 late, uint256 toBurn);

    /// @notice Asks that a prover signed with this nonce are used no more.
    event SignedAskCancelled(address indexed prover, uint256 nonce);

    /// @notice Neither the prover nor one of its submitters.
    error NotAuthorised();
    /// @notice These are not terms of the market's, in force or announced, under this mechanism.
    error TermsNotInForce();
    /// @notice The prover could not be given a slot now: paused, suspended, these terms not accepted, or no exposure left.
    error ProverNotAble();
    /// @notice A price is a multiple of `tick` asset wei.
    error PriceOffTick(uint256 tick);
    /// @notice The terms pay `cap` asset wei at most.
    error PriceTooHigh(uint256 price, uint256 cap);
    /// @notice What is promised is above 0 and at most the exclusive window, `max` seconds.
    error PromiseInvalid(uint256 max);
    /// @notice The ask's score is above `max` ticks.
    error ScoreTooHigh(uint256 score, uint256 max);
    /// @notice An ask is for 1 to `max` slots.
    error CapacityInvalid(uint256 max);
    /// @notice The ask would be over at once, or sooner than it was.
    error ExpiryTooEarly(uint256 expiry);
    /// @notice The prover has no ask in this book.
    error AskNotFound();
    /// @notice There is no ask to give the slot to.
    error BookEmpty();
    /// @notice The slot is not open, is held, or is open to all.
    error SlotNotUndecided();

    /// @notice Post an ask for a prover, in place of the one it has in this book, and behind others of the same score. The prover or
    /// one of its submitters, whose deposit answers for the promise.
    /// @param terms The market's, in force or announced: what the ask is good for is their version.
    function post(
        uint256 market,
        Terms calldata terms,
        address prover,
        uint96 price,
        uint32 promised,
        uint32 capacity,
        uint40 expiry
    ) external;

    /// @notice Add `slots` to an ask, which puts it behind others of the same score, and let it be good until `expiry`, not sooner than
    /// before. With no slots more it keeps its place. The prover or one of its submitters.
    /// @param terms The market's, in force or announced.
    function topUp(uint256 market, Terms calldata terms, address prover, uint32 slots, uint40 expiry) external;

    /// @notice Take an ask back. The prover or one of its submitters. Slots that it was given stay.
    function cancel(uint256 market, uint32 version, address prover) external;

    /// @notice Make asks void that a prover signed with `nonce`. The prover or one of its submitters.
    function cancelSigned(address prover, uint256 nonce) external;

    /// @notice Give an undecided slot to the best ask that is able, and remove up to eight better ones that are not. Anyone; if all of
    /// them are unable the slot stays as it is, and the next call goes on.
    function matchSlot(Slot calldata slot, Terms calldata terms) external;

    /// @notice Remove those asks of `provers` that could not be given a slot now. Anyone.
    /// @param terms The market's, in force or announced.
    function prune(uint256 market, Terms calldata terms, address[] calldata provers) external;

    /// @notice A prover's ask under these terms of a market's; without a capacity if there is none.
    function askOf(uint256 market, Terms calldata terms, address prover) external view returns (StandingAsk memory);

    /// @notice Who asks under a version of a market's terms, the best first, `most` of them at most.
    function asksOf(uint256 market, uint32 version, uint256 most) external view returns (address[] memory provers);

    /// @notice What an ask of `price` asset wei and `promised` seconds scores under these terms, in ticks.
    function scoreOf(Terms calldata terms, uint256 price, uint256 promised) external pure returns (uint256);

    /// @notice Asset wei locked when a slot is given to an ask that promised this, and the most that breaking the promise costs.
    function promiseBondOf(Terms calldata terms, uint256 promised) external pure returns (uint256);

    /// @notice The key that promised a slot's time, and what it promised, in seconds; zero if nothing hangs on it.
    function promiseOf(uint256 market, uint64 slot) external view returns (address key, uint32 promised);

    /// @notice Slots given to a prover's signed asks with `nonce`; the largest number there is once they are cancelled.
    function usesOf(address prover, uint256 nonce) external view returns (uint256);

    /// @notice Whether a prover, or the contract that it is, signed an ask.
    function isSigned(SignedAsk calldata ask, bytes calldata signature) external view returns (bool);

    /// @notice What the prover signs: the ask's EIP-712 hash.
    function digestOf(SignedAsk calldata ask) external view returns (bytes32);

    /// @notice The registry whose provers ask; its asset is what deposits are in.
    function registry() external view returns (IProverRegistry);
}
