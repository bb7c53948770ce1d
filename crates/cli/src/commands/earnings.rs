//! `provery prover earnings`: what a prover earned and spent, by market and day, from the chain's data; and what it spent on
//! transactions that failed, of which the chain's logs say nothing, from its node's.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::AddAssign,
    path::PathBuf,
};

use alloy::primitives::{Address, B256, I256, U256};
use clap::Args;
use eyre::Result;
use provery_rpc::Rpc;
use provery_txmgr::{DayOutlay, Spent};
use provery_types::{Event, LoggedEvent};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    address,
    amount::Currency,
    commands::node::status,
    context::Context,
    error::{Code, fail},
    failures,
    output::{spinner, table},
    time::date,
};

const DAY: u64 = 86_400;

/// Receipts asked for at once.
const CONCURRENT: usize = 8;

#[derive(Debug, Args)]
pub struct EarningsArgs {
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

/// What counts.
#[derive(Debug, Clone, Copy)]
struct Scope {
    prover: Address,
    from_block: u64,
    /// Days since 1970.
    from_day: u64,
}

/// Who paid for a transaction, and how much.
#[derive(Debug, Clone, Copy)]
struct Receipt {
    from: Address,
    gas: u64,
    /// Wei of the chain's own coin: for gas, and what a rollup took for the transaction's bytes.
    wei: U256,
}

/// A market's day; without a market, what concerns none or all of them, such as pokes and withdrawals.
type Key = (Option<U256>, u64);

/// Amounts are asset wei, but for `gas_wei`, which is the chain's own coin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Row {
    slots: u64,
    income: U256,
    premium: U256,
    /// For slots that were dropped while it held them.
    fees: U256,
    /// What rights to slots brought when they changed hands, less what they cost.
    handed_over: I256,
    slashed: U256,
    gas_used: u64,
    gas_wei: U256,
    /// Transactions that failed, or took the nonce of another and did nothing, and what part of the gas they cost.
    failed: u64,
    failed_gas_wei: U256,
}

impl AddAssign for Row {
    fn add_assign(&mut self, other: Self) {
        self.slots += other.slots;
        self.income += other.income;
        self.premium += other.premium;
        self.fees += other.fees;
        self.handed_over += other.handed_over;
        self.slashed += other.slashed;
        self.gas_used += other.gas_used;
        self.gas_wei += other.gas_wei;
        self.failed += other.failed;
        self.failed_gas_wei += other.failed_gas_wei;
    }
}

impl Row {
    /// In asset wei, so without the gas.
    fn net(&self) -> I256 {
        signed(self.income) + signed(self.premium) + signed(self.fees) + self.handed_over
            - signed(self.slashed)
    }

    fn json(&self) -> Value {
        json!({
            "slots": self.slots,
            "income_wei": self.income.to_string(),
            "premium_wei": self.premium.to_string(),
            "drop_fees_wei": self.fees.to_string(),
            "handed_over_wei": self.handed_over.to_string(),
            "gas_used": self.gas_used,
            "gas_wei": self.gas_wei.to_string(),
            "failed": self.failed,
            "failed_gas_wei": self.failed_gas_wei.to_string(),
            "slashed_wei": self.slashed.to_string(),
            "net_wei": self.net().to_string(),
        })
    }

    fn cells(&self, asset: &Currency) -> [String; 7] {
        [
            self.slots.to_string(),
            asset.show(self.income),
            asset.show(self.premium),
            asset.show(self.slashed),
            shown(asset, self.net()),
            self.gas_used.to_string(),
            Currency::gas().show(self.gas_wei),
        ]
    }
}

pub async fn run(context: &Context, args: EarningsArgs) -> Result<()> {
    let session = context.reader().await?;
    let prover = session.account(args.prover)?;
    let today = session.head().await?.timestamp / DAY;
    let from_day = args.days.map_or(0, |days| today.saturating_sub(u64::from(days) - 1));
    let scope = Scope { prover, from_block: args.from_block, from_day };

    let waiting = spinner("reading the chain's logs");
    // All of them: who may sign for the prover was said long ago.
    let events = session.events().await?;
    let wanted = scope.candidates(&events);
    if let Some(waiting) = &waiting {
        waiting.set_message(format!("reading {} receipts", wanted.len()));
    }
    let receipts = receipts(session.chain.rpc(), wanted).await?;
    if let Some(waiting) = waiting {
        waiting.finish_and_clear();
    }
    let mut rows = scope.fold(&events, &receipts);
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
            let why = failures::explain(&report).message;
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
            let mut json = row.json();
            json["market"] = json!(market.map(|market| market.to_string()));
            json["day"] = json!(date(*day));
            json
        })
        .collect();
    let json = json!({
        "prover": scope.prover,
        "from_block": scope.from_block,
        "rows": json_rows,
        "total": total.json(),
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
            |market: String, day: String, row: &Row| [vec![market, day], row.cells(asset).to_vec()].concat();
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
        if total.handed_over != I256::ZERO {
            text.push_str(&format!(
                "Net holds {} from rights that changed hands.\n",
                shown(asset, total.handed_over)
            ));
        }
        text
    });
}

