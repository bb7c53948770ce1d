//! `provery prover offer`: a standing offer to one rollup, signed; and its revocation.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use alloy::primitives::{Address, Bytes, U256};
use clap::{Args, Subcommand};
use eyre::Result;
use provery_bindings::Agreement;
use provery_mechanisms::agreement::Offer;
use provery_rpc::Call;
use provery_types::terms_hash;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    address,
    amount::{self, Written},
    backends,
    commands::prove,
    context::Context,
    error::{Code, fail},
    market_ref::MarketRef,
    terms,
};

#[derive(Debug, Subcommand)]
pub(crate) enum OfferCommand {
    /// Sign an offer to prove the slots of one market; the requester opens slots with the file
    #[command(after_help = "Example: provery prover offer sign --market 1 --price 1 --capacity 4 --days 30 \
         --out offer.json --keystore prover.json")]
    Sign(SignArgs),
    /// Revoke offers: slots opened already stay as they are
    #[command(after_help = "Example: provery prover offer revoke --nonce 1 --keystore prover.json")]
    Revoke {
        /// The offer's nonce
        #[arg(long, value_name = "N")]
        nonce: u64,
        /// Every offer with a lower nonce instead
        #[arg(long)]
        all_below: bool,
        /// Whose [default: the prover that the signing account is, or is a submitter of]
        #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
        prover: Option<Address>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    /// The market: its id, or its rollup's name; its mechanism must be the agreement
    #[arg(long, value_name = "MARKET")]
    market: MarketRef,
    /// What a slot pays at most, in whole units of the asset
    #[arg(long)]
    price: Written,
    /// Slots held at once
    #[arg(long, value_name = "N")]
    capacity: u32,
    /// Days until the offer ends
    #[arg(long, value_name = "D", default_value_t = 30)]
    days: u32,
    /// Names the offer for its revocation
    #[arg(long, value_name = "N", default_value_t = 0)]
    nonce: u64,
    /// The pool that offers, whose operator the signing account is [default: the signing account]
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
    prover: Option<Address>,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// An offer and its signature, as the file has them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignedOffer {
    pub offer: Offer,
    pub signature: Bytes,
}

impl SignedOffer {
    /// What a slot's opening tells the mechanism, out of an offer's file.
    pub(super) fn open_data(path: &Path) -> Result<Bytes> {
        let Self { offer, signature } = Self::read(path)?;
        offer.open_data(&signature).map_err(|error| fail(Code::Usage, format!("--offer: {error}")))
    }

    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| {
            fail(Code::Io, format!("the offer {} cannot be read: {error}", path.display()))
        })?;
        serde_json::from_str(&text).map_err(|error| {
            fail(
                Code::Usage,
                format!(
                    "{} is not an offer ({error}); make one with `provery prover offer sign`",
                    path.display()
                ),
            )
        })
    }
}

pub(crate) async fn run(context: &Context, command: OfferCommand) -> Result<()> {
    match command {
        OfferCommand::Sign(args) => sign(context, args).await,
        OfferCommand::Revoke { nonce, all_below, prover } => revoke(context, nonce, all_below, prover).await,
    }
}

async fn sign(context: &Context, args: SignArgs) -> Result<()> {
    let session = context.signer().await?;
    let (_, contract) = terms::mechanism(session.deployment(), "agreement")?;
    let market = session.market(&args.market)?;
    let terms = session.chain.terms(market).await?;
    if terms.mechanism != contract {
        return Err(fail(
            Code::Usage,
            format!("market {market} has another mechanism, so nobody can open a slot of it by agreement"),
        ));
    }
    backends::fit(&session, market, std::slice::from_ref(&terms)).await?;
    let price = amount::given("--price", &args.price, session.asset())?;
    if price.base > terms.price.to::<U256>() {
        return Err(fail(
            Code::Usage,
            format!(
                "--price is above what market {market} pays at most ({}); offer that or less",
                session.show(terms.price.to())
            ),
        ));
    }
    if args.capacity == 0 || args.days == 0 {
        return Err(fail(Code::Usage, "--capacity and --days must be above 0"));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let offer = Offer {
        prover: session.account(args.prover)?,
        requester: terms.requester,
        market,
        terms: terms_hash(&terms),
        price: price.base,
        penalty: terms.bond.to(),
        capacity: args.capacity,
        expiry: now + u64::from(args.days) * 86_400,
        nonce: U256::from(args.nonce),
    };
    let typed = offer
        .typed_data(session.deployment().chain_id, contract)
        .map_err(|error| fail(Code::Usage, error.to_string()))?;
    let signature = session.signer()?.sign_typed(&typed).await?;
    let signed = SignedOffer { offer, signature: signature.as_bytes().to_vec().into() };
    let text = serde_json::to_string_pretty(&signed)? + "\n";
    fs::write(&args.out, text)
        .map_err(|error| fail(Code::Io, format!("{} cannot be written: {error}", args.out.display())))?;
    let data = signed.offer.open_data(&signed.signature)?;
    let json = json!({ "offer": signed.offer, "digest": typed.digest, "file": args.out, "open_data": data });
    context.out.result(&json, || {
        format!(
            "{} offers to prove market {market} for {price} a slot; give {} to its requester",
            signed.offer.prover,
            args.out.display()
        )
    });
    Ok(())
}

async fn revoke(context: &Context, nonce: u64, all_below: bool, prover: Option<Address>) -> Result<()> {
    let session = context.signer().await?;
    let (_, contract) = terms::mechanism(session.deployment(), "agreement")?;
    let nonce = U256::from(nonce);
    let prover = prove::payee(&session, prover).await?;
    let call = if all_below {
        Call::new("revoke_offers", contract, &Agreement::revokeAllBelowCall { prover, nonce })
    } else {
        Call::new("revoke_offer", contract, &Agreement::revokeCall { prover, nonce })
    };
    let mined = session.send(call).await?;
    context.out.result(
        &json!({ "prover": prover, "nonce": nonce.to_string(), "all_below": all_below, "tx": mined.tx_hash }),
        || {
            format!(
                "offers with a nonce {} {nonce} open no more slots",
                if all_below { "below" } else { "of" }
            )
        },
    );
    Ok(())
}
