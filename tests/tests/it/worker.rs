//! Proofs in worker processes: what they make is what the market takes, and whatever becomes of them is no more than a
//! failed proof.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use eyre::{Result, bail, ensure};
use provery_proving::ProofOutput;
use provery_tests::{alive, children, job, keys_dir, kill, program, until, verifier, wrapper};
use provery_worker::{JobWatch, Outcome, Processes, ProofRunner};
use tokio_util::sync::CancellationToken;

fn unwatched() -> JobWatch {
    JobWatch::unwatched(CancellationToken::new())
}

fn proved(outcome: Outcome) -> Result<ProofOutput> {
    match outcome {
        Outcome::Proved(output) => Ok(output),
        other => bail!("not proved: {other:?}"),
    }
}

fn failed(outcome: Outcome) -> Result<String> {
    match outcome {
        Outcome::Failed(message) => Ok(message),
        other => bail!("not failed: {other:?}"),
    }
}

/// The one worker process of this test.
async fn process() -> Result<u32> {
    until("a worker process", || Ok(children(std::process::id())?.first().copied())).await
}

#[tokio::test]
async fn a_proof_from_a_process_is_what_the_market_takes() -> Result<()> {
    let processes = Processes::new(program("provery")?, keys_dir()?, Vec::new(), 2);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let phases = seen.clone();
    let watch = JobWatch {
        cancel: CancellationToken::new(),
        phase: Arc::new(move |phase| phases.lock().expect("not poisoned").push(phase)),
    };
    let first = job(1)?;
    let output = proved(processes.run(first.clone(), watch).await)?;
    verifier()?.verify(&first.bytes, &output)?;
    ensure!(*seen.lock().expect("not poisoned") == provery_proving::PHASES, "every phase, in order");
    ensure!(output.timings.len() == 4, "{:?}", output.timings);

    // It is kept for the next job; a second job at the same time gets another one.
    let pid = process().await?;
    let (second, third) = (job(2)?, job(3)?);
    ensure!(verifier()?.verify(&second.bytes, &output).is_err(), "a proof of another job");
    let one = processes.run(second.clone(), unwatched());
    let other = processes.run(third.clone(), unwatched());
    let (one, other) = tokio::join!(one, other);
    verifier()?.verify(&second.bytes, &proved(one)?)?;
    verifier()?.verify(&third.bytes, &proved(other)?)?;
    let now = children(std::process::id())?;
    ensure!(now.len() == 2 && now.contains(&pid), "{now:?} should be {pid} and another");

    // They end with what started them.
    drop(processes);
    until("their end", || Ok(now.iter().all(|pid| !alive(*pid)).then_some(()))).await
}

#[tokio::test]
async fn a_process_killed_in_a_proof_is_a_failed_proof_and_the_next_succeeds() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let flag = dir.path().join("slow");
    fs::write(&flag, "")?;
    let slow = format!("[ -e '{}' ] && export PROVERY_WORKER_FAULT=slow:3600000", flag.display());
    let processes = Processes::new(wrapper(dir.path(), &slow)?, keys_dir()?, Vec::new(), 1);

    let proof = tokio::spawn(processes.run(job(1)?, unwatched()));
    let pid = process().await?;
    kill(pid)?;
    let message = failed(proof.await?)?;
    ensure!(message.contains("was killed (signal 9"), "{message}");
    ensure!(!alive(pid), "it is a zombie");

    fs::remove_file(&flag)?;
    proved(processes.run(job(1)?, unwatched()).await)?;
    // One that dies between two jobs is no failure at all.
    kill(process().await?)?;
    proved(processes.run(job(2)?, unwatched()).await)?;
    Ok(())
}

#[tokio::test]
async fn cancelling_kills_at_once() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let slow = wrapper(dir.path(), "export PROVERY_WORKER_FAULT=slow:3600000")?;
    let processes = Processes::new(slow, keys_dir()?, Vec::new(), 1);
    let cancel = CancellationToken::new();
    let proof = tokio::spawn(processes.run(job(1)?, JobWatch::unwatched(cancel.clone())));
    // One that waits for its turn is cancelled, too.
    let waiting = tokio::spawn(processes.run(job(2)?, JobWatch::unwatched(cancel.clone())));
    let pid = process().await?;
    cancel.cancel();
    ensure!(matches!(proof.await?, Outcome::Cancelled));
    ensure!(matches!(waiting.await?, Outcome::Cancelled));
    ensure!(!alive(pid), "it lives, or is a zombie");

    // Dropping the future does the same.
    let proof = tokio::spawn(processes.run(job(1)?, unwatched()));
    let pid = process().await?;
    proof.abort();
    until("its end", || Ok((!alive(pid)).then_some(()))).await
}

#[tokio::test]
async fn faults_are_failed_proofs() -> Result<()> {
    for (fault, args, expected) in [
        ("export PROVERY_WORKER_FAULT=crash:100", vec![], "in the middle of a proof"),
        ("export PROVERY_WORKER_FAULT=fail:100", vec![], "PROVERY_WORKER_FAULT"),
        ("export PROVERY_WORKER_FAULT=nonsense", vec![], "ended with status"),
        // Less than the program itself has taken already.
        ("", vec!["--memory-mib".into(), "16".into()], "worker process"),
    ] {
        let dir = tempfile::tempdir()?;
        let processes = Processes::new(wrapper(dir.path(), fault)?, keys_dir()?, args, 1);
        let message = failed(processes.run(job(1)?, unwatched()).await)?;
        ensure!(message.contains(expected), "{fault}: {message}");
    }
    // No keys, and no program.
    let empty = tempfile::tempdir()?;
    let processes = Processes::new(program("provery")?, empty.path().to_owned(), Vec::new(), 1);
    let message = failed(processes.run(job(1)?, unwatched()).await)?;
    ensure!(message.contains("no keys for circuit"), "{message}");
    let processes = Processes::new(empty.path().join("nothing"), keys_dir()?, Vec::new(), 1);
    let message = failed(processes.run(job(1)?, unwatched()).await)?;
    ensure!(message.contains("could not be started"), "{message}");
    Ok(())
}
