// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { IBlockVerifier, VerifyingKey } from "../../src/interfaces/IBlockVerifier.sol";
import { IVerifier } from "../../src/interfaces/IVerifier.sol";
import { BlockVerifier } from "../../src/verifiers/BlockVerifier.sol";
import { BlockKey } from "./BlockKey.sol";
import { GasSweep } from "./GasSweep.sol";

/// What BlockVerifier asks is read off its call of the pairing, which is mocked: it says yes to one question, to all or to none.
contract BlockVerifierTest is GasSweep {
    uint256 internal constant P = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
    /// Order of the base field.
    uint256 internal constant Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583;

    BlockVerifier internal verifier;
    VerifyingKey internal key;

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
        key = BlockKey.read();
        verifier = new BlockVerifier(key);
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

    /// The pairing answers every call with the same bytes.
    function _pairingSays(bytes memory answer) internal {
        vm.clearMockedCalls();
        vm.mockCall(address(8), bytes(""), answer);
    }

    /// The pairing says yes to one question, the one that Groth16 asks about these inputs under this key.
    function _pairingExpects(uint256[3] memory inputs) internal {
        vm.clearMockedCalls();
        uint256[2] memory l = key.ic[0];
        for (uint256 i = 0; i < 3; ++i) {
            uint256[2] memory product = _precompile(7, abi.encodePacked(key.ic[i + 1], inputs[i]));
            l = _precompile(6, abi.encodePacked(l, product));
        }
        _pairingSays(abi.encode(false));
        bytes memory question = bytes.concat(
            _groth16Proof(),
            abi.encodePacked(key.delta[0], key.delta[1], Q - key.delta[2], Q - key.delta[3]),
            abi.encodePacked(key.alpha[0], Q - key.alpha[1], key.beta),
            abi.encodePacked(l, key.gamma[0], key.gamma[1], Q - key.gamma[2], Q - key.gamma[3])
        );
        assertEq(question.length, 4 * 6 * 32);
        vm.mockCall(address(8), question, abi.encode(true));
    }

    function _precompile(uint160 at, bytes memory input) internal view returns (uint256[2] memory) {
        (bool success, bytes memory point) = address(at).staticcall(input);
        assertTrue(success);
        return abi.decode(point, (uint256[2]));
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
        _pairingExpects([s.c, _challenge(s), _sum(s)]);
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

    // ------------------------------------------------------------------ what the pairing is asked

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
            uint256[3] memory asked;
            asked[0] = vm.parseJsonUint(json, string.concat(at, "C"));
            asked[1] = vm.parseJsonUint(json, string.concat(at, "r"));
            asked[2] = vm.parseJsonUint(json, string.concat(at, "y"));
            _pairingExpects(asked);
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

    function test_RejectsValuesOutsideTheField() public {
        _pairingSays(abi.encode(true));
        uint256[4] memory places = [uint256(0), 1, 3, 5];
        uint256[3] memory values = [P, P + 1, type(uint256).max];
        for (uint256 i = 0; i < places.length; ++i) {
            for (uint256 j = 0; j < values.length; ++j) {
                Statement memory s = _example(155);
                uint256[] memory inputs = _inputs(s);
                assertTrue(verifier.verify(inputs, _proof(s)));
                inputs[places[i]] = values[j];
                assertFalse(verifier.verify(inputs, _proof(s)));
                inputs = _inputs(s);
                s.c = values[j];
                assertFalse(verifier.verify(inputs, _proof(s)));
            }
        }
    }

    function test_RejectsAnOutcomeThatIsNoBit() public {
        _pairingSays(abi.encode(true));
        uint256[3] memory values = [uint256(2), P, type(uint256).max];
        for (uint256 i = 0; i < values.length; ++i) {
            Statement memory s = _example(155);
            s.correct = values[i];
            assertFalse(verifier.verify(_inputs(s), _proof(s)));
        }
    }

    function testFuzz_RejectsOtherData(uint256 i, uint8 change) public {
        _pairingSays(abi.encode(true));
        Statement memory s = _example(155);
        uint256[] memory inputs = _inputs(s);
        vm.assume(change != 0);
        i = bound(i, 0, 154);
        s.data[i] ^= bytes1(change);
        assertFalse(verifier.verify(inputs, _proof(s)));
    }

    function test_RejectsDataWithMoreOrFewerBytes() public {
        _pairingSays(abi.encode(true));
        Statement memory s = _example(155);
        uint256[] memory inputs = _inputs(s);
        s.data = bytes.concat(s.data, hex"00");
        assertFalse(verifier.verify(inputs, _proof(s)));
        s = _example(154);
        assertFalse(verifier.verify(inputs, _proof(s)));
    }

    function test_RejectsAWrongNumberOfInputs() public {
        _pairingSays(abi.encode(true));
        Statement memory s = _example(155);
        uint256[] memory right = _inputs(s);
        for (uint256 length = 0; length < 9; ++length) {
            uint256[] memory inputs = new uint256[](length);
            for (uint256 i = 0; i < length && i < 6; ++i) {
                inputs[i] = right[i];
            }
            assertEq(verifier.verify(inputs, _proof(s)), length == 6);
        }
    }

    function test_RejectsAProofTooShortForAProof() public {
        _pairingSays(abi.encode(true));
        Statement memory s = _example(0);
        uint256[] memory inputs = _inputs(s);
        bytes memory proof = _proof(s);
        assertEq(proof.length, 288);
        assertTrue(verifier.verify(inputs, proof));
        for (uint256 length = 0; length < 288; length += 41) {
            assertFalse(verifier.verify(inputs, new bytes(length)));
        }
        assertFalse(verifier.verify(inputs, new bytes(287)));
    }

    // ------------------------------------------------------------------ the proof

    function _fixture() internal view returns (uint256[] memory inputs, bytes memory proof) {
        string memory json = vm.readFile("tests/vectors/block_proof.json");
        return (vm.parseJsonUintArray(json, ".publicInputs"), vm.parseJsonBytes(json, ".proof"));
    }

    function test_AcceptsAProvenBlock() public view {
        (uint256[] memory inputs, bytes memory proof) = _fixture();
        assertTrue(verifier.verify(inputs, proof));
    }

    function test_RejectsAProofOfAnotherKey() public {
        VerifyingKey memory other = key;
        (other.ic[1], other.ic[2]) = (other.ic[2], other.ic[1]);
        (uint256[] memory inputs, bytes memory proof) = _fixture();
        assertFalse(new BlockVerifier(other).verify(inputs, proof));
    }

    function testFuzz_RejectsAChangedProof(uint256 i, uint256 word) public view {
        (uint256[] memory inputs, bytes memory proof) = _fixture();
        bytes32 before = keccak256(proof);
        _setWord(proof, bound(i, 0, 7), word);
        vm.assume(keccak256(proof) != before);
        assertFalse(verifier.verify{ gas: 400_000 }(inputs, proof));
    }

    /// Infinity is refused before the pairing sees it, not by the pairing's outcome.
    function test_RejectsPointsAtInfinity() public {
        _pairingSays(abi.encode(true));
        uint256[2][3] memory points = [[uint256(0), 2], [uint256(2), 4], [uint256(6), 2]];
        for (uint256 i = 0; i < points.length; ++i) {
            (uint256[] memory inputs, bytes memory proof) = _fixture();
            assertTrue(verifier.verify(inputs, proof));
            for (uint256 j = 0; j < points[i][1]; ++j) {
                _setWord(proof, points[i][0] + j, 0);
            }
            assertFalse(verifier.verify(inputs, proof));
        }
    }

    function _setWord(bytes memory data, uint256 i, uint256 word) internal pure {
        assembly ("memory-safe") {
            mstore(add(add(data, 0x20), mul(i, 0x20)), word)
        }
    }

    // ------------------------------------------------------------------ precompiles

    function test_SaysFalseWhateverElseThePairingSays() public {
        Statement memory s = _example(155);
        uint256[] memory inputs = _inputs(s);
        bytes memory proof = _proof(s);
        bytes[6] memory answers = [
            abi.encode(false),
            abi.encode(uint256(2)),
            abi.encode(type(uint256).max),
            bytes(""),
            new bytes(31),
            abi.encodePacked(abi.encode(true), true)
        ];
        for (uint256 i = 0; i < answers.length; ++i) {
            _pairingSays(answers[i]);
            assertFalse(verifier.verify(inputs, proof));
        }
        vm.mockCallRevert(address(8), bytes(""), abi.encode(true));
        assertFalse(verifier.verify(inputs, proof));
        _pairingSays(abi.encode(true));
        assertTrue(verifier.verify(inputs, proof));
    }

    function test_SaysFalseWhenEcAddOrEcMulFails() public {
        Statement memory s = _example(155);
        uint256[] memory inputs = _inputs(s);
        bytes memory proof = _proof(s);
        for (uint160 precompile = 6; precompile <= 7; ++precompile) {
            _pairingSays(abi.encode(true));
            vm.mockCall(address(precompile), bytes(""), new bytes(63));
            assertFalse(verifier.verify(inputs, proof));
            vm.mockCallRevert(address(precompile), bytes(""), new bytes(64));
            assertFalse(verifier.verify(inputs, proof));
        }
    }

    // ------------------------------------------------------------------ the key

    function test_SaysTheHashOfItsKey() public view {
        // As `key_hash` of crates/proving has it.
        string memory json = vm.readFile("tests/vectors/block_proof.json");
        assertEq(verifier.keyHash(), vm.parseJsonBytes32(json, ".keyHash"));
    }

    /// Word `i` of the key is `word`: the constructor reverts with `error`.
    function _assertRefused(uint256 i, uint256 word, bytes4 error) internal {
        bytes memory words = abi.encode(key);
        _setWord(words, i, word);
        _assertRefused(words, error);
    }

    function _assertRefused(bytes memory words, bytes4 error) internal {
        VerifyingKey memory bad = abi.decode(words, (VerifyingKey));
        vm.expectRevert(error);
        this.deploy{ gas: 3_000_000 }(bad);
    }

    function deploy(VerifyingKey memory key_) external {
        new BlockVerifier(key_);
    }

    function test_RevertNew_WhenAPointOfTheKeyIsOffItsCurve() public {
        bytes memory words = abi.encode(key);
        for (uint256 i = 0; i < 22; ++i) {
            uint256 word;
            assembly ("memory-safe") {
                word := mload(add(words, mul(0x20, add(i, 1))))
            }
            _assertRefused(i, word ^ 1, IBlockVerifier.KeyPointNotInGroup.selector);
            _assertRefused(i, word + Q, IBlockVerifier.KeyPointNotInGroup.selector);
        }
    }

    function test_RevertNew_WhenAPointOfTheKeyIsOutsideItsSubgroup() public {
        uint256[] memory outside =
            vm.parseJsonUintArray(vm.readFile("tests/vectors/groth16_k1.json"), ".outside_subgroup");
        for (uint256 point = 2; point < 14; point += 4) {
            bytes memory words = abi.encode(key);
            for (uint256 i = 0; i < 4; ++i) {
                _setWord(words, point + i, outside[i]);
            }
            _assertRefused(words, IBlockVerifier.KeyPointNotInGroup.selector);
        }
    }

    function test_RevertNew_WhenAPointOfTheKeyIsAtInfinity() public {
        uint8[9] memory starts = [0, 2, 6, 10, 14, 16, 18, 20, 22];
        for (uint256 point = 0; point < 8; ++point) {
            bytes memory words = abi.encode(key);
            for (uint256 i = starts[point]; i < starts[point + 1]; ++i) {
                _setWord(words, i, 0);
            }
            _assertRefused(words, IBlockVerifier.KeyPointAtInfinity.selector);
        }
    }

    function test_RevertNew_WhenPointsOfTheKeyAreTheSameUpToSign() public {
        VerifyingKey memory good = key;
        bytes4 error = IBlockVerifier.KeyPointsRelated.selector;
        uint256[4][3] memory points = [good.beta, good.gamma, good.delta];
        for (uint256 i = 0; i < 3; ++i) {
            uint256[4] memory negated = [points[i][0], points[i][1], Q - points[i][2], Q - points[i][3]];
            VerifyingKey memory bad = abi.decode(abi.encode(good), (VerifyingKey));
            if (i != 2) bad.delta = points[i];
            else bad.beta = points[i];
            _assertRefused(abi.encode(bad), error);
            bad = abi.decode(abi.encode(good), (VerifyingKey));
            if (i != 1) bad.gamma = negated;
            else bad.beta = negated;
            _assertRefused(abi.encode(bad), error);
        }
        for (uint256 i = 1; i < 4; ++i) {
            VerifyingKey memory bad = abi.decode(abi.encode(good), (VerifyingKey));
            bad.ic[i] = good.ic[i % 3 + 1];
            _assertRefused(abi.encode(bad), error);
            bad.ic[i][1] = Q - bad.ic[i][1];
            _assertRefused(abi.encode(bad), error);
        }
    }

    /// A good key is not called a bad one because gas was lacking.
    function test_RevertNew_WhenGasIsLacking_SaysNothingOfTheKey() public {
        VerifyingKey memory good = key;
        uint256 named;
        for (uint256 gas_ = 40_000; gas_ < 1_500_000; gas_ += gas_ < 400_000 ? 1009 : 20_011) {
            try this.deploy{ gas: gas_ }(good) { }
            catch (bytes memory reason) {
                assertNotEq(bytes4(reason), IBlockVerifier.KeyPointNotInGroup.selector);
                if (bytes4(reason) == IVerifier.InsufficientGas.selector) ++named;
            }
        }
        assertGt(named, 50);
        this.deploy{ gas: 1_500_000 }(good);
    }

    // ------------------------------------------------------------------ gas

    function test_RevertVerify_WhenGasIsLacking_NeverFalseOfAValidProof() public view {
        (uint256[] memory inputs, bytes memory proof) = _fixture();
        assertTrue(verifier.verify(inputs, proof));
        _assertRevertsOrAccepts(verifier, inputs, proof, vm.lastCallGas().gasTotalUsed);
    }

    function test_RejectsAMalformedProof_WithEnoughGas() public view {
        (uint256[] memory inputs, bytes memory proof) = _fixture();
        proof[0] ^= 0x01;
        _assertRevertsOrRefuses(verifier, inputs, proof, 230_000);
        proof[0] ^= 0x01;
        proof[287] ^= 0x01; // C: well formed, and not what was proven
        _assertRevertsOrRefuses(verifier, inputs, proof, 230_000);
    }

    /// What a block of 8 transfers costs on top of the precompiles, which are not metered here.
    function test_GasAroundThePrecompiles() public {
        uint256 one = _gas(31 + 124);
        uint256 eight = _gas(31 + 124 * 8);
        emit log_named_uint("1 transfer", one);
        emit log_named_uint("8 transfers", eight);
        emit log_named_uint("per chunk of 31 bytes", (eight - one) / 28);
        assertLe(eight - one, 28 * 70);
        assertLe(one, 2450);
    }

    /// Gas inside the call, less the calls of precompiles. Mocked calls cost 100 gas each, as real ones do on top of their price.
    function _gas(uint256 length) internal returns (uint256) {
        Statement memory s = _example(length);
        _expect(s);
        assertTrue(verifier.verify(_inputs(s), _proof(s)));
        return vm.lastCallGas().gasTotalUsed - 3 * 6150 - 7 * 100;
    }
}
