//! `provery credit`: rewards are credited in the market and withdrawn by their owner.

use alloy::primitives::{Address, U256};
use clap::Subcommand;
use eyre::Result;
use serde_json::json;

use crate::{
    address,
    amount::{self, Written},
    context::Context,
    error::{Code, fail},
};

#[derive(Debug, Subcommand)]
pub(crate) enum CreditCommand {
    /// What an account may withdraw
    #[command(after_help = "Example: provery credit show 0x70997970C51812dc3A010C7d01b50e0d17dc79C8")]
    Show {
        /// Whose [default: the signing account]
        #[arg(value_parser = address::parse)]
        address: Option<Address>,
    },
    /// Withdraw this account's credit
    #[command(after_help = "Example: provery credit withdraw --amount 2.5 --keystore prover.json")]
    Withdraw {
        /// Whole units of the asset, such as 2.5 [default: all of it]
        #[arg(long)]
        amount: Option<Written>,
        /// Who receives it [default: the signing account]
        #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
        to: Option<Address>,
    },
}

pub(crate) async fn run(context: &Context, command: CreditCommand) -> Result<()> {
    match command {
        CreditCommand::Show { address } => {
            let session = context.reader().await?;
            let account = session.account(address)?;
            let credit = session.chain.credits(account).await?;
            context.out.result(&json!({ "account": account, "credit": credit.to_string() }), || {
                format!("{account} may withdraw {}", session.show(credit))
            });
            Ok(())
        }
        CreditCommand::Withdraw { amount, to } => withdraw(context, amount, to).await,
    }
}

async fn withdraw(context: &Context, amount: Option<Written>, to: Option<Address>) -> Result<()> {
    let session = context.signer().await?;
    let me = session.me()?;
    let credit = session.chain.credits(me).await?;
    if credit.is_zero() {
        return Err(fail(
            Code::InsufficientCredit,
            format!("{me} has no credit, so there is nothing to withdraw; a proof that is paid brings some"),
        ));
    }
    let amount = match &amount {
        Some(amount) => amount::given("--amount", amount, session.asset())?.base,
        None => credit,
    };
    if amount == U256::ZERO {
        return Err(fail(Code::Usage, "--amount must be above 0; leave it out to withdraw all"));
    }
    if amount > credit {
        return Err(fail(
            Code::InsufficientCredit,
            format!(
                "{me} may withdraw {} and {} were asked for; ask for less, or prove a slot first",
                session.show(credit),
                session.show(amount)
            ),
        ));
    }
    let to = to.unwrap_or(me);
    let mined = session.send(session.calls().withdraw(to, amount)).await?;
    context.out.result(
        &json!({ "account": me, "to": to, "amount": amount.to_string(), "credit": (credit - amount).to_string(), "tx": mined.tx_hash }),
        || format!("sent {} to {to}; {} of credit is left", session.show(amount), session.show(credit - amount)),
    );
    Ok(())
}
