//! `provery rollup`: the reference rollup, from its verifier to its blocks.

use std::path::PathBuf;

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    sol_types::SolValue,
};
use clap::{Args, Subcommand};
use eyre::Result;
use provery_bindings::{BlockVerifier, TransferRollup};
use provery_circuits::{Params, State, Workload};
use provery_proving::{keys, solidity};
use provery_types::RollupRecord;
use serde_json::json;

use crate::{
    amount::{Amount, human},
    commands::{Context, keys::params, market, sequence},
    config,
    error::{Code, fail},
    files,
    output::fields,
    session::Session,
    terms::{self, MechanismArgs, Parties, TermsArgs},
};

#[derive(Debug, Subcommand)]
pub enum RollupCommand {
    /// Deploy a rollup with its verifier, circuit and market
    #[command(
        after_help = "Example: provery rollup create --name demo --block-txs 8 --keystore sequencer.json"
    )]
    Create(Box<CreateArgs>),
    /// Add to the funds of a rollup's market
    #[command(
        after_help = "Example: provery rollup fund --name demo --amount 50ether --keystore sequencer.json"
    )]
    Fund {
        /// The rollup's name in the deployment
        #[arg(long)]
        name: String,
        /// Wei, or a decimal with a unit
        #[arg(long)]
        amount: Amount,
    },
    /// Post blocks of real signed transfers; each opens a slot
    #[command(after_help = "Example: provery rollup sequence --name demo --interval-ms 4000 --keystore \
         sequencer.json")]
    Sequence(sequence::SequenceArgs),
    /// Where a rollup stands
    #[command(after_help = "Example: provery rollup status --name demo")]
    Status {
        /// The rollup's name in the deployment
        #[arg(long)]
        name: String,
    },
}

/// Which accounts a rollup starts with; `rollup sequence` needs the same.
#[derive(Debug, Clone, Args)]
pub struct AccountsArgs {
    /// Accounts at genesis, with keys derived from --seed
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u64).range(2..=65_536))]
    pub accounts: u64,
    /// Decides the accounts' keys and the transfers
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
}

impl AccountsArgs {
    pub fn workload(&self) -> Workload {
        Workload::new(self.seed, usize::try_from(self.accounts).unwrap_or(usize::MAX))
    }
}

#[derive(Debug, Args)]
pub struct CreateArgs {
    /// What the deployment will call it
    #[arg(long)]
    pub name: String,
    /// Transfers a block may have: which circuit
    #[arg(long, value_name = "N")]
    pub block_txs: usize,
    /// Where the keys are kept [env: PROVERY_KEYS_DIR] [default: .provery/keys]
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
    #[command(flatten)]
    pub accounts: AccountsArgs,
    /// Who posts blocks [default: the signing account]
    #[arg(long, value_name = "ADDRESS")]
    pub sequencer: Option<Address>,
    /// Blocks that may be unproven at once: a power of two, 1 to 65536
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = market::capacity)]
    pub capacity: u32,
    /// Fund the market at once, with asset of the signing account
    #[arg(long, value_name = "AMOUNT")]
    pub fund: Option<Amount>,
    #[command(flatten)]
    pub mechanism: MechanismArgs,
    #[command(flatten)]
    pub terms: TermsArgs,
}

pub async fn run(context: &Context, command: RollupCommand) -> Result<()> {
    match command {
        RollupCommand::Create(args) => create(context, *args).await,
        RollupCommand::Fund { name, amount } => {
            let session = context.signer().await?;
            let id = session.deployment().rollup(&name)?.market;
            market::fund(context, &session, id, amount).await
        }
        RollupCommand::Sequence(args) => sequence::run(context, args).await,
        RollupCommand::Status { name } => status(context, &name).await,
    }
}

/// What is deployed, decided and checked before anything is paid for.
struct Plan {
    params: Params,
    key_hash: B256,
    descriptor_hash: B256,
    development: bool,
    /// What the verifier is constructed with: the circuit's key.
    verifier_arguments: Vec<u8>,
    genesis: Vec<u8>,
    root: U256,
}

