//! Several endpoints, each of which may do wrong.

use std::{sync::Arc, time::Duration};

use eyre::{Result, WrapErr as _, bail, ensure, eyre};
use provery_rpc::{Chain, ChainError, EndpointHealth, Follower, FollowerConfig, Rpc, Update, new_heads};
use provery_tests::{Anvil, Faults, Relay, deploy_core};
use provery_types::{BlockRef, Event, LoggedEvent};
use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;

mod dialects;
mod doubts;
mod refusals;
mod reorgs;

const POLL: Duration = Duration::from_millis(20);
/// A bound for failure, not for success.
const LONG: Duration = Duration::from_secs(60);

fn config() -> FollowerConfig {
    FollowerConfig { max_backoff: Duration::from_millis(200), ..FollowerConfig::new(POLL) }
}

/// A chain with a deployment, relays to it, and a client that knows only the relays.
struct Field {
    anvil: Anvil,
    direct: Chain,
    relays: Vec<Relay>,
    chain: Chain,
}

impl Field {
    async fn with(relays: usize) -> Result<Self> {
        let anvil = Anvil::start().await?;
        let sender = anvil.sender(0).await?;
        let direct = deploy_core(&sender).await?;
        sender.send(direct.calls().register("0")).await?;
        let mut all = Vec::new();
        for _ in 0..relays {
            all.push(Relay::to(anvil.port()).await?);
        }
        let chain = connect(&all, &direct).await?;
        Ok(Self { anvil, direct, relays: all, chain })
    }

    /// A client that knows nothing yet of its endpoints.
    async fn forget(&mut self) -> Result<()> {
        self.chain = connect(&self.relays, &self.direct).await?;
        Ok(())
    }

    fn health(&self, at: usize) -> EndpointHealth {
        self.chain.rpc().endpoints().swap_remove(at)
    }

    /// An event of its own in a block of its own. A new sender each time: what a reorganisation does to one that was
    /// there before is not what is shown here.
    async fn say(&self, uri: &str) -> Result<()> {
        self.anvil.sender(0).await?.send(self.direct.calls().set_uri(uri)).await?;
        Ok(())
    }

    async fn head(&self) -> Result<BlockRef> {
        Ok(self.direct.rpc().head().await?)
    }
}

async fn connect(relays: &[Relay], direct: &Chain) -> Result<Chain> {
    let urls: Vec<String> = relays.iter().map(Relay::url).collect();
    let rpc = Rpc::connect_with(&urls, Duration::from_secs(5)).await?;
    Ok(Chain::connect(rpc, direct.deployment().clone()).await?)
}

/// A follower and what its caller would have stored.
struct Following {
    follower: Follower,
    blocks: Vec<(BlockRef, Vec<LoggedEvent>)>,
    depths: Vec<u64>,
}

impl Following {
    fn new(chain: &Chain, config: FollowerConfig) -> Self {
        Self { follower: Follower::new(chain.clone(), [], config), blocks: Vec::new(), depths: Vec::new() }
    }

    async fn step(&mut self) -> Result<()> {
        match self.follower.next().await? {
            Update::Block { block, events } => self.took([(block, events)])?,
            Update::Range(blocks) => self.took(blocks)?,
            Update::Past { events, .. } => {
                bail!("{} events of the past, and nothing was adopted", events.len())
            }
            Update::Reorg { to } => {
                let tip = self.blocks.last().map_or(0, |(block, _)| block.number);
                self.depths.push(tip - to.number);
                self.blocks.retain(|(block, _)| block.number <= to.number);
                ensure!(self.blocks.last().map(|(block, _)| block.hash) == Some(to.hash));
            }
        }
        self.follower.stored();
        Ok(())
    }

    fn took(&mut self, blocks: impl IntoIterator<Item = (BlockRef, Vec<LoggedEvent>)>) -> Result<()> {
        for (block, events) in blocks {
            if let Some((last, _)) = self.blocks.last() {
                ensure!(block.number > last.number, "{} after {}", block.number, last.number);
            }
            self.blocks.push((block, events));
        }
        Ok(())
    }

    async fn to(&mut self, head: BlockRef) -> Result<()> {
        timeout(LONG, async {
            while self.blocks.last().is_none_or(|(block, _)| block.hash != head.hash) {
                self.step().await?;
            }
            Ok(())
        })
        .await
        .map_err(|_| eyre!("block {} was never reached", head.number))?
    }

