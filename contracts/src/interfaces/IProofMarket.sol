// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @notice How a slot ended. `None` covers both a slot that never was and one still open.
enum SlotState {
    None,
    Proven,
    Expired,
    Cancelled
}

/// @notice A market's terms. The chain stores only their hash; whoever calls the market passes them in full and can
/// read them from `TermsSet`. An open slot is bound to the terms it was opened under, so a change never reaches it.
/// @param requester The contract or account that opens slots; told how each slot ended when `callbackGas` > 0.
/// @param mechanism Decides who may prove a slot and at what price.
/// @param mechanismParams One word for the mechanism; its NatSpec says how it is packed. The highest bit is the market's:
/// see `IMechanism.onEnded`.
/// @param circuit Id in the CircuitRegistry.
/// @param verifier The circuit's verifier, copied here so that settling reads no registry.
/// @param price Highest reward for one slot, in asset wei; escrowed when the slot opens.
/// @param bond Stake reserved from the allocated prover, in asset wei.
/// @param fastWindow Seconds from the start of the clock in which the whole price is paid.
/// @param exclusiveWindow Seconds in which only the allocated prover may prove.
/// @param expiryWindow Seconds from opening after which anyone may expire the slot.
/// @param floorBps Share of the price, in bps, paid at the end of the exclusive window and after.
/// @param rescuerBps Share of a slashed bond, in bps, paid to the rescuer on top of the floor.
/// @param requesterBps Share of a slashed bond, in bps, paid to the requester. What is left is burned.
/// @param forfeitBps Share of the price, in bps, burned when a slot expires unproven.
/// @param outputs Number of public inputs, just before the payee, that the prover supplies and no statement fixes.
/// @param callbackGas Gas for `IRequester.onSlotEnded`, paid by whoever settles; 0 for none, at most 1,000,000.
struct Terms {
    address requester;
    address mechanism;
    bytes32 mechanismParams;
    bytes32 circuit;
    address verifier;
    uint96 price;
    uint96 bond;
    uint32 fastWindow;
    uint32 exclusiveWindow;
    uint32 expiryWindow;
    uint16 floorBps;
    uint16 rescuerBps;
    uint16 requesterBps;
    uint16 forfeitBps;
    uint8 outputs;
    uint32 callbackGas;
}

/// @notice A slot as its events tell it. The chain stores one word for it: `hash(slot, hash(terms))` while open, and
/// `id << 8 | state` once ended (an open slot's hash is never that small, so the two cannot be confused).
/// @param market The market's id.
/// @param id Counts from 1 within the market.
/// @param statement keccak256 of the fixed public inputs, 32 bytes each, without outputs and payee.
/// @param prover Who holds the allocation; zero if nobody does.
/// @param price What the slot pays at most, in asset wei.
/// @param openedAt Unix seconds.
/// @param startedAt Unix seconds at which the reward curve starts: the allocation, or the opening to all.
/// @param exclusiveUntil Before this second only `prover` may prove (nobody while `prover` is zero: the mechanism is
/// still deciding). From this second on anyone may.
/// @param capacity The market's capacity: says where the slot's word is without reading the market's record.
struct Slot {
    uint256 market;
    uint64 id;
    bytes32 statement;
    address prover;
    uint96 price;
    uint40 openedAt;
    uint40 startedAt;
    uint40 exclusiveUntil;
    uint32 capacity;
}

/// @notice An offer to hand a slot over, made by the prover that holds it: on-chain, or by its EIP-712 signature (EOA or
/// ERC-1271) over `HandOver(bytes32 slot,address to,int96 price,uint40 validUntil)` with the slot's word for `slot`. It is
/// void while another holds the slot, and used up when it is taken; but a signed one with a price of zero or more stands
/// again if the slot comes back, until `validUntil` or its revocation.
/// @param to Who may take it; zero for anyone.
/// @param price Asset wei of credit that the taker pays the holder; below zero, that the holder pays the taker.
/// @param validUntil Unix seconds of the last block in which it may be taken.
struct HandOver {
    address to;
    int96 price;
    uint40 validUntil;
}