async fn create(context: &Context, args: CreateArgs) -> Result<()> {
    let session = context.signer().await?;
    if session.deployment().rollups.iter().any(|rollup| rollup.name == args.name) {
        return Err(fail(
            Code::RollupExists,
            format!("the deployment already has a rollup named {}; choose another --name", args.name),
        ));
    }
    files::check_writable(session.path())?;
    let (mechanism, mechanism_params) = args.mechanism.resolve(session.deployment())?;
    terms::check_window(&session, args.terms.expiry).await?;
    let plan = plan(&session, &args)?;
    let wanted = args.fund.map(|amount| amount.0).unwrap_or_default();
    let me = session.me()?;
    let balance = session.chain.asset_balance(me).await?;
    if balance < wanted {
        return Err(fail(
            Code::InsufficientBalance,
            format!(
                "{me} has {balance} asset wei and --fund asks for {wanted}; get more, or fund the market \
                 later"
            ),
        ));
    }

    // Before anything is paid for; what is proven, and how, is of no interest to a mechanism.
    let nothing =
        Parties { requester: me, mechanism, mechanism_params, circuit: B256::ZERO, verifier: Address::ZERO };
    let terms = args.terms.to_terms(nothing, 1, 0)?;
    session.sender()?.check(&session.calls().validate_terms(mechanism, &terms)).await?;

    let mut steps = context.out.steps(3 + usize::from(args.fund.is_some()));
    let step = steps.start("BlockVerifier");
    let verifier = session.deploy(&BlockVerifier::BYTECODE, &plan.verifier_arguments).await?;
    step.finish(&verifier.address.to_string());

    let step = steps.start("circuit");
    let circuit = register(&session, verifier.address, &plan).await?;
    step.finish(&circuit.to_string());

    let step = steps.start("TransferRollup");
    let parties = Parties { requester: me, mechanism, mechanism_params, circuit, verifier: verifier.address };
    // The contract itself fills in the requester, the outputs, the callback's gas, and how blocks continue one another.
    let template = TransferRollup::Terms::from(args.terms.to_terms(parties, 1, 0)?);
    let sequencer = args.sequencer.unwrap_or(me);
    let arguments = (
        session.deployment().market(),
        template,
        args.capacity,
        sequencer,
        plan.root,
        alloy::primitives::Bytes::from(plan.genesis),
        U256::from(plan.params.max_block_bytes()),
    )
        .abi_encode_params();
    let rollup = session.deploy(&TransferRollup::BYTECODE, &arguments).await?;
    let id = market_of(&session, rollup.address).await?;
    step.finish(&format!("{}, market {id}", rollup.address));

    let record = RollupRecord {
        name: args.name.clone(),
        address: rollup.address,
        code_hash: rollup.code_hash,
        block: rollup.block,
        market: id,
        circuit,
        block_txs: plan.params.block_txs() as u64,
        key_hash: plan.key_hash,
        sequencer,
        sequencer_url: None,
    };
    // Read again: another rollup may have been added meanwhile.
    let mut deployment = files::read_deployment(session.path())?;
    deployment.development |= plan.development;
    deployment.rollups.push(record.clone());
    files::write_deployment(session.path(), &deployment)?;

    if let Some(amount) = args.fund {
        let step = steps.start("funds");
        session.sender()?.fund(&session.chain, id, amount.0).await?;
        step.finish(&amount.human());
    }
    report(context, &record, verifier.address, &plan.params, args.fund);
    Ok(())
}

