//! What a second reading of a block tells that the first did not: of another endpoint, or of the same one a while later.
//!
//! Near the head a block is told of as soon as one endpoint has its logs. They may not have been there yet, on a chain whose
//! blooms name everybody, or may not be the chain's. So every block is read again. Where two readings differ, receipts
//! decide whose root the block's header has; where nobody has those, what the first endpoint or a third then tells, too.

use alloy::{primitives::B256, rpc::types::Log};

use super::{Reader, by_height, marks, settle::is_denied};
use crate::{ChainError, endpoints::Because, headers::Header, view::View};

/// What one endpoint told of a block.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) header: Header,
    /// See [`marks`].
    pub(crate) marks: Vec<B256>,
    /// Whose it is.
    pub(crate) by: usize,
    /// The bloom names a contract of which no log came.
    pub(crate) is_doubtful: bool,
}

/// What comes of a second reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The first was right.
    Same,
    /// It was not: the block's logs are others.
    Other,
    /// Endpoints tell different logs, and nothing says whose are right.
    Disputed,
    /// There was none yet.
    Unread,
}

/// What one reading is, next to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beside {
    Same,
    /// All of the other, and more.
    More,
    Less,
    Different,
}

/// How `theirs` stands to `ours`.
fn beside(ours: &[B256], theirs: &[B256]) -> Beside {
    let has_all = |all: &[B256], some: &[B256]| {
        let mut rest = all.iter();
        some.iter().all(|mark| rest.any(|other| other == mark))
    };
    match (has_all(theirs, ours), has_all(ours, theirs)) {
        (true, true) => Beside::Same,
        (true, false) => Beside::More,
        (false, true) => Beside::Less,
        (false, false) => Beside::Different,
    }
}

impl Reader {
    /// Read these blocks again, which one endpoint told and which are in the order of their heights: from another endpoint if there
    /// is one. What lacks something says nothing soon after a block, as it may be behind; later (`is_late`) it does.
    pub(crate) async fn again(&self, readings: &[Reading], is_late: bool) -> Vec<(B256, Verdict)> {
        let unread = || readings.iter().map(|reading| (reading.header.block.hash, Verdict::Unread)).collect();
        let (Some(first), Some(last)) = (readings.first(), readings.last()) else { return Vec::new() };
        let (from, to) = (first.header.block.number, last.header.block.number);
        let Some(by) = self.rpc.view(first.by) else { return unread() };
        let view = self.other(&by).unwrap_or(by);
        let found = self.rpc.second(&view, view.logs_from(from, to, &self.filter)).await;
        let Some(mut logs) = found.and_then(|found| by_height(&view, found).ok()) else { return unread() };
        // Where there are others, that one bears itself out is no end of it.
        let is_itself = view.at() == first.by && self.rpc.is_several();
        let mut verdicts = Vec::with_capacity(readings.len());
        for reading in readings {
            let block = reading.header.block;
            let theirs = logs.remove(&block.number).unwrap_or_default();
            let verdict = match theirs.iter().all(|log| log.block_hash == Some(block.hash)) {
                true => self.judge(reading, &view, &theirs, is_late).await,
                false => Verdict::Unread,
            };
            let verdict = if is_itself && verdict == Verdict::Same { Verdict::Unread } else { verdict };
            verdicts.push((block.hash, verdict));
        }
        verdicts
    }

