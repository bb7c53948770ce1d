//! Pools of delegated stake, and slots that change hands, as their users meet them.

use std::{fs, time::Duration};

use alloy::primitives::B256;
use eyre::{Result, ensure, eyre};
use provery_tests::{Provery, Town, key};
use provery_types::{Deployment, RollupRecord};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::ChildStdout,
    time::timeout,
};

const ETHER: u128 = 1_000_000_000_000_000_000;

/// A number that came as a decimal string.
fn wei(value: &Value) -> Result<u128> {
    value.as_str().ok_or_else(|| eyre!("no amount: {value}")).and_then(|text| Ok(text.parse()?))
}

/// A key of the tests with money for gas.
async fn funded(town: &Town, index: u8) -> Result<String> {
    town.anvil.set_balance(key(index).address().to_string(), "0x3635c9adc5dea00000").await?;
    Ok(key(index).to_bytes().to_string())
}

async fn balance(provery: &Provery, account: u8) -> Result<u128> {
    let address = key(account).address().to_string();
    wei(&provery.ok(None, &["token", "balance", &address]).await?["asset"])
}

/// What a node says until it says `event`.
async fn until(lines: &mut Lines<BufReader<ChildStdout>>, event: &str) -> Result<Value> {
    let wait = async {
        while let Some(line) = lines.next_line().await? {
            let said: Value = serde_json::from_str(&line)?;
            if said["event"] == event {
                return Ok(said);
            }
        }
        Err(eyre!("the node ended before it said {event}"))
    };
    timeout(Duration::from_secs(180), wait).await.map_err(|_| eyre!("the node never said {event}"))?
}

/// A pool of 10 of its operator's (key 4) and 20 of a delegator's (key 3), with a submitter (key 5), that may serve market 1.
struct Pool {
    town: Town,
    operator: String,
    submitter: String,
    address: String,
}

impl Pool {
    async fn build() -> Result<Self> {
        let town = Town::build().await?;
        let provery = &town.provery;
        let (operator, submitter) = (funded(&town, 4).await?, funded(&town, 5).await?);
        let key_of_submitter = key(5).address().to_string();
        let made = provery
            .ok(
                Some(&operator),
                &["pool", "create", "--first-loss-bps", "5000", "--commission-bps", "1000", "--uri", "u"],
            )
            .await?;
        let address = made["pool"].as_str().ok_or_else(|| eyre!("no pool: {made}"))?.to_string();
        provery.ok(Some(&operator), &["token", "mint", "--amount", "10ether"]).await?;
        provery.ok(Some(&operator), &["pool", "stake", "--pool", &address, "--amount", "10ether"]).await?;
        let announce = ["pool", "announce", "--pool", &address, "--market", "1", "--exposure", "30"];
        let announced = provery.ok(Some(&operator), &announce).await?;
        ensure!(announced["in_force"] == true && announced["to_version"] == 1, "nobody to warn: {announced}");
        provery.ok(Some(&town.stranger), &["token", "mint", "--amount", "20ether"]).await?;
        let delegate = ["pool", "delegate", "--pool", &address, "--amount", "20ether"];
        let delegated = provery.ok(Some(&town.stranger), &delegate).await?;
        ensure!(
            delegated["revision"] == "1" && delegated["warnings"] == serde_json::json!([]),
            "{delegated}"
        );
        provery
            .ok(Some(&operator), &["pool", "submitter", "add", &key_of_submitter, "--pool", &address])
            .await?;
        provery.ok(Some(&submitter), &["prover", "submitter", "accept", "--prover", &address]).await?;
        Ok(Self { town, operator, submitter, address })
    }

    async fn show(&self) -> Result<Value> {
        self.town.provery.ok(Some(&self.town.stranger), &["pool", "show", "--pool", &self.address]).await
    }

    /// Move the chain's clock by what the pool calls so.
    async fn pass(&self, what: &str) -> Result<()> {
        let seconds = self.show().await?[what].as_u64().ok_or_else(|| eyre!("no {what}"))?;
        self.town.pass(seconds + 1).await
    }

    async fn ok(&self, key: &str, args: &[&str]) -> Result<Value> {
        self.town.provery.ok(Some(key), &self.args(args)).await
    }

    async fn fails(&self, key: &str, args: &[&str], code: &str) -> Result<String> {
        self.town.provery.fails(Some(key), &self.args(args), code).await
    }