    /// Follow until this holds, whatever happens.
    async fn until(&mut self, mut holds: impl FnMut() -> bool) -> Result<()> {
        let watch = async {
            while !holds() {
                tokio::time::sleep(POLL).await;
            }
            Ok(())
        };
        let follow = async {
            loop {
                self.step().await?;
            }
        };
        timeout(LONG, async {
            tokio::select! {
                done = watch => done,
                failed = follow => failed,
            }
        })
        .await
        .map_err(|_| eyre!("it never came to hold"))?
    }

    /// Follow until these were said, and nothing else.
    async fn until_uris(&mut self, uris: &[&str]) -> Result<()> {
        timeout(LONG, async {
            while self.uris() != uris {
                self.step().await?;
            }
            Ok(())
        })
        .await
        .map_err(|_| eyre!("they were never told"))?
    }

    fn uris(&self) -> Vec<String> {
        let events = self.blocks.iter().flat_map(|(_, events)| events);
        events
            .filter_map(|logged| match &logged.event {
                Event::ProverRegistered { uri, .. } | Event::UriSet { uri, .. } => Some(uri.clone()),
                _ => None,
            })
            .collect()
    }
}

#[tokio::test]
async fn the_next_endpoint_answers_when_one_refuses_fails_or_is_cut_off() -> Result<()> {
    let field = Field::with(2).await?;
    let head = field.head().await?;
    for faults in [
        Faults { refuse: true, ..Faults::default() },
        Faults { status: Some(429), ..Faults::default() },
        Faults { status: Some(503), ..Faults::default() },
        Faults { truncate: true, ..Faults::default() },
    ] {
        let before = (field.health(0).total_failures, field.health(1).requests);
        field.relays[0].set(faults.clone());
        assert_eq!(field.chain.rpc().head().await?, head, "{faults:?}");
        assert!(field.health(0).total_failures > before.0, "{faults:?}");
        assert!(field.health(1).requests > before.1, "{faults:?}");
        field.relays[0].heal();
        assert_eq!(field.chain.rpc().head().await?, head);
        let back = field.health(0);
        assert!(back.up && back.failures == 0, "{faults:?} {back:?}");
    }
    Ok(())
}

#[tokio::test]
async fn one_that_keeps_failing_is_left_and_comes_back() -> Result<()> {
    let field = Field::with(2).await?;
    let mut following = Following::new(&field.chain, config());
    following.to(field.head().await?).await?;
    field.relays[0].set(Faults { refuse: true, ..Faults::default() });
    following.until(|| field.health(0).left_because == Some("failing")).await?;
    let asked = field.relays[1].requests();
    field.say("1").await?;
    following.to(field.head().await?).await?;
    assert!(field.relays[1].requests() > asked);
    assert!(!field.health(0).up);
    field.relays[0].heal();
    following.until(|| field.health(0).left_because.is_none()).await?;
    assert_eq!(following.uris(), ["0", "1"]);
    Ok(())
}

#[tokio::test]
async fn one_that_is_down_at_first_joins_later_and_one_of_another_chain_never() -> Result<()> {
    let field = Field::with(0).await;
    assert!(matches!(
        field.err().and_then(|error| error.downcast::<ChainError>().ok()),
        Some(ChainError::UrlInvalid { .. })
    ));
    let field = Field::with(1).await?;
    let late = Relay::to(field.anvil.port()).await?;
    late.set(Faults { refuse: true, ..Faults::default() });
    let urls = [late.url(), field.relays[0].url()];
    let rpc = Rpc::connect_with(&urls, Duration::from_secs(5)).await?;
    assert_eq!(rpc.name(), format!("{} and 1 more", late.url()));
    let chain = Chain::connect(rpc, field.direct.deployment().clone()).await?;
    let mut following = Following::new(&chain, config());
    following.until(|| chain.rpc().endpoints()[0].left_because == Some("failing")).await?;

    let stranger = Anvil::start_with(&["--chain-id", "1337"]).await?;
    late.set(Faults { instead: Some(stranger.port()), ..Faults::default() });
    following.until(|| chain.rpc().endpoints()[0].left_because == Some("contradicting")).await?;
    let error = chain.rpc().endpoints().swap_remove(0).last_error.unwrap_or_default();
    assert!(error.contains("1337") && error.contains("31337"), "{error}");
    let error = Rpc::connect_all(&urls).await.expect_err("two chains");
    assert!(matches!(error, ChainError::ChainsDiffer { chain: 1337, other: 31337, .. }), "{error:?}");

    late.heal();
    following
        .until(|| chain.rpc().endpoints()[0].up && chain.rpc().endpoints()[0].left_because.is_none())
        .await?;
    following.to(field.head().await?).await
}

