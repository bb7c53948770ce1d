// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import { Slot, SlotState } from "../types/Slot.sol";
import { Terms } from "../types/Terms.sol";

/// @title What happens in a proof market, and what can go wrong
interface IProofMarketEvents {
    /// @notice A market was created. Its terms follow in `TermsSet`.
    /// @param market The new market's id.
    /// @param creator The only account that may change the terms of slots opened later, or take back unused funds.
    /// @param capacity Number of slots that may be open at once.
    /// @param origin What the first slot of a chain continues; 0 without a chain.
    event MarketCreated(uint256 indexed market, address indexed creator, uint32 capacity, uint256 origin);

    /// @notice Slots may be opened under these terms from `from` (unix seconds) on. The terms before them are good until the
    /// first is.
    event TermsSet(uint256 indexed market, bytes32 indexed termsHash, uint256 from, Terms terms);

    /// @notice A market's funds grew by `amount` asset wei.
    event Funded(uint256 indexed market, address indexed from, uint256 amount);

    /// @notice `amount` asset wei of a market's unused funds became `to`'s credit.
    event Defunded(uint256 indexed market, address indexed to, uint256 amount);

    /// @notice A slot was opened.
    /// @param statementInputs The fixed public inputs, in order.
    event SlotOpened(
        uint256 indexed market,
        uint64 indexed id,
        address indexed prover,
        bytes32 termsHash,
        Slot slot,
        uint256[] statementInputs
    );

    /// @notice The mechanism assigned a slot that was opened without a prover.
    event SlotAssigned(uint256 indexed market, uint64 indexed id, address indexed prover, Slot slot);

    /// @notice A proof was accepted and paid.
    /// @param payee Who was paid; a constrained public input of the proof.
    /// @param reward Asset wei from the slot's escrow. What the escrow held above it went back to the market's funds.
    /// @param premium Asset wei from the slashed bond, 0 unless this was a rescue.
    /// @param missedBy The prover whose bond was slashed, or zero.
    event SlotProven(
        uint256 indexed market,
        uint64 indexed id,
        address indexed payee,
        uint256 reward,
        uint256 premium,
        address missedBy
    );

    /// @notice A missed slot's bond was split. The three parts sum to the bond.
    event BondSlashed(
        uint256 indexed market,
        uint64 indexed id,
        address indexed prover,
        uint256 toRescuer,
        uint256 toRequester,
        uint256 burned
    );

    /// @notice Nobody proved the slot in time: the bond was released, `forfeited` asset wei of the price burned, the
    /// rest returned to the market's funds.
    event SlotExpired(uint256 indexed market, uint64 indexed id, uint256 forfeited);

    /// @notice The requester took back a slot that was not assigned and not yet open to all.
    event SlotCancelled(uint256 indexed market, uint64 indexed id);

    /// @notice A slot ended unproven because its premise fell, or because its requester paid for that: the bond was released,
    /// `fee` asset wei of the price are its holder's credit, the rest returned to the market's funds.
    event SlotDropped(uint256 indexed market, uint64 indexed id, uint256 fee);

    /// @notice The circuit's author was credited its part of a reward, in asset wei. `SlotProven` tells what is left of the reward.
    event RoyaltyPaid(uint256 indexed market, uint64 indexed id, address indexed author, uint256 amount);

    /// @notice A proof was committed to, for the first time.
    event ProofCommitted(bytes32 indexed commitment, address indexed sender);

    /// @notice A proof was paid while what its slot builds on is not settled; `resolve` needs these words.
    /// @param payee Whose proof it was. If that is not the slot's holder, the slash of the holder's bond is held.
    /// @param right Whether the proof says that the slot's claim is right.
    /// @param claim What a slot that builds on this one continues.
    event SlotPending(uint256 indexed market, uint64 indexed id, address payee, bool right, uint256 claim);

    /// @notice The premise of a pending slot was settled.
    /// @param premium Asset wei of the slashed bond for the rescuer; 0 if nothing was held, or the premise fell.
    event SlotResolved(uint256 indexed market, uint64 indexed id, uint256 premium);

    /// @notice A slot was proven right, and everything it builds on: final.
    event SlotEstablished(uint256 indexed market, uint64 indexed id, uint256 claim);

    /// @notice Slot `id` fell, and every slot that builds on it. The next one continues `claim` of slot `head`.
    event ChainCut(uint256 indexed market, uint64 indexed id, uint64 head, uint256 claim);