impl Scope {
    fn holds(&self, event: &LoggedEvent) -> bool {
        event.block.number >= self.from_block && event.block.timestamp / DAY >= self.from_day
    }

    /// The transactions that the prover, or a key of its, may have paid for.
    fn candidates(&self, events: &[LoggedEvent]) -> Vec<B256> {
        let id = events.iter().find_map(|event| match &event.event {
            Event::ProverRegistered { prover, id, .. } if *prover == self.prover => Some(*id),
            _ => None,
        });
        transactions(events)
            .filter(|logs| logs.iter().all(|event| self.holds(event)))
            // Opening slots is the requester's expense, whoever it is.
            .filter(|logs| !logs.iter().any(|event| matches!(event.event, Event::SlotOpened { .. })))
            .filter(|logs| logs.iter().any(|event| self.concerns(&event.event, id)))
            .map(|logs| logs[0].tx_hash)
            .collect()
    }

    /// Whether an event may stem from the prover's own work. The receipt tells.
    fn concerns(&self, event: &Event, id: Option<u32>) -> bool {
        let me = |account: &Address| *account == self.prover;
        match event {
            Event::SlotProven { payee, .. } => me(payee),
            Event::SlotAllocated { slot } | Event::SlotHandedOver { slot, .. } => me(&slot.prover),
            Event::Withdrawn { account, .. } => me(account),
            Event::ProverRegistered { prover, .. }
            | Event::UriSet { prover, .. }
            | Event::SubmitterSet { prover, .. }
            | Event::SubmitterNominated { prover, .. }
            | Event::ProverReinstated { prover, .. }
            | Event::Staked { prover, .. }
            | Event::UnstakeRequested { prover, .. }
            | Event::Unstaked { prover, .. }
            | Event::AllocationSet { prover, .. }
            | Event::ProverPaused { prover }
            | Event::ProverResumed { prover }
            | Event::HandOverOffered { prover, .. }
            | Event::HandOverRevoked { prover, .. } => me(prover),
            Event::WeightSet { id: other, .. } => Some(*other) == id,
            // Anyone may have done these, and the event does not say who.
            Event::SlotExpired { .. }
            | Event::SlotDropped { .. }
            | Event::SlotResolved { .. }
            | Event::EpochSeeded { .. }
            | Event::EpochSeedless { .. }
            | Event::MechanismLog { .. } => true,
            _ => false,
        }
    }

    /// Income, losses and gas by market and day. `receipts` are those of [`Scope::candidates`].
    fn fold(&self, events: &[LoggedEvent], receipts: &BTreeMap<B256, Receipt>) -> BTreeMap<Key, Row> {
        let mut rows: BTreeMap<Key, Row> = BTreeMap::new();
        // Who may sign for the prover, as of each transaction.
        let mut signers = BTreeSet::from([self.prover]);
        let mut slots = Slots::default();
        for logs in transactions(events) {
            let first = logs.first().filter(|event| self.holds(event));
            for event in logs {
                slots.apply(&event.event);
                if let Some(first) = first
                    && let Some((market, row)) = self.amounts(&event.event, &slots)
                {
                    *rows.entry((Some(market), first.block.timestamp / DAY)).or_default() += row;
                }
            }
            if let Some(first) = first {
                let day = first.block.timestamp / DAY;
                if let Some(receipt) =
                    receipts.get(&first.tx_hash).filter(|receipt| signers.contains(&receipt.from))
                {
                    let market = logs.iter().find_map(|event| market_of(&event.event));
                    *rows.entry((market, day)).or_default() +=
                        Row { gas_used: receipt.gas, gas_wei: receipt.wei, ..Row::default() };
                }
            }
            for event in logs {
                match &event.event {
                    Event::SubmitterSet { prover, submitter, allowed } if *prover == self.prover => {
                        if *allowed {
                            signers.insert(*submitter);
                        } else if *submitter != self.prover {
                            signers.remove(submitter);
                        }
                    }
                    _ => {}
                }
            }
        }
        rows
    }

