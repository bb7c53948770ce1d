use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

/// A server that gives every connection the same answer, and then closes or keeps quiet.
async fn serve(answer: impl Into<Vec<u8>>, keeps_open: bool) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}/file", listener.local_addr().expect("is bound")).parse().expect("is a URL");
    let answer = answer.into();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(&answer).await;
                if keeps_open {
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    url
}

fn ok(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{headers}Connection: close\r\n\r\n{body}")
}

fn artifact(content: &[u8], urls: Vec<Url>) -> Artifact {
    Artifact {
        media_type: "application/octet-stream".to_owned(),
        digest: Digest::of(content),
        size: content.len() as u64,
        urls,
    }
}

async fn fetch(url: Url) -> Result<PathBuf, FetchError> {
    fetch_any(vec![url]).await
}

async fn fetch_any(urls: Vec<Url>) -> Result<PathBuf, FetchError> {
    let root = tempfile::tempdir().expect("is made");
    let fetcher = Fetcher::new(true).expect("is built");
    fetcher.artifact(Role::ProvingKey, &artifact(b"the key", urls), &Store::new(root.path())).await
}

fn last(result: Result<PathBuf, FetchError>) -> FetchError {
    match result.expect_err("fails") {
        FetchError::Everywhere { last, .. } => *last,
        other => other,
    }
}

#[tokio::test]
async fn a_file_comes_from_the_first_server_that_has_the_right_bytes() {
    let wrong = serve(ok("Content-Length: 7\r\n", "not key"), false).await;
    let gone = serve("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n", false).await;
    let right = serve(ok("Content-Length: 7\r\n", "the key"), false).await;
    fetch_any(vec![wrong.clone(), gone.clone(), right]).await.expect("the third has it");
    assert!(matches!(last(fetch(wrong).await), FetchError::Digest { .. }));
    assert!(matches!(last(fetch(gone).await), FetchError::Status { status: 404, .. }));
    assert!(matches!(fetch_any(vec![]).await, Err(FetchError::Nowhere { .. })));
}

#[tokio::test]
async fn a_server_that_lies_about_the_length_or_never_ends_is_left_at_the_size_that_is_described() {
    let long = serve(ok("Content-Length: 8\r\n", "the key!"), true).await;
    assert!(matches!(last(fetch(long).await), FetchError::Size { actual: 8, .. }), "said beforehand");
    let endless = serve(ok("", &"x".repeat(100_000)), true).await;
    assert!(matches!(last(fetch(endless).await), FetchError::Size { .. }), "met while reading");
    let short = serve(ok("Content-Length: 7\r\n", "the"), false).await;
    assert!(matches!(last(fetch(short).await), FetchError::Http { .. }), "broken off");
    let cut = serve(ok("", "the"), false).await;
    assert!(matches!(last(fetch(cut).await), FetchError::Size { actual: 3, .. }), "ended early");
}

#[tokio::test]
async fn neither_a_url_nor_a_redirect_nor_a_name_leads_into_the_network() {
    let fetcher = Fetcher::new(false).expect("is built");
    for url in ["http://127.0.0.1:1/x", "http://[::1]/x", "http://169.254.169.254/latest", "http://[::ffff:10.0.0.1]/", "http://2130706433/"] {
        let error = fetcher.bytes(&url.parse().expect("is a URL"), 10).await.expect_err(url);
        assert!(matches!(error, FetchError::Private { .. }), "{url}: {error}");
    }
    let error = fetcher.bytes(&"http://localhost:1/x".parse().expect("is a URL"), 10).await.expect_err("is private");
    assert!(error.to_string().contains("no public address"), "{error}");
    let error = fetcher.bytes(&"file:///etc/passwd".parse().expect("is a URL"), 10).await.expect_err("is no web");
    assert!(matches!(error, FetchError::Scheme { .. }));
    // A redirect is checked by the same rule: here a scheme, since this server itself is private.
    let sly = serve("HTTP/1.1 302 Found\r\nLocation: ftp://10.0.0.1/x\r\nConnection: close\r\n\r\n", false).await;
    let error = last(fetch(sly).await).to_string();
    assert!(error.contains("neither http nor https"), "{error}");
}

#[test]
fn special_addresses_are_not_public() {
    for special in [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.1.1.1", "169.254.1.1", "172.16.0.1", "192.0.0.1", "192.0.2.1", "192.168.0.1", "198.18.0.1",
        "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fc00::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:a00:1::",
    ] {
        assert!(!is_public(special.parse().expect("is an address")), "{special}");
    }
    for public in ["1.1.1.1", "100.63.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::101:101"] {
        assert!(is_public(public.parse().expect("is an address")), "{public}");
    }
}
