// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { CircuitRegistry } from "../src/CircuitRegistry.sol";
import { IProofMarket } from "../src/interfaces/IProofMarket.sol";
import { IProverRegistry } from "../src/interfaces/IProverRegistry.sol";
import { ISlotTransfers } from "../src/interfaces/ISlotTransfers.sol";
import { Slot, SlotState } from "../src/types/Slot.sol";
import { Terms } from "../src/types/Terms.sol";
import { CircuitSamples } from "./CircuitSamples.sol";
import { MarketDeployer } from "./MarketDeployer.sol";
import { MockMechanism } from "./mocks/MockMechanism.sol";
import { MockProof, MockVerifier } from "./mocks/MockVerifier.sol";
import { TestToken } from "./mocks/TestToken.sol";

/// @notice A market with a mechanism that assigns as told, three provers with stake, and helpers.
abstract contract MarketFixture is MarketDeployer {
    uint96 internal constant PRICE = 10 ether;
    uint96 internal constant BOND = 20 ether;
    uint96 internal constant UNIT = 1 ether;
    uint32 internal constant FAST = 60;
    uint32 internal constant EXCLUSIVE = 300;
    uint32 internal constant EXPIRY = 900;
    uint32 internal constant EPOCH = 1 hours;
    uint32 internal constant CAPACITY = 4;
    /// @dev Of the registry: asking it would use up a prank.
    uint256 internal constant MAX_UNITS = 511;

    TestToken internal token;
    CircuitRegistry internal circuits;
    IProofMarket internal market;
    IProverRegistry internal registry;
    ISlotTransfers internal slotTransfers;
    MockMechanism internal mechanism;
    MockVerifier internal verifier;
    bytes32 internal circuit;

    address internal requester = makeAddr("requester");
    address internal creator = makeAddr("creator");
    address internal alice = makeAddr("alice");
    address internal bob = makeAddr("bob");
    address internal carol = makeAddr("carol");
    address internal stranger = makeAddr("stranger");

    uint256 internal id;
    Terms internal terms;
    /// @dev Terms the market opened slots under, and terms it was given last.
    Terms private _inForce;
    Terms private _announced;

    function setUp() public virtual {
        _deploy(new TestToken());
    }

    function _deploy(TestToken token_) internal {
        vm.warp(1_700_000_000);
        token = token_;
        circuits = new CircuitRegistry();
        market = _deployMarket(address(circuits), _params());
        registry = IProverRegistry(market.registry());
        slotTransfers = ISlotTransfers(market.slotTransfers());
        mechanism = new MockMechanism();
        verifier = new MockVerifier();
        circuit = CircuitSamples.register(circuits, address(verifier));
        terms = _defaultTerms();
        vm.prank(creator);
        id = market.createMarket(terms, CAPACITY, 0);
        _inForce = terms;
        _fund(id, 1000 ether);
        _stake(alice, id, 200);
        _stake(bob, id, 100);
    }

    function _params() internal view virtual returns (IProverRegistry.Params memory) {
        return IProverRegistry.Params({
            asset: address(token),
            stakeUnit: UNIT,
            epochLength: EPOCH,
            freeze: 60,
            suspendAfter: 3,
            openAfter: 255,
            unbonding: 2 * EPOCH,
            maxWindow: 2 * EPOCH
        });
    }

    function _defaultTerms() internal view returns (Terms memory) {
        return Terms({
            requester: requester,
            mechanism: address(mechanism),
            mechanismParams: 0,
            circuit: circuit,
            verifier: address(verifier),
            price: PRICE,
            bond: BOND,
            fastWindow: FAST,
            exclusiveWindow: EXCLUSIVE,
            expiryWindow: EXPIRY,
            floorBps: 6000,
            rescuerBps: 5000,
            requesterBps: 3000,
            forfeitBps: 1000,
            outputs: 1,
            callbackGas: 0,
            version: 1,
            leastRescue: 1 ether,
            chain: 0,
            circuitTerms: 0
        });
    }

    function _fund(uint256 marketId, uint256 amount) internal {
        token.mint(address(this), amount);
        token.approve(address(market), amount);
        market.fund(marketId, amount);
    }

    function _stake(address prover, uint256 marketId, uint256 units) internal {
        token.mint(prover, units * UNIT);
        vm.startPrank(prover);
        if (registry.proverOf(prover).id == 0) registry.register("");
        token.approve(address(registry), units * UNIT);
        registry.stake(units * UNIT);
        _allocate(marketId, units);
        vm.stopPrank();
    }

    /// @dev All of it may be bonded at once, under any terms. The caller pranks.
    function _allocate(uint256 marketId, uint256 units) internal {
        registry.allocate(marketId, units, MAX_UNITS, 1, type(uint32).max);
    }

    /// @dev A key that acts for a prover: both have to agree.
    function _submitter(address prover, address key) internal {
        vm.prank(prover);
        registry.setSubmitter(key, true);
        vm.prank(key);
        registry.serve(prover);
    }

    function _statement() internal pure returns (uint256[] memory inputs) {
        inputs = new uint256[](2);
        (inputs[0], inputs[1]) = (11, 22);
    }

    /// @dev Statement, one output, payee.
    function _inputs(address payee) internal pure returns (uint256[] memory inputs) {
        inputs = new uint256[](4);
        (inputs[0], inputs[1], inputs[2], inputs[3]) = (11, 22, 1, uint160(payee));
    }

    function _open(address prover) internal returns (Slot memory) {
        return _open(prover, PRICE, 0);
    }

    function _open(address prover, uint96 price, uint40 undecidedUntil) internal returns (Slot memory) {
        mechanism.setNext(prover, price, undecidedUntil);
        vm.prank(terms.requester);
        return market.openSlot(id, terms, 0, _statement(), "");
    }

    function _prove(Slot memory slot, address payee) internal {
        uint256[] memory inputs = _inputs(payee);
        market.prove(slot, terms, inputs, MockProof.make(inputs));
    }

    /// @dev Expects `prove` to revert with `error` for a proof that is otherwise good.
    function _proveFails(Slot memory slot, address payee, bytes memory error) internal {
        uint256[] memory inputs = _inputs(payee);
        vm.expectRevert(error);
        market.prove(slot, terms, inputs, MockProof.make(inputs));
    }

    function _funds() internal view returns (uint256 funds) {
        (,,,, funds) = market.markets(id);
    }

    function _state(Slot memory slot) internal view returns (SlotState) {
        return market.slotState(slot.market, slot.id);
    }

    function _assertState(Slot memory slot, SlotState expected) internal view {
        assertEq(uint256(_state(slot)), uint256(expected), "slot state");
    }

    /// @dev What ends a slot without a chain unproven is told no inputs.
    function _noInputs() internal pure returns (uint256[] memory) {
        return new uint256[](0);
    }

    /// @dev The terms that slots open under as long as nobody opens one under those announced.
    function _termsInForce() internal returns (Terms memory) {
        (, bytes32 inForce,,,) = market.markets(id);
        if (inForce != keccak256(abi.encode(_inForce))) _inForce = _announced;
        return _inForce;
    }

    /// @dev `id` is another market now, which has begun with these terms.
    function _began(Terms memory with_) internal {
        (_inForce, _announced) = (with_, with_);
    }

    /// @dev Announces `terms`, with their market's next version. They may be used after TERMS_NOTICE.
    function _announceTerms() internal {
        Terms memory current = _termsInForce();
        (uint32 version,,,) = market.termsOf(id);
        terms.version = version + 1;
        _announced = terms;
        vm.prank(creator);
        market.setTerms(id, current, terms);
    }

    /// @dev The market's terms are `terms` from now on: announced, and their notice over. They are in force once a slot opened
    /// under them.
    function _setTerms() internal {
        _announceTerms();
        vm.warp(vm.getBlockTimestamp() + market.TERMS_NOTICE());
    }

    function _expire(Slot memory slot) internal {
        market.expire(slot, terms, _noInputs());
    }
}
