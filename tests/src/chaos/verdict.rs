//! Chain against books, once everything has settled.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alloy::{
    primitives::{Address, U256},
    sol_types::SolCall as _,
};
use eyre::Result;
use provery_bindings::ProofMarket;
use provery_types::Event;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    features::Features,
    hopeless::Reopened,
    ledger::{End, Key, Ledger, SlotRow},
    memory,
    node::Node,
    reports::Reports,
    stage::{ADDED, STAKE, Stage},
    summary::Summary,
};

/// Blocks whose slots no book has forgotten yet.
const RECENT: u64 = 48;

/// How often, and how long apart, it is looked whether a transaction is stuck.
const LOOKS: usize = 60;
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What a node's book says of slots.
#[derive(Debug, Default)]
struct Book {
    /// Stage, and who was paid if it says so.
    slots: BTreeMap<Key, (String, Option<Address>)>,
    /// Transactions that are signed and not mined.
    unmined: u64,
}

/// Transactions that a node's status says it has signed, that are not mined, and that it would see to. One that stands by
/// sends nothing: what it signed while it led may have lost its nonce to its leader, which it looks at once it leads again.
pub(super) fn unmined(status: &Value) -> u64 {
    if status["node"]["role"] == "standby" { 0 } else { status["outbox"]["pending"].as_u64().unwrap_or(0) }
}

/// Everything the verdict is about.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub stage: &'a Stage,
    pub nodes: &'a [Arc<Node>],
    pub reports: &'a Reports,
    pub features: Features,
    pub reopened: &'a [Reopened],
    /// Read anew, from the first block on.
    pub ledger: &'a Ledger,
    pub url: String,
    /// Milliseconds between blocks.
    pub block_ms: u64,
}

