//! Artifacts from the web, of servers that are not trusted: they may be down, slow, endless, lie about a length, or lead into the
//! network that the prover stands in. Bytes whose digest differs are refused; a URL that a descriptor names is somebody else's, so
//! neither it nor a redirect may reach an address that is not public, unless the operator says so.

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::{
    Client, Response,
    dns::{Addrs, Name, Resolve, Resolving},
    header::CONTENT_LENGTH,
    redirect,
};
use sha2::{Digest as _, Sha256};
use tracing::{debug, info, warn};
use url::{Host, Url};

use crate::{
    artifact::{Artifact, Role},
    digest::Digest,
    store::Store,
};

const MOST_REDIRECTS: usize = 5;

/// How long a server may take.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Until there is a connection.
    connect: Duration,
    /// Until it answers, and between two pieces of the answer.
    stall: Duration,
    /// What a transfer has to reach on average, bytes a second.
    least_speed: u64,
    /// Of the speed nothing is asked before this.
    patience: Duration,
}

impl Pace {
    /// Together with an artifact's size a bound on the time of its transfer.
    const USUAL: Self = Self {
        connect: Duration::from_secs(10),
        stall: Duration::from_secs(30),
        least_speed: 16 * 1024,
        patience: Duration::from_secs(60),
    };

    fn is_too_slow(&self, size: u64, elapsed: Duration) -> bool {
        elapsed > self.patience
            && u128::from(size) * 1_000 < u128::from(self.least_speed) * elapsed.as_millis()
    }
}

/// Which addresses may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Those of the public internet.
    Public,
    /// This machine's own, too: for development.
    Loopback,
}

impl Reach {
    fn allows(self, address: IpAddr) -> bool {
        is_public(address) || (self == Self::Loopback && address.to_canonical().is_loopback())
    }
}

/// Why an artifact could not be had.
// Of each variant its message says what it is, with all of its fields.
#[allow(missing_docs)]
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("{url} is neither http nor https; name a URL that is")]
    Scheme { url: Url },
    #[error("{host} leads to {address}, which is no public address")]
    Private { host: String, address: IpAddr },
    #[error("{url} cannot be had: {cause}")]
    Http { url: Url, cause: String },
    #[error("{url} answered with status {status}")]
    Status { url: Url, status: u16 },
    #[error(
        "{url} has {actual} bytes and {expected} are described; ask whoever serves it for the right file"
    )]
    Size { url: Url, expected: u64, actual: u64 },
    #[error("{url} is slower than {least_speed} bytes a second; try another server")]
    Slow { url: Url, least_speed: u64 },
    #[error(
        "{url} has the digest {actual} and {expected} is described; ask whoever serves it for the right file"
    )]
    Digest { url: Box<Url>, expected: Digest, actual: Digest },
    #[error("the file cannot be written: {0}; see to the disk")]
    Disk(#[from] io::Error),
    #[error("no URL is said for it")]
    NoUrl,
    #[error("the descriptor says no URL for {role}; get the file elsewhere and name it with `--from`")]
    Nowhere { role: Role },
    #[error("the artifact {role} could not be had from any of its {tried} URLs: {last}")]
    Everywhere { role: Role, tried: usize, last: Box<FetchError> },
}

/// Fetches by HTTP.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: Client,
    reach: Reach,
    pace: Pace,
}

impl Fetcher {
    /// One that asks servers within `reach` alone.
    pub fn new(reach: Reach) -> Result<Self, reqwest::Error> {
        Self::with_pace(reach, Pace::USUAL)
    }

