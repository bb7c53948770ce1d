//! For which reasons nothing will be earned: facts in, sentences out.
//!
//! The node says them when it starts, when they change, and in its status; `provery doctor` asks the same function, so that
//! both say the same. Amounts are shown by the caller, who knows the asset.

use alloy::primitives::{Address, U256};
use provery_mechanisms::{Mechanism, registry};
use provery_types::{Deployment, RollupRecord, Terms, text::plain};
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// A prover and the markets that it serves.
#[derive(Clone, Debug)]
pub struct Situation {
    /// Whom the proofs pay, and whose stake it is.
    pub prover: Address,
    /// Whether it is a delegation pool, whose operator has commands of its own.
    pub pool: bool,
    /// Whether the registry has it.
    pub registered: bool,
    /// Nothing if it is not paused.
    pub pause: Option<Pause>,
    /// Whether its operator lets it take slots on.
    pub taking: bool,
    /// Whether it proves slots that are open to all.
    pub rescue: bool,
    /// Whether it works on mining tickets.
    pub mine: bool,
    /// Asset wei that a slot costs here, and what is wanted on top.
    pub cost: u128,
    /// Asset wei.
    pub stake_unit: U256,
    /// Proofs that the key's funds pay the gas of; nothing if that is not known.
    pub proofs_left: Option<u64>,
    /// In the order of the deployment file.
    pub markets: Vec<Served>,
}

/// Who took the prover out of every draw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pause {
    /// By its operator.
    Operator,
    /// By its operator, or by a node that stopped.
    Unknown,
    /// By itself, and why, if it still knows.
    Node(Option<&'static str>),
}

/// A market that is served.
#[derive(Clone, Debug)]
pub struct Served {
    /// The market's id.
    pub market: U256,
    /// Of its rollup.
    pub name: String,
    /// Nothing if this client does not know it.
    pub mechanism: Option<&'static dyn Mechanism>,
    /// Asset wei that a slot pays at most.
    pub price: u128,
    /// Asset wei.
    pub bond: U256,
    /// Of the terms in force.
    pub version: u32,
    /// What the prover puts behind it.
    pub units: u64,
    /// What of that may be bonded at once, in units.
    pub exposure: u64,
    /// Versions of the terms that it accepted, from and to.
    pub accepted: (u32, u32),
    /// Whether no slot is given to the prover there until it is reinstated.
    pub suspended: bool,
    /// Asset wei that a bid or a ticket locks of the key's deposit, where there is such a thing.
    pub deposit_needed: U256,
    /// Asset wei that the key deposited; nothing if that is not known.
    pub deposit: Option<U256>,
    /// What is not at hand and proves its slots.
    pub lack: Option<Lack>,
}

/// What is missing of what proves a market's slots, as far as that is the same for all of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Lack {
    /// No rollup posts blocks there, as far as the deployment file knows.
    #[error("no rollup of the deployment file posts its blocks")]
    Rollup,
    /// Its terms or its beginning were not read.
    #[error("its history was not read from the beginning")]
    History,
    /// Its history is being read.
    #[error("its history is still being read")]
    Reading,
    /// The keys of its circuit are not on this machine.
    #[error("the keys of circuit {circuit} are not here")]
    Keys {
        /// The circuit's name.
        circuit: String,
    },
    /// Terms of its that are in force, or coming and accepted, are about another circuit.
    #[error("version {version} of its terms names another circuit than the deployment file")]
    OtherCircuit {
        /// Of the terms.
        version: u32,
    },
    /// Under such terms no proof of this circuit's comes in time.
    #[error(
        "version {version} of its terms asks for a reveal delay that leaves nothing of the exclusive window: a proof that does not \
         bind its payee could not be shown in time"
    )]
    Delay {
        /// Of the terms.
        version: u32,
    },
    /// Its proofs do not bind their payee, and are taken from the payee's own keys alone.
    #[error("the key that sends is no submitter of the prover, and no other may deliver its proofs there")]
    NoSubmitter,
    /// What the chain says about it makes no sense, so that nothing more of it is believed.
    #[error("what the chain says about it makes no sense ({0})")]
    Quarantined(String),
    /// No workload of this program proves it.
    #[error("{0}")]
    Refused(String),
}

impl Lack {
    /// A stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Rollup => "no_rollup",
            Self::History => "no_state",
            Self::Reading => "reading_history",
            Self::Keys { .. } => "no_keys",
            Self::OtherCircuit { .. } => "other_circuit",
            Self::Delay { .. } => "reveal_delay",
            Self::NoSubmitter => "no_submitter",
            Self::Quarantined(_) => "quarantined",
            Self::Refused(_) => "refused",
        }
    }

    /// What to do about it.
    pub fn next(&self) -> &'static str {
        match self {
            Self::Rollup | Self::Refused(_) => "provery status",
            Self::History | Self::Reading => "provery node status",
            Self::Keys { .. } => "provery keys show",
            Self::OtherCircuit { .. } | Self::Delay { .. } | Self::Quarantined(_) => "provery market list",
            Self::NoSubmitter => "provery prover submitter add --help",
        }
    }
}