    /// @notice The requester's callback reverted or ran out of its gas; the settlement stands.
    event CallbackFailed(uint256 indexed market, uint64 indexed id);

    /// @notice A mechanism failed to take in how a slot ended; the settlement stands.
    event HookFailed(uint256 indexed market, uint64 indexed id);

    /// @notice A slot changed hands: right, bond and duty are now those of `slot.prover`.
    /// @param from Whose bond was freed.
    /// @param price As in the offer.
    event SlotTransferred(uint256 indexed market, uint64 indexed id, address indexed from, int96 price, Slot slot);

    /// @notice Credit was withdrawn.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);

    /// @notice Burned asset wei left the market for good.
    event BurnedSwept(uint256 amount);

    /// @notice No market has this id.
    error MarketNotFound();
    /// @notice Only the market's creator.
    error NotCreator();
    /// @notice Only the requester that the terms name.
    error NotRequester();
    /// @notice Only the mechanism that the terms name.
    error NotMechanism();
    /// @notice The terms passed in are not the ones the market (or the slot) is bound to.
    error TermsMismatch();
    /// @notice A parameter of the terms breaks a rule; `rule` names it.
    error TermsRejected(bytes32 rule);
    /// @notice The market's funds do not cover the price.
    error InsufficientFunds(uint256 available, uint256 needed);
    /// @notice As many slots are open as the market has room for; settle or expire the oldest first.
    error RingFull();
    /// @notice No such open slot: it never existed, was passed in altered, or has ended.
    error SlotNotOpen(SlotState state);
    /// @notice The slot can be expired from `expiresAt` on (unix seconds), and proven until then.
    error SlotNotExpired(uint256 expiresAt);
    /// @notice The slot could be proven before `expiredAt` (unix seconds).
    error SlotHasExpired(uint256 expiredAt);
    /// @notice Somebody holds the slot.
    error SlotAlreadyAssigned();
    /// @notice Too late to assign: anyone may prove the slot since `since`.
    error SlotOpenToAll(uint256 since);
    /// @notice Somebody holds the slot, or it is open to all.
    error SlotNotCancellable();
    /// @notice Nobody holds the slot, or its exclusive window is over: there is nothing left to transfer.
    error SlotNotHeld();
    /// @notice Only the contract with the offers reassigns slots.
    error NotSlotTransfers();
    /// @notice Only a slot that is held, within its exclusive window, can be dropped while its premise stands.
    error SlotNotDroppable();
    /// @notice The caller names another slot to build on than the chain's head.
    error HeadMoved(uint64 head);
    /// @notice The slot does not continue what the chain's head claims.
    error PremiseMismatch(uint256 claim);
    /// @notice What the chain's head claims is an output of its proof, which is not there yet.
    error PremiseNotProven(uint64 head);
    /// @notice What the slot builds on is neither established nor fallen; settle that first.
    error PremiseOpen(uint64 premise);
    /// @notice The contracts that the market is deployed with do not know it.
    error ContractsMismatch();
    /// @notice New terms carry their market's next version, or the current one if they are in provers' favour.
    error VersionInvalid(uint32 expected);
    /// @notice These terms may be used from `from` on (unix seconds).
    error TermsNotDue(uint256 from);
    /// @notice The public inputs are not those of the slot's statement.
    error StatementMismatch();
    /// @notice The last public input is not an address, or one that could never withdraw: the market's own contracts, the slot's
    /// mechanism and verifier.
    error PayeeInvalid();
    /// @notice Until `exclusiveUntil` only a proof that pays the assigned prover is accepted.
    error NotAssignedProver(address prover, uint256 exclusiveUntil);
    /// @notice The circuit does not bind the payee: in the exclusive window only the payee and its submitters send a proof.
    error NotPayee(address payee);
    /// @notice The circuit does not bind the payee: a proof for a slot that is open to all takes a commitment (`commitProof`) that
    /// is old enough. It is from block `from` on; 0 if there is none.
    error ProofNotCommitted(bytes32 commitment, uint256 from);
    /// @notice The verifier does not accept the proof, or cannot be called.
    error ProofInvalid();
    /// @notice Not enough gas is left to give the requester's callback what the terms promise it, or the mechanism's `onEnded`
    /// what the market does.
    error InsufficientCallbackGas();
    /// @notice The account's credit does not cover this, in asset wei.
    error InsufficientCredit(uint256 available, uint256 needed);
    /// @notice Nothing to fund, take back, withdraw or sweep.
    error AmountZero();
    /// @notice A market's funds may not grow above `max`, so that no settlement can overflow them.
    error FundsTooLarge(uint256 funds, uint256 max);
    /// @notice The asset delivered less than was sent: assets that charge on transfer are refused.
    error AssetTakesFee(uint256 received, uint256 sent);
    /// @notice Neither the zero address nor one of the market's own contracts can receive.
    error RecipientInvalid();
    /// @notice A market's capacity must be a power of two, 1 to 65,536.
    error CapacityInvalid();
    /// @notice The mechanism asked for more than the price escrowed, or would decide so late that an assigned prover
    /// and then a rescuer would not both have a whole exclusive window before the slot expires.
    error AssignmentInvalid();
}

