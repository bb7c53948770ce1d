// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { ProofMarket } from "../../src/ProofMarket.sol";
import { ProverRegistry } from "../../src/ProverRegistry.sol";
import { IProofMarket, IProofMarketEvents } from "../../src/interfaces/IProofMarket.sol";
import { MarketState } from "../../src/market/MarketState.sol";
import { ProofMarketExt } from "../../src/market/ProofMarketExt.sol";
import { SlotTransfers } from "../../src/market/SlotTransfers.sol";
import { TermsRules } from "../../src/market/TermsRules.sol";
import { Slot } from "../../src/types/Slot.sol";
import { MarketFixture } from "../MarketFixture.sol";
import { MockProof } from "../mocks/MockVerifier.sol";

/// @notice The contracts of a deployment: that they know each other, and that none is ever paid, since none could pay on.
contract MarketContractsTest is MarketFixture {
    /// @dev What is created wrongly, in `_create`.
    enum Wrong {
        Nothing,
        RegistrysMarket,
        SlotTransfersMarket,
        SlotTransfersRegistry,
        ExtensionsRegistry,
        ExtensionsCircuits,
        ExtensionsRules,
        ExtensionsSlotTransfers
    }

    /// @dev The contracts that terms do not name.
    function _own() private view returns (address[7] memory) {
        return [
            address(market),
            market.extension(),
            address(registry),
            address(slotTransfers),
            market.rules(),
            address(circuits),
            address(token)
        ];
    }

    // ------------------------------------------------------------------ who is never paid

    function _refusesPayee(Slot memory slot, address payee) private {
        uint256[] memory inputs = _inputs(payee);
        vm.expectRevert(IProofMarketEvents.PayeeInvalid.selector);
        market.prove(slot, terms, inputs, MockProof.make(inputs));
    }

    function test_RevertProve_WhenThePayeeIsAContractOfTheMarkets() public {
        Slot[2] memory slots = [_open(address(0)), _open(alice)];
        address[7] memory own = _own();
        for (uint256 late; late < 2; ++late) {
            for (uint256 i; i < own.length; ++i) {
                _refusesPayee(slots[0], own[i]);
                _refusesPayee(slots[1], own[i]);
            }
            // Those of the slot, which have credits with a market no more than the others.
            for (uint256 i; i < slots.length; ++i) {
                _refusesPayee(slots[i], address(mechanism));
                _refusesPayee(slots[i], address(verifier));
            }
            vm.warp(slots[1].exclusiveUntil);
        }
        _prove(slots[0], stranger);
        _prove(slots[1], stranger);
    }

    /// @dev Another market's mechanism is an account like any other.
    function test_ThePayeeMayBeAContractThatTheSlotDoesNotKnow() public {
        Slot memory slot = _open(address(0));
        _prove(slot, address(this));
        assertEq(market.credits(address(this)), PRICE);
    }

    function test_RevertDefundAndWithdraw_WhenTheRecipientIsAContractOfTheMarkets() public {
        vm.prank(creator);
        market.defund(id, 1 ether, stranger);
        address[7] memory own = _own();
        for (uint256 i; i < own.length; ++i) {
            vm.prank(creator);
            vm.expectRevert(IProofMarketEvents.RecipientInvalid.selector);
            market.defund(id, 1, own[i]);
            vm.prank(stranger);
            vm.expectRevert(IProofMarketEvents.RecipientInvalid.selector);
            market.withdraw(own[i], 1);
        }
        assertEq(market.credits(stranger), 1 ether);
        vm.prank(stranger);
        market.withdraw(stranger, 1 ether);
    }

    // ------------------------------------------------------------------ who knows whom

    /// @dev Puts up a market as `MarketDeployer` does, but for what is `wrong`.
    function _create(Wrong wrong) private returns (address market_) {
        MarketState.Contracts memory right;
        right.circuits = address(circuits);
        right.rules = address(new TermsRules());
        address otherRegistry = address(new ProverRegistry(_params(), stranger));
        address otherRules = address(new TermsRules());
        address otherSlotTransfers = address(new SlotTransfers(stranger, otherRegistry));

        market_ = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 3);
        right.registry = address(new ProverRegistry(_params(), wrong == Wrong.RegistrysMarket ? stranger : market_));
        right.slotTransfers = address(
            new SlotTransfers(
                wrong == Wrong.SlotTransfersMarket ? stranger : market_,
                wrong == Wrong.SlotTransfersRegistry ? otherRegistry : right.registry
            )
        );
        MarketState.Contracts memory extensions = abi.decode(abi.encode(right), (MarketState.Contracts));
        if (wrong == Wrong.ExtensionsRegistry) extensions.registry = otherRegistry;
        if (wrong == Wrong.ExtensionsCircuits) extensions.circuits = stranger;
        if (wrong == Wrong.ExtensionsRules) extensions.rules = otherRules;
        if (wrong == Wrong.ExtensionsSlotTransfers) extensions.slotTransfers = otherSlotTransfers;
        address extension = address(new ProofMarketExt(extensions));
        if (wrong != Wrong.Nothing) vm.expectRevert(IProofMarketEvents.ContractsMismatch.selector);
        new ProofMarket(right, extension);
    }

    function test_RevertConstructor_WhenTheContractsDoNotKnowTheMarket() public {
        for (uint256 wrong = 1; wrong <= uint256(type(Wrong).max); ++wrong) {
            _create(Wrong(wrong));
        }
    }

    function test_AMarketWithItsContracts() public {
        IProofMarket other = IProofMarket(_create(Wrong.Nothing));
        assertEq(other.marketCount(), 0);
        assertEq(other.createMarket(terms, 4, 0), 1);
        assertEq(market.marketCount(), 1);
    }

    /// @dev No deployment has an extension that another could not have as well, so what is called there must be nothing to anyone.
    function test_WhatIsCalledAtTheExtensionsOwnAddressChangesNoMarket() public {
        IProofMarket extension = IProofMarket(market.extension());
        assertEq(extension.marketCount(), 0);
        Slot memory slot = _open(alice);
        uint256 own = extension.createMarket(terms, 4, 0);
        assertEq(own, 1);
        assertEq(market.marketCount(), 1);
        vm.prank(creator);
        vm.expectRevert(IProofMarketEvents.NotCreator.selector);
        extension.defund(id, 1, creator);
        vm.prank(requester);
        vm.expectRevert();
        extension.drop(slot, terms, _noInputs());
        vm.prank(requester);
        vm.expectRevert();
        extension.openSlot(own, terms, 0, _statement(), "");
        assertTrue(market.isOpen(slot, terms));
        assertEq(registry.bondedOf(id, alice), BOND);
    }

    /// @dev What neither half knows fails, and none of it takes ether.
    function test_RevertCalls_WhenUnknownOrWithEther() public {
        (bool success,) = address(market).call(abi.encodeWithSignature("unknown()"));
        assertFalse(success);
        (success,) = address(market).call("");
        assertFalse(success);
        vm.deal(address(this), 1 ether);
        (success,) = address(market).call{ value: 1 }("");
        assertFalse(success);
        (success,) = address(market).call{ value: 1 }(abi.encodeCall(market.markets, (id)));
        assertFalse(success);
    }
}
