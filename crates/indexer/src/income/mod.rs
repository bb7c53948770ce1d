//! What a prover earned, lost and spent, by market and day.

use std::{collections::BTreeMap, ops::AddAssign};

use alloy::primitives::{Address, B256, I256, U256};
use provery_types::{Event, LoggedEvent};

use crate::{
    history::History,
    record::{At, PayoutKind},
    totals::signed,
};

#[cfg(test)]
mod tests;

/// Seconds.
pub const DAY: u64 = 86_400;

/// What counts.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    /// Whose income, losses and gas.
    pub prover: Address,
    /// What was before this block is left out.
    pub from_block: u64,
    /// Days since 1970; what was before is left out.
    pub from_day: u64,
}

/// A market's day; without a market, what concerns none or all of them, such as seeds and withdrawals.
pub type Key = (Option<U256>, u64);

/// A market's day. Amounts are base units of the asset, but for those of gas, which are wei of the chain's own coin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Row {
    /// Proofs that were paid.
    pub slots: u64,
    /// For proofs, from the slots' prices.
    pub income: U256,
    /// For rescues, from the bonds of who missed the slots.
    pub premium: U256,
    /// For slots that were dropped while it held them.
    pub fees: U256,
    /// What slots brought when they were transferred, less what they cost.
    pub transfers: I256,
    /// Bonds that it lost.
    pub slashed: U256,
    /// Gas of the transactions that it or a key of its paid for.
    pub gas_used: u64,
    /// What those cost: gas, and what a rollup took for their bytes.
    pub gas_wei: U256,
    /// Transactions that failed, or took the nonce of another and did nothing.
    pub failed: u64,
    /// Which part of `gas_wei` those cost.
    pub failed_gas_wei: U256,
}

impl AddAssign for Row {
    fn add_assign(&mut self, other: Self) {
        self.slots += other.slots;
        self.income += other.income;
        self.premium += other.premium;
        self.fees += other.fees;
        self.transfers += other.transfers;
        self.slashed += other.slashed;
        self.gas_used += other.gas_used;
        self.gas_wei += other.gas_wei;
        self.failed += other.failed;
        self.failed_gas_wei += other.failed_gas_wei;
    }
}

impl Row {
    /// In the asset, so without the gas.
    pub fn net(&self) -> I256 {
        signed(self.income) + signed(self.premium) + signed(self.fees) + self.transfers - signed(self.slashed)
    }
}

impl Scope {
    fn holds(&self, at: &At) -> bool {
        at.block >= self.from_block && at.time / DAY >= self.from_day
    }

    /// The transactions that the prover, or a key of its, may have paid for: those whose receipts are worth asking for, with
    /// their blocks.
    pub fn candidates(&self, history: &History, events: &[LoggedEvent]) -> Vec<(u64, B256)> {
        let id = history.provers.get(&self.prover).map(|prover| prover.id).filter(|id| *id != 0);
        transactions(events)
            .filter(|logs| logs.iter().all(|event| self.holds(&At::of(event))))
            // Opening slots is the requester's expense, whoever it is.
            .filter(|logs| !logs.iter().any(|event| matches!(event.event, Event::SlotOpened { .. })))
            .filter(|logs| logs.iter().any(|event| self.concerns(&event.event, id)))
            .map(|logs| (logs[0].block.number, logs[0].tx_hash))
            .collect()
    }

    /// Whether an event may stem from the prover's own work. The receipt tells.
    fn concerns(&self, event: &Event, id: Option<u32>) -> bool {
        let me = |account: &Address| *account == self.prover;
        match event {
            Event::SlotProven { payee, .. } => me(payee),
            Event::SlotAssigned { slot } | Event::SlotTransferred { slot, .. } => me(&slot.prover),
            Event::RoyaltyPaid { author, .. } => me(author),
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
            | Event::TransferOffered { prover, .. }
            | Event::TransferRevoked { prover, .. } => me(prover),
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

    /// Income, losses and gas by market and day. Gas is that of the transactions in `events` whose costs `history` was told.
    pub fn rows(&self, history: &History, events: &[LoggedEvent]) -> BTreeMap<Key, Row> {
        let mut rows: BTreeMap<Key, Row> = BTreeMap::new();
        let none = Row::default();
        for payout in history.payouts().filter(|it| it.to == self.prover && self.holds(&it.at)) {
            let amount = payout.amount.unsigned_abs();
            let row = match payout.kind {
                PayoutKind::Reward => Row { slots: 1, income: amount, ..none },
                PayoutKind::Premium => Row { premium: amount, ..none },
                PayoutKind::DropFee | PayoutKind::Royalty => Row { fees: amount, ..none },
                PayoutKind::TransferOffer => Row { transfers: payout.amount, ..none },
            };
            *rows.entry((Some(payout.market), payout.at.time / DAY)).or_default() += row;
        }
        for slash in history.slashes().filter(|it| it.prover == self.prover && self.holds(&it.at)) {
            let row = Row { slashed: slash.amount, ..none };
            *rows.entry((Some(slash.market), slash.at.time / DAY)).or_default() += row;
        }
        for logs in transactions(events) {
            let Some(first) = logs.first().map(At::of).filter(|first| self.holds(first)) else { continue };
            let paid = history.cost(first).filter(|cost| history.signs(self.prover, cost.payer, first));
            if let Some(cost) = paid {
                let market = logs.iter().find_map(|event| market_of(&event.event));
                let row = Row { gas_used: cost.gas, gas_wei: cost.wei, ..none };
                *rows.entry((market, first.time / DAY)).or_default() += row;
            }
        }
        rows
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
        | Event::RoyaltyPaid { market, .. }
        | Event::TransferOffered { market, .. }
        | Event::AllocationSet { market, .. }
        | Event::WeightSet { market, .. }
        | Event::MechanismLog { market, .. } => Some(*market),
        Event::SlotAssigned { slot } | Event::SlotTransferred { slot, .. } => Some(slot.market),
        _ => None,
    }
}

/// The events of each transaction.
fn transactions(events: &[LoggedEvent]) -> impl Iterator<Item = &[LoggedEvent]> {
    events.chunk_by(|a, b| a.tx_hash == b.tx_hash)
}
