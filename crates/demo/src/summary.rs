//! The sum of a run: did every slot get proven, who won what, what did it cost, and does the money add up.

use std::collections::BTreeMap;

use alloy::primitives::U256;
use provery_indexer::{Outcome, SlotRecord};
use provery_mechanisms::Mechanism;
use provery_types::{AssetUnit, Currency};
use serde::Serialize;

use crate::{
    hostile::{HostileSummary, Story},
    ledger::Ledger,
    overhead::OverheadSummary,
    percentiles::{Percentiles, percentiles},
};

/// Balances at the end, in asset wei, read from the chain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Balances {
    /// Put into the market's funds.
    pub funded: U256,
    /// Staked by all provers together.
    pub staked: U256,
    pub funds_left: U256,
    pub credits: U256,
    /// Credits that were already withdrawn.
    pub withdrawn: U256,
    pub burned: U256,
    pub stakes_left: U256,
    pub market_tokens: U256,
    pub registry_tokens: U256,
    /// Put into the mechanism's escrow.
    pub deposited: U256,
    /// What the escrow's keys can withdraw.
    pub deposits_left: U256,
    /// What the escrow has burned.
    pub deposits_burned: U256,
    /// What bids and tickets have locked.
    pub deposits_locked: U256,
    pub escrow_tokens: U256,
}

/// What was run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Slots that were to be opened.
    pub expected: u64,
    /// Where a circuit of somebody else is proven: of how many proofs its requester knows.
    pub told: Option<u64>,
    pub mechanism: &'static dyn Mechanism,
    pub killed: Option<String>,
    pub seed: u64,
    /// What the hostile sequencer did, and the honest provers' stake before and after.
    pub hostile: Option<(Story, U256, U256)>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct ProverSummary {
    pub name: String,
    pub address: String,
    /// Share of all stake in the market, 0 to 1.
    pub stake_share: f64,
    /// Share of the slots that went to somebody, 0 to 1: held first, or proven with nobody holding it.
    pub win_share: f64,
    pub won: u64,
    pub proven: u64,
    pub rescued: u64,
    pub missed: u64,
    pub earned_wei: u128,
}

/// The last line of `--json` carries this under `summary`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    /// What amounts count in, which are all in base units here.
    pub asset: AssetUnit,
    #[serde(skip)]
    pub currency: Currency,
    pub mechanism: &'static str,
    pub slots: u64,
    pub proven: u64,
    pub rescued: u64,
    pub missed: u64,
    pub expired: u64,
    pub finalized: u64,
    pub finalized_root: String,
    /// Where a circuit of somebody else is proven: of how many proofs its requester was told by the market.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<u64>,
    /// Proofs begun that nobody paid for, and the milliseconds spent on them as far as their provers told.
    pub wasted_proofs: u64,
    pub wasted_ms: u64,
    /// Asset wei that proofs were paid from the slots' prices, all together.
    pub price_paid: u128,
    pub slashed_wei: u128,
    pub burned_wei: u128,
    pub posted_to_proven_ms: Percentiles,
    pub proving_ms: Percentiles,
    pub overhead: OverheadSummary,
    /// Median gas of a whole transaction, by kind.
    pub gas: BTreeMap<String, u64>,
    pub provers: Vec<ProverSummary>,
    pub money_in_wei: u128,
    pub money_out_wei: u128,
    pub conserved: bool,
    pub killed: Option<String>,
    pub seed: u64,
    /// Held slots that ended with the block they built on, and what their holders were paid for that.
    pub dropped: u64,
    pub drop_fees_wei: u128,
    /// Slashes that waited for what their slot built on, and those of them that were undone.
    pub slashes_held: u64,
    pub slashes_undone: u64,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub hostile: Option<HostileSummary>,
    /// Why the run failed; empty if it did not.
    pub failures: Vec<String>,
}

