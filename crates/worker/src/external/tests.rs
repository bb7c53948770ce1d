//! Provers of others as they come: right, wrong, mute, endless.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path as UrlPath, State},
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Response},
    routing::any,
};
use futures::{StreamExt as _, stream};
use tokio::net::TcpListener;

use super::*;

const RIGHT: &str = r#"{"public_inputs":[],"proof":"0x0304","timings_us":[]}"#;
const WRONG: &str = r#"{"public_inputs":[],"proof":"0x0305","timings_us":[]}"#;
/// Far more than anything here takes.
const LONG: Duration = Duration::from_secs(120);
const SHORT: Duration = Duration::from_millis(300);

/// Takes one proof.
#[derive(Debug)]
struct Picky;

impl ProofVerifier for Picky {
    fn key_hash(&self) -> &[u8; 32] {
        &[0; 32]
    }

    fn verify(&self, job: &[u8], output: &ProofOutput) -> Result<(), ProveError> {
        let right = job == [1, 2] && output.proof == [3, 4] && output.public_inputs.is_empty();
        if right { Ok(()) } else { Err(ProveError::Foreign) }
    }
}

fn subject() -> Subject {
    Subject::Checked { circuit: "c".to_owned(), verifier: Arc::new(Picky) }
}

fn external(prover: Prover, time: Duration) -> External {
    External::new(subject(), Arc::new(prover), time).expect("fits")
}

fn script(text: &str) -> Prover {
    Prover::Program(Program::new(["sh", "-c", text].map(str::to_owned).to_vec()).expect("is a program"))
}

fn run_script(text: &str, time: Duration) -> Result<ProofOutput, ProveError> {
    external(script(text), time).prove(&[1, 2], &())
}

