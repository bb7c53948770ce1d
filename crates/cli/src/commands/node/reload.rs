//! Settings taken over while the node runs: on SIGHUP at once, and when the file has changed and then stayed the same for
//! one more look, so that a file half-way through being written is not taken for a short one.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::primitives::U256;
use eyre::Result;
use provery_node::Tunables;
use tokio::{sync::watch, time::MissedTickBehavior};
use tracing::{error, info, warn};

use crate::{
    amount::Currency,
    config::{
        self, File,
        node::{NodeValues, RELOADED},
    },
    logs,
};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What keeps the tunables up to date.
#[derive(Debug)]
pub(super) struct Reload {
    path: PathBuf,
    /// The file as it was taken over last.
    text: String,
    file: File,
    flags: NodeValues,
    /// What the settings' amounts count in.
    asset: Currency,
    /// The chain's id.
    chain: u64,
    /// Asset wei that a slot costs, as measured.
    cost: Option<U256>,
    out: watch::Sender<Tunables>,
}

impl Reload {
    /// Of a file that was read at the start; nothing if there is none to read again.
    pub(super) fn new(
        path: &Path,
        flags: NodeValues,
        asset: Currency,
        chain: u64,
        cost: Option<U256>,
        out: watch::Sender<Tunables>,
    ) -> Result<Self> {
        let text = fs::read_to_string(path)?;
        let file = config::parse(path, text.clone())?;
        Ok(Self { path: path.to_owned(), text, file, flags, asset, chain, cost, out })
    }

    /// Goes on until it is dropped.
    pub(super) async fn run(mut self, mut hangups: Hangups) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pending: Option<String> = None;
        let mut unreadable = false;
        loop {
            let asked = tokio::select! {
                () = hangups.next() => true,
                _ = look.tick() => false,
            };
            let text = match tokio::fs::read_to_string(&self.path).await {
                Ok(text) => text,
                Err(error) => {
                    if asked || !unreadable {
                        error!(code = "config", path = %self.path.display(), %error, "the configuration cannot be read; nothing changes");
                    }
                    unreadable = true;
                    continue;
                }
            };
            unreadable = false;
            if asked || (text != self.text && pending.as_ref() == Some(&text)) {
                pending = None;
                self.apply(text);
            } else {
                pending = (text != self.text).then_some(text);
            }
        }
    }

    /// Take over what can be.
    fn apply(&mut self, text: String) {
        self.text = text.clone();
        let checked = config::parse(&self.path, text).and_then(|file| {
            let values = self.flags.or(&file.node).checked()?;
            let rate = values.rate(self.chain, self.asset.symbol())?;
            Ok((values.tunables(&self.asset, self.cost, rate)?, file))
        });
        let (next, file) = match checked {
            Ok(checked) => checked,
            Err(report) => {
                error!(code = "config", error = %report, "the configuration is not valid; nothing changes");
                return;
            }
        };
        logs::hide(urls(&file));
        for key in self.fixed_changes(&file) {
            warn!(code = "config", key, "this setting is taken over at the next start only");
        }
        let before = self.out.borrow().clone();
        if next == before {
            info!("configuration read again: nothing to take over");
        } else {
            let changed = changed(&self.asset, &before, &next).join(", ");
            info!(changed, "configuration taken over");
            self.out.send_replace(next);
        }
        self.file = file;
    }

    /// Keys that changed in the file and that a running node does not take over.
    fn fixed_changes(&self, file: &File) -> Vec<&'static str> {
        let before = &self.file;
        let mut keys: Vec<&'static str> =
            file.node.differences(&before.node).into_iter().filter(|key| !RELOADED.contains(key)).collect();
        let global = [
            ("rpc_urls", file.rpc_urls != before.rpc_urls),
            ("deployment", file.deployment != before.deployment),
            ("keystore", file.keystore != before.keystore),
            ("password_file", file.password_file != before.password_file),
            ("remote_signer", file.remote_signer != before.remote_signer),
            ("sender", file.sender != before.sender),
            ("external_prover", file.external != before.external),
        ];
        keys.extend(global.iter().filter(|(_, changed)| *changed).map(|(key, _)| *key));
        keys
    }
}