    fn args<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        [&["pool"], args, &["--pool", &self.address]].concat()
    }

    /// The other prover leaves, so that every draw is the pool's.
    async fn alone(&self) -> Result<()> {
        let other = Some(self.town.prover.as_str());
        self.town.provery.ok(other, &["prover", "allocate", "--market", "1", "--units", "0"]).await?;
        self.ok(&self.operator, &["allocate", "--market", "1", "--units", "30"]).await?;
        Ok(())
    }
}

#[tokio::test]
async fn bad_input_of_a_delegator_or_operator_has_a_name() -> Result<()> {
    let pool = Pool::build().await?;
    let provery = &pool.town.provery;
    let (delegator, operator) = (pool.town.stranger.as_str(), pool.operator.as_str());

    // Not a pool: the market is a contract, but nobody should give it an allowance for this.
    let nobody = key(9).address().to_string();
    let delegate = ["pool", "delegate", "--pool", &nobody, "--amount", "1"];
    let message = provery.fails(Some(delegator), &delegate, "pool_not_found").await?;
    ensure!(message.contains("provery pool list"), "{message}");
    provery.fails(None, &["pool", "show", "--pool", &nobody], "pool_not_found").await?;
    let said = provery.run(Some(delegator), &["pool", "harvest", "--pool", "0x12"]).await?;
    ensure!(said.code == 2 && said.json["error"]["code"] == "usage", "{said:?}");

    pool.fails(delegator, &["delegate", "--amount", "0"], "usage").await?;
    pool.fails(delegator, &["delegate", "--amount", "1ether"], "insufficient_balance").await?;
    pool.fails(delegator, &["delegate", "--amount", "1", "--seen", "0"], "revision_changed").await?;
    pool.fails(delegator, &["take-back", "--amount", "0"], "usage").await?;
    pool.fails(delegator, &["take-back", "--shares", "1", "--seen", "9"], "revision_changed").await?;
    pool.fails(delegator, &["take-back", "--shares", "1"], "insufficient_shares").await?;
    pool.fails(delegator, &["take-back", "--all"], "insufficient_shares").await?;
    pool.fails(delegator, &["exit", "--amount", "0"], "usage").await?;
    pool.fails(delegator, &["exit", "--shares", "0"], "usage").await?;
    let message = pool.fails(delegator, &["exit", "--amount", "21ether"], "insufficient_shares").await?;
    ensure!(message.contains("worth 20 DEV"), "{message}");
    pool.fails(operator, &["exit", "--all"], "insufficient_shares").await?;
    pool.fails(delegator, &["claim", "--batch", "1"], "nothing_to_claim").await?;
    pool.fails(delegator, &["advance"], "not_ready").await?;
    pool.fails(delegator, &["free-up", "--market", "1"], "not_ready").await?;
    pool.fails(delegator, &["free-up", "--market", "7"], "market_not_found").await?;

    for args in [
        &["stake", "--amount", "1"][..],
        &["operator-exit", "--amount", "1"],
        &["operator-exit", "--cancel"],
        &["commission", "--bps", "1"],
        &["announce", "--market", "1", "--exposure", "31"],
        &["narrow", "--market", "1", "--exposure", "1"],
        &["allocate", "--market", "1", "--units", "1"],
        &["submitter", "add", &nobody],
        &["uri", "v"],
        &["withdraw"],
    ] {
        pool.fails(delegator, args, "not_operator").await?;
    }
    pool.fails(operator, &["stake", "--amount", "0"], "usage").await?;
    pool.fails(operator, &["operator-exit", "--amount", "11ether"], "insufficient_stake").await?;
    pool.fails(operator, &["operator-exit", "--cancel"], "already_done").await?;
    pool.fails(operator, &["announce", "--market", "7", "--exposure", "1"], "market_not_found").await?;
    let early = ["announce", "--market", "1", "--exposure", "1", "--versions", "1..2"];
    let message = pool.fails(operator, &early, "usage").await?;
    ensure!(message.contains("versions 1 to 1"), "{message}");
    let none = pool.args(&["announce", "--market", "1", "--exposure", "0"]);
    let said = provery.run(Some(operator), &none).await?;
    ensure!(said.code == 2 && said.json["error"]["code"] == "usage", "{said:?}");
    pool.fails(operator, &["narrow", "--market", "7", "--exposure", "1"], "market_not_found").await?;
    pool.fails(operator, &["narrow", "--market", "1", "--exposure", "31"], "beyond_policy").await?;
    let wider = ["narrow", "--market", "1", "--exposure", "9", "--versions", "1..2"];
    pool.fails(operator, &wider, "beyond_policy").await?;
    let allocate = |units: &'static str, more: &[&'static str]| {
        [&["allocate", "--market", "1", "--units", units], more].concat()
    };
    pool.fails(operator, &["allocate", "--market", "7", "--units", "1"], "market_not_found").await?;
    pool.fails(operator, &allocate("31", &[]), "insufficient_stake").await?;
    pool.fails(operator, &allocate("31", &["--exposure", "31"]), "beyond_policy").await?;
    pool.fails(operator, &allocate("9", &["--exposure", "10"]), "usage").await?;
    pool.fails(operator, &["withdraw"], "nothing_to_claim").await?;
    let other = provery
        .ok(Some(operator), &["pool", "create", "--first-loss-bps", "0", "--commission-bps", "0"])
        .await?;
    let other = other["pool"].as_str().unwrap_or_default();
    let taken = key(5).address().to_string();
    // A key that acts for another may be nominated; it is for the key to accept.
    provery.ok(Some(operator), &["pool", "submitter", "add", &taken, "--pool", other]).await?;

    // After all this everything is where it was.
    let shown = provery.ok(Some(delegator), &["pool", "show", "--pool", &pool.address]).await?;
    ensure!(
        wei(&shown["operator_stake"])? == 10 * ETHER && wei(&shown["delegated"])? == 20 * ETHER,
        "{shown}"
    );
    ensure!(shown["share_price"] == "1.000000000" && shown["commission_bps"] == 1000, "{shown}");
    ensure!(wei(&shown["delegator"]["worth"])? == 20 * ETHER, "{shown}");
    let listed = provery.ok(None, &["pool", "list"]).await?;
    ensure!(listed["pools"].as_array().is_some_and(|pools| pools.len() == 2), "{listed}");
    Ok(())
}

