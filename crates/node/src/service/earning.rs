//! For which reasons nothing will be earned, as this node sees it: said when they come, and in the status.

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::primitives::{Address, U256};
use provery_rpc::Chain;
use provery_types::RollupRecord;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::Service;
use super::pause_reason::PauseReason;
use crate::earning::{Pause, Served, Shortfall, Situation, shortfalls};

/// How often deposits are read.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Before a read that failed is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// What the key has deposited with mechanisms, by their contract.
pub(super) type Deposits = BTreeMap<Address, U256>;

/// Read the deposits of `key` now and then.
pub(super) async fn watch_deposits(
    chain: Chain,
    key: Address,
    to: watch::Sender<Deposits>,
    token: CancellationToken,
) {
    let kinds = provery_mechanisms::registry().iter().filter(|kind| kind.wants_deposit());
    let escrows: Vec<Address> = kinds.map(|kind| chain.deployment().address(kind.name())).collect();
    let look = async {
        loop {
            let mut wait = LOOK_EVERY;
            for escrow in escrows.iter().copied().filter(|escrow| !escrow.is_zero()) {
                match chain.deposited(escrow, key).await {
                    Ok(deposit) => to.send_modify(|deposits| {
                        deposits.insert(escrow, deposit);
                    }),
                    Err(error) => {
                        debug!(%escrow, error = %error, "a deposit cannot be read; it is read again");
                        wait = AGAIN;
                    }
                }
            }
            tokio::time::sleep(wait).await;
        }
    };
    tokio::select! {
        () = token.cancelled() => {}
        () = look => {}
    }
}

impl Service {
    pub(super) fn situation(&self) -> Situation {
        let tunables = self.tunables();
        let (me, facts) = (self.config.prover, self.book.facts());
        let prover_status = facts.prover_status(me);
        let served = |rollup: &&RollupRecord| self.book.serves(rollup.market);
        let rollups = self.chain.deployment().rollups.iter();
        Situation {
            prover: me,
            pool: self.pool,
            registered: prover_status.registered,
            pause: prover_status.paused.then(|| self.pause()),
            taking: tunables.taking,
            rescue: tunables.rescue,
            mine: self.config.puzzle.is_some(),
            cost: tunables.minimum_reward,
            stake_unit: self.upkeep.stake_unit(),
            proofs_left: self.funds.balance().map(|_| self.funds.proofs_left()),
            markets: rollups.filter(served).map(|rollup| self.served(rollup)).collect(),
        }
    }

    /// Whose the pause on the chain is.
    fn pause(&self) -> Pause {
        if self.book.facts().held_out(self.config.prover) {
            Pause::Operator
        } else {
            Pause::Node(self.pause_reason().map(PauseReason::name))
        }
    }

    fn served(&self, rollup: &RollupRecord) -> Served {
        let facts = self.book.facts();
        let market = rollup.market;
        let commitment = facts.commitment(market, self.config.prover);
        let terms = facts.market_terms(market).cloned().unwrap_or_default();
        let served = Served::new(self.chain.deployment(), rollup, &terms);
        Served {
            units: commitment.units,
            exposure: commitment.exposure,
            accepted: (commitment.from_version, commitment.to_version),
            suspended: facts.suspended(market, self.config.prover),
            deposit: self.deposits.borrow().get(&terms.mechanism).copied(),
            lack: self.book.lack(market),
            ..served
        }
    }

    /// Look at what keeps anything from being earned, and say what is new.
    pub(super) fn mind_earning(&mut self, situation: &Situation) {
        let now = shortfalls(situation, |amount| self.chain.asset().show(amount));
        let same = |a: &Shortfall, b: &Shortfall| (&a.code, &a.market) == (&b.code, &b.market);
        for it in &now {
            if !self.shortfalls.iter().any(|before| same(before, it)) {
                let (code, market) = (it.code.as_str(), it.market.as_deref());
                let (message, next) = (it.message.as_str(), it.next.as_str());
                warn!(code, market, message, next, "something keeps this node from earning");
            }
        }
        for it in &self.shortfalls {
            if !now.iter().any(|after| same(after, it)) {
                let (code, market) = (it.code.as_str(), it.market.as_deref());
                info!(code, market, "it no longer keeps this node from earning");
            }
        }
        self.shortfalls = now;
    }
}