    async fn judge(&self, reading: &Reading, view: &View, theirs: &[Log], is_late: bool) -> Verdict {
        let marks_of_theirs = marks(theirs);
        let beside = beside(&reading.marks, &marks_of_theirs);
        if beside == Beside::Same {
            return Verdict::Same;
        }
        let may_be_behind = beside == Beside::Less && !is_late;
        let header = &reading.header;
        if let Some(all) = self.proven(header).await {
            let proven = marks(&self.ours(all));
            if !may_be_behind {
                self.blame(view.at(), &marks_of_theirs, &proven, header);
            }
            self.blame(reading.by, &reading.marks, &proven, header);
            return if proven == reading.marks { Verdict::Same } else { Verdict::Other };
        }
        if may_be_behind {
            return Verdict::Unread;
        }
        let may_be_late = beside == Beside::More && !theirs.iter().any(|log| is_denied(header, log));
        // The first may have them now, too, or another tell who is right.
        let itself = self.rpc.view(reading.by).filter(|_| may_be_late);
        if itself.as_ref().is_some_and(|itself| itself.at() == view.at()) {
            return Verdict::Other;
        }
        let others = self.rpc.trusted().into_iter();
        let others = others.filter(|third| third.at() != reading.by && third.at() != view.at());
        for third in itself.into_iter().chain(others) {
            let found = self.rpc.second(&third, third.logs(&[*header], &self.filter)).await;
            let Some(marks) = found.and_then(|mut found| found.pop()).map(|logs| marks(&logs)) else {
                continue;
            };
            if marks == marks_of_theirs {
                self.blame(reading.by, &reading.marks, &marks, header);
                return Verdict::Other;
            }
            if marks == reading.marks && third.at() != reading.by {
                return Verdict::Same;
            }
        }
        if !is_late {
            return Verdict::Unread;
        }
        let first = self.rpc.view(reading.by);
        tracing::warn!(
            rpc = first.as_ref().map(View::name),
            other = view.name(),
            block = header.block.number,
            "endpoints tell different logs of a block, and none shows receipts that prove its own"
        );
        Verdict::Disputed
    }

    /// Leave an endpoint whose logs of a block were not those that the chain has.
    pub(super) fn blame(&self, at: usize, told: &[B256], true_ones: &[B256], header: &Header) {
        let because = match beside(told, true_ones) {
            Beside::Same => return,
            Beside::More => Because::Empty,
            Beside::Less | Beside::Different => Because::Contradicting,
        };
        let Some(view) = self.rpc.view(at) else { return };
        let (block, why) = (header.block.number, because.word());
        tracing::warn!(rpc = view.name(), block, why, "an endpoint told other logs than the chain has");
        self.rpc.blame(&view, because);
    }

