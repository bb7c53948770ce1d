//! The HTTP server, on a thread of its own: whatever holds the node's other threads up, it says so.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{guard::Bounded, handle::Monitor};

/// What answers may still take once the node stops.
const LINGER: Duration = Duration::from_secs(1);

/// Why the status page cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error(
        "the status page cannot listen on {address} ({source}): stop what uses it, or choose another address with --http"
    )]
    Bind {
        /// What was asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The page's thread cannot be started, or failed.
    #[error("the status page's thread cannot be started ({0}): check the system's limits")]
    Thread(io::Error),
    /// Nobody told it to.
    #[error("the status page ended by itself: this is a bug")]
    Ended,
}

/// A bound address, not served yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Take the address. Port 0 takes a free one.
    pub fn bind(address: SocketAddr) -> Result<Self, ServeError> {
        let bind = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = bind().map_err(|source| ServeError::Bind { address, source })?;
        if !address.ip().is_loopback() {
            warn!(%address, "whoever reaches the status page can read what this node does; it has no password");
        }
        Ok(Self { listener, address })
    }

    /// Where it listens: with the port that the system chose, if it was asked for 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serve until `shutdown` is cancelled, or this future is dropped.
    pub async fn run(self, monitor: Monitor, shutdown: CancellationToken) -> Result<(), ServeError> {
        let stop = shutdown.child_token();
        let _stop_when_dropped = stop.clone().drop_guard();
        let (ended, end) = oneshot::channel();
        info!(address = %self.address, "status page");
        let listener = self.listener;
        let body = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let result = runtime.and_then(|runtime| {
                runtime.block_on(async {
                    serve(tokio::net::TcpListener::from_std(listener)?, monitor, stop).await
                })
            });
            // Nobody listens once the node is gone.
            let _ = ended.send(result);
        };
        std::thread::Builder::new().name("status-page".to_owned()).spawn(body).map_err(ServeError::Thread)?;
        match end.await {
            Ok(Ok(())) if shutdown.is_cancelled() => Ok(()),
            Ok(Err(error)) => Err(ServeError::Thread(error)),
            _ => Err(ServeError::Ended),
        }
    }
}

/// Answer requests until `shutdown` is cancelled.
pub async fn serve(
    listener: tokio::net::TcpListener,
    monitor: Monitor,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let router = Router::new()
        .route("/", get(index))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .with_state(monitor);
    let server = axum::serve(Bounded::new(listener), router)
        .with_graceful_shutdown(shutdown.clone().cancelled_owned());
    tokio::select! {
        ended = server => ended,
        // A client that does not read must not hold the node up.
        () = async { shutdown.cancelled().await; tokio::time::sleep(LINGER).await } => Ok(()),
    }
}

async fn index() -> &'static str {
    "provery node: /healthz /readyz /metrics /status\n"
}