#[tokio::test]
async fn a_record_that_is_wrong_is_refused_by_what_stakes_on_its_market_or_sends_for_it_and_by_nothing_else()
-> Result<()> {
    type Change = fn(&mut RollupRecord);
    let pool = Pool::build().await?;
    let (provery, operator) = (&pool.town.provery, pool.operator.as_str());
    let prover = Some(pool.town.prover.as_str());
    let good = fs::read_to_string(provery.deployment())?;
    let wrong = |change: Change| -> Result<()> {
        let mut deployment = Deployment::from_json(&good)?;
        change(&mut deployment.rollups[0]);
        Ok(fs::write(provery.deployment(), deployment.to_json())?)
    };
    let changes: [(Change, &str); 3] = [
        (|record| record.key_hash = B256::repeat_byte(7), "deployment_invalid"),
        (|record| record.circuit_id = B256::repeat_byte(7), "deployment_invalid"),
        (|record| record.code_hash = B256::repeat_byte(7), "wrong_contract"),
    ];
    for (change, code) in changes {
        wrong(change)?;
        let allocate = ["prover", "allocate", "--market", "1", "--units", "5"];
        let message = provery.fails(prover, &allocate, code).await?;
        ensure!(message.contains("rollup "), "it is named: {message}");
        pool.fails(operator, &["allocate", "--market", "1", "--units", "30"], code).await?;
        pool.fails(operator, &["announce", "--market", "1", "--exposure", "30"], code).await?;
        provery.fails(prover, &["market", "fund", "--market", "1", "--amount", "1"], code).await?;
        provery.fails(prover, &["prove", "--market", "1", "--slot", "1"], code).await?;
        provery.ok(prover, &["status"]).await?;
        provery.ok(prover, &["prover", "pause"]).await?;
        provery.ok(prover, &["prover", "resume"]).await?;
    }
    // Whoever has stake there can leave.
    provery.ok(prover, &["prover", "allocate", "--market", "1", "--units", "0"]).await?;
    pool.ok(operator, &["allocate", "--market", "1", "--units", "0"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_pool_earns_and_pays_out() -> Result<()> {
    let pool = Pool::build().await?;
    let (town, provery) = (&pool.town, &pool.town.provery);
    let (delegator, operator) = (town.stranger.as_str(), pool.operator.as_str());
    pool.alone().await?;
    town.post(1).await?;

    // A node with a submitter's key proves for the pool, and finds by itself that it is the pool it proves for.
    let args = ["node", "--data-dir", "node", "--market", "1", "--no-rescue", "--min-reward", "0"];
    let mut node = provery.spawn(&pool.submitter, &args)?;
    let stdout = node.stdout.take().ok_or_else(|| eyre!("no output"))?;
    let mut lines = BufReader::new(stdout).lines();
    let started = until(&mut lines, "started").await?;
    ensure!(started["prover"].as_str().is_some_and(|it| it.eq_ignore_ascii_case(&pool.address)), "{started}");
    until(&mut lines, "settled").await?;
    let credit = provery.ok(None, &["credit", "show", &pool.address]).await?;
    ensure!(wei(&credit["credit"])? == 10 * ETHER, "{credit}");
    node.kill().await?;

    // A tenth is commission, the rest goes by size: 3 to the operator's stake, 6 to the delegator's.
    let harvested = pool.ok(delegator, &["harvest"]).await?;
    ensure!(
        wei(&harvested["commission"])? == ETHER && wei(&harvested["to_operator_stake"])? == 3 * ETHER,
        "{harvested}"
    );
    ensure!(wei(&harvested["to_delegated"])? == 6 * ETHER, "{harvested}");
    pool.ok(operator, &["withdraw"]).await?;
    ensure!(balance(provery, 4).await? == ETHER, "the commission");
    pool.fails(operator, &["withdraw"], "nothing_to_claim").await?;

    // 9 of 39 are free, and an exit of 15 waits until an allocation is lowered by 6.
    pool.pass("exit_time").await?;
    let left = pool.ok(delegator, &["exit", "--amount", "15ether"]).await?;
    ensure!(left["batch"] == "1" && left["ready_at"].is_null(), "{left}");
    ensure!((15 * ETHER..15 * ETHER + 1_000).contains(&wei(&left["amount"])?), "{left}");
    let message = pool.fails(delegator, &["advance"], "not_ready").await?;
    ensure!(message.contains("free-up") && message.contains("StakeNotFree"), "{message}");
    pool.fails(delegator, &["claim", "--batch", "1"], "not_ready").await?;
    pool.fails(operator, &["allocate", "--market", "1", "--units", "31"], "insufficient_stake").await?;
    let freed = pool.ok(delegator, &["free-up", "--market", "1"]).await?;
    ensure!(freed["units_before"] == "30" && (freed["units"] == "24" || freed["units"] == "23"), "{freed}");
    let advanced = pool.ok(delegator, &["advance"]).await?;
    ensure!(advanced["started"] == "1" && advanced["ready_at"].is_u64(), "{advanced}");
    let message = pool.fails(delegator, &["claim", "--batch", "1"], "not_ready").await?;
    ensure!(message.contains("run this again"), "{message}");
    let shown = provery.ok(Some(delegator), &["pool", "show", "--pool", &pool.address]).await?;
    ensure!(shown["delegator"]["exits"][0]["state"] == "unbonding", "{shown}");

    // A second exit waits in a batch of its own and does not put the first one off.
    let rest = pool.ok(delegator, &["exit", "--all"]).await?;
    ensure!(rest["batch"] == "2" && rest["left"] == "0", "{rest}");

    // As long as that one waits, a part of it can be delegated again.
    let message = pool.fails(delegator, &["take-back", "--amount", "12ether"], "insufficient_shares").await?;
    ensure!(message.contains("batch 2"), "{message}");
    let taken = pool.ok(delegator, &["take-back", "--amount", "5ether"]).await?;
    ensure!(wei(&taken["amount"])? == 5 * ETHER && taken["batch"] == "2", "{taken}");
    ensure!((5 * ETHER - 1_000..=5 * ETHER).contains(&wei(&taken["worth"])?), "{taken}");
    pool.pass("exit_time").await?;
    let to = key(6).address().to_string();
    let claimed = pool.ok(delegator, &["claim", "--batch", "1", "--to", &to]).await?;
    ensure!(claimed["amount"] == left["amount"], "{claimed}");
    ensure!(balance(provery, 6).await? == wei(&left["amount"])?);
    pool.fails(delegator, &["claim", "--batch", "1"], "nothing_to_claim").await?;
    pool.fails(delegator, &["claim", "--batch", "2"], "not_ready").await?;

    // A commission falls at once, and rises only when announced in time.
    let set = pool.ok(operator, &["commission", "--bps", "500"]).await?;
    ensure!(set["commission_bps"] == 500 && set["next_commission_from"].is_null(), "{set}");
    let set = pool.ok(operator, &["commission", "--bps", "2000"]).await?;
    ensure!(set["commission_bps"] == 500 && set["next_commission_bps"] == 2000, "{set}");
    pool.fails(operator, &["commission", "--bps", "2000"], "not_ready").await?;
    pool.pass("notice").await?;
    let set = pool.ok(operator, &["commission", "--bps", "2000"]).await?;
    ensure!(set["commission_bps"] == 2000, "{set}");

    pool.ok(operator, &["uri", "https://pool.example"]).await?;
    pool.ok(operator, &["submitter", "remove", &key(5).address().to_string()]).await?;
    let shown = provery.ok(None, &["pool", "show", "--pool", &pool.address]).await?;
    ensure!(
        shown["uri"] == "https://pool.example" && shown["submitters"] == serde_json::json!([]),
        "{shown}"
    );
    Ok(())
}

#[tokio::test]
async fn what_a_pools_operator_announces_is_told_and_lapses() -> Result<()> {
    let pool = Pool::build().await?;
    let (delegator, operator) = (pool.town.stranger.as_str(), pool.operator.as_str());
    let allocated =
        pool.ok(operator, &["allocate", "--market", "1", "--units", "20", "--exposure", "15"]).await?;
    ensure!(allocated["exposure"] == 15 && allocated["warnings"] == serde_json::json!([]), "{allocated}");

    // A delegator is told, and whoever looked before fails.
    let announced = pool.ok(operator, &["announce", "--market", "1", "--exposure", "40"]).await?;
    ensure!(announced["in_force"] == false && announced["from"].is_u64(), "{announced}");
    pool.ok(operator, &["operator-exit", "--amount", "9ether"]).await?;
    let set = pool.ok(operator, &["operator-exit", "--amount", "4ether"]).await?;
    ensure!(set["announced"] == true && set["batch"].is_null(), "{set}");
    let message = pool.fails(operator, &["operator-exit", "--amount", "4ether"], "not_ready").await?;
    ensure!(message.contains("run this again"), "{message}");
    let set = pool.ok(operator, &["commission", "--bps", "2000"]).await?;
    ensure!(set["next_commission_until"].is_u64(), "{set}");
    let shown = pool.show().await?;
    ensure!(shown["revision"] == "5" && shown["next_commission_bps"] == 2000, "{shown}");
    ensure!(wei(&shown["operator_exit"]["amount"])? == 4 * ETHER && wei(&shown["bonded"])? == 0, "{shown}");
    let market = &shown["markets"][0];
    ensure!(market["policy"]["exposure"] == 30 && market["announced"]["exposure"] == 40, "{market}");
    ensure!(market["units"] == "20" && market["exposure"] == 15, "{market}");
    pool.town.provery.ok(Some(delegator), &["token", "mint", "--amount", "2ether"]).await?;
    pool.fails(delegator, &["delegate", "--amount", "1ether", "--seen", "1"], "revision_changed").await?;
    let delegated = pool.ok(delegator, &["delegate", "--amount", "1ether", "--seen", "5"]).await?;
    ensure!(delegated["warnings"].as_array().is_some_and(|told| told.len() == 3), "{delegated}");

    // Taken back, done in time, or too late.
    pool.ok(operator, &["narrow", "--market", "1", "--exposure", "25"]).await?;
    let cancelled = pool.ok(operator, &["operator-exit", "--cancel"]).await?;
    ensure!(wei(&cancelled["cancelled"])? == 4 * ETHER, "{cancelled}");
    pool.ok(operator, &["operator-exit", "--amount", "3ether"]).await?;
    pool.pass("notice").await?;
    let shown = pool.show().await?;
    let market = &shown["markets"][0];
    ensure!(
        market["policy"]["exposure"] == 25 && market["announced"].is_null(),
        "what narrowing forgot: {market}"
    );
    let asked = pool.ok(operator, &["operator-exit", "--amount", "3ether"]).await?;
    ensure!(asked["batch"] == "1" && wei(&asked["amount"])? == 3 * ETHER, "{asked}");
    pool.pass("exit_time").await?;
    let shown = pool.show().await?;
    ensure!(shown["next_commission_bps"].is_null() && shown["commission_bps"] == 1000, "it lapsed: {shown}");
    let set = pool.ok(operator, &["commission", "--bps", "2000"]).await?;
    ensure!(set["commission_bps"] == 1000 && set["next_commission_from"].is_u64(), "announced anew: {set}");

    // Nothing left in the market, at once.
    let narrowed = pool.ok(operator, &["narrow", "--market", "1", "--exposure", "0"]).await?;
    ensure!(narrowed["units"] == 0, "{narrowed}");
    pool.fails(operator, &["narrow", "--market", "1", "--exposure", "0"], "already_done").await?;
    pool.fails(operator, &["allocate", "--market", "1", "--units", "20"], "beyond_policy").await?;
    pool.ok(operator, &["announce", "--market", "1", "--exposure", "20", "--versions", "1"]).await?;
    pool.fails(operator, &["allocate", "--market", "1", "--units", "20"], "not_ready").await?;
    pool.pass("notice").await?;
    pool.ok(operator, &["allocate", "--market", "1", "--units", "20"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_pools_slot_is_offered_on_the_chain_alone() -> Result<()> {
    let pool = Pool::build().await?;
    let (town, provery) = (&pool.town, &pool.town.provery);
    let taker = Some(town.prover.as_str());
    pool.alone().await?;
    town.post(1).await?;

    // The submitter may offer the slot where it costs the pool nothing; nobody signs for the pool.
    let slot = ["--market", "1", "--slot", "1"];
    let with = |args: &[&'static str]| [&["slot"], args, &slot[..]].concat();
    provery
        .fails(Some(&pool.submitter), &with(&["transfer", "offer", "--price", "-1"]), "not_holder")
        .await?;
    provery
        .fails(Some(&pool.submitter), &with(&["transfer", "offer", "--sign", "o.json"]), "not_holder")
        .await?;
    provery.fails(Some(&pool.operator), &with(&["transfer", "offer"]), "not_holder").await?;
    let sign = with(&["transfer", "offer", "--sign", "o.json"]);
    let message = provery.fails(Some(&pool.operator), &sign, "not_holder").await?;
    ensure!(message.contains("on the chain"), "{message}");
    provery.ok(Some(&pool.submitter), &with(&["transfer", "offer"])).await?;
    let take = with(&["transfer", "accept"]);
    provery.fails(taker, &take, "insufficient_stake").await?;
    provery.ok(taker, &["prover", "allocate", "--market", "1", "--units", "12"]).await?;
    let taken = provery.ok(taker, &take).await?;
    ensure!(taken["from"].as_str().is_some_and(|it| it.eq_ignore_ascii_case(&pool.address)), "{taken}");
    Ok(())
}

#[tokio::test]
async fn a_slot_changes_hands() -> Result<()> {
    let town = Town::build().await?;
    let provery = &town.provery;
    town.post(3).await?;
    let (holder, taker) = (Some(town.prover.as_str()), Some(town.stranger.as_str()));
    let slot = |id: &'static str, args: &[&'static str]| {
        [&["slot"], args, &["--market", "1", "--slot", id][..]].concat()
    };

    // On the chain.
    provery.fails(holder, &slot("9", &["transfer", "offer"]), "slot_not_found").await?;
    provery.fails(taker, &slot("1", &["transfer", "offer"]), "not_holder").await?;
    provery.fails(holder, &slot("1", &["transfer", "offer", "--valid-for", "0"]), "usage").await?;
    provery.fails(taker, &slot("1", &["transfer", "accept"]), "offer_not_found").await?;
    provery.ok(holder, &slot("1", &["transfer", "offer", "--price", "1ether"])).await?;
    provery.ok(holder, &slot("1", &["transfer", "offer"])).await?;
    provery.fails(taker, &slot("1", &["transfer", "accept"]), "not_registered").await?;
    provery.ok(taker, &["token", "mint", "--amount", "30ether"]).await?;
    provery.ok(taker, &["prover", "register"]).await?;
    provery.ok(taker, &["prover", "stake", "--amount", "30ether"]).await?;
    let message = provery.fails(taker, &slot("1", &["transfer", "accept"]), "insufficient_stake").await?;
    ensure!(message.contains("at least 12 units"), "{message}");
    provery.ok(taker, &["prover", "allocate", "--market", "1", "--units", "30"]).await?;
    let taken = provery.ok(taker, &slot("1", &["transfer", "accept"])).await?;
    ensure!(taken["price"] == "0", "the cheapest offer: {taken}");
    provery.fails(holder, &slot("1", &["transfer", "offer"]), "not_holder").await?;

    // The duty is the taker's: the old holder has its bond back, and the replayed draw still says who won.
    let shown = provery.ok(None, &slot("1", &["show"])).await?;
    let (old, new) = (key(2).address().to_string(), key(3).address().to_string());
    let is = |value: &Value, address: &str| value.as_str().is_some_and(|it| it.eq_ignore_ascii_case(address));
    ensure!(is(&shown["prover"], &new) && is(&shown["handed_over_by"], &old), "{shown}");
    ensure!(shown["draw"]["agrees"] == true && is(&shown["draw"]["winner"], &old), "{shown}");
    let status = provery.ok(taker, &["prover", "status"]).await?;
    ensure!(wei(&status["bonded"])? == 12 * ETHER, "{status}");
    provery.ok(taker, &["prove", "--market", "1", "--slot", "1"]).await?;
    provery.fails(holder, &slot("1", &["transfer", "offer"]), "slot_proven").await?;

    // Signed, for a price, to one taker.
    let path = provery.dir.path().join("offer.json");
    let sign = ["transfer", "offer", "--price", "2ether", "--sign", "offer.json"];
    provery.fails(taker, &slot("2", &sign), "not_holder").await?;
    let to = key(3).address().to_string();
    let mut args = slot("2", &sign);
    args.extend(["--to", &to]);
    let signed = provery.ok(holder, &args).await?;
    ensure!(signed["tx"].is_null() && signed["file"] == "offer.json", "{signed}");
    let take = slot("2", &["transfer", "accept", "--offer", "offer.json"]);
    provery.fails(holder, &take, "not_taker").await?;
    provery
        .fails(taker, &slot("3", &["transfer", "accept", "--offer", "offer.json"]), "offer_invalid")
        .await?;
    let good = fs::read_to_string(&path)?;
    fs::write(&path, good.replace("2000000000000000000", "1000000000000000000"))?;
    let message = provery.fails(taker, &take, "offer_invalid").await?;
    ensure!(message.contains("TransferNotOffered"), "{message}");
    fs::write(&path, "{}")?;
    provery.fails(taker, &take, "offer_invalid").await?;
    fs::write(&path, &good)?;
    provery.ok(taker, &take).await?;
    let credit = provery.ok(holder, &["credit", "show"]).await?;
    ensure!(wei(&credit["credit"])? == 2 * ETHER, "{credit}");
    let credit = provery.ok(taker, &["credit", "show"]).await?;
    ensure!(wei(&credit["credit"])? == 8 * ETHER, "{credit}");

    // Revoked, signed and on the chain; ended; dearer than the taker's credit.
    provery.ok(holder, &slot("3", &["transfer", "offer", "--sign", "offer.json"])).await?;
    provery.fails(taker, &slot("3", &["transfer", "revoke", "--offer", "offer.json"]), "not_holder").await?;
    provery.ok(holder, &slot("3", &["transfer", "revoke", "--offer", "offer.json"])).await?;
    provery
        .fails(taker, &slot("3", &["transfer", "accept", "--offer", "offer.json"]), "offer_invalid")
        .await?;
    provery.fails(holder, &slot("3", &["transfer", "revoke"]), "offer_not_found").await?;
    provery.ok(holder, &slot("3", &["transfer", "offer", "--price", "9ether"])).await?;
    provery.fails(taker, &slot("3", &["transfer", "accept"]), "insufficient_credit").await?;
    provery.ok(holder, &slot("3", &["transfer", "offer", "--valid-for", "5"])).await?;
    provery
        .ok(holder, &slot("3", &["transfer", "offer", "--valid-for", "5", "--sign", "offer.json"]))
        .await?;
    let revoked = provery.ok(holder, &slot("3", &["transfer", "revoke"])).await?;
    ensure!(revoked["revoked"].as_array().is_some_and(|all| all.len() == 2), "{revoked}");
    town.pass(6).await?;
    provery
        .fails(taker, &slot("3", &["transfer", "accept", "--offer", "offer.json"]), "offer_expired")
        .await?;
    town.pass(Town::EXCLUSIVE).await?;
    provery.fails(holder, &slot("3", &["transfer", "offer"]), "slot_not_held").await?;
    Ok(())
}
