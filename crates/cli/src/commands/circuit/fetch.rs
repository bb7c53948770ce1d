//! `provery circuit fetch`.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use clap::Args;
use eyre::Result;
use provery_descriptor::{Descriptor, Digest, FetchError, Fetcher, Reach, Role, document::MAX_BYTES};
use provery_types::text::plain;
use provery_workloads::circom::circuit_name;
use serde_json::json;

use super::files::{Places, descriptor_bytes};
use crate::{
    address,
    context::Context,
    error::{Code, fail},
    output::table,
    session::patiently,
};

/// What descriptors may make a machine fetch, unless it is said.
const MOST_BYTES: u64 = 16 << 30;

#[derive(Debug, Args)]
pub(crate) struct FetchArgs {
    /// The descriptor's file; or a registered circuit's id, whose descriptor is looked for in --from and where it was registered to be
    #[arg(value_name = "DESCRIPTOR|ID")]
    what: String,
    #[command(flatten)]
    places: Places,
    #[command(flatten)]
    servers: Servers,
    /// Only this artifact, such as provingKey; may be given more than once [default: every one]
    #[arg(long, value_name = "ROLE", value_parser = role)]
    only: Vec<Role>,
    /// Bytes of files that are fetched at most, together [default: 16 GiB]
    #[arg(long, value_name = "BYTES", default_value_t = MOST_BYTES, hide_default_value = true)]
    max_bytes: u64,
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
    let (bytes, digest) = document(context, &args).await?;
    let descriptor = Descriptor::registered(&bytes, digest)
        .map_err(|error| fail(Code::DescriptorInvalid, format!("{}: {error}", plain(&args.what))))?;
    if let Some(unknown) = args.only.iter().find(|role| !descriptor.artifacts.contains_key(role)) {
        return Err(fail(Code::Usage, format!("--only: the descriptor names no artifact {unknown}")));
    }
    let store = args.places.store();
    let fetcher = args.servers.fetcher()?;
    let wanted = |role: &Role| args.only.is_empty() || args.only.contains(role);
    let chosen: Vec<_> = descriptor.artifacts.iter().filter(|(role, _)| wanted(role)).collect();
    let missing = chosen.iter().filter(|(_, artifact)| store.get(artifact).is_none());
    let missing: u64 = missing.fold(0, |sum: u64, (_, artifact)| sum.saturating_add(artifact.size));
    if missing > args.max_bytes {
        return Err(fail(
            Code::Usage,
            format!(
                "the files have {missing} bytes, more than the {} that are fetched at most, and none was; give a larger --max-bytes, or \
                 --only what is needed",
                args.max_bytes
            ),
        ));
    }
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
    args.places.keep(&bytes, &digest)?;
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

/// The descriptor's bytes, and the digest that they were registered with, or have.
async fn document(context: &Context, args: &FetchArgs) -> Result<(Vec<u8>, Digest)> {
    let path = Path::new(&args.what);
    if path.exists() || !args.what.starts_with("0x") {
        let bytes = descriptor_bytes(path)?;
        let digest = Digest::of(&bytes);
        return Ok((bytes, digest));
    }
    let id = address::circuit_id(&args.what).map_err(|error| fail(Code::Usage, error))?;
    let session = context.reader().await?;
    let digest = Digest(patiently(|| session.chain.circuit(id)).await?.descriptorHash.0);
    if let Some(bytes) = args.places.descriptor(&digest)? {
        return Ok((bytes, digest));
    }
    let uri = patiently(|| session.chain.circuit_uri(id)).await?;
    let nowhere = |why: &str| {
        fail(
            Code::ArtifactUnavailable,
            format!(
                "the descriptor of circuit {id} {why}; ask its author for it and name its folder with --from"
            ),
        )
    };
    if uri.is_empty() {
        return Err(nowhere("was registered without a URL"));
    }
    let url = uri.parse().map_err(|_| nowhere("was registered with a URL that is none"))?;
    let bytes =
        args.servers.fetcher()?.bytes(&url, MAX_BYTES as u64).await.map_err(|error| of_fetch(&error))?;
    let actual = Digest::of(&bytes);
    if actual != digest {
        return Err(fail(
            Code::CircuitMismatch,
            format!(
                "{} has the digest {actual} and circuit {id} was registered with {digest}; ask its author for the right one and name its \
                 folder with --from",
                plain(&uri)
            ),
        ));
    }
    Ok((bytes, digest))
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
