//! What a run came to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The last line of a run with `--json`. Fields marked "none" must be zero.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Summary {
    pub seed: u64,
    /// Of faults; setting the stage and settling come on top.
    pub seconds: u64,
    /// Of the asset.
    pub decimals: u8,
    pub blocks: u64,
    /// Of all markets.
    pub slots: u64,
    pub proven: u64,
    pub expired: u64,
    pub cancelled: u64,
    /// Ended with what they built on.
    pub dropped: u64,
    /// None: asset wei of slashed bonds, or missing from stakes.
    pub lost_stake_wei: u128,
    /// None: slots that had a holder and were proven by another, or by nobody.
    pub missed_feasible: u64,
    /// None: slots paid for more than once, and provers whose credit is not what their proofs earned.
    pub duplicate_payments: u64,
    /// None: transactions that prove what the same node had proven, and proofs made again although one was at hand.
    pub duplicate_proofs: u64,
    /// Proofs made again of what a reorganisation opened again.
    pub proven_again_after_reorg: u64,
    /// None: nonces with transactions that are not mined, after everything has settled.
    pub stuck_nonces: u64,
    /// None: slots of which a node's book says something else than the chain.
    pub book_mismatches: u64,
    /// Slots that were compared.
    pub book_compared: u64,
    /// None: slots that never ended, though nothing kept anyone from proving them.
    pub never_ended: u64,
    /// None: nodes that ended by themselves.
    pub unexpected_ends: u64,
    /// Starts that came to nothing, and ends because the disk was full: whoever runs a node starts it again, and so does
    /// the run.
    pub failed_starts: u64,
    pub ended_by_full_disk: u64,
    /// None: descriptors that processes gained over their lives, beyond what comes and goes.
    pub leaked_fds: u64,
    /// The steepest of the nodes; null if none lived long enough ([`super::memory`]).
    pub rss_slope_mib_per_h: Option<f64>,
    /// The mean of the nodes, for comparison: what one leaks, all do.
    pub rss_slope_mean: Option<f64>,
    pub rss_window_s: u64,
    /// Most blocks that a wedged nonce took to be healed, and how many were.
    pub healed_blocks_max: u64,
    pub healed_blocks_p50: u64,
    pub healed: u64,
    /// Slots that a node had given up, that a reorganisation opened anew, and that it took up again; and such that did not
    /// come anew, or not for that node.
    pub taken_up_again: u64,
    pub left_given_up: u64,
    /// Transactions that replaced another under geth's rule.
    pub replacements: u64,
    pub reorgs_by_stage: BTreeMap<String, u64>,
    /// By `<point>:<side>`.
    pub crash_points: BTreeMap<String, u64>,
    /// The same, of nodes that were stopped there for a while.
    pub stop_points: BTreeMap<String, u64>,
    /// By fault.
    pub injected: BTreeMap<String, u64>,
    /// Errors that nodes reported, by code.
    pub errors: BTreeMap<String, u64>,
    /// What is wrong, in words; empty if the run was good.
    pub failures: Vec<String>,
}

impl Summary {
    /// Put every figure that must be zero and is not into words.
    pub fn judge(&mut self) {
        let none: [(u128, &str); 9] = [
            (self.lost_stake_wei, "asset wei of stake were lost"),
            (self.missed_feasible.into(), "slots with a holder were missed"),
            (self.duplicate_payments.into(), "payments were made twice or do not add up"),
            (self.duplicate_proofs.into(), "proofs were made or sent again"),
            (self.stuck_nonces.into(), "nonces are stuck"),
            (self.book_mismatches.into(), "slots are not in the books as they are on the chain"),
            (self.never_ended.into(), "slots never ended"),
            (self.unexpected_ends.into(), "nodes ended by themselves"),
            (self.leaked_fds.into(), "descriptors leaked"),
        ];
        for (count, what) in none {
            if count > 0 {
                self.failures.push(format!("{count} {what}"));
            }
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let list = |map: &BTreeMap<String, u64>| {
            let parts: Vec<String> =
                map.iter().filter(|(_, n)| **n > 0).map(|(name, n)| format!("{name} {n}")).collect();
            if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
        };
        let slope = self.rss_slope_mib_per_h.map_or_else(
            || "not measured (no process lived long enough)".to_owned(),
            |slope| {
                let mean = self.rss_slope_mean.unwrap_or(slope);
                format!(
                    "{slope:.2} MiB an hour over {} s, {mean:.2} in the mean of the nodes",
                    self.rss_window_s
                )
            },
        );
        let mut text = format!(
            "\n{} slots in {} blocks, an asset of {} decimals: {} proven, {} expired, {} cancelled, {} dropped\ninjected: {}\ncrashes by point: {}\nstops by point: {}\nslots at reorgs, by stage: {}\n\
             lost stake {} base units, missed {}, paid twice {}, proven twice {}, stuck nonces {}, books that differ {} (of {})\n\
             {} wedged nonces healed, after {} blocks at the median and {} at most; {} replacements\n\
             {} slots that were given up were taken up again after a reorganisation, {} rightly not\n\
             {} starts came to nothing, {} nodes ended because of a full disk\ndescriptors leaked {}, memory slope {slope}\nerrors reported: {}\n",
            self.slots,
            self.blocks,
            self.decimals,
            self.proven,
            self.expired,
            self.cancelled,
            self.dropped,
            list(&self.injected),
            list(&self.crash_points),
            list(&self.stop_points),
            list(&self.reorgs_by_stage),
            self.lost_stake_wei,
            self.missed_feasible,
            self.duplicate_payments,
            self.duplicate_proofs,
            self.stuck_nonces,
            self.book_mismatches,
            self.book_compared,
            self.healed,
            self.healed_blocks_p50,
            self.healed_blocks_max,
            self.replacements,
            self.taken_up_again,
            self.left_given_up,
            self.failed_starts,
            self.ended_by_full_disk,
            self.leaked_fds,
            list(&self.errors),
        );
        for failure in &self.failures {
            text.push_str(&format!("FAILED: {failure}\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_that_must_be_zero_and_is_not_is_a_failure() {
        let mut summary = Summary::default();
        summary.judge();
        assert!(summary.failures.is_empty());
        summary.stuck_nonces = 2;
        summary.lost_stake_wei = 1;
        summary.judge();
        assert_eq!(summary.failures.len(), 2);
    }
}
