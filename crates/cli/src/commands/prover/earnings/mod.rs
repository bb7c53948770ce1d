//! `provery prover earnings`: what a prover earned and spent, by market and day, from the chain's data; and what it spent on
//! transactions that failed, of which the chain's logs say nothing, from its node's.

use std::{collections::BTreeMap, path::PathBuf};

use alloy::primitives::{Address, B256, I256, U256};
use clap::Args;
use eyre::Result;
use provery_indexer::{
    Cost, History,
    income::{DAY, Key, Row, Scope},
};
use provery_rpc::Rpc;
use provery_txmgr::{DayOutlay, Spent};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    address,
    amount::Currency,
    commands::node::status,
    context::Context,
    error::{Code, fail},
    error_report,
    output::{spinner, table},
    time::date,
};

/// Receipts asked for at once.
const CONCURRENT: usize = 8;

#[derive(Debug, Args)]
pub(crate) struct EarningsArgs {
    /// Whose [default: the signing account]
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
    prover: Option<Address>,
    /// Leave out what happened before this block
    #[arg(long, value_name = "N", default_value_t = 0)]
    from_block: u64,
    /// Only the last D days in UTC, the newest block's day included [default: all]
    #[arg(long, value_name = "D", value_parser = clap::value_parser!(u32).range(1..))]
    days: Option<u32>,
    /// The directory of a node that notes what failed transactions cost; may be given more than once [default: data_dir of the
    /// configuration]
    #[arg(long, value_name = "DIR")]
    data_dir: Vec<PathBuf>,
}

fn row_json(row: &Row) -> Value {
    json!({
        "slots": row.slots,
        "income_wei": row.income.to_string(),
        "premium_wei": row.premium.to_string(),
        "drop_fees_wei": row.fees.to_string(),
        "transfers_wei": row.transfers.to_string(),
        "gas_used": row.gas_used,
        "gas_wei": row.gas_wei.to_string(),
        "failed": row.failed,
        "failed_gas_wei": row.failed_gas_wei.to_string(),
        "slashed_wei": row.slashed.to_string(),
        "net_wei": row.net().to_string(),
    })
}

fn cells(row: &Row, asset: &Currency) -> [String; 7] {
    [
        row.slots.to_string(),
        asset.show(row.income),
        asset.show(row.premium),
        asset.show(row.slashed),
        shown(asset, row.net()),
        row.gas_used.to_string(),
        Currency::gas().show(row.gas_wei),
    ]
}

pub(super) async fn run(context: &Context, args: EarningsArgs) -> Result<()> {
    let session = context.reader().await?;
    let prover = session.account(args.prover)?;
    let today = session.head().await?.timestamp / DAY;
    let from_day = args.days.map_or(0, |days| today.saturating_sub(u64::from(days) - 1));
    let scope = Scope { prover, from_block: args.from_block, from_day };

    let waiting = spinner("reading the chain's logs");
    // All of them: who may sign for the prover was said long ago.
    let events = session.events().await?;
    let mut history = History::replay(&events);
    let wanted = scope.candidates(&history, &events);
    if let Some(waiting) = &waiting {
        waiting.set_message(format!("reading {} receipts", wanted.len()));
    }
    for (block, tx, cost) in costs(session.chain.rpc(), wanted).await? {
        history.note_cost(tx, block, cost);
    }
    if let Some(waiting) = waiting {
        waiting.finish_and_clear();
    }
    let mut rows = scope.rows(&history, &events);
    let noted = noted(context, &args.data_dir, prover).await?;
    if let Some(outlays) = &noted {
        let first = match scope.from_block {
            0 => 0,
            block => session.chain.rpc().block(block).await?.map_or(0, |block| block.timestamp / DAY),
        };
        add_failed(&mut rows, outlays, first.max(from_day));
    }
    show(context, session.asset(), &scope, &rows, noted.is_some());
    Ok(())
}

/// What nodes of a prover noted of their transactions' costs; nothing if no node is known.
async fn noted(context: &Context, given: &[PathBuf], prover: Address) -> Result<Option<Vec<DayOutlay>>> {
    let mut outlays = Vec::new();
    for dir in given {
        let (status, _) = status::look(dir).await?;
        if status.node.prover != prover {
            let message = format!(
                "the node in {} works for {}, not for {prover}; give --prover {}, or another --data-dir",
                dir.display(),
                status.node.prover,
                status.node.prover
            );
            return Err(fail(Code::Usage, message));
        }
        outlays.extend(status.outbox.spent_by_day);
    }
    if !given.is_empty() {
        return Ok(Some(outlays));
    }
    let Some(dir) = context.settings.node.data_dir.as_ref().filter(|dir| dir.join("node.redb").exists())
    else {
        return Ok(None);
    };
    match status::look(dir).await {
        Ok((status, _)) if status.node.prover == prover => Ok(Some(status.outbox.spent_by_day)),
        Ok(_) => Ok(None),
        Err(report) => {
            let why = error_report::explain(&report).message;
            context.out.warn(&format!("what failed transactions cost is left out: {why}"));
            Ok(None)
        }
    }
}

