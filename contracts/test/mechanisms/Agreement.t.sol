// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IAgreement, Offer } from "../../src/interfaces/IAgreement.sol";
import { IMechanism } from "../../src/interfaces/IMechanism.sol";
import { IProverRegistry } from "../../src/interfaces/IProverRegistry.sol";
import { Agreement } from "../../src/mechanisms/Agreement.sol";
import { Slot, SlotState } from "../../src/types/Slot.sol";
import { Terms } from "../../src/types/Terms.sol";
import { MarketFixture } from "../MarketFixture.sol";
import { console } from "forge-std/Test.sol";

/// @notice A contract that is a prover: it accepts what its owner signed.
contract Wallet {
    address private immutable OWNER;

    constructor(address owner) {
        OWNER = owner;
    }

    function execute(address target, bytes calldata data) external {
        (bool success,) = target.call(data);
        require(success);
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        (bytes32 r, bytes32 s, uint8 v) = abi.decode(signature, (bytes32, bytes32, uint8));
        return ecrecover(digest, v, r, s) == OWNER ? this.isValidSignature.selector : bytes4(0);
    }
}

/// @notice Alice offers to prove two slots at once for eight asset units each.
contract AgreementTest is MarketFixture {
    uint256 private constant OPEN_MAX = 91_500;

    Agreement private agreement;
    uint256 private aliceKey;
    Offer private offer;

    function setUp() public override {
        super.setUp();
        agreement = new Agreement(registry, address(market));
        terms.mechanism = address(agreement);
        _setTerms();
        (, aliceKey) = makeAddrAndKey("alice");
        offer = Offer({
            prover: alice,
            requester: requester,
            market: id,
            terms: _termsHash(),
            price: 8 ether,
            penalty: BOND,
            capacity: 2,
            expiry: uint40(vm.getBlockTimestamp() + 1 days),
            nonce: 300
        });
    }

    function _termsHash() private view returns (bytes32) {
        return keccak256(abi.encode(terms));
    }

    function _sign(uint256 key) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, agreement.digestOf(offer));
        return abi.encodePacked(r, s, v);
    }

    function _data() private view returns (bytes memory) {
        return abi.encode(offer, _sign(aliceKey));
    }

    function _openWith(bytes memory data) private returns (Slot memory) {
        vm.prank(terms.requester);
        return market.openSlot(id, terms, 0, _statement(), data);
    }

    function _openFails(bytes memory data, bytes memory error) private {
        vm.prank(terms.requester);
        vm.expectRevert(error);
        market.openSlot(id, terms, 0, _statement(), data);
    }

    // ---------------------------------------------------------------- the interface

    function test_Constructor() public view {
        assertEq(address(agreement.registry()), address(registry));
    }

    function test_RevertOnOpen_WhenNotMarket() public {
        vm.expectRevert(IMechanism.NotMarket.selector);
        agreement.onOpen(id, 1, terms, "");
    }

    function test_RevertValidateTerms_WhenParamsAreNotZero() public {
        terms.mechanismParams = bytes32(uint256(1) << 255);
        vm.expectRevert(abi.encodeWithSelector(IMechanism.MechanismTermsRejected.selector, bytes32("mechanismParams")));
        agreement.validateTerms(terms);
    }

    function test_RevertValidateTerms_WhenBondIsZero() public {
        terms.bond = 0;
        vm.expectRevert(abi.encodeWithSelector(IMechanism.MechanismTermsRejected.selector, bytes32("bond")));
        agreement.validateTerms(terms);
    }

    /// @dev Spelled out, so that a client can be written from the type's text.
    function test_Digest() public view {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Provery Agreement"),
                keccak256("1"),
                block.chainid,
                address(agreement)
            )
        );
        bytes32 typehash = keccak256(
            "Offer(address prover,address requester,uint256 market,bytes32 terms,uint96 price,uint96 penalty,uint32 capacity,uint40 expiry,uint256 nonce)"
        );
        bytes32 message = keccak256(
            abi.encode(
                typehash,
                alice,
                requester,
                id,
                keccak256(abi.encode(terms)),
                offer.price,
                offer.penalty,
                offer.capacity,
                offer.expiry,
                offer.nonce
            )
        );
        assertEq(agreement.digestOf(offer), keccak256(abi.encodePacked(hex"1901", domain, message)));
        (, string memory name, string memory version,, address verifying,,) = agreement.eip712Domain();
        assertEq(name, "Provery Agreement");
        assertEq(version, "1");
        assertEq(verifying, address(agreement));
    }

    // ---------------------------------------------------------------- opening

    function test_OpenToAll_WithoutAnOffer() public {
        Slot memory slot = _openWith("");
        assertEq(slot.prover, address(0));
        assertEq(slot.price, PRICE);
        assertEq(slot.exclusiveUntil, block.timestamp);
        _prove(slot, stranger);
        assertEq(market.credits(stranger), PRICE);
    }

    function test_OpenUnderAnOffer() public {
        vm.expectEmit(address(agreement));
        emit IAgreement.AgreementUsed(id, 1, alice, 300);
        Slot memory slot = _openWith(_data());
        assertEq(slot.prover, alice);
        assertEq(slot.price, 8 ether);
        assertEq(slot.exclusiveUntil, block.timestamp + EXCLUSIVE);
        assertEq(registry.bondedOf(id, alice), BOND);
        _prove(slot, alice);
        assertEq(market.credits(alice), 8 ether);
        // It stands for more slots, one after the other.
        for (uint256 i = 0; i < 5; ++i) {
            _prove(_openWith(_data()), alice);
        }
    }

    function test_OpenAtTheTermsPriceInTheLastBlock() public {
        offer.price = PRICE;
        vm.warp(offer.expiry);
        assertEq(_openWith(_data()).price, PRICE);
    }

    function _opensToAll() private {
        uint64 next = 1;
        vm.expectEmit(address(agreement));
        emit IAgreement.ProverNotEligible(id, next, offer.prover);
        Slot memory slot = _openWith(_data());
        assertEq(slot.prover, address(0));
        assertEq(slot.price, PRICE);
        assertEq(slot.exclusiveUntil, block.timestamp);
        _prove(slot, stranger);
        assertEq(market.credits(stranger), PRICE);
    }

    /// @dev A prover that cannot bond does not hold up the requester: paused, or with its stake elsewhere.
    function test_OpenToAll_WhenProverIsPaused() public {
        vm.prank(alice);
        registry.pause();
        _opensToAll();
    }

    function test_OpenToAll_WhenStakeIsTooLittle() public {
        vm.prank(alice);
        _allocate(id, 19);
        _opensToAll();
    }

    function test_OpenToAll_WhenProverDidNotAcceptTheTerms() public {
        uint32 before = terms.version - 1;
        vm.prank(alice);
        registry.allocate(id, 200, MAX_UNITS, 1, before);
        _opensToAll();
    }

    function test_OpenToAll_WhenExposureIsTooLittle() public {
        vm.prank(alice);
        registry.allocate(id, 200, 19, 1, type(uint32).max);
        _opensToAll();
    }

    function test_OpenToAll_WhenProverIsNotRegistered() public {
        uint256 key;
        (offer.prover, key) = makeAddrAndKey("nobody");
        aliceKey = key;
        _opensToAll();
    }

    function test_RevertOpen_WhenOfferExpired() public {
        bytes memory data = _data();
        vm.warp(offer.expiry + 1);
        _openFails(data, abi.encodeWithSelector(IAgreement.OfferExpired.selector, offer.expiry));
    }

    function test_RevertOpen_WhenPriceIsAboveTerms() public {
        offer.price = PRICE + 1;
        _openFails(_data(), abi.encodeWithSelector(IAgreement.PriceAboveTerms.selector, PRICE + 1, PRICE));
    }

    function test_RevertOpen_WhenPenaltyIsNotTheBond() public {
        offer.penalty = BOND - 1;
        _openFails(_data(), abi.encodeWithSelector(IAgreement.PenaltyMismatch.selector, BOND - 1, BOND));
        offer.penalty = BOND + 1;
        _openFails(_data(), abi.encodeWithSelector(IAgreement.PenaltyMismatch.selector, BOND + 1, BOND));
    }

    function test_RevertOpen_WhenSignedByAnother() public {
        (, uint256 key) = makeAddrAndKey("bob");
        _openFails(abi.encode(offer, _sign(key)), abi.encodeWithSelector(IAgreement.SignatureInvalid.selector));
        _openFails(abi.encode(offer, ""), abi.encodeWithSelector(IAgreement.SignatureInvalid.selector));
        _openFails(abi.encode(offer, new bytes(65)), abi.encodeWithSelector(IAgreement.SignatureInvalid.selector));
        offer.prover = address(0);
        _openFails(abi.encode(offer, new bytes(65)), abi.encodeWithSelector(IAgreement.SignatureInvalid.selector));
    }

    /// @dev Hot keys do not sign offers: they never move the prover's money.
    function test_RevertOpen_WhenSignedByASubmitter() public {
        (address key, uint256 secret) = makeAddrAndKey("submitter");
        _submitter(alice, key);
        _openFails(abi.encode(offer, _sign(secret)), abi.encodeWithSelector(IAgreement.SignatureInvalid.selector));
    }

    // ---------------------------------------------------------------- revoking

    function test_Revoke() public {
        Slot memory slot = _openWith(_data());
        vm.expectEmit(address(agreement));
        emit IAgreement.NonceRevoked(alice, 300);
        vm.prank(alice);
        agreement.revoke(alice, 300);
        assertTrue(agreement.isRevoked(alice, 300));
        assertFalse(agreement.isRevoked(alice, 299));
        assertFalse(agreement.isRevoked(alice, 301));
        assertFalse(agreement.isRevoked(alice, 300 + 256));
        assertFalse(agreement.isRevoked(bob, 300));

        // Open slots are untouched.
        _prove(slot, alice);
        assertEq(market.credits(alice), 8 ether);
        offer.nonce = 301;
        _prove(_openWith(_data()), alice);
    }

    function test_RevokeAllBelow() public {
        vm.prank(alice);
        vm.expectEmit(address(agreement));
        emit IAgreement.NoncesRevokedBelow(alice, 301);
        agreement.revokeAllBelow(alice, 301);
        assertEq(agreement.minNonce(alice), 301);
        assertTrue(agreement.isRevoked(alice, 0));
        assertTrue(agreement.isRevoked(alice, 300));
        assertFalse(agreement.isRevoked(alice, 301));
        _openFails(_data(), abi.encodeWithSelector(IAgreement.OfferRevoked.selector));
        offer.nonce = 301;
        assertEq(_openWith(_data()).prover, alice);
    }

    function test_RevertRevokeAllBelow_WhenNotAboveThePresent() public {
        vm.startPrank(alice);
        agreement.revokeAllBelow(alice, 301);
        vm.expectRevert(abi.encodeWithSelector(IAgreement.NonceTooLow.selector, 301));
        agreement.revokeAllBelow(alice, 301);
        vm.expectRevert(abi.encodeWithSelector(IAgreement.NonceTooLow.selector, 301));
        agreement.revokeAllBelow(alice, 0);
    }

    // ---------------------------------------------------------------- attacks

    function test_Attack_RevokedOfferIsUsed() public {
        bytes memory data = _data();
        vm.prank(alice);
        agreement.revoke(alice, 300);
        _openFails(data, abi.encodeWithSelector(IAgreement.OfferRevoked.selector));
    }

    /// @dev Who revokes does so for itself, or for whom it is a submitter of.
    function test_Attack_AnothersOfferIsRevoked() public {
        vm.startPrank(stranger);
        vm.expectRevert(IAgreement.NotAuthorised.selector);
        agreement.revoke(alice, 300);
        vm.expectRevert(IAgreement.NotAuthorised.selector);
        agreement.revokeAllBelow(alice, 1000);
        agreement.revoke(stranger, 300);
        agreement.revokeAllBelow(stranger, 1000);
        vm.stopPrank();
        assertEq(_openWith(_data()).prover, alice);
    }

    /// @dev So that a prover that is a contract, such as a pool, can.
    function test_SubmitterRevokes() public {
        _submitter(alice, stranger);
        vm.startPrank(stranger);
        agreement.revoke(alice, 300);
        agreement.revokeAllBelow(alice, 7);
        vm.stopPrank();
        assertTrue(agreement.isRevoked(alice, 300));
        assertTrue(agreement.isRevoked(alice, 6));
    }

    /// @dev The same terms in another market, where alice has stake as well.
    function test_Attack_OfferReplayedInAnotherMarket() public {
        bytes memory data = _data();
        terms.version = 1;
        id = market.createMarket(terms, CAPACITY, 0);
        _fund(id, 100 ether);
        _stake(alice, id, 100);
        _openFails(data, abi.encodeWithSelector(IAgreement.WrongMarket.selector, offer.market));
        // Nor does it help to change what was signed.
        bytes memory signature = _sign(aliceKey);
        (offer.market, offer.terms) = (id, _termsHash());
        _openFails(abi.encode(offer, signature), abi.encodeWithSelector(IAgreement.SignatureInvalid.selector));
    }

    /// @dev The creator makes the market another requester's.
    function test_Attack_OfferReplayedByAnotherRequester() public {
        bytes memory data = _data();
        terms.requester = stranger;
        _setTerms();
        _openFails(data, abi.encodeWithSelector(IAgreement.WrongRequester.selector, requester));
        bytes memory signature = _sign(aliceKey);
        (offer.requester, offer.terms) = (stranger, _termsHash());
        _openFails(abi.encode(offer, signature), abi.encodeWithSelector(IAgreement.SignatureInvalid.selector));
    }

    function test_Attack_OfferReplayedOnAnotherChainOrContract() public {
        bytes memory data = _data();
        vm.chainId(block.chainid + 1);
        _openFails(data, abi.encodeWithSelector(IAgreement.SignatureInvalid.selector));
        vm.chainId(block.chainid - 1);
        terms.mechanism = address(new Agreement(registry, address(market)));
        _setTerms();
        _openFails(data, abi.encodeWithSelector(IAgreement.WrongTerms.selector, offer.terms));
        // Nor with the new terms in it, signed for the contract before.
        offer.terms = _termsHash();
        _openFails(_data(), abi.encodeWithSelector(IAgreement.SignatureInvalid.selector));
    }

    /// @dev Whatever the terms become, even if for the better and though the prover accepted every version: it signed for these.
    function test_Attack_OfferReplayedUnderOtherTerms() public {
        _prove(_openWith(_data()), alice);
        bytes memory data = _data();
        Terms memory signedFor = terms;
        bytes memory wrong = abi.encodeWithSelector(IAgreement.WrongTerms.selector, offer.terms);
        terms.floorBps += 1;
        vm.prank(creator);
        market.setTerms(id, signedFor, terms);
        _openFails(data, wrong);
        bytes memory signature = _sign(aliceKey);
        offer.terms = _termsHash();
        _openFails(abi.encode(offer, signature), abi.encodeWithSelector(IAgreement.SignatureInvalid.selector));
        assertEq(_openWith(_data()).prover, alice);
    }

    /// @dev A shorter window under the same price and bond, which is all that an offer without its terms would have fixed.
    function test_Attack_OfferReplayedUnderShorterWindows() public {
        bytes memory data = _data();
        (terms.fastWindow, terms.exclusiveWindow) = (0, 1);
        _setTerms();
        _openFails(data, abi.encodeWithSelector(IAgreement.WrongTerms.selector, offer.terms));
    }

    /// @dev No field can be made better than what was signed.
    function test_Attack_OfferAltered() public {
        bytes memory signature = _sign(aliceKey);
        Offer memory signed = offer;
        bytes memory error = abi.encodeWithSelector(IAgreement.SignatureInvalid.selector);
        offer.price -= 1;
        _openFails(abi.encode(offer, signature), error);
        offer = signed;
        offer.capacity += 1;
        _openFails(abi.encode(offer, signature), error);
        offer = signed;
        offer.expiry += 1;
        _openFails(abi.encode(offer, signature), error);
        offer = signed;
        offer.nonce += 1;
        _openFails(abi.encode(offer, signature), error);
        offer = signed;
        offer.prover = bob;
        _openFails(abi.encode(offer, signature), error);
    }

    /// @dev Alice has stake for ten, and offered two at once.
    function test_Attack_OfferUsedBeyondItsCapacity() public {
        Slot memory first = _openWith(_data());
        _openWith(_data());
        uint256 bonded = 2 * uint256(BOND);
        _openFails(_data(), abi.encodeWithSelector(IAgreement.CapacityReached.selector, bonded, bonded));
        // Another offer of the same size gives no more room; a bigger one does.
        offer.nonce = 301;
        _openFails(_data(), abi.encodeWithSelector(IAgreement.CapacityReached.selector, bonded, bonded));
        offer.capacity = 3;
        _openWith(_data());
        offer.capacity = 2;
        _prove(first, alice);
        _openFails(_data(), abi.encodeWithSelector(IAgreement.CapacityReached.selector, bonded, bonded));
        offer.capacity = 0;
        _openFails(_data(), abi.encodeWithSelector(IAgreement.CapacityReached.selector, bonded, 0));
    }

    /// @dev The whole capacity comes back when slots end, proven, missed or expired.
    function test_CapacityComesBack() public {
        Slot memory first = _openWith(_data());
        Slot memory second = _openWith(_data());
        vm.warp(first.exclusiveUntil);
        _prove(first, stranger);
        vm.warp(second.openedAt + EXPIRY);
        _expire(second);
        assertEq(registry.bondedOf(id, alice), 0);
        _openWith(_data());
        _openWith(_data());
    }

    // ---------------------------------------------------------------- contracts that sign

    function _wallet() private returns (Wallet wallet) {
        wallet = new Wallet(alice);
        token.mint(address(wallet), 100 * UNIT);
        wallet.execute(address(registry), abi.encodeCall(registry.register, ("")));
        wallet.execute(address(token), abi.encodeCall(token.approve, (address(registry), type(uint256).max)));
        wallet.execute(address(registry), abi.encodeCall(registry.stake, (100 * UNIT)));
        wallet.execute(address(registry), abi.encodeCall(registry.allocate, (id, 100, 100, 1, type(uint32).max)));
        offer.prover = address(wallet);
    }

    function _dataOfWallet(uint256 key) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, agreement.digestOf(offer));
        return abi.encode(offer, abi.encode(r, s, v));
    }

    function test_Erc1271Signer() public {
        Wallet wallet = _wallet();
        Slot memory slot = _openWith(_dataOfWallet(aliceKey));
        assertEq(slot.prover, address(wallet));
        _prove(slot, address(wallet));
        assertEq(market.credits(address(wallet)), 8 ether);

        wallet.execute(address(agreement), abi.encodeCall(agreement.revoke, (address(wallet), 300)));
        _openFails(_dataOfWallet(aliceKey), abi.encodeWithSelector(IAgreement.OfferRevoked.selector));
    }

    function test_Attack_Erc1271SignerDoesNotAccept() public {
        _wallet();
        (, uint256 key) = makeAddrAndKey("bob");
        _openFails(_dataOfWallet(key), abi.encodeWithSelector(IAgreement.SignatureInvalid.selector));
        // A contract that answers nothing of the kind.
        offer.prover = address(token);
        _openFails(_dataOfWallet(aliceKey), abi.encodeWithSelector(IAgreement.SignatureInvalid.selector));
    }

    // ---------------------------------------------------------------- gas

    /// @dev Whole transactions: the first of a ring's place, and on storage written before.
    /// forge-config: default.isolate = true
    function test_Gas() public {
        bytes memory data = _data();
        for (uint256 i = 0; i < 2 * CAPACITY; ++i) {
            Slot memory slot = _openWith(data);
            uint256 used = vm.lastCallGas().gasTotalUsed;
            console.log(i < CAPACITY ? "open, place never used" : "open", used);
            if (i >= CAPACITY) assertLe(used, OPEN_MAX);
            _prove(slot, alice);
        }
        Slot memory unsold = _openWith("");
        console.log("open to all", vm.lastCallGas().gasTotalUsed);
        _prove(unsold, alice);
    }
}