/// @title The proof market: slots, escrow, settlement
/// @notice Anyone may create a market. A market's requester opens slots; its mechanism allocates them; whoever may
/// prove them is paid in the transaction that carries the proof, by credit. There is no owner, no pause, no upgrade.
interface IProofMarket {
    /// @notice A market was created. Its terms follow in `TermsSet`.
    /// @param market The new market's id.
    /// @param creator The only account that may change the terms of slots opened later, or take back unused funds.
    /// @param capacity Number of slots that may be open at once.
    event MarketCreated(uint256 indexed market, address indexed creator, uint32 capacity);

    /// @notice Slots opened from now on are under these terms.
    event TermsSet(uint256 indexed market, bytes32 indexed termsHash, Terms terms);

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

    /// @notice The mechanism allocated a slot that was opened without a prover.
    event SlotAllocated(uint256 indexed market, uint64 indexed id, address indexed prover, Slot slot);

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

    /// @notice The requester took back a slot that was not allocated and not yet open to all.
    event SlotCancelled(uint256 indexed market, uint64 indexed id);

    /// @notice The requester's callback reverted or ran out of its gas; the settlement stands.
    event CallbackFailed(uint256 indexed market, uint64 indexed id);

    /// @notice A mechanism failed to take in how a slot ended; the settlement stands.
    event HookFailed(uint256 indexed market, uint64 indexed id);

    /// @notice The prover that holds a slot offers it.
    event HandOverOffered(
        uint256 indexed market, uint64 indexed id, address indexed prover, bytes32 digest, HandOver offer
    );

    /// @notice An offer, made on-chain or signed, can no longer be taken.
    event HandOverRevoked(address indexed prover, bytes32 digest);

    /// @notice A slot changed hands: right, bond and duty are now those of `slot.prover`.
    /// @param from Whose bond was freed.
    /// @param price As in the offer.
    event SlotHandedOver(uint256 indexed market, uint64 indexed id, address indexed from, int96 price, Slot slot);

    /// @notice Credit was withdrawn.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);

    /// @notice Burned asset wei left the market for good.
    event BurnedSwept(uint256 amount);

    error MarketNotFound();
    error NotCreator();
    error NotRequester();
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
    error SlotNotExpired(uint256 expiresAt);
    error SlotHasExpired(uint256 expiredAt);
    error SlotAlreadyAllocated();
    /// @notice Too late to allocate: anyone may prove the slot since `since`.
    error SlotOpenToAll(uint256 since);
    error SlotNotCancellable();
    /// @notice Only the prover that holds a slot, or, where it costs that prover nothing, one of its submitters.
    error NotHolder();
    /// @notice Nobody holds the slot, or its exclusive window is over: there is nothing left to hand over.
    error SlotNotHeld();
    /// @notice The offer is for another taker, or the sender may not act for (or spend the credit of) this one.
    error NotTaker();
    error HandOverExpired(uint256 validUntil);
    /// @notice There is no such offer: not made on-chain, not signed by the holder, or revoked.
    error HandOverNotOffered();
    /// @notice The public inputs are not those of the slot's statement.
    error StatementMismatch();
    /// @notice The last public input is not an address.
    error PayeeInvalid();
    /// @notice Until `exclusiveUntil` only a proof that pays the allocated prover is accepted.
    error NotAllocatedProver(address prover, uint256 exclusiveUntil);
    error ProofInvalid();
    /// @notice Not enough gas is left to give the requester's callback what the terms promise it.
    error InsufficientCallbackGas();
    error InsufficientCredit(uint256 available, uint256 needed);
    error AmountZero();
    /// @notice A market's funds may not grow above `max`, so that no settlement can overflow them.
    error FundsTooLarge(uint256 funds, uint256 max);
    /// @notice The asset delivered less than was sent: assets that charge on transfer are refused.
    error AssetTakesFee(uint256 received, uint256 sent);
    /// @notice Neither the zero address nor this contract can receive.
    error RecipientInvalid();
    /// @notice A market's capacity must be a power of two, 1 to 65,536.
    error CapacityInvalid();
    /// @notice The mechanism asked for more than the price escrowed, or would decide so late that an allocated prover
    /// and then a rescuer would not both have a whole exclusive window before the slot expires.
    error AllocationInvalid();

    /// @notice Create a market.
    /// @param terms Its terms; checked against every rule, and by the mechanism.
    /// @param capacity How many slots may be open at once: a power of two, 1 to 65,536.
    /// The caller becomes its creator.
    /// @return market The id, counting from 1.
    function createMarket(Terms calldata terms, uint32 capacity) external returns (uint256 market);

