//! As much HTTP/1.1 as JSON-RPC between a client and anvil needs, by hand: a server that can break off anywhere.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// More than any request or answer here.
const MOST: usize = 64 << 20;
/// anvil answers at once, or is busy with a deep reorganisation.
const PATIENCE: Duration = Duration::from_secs(30);

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Read a head and as much of a body as it promises. `None` if the stream ends before the first byte.
pub(super) async fn read(stream: &mut TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return if bytes.is_empty() { Ok(None) } else { Err(invalid("the head is cut off")) };
        }
        if bytes.len() > MOST {
            return Err(invalid("the head has no end"));
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let length = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .filter(|length| *length <= MOST)
        .ok_or_else(|| invalid("the body has no length"))?;
    let mut body = bytes.split_off(head);
    while body.len() < length {
        if stream.read_buf(&mut body).await? == 0 {
            return Err(invalid("the body is cut off"));
        }
    }
    body.truncate(length);
    Ok(Some((text, body)))
}

/// The bytes of an answer.
pub(super) fn answer(status: u16, body: &[u8]) -> Vec<u8> {
    let reason = match status {
        200 => "OK",
        429 => "Too Many Requests",
        _ => "Internal Server Error",
    };
    let mut bytes = format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Post a body to `address` (host:port); the answer's body.
pub(super) async fn post(address: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let mut request = format!(
            "POST / HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        stream.write_all(&request).await?;
        read(&mut stream).await?.map(|(_, body)| body).ok_or_else(|| invalid("no answer"))
    };
    timeout(PATIENCE, exchange).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// Get a path of `address` (host:port): the answer's body.
pub(super) async fn get(address: &str, path: &str) -> io::Result<Vec<u8>> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        read(&mut stream).await?.map(|(_, body)| body).ok_or_else(|| invalid("no answer"))
    };
    timeout(Duration::from_secs(2), exchange).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
