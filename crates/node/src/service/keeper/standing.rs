//! What mechanisms keep of this prover between slots: read as of the newest block, and brought in line with what it wants.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use alloy::primitives::{Address, B256, Bytes, U256};
use futures::{FutureExt as _, future::BoxFuture};
use provery_mechanisms::MechanismAction;
use provery_rpc::ChainError;
use tracing::debug;

use crate::{
    book::{Book, Policy},
    service::handles::Handles,
};

/// Before a reading that failed is taken again.
const AGAIN: Duration = Duration::from_secs(1);

/// What stands in a market as of a block.
#[derive(Debug)]
pub(in crate::service) struct Reading {
    pub market: U256,
    pub block: B256,
    pub answer: Result<Bytes, ChainError>,
}

/// What was last read of a market.
#[derive(Debug, Default)]
struct Watched {
    answer: Option<Bytes>,
    /// The block as of which it was read.
    at: Option<B256>,
    /// With this call: under other terms it is another.
    request: Bytes,
    is_read: bool,
    not_before: Option<Instant>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Standing {
    watched: HashMap<U256, Watched>,
}

/// What there is to do.
#[derive(Default)]
pub(in crate::service) struct Work {
    pub tasks: Vec<BoxFuture<'static, Reading>>,
    /// By market, what is to be sent.
    pub actions: Vec<(U256, MechanismAction)>,
}

impl Standing {
    /// Read what stands, and act on what was read of the newest block.
    pub(super) fn work(&mut self, handles: &Handles, book: &mut Book, policy: &Policy) -> Work {
        let mut work = Work::default();
        let Some(head) = book.head() else { return work };
        let on = book.standing(policy);
        for (market, contract, request) in self.due(&on, head.hash, Instant::now()) {
            let chain = handles.chain.clone();
            let reading = async move {
                let answer = chain.raw_call(contract, request, Some(head.hash), "standing").await;
                Reading { market, block: head.hash, answer }
            };
            work.tasks.push(reading.boxed());
        }
        for (market, ..) in on {
            let Some(answer) = self.known(market, head.hash) else { continue };
            work.actions.extend(book.stands(market, answer, policy).map(|action| (market, action)));
        }
        work
    }

    /// These are the markets in which something stands; the answer is those to read.
    fn due(
        &mut self,
        on: &[(U256, Address, Bytes)],
        head: B256,
        now: Instant,
    ) -> Vec<(U256, Address, Bytes)> {
        self.watched.retain(|market, _| on.iter().any(|(other, ..)| other == market));
        let mut due = Vec::new();
        for (market, contract, request) in on {
            let watched = self.watched.entry(*market).or_default();
            if watched.request != *request {
                (watched.answer, watched.at, watched.request) = (None, None, request.clone());
            }
            let early = watched.not_before.is_some_and(|from| now < from);
            if !watched.is_read && !early && watched.at != Some(head) {
                watched.is_read = true;
                due.push((*market, *contract, request.clone()));
            }
        }
        due
    }

    /// What stands in a market was read.
    pub(super) fn know(&mut self, reading: Reading, now: Instant) {
        let Some(watched) = self.watched.get_mut(&reading.market) else { return };
        watched.is_read = false;
        match reading.answer {
            Ok(answer) => {
                (watched.answer, watched.at, watched.not_before) = (Some(answer), Some(reading.block), None);
            }
            Err(error) => {
                watched.not_before = Some(now + AGAIN);
                debug!(market = %reading.market, error = %error, "what stands in the market cannot be read; it is read again");
            }
        }
    }

    /// What stands as of this block, if that was read.
    fn known(&self, market: U256, head: B256) -> Option<&Bytes> {
        let watched = self.watched.get(&market)?;
        watched.answer.as_ref().filter(|_| watched.at == Some(head))
    }

    /// Another node acts from now on.
    pub(super) fn abandon(&mut self) {
        self.watched.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MARKET;

    fn on(request: u8) -> [(U256, Address, Bytes); 1] {
        [(MARKET, Address::repeat_byte(5), Bytes::from(vec![request]))]
    }

    fn block(byte: u8) -> B256 {
        B256::repeat_byte(byte)
    }

    fn reading(at: u8, answer: u8) -> Reading {
        Reading { market: MARKET, block: block(at), answer: Ok(Bytes::from(vec![answer])) }
    }

    #[test]
    fn what_stands_is_read_once_a_block_and_only_of_the_newest_is_it_acted_on() {
        let (mut standing, now) = (Standing::default(), Instant::now());
        assert_eq!(standing.due(&on(1), block(1), now), on(1));
        assert_eq!(standing.due(&on(1), block(1), now), [], "under way");
        assert_eq!(standing.known(MARKET, block(1)), None);
        standing.know(reading(1, 7), now);
        assert_eq!(standing.due(&on(1), block(1), now), [], "nothing is new");
        assert_eq!(standing.known(MARKET, block(1)), Some(&Bytes::from(vec![7])));
        assert_eq!(standing.known(MARKET, block(2)), None, "it may have changed");
        assert_eq!(standing.due(&on(1), block(2), now), on(1));
        // The market is no longer served.
        assert_eq!(standing.due(&[], block(3), now), []);
        standing.know(reading(2, 8), now);
        assert_eq!(standing.known(MARKET, block(2)), None);
    }

    #[test]
    fn under_other_terms_it_is_read_anew() {
        let (mut standing, now) = (Standing::default(), Instant::now());
        standing.due(&on(1), block(1), now);
        standing.know(reading(1, 7), now);
        assert_eq!(standing.due(&on(2), block(1), now), on(2));
        assert_eq!(standing.known(MARKET, block(1)), None);
    }

    #[test]
    fn a_reading_that_fails_is_taken_again_a_little_later() {
        let (mut standing, now) = (Standing::default(), Instant::now());
        standing.due(&on(1), block(1), now);
        standing.know(Reading { answer: Err(ChainError::BlockNotFound(2)), ..reading(1, 7) }, now);
        assert_eq!(standing.due(&on(1), block(1), now), []);
        assert_eq!(standing.due(&on(1), block(1), now + AGAIN), on(1));
    }
}