/// @title The slots of a proof market: opened, given out, proven
interface IProofMarketSlots is IProofMarketEvents {
    /// @notice Open a slot. Requester only.
    /// @param premise The slot it builds on, if the terms declare a chain: its head, as `chainOf` says; else 0.
    /// @param statementInputs The fixed public inputs, in order; hashed into the slot's statement.
    /// @param data Passed to the mechanism.
    /// @return slot The slot as opened.
    function openSlot(
        uint256 market,
        Terms calldata terms,
        uint64 premise,
        uint256[] calldata statementInputs,
        bytes calldata data
    ) external returns (Slot memory slot);

    /// @notice Assign a slot that was opened without a prover. The slot's mechanism only, before `exclusiveUntil`.
    /// Reserves the bond, restarts the reward clock and returns what the price is below the escrowed one to the funds.
    function assign(Slot calldata slot, Terms calldata terms, address prover, uint96 price) external;

    /// @notice Prove a slot and pay the payee named by the last public input. Anyone may send it.
    ///
    /// Where the terms have a reveal delay, since the circuit does not bind the payee, the payee is no input of the verifier, and a
    /// proof seen could be sent for another. So in the exclusive window the sender is the payee or its submitter, and after it
    /// the proof was committed to (`commitProof`) at least that many blocks before.
    /// @param publicInputs Statement inputs, then the circuit's outputs, then the payee.
    /// @param proof As the verifier takes it; with a reveal delay, a salt of 32 bytes before it.
    function prove(Slot calldata slot, Terms calldata terms, uint256[] calldata publicInputs, bytes calldata proof)
        external;

    /// @notice Whether `slot` is open, exactly as given, under `terms`.
    function isOpen(Slot calldata slot, Terms calldata terms) external view returns (bool);

    /// @notice Where the functions of `IProofMarketExt` are.
    function extension() external view returns (address);
}

/// @title What can be read of a proof market as a whole
interface IProofMarketState is IProofMarketEvents {
    /// @notice Credit of `account` in asset wei.
    function credits(address account) external view returns (uint256);

    /// @notice The block in which a proof was first committed to; 0 if it was not.
    function committedAt(bytes32 commitment) external view returns (uint256);

    /// @notice The number of markets; ids are 1 to this.
    function marketCount() external view returns (uint256);

    /// @notice Asset wei that are burned and not yet swept.
    function burned() external view returns (uint256);

    /// @notice The one ERC-20 asset of stakes, prices and rewards.
    function asset() external view returns (address);

    /// @notice The registry whose bonds this market reserves, releases and slashes.
    function registry() external view returns (address);

    /// @notice The circuits that terms may name.
    function circuits() external view returns (address);

    /// @notice The rules for terms.
    function rules() external view returns (address);

    /// @notice The contract with the offers of slot transfers.
    function slotTransfers() external view returns (address);

    /// @notice Seconds between the announcement of terms and their first use: two epochs, in which whoever minds has left the draws.
    function TERMS_NOTICE() external view returns (uint256);

    /// @notice Missed slots in a row after which a market's slots open to all at once, until a prover with stake in it delivers.
    function OPEN_AFTER() external view returns (uint256);
}

/// @title Everything else about a proof market: terms, funds, credit, slots that end in another way
/// @notice Called at the market's address, which passes these calls on to its extension.
interface IProofMarketExt is IProofMarketEvents {
    /// @notice Create a market.
    /// @param terms Its terms, of version 1; checked against every rule (`ITermsRules`), and by the mechanism.
    /// @param capacity How many slots may be open at once: a power of two, 1 to 65,536.
    /// @param origin What the first slot continues, if the terms declare a chain; else 0.
    /// The caller becomes its creator.
    /// @return market The id, counting from 1.
    function createMarket(Terms calldata terms, uint32 capacity, uint256 origin) external returns (uint256 market);

