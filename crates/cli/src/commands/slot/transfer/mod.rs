//! `provery slot transfer`: a slot's right, bond and duty go to another prover, by an
//! offer on the chain or one that the holder signed.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use alloy::primitives::{Address, B256, Bytes, U256};
use clap::{Args, Subcommand};
use eyre::Result;
use provery_bindings::SlotTransfers;
use provery_indexer::{History, Outcome};
use provery_mechanisms::slot_transfer::TransferOffer;
use provery_types::{Event, LoggedEvent, Slot, SlotExt, Terms, TypedData, slot_hash};
use serde::{Deserialize, Serialize};
use serde_json::json;

mod taker;

use taker::check_taker;

use super::chosen::SlotArg;
use crate::{
    address,
    amount::SignedWritten,
    commands::prove,
    context::Context,
    error::{Code, fail},
    files,
    session::Session,
    time::when,
};

#[derive(Debug, Subcommand)]
pub(crate) enum TransferCommand {
    /// Offer a slot that this prover holds to others
    #[command(
        after_help = "Example: provery slot transfer offer 3 --market 1 --price 1 --keystore prover.json"
    )]
    Offer(OfferArgs),
    /// Accept a slot that its holder offers; the taker's bond takes the place of the holder's
    #[command(
        after_help = "Example: provery slot transfer accept 3 --market 1 --offer offer.json --keystore \
         taker.json"
    )]
    Accept(AcceptArgs),
    /// Make offers of a slot void, made on the chain or signed
    #[command(after_help = "Example: provery slot transfer revoke 3 --market 1 --keystore prover.json")]
    Revoke(RevokeArgs),
}

pub(super) async fn run(context: &Context, command: TransferCommand) -> Result<()> {
    match command {
        TransferCommand::Offer(args) => offer(context, args).await,
        TransferCommand::Accept(args) => accept(context, args).await,
        TransferCommand::Revoke(args) => revoke(context, args).await,
    }
}

#[derive(Debug, Args)]
pub(crate) struct OfferArgs {
    #[command(flatten)]
    slot: SlotArg,
    /// The only prover that may take it [default: any]
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
    to: Option<Address>,
    /// What the taker pays from its credit (below zero: is paid from the holder's)
    #[arg(long, value_name = "AMOUNT", default_value = "0", allow_hyphen_values = true)]
    price: SignedWritten,
    /// Seconds for which it can be taken [default: as long as the slot is the holder's alone]
    #[arg(long, value_name = "S")]
    valid_for: Option<u64>,
    /// Send nothing: sign the offer and write it to this file, for the taker
    #[arg(long, value_name = "FILE")]
    sign: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct AcceptArgs {
    #[command(flatten)]
    slot: SlotArg,
    /// An offer that the holder signed [default: the cheapest one on the chain]
    #[arg(long, value_name = "FILE")]
    offer: Option<PathBuf>,
    /// Who takes it [default: the prover that the signing account is, or is a submitter of]
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
    taker: Option<Address>,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    slot: SlotArg,
    /// An offer that was signed [default: every one of the slot's on the chain]
    #[arg(long, value_name = "FILE")]
    offer: Option<PathBuf>,
}

/// A signed offer, as its file has it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedTransferOffer {
    slot: Slot,
    terms_hash: B256,
    offer: TransferOffer,
    signature: Bytes,
}

impl SignedTransferOffer {
    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| {
            fail(Code::Io, format!("the offer {} cannot be read: {error}", path.display()))
        })?;
        serde_json::from_str(&text).map_err(|error| {
            fail(
                Code::OfferInvalid,
                format!(
                    "{} is not an offer of a slot ({error}); its holder makes one with `provery slot \
                     transfer offer --sign FILE`",
                    path.display()
                ),
            )
        })
    }
}

/// A slot that somebody holds, with what it is bound to.
struct Held {
    slot: Slot,
    terms: Terms,
    terms_hash: B256,
    /// Offers on the chain, by digest.
    offers: BTreeMap<B256, TransferOffer>,
    /// Unix seconds of the head.
    now: u64,
}

