//! The chain, by every endpoint on its own: what it answers, whether they agree, how old the newest block is, and whether the chain
//! has what draws need.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, B256},
    providers::Provider,
    rpc::types::Filter,
};
use futures::future::join_all;
use provery_node::config::shown_url;
use provery_rpc::{Probe, Rpc};
use provery_types::{BlockRef, Deployment, is_development_chain};

use super::Findings;
use crate::{
    commands::deploy::{
        past::{self, Past},
        randomness::{self, Finding},
    },
    session::Session,
};

/// How long an endpoint may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Blocks that one may be behind another.
const LAG: u64 = 3;
/// Blocks of which an endpoint should tell the logs at once.
const NARROW: u64 = 1_000;
/// Seconds without a block after which a chain stands.
const STANDS: u64 = 120;
/// Seconds by which a block may be ahead of this machine's clock.
const AHEAD: u64 = 15;

/// What one endpoint says.
#[derive(Debug, Clone)]
struct Answer {
    name: String,
    /// Its chain and newest block, or why there is none.
    head: Result<(u64, BlockRef), String>,
    /// Calls that it does not answer.
    missing: Vec<&'static str>,
}

/// The chain, and the endpoints that answer for it with their newest blocks.
#[derive(Debug)]
pub(super) struct Looked {
    pub chain_id: u64,
    answering: Vec<(Rpc, BlockRef)>,
}

