// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { SafeCastLib } from "solady/utils/SafeCastLib.sol";
import { SafeTransferLib } from "solady/utils/SafeTransferLib.sol";
import { SignatureCheckerLib } from "solady/utils/SignatureCheckerLib.sol";

import { IDelegationPool } from "../interfaces/IDelegationPool.sol";
import { IDelegationPoolPolicies } from "../interfaces/IDelegationPoolPolicies.sol";
import { IProverRegistry } from "../interfaces/IProverRegistry.sol";
import { Bps } from "../libraries/Bps.sol";
import { PoolShares } from "../libraries/PoolShares.sol";
import { DelegationPoolBook } from "./DelegationPoolBook.sol";

/// @title A prover whose stake many put up together
/// @dev Every pool is a clone of one contract, deployed by nobody in particular. What all pools of a market share is in that
/// one's code, operator and first loss are in the clone's. The contract itself is no pool: it has no operator, and cannot be
/// initialised, so it never registers and takes no stake.
contract DelegationPool is DelegationPoolBook {
    using PoolShares for PoolShares.Batch;
    using PoolShares for PoolShares.Book;
    using PoolShares for PoolShares.Tranches;
    using SafeCastLib for uint256;
    using SafeTransferLib for address;

    /// @dev One word: asset wei, and unix seconds from which they may be asked back; zero if nothing is announced.
    struct OperatorExit {
        uint96 amount;
        uint40 from;
    }

    bytes4 private constant SIGNATURE_VALID = 0x1626ba7e;
    bytes4 private constant SIGNATURE_INVALID = 0xffffffff;

    OperatorExit private _operatorExit;

    modifier onlyOperator() {
        _requireOperator();
        _;
    }

    /// @param policies_ Says what pools may do in which markets, and of which market contract those are.
    constructor(IDelegationPoolPolicies policies_) DelegationPoolBook(policies_) { }

    /// @inheritdoc IDelegationPool
    function initialise(uint16 commissionBps, string calldata uri) external {
        if (address(this) == IMPLEMENTATION || _tranches.open != 0) revert AlreadyInitialised();
        _requireBps(commissionBps);
        _requireBps(firstLossBps());
        _tranches.commissionBps = commissionBps;
        _tranches.open = 1;
        REGISTRY.register(uri);
        ASSET.safeApproveWithRetry(address(REGISTRY), type(uint256).max);
    }

    // ---------------------------------------------------------------- delegators

    /// @inheritdoc IDelegationPool
    function delegate(uint256 amount, uint256 seen) external nonReentrant returns (uint256 shares) {
        if (amount == 0) revert AmountZero();
        PoolShares.Book memory book = _update();
        shares = _buy(book.tranches, amount, seen);
        _store(book);
        emit Delegated(msg.sender, amount, shares);
        _pull(amount);
    }

    /// @inheritdoc IDelegationPool
    function requestExit(uint256 shares) external nonReentrant returns (uint256 batch, uint256 assets) {
        PoolShares.Book memory book = _update();
        PoolShares.Tranches memory tranches = book.tranches;
        uint256 held = _sharesOf(tranches, msg.sender);
        if (shares > held) revert InsufficientShares(held, shares);
        assets = tranches.toAssets(shares);
        if (assets == 0) revert AmountTooSmall();

        if (book.open.isSpent()) {
            // Nobody may be robbed of a fresh exit by old ones worth next to nothing: a new batch for it.
            _batches[tranches.open] = PoolShares.Batch(0, 0, 0, book.open.shares, book.open.askedAt);
            tranches.operatorStake += book.open.assets;
            ++tranches.open;
            (book.open.assets, book.open.shares) = (0, 0);
        }
        if (book.waiting() == 0) book.open.askedAt = uint40(block.timestamp);
        batch = tranches.open;
        uint256 exitShares = book.open.shares == 0 ? assets : assets * book.open.shares / book.open.assets;

        tranches.delegated -= uint96(assets);
        tranches.shares -= uint160(shares);
        _holdings[msg.sender].shares = uint160(held - shares);
        if (tranches.shares == 0) tranches.restart();
        book.open.assets += uint96(assets);
        book.open.shares += uint128(exitShares);
        exitSharesOf[batch][msg.sender] += exitShares;
        emit ExitRequested(msg.sender, batch, assets, shares, exitShares);
        _advance(book);
    }

    /// @inheritdoc IDelegationPool
    function takeBackExit(uint256 exitShares, uint256 seen)
        external
        nonReentrant
        returns (uint256 assets, uint256 shares)
    {
        PoolShares.Book memory book = _update();
        uint256 batch = book.tranches.open;
        uint256 held = exitSharesOf[batch][msg.sender];
        if (exitShares > held) revert InsufficientShares(held, exitShares);
        assets = exitShares == 0 ? 0 : exitShares * book.open.assets / book.open.shares;
        shares = _buy(book.tranches, assets, seen);
        book.open.assets -= uint96(assets);
        book.open.shares -= uint128(exitShares);
        exitSharesOf[batch][msg.sender] = held - exitShares;
        emit ExitTakenBack(msg.sender, batch, assets, exitShares, shares);
        _advance(book);
    }

    /// @inheritdoc IDelegationPool
    function claim(uint256 batch, address to) external nonReentrant returns (uint256 assets) {
        _requireRecipient(to);
        if (batch == _tranches.unbonding && block.timestamp >= _batches[batch].readyAt) _advance(_update());
        if (batch >= _tranches.open || batch == _tranches.unbonding) revert BatchNotSettled(batch);
        uint256 exitShares = exitSharesOf[batch][msg.sender];
        if (exitShares == 0) revert NothingToClaim();

        PoolShares.Batch memory settled = _batches[batch];
        assets = settled.assets * exitShares / settled.shares;
        settled.assets -= uint96(assets);
        settled.shares -= uint128(exitShares);
        _batches[batch] = settled;
        delete exitSharesOf[batch][msg.sender];
        emit Claimed(msg.sender, batch, to, assets);
        if (assets != 0) ASSET.safeTransfer(to, assets);
    }

    // ---------------------------------------------------------------- anyone

    /// @inheritdoc IDelegationPool
    function advance() external nonReentrant {
        PoolShares.Book memory book = _update();
        uint256 readyAt = book.unbonding.readyAt;
        uint256 waiting = book.waiting();
        if (_advance(book)) return;
        if (block.timestamp < readyAt) revert BatchNotReady(readyAt);
        if (waiting == 0) revert NothingWaiting();
        revert StakeNotFree(REGISTRY.freeStake(address(this)), waiting);
    }

    /// @inheritdoc IDelegationPool
    function freeUp(uint256 marketId) external nonReentrant {
        PoolShares.Book memory book = _update();
        uint256 waiting = book.waiting();
        if (waiting == 0) revert NothingWaiting();
        IProverRegistry.Position memory position = REGISTRY.positionOf(marketId, address(this));
        uint256 units = position.units;
        uint256 unallocated = _unallocated();
        uint256 lowered;
        if (unallocated < waiting) {
            lowered = (waiting - unallocated + (STAKE_UNIT - 1)) / STAKE_UNIT;
        } else if (block.timestamp >= book.open.askedAt + EXIT_TIME && REGISTRY.freeStake(address(this)) < waiting) {
            // Bonds tie up what waits, since longer than one bond can: others took their place as more exits came.
            lowered = units;
        }
        if (lowered == 0 || units == 0) revert NothingToFree();
        units = lowered < units ? units - lowered : 0;
        REGISTRY.allocate(marketId, units, position.exposure, position.fromVersion, position.toVersion);
    }

    /// @inheritdoc IDelegationPool
    function harvest() external nonReentrant returns (uint256 amount) {
        return _update().harvested;
    }

    // ---------------------------------------------------------------- the operator

    /// @inheritdoc IDelegationPool
    function stakeOperator(uint256 amount) external onlyOperator nonReentrant {
        if (amount == 0) revert AmountZero();
        PoolShares.Book memory book = _update();
        book.tranches.operatorStake = (amount + book.tranches.operatorStake).toUint96();
        _store(book);
        emit OperatorStaked(amount);
        _pull(amount);
    }

    /// @inheritdoc IDelegationPool
    function announceOperatorExit(uint256 amount) external onlyOperator nonReentrant returns (uint256 from) {
        PoolShares.Book memory book = _update();
        uint256 own = book.operatorActive();
        if (amount > own) revert InsufficientOperatorStake(own, amount);
        if (amount == 0) {
            if (_operatorExit.from == 0) revert NothingAnnounced();
        } else {
            from = _announce(book);
        }
        _operatorExit = OperatorExit(uint96(amount), uint40(from));
        emit OperatorExitAnnounced(amount, from);
    }

    /// @inheritdoc IDelegationPool
    function requestOperatorExit() external onlyOperator nonReentrant returns (uint256 batch, uint256 amount) {
        OperatorExit memory announced = _operatorExit;
        _requireDue(announced.from);
        delete _operatorExit;
        PoolShares.Book memory book = _update();
        uint256 own = book.operatorActive();
        amount = announced.amount < own ? announced.amount : own;
        if (amount == 0) revert InsufficientOperatorStake(0, announced.amount);
        batch = book.tranches.open;
        if (book.waiting() == 0) book.open.askedAt = uint40(block.timestamp);
        book.open.operatorStake += uint96(amount);
        emit ExitRequested(msg.sender, batch, amount, 0, 0);
        _advance(book);
    }

    /// @inheritdoc IDelegationPool
    function withdrawOperator(address to) external onlyOperator nonReentrant returns (uint256 amount) {
        _requireRecipient(to);
        amount = owedToOperator;
        if (amount == 0) revert NothingToClaim();
        owedToOperator = 0;
        emit OperatorPaid(to, amount);
        ASSET.safeTransfer(to, amount);
    }

    /// @inheritdoc IDelegationPool
    function setCommission(uint16 bps) external onlyOperator nonReentrant {
        _requireBps(bps);
        PoolShares.Book memory book = _update();
        PoolShares.Tranches memory tranches = book.tranches;
        if (bps <= tranches.commissionBps) {
            (tranches.commissionBps, tranches.nextBps, tranches.nextFrom) = (bps, 0, 0);
            _store(book);
            emit CommissionSet(bps);
        } else {
            tranches.nextBps = bps;
            tranches.nextFrom = uint40(_announce(book));
            _store(book);
            emit CommissionAnnounced(bps, tranches.nextFrom);
        }
    }

    /// @inheritdoc IDelegationPool
    function raiseCommission() external onlyOperator nonReentrant {
        _requireDue(_tranches.nextFrom);
        PoolShares.Book memory book = _update();
        PoolShares.Tranches memory tranches = book.tranches;
        (tranches.commissionBps, tranches.nextBps, tranches.nextFrom) = (tranches.nextBps, 0, 0);
        _store(book);
        emit CommissionSet(tranches.commissionBps);
    }

    /// @inheritdoc IDelegationPool
    function announceMarket(uint256 marketId, uint16 exposure, uint32 fromVersion, uint32 toVersion)
        external
        onlyOperator
        nonReentrant
        returns (uint256 from)
    {
        from = _announce(_update());
        POLICIES.announce(marketId, exposure, fromVersion, toVersion, from);
    }

    /// @inheritdoc IDelegationPool
    function narrowMarket(uint256 marketId, uint16 exposure, uint32 fromVersion, uint32 toVersion)
        external
        onlyOperator
        nonReentrant
    {
        POLICIES.narrow(marketId, exposure, fromVersion, toVersion);
        IProverRegistry.Position memory position = REGISTRY.positionOf(marketId, address(this));
        if (exposure < position.exposure) position.exposure = exposure;
        REGISTRY.allocate(marketId, exposure == 0 ? 0 : position.units, position.exposure, fromVersion, toVersion);
    }

    /// @inheritdoc IDelegationPool
    function allocate(uint256 marketId, uint256 units, uint256 exposure) external onlyOperator nonReentrant {
        PoolShares.Book memory book = _update();
        (uint32 fromVersion, uint32 toVersion) = POLICIES.versionsFor(address(this), marketId, exposure);
        bool raised = units > REGISTRY.allocationOf(marketId, address(this));
        REGISTRY.allocate(marketId, units, exposure, fromVersion, toVersion);
        if (!raised) return;
        (uint256 left, uint256 waiting) = (REGISTRY.freeStake(address(this)), book.waiting());
        if (left < waiting) revert ExitsWaiting(left, waiting);
    }

    /// @inheritdoc IDelegationPool
    function setSubmitter(address submitter, bool allowed) external onlyOperator {
        REGISTRY.setSubmitter(submitter, allowed);
    }

    /// @inheritdoc IDelegationPool
    function setUri(string calldata uri) external onlyOperator {
        REGISTRY.setUri(uri);
    }

    /// @inheritdoc IDelegationPool
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        bool moves = msg.sender == address(SLOT_TRANSFERS) || msg.sender == address(MARKET)
            || msg.sender == address(REGISTRY) || msg.sender == ASSET;
        if (moves) return SIGNATURE_INVALID;
        bool valid = SignatureCheckerLib.isValidSignatureNowCalldata(operator(), hash, signature);
        return valid ? SIGNATURE_VALID : SIGNATURE_INVALID;
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IDelegationPool
    function commission() external view returns (uint256 bps, uint256 nextBps, uint256 nextFrom) {
        (bps, nextBps, nextFrom) = (_tranches.commissionBps, _tranches.nextBps, _tranches.nextFrom);
        if (_isLapsed(nextFrom)) (nextBps, nextFrom) = (0, 0);
    }

    /// @inheritdoc IDelegationPool
    function operatorExit() external view returns (uint256 amount, uint256 from) {
        OperatorExit memory announced = _operatorExit;
        return _isLapsed(announced.from) ? (0, 0) : (announced.amount, announced.from);
    }

    /// @inheritdoc IDelegationPool
    function revision() external view returns (uint256) {
        return _tranches.revision;
    }

    // ---------------------------------------------------------------- internals

    function _requireOperator() private view {
        if (msg.sender != operator()) revert NotOperator();
    }

    /// @dev An announcement that is good from `from` on is due, and has not lapsed.
    function _requireDue(uint256 from) private view {
        if (from == 0) revert NothingAnnounced();
        if (block.timestamp < from) revert NoticeNotOver(from);
        if (_isLapsed(from)) revert AnnouncementLapsed(from + EXIT_TIME);
    }

    function _isLapsed(uint256 from) private view returns (bool) {
        return block.timestamp >= from + EXIT_TIME;
    }

    function _requireRecipient(address to) private view {
        if (to == address(0) || to == address(this)) revert RecipientInvalid();
    }

    function _requireBps(uint256 bps) private pure {
        if (bps > Bps.ONE) revert BpsTooLarge(bps);
    }
}
