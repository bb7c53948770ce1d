//! A node, and commands, whose endpoints refuse.

use provery_tests::{Faults, Relay};

use super::*;

fn refusing(code: i64, refused: &[&'static str]) -> Faults {
    Faults { refusal: Some((code, "not today".to_string())), refused: refused.to_vec(), ..Faults::default() }
}

#[tokio::test]
async fn a_first_endpoint_that_refuses_costs_no_slot_and_where_all_refuse_the_node_is_not_ready() -> Result<()>
{
    let town = Town::build().await?;
    let provery = &town.provery;
    let first = Relay::to(town.anvil.port()).await?;
    let second = Relay::to(town.anvil.port()).await?;
    let urls = format!("{},{}", first.url(), second.url());
    let dir = provery.dir.path().join("node");
    let args = ["node", "--data-dir", "node", "--market", "1", "--http", "127.0.0.1:0"];
    let mut command = provery.command(Some(&town.prover), &args)?;
    command.env("PROVERY_RPC_URL", &urls);
    let mut node = Node::start(command, &dir)?;
    node.ready(200).await?;

    let settled = async |count: u64| {
        let seen =
            until("settled", async || Ok((node.status().await?["slots"]["settled"] == count).then_some(())));
        seen.await.wrap_err_with(|| node.log())
    };
    first.set(refusing(-32007, &[]));
    town.post(1).await?;
    settled(1).await?;
    ensure!(node.ready(200).await?.contains("true"));

    // No price of gas is to be had: proofs cannot be sent, and nothing new is taken on.
    let prices = ["eth_feeHistory", "eth_gasPrice", "eth_maxPriorityFeePerGas"];
    [&first, &second].into_iter().for_each(|relay| relay.set(refusing(-32011, &prices)));
    town.post(1).await?;
    until("the breaker", async || {
        let status = node.status().await?;
        let breaker = &status["node"]["breaker"];
        Ok((breaker["open"] == true && breaker["reason"] == "no_endpoint").then_some(()))
    })
    .await
    .wrap_err_with(|| node.log())?;
    let body = node.ready(503).await?;
    ensure!(body.contains("breaker_open"), "{body}");
    second.heal();
    settled(2).await?;
    node.ready(200).await?;

    // Everything is refused.
    [&first, &second].into_iter().for_each(|relay| relay.set(refusing(-32016, &[])));
    let body = until("no_endpoint", async || {
        Ok(node.get("/readyz").await.ok().filter(|(code, body)| *code == 503 && body.contains("no_endpoint")))
    })
    .await?;
    let status = node.status().await?;
    let said = status["chain"]["endpoints"][0]["last_error"].as_str().unwrap_or_default().to_owned();
    ensure!(said.contains("-32016"), "{said} {body:?}");
    second.heal();
    node.ready(200).await?;
    node.signal("-TERM").await?;
    ensure!(node.child.wait().await?.success(), "{}", node.log());
    Ok(())
}

#[tokio::test]
async fn a_command_goes_to_the_next_endpoint_and_ends_where_there_is_none() -> Result<()> {
    let town = Town::build().await?;
    let provery = &town.provery;
    let relay = Relay::to(town.anvil.port()).await?;
    let over = async |urls: &str, args: &[&str]| {
        let mut command = provery.command(Some(&town.prover), args)?;
        command.env("PROVERY_RPC_URL", urls);
        tokio::time::timeout(PATIENCE, provery.finish(command)).await?
    };
    let both = format!("{},{}", relay.url(), town.anvil.url());
    let mint = ["token", "mint", "--amount", "1ether"];
    for code in [-32007, -32000, -32602, 3] {
        relay.set(refusing(code, &[]));
        let said = over(&both, &mint).await?;
        ensure!(said.code == 0, "{code}: {said:?}");
    }
    relay.set(refusing(-32016, &[]));
    over(&relay.url(), &mint).await?.must_fail("rpc_rejected")?;

    relay.set(Faults { lacking: true, ..Faults::default() });
    let deploy = ["deploy", "--epoch-length", "60", "--freeze", "10", "--out", "other.json"];
    let said = over(&relay.url(), &deploy).await?;
    let message = said.must_fail("rpc_unavailable")?;
    ensure!(message.contains("eth_getBlockByNumber"), "{message}");
    Ok(())
}
