//! `provery node status`: asks the node that runs, or reads what one left on disk.

use std::path::{Path, PathBuf};

use clap::Args;
use eyre::Result;
use provery_node::{
    config::shown_url,
    monitor::{Status, disk, read_address_file},
    store::snapshot,
};
use serde_json::{Value, json};

use super::{page::get, probe::Probe};
use crate::{
    amount::Currency,
    context::Context,
    error::{Code, fail},
    output::{fields, table},
};

#[derive(Debug, Args)]
#[command(after_help = "Example: provery node status --data-dir .provery/node-1 --json")]
pub(crate) struct StatusArgs {
    /// Ask the node whose status page is here
    #[arg(long, value_name = "URL", conflicts_with = "data_dir")]
    url: Option<String>,
    /// The directory of the node [default: data_dir of the configuration]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Ask for nothing but whether it is alive (/healthz) or can be relied on (/readyz); fails if not
    #[arg(long, value_enum, value_name = "WHAT")]
    probe: Option<Probe>,
}

pub(crate) async fn run(context: &Context, args: StatusArgs) -> Result<()> {
    if let Some(url) = args.url {
        crate::logs::hide([url.as_str()]);
        let url = if url.contains("://") { url } else { format!("http://{url}") };
        if let Some(probe) = args.probe {
            return probe.run(context, &url).await;
        }
        let status = ask(&url).await.map_err(|why| {
            let message = format!(
                "no node answers at {} ({why}); check the address, and that the node runs with --http",
                shown_url(&url)
            );
            fail(Code::NodeUnavailable, message)
        })?;
        show(context, &status, true);
        return Ok(());
    }
    let dir = args.data_dir.or_else(|| context.settings.node.data_dir.clone()).ok_or_else(|| {
        fail(
            Code::Usage,
            "which node is not clear; give --data-dir or --url, or set data_dir under [node] in the configuration",
        )
    })?;
    if let Some(probe) = args.probe {
        let (address, _) = read_address_file(&dir).ok_or_else(|| {
            let message =
                format!("no node with a status page runs in {}; start one without --http off", dir.display());
            fail(Code::NodeUnavailable, message)
        })?;
        return probe.run(context, &format!("http://{address}")).await;
    }
    let (status, running) = look(&dir).await?;
    show(context, &status, running);
    Ok(())
}

/// The status of the node in a directory, and whether it runs.
pub(crate) async fn look(dir: &Path) -> Result<(Status, bool)> {
    if let Some((address, pid)) = read_address_file(dir) {
        // A node that was killed leaves the address behind, and another may have it now.
        if let Ok(status) = ask(&format!("http://{address}")).await
            && status.node.pid == pid
        {
            return Ok((status, true));
        }
    }
    if let Some(holder) = snapshot::holder(dir).map_err(provery_node::NodeError::from)? {
        return Err(silent(dir, &holder));
    }
    if !dir.join("node.redb").exists() {
        let message = format!(
            "no node has ever run in {}; check --data-dir, or start one with `provery node`",
            dir.display()
        );
        return Err(fail(Code::DataDirInvalid, message));
    }
    let reading = dir.to_owned();
    let status = tokio::task::spawn_blocking(move || disk::status(&reading)).await?;
    Ok((status.map_err(provery_node::NodeError::from)?, false))
}

/// A node runs, and cannot be asked.
fn silent(dir: &Path, holder: &str) -> eyre::Report {
    let message = match read_address_file(dir) {
        Some((address, _)) => format!(
            "the node in {} runs (pid {holder}), but its status page at {address} does not answer; look at its log",
            dir.display()
        ),
        None => format!(
            "the node in {} runs (pid {holder}) without a status page; start it without --http off to be able to ask it",
            dir.display()
        ),
    };
    fail(Code::NodeUnavailable, message)
}

async fn ask(base: &str) -> Result<Status, String> {
    let answer = get(base, "status").await?;
    if !answer.status().is_success() {
        return Err(format!("HTTP {}", answer.status().as_u16()));
    }
    answer.json().await.map_err(|_| "the answer is no status of a node".to_owned())
}

fn show(context: &Context, status: &Status, running: bool) {
    let mut json = json!({ "running": running });
    if let (Value::Object(into), Ok(Value::Object(fields))) = (&mut json, serde_json::to_value(status)) {
        into.extend(fields);
    }
    context.out.result(&json, || text(status, running));
}

