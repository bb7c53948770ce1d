//! Where settings come from: a flag, else the environment, else the configuration file.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use eyre::Result;
use serde::Deserialize;

use crate::{
    args::Global,
    error::{Code, fail},
};

pub const ENV_RPC_URL: &str = "PROVERY_RPC_URL";
pub const ENV_DEPLOYMENT: &str = "PROVERY_DEPLOYMENT";
pub const ENV_CONFIG: &str = "PROVERY_CONFIG";
pub const ENV_KEYSTORE: &str = "PROVERY_KEYSTORE";
pub const ENV_KEYSTORE_PASSWORD: &str = "PROVERY_KEYSTORE_PASSWORD";
pub const ENV_PASSWORD_FILE: &str = "PROVERY_PASSWORD_FILE";
pub const ENV_PRIVATE_KEY: &str = "PROVERY_PRIVATE_KEY";
pub const ENV_KEYS_DIR: &str = "PROVERY_KEYS_DIR";

pub const DEFAULT_CONFIG: &str = "provery.toml";
pub const DEFAULT_RPC_URL: &str = "http://127.0.0.1:8545";
pub const DEFAULT_KEYS_DIR: &str = ".provery/keys";

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: String) -> Self {
        Self(value)
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    File(PathBuf),
    Given(Secret),
    Prompt,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    Keystore { path: PathBuf, password: Password },
    Private(Secret),
    None,
}

/// What every command needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub rpc_url: String,
    /// `deployments/<chainid>.json` unless given.
    pub deployment: Option<PathBuf>,
    pub key: Key,
    /// Where a password for a new keystore comes from.
    pub password: Password,
}

/// The configuration file. A private key has no place in it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rpc_url: Option<String>,
    deployment: Option<PathBuf>,
    keystore: Option<PathBuf>,
    password_file: Option<PathBuf>,
}

