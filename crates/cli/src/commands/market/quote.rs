//! `provery market quote`: what a slot would cost now and how soon it would be proven, from what the chain has.

use alloy::primitives::U256;
use clap::Args;
use eyre::Result;
use provery_mechanisms::{Quote, quote::curve};
use provery_types::Terms;
use serde_json::{Value, json};

use super::survey::{Chronicle, Survey};
use crate::{
    context::Context,
    market_ref::MarketRef,
    output::{fields, table},
    session::Session,
    told,
};

#[derive(Debug, Args)]
pub(crate) struct QuoteArgs {
    /// The market: its id, or its rollup's name [default: every market]
    #[arg(long, value_name = "MARKET")]
    market: Option<MarketRef>,
}

pub(super) async fn run(context: &Context, args: QuoteArgs) -> Result<()> {
    let session = context.reader().await?;
    let chosen = args.market.as_ref().map(|market| session.market(market)).transpose()?;
    let chronicle = Chronicle::read(&session).await?;
    let ids = chosen.map_or_else(|| chronicle.history.markets.keys().copied().collect(), |id| vec![id]);
    let (mut listed, mut text) = (Vec::new(), Vec::new());
    for id in ids {
        let survey = Survey::of(&session, &chronicle, id).await?;
        let quote = survey.mechanism.map(|mechanism| mechanism.quote(&survey.view(&survey.offers, None)));
        listed.push(json(&session, &chronicle, &survey, quote.as_ref()));
        text.push(human(&session, &chronicle, &survey, quote.as_ref()));
    }
    context.out.result(&json!({ "quotes": listed }), || {
        if text.is_empty() {
            "there is no market yet; `provery market create` makes one".to_owned()
        } else {
            text.join("\n")
        }
    });
    Ok(())
}

fn json(session: &Session, chronicle: &Chronicle, survey: &Survey, quote: Option<&Quote>) -> Value {
    let terms = &survey.terms;
    let wei = |amount: u128| amount.to_string();
    json!({
        "market": survey.id.to_string(),
        "name": survey.name,
        "mechanism": survey.mechanism_word(),
        "says": quote.map(|quote| told::text(&quote.says, survey.now, session.asset())),
        "price": quote.map(|quote| json!({
            "least": wei(quote.least),
            "most": wei(quote.most),
            "expected": quote.expected.map(wei),
            // Of what is expected; the most where nothing is.
            "at_once": wei(quote.paid_after(terms, 0)),
            "after_exclusive": wei(quote.paid_after(terms, terms.exclusiveWindow.into())),
            "at_p50": survey.pace.percentile(50).map(|seconds| wei(quote.paid_after(terms, seconds))),
        })),
        "floor": wei(curve(terms, terms.price.to()).floor()),
        "forfeit_bps": terms.forfeitBps,
        "decided_within": quote.map(|quote| quote.decided_within),
        "exclusive": terms.exclusiveWindow,
        "expiry": terms.expiryWindow,
        "serving": quote.map(|quote| quote.serving),
        "provers": survey.provers(chronicle).iter().map(super::survey::Serving::json).collect::<Vec<_>>(),
        "past": survey.past_json(),
        "open_slots": survey.open,
        "capacity": survey.state.capacity,
        "funds": survey.state.funds.to_string(),
        "funded_slots": survey.funded(),
    })
}

