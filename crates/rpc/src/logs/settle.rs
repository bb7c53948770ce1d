//! Whether an endpoint told all logs of a block, and no others: found out at once, as far as that can be.
//!
//! A node that answers "no logs" may be right, or may not have indexed the block yet, or have lost its index. The block's
//! logs bloom hints at it: when it names one of our contracts and no log of it came, another endpoint is asked, and the
//! block's receipts decide, as often as [`Crowd`] lets them be asked for. A hint is no veto: a set of receipts is whole when
//! the header has its root, when its logs account for every bit of the bloom, or when it is of all the block's
//! transactions, whatever the bloom says.
//!
//! [`Crowd`]: crate::crowd::Crowd

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, Bloom, BloomInput},
    rpc::types::Log,
};

use super::{Reader, has, marks};
use crate::{ChainError, endpoints::Because, headers::Header, receipts::Receipts, view::View};

/// Bits of a bloom that are set when it names a quarter of all contracts there are, by coincidence.
const CROWDED: u32 = 1_290;

/// Bits set when it names nearly everything: some chains set them all.
const FULL: u32 = 2_000;

/// All logs of a block, from its receipts.
struct All {
    logs: Vec<Log>,
    /// The header has their root: they are the chain's, whoever tells them.
    are_proven: bool,
}

impl Reader {
    pub(super) fn other(&self, view: &View) -> Option<View> {
        self.rpc.seconds(view).into_iter().next()
    }

    /// Read again what seems to be withheld: by hash, from another endpoint if there is one, and then from receipts. Where
    /// blooms say little, as on a crowded chain, the first has to do.
    pub(super) async fn settle(
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
        let other = self.other(view);
        let again = match &other {
            Some(other) => self.rpc.second(other, other.logs(&doubtful, &self.filter)).await,
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
                // Neither is believed of what the other one can prove.
                let proven = self.proven(header).await.map(|all| self.ours(all));
                if let (Some(other), Some(proven)) = (&other, &proven) {
                    self.blame(other.at(), &marks(&again), &marks(proven), header);
                }
                let again = proven.unwrap_or(again);
                if again.len() > before {
                    self.caught(view, height, before, again.len());
                    logs.insert(height, again);
                }
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

    /// All logs of a block, from complete receipts: proven ones of any endpoint, those of another, or of this one where there is no
    /// other.
    async fn evidence(&self, view: &View, header: &Header) -> Option<Vec<Log>> {
        let others = self.rpc.seconds(view);
        let mut said = None;
        for other in &others {
            if let Some(Some(all)) = self.rpc.second(other, all_logs(other, header)).await {
                if all.are_proven {
                    return Some(all.logs);
                }
                said.get_or_insert(all.logs);
            }
        }
        match all_logs(view, header).await {
            Ok(Some(all)) if all.are_proven || others.is_empty() => Some(all.logs),
            _ => said,
        }
    }

    /// All logs of a block, from receipts whose root its header has; whoever has them.
    pub(super) async fn proven(&self, header: &Header) -> Option<Vec<Log>> {
        header.receipts_root?;
        for view in self.rpc.trusted() {
            if let Some(Some(all)) = self.rpc.second(&view, all_logs(&view, header)).await
                && all.are_proven
            {
                return Some(all.logs);
            }
        }
        None
    }

    /// Those that our contracts emitted.
    pub(super) fn ours(&self, all: Vec<Log>) -> Vec<Log> {
        all.into_iter().filter(|log| self.sources.contains_key(&log.address())).collect()
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
                Ok(Some(all)) if all.are_proven || is_whole(&header.bloom, &all.logs) => {
                    found = Some(all.logs);
                    break;
                }
                Ok(Some(all)) => {
                    tracing::debug!(
                        rpc = endpoint.name(),
                        block = block.number,
                        "a bloom says what the receipts do not"
                    );
                    found.get_or_insert(all.logs);
                }
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "receipts could not be read"),
            }
        }
        if let Some(all) = found {
            let ours = self.ours(all);
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

    pub(super) fn caught(&mut self, view: &View, block: u64, given: usize, found: usize) {
        tracing::warn!(rpc = view.name(), block, given, found, "an endpoint withheld logs");
        self.crowd.caught();
        self.rpc.blame(view, Because::Empty);
    }
}

/// All logs of a block, from its receipts; nothing if an endpoint has not all of them.
async fn all_logs(view: &View, header: &Header) -> Result<Option<All>, ChainError> {
    let Some(receipts) = view.receipts(header.block.hash).await? else { return Ok(None) };
    if header.receipts_root.is_some_and(|root| receipts.root() == Some(root)) {
        return Ok(Some(All { logs: receipts.placed(), are_proven: true }));
    }
    let all = |receipts: Receipts| Ok(Some(All { logs: receipts.logs, are_proven: false }));
    if is_whole(&header.bloom, &receipts.logs) {
        return all(receipts);
    }
    match view.transactions(header.block.hash).await? {
        Some(transactions) if transactions == receipts.transactions => all(receipts),
        _ => Ok(None),
    }
}

/// Whether the bloom names a contract of which no log came.
pub(super) fn is_withheld<'a>(
    bloom: &Bloom,
    contracts: impl IntoIterator<Item = &'a Address>,
    logs: &[Log],
) -> bool {
    contracts.into_iter().any(|contract| {
        bloom.contains_input(BloomInput::Raw(contract.as_slice()))
            && !logs.iter().any(|log| log.address() == *contract)
    })
}

