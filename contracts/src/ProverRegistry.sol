// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { SafeCastLib } from "solady/utils/SafeCastLib.sol";
import { SafeTransferLib } from "solady/utils/SafeTransferLib.sol";

import { IProverRegistry } from "./interfaces/IProverRegistry.sol";
import { WeightTree } from "./libraries/WeightTree.sol";

/// @title Who proves: identity, submitter keys, stake, bonds, and the weights that lotteries draw from
/// @dev Deployed by its market. What a slot touches is kept apart from what a prover touches: opening one reads an
/// `Identity` and a `Position` and writes the `Position`; proving it reads and writes the `Position` alone.
///
/// Stake is committed to a market by its allocation or, where that is less, by the bonds open there; the sum of all
/// commitments never exceeds the stake that was not asked back. So whatever happens, every bond is covered.
/// The contract holds exactly the sum of all `staked + unbonding`.
contract ProverRegistry is IProverRegistry {
    using SafeCastLib for uint256;
    using SafeTransferLib for address;
    using WeightTree for WeightTree.Tree;

    /// @dev One word, by id.
    /// @param halted PAUSED and SUSPENDED; out of the draws while not zero.
    struct Identity {
        address prover;
        uint8 halted;
        uint8 misses;
    }

    /// @dev One word, by prover.
    /// @param staked Asset wei staked and not asked back.
    /// @param committed Sum over all markets of `max(units * STAKE_UNIT, bonded)`; at most `staked`.
    struct Account {
        uint32 id;
        uint96 staked;
        uint96 committed;
    }

    /// @dev One word, by prover.
    struct Exit {
        uint96 unbonding;
        uint40 readyAt;
    }

    /// @dev One word, by market and prover.
    /// @param missed Whether the prover missed a slot of this market since it last proved one: only then does proving
    /// one have misses to forget.
    /// @param dutyUntil Unix seconds: the latest at which a bond reserved so far can be slashed.
    struct Position {
        uint16 units;
        uint96 bonded;
        bool missed;
        uint40 dutyUntil;
    }

    uint8 private constant PAUSED = 1;
    uint8 private constant SUSPENDED = 2;

    /// @inheritdoc IProverRegistry
    address public immutable asset;
    /// @inheritdoc IProverRegistry
    address public immutable market;
    /// @inheritdoc IProverRegistry
    uint256 public immutable STAKE_UNIT;
    /// @inheritdoc IProverRegistry
    uint256 public immutable EPOCH_LENGTH;
    /// @inheritdoc IProverRegistry
    uint256 public immutable FREEZE;
    /// @inheritdoc IProverRegistry
    uint256 public immutable SUSPEND_AFTER;
    /// @inheritdoc IProverRegistry
    uint256 public immutable UNBONDING;
    /// @inheritdoc IProverRegistry
    uint256 public constant MAX_UNITS = WeightTree.MAX_WEIGHT;

    /// @inheritdoc IProverRegistry
    uint32 public proverCount;

    mapping(uint32 id => Identity) private _identities;
    mapping(address prover => Account) private _accounts;
    mapping(address prover => Exit) private _exits;
    mapping(uint256 market => mapping(address prover => Position)) private _positions;
    mapping(uint256 market => WeightTree.Tree) private _trees;

    /// @inheritdoc IProverRegistry
    mapping(address submitter => address prover) public proverOfSubmitter;

    modifier onlyMarket() {
        if (msg.sender != market) revert NotMarket();
        _;
    }

    /// @dev The deployer is the market.
    constructor(Params memory params) {
        if (params.asset.code.length == 0) revert ParamsRejected("asset");
        if (params.stakeUnit == 0) revert ParamsRejected("stakeUnit");
        if (params.freeze == 0 || params.freeze >= params.epochLength) revert ParamsRejected("freeze");
        if (params.suspendAfter == 0) revert ParamsRejected("suspendAfter");
        if (params.unbonding < uint256(params.epochLength) + params.freeze) revert ParamsRejected("unbonding");
        market = msg.sender;
        asset = params.asset;
        STAKE_UNIT = params.stakeUnit;
        EPOCH_LENGTH = params.epochLength;
        FREEZE = params.freeze;
        SUSPEND_AFTER = params.suspendAfter;
        UNBONDING = params.unbonding;
    }

    // ---------------------------------------------------------------- identity

    /// @inheritdoc IProverRegistry
    function register(string calldata uri) external returns (uint32 id) {
        if (_accounts[msg.sender].id != 0) revert AlreadyRegistered();
        id = ++proverCount;
        _accounts[msg.sender].id = id;
        _identities[id].prover = msg.sender;
        emit ProverRegistered(msg.sender, id, uri);
    }

    /// @inheritdoc IProverRegistry
    function setUri(string calldata uri) external {
        if (_accounts[msg.sender].id == 0) revert NotRegistered();
        emit UriSet(msg.sender, uri);
    }

    /// @inheritdoc IProverRegistry
    function setSubmitter(address submitter, bool allowed) external {
        address prover = proverOfSubmitter[submitter];
        if (allowed) {
            if (_accounts[msg.sender].id == 0) revert NotRegistered();
            if (prover != address(0) && prover != msg.sender) revert SubmitterTaken();
            prover = msg.sender;
            proverOfSubmitter[submitter] = prover;
        } else {
            if (prover == address(0) || (msg.sender != prover && msg.sender != submitter)) revert NotAuthorised();
            delete proverOfSubmitter[submitter];
        }
        emit SubmitterSet(prover, submitter, allowed);
    }

    // ---------------------------------------------------------------- stake

    /// @inheritdoc IProverRegistry
    function stake(uint256 amount) external {
        Account storage account = _accounts[msg.sender];
        if (account.id == 0) revert NotRegistered();
        if (amount == 0) revert AmountZero();
        uint256 held = asset.balanceOf(address(this));
        asset.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = asset.balanceOf(address(this)) - held;
        if (received != amount) revert AssetTakesFee(received, amount);
        // What was asked back counts too, so that neither can ever outgrow its field.
        (amount + account.staked + _exits[msg.sender].unbonding).toUint96();
        account.staked += uint96(amount);
        emit Staked(msg.sender, amount);
    }

    /// @inheritdoc IProverRegistry
    function allocate(uint256 marketId, uint256 units) external {
        Account memory account = _accounts[msg.sender];
        if (account.id == 0) revert NotRegistered();
        if (units > MAX_UNITS) revert AllocationTooLarge(units, MAX_UNITS);

        Position memory position = _positions[marketId][msg.sender];
        if (units != position.units) {
            uint256 others = account.committed - _committed(position.units, position.bonded);
            position.units = uint16(units);
            uint256 needed = _committed(units, position.bonded);
            if (others + needed > account.staked) revert InsufficientStake(account.staked - others, needed);
            account.committed = uint96(others + needed);
            _accounts[msg.sender] = account;
            _positions[marketId][msg.sender] = position;
            emit AllocationSet(msg.sender, marketId, units);
        }
        _setWeight(marketId, account.id, units);
    }

    /// @inheritdoc IProverRegistry
    function requestUnstake(uint256 amount) external {
        Account memory account = _accounts[msg.sender];
        if (account.id == 0) revert NotRegistered();
        if (amount == 0) revert AmountZero();
        uint256 free = account.staked - account.committed;
        if (amount > free) revert InsufficientStake(free, amount);

        uint256 readyAt = block.timestamp + UNBONDING;
        Exit storage exit = _exits[msg.sender];
        account.staked -= uint96(amount);
        _accounts[msg.sender] = account;
        exit.unbonding += uint96(amount);
        exit.readyAt = uint40(readyAt);
        emit UnstakeRequested(msg.sender, amount, readyAt);
    }

    /// @inheritdoc IProverRegistry
    function withdrawStake(address to) external {
        Exit memory exit = _exits[msg.sender];
        if (exit.unbonding == 0) revert NothingToWithdraw();
        if (block.timestamp < exit.readyAt) revert UnbondingNotReady(exit.readyAt);
        delete _exits[msg.sender];
        emit Unstaked(msg.sender, to, exit.unbonding);
        asset.safeTransfer(to, exit.unbonding);
    }

    // ---------------------------------------------------------------- in and out of the draws

    /// @inheritdoc IProverRegistry
    function pause() external {
        Identity storage identity = _caller();
        identity.halted |= PAUSED;
        emit ProverPaused(identity.prover);
    }

    /// @inheritdoc IProverRegistry
    function resume() external {
        Identity storage identity = _caller();
        identity.halted = 0;
        identity.misses = 0;
        emit ProverResumed(identity.prover);
    }

    /// @inheritdoc IProverRegistry
    function sync(uint256 marketId, address prover) external {
        uint32 id = _accounts[prover].id;
        if (id == 0) revert NotRegistered();
        _setWeight(marketId, id, _positions[marketId][prover].units);
    }

    // ---------------------------------------------------------------- bonds

    /// @inheritdoc IProverRegistry
    function reserve(address prover, uint256 marketId, uint256 amount, uint256 until) external onlyMarket {
        Position storage stored = _positions[marketId][prover];
        Position memory position = stored;
        uint256 available = _committed(position.units, position.bonded) - position.bonded;
        if (amount > available) revert InsufficientStake(available, amount);
        unchecked {
            position.bonded = uint96(position.bonded + amount);
        }
        // Expiry windows have 32 bits and block times 40, so the sum fits until the year 36,000.
        if (until > position.dutyUntil) position.dutyUntil = uint40(until);
        _positions[marketId][prover] = position;
    }

    /// @inheritdoc IProverRegistry
    function release(address prover, uint256 marketId, uint256 amount, bool proven) external onlyMarket {
        Position storage stored = _positions[marketId][prover];
        Position memory position = stored;
        uint256 bonded = position.bonded;
        if (amount > bonded) revert InsufficientStake(bonded, amount);
        uint256 left = bonded - amount;
        stored.bonded = uint96(left);
        // Only bonds that outlived their allocation commit more than the allocation.
        if (bonded > position.units * STAKE_UNIT) {
            _accounts[prover].committed -= uint96(bonded - _committed(position.units, left));
        }
        if (proven && position.missed) {
            stored.missed = false;
            _identities[_accounts[prover].id].misses = 0;
        }
    }

    /// @inheritdoc IProverRegistry
    /// @dev The commitment falls by at least the bond, so what is left of the stake covers what is left of the
    /// commitments. Nothing here can fail for the sake of the tree: a weight only ever falls, at the next target epoch.
    function slash(address prover, uint256 marketId, uint256 amount) external onlyMarket {
        Account memory account = _accounts[prover];
        Position memory position = _positions[marketId][prover];
        if (amount > position.bonded) revert InsufficientStake(position.bonded, amount);

        uint256 before = _committed(position.units, position.bonded);
        uint256 lost = (amount + STAKE_UNIT - 1) / STAKE_UNIT;
        bool shrinks = position.units != 0 && lost != 0;
        position.units = lost < position.units ? uint16(position.units - lost) : 0;
        position.bonded -= uint96(amount);
        position.missed = true;
        account.staked -= uint96(amount);
        account.committed -= uint96(before - _committed(position.units, position.bonded));
        _accounts[prover] = account;
        _positions[marketId][prover] = position;
        if (shrinks) emit AllocationSet(prover, marketId, position.units);

        Identity storage identity = _identities[account.id];
        uint256 misses = identity.misses;
        if (misses != type(uint8).max) identity.misses = uint8(++misses);
        if (misses >= SUSPEND_AFTER && identity.halted & SUSPENDED == 0) {
            identity.halted |= SUSPENDED;
            emit ProverSuspended(prover);
        }
        _setWeight(marketId, account.id, position.units);
        emit BondSlashed(prover, marketId, amount);
        asset.safeTransfer(market, amount);
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IProverRegistry
    function draw(uint256 marketId, uint256 random, uint256 bond) external view returns (address prover, bool able) {
        (bool found, uint256 index) = _trees[marketId].draw(epoch(), random);
        if (!found) return (address(0), false);
        Identity storage identity = _identities[uint32(index + 1)];
        prover = identity.prover;
        able = identity.halted == 0 && _bondable(marketId, prover) >= bond;
    }

    /// @inheritdoc IProverRegistry
    function isAble(uint256 marketId, address prover, uint256 bond) external view returns (bool) {
        uint32 id = _accounts[prover].id;
        return id != 0 && _identities[id].halted == 0 && _bondable(marketId, prover) >= bond;
    }

    /// @inheritdoc IProverRegistry
    function actsFor(address key, address prover) external view returns (bool) {
        if (proverOfSubmitter[key] == prover) return prover != address(0);
        return key == prover && _accounts[prover].id != 0;
    }

    /// @inheritdoc IProverRegistry
    function dutyUntil(uint256 marketId, address prover) external view returns (uint256) {
        Position storage position = _positions[marketId][prover];
        return position.bonded == 0 ? 0 : position.dutyUntil;
    }

    /// @inheritdoc IProverRegistry
    function totalWeight(uint256 marketId) external view returns (uint256) {
        return _trees[marketId].total(epoch());
    }

    /// @inheritdoc IProverRegistry
    function weightOf(uint256 marketId, address prover) external view returns (uint256) {
        uint256 id = _accounts[prover].id;
        return id == 0 ? 0 : _trees[marketId].weightAt(epoch(), id - 1);
    }

    /// @inheritdoc IProverRegistry
    function bondedOf(uint256 marketId, address prover) external view returns (uint256) {
        return _positions[marketId][prover].bonded;
    }

    /// @inheritdoc IProverRegistry
    function allocationOf(uint256 marketId, address prover) external view returns (uint256) {
        return _positions[marketId][prover].units;
    }

    /// @inheritdoc IProverRegistry
    function proverOf(address prover) external view returns (Prover memory) {
        Account memory account = _accounts[prover];
        Identity memory identity = _identities[account.id];
        Exit memory exit = _exits[prover];
        return Prover({
            id: account.id,
            stake: account.staked + exit.unbonding,
            allocated: account.committed,
            unbonding: exit.unbonding,
            unbondingReadyAt: exit.readyAt,
            misses: identity.misses,
            paused: identity.halted & PAUSED != 0,
            suspended: identity.halted & SUSPENDED != 0
        });
    }

    /// @inheritdoc IProverRegistry
    function proverById(uint32 id) external view returns (address) {
        return _identities[id].prover;
    }

    /// @inheritdoc IProverRegistry
    function freeStake(address prover) external view returns (uint256) {
        return _accounts[prover].staked - _accounts[prover].committed;
    }

    /// @inheritdoc IProverRegistry
    function epoch() public view returns (uint256) {
        return block.timestamp / EPOCH_LENGTH;
    }

    // ---------------------------------------------------------------- internals

    /// @dev Of the prover that the caller is, or is a submitter of.
    function _caller() private view returns (Identity storage) {
        uint32 id = _accounts[msg.sender].id;
        if (id == 0) id = _accounts[proverOfSubmitter[msg.sender]].id;
        if (id == 0) revert NotAuthorised();
        return _identities[id];
    }

    /// @dev Sets a leaf to `units`, or to 0 while the prover is out of the draws. That takes effect in the next epoch, or
    /// in the one after if the next is less than FREEZE away.
    function _setWeight(uint256 marketId, uint32 id, uint256 units) private {
        uint256 weight = _identities[id].halted == 0 ? units : 0;
        uint256 target = (block.timestamp + FREEZE) / EPOCH_LENGTH + 1;
        if (_trees[marketId].set(id - 1, weight, epoch(), target)) emit WeightSet(marketId, id, weight, target);
    }

    /// @dev Asset wei that can still be asked of a prover as bonds in a market.
    function _bondable(uint256 marketId, address prover) private view returns (uint256) {
        Position storage position = _positions[marketId][prover];
        uint256 bonded = position.bonded;
        return _committed(position.units, bonded) - bonded;
    }

    /// @dev Asset wei that a position ties up. What of it is not bonded can still be asked for as bonds.
    function _committed(uint256 units, uint256 bonded) private view returns (uint256 amount) {
        unchecked {
            amount = units * STAKE_UNIT;
        }
        if (amount < bonded) amount = bonded;
    }
}
