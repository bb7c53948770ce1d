//! `provery token`: the asset of a development chain, which anyone may mint.

use alloy::primitives::Address;
use clap::Subcommand;
use eyre::Result;
use serde_json::json;

use crate::{
    address,
    amount::{self, Currency, Written},
    context::Context,
    error::{Code, fail},
    output::fields,
};

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Mint the development token
    #[command(after_help = "Example: provery token mint --amount 100 --keystore prover.json")]
    Mint {
        /// Whole units of the asset, such as 2.5
        #[arg(long)]
        amount: Written,
        /// Who receives it [default: the signing account]
        #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
        to: Option<Address>,
    },
    /// An account's balances
    #[command(after_help = "Example: provery token balance --keystore prover.json")]
    Balance {
        /// Whose [default: the signing account]
        #[arg(value_parser = address::parse)]
        address: Option<Address>,
    },
}

pub(crate) async fn run(context: &Context, command: TokenCommand) -> Result<()> {
    match command {
        TokenCommand::Mint { amount, to } => mint(context, amount, to).await,
        TokenCommand::Balance { address } => balance(context, address).await,
    }
}

async fn mint(context: &Context, amount: Written, to: Option<Address>) -> Result<()> {
    let session = context.signer().await?;
    let amount = amount::required("--amount", &amount, session.asset())?;
    let rpc = session.chain.rpc();
    if !rpc.is_development() {
        return Err(fail(
            Code::NotDevelopmentChain,
            format!(
                "chain {} is not a development chain, so its asset is not ours to mint; get it from its \
                 issuer",
                rpc.chain_id()
            ),
        ));
    }
    let to = session.account(to)?;
    let mined = session.send(session.calls().mint(to, amount.base)).await?;
    let balance = session.chain.asset_balance(to).await?;
    context.out.result(
        &json!({ "to": to, "amount": amount, "balance": balance.to_string(), "tx": mined.tx_hash }),
        || format!("minted {amount} for {to}, which now has {}", session.show(balance)),
    );
    Ok(())
}

async fn balance(context: &Context, address: Option<Address>) -> Result<()> {
    let session = context.reader().await?;
    let account = session.account(address)?;
    let asset = session.chain.asset_balance(account).await?;
    let native = session.chain.rpc().balance(account).await?;
    context.out.result(
        &json!({ "account": account, "asset": asset.to_string(), "native": native.to_string() }),
        || {
            fields(&[
                ("account", account.to_string()),
                ("asset", session.show(asset)),
                ("native", Currency::gas().show(native)),
            ])
        },
    );
    Ok(())
}