impl Case<'_> {
    /// Fill in what the chain and the books say.
    pub(super) async fn judge(&self, summary: &mut Summary) -> Result<()> {
        let slots = self.ledger.slots();
        summary.blocks = self.ledger.head();
        summary.slots = slots.len() as u64;
        for ((market, id), row) in &slots {
            let name = format!("slot {id} of market {market}");
            let holder = (!row.slot.prover.is_zero()).then_some(row.slot.prover);
            match &row.end {
                Some((_, End::Proven { payee, missed_by, .. })) => {
                    summary.proven += 1;
                    // The slash of a miss may be held.
                    if let Some(by) = missed_by.or(holder.filter(|holder| holder != payee)) {
                        summary.missed_feasible += 1;
                        summary.failures.push(format!("{name} was missed by {by}"));
                    }
                }
                Some((_, End::Expired)) => {
                    summary.expired += 1;
                    if let Some(by) = holder {
                        summary.missed_feasible += 1;
                        summary.failures.push(format!("{name} expired in the hands of {by}"));
                    } else if *market == ADDED {
                        summary.failures.push(format!("{name}, which was added, expired"));
                    }
                }
                Some((_, End::Cancelled)) => summary.cancelled += 1,
                Some((_, End::Dropped { .. })) => summary.dropped += 1,
                None => {
                    summary.never_ended += 1;
                    summary.failures.push(format!("{name} is still open"));
                }
            }
            summary.duplicate_payments += row.payments.saturating_sub(1);
        }
        self.money(&slots, summary).await?;
        self.proofs(&slots, summary);
        self.reopened(&slots, summary);
        for node in self.nodes {
            self.node(node, &slots, summary).await?;
        }
        self.memory(summary);
        summary.errors = self.reports.errors();
        Ok(())
    }

    fn memory(&self, summary: &mut Summary) {
        let measured = self.nodes.iter().filter_map(|node| memory::slope(&node.samples(), self.block_ms));
        let (slopes, windows): (Vec<f64>, Vec<u64>) = measured.unzip();
        let rounded = |slope: f64| (slope * 100.0).round() / 100.0;
        let mean = slopes.iter().sum::<f64>() / slopes.len() as f64;
        summary.rss_slope_mib_per_h = slopes.iter().copied().max_by(f64::total_cmp).map(rounded);
        summary.rss_slope_mean = (!slopes.is_empty()).then(|| rounded(mean));
        summary.rss_window_s = windows.into_iter().min().unwrap_or(0);
    }

    /// Stakes and credits.
    async fn money(&self, slots: &BTreeMap<Key, SlotRow>, summary: &mut Summary) -> Result<()> {
        let events = || self.ledger.blocks.values().flat_map(|block| &block.events);
        let whole = self.stage.chain.asset().whole();
        let mut slashed = U256::ZERO;
        for event in events() {
            if let Event::BondSlashed { to_rescuer, to_requester, burned, .. } = event {
                slashed += *to_rescuer + *to_requester + *burned;
            }
        }
        let mut missing = U256::ZERO;
        for prover in &self.stage.provers {
            let stake = U256::from(self.stage.chain.prover(prover.address).await?.stake);
            missing += (U256::from(STAKE) * whole).saturating_sub(stake);
            let earned = slots.values().fold(U256::ZERO, |sum, row| match &row.end {
                Some((_, End::Proven { payee, paid, .. })) if *payee == prover.address => sum + *paid,
                Some((_, End::Dropped { fee })) if row.slot.prover == prover.address => sum + *fee,
                _ => sum,
            });
            let withdrawn = events().fold(U256::ZERO, |sum, event| match event {
                Event::Withdrawn { account, amount, .. } if *account == prover.address => sum + *amount,
                _ => sum,
            });
            let credit = self.stage.chain.credits(prover.address).await?;
            if credit + withdrawn != earned {
                summary.duplicate_payments += 1;
                let text = format!("{} earned {earned} and was credited {}", prover.name, credit + withdrawn);
                summary.failures.push(text);
            }
        }
        summary.lost_stake_wei = slashed.max(missing).saturating_to();
        Ok(())
    }

    /// Proofs sent again after they were paid for, and made again.
    fn proofs(&self, slots: &BTreeMap<Key, SlotRow>, summary: &mut Summary) {
        let market = self.stage.deployment.market();
        let mut unproven = self.ledger.unproven.clone();
        for (number, block) in &self.ledger.blocks {
            for tx in block.txs.iter().filter(|tx| tx.to == Some(market)) {
                let Ok(call) = ProofMarket::proveCall::abi_decode(&tx.input) else { continue };
                let key = (call.slot.market.saturating_to(), call.slot.id);
                let Some(SlotRow { end: Some((paid_in, End::Proven { payee, .. })), .. }) = slots.get(&key)
                else {
                    continue;
                };
                // Of its own slot, after the block that paid for it.
                if *payee == tx.from && number > paid_in {
                    // Sent when a reorganisation had taken the first back, by a partner who knew nothing of that: both land.
                    if let Some(times) = unproven.get_mut(&key).filter(|times| **times > 0) {
                        *times -= 1;
                        summary.proven_again_after_reorg += 1;
                        continue;
                    }
                    summary.duplicate_proofs += 1;
                    let text = format!(
                        "{} proved slot {} of market {} again in block {number}",
                        tx.from, key.1, key.0
                    );
                    summary.failures.push(text);
                }
            }
        }
        let (again, after_reorg) = self.reports.proven_again();
        summary.duplicate_proofs += again;
        summary.proven_again_after_reorg += after_reorg;
    }

    /// Whether nodes took up again what they had given up, where a reorganisation brought it anew and it is theirs.
    fn reopened(&self, slots: &BTreeMap<Key, SlotRow>, summary: &mut Summary) {
        for again in self.reopened {
            let Some(node) = self.nodes.get(again.node) else { continue };
            let theirs = slots.get(&again.key).is_some_and(|row| row.slot.prover == node.prover.address);
            if self.reports.proving_since(again.node, again.key, again.at_ms) {
                summary.taken_up_again += 1;
            } else if !theirs {
                summary.left_given_up += 1;
            } else {
                let (market, id) = again.key;
                let text = format!(
                    "{} gave slot {id} of market {market} up and did not take it up when it came anew",
                    node.name()
                );
                summary.failures.push(text);
            }
        }
    }

    async fn node(&self, node: &Node, slots: &BTreeMap<Key, SlotRow>, summary: &mut Summary) -> Result<()> {
        let rpc = self.stage.chain.rpc().provider().clone();
        let count = |tag| {
            let rpc = rpc.clone();
            let of = json!([node.prover.address, tag]);
            async move {
                let client = alloy::providers::Provider::client(&rpc);
                client.request::<_, alloy::primitives::U64>("eth_getTransactionCount", of).await
            }
        };
        // Upkeep may be on its way at this very moment; what is stuck stays.
        let (mut stuck, mut book) = (0, self.book(node).await?);
        for _ in 0..LOOKS {
            let (latest, pending) = (count("latest").await?, count("pending").await?);
            stuck = pending.saturating_sub(latest).to::<u64>();
            book = self.book(node).await?;
            if stuck == 0 && book.unmined == 0 {
                break;
            }
            sleep(LOOK_EVERY).await;
        }
        summary.stuck_nonces += stuck;
        if book.unmined > 0 {
            summary.stuck_nonces += book.unmined;
            summary.failures.push(format!(
                "{} has {} transactions that are not mined",
                node.name(),
                book.unmined
            ));
        }
        for (key, (stage, told)) in &book.slots {
            let end = slots.get(key).and_then(|row| row.end.as_ref()).map(|(_, end)| end);
            let paid = match end {
                Some(End::Proven { payee, .. }) => Some(*payee),
                _ => None,
            };
            let mine = paid == Some(node.prover.address);
            let right = match stage.as_str() {
                "settled" => paid.is_some(),
                "lost" => paid.is_some() && !mine,
                "expired" => end == Some(&End::Expired),
                "cancelled" => end == Some(&End::Cancelled),
                "dropped" => matches!(end, Some(End::Dropped { .. })),
                // Not this node's business any more, however it ended.
                "failed" | "ignored" => end.is_some(),
                // Still at work, though the slot is over.
                _ => end.is_none(),
            };
            summary.book_compared += 1;
            if !right || (told.is_some() && paid.is_some() && *told != paid) {
                summary.book_mismatches += 1;
                let text = format!(
                    "{}: slot {} of market {} is {stage}, on the chain {end:?}",
                    node.name(),
                    key.1,
                    key.0
                );
                summary.failures.push(text);
            }
        }
        let recent = self.ledger.head().saturating_sub(RECENT);
        let unknown = slots.iter().filter(|(key, row)| {
            self.features.status
                && row.opened_in > recent
                && row.end.is_some()
                && !book.slots.contains_key(key)
        });
        for (key, _) in unknown {
            summary.book_mismatches += 1;
            summary.failures.push(format!(
                "{}: slot {} of market {} is not in the book",
                node.name(),
                key.1,
                key.0
            ));
        }
        for text in node.unexpected() {
            summary.unexpected_ends += 1;
            summary.failures.push(text);
        }
        let (failed_starts, disk_ends) = node.forgiven();
        summary.failed_starts += failed_starts;
        summary.ended_by_full_disk += disk_ends;
        let samples = node.samples();
        summary.leaked_fds += memory::leaked(&samples, self.block_ms);
        Ok(())
    }

    /// The book as `provery node status` tells it; without that command, as the node's lines did.
    async fn book(&self, node: &Node) -> Result<Book> {
        if !self.features.status {
            let slots = self.ledger.slots().into_keys();
            let stages = slots.filter_map(|key| Some((key, self.reports.stage(node.index, key)?)));
            let over = stages.filter(|(_, stage)| matches!(*stage, "settled" | "lost" | "expired"));
            // Lines speak of what the node itself settled.
            let told = |stage: &str| (stage == "settled").then_some(node.prover.address);
            let slots = over.map(|(key, stage)| (key, (stage.to_owned(), told(stage)))).collect();
            return Ok(Book { slots, unmined: 0 });
        }
        let data_dir = node.data_dir.display().to_string();
        let args = ["node", "status", "--data-dir", &data_dir];
        let (ok, status) = self.stage.cli.run(None, &self.url, &args).await?;
        eyre::ensure!(ok, "provery node status failed for {}: {status}", node.name());
        let mut book = Book { unmined: unmined(&status), ..Book::default() };
        for list in ["open", "ended"] {
            for row in status[list].as_array().into_iter().flatten() {
                let market = row["market"].as_u64().or_else(|| row["market"].as_str()?.parse().ok());
                let (Some(market), Some(slot), Some(stage)) =
                    (market, row["slot"].as_u64(), row["stage"].as_str())
                else {
                    continue;
                };
                let payee = row.get("payee").cloned().unwrap_or(Value::Null);
                book.slots.insert(
                    (market, slot),
                    (stage.to_owned(), serde_json::from_value(payee).unwrap_or(None)),
                );
            }
        }
        Ok(book)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_standby_signed_while_it_led_is_not_stuck() {
        let status = |role: &str| json!({ "node": { "role": role }, "outbox": { "pending": 2 } });
        assert_eq!(unmined(&status("standby")), 0);
        assert_eq!((unmined(&status("leader")), unmined(&status("alone"))), (2, 2));
        assert_eq!(unmined(&json!({ "outbox": { "pending": 1 } })), 1, "whatever it does not say");
    }
}