    /// @notice Change the terms of slots opened from now on. Creator only.
    function setTerms(uint256 market, Terms calldata terms) external;

    /// @notice Add `amount` asset wei to a market's funds; needs an allowance to this contract.
    function fund(uint256 market, uint256 amount) external;

    /// @notice Turn `amount` asset wei of unused funds into credit of `to`. Creator only.
    function defund(uint256 market, uint256 amount, address to) external;

    /// @notice Open a slot. Requester only.
    /// @param statementInputs The fixed public inputs, in order; hashed into the slot's statement.
    /// @param data Passed to the mechanism.
    /// @return slot The slot as opened.
    function openSlot(uint256 market, Terms calldata terms, uint256[] calldata statementInputs, bytes calldata data)
        external
        returns (Slot memory slot);

    /// @notice Allocate a slot that was opened without a prover. The slot's mechanism only, before `exclusiveUntil`.
    /// Reserves the bond, restarts the reward clock and returns what the price is below the escrowed one to the funds.
    function allocate(Slot calldata slot, Terms calldata terms, address prover, uint96 price) external;

    /// @notice Prove a slot and pay the payee named by the last public input. Anyone may send it.
    /// @param publicInputs Statement inputs, then the circuit's outputs, then the payee.
    function prove(Slot calldata slot, Terms calldata terms, uint256[] calldata publicInputs, bytes calldata proof)
        external;

    /// @notice End a slot that nobody proved in time. Anyone may send it.
    function expire(Slot calldata slot, Terms calldata terms) external;

    /// @notice Take back a slot that is not allocated and not yet open to all. Requester only.
    function cancel(Slot calldata slot, Terms calldata terms) external;

    /// @notice Offer a slot that the caller holds, or that a prover holds for which the caller is a submitter (then at no
    /// price below zero: a submitter never spends a prover's credit). It can be taken until the exclusive window is over.
    /// @return digest The offer's EIP-712 hash, for `revokeHandOver`.
    function handOver(Slot calldata slot, Terms calldata terms, HandOver calldata offer)
        external
        returns (bytes32 digest);

    /// @notice Make an offer void that the caller holds the slot of, made on-chain or signed. Holder or its submitter.
    function revokeHandOver(Slot calldata slot, Terms calldata terms, HandOver calldata offer) external;

    /// @notice Take a slot that its holder offered: `taker`'s bond is reserved, the holder's is free again, and the price
    /// moves from credit to credit, all at once. The reward and every deadline stay as they are.
    /// @param taker The prover that takes it: the caller; or one whose submitter the caller is, if the price is not above
    /// zero and half of the exclusive window is left to prove in.
    /// @param signature The holder's; empty for an offer made on-chain.
    function takeOver(
        Slot calldata slot,
        Terms calldata terms,
        HandOver calldata offer,
        address taker,
        bytes calldata signature
    ) external;

    /// @notice Send `amount` asset wei of the caller's credit to `to`.
    function withdraw(address to, uint256 amount) external;

    /// @notice Send everything burned so far to the dead address. Anyone may call it; no settlement depends on it.
    function sweepBurned() external;

    /// @notice Credit of `account` in asset wei.
    function credits(address account) external view returns (uint256);

    /// @notice A market's creator, current terms' hash, capacity, number of slots ever opened, and funds (asset wei).
    function markets(uint256 market)
        external
        view
        returns (address creator, bytes32 termsHash, uint32 capacity, uint64 slots, uint128 funds);

    /// @notice The number of markets; ids are 1 to this.
    function marketCount() external view returns (uint256);

    /// @notice Whether `slot` is open, exactly as given, under `terms`.
    function isOpen(Slot calldata slot, Terms calldata terms) external view returns (bool);

    /// @notice How slot `id` ended; `None` while it is open, was never opened, or a later slot took its place.
    function slotState(uint256 market, uint64 id) external view returns (SlotState);

    /// @notice Asset wei that are burned and not yet swept.
    function burned() external view returns (uint256);

    /// @notice The one ERC-20 asset of stakes, prices and rewards.
    function asset() external view returns (address);

    /// @notice The registry whose bonds this market reserves, releases and slashes.
    function registry() external view returns (address);

    /// @notice The circuits that terms may name.
    function circuits() external view returns (address);
}
