//! Proofs on other machines, and which node acts: against a real nats-server, with real workers.

use std::{fs, time::Duration};

use alloy::{hex, primitives::keccak256};
use eyre::{Result, bail, ensure};
use provery_tests::{CIRCUIT, Nats, Worker, alive, job, keys_dir, until, verifier};
use provery_worker::{
    Jetstream, Job, JobWatch, NatsConfig, Outcome, ProofRunner, jetstream,
    lease::{Role, lead},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

async fn node(config: &NatsConfig) -> Result<Jetstream> {
    Ok(Jetstream::connect(config, &keys_dir()?, &[CIRCUIT.to_owned()]).await?)
}

fn ask(node: &Jetstream, job: &Job) -> (CancellationToken, JoinHandle<Outcome>) {
    let cancel = CancellationToken::new();
    (cancel.clone(), tokio::spawn(node.run(job.clone(), JobWatch::unwatched(cancel))))
}

async fn proven(job: &Job, proof: JoinHandle<Outcome>) -> Result<()> {
    match tokio::time::timeout(Duration::from_secs(120), proof).await?? {
        Outcome::Proved(output) => Ok(verifier()?.verify(&job.bytes, &output)?),
        other => bail!("not proved: {other:?}"),
    }
}

async fn failure(proof: JoinHandle<Outcome>) -> Result<String> {
    match tokio::time::timeout(Duration::from_secs(120), proof).await?? {
        Outcome::Failed(message) => Ok(message),
        other => bail!("not failed: {other:?}"),
    }
}

const SLOW: (&str, &str) = ("PROVERY_WORKER_FAULT", "slow:3600000");

#[tokio::test]
async fn a_job_is_proven_once_whoever_asks() -> Result<()> {
    let nats = Nats::start().await?;
    let workers = [Worker::start(&nats.url(), "one", &[])?, Worker::start(&nats.url(), "two", &[])?];
    let taken = || workers.iter().map(|worker| worker.count("taken")).sum::<usize>();
    let (first, second) = (node(&nats.config()).await?, node(&nats.config()).await?);
    let it = job(1)?;
    let ((_, one), (_, other)) = (ask(&first, &it), ask(&second, &it));
    proven(&it, one).await?;
    proven(&it, other).await?;
    ensure!(taken() == 1, "{} proofs of one job", taken());

    // A node that was restarted finds the result, and it is not proven again.
    let restarted = node(&nats.config()).await?;
    let (_, again) = ask(&restarted, &it);
    proven(&it, again).await?;
    // Other jobs are proven, several at a time.
    let others = [job(2)?, job(3)?, job(4)?];
    let asked: Vec<_> = others.iter().map(|job| ask(&restarted, job).1).collect();
    for (job, proof) in others.iter().zip(asked) {
        proven(job, proof).await?;
    }
    ensure!(taken() == 4, "{} proofs of four jobs", taken());
    Ok(())
}

#[tokio::test]
async fn a_job_outlives_its_worker() -> Result<()> {
    let nats = Nats::start().await?;
    let node = node(&nats.config()).await?;
    let secret = "0x00000000000000000000000000000000000000000000000000000000c0ffee00";
    let mut lost = Worker::start(
        &nats.url(),
        "lost",
        &[
            SLOW,
            ("PROVERY_PRIVATE_KEY", secret),
            ("PROVERY_KEYSTORE_PASSWORD", "hunter2"),
            ("SOME_TOKEN", "s3cr3t"),
        ],
    )?;
    let it = job(1)?;
    let (_, proof) = ask(&node, &it);
    lost.says("taken").await?;
    let process = lost.process().await?;
    let environment = String::from_utf8_lossy(&fs::read(format!("/proc/{process}/environ"))?).into_owned();
    ensure!(environment.contains("PROVERY_WORKER_FAULT"), "not the child's: {environment}");
    for secret in ["PRIVATE_KEY", "c0ffee", "PASSWORD", "hunter2", "s3cr3t"] {
        ensure!(!environment.contains(secret), "{secret} is in the environment of a worker process");
    }

    lost.kill().await?;
    // In the middle of a proof, and nobody told it.
    until("the end of the orphan", || Ok((!alive(process)).then_some(()))).await?;
    let finder = Worker::start(&nats.url(), "finder", &[])?;
    proven(&it, proof).await?;
    ensure!(finder.count("taken") == 1);
    Ok(())
}

#[tokio::test]
async fn a_cancelled_job_stops_its_worker_and_can_be_asked_for_again() -> Result<()> {
    let nats = Nats::start().await?;
    let node = node(&nats.config()).await?;
    let slow = Worker::start(&nats.url(), "slow", &[SLOW])?;
    let it = job(1)?;
    let (cancel, proof) = ask(&node, &it);
    slow.says("taken").await?;
    let process = slow.process().await?;
    cancel.cancel();
    ensure!(matches!(proof.await?, Outcome::Cancelled));
    slow.says("cancelled").await?;
    ensure!(!alive(process), "the worker's process lives, or is a zombie");
    drop(slow);

    // One that nobody has taken yet is taken back from the queue.
    let js = async_nats::jetstream::new(async_nats::connect(nats.url()).await?);
    let (cancel, proof) = ask(&node, &job(2)?);
    while js.get_stream("provery-jobs").await?.cached_info().state.messages == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    cancel.cancel();
    ensure!(matches!(proof.await?, Outcome::Cancelled));
    ensure!(js.get_stream("provery-jobs").await?.cached_info().state.messages == 0, "it is still queued");

    let fast = Worker::start(&nats.url(), "fast", &[])?;
    let (_, proof) = ask(&node, &it);
    proven(&it, proof).await?;
    ensure!(fast.count("taken") == 1, "what was cancelled in the queue was proven");
    Ok(())
}

#[tokio::test]
async fn a_worker_fetches_the_keys_it_lacks() -> Result<()> {
    let nats = Nats::start().await?;
    let pushed = jetstream::push(&nats.config(), &keys_dir()?, &[CIRCUIT.to_owned()]).await?;
    ensure!(!pushed[0].2, "they were there already");
    let empty = tempfile::tempdir()?;
    // Keys of that name that are others' are left alone.
    let theirs = empty.path().join(CIRCUIT).join("manifest.json");
    fs::create_dir_all(theirs.parent().expect("a folder"))?;
    fs::write(&theirs, "{}")?;
    let worker = Worker::start_with_keys(&nats.url(), "empty", &[], empty.path().to_owned())?;
    worker.says("keys_fetched").await?;
    let node = node(&nats.config()).await?;
    let it = job(1)?;
    let (_, proof) = ask(&node, &it);
    proven(&it, proof).await?;
    ensure!(fs::read_to_string(&theirs)? == "{}");
    ensure!(jetstream::push(&nats.config(), &keys_dir()?, &[CIRCUIT.to_owned()]).await?[0].2, "pushed twice");
    Ok(())
}

#[tokio::test]
async fn a_job_that_kills_its_workers_is_given_up() -> Result<()> {
    let nats = Nats::start().await?;
    let node = node(&nats.config()).await?;
    let worker = Worker::start(&nats.url(), "doomed", &[("PROVERY_WORKER_FAULT", "crash:100")])?;
    let it = job(1)?;
    let message = failure(ask(&node, &it).1).await?;
    // A delivery may be lost on the way to the worker: then it counts as an attempt that no worker took.
    ensure!(message.contains("given up"), "{message}");
    let taken = worker.count("taken");
    ensure!((3..=6).contains(&taken), "taken {taken} times");
    drop(worker);
    // Asked for again, it gets five more.
    let _healthy = Worker::start(&nats.url(), "healthy", &[])?;
    proven(&it, ask(&node, &it).1).await
}

#[tokio::test]
async fn a_false_result_is_not_believed() -> Result<()> {
    let nats = Nats::start().await?;
    let node = node(&nats.config()).await?;
    let it = job(1)?;
    let client = async_nats::connect(nats.url()).await?;
    let (_, proof) = ask(&node, &it);
    // Once there is somewhere to leave it.
    let subject = format!("provery.results.{}", id(&it)?);
    let lie =
        r#"{"state":"proved","worker":"liar","proof":{"public_inputs":[],"proof":"0x00","timings_us":[]}}"#;
    let js = async_nats::jetstream::new(client);
    while js.publish(subject.clone(), lie.into()).await?.await.is_err() {}
    let message = failure(proof).await?;
    ensure!(message.contains("liar") && message.contains("not one of this job"), "{message}");
    // It is not in the way of a true one.
    let _honest = Worker::start(&nats.url(), "honest", &[])?;
    proven(&it, ask(&node, &it).1).await
}

#[tokio::test]
async fn nats_may_come_late_and_go_away_for_a_while() -> Result<()> {
    // A port that was free a moment ago.
    let port = Nats::start().await?.port();
    let config = NatsConfig::new(format!("nats://127.0.0.1:{port}"));
    let node = node(&config).await?;
    let it = job(1)?;
    let (_, proof) = ask(&node, &it);
    let mut nats = Nats::start_on(port).await?;
    let prepared = tokio::time::timeout(Duration::from_secs(60), node.prepare(CancellationToken::new()));
    prepared.await?;
    // Queued, then the server is killed; it has it on disk.
    let client = async_nats::connect(nats.url()).await?;
    let js = async_nats::jetstream::new(client);
    loop {
        let stream = js.get_stream("provery-jobs").await?;
        if stream.cached_info().state.messages == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    nats.restart().await?;
    let worker = Worker::start(&nats.url(), "late", &[])?;
    proven(&it, proof).await?;
    // A worker survives it, too.
    nats.restart().await?;
    let next = job(2)?;
    proven(&next, ask(&node, &next).1).await?;
    // Its word may come after its result.
    let both = async {
        while worker.count("proved") < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), both).await?;
    Ok(())
}

/// The name of a job, as the stream has it.
fn id(job: &Job) -> Result<String> {
    let hash = verifier()?;
    let parts = [keccak256(CIRCUIT).0, *hash.key_hash(), keccak256(&job.bytes).0];
    Ok(hex::encode(keccak256(parts.concat())))
}

#[tokio::test]
async fn a_lease_that_is_released_is_not_waited_for() -> Result<()> {
    let nats = Nats::start().await?;
    // Far longer than `leads` waits.
    let lease = Duration::from_secs(600);
    let first = candidate(&nats, "first", lease);
    leads(&first).await?;
    let second = candidate(&nats, "second", lease);
    first.shutdown.cancel();
    first.task.await??;
    leads(&second).await
}

struct Candidate {
    roles: tokio::sync::watch::Receiver<Role>,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), provery_worker::lease::LeaderError>>,
}

