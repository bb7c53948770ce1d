//! Proving keys through the object store: put there under the hash of the verifying key, fetched and checked by workers
//! that lack them.

use std::path::{Path, PathBuf};

use alloy::primitives::{B256, hex};
use provery_proving::keys::{self, Manifest};
use tokio::{
    fs,
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tracing::info;

use super::{
    ANSWER, NatsConfig, NatsError, TRANSFER,
    bus::{Bus, Places},
};
use crate::stdio::keys_under;

const MANIFEST: &str = "manifest.json";
const VERIFYING: &str = "verifying.key";
const PROVING: &str = "proving.key";
/// No manifest has more bytes.
const MOST_MANIFEST: u64 = 1 << 20;

fn object(hash: B256, file: &str) -> String {
    format!("{}/{file}", hex::encode(hash))
}

/// Put the keys of `circuits` under `keys_dir` on the server, as a node does when it starts. The answer is each one's
/// key hash, and whether it was there already.
pub async fn push(
    config: &NatsConfig,
    keys_dir: &Path,
    circuits: &[String],
) -> Result<Vec<(String, B256, bool)>, NatsError> {
    let bus = Bus::connect(config, "provery worker keys push").await?;
    let places = bus.places().await?;
    let mut pushed = Vec::new();
    for circuit in circuits {
        let (dir, name) = (keys_dir.to_owned(), circuit.clone());
        // Both keys against their hashes: no worker shall fetch gigabytes of what will not load.
        let loaded = tokio::task::spawn_blocking(move || keys::load(&dir, &name, None)).await;
        let loaded = loaded.map_err(|error| bus.nonsense(circuit.clone(), error))??;
        let hash = B256::from(loaded.verifying.hash);
        let there = offer(&bus, &places, keys_dir, circuit, hash).await?;
        pushed.push((circuit.clone(), hash, there));
    }
    Ok(pushed)
}

/// Put one circuit's keys on the server, and let its jobs be handed out. The answer is whether they were there already.
pub(super) async fn offer(
    bus: &Bus,
    places: &Places,
    keys_dir: &Path,
    circuit: &str,
    hash: B256,
) -> Result<bool, NatsError> {
    let there = bus.has(&places.keys, &object(hash, MANIFEST)).await?;
    if !there {
        let folder = keys::directory_of(keys_dir, circuit);
        // The manifest last: where it is, the others are.
        for file in [PROVING, VERIFYING, MANIFEST] {
            let path = folder.join(file);
            let io = |source| NatsError::Io { path: path.clone(), source };
            let mut content = fs::File::open(&path).await.map_err(io)?;
            let bytes = content.metadata().await.map_err(io)?.len();
            let name = object(hash, file);
            let put = places.keys.put(name.as_str(), &mut content);
            // A MiB a second is the least that makes sense.
            let limit = TRANSFER + std::time::Duration::from_secs(bytes >> 20);
            bus.within(limit, "take keys", put).await?;
        }
        info!(circuit, "keys are on NATS");
    }
    bus.consumer(places, hash).await?;
    Ok(there)
}

/// What a key hash on the server is a key of.
pub(super) async fn manifest(bus: &Bus, places: &Places, hash: B256) -> Result<Option<Manifest>, NatsError> {
    let name = object(hash, MANIFEST);
    let Some(bytes) = bus.get(&places.keys, &name, MOST_MANIFEST).await? else { return Ok(None) };
    let manifest: Manifest =
        serde_json::from_slice(&bytes).map_err(|error| bus.nonsense(name.clone(), error))?;
    // It becomes the name of a folder.
    let well_named = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let circuit = &manifest.circuit;
    if circuit.is_empty() || circuit.starts_with('.') || !circuit.chars().all(well_named) {
        return Err(bus.nonsense(name, "it names an impossible circuit"));
    }
    Ok(Some(manifest))
}

/// Make sure that the keys are here, and are those: fetched if they are not. The answer is whether they had to be.
pub(super) async fn ensure(
    bus: &Bus,
    places: &Places,
    keys_dir: &Path,
    manifest: &Manifest,
    hash: B256,
) -> Result<bool, NatsError> {
    let parent = keys_under(keys_dir, &manifest.circuit, hash);
    if checked(parent.clone(), manifest.circuit.clone(), hash).await.is_ok() {
        return Ok(false);
    }
    let folder = keys::directory_of(&parent, &manifest.circuit);
    // Beside its place, then moved there whole.
    let partial = parent.join(format!(".{}-{}.partial", manifest.circuit, std::process::id()));
    let fetched = fetch(bus, places, &partial.join(&manifest.circuit), manifest, hash).await;
    let result = match fetched {
        Ok(()) => install(&partial, &folder, manifest, hash).await,
        Err(error) => Err(error),
    };
    let _ = fs::remove_dir_all(&partial).await;
    result.map(|()| true)
}

async fn install(partial: &Path, folder: &Path, manifest: &Manifest, hash: B256) -> Result<(), NatsError> {
    checked(partial.to_owned(), manifest.circuit.clone(), hash).await?;
    let from = partial.join(&manifest.circuit);
    // Only what failed the check can be in the way, or what another worker just put there.
    if fs::rename(&from, folder).await.is_err() {
        let _ = fs::remove_dir_all(folder).await;
        fs::rename(&from, folder)
            .await
            .map_err(|source| NatsError::Io { path: folder.to_owned(), source })?;
    }
    Ok(())
}

/// Load keys from under `parent`, with every hash.
async fn checked(parent: PathBuf, circuit: String, hash: B256) -> Result<(), NatsError> {
    let path = parent.clone();
    let load = move || keys::load(&parent, &circuit, Some(&hash.0)).map(|_| ());
    let io = |error| NatsError::Io { path, source: std::io::Error::other(error) };
    Ok(tokio::task::spawn_blocking(load).await.map_err(io)??)
}

async fn fetch(
    bus: &Bus,
    places: &Places,
    into: &Path,
    manifest: &Manifest,
    hash: B256,
) -> Result<(), NatsError> {
    fs::create_dir_all(into).await.map_err(|source| NatsError::Io { path: into.to_owned(), source })?;
    let sizes = [
        (PROVING, manifest.proving_key.bytes),
        (VERIFYING, manifest.verifying_key.bytes),
        (MANIFEST, MOST_MANIFEST),
    ];
    for (file, most) in sizes {
        let (name, path) = (object(hash, file), into.join(file));
        let io = |source| NatsError::Io { path: path.clone(), source };
        let mut object = bus.within(ANSWER, "give keys", places.keys.get(&name)).await?;
        if object.info().size as u64 > most {
            return Err(bus.nonsense(name, "it is larger than its manifest says"));
        }
        let mut out = fs::File::create(&path).await.map_err(io)?;
        let mut buffer = vec![0; 1 << 17];
        loop {
            let stalled = |reason: String| NatsError::Unavailable {
                host: bus.host().to_owned(),
                doing: "give keys",
                reason,
            };
            let read = timeout(TRANSFER, object.read(&mut buffer)).await;
            let count = read
                .map_err(|_| stalled("the transfer stands still".to_owned()))?
                .map_err(|error| stalled(error.to_string()))?;
            if count == 0 {
                break;
            }
            out.write_all(&buffer[..count]).await.map_err(io)?;
        }
        out.sync_all().await.map_err(io)?;
    }
    info!(circuit = manifest.circuit, "keys fetched");
    Ok(())
}
