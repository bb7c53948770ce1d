// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @notice A market's terms. The chain stores only their hash; whoever calls the market passes them in full and can
/// read them from `TermsSet`. An open slot is bound to the terms it was opened under, so a change never reaches it.
/// @param requester The contract or account that opens slots; told how each slot ended when `callbackGas` > 0.
/// @param mechanism Decides who may prove a slot and at what price.
/// @param mechanismParams One word for the mechanism; its NatSpec says how it is packed. The highest bit is the market's:
/// see `IMechanism.onEnded`.
/// @param circuit Id in the CircuitRegistry.
/// @param verifier The circuit's verifier, copied here so that settling reads no registry.
/// @param price Highest reward for one slot, in asset wei; escrowed when the slot opens.
/// @param bond Stake reserved from the assigned prover, in asset wei.
/// @param fastWindow Seconds from the start of the clock in which the whole price is paid.
/// @param exclusiveWindow Seconds in which only the assigned prover may prove.
/// @param expiryWindow Seconds from opening after which anyone may expire the slot.
/// @param floorBps Share of the price, in bps, paid at the end of the exclusive window and after.
/// @param rescuerBps Share of a slashed bond, in bps, paid to the rescuer on top of the floor.
/// @param requesterBps Share of a slashed bond, in bps, paid to the requester. What is left is burned.
/// @param forfeitBps Share of the price, in bps, burned when a slot expires unproven.
/// @param outputs Number of public inputs, just before the payee, that the prover supplies and no statement fixes.
/// @param callbackGas Gas for `IRequester.onSlotEnded`, paid by whoever settles; 0 for none, at most 1,000,000.
/// @param version Counts a market's terms from 1; what provers accept (see `IProverRegistry.allocate`). Terms that only got
/// better for provers keep their version.
/// @param leastRescue What a rescue pays out of the bond at least, in asset wei, whatever the slot's price; above 0 with a bond.
/// @param chain How a slot continues the one before it; 0 if slots stand alone. See `ChainTerms`.
/// @param circuitTerms What the circuit adds: its author's royalty, and how long proofs are committed to before they are shown if
/// it does not bind the payee; 0 for neither. See `CircuitTerms`.
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
    uint32 version;
    uint96 leastRescue;
    uint32 chain;
    uint256 circuitTerms;
}
