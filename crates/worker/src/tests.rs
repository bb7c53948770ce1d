//! Workers without proofs: what a pool makes of its runner, and a parent of strange children.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::primitives::{B256, U256};
use provery_proving::{Phase, Progress, ProofBackend, ProofOutput, ProveError};
use tokio_util::sync::CancellationToken;

use crate::{
    fault::Fault,
    protocol::{Reply, Request, WireProof},
    *,
};

fn job(id: u64, bytes: usize) -> Job {
    let key = SlotKey { market: U256::ONE, id };
    Job { key, statement: B256::ZERO, circuit: "c".to_owned(), bytes: vec![1; bytes] }
}

fn proof() -> ProofOutput {
    let timings =
        vec![(Phase::new("witness"), Duration::from_micros(7)), (Phase::new("msm"), Duration::from_secs(1))];
    ProofOutput { public_inputs: vec![[1; 32], [2; 32]], proof: vec![3, 4], timings }
}

#[test]
fn what_is_said_is_understood() {
    let output = proof();
    let reply = Reply::Proved { id: 3, proof: output.clone().into() };
    let line = serde_json::to_string(&reply).expect("JSON");
    assert!(!line.contains('\n'));
    assert_eq!(serde_json::from_str::<Reply>(&line).expect("a reply"), reply);
    let wire = WireProof::from(output.clone());
    assert_eq!(ProofOutput::from(wire), output);
    let example = r#"{"id":1,"circuit":"transfer-block-d16-n8","job":"0x0102"}"#;
    let request: Request = serde_json::from_str(example).expect("the example of the documentation");
    assert_eq!((request.job.len(), request.key_hash), (2, None));
}

#[test]
fn faults_follow_from_the_seed_and_another_try_has_another_chance() {
    let request =
        |id| Request { id, circuit: "c".into(), key_hash: None, job: vec![1, 2].into(), check: false };
    let fault = Fault::parse("fail:50, slow:5,crash:20%", 7).expect("faults");
    let fates: Vec<_> = (0..1000).map(|id| fault.fate(&request(id))).collect();
    assert!(fates.iter().all(|fate| fate.pause == Duration::from_millis(5)));
    let share = |hit: fn(&super::fault::Fate) -> bool| fates.iter().filter(|fate| hit(fate)).count();
    assert!((400..600).contains(&share(|fate| fate.fail)), "{}", share(|fate| fate.fail));
    assert!((130..270).contains(&share(|fate| fate.crash)), "{}", share(|fate| fate.crash));
    assert_eq!(fates[3], fault.fate(&request(3)));
    for wrong in ["fail", "fail:101", "melt:3", "slow:x"] {
        assert!(Fault::parse(wrong, 0).is_err(), "{wrong}");
    }
    assert_eq!(Fault::parse("", 0).expect("none").fate(&request(1)), super::fault::Fate::default());
}

/// A child that is a shell script, called with what a worker is called with.
fn script(dir: &Path, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join("child");
    fs::write(&path, format!("#!/bin/sh\ncd '{}'\n{text}\n", dir.display())).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
    path
}

/// Reads a job, takes it and refuses it.
const REFUSE: &str = r#"read line; id=${line#*:}; id=${id%%,*}
echo "{\"event\":\"taken\",\"id\":$id}"; echo "{\"event\":\"failed\",\"id\":$id,\"message\":\"refused $$\"}""#;

async fn refusal(processes: &Processes, job: Job) -> String {
    let run = processes.run(job, JobWatch::unwatched(CancellationToken::new()));
    match tokio::time::timeout(Duration::from_secs(60), run).await.expect("an end") {
        Outcome::Failed(message) => message,
        other => panic!("{other:?}"),
    }
}

fn processes(program: PathBuf, count: usize) -> Processes {
    Processes::new(program, PathBuf::from("keys"), Vec::new(), count)
}

#[tokio::test]
async fn strange_children_are_failed_proofs() {
    for (text, expected) in [
        ("echo hello; exec sleep 3600", "wrote \"hello\" instead of a reply"),
        ("echo '{\"event\":\"taken\",\"id\":9}'; exec sleep 3600", "a reply to job 9"),
        (
            "printf '{\"event\":\"taken\",\"id\":1'; exit 3",
            "ended with status 3 (its last words are in the log) before",
        ),
        ("read line; kill -SEGV $$", "crashed (signal 11) before it took the job"),
        ("exec >&-; exec sleep 3600", "closed its output"),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let message = refusal(&processes(script(dir.path(), text), 1), job(1, 10)).await;
        assert!(message.contains(expected), "{text}: {message}");
    }
}

