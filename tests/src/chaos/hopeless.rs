//! What a node gave up and a reorganisation opens anew: a slot, because five proofs in a row failed; the nonce of a
//! transaction that was of no use any more, so that an empty one took its place.

use std::{sync::Arc, time::Duration};

use eyre::Result;
use serde_json::json;
use tokio::time::Instant;

use super::{
    dice::Dice,
    director::{DEEPEST, Director, Fault, stages},
    ledger::Key,
    log::now_ms,
    node::{Next, Node},
};

/// For how long a node's proofs fail at most, and no other fault meets it.
pub(super) const HOPELESS_MS: u64 = 40_000;
/// Runs shorter than this do without, all others make sure of it.
pub(super) const GIVING_UP_S: u64 = 90;
/// How often it is asked.
const ASK_EVERY: Duration = Duration::from_millis(400);

/// A slot that a node had given up when a reorganisation took back the block that opened it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reopened {
    /// The node's number.
    pub node: usize,
    pub key: Key,
    /// Unix milliseconds.
    pub at_ms: u64,
}

/// A node whose proofs all fail.
#[derive(Debug)]
pub(super) struct Hopeless {
    node: Arc<Node>,
    since: Instant,
    asked: Instant,
}

impl Hopeless {
    pub(super) fn new(node: Arc<Node>) -> Self {
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
        let at_ms = now_ms();
        let again = if failed.is_empty() { None } else { self.open_again(&failed, dice).await? };
        match again {
            Some((depth, keys)) => {
                let details = json!({ "depth": depth, "slots": keys });
                self.log.injected(Fault::GivenUp.name(), node.name(), details);
                self.reopened.extend(keys.into_iter().map(|key| Reopened { node: node.index, key, at_ms }));
            }
            None if since.elapsed() < Duration::from_millis(HOPELESS_MS) => return Ok(()),
            None => {}
        }
        self.hopeless = None;
        node.kill("mended", Next::default());
        Ok(())
    }

    /// Take back the block that opened one of these slots, if one is open and that is not too deep; how deep it was, and
    /// which of them it met.
    async fn open_again(&mut self, of: &[Key], dice: &mut Dice) -> Result<Option<(u64, Vec<Key>)>> {
        let known = self.stages().await;
        let miner = self.miner.clone().lock_owned().await;
        let (head, slots) = (miner.ledger.head(), miner.ledger.slots());
        let stays = miner.settled();
        let open = of.iter().filter_map(|key| Some((*key, slots.get(key)?)));
        let depths: Vec<(Key, u64)> = open
            .filter(|(_, row)| row.end.is_none() && row.opened_in > stays)
            .map(|(key, row)| (key, head - row.opened_in + 1))
            .collect();
        let Some(depth) = depths.iter().map(|(_, depth)| *depth).filter(|depth| *depth <= DEEPEST).min()
        else {
            return Ok(None);
        };
        // The first one is to come again, whatever the dice say.
        let put_back = self.reopened.is_empty() || dice.coin();
        self.take_back(miner, depth, put_back, false, &known, dice).await?;
        Ok(Some((depth, depths.into_iter().filter(|(_, of)| *of <= depth).map(|(key, _)| key).collect())))
    }
}
