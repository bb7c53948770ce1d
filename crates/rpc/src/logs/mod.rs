//! Logs → events. Whether a node told all of them is for [`settle`] to find out at once, and for [`second`] a while later.

mod second;
mod settle;

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, B256, keccak256},
    rlp::Encodable,
    rpc::types::{Filter, Log},
};
use provery_types::{BlockRef, Event, LoggedEvent, Source};

use crate::{Chain, ChainError, Rpc, crowd::Crowd, headers::Header, view::View};
use settle::is_withheld;

pub(crate) use second::{Reading, Verdict};

/// Blocks asked for at once. A node that finds this too much is asked for less.
pub(crate) const RANGE: u64 = 2_000;

/// Headers of a range whose blooms are looked at, beside those of the blocks with logs: more where an endpoint tells no logs
/// at all, and there is no second to ask.
const SAMPLES: u64 = 16;
const SAMPLES_OF_SILENCE: u64 = 1_024;

/// A block and what our contracts said in it.
pub(crate) type Told = (BlockRef, Vec<LoggedEvent>);

/// Reads and decodes the logs of a deployment's contracts.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    rpc: Rpc,
    sources: BTreeMap<Address, Source>,
    filter: Filter,
    crowd: Crowd,
    lenient: bool,
}

impl Reader {
    pub(crate) fn new(chain: &Chain) -> Self {
        let sources = chain.deployment().sources();
        let filter = Filter::new().address(sources.keys().copied().collect::<Vec<_>>());
        Self { rpc: chain.rpc().clone(), sources, filter, crowd: Crowd::default(), lenient: false }
    }

    /// Whether an event that cannot be read is left out, and said, rather than an error.
    pub(crate) fn set_lenient(&mut self, lenient: bool) {
        self.lenient = lenient;
    }

    pub(crate) fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The events of exactly these blocks, whether or not they are still canonical.
    pub(crate) async fn blocks(
        &mut self,
        view: &View,
        headers: &[Header],
    ) -> Result<Vec<(Reading, Vec<LoggedEvent>)>, ChainError> {
        let found = view.logs(headers, &self.filter).await?;
        let mut logs = headers.iter().map(|header| header.block.number).zip(found).collect();
        self.settle(view, headers, &mut logs).await?;
        let tell = |header: &Header| {
            let logs = logs.remove(&header.block.number).unwrap_or_default();
            let events = self.decode(view.name(), &logs, header.block)?;
            let is_doubtful = is_withheld(&header.bloom, self.sources.keys(), &logs);
            Ok((Reading { header: *header, marks: marks(&logs), by: view.at(), is_doubtful }, events))
        };
        headers.iter().map(tell).collect()
    }

    /// The events of a range of blocks whose headers are known to hang together. Blocks without events are left out, the
    /// last one is not.
    pub(crate) async fn range(&mut self, view: &View, headers: &[Header]) -> Result<Vec<Told>, ChainError> {
        let (Some(first), Some(end)) = (headers.first(), headers.last()) else { return Ok(Vec::new()) };
        let found = view.logs_from(first.block.number, end.block.number, &self.filter).await?;
        let mut logs = by_height(view, found)?;
        self.settle(view, headers, &mut logs).await?;
        self.tell(view, headers, logs, end)
    }

    /// The events of final blocks, from `from` to `end`, of which not every header is looked at: `end` must be the chain's
    /// before and after, and so must every block that has logs. Only those of a second endpoint show what one withholds, and
    /// the blooms of some.
    pub(crate) async fn past(
        &mut self,
        view: &View,
        from: u64,
        end: &Header,
    ) -> Result<Vec<Told>, ChainError> {
        const CHANGED: &str = "the chain changed while its logs were read";
        let to = end.block.number;
        let mut logs = by_height(view, view.logs_from(from, to, &self.filter).await?)?;
        let mut others = BTreeMap::new();
        let mut samples = if logs.is_empty() { SAMPLES_OF_SILENCE } else { SAMPLES };
        let other = self.other(view);
        let mut has_other = false;
        if let Some(other) = &other
            && let Some(found) = self.rpc.second(other, other.logs_from(from, to, &self.filter)).await
        {
            others = by_height(other, found)?;
            (samples, has_other) = (SAMPLES, true);
        }
        let step = ((to - from) / samples).max(1) as usize;
        let mut heights: Vec<u64> = {
            let told = logs.keys().chain(others.keys()).copied();
            (from..=to).step_by(step).chain(told.filter(|height| (from..=to).contains(height))).collect()
        };
        heights.push(to);
        heights.sort_unstable();
        heights.dedup();
        let headers = view.headers(&heights).await?;
        for header in &headers {
            let height = header.block.number;
            let again = others.remove(&height).unwrap_or_default();
            // Of another chain, it says nothing.
            if again.iter().any(|log| log.block_hash != Some(header.block.hash)) {
                continue;
            }
            let ours = logs.remove(&height).unwrap_or_default();
            let whole = match &other {
                Some(other) if has_other => self.weigh(view, other, header, ours, again).await?,
                _ => ours,
            };
            if !whole.is_empty() {
                logs.insert(height, whole);
            }
        }
        let torn = headers.iter().any(|header| {
            let logs = logs.get(&header.block.number).map_or(&[][..], Vec::as_slice);
            logs.iter().any(|log| log.block_hash != Some(header.block.hash))
        });
        let last = headers.last().map(|header| header.block.hash);
        let stray = logs.keys().any(|height| !(from..=to).contains(height));
        if torn || stray || last != Some(end.block.hash) {
            return Err(view.inconsistent("eth_getLogs", CHANGED));
        }
        let count = |logs: &BTreeMap<u64, Vec<Log>>| logs.values().map(Vec::len).sum::<usize>();
        let before = count(&logs);
        self.settle(view, &headers, &mut logs).await?;
        if count(&logs) == before {
            return self.tell(view, &headers, logs, end);
        }
        // Who was caught at some blocks is looked at in all.
        let headers = view.headers_of(from..=to).await?;
        self.settle(view, &headers, &mut logs).await?;
        self.tell(view, &headers, logs, end)
    }

