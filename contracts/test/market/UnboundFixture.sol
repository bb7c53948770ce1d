// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ICircuitRegistry } from "../../src/interfaces/ICircuitRegistry.sol";
import { CircuitTerms, CircuitTermsLib } from "../../src/types/CircuitTerms.sol";
import { Slot } from "../../src/types/Slot.sol";
import { CircuitSamples } from "../CircuitSamples.sol";
import { MarketFixture } from "../MarketFixture.sol";
import { MockProof } from "../mocks/MockVerifier.sol";

/// @notice A market whose circuit does not bind the payee: the verifier takes the statement and one output.
abstract contract UnboundFixture is MarketFixture {
    uint16 internal constant DELAY = 3;

    function setUp() public virtual override {
        super.setUp();
        ICircuitRegistry.Registration memory registration = CircuitSamples.registration(address(verifier));
        registration.payeeBound = false;
        ICircuitRegistry.Sample memory sample;
        sample.publicInputs = _bare();
        sample.proof = _proof();
        terms.circuit = circuits.register(registration, sample);
        terms.circuitTerms = CircuitTerms.unwrap(CircuitTermsLib.create(DELAY, 0, address(0)));
        vm.prank(creator);
        id = market.createMarket(terms, CAPACITY, 0);
        _began(terms);
        _fund(id, 1000 ether);
        _stake(alice, id, 100);
        _stake(bob, id, 100);
        vm.roll(1_000);
    }

    /// @dev What the verifier is given: all but the payee.
    function _bare() internal pure returns (uint256[] memory inputs) {
        inputs = new uint256[](3);
        (inputs[0], inputs[1], inputs[2]) = (11, 22, 1);
    }

    function _proof() internal pure returns (bytes memory) {
        return MockProof.make(_bare());
    }

    function _commitment(Slot memory slot, address payee, bytes32 salt) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256(_proof()), payee, slot.market, slot.id, salt));
    }

    /// @dev The caller may prank, and expect a revert.
    function _reveal(Slot memory slot, address payee, bytes32 salt) internal {
        market.prove(slot, terms, _inputs(payee), abi.encodePacked(salt, _proof()));
    }
}
