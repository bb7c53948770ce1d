// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { SafeCastLib } from "solady/utils/SafeCastLib.sol";
import { SafeTransferLib } from "solady/utils/SafeTransferLib.sol";
import { SignatureCheckerLib } from "solady/utils/SignatureCheckerLib.sol";

import { IDelegationPool } from "./interfaces/IDelegationPool.sol";
import { IProofMarket } from "./interfaces/IProofMarket.sol";
import { IProverRegistry } from "./interfaces/IProverRegistry.sol";
import { Bps } from "./libraries/Bps.sol";
import { PoolShares } from "./libraries/PoolShares.sol";

/// @title A prover whose stake many put up together
/// @dev Everything that moves money begins with `_update`, which makes the book agree with the registry and the market, and
/// is under one transient lock. From then on the book's total is what the registry holds for the pool. The pool itself
/// holds what is owed to the operator and to the exits of settled batches; what is merely sent to it belongs to nobody.
contract DelegationPool is IDelegationPool, ReentrancyGuardTransient {
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

    /// @inheritdoc IDelegationPool
    uint256 public constant MAX_MARKETS = 8;
    bytes4 private constant SIGNATURE_VALID = 0x1626ba7e;
    bytes4 private constant SIGNATURE_INVALID = 0xffffffff;

    /// @inheritdoc IDelegationPool
    IProofMarket public immutable market;
    /// @inheritdoc IDelegationPool
    IProverRegistry public immutable registry;
    /// @inheritdoc IDelegationPool
    address public immutable asset;
    /// @inheritdoc IDelegationPool
    address public immutable operator;
    /// @inheritdoc IDelegationPool
    uint256 public immutable firstLossBps;
    /// @inheritdoc IDelegationPool
    uint256 public immutable DRIP;
    /// @inheritdoc IDelegationPool
    uint256 public immutable COMMISSION_NOTICE;

    uint256 private immutable _unit;

    PoolShares.Tranches private _tranches;
    mapping(uint256 batch => PoolShares.Batch) private _batches;
    mapping(address delegator => Holding) private _holdings;
    uint256[] private _markets;

    /// @inheritdoc IDelegationPool
    mapping(uint256 batch => mapping(address delegator => uint256)) public exitSharesOf;
    /// @inheritdoc IDelegationPool
    uint256 public owedToOperator;

    modifier onlyOperator() {
        if (msg.sender != operator) revert NotOperator();
        _;
    }

    /// @param market_ The market contract whose slots the pool proves; its registry is the pool's.
    /// @param operator_ Who runs the pool, for good.
    /// @param firstLossBps_ Share of every loss that the operator's own stake bears first.
    /// @param commissionBps_ The operator's part of every reward.
    /// @param uri Where the prover's metadata are.
    constructor(
        IProofMarket market_,
        address operator_,
        uint16 firstLossBps_,
        uint16 commissionBps_,
        string memory uri
    ) {
        _requireBps(firstLossBps_);
        _requireBps(commissionBps_);
        market = market_;
        registry = IProverRegistry(market_.registry());
        asset = market_.asset();
        operator = operator_;
        firstLossBps = firstLossBps_;
        _unit = registry.STAKE_UNIT();
        DRIP = registry.UNBONDING();
        COMMISSION_NOTICE = 3 * DRIP;
        _tranches.commissionBps = commissionBps_;
        _tranches.open = 1;
        registry.register(uri);
        asset.safeApproveWithRetry(address(registry), type(uint256).max);
    }

    // ---------------------------------------------------------------- delegators

    /// @inheritdoc IDelegationPool
    function delegate(uint256 amount) external nonReentrant returns (uint256 shares) {
        if (amount == 0) revert AmountZero();
        PoolShares.Book memory book = _update();
        PoolShares.Tranches memory tranches = book.tranches;
        if (tranches.isSpent()) {
            tranches.restart();
            emit SharesSpent(tranches.series);
        }
        shares = tranches.toShares(amount);
        if (shares == 0) revert AmountTooSmall();

        tranches.delegated = (amount + tranches.delegated).toUint96();
        tranches.shares += uint160(shares);
        _store(book);
        uint256 held = _sharesOf(tranches, msg.sender);
        _holdings[msg.sender] = Holding(uint160(held + shares), tranches.series);
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
            _batches[tranches.open] = PoolShares.Batch(0, 0, 0, book.open.shares);
            tranches.own += book.open.assets;
            ++tranches.open;
            (book.open.assets, book.open.shares) = (0, 0);
        }
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
        if (assets != 0) asset.safeTransfer(to, assets);
    }

    // ---------------------------------------------------------------- anyone

    /// @inheritdoc IDelegationPool
    function advance() external nonReentrant {
        PoolShares.Book memory book = _update();
        uint256 readyAt = book.unbonding.readyAt;
        uint256 waiting = _waiting(book);
        if (_advance(book)) return;
        if (block.timestamp < readyAt) revert BatchNotReady(readyAt);
        if (waiting == 0) revert NothingWaiting();
        revert StakeNotFree(registry.freeStake(address(this)), waiting);
    }

    /// @inheritdoc IDelegationPool
    function freeUp(uint256 marketId) external nonReentrant {
        PoolShares.Book memory book = _update();
        uint256 waiting = _waiting(book);
        if (waiting == 0) revert NothingWaiting();
        uint256 units = registry.allocationOf(marketId, address(this));
        uint256 unallocated = _unallocated();
        if (unallocated >= waiting || units == 0) revert NothingToFree();
        uint256 lowered = (waiting - unallocated + (_unit - 1)) / _unit;
        registry.allocate(marketId, lowered < units ? units - lowered : 0, units, 1, type(uint32).max);
    }

    /// @inheritdoc IDelegationPool
    function harvest() external nonReentrant returns (uint256 amount) {
        amount = market.credits(address(this));
        _update();
        amount -= market.credits(address(this));
    }

    // ---------------------------------------------------------------- the operator

    /// @inheritdoc IDelegationPool
    function stakeOwn(uint256 amount) external onlyOperator nonReentrant {
        if (amount == 0) revert AmountZero();
        PoolShares.Book memory book = _update();
        book.tranches.own = (amount + book.tranches.own).toUint96();
        _store(book);
        emit OwnStaked(amount);
        _pull(amount);
    }

    /// @inheritdoc IDelegationPool
    function requestOwnExit(uint256 amount) external onlyOperator nonReentrant returns (uint256 batch) {
        if (amount == 0) revert AmountZero();
        PoolShares.Book memory book = _update();
        uint256 own = book.ownActive();
        if (amount > own) revert InsufficientOwn(own, amount);
        batch = book.tranches.open;
        book.open.own += uint96(amount);
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
        asset.safeTransfer(to, amount);
    }

    /// @inheritdoc IDelegationPool
    function setCommission(uint16 bps) external onlyOperator nonReentrant {
        _requireBps(bps);
        PoolShares.Book memory book = _update();
        PoolShares.Tranches memory tranches = book.tranches;
        if (bps <= tranches.commissionBps) {
            (tranches.commissionBps, tranches.nextBps, tranches.nextFrom) = (bps, 0, 0);
            emit CommissionSet(bps);
        } else {
            (tranches.nextBps, tranches.nextFrom) = (bps, uint40(block.timestamp + COMMISSION_NOTICE));
            emit CommissionAnnounced(bps, tranches.nextFrom);
        }
        _store(book);
    }

    /// @inheritdoc IDelegationPool
    function raiseCommission() external onlyOperator nonReentrant {
        uint256 from = _tranches.nextFrom;
        if (from == 0) revert CommissionNotAnnounced();
        if (block.timestamp < from) revert CommissionNotDue(from);
        PoolShares.Book memory book = _update();
        PoolShares.Tranches memory tranches = book.tranches;
        (tranches.commissionBps, tranches.nextBps, tranches.nextFrom) = (tranches.nextBps, 0, 0);
        emit CommissionSet(tranches.commissionBps);
        _store(book);
    }

    /// @inheritdoc IDelegationPool
    function allocate(uint256 marketId, uint256 units) external onlyOperator nonReentrant {
        PoolShares.Book memory book = _update();
        bool raised = units > registry.allocationOf(marketId, address(this));
        if (raised) _serve(marketId);
        registry.allocate(marketId, units, units, 1, type(uint32).max);
        if (!raised) return;
        (uint256 left, uint256 waiting) = (_unallocated(), _waiting(book));
        if (left < waiting) revert ExitsWaiting(left, waiting);
    }

    /// @inheritdoc IDelegationPool
    function setSubmitter(address submitter, bool allowed) external onlyOperator {
        registry.setSubmitter(submitter, allowed);
    }

    /// @inheritdoc IDelegationPool
    function setUri(string calldata uri) external onlyOperator {
        registry.setUri(uri);
    }

    /// @inheritdoc IDelegationPool
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        if (msg.sender == asset || msg.sender == address(registry)) return SIGNATURE_INVALID;
        bool valid = SignatureCheckerLib.isValidSignatureNowCalldata(operator, hash, signature);
        return valid ? SIGNATURE_VALID : SIGNATURE_INVALID;
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IDelegationPool
    function totals() external view returns (Totals memory) {
        (PoolShares.Book memory book,) = _current();
        PoolShares.Tranches memory tranches = book.tranches;
        return Totals({
            own: book.ownActive(),
            delegated: tranches.delegated,
            undripped: tranches.undripped,
            exiting: uint256(book.open.assets) + book.unbonding.assets,
            ownExiting: uint256(book.open.own) + book.unbonding.own,
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
        returns (uint256 assets, uint256 own, uint256 readyAt, uint256 exitShares)
    {
        (PoolShares.Book memory book,) = _current();
        PoolShares.Batch memory found = _batches[batch];
        if (batch == book.tranches.open) found = book.open;
        else if (batch != 0 && batch == book.tranches.unbonding) found = book.unbonding;
        return (found.assets, found.own, found.readyAt, found.shares);
    }

    /// @inheritdoc IDelegationPool
    function currentBatches() external view returns (uint256 open, uint256 unbonding) {
        return (_tranches.open, _tranches.unbonding);
    }

    /// @inheritdoc IDelegationPool
    function commission() external view returns (uint256 bps, uint256 nextBps, uint256 nextFrom) {
        return (_tranches.commissionBps, _tranches.nextBps, _tranches.nextFrom);
    }

    /// @inheritdoc IDelegationPool
    function servedMarkets() external view returns (uint256[] memory) {
        return _markets;
    }

    // ---------------------------------------------------------------- the book

    function _store(PoolShares.Book memory book) private {
        PoolShares.Tranches memory tranches = book.tranches;
        _tranches = tranches;
        _batches[tranches.open] = book.open;
        if (tranches.unbonding != 0) _batches[tranches.unbonding] = book.unbonding;
    }

    /// @dev The book as of now, and what is new in it.
    function _current() private view returns (PoolShares.Book memory book, PoolShares.News memory news) {
        book.tranches = _tranches;
        book.open = _batches[book.tranches.open];
        if (book.tranches.unbonding != 0) book.unbonding = _batches[book.tranches.unbonding];
        uint256 expected = book.total();
        news.loss = expected - registry.proverOf(address(this)).stake;
        news.reward = market.credits(address(this));
        // Stake has 96 bits. More credit than that has room for waits, so that no gift can block the pool.
        uint256 room = type(uint96).max - expected;
        if (news.reward > room) news.reward = room;

        book.take(news, DRIP, firstLossBps);
    }

    /// @dev Makes the book agree with the registry and the market, and fetches and stakes what the market owes.
    function _update() private returns (PoolShares.Book memory book) {
        PoolShares.News memory news;
        (book, news) = _current();
        _store(book);
        if (news.loss != 0) {
            uint256 fromExiting = news.loss - news.fromOwn - news.fromDelegated;
            emit LossShared(news.loss, news.fromOwn, news.fromDelegated, fromExiting);
        }
        if (news.reward == 0) return book;

        uint256 staked = news.reward - news.commission;
        if (news.commission != 0) owedToOperator += news.commission;
        emit Harvested(news.reward, news.commission, news.toOwn, staked - news.toOwn);
        uint256 held = asset.balanceOf(address(this));
        market.withdraw(address(this), news.reward);
        _requireReceived(held, news.reward);
        if (staked != 0) registry.stake(staked);
    }

    /// @dev Stores the book, settles the batch that is unbonding if it is ready, and starts the next if its stake is free.
    function _advance(PoolShares.Book memory book) private returns (bool moved) {
        PoolShares.Tranches memory tranches = book.tranches;
        if (tranches.unbonding != 0 && block.timestamp >= book.unbonding.readyAt) {
            moved = true;
            _settle(book);
        } else {
            _store(book);
        }
        uint256 waiting = _waiting(book);
        if (tranches.unbonding != 0 || waiting == 0 || waiting > registry.freeStake(address(this))) return moved;

        book.open.readyAt = uint40(_readyAt());
        tranches.unbonding = tranches.open++;
        (book.unbonding, book.open) = (book.open, PoolShares.Batch(0, 0, 0, 0));
        _store(book);
        emit UnbondingStarted(tranches.unbonding, book.unbonding.assets, book.unbonding.own, book.unbonding.readyAt);
        registry.requestUnstake(waiting);
        return true;
    }

    /// @dev Fixes what the exits of the batch get. What they lost since they were asked back goes on working.
    function _settle(PoolShares.Book memory book) private {
        PoolShares.Tranches memory tranches = book.tranches;
        PoolShares.Batch memory settled = book.unbonding;
        uint256 batch = tranches.unbonding;
        uint256 own = settled.own;
        if (own != 0) owedToOperator += own;
        tranches.own -= uint96(own);
        settled.own = 0;
        _batches[batch] = settled;
        tranches.unbonding = 0;
        book.unbonding = PoolShares.Batch(0, 0, 0, 0);
        _store(book);
        emit BatchSettled(batch, settled.assets, own);

        uint256 lost = registry.proverOf(address(this)).unbonding - own - settled.assets;
        registry.withdrawStake(address(this));
        if (lost != 0) registry.stake(lost);
    }

    /// @dev Asset wei that the open batch needs free.
    function _waiting(PoolShares.Book memory book) private pure returns (uint256) {
        return uint256(book.open.assets) + book.open.own;
    }

    /// @dev When stake asked back now is beyond every duty it may have to answer for.
    function _readyAt() private view returns (uint256 readyAt) {
        readyAt = block.timestamp + DRIP;
    }

    /// @dev Stake that is not asked back and that allocations leave, however much of it bonds still tie up.
    function _unallocated() private view returns (uint256) {
        IProverRegistry.Prover memory prover = registry.proverOf(address(this));
        uint256 units;
        for (uint256 i = 0; i < _markets.length; ++i) {
            units += registry.allocationOf(_markets[i], address(this));
        }
        return uint256(prover.stake) - prover.unbonding - units * _unit;
    }

    /// @dev Puts a market on the list, in the place of one that the pool has left if there is no other.
    function _serve(uint256 marketId) private {
        uint256 count = _markets.length;
        uint256 left = count;
        for (uint256 i = 0; i < count; ++i) {
            uint256 served = _markets[i];
            if (served == marketId) return;
            if (registry.allocationOf(served, address(this)) == 0 && registry.bondedOf(served, address(this)) == 0) {
                left = i;
            }
        }
        if (left != count) _markets[left] = marketId;
        else if (count < MAX_MARKETS) _markets.push(marketId);
        else revert TooManyMarkets();
    }

    function _pull(uint256 amount) private {
        uint256 held = asset.balanceOf(address(this));
        asset.safeTransferFrom(msg.sender, address(this), amount);
        _requireReceived(held, amount);
        registry.stake(amount);
    }

    function _sharesOf(PoolShares.Tranches memory tranches, address delegator) private view returns (uint256) {
        Holding memory holding = _holdings[delegator];
        return holding.series == tranches.series ? holding.shares : 0;
    }

    function _requireReceived(uint256 held, uint256 sent) private view {
        uint256 received = asset.balanceOf(address(this)) - held;
        if (received != sent) revert AssetTakesFee(received, sent);
    }

    function _requireRecipient(address to) private view {
        if (to == address(0) || to == address(this)) revert RecipientInvalid();
    }

    function _requireBps(uint256 bps) private pure {
        if (bps > Bps.ONE) revert BpsTooLarge(bps);
    }
}
