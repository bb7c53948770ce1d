//! Following events: in order, through reorgs, restarts and outages.

use std::time::Duration;

use eyre::{Result, ensure, eyre};
use provery_rpc::{Chain, ChainError, Follower, FollowerConfig, Rpc, Update, history};
use provery_tests::{Anvil, History, Wire, deploy_core};
use provery_types::{BlockRef, Event, LoggedEvent};
use tokio::time::timeout;

const POLL: Duration = Duration::from_millis(20);

fn config() -> FollowerConfig {
    FollowerConfig { max_backoff: Duration::from_millis(200), ..FollowerConfig::new(POLL) }
}

/// What a caller would have stored.
#[derive(Debug, Default)]
struct Stored {
    blocks: Vec<(BlockRef, Vec<LoggedEvent>)>,
    past: Vec<LoggedEvent>,
    reorgs: usize,
}

impl Stored {
    fn apply(&mut self, update: Update) {
        match update {
            Update::Block { block, events } => self.blocks.push((block, events)),
            Update::Range(blocks) => self.blocks.extend(blocks),
            Update::Past { events, .. } => self.past.extend(events),
            Update::Reorg { to } => {
                self.reorgs += 1;
                self.blocks.retain(|(block, _)| block.number <= to.number);
                assert_eq!(self.blocks.last().map(|(block, _)| block.hash), Some(to.hash));
            }
        }
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

async fn follow_to(follower: &mut Follower, stored: &mut Stored, head: BlockRef) -> Result<()> {
    timeout(Duration::from_secs(30), async {
        while stored.blocks.last().is_none_or(|(block, _)| block.hash != head.hash) {
            let update = follower.next().await?;
            stored.apply(update);
            follower.stored();
        }
        Ok(())
    })
    .await
    .map_err(|_| eyre!("block {} was never reached", head.number))?
}

#[tokio::test]
async fn events_come_in_order_and_again_until_stored() -> Result<()> {
    let anvil = Anvil::start().await?;
    let sender = anvil.sender(0).await?;
    let chain = deploy_core(&sender).await?;
    sender.send(chain.calls().register("one")).await?;
    sender.send(chain.calls().set_uri("two")).await?;
    let head = chain.rpc().head().await?;

    let mut follower = Follower::new(chain.clone(), [], config());
    let first = follower.next().await?;
    assert_eq!(follower.next().await?, first, "not stored yet");
    let mut stored = Stored::default();
    follow_to(&mut follower, &mut stored, head).await?;
    assert_eq!(stored.uris(), ["one", "two"]);
    for pair in stored.blocks.windows(2) {
        assert_eq!(pair[0].0.hash, pair[1].0.parent_hash);
    }
    assert_eq!(follower.health().borrow().position, Some(head));

    let all: Vec<_> = stored.blocks.iter().flat_map(|(_, events)| events.clone()).collect();
    assert_eq!(history(&chain, 0, head.number).await?, all);
    Ok(())
}

#[tokio::test]
async fn a_reorg_is_undone_and_followed() -> Result<()> {
    let anvil = Anvil::start().await?;
    let sender = anvil.sender(0).await?;
    let chain = deploy_core(&sender).await?;
    sender.send(chain.calls().register("kept")).await?;
    sender.send(chain.calls().set_uri("lost")).await?;
    let mut follower = Follower::new(chain.clone(), [], config());
    let mut stored = Stored::default();
    follow_to(&mut follower, &mut stored, chain.rpc().head().await?).await?;
    assert_eq!(stored.uris(), ["kept", "lost"]);

    anvil.reorg(1).await?;
    let head = chain.rpc().head().await?;
    follow_to(&mut follower, &mut stored, head).await?;
    assert_eq!(stored.reorgs, 1);
    assert_eq!(stored.uris(), ["kept"]);
    assert_eq!(history(&chain, 0, head.number).await?.len(), stored.blocks.iter().flat_map(|b| &b.1).count());
    Ok(())
}

#[tokio::test]
async fn a_reorg_while_the_client_was_down_is_seen() -> Result<()> {
    let anvil = Anvil::start().await?;
    let sender = anvil.sender(0).await?;
    let chain = deploy_core(&sender).await?;
    sender.send(chain.calls().register("kept")).await?;
    sender.send(chain.calls().set_uri("lost")).await?;
    let mut follower = Follower::new(chain.clone(), [], config());
    let mut stored = Stored::default();
    follow_to(&mut follower, &mut stored, chain.rpc().head().await?).await?;
    let cursor: Vec<BlockRef> = follower.cursor().copied().collect();
    drop(follower);

    anvil.reorg(1).await?;
    anvil.mine(3).await?;
    let mut follower = Follower::new(chain.clone(), cursor, config());
    follow_to(&mut follower, &mut stored, chain.rpc().head().await?).await?;
    assert_eq!((stored.reorgs, stored.uris()), (1, vec!["kept".to_string()]));
    Ok(())
}

#[tokio::test]
async fn another_chain_is_not_followed() -> Result<()> {
    let anvil = Anvil::start().await?;
    let chain = deploy_core(&anvil.sender(0).await?).await?;
    // One that it has, and one that it does not reach yet, as after a local chain was begun anew.
    for number in [1, 900] {
        let stranger =
            BlockRef { number, hash: alloy::primitives::B256::repeat_byte(5), ..Default::default() };
        let mut follower = Follower::new(chain.clone(), [stranger], config());
        let error =
            timeout(Duration::from_secs(10), follower.next()).await?.expect_err("not this chain's block");
        assert!(matches!(error, ChainError::ReorgTooDeep { oldest } if oldest == stranger), "{error:?}");
    }
    Ok(())
}

#[tokio::test]
async fn deep_history_leaves_out_only_empty_blocks() -> Result<()> {
    let anvil = Anvil::start().await?;
    let sender = anvil.sender(0).await?;
    let chain = deploy_core(&sender).await?;
    sender.send(chain.calls().register("one")).await?;
    anvil.mine(400).await?;
    sender.send(chain.calls().set_uri("two")).await?;
    anvil.mine(40).await?;
    let head = chain.rpc().head().await?;
    let mut follower = Follower::new(chain, [], FollowerConfig { keep: 16, ..config() });
    let mut stored = Stored::default();
    follow_to(&mut follower, &mut stored, head).await?;
    assert_eq!(stored.uris(), ["one", "two"]);
    assert!(stored.blocks.len() < 40, "{} blocks", stored.blocks.len());
    assert!(stored.blocks.is_sorted_by_key(|(block, _)| block.number));
    Ok(())
}

#[tokio::test]
async fn an_outage_is_shown_and_survived() -> Result<()> {
    let anvil = Anvil::start().await?;
    let sender = anvil.sender(0).await?;
    let direct = deploy_core(&sender).await?;
    let wire = Wire::to(anvil.port()).await?;
    let chain = Chain::connect(Rpc::connect(&wire.url()).await?, direct.deployment().clone()).await?;
    let mut follower = Follower::new(chain, [], config());
    let mut health = follower.health();
    let mut stored = Stored::default();
    follow_to(&mut follower, &mut stored, direct.rpc().head().await?).await?;

    wire.cut();
    sender.send(direct.calls().register("meanwhile")).await?;
    let head = direct.rpc().head().await?;
    let follow = follow_to(&mut follower, &mut stored, head);
    let watch = async {
        let failing =
            timeout(Duration::from_secs(10), health.wait_for(|health| health.failures > 1)).await??;
        ensure!(failing.last_error.is_some() && failing.failing_since.is_some());
        drop(failing);
        wire.join();
        Ok(())
    };
    tokio::try_join!(follow, watch)?;
    assert_eq!(stored.uris(), ["meanwhile"]);
    assert_eq!(health.borrow_and_update().failures, 0);
    Ok(())
}

#[tokio::test]
async fn a_long_history_is_read_without_a_header_for_each_block_and_from_where_it_was_left() -> Result<()> {
    let history = History::make(60, 50).await?;
    let before = history.relay.asked("eth_getBlockByNumber");
    let (mut book, mut follower) = history.open()?;
    let first = history.sync(&mut book, &mut follower, 1).await?;
    let at = book.head().ok_or_else(|| eyre!("a range was stored"))?;
    ensure!(first > 0 && at.number > 1_000, "{at:?}");
    drop((book, follower));

    // As after a kill: it goes on from what it stored.
    let (mut book, mut follower) = history.open()?;
    assert_eq!(book.head(), Some(at));
    let rest = history.sync(&mut book, &mut follower, usize::MAX).await?;
    assert_eq!(first + rest, 60);
    let headers = history.relay.asked("eth_getBlockByNumber") - before;
    assert!(headers < 60 + 256 + 100, "{headers} headers for 3,000 blocks");
    drop((book, follower));

    // A start at the head costs next to nothing.
    history.anvil.mine(5).await?;
    let (mut book, mut follower) = history.open()?;
    let before = history.relay.requests();
    history.sync(&mut book, &mut follower, usize::MAX).await?;
    let requests = history.relay.requests() - before;
    assert!(requests < 12, "{requests} requests");
    Ok(())
}