    /// What an event earns the prover or costs it, and in which market.
    fn amounts(&self, event: &Event, slots: &Slots) -> Option<(U256, Row)> {
        let none = Row::default();
        match event {
            Event::SlotProven { market, payee, reward, premium, .. } if *payee == self.prover => {
                Some((*market, Row { slots: 1, income: *reward, premium: *premium, ..none }))
            }
            // Of a slot that waited for its premise; the slash comes with it.
            Event::SlotResolved { market, id, premium } if slots.payee(*market, *id) == Some(self.prover) => {
                Some((*market, Row { premium: *premium, ..none }))
            }
            Event::SlotDropped { market, id, fee } if slots.holder(*market, *id) == Some(self.prover) => {
                Some((*market, Row { fees: *fee, ..none }))
            }
            Event::StakeSlashed { prover, market, amount } if *prover == self.prover => {
                Some((*market, Row { slashed: *amount, ..none }))
            }
            Event::SlotHandedOver { slot, from, price } if slot.prover != *from => {
                let price = I256::try_from(*price).unwrap_or_default();
                let handed_over = match self.prover {
                    me if me == *from => price,
                    me if me == slot.prover => -price,
                    _ => return None,
                };
                Some((slot.market, Row { handed_over, ..none }))
            }
            _ => None,
        }
    }
}

/// Who holds slots, and whose proofs wait for a premise: what later events do not repeat.
#[derive(Debug, Default)]
struct Slots {
    holders: BTreeMap<(U256, u64), Address>,
    payees: BTreeMap<(U256, u64), Address>,
}

impl Slots {
    fn apply(&mut self, event: &Event) {
        match event {
            Event::SlotOpened { slot, .. }
            | Event::SlotAllocated { slot }
            | Event::SlotHandedOver { slot, .. } => {
                self.holders.insert((slot.market, slot.id), slot.prover);
            }
            Event::SlotPending { market, id, payee, .. } => {
                self.payees.insert((*market, *id), *payee);
            }
            _ => {}
        }
    }

    fn holder(&self, market: U256, id: u64) -> Option<Address> {
        self.holders.get(&(market, id)).copied()
    }

    fn payee(&self, market: U256, id: u64) -> Option<Address> {
        self.payees.get(&(market, id)).copied()
    }
}

/// The market that an event is about, if it is about one.
fn market_of(event: &Event) -> Option<U256> {
    match event {
        Event::SlotProven { market, .. }
        | Event::SlotExpired { market, .. }
        | Event::SlotCancelled { market, .. }
        | Event::SlotDropped { market, .. }
        | Event::SlotResolved { market, .. }
        | Event::HandOverOffered { market, .. }
        | Event::AllocationSet { market, .. }
        | Event::WeightSet { market, .. }
        | Event::MechanismLog { market, .. } => Some(*market),
        Event::SlotAllocated { slot } | Event::SlotHandedOver { slot, .. } => Some(slot.market),
        _ => None,
    }
}

/// The events of each transaction.
fn transactions(events: &[LoggedEvent]) -> impl Iterator<Item = &[LoggedEvent]> {
    events.chunk_by(|a, b| a.tx_hash == b.tx_hash)
}

async fn receipts(rpc: &Rpc, wanted: Vec<B256>) -> Result<BTreeMap<B256, Receipt>> {
    let mut found = BTreeMap::new();
    let mut tasks = JoinSet::new();
    let mut wanted = wanted.into_iter();
    loop {
        while tasks.len() < CONCURRENT {
            let Some(hash) = wanted.next() else { break };
            let rpc = rpc.clone();
            tasks.spawn(async move { (hash, rpc.receipt(hash).await) });
        }
        let Some(answer) = tasks.join_next().await else { return Ok(found) };
        let (hash, receipt) = answer?;
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
        let wei = receipt.cost();
        found.insert(hash, Receipt { from: receipt.inner.from, gas: receipt.inner.gas_used, wei });
    }
}

/// For people, with its sign.
fn shown(asset: &Currency, amount: I256) -> String {
    let minus = if amount.is_negative() { "-" } else { "" };
    format!("{minus}{}", asset.show(amount.unsigned_abs()))
}

/// No amount on a chain comes near 255 bits.
fn signed(amount: U256) -> I256 {
    I256::try_from(amount).unwrap_or(I256::MAX)
}

#[cfg(test)]
mod tests;
