// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @title What can be proven
/// @notice Anyone registers a circuit: a verifier contract, the hash of its verifying key, the hash of the descriptor that says where
/// every input comes from. Nobody approves it, and nothing registered can be changed.
///
/// A registration runs a sample through the verifier, each call with `VERIFY_GAS`: the proof must be accepted, and must not be
/// accepted for any statement with one input altered (the first six, and the last), nor altered itself. A transaction has to have room for all
/// of these calls: with EIP-7825's 16,777,216 gas a verifier may take some 1.5 million. What that cannot show: that the verifier answers
/// rightly for other proofs, or that the circuit states what its descriptor says. Those are for `provery circuit check`, and for
/// whoever stakes on it.
///
/// **The payee.** A circuit that binds the payee has it as its last public input, and a proof for one payee is no proof for another.
/// Where the author does not claim that, the payee is no input of the verifier, and markets of the circuit take proofs by commitment
/// and reveal (`IProofMarket.prove`). The claim is refused if the sample's proof is accepted for another payee; whether the
/// circuit's constraints use the payee anybody can look up in its artifacts.
///
/// **Code that may change.** A verifier is called by its address. `codeMayChange` marks one that can delegate to other code or destroy
/// itself, as proxies do. What a verifier asks other contracts is not looked at: an adapter to a system with a gateway of its
/// own is as fixed as that gateway.
interface ICircuitRegistry {
    /// @param verifier Contract behind IVerifier.
    /// @param proofSystem A short string: "groth16", "plonk", "fflonk", "halo2", "sp1", "risc0", or another.
    /// @param verifierInterface A short string: what the contract that checks the proofs speaks, behind IVerifier if it is not that itself.
    /// @param keyHash Hash of the verifying key. A verifier that tells its own (IKeyed) must tell this one.
    /// @param descriptorHash sha256 of the descriptor's bytes.
    /// @param development The key comes from a setup whose secrets are known: worthless outside a development chain.
    /// @param payeeBound The last public input is the payee, and proofs are bound to it.
    /// @param royaltyBps Share of every reward, in bps, for the sender; at most MAX_ROYALTY_BPS.
    /// @param uri Where the descriptor can be fetched; no part of the circuit's id.
    struct Registration {
        address verifier;
        bytes32 proofSystem;
        bytes32 verifierInterface;
        bytes32 keyHash;
        bytes32 descriptorHash;
        bool development;
        bool payeeBound;
        uint16 royaltyBps;
        string uri;
    }

    /// @param publicInputs As the verifier takes them, with the payee if it is bound.
    /// @param proof As the verifier takes it.
    struct Sample {
        uint256[] publicInputs;
        bytes proof;
    }

    /// @param verifier Contract behind IVerifier.
    /// @param royaltyBps Share of every reward, in bps, for `author`.
    /// @param development See Registration.
    /// @param payeeBound See Registration.
    /// @param keyChecked The verifier told `keyHash` itself when the circuit was registered.
    /// @param codeMayChange The verifier's code can delegate to other code, or destroy itself.
    /// @param inputs How many public inputs the verifier takes.
    /// @param author Who registered it; no more than who gets the royalty.
    /// @param proofSystem See Registration.
    /// @param verifierInterface See Registration.
    /// @param keyHash See Registration.
    /// @param descriptorHash See Registration.
    /// @param codeHash The verifier's code hash at registration.
    struct Circuit {
        address verifier;
        uint16 royaltyBps;
        bool development;
        bool payeeBound;
        bool keyChecked;
        bool codeMayChange;
        uint32 inputs;
        address author;
        bytes32 proofSystem;
        bytes32 verifierInterface;
        bytes32 keyHash;
        bytes32 descriptorHash;
        bytes32 codeHash;
    }

    /// @notice A circuit was registered.
    /// @param uri Where the descriptor can be fetched.
    event CircuitRegistered(
        bytes32 indexed circuit, address indexed verifier, address indexed author, Circuit registered, string uri
    );

    /// @notice The same circuit was registered before.
    error CircuitExists(bytes32 circuit);
    /// @notice No circuit has this id.
    error CircuitNotFound(bytes32 circuit);
    /// @notice The verifier is not a contract (an account that delegates its code is none: it can change its mind).
    error VerifierHasNoCode(address verifier);
    /// @notice The verifier tells another hash of its key.
    error KeyHashMismatch(bytes32 registered, bytes32 told);
    /// @notice A royalty is at most `max` bps.
    error RoyaltyTooHigh(uint256 max);
    /// @notice The verifier does not accept the sample's proof within VERIFY_GAS.
    error SampleRejected();
    /// @notice The verifier accepts the sample's proof although public input `index` is another: it is not bound by the proof.
    error InputNotBound(uint256 index);
    /// @notice The verifier accepts the sample's proof for another payee; register the circuit with `payeeBound` false, and a verifier
    /// that does not take the payee.
    error PayeeNotBound();
    /// @notice The sample has no payee: the last public input of a circuit that binds it is an address above zero.
    error SampleWithoutPayee();
    /// @notice The verifier accepts an altered proof.
    error AlteredProofAccepted();
    /// @notice A sample has at least one public input, at most MAX_INPUTS, and a proof.
    error SampleInvalid();
    /// @notice Too little gas for the verifier to be given VERIFY_GAS.
    error InsufficientGas();

    /// @notice Register a circuit; the sender is its author.
    /// @return circuit keccak256 of the ABI encoding of the sender and every field of `registration` but the URI, in order.
    function register(Registration calldata registration, Sample calldata sample) external returns (bytes32 circuit);

    /// @notice A registered circuit; reverts with `CircuitNotFound` otherwise.
    function circuitOf(bytes32 circuit) external view returns (Circuit memory);

    /// @notice Gas that each call of a verifier is given at registration: one that needs more is refused.
    function VERIFY_GAS() external view returns (uint256);

    /// @notice The highest royalty, in bps.
    function MAX_ROYALTY_BPS() external view returns (uint256);

    /// @notice The most public inputs of a sample.
    function MAX_INPUTS() external view returns (uint256);
}
