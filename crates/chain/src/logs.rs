//! Logs → events, and whether a node told all of them.
//!
//! A node that answers "no logs" may be right, or may not have indexed the block yet, or have lost its index. The block's
//! logs bloom tells: when it names one of our contracts and no log of it came, the block's receipts decide. A set of
//! receipts is whole when its logs account for every bit of the bloom.

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, Bloom, BloomInput},
    rpc::types::{Filter, Log},
};
use provery_types::{BlockRef, Event, LoggedEvent, Source};

use crate::{Chain, ChainError, Rpc, endpoints::Because, headers::Header, view::View};

/// Blocks asked for at once. A node that finds this too much is asked for less.
pub(crate) const RANGE: u64 = 2_000;

/// Bits of a bloom that are set when it names a quarter of all contracts there are, by coincidence.
const CROWDED: u32 = 1_290;

/// Bits set when it names nearly everything: some chains set them all.
const FULL: u32 = 2_000;

/// A block and what our contracts said in it.
pub(crate) type Told = (BlockRef, Vec<LoggedEvent>);

/// Reads and decodes the logs of a deployment's contracts.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    rpc: Rpc,
    sources: BTreeMap<Address, Source>,
    filter: Filter,
}

impl Reader {
    pub(crate) fn new(chain: &Chain) -> Self {
        let sources = chain.deployment().sources();
        let filter = Filter::new().address(sources.keys().copied().collect::<Vec<_>>());
        Self { rpc: chain.rpc().clone(), sources, filter }
    }

    pub(crate) fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The events of exactly these blocks, whether or not they are still canonical.
    pub(crate) async fn blocks(&self, view: &View, headers: &[Header]) -> Result<Vec<Told>, ChainError> {
        let found = view.logs(headers, &self.filter).await?;
        let mut told = Vec::with_capacity(headers.len());
        for (header, logs) in headers.iter().zip(found) {
            let logs = self.whole(view, header, logs).await?;
            told.push((header.block, self.decode(view.name(), &logs, header.block)?));
        }
        Ok(told)
    }

    /// The events of a range of blocks whose headers are known to hang together. Blocks without events are left out, the
    /// last one is not.
    pub(crate) async fn range(&self, view: &View, headers: &[Header]) -> Result<Vec<Told>, ChainError> {
        let (Some(first), Some(end)) = (headers.first(), headers.last()) else { return Ok(Vec::new()) };
        let mut logs: BTreeMap<u64, Vec<Log>> = BTreeMap::new();
        for log in view.logs_from(first.block.number, end.block.number, &self.filter).await? {
            let Some(number) = log.block_number else {
                return Err(view.inconsistent("eth_getLogs", "a log has no block"));
            };
            logs.entry(number).or_default().push(log);
        }
        let doubtful: Vec<Header> = headers
            .iter()
            .filter(|header| {
                let logs = logs.get(&header.block.number).map_or(&[][..], Vec::as_slice);
                is_withheld(&header.bloom, self.sources.keys(), logs)
            })
            .copied()
            .collect();
        if !doubtful.is_empty() {
            self.reread(view, &doubtful, &mut logs).await?;
        }
        let mut told = Vec::new();
        for header in headers {
            let events = match logs.remove(&header.block.number) {
                Some(logs) => self.decode(view.name(), &logs, header.block)?,
                None => Vec::new(),
            };
            if !events.is_empty() || header == end {
                told.push((header.block, events));
            }
        }
        Ok(told)
    }

    /// Read blocks again by hash, from another endpoint if there is one. Where blooms say little, as on a crowded chain,
    /// that has to do; elsewhere receipts decide.
    async fn reread(
        &self,
        view: &View,
        doubtful: &[Header],
        logs: &mut BTreeMap<u64, Vec<Log>>,
    ) -> Result<(), ChainError> {
        let other = self.rpc.trusted().into_iter().find(|other| other.at() != view.at());
        let again = match &other {
            Some(other) => match other.logs(doubtful, &self.filter).await {
                Ok(again) => again,
                Err(_) => view.logs(doubtful, &self.filter).await?,
            },
            None => view.logs(doubtful, &self.filter).await?,
        };
        for (header, again) in doubtful.iter().zip(again) {
            let height = header.block.number;
            let before = logs.get(&height).map_or(0, Vec::len);
            if again.len() > before {
                self.caught(view, header, before, again.len());
                logs.insert(height, again);
            }
            if ones(&header.bloom) < CROWDED {
                let found = logs.remove(&height).unwrap_or_default();
                logs.insert(height, self.whole(view, header, found).await?);
            }
        }
        Ok(())
    }

