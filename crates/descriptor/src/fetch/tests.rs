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
    let fetcher = Fetcher::new(Reach::Loopback).expect("is built");
    fetcher.artifact(Role::ProvingKey, &artifact(b"the key", urls), &Store::new(root.path()), &|_| {}).await
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
    let fetcher = Fetcher::new(Reach::Public).expect("is built");
    for url in [
        "http://127.0.0.1:1/x",
        "http://[::1]/x",
        "http://169.254.169.254/latest",
        "http://[::ffff:10.0.0.1]/",
        "http://2130706433/",
    ] {
        let error = fetcher.bytes(&url.parse().expect("is a URL"), 10).await.expect_err(url);
        assert!(matches!(error, FetchError::Private { .. }), "{url}: {error}");
    }
    let error =
        fetcher.bytes(&"http://localhost:1/x".parse().expect("is a URL"), 10).await.expect_err("is private");
    assert!(error.to_string().contains("no public address"), "{error}");
    let error =
        fetcher.bytes(&"file:///etc/passwd".parse().expect("is a URL"), 10).await.expect_err("is no web");
    assert!(matches!(error, FetchError::Scheme { .. }));
}

#[tokio::test]
async fn a_redirect_is_followed_where_a_url_may_lead_and_not_without_end() {
    let redirect = |to: &str| format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nConnection: close\r\n\r\n");
    for (to, says) in [
        ("ftp://10.0.0.1/x", "neither http nor https"),
        ("http://169.254.169.254/latest", "no public address"),
        ("http://[fd00::1]/", "no public address"),
        ("/file", "too many redirects"),
    ] {
        let error = last(fetch(serve(redirect(to), false).await).await).to_string();
        assert!(error.contains(says), "{to}: {error}");
    }
    let right = serve(ok("Content-Length: 7\r\n", "the key"), false).await;
    fetch(serve(redirect(right.as_str()), false).await).await.expect("is led to it");
}

#[tokio::test]
async fn a_server_that_is_down_or_silent_or_slow_is_given_up() {
    let down = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}/file", down.local_addr().expect("is bound")).parse().expect("is a URL");
    drop(down);
    assert!(matches!(last(fetch(url).await), FetchError::Http { .. }));

    let short = Duration::from_millis(50);
    let impatient = Pace { stall: short, ..Pace::USUAL };
    let fetcher = Fetcher::with_pace(Reach::Loopback, impatient).expect("is built");
    for answer in [String::new(), ok("Content-Length: 7\r\n", "the")] {
        let error = fetcher.bytes(&serve(answer, true).await, 7).await.expect_err("is silent");
        assert!(matches!(error, FetchError::Http { .. }), "{error}");
    }

    let demanding = Pace { least_speed: u64::MAX, patience: Duration::ZERO, ..Pace::USUAL };
    let fetcher = Fetcher::with_pace(Reach::Loopback, demanding).expect("is built");
    let trickle = serve(ok("", &"x".repeat(1 << 26)), true).await;
    let error = fetcher.bytes(&trickle, u64::MAX).await.expect_err("is slow");
    assert!(matches!(error, FetchError::Slow { .. }), "{error}");
    assert!(!Pace::USUAL.is_too_slow(0, Duration::from_secs(60)));
    assert!(Pace::USUAL.is_too_slow(16 * 1024 * 61 - 1, Duration::from_secs(61)));
    assert!(!Pace::USUAL.is_too_slow(16 * 1024 * 61, Duration::from_secs(61)));
}

#[tokio::test]
async fn what_was_damaged_on_disk_is_fetched_again_and_what_is_whole_is_not() {
    let root = tempfile::tempdir().expect("is made");
    let store = Store::new(root.path());
    let right = serve(ok("Content-Length: 7\r\n", "the key"), false).await;
    let fetcher = Fetcher::new(Reach::Loopback).expect("is built");
    let (there, nowhere) = (artifact(b"the key", vec![right]), artifact(b"the key", vec![]));
    let path = fetcher.artifact(Role::ProvingKey, &there, &store, &|_| {}).await.expect("is fetched");
    fetcher.artifact(Role::ProvingKey, &nowhere, &store, &|_| {}).await.expect("is there");
    std::fs::write(&path, b"the kez").expect("is damaged");
    fetcher.artifact(Role::ProvingKey, &nowhere, &store, &|_| {}).await.expect_err("is damaged");
    let told = std::sync::Mutex::new(Vec::new());
    let tell = |bytes| told.lock().expect("is free").push(bytes);
    fetcher.artifact(Role::ProvingKey, &there, &store, &tell).await.expect("is fetched again");
    assert_eq!(std::fs::read(&path).expect("is there"), b"the key");
    assert_eq!(told.into_inner().expect("is free").last(), Some(&7));
    let left = std::fs::read_dir(root.path().join("sha256")).expect("is there").count();
    assert_eq!(left, 1, "nothing else is left on disk");
}

#[test]
fn special_addresses_are_not_public() {
    for special in [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.1.1.1",
        "169.254.1.1",
        "172.16.0.1",
        "192.0.0.1",
        "192.0.2.1",
        "192.168.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
    ] {
        assert!(!is_public(special.parse().expect("is an address")), "{special}");
    }
    for public in ["1.1.1.1", "100.63.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::101:101"] {
        assert!(is_public(public.parse().expect("is an address")), "{public}");
    }
}
