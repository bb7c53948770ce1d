//! URLs that may carry secrets: what is wrong with one is said without quoting it.

/// What a URL is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Rpc,
    Websocket,
    Nats,
    Signer,
    Http,
}

impl Kind {
    fn schemes(self) -> &'static [&'static str] {
        match self {
            Self::Rpc | Self::Signer | Self::Http => &["http", "https"],
            Self::Websocket => &["ws", "wss"],
            Self::Nats => &["nats", "tls"],
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::Rpc => "http://127.0.0.1:8545",
            Self::Websocket => "ws://127.0.0.1:8545",
            Self::Nats => "nats://127.0.0.1:4222",
            Self::Signer => "http://127.0.0.1:9000",
            Self::Http => "http://127.0.0.1:8080",
        }
    }
}

/// What is wrong with a URL, as the end of a sentence about it; nothing if it could be one of its kind.
pub(crate) fn problem(url: &str, kind: Kind) -> Option<String> {
    let wrong = |what: &str| Some(format!("{what}; give one like {}", kind.example()));
    let Some((scheme, rest)) = url.split_once("://") else { return wrong("is not a URL") };
    if !kind.schemes().contains(&scheme.to_ascii_lowercase().as_str()) {
        return wrong(&format!("does not begin with {}://", kind.schemes().join(":// or ")));
    }
    if url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return wrong("has a space in it");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let (name, port) = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((name, port)) => (name, port.strip_prefix(':')),
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    if name.is_empty() {
        return wrong("names no host");
    }
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return wrong("has no valid port");
    }
    None
}

/// The parts of a URL that may be secret, longest first: what logs must not show.
pub(crate) fn secrets(url: &str) -> Vec<String> {
    let Some((_, rest)) = url.split_once("://") else { return Vec::new() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let mut secrets = Vec::new();
    if let Some((userinfo, _)) = authority.rsplit_once('@') {
        secrets.push(format!("{userinfo}@"));
        secrets.extend(userinfo.split(':').filter(|part| part.len() >= LEAST).map(str::to_owned));
        if userinfo.len() >= LEAST {
            secrets.push(userinfo.to_owned());
        }
    }
    let long = |part: &&str| part.len() >= LEAST;
    if path.len() > LEAST {
        secrets.push(path.to_owned());
        secrets.push(path.trim_start_matches('/').to_owned());
    }
    secrets.extend(path.split(['/', '?', '#', '&', '=']).filter(long).map(str::to_owned));
    secrets.retain(|secret| !secret.is_empty());
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.dedup();
    secrets
}

/// Shorter parts are words like `v3`, and hiding those would hide half the log.
const LEAST: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_refused_without_being_quoted() {
        for good in
            ["http://127.0.0.1:8545", "https://u:p@host.example/v3/key?x=1", "http://[::1]:8545", "http://h"]
        {
            assert_eq!(problem(good, Kind::Rpc), None, "{good}");
        }
        for bad in [
            "hunter2",
            "ws://hunter2",
            "http://",
            "http://hunter2:x",
            "http://hunter2:99999",
            "http://a hunter2",
        ] {
            let said = problem(bad, Kind::Rpc).expect(bad);
            assert!(!said.contains("hunter2"), "{said}");
        }
        assert_eq!(problem("wss://h/x", Kind::Websocket), None);
        assert_eq!(problem("nats://token@h:4222", Kind::Nats), None);
    }

    #[test]
    fn every_part_that_may_be_secret_is_known() {
        let known = secrets("https://user:hunter22@host:1/v3/0123456789?token=abcdefgh&n=1");
        for secret in
            ["user:hunter22@", "hunter22", "0123456789", "abcdefgh", "/v3/0123456789?token=abcdefgh&n=1"]
        {
            assert!(known.iter().any(|it| it == secret), "{secret} is not in {known:?}");
        }
        assert!(!known.iter().any(|it| it.contains("host")));
        assert!(secrets("http://127.0.0.1:8545").is_empty());
        assert!(secrets("http://127.0.0.1:8545/").is_empty());
    }
}
