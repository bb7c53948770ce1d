//! A proof system that no client of ours proves: snarkjs' PLONK, by a real proof, under every mechanism.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::{
    primitives::{B256, Bytes, U256, hex},
    sol,
    sol_types::{SolEvent as _, SolValue as _},
};
use eyre::{OptionExt as _, Result, bail, ensure};
use provery_bindings::{CircuitRegistry::CircuitRegistered, Registration, Sample};
use provery_mechanisms::{Mechanism, registry};
use provery_tests::{Town, compiled_adapter};
use provery_types::Deployment;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::sleep;

/// Tries before the test gives up, each two minutes of the chain's time after the other.
const TRIES: u32 = 12;
/// With this much gas the verifier suffices for any proof.
const VERIFIER_GAS: u64 = 400_000;

sol! {
    function keyHash() external view returns (bytes32);
}

/// A proof of `sample.circom` and the verifier that snarkjs generated: public inputs are x, a payee and the output.
#[derive(Deserialize)]
struct Fixture {
    inputs: Vec<U256>,
    proof: Bytes,
    code: Bytes,
}

impl Fixture {
    fn read() -> Result<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/proofs/plonk.json");
        let mut fixture: Self = serde_json::from_slice(&fs::read(path)?)?;
        // Whom the proof names is a part of the statement here: the circuit is registered as one that binds no payee, so that this
        // proof is good for whoever shows it, after a commitment.
        fixture.inputs.swap(1, 2);
        Ok(fixture)
    }

    /// Deploy the verifier and its adapter, and register them.
    async fn register(&self, town: &Town) -> Result<String> {
        let deployment = Deployment::from_json(&fs::read_to_string(town.provery.deployment())?)?;
        let sender = town.anvil.sender(1).await?;
        let chain = provery_rpc::Chain::connect(sender.rpc().clone(), deployment).await?;
        let (inner, _) = sender.deploy(&self.code, &[]).await?;
        let adapter = hex::decode(compiled_adapter("verifiers/adapters/SnarkjsPlonkAdapter.sol")?)?;
        let three = U256::from(self.inputs.len());
        let arguments = (inner, three, U256::from(1), false, U256::from(VERIFIER_GAS)).abi_encode_params();
        let (verifier, _) = sender.deploy(&adapter, &arguments).await?;
        let registration = Registration {
            verifier,
            proofSystem: word("plonk"),
            verifierInterface: word("snarkjs"),
            keyHash: chain.ask(verifier, &keyHashCall {}).await?,
            descriptorHash: B256::repeat_byte(7),
            development: true,
            payeeBound: false,
            ..Registration::default()
        };
        let sample = Sample { publicInputs: self.inputs.clone(), proof: self.proof.clone() };
        let mined = sender.send(chain.calls().register_circuit(registration, sample)).await?;
        let log = mined.logs.first().ok_or_eyre("registering a circuit logged nothing")?;
        Ok(CircuitRegistered::decode_log(&log.inner)?.circuit.to_string())
    }
}

/// A short string.
fn word(text: &str) -> B256 {
    let mut word = B256::ZERO;
    word[..text.len()].copy_from_slice(text.as_bytes());
    word
}

/// The prover's side of a market, before a slot opens; what opening it takes.
async fn enter(town: &Town, mechanism: &dyn Mechanism, market: &str) -> Result<Vec<String>> {
    let (provery, key) = (&town.provery, Some(town.prover.as_str()));
    provery.ok(key, &["prover", "allocate", "--market", market, "--units", "20"]).await?;
    if mechanism.wants_deposit() {
        let deposit = ["prover", "deposit", "--mechanism", mechanism.word(), "--amount", "20"];
        provery.ok(key, &deposit).await?;
    }
    if mechanism.wants_offer() {
        let offer = ["prover", "offer", "sign", "--market", market, "--price", "9", "--capacity", "1"];
        provery.ok(key, &[&offer[..], &["--out", "offer.json"]].concat()).await?;
        return Ok(vec!["--offer".into(), "offer.json".into()]);
    }
    if mechanism.word() == "asks" {
        // What was allocated counts from an epoch on.
        town.pass(130).await?;
        let ask =
            ["prover", "ask", "post", "--market", market, "--price", "9", "--seconds", "180", "--slots", "1"];
        provery.ok(key, &ask).await?;
    }
    Ok(Vec::new())
}

