//! Connections to the status page, bounded in number and in silence: whoever opens them without end must not use up the
//! descriptors that the node needs to earn its living.

use std::{
    future::Future as _,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep},
};

/// More connections than this wait until one is closed.
const MOST: usize = 64;
/// A connection on which nothing is asked for this long is closed.
const SILENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(super) struct Bounded {
    inner: TcpListener,
    permits: Arc<Semaphore>,
    silence: Duration,
}

impl Bounded {
    pub(super) fn new(inner: TcpListener) -> Self {
        Self::with(inner, MOST, SILENCE)
    }

    fn with(inner: TcpListener, most: usize, silence: Duration) -> Self {
        Self { inner, permits: Arc::new(Semaphore::new(most)), silence }
    }
}

impl Listener for Bounded {
    type Io = Guarded;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Guarded, SocketAddr) {
        // The semaphore is never closed; without a permit the connection would merely not be counted.
        let permit = self.permits.clone().acquire_owned().await.ok();
        // Retries by itself what can be retried.
        let (stream, from) = Listener::accept(&mut self.inner).await;
        let guarded =
            Guarded { stream, silence: self.silence, until: Box::pin(sleep(self.silence)), _permit: permit };
        (guarded, from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

#[derive(Debug)]
pub(super) struct Guarded {
    stream: TcpStream,
    silence: Duration,
    until: Pin<Box<Sleep>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Pending => self.until.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
            ready => {
                let until = Instant::now() + self.silence;
                self.until.as_mut().reset(until);
                ready
            }
        }
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, buf) {
            // Nor does a client that asks and does not read stay for ever.
            Poll::Pending => self.until.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
            ready => ready,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn silent_connections_make_room_for_others() {
        let inner = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = inner.local_addr().expect("has an address");
        let bounded = Bounded::with(inner, 1, Duration::from_millis(50));
        let router = axum::Router::new().route("/", axum::routing::get(async || "here"));
        let server = tokio::spawn(async move { axum::serve(bounded, router).await });
        let mut silent = TcpStream::connect(address).await.expect("connects");
        let mut asking = TcpStream::connect(address).await.expect("connects");
        asking.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("asks");
        let mut answer = String::new();
        asking.read_to_string(&mut answer).await.expect("is answered once the silent one is closed");
        assert!(answer.ends_with("here"), "{answer}");
        let mut rest = Vec::new();
        let _ = silent.read_to_end(&mut rest).await;
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{rest:?}");
        server.abort();
    }
}
