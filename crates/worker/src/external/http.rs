//! A service that proves, by HTTP. A job has the sha256 of its request as its number, so that asking twice makes one proof, and a
//! node that starts again finds what was proven meanwhile.
//!
//! ```text
//! PUT    <url>/jobs/<number>          the request; 2xx if it was taken
//! GET    <url>/jobs/<number>          {"status":"waiting"}, {"status":"proved"} or {"status":"failed","message":"…"}
//! GET    <url>/jobs/<number>/proof    the answer
//! DELETE <url>/jobs/<number>          the proof is not wanted any more
//! ```

use std::time::{Duration, Instant};

use reqwest::{Client, Method, StatusCode, redirect};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::time::{sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Answer, ExternalError, MOST_ANSWER, Task, plain};

/// A longer answer about a job's state is refused, bytes.
const MOST_STATE: u64 = 64 << 10;
/// For a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Between two pieces of an answer.
const STALL: Duration = Duration::from_secs(30);
/// For telling that a proof is not wanted any more.
const FAREWELL: Duration = Duration::from_secs(2);

/// How a service is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceConfig {
    /// What paths are appended to.
    pub url: String,
    /// Sent as a bearer token.
    pub token: Option<String>,
    /// Between two looks.
    pub poll: Duration,
    /// How often a request that got no answer, or one of the 500s, is sent again.
    pub retries: u32,
}

impl ServiceConfig {
    /// Asked every half second, and five times again.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), token: None, poll: Duration::from_millis(500), retries: 5 }
    }
}

/// A service that proves.
pub struct Service {
    client: Client,
    config: ServiceConfig,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // URL and token may be secret.
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

#[derive(Debug, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum State {
    Waiting,
    Proved,
    Failed {
        #[serde(default)]
        message: String,
    },
}

/// Why one request came to nothing.
enum Fault {
    /// Another may do better.
    Passing(String),
    Final(ExternalError),
}

impl Service {
    /// Nothing is asked yet.
    pub fn new(mut config: ServiceConfig) -> Result<Self, ExternalError> {
        let wrong = |what: &str| ExternalError::Service(what.to_owned());
        let url: reqwest::Url = config.url.parse().map_err(|_| wrong("its address is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(wrong("its address does not begin with http:// or https://"));
        }
        if config
            .token
            .as_ref()
            .is_some_and(|token| token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()))
        {
            return Err(wrong("its token is empty, or has a space or a special character in it"));
        }
        config.url.truncate(config.url.trim_end_matches('/').len());
        // It fails only if another was chosen already, which does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            .read_timeout(STALL)
            .user_agent("provery")
            // Each proof has a runtime of its own, which a connection does not outlive.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| wrong(&plain(&error.without_url())))?;
        Ok(Self { client, config })
    }

    pub(super) async fn prove(
        &self,
        task: &Task,
        deadline: Instant,
        stop: &CancellationToken,
    ) -> Result<Answer, ExternalError> {
        let request = task.to_json().to_string().into_bytes();
        let job = format!("jobs/{}", hex::encode(Sha256::digest(&request)));
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => Err(ExternalError::Cancelled),
            ended = timeout_at(deadline.into(), self.talk(&job, request)) => {
                ended.unwrap_or(Err(ExternalError::TimedOut(task.time)))
            }
        };
        if matches!(ended, Err(ExternalError::Cancelled | ExternalError::TimedOut(_))) {
            // If it does not hear, it proves for nothing.
            let _ = timeout(FAREWELL, self.once(Method::DELETE, &job, None, MOST_STATE)).await;
        }
        ended
    }

    async fn talk(&self, job: &str, request: Vec<u8>) -> Result<Answer, ExternalError> {
        self.ask(Method::PUT, job, Some(&request), MOST_STATE).await?;
        loop {
            let state = self.ask(Method::GET, job, None, MOST_STATE).await?;
            match serde_json::from_slice(&state).map_err(|error| ExternalError::Answer(plain(&error)))? {
                State::Waiting => sleep(self.config.poll).await,
                State::Proved => break,
                State::Failed { message } => return Err(ExternalError::Failed(plain(&message))),
            }
        }
        Answer::read(&self.ask(Method::GET, &format!("{job}/proof"), None, MOST_ANSWER).await?)
    }

    /// Until there is an answer, or none is to be had.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&[u8]>,
        most: u64,
    ) -> Result<Vec<u8>, ExternalError> {
        let mut pause = self.config.poll;
        let mut left = self.config.retries;
        loop {
            match self.once(method.clone(), path, body, most).await {
                Ok(answer) => return Ok(answer),
                Err(Fault::Final(error)) => return Err(error),
                Err(Fault::Passing(what)) if left == 0 => return Err(ExternalError::Failed(what)),
                Err(Fault::Passing(what)) => {
                    tracing::info!(error = what, left, "external prover asked again");
                    left -= 1;
                    sleep(pause).await;
                    pause = pause.saturating_mul(2).min(STALL);
                }
            }
        }
    }

    async fn once(
        &self,
        method: Method,
        path: &str,
        body: Option<&[u8]>,
        most: u64,
    ) -> Result<Vec<u8>, Fault> {
        let passing = |error: reqwest::Error| Fault::Passing(plain(&cause(error)));
        let mut request = self.client.request(method, format!("{}/{path}", self.config.url));
        if let Some(token) = &self.config.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_vec());
        }
        let mut response = request.send().await.map_err(passing)?;
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Fault::Passing(format!("it answered with status {status}")));
        }
        if !status.is_success() {
            return Err(Fault::Final(ExternalError::Failed(format!("it answered with status {status}"))));
        }
        let mut answer = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(passing)? {
            if answer.len() as u64 + piece.len() as u64 > most {
                return Err(Fault::Final(ExternalError::TooLong { most }));
            }
            answer.extend_from_slice(&piece);
        }
        Ok(answer)
    }
}

/// The innermost cause, which says what a reader can act on; without the URL, which may be secret.
fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut inner: &dyn std::error::Error = &error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
