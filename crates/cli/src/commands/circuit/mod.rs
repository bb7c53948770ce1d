//! `provery circuit`: descriptors of circuits, made from files, checked against them, fetched and measured.

mod bench;
mod check;
pub(super) mod describe;
pub(super) mod described;
mod fetch;
pub(super) mod files;
mod prove;
mod register;
mod registration;
mod setup;
mod show;

pub(super) use show::text;

use clap::Subcommand;
use eyre::Result;

use crate::context::Context;

#[derive(Debug, Subcommand)]
pub(crate) enum CircuitCommand {
    /// Make a development key for a circuit: whoever knows the seed can forge proofs, so it is refused outside development chains
    #[command(after_help = "Example: provery circuit setup --r1cs merkle.r1cs --out merkle.zkey --seed 1")]
    Setup(setup::SetupArgs),
    /// Write a circuit's descriptor, from the files of circom and snarkjs; its sha256 is what is registered on the chain
    #[command(
        after_help = "Example: provery circuit describe --name merkle-10 --zkey merkle.zkey --r1cs merkle.r1cs --sym merkle.sym --wasm merkle.wasm --url-base https://example.org/merkle/"
    )]
    Describe(Box<describe::DescribeArgs>),
    /// Compare a descriptor with the circuit's files, with the chain, and with a sample proof
    #[command(after_help = "Example: provery circuit check merkle-10.json --from build")]
    Check(check::CheckArgs),
    /// Get the files that a descriptor names; none is kept whose sha256 is another
    #[command(after_help = "Example: provery circuit fetch merkle-10.json --keys .provery/keys")]
    Fetch(fetch::FetchArgs),
    /// Register a circuit on the chain, with a sample proof that its verifier is asked about
    #[command(
        after_help = "Example: provery circuit register merkle-10.json --deploy --public public.json --proof proof.json --from build --keystore author.json"
    )]
    Register(Box<register::RegisterArgs>),
    /// A circuit as the chain has it
    #[command(
        after_help = "Example: provery circuit show 0x2a1f6e0b9d5c8f7e3a4b6c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f"
    )]
    Show(show::ShowArgs),
    /// Make a proof from a circuit's files, as `snarkjs groth16 prove` does; no chain is asked
    #[command(
        after_help = "Example: provery circuit prove --zkey merkle.zkey --wasm merkle.wasm --input input.json --out proof"
    )]
    Prove(prove::ProveArgs),
    /// Measure what a proof of a circuit takes on this machine
    #[command(after_help = "Example: provery circuit bench merkle-10.json --input input.json --from build")]
    Bench(bench::BenchArgs),
}

pub(crate) async fn run(context: &Context, command: CircuitCommand) -> Result<()> {
    match command {
        CircuitCommand::Setup(args) => setup::run(context, args),
        CircuitCommand::Describe(args) => describe::run(context, *args),
        CircuitCommand::Check(args) => check::run(context, args).await,
        CircuitCommand::Fetch(args) => fetch::run(context, args).await,
        CircuitCommand::Register(args) => register::run(context, *args).await,
        CircuitCommand::Show(args) => show::run(context, args).await,
        CircuitCommand::Prove(args) => prove::run(context, args),
        CircuitCommand::Bench(args) => bench::run(context, args),
    }
}