    /// The logs of an old block, of which two endpoints tell.
    pub(super) async fn weigh(
        &mut self,
        view: &View,
        other: &View,
        header: &Header,
        ours: Vec<Log>,
        theirs: Vec<Log>,
    ) -> Result<Vec<Log>, ChainError> {
        let (marks_of_ours, marks_of_theirs) = (marks(&ours), marks(&theirs));
        let beside = beside(&marks_of_ours, &marks_of_theirs);
        if beside == Beside::Same {
            return Ok(ours);
        }
        let height = header.block.number;
        if let Some(all) = self.proven(header).await {
            let all = self.ours(all);
            let proven = marks(&all);
            self.blame(other.at(), &marks_of_theirs, &proven, header);
            self.blame(view.at(), &marks_of_ours, &proven, header);
            if proven != marks_of_ours {
                self.crowd.caught();
            }
            return Ok(all);
        }
        match beside {
            Beside::More if !theirs.iter().any(|log| is_denied(header, log)) => {
                self.caught(view, height, ours.len(), theirs.len());
                Ok(theirs)
            }
            Beside::Different => {
                let reason = format!("other logs of block {height} than another endpoint tells");
                Err(view.inconsistent("eth_getLogs", reason))
            }
            _ => Ok(ours),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use alloy::{
        primitives::{Address, Bloom, Bytes, Log as Inner},
        rpc::types::Filter,
    };
    use provery_types::{BlockRef, Source};
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        Rpc,
        crowd::Crowd,
        receipts::Receipts,
        testing::{Fake, Say, connect, hash, sound},
    };

    const US: Address = Address::repeat_byte(1);
    const LONG: Duration = Duration::from_secs(60);

    /// A log of ours in block 5 that says `data`.
    fn log(data: u8) -> Log {
        let inner = Inner::new_unchecked(US, vec![B256::repeat_byte(7)], Bytes::from(vec![data]));
        Log {
            inner,
            block_hash: Some(hash(5).parse().expect("a hash")),
            block_number: Some(5),
            transaction_hash: Some(B256::ZERO),
            log_index: Some(0),
            ..Log::default()
        }
    }

    fn receipts(logs: &[Log]) -> Value {
        json!([{
            "transactionHash": B256::ZERO, "type": "0x2", "status": "0x1", "cumulativeGasUsed": "0x5208", "logs": logs,
        }])
    }

    /// One that tells these logs of block 5; and receipts with these, if it has any.
    async fn telling(logs: Vec<Log>, shown: Option<Vec<Log>>) -> Fake {
        Fake::new(move |method, params, _| match method {
            "eth_getLogs" => Say::Result(json!(logs)),
            "eth_getBlockReceipts" => match &shown {
                Some(shown) => Say::Result(receipts(shown)),
                None => Say::refuse(-32601, "no such method"),
            },
            "eth_getTransactionReceipt" => Say::Result(Value::Null),
            _ => sound(method, params),
        })
        .await
    }

    fn reader(rpc: &Rpc) -> Reader {
        let sources = BTreeMap::from([(US, Source::Registry)]);
        Reader { rpc: rpc.clone(), sources, filter: Filter::new(), crowd: Crowd::default(), lenient: false }
    }

    /// Block 5, whose bloom names everybody, with the root of the receipts of these logs.
    fn header(logs: &[Log]) -> Header {
        let receipts: Vec<_> = serde_json::from_value(receipts(logs)).expect("receipts");
        let block = BlockRef { number: 5, hash: hash(5).parse().expect("a hash"), ..BlockRef::default() };
        let receipts_root = Receipts::new(receipts).root();
        Header { block, bloom: Bloom::repeat_byte(0xff), receipts_root, is_sealed: true }
    }

    fn reading(header: Header, logs: &[Log]) -> Reading {
        Reading { header, marks: marks(logs), by: 0, is_doubtful: false }
    }

    async fn verdict(
        fakes: &[&Fake],
        reading: Reading,
        is_late: bool,
    ) -> (Verdict, Vec<Option<&'static str>>) {
        let rpc = connect(fakes, LONG).await;
        let verdicts = reader(&rpc).again(&[reading], is_late).await;
        (verdicts[0].1, rpc.endpoints().iter().map(|endpoint| endpoint.left_because).collect())
    }

    #[tokio::test]
    async fn receipts_that_the_header_commits_to_decide_whose_logs_are_right() {
        let (truth, lie) = (vec![log(1)], vec![log(2)]);
        let proven = header(&truth);
        for (first, second, found, left) in [
            (&lie, &truth, Verdict::Other, [Some("contradicting"), None]),
            (&truth, &lie, Verdict::Same, [None, Some("contradicting")]),
            (&vec![], &truth, Verdict::Other, [Some("empty"), None]),
            (&truth, &vec![], Verdict::Same, [None, Some("empty")]),
            (&truth, &truth, Verdict::Same, [None, None]),
        ] {
            // Each shows receipts that bear out what it says.
            let fakes = [
                telling(first.clone(), Some(first.clone())).await,
                telling(second.clone(), Some(second.clone())).await,
            ];
            let (verdict, because) = verdict(&[&fakes[0], &fakes[1]], reading(proven, first), true).await;
            assert_eq!((verdict, because.as_slice()), (found, left.as_slice()), "{first:?} {second:?}");
        }
    }

    #[tokio::test]
    async fn what_came_late_is_found_and_what_another_alone_tells_is_not_believed() {
        let now_there = telling(vec![log(1)], None).await;
        let also_there = telling(vec![log(1)], None).await;
        for is_late in [true, false] {
            for fakes in [&[&now_there][..], &[&now_there, &also_there]] {
                let (verdict, _) = verdict(fakes, reading(header(&[log(1)]), &[]), is_late).await;
                assert_eq!(verdict, Verdict::Other);
            }
        }
        // Of another alone it is not believed.
        let empty = telling(vec![], None).await;
        let told = reading(header(&[log(1)]), &[]);
        assert_eq!(verdict(&[&empty, &now_there], told.clone(), false).await.0, Verdict::Unread);
        assert_eq!(verdict(&[&empty, &now_there], told, true).await.0, Verdict::Disputed);
        // Nor is what was made up waited for to be found out, where that can be proven.
        let [liar, honest] = [telling(vec![log(1)], None).await, telling(vec![], Some(vec![])).await];
        let made_up = reading(header(&[]), &[log(1)]);
        let (found, left) = verdict(&[&liar, &honest], made_up, false).await;
        assert_eq!((found, left), (Verdict::Other, vec![Some("contradicting"), None]));
        // One that is behind says nothing, until it should not be any more.
        let behind = telling(vec![], None).await;
        let ahead = telling(vec![log(1)], None).await;
        let told = reading(header(&[log(1)]), &[log(1)]);
        assert_eq!(verdict(&[&ahead, &behind], told.clone(), false).await.0, Verdict::Unread);
        assert_eq!(verdict(&[&ahead, &behind], told, true).await.0, Verdict::Disputed);
    }

    #[tokio::test]
    async fn without_receipts_a_third_decides_and_without_a_third_nobody() {
        let [one, other, third] = [
            telling(vec![log(1)], None).await,
            telling(vec![log(2)], None).await,
            telling(vec![log(2)], None).await,
        ];
        let told = |data| reading(header(&[log(1)]), &[log(data)]);
        assert_eq!(verdict(&[&one, &other], told(1), true).await.0, Verdict::Disputed);
        let (found, left) = verdict(&[&one, &other, &third], told(1), true).await;
        assert_eq!((found, left[0]), (Verdict::Other, Some("contradicting")));
        let (found, left) = verdict(&[&other, &one, &third], told(2), true).await;
        assert_eq!((found, left[0]), (Verdict::Same, None));
    }

    #[tokio::test]
    async fn an_answer_of_another_chain_says_nothing_of_a_block() {
        let elsewhere = telling(vec![Log { block_hash: Some(B256::repeat_byte(9)), ..log(1) }], None).await;
        assert_eq!(verdict(&[&elsewhere], reading(header(&[]), &[]), true).await.0, Verdict::Unread);
    }

    #[tokio::test]
    async fn of_an_old_block_proven_logs_are_taken_whoever_tells_others() {
        let (truth, lie) = (vec![log(1)], vec![log(2)]);
        for (ours, theirs) in [
            (&lie, &truth),
            (&truth, &lie),
            (&vec![log(1), Log { log_index: Some(1), ..log(3) }], &truth),
            (&vec![], &truth),
        ] {
            let fakes = [
                telling(ours.clone(), Some(ours.clone())).await,
                telling(theirs.clone(), Some(theirs.clone())).await,
            ];
            let rpc = connect(&[&fakes[0], &fakes[1]], LONG).await;
            let (view, other) = (rpc.view(0).expect("it is there"), rpc.view(1).expect("it is there"));
            let weighed =
                reader(&rpc).weigh(&view, &other, &header(&truth), ours.clone(), theirs.clone()).await;
            assert_eq!(marks(&weighed.expect("proven")), marks(&truth));
        }
        // Where nothing is proven, other logs stop it, and more are believed.
        let fakes = [telling(lie.clone(), None).await, telling(truth.clone(), None).await];
        let rpc = connect(&[&fakes[0], &fakes[1]], LONG).await;
        let (view, other) = (rpc.view(0).expect("it is there"), rpc.view(1).expect("it is there"));
        let weighed = reader(&rpc).weigh(&view, &other, &header(&truth), lie, truth.clone()).await;
        assert!(matches!(weighed, Err(ChainError::Inconsistent { .. })), "{weighed:?}");
        let weighed = reader(&rpc).weigh(&view, &other, &header(&truth), vec![], truth.clone()).await;
        assert_eq!(marks(&weighed.expect("more")), marks(&truth));
    }
}
