//! `provery status`: the chain, the deployment, the epoch and its seed.

use eyre::Result;
use serde_json::json;

use crate::{context::Context, output::fields};

pub(crate) async fn run(context: &Context) -> Result<()> {
    let session = context.reader().await?;
    let deployment = session.deployment();
    let head = session.head().await?;
    let epoch = session.chain.epoch().await?;
    let (seeded, seed) = session.chain.seed().await?;
    let markets = session.chain.market_count().await?.to_string();
    let registry = session.chain.registry_params().await?;
    let json = json!({
        "chain_id": deployment.chain_id,
        "rpc": session.chain.rpc().name(),
        "block": head.number,
        "time": head.timestamp,
        "deployment": session.path(),
        "development": deployment.development,
        "asset": deployment.asset,
        "asset_unit": session.asset().unit(),
        "contracts": deployment.contracts.iter().map(|(name, record)| (name.as_str(), record.address)).collect::<std::collections::BTreeMap<_, _>>(),
        "rollups": deployment.rollups.iter().map(|rollup| json!({ "name": rollup.name, "address": rollup.address, "market": rollup.market.to_string() })).collect::<Vec<_>>(),
        "markets": markets,
        "epoch": epoch,
        "epoch_length": registry.epoch_length,
        "epoch_ends_at": (epoch + 1) * registry.epoch_length,
        "freeze": registry.freeze,
        "stake_unit": registry.stake_unit.to_string(),
        "seeded_epoch": seeded,
        "seed": format!("{seed:#066x}"),
    });
    context.out.result(&json, || {
        let mut rows = vec![
            ("chain", format!("{} at block {}", deployment.chain_id, head.number)),
            ("endpoint", session.chain.rpc().name().to_string()),
            ("deployment", session.path().display().to_string()),
            (
                "asset",
                format!(
                    "{} ({}, {} decimals)",
                    deployment.asset,
                    session.asset().symbol(),
                    session.asset().decimals()
                ),
            ),
        ];
        rows.extend(
            deployment.contracts.iter().map(|(name, record)| (name.as_str(), record.address.to_string())),
        );
        rows.extend(deployment.rollups.iter().map(|rollup| {
            ("rollup", format!("{} at {}, market {}", rollup.name, rollup.address, rollup.market))
        }));
        rows.push(("markets", markets.clone()));
        rows.push(("stake unit", session.show(registry.stake_unit)));
        rows.push((
            "epoch",
            format!(
                "{epoch}, {} s left",
                ((epoch + 1) * registry.epoch_length).saturating_sub(head.timestamp)
            ),
        ));
        rows.push((
            "seed",
            if seeded == epoch {
                format!("{seed:#066x}")
            } else {
                format!("not yet; the last is of epoch {seeded}")
            },
        ));
        fields(&rows)
    });
    Ok(())
}
