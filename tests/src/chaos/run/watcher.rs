//! Posts blocks and looks at things, all through a run.

use std::{collections::BTreeMap, time::Duration};

use eyre::Result;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{
    super::{
        dice::Dice,
        ledger::SlotRow,
        miner::Miner,
        sequencer::Sequencer,
        stage::{DUTCH, LOTTERY, RACE},
        wedge::Wedges,
    },
    Run,
};

/// Slots of the lottery that may be open at once.
const OPEN: usize = 6;

/// Posts blocks and looks at things, all through a run.
pub(super) struct Watcher<'a> {
    run: &'a Run,
    reorgs: watch::Receiver<u64>,
    pub(super) wedges: Wedges,
    dice: Dice,
    /// Heads at which a market's next block may be posted.
    next: BTreeMap<u64, u64>,
    looked: u64,
}

impl<'a> Watcher<'a> {
    pub(super) fn new(run: &'a Run, reorgs: watch::Receiver<u64>) -> Self {
        let dice = Dice::of(&[run.options.seed, 2]);
        Self { run, reorgs, wedges: Wedges::default(), dice, next: BTreeMap::new(), looked: 0 }
    }

    pub(super) async fn watch(&mut self) -> Result<()> {
        let mut sampled = Instant::now();
        loop {
            sleep(Duration::from_millis(100)).await;
            if sampled.elapsed() >= Duration::from_secs(2) {
                sampled = Instant::now();
                self.run.nodes.iter().for_each(|node| node.sample());
            }
            let reorganised = self.reorgs.has_changed().unwrap_or(false);
            if self.run.log.head() == self.looked && !reorganised {
                continue;
            }
            self.reorgs.mark_unchanged();
            // The chain stands still meanwhile.
            let miner = self.run.miner.lock().await;
            self.looked = miner.ledger.head();
            let slots = miner.ledger.slots();
            let statements = slots.iter().map(|(key, row)| (*key, row.slot.statement)).collect();
            self.run.reports.statements(statements);
            self.wedges.look(&miner, &self.run.nodes, &self.run.pool, &self.run.log, reorganised).await?;
            if !self.run.calm.is_cancelled() {
                for sequencer in self.run.stage.sequencers.iter().chain(self.run.added.get()) {
                    let market = sequencer.market();
                    let open: Vec<&SlotRow> = slots
                        .iter()
                        .filter(|((of, _), row)| *of == market && row.end.is_none())
                        .map(|(_, row)| row)
                        .collect();
                    self.post(&miner, sequencer, &open).await?;
                }
            }
        }
    }

    /// Post a block, if it is time for one and few enough are open; take back what waits for its price.
    async fn post(&mut self, miner: &Miner, sequencer: &Sequencer, open: &[&SlotRow]) -> Result<()> {
        let head = miner.ledger.head();
        let (most, pause) = match sequencer.market() {
            LOTTERY => (OPEN, self.dice.between(1, 3)),
            // Everyone proves these, and the cores are not more for it.
            RACE => (1, self.dice.between(10, 24) * self.run.nodes.len().div_ceil(3) as u64),
            _ => (1, self.dice.between(20, 40)),
        };
        if sequencer.market() == DUTCH {
            for row in open {
                let waits = row.slot.prover.is_zero() && head >= row.opened_in + 4;
                if waits && self.dice.chance(300_000) {
                    sequencer.cancel(&row.slot, &row.inputs).await?;
                }
            }
        }
        let next = self.next.get(&sequencer.market()).copied().unwrap_or(0);
        // After a reorganisation the head may be lower than it was.
        if open.len() < most && (head >= next || next > head + 60) {
            sequencer.post(&mut self.dice).await?;
            self.next.insert(sequencer.market(), head + pause);
        }
        Ok(())
    }
}
