//! `provery doctor`: whether a node with these settings would earn, and what to type if not. Each part asks, then judges what it
//! was told in a pure function.

use clap::Args;
use eyre::Result;
use provery_txmgr::Signer;
use provery_types::text::plain;
use serde::Serialize;
use serde_json::json;

use crate::{
    commands::node::RunArgs, config::keys_dir_or, context::Context, error::Told, error_report, files, logs,
    output::table, session::Session, signer,
};

mod endpoints;
mod machine;
mod served;
mod stake;

#[derive(Debug, Args)]
#[command(after_help = "Example: provery doctor --data-dir .provery/node --market 1 --keystore prover.json")]
pub(crate) struct DoctorArgs {
    /// What the node would be given.
    #[command(flatten)]
    node: RunArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Ok,
    /// It works, and could be better, or soon may not.
    Warn,
    /// Nothing is earned before it is mended.
    Fail,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub check: &'static str,
    pub level: Level,
    pub says: String,
    /// What to type next.
    pub next: Option<String>,
}

/// All that was found, in the order of the looks.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    pub(crate) fn ok(&mut self, check: &'static str, says: impl Into<String>) {
        self.add(check, Level::Ok, says.into(), None);
    }

    pub(crate) fn warn(&mut self, check: &'static str, says: impl Into<String>, next: impl Into<String>) {
        self.add(check, Level::Warn, says.into(), Some(next.into()));
    }

    pub(crate) fn fail(&mut self, check: &'static str, says: impl Into<String>, next: impl Into<String>) {
        self.add(check, Level::Fail, says.into(), Some(next.into()));
    }

    /// What is said may be a server's words: they may quote the URL that it was asked at, and move the cursor.
    fn add(&mut self, check: &'static str, level: Level, says: String, next: Option<String>) {
        let safe = |text: String| plain(&logs::cleaned(&text));
        self.0.push(Finding { check, level, says: safe(says), next: next.map(safe) });
    }

    /// A step's value; if it failed, that is found, with what to type.
    pub(crate) fn note<T>(&mut self, check: &'static str, result: Result<T>, next: &str) -> Option<T> {
        result.map_err(|report| self.fail(check, error_report::explain(&report).message, next)).ok()
    }

    fn count(&self, level: Level) -> usize {
        self.0.iter().filter(|finding| finding.level == level).count()
    }
}

pub(crate) async fn run(context: &Context, args: DoctorArgs) -> Result<()> {
    let mut found = Findings::default();
    look(context, &args, &mut found).await;
    let (oks, warnings, failures) =
        (found.count(Level::Ok), found.count(Level::Warn), found.count(Level::Fail));
    let json = json!({ "findings": found.0, "ok": oks, "warnings": warnings, "failures": failures });
    context.out.result(&json, || {
        let rows: Vec<Vec<String>> = found.0.iter().flat_map(lines).collect();
        format!(
            "{}\n{oks} ok, {warnings} to look at, {failures} in the way",
            table(&["", "", ""], &rows).trim()
        )
    });
    if failures > 0 { Err(Told.into()) } else { Ok(()) }
}

fn lines(finding: &Finding) -> Vec<Vec<String>> {
    let row =
        |level: &str, check: &str, says: &str| vec![level.to_owned(), check.to_owned(), says.to_owned()];
    let mut rows = vec![row(finding.level.word(), finding.check, &finding.says)];
    if let Some(next) = &finding.next {
        rows.push(row("", "", &format!("-> {next}")));
    }
    rows
}

async fn look(context: &Context, args: &DoctorArgs, found: &mut Findings) {
    let settings = &context.settings;
    let flags = args.node.flags();
    let values = flags.or(&settings.node);
    for problem in values.problems() {
        found.fail("settings", problem, "provery node config example");
    }
    let dir = keys_dir_or(flags.keys.clone(), settings.node.keys.clone());
    let running = machine::data_dir(&values, found);
    let key =
        found.note("key", signer::load_optional(settings), "provery keystore new prover.json").flatten();
    match &key {
        Some(key) => signs(key, found).await,
        None if settings.key == crate::config::Key::None => found.fail(
            "key",
            "no key is named, so nothing can be sent",
            "provery keystore new prover.json; export PROVERY_KEYSTORE=prover.json",
        ),
        None => {}
    }

    let Some(looked) = endpoints::look(&settings.rpc_urls, found).await else { return };
    let chain_id = looked.chain_id;
    let path = settings.deployment.clone().unwrap_or_else(|| files::default_deployment(chain_id));
    if !path.exists() {
        found.fail(
            "deployment",
            format!("there is no deployment file {}", path.display()),
            "provery deploy, or --deployment FILE",
        );
        return;
    }
    // Also if what follows finds fault with the deployment.
    if let Ok(deployment) = files::read_deployment(&path)
        && deployment.chain_id == chain_id
    {
        let has_read = values.data_dir.as_ref().is_some_and(|dir| dir.join("node.redb").exists());
        looked.probe(&deployment, has_read, found).await;
    }
    let session = Session::open(settings, false).await;
    let Some(session) = found.note("deployment", session, "provery status") else { return };
    found.ok("deployment", format!("{} is what is on chain {chain_id}", session.path().display()));
    endpoints::randomness(&session, found).await;
    let served = stake::served(&session, &values, found).await;
    let Some(mut served) = found.note("markets", served, "provery market list") else { return };
    machine::keys(&session, &mut served, &dir, values.mine == Some(true), found);
    let measured = machine::measured(&values, &dir, found);
    if let Some(key) = key {
        let me = key.address();
        let result = stake::look(&session, me, (&values, running), &served, measured.as_ref(), found).await;
        found.note("prover", result, "provery prover status");
    }
}

/// Whether what signs can be asked for signatures.
async fn signs(signer: &Signer, found: &mut Findings) {
    let account = signer.address();
    match (signer, signer.ready().await) {
        (Signer::Local(_), _) => found.ok("key", format!("{account} signs")),
        (Signer::Remote(remote), Ok(())) => {
            found.ok("key", format!("the remote signer at {} signs for {account}", remote.name()))
        }
        (Signer::Remote(_), Err(error)) => {
            found.fail("key", error.to_string(), "provery doctor --remote-signer URL --sender ADDRESS")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_neither_moves_the_cursor_nor_tells_the_url() {
        logs::hide(["https://host/v3/s3cret-of-the-doctor"]);
        let mut found = Findings::default();
        found.fail("endpoint", "no\u{1b}[2J: https://host/v3/s3cret-of-the-doctor\n", "curl");
        assert_eq!(found.0[0].says, "no\\u{1b}[2J: https://host(hidden)\\u{a}");
    }

    #[test]
    fn what_is_in_the_way_says_what_to_type() {
        let mut found = Findings::default();
        found.ok("chain", "is there");
        found.fail("stake", "there is none", "provery prover stake --amount 5");
        assert_eq!((found.count(Level::Ok), found.count(Level::Warn), found.count(Level::Fail)), (1, 0, 1));
        let rows: Vec<Vec<String>> = found.0.iter().flat_map(lines).collect();
        assert_eq!(rows[2], ["", "", "-> provery prover stake --amount 5"]);
        assert_eq!(serde_json::to_value(&found.0).expect("plain")[1]["level"], "fail");
    }
}
