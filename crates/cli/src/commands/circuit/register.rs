//! `provery circuit register`.

use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256, Bytes};
use clap::{ArgGroup, Args};
use eyre::Result;
use provery_circom::descriptor::{Files, verifying_key};
use provery_descriptor::{Descriptor, Digest, PublicRole};
use provery_proving::solidity;
use provery_rpc::Call;
use provery_types::{Event, circuit_id};
use serde_json::json;

use super::{
    files::{Places, read},
    registration::{SampleJson, registration},
};
use crate::{
    address,
    context::Context,
    error::{Code, fail},
    output::fields,
    session::{Session, deployed},
    solc,
};

/// The contract's name in the source that is generated.
const CONTRACT: &str = "Verifier";
/// What a generated verifier speaks.
const OURS: &str = "IVerifier";
/// In bps, as the registry has it.
const MAX_ROYALTY: u16 = 1_000;

#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("contract").required(true).args(["verifier", "deploy"])),
    group(ArgGroup::new("sample").required(true).args(["public", "input"]))
)]
pub(crate) struct RegisterArgs {
    /// The descriptor, as `provery circuit describe` wrote it
    #[arg(value_name = "DESCRIPTOR")]
    file: PathBuf,
    /// The contract that checks proofs, behind IVerifier
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
    verifier: Option<Address>,
    /// Generate that contract from the circuit's key, and deploy it (compiles with solc)
    #[arg(long)]
    deploy: bool,
    /// The public signals of a sample proof: snarkjs' public.json
    #[arg(long, value_name = "FILE", requires = "proof")]
    public: Option<PathBuf>,
    /// The sample proof: snarkjs' proof.json
    #[arg(long, value_name = "FILE", requires = "public")]
    proof: Option<PathBuf>,
    /// Or an input that the sample is proven from here, as circom's programs take it; the payee may be left out
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Where provers fetch the descriptor
    #[arg(long, value_name = "URL", default_value = "")]
    uri: String,
    /// Share of every reward that is the signing account's, in bps: at most 1000
    #[arg(long, value_name = "BPS", default_value_t = 0)]
    royalty_bps: u16,
    /// Register it once more, though this account has it registered already
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    places: Places,
}

pub(super) async fn run(context: &Context, args: RegisterArgs) -> Result<()> {
    if args.royalty_bps > MAX_ROYALTY {
        return Err(fail(
            Code::Usage,
            format!(
                "--royalty-bps {} is more than the {MAX_ROYALTY} that the registry takes",
                args.royalty_bps
            ),
        ));
    }
    let (descriptor, digest) = read(&args.file)?;
    let files = args.places.find(&descriptor, &args.places.store())?;
    let session = context.signer().await?;
    let me = session.me()?;
    if !args.again {
        refuse_another(&session, me, &descriptor, digest, args.verifier).await?;
    }
    // Of these steps only people who watch see a spinner: what comes says itself.
    let mut steps = context.out.steps(2 + usize::from(args.deploy));
    let step = steps.start(if args.input.is_some() { "proving the sample" } else { "checking the sample" });
    let sample = match (&args.public, &args.proof, &args.input) {
        (Some(public), Some(proof), _) => SampleJson::read(public, proof)?,
        (_, _, input) => {
            SampleJson::prove(&descriptor, &files, input.as_deref().unwrap_or(Path::new("")), me)?
        }
    };
    let verifier = args.verifier.unwrap_or_default();
    let known = registration(&descriptor, digest, &files, &sample, verifier, &args.uri)?;
    let (mut registration, sample) = known.call(args.royalty_bps)?;
    if registration.development && !session.chain.rpc().is_development() {
        return Err(fail(
            Code::DevelopmentKey,
            format!(
                "the circuit has development keys, whose secrets are known, and chain {} is not a development chain; use keys from \
                 a ceremony",
                session.chain.rpc().chain_id()
            ),
        ));
    }
    step.finish("it verifies");
    if args.deploy {
        let step = steps.start("generating, compiling and deploying the verifier");
        let code = contract(&descriptor, &files)?;
        let mined = session.send(Call::deploy(&code, &[])).await?;
        registration.verifier = deployed(session.chain.rpc(), &mined).await?.address;
        step.finish(&format!("it is at {}", registration.verifier));
    }
    let step = steps.start("registering, with the registry's look at the sample");
    let id = circuit_id(me, &registration);
    let mined = session.send(session.calls().register_circuit(registration.clone(), sample)).await?;
    step.finish("done");
    report(context, &session, &descriptor, id, mined.gas_used, mined.tx_hash, digest).await
}