impl Held {
    fn holder(&self) -> Address {
        self.slot.prover
    }

    fn name(&self) -> String {
        format!("slot {} of market {}", self.slot.id, self.slot.market)
    }

    /// What is signed of an offer of it.
    fn typed_data(&self, session: &Session, offer: TransferOffer) -> Result<TypedData> {
        let deployment = session.deployment();
        let word = slot_hash(&self.slot, self.terms_hash);
        offer.typed_data(word, deployment.chain_id, deployment.slot_transfers()).ok_or_else(too_large)
    }
}

fn too_large() -> eyre::Report {
    fail(Code::Usage, "the offer's price or time is larger than the contract can hold; choose a smaller one")
}

fn for_contract(offer: TransferOffer) -> Result<SlotTransfers::TransferOffer> {
    offer.sol().ok_or_else(too_large)
}

async fn find(session: &Session, arg: SlotArg) -> Result<Held> {
    let market = session.market_or_only(arg.market.as_ref())?;
    session.chain.market(market).await?;
    let events = session.events().await?;
    let history = History::replay(&events);
    let record = history.slot(market, arg.slot.get()).cloned().ok_or_else(|| {
        fail(
            Code::SlotNotFound,
            format!(
                "market {market} has no slot {}; `provery slot list --market {market}` shows those it has",
                arg.slot.get()
            ),
        )
    })?;
    let name = format!("slot {} of market {market}", arg.slot.get());
    let ended = match record.outcome {
        Outcome::Open => None,
        Outcome::Proven { .. } => Some((Code::SlotProven, "has been proven")),
        Outcome::Expired { .. } => Some((Code::SlotExpired, "has expired")),
        Outcome::Cancelled { .. } => Some((Code::SlotCancelled, "was cancelled")),
        Outcome::Dropped { .. } => Some((Code::SlotDropped, "was dropped")),
    };
    if let Some((code, how)) = ended {
        return Err(fail(code, format!("{name} {how}, so there is nothing left to transfer")));
    }
    let terms = history.terms(record.terms_hash).cloned().ok_or_else(|| {
        fail(
            Code::RpcRejected,
            format!("the terms of {name} are not in the chain's logs; is the endpoint's history pruned?"),
        )
    })?;
    let now = session.head().await?.timestamp;
    if record.slot.prover.is_zero() || now >= record.slot.exclusive_until() {
        return Err(fail(
            Code::SlotNotHeld,
            format!(
                "{name} is nobody's alone at this time, so there is nothing to transfer; anyone may \
                     prove it once it is open to all"
            ),
        ));
    }
    let offers = standing(&events, &record.slot);
    Ok(Held { slot: record.slot, terms, terms_hash: record.terms_hash, offers, now })
}

/// The offers of a slot on the chain that its holder made, and nobody took or revoked. Those of another are void; should the
/// slot come back to it, they stand again.
fn standing(events: &[LoggedEvent], slot: &Slot) -> BTreeMap<B256, TransferOffer> {
    let mut offers = BTreeMap::new();
    for logged in events {
        match &logged.event {
            Event::TransferOffered { market, id, prover, digest, to, price, valid_until }
                if (*market, *id) == (slot.market, slot.id) && *prover == slot.prover =>
            {
                offers.insert(*digest, TransferOffer { to: *to, price: *price, valid_until: *valid_until });
            }
            Event::TransferRevoked { digest, .. } => {
                offers.remove(digest);
            }
            // The event does not say which offer was taken, only what all that it can have been have in common.
            Event::SlotTransferred { slot: handed, from, price }
                if (handed.market, handed.id) == (slot.market, slot.id) && *from == slot.prover =>
            {
                offers.retain(|_, offer| {
                    offer.price != *price || offer.to.is_some_and(|to| to != handed.prover)
                });
            }
            _ => {}
        }
    }
    offers
}

/// Whether `key` is the prover's, or one of its submitters'.
async fn acts_for(session: &Session, key: Address, prover: Address) -> Result<bool> {
    Ok(key == prover || session.chain.prover_of_submitter(key).await? == Some(prover))
}

