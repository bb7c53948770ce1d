//! Logs → events, and whether a node told all of them.
//!
//! A node that answers "no logs" may be right, or may not have indexed the block yet, or have lost its index. The block's
//! logs bloom hints at it: when it names one of our contracts and no log of it came, another endpoint is asked, and the
//! block's receipts decide, as often as [`Crowd`] lets them be asked for. A hint is no veto: a set of receipts is whole when
//! its logs account for every bit of the bloom, or when it is of all the block's transactions, whatever the bloom says.

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, Bloom, BloomInput},
    rpc::types::{Filter, Log},
};
use provery_types::{BlockRef, DecodeError, Event, LoggedEvent, Source, text};

use crate::{Chain, ChainError, Rpc, crowd::Crowd, endpoints::Because, headers::Header, view::View};

/// Blocks asked for at once. A node that finds this too much is asked for less.
pub(crate) const RANGE: u64 = 2_000;

/// Bits of a bloom that are set when it names a quarter of all contracts there are, by coincidence.
const CROWDED: u32 = 1_290;

/// Of why a log does not decode.
const REASON_BYTES: usize = 200;

/// Bits set when it names nearly everything: some chains set them all.
const FULL: u32 = 2_000;

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
    pub(crate) async fn blocks(&mut self, view: &View, headers: &[Header]) -> Result<Vec<Told>, ChainError> {
        let found = view.logs(headers, &self.filter).await?;
        let mut logs = headers.iter().map(|header| header.block.number).zip(found).collect();
        self.settle(view, headers, &mut logs).await?;
        let tell = |header: &Header| {
            let logs = logs.remove(&header.block.number).unwrap_or_default();
            Ok((header.block, self.decode(view.name(), &logs, header.block)?))
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
        if let Some(other) = self.other(view)
            && let Some(found) = self.rpc.second(&other, other.logs_from(from, to, &self.filter)).await
        {
            others = by_height(&other, found)?;
            samples = SAMPLES;
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
            let Some(again) = others.remove(&height) else { continue };
            let before = logs.get(&height).map_or(0, Vec::len);
            // Of another chain, it says nothing.
            let same = again.iter().all(|log| log.block_hash == Some(header.block.hash));
            let ours = logs.get(&height).map_or(&[][..], Vec::as_slice);
            if same && again.len() > before && !again.iter().any(|log| is_denied(header, log)) {
                self.caught(view, height, before, again.len());
                logs.insert(height, again);
            } else if same && again.len() == before && !are_same(ours, &again) {
                let reason = format!("other logs of block {height} than another endpoint tells");
                return Err(view.inconsistent("eth_getLogs", reason));
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

    fn other(&self, view: &View) -> Option<View> {
        self.rpc.seconds(view).into_iter().next()
    }

    /// Read again what seems to be withheld: by hash, from another endpoint if there is one, and then from receipts. Where
    /// blooms say little, as on a crowded chain, the first has to do.
    async fn settle(
        &mut self,
        view: &View,
        headers: &[Header],
        logs: &mut BTreeMap<u64, Vec<Log>>,
    ) -> Result<(), ChainError> {
        self.refuse_denied(view, headers, logs).await?;
        let is_doubtful = |header: &&Header| {
            let logs = logs.get(&header.block.number).map_or(&[][..], Vec::as_slice);
            is_withheld(&header.bloom, self.sources.keys(), logs)
        };
        let doubtful: Vec<Header> = headers.iter().filter(is_doubtful).copied().collect();
        if doubtful.is_empty() {
            return Ok(());
        }
        let again = match self.other(view) {
            Some(other) => self.rpc.second(&other, other.logs(&doubtful, &self.filter)).await,
            None => None,
        };
        let seconded = again.is_some();
        let again = match again {
            Some(again) => again,
            None => view.logs(&doubtful, &self.filter).await?,
        };
        for (header, again) in doubtful.iter().zip(again) {
            let height = header.block.number;
            let before = logs.get(&height).map_or(0, Vec::len);
            if again.len() > before && !again.iter().any(|log| is_denied(header, log)) {
                self.caught(view, height, before, again.len());
                logs.insert(height, again);
            }
            let found = logs.get(&height).map_or(&[][..], Vec::as_slice);
            if ones(&header.bloom) < CROWDED
                && is_withheld(&header.bloom, self.sources.keys(), found)
                && self.crowd.looks(seconded)
            {
                let found = logs.remove(&height).unwrap_or_default();
                let whole = self.whole(view, header, found).await?;
                logs.insert(height, whole);
            }
        }
        Ok(())
    }

    /// Refuse what an endpoint tells beyond the bloom of a header whose fields give its hash. Some chains' blooms leave logs out:
    /// receipts decide, another endpoint's where one has them.
    async fn refuse_denied(
        &mut self,
        view: &View,
        headers: &[Header],
        logs: &BTreeMap<u64, Vec<Log>>,
    ) -> Result<(), ChainError> {
        for header in headers {
            let height = header.block.number;
            let told = logs.get(&height).map_or(&[][..], Vec::as_slice);
            let denied: Vec<Log> = told.iter().filter(|log| is_denied(header, log)).cloned().collect();
            if denied.is_empty() {
                continue;
            }
            let receipts = self.evidence(view, header).await;
            if receipts.as_ref().is_some_and(|all| denied.iter().all(|log| has(all, log))) {
                continue;
            }
            if receipts.is_none() && self.crowd.gives_up(header.block.hash) {
                tracing::warn!(
                    rpc = view.name(),
                    block = height,
                    "a block's bloom denies logs that are told, and its receipts cannot be had: going on with them"
                );
                continue;
            }
            tracing::warn!(
                rpc = view.name(),
                block = height,
                denied = denied.len(),
                "an endpoint told logs that a block has not"
            );
            if receipts.is_some() {
                self.rpc.blame(view, Because::Contradicting);
            }
            let reason = format!("logs that the bloom of block {height} denies");
            return Err(view.inconsistent("eth_getLogs", reason));
        }
        Ok(())
    }

    /// All logs of a block, from complete receipts: of another endpoint, or of this one where there is no other.
    async fn evidence(&self, view: &View, header: &Header) -> Option<Vec<Log>> {
        let others = self.rpc.seconds(view);
        for other in &others {
            if let Some(Some(all)) = self.rpc.second(other, all_logs(other, header)).await {
                return Some(all);
            }
        }
        match others.is_empty() {
            true => all_logs(view, header).await.ok().flatten(),
            false => None,
        }
    }

    /// The logs of ours in a block, given those that came: more if receipts show that some were withheld.
    async fn whole(&mut self, view: &View, header: &Header, logs: Vec<Log>) -> Result<Vec<Log>, ChainError> {
        let block = header.block;
        let mut found = None;
        for endpoint in std::iter::once(view.clone()).chain(self.rpc.seconds(view)) {
            let all = match endpoint.at() == view.at() {
                true => all_logs(view, header).await,
                false => Ok(self.rpc.second(&endpoint, all_logs(&endpoint, header)).await.flatten()),
            };
            match all {
                Ok(Some(all)) if is_whole(&header.bloom, &all) => {
                    found = Some(all);
                    break;
                }
                Ok(Some(all)) => {
                    tracing::debug!(
                        rpc = endpoint.name(),
                        block = block.number,
                        "a bloom says what the receipts do not"
                    );
                    found.get_or_insert(all);
                }
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "receipts could not be read"),
            }
        }
        if let Some(all) = found {
            let ours: Vec<Log> =
                all.into_iter().filter(|log| self.sources.contains_key(&log.address())).collect();
            if ours.len() > logs.len() {
                self.caught(view, block.number, logs.len(), ours.len());
                return Ok(ours);
            }
            self.crowd.coincidence();
            return Ok(logs);
        }
        if self.crowd.gives_up(block.hash) {
            tracing::warn!(
                rpc = view.name(),
                block = block.number,
                "a block seems to have logs that no endpoint tells, and its receipts cannot be had: going on without"
            );
            return Ok(logs);
        }
        let reason = format!("block {} should have logs, and its receipts are missing", block.number);
        Err(view.inconsistent("eth_getLogs", reason))
    }

    fn caught(&mut self, view: &View, block: u64, given: usize, found: usize) {
        tracing::warn!(rpc = view.name(), block, given, found, "an endpoint withheld logs");
        self.crowd.caught();
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
            let event = match Event::decode(*source, &log.inner.data) {
                Err(error) if self.lenient => nonsense(*source, &error),
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

/// All logs of a block, from its receipts; nothing if an endpoint has not all of them.
async fn all_logs(view: &View, header: &Header) -> Result<Option<Vec<Log>>, ChainError> {
    let Some(receipts) = view.receipts(header.block.hash).await? else { return Ok(None) };
    if is_whole(&header.bloom, &receipts.logs) {
        return Ok(Some(receipts.logs));
    }
    let Some(transactions) = view.transactions(header.block.hash).await? else { return Ok(None) };
    Ok((transactions == receipts.transactions).then_some(receipts.logs))
}

/// What there is of an event that cannot be read, whoever tells it. Anybody may have written a rollup: what it emits stops nobody
/// else.
fn nonsense(source: Source, error: &DecodeError) -> Option<Event> {
    tracing::error!(%error, "an event cannot be read");
    (source == Source::Rollup)
        .then(|| Event::Malformed { reason: text::shown(&error.to_string(), REASON_BYTES) })
}

/// Whether the bloom names a contract of which no log came.
fn is_withheld<'a>(bloom: &Bloom, contracts: impl IntoIterator<Item = &'a Address>, logs: &[Log]) -> bool {
    contracts.into_iter().any(|contract| {
        bloom.contains_input(BloomInput::Raw(contract.as_slice()))
            && !logs.iter().any(|log| log.address() == *contract)
    })
}

/// Whether a bloom that cannot be made up has not what this log would have set in it.
fn is_denied(header: &Header, log: &Log) -> bool {
    let mut needed = Bloom::ZERO;
    needed.accrue_log(&log.inner);
    header.is_sealed && ones(&header.bloom) < FULL && !header.bloom.contains(&needed)
}

fn has(logs: &[Log], log: &Log) -> bool {
    logs.iter().any(|other| other.inner == log.inner && other.log_index == log.log_index)
}

/// Whether two tell the same of one block, however they put it.
fn are_same(ours: &[Log], theirs: &[Log]) -> bool {
    ours.iter().all(|log| has(theirs, log))
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
    use alloy::primitives::{B256, Bytes, Log as Inner, LogData};
    use alloy::sol_types::SolEvent as _;
    use provery_bindings::{ProverRegistry, TransferRollup};

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

    #[tokio::test]
    async fn an_event_that_cannot_be_read_is_left_out_only_once_all_tell_it() {
        let fake = crate::fake::Fake::sound().await;
        let rpc = crate::fake::connect(&[&fake], std::time::Duration::from_secs(60)).await;
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

    fn header(bloom: Bloom) -> Header {
        let block = BlockRef { number: 1, hash: B256::with_last_byte(1), ..BlockRef::default() };
        Header { block, bloom, is_sealed: true }
    }

    /// What a node says of the receipts of a block with these logs, in one transaction.
    fn receipts(logs: &[Log]) -> serde_json::Value {
        serde_json::json!([{ "transactionHash": B256::ZERO, "logs": logs }])
    }

    #[tokio::test]
    async fn logs_that_a_sealed_bloom_denies_are_refused_unless_receipts_have_them() {
        use crate::fake::{Fake, Say, connect, sound};
        let place = |log: Log| Log {
            block_hash: Some(B256::with_last_byte(1)),
            transaction_hash: Some(B256::ZERO),
            log_index: Some(0),
            ..log
        };
        let told = BTreeMap::from([(1, vec![place(log(US))])]);
        let serving = |logs: Vec<Log>| {
            Fake::new(move |method, params, _| match method {
                "eth_getBlockReceipts" => Say::Result(receipts(&logs)),
                "eth_getBlockByHash" => Say::Result(serde_json::json!({ "transactions": [B256::ZERO] })),
                _ => sound(method, params),
            })
        };
        let without = serving(vec![]).await;
        let with = serving(vec![place(log(US))]).await;
        let liar = serving(vec![place(log(US))]).await;
        let long = std::time::Duration::from_secs(60);
        for (fakes, refused) in
            [(vec![&liar, &without], true), (vec![&liar, &with], false), (vec![&with], false)]
        {
            let rpc = connect(&fakes, long).await;
            let view = rpc.trusted().swap_remove(0);
            let sources = BTreeMap::from([(US, Source::Registry)]);
            let mut reader = Reader {
                rpc: rpc.clone(),
                sources,
                filter: Filter::new(),
                crowd: Crowd::default(),
                lenient: false,
            };
            let mut logs = told.clone();
            let settled = reader.settle(&view, &[header(bloom(&[log(OTHER)]))], &mut logs).await;
            assert_eq!(settled.is_err(), refused, "{settled:?}");
            let left = rpc.endpoints()[0].left_because;
            assert_eq!(left, refused.then_some("contradicting"));
            // What the bloom has, and what says nothing, is taken as it is.
            for harmless in [header(bloom(&[log(US)])), Header { is_sealed: false, ..header(Bloom::ZERO) }] {
                reader.settle(&view, &[harmless], &mut told.clone()).await.expect("nothing is denied");
            }
        }
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
    fn what_a_rollup_emits_stops_nobody_else_and_is_known_as_nonsense() {
        let cut = |selector: B256| LogData::new_unchecked(vec![selector], Bytes::from(vec![7]));
        let of = |source, selector| {
            let error = Event::decode(source, &cut(selector)).expect_err("it is cut short");
            nonsense(source, &error)
        };
        let posted = of(Source::Rollup, TransferRollup::BlockPosted::SIGNATURE_HASH);
        assert!(matches!(posted, Some(Event::Malformed { .. })));
        assert_eq!(of(Source::Registry, ProverRegistry::ProverRegistered::SIGNATURE_HASH), None);
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