/// One reason for which nothing is earned, everywhere or in one market.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shortfall {
    /// A stable word.
    pub code: String,
    /// Decimal; nothing if it is so everywhere.
    pub market: Option<String>,
    /// One sentence.
    pub message: String,
    /// The command to run next.
    pub next: String,
}

impl Situation {
    fn allocate(&self, market: U256, units: U256, more: &str) -> String {
        if self.pool {
            format!("provery pool allocate --pool {} --market {market} --units {units}{more}", self.prover)
        } else {
            format!("provery prover allocate --market {market} --units {units}{more}")
        }
    }

    /// What a pool does in a market goes by what it announced.
    fn announce(&self, market: U256, exposure: U256, more: &str) -> String {
        format!("provery pool announce --pool {} --market {market} --exposure {exposure}{more}", self.prover)
    }

    /// What accepts versions of a market's terms, with what is behind it already.
    pub fn accept(&self, market: U256, units: u64, exposure: u64, (first, last): (u32, u32)) -> String {
        let stake = U256::from(units);
        if self.pool {
            let announce =
                self.announce(market, U256::from(exposure), &format!(" --versions {first}..{last}"));
            format!("{announce}; and once that counts, {}", self.allocate(market, stake, ""))
        } else {
            self.allocate(market, stake, &format!(" --accept-versions {first}..{last}"))
        }
    }
}

impl Served {
    /// A rollup's market under its terms in force, with nothing behind it yet.
    pub fn new(deployment: &Deployment, rollup: &RollupRecord, terms: &Terms) -> Self {
        let deployed = |known: &&dyn Mechanism| deployment.address(known.name()) == terms.mechanism;
        let mechanism = registry().iter().copied().find(deployed);
        Self {
            market: rollup.market,
            name: rollup.name.clone(),
            mechanism,
            price: terms.price.to::<u128>(),
            bond: terms.bond.to::<U256>(),
            version: terms.version,
            units: 0,
            exposure: 0,
            accepted: (0, 0),
            suspended: false,
            deposit_needed: mechanism.and_then(|it| it.deposit(terms)).map(U256::from).unwrap_or_default(),
            deposit: None,
            lack: None,
        }
    }

    /// Whether whoever is given a slot here loses its bond without a proof.
    pub fn at_stake(&self) -> bool {
        self.mechanism.is_some_and(|mechanism| mechanism.assigns())
    }

    /// For people.
    fn called(&self) -> String {
        match plain(&self.name) {
            name if name.is_empty() => format!("market {}", self.market),
            name => format!("market {} ({name})", self.market),
        }
    }
}

/// Every reason there is, those that hold everywhere first. `show` writes asset wei for people.
pub fn shortfalls(situation: &Situation, show: impl Fn(U256) -> String) -> Vec<Shortfall> {
    let mut found = everywhere(situation);
    for served in &situation.markets {
        found.extend(in_market(situation, served, &show));
    }
    found
}

/// Whether nothing at all will be earned, as things are.
pub fn earns_nothing(it: &Situation) -> bool {
    let everywhere = it.pause.is_some() || !it.taking || it.proofs_left == Some(0);
    everywhere || it.markets.iter().all(|served| earns_nothing_in(it, served))
}

fn earns_nothing_in(it: &Situation, served: &Served) -> bool {
    let Some(mechanism) = served.mechanism.filter(|_| served.lack.is_none()) else { return true };
    // What anybody may prove.
    let open = it.rescue && served.price >= it.cost;
    let ticket = !mechanism.wants_puzzle() || it.mine;
    let deposit = served.deposit.is_none_or(|deposit| deposit >= served.deposit_needed);
    let staked = it.registered && stake(it, served, "", &|_| String::new()).is_none();
    let given = mechanism.assigns() && staked && ticket && deposit;
    !(open || given)
}

fn everywhere(it: &Situation) -> Vec<Shortfall> {
    let prover = it.prover;
    let say = |code: &str, message: String, next: String| Shortfall {
        code: code.to_owned(),
        market: None,
        message,
        next,
    };
    let mut found = Vec::new();
    if it.markets.is_empty() {
        let message = "no market is served, so there is nothing to prove".to_owned();
        found.push(say("no_market", message, "provery rollup create --help".to_owned()));
    }
    let staking = |served: &Served| served.mechanism.is_none_or(|mechanism| mechanism.assigns());
    if !it.registered && it.markets.iter().any(staking) {
        let message = format!("{prover} is no registered prover, so no slot is ever given to it");
        found.push(say("not_registered", message, "provery prover register".to_owned()));
    }
    match &it.pause {
        Some(Pause::Operator) => {
            let message = format!("{prover} is paused on-chain by its operator, so no slot is given to it");
            found.push(say("paused", message, "provery prover resume".to_owned()));
        }
        Some(Pause::Unknown) => {
            let message = format!(
                "{prover} is paused on-chain, so no slot is given to it: by a node that stopped, which takes that back when it \
                 starts, or by its operator"
            );
            let next = "provery node; and once it runs, if it stays paused, provery prover resume";
            found.push(say("paused", message, next.to_owned()));
        }
        Some(Pause::Node(why)) => {
            let why = why.map_or_else(String::new, |why| format!(" ({why})"));
            let message = format!(
                "the node paused {prover} on-chain{why}, so no slot is given to it until the node takes that back"
            );
            found.push(say("paused", message, "provery node status".to_owned()));
        }
        None => {}
    }
    if !it.taking {
        let message = "the configuration says `taking = false`, so nothing new is taken on".to_owned();
        found.push(say("not_taking", message, "provery node config check".to_owned()));
    }
    if it.proofs_left == Some(0) {
        let message = "the key's funds do not pay the gas of one proof".to_owned();
        found.push(say("no_gas", message, "provery prover status".to_owned()));
    }
    found
}

