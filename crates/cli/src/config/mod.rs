//! Where settings come from: a flag, else the environment, else the configuration file.

mod document;
pub(crate) mod node;
mod signing;
#[cfg(test)]
mod tests;
pub(crate) mod urls;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use alloy::primitives::Address;
use eyre::Result;
use provery_node::config::shown_url;
use serde_json::{Value, json};
use zeroize::Zeroize as _;

use crate::{
    config::{
        document::{Document, Reader},
        node::{NodeValues, Origin, Row},
        urls::Kind,
    },
    error::{Code, fail},
    global::Global,
};

pub(crate) const ENV_RPC_URL: &str = "PROVERY_RPC_URL";
pub(crate) const ENV_DEPLOYMENT: &str = "PROVERY_DEPLOYMENT";
pub(crate) const ENV_CONFIG: &str = "PROVERY_CONFIG";
pub(crate) const ENV_KEYSTORE: &str = "PROVERY_KEYSTORE";
pub(crate) const ENV_REMOTE_SIGNER: &str = "PROVERY_REMOTE_SIGNER";
pub(crate) const ENV_SENDER: &str = "PROVERY_SENDER";
pub(crate) const ENV_KEYSTORE_PASSWORD: &str = "PROVERY_KEYSTORE_PASSWORD";
pub(crate) const ENV_PASSWORD_FILE: &str = "PROVERY_PASSWORD_FILE";
pub(crate) const ENV_PRIVATE_KEY: &str = "PROVERY_PRIVATE_KEY";
pub(crate) const ENV_KEYS_DIR: &str = "PROVERY_KEYS_DIR";

pub(crate) const DEFAULT_CONFIG: &str = "provery.toml";
pub(crate) const DEFAULT_RPC_URL: &str = "http://127.0.0.1:8545";
pub(crate) const DEFAULT_KEYS_DIR: &str = ".provery/keys";

/// A value that is never printed, and wiped when it is no longer needed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Secret {
    pub(crate) fn new(value: String) -> Self {
        Self(value)
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Password {
    File(PathBuf),
    Given(Secret),
    Prompt,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    Keystore {
        path: PathBuf,
        password: Password,
    },
    /// A program that has the key of `sender`; its URL may hold a password.
    Remote {
        url: Secret,
        sender: Address,
    },
    Private(Secret),
    None,
}

/// What every command needs to know.
#[derive(Clone, PartialEq)]
pub(crate) struct Settings {
    /// Never empty; the first is asked first.
    pub rpc_urls: Vec<String>,
    /// `deployments/<chainid>.json` unless given.
    pub deployment: Option<PathBuf>,
    pub key: Key,
    /// A bare key in the environment is not used, as a keystore or a remote signer is named.
    pub passed_over: bool,
    /// Where a password for a new keystore comes from.
    pub password: Password,
    /// The configuration file that was read.
    pub file: Option<PathBuf>,
    /// Its `[node]` table.
    pub node: NodeValues,
    /// The global settings and where each comes from, without what may be secret.
    pub rows: Vec<Row>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<String> = self.rpc_urls.iter().map(|url| shown_url(url)).collect();
        f.debug_struct("Settings").field("rpc_urls", &urls).field("file", &self.file).finish_non_exhaustive()
    }
}

/// The configuration file. A private key has no place in it.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct File {
    pub rpc_urls: Option<Vec<String>>,
    pub deployment: Option<PathBuf>,
    pub keystore: Option<PathBuf>,
    pub password_file: Option<PathBuf>,
    pub remote_signer: Option<String>,
    pub sender: Option<Address>,
    pub node: NodeValues,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // URLs in it may be secret.
        f.debug_struct("File").finish_non_exhaustive()
    }
}