/// Sum a run up. `gas` holds every transaction's gas by kind.
pub(crate) fn summarise(
    ledger: &Ledger,
    balances: &Balances,
    gas: &BTreeMap<String, Vec<u64>>,
    run: Run,
) -> Summary {
    let Run { expected, told, mechanism, killed, seed, hostile } = run;
    let total_units: u64 = ledger.provers.iter().map(|prover| prover.units).sum();
    let drawn = ledger.slots().filter(|slot| slot.winner().is_some()).count().max(1);
    let mut provers = Vec::new();
    for prover in &ledger.provers {
        let totals = ledger.totals(Some(prover.address));
        let won = ledger.slots().filter(|slot| slot.winner() == Some(prover.address)).count();
        let rescued = |slot: &&SlotRecord| {
            let by = slot.outcome.payee() == Some(prover.address);
            by && matches!(slot.outcome, Outcome::Proven { missed_by: Some(_), .. })
        };
        provers.push(ProverSummary {
            name: prover.name.clone(),
            address: prover.address.to_string(),
            stake_share: prover.units as f64 / total_units.max(1) as f64,
            win_share: won as f64 / drawn as f64,
            won: won as u64,
            proven: totals.delivered,
            rescued: ledger.slots().filter(rescued).count() as u64,
            missed: totals.missed,
            earned_wei: (totals.rewards + totals.premiums).to(),
        });
    }

    let everyone = ledger.totals(None);
    let (rewards, fees) = (everyone.rewards + everyone.premiums, everyone.drop_fees);
    let (slashed, burned) = (everyone.slashed, ledger.market().burned);
    let money_in = balances.funded + slashed;
    let money_out = rewards + fees + balances.funds_left + balances.burned;
    let market_owed = balances.funds_left + balances.credits + balances.burned;
    let conserved = money_in == money_out
        && rewards + fees == balances.credits + balances.withdrawn
        && market_owed == balances.market_tokens
        && balances.stakes_left == balances.registry_tokens
        && balances.staked == balances.stakes_left + slashed
        && balances.burned == burned
        && balances.deposited == balances.escrow_tokens
        && balances.deposited == balances.deposits_left + balances.deposits_burned + balances.deposits_locked;

    let proven = ledger.proven() as u64;
    let mut failures = Vec::new();
    let hostile = match hostile {
        Some((story, before, after)) => {
            let summary = story.summarise(ledger, before, after);
            failures.extend(summary.failures(expected, &ledger.asset));
            Some(summary)
        }
        None => {
            if ledger.slots().count() as u64 != expected {
                failures.push(format!("{} slots were opened, not {expected}", ledger.slots().count()));
            }
            if proven != expected {
                failures.push(format!("{proven} of {expected} slots were proven"));
            }
            if let Some(told) = told
                && told != expected
            {
                failures.push(format!("the requester was told of {told} proofs, not {expected}"));
            }
            if told.is_none() && ledger.finalized() != expected {
                failures.push(format!("the rollup finalised block {}, not {expected}", ledger.finalized()));
            }
            None
        }
    };
    if !conserved {
        failures
            .push(format!("the balances do not add up: {balances:?}, rewards {rewards}, slashed {slashed}"));
    }
    // A bidder that began early may have been just in time.
    if killed.is_some() && !mechanism.begins_early() && ledger.rescued() == 0 {
        failures.push("a prover was killed, and no slot of its was rescued".into());
    }

    Summary {
        asset: ledger.asset.unit(),
        currency: ledger.asset.clone(),
        mechanism: mechanism.word(),
        wasted_proofs: ledger.wasted_proofs() as u64,
        wasted_ms: ledger.wasted_ms,
        price_paid: everyone.rewards.to(),
        slots: ledger.slots().count() as u64,
        proven,
        rescued: ledger.rescued() as u64,
        missed: provers.iter().map(|prover| prover.missed).sum(),
        expired: ledger.slots().filter(|slot| matches!(slot.outcome, Outcome::Expired { .. })).count() as u64,
        finalized: ledger.finalized(),
        told,
        finalized_root: format!("{:#066x}", ledger.market().established.1),
        slashed_wei: slashed.to(),
        burned_wei: balances.burned.to(),
        posted_to_proven_ms: percentiles(
            ledger.rows.values().filter_map(|row| row.settled_ms.map(|at| at.saturating_sub(row.seen_ms))),
        ),
        overhead: ledger.overhead.summary(),
        proving_ms: percentiles(ledger.rows.values().filter_map(|row| row.proving_ms)),
        gas: gas.iter().map(|(kind, all)| (kind.clone(), percentiles(all.iter().copied()).p50)).collect(),
        provers,
        money_in_wei: money_in.to(),
        money_out_wei: money_out.to(),
        conserved,
        killed,
        seed,
        dropped: ledger.slots().filter(|slot| matches!(slot.outcome, Outcome::Dropped { .. })).count() as u64,
        drop_fees_wei: fees.to(),
        slashes_held: ledger.market().slashes_held,
        slashes_undone: ledger.market().slashes_undone,
        hostile,
        failures,
    }
}