async fn healthz(State(monitor): State<Monitor>) -> Response {
    if monitor.alive() {
        (StatusCode::OK, "ok\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "stalled: the service loop does not tick\n").into_response()
    }
}

async fn readyz(State(monitor): State<Monitor>) -> Response {
    let reasons = monitor.unready();
    let code = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut body = json!({ "ready": reasons.is_empty(), "reasons": reasons });
    if !reasons.is_empty()
        && let Some(status) = monitor.status()
    {
        let details = status.sentences().into_iter();
        body["details"] =
            details.map(|(code, message)| json!({ "code": code, "message": message })).collect();
    }
    (code, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

async fn metrics(State(monitor): State<Monitor>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], monitor.metrics()).into_response()
}

async fn status(State(monitor): State<Monitor>) -> Response {
    let body = monitor.status().map(|status| serde_json::to_string(status.as_ref()));
    match body {
        Some(Ok(body)) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Some(Err(error)) => {
            warn!(%error, "the status cannot be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        None => (StatusCode::SERVICE_UNAVAILABLE, "the node is starting\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::{
        super::{shared::ALIVE_WITHIN, status::tests::well},
        *,
    };

    /// The status code and the body.
    async fn get(address: SocketAddr, path: &str) -> (u16, String) {
        let mut stream = tokio::net::TcpStream::connect(address).await.expect("connects");
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("asks");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answers");
        let code = answer.split_whitespace().nth(1).and_then(|code| code.parse().ok()).expect("a code");
        (code, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    struct Running {
        address: SocketAddr,
        stop: CancellationToken,
        task: tokio::task::JoinHandle<Result<(), ServeError>>,
    }

    fn start(monitor: &Monitor) -> Running {
        let server = Server::bind(([127, 0, 0, 1], 0).into()).expect("binds");
        let (address, stop) = (server.address(), CancellationToken::new());
        let task = tokio::spawn(server.run(monitor.clone(), stop.clone()));
        Running { address, stop, task }
    }

    #[tokio::test]
    async fn pages_follow_what_is_published() {
        let monitor = Monitor::new();
        let server = start(&monitor);
        assert_eq!(get(server.address, "/healthz").await.0, 200);
        let (code, body) = get(server.address, "/readyz").await;
        assert_eq!((code, body.as_str()), (503, r#"{"ready":false,"reasons":["starting"]}"#));
        assert_eq!(get(server.address, "/status").await.0, 503);
        monitor.publish(well());
        assert_eq!(get(server.address, "/readyz").await, (200, r#"{"ready":true,"reasons":[]}"#.to_owned()));
        let (code, body) = get(server.address, "/status").await;
        assert_eq!(code, 200);
        let shown: super::super::Status = serde_json::from_str(&body).expect("reads");
        assert_eq!(shown, well());
        let mut worse = well();
        worse.chain.endpoints[0].up = false;
        worse.node.draining = true;
        worse.shortfalls.push(crate::earning::Shortfall {
            code: "too_dear".to_owned(),
            market: Some("1".to_owned()),
            message: "a proof costs too much".to_owned(),
            next: "provery calibrate".to_owned(),
        });
        monitor.publish(worse);
        let (code, body) = get(server.address, "/readyz").await;
        assert_eq!((code, body.contains(r#"["no_endpoint","draining"]"#)), (503, true), "{body}");
        assert!(
            body.contains(r#"{"code":"too_dear","message":"a proof costs too much; `provery calibrate`"}"#),
            "{body}"
        );
        assert!(get(server.address, "/metrics").await.1.ends_with("# EOF\n"));
        assert_eq!(get(server.address, "/else").await.0, 404);
        server.stop.cancel();
        server.task.await.expect("joins").expect("ends well");
        assert!(tokio::net::TcpStream::connect(server.address).await.is_err(), "it is closed");
    }

    #[tokio::test]
    async fn a_loop_that_hangs_is_told() {
        let monitor = Monitor::new();
        monitor.publish(well());
        let monitor = monitor.without_ticks_since(ALIVE_WITHIN * 2);
        let server = start(&monitor);
        assert_eq!(get(server.address, "/healthz").await.0, 503);
        let (code, body) = get(server.address, "/readyz").await;
        assert_eq!((code, body.contains("stalled")), (503, true), "{body}");
        monitor.tick();
        assert_eq!(get(server.address, "/healthz").await.0, 200);
    }

    #[tokio::test]
    async fn a_blocked_runtime_still_answers() {
        // This test's runtime has one thread, and it is blocked while another thread asks.
        let server = start(&Monitor::new());
        let address = server.address;
        // Started by now: one request has gone through.
        assert_eq!(get(address, "/healthz").await.0, 200);
        let asked = std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            let mut stream = std::net::TcpStream::connect(address).expect("connects");
            stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("asks");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("answers");
            answer
        });
        assert!(asked.join().expect("asks").starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn a_silent_client_does_not_hold_the_end_up() {
        let server = start(&Monitor::new());
        let _silent = tokio::net::TcpStream::connect(server.address).await.expect("connects");
        server.stop.cancel();
        server.task.await.expect("joins").expect("ends");
    }

    #[tokio::test]
    async fn an_address_in_use_is_one_sentence() {
        let first = Server::bind(([127, 0, 0, 1], 0).into()).expect("binds");
        let error = Server::bind(first.address()).expect_err("it is taken").to_string();
        assert!(error.contains(&first.address().to_string()) && error.contains("--http"), "{error}");
    }
}
