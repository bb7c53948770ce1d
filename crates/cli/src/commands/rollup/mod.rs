//! `provery rollup`: the reference rollup, from its verifier to its blocks.

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    sol_types::SolValue,
};
use clap::Subcommand;
use eyre::Result;
use provery_bindings::{BlockVerifier, TransferRollup};
use provery_circuits::{Params, State};
use provery_proving::{keys, solidity};
use provery_types::{RollupRecord, Terms, terms_hash};
use provery_workloads::transfer_rollup::{self, Parameters, contract};
use serde_json::json;

pub(crate) mod accounts;
mod circuit;
mod cost;
mod plan;
pub(crate) mod sequence;

use circuit::Circuit;
use plan::{CreateArgs, FUND, Plan, ROLLUP};

use crate::{
    amount::{self, Amount, Written},
    backends,
    commands::market,
    config,
    context::Context,
    error::{Code, fail},
    files,
    journal::{self, CommandJournal},
    output::fields,
    session::{self, Session},
    terms::{self, Parties},
};

#[derive(Debug, Subcommand)]
pub(crate) enum RollupCommand {
    /// Deploy a rollup with its verifier, circuit and market
    #[command(
        after_help = "Example: provery rollup create --name demo --block-txs 8 --keystore sequencer.json"
    )]
    Create(Box<CreateArgs>),
    /// Add to the funds of a rollup's market
    #[command(after_help = "Example: provery rollup fund --name demo --amount 50 --keystore sequencer.json")]
    Fund {
        /// The rollup's name in the deployment
        #[arg(long)]
        name: String,
        /// Whole units of the asset, such as 2.5
        #[arg(long)]
        amount: Written,
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

pub(crate) async fn run(context: &Context, command: RollupCommand) -> Result<()> {
    match command {
        RollupCommand::Create(args) => create(context, *args).await,
        RollupCommand::Fund { name, amount } => {
            let session = context.signer().await?;
            let id = session.deployment().rollup(&name)?.market;
            market::fund(context, &session, id, &amount).await
        }
        RollupCommand::Sequence(args) => sequence::run(context, args).await,
        RollupCommand::Status { name } => status(context, &name).await,
    }
}

async fn create(context: &Context, args: CreateArgs) -> Result<()> {
    let session = context.signer().await?;
    let folder = journal::path_of(session.path(), &format!("rollup-{}", args.name));
    // A run that was interrupted may have got as far as the file.
    if session.deployment().rollups.iter().any(|rollup| rollup.name == args.name) && !folder.exists() {
        return Err(fail(
            Code::RollupExists,
            format!("the deployment already has a rollup named {}; choose another --name", args.name),
        ));
    }
    files::check_writable(session.path())?;
    let (mechanism, mechanism_params) = args.mechanism.resolve(session.deployment(), session.asset())?;
    let fund =
        args.fund.as_ref().map(|fund| amount::required("--fund", fund, session.asset())).transpose()?;
    let wanted = fund.as_ref().map(|fund| fund.base).unwrap_or_default();
    let plan = plan(&session, &args)?;
    let me = session.me()?;
    let sequencer = args.sequencer.unwrap_or(me);
    let (market, circuits) = (session.deployment().market(), session.deployment().circuits());
    let asset = session.asset().clone();
    let arguments = |known: Option<Circuit>| {
        let known = known.unwrap_or_default();
        let parties = Parties {
            requester: me,
            mechanism,
            mechanism_params,
            circuit: known.id,
            verifier: known.verifier,
            circuit_terms: U256::ZERO,
        };
        // The contract itself fills in the requester, the outputs, the callback's gas, and how blocks continue one another.
        let template = TransferRollup::Terms::from(args.terms.to_terms(parties, 1, 0, &asset)?);
        let all = (
            market,
            template,
            args.capacity,
            sequencer,
            plan.root,
            Bytes::from(plan.genesis.clone()),
            U256::from(plan.params.max_block_bytes()),
        );
        Ok::<_, eyre::Report>(all.abi_encode_params())
    };

    let terms_of = |known: Option<Circuit>| {
        let parties = Parties {
            requester: me,
            mechanism,
            mechanism_params,
            circuit: known.unwrap_or_default().id,
            verifier: known.map_or(circuits, |known| known.verifier),
            circuit_terms: U256::ZERO,
        };
        args.terms.to_terms(parties, 1, 0, &asset)
    };
    let sheet = journal::Plan {
        command: "rollup create".to_owned(),
        account: me,
        genesis: session::genesis(session.chain.rpc()).await?,
        choices: choices(&session, &args, &plan, sequencer, wanted, &terms_of(None)?),
    };
    let journal = CommandJournal::open(&folder, &sheet)?;
    let session = session.with_journal(journal.pending())?;
    if journal.found > 0 {
        context.out.note(&format!(
            "going on from where an earlier run was interrupted, after {} transactions",
            journal.found
        ));
    }
    // What an earlier run has begun with is gone on with: others of the same circuit may have come since.
    let existing = circuit::settled(&session, &plan, &*journal.pending()).await?;

    // Before anything is paid for.
    terms::check(&session, &terms_of(existing)?, existing.is_some()).await?;
    let sender = session.sender()?.clone();
    if !sender.live(FUND) {
        let balance = session.chain.asset_balance(me).await?;
        if balance < wanted {
            return Err(fail(
                Code::InsufficientBalance,
                format!(
                    "{me} has {} and --fund asks for {}; get more, or fund the market later",
                    session.show(balance),
                    session.show(wanted)
                ),
            ));
        }
    }
    let sample = circuit::sample(&plan, existing, config::keys_dir(args.keys.clone())).await?;
    let code = [&TransferRollup::BYTECODE[..], &arguments(existing)?].concat();
    cost::require(&session, &plan, existing, code.into(), &args).await?;

    let mut steps = context.out.steps(3 + usize::from(args.fund.is_some()));
    let known = circuit::provide(&session, &plan, existing, sample, &mut steps).await?;
    let step = steps.start("TransferRollup");
    let rollup = session.deploy_once(ROLLUP, &TransferRollup::BYTECODE, &arguments(Some(known))?).await?;
    let id = market_of(&session, rollup.address).await?;
    step.finish(&format!("{}, market {id}", rollup.address));

    let record = RollupRecord {
        name: args.name.clone(),
        address: rollup.address,
        code_hash: rollup.code_hash,
        block: rollup.block,
        market: id,
        workload: transfer_rollup::NAME.to_owned(),
        circuit: plan.circuit.name(),
        circuit_id: known.id,
        key_hash: plan.key_hash,
        sources: Vec::new(),
        parameters: Parameters { sequencer }.to_value(),
    };
    // Read again: another rollup may have been added meanwhile.
    files::update_deployment(session.path(), |deployment| {
        deployment.development |= plan.development;
        match deployment.rollups.iter().find(|rollup| rollup.name == record.name) {
            None => deployment.rollups.push(record.clone()),
            Some(same) if same.address == record.address => {}
            Some(other) => {
                return Err(fail(
                    Code::RollupExists,
                    format!(
                        "{} was given to the rollup at {} meanwhile, so the new one at {} is in no file; choose another \
                         --name",
                        record.name, other.address, record.address
                    ),
                ));
            }
        }
        Ok(())
    })?;

    let funds = asset.amount(wanted);
    if fund.is_some() {
        let step = steps.start("funds");
        sender.fund_once(&session.chain, id, wanted, FUND).await?;
        step.finish(&funds.to_string());
    }
    journal.done()?;
    report(context, &record, known.verifier, &plan, sequencer, &funds);
    Ok(())
}

/// What decides about the rollup, by the flags that people know.
fn choices(
    session: &Session,
    args: &CreateArgs,
    plan: &Plan,
    sequencer: Address,
    fund: U256,
    terms: &Terms,
) -> BTreeMap<String, String> {
    let terms = Terms { circuit: B256::ZERO, verifier: Address::ZERO, ..terms.clone() };
    [
        ("the deployment", session.deployment().market().to_string()),
        ("--block-txs or its keys", plan.key_hash.to_string()),
        ("--accounts or --seed", plan.root.to_string()),
        ("--sequencer", sequencer.to_string()),
        ("--capacity", args.capacity.to_string()),
        ("--fund", fund.to_string()),
        ("the terms", terms_hash(&terms).to_string()),
        (
            "the contracts' code",
            keccak256([&TransferRollup::BYTECODE[..], &BlockVerifier::BYTECODE].concat()).to_string(),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn report(
    context: &Context,
    record: &RollupRecord,
    verifier: Address,
    plan: &Plan,
    sequencer: Address,
    funds: &Amount,
) {
    let json = json!({
        "name": record.name,
        "address": record.address,
        "market": record.market.to_string(),
        "circuit": record.circuit_id,
        "circuit_name": record.circuit,
        "verifier": verifier,
        "key_hash": record.key_hash,
        "sequencer": sequencer,
        "block_txs": plan.params.block_txs(),
        "funds": funds,
    });
    context.out.result(&json, || {
        fields(&[
            ("rollup", format!("{} at {}", record.name, record.address)),
            ("market", record.market.to_string()),
            ("circuit", format!("{} ({})", record.circuit, record.circuit_id)),
            ("verifier", verifier.to_string()),
            ("sequencer", sequencer.to_string()),
            ("funds", funds.to_string()),
        ])
    });
}

fn plan(session: &Session, args: &CreateArgs) -> Result<Plan> {
    let params =
        Params::new(args.block_txs).map_err(|error| fail(Code::Usage, format!("--block-txs: {error}")))?;
    let circuit = backends::circuit(&params.circuit_name())?;
    let name = circuit.name();
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
    let traffic = args.accounts.traffic();
    let state =
        State::new(&traffic.accounts()).map_err(|error| fail(Code::Usage, format!("--accounts: {error}")))?;
    Ok(Plan {
        params,
        key_hash: B256::from(verifying.hash),
        descriptor_hash: circuit.descriptor_hash(),
        circuit,
        development,
        verifier_arguments,
        genesis: traffic.genesis_bytes(),
        root: U256::from_be_bytes(state.root_word()),
    })
}

async fn market_of(session: &Session, rollup: Address) -> Result<U256> {
    let answer = session.chain.ask(rollup, &contract::marketCall {}).await;
    Ok(answer
        .map_err(|error| fail(Code::Internal, format!("the new rollup does not tell its market: {error}")))?
        .id)
}

async fn status(context: &Context, name: &str) -> Result<()> {
    let session = context.reader().await?;
    let record = session.deployment().rollup(name)?.clone();
    let Parameters { sequencer } = Parameters::of(&record)?;
    let state = session.chain.ask(record.address, &contract::stateCall {}).await?;
    let funds = session.chain.market(record.market).await?.funds;
    let json = json!({
        "name": record.name,
        "address": record.address,
        "market": record.market.to_string(),
        "circuit": record.circuit_id,
        "block_txs": transfer_rollup::params_of(&record)?.block_txs(),
        "sequencer": sequencer,
        "finalized": state.finalized,
        "finalized_root": format!("{:#066x}", state.finalizedRoot),
        "head": state.head,
        "head_root": format!("{:#066x}", state.headRoot),
        "funds": funds.to_string(),
    });
    context.out.result(&json, || {
        fields(&[
            ("rollup", format!("{} at {}", record.name, record.address)),
            ("market", format!("{}, with {}", record.market, session.show(funds))),
            ("sequencer", sequencer.to_string()),
            ("finalised", format!("block {}, root {:#066x}", state.finalized, state.finalizedRoot)),
            ("head", format!("block {}, root {:#066x}", state.head, state.headRoot)),
        ])
    });
    Ok(())
}