    /// What the logs of blocks say. Blocks without events are left out, `end` is not.
    fn tell(
        &self,
        view: &View,
        headers: &[Header],
        mut logs: BTreeMap<u64, Vec<Log>>,
        end: &Header,
    ) -> Result<Vec<Told>, ChainError> {
        let mut told = Vec::new();
        for header in headers {
            let events = match logs.remove(&header.block.number) {
                Some(logs) => self.decode(view.name(), &logs, header.block)?,
                None => Vec::new(),
            };
            if !events.is_empty() || header.block == end.block {
                told.push((header.block, events));
            }
        }
        Ok(told)
    }

    /// The events in a block's logs. `url` is shown in errors.
    pub(crate) fn decode(
        &self,
        url: &str,
        logs: &[Log],
        block: BlockRef,
    ) -> Result<Vec<LoggedEvent>, ChainError> {
        let inconsistent = |reason: &str| ChainError::Inconsistent {
            url: url.to_string(),
            method: "eth_getLogs",
            reason: reason.to_string(),
        };
        let mut events = Vec::with_capacity(logs.len());
        for log in logs {
            if log.removed || log.block_hash != Some(block.hash) {
                return Err(inconsistent("a log is not of the block that was asked for"));
            }
            let (Some(tx_hash), Some(log_index)) = (log.transaction_hash, log.log_index) else {
                return Err(inconsistent("a log has no place in its block"));
            };
            let address = log.address();
            let Some(source) = self.sources.get(&address) else { continue };
            let event = match Event::decode(*source, &log.inner.data) {
                Err(error) if self.lenient => {
                    tracing::error!(%error, "an event cannot be read");
                    None
                }
                decoded => decoded?,
            };
            if let Some(event) = event {
                events.push(LoggedEvent { event, address, block, tx_hash, log_index });
            }
        }
        events.sort_by_key(|event| event.log_index);
        events.dedup_by_key(|event| event.log_index);
        Ok(events)
    }
}

fn by_height(view: &View, found: Vec<Log>) -> Result<BTreeMap<u64, Vec<Log>>, ChainError> {
    let mut logs: BTreeMap<u64, Vec<Log>> = BTreeMap::new();
    for log in found {
        let Some(number) = log.block_number else {
            return Err(view.inconsistent("eth_getLogs", "a log has no block"));
        };
        logs.entry(number).or_default().push(log);
    }
    Ok(logs)
}

fn has(logs: &[Log], log: &Log) -> bool {
    logs.iter().any(|other| other.inner == log.inner && other.log_index == log.log_index)
}

/// What each log of a block says, in their order: two endpoints tell the same of a block if these are the same, wherever they
/// begin to count.
fn marks(logs: &[Log]) -> Vec<B256> {
    let mut placed: Vec<(Option<u64>, B256)> = logs.iter().map(|log| (log.log_index, mark(log))).collect();
    placed.sort_by_key(|(index, _)| *index);
    placed.dedup();
    placed.into_iter().map(|(_, mark)| mark).collect()
}

fn mark(log: &Log) -> B256 {
    let mut said = Vec::new();
    log.inner.encode(&mut said);
    keccak256(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::{
        primitives::{B256, Bytes, Log as Inner},
        sol_types::SolEvent as _,
    };
    use provery_bindings::ProverRegistry;

    const US: Address = Address::repeat_byte(1);
    const OTHER: Address = Address::repeat_byte(3);

    #[tokio::test]
    async fn an_event_that_cannot_be_read_is_left_out_only_once_all_tell_it() {
        let fake = crate::testing::Fake::sound().await;
        let rpc = crate::testing::connect(&[&fake], std::time::Duration::from_secs(60)).await;
        let sources = BTreeMap::from([(US, Source::Registry)]);
        let mut reader =
            Reader { rpc, sources, filter: Filter::new(), crowd: Crowd::default(), lenient: false };
        let block = BlockRef { number: 1, hash: B256::repeat_byte(1), ..BlockRef::default() };
        let place = Log {
            block_hash: Some(block.hash),
            transaction_hash: Some(B256::ZERO),
            log_index: Some(0),
            ..Log::default()
        };
        let topics = vec![ProverRegistry::UriSet::SIGNATURE_HASH, B256::ZERO];
        let nonsense = Log { inner: Inner::new_unchecked(US, topics.clone(), Bytes::new()), ..place.clone() };
        let data = ProverRegistry::UriSet { prover: OTHER, uri: "a".to_string() }.encode_data();
        let sense = Log { inner: Inner::new_unchecked(US, topics, data.into()), log_index: Some(1), ..place };
        let logs = [nonsense, sense];
        let error = reader.decode("u", &logs, block).expect_err("it cannot be read");
        assert!(matches!(error, ChainError::Decode(_)), "{error}");
        reader.set_lenient(true);
        assert_eq!(reader.decode("u", &logs, block).expect("the rest").len(), 1);
    }
}
