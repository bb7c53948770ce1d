//! Terms that are announced, beside those in force.

use alloy::primitives::Address;
use provery_types::Terms;

use crate::{amount::Currency, output::table};

/// What changes: name, now, then. `mechanism` is what people call the contract of one.
pub(super) fn changes(
    now: &Terms,
    then: &Terms,
    mechanism: impl Fn(Address) -> String,
    asset: &Currency,
) -> Vec<(&'static str, String, String)> {
    let seconds = |seconds: u32| format!("{seconds} s");
    let bps = |bps: u16| format!("{bps} bps");
    let rows = [
        ("requester", now.requester.to_string(), then.requester.to_string()),
        ("mechanism", mechanism(now.mechanism), mechanism(then.mechanism)),
        ("mechanism params", now.mechanismParams.to_string(), then.mechanismParams.to_string()),
        ("circuit", now.circuit.to_string(), then.circuit.to_string()),
        ("verifier", now.verifier.to_string(), then.verifier.to_string()),
        ("price", asset.show(now.price.to()), asset.show(then.price.to())),
        ("bond", asset.show(now.bond.to()), asset.show(then.bond.to())),
        ("least rescue", asset.show(now.leastRescue.to()), asset.show(then.leastRescue.to())),
        ("fast", seconds(now.fastWindow), seconds(then.fastWindow)),
        ("exclusive", seconds(now.exclusiveWindow), seconds(then.exclusiveWindow)),
        ("expiry", seconds(now.expiryWindow), seconds(then.expiryWindow)),
        ("floor", bps(now.floorBps), bps(then.floorBps)),
        ("to the rescuer", bps(now.rescuerBps), bps(then.rescuerBps)),
        ("to the market", bps(now.requesterBps), bps(then.requesterBps)),
        ("forfeit", bps(now.forfeitBps), bps(then.forfeitBps)),
        ("outputs", now.outputs.to_string(), then.outputs.to_string()),
        ("callback gas", now.callbackGas.to_string(), then.callbackGas.to_string()),
        ("chain", now.chain.to_string(), then.chain.to_string()),
        ("circuit terms", format!("{:#x}", now.circuitTerms), format!("{:#x}", then.circuitTerms)),
    ];
    rows.into_iter().filter(|(_, now, then)| now != then).collect()
}

/// Both side by side, as far as they differ.
pub(super) fn told(changes: &[(&'static str, String, String)], version: u32, from: &str) -> String {
    let mut text = format!("\nversion {version} of the terms is announced, good from {from} on");
    if changes.is_empty() {
        text.push_str("; nothing in it differs\n");
        return text;
    }
    text.push_str(":\n");
    let rows: Vec<Vec<String>> =
        changes.iter().map(|(name, now, then)| vec![(*name).to_owned(), now.clone(), then.clone()]).collect();
    text.push_str(&table(&["", "in force", "announced"], &rows));
    text.push_str(
        "accept it with `provery prover allocate --accept-versions`, or be passed over from that day on\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::aliases::U96;

    #[test]
    fn only_what_differs_is_told() {
        let now = Terms { exclusiveWindow: 60, price: U96::from(5), ..Terms::default() };
        let then = Terms { exclusiveWindow: 30, version: 2, ..now.clone() };
        let changes = changes(&now, &then, |address| address.to_string(), &Currency::default());
        assert_eq!(changes, [("exclusive", "60 s".to_owned(), "30 s".to_owned())]);
        let text = told(&changes, 2, "tomorrow");
        assert!(text.contains("version 2") && text.contains("tomorrow") && text.contains("30 s"), "{text}");
        assert!(!text.contains("price"), "{text}");
        assert!(told(&[], 2, "tomorrow").contains("nothing in it differs"));
    }
}