    /// @notice Change the terms of slots to come. Creator only. Terms in provers' favour (`ITermsRules.inFavour`) keep their
    /// version and count at once. Others have the next version, replace terms that were announced before and are good after
    /// `TERMS_NOTICE` seconds. A chain is for good.
    /// @param current The terms in force.
    function setTerms(uint256 market, Terms calldata current, Terms calldata next) external;

    /// @notice Add `amount` asset wei to a market's funds; needs an allowance to this contract.
    function fund(uint256 market, uint256 amount) external;

    /// @notice Turn `amount` asset wei of unused funds into credit of `to`. Creator only.
    function defund(uint256 market, uint256 amount, address to) external;

    /// @notice End a slot that nobody proved in time. Anyone may send it.
    /// @param statementInputs The slot's fixed public inputs if its terms declare a chain, else empty; likewise below.
    function expire(Slot calldata slot, Terms calldata terms, uint256[] calldata statementInputs) external;

    /// @notice Take back a slot that is not assigned and not yet open to all. Requester only.
    function cancel(Slot calldata slot, Terms calldata terms, uint256[] calldata statementInputs) external;

    /// @notice End an open slot whose premise fell: anyone. Its holder is credited the forfeit. Or one that stands and is held, within its
    /// exclusive window: its requester. Its holder, whose proof may be in the mempool, is credited what a proof would earn it now,
    /// or the forfeit if that is more. Either way its bond is free.
    function drop(Slot calldata slot, Terms calldata terms, uint256[] calldata statementInputs) external;

    /// @notice Settle a slot that was proven before its premise was, now that the premise is established or fell: it becomes
    /// established itself if it was proven right, and a slash that was held is paid or undone. Anyone.
    /// @param payee These three as in `SlotPending`.
    function resolve(Slot calldata slot, Terms calldata terms, address payee, bool right, uint256 claim) external;

    /// @notice Commit to a proof that does not bind its payee, before showing it. Anyone; it reserves nothing, and repeating one changes
    /// nothing.
    /// @param commitment keccak256(abi.encode(keccak256(proof), payee, market, slot id, salt)), the proof without the salt.
    function commitProof(bytes32 commitment) external;

    /// @notice Give a held slot to `taker`, whose bond is reserved before the holder's is free again, and move `price` asset wei of
    /// credit from taker to holder, or the other way below zero. The contract with the offers only.
    function reassign(Slot calldata slot, Terms calldata terms, address taker, int96 price) external;

    /// @notice Send `amount` asset wei of the caller's credit to `to`.
    function withdraw(address to, uint256 amount) external;

    /// @notice Send everything burned so far to the dead address. Anyone may call it; no settlement depends on it.
    function sweepBurned() external;

    /// @notice A market's creator, current terms' hash, capacity, number of slots ever opened, and funds (asset wei).
    function markets(uint256 market)
        external
        view
        returns (address creator, bytes32 termsHash, uint32 capacity, uint64 slots, uint128 funds);

    /// @notice The last version of a market's terms, the hash of terms announced (zero if none are) and from when they may be
    /// used (unix seconds), and how many held slots in a row were missed.
    function termsOf(uint256 market)
        external
        view
        returns (uint32 version, bytes32 announced, uint40 from, uint8 misses);

    /// @notice A market's chain: the last established slot and what it claims, and the head, which the next slot builds on, and
    /// what that claims.
    function chainOf(uint256 market)
        external
        view
        returns (uint64 established, uint256 establishedClaim, uint64 head, uint256 headClaim);

    /// @notice Whether what `slot` builds on is established, and whether it fell; neither while that is open.
    function premiseOf(Slot calldata slot) external view returns (bool established, bool fallen);

    /// @notice Whether a proof of `slot` was paid and waits for its premise, with these words of `SlotPending`.
    function isPending(Slot calldata slot, Terms calldata terms, address payee, bool right, uint256 claim)
        external
        view
        returns (bool);

    /// @notice How slot `id` ended; `None` while it is open, was never opened, or a later slot took its place.
    function slotState(uint256 market, uint64 id) external view returns (SlotState);
}

/// @title The proof market: slots, escrow, settlement
/// @notice Anyone may create a market. A market's requester opens slots; its mechanism assigns them; whoever may
/// prove them is paid in the transaction that carries the proof, by credit. There is no owner, no pause, no upgrade.
interface IProofMarket is IProofMarketState, IProofMarketSlots, IProofMarketExt { }