fn report(
    context: &Context,
    record: &RollupRecord,
    verifier: Address,
    params: &Params,
    funds: Option<Amount>,
) {
    let json = json!({
        "name": record.name,
        "address": record.address,
        "market": record.market.to_string(),
        "circuit": record.circuit,
        "circuit_name": params.circuit_name(),
        "verifier": verifier,
        "key_hash": record.key_hash,
        "sequencer": record.sequencer,
        "block_txs": record.block_txs,
        "funds": funds.unwrap_or_default(),
    });
    context.out.result(&json, || {
        fields(&[
            ("rollup", format!("{} at {}", record.name, record.address)),
            ("market", record.market.to_string()),
            ("circuit", format!("{} ({})", params.circuit_name(), record.circuit)),
            ("verifier", verifier.to_string()),
            ("sequencer", record.sequencer.to_string()),
            ("funds", human(funds.unwrap_or_default().0)),
        ])
    });
}

fn plan(session: &Session, args: &CreateArgs) -> Result<Plan> {
    let params = params(args.block_txs)?;
    let name = params.circuit_name();
    let verifying = keys::load_verifying(&config::keys_dir(args.keys.clone()), &name, None)?;
    let development = verifying.manifest.development;
    let rpc = session.chain.rpc();
    if development && !rpc.is_development() {
        return Err(fail(
            Code::DevelopmentKey,
            format!(
                "the keys of {name} are development keys, whose secrets are known, and chain {} is not a \
                 development chain; use keys from a ceremony",
                rpc.chain_id()
            ),
        ));
    }
    let verifier_arguments = solidity::block_verifier_arguments(&verifying.key)?;
    let workload = args.accounts.workload();
    let state = State::new(&workload.accounts())
        .map_err(|error| fail(Code::Usage, format!("--accounts: {error}")))?;
    Ok(Plan {
        params,
        key_hash: B256::from(verifying.hash),
        descriptor_hash: sha256(params.descriptor().to_string().as_bytes()),
        development,
        verifier_arguments,
        genesis: workload.genesis_bytes(),
        root: U256::from_be_bytes(state.root_word()),
    })
}

/// Register the circuit unless it is.
async fn register(session: &Session, verifier: Address, plan: &Plan) -> Result<B256> {
    let call =
        session.calls().register_circuit(verifier, plan.key_hash, plan.descriptor_hash, plan.development, "");
    session.send(call).await?;
    let id = (verifier, plan.key_hash, plan.descriptor_hash, plan.development).abi_encode();
    let circuit = keccak256(id);
    session.chain.circuit(circuit).await?;
    Ok(circuit)
}

async fn market_of(session: &Session, rollup: Address) -> Result<U256> {
    let answer = session.chain.rollup_contract(rollup).market().call().await;
    Ok(answer
        .map_err(|error| fail(Code::Internal, format!("the new rollup does not tell its market: {error}")))?
        .id)
}

fn sha256(bytes: &[u8]) -> B256 {
    use sha2::{Digest, Sha256};
    B256::from_slice(&Sha256::digest(bytes))
}

async fn status(context: &Context, name: &str) -> Result<()> {
    let session = context.reader().await?;
    let record = session.deployment().rollup(name)?.clone();
    let state = session.chain.rollup_state(record.address).await?;
    let funds = session.chain.market(record.market).await?.funds;
    let json = json!({
        "name": record.name,
        "address": record.address,
        "market": record.market.to_string(),
        "circuit": record.circuit,
        "block_txs": record.block_txs,
        "sequencer": record.sequencer,
        "finalized": state.finalized,
        "finalized_root": format!("{:#066x}", state.finalized_root),
        "head": state.head,
        "head_root": format!("{:#066x}", state.head_root),
        "funds": funds.to_string(),
    });
    context.out.result(&json, || {
        fields(&[
            ("rollup", format!("{} at {}", record.name, record.address)),
            ("market", format!("{}, with {}", record.market, human(funds))),
            ("sequencer", record.sequencer.to_string()),
            ("finalised", format!("block {}, root {:#066x}", state.finalized, state.finalized_root)),
            ("head", format!("block {}, root {:#066x}", state.head, state.head_root)),
        ])
    });
    Ok(())
}
