//! The `[external_prover]` table: whose programs or services make proofs.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use eyre::Result;
use provery_types::text::plain;
use provery_worker::external::{ExternalError, Program, Prover, Service, ServiceConfig};
use serde_json::{Value, json};

use super::{
    document::Reader,
    node::{Origin, Row},
    urls::{self, Kind},
};
use crate::error::{Code, fail};

/// Seconds for one proof, if nothing is said.
const TIMEOUT: u64 = 3_600;
/// A longer file is no token, bytes.
const MOST_TOKEN: usize = 8 << 10;

/// The table as it is written.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct ExternalValues {
    /// Circuits that it proves; every one if there are none.
    pub circuits: Option<Vec<String>>,
    pub command: Option<Vec<String>>,
    pub url: Option<String>,
    pub token_file: Option<PathBuf>,
    pub timeout_seconds: Option<u64>,
}

impl std::fmt::Debug for ExternalValues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A command may carry secrets, and so may a URL.
        f.debug_struct("ExternalValues").field("circuits", &self.circuits).finish_non_exhaustive()
    }
}

impl ExternalValues {
    /// Read the table, whose paths are relative to `folder`.
    pub(super) fn read(reader: &mut Reader<'_>, folder: &Path) -> Self {
        let token_file: Option<PathBuf> = reader.take("token_file");
        Self {
            circuits: reader.take("circuits"),
            command: reader.take("command"),
            url: reader.take("url"),
            token_file: token_file.map(|path| folder.join(path)),
            timeout_seconds: reader.take("timeout_seconds"),
        }
    }

    /// What is wrong with these: one sentence each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut problem = |what: &str| problems.push(format!("external_prover: {what}"));
        match (&self.command, &self.url) {
            (Some(_), Some(_)) => problem("command and url are both set; keep one"),
            (None, None) => problem("neither command nor url is set; set one, or leave the table out"),
            (Some(command), None) => {
                if let Err(error) = Program::new(command.clone()) {
                    problem(&error.to_string());
                }
            }
            (None, Some(url)) => {
                if let Some(wrong) = urls::problem(url, Kind::Http) {
                    problem(&format!("url {wrong}"));
                }
            }
        }
        if self.token_file.is_some() && self.url.is_none() {
            problem("token_file is for a service; set url, or leave it out");
        }
        if self.circuits.as_ref().is_some_and(Vec::is_empty) {
            problem("circuits is an empty list; leave it out to have every circuit proven by it");
        }
        if self.timeout_seconds.is_some_and(|seconds| !(1..=86_400).contains(&seconds)) {
            problem("timeout_seconds must be from 1 to 86400");
        }
        problems
    }

    /// Whether it proves a circuit.
    pub(crate) fn proves(&self, circuit: &str) -> bool {
        self.circuits.as_ref().is_none_or(|circuits| circuits.iter().any(|it| it == circuit))
    }

    /// Refuses names of circuits that are not among these, the served markets': they would be proven by this program in silence.
    pub(crate) fn names_known<'a>(&self, served: impl Iterator<Item = &'a str>) -> Result<()> {
        let served: BTreeSet<&str> = served.collect();
        let unknown = self.circuits.iter().flatten().find(|name| !served.contains(name.as_str()));
        unknown.map_or(Ok(()), |name| {
            let known = served.into_iter().collect::<Vec<_>>().join(", ");
            Err(fail(
                Code::Config,
                format!(
                    "external_prover names circuit {}, and no market that is served is proven with it: name one of {known}, or leave \
                     circuits out to have every circuit proven by it",
                    plain(name)
                ),
            ))
        })
    }

    /// For one proof.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds.unwrap_or(TIMEOUT))
    }

    /// Whether the program is there, if it is one.
    pub(crate) fn find(&self) -> Result<()> {
        let Some(command) = &self.command else { return Ok(()) };
        let found = Program::new(command.clone()).and_then(|program| program.find());
        found.map_err(|error| fail(Code::Config, error.to_string()))
    }

    /// The program or service.
    pub(crate) fn prover(&self) -> Result<Arc<Prover>> {
        let wrong = |error: ExternalError| fail(Code::Config, error.to_string());
        let prover = match (&self.command, &self.url) {
            (Some(command), None) => Prover::Program(Program::new(command.clone()).map_err(wrong)?),
            (None, Some(url)) => {
                let token = self.token_file.as_deref().map(token).transpose()?;
                let config = ServiceConfig { token, ..ServiceConfig::new(url) };
                Prover::Service(Service::new(config).map_err(wrong)?)
            }
            _ => return Err(fail(Code::Config, self.problems().join("; "))),
        };
        Ok(Arc::new(prover))
    }

    /// How `config check` shows it.
    pub(super) fn row(this: Option<&Self>) -> Row {
        let value = this.map_or(Value::Null, |values| {
            let what = match (&values.command, &values.url) {
                // Arguments may be secret.
                (Some(command), _) => command.first().cloned().unwrap_or_default(),
                (None, Some(url)) => provery_node::config::shown_url(url),
                (None, None) => String::new(),
            };
            json!(what)
        });
        Row {
            key: "external_prover",
            value,
            from: if this.is_some() { Origin::File } else { Origin::Default },
        }
    }
}

/// The first line of a token's file.
fn token(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).map_err(|error| {
        fail(Code::Config, format!("the token_file {} cannot be read: {error}; check it", path.display()))
    })?;
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() || line.len() > MOST_TOKEN {
        return Err(fail(
            Code::Config,
            format!("the first line of {} is no token; put the service's there", path.display()),
        ));
    }
    Ok(line.to_owned())
}