fn not_holder(held: &Held, me: Address, advice: &str) -> eyre::Report {
    fail(
        Code::NotHolder,
        format!("{me} may not offer {}, which {} holds; {advice}", held.name(), held.holder()),
    )
}

async fn offer(context: &Context, args: OfferArgs) -> Result<()> {
    if args.valid_for == Some(0) {
        return Err(fail(Code::Usage, "--valid-for must be above 0"));
    }
    if args.to.is_some_and(|to| to.is_zero()) {
        return Err(fail(Code::Usage, "--to must not be the zero address; leave it out for anyone"));
    }
    let session = context.signer().await?;
    let held = find(&session, args.slot).await?;
    let price = args.price.of(session.asset());
    let price = price.map_err(|error| fail(Code::Usage, format!("--price: {error}")))?;
    let last = held.slot.exclusive_until() - 1;
    let valid_until = args.valid_for.map_or(last, |seconds| held.now.saturating_add(seconds).min(last));
    let offer = TransferOffer { to: args.to, price, valid_until };
    let typed = held.typed_data(&session, offer)?;
    let (me, holder) = (session.me()?, held.holder());
    if offer.price < 0 {
        let (credit, pays) = (session.chain.credits(holder).await?, U256::from(offer.price.unsigned_abs()));
        if credit < pays {
            context.out.warn(&format!(
                "{holder} has {} of credit, less than the {} it offers to pay; nobody can take the slot until it has more",
                session.show(credit),
                session.show(pays)
            ));
        }
    }
    let (tx, file) = match &args.sign {
        Some(path) => {
            sign(&session, &held, offer, &typed, path).await?;
            (None, Some(path))
        }
        None => {
            if !acts_for(&session, me, holder).await? {
                return Err(not_holder(&held, me, "sign with the holder's key, or a submitter's of it"));
            }
            if me != holder && offer.price < 0 {
                return Err(not_holder(
                    &held,
                    me,
                    "a submitter never spends its prover's credit: offer it for 0 or more, or sign with \
                     the holder's key",
                ));
            }
            let call = session.calls().offer_transfer(&held.slot, &held.terms, for_contract(offer)?);
            (Some(session.send(call).await?.tx_hash), None)
        }
    };
    context.out.result(
        &json!({
            "market": held.slot.market.to_string(),
            "slot": held.slot.id,
            "prover": holder,
            "to": offer.to,
            "price": offer.price.to_string(),
            "valid_until": valid_until,
            "digest": typed.digest,
            "tx": tx,
            "file": file,
        }),
        || {
            let who = offer.to.map_or("anyone".to_string(), |to| to.to_string());
            let price = U256::from(offer.price.unsigned_abs());
            let terms = match offer.price {
                0 => "for nothing".to_string(),
                1.. => format!("for {}", session.show(price)),
                _ => format!("and is paid {} for it", session.show(price)),
            };
            let how = match file {
                Some(path) => format!("with `provery slot transfer accept --offer {}`", path.display()),
                None => "with `provery slot transfer accept`".to_string(),
            };
            format!(
                "{who} may take {} {terms}, {how}, up to {valid_until}",
                held.name(),
                valid_until = when(valid_until)
            )
        },
    );
    Ok(())
}

/// Sign an offer as the holder, and write it down.
async fn sign(
    session: &Session,
    held: &Held,
    offer: TransferOffer,
    typed: &TypedData,
    path: &Path,
) -> Result<()> {
    let (me, holder) = (session.me()?, held.holder());
    if session.chain.is_pool(holder).await? {
        return Err(not_holder(
            held,
            me,
            "nobody signs offers for a pool, so that nothing of it is spent; a submitter of the pool offers the slot on \
             the chain, for 0 or more, without --sign",
        ));
    }
    if me != holder {
        return Err(not_holder(
            held,
            me,
            "sign with the holder's key, or offer it on the chain without --sign, as a submitter of it may for 0 or more",
        ));
    }
    let signature = session.signer()?.sign_typed(typed).await?;
    let signed = SignedTransferOffer {
        slot: held.slot.clone(),
        terms_hash: held.terms_hash,
        offer,
        signature: signature.as_bytes().to_vec().into(),
    };
    let text = serde_json::to_string_pretty(&signed)? + "\n";
    files::write(path, text.as_bytes())
}

