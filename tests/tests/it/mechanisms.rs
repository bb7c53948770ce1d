//! Choosing a mechanism, and what its provers need, on the command line.

use eyre::{Result, ensure};
use provery_tests::Town;

#[tokio::test]
async fn bad_choices_about_a_mechanism_cost_nothing() -> Result<()> {
    let town = Town::build().await?;
    let provery = &town.provery;
    let key = Some(town.deployer.as_str());
    let create = ["rollup", "create", "--name", "second", "--block-txs", "1"];
    for (choices, code, said) in [
        (&["--mechanism", "raffle"][..], "usage", "vickrey"),
        (&["--mechanism", "dutch", "--mechanism-option", "rize=3"], "usage", "floor, rise"),
        (&["--mechanism", "dutch", "--mechanism-option", "rise"], "usage", "NAME=VALUE"),
        (&["--mechanism", "dutch", "--mechanism-option", "rise=soon"], "usage", "rise=soon"),
        (&["--mechanism", "lottery", "--mechanism-option", "rise=3"], "usage", "none"),
        (&["--mechanism", "dutch", "--mechanism-option", "floor=9ether"], "terms_rejected", "floorPrice"),
        (&["--mechanism", "race", "--mechanism-option", "delay=5"], "terms_rejected", "window"),
        (&["--mechanism", "mining", "--mechanism-option", "interval=0"], "terms_rejected", "interval"),
        (&["--mechanism", "vickrey", "--mechanism-option", "bid-bond=0"], "terms_rejected", "bidBond"),
        (&["--mechanism", "asks", "--mechanism-option", "weight=0.0015"], "usage", "weight"),
        (&["--mechanism", "asks", "--mechanism-option", "match=0"], "terms_rejected", "matchWindow"),
    ] {
        let message = provery.fails(key, &[&create[..], choices].concat(), code).await?;
        ensure!(message.contains(said), "{choices:?}: {message}");
    }
    let rollups = provery.ok(None, &["market", "list"]).await?;
    ensure!(!rollups.to_string().contains("second"), "{rollups}");
    Ok(())
}

#[tokio::test]
async fn deposits_and_offers_refuse_what_they_cannot_use() -> Result<()> {
    let town = Town::build().await?;
    let provery = &town.provery;
    let key = Some(town.prover.as_str());
    let deposit = |mechanism, more: &[&'static str]| {
        [&["prover", "deposit", "--mechanism", mechanism][..], more].concat()
    };
    provery.ok(key, &["token", "mint", "--amount", "5ether"]).await?;
    provery.fails(key, &deposit("lottery", &["--amount", "1"]), "usage").await?;
    provery.fails(key, &deposit("vickrey", &["--amount", "0"]), "usage").await?;
    provery.fails(key, &deposit("vickrey", &["--amount", "6ether"]), "insufficient_balance").await?;
    let held = provery.ok(key, &deposit("vickrey", &["--amount", "3ether"])).await?;
    ensure!(held["deposit"] == "3000000000000000000", "{held}");
    provery
        .fails(key, &deposit("vickrey", &["--amount", "4ether", "--withdraw"]), "insufficient_credit")
        .await?;
    let held = provery.ok(key, &deposit("vickrey", &["--amount", "3ether", "--withdraw"])).await?;
    ensure!(held["deposit"] == "0", "{held}");

    // Market 1 is the lottery's: nobody could use the offer.
    let offer =
        ["prover", "offer", "sign", "--market", "1", "--price", "1", "--capacity", "1", "--out", "o.json"];
    provery.fails(key, &offer, "usage").await?;
    let revoke = ["prover", "offer", "revoke", "--nonce"];
    let revoked = provery.ok(key, &[&revoke[..], &["1"]].concat()).await?;
    ensure!(revoked["nonce"] == "1", "{revoked}");
    provery.ok(key, &[&revoke[..], &["5", "--all-below"]].concat()).await?;
    provery.fails(key, &[&revoke[..], &["5", "--all-below"]].concat(), "already_done").await?;
    let prover = provery_tests::key(2).address().to_string();
    let for_another = [&revoke[..], &["6", "--prover", &prover]].concat();
    ensure!(provery.run(Some(&town.stranger), &for_another).await?.code == 1, "a stranger revoked an offer");
    provery.fails(key, &["node", "--data-dir", "node", "--cost-from", "nowhere.json"], "io").await?;
    provery.fails(None, &["calibrate", "--circuit", "transfer-block-d16-n3"], "key_file_missing").await?;

    // What it earned, from the chain alone: nothing yet, and its gas.
    let earned = provery.ok(key, &["prover", "earnings"]).await?;
    ensure!(earned["total"]["net_wei"] == "0" || earned["total"]["net_wei"] == 0, "{earned}");
    Ok(())
}
