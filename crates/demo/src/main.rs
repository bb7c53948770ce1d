//! The program behind script/demo: a proof market on a local chain, one prover killed and rescued, every wei counted.

mod args;
mod asking;
mod chain;
mod hostile;
mod hostile_plan;
mod ledger;
mod membership;
mod overhead;
mod percentiles;
mod process;
mod stage;
mod summary;
mod table;

use std::{
    collections::BTreeMap,
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy::primitives::U256;
use clap::Parser;
use eyre::{Result, bail};
use provery_indexer::{ChainStatus, Outcome, SlotRecord};
use serde_json::json;
use tokio::sync::mpsc;

use crate::{
    args::{Args, Workload},
    asking::Asking,
    chain::{Chain, Seen},
    hostile::Hostile,
    ledger::Ledger,
    process::{Line, Running},
    stage::{ROLLUP, Stage},
    summary::Run,
    table::Table,
};

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let json = args.json;
    match run(args).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            if json {
                println!("{}", json!({ "error": { "message": format!("{error:#}") } }));
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(mut args: Args) -> Result<bool> {
    let json = args.json;
    if args.hostile_sequencer {
        eyre::ensure!(
            args.mechanism.draws(),
            "--hostile-sequencer plays where slots are drawn ({}); leave --mechanism out",
            provery_mechanisms::words(|mechanism| mechanism.draws())
        );
        args.no_kill = true;
    }
    let args = args;
    let stage = stage::set(&args, &|step| {
        if json {
            println!("{}", json!({ "event": "stage", "step": step, "at_ms": now_ms() }));
        } else {
            eprintln!("{step}");
        }
    })
    .await?;
    let mut show = Show::new(&args, &stage).await?;
    show.run(&args).await?;
    show.finish(&args, &stage).await
}

/// A running demo.
struct Show {
    ledger: Ledger,
    chain: Chain,
    table: Option<Table>,
    lines: mpsc::UnboundedReceiver<Line>,
    nodes: Vec<Running>,
    sequencer: Option<Running>,
    /// Or a hostile one, which is a task of this process.
    hostile: Option<Hostile>,
    /// Or the owner of a requester, which is one, too.
    asking: Option<Asking>,
    /// What the provers that nodes run for had at stake at the beginning.
    honest_stake: U256,
    /// Gas of transactions by kind.
    gas: BTreeMap<String, Vec<u64>>,
    gas_of: BTreeMap<alloy::primitives::B256, u64>,
    killed: Option<String>,
}

impl Show {
    /// Wait until every stake counts, then start the nodes and the sequencer.
    async fn new(args: &Args, stage: &Stage) -> Result<Self> {
        let mut chain = Chain::connect(stage, args.mechanism).await?;
        let mut ledger = Ledger::new(
            stage.everyone().cloned().collect(),
            stage.rollup.market,
            args.mechanism,
            stage.epoch_length,
            stage.bond,
            stage.asset.clone(),
        );
        let units = stage.everyone().map(|prover| prover.units).sum();
        // Only a draw, or a share of one, looks at weights.
        while args.mechanism.draws() && chain.total_weight(stage.rollup.market).await? < units {
            if let Some(seen) = chain.next().await? {
                seen.events.iter().for_each(|event| ledger.apply(event, now_ms()));
            }
        }
        let (sender, lines) = mpsc::unbounded_channel();
        let market = stage.rollup.market.to_string();
        let first_estimate = (3 + args.block_txs).to_string();
        let mut nodes = Vec::new();
        for (rank, (prover, key)) in stage.provers.iter().enumerate() {
            let data = args.dir.join(format!("node-{}", prover.name)).display().to_string();
            let minimum = stage::minimum_reward(rank);
            let mut command = vec!["node", "--data-dir", &data, "--market", &market, "--poll-ms", "200"];
            command.extend(["--min-reward", &minimum, "--first-estimate", &first_estimate]);
            if args.mechanism.wants_puzzle() {
                // Somebody is left with a ticket for a slot that never opens.
                command.extend(["--mine", "--drain-seconds", "5"]);
            }
            nodes.push(stage.provery.spawn(key, &command, &prover.name, sender.clone())?);
        }
        let honest_stake = chain.honest_stake(stage).await?;
        let hostile = match &stage.accomplice {
            Some(accomplice) => Some(Hostile::start(args, stage, accomplice, sender.clone()).await?),
            None => None,
        };
        let offer = stage.offer.as_ref().map(|offer| offer.file.display().to_string());
        let (interval, blocks, txs, seed) = (
            args.interval().to_string(),
            args.slots.to_string(),
            args.block_txs.to_string(),
            args.seed.to_string(),
        );
        let mut command = vec![
            "rollup",
            "sequence",
            "--name",
            ROLLUP,
            "--interval-ms",
            &interval,
            "--blocks",
            &blocks,
            "--block-txs",
            &txs,
            "--seed",
            &seed,
        ];
        if let Some(offer) = &offer {
            command.extend(["--offer", offer]);
        }
        let asking = match args.workload {
            Workload::Rollup => None,
            Workload::Circom => Some(Asking::start(args, stage, sender.clone()).await?),
        };
        let sequencer = match (&hostile, &asking) {
            (Some(_), _) | (_, Some(_)) => None,
            (None, None) => Some(stage.provery.spawn(&stage.sequencer_key, &command, "sequencer", sender)?),
        };
        Ok(Self {
            ledger,
            chain,
            table: (!args.json).then(Table::new),
            lines,
            nodes,
            sequencer,
            hostile,
            asking,
            honest_stake,
            gas: BTreeMap::new(),
            gas_of: BTreeMap::new(),
            killed: None,
        })
    }

    /// Watch until every slot has ended.
    async fn run(&mut self, args: &Args) -> Result<()> {
        let mut check = tokio::time::interval(Duration::from_millis(500));
        while !self.done(args).await? {
            tokio::select! {
                seen = self.chain.next() => {
                    if let Some(seen) = seen? {
                        self.seen(args, &seen).await?;
                    }
                }
                Some(line) = self.lines.recv() => self.reported(args, line).await?,
                _ = check.tick() => self.still_alive(args).await?,
            }
            if let Some(table) = &mut self.table {
                table.draw(&self.ledger, &|slot| match &slot.outcome {
                    Outcome::Proven { tx, .. } => self.gas_of.get(tx).copied(),
                    _ => None,
                });
            }
        }
        Ok(())
    }

    async fn done(&mut self, args: &Args) -> Result<bool> {
        if let Some(hostile) = &mut self.hostile {
            // Once it has posted everything: nothing is open, no proof waits, the last block is final or never will be.
            let Some(story) = hostile.ended().await? else { return Ok(false) };
            let last = story.true_blocks.last().copied().unwrap_or_default();
            let lost = self.ledger.slot(last).is_some_and(expired);
            return Ok(self.ledger.is_quiet() && (self.ledger.finalized() >= last || lost));
        }
        let settled = self.ledger.settled() as u64 >= args.slots;
        let all_proven = self.ledger.proven() as u64 >= args.slots;
        let lost = self.ledger.slots().any(|slot| slot.chain_status == ChainStatus::Fallen || expired(slot));
        // Slots that build on nothing are final once they are proven.
        let chained = args.workload == Workload::Rollup;
        Ok(settled && (!chained || !all_proven || lost || self.ledger.finalized() >= args.slots))
    }

    async fn seen(&mut self, args: &Args, seen: &Seen) -> Result<()> {
        for event in &seen.events {
            self.ledger.apply(event, now_ms());
            if args.json {
                println!("{}", serde_json::to_string(event)?);
            }
        }
        for (kind, gas) in std::mem::take(&mut self.ledger.actions) {
            self.gas.entry(kind).or_default().push(gas);
        }
        for (kind, tx) in std::mem::take(&mut self.ledger.transactions) {
            let gas = self.chain.gas_used(tx).await?;
            self.gas_of.insert(tx, gas);
            self.gas.entry(kind.to_string()).or_default().push(gas);
        }
        Ok(())
    }

    /// Take in a node's line. Once a slot has been proven in time, kill the first node that proves another of its own; at
    /// the last slot, in any case. In a race, nobody holds a slot, and nobody is killed.
    async fn reported(&mut self, args: &Args, line: Line) -> Result<()> {
        if args.json {
            println!("{}", json!({ "from": line.from, "report": line.value }));
        }
        self.ledger.report(&line.from, &line.value);
        // A bidder may have begun before the slot was its own; and a small proof may be over before its prover is.
        let early = args.mechanism.begins_early() || args.workload == Workload::Circom;
        let proving = line.value["event"] == "slot_won" && early
            || line.value["event"] == "proving" && line.value["reason"] == "assigned";
        let slot = line.value["slot"].as_u64().unwrap_or(0);
        let may_kill = !args.no_kill && self.killed.is_none() && self.nodes.len() > 1;
        let time_has_come = self.ledger.proven() > 0 || slot >= args.slots;
        if may_kill && proving && time_has_come {
            let Some(index) = self.nodes.iter().position(|node| node.name == line.from) else {
                return Ok(());
            };
            self.nodes.remove(index).kill().await?;
            if args.json {
                println!(
                    "{}",
                    json!({ "event": "killed", "prover": line.from, "slot": slot, "at_ms": now_ms() })
                );
            } else {
                eprintln!("killed {} (SIGKILL) while it was proving slot {slot}", line.from);
            }
            self.killed = Some(line.from);
        }
        Ok(())
    }

    /// A process that ended by itself ends the demo, unless it is the sequencer and has posted everything.
    async fn still_alive(&mut self, args: &Args) -> Result<()> {
        for node in &mut self.nodes {
            if let Some(status) = node.ended() {
                bail!(
                    "{} stopped by itself ({status}); see {}/{}.log",
                    node.name,
                    args.dir.display(),
                    node.name
                );
            }
        }
        if let Some(status) = self.sequencer.as_mut().and_then(Running::ended)
            && !status.success()
        {
            bail!("the sequencer stopped ({status}); see {}/sequencer.log", args.dir.display());
        }
        match &mut self.asking {
            Some(asking) => asking.check().await,
            None => Ok(()),
        }
    }

    /// Stop everyone, read the balances, print the summary. Whether the run was good.
    async fn finish(mut self, args: &Args, stage: &Stage) -> Result<bool> {
        for node in std::mem::take(&mut self.nodes) {
            node.stop(Duration::from_secs(15)).await?;
        }
        if let Some(sequencer) = self.sequencer.take() {
            sequencer.stop(Duration::from_secs(5)).await?;
        }
        let balances = self.chain.balances(stage).await?;
        let hostile = match &mut self.hostile {
            Some(hostile) => {
                let after = self.chain.honest_stake(stage).await?;
                hostile.ended().await?.map(|story| (story, self.honest_stake, after))
            }
            None => None,
        };
        let run = Run {
            expected: args.slots,
            told: self.chain.told(stage, args.slots).await?,
            hostile,
            mechanism: args.mechanism,
            killed: self.killed.take(),
            seed: args.seed,
        };
        let summary = summary::summarise(&self.ledger, &balances, &self.gas, run);
        if args.json {
            println!("{}", json!({ "summary": summary }));
        } else {
            print!("{}", summary.text());
        }
        Ok(summary.failures.is_empty())
    }
}

fn expired(slot: &SlotRecord) -> bool {
    matches!(slot.outcome, Outcome::Expired { .. })
}

/// This machine's clock in unix milliseconds.
fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
