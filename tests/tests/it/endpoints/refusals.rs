//! Endpoints that refuse, or answer only a part.

use provery_tests::key;
use provery_txmgr::{Sender, SenderConfig};

use super::*;

/// Codes that some gateway has, and one that none has yet.
const REFUSALS: [(i64, &str); 8] = [
    (-32007, "50/second request limit reached"),
    (-32016, "over rate limit"),
    (-32011, "no backend is currently healthy to serve traffic"),
    (-32029, ""),
    (-32000, "try another"),
    (-32603, "limit reached"),
    (-32602, "invalid params"),
    (77, "closed on Sundays"),
];

fn refusing(code: i64, message: &str) -> Faults {
    Faults { refusal: Some((code, message.to_string())), ..Faults::default() }
}

#[tokio::test]
async fn nothing_is_missed_and_all_is_sent_whatever_the_first_endpoint_refuses_with() -> Result<()> {
    let mut field = Field::with(2).await?;
    for (count, (code, message)) in REFUSALS.into_iter().enumerate() {
        // Whoever fails again and again is asked ever more rarely.
        field.forget().await?;
        let mut following = Following::new(&field.chain, config());
        field.relays[0].set(refusing(code, message));
        // As the client sends, not past it.
        let sender = Sender::new(field.chain.rpc().clone(), key(0), SenderConfig::new(POLL));
        timeout(LONG, sender.send(field.chain.calls().set_uri(&count.to_string()))).await??;
        following.to(field.head().await?).await?;
        assert_eq!(following.uris().len(), count + 2, "{code} {message}");
        assert!(!field.health(0).up && field.health(1).up, "{code} {message}");
        field.relays[0].heal();
        let back = following.until(|| field.health(0).left_because.is_none() && field.health(0).up).await;
        back.wrap_err_with(|| format!("{code} {message}: {:?}", field.health(0)))?;
    }
    Ok(())
}

#[tokio::test]
async fn where_all_refuse_the_follower_says_so_and_goes_on_when_one_does_not() -> Result<()> {
    let field = Field::with(2).await?;
    let mut following = Following::new(&field.chain, config());
    following.to(field.head().await?).await?;
    let health = following.follower.health();
    for (count, (code, message)) in REFUSALS.into_iter().enumerate() {
        field.relays.iter().for_each(|relay| relay.set(refusing(code, message)));
        following.until(|| health.borrow().failures > 1).await?;
        let error = health.borrow().last_error.clone().unwrap_or_default();
        assert!(error.contains(message) && error.contains("eth_getBlockByNumber"), "{error}");
        assert!((0..2).all(|at| !field.health(at).up), "{code} {message}");
        field.say(&count.to_string()).await?;
        field.relays[1].heal();
        following.to(field.head().await?).await?;
        assert_eq!((following.uris().len(), health.borrow().failures), (count + 2, 0), "{code} {message}");
    }
    Ok(())
}

#[tokio::test]
async fn a_backfill_of_which_twenty_in_a_batch_are_answered_comes_to_its_end() -> Result<()> {
    let field = Field::with(1).await?;
    field.anvil.mine(1_000).await?;
    field.say("1").await?;
    field.anvil.mine(300).await?;
    field.relays[0].set(Faults { answered: Some(20), ..Faults::default() });
    let mut following = Following::new(&field.chain, config());
    following.to(field.head().await?).await?;
    assert_eq!(following.uris(), ["0", "1"]);
    Ok(())
}

#[tokio::test]
async fn blocks_without_bloom_and_randomness_are_followed() -> Result<()> {
    let field = Field::with(1).await?;
    field.relays[0].set(Faults { lacking: true, ..Faults::default() });
    let mut following = Following::new(&field.chain, config());
    for uri in ["1", "2"] {
        field.say(uri).await?;
        following.to(field.head().await?).await?;
    }
    assert_eq!(following.uris(), ["0", "1", "2"]);
    assert_eq!(following.follower.health().borrow().failures, 0);
    Ok(())
}

#[tokio::test]
async fn history_that_one_endpoint_has_pruned_is_read_from_another_and_the_first_is_kept() -> Result<()> {
    let mut field = Field::with(2).await?;
    // Far below the head, and further than a follower looks at every block.
    field.anvil.mine(400).await?;
    field.say("new").await?;
    let pruned = || Faults { pruned: Some(300), ..Faults::default() };
    field.relays[0].set(pruned());
    field.forget().await?;
    let mut following = Following::new(&field.chain, config());
    following.to(field.head().await?).await?;
    assert_eq!(following.uris(), ["0", "new"]);
    let health = field.health(0);
    assert!(health.up && health.left_because.is_none() && health.total_failures == 0, "{health:?}");

    // Nobody has it: what is said tells what to do, and it goes on once somebody has.
    field.relays[1].set(pruned());
    let mut following = Following::new(&field.chain, config());
    let health = following.follower.health();
    following.until(|| health.borrow().failures > 1).await?;
    let error = health.borrow().last_error.clone().unwrap_or_default();
    assert!(error.contains("Pruned history") && error.contains("archive node"), "{error}");
    assert!((0..2).all(|at| field.health(at).up), "{:?}", field.chain.rpc().endpoints());
    field.relays[1].heal();
    following.to(field.head().await?).await?;
    assert_eq!(following.uris(), ["0", "new"]);
    Ok(())
}