fn in_market(it: &Situation, served: &Served, show: &impl Fn(U256) -> String) -> Vec<Shortfall> {
    let (market, called) = (served.market, served.called());
    let say = |code: &str, message: String, next: String| Shortfall {
        code: code.to_owned(),
        market: Some(market.to_string()),
        message,
        next,
    };
    let mut found = Vec::new();
    if let Some(lack) = &served.lack {
        let message = format!("nothing of {called} is taken on, because {lack}");
        found.push(say(lack.code(), message, lack.next().to_owned()));
        // Nothing is read of it, so there is nothing else to say.
        if matches!(lack, Lack::Refused(_)) {
            return found;
        }
    }
    if served.price < it.cost {
        let message = format!(
            "a proof costs {} here and {called} pays {} at most, so its open slots are left alone: correct the prices given to \
             `provery calibrate`, or set min_reward",
            show(U256::from(it.cost)),
            show(U256::from(served.price)),
        );
        found.push(say("too_dear", message, "provery calibrate --help".to_owned()));
    }
    let Some(mechanism) = served.mechanism else {
        let message = format!("{called} has a mechanism that this client does not know");
        found.push(say("mechanism_unknown", message, format!("provery market show --market {market}")));
        return found;
    };
    if mechanism.assigns() {
        found.extend(stake(it, served, &called, show).map(|(code, message, next)| say(code, message, next)));
    } else if !it.rescue {
        let message = format!("slots of {called} are open to all, and `rescue = false` leaves those alone");
        found.push(say("no_rescue", message, "provery node config check".to_owned()));
    }
    if mechanism.wants_puzzle() && !it.mine {
        let message = format!("the right to slots of {called} is mined, and this node does not mine");
        found.push(say("not_mining", message, "provery node --mine".to_owned()));
    }
    if let Some(deposit) = served.deposit.filter(|deposit| *deposit < served.deposit_needed) {
        let message = format!(
            "a bid or ticket in {called} locks {} and the key has {} deposited with {}, so none can be sent",
            show(served.deposit_needed),
            show(deposit),
            mechanism.name(),
        );
        let next = format!("provery prover deposit --mechanism {}", mechanism.word());
        found.push(say("no_deposit", message, next));
    }
    found
}

/// Why no slot of a market is given to this prover, if none is.
fn stake(
    it: &Situation,
    served: &Served,
    called: &str,
    show: &impl Fn(U256) -> String,
) -> Option<(&'static str, String, String)> {
    let (market, bond) = (served.market, show(served.bond));
    let worth = |units: u64| it.stake_unit.saturating_mul(U256::from(units));
    let staked = worth(served.units);
    let exposed = worth(served.units.min(served.exposure));
    let (first, last) = served.accepted;
    let open = if it.rescue { "; it can only rescue" } else { "" };
    let needed = if it.stake_unit.is_zero() { U256::ZERO } else { served.bond.div_ceil(it.stake_unit) };
    Some(if served.units == 0 || staked < served.bond {
        let message = format!(
            "{} has {} allocated to {called}, below its bond of {bond}, so no slot there is given to it{open}",
            it.prover,
            show(staked),
        );
        ("no_stake", message, it.allocate(market, needed.max(U256::ONE), ""))
    } else if exposed < served.bond {
        let message = format!(
            "{} exposes {} to {called}, below its bond of {bond}, so no slot there is given to it{open}",
            it.prover,
            show(exposed),
        );
        let units = U256::from(served.units);
        let next = if it.pool {
            format!(
                "{}; and once that counts, {}",
                it.announce(market, needed, ""),
                it.allocate(market, units, "")
            )
        } else {
            it.allocate(market, units, &format!(" --exposure {needed}"))
        };
        ("no_exposure", message, next)
    } else if !(first..=last).contains(&served.version) {
        let message = format!(
            "terms version {} of {called} is not accepted, so no slot there is given to this prover{open}: read it with \
             `provery market show --market {market}`",
            served.version,
        );
        let next = it.accept(
            market,
            served.units,
            served.exposure,
            (first.clamp(1, served.version), served.version),
        );
        ("terms_not_accepted", message, next)
    } else if served.suspended {
        let message = format!(
            "suspended in {called} after misses there, so no slot of it is given to this prover{open}"
        );
        ("suspended", message, format!("provery prover reinstate --market {market}"))
    } else {
        return None;
    })
}
