//! `provery prover ask`: a prover's ask in a market's book, posted or signed. A node keeps one by itself.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::SolCall,
};
use clap::{Args, Subcommand};
use eyre::{Report, Result};
use provery_bindings::StandingAsks;
use provery_mechanisms::standing_asks::{
    Ask, Params, SignedAsk, Standing, ask_answer, ask_request, post_call, promise_bond,
};
use provery_rpc::Call;
use provery_types::Terms;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    address,
    amount::{self, Written},
    commands::prove,
    context::Context,
    error::{Code, fail},
    market_ref::MarketRef,
    session::Session,
    terms,
    time::when,
};

const DAY: u64 = 86_400;

#[derive(Debug, Subcommand)]
pub(crate) enum AskCommand {
    /// A prover's ask in a market, and the asks that are before it
    #[command(after_help = "Example: provery prover ask show --market 1 --keystore prover.json")]
    Show(WhichArgs),
    /// Post an ask, in place of the one that is there. A node that serves the market posts its own
    #[command(
        after_help = "Example: provery prover ask post --market 1 --price 0.8 --seconds 60 --slots 4 --keystore prover.json"
    )]
    Post {
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Take an ask back: slots given to it stay
    #[command(after_help = "Example: provery prover ask cancel --market 1 --keystore prover.json")]
    Cancel(WhichArgs),
    /// Sign an ask instead of posting it; the requester opens slots with the file, which counts below the book's best
    #[command(
        after_help = "Example: provery prover ask sign --market 1 --price 0.8 --seconds 60 --slots 4 --out ask.json \
         --keystore prover.json"
    )]
    Sign {
        #[command(flatten)]
        ask: AskArgs,
        /// Names the ask for its revocation; its slots are counted by it
        #[arg(long, value_name = "N", default_value_t = 0)]
        nonce: u64,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Revoke signed asks: slots given to them stay
    #[command(after_help = "Example: provery prover ask revoke --nonce 1 --keystore prover.json")]
    Revoke {
        /// The asks' nonce
        #[arg(long, value_name = "N")]
        nonce: u64,
        /// Whose [default: the prover that the signing account is, or is a submitter of]
        #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
        prover: Option<Address>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct WhichArgs {
    /// The market: its id, or its rollup's name
    #[arg(long, value_name = "MARKET")]
    market: MarketRef,
    /// Whose [default: the prover that the signing account is, or is a submitter of]
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
    prover: Option<Address>,
}

#[derive(Debug, Args)]
pub(crate) struct AskArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// What a slot pays at most, in whole units of the asset: a multiple of the market's tick
    #[arg(long)]
    price: Written,
    /// Seconds from the assignment in which a slot is proven; where they count, being late costs a part of the deposit
    #[arg(long, value_name = "S")]
    seconds: u32,
    /// Slots that it may be given
    #[arg(long, value_name = "N")]
    slots: u32,
    /// Days until it ends
    #[arg(long, value_name = "D", default_value_t = 1)]
    days: u32,
}

/// An ask and its signature, as the file has them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskFile {
    pub ask: SignedAsk,
    pub signature: Bytes,
}

impl AskFile {
    /// The mechanism's data for opening slots with the ask in a file.
    pub(super) fn open_data(path: &Path) -> Result<Bytes> {
        let text = fs::read_to_string(path)
            .map_err(|error| fail(Code::Io, format!("the ask {} cannot be read: {error}", path.display())))?;
        let Self { ask, signature } = serde_json::from_str(&text).map_err(|error| {
            let path = path.display();
            fail(
                Code::Usage,
                format!("{path} is not an ask ({error}); make one with `provery prover ask sign`"),
            )
        })?;
        ask.open_data(&signature).map_err(|error| fail(Code::Usage, format!("--ask: {error}")))
    }
}

/// A market with a book.
struct Found {
    id: U256,
    terms: Terms,
    prover: Address,
}

