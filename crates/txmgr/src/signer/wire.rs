//! One JSON-RPC request to a signer over HTTP. Of its URL, which may hold a password, nothing is told but scheme, host and port.

use std::time::Duration;

use reqwest::{Url, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::SignerError;

/// Most bytes of an answer: many times a signed transaction of the largest size that nodes take.
const LONGEST: usize = 1 << 20;
/// Most characters of a refusal that are repeated.
const MESSAGE: usize = 200;

/// What a signer answered.
pub(super) enum Answer {
    Result(Value),
    Refused { code: i64, message: String },
}

#[derive(Deserialize)]
struct Response {
    id: Value,
    #[serde(default)]
    result: Value,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
}

#[derive(Clone)]
pub(super) struct Wire {
    client: reqwest::Client,
    url: Url,
    name: String,
    timeout: Duration,
}

impl Wire {
    pub(super) fn new(url: &str, timeout: Duration) -> Result<Self, SignerError> {
        let url: Url = url.parse().map_err(|_| SignerError::Url("it cannot be read".to_owned()))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(SignerError::Url("it names no host by http or https".to_owned()));
        }
        // https needs a provider of cryptography; one that is already installed stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(timeout / 2)
            // A redirect would turn the POST into a GET, and lead what is to be signed elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| SignerError::Url(cause(&error.without_url())))?;
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let name = format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default());
        Ok(Self { client, url, name, timeout })
    }

    /// Scheme, host and port.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn senseless(&self, what: &'static str) -> SignerError {
        SignerError::Senseless { signer: self.name.clone(), what }
    }

    pub(super) async fn ask(&self, method: &'static str, params: Value) -> Result<Answer, SignerError> {
        const ID: u64 = 1;
        let body = json!({ "jsonrpc": "2.0", "id": ID, "method": method, "params": params }).to_string();
        let request = self
            .client
            .post(self.url.clone())
            .timeout(self.timeout)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
        let mut response = request.send().await.map_err(|error| self.fault(error))?;
        let status = response.status();
        let mut body = Vec::new();
        // Counted as it comes: what a header says of its length may not be so.
        while let Some(piece) = response.chunk().await.map_err(|error| self.fault(error))? {
            if body.len() + piece.len() > LONGEST {
                return Err(self.senseless("it is too long"));
            }
            body.extend_from_slice(&piece);
        }
        // Some refuse with a status and JSON-RPC's words, which say more.
        let parsed: Result<Response, _> = serde_json::from_slice(&body);
        match parsed {
            Ok(Response { id, .. }) if status.is_success() && id != ID => {
                Err(self.senseless("it is to another request"))
            }
            Ok(Response { error: Some(Refusal { code, message }), .. }) => {
                Ok(Answer::Refused { code, message: shown(&message) })
            }
            Ok(Response { result, .. }) if status.is_success() => Ok(Answer::Result(result)),
            _ if !status.is_success() => {
                Err(SignerError::Status { signer: self.name.clone(), status: status.as_u16() })
            }
            _ => Err(self.senseless("it is no JSON-RPC")),
        }
    }

    fn fault(&self, error: reqwest::Error) -> SignerError {
        let signer = self.name.clone();
        if error.is_timeout() {
            return SignerError::Timeout { signer, seconds: self.timeout.as_secs() };
        }
        SignerError::Unreachable { signer, reason: cause(&error.without_url()) }
    }
}

/// The innermost error, which is the one that says what happened ("Connection refused").
fn cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// What a server says neither moves the cursor nor fills the screen.
fn shown(message: &str) -> String {
    message.chars().take(MESSAGE).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
