// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { SafeCastLib } from "solady/utils/SafeCastLib.sol";
import { SafeTransferLib } from "solady/utils/SafeTransferLib.sol";

import { IProofMarket } from "./interfaces/IProofMarket.sol";
import { IProverRegistry } from "./interfaces/IProverRegistry.sol";
import { WeightTree } from "./libraries/WeightTree.sol";

/// @title Who proves: identity, submitter keys, stake, bonds, and the weights that lotteries draw from
/// @dev Deployed before its market, whose address is known beforehand. What a slot touches is kept apart from what a prover
/// touches: opening one reads an `Identity` and a `Position` and writes the `Position`; proving it reads and writes the
/// `Position` alone.
///
/// Stake is committed to a market by its allocation or, where that is less, by the bonds open there; the sum of all
/// commitments never exceeds the stake that was not asked back. So whatever happens, every bond is covered.
/// The contract holds exactly the sum of all `staked + unbonding`.
contract ProverRegistry is IProverRegistry {
    using SafeCastLib for uint256;
    using SafeTransferLib for address;
    using WeightTree for WeightTree.Tree;

    /// @dev One word, by id.
    struct Identity {
        address prover;
        bool paused;
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

    address private immutable ASSET;
    IProofMarket private immutable MARKET;
    /// @inheritdoc IProverRegistry
    uint256 public immutable STAKE_UNIT;
    /// @inheritdoc IProverRegistry
    uint256 public immutable EPOCH_LENGTH;
    /// @inheritdoc IProverRegistry
    uint256 public immutable FREEZE;
    /// @inheritdoc IProverRegistry
    uint256 public immutable SUSPEND_AFTER;
    /// @inheritdoc IProverRegistry
    uint256 public immutable OPEN_AFTER;
    /// @inheritdoc IProverRegistry
    uint256 public immutable MAX_WINDOW;
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
    /// @inheritdoc IProverRegistry
    mapping(address prover => mapping(address submitter => bool)) public isNominated;

    modifier onlyMarket() {
        if (msg.sender != address(MARKET)) revert NotMarket();
        _;
    }

    /// @param market_ The one market, which may not exist yet.
    constructor(Params memory params, address market_) {
        if (params.asset.code.length == 0) revert ParamsRejected("asset");
        if (params.stakeUnit == 0) revert ParamsRejected("stakeUnit");
        if (params.freeze == 0 || params.freeze >= params.epochLength) revert ParamsRejected("freeze");
        if (params.suspendAfter == 0) revert ParamsRejected("suspendAfter");
        if (params.openAfter == 0) revert ParamsRejected("openAfter");
        if (params.maxWindow == 0) revert ParamsRejected("maxWindow");
        if (params.unbonding < uint256(params.epochLength) + params.freeze || params.unbonding < params.maxWindow) {
            revert ParamsRejected("unbonding");
        }
        MARKET = IProofMarket(market_);
        ASSET = params.asset;
        STAKE_UNIT = params.stakeUnit;
        EPOCH_LENGTH = params.epochLength;
        FREEZE = params.freeze;
        SUSPEND_AFTER = params.suspendAfter;
        OPEN_AFTER = params.openAfter;
        UNBONDING = params.unbonding;
        MAX_WINDOW = params.maxWindow;
    }

    /// @inheritdoc IProverRegistry
    function asset() external view returns (address) {
        return ASSET;
    }

    /// @inheritdoc IProverRegistry
    function market() external view returns (address) {
        return address(MARKET);
    }

    // ---------------------------------------------------------------- identity

    /// @inheritdoc IProverRegistry
    function register(string calldata uri) external returns (uint32 id) {
        Account storage account = _accounts[msg.sender];
        if (account.id != 0) revert AlreadyRegistered();
        id = ++proverCount;
        account.id = id;
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
        if (allowed) {
            if (_accounts[msg.sender].id == 0) revert NotRegistered();
            isNominated[msg.sender][submitter] = true;
            emit SubmitterNominated(msg.sender, submitter);
            return;
        }
        address prover = proverOfSubmitter[submitter];
        bool serves = prover != address(0) && (msg.sender == prover || msg.sender == submitter);
        if (!serves && !isNominated[msg.sender][submitter]) revert NotAuthorised();
        delete isNominated[msg.sender][submitter];
        if (!serves) return;
        delete isNominated[prover][submitter];
        delete proverOfSubmitter[submitter];
        emit SubmitterSet(prover, submitter, false);
    }

    /// @inheritdoc IProverRegistry
    function serve(address prover) external {
        if (!isNominated[prover][msg.sender]) revert NotNominated();
        address before = proverOfSubmitter[msg.sender];
        if (before == prover) return;
        if (before != address(0)) emit SubmitterSet(before, msg.sender, false);
        proverOfSubmitter[msg.sender] = prover;
        emit SubmitterSet(prover, msg.sender, true);
    }

    // ---------------------------------------------------------------- stake

    /// @inheritdoc IProverRegistry
    function stake(uint256 amount) external {
        Account storage account = _accounts[msg.sender];
        if (account.id == 0) revert NotRegistered();
        if (amount == 0) revert AmountZero();
        uint256 held = ASSET.balanceOf(address(this));
        ASSET.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = ASSET.balanceOf(address(this)) - held;
        if (received != amount) revert AssetTakesFee(received, amount);
        // What was asked back counts too, so that neither can ever outgrow its field.
        uint256 staked = amount + account.staked;
        (staked + _exits[msg.sender].unbonding).toUint96();
        account.staked = uint96(staked);
        emit Staked(msg.sender, amount);
    }

    /// @inheritdoc IProverRegistry
    function allocate(uint256 marketId, uint256 units, uint256 exposure, uint32 fromVersion, uint32 toVersion)
        external
    {
        Account memory account = _accounts[msg.sender];
        if (account.id == 0) revert NotRegistered();
        if (units > MAX_UNITS) revert AllocationTooLarge(units, MAX_UNITS);
        if (exposure > MAX_UNITS) revert AllocationTooLarge(exposure, MAX_UNITS);

        Position memory position = _positions[marketId][msg.sender];
        if (units != position.units) {
            uint256 others = account.committed - _committed(position.units, position.bonded);
            uint256 needed = _committed(units, position.bonded);
            if (others + needed > account.staked) revert InsufficientStake(account.staked - others, needed);
            account.committed = uint96(others + needed);
            _accounts[msg.sender] = account;
        }
        position.units = uint16(units);
        position.exposure = uint16(exposure);
        position.fromVersion = fromVersion;
        position.toVersion = toVersion;
        _positions[marketId][msg.sender] = position;
        _emitAllocation(msg.sender, marketId, position);
        _setWeight(marketId, account.id, position);
    }

    /// @inheritdoc IProverRegistry
    function requestUnstake(uint256 amount) external {
        Account storage account = _accounts[msg.sender];
        if (account.id == 0) revert NotRegistered();
        if (amount == 0) revert AmountZero();
        uint256 staked = account.staked;
        uint256 free = staked - account.committed;
        if (amount > free) revert InsufficientStake(free, amount);

        uint256 readyAt = block.timestamp + UNBONDING;
        Exit storage exit = _exits[msg.sender];
        // What is free is staked; and `stake` sees to it that all of it fits the field.
        unchecked {
            account.staked = uint96(staked - amount);
            exit.unbonding += uint96(amount);
        }
        exit.readyAt = uint40(readyAt);
        emit UnstakeRequested(msg.sender, amount, readyAt);
    }

    /// @inheritdoc IProverRegistry
    function withdrawStake(address to) external {
        Exit memory exit = _exits[msg.sender];
        if (exit.unbonding == 0) revert NothingToWithdraw();
        if (block.timestamp < exit.readyAt) revert UnbondingNotReady(exit.readyAt);
        if (to == address(0) || to == address(this) || to == address(MARKET)) revert RecipientInvalid();
        delete _exits[msg.sender];
        emit Unstaked(msg.sender, to, exit.unbonding);
        ASSET.safeTransfer(to, exit.unbonding);
    }

    // ---------------------------------------------------------------- in and out of the draws

    /// @inheritdoc IProverRegistry
    function pause() external {
        Identity storage identity = _identities[_callerId()];
        identity.paused = true;
        emit ProverPaused(identity.prover);
    }

    /// @inheritdoc IProverRegistry
    function resume() external {
        Identity storage identity = _identities[_callerId()];
        identity.paused = false;
        emit ProverResumed(identity.prover);
    }

    /// @inheritdoc IProverRegistry
    function reinstate(uint256 marketId) external {
        uint32 id = _callerId();
        address prover = _identities[id].prover;
        Position storage position = _positions[marketId][prover];
        position.suspended = false;
        position.misses = 0;
        emit ProverReinstated(prover, marketId);
        _setWeight(marketId, id, position);
    }

    /// @inheritdoc IProverRegistry
    function sync(uint256 marketId, address prover) external {
        uint32 id = _accounts[prover].id;
        if (id == 0) revert NotRegistered();
        _setWeight(marketId, id, _positions[marketId][prover]);
    }

    // ---------------------------------------------------------------- bonds

    /// @inheritdoc IProverRegistry
    function reserve(address prover, uint256 marketId, uint256 amount, uint32 version) external onlyMarket {
        Position storage stored = _positions[marketId][prover];
        Position memory position = stored;
        if (version < position.fromVersion || version > position.toVersion) {
            revert TermsNotAccepted(version, position.fromVersion, position.toVersion);
        }
        uint256 available = _bondable(position);
        if (amount > available) revert InsufficientStake(available, amount);
        unchecked {
            stored.bonded = uint96(position.bonded + amount);
        }
    }

    /// @inheritdoc IProverRegistry
    function release(address prover, uint256 marketId, uint256 amount, bool proven) external onlyMarket {
        Position storage position = _positions[marketId][prover];
        uint256 bonded = position.bonded;
        if (amount > bonded) revert InsufficientStake(bonded, amount);
        uint256 left;
        unchecked {
            left = bonded - amount;
        }
        uint256 units = position.units;
        position.bonded = uint96(left);
        // Only bonds that outlived their allocation commit more than the allocation.
        if (bonded > units * STAKE_UNIT) {
            _accounts[prover].committed -= uint96(bonded - _committed(units, left));
        }
        if (proven && position.misses != 0) position.misses = 0;
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
        account.staked -= uint96(amount);
        account.committed -= uint96(before - _committed(position.units, position.bonded));
        if (position.misses != type(uint8).max) ++position.misses;
        bool suspends = position.misses >= SUSPEND_AFTER && !position.suspended;
        if (suspends) position.suspended = true;
        _accounts[prover] = account;
        _positions[marketId][prover] = position;

        if (shrinks) _emitAllocation(prover, marketId, position);
        if (suspends) emit ProverSuspended(prover, marketId);
        _setWeight(marketId, account.id, position);
        emit BondSlashed(prover, marketId, amount);
        ASSET.safeTransfer(address(MARKET), amount);
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IProverRegistry
    function draw(uint256 marketId, uint256 random, uint256 bond, uint32 version)
        external
        view
        returns (address prover, bool eligible)
    {
        (bool found, uint256 index) = _trees[marketId].draw(epoch(), random);
        if (!found) return (address(0), false);
        Identity memory identity = _identities[uint32(index + 1)];
        prover = identity.prover;
        eligible = !identity.paused && _isEligible(_positions[marketId][prover], bond, version);
    }

    /// @inheritdoc IProverRegistry
    function isEligible(uint256 marketId, address prover, uint256 bond, uint32 version) external view returns (bool) {
        uint32 id = _accounts[prover].id;
        return id != 0 && !_identities[id].paused && _isEligible(_positions[marketId][prover], bond, version);
    }

    /// @inheritdoc IProverRegistry
    function isSubmitterFor(address key, address prover) external view returns (bool) {
        if (proverOfSubmitter[key] == prover) return prover != address(0);
        return key == prover && _accounts[prover].id != 0;
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
    function positionOf(uint256 marketId, address prover) external view returns (Position memory) {
        return _positions[marketId][prover];
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
            paused: identity.paused
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
    function _callerId() private view returns (uint32 id) {
        id = _accounts[msg.sender].id;
        if (id == 0) id = _accounts[proverOfSubmitter[msg.sender]].id;
        if (id == 0) revert NotAuthorised();
    }

    /// @dev Sets a leaf to the position's units, or to 0 while the prover is out of the draws. That takes effect in the next
    /// epoch, or in the one after if the next is less than FREEZE away.
    function _setWeight(uint256 marketId, uint32 id, Position memory position) private {
        uint256 weight = _identities[id].paused || position.suspended ? 0 : position.units;
        uint256 target = (block.timestamp + FREEZE) / EPOCH_LENGTH + 1;
        if (_trees[marketId].set(id - 1, weight, epoch(), target)) emit WeightSet(marketId, id, weight, target);
    }

    function _emitAllocation(address prover, uint256 marketId, Position memory position) private {
        emit AllocationSet(
            prover, marketId, position.units, position.exposure, position.fromVersion, position.toVersion
        );
    }

    function _isEligible(Position memory position, uint256 bond, uint32 version) private view returns (bool) {
        return !position.suspended && version >= position.fromVersion && version <= position.toVersion
            && _bondable(position) >= bond;
    }

    /// @dev Asset wei that can still be asked of a position as bonds: none while it is suspended. What a cut of the allocation or
    /// of the exposure left bonded counts against both.
    function _bondable(Position memory position) private view returns (uint256) {
        if (position.suspended) return 0;
        uint256 units = position.units < position.exposure ? position.units : position.exposure;
        uint256 bonded = position.bonded;
        uint256 limit;
        unchecked {
            limit = units * STAKE_UNIT;
        }
        return limit > bonded ? limit - bonded : 0;
    }

    /// @dev Asset wei that a position ties up. What of it is not bonded can still be asked for as bonds.
    function _committed(uint256 units, uint256 bonded) private view returns (uint256 amount) {
        unchecked {
            amount = units * STAKE_UNIT;
        }
        if (amount < bonded) amount = bonded;
    }
}