/// Hand the proof in once the prover may.
async fn submit(town: &Town, market: &str) -> Result<Value> {
    let mining = async {
        loop {
            sleep(Duration::from_millis(100)).await;
            if let Err(error) = town.anvil.mine(1).await {
                return error;
            }
        }
    };
    let submitting = async {
        let submit =
            ["slot", "submit", "1", "--market", market, "--public", "public.json", "--proof", "proof.hex"];
        for _ in 0..TRIES {
            let said = town.provery.run(Some(&town.prover), &submit).await?;
            if said.code == 0 {
                return Ok(said.json);
            }
            ensure!(said.json["error"]["code"] == "not_ready", "{} {}", said.json, said.stderr);
            town.pass(120).await?;
        }
        bail!("the slot of market {market} never opened to its prover")
    };
    tokio::select! {
        paid = submitting => paid,
        error = mining => Err(error),
    }
}

#[tokio::test]
async fn a_plonk_proof_settles_a_slot_of_every_mechanism() -> Result<()> {
    let town = Town::build().await?;
    let provery = &town.provery;
    let fixture = Fixture::read()?;
    let circuit = fixture.register(&town).await?;
    let numbers: Vec<String> = fixture.inputs.iter().map(U256::to_string).collect();
    let at = |name: &str| -> PathBuf { provery.dir.path().join(name) };
    fs::write(at("public.json"), serde_json::to_vec(&numbers)?)?;
    fs::write(at("proof.hex"), fixture.proof.to_string())?;
    let (requester, prover) = (Some(town.deployer.as_str()), Some(town.prover.as_str()));
    provery.ok(requester, &["token", "mint", "--amount", "100"]).await?;
    provery.ok(prover, &["token", "mint", "--amount", "400"]).await?;
    provery.ok(prover, &["prover", "stake", "--amount", "150"]).await?;

    let mut held = BTreeMap::new();
    for mechanism in registry() {
        let choices = mechanism.sample().iter().flat_map(|option| ["--mechanism-option", *option]);
        let create =
            ["market", "create", "--circuit", &circuit, "--outputs", "1", "--mechanism", mechanism.word()];
        let worth =
            ["--price", "10", "--bond", "12", "--fast", "100", "--exclusive", "200", "--expiry", "1600"];
        let create: Vec<&str> = create.into_iter().chain(worth).chain(choices).collect();
        let created = provery.ok(requester, &create).await?;
        let market = created["market"].as_str().ok_or_eyre("no market")?.to_owned();
        provery.ok(requester, &["market", "fund", "--market", &market, "--amount", "10"]).await?;
        let more = enter(&town, *mechanism, &market).await?;
        // Until what was allocated counts.
        town.pass(130).await?;
        let statement = numbers[..2].join(",");
        let open = ["slot", "open", "--market", &market, "--statement", &statement];
        let open: Vec<&str> = open.into_iter().chain(more.iter().map(String::as_str)).collect();
        let opened = provery.ok(requester, &open).await?;
        held.insert(mechanism.word(), opened["prover"] != "0x0000000000000000000000000000000000000000");
        let paid = submit(&town, &market).await?;
        let shown = provery.ok(None, &["slot", "show", "1", "--market", &market]).await?;
        ensure!(shown["phase"] == "proven", "{}: {shown}", mechanism.word());
        ensure!(paid["gas"].as_u64() > Some(300_000), "a PLONK verifier ran: {paid}");
    }
    // Those that give a slot away as it opens gave it to the one prover there is.
    for word in ["lottery", "agreement", "asks"] {
        ensure!(held[word], "{word}: {held:?}");
    }
    Ok(())
}
