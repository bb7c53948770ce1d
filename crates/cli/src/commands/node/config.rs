//! `provery node config check`: what can be said about the settings without the chain.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    time::Duration,
};

use eyre::Result;
use provery_node::store::snapshot;
use provery_types::{Deployment, is_development_chain};
use serde_json::{Value, json};

use crate::{
    commands::calibrate::{self, Calibration},
    config::{
        ENV_KEYS_DIR, Key, Password, keys_dir_or,
        node::{DEVELOPMENT_RATE, NodeValues, Row},
    },
    context::Context,
    error::{Code, fail},
    error_report, files,
    output::table,
    signer,
};

/// What gas may cost follows from it, and nobody but the operator knows it.
const RATE: &str = "gas_wei_per_asset";

/// What is found; the first spoils the check.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub problems: Vec<String>,
    pub warnings: Vec<String>,
}

impl Findings {
    fn problem(&mut self, what: impl Into<String>) {
        self.problems.push(what.into());
    }

    fn warn(&mut self, what: impl Into<String>) {
        self.warnings.push(what.into());
    }

    /// A step's value; its failure is a problem.
    fn note<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|report| self.problem(error_report::explain(&report).message)).ok()
    }
}

pub(crate) fn check(context: &Context) -> Result<()> {
    let settings = &context.settings;
    let values = &settings.node;
    let mut found = Findings::default();
    values.problems().into_iter().for_each(|problem| found.problem(problem));
    key(context, &mut found);
    let deployment = settings.deployment.as_deref().and_then(|path| found.note(files::read_deployment(path)));
    markets(values, deployment.as_ref(), &mut found);
    let development = deployment.as_ref().map(|known| is_development_chain(known.chain_id));
    if let Some(known) = deployment.as_ref() {
        found.note(values.rate(known.chain_id, "unit of the asset"));
    }
    let keys = keys_dir_or(None, values.keys.clone());
    if !keys.is_dir() {
        let keys = keys.display();
        found.problem(format!("there are no proving keys in {keys}; make or fetch them, see `provery keys`"));
    }
    let measured = keys.join(calibrate::FILE);
    if let Some(file) = values.cost_from.clone().or_else(|| measured.exists().then_some(measured)) {
        found.note(Calibration::load(&file));
    }
    if let Some(external) = &settings.external {
        found.note(external.prover());
        if values.nats_url.is_some() {
            found.problem(
                "external_prover and nats_url are both set, and only one of them can make the proofs",
            );
        }
    }
    let running = match &values.data_dir {
        Some(dir) => data_dir(dir, &mut found),
        None => {
            found.problem("data_dir is not set, and the node needs a directory of its own");
            false
        }
    };
    if let Some(address) = values.http_address() {
        page(address, running, &mut found);
    }
    if settings.file.is_none() {
        found.warn("there is no configuration file: these are the environment's settings and the defaults");
    }

    let env: Vec<_> = std::env::var_os(ENV_KEYS_DIR).iter().map(|_| ("keys", ENV_KEYS_DIR)).collect();
    let mut rows = settings.rows.clone();
    rows.extend(NodeValues::rows(&NodeValues::default(), &env, values));
    if let Some(row) = rows.iter_mut().find(|row| row.key == "keys") {
        row.value = json!(keys.display().to_string());
    }
    if let Some(row) = rows.iter_mut().find(|row| row.key == RATE && row.value.is_null())
        && development == Some(true)
    {
        row.value = json!(DEVELOPMENT_RATE.to_string());
    }
    found.warnings.iter().for_each(|warning| context.out.warn(warning));
    if !found.problems.is_empty() {
        if !context.out.json {
            context.out.say(settings_table(&rows, development).trim_end());
        }
        let count = found.problems.len();
        let problems = if count == 1 { "1 problem".to_owned() } else { format!("{count} problems") };
        return Err(fail(Code::Config, format!("{problems}: {}", found.problems.join("; "))));
    }
    let settings: Vec<Value> = rows
        .iter()
        .map(|row| json!({ "key": row.key, "value": row.value, "from": row.from.to_string() }))
        .collect();
    let json = json!({
        "valid": true,
        "file": context.settings.file,
        "settings": settings,
        "warnings": found.warnings,
        "running": running,
    });
    context.out.result(&json, || format!("{}\nthe settings are right\n", settings_table(&rows, development)));
    Ok(())
}

