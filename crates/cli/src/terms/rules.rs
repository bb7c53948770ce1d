//! The rules that terms must keep, asked of the contracts that know them, and told by the flags that break them.

use alloy::{
    primitives::{Address, U256},
    providers::Provider,
    rpc::types::TransactionRequest,
    sol_types::{SolCall, SolValue},
    transports::RpcError,
};
use eyre::Result;
use provery_bindings::{DecodedError, TermsRules, decode_revert};
use provery_mechanisms::{Mechanism, refusal::rule};
use provery_rpc::Call;
use provery_types::{TERMS_RULES, Terms};

use super::{check_window, mechanism_at};
use crate::{
    error::{Code, fail},
    session::Session,
};

/// Refuse terms that a market of the deployment could not have, before anything is paid for. `registered` says whether their circuit
/// is: else it is left out of account, as what is about to be registered.
pub(crate) async fn check(session: &Session, terms: &Terms, registered: bool) -> Result<()> {
    let most = session.chain.registry_params().await?.max_window;
    check_window(terms.expiryWindow, most)?;
    let deployment = session.deployment();
    let arguments = (terms.clone(), deployment.circuits(), U256::from(most)).abi_encode_params();
    let data = [TermsRules::checkCall::SELECTOR.as_slice(), &arguments].concat();
    if let Some(error) = refused(session, deployment.address(TERMS_RULES), data).await? {
        let rule = field(&error);
        // The contract looks at the circuit last.
        let circuit = rule == "circuit" || error.name == "CircuitNotFound";
        if registered || !circuit {
            return Err(broken("market", &rule, advice(&rule), terms));
        }
    }
    let Call { to, data, .. } = session.calls().validate_terms(terms.mechanism, terms);
    match refused(session, to.unwrap_or(Address::ZERO), data.to_vec()).await? {
        Some(error) => {
            let (rule, known) = (field(&error), mechanism_at(deployment, terms.mechanism));
            Err(broken("mechanism", &rule, mechanism_advice(known, &rule), terms))
        }
        None => Ok(()),
    }
}

/// What a contract reverts with, if it does.
async fn refused(session: &Session, to: Address, data: Vec<u8>) -> Result<Option<DecodedError>> {
    let rpc = session.chain.rpc();
    let request = TransactionRequest::default().to(to).input(data.into());
    match rpc.provider().call(request).await {
        Ok(_) => Ok(None),
        Err(RpcError::ErrorResp(payload)) if payload.as_revert_data().is_some() => {
            let data = payload.as_revert_data().unwrap_or_default();
            let unnamed = || DecodedError { name: "Reverted".to_owned(), args: Vec::new() };
            Ok(Some(decode_revert(&data).unwrap_or_else(unnamed)))
        }
        Err(error) => Err(fail(
            Code::RpcRejected,
            format!("the RPC at {} did not check the terms ({error}); run this again", rpc.name()),
        )),
    }
}

/// The rule that an error names, or the error.
fn field(error: &DecodedError) -> String {
    error.args.first().map_or_else(|| error.name.clone(), |(_, value)| value.clone())
}

fn broken(whose: &str, rule: &str, advice: &str, terms: &Terms) -> eyre::Report {
    // A mechanism's own rule may be about another flag besides its choice.
    let window = || advice.contains("--exclusive").then(|| format!("--exclusive {}", terms.exclusiveWindow));
    let now = value(rule, terms).or_else(window).map(|value| format!(" ({value})")).unwrap_or_default();
    fail(
        Code::TermsRejected,
        format!("the terms break a rule of the {whose}{now}, so nothing was sent: {advice} [{rule}]"),
    )
}

/// The rule in the flags that people give, and in which way to change them.
pub(crate) fn advice(rule: &str) -> &'static str {
    match rule {
        "address" => "--requester, --mechanism and the circuit's verifier must be addresses other than zero",
        "price" => "--price must be above 0",
        "windows" => "--fast must not be above --exclusive, nor twice --exclusive above --expiry",
        "expiryWindow" => {
            "--expiry must be longer: long enough for whoever gets the slot and then a rescuer to have --exclusive each, \
             but within the deployment's --max-window"
        }
        "floor" => "--floor-bps must be 1 to 10000",
        "shares" => "--rescuer-bps and --requester-bps together must not be above 9500",
        "rescue" => {
            "a rescue must pay more than --price: raise --floor-bps, --rescuer-bps or --bond (or have no bond: --bond 0)"
        }
        "leastRescue" => "--least-rescue must be above 0 and not above --rescuer-bps of --bond",
        "forfeit" => "--forfeit-bps must be 100 to 10000",
        "outputs" => "--outputs must not be above 16",
        "callback" => "--callback-gas must not be above 1000000",
        "chain" => "--chain must name inputs and outputs that the statement has (see --outputs)",
        "origin" => "--origin is for slots that continue one another; leave it out, or say how with --chain",
        "circuit" | "CircuitNotFound" => {
            "--circuit must be registered, with the verifier that the terms name"
        }
        "circuitCode" => {
            "--circuit has a verifier whose code is not what it was registered with: take another circuit"
        }
        "revealDelay" => {
            "--reveal-delay is for circuits that do not bind the payee, and at least 2 blocks there (see `provery circuit show`)"
        }
        "royalty" => {
            "--circuit decides about the royalty: let the command read it, or give its author and bps in the terms"
        }
        "mechanismParams" => "the mechanism does not know all of these --mechanism-option settings",
        "bond" => "--bond must be above 0 under this mechanism",
        _ => "--mechanism must be a contract that takes these terms",
    }
}

/// The same for a rule of a mechanism, which says for itself what no other has.
pub(crate) fn mechanism_advice(mechanism: Option<&dyn Mechanism>, name: &str) -> &'static str {
    rule(mechanism, name).unwrap_or_else(|| advice(name))
}

/// What the terms say where the rule is about it.
fn value(rule: &str, terms: &Terms) -> Option<String> {
    Some(match rule {
        "windows" => format!(
            "--fast {}, --exclusive {}, --expiry {}",
            terms.fastWindow, terms.exclusiveWindow, terms.expiryWindow
        ),
        "expiryWindow" => format!("--expiry {}, --exclusive {}", terms.expiryWindow, terms.exclusiveWindow),
        "floor" => format!("--floor-bps {}", terms.floorBps),
        "shares" => format!("--rescuer-bps {}, --requester-bps {}", terms.rescuerBps, terms.requesterBps),
        "forfeit" => format!("--forfeit-bps {}", terms.forfeitBps),
        "outputs" => format!("--outputs {}", terms.outputs),
        "callback" => format!("--callback-gas {}", terms.callbackGas),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every rule in the contracts' sources is told by a flag.
    #[test]
    fn every_rule_names_a_flag() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/src");
        let mut rules = Vec::new();
        let mut folders = vec![std::path::PathBuf::from(root)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("lists").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).expect("reads");
                for part in text.split("TermsRejected(\"").skip(1) {
                    rules.extend(part.split('"').next().map(str::to_owned));
                }
                if path.ends_with("TermsRules.sol") {
                    // _require(condition, "rule");
                    let named = text.split("\");").filter_map(|part| part.rsplit_once('"'));
                    rules.extend(named.map(|(_, rule)| rule.to_owned()));
                }
            }
        }
        rules.sort();
        rules.dedup();
        assert!(rules.len() > 20, "{rules:?}");
        let unknown = advice("");
        for rule in rules {
            let told = mechanism_advice(None, &rule);
            assert!(told != unknown && told.contains("--"), "{rule}: {told}");
        }
    }
}