impl Settings {
    pub fn load(global: &Global) -> Result<Self> {
        Self::resolve(global, |name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn resolve(global: &Global, env: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let file = match global.config.clone().or_else(|| env(ENV_CONFIG).map(PathBuf::from)) {
            Some(path) => read(&path)?.ok_or_else(|| {
                fail(
                    Code::Config,
                    format!(
                        "there is no configuration file {}; create it or leave --config out",
                        path.display()
                    ),
                )
            })?,
            None => read(Path::new(DEFAULT_CONFIG))?.unwrap_or_default(),
        };
        let path = |name: &str| env(name).map(PathBuf::from);
        let rpc_url = global
            .rpc_url
            .clone()
            .or_else(|| env(ENV_RPC_URL))
            .or(file.rpc_url)
            .unwrap_or_else(|| DEFAULT_RPC_URL.to_string());
        let password = if let Some(path) = global.password_file.clone() {
            Password::File(path)
        } else if let Some(password) = env(ENV_KEYSTORE_PASSWORD) {
            Password::Given(Secret::new(password))
        } else if let Some(path) = path(ENV_PASSWORD_FILE).or(file.password_file) {
            Password::File(path)
        } else {
            Password::Prompt
        };
        let keystore = |path| Key::Keystore { path, password: password.clone() };
        let key = match (&global.keystore, path(ENV_KEYSTORE), env(ENV_PRIVATE_KEY), file.keystore) {
            (Some(path), ..) => keystore(path.clone()),
            (None, Some(_), Some(_), _) => {
                return Err(fail(
                    Code::BadKey,
                    format!(
                        "{ENV_KEYSTORE} and {ENV_PRIVATE_KEY} are both set; unset one, so that it is \
                         clear which key signs"
                    ),
                ));
            }
            (None, Some(path), None, _) => keystore(path),
            (None, None, Some(key), _) => Key::Private(Secret::new(key)),
            (None, None, None, Some(path)) => keystore(path),
            (None, None, None, None) => Key::None,
        };
        Ok(Self {
            rpc_url,
            deployment: global.deployment.clone().or_else(|| path(ENV_DEPLOYMENT)).or(file.deployment),
            key,
            password,
        })
    }
}

/// A file's paths are relative to the file.
fn read(path: &Path) -> Result<Option<File>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(Code::Config, format!("{} cannot be read: {error}", path.display()))),
    };
    let mut file: File = toml::from_str(&text).map_err(|error| {
        fail(
            Code::Config,
            format!(
                "{} is not a valid configuration: {}; it may set rpc_url, deployment, keystore and \
                 password_file",
                path.display(),
                error.message().trim()
            ),
        )
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for path in [&mut file.deployment, &mut file.keystore, &mut file.password_file].into_iter().flatten() {
        *path = folder.join(&path);
    }
    Ok(Some(file))
}

/// The folder of proving keys: the flag, else the environment, else `.provery/keys`.
pub fn keys_dir(flag: Option<PathBuf>) -> PathBuf {
    flag.or_else(|| std::env::var_os(ENV_KEYS_DIR).filter(|value| !value.is_empty()).map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from(DEFAULT_KEYS_DIR))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Failure;

    struct Case {
        global: Global,
        env: Vec<(&'static str, &'static str)>,
    }

    impl Case {
        fn with_file(folder: &Path, text: &str) -> Self {
            let path = folder.join("provery.toml");
            fs::write(&path, text).expect("writes");
            Self { global: Global { config: Some(path), ..Default::default() }, env: Vec::new() }
        }

        fn resolve(&self) -> Result<Settings> {
            Settings::resolve(&self.global, |name| {
                self.env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_string())
            })
        }
    }

    fn code(result: Result<Settings>) -> Code {
        result.expect_err("fails").downcast_ref::<Failure>().expect("is a failure").code
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_file() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let mut case = Case::with_file(folder.path(), "rpc_url = \"http://file\"\ndeployment = \"d.json\"\n");
        let settings = case.resolve().expect("resolves");
        assert_eq!(settings.rpc_url, "http://file");
        assert_eq!(settings.deployment, Some(folder.path().join("d.json")));

        case.env = vec![(ENV_RPC_URL, "http://env"), (ENV_DEPLOYMENT, "env.json")];
        let settings = case.resolve().expect("resolves");
        assert_eq!(settings.rpc_url, "http://env");
        assert_eq!(settings.deployment, Some("env.json".into()));

        case.global.rpc_url = Some("http://flag".into());
        case.global.deployment = Some("flag.json".into());
        let settings = case.resolve().expect("resolves");
        assert_eq!(settings.rpc_url, "http://flag");
        assert_eq!(settings.deployment, Some("flag.json".into()));
    }

    #[test]
    fn keys_follow_the_same_order() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let mut case = Case::with_file(folder.path(), "keystore = \"file.json\"\npassword_file = \"p\"\n");
        let password = Password::File(folder.path().join("p"));
        let keystore =
            |path: PathBuf, password: &Password| Key::Keystore { path, password: password.clone() };
        assert_eq!(
            case.resolve().expect("resolves").key,
            keystore(folder.path().join("file.json"), &password)
        );

        case.env = vec![(ENV_PRIVATE_KEY, "0xabc")];
        assert_eq!(case.resolve().expect("resolves").key, Key::Private(Secret::new("0xabc".into())));

        case.env.push((ENV_KEYSTORE, "env.json"));
        assert_eq!(code(case.resolve()), Code::BadKey);

        case.env.push((ENV_KEYSTORE_PASSWORD, "hunter2"));
        case.global.keystore = Some("flag.json".into());
        let given = Password::Given(Secret::new("hunter2".into()));
        assert_eq!(case.resolve().expect("resolves").key, keystore("flag.json".into(), &given));

        case.global.password_file = Some("flag.pw".into());
        assert_eq!(case.resolve().expect("resolves").password, Password::File("flag.pw".into()));
    }

    #[test]
    fn a_file_with_a_private_key_or_a_typo_is_refused() {
        let folder = tempfile::tempdir().expect("makes a folder");
        for text in ["private_key = \"0x1\"", "rpcurl = \"x\"", "rpc_url = 5", "rpc_url"] {
            assert_eq!(code(Case::with_file(folder.path(), text).resolve()), Code::Config, "{text}");
        }
        let mut case = Case::with_file(folder.path(), "");
        case.global.config = Some(folder.path().join("missing.toml"));
        assert_eq!(code(case.resolve()), Code::Config);
    }

    #[test]
    fn secrets_are_not_printed() {
        let key = Key::Private(Secret::new("0xabc".into()));
        assert!(!format!("{key:?}").contains("abc"));
    }
}
