// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { CircuitRegistry } from "../../src/CircuitRegistry.sol";
import { IProofMarket } from "../../src/interfaces/IProofMarket.sol";
import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { IRandomness } from "../../src/interfaces/IRandomness.sol";
import { ISlotTransfers } from "../../src/interfaces/ISlotTransfers.sol";
import { StakeLottery } from "../../src/mechanisms/StakeLottery.sol";
import { Slot } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { BlockVerifier } from "../../src/verifiers/BlockVerifier.sol";
import { CircuitSamples } from "../CircuitSamples.sol";
import { HeaderFixture } from "../HeaderFixture.sol";
import { MarketDeployer } from "../MarketDeployer.sol";
import { TestToken } from "../mocks/TestToken.sol";
import { BlockKey } from "../verifiers/BlockKey.sol";

/// @notice The whole system with the real verifier, a proven block, and as many provers as asked for. One of them, the
/// block's payee, has far more stake than each of the others, so that some openings draw it.
abstract contract GasFixture is MarketDeployer, HeaderFixture {
    /// @dev The fork that the figures are for; script/gas sets it.
    string internal GROUP = string.concat("gas-", vm.envOr("FOUNDRY_HARDFORK", string("prague")));
    uint32 internal constant EPOCH = 1 hours;
    uint32 internal constant CAPACITY = 4;
    uint96 internal constant UNIT = 1 ether;
    uint256 private constant PAYEE_UNITS = 500;

    TestToken internal token;
    IProofMarket internal market;
    IProverRegistry internal registry;
    ISlotTransfers internal slotTransfers;
    StakeLottery internal lottery;
    BlockVerifier internal verifier;
    bytes32 internal circuit;
    Terms internal terms;
    uint256 internal id;

    address internal payee;
    uint256[] internal publicInputs;
    uint256[] internal statement;
    bytes internal proof;
    string internal fixture;

    function _build(uint256 provers) internal {
        vm.warp(1_700_000_000);
        fixture = vm.readFile("tests/vectors/block_proof.json");
        payee = vm.parseJsonAddress(fixture, ".payee");
        proof = vm.parseJsonBytes(fixture, ".proof");
        publicInputs = vm.parseJsonUintArray(fixture, ".publicInputs");
        for (uint256 i = 0; i < 4; ++i) {
            statement.push(publicInputs[i]);
        }

        token = TestToken(deployCode("TestToken.sol:TestToken"));
        CircuitRegistry circuits = new CircuitRegistry();
        market = _deployMarket(
            address(circuits),
            IProverRegistry.Params({
                asset: address(token),
                stakeUnit: UNIT,
                epochLength: EPOCH,
                freeze: 60,
                suspendAfter: 3,
                openAfter: 8,
                unbonding: 2 * EPOCH,
                maxWindow: 2 * EPOCH
            })
        );
        registry = IProverRegistry(market.registry());
        slotTransfers = ISlotTransfers(market.slotTransfers());
        lottery = new StakeLottery(registry, address(market), IRandomness(address(0)));
        verifier = new BlockVerifier(BlockKey.read());
        circuit = CircuitSamples.registerBlocks(circuits, verifier);
        terms = _terms(address(this));
        id = market.createMarket(terms, CAPACITY, 0);
        token.mint(address(this), 1_000_000 ether);
        token.approve(address(market), type(uint256).max);
        market.fund(id, 1000 ether);

        _enter(payee, PAYEE_UNITS);
        for (uint256 i = 1; i < provers; ++i) {
            _enter(address(uint160(0x100000 + i)), 1);
        }
        _nextEpoch();
    }

    function _terms(address requester) internal view returns (Terms memory) {
        return Terms({
            requester: requester,
            mechanism: address(lottery),
            mechanismParams: 0,
            circuit: circuit,
            verifier: address(verifier),
            price: 0.1 ether,
            bond: 0.2 ether,
            fastWindow: 60,
            exclusiveWindow: 300,
            expiryWindow: 900,
            floorBps: 6000,
            rescuerBps: 5000,
            requesterBps: 3000,
            forfeitBps: 1000,
            outputs: 1,
            callbackGas: 0,
            version: 1,
            leastRescue: 0.1 ether,
            chain: 0,
            circuitTerms: 0
        });
    }

    function _enter(address prover, uint256 units) internal {
        token.mint(prover, units * UNIT);
        vm.startPrank(prover);
        registry.register("");
        token.approve(address(registry), type(uint256).max);
        registry.stake(units * UNIT);
        registry.allocate(id, units, units, 1, 2);
        vm.stopPrank();
    }

    /// @dev On to an epoch in which all that was written counts, with its seed fixed.
    function _nextEpoch() internal {
        vm.warp((vm.getBlockTimestamp() / EPOCH + 2) * EPOCH);
        vm.prevrandao(keccak256(abi.encode(vm.getBlockTimestamp())));
        _mineSeed(lottery);
    }

    function _open() internal returns (Slot memory) {
        return market.openSlot(id, terms, 0, statement, "");
    }

    /// @dev Opens slots until one goes to the payee; the others are dropped, so that the market counts no miss.
    function _openForPayee() internal returns (Slot memory slot) {
        for (slot = _open(); slot.prover != payee; slot = _open()) {
            market.drop(slot, terms, new uint256[](0));
        }
    }

    function _prove(Slot memory slot) internal {
        market.prove(slot, terms, publicInputs, proof);
    }

    /// @dev Every place of the ring written, the payee with credit.
    function _warm() internal {
        for (uint256 i = 0; i < CAPACITY; ++i) {
            _prove(_openForPayee());
        }
    }

    /// @dev Gas of the last call as a transaction of its own, without refunds.
    function _snapshot(string memory name) internal {
        vm.snapshotValue(GROUP, name, vm.lastCallGas().gasTotalUsed);
    }

    function _calldataGas(bytes memory data) internal pure returns (uint256 gas) {
        for (uint256 i = 0; i < data.length; ++i) {
            gas += data[i] == 0 ? 4 : 16;
        }
    }

    /// @dev What no implementation can go below: base, calldata, and the pairing with its k inputs.
    function _floor(bytes memory data, uint256 k) internal pure returns (uint256) {
        return 21_000 + _calldataGas(data) + _pairingFloor(k);
    }

    function _pairingFloor(uint256 k) internal pure returns (uint256) {
        return 181_000 + 6150 * k + 100 * (1 + 2 * k);
    }
}
