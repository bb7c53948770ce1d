//! `provery circuit fetch`.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use clap::Args;
use eyre::Result;
use provery_descriptor::{FetchError, Fetcher, Reach, Role};
use provery_workloads::circom::circuit_name;
use serde_json::json;

use super::files::{Places, read};
use crate::{
    context::Context,
    error::{Code, fail},
    output::table,
};

#[derive(Debug, Args)]
pub(crate) struct FetchArgs {
    /// The descriptor
    #[arg(value_name = "DESCRIPTOR")]
    file: PathBuf,
    #[command(flatten)]
    places: Places,
    #[command(flatten)]
    servers: Servers,
    /// Only this artifact, such as provingKey; may be given more than once [default: every one]
    #[arg(long, value_name = "ROLE", value_parser = role)]
    only: Vec<Role>,
}

/// Which servers may be asked.
#[derive(Debug, Args)]
pub(super) struct Servers {
    /// Let URLs lead to this machine, too; other addresses that are not public are never asked
    #[arg(long)]
    allow_loopback: bool,
}

impl Servers {
    pub(super) fn fetcher(&self) -> Result<Fetcher> {
        let reach = if self.allow_loopback { Reach::Loopback } else { Reach::Public };
        Fetcher::new(reach)
            .map_err(|error| fail(Code::Internal, format!("no HTTP client can be made: {error}")))
    }
}

fn role(text: &str) -> Result<Role, String> {
    serde_json::from_value(json!(text))
        .map_err(|_| "an artifact is provingKey, verifyingKey, witnessWasm, witnessGraph, constraints, symbols or transcript".to_owned())
}

pub(super) async fn run(context: &Context, args: FetchArgs) -> Result<()> {
    let (descriptor, digest) = read(&args.file)?;
    if let Some(unknown) = args.only.iter().find(|role| !descriptor.artifacts.contains_key(role)) {
        return Err(fail(Code::Usage, format!("--only: the descriptor names no artifact {unknown}")));
    }
    let store = args.places.store();
    let fetcher = args.servers.fetcher()?;
    let wanted = |role: &Role| args.only.is_empty() || args.only.contains(role);
    let chosen: Vec<_> = descriptor.artifacts.iter().filter(|(role, _)| wanted(role)).collect();
    let mut steps = context.out.steps(chosen.len());
    let mut rows = Vec::new();
    for (role, artifact) in chosen {
        let step = steps.start(&format!("{role}, {} bytes", artifact.size));
        let told = AtomicU64::new(0);
        let tell = |bytes| {
            told.store(bytes, Ordering::Relaxed);
            step.say(&format!("{} of {} MiB", bytes >> 20, artifact.size.div_ceil(1 << 20)));
        };
        let got = match args.places.import(&descriptor, *role, &store) {
            Ok(Some(path)) => Ok(path),
            Ok(None) => {
                fetcher.artifact(*role, artifact, &store, &tell).await.map_err(|error| of_fetch(&error))
            }
            Err(error) => Err(error),
        };
        let path = match got {
            Ok(path) => path,
            Err(error) => {
                step.finish("failed");
                return Err(error);
            }
        };
        let fetched = told.load(Ordering::Relaxed);
        step.finish(if fetched > 0 { "fetched" } else { "at hand" });
        rows.push((*role, artifact.digest, path, fetched));
    }
    args.places.keep(&args.file, &digest)?;
    let json = json!({
        "name": descriptor.name,
        "circuit": circuit_name(&digest),
        "artifacts": rows
            .iter()
            .map(|(role, digest, path, fetched)| {
                json!({ "role": role, "digest": digest, "file": path, "fetched_bytes": fetched })
            })
            .collect::<Vec<_>>(),
    });
    context.out.result(&json, || {
        let row = |(role, digest, path, _): &(Role, provery_descriptor::Digest, PathBuf, u64)| {
            vec![role.to_string(), digest.to_string(), path.display().to_string()]
        };
        table(&["artifact", "digest", "file"], &rows.iter().map(row).collect::<Vec<_>>())
    });
    Ok(())
}

/// The kind of what went wrong, of the last server that was asked.
fn of_fetch(error: &FetchError) -> eyre::Report {
    let innermost = match error {
        FetchError::Everywhere { last, .. } => last,
        other => other,
    };
    let code = match innermost {
        FetchError::Digest { .. } | FetchError::Size { .. } => Code::CircuitMismatch,
        FetchError::Disk(_) => Code::Io,
        _ => Code::ArtifactUnavailable,
    };
    let next = match innermost {
        FetchError::Private { .. } => "; get the file yourself and name it with `--from`",
        _ => "",
    };
    fail(code, format!("{error}{next}"))
}
