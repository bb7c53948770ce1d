//! Jobs for workers, and looks at processes.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use alloy::primitives::{B256, U256};
use eyre::{Context, Result, ensure, eyre};
use provery_circuits::{BlockContext, BlockJob, Params, State, Traffic, payload::JobTerms, word};
use provery_proving::ProofVerifier;
use provery_types::SlotKey;
use provery_worker::Job;
use provery_workloads::{Workloads, transfer_rollup::backend};

use crate::program;

/// The circuit of blocks of one transfer.
pub const CIRCUIT: &str = "transfer-block-d16-n1";

/// Development keys for [`CIRCUIT`], made once and kept.
pub fn keys_dir() -> Result<PathBuf> {
    let dir = program("provery")?.with_file_name("test-keys");
    fs::create_dir_all(&dir)?;
    backend::generate_keys(&Params::new(1)?, &1_u64.to_be_bytes(), &dir)?;
    Ok(dir)
}

/// What the market would check proofs of [`job`] with.
pub fn verifier() -> Result<Arc<dyn ProofVerifier>> {
    Ok(Workloads::default().verifier(CIRCUIT, &keys_dir()?, None)?)
}

/// A block with one transfer. Different seeds give different jobs.
pub fn job(seed: u64) -> Result<Job> {
    let params = Params::new(1)?;
    let domain = [0; 32];
    let mut traffic = Traffic::new(seed, 4);
    let state = State::new(&traffic.accounts())?;
    let data = traffic.next_block(&state, 1, &domain)?;
    let mut after = state.clone();
    after.apply_block(&data, &BlockContext { params, domain: word::reduce(&domain) })?;
    let terms = JobTerms { params, payee: [7; 20], domain, claimed_root: after.root_word() };
    let bytes = BlockJob::from_state(&state, &data, &terms)?.to_bytes();
    let key = SlotKey { market: U256::ONE, id: seed };
    Ok(Job { key, statement: B256::ZERO, circuit: CIRCUIT.to_owned(), bytes })
}

/// A script that runs `provery` in an environment with these assignments.
pub fn wrapper(dir: &Path, assignments: &str) -> Result<PathBuf> {
    let path = dir.join("provery-wrapper");
    let text = format!("#!/bin/sh\n{assignments}\nexec '{}' \"$@\"\n", program("provery")?.display());
    fs::write(&path, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// Worker processes that a process has started.
pub fn children(parent: u32) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // It may be gone by now.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let Ok(command) = fs::read_to_string(format!("/proc/{pid}/cmdline")) else { continue };
        let of = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
        if of == Some(parent.to_string().as_str()) && command.contains("--stdio") {
            found.push(pid);
        }
    }
    Ok(found)
}

/// Whether there is such a process, be it a zombie.
pub fn alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Wait until `what` is there; a minute is a failure.
pub async fn until<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let found = async {
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), found)
        .await
        .wrap_err_with(|| eyre!("waiting for {what}"))?
}

/// Send SIGKILL.
pub fn kill(pid: u32) -> Result<()> {
    let status = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status()?;
    ensure!(status.success(), "{pid} cannot be killed");
    Ok(())
}