/// `development`: whether the chain is one, if that is known without asking it.
fn settings_table(rows: &[Row], development: Option<bool>) -> String {
    let cells = rows.iter().map(|row| {
        let value = match &row.value {
            Value::Null if row.key == RATE && development.is_none() => {
                "not set: required, but on development chains".to_owned()
            }
            Value::Null if row.key == RATE => "not set: required".to_owned(),
            Value::Null => "-".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        vec![row.key.to_owned(), value, row.from.to_string()]
    });
    table(&["setting", "value", "from"], &cells.collect::<Vec<_>>())
}

/// The key can be had; with the password at hand, it is decrypted.
fn key(context: &Context, found: &mut Findings) {
    let settings = &context.settings;
    if let Key::Keystore { path, password } = &settings.key {
        private(path, "keystore", found);
        if let Password::File(file) = password {
            private(file, "password file", found);
        }
        if *password == Password::Prompt {
            found.warn(
                "the keystore's password is not set anywhere: the node asks for it, which needs a terminal",
            );
            // Whether it is a keystore at all can be said without the password.
            let text = fs::read_to_string(path).map_err(|error| {
                fail(Code::BadKey, format!("the keystore {} cannot be read: {error}", path.display()))
            });
            let Some(text) = found.note(text) else { return };
            let known = serde_json::from_str::<Value>(&text).is_ok_and(|json| json["crypto"].is_object());
            if !known {
                found.problem(format!(
                    "{} is not a keystore; make one with `provery keystore new`",
                    path.display()
                ));
            }
            return;
        }
    }
    found.note(signer::load(settings));
}

#[cfg(unix)]
fn private(path: &Path, what: &str, found: &mut Findings) {
    use std::os::unix::fs::PermissionsExt;
    if fs::metadata(path).is_ok_and(|it| it.permissions().mode() & 0o077 != 0) {
        let path = path.display();
        found.warn(format!("others can read the {what} {path}; run `chmod 600 {path}`"));
    }
}

#[cfg(not(unix))]
fn private(_path: &Path, _what: &str, _found: &mut Findings) {}

fn markets(values: &NodeValues, deployment: Option<&Deployment>, found: &mut Findings) {
    let Some(deployment) = deployment else { return };
    if deployment.rollups.is_empty() {
        found.problem(
            "the deployment has no rollup or market, so there is nothing to prove; see `provery rollup create` and `provery market create --name`",
        );
    }
    for market in values.market.iter().flatten() {
        let known = market.id(deployment).is_ok_and(|id| deployment.rollup_of_market(id).is_some());
        if !known {
            found.problem(format!("the deployment has no record of market {market}; choose another market"));
        }
    }
}

/// Whether a node runs there. A directory that is missing can be made by the node if what is above it can be written.
pub(crate) fn data_dir(dir: &Path, found: &mut Findings) -> bool {
    match snapshot::holder(dir) {
        Ok(Some(_)) => return true,
        Ok(None) => {}
        Err(error) => found.problem(error.to_string()),
    }
    let full = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let there: Option<PathBuf> = full.ancestors().find(|path| path.exists()).map(Path::to_owned);
    match there {
        Some(path) if !path.is_dir() => {
            found.problem(format!("data_dir {} cannot be made: {} is a file", dir.display(), path.display()));
        }
        Some(path) if !writable(&path) => {
            found.problem(format!(
                "data_dir {} cannot be used: this user may not write to {}",
                dir.display(),
                path.display()
            ));
        }
        _ => {}
    }
    false
}

#[cfg(unix)]
fn writable(path: &Path) -> bool {
    use rustix::fs::{Access, access};
    access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(not(unix))]
fn writable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|it| !it.permissions().readonly())
}

/// The status page's address, looked at without taking it from a node that starts.
pub(crate) fn page(address: SocketAddr, running: bool, found: &mut Findings) {
    if !address.ip().is_loopback() {
        found.warn(format!("whoever reaches {address} can read what the node does: http has no password"));
    }
    let taken =
        address.port() != 0 && TcpStream::connect_timeout(&address, Duration::from_millis(300)).is_ok();
    if taken && !running {
        found.problem(format!("something else listens on {address}; choose another address for http"));
    }
}