/// A second registration costs as much as the first, and markets of the two are apart. What others registered stops nobody: anybody may
/// register anything.
async fn refuse_another(
    session: &Session,
    me: Address,
    descriptor: &Descriptor,
    digest: Digest,
    verifier: Option<Address>,
) -> Result<()> {
    let key_hash = descriptor.verifier.key_hash.as_ref().and_then(|hash| hash.parse::<B256>().ok());
    let events = session.events().await?;
    let known = events.iter().find_map(|logged| match &logged.event {
        Event::CircuitRegistered {
            circuit, verifier: of, author, key_hash: key, descriptor_hash, ..
        } => {
            let same = *author == me
                && *descriptor_hash == B256::from(digest.0)
                && Some(*key) == key_hash
                && verifier.is_none_or(|verifier| verifier == *of);
            same.then_some(*circuit)
        }
        _ => None,
    });
    match known {
        None => Ok(()),
        Some(id) => Err(fail(
            Code::CircuitExists,
            format!(
                "{me} has registered this descriptor and key already, as circuit {id}, and nothing was sent; use that id, or pass --again \
                 for another verifier or royalty"
            ),
        )),
    }
}

async fn report(
    context: &Context,
    session: &Session,
    descriptor: &Descriptor,
    id: B256,
    gas: u64,
    tx: B256,
    digest: Digest,
) -> Result<()> {
    // As the chain has it.
    let circuit = session.chain.circuit(id).await?;
    let outputs = descriptor.inputs_of(PublicRole::Output).count();
    let json = json!({
        "circuit": id,
        "name": descriptor.name,
        "descriptor": digest,
        "verifier": circuit.verifier,
        "key_hash": circuit.keyHash,
        "key_checked": circuit.keyChecked,
        "payee_bound": circuit.payeeBound,
        "code_may_change": circuit.codeMayChange,
        "royalty_bps": circuit.royaltyBps,
        "outputs": outputs,
        "gas": gas,
        "tx": tx,
    });
    context.out.result(&json, || {
        fields(&[
            ("circuit", id.to_string()),
            ("verifier", circuit.verifier.to_string()),
            ("descriptor", digest.to_string()),
            (
                "payee",
                if circuit.payeeBound { "bound" } else { "not bound: proofs are committed to first" }
                    .to_owned(),
            ),
            (
                "next",
                format!(
                    "provery market create --circuit {id} --outputs {outputs} --name {} …",
                    descriptor.name
                ),
            ),
        ])
    });
    Ok(())
}

/// The creation code of the verifier for the circuit's key, which takes public inputs in the market's order.
fn contract(descriptor: &Descriptor, files: &Files) -> Result<Bytes> {
    if descriptor.verifier.interface != OURS {
        return Err(fail(
            Code::Usage,
            format!(
                "--deploy generates a contract that is an IVerifier itself, and the descriptor says {}; give the --verifier that \
                 is deployed",
                descriptor.verifier.interface
            ),
        ));
    }
    let key = verifying_key(descriptor, files).map_err(|reason| fail(Code::CircuitMismatch, reason))?;
    let order = descriptor.signals().ok_or_else(|| {
        fail(Code::DescriptorInvalid, "the descriptor does not name each public signal once; write it anew")
    })?;
    let source = solidity::generate_ordered(&key, CONTRACT, &order)?;
    solc::compile(&source, CONTRACT)
}