#[tokio::test]
async fn all_may_be_down_and_come_back() -> Result<()> {
    let field = Field::with(3).await?;
    let mut following = Following::new(&field.chain, config());
    following.to(field.head().await?).await?;
    let down = Faults { refuse: true, ..Faults::default() };
    field.relays.iter().for_each(|relay| relay.set(down.clone()));
    let health = following.follower.health();
    following.until(|| health.borrow().failures > 2).await?;
    let error = health.borrow().last_error.clone().unwrap_or_default();
    assert!(error.contains("127.0.0.1"), "{error}");
    field.say("1").await?;
    field.relays[2].heal();
    following.to(field.head().await?).await?;
    assert_eq!(following.uris(), ["0", "1"]);
    assert_eq!(health.borrow().failures, 0);
    Ok(())
}

#[tokio::test]
async fn one_that_lags_is_left_and_comes_back() -> Result<()> {
    let field = Field::with(2).await?;
    let mut following = Following::new(&field.chain, config());
    let before = field.head().await?;
    following.to(before).await?;
    field.relays[0].set(Faults { behind: Some(before.number), ..Faults::default() });
    for uri in ["1", "2", "3", "4", "5"] {
        field.say(uri).await?;
    }
    following.to(field.head().await?).await?;
    following.until(|| field.health(0).left_because == Some("lagging")).await?;
    let lagging = field.health(0);
    assert_eq!((lagging.lag_blocks, lagging.head), (5, Some(before.number)));
    assert_eq!((following.uris().len(), following.depths.len()), (6, 0), "to be behind is no reorganisation");
    field.relays[0].heal();
    following.until(|| field.health(0).left_because.is_none()).await?;
    assert_eq!(field.health(0).lag_blocks, 0);
    Ok(())
}

#[tokio::test]
async fn withheld_logs_are_found_by_bloom_and_receipts() -> Result<()> {
    let field = Field::with(2).await?;
    let mut following = Following::new(&field.chain, config());
    following.to(field.head().await?).await?;
    field.relays[0].set(Faults { empty_logs: true, ..Faults::default() });
    field.say("1").await?;
    following.to(field.head().await?).await?;
    assert_eq!(following.uris(), ["0", "1"]);
    assert_eq!(field.health(0).left_because, Some("empty"));
    // It is asked again, and caught again.
    following.until(|| field.health(0).left_because.is_none()).await?;
    field.relays[0].set(Faults { empty_logs: true, no_receipts: true, ..Faults::default() });
    field.say("2").await?;
    following.to(field.head().await?).await?;
    assert_eq!(following.uris(), ["0", "1", "2"]);
    Ok(())
}

#[tokio::test]
async fn a_single_endpoint_that_withholds_logs_is_still_asked() -> Result<()> {
    let field = Field::with(1).await?;
    field.relays[0].set(Faults { empty_logs: true, ..Faults::default() });
    let mut following = Following::new(&field.chain, config());
    for uri in ["1", "2", "3"] {
        field.say(uri).await?;
        following.to(field.head().await?).await?;
    }
    assert_eq!(following.uris(), ["0", "1", "2", "3"]);
    assert_eq!(field.health(0).left_because, Some("empty"));

    // Without receipts emptiness is not believed, and nothing is lost.
    field.relays[0].set(Faults { empty_logs: true, no_receipts: true, ..Faults::default() });
    field.say("4").await?;
    let health = following.follower.health();
    following.until(|| health.borrow().failures > 2).await?;
    assert_eq!(following.uris(), ["0", "1", "2", "3"]);
    field.relays[0].heal();
    following.to(field.head().await?).await?;
    assert_eq!(following.uris().len(), 5);
    Ok(())
}