    /// The logs of ours in a block, given those that came: more if some were withheld.
    async fn whole(&self, view: &View, header: &Header, logs: Vec<Log>) -> Result<Vec<Log>, ChainError> {
        if !is_withheld(&header.bloom, self.sources.keys(), &logs) {
            return Ok(logs);
        }
        let others = self.rpc.trusted().into_iter().filter(|other| other.at() != view.at());
        for endpoint in std::iter::once(view.clone()).chain(others) {
            let all = match endpoint.receipt_logs(header.block.hash).await {
                Ok(Some(all)) if is_whole(&header.bloom, &all) => all,
                Ok(_) => continue,
                Err(error) => {
                    tracing::debug!(%error, "receipts could not be read");
                    continue;
                }
            };
            let ours: Vec<Log> =
                all.into_iter().filter(|log| self.sources.contains_key(&log.address())).collect();
            if ours.len() > logs.len() {
                self.caught(view, header, logs.len(), ours.len());
                return Ok(ours);
            }
            return Ok(logs); // The bloom named us by coincidence.
        }
        Err(view.inconsistent(
            "eth_getLogs",
            format!("block {} should have logs, and its receipts are missing", header.block.number),
        ))
    }

    fn caught(&self, view: &View, header: &Header, given: usize, found: usize) {
        let block = header.block.number;
        tracing::warn!(rpc = view.name(), block, given, found, "an endpoint withheld logs");
        self.rpc.blame(view, Because::Empty);
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
            if let Some(event) = Event::decode(*source, &log.inner.data)? {
                events.push(LoggedEvent { event, address, block, tx_hash, log_index });
            }
        }
        events.sort_by_key(|event| event.log_index);
        events.dedup_by_key(|event| event.log_index);
        Ok(events)
    }
}

/// Whether the bloom names a contract of which no log came.
fn is_withheld<'a>(bloom: &Bloom, contracts: impl IntoIterator<Item = &'a Address>, logs: &[Log]) -> bool {
    contracts.into_iter().any(|contract| {
        bloom.contains_input(BloomInput::Raw(contract.as_slice()))
            && !logs.iter().any(|log| log.address() == *contract)
    })
}

/// Whether these logs account for every bit of the bloom, as far as it says anything.
fn is_whole(bloom: &Bloom, logs: &[Log]) -> bool {
    let mut found = Bloom::ZERO;
    for log in logs {
        found.accrue_log(&log.inner);
    }
    ones(bloom) >= FULL || found.contains(bloom)
}

fn ones(bloom: &Bloom) -> u32 {
    bloom.iter().map(|byte| byte.count_ones()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::{B256, Bytes, Log as Inner};

    const US: Address = Address::repeat_byte(1);
    const ALSO_US: Address = Address::repeat_byte(2);
    const OTHER: Address = Address::repeat_byte(3);

    fn log(address: Address) -> Log {
        let inner = Inner::new_unchecked(address, vec![B256::repeat_byte(7)], Bytes::new());
        Log { inner, ..Log::default() }
    }

    fn bloom(logs: &[Log]) -> Bloom {
        let mut bloom = Bloom::ZERO;
        logs.iter().for_each(|log| bloom.accrue_log(&log.inner));
        bloom
    }

    #[test]
    fn a_bloom_that_names_us_contradicts_an_answer_without_us() {
        let named = bloom(&[log(US), log(OTHER)]);
        assert!(is_withheld(&named, [&US, &ALSO_US], &[]));
        assert!(!is_withheld(&named, [&US, &ALSO_US], &[log(US)]));
        assert!(!is_withheld(&bloom(&[log(OTHER)]), [&US, &ALSO_US], &[]));
        assert!(!is_withheld(&Bloom::ZERO, [&US], &[]));
    }

    #[test]
    fn one_contract_missing_of_two_is_noticed() {
        let named = bloom(&[log(US), log(ALSO_US)]);
        assert!(is_withheld(&named, [&US, &ALSO_US], &[log(US), log(US)]));
    }

    #[test]
    fn receipts_are_whole_when_they_account_for_the_bloom() {
        let named = bloom(&[log(US), log(OTHER)]);
        assert!(is_whole(&named, &[log(OTHER), log(US)]));
        assert!(is_whole(&named, &[log(OTHER), log(US), log(ALSO_US)]), "some chains' blooms leave logs out");
        assert!(!is_whole(&named, &[log(OTHER)]));
        assert!(!is_whole(&named, &[]));
        assert!(is_whole(&Bloom::repeat_byte(0xff), &[]), "it says nothing");
    }
}
