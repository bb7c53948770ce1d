//! A slot that a node gave up, because five proofs in a row failed, and that a reorganisation opens anew.

use std::{sync::Arc, time::Duration};

use eyre::Result;
use serde_json::json;
use tokio::time::Instant;

use super::{
    dice::Dice,
    director::{DEEPEST, Director, Fault, stages},
    ledger::Key,
    node::{Next, Node},
};

/// For how long a node's proofs fail at most, and no other fault meets it.
pub const HOPELESS_MS: u64 = 40_000;
/// Runs shorter than this do without, all others make sure of it.
pub const GIVING_UP_S: u64 = 90;
/// How often it is asked.
const ASK_EVERY: Duration = Duration::from_millis(400);

/// A node whose proofs all fail.
#[derive(Debug)]
pub struct Hopeless {
    node: Arc<Node>,
    since: Instant,
    asked: Instant,
}

impl Hopeless {
    pub fn new(node: Arc<Node>) -> Self {
        Self { node, since: Instant::now(), asked: Instant::now() }
    }
}

impl Director {
    /// Once the node has given a slot up, take back the block that opened it; then its proofs are well again.
    pub(super) async fn despair(&mut self, dice: &mut Dice) -> Result<()> {
        let Some(hopeless) = self.hopeless.as_mut().filter(|it| it.asked.elapsed() >= ASK_EVERY) else {
            return Ok(());
        };
        hopeless.asked = Instant::now();
        let (node, since) = (hopeless.node.clone(), hopeless.since);
        let asked = stages(&node).await;
        let failed: Vec<Key> =
            asked.into_iter().filter(|(_, stage)| stage == "failed").map(|(key, _)| key).collect();
        let depth = if failed.is_empty() { None } else { self.open_again(&failed, dice).await? };
        match depth {
            Some(depth) => {
                self.log.injected(Fault::GivenUp.name(), node.name(), json!({ "depth": depth }));
            }
            None if since.elapsed() < Duration::from_millis(HOPELESS_MS) => return Ok(()),
            None => {}
        }
        self.hopeless = None;
        node.kill("mended", Next::default());
        Ok(())
    }

    /// Take back the block that opened one of these slots, if one is open and that is not too deep; how deep it was.
    async fn open_again(&mut self, of: &[Key], dice: &mut Dice) -> Result<Option<u64>> {
        let known = self.stages().await;
        let miner = self.miner.clone().lock_owned().await;
        let (head, slots) = (miner.ledger.head(), miner.ledger.slots());
        let stays = miner.settled();
        let open = of.iter().filter_map(|key| slots.get(key));
        let open = open.filter(|row| row.end.is_none() && row.opened_in > stays);
        let depth = open.map(|row| head - row.opened_in + 1).filter(|depth| *depth <= DEEPEST).min();
        if let Some(depth) = depth {
            self.take_back(miner, depth, false, &known, dice).await?;
        }
        Ok(depth)
    }
}