fn text(status: &Status, running: bool) -> String {
    let node = &status.node;
    let unready = status.unready();
    let state = match (running, unready.as_slice()) {
        (false, _) => "not running; this is what it left on disk".to_owned(),
        (true, []) => format!("ready ({})", node.role),
        (true, reasons) => format!("not ready: {}", reasons.join(", ")),
    };
    let block = |block: Option<u64>| block.map_or("unknown".to_owned(), |block| block.to_string());
    let mut rows = vec![("node", state), ("prover", node.prover.to_string())];
    if let Some(key) = node.key {
        rows.push(("key", key.to_string()));
    }
    if running {
        rows.push(("taking", if node.taking { "yes" } else { "no" }.to_owned()));
        if node.breaker.open {
            let reason = node.breaker.reason.clone().unwrap_or_default();
            rows.push(("breaker", format!("open after {} failures: {reason}", node.breaker.failures)));
        }
        if let Some(paused) = &node.paused {
            let why = paused.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
            rows.push(("paused", format!("on-chain, by the {}{why}", paused.by)));
        }
        let chain = &status.chain;
        rows.push(("block", format!("{} of {}", block(chain.position), block(chain.head))));
    } else {
        rows.push(("block", block(status.chain.position)));
    }
    for endpoint in &status.chain.endpoints {
        let state = match (&endpoint.left_because, endpoint.up) {
            (Some(why), _) => format!("left: {why}"),
            (None, true) => "up".to_owned(),
            (None, false) => format!("down after {} failures", endpoint.failures),
        };
        rows.push(("endpoint", format!("{} {state}", endpoint.name)));
    }
    let stages = status.slots.iter().filter(|(_, count)| **count > 0);
    let stages: Vec<String> = stages.map(|(stage, count)| format!("{count} {stage}")).collect();
    rows.push(("slots", if stages.is_empty() { "none".to_owned() } else { stages.join(", ") }));
    rows.push(("unsent", format!("{} transactions signed and not mined", status.outbox.pending)));
    let wasted = status.outbox.spent.wasted();
    if wasted.transactions > 0 {
        let cost = Currency::gas().show(wasted.wei);
        rows.push((
            "wasted",
            format!("{cost} on {} transactions that failed or were cancelled", wasted.transactions),
        ));
    }
    if running {
        let workers = &status.workers;
        rows.push(("proofs", format!("{} of {}, {} waiting", workers.running, workers.most, workers.queue)));
    }
    let amount = |base: &str, currency: &Currency| {
        base.parse().map_or_else(|_| base.to_owned(), |base| currency.show(base))
    };
    if let Some(stake) = &status.stake {
        let unit = status.asset.as_ref();
        let asset =
            unit.and_then(|unit| Currency::asset(&unit.symbol, unit.decimals).ok()).unwrap_or_default();
        let shown = |base: &str| amount(base, &asset);
        let (free, bonded, credit) = (shown(&stake.free), shown(&stake.bonded), shown(&stake.credit));
        rows.push(("stake", format!("{free} free, {bonded} bonded, {credit} earned")));
    }
    if let Some(balance) = &status.balance {
        let low = if balance.low { ": too little" } else { "" };
        rows.push((
            "gas",
            format!("{}, for {} proofs{low}", amount(&balance.wei, &Currency::gas()), balance.proofs_left),
        ));
    }
    for concern in &status.concerns {
        rows.push((if concern.alarm { "!!" } else { "!" }, concern.message.clone()));
    }
    for it in &status.shortfalls {
        rows.push(("earns less", format!("{}; next: {}", it.message, it.next)));
    }
    let mut text = fields(&rows);
    if !status.open.is_empty() {
        let cells = status.open.iter().map(|slot| {
            let mine = if slot.mine { "mine" } else { "" }.to_owned();
            vec![
                slot.market.clone(),
                slot.slot.to_string(),
                slot.stage.clone(),
                slot.attempts.to_string(),
                mine,
            ]
        });
        let heading = ["market", "slot", "stage", "failed", "whose"];
        text.push('\n');
        text.push_str(&table(&heading, &cells.collect::<Vec<_>>()));
    }
    text
}
