//! One request to one endpoint over HTTP. Nothing here tells more of a URL than scheme, host and port: alloy's own HTTP
//! transport puts the whole of it into spans and errors, and with many providers it holds the key.

use std::time::{Duration, SystemTime};

use alloy::rpc::json_rpc::{Id, RequestPacket, Response, ResponsePacket, ResponsePayload};
use reqwest::{
    StatusCode, Url,
    header::{self, HeaderMap},
};

use super::health;
use crate::{ChainError, cause::root_cause};

/// Shorter parts of a URL are too common to be struck from a message.
const SECRET: usize = 6;

/// Most bytes of an answer: many times what the largest blocks' receipts take.
pub(super) const LONGEST: usize = 64 << 20;

/// Why there is no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{0}")]
    Unreachable(String),
    #[error("no answer within {0} ms")]
    Timeout(u128),
    #[error("HTTP status {0}")]
    Status(u16),
    #[error("HTTP status {status}: it asks to be left alone for {} s", .wait.as_secs_f32().ceil())]
    Later { status: u16, wait: Duration },
    /// It was not asked.
    #[error("it asked to be left alone, for {} s more", .0.as_secs_f32().ceil())]
    Resting(Duration),
    #[error("the answer is cut off or is no JSON-RPC")]
    Garbled,
    #[error("the answer is to another request")]
    Mismatched,
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    #[error("{0}")]
    Malformed(String),
    #[error("it serves chain {found}, the others chain {expected}")]
    OtherChain { found: u64, expected: u64 },
}

impl Fault {
    /// Whether there was an answer, and it made no sense.
    pub(crate) fn is_senseless(&self) -> bool {
        matches!(self, Self::Garbled | Self::Mismatched | Self::TooLong(_) | Self::Malformed(_))
    }
}