#[tokio::test]
async fn neither_side_waits_for_a_full_pipe() {
    let dir = tempfile::tempdir().expect("a folder");
    // More than a pipe holds, both ways, and written before anything is read.
    let text = format!(
        "i=0; while [ $i -lt 5000 ]; do echo '{{\"event\":\"phase\",\"id\":1,\"phase\":\"fft\"}}'; i=$((i+1)); done\n{REFUSE}"
    );
    let message = refusal(&processes(script(dir.path(), &text), 1), job(1, 300_000)).await;
    assert!(message.contains("refused"), "{message}");
}

#[tokio::test]
async fn processes_are_kept_bounded_and_replaced_when_they_are_gone() {
    let dir = tempfile::tempdir().expect("a folder");
    let kept = processes(script(dir.path(), &format!("while true; do {REFUSE}; done")), 2);
    let mut said = Vec::new();
    for id in 0..3 {
        let (one, two, three) = tokio::join!(
            refusal(&kept, job(id, 10)),
            refusal(&kept, job(id, 10)),
            refusal(&kept, job(id, 10))
        );
        said.extend([one, two, three]);
    }
    said.sort();
    said.dedup();
    assert!(said.len() <= 2, "more than two processes: {said:?}");

    // One that ends after each job is replaced, and that is no failure.
    let dir = tempfile::tempdir().expect("a folder");
    let mortal = processes(script(dir.path(), REFUSE), 1);
    for id in 0..5 {
        let message = refusal(&mortal, job(id, 10)).await;
        assert!(message.contains("refused"), "{message}");
    }
}

#[tokio::test]
async fn a_child_inherits_neither_open_files_nor_the_terminal() {
    let dir = tempfile::tempdir().expect("a folder");
    let data = tempfile::tempdir().expect("a folder");
    let _open = fs::File::create(data.path().join("lock")).expect("a file");
    let text = format!("ls -l /proc/$$/fd > fds; ps -o pgid= $$ > group 2>/dev/null; {REFUSE}");
    refusal(&processes(script(dir.path(), &text), 1), job(1, 10)).await;
    let fds = fs::read_to_string(dir.path().join("fds")).expect("a list");
    assert!(!fds.contains(&data.path().display().to_string()), "{fds}");
}

/// Fails in the way that its first byte says.
#[derive(Debug)]
struct Fails;

impl ProofBackend for Fails {
    fn circuit(&self) -> &str {
        "c"
    }

    fn prove(&self, job: &[u8], _: &dyn Progress) -> Result<ProofOutput, ProveError> {
        let reason = "as it should".to_owned();
        Err(match job[0] {
            0 => ProveError::Job { reason },
            1 => ProveError::Unsatisfied { constraint: 3 },
            2 => ProveError::Unprovable { reason },
            3 => ProveError::Refused { reason },
            4 => ProveError::Invalid,
            _ => ProveError::Foreign,
        })
    }

    fn check(&self, job: &[u8], progress: &dyn Progress) -> Result<(), ProveError> {
        self.prove(job, progress).map(|_| ())
    }
}

#[tokio::test]
async fn whether_a_job_or_the_machine_is_at_fault_is_told_apart() {
    let runner = Routed::new(InProcess(vec![Arc::new(Fails)]), Arc::new(InProcess(Vec::new())));
    for (byte, is_of_job) in [(0, true), (1, true), (2, true), (3, false), (4, false), (5, false)] {
        let job = || Job { bytes: vec![byte], ..job(1, 1) };
        let ended = runner.run(job(), JobWatch::unwatched(CancellationToken::new())).await;
        assert_eq!(matches!(ended, Outcome::Refused(_)), is_of_job, "{byte}: {ended:?}");
        assert_eq!(matches!(ended, Outcome::Failed(_)), !is_of_job, "{byte}: {ended:?}");
        let checked = runner.check(job()).await;
        assert_eq!(matches!(checked, Checked::Refused(_)), is_of_job, "{byte}: {checked:?}");
    }
    let unknown = runner.check(Job { circuit: "d".to_owned(), ..job(1, 1) }).await;
    assert!(matches!(unknown, Checked::Failed(_)), "{unknown:?}");

    // And so it is of processes, for which a check is a job that says so.
    let dir = tempfile::tempdir().expect("a folder");
    let text = r#"read line; echo "$line" >> asked; id=${line#*:}; id=${id%%,*}
case "$line" in
  *check*) echo "{\"event\":\"sound\",\"id\":$id}";;
  *) echo "{\"event\":\"refused\",\"id\":$id,\"message\":\"an assertion failed\"}";;
esac"#;
    let processes = processes(script(dir.path(), text), 1);
    assert_eq!(processes.check(job(1, 1)).await, Checked::Sound);
    let ended = processes.run(job(1, 1), JobWatch::unwatched(CancellationToken::new())).await;
    assert!(matches!(&ended, Outcome::Refused(why) if why == "an assertion failed"), "{ended:?}");
}