/// Add what was paid for nothing from a day on. Which market it was for is not noted.
fn add_failed(rows: &mut BTreeMap<Key, Row>, outlays: &[DayOutlay], first: u64) {
    for DayOutlay { day, outlay } in outlays {
        let Spent { transactions, gas, wei } = outlay.wasted();
        if *day >= first && transactions > 0 {
            *rows.entry((None, *day)).or_default() += Row {
                gas_used: gas,
                gas_wei: wei,
                failed: transactions,
                failed_gas_wei: wei,
                ..Row::default()
            };
        }
    }
}

fn show(context: &Context, asset: &Currency, scope: &Scope, rows: &BTreeMap<Key, Row>, noted: bool) {
    let mut total = Row::default();
    rows.values().for_each(|row| total += *row);
    let json_rows: Vec<Value> = rows
        .iter()
        .map(|((market, day), row)| {
            let mut json = row_json(row);
            json["market"] = json!(market.map(|market| market.to_string()));
            json["day"] = json!(date(*day));
            json
        })
        .collect();
    let json = json!({
        "prover": scope.prover,
        "from_block": scope.from_block,
        "rows": json_rows,
        "total": row_json(&total),
        "failed_counted": noted,
    });
    context.out.result(&json, || {
        if rows.is_empty() {
            return format!("{} earned and spent nothing in this time", scope.prover);
        }
        let heading = [
            "market",
            "day",
            "slots",
            "rewards",
            "premiums",
            "slashed",
            "net",
            "gas",
            "gas fees",
        ];
        let line =
            |market: String, day: String, row: &Row| [vec![market, day], cells(row, asset).to_vec()].concat();
        let mut lines: Vec<_> = rows
            .iter()
            .map(|((market, day), row)| {
                let market = market.map_or_else(|| "-".to_owned(), |market| market.to_string());
                line(market, date(*day), row)
            })
            .collect();
        lines.push(line("total".to_owned(), String::new(), &total));
        let mut text = table(&heading, &lines);
        text.push_str(
            "\nNet is in the asset: rewards, premiums and fees, less what was slashed; gas fees are not in it.\n",
        );
        if noted {
            let (failed, cost) = (total.failed, Currency::gas().show(total.failed_gas_wei));
            text.push_str(&format!(
                "Gas fees hold {cost} for {failed} transactions of the node's that failed or were cancelled.\n"
            ));
        } else {
            text.push_str(
                "Transactions that failed left no trace in the logs, and their gas is not counted; with --data-dir, what the node \
                 noted of them is.\n",
            );
        }
        if total.fees != U256::ZERO {
            text.push_str(&format!("Net holds {} for slots that were dropped while held.\n", asset.show(total.fees)));
        }
        if total.transfers != I256::ZERO {
            text.push_str(&format!(
                "Net holds {} from slot transfers.\n",
                shown(asset, total.transfers)
            ));
        }
        text
    });
}

/// What transactions cost, by their receipts.
async fn costs(rpc: &Rpc, wanted: Vec<(u64, B256)>) -> Result<Vec<(u64, B256, Cost)>> {
    let mut found = Vec::new();
    let mut tasks = JoinSet::new();
    let mut wanted = wanted.into_iter();
    loop {
        while tasks.len() < CONCURRENT {
            let Some((block, hash)) = wanted.next() else { break };
            let rpc = rpc.clone();
            tasks.spawn(async move { (block, hash, rpc.receipt(hash).await) });
        }
        let Some(answer) = tasks.join_next().await else { return Ok(found) };
        let (block, hash, receipt) = answer?;
        let receipt = receipt
            .map_err(|error| {
                fail(
                    Code::RpcUnavailable,
                    format!(
                        "the RPC at {} gave no receipt of transaction {hash} ({error}); run this again, or use another \
                         node",
                        rpc.name()
                    ),
                )
            })?
            .ok_or_else(|| {
                fail(
                    Code::RpcRejected,
                    format!(
                        "the RPC at {} has no receipt of transaction {hash}: the chain changed meanwhile, or the node \
                         prunes receipts; run this again, or with a later --from-block",
                        rpc.name()
                    ),
                )
            })?;
        let (payer, gas) = (receipt.inner.from, receipt.inner.gas_used);
        found.push((block, hash, Cost { payer, gas, wei: receipt.cost() }));
    }
}

/// For people, with its sign.
fn shown(asset: &Currency, amount: I256) -> String {
    let minus = if amount.is_negative() { "-" } else { "" };
    format!("{minus}{}", asset.show(amount.unsigned_abs()))
}

#[cfg(test)]
mod tests;