fn refusal(result: Result<ProofOutput, ProveError>) -> String {
    match result {
        Err(ProveError::Refused { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_program_is_told_the_job_and_its_proof_is_checked() {
    let told = r#"grep -q '"job":"0x0102"' && "#;
    let output = run_script(&format!("{told} echo '{RIGHT}'"), LONG).expect("is right");
    assert_eq!(output.proof, [3, 4]);
    let phases: Vec<&str> = output.timings.iter().map(|(phase, _)| phase.as_str()).collect();
    assert_eq!(phases, ["external", "verify"]);
    assert!(matches!(run_script(&format!("echo '{WRONG}'"), LONG), Err(ProveError::Foreign)));
    // It need not read what it is told.
    external(script(&format!("echo '{RIGHT}'")), LONG)
        .prove(&vec![1; 1 << 20], &())
        .expect_err("is of another job");
}

#[test]
fn a_program_finds_nothing_of_this_process_in_its_environment() {
    // The test runner sets it.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let text = format!(r#"[ -z "$CARGO_MANIFEST_DIR" ] && [ -n "$PATH" ] && echo '{RIGHT}'"#);
    run_script(&text, LONG).expect("has no such variable");
}

#[test]
fn what_a_program_writes_has_an_end() {
    for text in ["echo nonsense", "true", "echo '[]'", r#"echo '{"proof":{}}'"#] {
        let said = refusal(run_script(text, LONG));
        assert!(said.contains("answer is none"), "{text}: {said}");
    }
    let said = refusal(run_script("yes", LONG));
    assert!(said.contains("more than"), "{said}");
    let said = refusal(run_script("trap '' PIPE; yes 2>/dev/null; sleep 1000", LONG));
    assert!(said.contains("more than"), "{said}");
    let said = refusal(run_script("yes >&2", SHORT));
    assert!(said.contains("not done after"), "{said}");
    let said = refusal(run_script("yes words | head -c 1000000 >&2; echo out of luck >&2; exit 3", LONG));
    assert!(said.ends_with("out of luck") && said.contains("status: 3") && said.len() < 500, "{said}");
}

#[test]
fn a_program_that_hangs_or_cannot_be_run_is_said_so() {
    for text in ["sleep 1000", "exec >&- 2>&-; sleep 1000", "trap '' TERM INT; sleep 1000"] {
        let said = refusal(run_script(text, SHORT));
        assert!(said.contains("timeout_seconds"), "{text}: {said}");
    }
    let said = refusal(run_script("sleep 1000 & exit 0", LONG));
    assert!(said.contains("something that it started"), "{said}");
    let none = Program::new(vec!["/nowhere/prover".to_owned()]).expect("is a program");
    let said = refusal(external(Prover::Program(none), LONG).prove(&[], &()));
    assert!(said.contains("could not be run"), "{said}");
}

#[test]
fn commands_are_checked_before_they_are_run() {
    let program = |words: &[&str]| Program::new(words.iter().map(|word| (*word).to_owned()).collect());
    for (words, says) in [
        (&[][..], "empty"),
        (&[""], "empty"),
        (&["{zkey}"], "where the program's name should"),
        (&["prover", "{input}"], "{input} stands for nothing"),
        (&["prover", "{public}"], "which it lacks"),
    ] {
        let said = program(words).expect_err(says).to_string();
        assert!(said.contains(says), "{said}");
    }
    program(&["sh", "-c", "echo ${HOME} {a,b}"]).expect("is a shell's own");
    let files = program(&["prover", "--key={zkey}"]).expect("is one");
    let error =
        External::new(subject(), Arc::new(Prover::Program(files)), LONG).expect_err("has no key file");
    assert!(error.to_string().contains("{zkey}"), "{error}");
}

/// Wants the proof until a file is there.
struct UntilThere(PathBuf);

impl Progress for UntilThere {
    fn phase(&self, _: Phase) {}

    fn cancelled(&self) -> bool {
        std::fs::read_to_string(&self.0).is_ok_and(|text| text.ends_with('\n'))
    }
}

#[cfg(target_os = "linux")]
#[test]
fn cancelling_kills_a_program_with_all_that_it_started() {
    let folder = tempfile::tempdir().expect("is made");
    let file = folder.path().join("pid");
    let text = format!("sleep 1000 & echo $! > '{}'; wait", file.display());
    let ended = external(script(&text), LONG).prove(&[], &UntilThere(file.clone()));
    assert!(matches!(ended, Err(ProveError::Cancelled)), "{ended:?}");
    let pid = std::fs::read_to_string(file).expect("was written");
    let stat = format!("/proc/{}/stat", pid.trim());
    // It may take its new parent a moment to bury it.
    let lives = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
    for _ in 0..1_000 {
        if !lives() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("it goes on");
}

/// How the service behaves.
#[derive(Default)]
struct Behaviour {
    /// What the next requests are answered with; `None` is no answer at all.
    next: Mutex<VecDeque<Option<Response>>>,
    /// Method and path of each request.
    asked: Mutex<Vec<(Method, String)>>,
    token: AtomicBool,
}

impl Behaviour {
    fn methods(&self) -> Vec<String> {
        self.asked.lock().expect("is free").iter().map(|(method, _)| method.to_string()).collect()
    }
}

async fn answer(
    State(behaviour): State<Arc<Behaviour>>,
    UrlPath(path): UrlPath<String>,
    method: Method,
    headers: HeaderMap,
    _: Bytes,
) -> Response {
    behaviour.asked.lock().expect("is free").push((method.clone(), path));
    if headers.get("authorization").is_some_and(|it| it == "Bearer secret") {
        behaviour.token.store(true, Ordering::Relaxed);
    }
    if method == Method::DELETE {
        return StatusCode::NO_CONTENT.into_response();
    }
    let next = behaviour.next.lock().expect("is free").pop_front();
    match next {
        Some(Some(response)) => response,
        Some(None) => std::future::pending().await,
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Run a job with a service that answers so.
async fn ask(
    answers: Vec<Option<Response>>,
    time: Duration,
    cancelled: Option<fn(&Behaviour) -> bool>,
) -> (Result<ProofOutput, ProveError>, Arc<Behaviour>) {
    let behaviour = Arc::new(Behaviour { next: Mutex::new(answers.into()), ..Behaviour::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}/base/", listener.local_addr().expect("is bound"));
    let app = Router::new().route("/base/{*path}", any(answer)).with_state(Arc::clone(&behaviour));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let config = ServiceConfig {
        token: Some("secret".to_owned()),
        poll: Duration::from_millis(1),
        retries: 2,
        ..ServiceConfig::new(url)
    };
    let external = external(Prover::Service(Service::new(config).expect("is right")), time);
    let watched = Arc::clone(&behaviour);
    let ended = tokio::task::spawn_blocking(move || external.prove(&[1, 2], &Until(watched, cancelled)));
    (ended.await.expect("does not panic"), behaviour)
}

struct Until(Arc<Behaviour>, Option<fn(&Behaviour) -> bool>);

impl Progress for Until {
    fn phase(&self, _: Phase) {}

    fn cancelled(&self) -> bool {
        self.1.is_some_and(|cancelled| cancelled(&self.0))
    }
}

fn says(text: &'static str) -> Option<Response> {
    Some(text.into_response())
}

fn status(code: u16) -> Option<Response> {
    Some(StatusCode::from_u16(code).expect("is one").into_response())
}

const WAITING: &str = r#"{"status":"waiting"}"#;
const PROVED: &str = r#"{"status":"proved"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_asked_until_it_has_proven() {
    let answers = vec![says(""), says(WAITING), says(WAITING), says(PROVED), says(RIGHT)];
    let (ended, behaviour) = ask(answers, LONG, None).await;
    assert_eq!(ended.expect("is proven").proof, [3, 4]);
    assert_eq!(behaviour.methods(), ["PUT", "GET", "GET", "GET", "GET"]);
    assert!(behaviour.token.load(Ordering::Relaxed));
    let asked = behaviour.asked.lock().expect("is free");
    let number = asked[0].1.strip_prefix("jobs/").expect("is a job");
    assert_eq!(number.len(), 64);
    assert_eq!(asked[4].1, format!("jobs/{number}/proof"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_stumbles_is_asked_again_and_one_that_is_broken_is_given_up() {
    let answers = vec![status(500), says(""), status(503), status(429), says(PROVED), says(RIGHT)];
    ask(answers, LONG, None).await.0.expect("is proven");
    let (ended, behaviour) = ask(vec![], LONG, None).await;
    let said = refusal(ended);
    assert!(said.contains("500") && behaviour.methods().len() == 3, "{said}");
    let (ended, behaviour) = ask(vec![status(404)], LONG, None).await;
    let said = refusal(ended);
    assert!(said.contains("404") && behaviour.methods().len() == 1, "{said}");
    // A redirect is no answer: what is sent may be secret.
    let (ended, _) = ask(vec![status(307)], LONG, None).await;
    assert!(refusal(ended).contains("307"));
    let down = ServiceConfig { retries: 0, ..ServiceConfig::new("http://127.0.0.1:9") };
    let down = external(Prover::Service(Service::new(down).expect("is right")), LONG);
    let ended = tokio::task::spawn_blocking(move || down.prove(&[], &())).await.expect("does not panic");
    let said = refusal(ended);
    assert!(said.contains("failed") && !said.contains("127.0.0.1"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_answers_is_checked_and_has_an_end() {
    let (ended, _) = ask(vec![says(""), says(PROVED), says(WRONG)], LONG, None).await;
    assert!(matches!(ended, Err(ProveError::Foreign)), "{ended:?}");
    let endless = || {
        let body = stream::repeat(vec![b' '; 1 << 16]).map(Ok::<_, io::Error>);
        Some(Body::from_stream(body).into_response())
    };
    for (answers, says) in [
        (vec![says(""), says("nonsense")], "answer is none"),
        (vec![says(""), says(r#"{"status":"asleep"}"#)], "answer is none"),
        (vec![says(""), says(PROVED), says("nonsense")], "answer is none"),
        (vec![says(""), says(r#"{"status":"failed","message":"no\nmemory"}"#)], "failed: no memory"),
        (vec![endless()], "more than"),
        (vec![says(""), endless()], "more than"),
        (vec![says(""), says(PROVED), endless()], "more than"),
    ] {
        let said = refusal(ask(answers, LONG, None).await.0);
        assert!(said.contains(says), "{says}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_told_that_a_proof_is_not_wanted_any_more() {
    let (ended, behaviour) = ask(vec![says(""), None], SHORT, None).await;
    assert!(refusal(ended).contains("not done after"));
    assert_eq!(behaviour.methods(), ["PUT", "GET", "DELETE"]);
    let asked_twice: fn(&Behaviour) -> bool = |behaviour| behaviour.methods().len() >= 2;
    let (ended, behaviour) = ask(vec![says(""), None], LONG, Some(asked_twice)).await;
    assert!(matches!(ended, Err(ProveError::Cancelled)), "{ended:?}");
    assert_eq!(behaviour.methods(), ["PUT", "GET", "DELETE"]);
}

#[test]
fn a_services_address_and_token_are_checked() {
    for url in ["prover", "ftp://prover", "http://"] {
        assert!(Service::new(ServiceConfig::new(url)).is_err(), "{url}");
    }
    let token = Some("two words".to_owned());
    assert!(Service::new(ServiceConfig { token, ..ServiceConfig::new("http://prover") }).is_err());
    let config =
        ServiceConfig { token: Some("hunter2".to_owned()), ..ServiceConfig::new("http://hunter2@prover") };
    assert!(!format!("{:?}", Service::new(config).expect("is right")).contains("hunter2"));
}
