// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { SafeCastLib } from "solady/utils/SafeCastLib.sol";
import { SafeTransferLib } from "solady/utils/SafeTransferLib.sol";

import { IDelegationPool } from "../interfaces/IDelegationPool.sol";
import { IDelegationPoolPolicies } from "../interfaces/IDelegationPoolPolicies.sol";
import { IProofMarket } from "../interfaces/IProofMarket.sol";
import { IProverRegistry } from "../interfaces/IProverRegistry.sol";
import { ISlotTransfers } from "../interfaces/ISlotTransfers.sol";
import { PoolShares } from "../libraries/PoolShares.sol";

/// @title A pool's book: whose its stake is, and how it agrees with what the registry and the market hold
/// @dev Everything that moves money begins with `_update`, and is under one transient lock. From then on the book's total is what
/// the registry holds for the pool. The pool itself holds what is owed to the operator and to the exits of settled batches; what
/// is merely sent to it belongs to nobody.
abstract contract DelegationPoolBook is IDelegationPool, ReentrancyGuardTransient {
    using PoolShares for PoolShares.Batch;
    using PoolShares for PoolShares.Book;
    using PoolShares for PoolShares.Tranches;
    using SafeCastLib for uint256;
    using SafeTransferLib for address;

    /// @dev One word. Shares of an earlier series are worth nothing.
    struct Holding {
        uint160 shares;
        uint32 series;
    }

    IProofMarket internal immutable MARKET;
    IProverRegistry internal immutable REGISTRY;
    IDelegationPoolPolicies internal immutable POLICIES;
    address internal immutable ASSET;
    /// @inheritdoc IDelegationPool
    uint256 public immutable EXIT_TIME;
    /// @inheritdoc IDelegationPool
    uint256 public immutable NOTICE;

    ISlotTransfers internal immutable SLOT_TRANSFERS;
    address internal immutable IMPLEMENTATION;
    uint256 internal immutable STAKE_UNIT;

    PoolShares.Tranches internal _tranches;
    mapping(uint256 batch => PoolShares.Batch) internal _batches;
    mapping(address delegator => Holding) internal _holdings;

    /// @inheritdoc IDelegationPool
    mapping(uint256 batch => mapping(address delegator => uint256)) public exitSharesOf;
    /// @inheritdoc IDelegationPool
    uint256 public owedToOperator;

    /// @param policies_ Says what pools may do in which markets, and of which market contract those are.
    constructor(IDelegationPoolPolicies policies_) {
        IProofMarket market_ = policies_.market();
        POLICIES = policies_;
        MARKET = market_;
        REGISTRY = IProverRegistry(market_.registry());
        ASSET = market_.asset();
        SLOT_TRANSFERS = ISlotTransfers(market_.slotTransfers());
        IMPLEMENTATION = address(this);
        STAKE_UNIT = REGISTRY.STAKE_UNIT();
        uint256 unbonding = REGISTRY.UNBONDING();
        // By the end of a window bonds can be ended by anyone; it takes somebody to do it.
        uint256 ended = REGISTRY.MAX_WINDOW() + REGISTRY.EPOCH_LENGTH();
        EXIT_TIME = unbonding > ended ? unbonding : ended;
        NOTICE = 3 * EXIT_TIME;
    }

    /// @inheritdoc IDelegationPool
    function market() external view returns (IProofMarket) {
        return MARKET;
    }

    /// @inheritdoc IDelegationPool
    function registry() external view returns (IProverRegistry) {
        return REGISTRY;
    }

    /// @inheritdoc IDelegationPool
    function policies() external view returns (IDelegationPoolPolicies) {
        return POLICIES;
    }

    /// @inheritdoc IDelegationPool
    function asset() external view returns (address) {
        return ASSET;
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IDelegationPool
    function operator() public view returns (address) {
        return address(bytes20(_args()));
    }

    /// @inheritdoc IDelegationPool
    function firstLossBps() public view returns (uint256) {
        return uint16(bytes2(_args() << 160));
    }

    /// @inheritdoc IDelegationPool
    function totals() external view returns (Totals memory) {
        (PoolShares.Book memory book,) = _current();
        PoolShares.Tranches memory tranches = book.tranches;
        return Totals({
            operatorStake: book.operatorActive(),
            delegated: tranches.delegated,
            unvested: tranches.unvested,
            exiting: uint256(book.open.assets) + book.unbonding.assets,
            operatorExiting: uint256(book.open.operatorStake) + book.unbonding.operatorStake,
            shares: tranches.shares
        });
    }

    /// @inheritdoc IDelegationPool
    function sharesOf(address delegator) external view returns (uint256) {
        return _sharesOf(_tranches, delegator);
    }

    /// @inheritdoc IDelegationPool
    function assetsOf(address delegator) external view returns (uint256) {
        (PoolShares.Book memory book,) = _current();
        return book.tranches.toAssets(_sharesOf(book.tranches, delegator));
    }

    /// @inheritdoc IDelegationPool
    function batches(uint256 batch)
        external
        view
        returns (uint256 assets, uint256 operatorStake, uint256 readyAt, uint256 exitShares, uint256 askedAt)
    {
        (PoolShares.Book memory book,) = _current();
        PoolShares.Batch memory found = _batches[batch];
        if (batch == book.tranches.open) found = book.open;
        else if (batch != 0 && batch == book.tranches.unbonding) found = book.unbonding;
        return (found.assets, found.operatorStake, found.readyAt, found.shares, found.askedAt);
    }

    /// @inheritdoc IDelegationPool
    function currentBatches() external view returns (uint256 open, uint256 unbonding) {
        return (_tranches.open, _tranches.unbonding);
    }

    // ---------------------------------------------------------------- internals

    function _store(PoolShares.Book memory book) internal {
        PoolShares.Tranches memory tranches = book.tranches;
        _tranches = tranches;
        // Without an exit in it nothing of it was ever stored.
        if (book.open.askedAt != 0) _batches[tranches.open] = book.open;
        if (tranches.unbonding != 0) _batches[tranches.unbonding] = book.unbonding;
    }

    /// @dev The book as of now, and what accrued since.
    function _current() internal view returns (PoolShares.Book memory book, PoolShares.Accrual memory accrual) {
        book.tranches = _tranches;
        book.open = _batches[book.tranches.open];
        if (book.tranches.unbonding != 0) book.unbonding = _batches[book.tranches.unbonding];
        uint256 expected = book.total();
        accrual.loss = expected - REGISTRY.proverOf(address(this)).stake;
        accrual.reward = MARKET.credits(address(this));
        // Stake has 96 bits. More credit than that has room for waits, so that no gift can block the pool.
        uint256 room = type(uint96).max - expected;
        if (accrual.reward > room) accrual.reward = room;

        book.take(accrual, EXIT_TIME, accrual.loss == 0 ? 0 : firstLossBps());
    }

    /// @dev Makes the book agree with the registry and the market, and fetches and stakes what the market owes.
    function _update() internal returns (PoolShares.Book memory book) {
        PoolShares.Accrual memory accrual;
        (book, accrual) = _current();
        // Without an accrual the stored book says the same as this one, only as of an earlier second.
        if (accrual.loss | accrual.reward == 0) return book;
        _store(book);
        if (accrual.loss != 0) {
            uint256 fromExiting = accrual.loss - accrual.fromOperator - accrual.fromDelegated;
            emit LossShared(accrual.loss, accrual.fromOperator, accrual.fromDelegated, fromExiting);
        }
        if (accrual.reward == 0) return book;
        book.harvested = accrual.reward;

        uint256 staked = accrual.reward - accrual.commission;
        if (accrual.commission != 0) owedToOperator += accrual.commission;
        emit Harvested(accrual.reward, accrual.commission, accrual.toOperator, staked - accrual.toOperator);
        uint256 held = ASSET.balanceOf(address(this));
        MARKET.withdraw(address(this), accrual.reward);
        _requireReceived(held, accrual.reward);
        if (staked != 0) REGISTRY.stake(staked);
    }

    /// @dev Stores the book, settles the batch that is unbonding if it is ready, and starts the next if its stake is free.
    function _advance(PoolShares.Book memory book) internal returns (bool moved) {
        PoolShares.Tranches memory tranches = book.tranches;
        moved = tranches.unbonding != 0 && block.timestamp >= book.unbonding.readyAt;
        if (moved) _settle(book);
        uint256 waiting = book.waiting();
        if (tranches.unbonding != 0 || waiting == 0 || waiting > REGISTRY.freeStake(address(this))) {
            // Only here: what settled a batch has stored it, and what starts one stores it below.
            if (!moved) _store(book);
            return moved;
        }

        book.open.readyAt = uint40(block.timestamp + EXIT_TIME);
        tranches.unbonding = tranches.open++;
        (book.unbonding, book.open) = (book.open, PoolShares.Batch(0, 0, 0, 0, 0));
        _store(book);
        emit UnbondingStarted(
            tranches.unbonding, book.unbonding.assets, book.unbonding.operatorStake, book.unbonding.readyAt
        );
        REGISTRY.requestUnstake(waiting);
        return true;
    }

    /// @dev Fixes what the exits of the batch get. What they lost since they were asked back goes on working.
    function _settle(PoolShares.Book memory book) internal {
        PoolShares.Tranches memory tranches = book.tranches;
        PoolShares.Batch memory settled = book.unbonding;
        uint256 batch = tranches.unbonding;
        uint256 own = settled.operatorStake;
        if (own != 0) owedToOperator += own;
        tranches.operatorStake -= uint96(own);
        settled.operatorStake = 0;
        _batches[batch] = settled;
        tranches.unbonding = 0;
        book.unbonding = PoolShares.Batch(0, 0, 0, 0, 0);
        _store(book);
        emit BatchSettled(batch, settled.assets, own);

        uint256 lost = REGISTRY.proverOf(address(this)).unbonding - own - settled.assets;
        REGISTRY.withdrawStake(address(this));
        if (lost != 0) REGISTRY.stake(lost);
    }

    /// @dev Stake that is not asked back and that allocations leave, however much of it bonds still tie up.
    function _unallocated() internal view returns (uint256) {
        IProverRegistry.Prover memory prover = REGISTRY.proverOf(address(this));
        return uint256(prover.stake) - prover.unbonding - POLICIES.allocatedBy(address(this)) * STAKE_UNIT;
    }

    /// @dev Shares for `assets` that go to the delegated ones, for who decided by revision `seen`. The caller stores the book.
    function _buy(PoolShares.Tranches memory tranches, uint256 assets, uint256 seen) internal returns (uint256 shares) {
        if (tranches.revision != seen) revert RevisionChanged(tranches.revision);
        if (tranches.isSpent()) {
            tranches.restart();
            emit SharesSpent(tranches.series);
        }
        shares = tranches.toShares(assets);
        if (shares == 0) revert AmountTooSmall();
        tranches.delegated = (assets + tranches.delegated).toUint96();
        tranches.shares += uint160(shares);
        uint256 held = _sharesOf(tranches, msg.sender);
        _holdings[msg.sender] = Holding(uint160(held + shares), tranches.series);
    }

    /// @dev Counts an announcement, and says from when it is good. Stores the book.
    function _announce(PoolShares.Book memory book) internal returns (uint256 from) {
        ++book.tranches.revision;
        _store(book);
        return block.timestamp + (book.isOperatorAlone() ? 0 : NOTICE);
    }

    function _pull(uint256 amount) internal {
        uint256 held = ASSET.balanceOf(address(this));
        ASSET.safeTransferFrom(msg.sender, address(this), amount);
        _requireReceived(held, amount);
        REGISTRY.stake(amount);
    }

    function _sharesOf(PoolShares.Tranches memory tranches, address delegator) internal view returns (uint256) {
        Holding memory holding = _holdings[delegator];
        return holding.series == tranches.series ? holding.shares : 0;
    }

    function _requireReceived(uint256 held, uint256 sent) internal view {
        uint256 received = ASSET.balanceOf(address(this)) - held;
        if (received != sent) revert AssetTakesFee(received, sent);
    }

    /// @dev The clone's arguments: the operator's 20 bytes, and 2 for the first loss.
    function _args() internal view returns (bytes32 args) {
        if (address(this) == IMPLEMENTATION) return 0;
        // Saves 240 gas over `LibClone.argsOnClone`, which copies to new memory.
        assembly ("memory-safe") {
            extcodecopy(address(), 0, 0x2d, 0x20)
            args := mload(0)
        }
    }
}