/// Look at each; nothing if none tells the chain's id.
pub(super) async fn look(urls: &[String], found: &mut Findings) -> Option<Looked> {
    let mut answers = Vec::new();
    let mut connected = Vec::new();
    for url in urls {
        let (answer, rpc) = ask(url).await;
        answers.push(answer);
        connected.extend(rpc);
    }
    let hashes = match common_height(&answers) {
        Some(height) => {
            let mut hashes = Vec::new();
            for (rpc, _) in &connected {
                if let Ok(Some(block)) = rpc.block(height).await {
                    hashes.push((rpc.name().to_owned(), block.hash));
                }
            }
            hashes
        }
        None => Vec::new(),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let chain_id = judge(&answers, &hashes, now, found)?;
    connected.retain(|(rpc, _)| rpc.chain_id() == chain_id);
    Some(Looked { chain_id, answering: connected })
}

impl Looked {
    /// What each of them has of the deployment's past, and how it tells what is new. `has_read` is whether a node has read the past
    /// already.
    pub(super) async fn probe(&self, deployment: &Deployment, has_read: bool, found: &mut Findings) {
        let contracts: Vec<Address> = deployment.sources().into_keys().collect();
        let probe = async |(rpc, head): &(Rpc, BlockRef)| {
            (rpc.name().to_owned(), rpc.probe(deployment.block, head, &contracts).await)
        };
        let probes = join_all(self.answering.iter().map(probe)).await;
        probed(&probes, deployment.block, has_read, found);
    }
}

/// Whether an endpoint has all that a first sync asks for; else, what it lacks.
fn lacks(probe: &Probe, first: u64) -> Option<String> {
    match (&probe.header, &probe.logs) {
        (Err(error), _) | (_, Err(error)) => Some(error.to_string()),
        (_, Ok(None)) => Some(format!("the receipts of block {first} have logs that it does not tell")),
        _ => None,
    }
}

fn probed(probes: &[(String, Probe)], first: u64, has_read: bool, found: &mut Findings) {
    const HISTORY: &str = "history";
    let kept = probes.iter().any(|(_, probe)| lacks(probe, first).is_none());
    for (name, probe) in probes {
        match lacks(probe, first) {
            None => found.ok(
                HISTORY,
                format!("{name} has block {first}, where the deployment begins, and the logs of it"),
            ),
            Some(why) if kept => found.warn(
                HISTORY,
                format!("{name} lacks what another endpoint has, from block {first} on: {why}"),
                "nothing, as long as the other stays; or another --rpc-url in place of it",
            ),
            Some(why) if has_read => found.warn(
                HISTORY,
                format!("{name} lacks what a first sync reads, from block {first} on: {why}"),
                "nothing, unless the data directory is lost or a rollup is added: then an archive node as --rpc-url",
            ),
            Some(why) => found.fail(
                HISTORY,
                format!("{name} lacks what the first sync reads, from block {first} on: {why}"),
                "one more --rpc-url that keeps all history (an archive node), until the node has caught up",
            ),
        }
        if let Err(why) = &probe.logs_by_hash {
            found.warn(
                "logs by hash",
                format!("{name} tells no logs by block hash ({why}), so it is asked by height, and then again whether that still holds"),
                "a second --rpc-url that does",
            );
        } else {
            found.ok("logs by hash", format!("{name} tells logs by block hash"));
        }
        match &probe.receipts {
            Ok(true) => found.ok("receipts", format!("{name} has the receipts of block {first}")),
            Ok(false) if probe.header.is_err() => {}
            Ok(false) => found.warn(
                "receipts",
                format!("{name} has not all receipts of block {first}: logs that it withholds there are not noticed"),
                "a second --rpc-url, of another operator",
            ),
            Err(error) => found.warn(
                "receipts",
                format!("{name} tells no receipts ({error}): logs that it withholds are not noticed"),
                "a second --rpc-url, of another operator",
            ),
        }
        match &probe.range {
            Ok(blocks) if *blocks >= NARROW => {
                found.ok("log range", format!("{name} tells the logs of {blocks} blocks at once"));
            }
            Ok(blocks) if *blocks >= probe.blocks => {
                found.ok("log range", format!("{name} tells the logs of all {blocks} blocks at once"));
            }
            Ok(blocks) => found.warn(
                "log range",
                format!("{name} tells the logs of no more than {blocks} blocks at once, so a first sync takes long"),
                "another --rpc-url for the first sync",
            ),
            Err(why) => found.fail(
                "log range",
                format!("{name} tells no logs of the newest blocks, which a node lives on ({why})"),
                "another --rpc-url",
            ),
        }
    }
}

async fn ask(url: &str) -> (Answer, Option<(Rpc, BlockRef)>) {
    let name = shown_url(url);
    let rpc = match Rpc::connect_with(&[url.to_owned()], PATIENCE).await {
        Ok(rpc) => rpc,
        Err(error) => return (Answer { name, head: Err(error.to_string()), missing: Vec::new() }, None),
    };
    let head = match rpc.head().await {
        Ok(head) => head,
        Err(error) => return (Answer { name, head: Err(error.to_string()), missing: Vec::new() }, None),
    };
    let mut missing = Vec::new();
    let range = Filter::new().from_block(head.number).to_block(head.number);
    if rpc.provider().get_logs(&range).await.is_err() {
        missing.push("eth_getLogs");
    }
    if rpc.provider().get_fee_history(1, BlockNumberOrTag::Latest, &[]).await.is_err() {
        missing.push("eth_feeHistory");
    }
    (Answer { name, head: Ok((rpc.chain_id(), head)), missing }, Some((rpc, head)))
}

/// A height that all of them should have, if there are several.
fn common_height(answers: &[Answer]) -> Option<u64> {
    let heads: Vec<u64> =
        answers.iter().filter_map(|answer| Some(answer.head.as_ref().ok()?.1.number)).collect();
    let lowest = heads.iter().min().filter(|_| heads.len() > 1)?;
    Some(lowest.saturating_sub(2))
}

fn judge(answers: &[Answer], hashes: &[(String, B256)], now: u64, found: &mut Findings) -> Option<u64> {
    let heads = answers.iter().filter_map(|answer| answer.head.as_ref().ok());
    let newest = heads.clone().map(|(_, head)| *head).max_by_key(|head| head.number);
    let first = heads.clone().map(|(chain, _)| *chain).next();
    for answer in answers {
        let name = &answer.name;
        match &answer.head {
            Err(why) => found.fail("endpoint", why.clone(), format!("curl -s {name}; or another --rpc-url")),
            Ok((chain, _)) if Some(*chain) != first => found.fail(
                "endpoint",
                format!("{name} is on chain {chain}, the first on another; all have to be on one"),
                "provery node config check",
            ),
            Ok((_, head)) if newest.is_some_and(|newest| newest.number > head.number + LAG) => found.warn(
                "endpoint",
                format!("{name} is at block {}, behind another by more than {LAG}", head.number),
                "provery doctor, in a minute; or another --rpc-url",
            ),
            Ok(_) if answer.missing.contains(&"eth_getLogs") => found.fail(
                "endpoint",
                format!("{name} gives no logs, which a node lives on ({})", answer.missing.join(", ")),
                "another --rpc-url",
            ),
            Ok(_) if !answer.missing.is_empty() => found.warn(
                "endpoint",
                format!("{name} does not answer {}", answer.missing.join(", ")),
                "a second --rpc-url that does",
            ),
            Ok((_, head)) => found.ok("endpoint", format!("{name} answers, at block {}", head.number)),
        }
    }
    if let Some((name, hash)) = hashes.first()
        && let Some((other, _)) = hashes.iter().find(|(_, theirs)| theirs != hash)
    {
        found.fail(
            "endpoint",
            format!("{name} and {other} tell different blocks at one height; one of them is wrong, or was just reorganised"),
            "provery doctor, in a minute; or without one of them",
        );
    }
    let (chain, head) = (first?, newest?);
    let development = is_development_chain(chain);
    if answers.len() == 1 && !development {
        found.warn(
            "endpoint",
            "there is only one; when it fails or lies, nothing is proven",
            "rpc_urls in the configuration: several, of operators that fail apart from each other",
        );
    }
    let age = now.saturating_sub(head.timestamp);
    if head.timestamp > now + AHEAD && development {
        let ahead = head.timestamp - now;
        found.warn(
            "clock",
            format!("the newest block is {ahead} s ahead of this machine's clock, as after a leap of a development chain's"),
            "date",
        );
    } else if head.timestamp > now + AHEAD {
        let ahead = head.timestamp - now;
        found.fail(
            "clock",
            format!("the newest block is {ahead} s ahead of this machine's clock: the clock is wrong, or the endpoint lies"),
            "timedatectl",
        );
    } else if age > STANDS && development {
        found.warn(
            "chain",
            format!("chain {chain} made its last block {age} s ago: one that makes blocks only when it is sent something does not \
                     let time pass"),
            "anvil --block-time 1",
        );
    } else if age > STANDS {
        found.fail(
            "chain",
            format!("chain {chain} made its last block {age} s ago: it stands, the endpoint lags, or this machine's clock is ahead"),
            "timedatectl; or another --rpc-url",
        );
    } else {
        found.ok("chain", format!("{chain} at block {}, {age} s old by this machine's clock", head.number));
    }
    Some(chain)
}

/// What is left where the chain has nothing to draw from.
fn without_draws() -> String {
    let without = provery_mechanisms::words(|mechanism| !mechanism.wants_randomness());
    format!("provery market list; serve markets of a mechanism that needs no randomness ({without})")
}

/// Whether the chain has what mechanisms draw from.
pub(super) async fn randomness(session: &Session, found: &mut Findings) {
    let rpc = session.chain.rpc();
    let beacon = match session.chain.seeds_contract().randomness().call().await {
        Ok(beacon) => !beacon.is_zero(),
        Err(_) => false,
    };
    if beacon {
        found.ok("randomness", "from the beacon that the deployment names");
        return;
    }
    let judged = found.note("randomness", randomness::look(rpc).await, "provery doctor");
    let Some(judged) = judged else { return };
    let Some(past) = found.note("hardfork", past::kept(rpc).await, "provery doctor") else { return };
    match past {
        Past::Kept => found.ok("hardfork", "Prague or later: past blocks' hashes are on the chain"),
        Past::Unknown => found.warn(
            "hardfork",
            "the chain has just begun, and does not show yet whether it keeps past blocks' hashes (EIP-2935)",
            "provery doctor, once there are two blocks",
        ),
        Past::Missing => found.fail(
            "hardfork",
            "the chain has no history of block hashes (EIP-2935, since Prague), so no seed can be brought in",
            without_draws(),
        ),
    }
    match judged {
        Finding::Changing => found.ok("randomness", "prevrandao changes from block to block"),
        Finding::NoEvidence => found.warn("randomness", "there are too few blocks to tell", "provery doctor"),
        Finding::Shared => found.warn(
            "randomness",
            "prevrandao is the same for several blocks in a row, as on the OP Stack: whoever makes the blocks knows whom a draw \
             takes before it makes them, and may choose",
            format!("{}, or trust whoever makes the blocks", without_draws()),
        ),
        Finding::Foreseeable => found.fail(
            "randomness",
            "prevrandao does not change from block to block, so everybody knows whom a draw takes",
            without_draws(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use provery_rpc::ChainError;

    use super::{super::Level, *};

    fn answer(name: &str, chain: u64, number: u64, timestamp: u64) -> Answer {
        let head = BlockRef { number, timestamp, ..BlockRef::default() };
        Answer { name: name.to_owned(), head: Ok((chain, head)), missing: Vec::new() }
    }

    fn judged(
        answers: &[Answer],
        hashes: &[(String, B256)],
        now: u64,
    ) -> (Option<u64>, Vec<(Level, String)>) {
        let mut found = Findings::default();
        let chain = judge(answers, hashes, now, &mut found);
        (chain, found.0.into_iter().map(|finding| (finding.level, finding.says)).collect())
    }

    fn worst(answers: &[Answer], now: u64) -> Level {
        judged(answers, &[], now).1.into_iter().map(|(level, _)| level).max().expect("something is found")
    }

    #[test]
    fn endpoints_that_agree_on_a_young_head_are_fine() {
        let two = [answer("a", 1, 100, 1_000), answer("b", 1, 99, 990)];
        assert_eq!(judged(&two, &[], 1_005).0, Some(1));
        assert_eq!(worst(&two, 1_005), Level::Ok);
    }

    #[test]
    fn each_fault_of_an_endpoint_is_found() {
        let good = answer("a", 1, 100, 1_000);
        let dead = Answer { head: Err("no answer".to_owned()), ..good.clone() };
        assert_eq!(worst(&[good.clone(), dead.clone()], 1_005), Level::Fail);
        assert_eq!(judged(&[dead], &[], 1_005).0, None, "there is no chain to go on with");
        assert_eq!(worst(&[good.clone(), answer("b", 2, 100, 1_000)], 1_005), Level::Fail, "another chain");
        assert_eq!(worst(&[good.clone(), answer("b", 1, 90, 990)], 1_005), Level::Warn, "lags");
        let mute = Answer { missing: vec!["eth_getLogs"], ..good.clone() };
        assert_eq!(worst(&[good.clone(), mute], 1_005), Level::Fail);
        let old = Answer { missing: vec!["eth_feeHistory"], ..good.clone() };
        assert_eq!(worst(&[good.clone(), old], 1_005), Level::Warn);
        assert_eq!(worst(std::slice::from_ref(&good), 1_005), Level::Warn, "only one");
        let hashes = [("a".to_owned(), B256::repeat_byte(1)), ("b".to_owned(), B256::repeat_byte(2))];
        let (_, found) = judged(&[good.clone(), good], &hashes, 1_005);
        assert!(found.iter().any(|(level, says)| *level == Level::Fail && says.contains("different blocks")));
    }

    fn probe() -> Probe {
        Probe {
            header: Ok(()),
            logs: Ok(Some(1)),
            receipts: Ok(true),
            logs_by_hash: Ok(()),
            range: Ok(10_000),
            blocks: 50_000,
        }
    }

    #[test]
    fn what_an_endpoint_lacks_of_the_past_is_found_before_anything_is_staked() {
        let pruned = || ChainError::Pruned {
            url: "a".to_owned(),
            method: "eth_getLogs",
            message: "4444: pruned history unavailable".to_owned(),
        };
        let judged = |probes: Vec<Probe>, has_read| {
            let mut found = Findings::default();
            let named: Vec<(String, Probe)> = ["a", "b"].map(str::to_owned).into_iter().zip(probes).collect();
            probed(&named, 7, has_read, &mut found);
            found.0
        };
        assert!(judged(vec![probe(), probe()], false).iter().all(|it| it.level == Level::Ok));
        for lacking in [
            Probe { header: Err(pruned()), receipts: Ok(false), ..probe() },
            Probe { header: Err(ChainError::BlockNotFound(7)), ..probe() },
            Probe { logs: Err(pruned()), ..probe() },
            Probe { logs: Ok(None), ..probe() },
        ] {
            let what = format!("{lacking:?}");
            let alone = judged(vec![lacking], false).remove(0);
            assert_eq!((alone.level, alone.check), (Level::Fail, "history"), "{what}");
            assert!(alone.says.contains("a lacks") && alone.says.contains('7'), "{}", alone.says);
            assert!(alone.next.is_some_and(|next| next.contains("archive node")));
        }
        let lacking = || Probe { logs: Err(pruned()), ..probe() };
        assert_eq!(judged(vec![lacking()], true)[0].level, Level::Warn, "it was read already");
        let levels: Vec<Level> = judged(vec![lacking(), probe()], false).iter().map(|it| it.level).collect();
        assert_eq!(levels.iter().max(), Some(&Level::Warn), "another has it");
    }

    #[test]
    fn how_an_endpoint_tells_logs_and_receipts_is_found() {
        let of = |probe: Probe| {
            let mut found = Findings::default();
            probed(&[("a".to_owned(), probe)], 7, false, &mut found);
            let worse = found.0.into_iter().filter(|it| it.level != Level::Ok);
            worse.map(|it| (it.check, it.level)).collect::<Vec<_>>()
        };
        let no = || "no".to_owned();
        assert_eq!(of(probe()), []);
        assert_eq!(of(Probe { logs_by_hash: Err(no()), ..probe() }), [("logs by hash", Level::Warn)]);
        assert_eq!(of(Probe { receipts: Ok(false), ..probe() }), [("receipts", Level::Warn)]);
        assert_eq!(
            of(Probe { receipts: Err(ChainError::BlockNotFound(7)), ..probe() }),
            [("receipts", Level::Warn)]
        );
        assert_eq!(of(Probe { range: Ok(100), ..probe() }), [("log range", Level::Warn)]);
        assert_eq!(of(Probe { range: Ok(100), blocks: 100, ..probe() }), [], "there are no more");
        assert_eq!(of(Probe { range: Err(no()), ..probe() }), [("log range", Level::Fail)]);
    }

    #[test]
    fn a_head_from_the_future_or_long_ago_is_found() {
        let two = [answer("a", 1, 100, 1_000), answer("b", 1, 100, 1_000)];
        assert_eq!(worst(&two, 900), Level::Fail, "the future");
        assert_eq!(worst(&two, 1_200), Level::Fail, "it stands");
        assert_eq!(worst(&[answer("a", 31_337, 100, 1_000)], 1_200), Level::Warn, "it may mine on demand");
        assert_eq!(
            worst(&[answer("a", 31_337, 100, 1_000)], 900),
            Level::Warn,
            "its clock may have been moved"
        );
    }
}