#[derive(Clone)]
pub(crate) struct Wire {
    client: reqwest::Client,
    url: Url,
    name: String,
    secrets: Vec<String>,
    timeout: Duration,
    longest: usize,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Wire {
    /// `timeout` bounds every request, and `longest` the bytes of its answer.
    pub(crate) fn new(url: &str, timeout: Duration, longest: usize) -> Result<Self, ChainError> {
        let shown = redact(url);
        let invalid = |reason: String| ChainError::UrlInvalid { url: shown.clone(), reason };
        let url: Url = url.parse().map_err(|error| invalid(format!("{error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid(format!("its scheme is {}", url.scheme())));
        }
        // https needs a provider of cryptography; one that is already installed stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(timeout / 2)
            // A redirect would turn the POST into a GET, and may lead the key elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| invalid(root_cause(&error.without_url())))?;
        let secrets = secrets(&url);
        Ok(Self { client, name: redact(url.as_str()), url, secrets, timeout, longest })
    }

    /// Scheme, host and port.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_local(&self) -> bool {
        self.url.host_str().is_some_and(|host| host == "localhost" || host == "127.0.0.1")
    }

    pub(crate) async fn post(&self, packet: &RequestPacket) -> Result<ResponsePacket, Fault> {
        let body = serde_json::to_vec(packet).map_err(|error| Fault::Unreachable(error.to_string()))?;
        let request = self
            .client
            .post(self.url.clone())
            .timeout(self.timeout)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
        let mut response = request.send().await.map_err(|error| self.fault(error))?;
        let status = response.status();
        if let Some(wait) = rest(status, response.headers(), SystemTime::now()) {
            return Err(Fault::Later { status: status.as_u16(), wait });
        }
        let mut body = Vec::new();
        let cut_off = |error| match self.fault(error) {
            _ if !status.is_success() => Fault::Status(status.as_u16()),
            Fault::Unreachable(_) => Fault::Garbled,
            other => other,
        };
        // Counted as it comes: what a header says of its length may not be so.
        while let Some(piece) = response.chunk().await.map_err(cut_off)? {
            if body.len() + piece.len() > self.longest {
                return Err(Fault::TooLong(self.longest));
            }
            body.extend_from_slice(&piece);
        }
        let packet_back = self.clean(parse(status, &body)?);
        if answers(packet, &packet_back) { Ok(packet_back) } else { Err(Fault::Mismatched) }
    }

    fn fault(&self, error: reqwest::Error) -> Fault {
        if error.is_timeout() {
            return Fault::Timeout(self.timeout.as_millis());
        }
        Fault::Unreachable(root_cause(&error.without_url()))
    }

    /// Providers like to repeat the key in what they refuse.
    fn clean(&self, mut packet: ResponsePacket) -> ResponsePacket {
        let responses = match &mut packet {
            ResponsePacket::Single(response) => std::slice::from_mut(response),
            ResponsePacket::Batch(responses) => responses.as_mut_slice(),
        };
        for response in responses {
            if let ResponsePayload::Failure(error) = &mut response.payload {
                for secret in &self.secrets {
                    if error.message.contains(secret.as_str()) {
                        error.message = error.message.replace(secret.as_str(), "…").into();
                    }
                }
            }
        }
        packet
    }
}

/// What an answer is. Some nodes send a JSON-RPC error with an HTTP status that says so too.
fn parse(status: StatusCode, body: &[u8]) -> Result<ResponsePacket, Fault> {
    let packet = serde_json::from_slice::<ResponsePacket>(body);
    if status.is_success() {
        return packet.map_err(|_| Fault::Garbled);
    }
    match packet {
        Ok(packet) if packet.is_error() && !is_overloaded(status) => Ok(packet),
        _ => Err(Fault::Status(status.as_u16())),
    }
}

/// For how long an overloaded endpoint wants to be left alone: no longer than any is left.
fn rest(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let told = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match !told.is_empty() && told.bytes().all(|byte| byte.is_ascii_digit()) {
        // Too many digits are too long.
        true => Duration::from_secs(told.parse().unwrap_or(u64::MAX)),
        false => httpdate::parse_http_date(told).ok()?.duration_since(now).ok()?,
    };
    Some(wait.min(health::LONGEST)).filter(|wait| !wait.is_zero())
}

fn is_overloaded(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502..=504)
}

/// Whether the answer belongs to the request. One error without an id answers anything; a batch may be answered in any
/// order, and what is missing of it is found out by those who wait for it.
fn answers(request: &RequestPacket, answer: &ResponsePacket) -> bool {
    let refused = |response: &Response| response.is_error() && response.id == Id::None;
    match (request, answer) {
        (RequestPacket::Single(request), ResponsePacket::Single(response)) => {
            response.id == *request.id() || refused(response)
        }
        (RequestPacket::Single(_), ResponsePacket::Batch(_)) => false,
        (RequestPacket::Batch(_), ResponsePacket::Single(response)) => response.is_error(),
        (RequestPacket::Batch(requests), ResponsePacket::Batch(responses)) => responses
            .iter()
            .all(|response| refused(response) || requests.iter().any(|request| *request.id() == response.id)),
    }
}

/// Scheme, host and port of what may be a URL. The rest may be a secret and is never shown.
pub(crate) fn redact(url: &str) -> String {
    match url.parse::<Url>() {
        Ok(url) if url.has_host() => {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
        }
        Ok(url) => format!("{}:…", url.scheme()),
        // What it was meant to be is anyone's guess: show what can hold no key.
        Err(_) => {
            let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
            let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
            host.split(['/', '?', '#']).next().unwrap_or_default().to_string()
        }
    }
}

fn secrets(url: &Url) -> Vec<String> {
    let path = url.path_segments().into_iter().flatten().map(str::to_string);
    let query = url.query_pairs().map(|(_, value)| value.into_owned());
    let user = [url.username().to_string(), url.password().unwrap_or_default().to_string()];
    path.chain(query).chain(user).filter(|part| part.len() >= SECRET).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single(id: u64) -> RequestPacket {
        let request = alloy::rpc::json_rpc::Request::new("eth_chainId", Id::Number(id), [(); 0]);
        RequestPacket::Single(request.serialize().expect("it serializes"))
    }

    fn answer(text: &str) -> ResponsePacket {
        serde_json::from_str(text).expect("JSON-RPC")
    }

    #[test]
    fn only_scheme_host_and_port_are_shown() {
        for (url, shown) in [
            ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
            ("https://user:password@node.example/v3/apikey?token=hidden", "https://node.example"),
            ("https://node.example:443/apikey", "https://node.example"),
            ("user:password@node.example/apikey", "user:…"),
            ("http://user:password@node.example:port/apikey", "node.example:port"),
            ("not a url", "not a url"),
        ] {
            assert_eq!(redact(url), shown);
        }
    }

    #[test]
    fn an_error_repeats_no_secret() {
        let wire = Wire::new("https://node.example/v3/0123456789abcdef", Duration::from_secs(1), LONGEST)
            .expect("a URL");
        let refused =
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"0123456789abcdef is over"}}"#;
        let cleaned = wire.clean(answer(refused));
        assert_eq!(cleaned.first_error_message(), Some("… is over"));
        assert!(!format!("{wire:?}").contains("0123456789abcdef"));
    }

    #[test]
    fn an_overloaded_endpoint_has_no_answer_and_one_that_refuses_has() {
        let error = br#"{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"execution reverted"}}"#;
        assert!(parse(StatusCode::INTERNAL_SERVER_ERROR, error).is_ok());
        assert_eq!(parse(StatusCode::TOO_MANY_REQUESTS, error).err(), Some(Fault::Status(429)));
        assert_eq!(parse(StatusCode::SERVICE_UNAVAILABLE, b"busy").err(), Some(Fault::Status(503)));
        assert_eq!(parse(StatusCode::OK, &error[..30]).err(), Some(Fault::Garbled));
        assert_eq!(parse(StatusCode::OK, b"<html>").err(), Some(Fault::Garbled));
    }

    #[test]
    fn how_long_to_leave_it_alone_is_in_seconds_or_a_date_and_no_more_than_a_minute() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        let of = |status: u16, told: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("Retry-After", told.parse().expect("a header"));
            rest(StatusCode::from_u16(status).expect("a status"), &headers, now).map(|wait| wait.as_secs())
        };
        for status in [429, 503] {
            for (told, wait) in [
                ("7", Some(7)),
                (" 7 ", Some(7)),
                ("3600", Some(60)),
                ("99999999999999999999999", Some(60)),
                ("0", None),
                ("-7", None),
                ("1.5", None),
                ("soon", None),
                ("", None),
                ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
                ("Sunday, 06-Nov-94 08:49:47 GMT", Some(10)),
                ("Sun Nov  6 08:49:47 1994", Some(10)),
                ("Sun, 06 Nov 1994 09:49:37 GMT", Some(60)),
                ("Sun, 06 Nov 1994 08:49:37 GMT", None),
                ("Sun, 06 Nov 1994 08:49:30 GMT", None),
            ] {
                assert_eq!(of(status, told), wait, "{status} {told}");
            }
        }
        assert_eq!([of(200, "7"), of(500, "7"), of(404, "7")], [None; 3]);
        assert_eq!(rest(StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new(), now), None);
    }

    #[test]
    fn an_answer_belongs_to_its_request() {
        assert!(answers(&single(1), &answer(r#"{"jsonrpc":"2.0","id":1,"result":"0x1"}"#)));
        assert!(!answers(&single(2), &answer(r#"{"jsonrpc":"2.0","id":1,"result":"0x1"}"#)));
        let refused = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}"#;
        assert!(answers(&single(2), &answer(refused)));
        assert!(!answers(&single(1), &answer(r#"[{"jsonrpc":"2.0","id":1,"result":"0x1"}]"#)));
    }
}