pub(crate) async fn run(context: &Context, command: AskCommand) -> Result<()> {
    let session = context.signer().await?;
    match command {
        AskCommand::Show(args) => show(context, &session, args).await,
        AskCommand::Post { ask } => post(context, &session, ask).await,
        AskCommand::Cancel(args) => cancel(context, &session, args).await,
        AskCommand::Sign { ask, nonce, out } => sign(context, &session, ask, nonce, out).await,
        AskCommand::Revoke { nonce, prover } => revoke(context, &session, nonce, prover).await,
    }
}

async fn found(session: &Session, which: &WhichArgs, prover: Address) -> Result<Found> {
    let (_, contract) = terms::mechanism(session.deployment(), "asks")?;
    let id = session.market(&which.market)?;
    let terms = session.chain.terms(id).await?;
    if terms.mechanism != contract {
        return Err(fail(
            Code::Usage,
            format!(
                "market {id} has another mechanism, so nobody can ask for its slots; see `provery market list`"
            ),
        ));
    }
    Ok(Found { id, terms, prover })
}

async fn standing(session: &Session, found: &Found) -> Result<Standing> {
    let request = ask_request(found.id, &found.terms, found.prover);
    let answer = session.chain.raw_call(found.terms.mechanism, request, None, "askOf").await?;
    ask_answer(&answer).ok_or_else(senseless)
}

fn senseless() -> Report {
    fail(
        Code::DeploymentInvalid,
        "the contract of standing asks answers something else; check the deployment file",
    )
}

