// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IBlockVerifier } from "../../src/interfaces/IBlockVerifier.sol";
import { IVerifier } from "../../src/interfaces/IVerifier.sol";
import { BlockVerifier } from "../../src/verifiers/BlockVerifier.sol";
import { Test } from "forge-std/Test.sol";

/// Says yes to exactly one call.
contract ExpectingVerifier is IVerifier {
    bytes32 internal expected;

    function expect(uint256[] memory publicInputs, bytes memory proof) external {
        expected = keccak256(abi.encode(publicInputs, proof));
    }

    function verify(uint256[] calldata publicInputs, bytes calldata proof) external view returns (bool) {
        return keccak256(abi.encode(publicInputs, proof)) == expected;
    }
}

/// Answers every call with the same bytes.
contract FixedVerifier {
    bytes internal answer;
    bool internal fails;

    constructor(bytes memory answer_, bool fails_) {
        (answer, fails) = (answer_, fails_);
    }

    fallback() external {
        bytes memory said = answer;
        bool failing = fails;
        assembly ("memory-safe") {
            if failing { revert(add(said, 0x20), mload(said)) }
            return(add(said, 0x20), mload(said))
        }
    }
}

contract BlockVerifierTest is Test {
    uint256 internal constant P = 21888242871839275222246405745257275088548364400416034343698204186575808495617;

    ExpectingVerifier internal groth16;
    BlockVerifier internal verifier;
    BlockVerifier internal credulous;

    struct Statement {
        uint256 oldRoot;
        uint256 newRoot;
        uint256 domain;
        uint256 correct;
        uint256 payee;
        uint256 c;
        bytes data;
    }

    function setUp() public {
        groth16 = new ExpectingVerifier();
        verifier = new BlockVerifier(groth16);
        credulous = _over(abi.encode(true), false);
    }

    // ------------------------------------------------------------------ the reference: as the interface words it

    function _challenge(Statement memory s) internal pure returns (uint256) {
        return uint256(
            keccak256(abi.encodePacked(s.c, s.payee, s.domain, s.oldRoot, s.newRoot, s.correct, keccak256(s.data)))
        ) >> 8;
    }

    function _coefficients(Statement memory s) internal pure returns (uint256[] memory m) {
        uint256 chunks = (s.data.length + 30) / 31;
        m = new uint256[](5 + chunks);
        (m[0], m[1], m[2], m[3], m[4]) = (s.payee, s.domain, s.oldRoot, s.newRoot, s.correct);
        for (uint256 i = 0; i < chunks * 31; ++i) {
            uint256 value = i < s.data.length ? uint8(s.data[i]) : 0;
            m[5 + i / 31] = m[5 + i / 31] * 256 + value;
        }
    }

    function _sum(Statement memory s) internal pure returns (uint256 y) {
        uint256[] memory m = _coefficients(s);
        uint256 r = _challenge(s);
        uint256 power = 1;
        for (uint256 i = 0; i < m.length; ++i) {
            y = addmod(y, mulmod(m[i], power, P), P);
            power = mulmod(power, r, P);
        }
    }

    // ------------------------------------------------------------------ helpers

    function _over(bytes memory answer, bool fails) internal returns (BlockVerifier) {
        return new BlockVerifier(IVerifier(address(new FixedVerifier(answer, fails))));
    }

    function _groth16Proof() internal pure returns (bytes memory proof) {
        for (uint256 i = 0; i < 8; ++i) {
            proof = bytes.concat(proof, keccak256(abi.encode(i)));
        }
    }

    function _inputs(Statement memory s) internal pure returns (uint256[] memory inputs) {
        inputs = new uint256[](6);
        (inputs[0], inputs[1], inputs[2]) = (s.oldRoot, s.newRoot, uint256(keccak256(s.data)));
        (inputs[3], inputs[4], inputs[5]) = (s.domain, s.correct, s.payee);
    }

    function _proof(Statement memory s) internal pure returns (bytes memory) {
        return abi.encodePacked(_groth16Proof(), s.c, s.data);
    }

    function _expect(Statement memory s) internal {
        uint256[] memory inputs = new uint256[](3);
        (inputs[0], inputs[1], inputs[2]) = (s.c, _challenge(s), _sum(s));
        groth16.expect(inputs, _groth16Proof());
    }

    function _bounded(Statement memory s) internal pure returns (Statement memory) {
        s.oldRoot %= P;
        s.newRoot %= P;
        s.domain %= P;
        s.payee %= P;
        s.c %= P;
        s.correct %= 2;
        return s;
    }

    function _example(uint256 length) internal pure returns (Statement memory s) {
        s = Statement({
            oldRoot: 11, newRoot: P - 1, domain: 31_337, correct: 1, payee: uint160(0xbeef), c: P - 2, data: ""
        });
        s.data = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            s.data[i] = bytes1(uint8(i * 37 + 255));
        }
    }

    // ------------------------------------------------------------------ what the Groth16 verifier is asked

    function testFuzz_AsksAboutTheReferencesInputs(Statement memory s) public {
        s = _bounded(s);
        _expect(s);
        assertTrue(verifier.verify(_inputs(s), _proof(s)));
    }

    /// Every remainder of the last chunk and of the groups of four.
    function test_AsksAboutTheReferencesInputs_AtEveryLength() public {
        for (uint256 length = 0; length <= 31 * 9 + 1; ++length) {
            Statement memory s = _example(length);
            _expect(s);
            assertTrue(verifier.verify(_inputs(s), _proof(s)));
        }
    }

    /// Coefficients as large as they get leave no carry behind.
    function test_AsksAboutTheReferencesInputs_AtTheLargestValues() public {
        Statement memory s = _example(31 * 13);
        (s.oldRoot, s.newRoot, s.domain, s.payee, s.c) = (P - 1, P - 1, P - 1, P - 1, P - 1);
        for (uint256 i = 0; i < s.data.length; ++i) {
            s.data[i] = 0xff;
        }
        _expect(s);
        assertTrue(verifier.verify(_inputs(s), _proof(s)));
    }

    /// A prover cannot use another's proof: with another payee, r and y are others.
    function testFuzz_OfAnotherPayeeIsAnotherQuestion(Statement memory s, uint256 payee) public {
        s = _bounded(s);
        payee %= P;
        vm.assume(payee != s.payee);
        _expect(s);
        s.payee = payee;
        assertFalse(verifier.verify(_inputs(s), _proof(s)));
    }

    function testFuzz_OfAnotherInputIsAnotherQuestion(Statement memory s, uint256 i, uint256 value) public {
        s = _bounded(s);
        i = bound(i, 0, 5);
        _expect(s);
        uint256[] memory inputs = _inputs(s);
        vm.assume(inputs[i] != value);
        inputs[i] = value;
        assertFalse(verifier.verify(inputs, _proof(s)));
    }

    function test_ZerosAtTheEndChangeOnlyTheChallenge() public pure {
        Statement memory s = _example(100);
        Statement memory padded = _example(100);
        padded.data = bytes.concat(padded.data, new bytes(300));
        uint256[] memory m = _coefficients(s);
        uint256[] memory n = _coefficients(padded);
        for (uint256 i = 0; i < n.length; ++i) {
            assertEq(n[i], i < m.length ? m[i] : 0);
        }
        assertNotEq(_challenge(s), _challenge(padded));
    }

    /// The circuit's own computation of r and y (crates/circuits).
    function test_AsksAboutTheCircuitsInputs() public {
        string memory json = vm.readFile("tests/vectors/block_statement.json");
        uint256 cases;
        for (; vm.keyExistsJson(json, string.concat("$[", vm.toString(cases), "]")); ++cases) {
            string memory at = string.concat("$[", vm.toString(cases), "].");
            uint256[] memory asked = new uint256[](3);
            asked[0] = vm.parseJsonUint(json, string.concat(at, "C"));
            asked[1] = vm.parseJsonUint(json, string.concat(at, "r"));
            asked[2] = vm.parseJsonUint(json, string.concat(at, "y"));
            groth16.expect(asked, _groth16Proof());
            bytes memory data = vm.parseJsonBytes(json, string.concat(at, "data"));
            assertTrue(
                verifier.verify(
                    vm.parseJsonUintArray(json, string.concat(at, "publicInputs")),
                    abi.encodePacked(_groth16Proof(), asked[0], data)
                )
            );
        }
        assertGe(cases, 3);
    }

    // ------------------------------------------------------------------ malformed: false before anyone is asked

    function test_RejectsValuesOutsideTheField() public view {
        uint256[4] memory places = [uint256(0), 1, 3, 5];
        uint256[3] memory values = [P, P + 1, type(uint256).max];
        for (uint256 i = 0; i < places.length; ++i) {
            for (uint256 j = 0; j < values.length; ++j) {
                Statement memory s = _example(155);
                uint256[] memory inputs = _inputs(s);
                assertTrue(credulous.verify(inputs, _proof(s)));
                inputs[places[i]] = values[j];
                assertFalse(credulous.verify(inputs, _proof(s)));
                inputs = _inputs(s);
                s.c = values[j];
                assertFalse(credulous.verify(inputs, _proof(s)));
            }
        }
    }

    function test_RejectsAnOutcomeThatIsNoBit() public view {
        uint256[3] memory values = [uint256(2), P, type(uint256).max];
        for (uint256 i = 0; i < values.length; ++i) {
            Statement memory s = _example(155);
            s.correct = values[i];
            assertFalse(credulous.verify(_inputs(s), _proof(s)));
        }
    }

    function testFuzz_RejectsOtherData(uint256 i, uint8 change) public view {
        Statement memory s = _example(155);
        uint256[] memory inputs = _inputs(s);
        vm.assume(change != 0);
        i = bound(i, 0, 154);
        s.data[i] ^= bytes1(change);
        assertFalse(credulous.verify(inputs, _proof(s)));
    }

    function test_RejectsDataWithMoreOrFewerBytes() public view {
        Statement memory s = _example(155);
        uint256[] memory inputs = _inputs(s);
        s.data = bytes.concat(s.data, hex"00");
        assertFalse(credulous.verify(inputs, _proof(s)));
        s = _example(154);
        assertFalse(credulous.verify(inputs, _proof(s)));
    }

    function test_RejectsAWrongNumberOfInputs() public view {
        Statement memory s = _example(155);
        uint256[] memory right = _inputs(s);
        for (uint256 length = 0; length < 9; ++length) {
            uint256[] memory inputs = new uint256[](length);
            for (uint256 i = 0; i < length && i < 6; ++i) {
                inputs[i] = right[i];
            }
            assertEq(credulous.verify(inputs, _proof(s)), length == 6);
        }
    }

    function test_RejectsAProofTooShortForAProof() public view {
        Statement memory s = _example(0);
        uint256[] memory inputs = _inputs(s);
        bytes memory proof = _proof(s);
        assertEq(proof.length, 288);
        assertTrue(credulous.verify(inputs, proof));
        for (uint256 length = 0; length < 288; length += 41) {
            assertFalse(credulous.verify(inputs, new bytes(length)));
        }
        assertFalse(credulous.verify(inputs, new bytes(287)));
    }

    // ------------------------------------------------------------------ the Groth16 verifier's answer

    function test_SaysFalseWhateverElseTheGroth16VerifierSays() public {
        Statement memory s = _example(155);
        uint256[] memory inputs = _inputs(s);
        bytes memory proof = _proof(s);
        assertFalse(_over(abi.encode(false), false).verify(inputs, proof));
        assertFalse(_over(abi.encode(uint256(2)), false).verify(inputs, proof));
        assertFalse(_over(abi.encode(uint256(3)), false).verify(inputs, proof));
        assertFalse(_over("", false).verify(inputs, proof));
        assertFalse(
            _over(hex"00000000000000000000000000000000000000000000000000000000000001", false).verify(inputs, proof)
        );
        assertFalse(_over(abi.encode(true), true).verify(inputs, proof));
        assertTrue(_over(abi.encode(true), false).verify(inputs, proof));
    }

    function test_RevertNew_WhenGroth16VerifierHasNoCode() public {
        address none = makeAddr("none");
        vm.expectRevert(abi.encodeWithSelector(IBlockVerifier.Groth16VerifierHasNoCode.selector, none));
        new BlockVerifier(IVerifier(none));
    }

    function test_NamesItsGroth16Verifier() public view {
        assertEq(address(verifier.groth16()), address(groth16));
    }

    // ------------------------------------------------------------------ gas

    /// What a block of 8 transfers costs on top of the Groth16 verifier, which answers at once here.
    function test_GasAroundTheGroth16Verifier() public {
        uint256 one = _gas(31 + 124);
        uint256 eight = _gas(31 + 124 * 8);
        emit log_named_uint("1 transfer", one);
        emit log_named_uint("8 transfers", eight);
        emit log_named_uint("per chunk of 31 bytes", (eight - one) / 28);
        assertLe(eight - one, 28 * 70);
        assertLe(one, 2150);
    }

    /// Gas inside the call, less what the inner call takes.
    function _gas(uint256 length) internal returns (uint256) {
        Statement memory s = _example(length);
        // PUSH1 1 PUSH0 MSTORE PUSH1 0x20 PUSH0 RETURN: says true for 16 gas.
        address yes = makeAddr("yes");
        vm.etch(yes, hex"60015f5260205ff3");
        BlockVerifier over = new BlockVerifier(IVerifier(yes));
        assertTrue(over.verify(_inputs(s), _proof(s)));
        return vm.lastCallGas().gasTotalUsed - 16;
    }
}
