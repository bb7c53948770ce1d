//! A page of a node's monitor.

use std::time::Duration;

/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Asks for it.
pub(super) async fn get(base: &str, page: &str) -> Result<reqwest::Response, String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().map_err(cause)?;
    client.get(format!("{}/{page}", base.trim_end_matches('/'))).send().await.map_err(cause)
}

/// The innermost error: the outer ones quote the URL.
fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