/// URLs that a file names.
fn urls(file: &File) -> impl Iterator<Item = &str> {
    let external = file.external.iter().filter_map(|it| it.url.as_ref());
    let node = [&file.node.ws_url, &file.node.nats_url, &file.remote_signer];
    let node = node.into_iter().flatten().chain(external);
    file.rpc_urls.iter().flatten().chain(node).map(String::as_str)
}

/// What differs, as `key: before -> after`.
fn changed(asset: &Currency, before: &Tunables, after: &Tunables) -> Vec<String> {
    let shown = |tunables: &Tunables| {
        let optional = |amount: Option<String>| amount.unwrap_or_else(|| "never".to_owned());
        let bound = |bound: Option<String>| bound.unwrap_or_else(|| "none".to_owned());
        [
            ("taking", tunables.taking.to_string()),
            ("rescue", tunables.rescue.to_string()),
            ("min_reward", asset.show(U256::from(tunables.minimum_reward))),
            ("offer_transfers", optional(tunables.offer_transfers.map(|amount| asset.show_signed(amount)))),
            ("accept_transfers", tunables.accept_transfers.to_string()),
            ("withdraw_at", optional(tunables.withdraw_at.map(|amount| asset.show(amount)))),
            ("budget_bps", tunables.budget_bps.to_string()),
            ("gas_wei_per_asset", Currency::gas().show(tunables.gas_wei_per_asset)),
            ("accept_min_window", bound(tunables.accept.min_window.map(|it| it.to_string()))),
            ("accept_max_bond", bound(tunables.accept.max_bond.map(|it| asset.show(U256::from(it))))),
            ("accept_max_rescuer_bps", bound(tunables.accept.max_rescuer_bps.map(|it| it.to_string()))),
            ("accept_max_expiry", bound(tunables.accept.max_expiry.map(|it| it.to_string()))),
        ]
    };
    let pairs = shown(before).into_iter().zip(shown(after));
    let differing = pairs.filter(|((_, before), (_, after))| before != after);
    differing.map(|((key, before), (_, after))| format!("{key}: {before} -> {after}")).collect()
}

/// SIGHUP, which would otherwise end the process.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct Hangups(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Hangups {
    pub(super) fn new() -> Result<Self> {
        Ok(Self(tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?))
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }

    /// For a node without a file: say so, and go on.
    pub(super) async fn ignore(mut self) {
        loop {
            self.next().await;
            warn!(code = "config", "there is no configuration file to read again; nothing changes");
        }
    }
}

#[cfg(not(unix))]
#[derive(Debug)]
pub struct Hangups;