fn candidate(nats: &Nats, name: &str, lease: Duration) -> Candidate {
    let shutdown = CancellationToken::new();
    let lease_name = "0xprover:0xkey".to_owned();
    let (roles, task) = lead(nats.config(), lease_name, name.to_owned(), lease, shutdown.clone());
    Candidate { roles, shutdown, task: tokio::spawn(task) }
}

async fn leads(candidate: &Candidate) -> Result<()> {
    let mut roles = candidate.roles.clone();
    tokio::time::timeout(Duration::from_secs(60), roles.wait_for(Role::may_act)).await??;
    Ok(())
}

#[tokio::test]
async fn one_node_leads_and_another_follows_it() -> Result<()> {
    let mut nats = Nats::start().await?;
    let lease = Duration::from_secs(6);
    let first = candidate(&nats, "first", lease);
    leads(&first).await?;
    let second = candidate(&nats, "second", lease);
    // Longer than a lease: it is renewed, and never two lead.
    let until = std::time::Instant::now() + lease * 2;
    while std::time::Instant::now() < until {
        ensure!(!(first.roles.borrow().may_act() && second.roles.borrow().may_act()), "two lead");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // The leader goes on its own accord.
    first.shutdown.cancel();
    first.task.await??;
    ensure!(!first.roles.borrow().may_act());
    leads(&second).await?;

    // The leader is gone without a word, as if killed or stopped: nobody told it, and it knows before another leads.
    let third = candidate(&nats, "third", lease);
    second.task.abort();
    leads(&third).await?;
    ensure!(!second.roles.borrow().may_act(), "two lead");
    ensure!(second.roles.borrow().name() == "standby");

    // The server is killed and comes back: somebody leads again.
    nats.restart().await?;
    leads(&third).await?;
    Ok(())
}
