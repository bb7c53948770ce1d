//! Seeds of the rounds that this node mines in. They follow from a block after the round's first, so they are looked for at every
//! block until they are there, and after that too: a reorg puts another seed in the place of the one before.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use alloy::primitives::{Address, B256};
use provery_mechanisms::Rounds as Reads;
use provery_rpc::{Chain, ChainError};
use provery_types::{BlockRef, SlotKey};
use tracing::debug;

/// Before a reading that failed is taken again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long a development chain is given to make a block by itself: without one there is no seed.
const IDLE: Duration = Duration::from_secs(3);

/// What a reading has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::service) struct Found {
    pub seed: Option<B256>,
    /// Whether a ticket can be handed in: the block that the seed follows from has another above it.
    pub ready: bool,
}

/// A round as of a block.
#[derive(Debug)]
pub(in crate::service) struct Reading {
    pub key: SlotKey,
    pub block: B256,
    pub found: Result<Found, ChainError>,
}

#[derive(Debug, Default)]
struct Watched {
    found: Found,
    /// The block as of which it was found.
    at: Option<B256>,
    is_read: bool,
    not_before: Option<Instant>,
}

/// Rounds by the slots that they are for.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    watched: HashMap<SlotKey, Watched>,
    /// The newest block, and since when; later if one was asked for.
    idle: Option<(B256, Instant)>,
    is_making: bool,
}

impl Rounds {
    /// These are the rounds that are on; the answer is those to read.
    pub(super) fn due(
        &mut self,
        on: &[(Address, SlotKey)],
        head: B256,
        now: Instant,
    ) -> Vec<(Address, SlotKey)> {
        self.watched.retain(|key, _| on.iter().any(|(_, other)| other == key));
        if self.idle.is_none_or(|(block, _)| block != head) {
            self.idle = Some((head, now));
        }
        let mut due = Vec::new();
        for (contract, key) in on {
            let watched = self.watched.entry(*key).or_default();
            let early = watched.not_before.is_some_and(|from| now < from);
            if !watched.is_read && !early && watched.at != Some(head) {
                watched.is_read = true;
                due.push((*contract, *key));
            }
        }
        due
    }

    /// A round was read.
    pub(super) fn know(&mut self, reading: Reading, now: Instant) {
        let Some(watched) = self.watched.get_mut(&reading.key) else { return };
        watched.is_read = false;
        match reading.found {
            Ok(found) => {
                (watched.found, watched.at, watched.not_before) = (found, Some(reading.block), None);
            }
            Err(error) => {
                watched.not_before = Some(now + AGAIN);
                debug!(market = %reading.key.market, slot = reading.key.id, error = %error, "the round cannot be read; it is read again");
            }
        }
    }

    /// Whether a round waits for a block on a chain that has made none for long.
    pub(super) fn stuck(&self, now: Instant) -> bool {
        let waits =
            |it: &Watched| !it.found.ready && it.at.is_some() && it.at == self.idle.map(|(block, _)| block);
        let idle = self.idle.is_some_and(|(_, since)| now.duration_since(since) >= IDLE);
        idle && !self.is_making && self.watched.values().any(waits)
    }

    /// A development chain is asked for a block.
    pub(super) fn making(&mut self) {
        self.is_making = true;
    }

    /// It made one, or refused.
    pub(super) fn made(&mut self) {
        self.is_making = false;
        self.idle = self.idle.map(|(block, _)| (block, Instant::now()));
    }

    /// The seeds that are known.
    pub(super) fn seed(&self, key: SlotKey) -> Option<B256> {
        self.watched.get(&key)?.found.seed
    }

    /// Whether a ticket can be handed in.
    pub(super) fn ready(&self, key: SlotKey) -> bool {
        self.watched.get(&key).is_some_and(|it| it.found.ready)
    }
}

/// Read a round as of `head`.
pub(super) async fn read(
    chain: &Chain,
    reads: &dyn Reads,
    contract: Address,
    key: SlotKey,
    head: &BlockRef,
) -> Result<Found, ChainError> {
    let answer = chain.raw_call(contract, reads.request(key.market), Some(head.hash), "round").await?;
    let round = reads.round(&answer).ok_or_else(|| chain.senseless("round", "no round".to_owned()))?;
    if round.slot != key.id {
        return Ok(Found::default());
    }
    // The contract knows the hash of the newest block only in the next one, which is the first to take a ticket of it.
    let newest = reads.seed_block(round.started_in, head.number + 1) == Some(head.number);
    if newest && !has_beacon(chain, reads, contract).await? {
        let seed = reads.seed(head.hash, chain.rpc().chain_id(), contract, key.market, key.id);
        return Ok(Found { seed: Some(seed), ready: false });
    }
    Ok(Found { seed: round.seed, ready: round.seed.is_some() })
}