fn human(session: &Session, chronicle: &Chronicle, survey: &Survey, quote: Option<&Quote>) -> String {
    let (terms, asset) = (&survey.terms, session.asset());
    let show = |amount: u128| asset.show(U256::from(amount));
    let name = survey.name.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
    let mut rows = vec![("market", format!("{}{name}, {}", survey.id, survey.mechanism_word()))];
    match quote {
        Some(quote) => {
            rows.push(("price", price(quote, show)));
            rows.push((
                "by time",
                format!(
                    "{} if proven within {} s of the right to it, falling to {} after {} s",
                    show(quote.paid_after(terms, 0)),
                    terms.fastWindow,
                    show(quote.paid_after(terms, terms.exclusiveWindow.into())),
                    terms.exclusiveWindow
                ),
            ));
            rows.push(("why", told::text(&quote.says, survey.now, asset)));
            rows.push(("provers", format!("{} could serve it now", quote.serving)));
            let assigns = survey.mechanism.is_some_and(|mechanism| mechanism.assigns());
            rows.push(("how soon", how_soon(quote, terms, assigns)));
        }
        None => rows.push(("price", "its mechanism is a contract of which nothing is known here".to_owned())),
    }
    rows.push(("so far", survey.past_text()));
    rows.push((
        "if nobody does",
        format!(
            "{} of what is put aside is burned after {} s, and the rest is the market's again",
            show(provery_mechanisms::split::forfeit(terms.price.to(), terms.forfeitBps)),
            terms.expiryWindow
        ),
    ));
    rows.push((
        "room",
        format!(
            "{} of {} slots are open; the funds of {} pay for {} at the most",
            survey.open,
            survey.state.capacity,
            session.show(survey.state.funds),
            survey.funded()
        ),
    ));
    let mut text = fields(&rows);
    let provers = survey.provers(chronicle);
    if !provers.is_empty() {
        let rows: Vec<Vec<String>> = provers
            .iter()
            .map(|it| {
                let ask = it.offer.map_or_else(
                    || "-".to_owned(),
                    |ask| format!("{} in {} s, {} slots", show(ask.price), ask.promised, ask.capacity),
                );
                vec![it.prover.to_string(), it.weight.to_string(), ask, it.backing()]
            })
            .collect();
        text.push_str(&table(&["prover", "weight", "ask", "capacity"], &rows));
    }
    text
}

/// What a slot costs, in few words.
fn price(quote: &Quote, show: impl Fn(u128) -> String) -> String {
    if quote.least == quote.most {
        return format!("{}, fixed by the terms", show(quote.most));
    }
    let expected = quote.expected.map_or_else(|| "not known: no history".to_owned(), &show);
    format!("{expected}, between {} and {}", show(quote.least), show(quote.most))
}

/// What the terms' windows say.
fn how_soon(quote: &Quote, terms: &Terms, assigns: bool) -> String {
    if !assigns {
        return format!("anybody may prove it from its opening on, until {} s after", terms.expiryWindow);
    }
    let decided = match quote.decided_within {
        0 => "as it opens".to_owned(),
        seconds => format!("within {seconds} s"),
    };
    format!(
        "it is decided {decided} who may prove it; whoever that is has {} s, and until {} s it is anybody's",
        terms.exclusiveWindow, terms.expiryWindow
    )
}

#[cfg(test)]
mod tests {
    use provery_mechanisms::Line;

    use super::*;

    fn quote(least: u128, expected: Option<u128>, decided_within: u64) -> Quote {
        Quote { least, most: 9, expected, decided_within, serving: 1, says: Line::new("", []) }
    }

    #[test]
    fn a_price_that_is_fixed_is_told_so_and_one_that_nobody_knows_too() {
        let of = |quote: &Quote| price(quote, |amount| amount.to_string());
        assert_eq!(of(&quote(9, Some(9), 0)), "9, fixed by the terms");
        assert_eq!(of(&quote(1, Some(4), 0)), "4, between 1 and 9");
        assert_eq!(of(&quote(1, None, 0)), "not known: no history, between 1 and 9");
    }

    #[test]
    fn windows_are_told_as_the_mechanism_uses_them() {
        let terms = Terms { exclusiveWindow: 60, expiryWindow: 300, ..Terms::default() };
        assert!(how_soon(&quote(1, None, 35), &terms, true).starts_with("it is decided within 35 s"));
        assert!(how_soon(&quote(9, Some(9), 0), &terms, true).contains("as it opens"));
        assert!(how_soon(&quote(9, Some(9), 0), &terms, false).starts_with("anybody may prove"));
    }
}