#[cfg(not(unix))]
impl Hangups {
    pub fn new() -> Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        std::future::pending::<()>().await;
    }

    pub async fn ignore(self) {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVELOPMENT: u64 = 31_337;
    const TEXT: &str = "[node]\nmin_reward = 5\nworkers = 2\n";

    fn reload(dir: &Path, flags: NodeValues) -> (Reload, watch::Receiver<Tunables>) {
        reload_on(dir, flags, DEVELOPMENT, TEXT)
    }

    fn reload_on(
        dir: &Path,
        flags: NodeValues,
        chain: u64,
        text: &str,
    ) -> (Reload, watch::Receiver<Tunables>) {
        let path = dir.join("provery.toml");
        fs::write(&path, text).expect("writes");
        let file = config::parse(&path, text.to_owned()).expect("parses");
        let (asset, values) = (asset(), flags.or(&file.node));
        let rate = values.rate(chain, asset.symbol()).expect("a rate");
        let (out, tunables) = watch::channel(values.tunables(&asset, None, rate).expect("amounts"));
        (Reload::new(&path, flags, asset, chain, None, out).expect("reads"), tunables)
    }

    fn asset() -> Currency {
        Currency::asset("USDC", 6).expect("a usual one")
    }

    #[test]
    fn what_is_valid_is_taken_over_and_nothing_else() {
        let dir = tempfile::tempdir().expect("makes a folder");
        let (mut reload, tunables) = reload(dir.path(), NodeValues::default());
        assert_eq!(tunables.borrow().minimum_reward, 5_000_000);
        reload.apply("[node]\nmin_reward = 6\nrescue = false\nworkers = 2\n".to_owned());
        let taken = tunables.borrow().clone();
        assert_eq!((taken.minimum_reward, taken.rescue), (6_000_000, false));
        for bad in [
            "[node]\nmin_reward = 'x'\n",
            "[node]\nmin_reward = '7ether'\n",
            "[node]\nmin_rewrd = 7\n",
            "[node]\nbudget_bps = 0",
            "=",
            "[node]\nstandby = true",
        ] {
            reload.apply(bad.to_owned());
            assert_eq!(*tunables.borrow(), taken, "{bad}");
        }
    }

    #[test]
    fn the_rate_of_the_asset_is_taken_over_and_never_made_up() {
        let dir = tempfile::tempdir().expect("makes a folder");
        let ether = |thousandths: u64| U256::from(thousandths) * U256::from(10).pow(U256::from(15));
        let text = "[node]\ngas_wei_per_asset = '0.003ether'\n";
        let (mut reload, tunables) = reload_on(dir.path(), NodeValues::default(), 10, text);
        let rate = || tunables.borrow().gas_wei_per_asset;
        assert_eq!(rate(), ether(3));
        let before = tunables.borrow().clone();
        reload.apply(text.replace("0.003", "0.004"));
        assert_eq!(rate(), ether(4));
        assert_eq!(
            changed(&asset(), &before, &tunables.borrow()),
            ["gas_wei_per_asset: 0.003 ETH -> 0.004 ETH"]
        );
        for bad in ["gas_wei_per_asset = '0ether'", "gas_wei_per_asset = '3usdc'", "rescue = false"] {
            reload.apply(format!("[node]\n{bad}\n"));
            assert_eq!((rate(), tunables.borrow().rescue), (ether(4), true), "{bad}");
        }
        // Where the rate is made up anyway, a line less is that one again.
        let (mut reload, tunables) = reload_on(dir.path(), NodeValues::default(), DEVELOPMENT, text);
        reload.apply("[node]\n".to_owned());
        assert_eq!(tunables.borrow().gas_wei_per_asset, ether(1_000));
    }

    #[test]
    fn a_flag_still_wins_and_the_rest_waits_for_a_restart() {
        let dir = tempfile::tempdir().expect("makes a folder");
        let flags = NodeValues { rescue: Some(true), ..NodeValues::default() };
        let (mut reload, tunables) = reload(dir.path(), flags);
        let text =
            "rpc_urls = ['http://a']\n[node]\nrescue = false\nworkers = 3\nbudget_bps = 9\n".to_owned();
        let file = config::parse(&reload.path, text.clone()).expect("parses");
        assert_eq!(reload.fixed_changes(&file), ["workers", "rpc_urls"]);
        reload.apply(text);
        let taken = tunables.borrow().clone();
        assert_eq!((taken.rescue, taken.budget_bps, taken.minimum_reward), (true, 9, 0));
        assert_eq!(changed(&asset(), &Tunables::default(), &taken), ["budget_bps: 5000 -> 9"]);
        let bounds = "[node]\naccept_min_window = 60\naccept_max_bond = 1000\naccept_max_rescuer_bps = 5000\n\
                      accept_max_expiry = 900\n";
        reload.apply(bounds.to_owned());
        let bounded = tunables.borrow().accept;
        assert_eq!((bounded.min_window, bounded.max_bond), (Some(60), Some(1_000_000_000)));
        assert_eq!((bounded.max_rescuer_bps, bounded.max_expiry), (Some(5_000), Some(900)));
        reload.apply(bounds.replace("accept_min_window = 60\n", ""));
        assert_eq!(tunables.borrow().accept, bounded, "a bound that is missing is no bound");
    }
}