/// A signed offer that is about the slot as it is now.
fn signed_offer(held: &Held, path: &Path) -> Result<SignedTransferOffer> {
    let signed = SignedTransferOffer::read(path)?;
    if signed.slot != held.slot || signed.terms_hash != held.terms_hash {
        return Err(fail(
            Code::OfferInvalid,
            format!(
                "the offer {} is not of {} as {} holds it; ask the holder for a new one",
                path.display(),
                held.name(),
                held.holder()
            ),
        ));
    }
    Ok(signed)
}

async fn accept(context: &Context, args: AcceptArgs) -> Result<()> {
    let session = context.signer().await?;
    let held = find(&session, args.slot).await?;
    let me = session.me()?;
    let taker = prove::payee(&session, args.taker).await?;
    let (offer, signature) = match &args.offer {
        Some(path) => {
            let signed = signed_offer(&held, path)?;
            (signed.offer, signed.signature)
        }
        None => (cheapest(&held, taker)?, Bytes::new()),
    };
    check_taker(&session, &held, offer, taker, me).await?;
    let call =
        session.calls().accept_transfer(&held.slot, &held.terms, for_contract(offer)?, taker, signature);
    let mined = session.send(call).await?;
    context.out.result(
        &json!({
            "market": held.slot.market.to_string(),
            "slot": held.slot.id,
            "from": held.holder(),
            "taker": taker,
            "price": offer.price.to_string(),
            "exclusive_until": held.slot.exclusive_until(),
            "tx": mined.tx_hash,
        }),
        || format!("{} is {taker}'s now, to prove before {}", held.name(), when(held.slot.exclusive_until())),
    );
    Ok(())
}

fn cheapest(held: &Held, taker: Address) -> Result<TransferOffer> {
    let open = held.offers.values().filter(|offer| held.now <= offer.valid_until);
    let mine = open.filter(|offer| offer.to.is_none_or(|to| to == taker));
    mine.min_by_key(|offer| offer.price).copied().ok_or_else(|| {
        fail(
            Code::OfferNotFound,
            format!(
                "{} holds {} and has no offer on the chain that {taker} may take; give a signed one with \
                 --offer FILE",
                held.holder(),
                held.name()
            ),
        )
    })
}

async fn revoke(context: &Context, args: RevokeArgs) -> Result<()> {
    let session = context.signer().await?;
    let held = find(&session, args.slot).await?;
    let me = session.me()?;
    let offers: Vec<TransferOffer> = match &args.offer {
        Some(path) => vec![signed_offer(&held, path)?.offer],
        None => held.offers.values().copied().collect(),
    };
    if offers.is_empty() {
        return Err(fail(
            Code::OfferNotFound,
            format!(
                "{} has no offer on the chain; give a signed one with --offer FILE to make it void",
                held.name()
            ),
        ));
    }
    if !acts_for(&session, me, held.holder()).await? {
        return Err(not_holder(&held, me, "sign with the holder's key, or a submitter's of it"));
    }
    let mut revoked = Vec::new();
    for offer in offers {
        let digest = held.typed_data(&session, offer)?.digest;
        let call = session.calls().revoke_transfer(&held.slot, &held.terms, for_contract(offer)?);
        revoked.push((digest, session.send(call).await?.tx_hash));
    }
    context.out.result(
        &json!({
            "market": held.slot.market.to_string(),
            "slot": held.slot.id,
            "prover": held.holder(),
            "revoked": revoked.iter().map(|(digest, tx)| json!({ "digest": digest, "tx": tx })).collect::<Vec<_>>(),
        }),
        || format!("{} of {} can no longer be taken", count(revoked.len()), held.name()),
    );
    Ok(())
}

fn count(offers: usize) -> String {
    if offers == 1 { "the offer".to_string() } else { format!("{offers} offers") }
}

#[cfg(test)]
mod tests;