impl Summary {
    /// For people.
    pub(crate) fn text(&self) -> String {
        let wei = |amount: u128| self.currency.show(U256::from(amount));
        let mut text = format!(
            "\n{} slots by {}: {} proven, of them {} rescued after a miss; {} expired. {}\n",
            self.slots,
            self.mechanism,
            self.proven,
            self.rescued,
            self.expired,
            match self.told {
                Some(told) => format!("The requester was told of {told} proofs."),
                None => format!("The rollup stands at block {}.", self.finalized),
            }
        );
        if let Some(killed) = &self.killed {
            text.push_str(&format!(
                "{killed} was killed while it held a slot: {} missed, {} slashed, {} of it burned.\n",
                self.missed,
                wei(self.slashed_wei),
                wei(self.burned_wei)
            ));
        }
        if let Some(hostile) = &self.hostile {
            text.push_str(&hostile.text(&self.currency));
        }
        text.push_str(&format!(
            "posted to proven: {} ms median, {} ms p95; proving: {} ms median\n",
            self.posted_to_proven_ms.p50, self.posted_to_proven_ms.p95, self.proving_ms.p50
        ));
        text.push_str(&self.overhead.text());
        text.push_str(&format!(
            "paid {} for them; {} proofs were begun that nobody paid for ({} ms)\n",
            wei(self.price_paid),
            self.wasted_proofs,
            self.wasted_ms
        ));
        let gas: Vec<String> = self.gas.iter().map(|(kind, gas)| format!("{kind} {gas}")).collect();
        text.push_str(&format!("gas a transaction: {}\n\n", gas.join(", ")));
        text.push_str("prover  stake share  win share  won  proven  rescued  missed  earned\n");
        for prover in &self.provers {
            text.push_str(&format!(
                "{:<6}  {:>10.1}%  {:>8.1}%  {:>3}  {:>6}  {:>7}  {:>6}  {}\n",
                prover.name,
                100.0 * prover.stake_share,
                100.0 * prover.win_share,
                prover.won,
                prover.proven,
                prover.rescued,
                prover.missed,
                wei(prover.earned_wei)
            ));
        }
        text.push_str(&format!(
            "\nmoney in {} (funds and slashed bonds) {} money out {} (rewards, fees, burned, funds left)\n",
            wei(self.money_in_wei),
            if self.conserved { "=" } else { "≠" },
            wei(self.money_out_wei)
        ));
        for failure in &self.failures {
            text.push_str(&format!("FAILED: {failure}\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn default() -> &'static dyn Mechanism {
        provery_mechanisms::registry()[0]
    }

    #[test]
    fn a_wei_too_many_is_not_conserved() {
        let ledger = Ledger::new(Vec::new(), U256::from(1), default(), 10, 0, Currency::default());
        let mut balances =
            Balances { funded: U256::from(7), funds_left: U256::from(7), ..Balances::default() };
        balances.market_tokens = U256::from(7);
        let run =
            || Run { expected: 0, told: None, mechanism: default(), killed: None, seed: 1, hostile: None };
        let sum = |balances: &Balances| summarise(&ledger, balances, &BTreeMap::new(), run());
        assert!(sum(&balances).conserved);
        balances.market_tokens = U256::from(8);
        assert!(!sum(&balances).conserved);
        assert!(!sum(&balances).failures.is_empty());
    }
}