/// Whether a beacon seeds the rounds, and not the chain's own blocks.
async fn has_beacon(chain: &Chain, reads: &dyn Reads, contract: Address) -> Result<bool, ChainError> {
    let answer = chain.raw_call(contract, reads.beacon_request(), None, "randomness").await?;
    Ok(answer.iter().any(|byte| *byte != 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MARKET, MINING};

    const KEY: SlotKey = SlotKey { market: MARKET, id: 2 };
    const ON: [(Address, SlotKey); 1] = [(MINING, KEY)];

    fn block(byte: u8) -> B256 {
        B256::repeat_byte(byte)
    }

    fn reading(at: u8, seed: Option<u8>, ready: bool) -> Reading {
        Reading { key: KEY, block: block(at), found: Ok(Found { seed: seed.map(block), ready }) }
    }

    #[test]
    fn a_round_is_read_once_a_block_and_a_reorg_changes_its_seed() {
        let (mut rounds, now) = (Rounds::default(), Instant::now());
        assert_eq!(rounds.due(&ON, block(1), now), ON);
        assert_eq!(rounds.due(&ON, block(1), now), [], "under way");
        rounds.know(reading(1, None, false), now);
        assert_eq!(rounds.due(&ON, block(1), now), [], "nothing is new");
        assert_eq!((rounds.seed(KEY), rounds.ready(KEY)), (None, false));

        assert_eq!(rounds.due(&ON, block(2), now), ON);
        rounds.know(reading(2, Some(7), false), now);
        assert_eq!((rounds.seed(KEY), rounds.ready(KEY)), (Some(block(7)), false));
        assert_eq!(rounds.due(&ON, block(3), now), ON);
        assert_eq!(rounds.seed(KEY), Some(block(7)), "until something else is known");
        rounds.know(reading(3, Some(7), true), now);
        assert!(rounds.ready(KEY));

        // Another block in its place, on top of which there is none yet.
        assert_eq!(rounds.due(&ON, block(12), now), ON);
        rounds.know(reading(12, Some(8), false), now);
        assert_eq!((rounds.seed(KEY), rounds.ready(KEY)), (Some(block(8)), false));
        // The block is taken back for good.
        assert_eq!(rounds.due(&ON, block(1), now), ON);
        rounds.know(reading(1, None, false), now);
        assert_eq!(rounds.seed(KEY), None);
        // The round is over.
        assert_eq!(rounds.due(&[], block(4), now), []);
        rounds.know(reading(4, Some(7), true), now);
        assert_eq!(rounds.seed(KEY), None);
    }

    #[test]
    fn a_reading_that_fails_is_taken_again_a_little_later() {
        let (mut rounds, now) = (Rounds::default(), Instant::now());
        rounds.due(&ON, block(1), now);
        rounds.know(reading(1, Some(7), true), now);
        rounds.due(&ON, block(2), now);
        rounds.know(Reading { found: Err(ChainError::BlockNotFound(2)), ..reading(2, None, false) }, now);
        assert_eq!(rounds.seed(KEY), Some(block(7)), "nothing says that it has changed");
        assert_eq!(rounds.due(&ON, block(2), now), []);
        assert_eq!(rounds.due(&ON, block(2), now + AGAIN), ON);
    }

    #[test]
    fn a_chain_that_stands_still_is_stuck_until_tickets_can_be_handed_in() {
        let (mut rounds, now) = (Rounds::default(), Instant::now());
        rounds.due(&ON, block(1), now);
        assert!(!rounds.stuck(now + IDLE), "nothing is known yet");
        rounds.know(reading(1, None, false), now);
        assert!(!rounds.stuck(now));
        assert!(rounds.stuck(now + IDLE));
        rounds.due(&ON, block(2), now + IDLE);
        rounds.know(reading(2, Some(7), false), now + IDLE);
        assert!(!rounds.stuck(now + IDLE));
        assert!(rounds.stuck(now + IDLE * 2));
        rounds.due(&ON, block(3), now + IDLE * 2);
        rounds.know(reading(3, Some(7), true), now + IDLE * 2);
        assert!(!rounds.stuck(now + IDLE * 9));
    }
}
