//! Whether an offer can be taken.

use alloy::primitives::{Address, U256};
use eyre::Result;
use provery_mechanisms::slot_transfer::TransferOffer;
use provery_types::SlotExt;

use super::{Held, acts_for};
use crate::{
    backends,
    error::{Code, fail},
    session::Session,
    time::when,
};

/// What the contract would refuse, said with what to do about it.
pub(super) async fn check_taker(
    session: &Session,
    held: &Held,
    offer: TransferOffer,
    taker: Address,
    me: Address,
) -> Result<()> {
    if held.now > offer.valid_until {
        return Err(fail(
            Code::OfferExpired,
            format!("the offer ended at {}; ask the holder for a new one", when(offer.valid_until)),
        ));
    }
    if let Some(to) = offer.to.filter(|to| *to != taker) {
        return Err(fail(
            Code::NotTaker,
            format!("the offer is to {to}, not to {taker}; ask the holder for one to this prover"),
        ));
    }
    if session.chain.prover(taker).await?.id == 0 {
        return Err(fail(
            Code::NotRegistered,
            format!("{taker} is not a prover, so it cannot take a slot; run `provery prover register` first"),
        ));
    }
    backends::fit(session, held.slot.market, std::slice::from_ref(&held.terms)).await?;
    let left = held.slot.exclusive_until().saturating_sub(held.now);
    let late = left < u64::from(held.terms.exclusiveWindow / 2);
    if me != taker && (offer.price > 0 || late || !acts_for(session, me, taker).await?) {
        return Err(fail(
            Code::NotTaker,
            format!(
                "{me} may not take this for {taker}: a submitter may, but only where it costs its prover \
                 nothing and half of the exclusive window is left; sign with the taker's key"
            ),
        ));
    }
    let price = U256::from(offer.price.unsigned_abs());
    let payer = if offer.price > 0 { taker } else { held.holder() };
    let credit = session.chain.credits(payer).await?;
    if credit < price {
        return Err(fail(
            Code::InsufficientCredit,
            format!(
                "the price of {} is paid from the credit of {payer}, which is {}; a proof earns credit",
                session.show(price),
                session.show(credit)
            ),
        ));
    }
    let market = held.slot.market;
    let bond = held.terms.bond.to::<U256>();
    let unit = session.chain.registry_params().await?.stake_unit;
    let position = session.chain.position(market, taker).await?;
    let bonded = position.bonded.to::<U256>();
    let exposed = unit.saturating_mul(U256::from(position.units.min(position.exposure)));
    let available = exposed.saturating_sub(bonded);
    if available < bond {
        return Err(fail(
            Code::InsufficientStake,
            format!(
                "{taker} has {} exposed to market {market} that no bond ties up, less than the bond of {}; allocate and expose at least {} units with `provery prover allocate` (or `provery pool \
                 allocate`)",
                session.show(available),
                session.show(bond),
                (bonded + bond).div_ceil(unit)
            ),
        ));
    }
    let version = held.terms.version;
    if !(position.fromVersion..=position.toVersion).contains(&version) {
        return Err(fail(
            Code::TermsNotAccepted,
            format!(
                "{taker} accepts versions {} to {} of the terms of market {market} and the slot has version {version}; accept \
                 it with `provery prover allocate --accept-versions`",
                position.fromVersion, position.toVersion
            ),
        ));
    }
    Ok(())
}