/// An ask in order, and when it ends.
fn checked(session: &Session, found: &Found, args: &AskArgs) -> Result<(Ask, u64)> {
    let usage = |message: String| Err(fail(Code::Usage, message));
    let price = amount::given("--price", &args.price, session.asset())?.base;
    let (params, most) = (Params::of(&found.terms), found.terms.price.to::<U256>());
    if price > most {
        return usage(format!(
            "--price is above what market {} pays at most ({})",
            found.id,
            session.show(most)
        ));
    }
    let tick = U256::from(params.tick);
    if price.checked_rem(tick).is_none_or(|rest| !rest.is_zero()) {
        return usage(format!("--price must be a multiple of the market's tick, {}", session.show(tick)));
    }
    let window = found.terms.exclusiveWindow;
    if args.seconds == 0 || args.seconds > window {
        return usage(format!("--seconds must be above 0, and at most the exclusive window of {window}"));
    }
    if args.slots == 0 || args.days == 0 {
        return usage("--slots and --days must be above 0".to_owned());
    }
    let ask = Ask { price: price.saturating_to(), promised: args.seconds, capacity: args.slots };
    if params.score(ask.price, ask.promised.into()).is_none() {
        return usage(
            "this price and these seconds score more than a book has room for; ask less".to_owned(),
        );
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Ok((ask, now.saturating_add(u64::from(args.days) * DAY)))
}

async fn show(context: &Context, session: &Session, args: WhichArgs) -> Result<()> {
    let found = found(session, &args, prove::payee(session, args.prover).await?).await?;
    let stands = standing(session, &found).await?;
    let call =
        StandingAsks::asksOfCall { market: found.id, version: found.terms.version, most: U256::from(1_000) };
    let request = call.abi_encode().into();
    let answer = session.chain.raw_call(found.terms.mechanism, request, None, "asksOf").await?;
    let order = StandingAsks::asksOfCall::abi_decode_returns(&answer).map_err(|_| senseless())?;
    let before = order.iter().position(|it| *it == found.prover);
    context.out.result(&told(&found, &stands, before), || match before {
        None => {
            format!("{} asks for no slots of market {}; {} others do", found.prover, found.id, order.len())
        }
        Some(before) => format!(
            "{} asks {} and promises {} s for {} slots of market {} until {}; {before} asks are before it",
            found.prover,
            session.show(U256::from(stands.ask.price)),
            stands.ask.promised,
            stands.ask.capacity,
            found.id,
            when(stands.expiry),
        ),
    });
    Ok(())
}

fn told(found: &Found, stands: &Standing, before: Option<usize>) -> Value {
    json!({
        "market": found.id.to_string(),
        "version": found.terms.version,
        "prover": found.prover,
        "price": stands.ask.price.to_string(),
        "seconds": stands.ask.promised,
        "slots": stands.ask.capacity,
        "expiry": stands.expiry,
        "score": stands.score,
        "before": before,
    })
}

async fn post(context: &Context, session: &Session, args: AskArgs) -> Result<()> {
    let found = found(session, &args.which, prove::payee(session, args.which.prover).await?).await?;
    let (ask, expiry) = checked(session, &found, &args)?;
    let (contract, key) = (found.terms.mechanism, session.me()?);
    let bond = promise_bond(&found.terms, ask.promised.into());
    let deposited = session.chain.deposited(contract, key).await?;
    if deposited < bond {
        return Err(fail(
            Code::InsufficientCredit,
            format!(
                "a slot locks {} of the deposit for this promise and {key} has {} there; add to it with `provery prover deposit \
                 --mechanism asks`",
                session.show(bond),
                session.show(deposited)
            ),
        ));
    }
    let data = post_call(found.id, &found.terms, found.prover, ask, expiry)
        .ok_or_else(|| fail(Code::Usage, "--price or --days is too large; choose less"))?;
    let call = Call { to: Some(contract), data, value: U256::ZERO, kind: "ask", gas: None };
    let mined = session.send(call).await?;
    let stands = standing(session, &found).await?;
    let mut result = told(&found, &stands, None);
    result["tx"] = json!(mined.tx_hash);
    context.out.result(&result, || {
        format!(
            "{} asks {} for each of {} slots of market {}, until {}",
            found.prover,
            session.show(U256::from(ask.price)),
            ask.capacity,
            found.id,
            when(expiry)
        )
    });
    Ok(())
}

async fn cancel(context: &Context, session: &Session, args: WhichArgs) -> Result<()> {
    let found = found(session, &args, prove::payee(session, args.prover).await?).await?;
    let call =
        StandingAsks::cancelCall { market: found.id, version: found.terms.version, prover: found.prover };
    let mined = session.send(Call::new("cancel_ask", found.terms.mechanism, &call)).await?;
    context.out.result(
        &json!({ "market": found.id.to_string(), "prover": found.prover, "tx": mined.tx_hash }),
        || format!("{} asks for no slots of market {} any more", found.prover, found.id),
    );
    Ok(())
}

async fn sign(context: &Context, session: &Session, args: AskArgs, nonce: u64, out: PathBuf) -> Result<()> {
    // The prover itself signs, or a pool's operator.
    let prover = session.account(args.which.prover)?;
    let found = found(session, &args.which, prover).await?;
    let (ask, expiry) = checked(session, &found, &args)?;
    let ask = SignedAsk {
        prover,
        market: found.id,
        version: found.terms.version,
        price: U256::from(ask.price),
        promised: ask.promised,
        capacity: ask.capacity,
        expiry,
        nonce: U256::from(nonce),
    };
    let typed = ask
        .typed_data(session.deployment().chain_id, found.terms.mechanism)
        .map_err(|error| fail(Code::Usage, error.to_string()))?;
    let (digest, signature) = (typed.digest, session.signer()?.sign_typed(&typed).await?);
    let file = AskFile { ask, signature: signature.as_bytes().to_vec().into() };
    let text = serde_json::to_string_pretty(&file)? + "\n";
    fs::write(&out, text)
        .map_err(|error| fail(Code::Io, format!("{} cannot be written: {error}", out.display())))?;
    context.out.result(&json!({ "ask": file.ask, "digest": digest, "file": out }), || {
        format!("{prover} asks for slots of market {}; give {} to its requester", found.id, out.display())
    });
    Ok(())
}

async fn revoke(context: &Context, session: &Session, nonce: u64, prover: Option<Address>) -> Result<()> {
    let (_, contract) = terms::mechanism(session.deployment(), "asks")?;
    let prover = prove::payee(session, prover).await?;
    let call = StandingAsks::cancelSignedCall { prover, nonce: U256::from(nonce) };
    let mined = session.send(Call::new("revoke_ask", contract, &call)).await?;
    context.out.result(&json!({ "prover": prover, "nonce": nonce.to_string(), "tx": mined.tx_hash }), || {
        format!("asks that {prover} signed with a nonce of {nonce} are given no more slots")
    });
    Ok(())
}
