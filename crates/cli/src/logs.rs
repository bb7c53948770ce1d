//! Logs go to stderr, so that stdout holds results alone. `PROVERY_LOG` filters them (`PROVERY_LOG=debug`).
//!
//! At `debug` and `trace` the libraries that talk HTTP write whole URLs, and those may carry secrets. So what was
//! registered with [`hide`] is cut out of every line on its way.

use std::{
    borrow::Cow,
    io::{self, IsTerminal, Write},
    sync::{PoisonError, RwLock},
};

use tracing_subscriber::EnvFilter;

use crate::config::urls;

pub(crate) const ENV_LOG: &str = "PROVERY_LOG";
const HIDDEN: &str = "(hidden)";

/// Longest first, so that a part does not spoil the whole.
static SECRETS: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// A service tells what it does; a command tells only what went wrong.
pub(crate) fn init(service: bool) {
    let default = if service { "info,alloy=warn,hyper=warn,reqwest=warn" } else { "warn" };
    let filter = EnvFilter::try_from_env(ENV_LOG).unwrap_or_else(|_| EnvFilter::new(default));
    // Already set only in tests.
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Hiding).with_target(service);
    let _ = logs.with_ansi(io::stderr().is_terminal()).try_init();
}

/// Never show these URLs' secret parts.
pub(crate) fn hide<'a>(urls: impl IntoIterator<Item = &'a str>) {
    let mut known = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    known.extend(urls.into_iter().flat_map(urls::secrets));
    known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    known.dedup();
}

/// A text without what must not be shown.
pub(crate) fn cleaned(text: &str) -> Cow<'_, str> {
    let known = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
    let mut text = Cow::Borrowed(text);
    for secret in known.iter().filter(|secret| !secret.is_empty()) {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), HIDDEN).into();
        }
    }
    text
}

/// Standard error, cleaned. A line arrives in one piece.
struct Hiding;

impl Write for Hiding {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line) {
            Ok(text) => io::stderr().write_all(cleaned(text).as_bytes())?,
            Err(_) => io::stderr().write_all(b"(a line that is not text)\n")?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_cut_out() {
        hide(["http://user:passw0rd@host:1/v3/abcdefgh?token=12345678"]);
        let line =
            cleaned("POST http://user:passw0rd@host:1/v3/abcdefgh?token=12345678 as 12345678: passw0rd");
        assert_eq!(line, "POST http://(hidden)host:1(hidden) as (hidden): (hidden)");
        assert_eq!(cleaned("nothing"), "nothing");
    }
}