#[tokio::test]
async fn one_of_three_that_tells_of_another_chain_is_not_believed() -> Result<()> {
    let field = Field::with(3).await?;
    field.anvil.mine(10).await?;
    // The same chain id, other blocks, and more of them.
    let other = Anvil::start().await?;
    other.mine(100).await?;
    field.relays[0].set(Faults { instead: Some(other.port()), ..Faults::default() });
    let mut following = Following::new(&field.chain, config());
    following.to(field.head().await?).await?;
    following.until(|| field.health(0).left_because == Some("contradicting")).await?;
    assert!(field.relays[1].asked("eth_getLogs") > 0, "another was followed");
    field.say("1").await?;
    following.to(field.head().await?).await?;
    assert_eq!((following.uris(), following.depths.len()), (vec!["0".to_string(), "1".to_string()], 0));

    // Neither is it believed while the others are gone for a moment.
    let down = Faults { refuse: true, ..Faults::default() };
    field.relays[1..].iter().for_each(|relay| relay.set(down.clone()));
    let health = following.follower.health();
    following.until(|| health.borrow().failures > 3).await?;
    assert!(following.depths.is_empty());
    field.relays.iter().for_each(Relay::heal);
    field.say("2").await?;
    following.to(field.head().await?).await?;
    assert_eq!((following.uris().len(), following.depths.len()), (3, 0));
    following.until(|| field.health(0).left_because.is_none()).await
}

#[tokio::test]
async fn of_two_the_one_that_has_our_blocks_is_believed() -> Result<()> {
    let field = Field::with(2).await?;
    field.anvil.mine(10).await?;
    let mut following = Following::new(&field.chain, config());
    following.to(field.head().await?).await?;
    let other = Anvil::start().await?;
    other.mine(100).await?;
    field.relays[0].set(Faults { instead: Some(other.port()), ..Faults::default() });
    following.until(|| field.health(0).left_because == Some("contradicting")).await?;
    field.say("1").await?;
    following.to(field.head().await?).await?;
    assert_eq!((following.uris().len(), following.depths.len()), (2, 0));
    Ok(())
}

#[tokio::test]
async fn a_long_way_back_is_read_in_ranges_and_verified() -> Result<()> {
    let field = Field::with(2).await?;
    field.anvil.mine(1200).await?;
    field.say("1").await?;
    field.anvil.mine(1500).await?;
    field.say("2").await?;
    field.anvil.mine(300).await?;
    let head = field.head().await?;
    let mut following = Following::new(&field.chain, config());
    following.to(head).await?;
    assert_eq!(following.uris(), ["0", "1", "2"]);
    assert!(following.blocks.len() < 300, "{} blocks", following.blocks.len());
    assert!(field.relays[0].requests() < 100, "{} requests", field.relays[0].requests());

    // One that withholds logs and minds batches is seen through.
    let faulty = Faults { empty_logs: true, no_batches: true, ..Faults::default() };
    field.relays[0].set(faulty.clone());
    let mut again = Following::new(&field.chain, config());
    again.to(head).await?;
    assert_eq!(again.uris(), ["0", "1", "2"]);
    assert_eq!(field.health(0).left_because, Some("empty"));
    Ok(())
}

#[tokio::test]
async fn a_poll_that_finds_nothing_is_one_request() -> Result<()> {
    let field = Field::with(1).await?;
    let mut following = Following::new(&field.chain, config());
    following.to(field.head().await?).await?;
    // What is asked while nothing happens, against how often the follower looked.
    following.until(|| field.relays[0].requests() > 0).await?;
    let asked = || (field.relays[0].requests(), field.relays[0].asked("latest"));
    let before = asked();
    following.until(|| asked().0 >= before.0 + 20).await?;
    let after = asked();
    assert_eq!(after.0 - before.0, after.1 - before.1, "each request was for the newest block");
    Ok(())
}

#[tokio::test]
async fn a_hint_makes_the_follower_look_and_nothing_else() -> Result<()> {
    let field = Field::with(1).await?;
    let wake = Arc::new(Notify::new());
    let shutdown = CancellationToken::new();
    let ws = field.anvil.url().replace("http://", "ws://");
    let task = tokio::spawn(new_heads(ws, wake.clone(), shutdown.clone()));
    // Without the hint no look would come within the test's bound.
    let config = FollowerConfig { wake: Some(wake.clone()), ..FollowerConfig::new(LONG * 10) };
    let mut following = Following::new(&field.chain, config);
    following.to(field.head().await?).await?;
    // Until the subscription stands, blocks go unannounced: say something now and then.
    let said = async {
        for at in 1..100 {
            field.say(&at.to_string()).await?;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    };
    timeout(LONG, async {
        tokio::select! {
            done = said => done,
            done = following.step() => done,
        }
    })
    .await??;
    assert_eq!(following.uris().len(), 2, "the event came by the hint");
    shutdown.cancel();
    timeout(LONG, task).await??;
    Ok(())
}
