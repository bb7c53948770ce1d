// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IRandomness } from "../../src/interfaces/IRandomness.sol";
import { SlotHooks } from "../../src/libraries/SlotHooks.sol";
import { Mining } from "../../src/mechanisms/Mining.sol";
import { Slot } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { HeaderFixture } from "../HeaderFixture.sol";
import { MarketFixture } from "../MarketFixture.sol";
import { MockPuzzle } from "../mocks/MockPuzzle.sol";

/// @notice A market whose slots are mined, and miners with deposits: three provers, a key of the first, a stranger.
abstract contract MiningFixture is MarketFixture, HeaderFixture {
    uint32 internal constant INTERVAL = 60;
    uint96 internal constant TICKET_BOND = 3 ether;
    uint8 internal constant BITS = 2;
    uint256 internal constant DEPOSIT = 100 ether;

    /// @dev A try that was found good for the round at that time.
    struct Ticket {
        uint256 nonce;
        uint256 output;
        bytes proof;
    }

    Mining internal mining;
    MockPuzzle internal puzzle;
    Terms internal other;
    address internal hot = makeAddr("alice's hot key");
    address[] internal keys;

    function setUp() public virtual override {
        super.setUp();
        other = terms;
        puzzle = new MockPuzzle();
        mining = new Mining(registry, address(market), puzzle, IRandomness(address(0)));
        terms.mechanism = address(mining);
        terms.mechanismParams = _params(INTERVAL, TICKET_BOND, BITS);
        _setTerms();
        _stake(carol, id, 60);
        vm.prank(alice);
        registry.setSubmitter(hot, true);
        vm.prank(hot);
        registry.serve(alice);
        keys = [alice, bob, carol, hot, stranger];
        for (uint256 i; i < keys.length; ++i) {
            token.mint(keys[i], DEPOSIT);
            vm.startPrank(keys[i]);
            token.approve(address(mining), DEPOSIT);
            mining.deposit(DEPOSIT);
            vm.stopPrank();
        }
    }

    function _params(uint256 interval, uint256 bond, uint256 bits) internal pure returns (bytes32) {
        return bytes32(SlotHooks.ENDED | bits << 128 | bond << 32 | interval);
    }

    /// @dev Opens a slot, and has the block after it be over, so that the next round's seed is known.
    function _openSlot() internal returns (Slot memory slot) {
        slot = _openOnly();
        _mineBlocks(2);
    }

    function _openOnly() internal returns (Slot memory) {
        vm.prank(terms.requester);
        return market.openSlot(id, terms, 0, _statement(), "");
    }

    /// @dev The seed of the round for `slot` that comes of a block's hash, or a beacon's value.
    function _seedFrom(bytes32 value, address contract_, uint64 slot) internal view returns (uint256) {
        return uint256(keccak256(abi.encode(value, block.chainid, contract_, id, slot))) >> 128;
    }

    /// @dev Tries nonces from `from` on until the output is below the target (or, with `misses`, is not).
    function _mine(address prover, uint256 from, bool misses) internal view returns (Ticket memory ticket) {
        uint256 target = mining.round(id).target;
        for (ticket.nonce = from;; ++ticket.nonce) {
            uint256 challenge = mining.challengeOf(id, prover, ticket.nonce);
            ticket.output = puzzle.outputOf(challenge);
            ticket.proof = puzzle.prove(challenge, 0);
            if ((ticket.output < target) != misses) return ticket;
        }
    }

    function _submit(address key, address prover, Ticket memory ticket) internal {
        vm.prank(key);
        mining.submitTicket(id, prover, ticket.nonce, ticket.output, ticket.proof);
    }

    function _take(address key, address prover) internal {
        _submit(key, prover, _mine(prover, 0, false));
    }

    /// @dev A slot that alice mined with her hot key.
    function _openMined() internal returns (Slot memory slot) {
        _openSlot();
        _take(hot, alice);
        slot = _openSlot();
        assertEq(slot.prover, alice);
    }

    function _assertDeposit(address key, uint256 lost) internal view {
        assertEq(mining.balanceOf(key), DEPOSIT - lost, "deposit");
    }

    function _assertNoTicket(uint64 slot) internal view {
        (address key, uint96 bond) = mining.ticketOf(id, slot);
        assertEq(key, address(0));
        assertEq(bond, 0);
    }
}
