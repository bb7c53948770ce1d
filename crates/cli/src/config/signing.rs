//! Which key signs, of those that are named.

use std::path::PathBuf;

use alloy::primitives::Address;
use eyre::Result;

use super::{
    ENV_KEYSTORE, ENV_PRIVATE_KEY, ENV_REMOTE_SIGNER, ENV_SENDER, Key, Password, Secret,
    node::Origin,
    urls::{self, Kind},
};
use crate::{
    address,
    error::{Code, fail},
    global::Global,
};

/// What one place says of the key.
#[derive(Default)]
pub(super) struct Given {
    pub keystore: Option<PathBuf>,
    pub remote_signer: Option<String>,
    pub sender: Option<Address>,
}

/// The key that flags name, else the environment, else the file: a keystore or a remote signer; else the bare key of the environment.
pub(super) fn key(
    global: &Global,
    env: impl Fn(&str) -> Option<String>,
    file: Given,
    password: &Password,
) -> Result<(Key, Origin)> {
    let sender = env(ENV_SENDER).map(|text| {
        address::parse(text.trim()).map_err(|_| {
            fail(
                Code::Config,
                format!("{ENV_SENDER} is not an address; set it to 0x and 40 hexadecimal digits"),
            )
        })
    });
    let from_env = Given {
        keystore: env(ENV_KEYSTORE).map(PathBuf::from),
        remote_signer: env(ENV_REMOTE_SIGNER),
        sender: sender.transpose()?,
    };
    let flags = Given {
        keystore: global.keystore.clone(),
        remote_signer: global.remote_signer.clone(),
        sender: global.sender,
    };
    // The address may come from another place than the URL: it is a fact about the key, and not a choice of one.
    let sender = flags.sender.or(from_env.sender).or(file.sender);
    let places = [(flags, Origin::Flag), (from_env, Origin::Env(ENV_KEYSTORE)), (file, Origin::File)];
    for (given, from) in places {
        match (given.keystore, given.remote_signer) {
            (Some(_), Some(_)) => {
                return Err(fail(
                    Code::Config,
                    "a keystore and a remote signer are both named, and only one of them signs; keep one",
                ));
            }
            (Some(path), None) => return Ok((Key::Keystore { path, password: password.clone() }, from)),
            (None, Some(url)) => {
                let from =
                    if from == Origin::Env(ENV_KEYSTORE) { Origin::Env(ENV_REMOTE_SIGNER) } else { from };
                return Ok((remote(url, sender)?, from));
            }
            (None, None) => {}
        }
    }
    Ok(match env(ENV_PRIVATE_KEY) {
        Some(key) => (Key::Private(Secret::new(key)), Origin::Env(ENV_PRIVATE_KEY)),
        None => (Key::None, Origin::Default),
    })
}

fn remote(url: String, sender: Option<Address>) -> Result<Key> {
    let url = url.trim().to_owned();
    if let Some(problem) = urls::problem(&url, Kind::Signer) {
        return Err(fail(Code::Config, format!("the remote signer's URL {problem}")));
    }
    let sender = sender.ok_or_else(|| {
        fail(
            Code::Config,
            "a remote signer is named, and not for which of its accounts; give its address with --sender",
        )
    })?;
    Ok(Key::Remote { url: Secret::new(url), sender })
}