    fn with_pace(reach: Reach, pace: Pace) -> Result<Self, reqwest::Error> {
        // It fails only if another was chosen already, which does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let redirects = redirect::Policy::custom(move |attempt| {
            if attempt.previous().len() > MOST_REDIRECTS {
                attempt.error("too many redirects")
            } else {
                match check(attempt.url(), reach) {
                    Ok(()) => attempt.follow(),
                    Err(error) => attempt.error(error),
                }
            }
        });
        let client = Client::builder()
            .redirect(redirects)
            .dns_resolver(Arc::new(Within { reach }))
            .connect_timeout(pace.connect)
            .read_timeout(pace.stall)
            // What a proxy may reach is not for a descriptor's author to choose.
            .no_proxy()
            .user_agent("provery")
            .build()?;
        Ok(Self { client, reach, pace })
    }

    /// An artifact's file: the one in the store if it is still what it was, or what the first server has whose bytes are right.
    /// `told` hears how many bytes there are so far.
    pub async fn artifact(
        &self,
        role: Role,
        artifact: &Artifact,
        store: &Store,
        told: &(dyn Fn(u64) + Sync),
    ) -> Result<PathBuf, FetchError> {
        let tried = artifact.urls.len();
        self.had_anywhere(artifact, store, told).await.map_err(|error| match error {
            FetchError::NoUrl => FetchError::Nowhere { role },
            // No other server helps.
            error @ FetchError::Disk(_) => error,
            last => FetchError::Everywhere { role, tried, last: Box::new(last) },
        })
    }

    /// The same of a file that no descriptor names; the error is the last server's.
    pub async fn file(&self, artifact: &Artifact, store: &Store) -> Result<PathBuf, FetchError> {
        self.had_anywhere(artifact, store, &|_| {}).await
    }

    async fn had_anywhere(
        &self,
        artifact: &Artifact,
        store: &Store,
        told: &(dyn Fn(u64) + Sync),
    ) -> Result<PathBuf, FetchError> {
        let digest = artifact.digest;
        if let Some(path) = store.get(artifact) {
            let (store, artifact) = (store.clone(), artifact.clone());
            let intact = tokio::task::spawn_blocking(move || store.is_intact(&artifact)).await;
            if matches!(intact, Ok(Ok(true))) {
                return Ok(path);
            }
            warn!(%digest, "artifact damaged on disk");
        }
        let mut last = FetchError::NoUrl;
        for url in &artifact.urls {
            match self.to_store(url, artifact, store, told).await {
                Ok(path) => {
                    info!(%digest, %url, bytes = artifact.size, "artifact fetched");
                    return Ok(path);
                }
                Err(error @ FetchError::Disk(_)) => return Err(error),
                Err(error) => {
                    info!(%digest, %error, "artifact not fetched");
                    last = error;
                }
            }
        }
        Err(last)
    }

    /// At most `limit` bytes, for documents that are small.
    pub async fn bytes(&self, url: &Url, limit: u64) -> Result<Vec<u8>, FetchError> {
        let mut bytes = Vec::new();
        self.read(url, None, limit, &mut bytes, &|_| {}).await?;
        Ok(bytes)
    }

    async fn to_store(
        &self,
        url: &Url,
        artifact: &Artifact,
        store: &Store,
        told: &(dyn Fn(u64) + Sync),
    ) -> Result<PathBuf, FetchError> {
        let mut file = store.begin()?;
        let (size, actual) = self.read(url, Some(artifact.size), artifact.size, &mut file, told).await?;
        let expected = artifact.size;
        if size != expected {
            return Err(FetchError::Size { url: url.clone(), expected, actual: size });
        }
        if actual != artifact.digest {
            return Err(FetchError::Digest { url: Box::new(url.clone()), expected: artifact.digest, actual });
        }
        Ok(store.keep(file, actual)?)
    }

    /// Reads no byte beyond `limit`, whatever the server says or sends.
    async fn read(
        &self,
        url: &Url,
        expected: Option<u64>,
        limit: u64,
        into: &mut (impl Write + Send),
        told: &(dyn Fn(u64) + Sync),
    ) -> Result<(u64, Digest), FetchError> {
        check(url, self.reach)?;
        let http = |error: &reqwest::Error| FetchError::Http { url: url.clone(), cause: cause(error) };
        let mut response = self.client.get(url.clone()).send().await.map_err(|error| http(&error))?;
        if !response.status().is_success() {
            return Err(FetchError::Status { url: url.clone(), status: response.status().as_u16() });
        }
        let too_long =
            |actual| FetchError::Size { url: url.clone(), expected: expected.unwrap_or(limit), actual };
        if let Some(said) =
            length(&response).filter(|said| *said > limit || expected.is_some_and(|it| it != *said))
        {
            return Err(too_long(said));
        }
        let started = Instant::now();
        let (mut hasher, mut size) = (Sha256::new(), 0u64);
        while let Some(piece) = response.chunk().await.map_err(|error| http(&error))? {
            size += piece.len() as u64;
            if size > limit {
                return Err(too_long(size));
            }
            hasher.update(&piece);
            into.write_all(&piece)?;
            told(size);
            if self.pace.is_too_slow(size, started.elapsed()) {
                return Err(FetchError::Slow { url: url.clone(), least_speed: self.pace.least_speed });
            }
        }
        debug!(%url, size, "read");
        Ok((size, Digest(hasher.finalize().into())))
    }
}

fn length(response: &Response) -> Option<u64> {
    response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The innermost cause: what a reader can act on.
fn cause(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// Whether a URL may be asked, as far as it says itself; names are looked at when they are resolved.
fn check(url: &Url, reach: Reach) -> Result<(), FetchError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(FetchError::Scheme { url: url.clone() });
    }
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        Some(Host::Domain(_)) | None => return Ok(()),
    };
    if reach.allows(address) {
        Ok(())
    } else {
        Err(FetchError::Private { host: address.to_string(), address })
    }
}

/// Resolves names to addresses within reach alone: what was resolved is what is connected to, so a name that changes its mind
/// gains nothing.
struct Within {
    reach: Reach,
}

impl Resolve for Within {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.reach;
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            if let Some(address) = found.iter().map(SocketAddr::ip).find(|it| !reach.allows(*it)) {
                return Err(FetchError::Private { host, address }.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the public internet: none of those that IANA's registries of special-purpose addresses list
/// (RFC 6890 and its successors).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => is_public_v4(inner),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_unspecified()
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19)))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // 2000::/3 is what is given out; of it, not documentation, benchmarking and the like.
    a & 0xe000 == 0x2000 && !(a == 0x2001 && (b < 0x200 || b == 0xdb8)) && a != 0x2002 && a != 0x3fff
}

/// The IPv4 address that is reached through an IPv6 one: mapped, compatible, or by NAT64's well-known prefix.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, ..] = address.segments();
    let nat64 = (a, b, c, d, e, f) == (0x64, 0xff9b, 0, 0, 0, 0);
    let octets = address.octets();
    address.to_ipv4().or_else(|| nat64.then(|| Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15])))
}

#[cfg(test)]
mod tests;