/// Whether a bloom that cannot be made up has not what this log would have set in it.
pub(super) fn is_denied(header: &Header, log: &Log) -> bool {
    let mut needed = Bloom::ZERO;
    needed.accrue_log(&log.inner);
    header.is_sealed && ones(&header.bloom) < FULL && !header.bloom.contains(&needed)
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
    use crate::crowd::Crowd;
    use alloy::{
        primitives::{B256, Bytes, Log as Inner},
        rpc::types::Filter,
    };
    use provery_types::{BlockRef, Source};

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

    fn header(bloom: Bloom) -> Header {
        let block = BlockRef { number: 1, hash: B256::with_last_byte(1), ..BlockRef::default() };
        Header { block, bloom, receipts_root: None, is_sealed: true }
    }

    /// What a node says of the receipts of a block with these logs, in one transaction.
    fn receipts(logs: &[Log]) -> serde_json::Value {
        serde_json::json!([{ "transactionHash": B256::ZERO, "logs": logs }])
    }

    #[tokio::test]
    async fn logs_that_a_sealed_bloom_denies_are_refused_unless_receipts_have_them() {
        use crate::testing::{Fake, Say, connect, sound};
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

    #[tokio::test]
    async fn what_a_second_endpoint_has_more_is_not_believed_of_it_where_receipts_can_be_had() {
        use crate::{
            receipts::Receipts,
            testing::{Fake, Say, connect, sound},
        };
        let place = |log: Log| Log {
            block_hash: Some(B256::with_last_byte(1)),
            block_number: Some(1),
            transaction_hash: Some(B256::ZERO),
            log_index: Some(0),
            ..log
        };
        let shown = |logs: &[Log]| {
            serde_json::json!([{
                "transactionHash": B256::ZERO, "status": "0x1", "cumulativeGasUsed": "0x5208", "logs": logs,
            }])
        };
        let serving = |logs: Vec<Log>| {
            Fake::new(move |method, params, _| match method {
                "eth_getLogs" => Say::Result(serde_json::json!(logs)),
                "eth_getBlockReceipts" => Say::Result(shown(&logs)),
                _ => sound(method, params),
            })
        };
        let [empty, full] = [serving(vec![]).await, serving(vec![place(log(US))]).await];
        for (fakes, truth) in [([&empty, &full], vec![]), ([&empty, &full], vec![place(log(US))])] {
            let rpc = connect(&fakes, std::time::Duration::from_secs(60)).await;
            let sources = BTreeMap::from([(US, Source::Registry)]);
            let (filter, crowd) = (Filter::new(), Crowd::default());
            let mut reader = Reader { rpc: rpc.clone(), sources, filter, crowd, lenient: false };
            let receipts: Vec<_> = serde_json::from_value(shown(&truth)).expect("receipts");
            let receipts_root = Receipts::new(receipts).root();
            let crowded = Header { receipts_root, ..header(Bloom::repeat_byte(0xff)) };
            let view = rpc.trusted().swap_remove(0);
            let mut logs = BTreeMap::new();
            reader.settle(&view, &[crowded], &mut logs).await.expect("settled");
            assert_eq!(logs.remove(&1).unwrap_or_default().len(), truth.len());
            let left = rpc.endpoints().iter().map(|endpoint| endpoint.left_because).collect::<Vec<_>>();
            let expected =
                if truth.is_empty() { [None, Some("contradicting")] } else { [Some("empty"), None] };
            assert_eq!(left, expected);
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