impl Settings {
    pub(crate) fn load(global: &Global) -> Result<Self> {
        Self::resolve(global, |name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// Every URL that may carry a secret.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &str> {
        let node = [&self.node.ws_url, &self.node.nats_url].into_iter().flatten();
        let signer = match &self.key {
            Key::Remote { url, .. } => Some(url.expose()),
            _ => None,
        };
        self.rpc_urls.iter().chain(node).map(String::as_str).chain(signer)
    }

    fn resolve(global: &Global, env: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let (path, file) = match global.config.clone().or_else(|| env(ENV_CONFIG).map(PathBuf::from)) {
            Some(path) => {
                let file = read(&path)?.ok_or_else(|| {
                    fail(
                        Code::Config,
                        format!(
                            "there is no configuration file {}; create it or leave --config out",
                            path.display()
                        ),
                    )
                })?;
                (Some(path), file)
            }
            None => {
                let path = PathBuf::from(DEFAULT_CONFIG);
                read(&path)?.map_or((None, File::default()), |file| (Some(path), file))
            }
        };
        let mut rows = Vec::new();
        let mut row = |key, value: Value, from| rows.push(Row { key, value, from });
        let shown = |path: &Option<PathBuf>| json!(path.as_ref().map(|path| path.display().to_string()));

        let from_env = env(ENV_RPC_URL).map(|urls| urls.split(',').map(str::to_owned).collect());
        let from_flag = Some(global.rpc_url.clone()).filter(|urls| !urls.is_empty());
        let default = vec![DEFAULT_RPC_URL.to_string()];
        let (rpc_urls, from) = first(from_flag, (from_env, ENV_RPC_URL), file.rpc_urls, default);
        let rpc_urls: Vec<String> = rpc_urls.iter().map(|url| url.trim().to_owned()).collect();
        if let Some(problem) = rpc_urls.iter().find_map(|url| urls::problem(url, Kind::Rpc)) {
            return Err(fail(Code::Config, format!("the RPC URL {problem}")));
        }
        row("rpc_urls", json!(rpc_urls.iter().map(|url| shown_url(url)).collect::<Vec<_>>()), from);

        let path_of = |name: &str| env(name).map(PathBuf::from).map(Some);
        let from_flag = global.deployment.clone().map(Some);
        let from_env = (path_of(ENV_DEPLOYMENT), ENV_DEPLOYMENT);
        let (deployment, from) = first(from_flag, from_env, file.deployment.map(Some), None);
        row("deployment", shown(&deployment), from);

        let (password, from) = if let Some(path) = global.password_file.clone() {
            (Password::File(path), Origin::Flag)
        } else if let Some(password) = env(ENV_KEYSTORE_PASSWORD) {
            (Password::Given(Secret::new(password)), Origin::Env(ENV_KEYSTORE_PASSWORD))
        } else if let Some(path) = env(ENV_PASSWORD_FILE) {
            (Password::File(path.into()), Origin::Env(ENV_PASSWORD_FILE))
        } else if let Some(path) = file.password_file {
            (Password::File(path), Origin::File)
        } else {
            (Password::Prompt, Origin::Default)
        };
        let shown_password = match &password {
            Password::File(path) => json!(path.display().to_string()),
            Password::Given(_) => json!("(secret)"),
            Password::Prompt => Value::Null,
        };
        let given = signing::Given {
            keystore: file.keystore,
            remote_signer: file.remote_signer,
            sender: file.sender,
        };
        let (key, key_from) = signing::key(global, &env, given, &password)?;
        // Somebody who set both may take the other for the one that signs.
        let passed_over =
            env(ENV_PRIVATE_KEY).is_some() && matches!(key, Key::Keystore { .. } | Key::Remote { .. });
        let shown_key = match &key {
            Key::Keystore { path, .. } => json!(path.display().to_string()),
            Key::Private(_) => json!("(secret)"),
            Key::Remote { .. } | Key::None => Value::Null,
        };
        row(
            "keystore",
            shown_key,
            if matches!(key, Key::Remote { .. }) { Origin::Default } else { key_from },
        );
        row("password_file", shown_password, from);
        if let Key::Remote { url, sender } = &key {
            row("remote_signer", json!(shown_url(url.expose())), key_from);
            row("sender", json!(sender), key_from);
        }
        Ok(Self { rpc_urls, deployment, key, passed_over, password, file: path, node: file.node, rows })
    }
}

/// The first that is given, and where that is.
fn first<T>(flag: Option<T>, env: (Option<T>, &'static str), file: Option<T>, default: T) -> (T, Origin) {
    match (flag, env.0, file) {
        (Some(value), ..) => (value, Origin::Flag),
        (None, Some(value), _) => (value, Origin::Env(env.1)),
        (None, None, Some(value)) => (value, Origin::File),
        (None, None, None) => (default, Origin::Default),
    }
}

/// The file, with paths relative to it; nothing if there is none.
fn read(path: &Path) -> Result<Option<File>> {
    match fs::read_to_string(path) {
        Ok(text) => parse(path, text).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fail(Code::Config, format!("{} cannot be read: {error}", path.display()))),
    }
}

/// A file's content. Everything that is wrong with it is said at once.
pub(crate) fn parse(path: &Path, text: String) -> Result<File> {
    let document = Document::new(path, text);
    let mut file = document
        .read(|reader| read_tables(path, reader))
        .map_err(|problems| fail(Code::Config, problems.join("; ")))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for path in [&mut file.deployment, &mut file.keystore, &mut file.password_file].into_iter().flatten() {
        *path = folder.join(&path);
    }
    file.node.relative_to(folder);
    Ok(file)
}

const GLOBAL_KEYS: [&str; 8] =
    ["rpc_url", "rpc_urls", "deployment", "keystore", "password_file", "remote_signer", "sender", "node"];

fn read_tables(path: &Path, mut reader: Reader<'_>) -> (File, Vec<String>) {
    let mut file = File {
        rpc_urls: reader.take("rpc_urls"),
        deployment: reader.take("deployment"),
        keystore: reader.take("keystore"),
        password_file: reader.take("password_file"),
        remote_signer: reader.take("remote_signer"),
        sender: reader.take("sender"),
        node: NodeValues::default(),
    };
    let one: Option<String> = reader.take("rpc_url");
    let mut problems = Vec::new();
    let mut problem = |what: String| problems.push(format!("{}: {what}", path.display()));
    match (&one, &file.rpc_urls) {
        (Some(_), Some(_)) => problem("rpc_url and rpc_urls are both set; keep rpc_urls".to_owned()),
        (None, Some(urls)) if urls.is_empty() => problem("rpc_urls is an empty list; give one".to_owned()),
        _ => {}
    }
    file.rpc_urls = file.rpc_urls.or(one.map(|url| vec![url]));
    for wrong in file.rpc_urls.iter().flatten().filter_map(|url| urls::problem(url, Kind::Rpc)) {
        problem(format!("a URL in rpc_urls {wrong}"));
    }
    if let Some(wrong) = file.remote_signer.as_deref().and_then(|url| urls::problem(url, Kind::Signer)) {
        problem(format!("the URL in remote_signer {wrong}"));
    }
    if let Some(mut table) = reader.table("node") {
        file.node = NodeValues::read(&mut table);
        // What depends on flags, too, is looked at later.
        let alone = NodeValues { standby: None, ..file.node.clone() };
        alone.problems().into_iter().for_each(&mut problem);
        let elsewhere = |key: &str| GLOBAL_KEYS.contains(&key).then_some("it belongs above [node]");
        problems.extend(table.finish("[node]", |key| no_secret(key).or_else(|| elsewhere(key))));
    }
    let elsewhere = |key: &str| NodeValues::KEYS.contains(&key).then_some("it belongs under [node]");
    problems.extend(reader.finish("the file", |key| no_secret(key).or_else(|| elsewhere(key))));
    (file, problems)
}

fn no_secret(key: &str) -> Option<&'static str> {
    ["private_key", "key", "password", "secret", "mnemonic", "keystore_password"].contains(&key).then_some(
        "a secret has no place in it: name an encrypted keystore and a password_file, or use the environment",
    )
}

/// The folder of proving keys: the flag, else the environment, else the file, else `.provery/keys`.
pub(crate) fn keys_dir_or(flag: Option<PathBuf>, file: Option<PathBuf>) -> PathBuf {
    flag.or_else(|| std::env::var_os(ENV_KEYS_DIR).filter(|value| !value.is_empty()).map(PathBuf::from))
        .or(file)
        .unwrap_or_else(|| PathBuf::from(DEFAULT_KEYS_DIR))
}

/// The folder of proving keys: the flag, else the environment, else `.provery/keys`.
pub(crate) fn keys_dir(flag: Option<PathBuf>) -> PathBuf {
    keys_dir_or(flag, None)
}
