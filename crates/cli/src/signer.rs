//! What signs: an encrypted keystore's key, or one of the environment, which never leaves this process and is never printed; or a signer
//! elsewhere.

use std::{
    fs,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use alloy::{
    primitives::Address,
    signers::{
        k256::elliptic_curve::rand_core::OsRng,
        local::{LocalSignerError, PrivateKeySigner},
    },
};
use eth_keystore::KeystoreError;
use eyre::Result;
use provery_txmgr::{RemoteSigner, Signer};
use zeroize::Zeroizing;

use crate::{
    config::{ENV_KEYSTORE_PASSWORD, ENV_PRIVATE_KEY, Key, Password, Secret, Settings},
    error::{Code, fail},
    files, hardening,
};

/// What these settings say signs, or an error that says how to name it. A signer elsewhere is not asked yet.
pub(crate) fn load(settings: &Settings) -> Result<Signer> {
    load_optional(settings)?.ok_or_else(|| {
        fail(
            Code::NoKey,
            format!(
                "this command signs a transaction and was given no key; pass --keystore FILE (`provery keystore new` \
                 makes one) or --remote-signer URL, or set {ENV_PRIVATE_KEY}"
            ),
        )
    })
}

/// It, and that it has the key: before anything is done that is to be signed.
pub(crate) async fn ready(settings: &Settings) -> Result<Signer> {
    let signer = load(settings)?;
    signer.ready().await?;
    Ok(signer)
}

/// What signs, if the settings name it.
pub(crate) fn load_optional(settings: &Settings) -> Result<Option<Signer>> {
    if matches!(settings.key, Key::Private(_) | Key::Keystore { .. }) {
        hardening::harden();
    }
    match &settings.key {
        Key::None => Ok(None),
        Key::Private(key) => from_hex(key).map(|key| Some(key.into())),
        Key::Remote { url, sender } => Ok(Some(RemoteSigner::new(url.expose(), *sender)?.into())),
        Key::Keystore { path, password } => {
            check_there(path)?;
            let key = decrypt(path, &read_password(password, "Keystore password: ")?)?;
            Ok(Some(key.into()))
        }
    }
}

/// Whose key the settings name, for commands that only read: a keystore that says whose it is needs no password.
pub(crate) fn address_of(settings: &Settings) -> Result<Option<Address>> {
    if let Key::Keystore { path, .. } = &settings.key
        && let Some(address) = address_in(path)
    {
        return Ok(Some(address));
    }
    Ok(load_optional(settings)?.map(|signer| signer.address()))
}

/// What a keystore says of its address, outside of what is encrypted.
fn address_in(path: &Path) -> Option<Address> {
    let keystore: serde_json::Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    format!("0x{}", keystore["address"].as_str()?.trim_start_matches("0x")).parse().ok()
}

/// Write into a keystore whose it is, as other programs do.
fn write_address(path: &Path, address: Address) -> io::Result<()> {
    let mut keystore: serde_json::Value = serde_json::from_slice(&fs::read(path)?)?;
    keystore["address"] = serde_json::json!(format!("{address:x}"));
    fs::write(path, serde_json::to_vec(&keystore)?)
}

pub(crate) fn from_hex(key: &Secret) -> Result<PrivateKeySigner> {
    // The parser's own message could quote the key.
    key.expose().trim().parse().map_err(|_| {
        fail(
            Code::BadKey,
            format!("{ENV_PRIVATE_KEY} is not a private key; set it to 32 bytes in hexadecimal"),
        )
    })
}

/// Before anybody is asked for a password.
fn check_there(path: &Path) -> Result<()> {
    if path.is_file() {
        return Ok(());
    }
    let shown = path.display();
    Err(fail(
        Code::BadKey,
        format!("there is no keystore {shown}; check the path, or make one with `provery keystore new`"),
    ))
}

/// An existing file is never overwritten.
pub(crate) fn check_free(path: &Path) -> Result<()> {
    if path.exists() {
        return Err(fail(
            Code::KeystoreExists,
            format!("{} exists and may hold a key with money; choose another file", path.display()),
        ));
    }
    Ok(())
}

fn decrypt(path: &Path, password: &Secret) -> Result<PrivateKeySigner> {
    let shown = path.display();
    PrivateKeySigner::decrypt_keystore(path, password.expose()).map_err(|error| match error {
        LocalSignerError::EthKeystoreError(KeystoreError::MacMismatch) => fail(
            Code::WrongPassword,
            format!("the password does not open the keystore {shown}; try again with the right one"),
        ),
        LocalSignerError::EthKeystoreError(KeystoreError::StdIo(error)) => {
            fail(Code::Io, format!("the keystore {shown} cannot be read: {error}"))
        }
        _ => {
            fail(Code::BadKey, format!("{shown} is not a keystore, or is damaged; restore it from a backup"))
        }
    })
}

/// A keystore at `path`, with a fresh key or the given one. An existing file is never overwritten.
pub(crate) fn create(
    path: &Path,
    key: Option<&PrivateKeySigner>,
    password: &Secret,
) -> Result<PrivateKeySigner> {
    hardening::harden();
    if password.expose().is_empty() {
        return Err(fail(Code::BadKey, "the password is empty; choose one"));
    }
    check_free(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| {
        fail(Code::Io, format!("the folder {} cannot be made: {error}", folder.display()))
    })?;
    let io = |error: &dyn std::fmt::Display| {
        fail(Code::Io, format!("the keystore {} cannot be written: {error}", path.display()))
    };
    let temporary =
        tempfile::Builder::new().prefix(".keystore-").tempdir_in(folder).map_err(|error| io(&error))?;
    let signer = match key {
        Some(signer) => {
            let secret = Zeroizing::new(<[u8; 32]>::from(signer.credential().to_bytes()));
            PrivateKeySigner::encrypt_keystore(
                temporary.path(),
                &mut OsRng,
                secret.as_slice(),
                password.expose(),
                Some("key"),
            )
        }
        None => PrivateKeySigner::new_keystore(temporary.path(), &mut OsRng, password.expose(), Some("key")),
    }
    .map_err(|error| io(&error))?
    .0;
    let written = temporary.path().join("key");
    write_address(&written, signer.address()).map_err(|error| io(&error))?;
    restrict(&written).map_err(|error| io(&error))?;
    // A hard link fails if the file appeared meanwhile; a rename would overwrite it.
    fs::File::open(&written).and_then(|file| file.sync_all()).map_err(|error| io(&error))?;
    fs::hard_link(&written, path).map_err(|error| io(&error))?;
    files::sync_folder(path).map_err(|error| io(&error))?;
    Ok(signer)
}

#[cfg(unix)]
fn restrict(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn restrict(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// The password, from wherever the settings say.
pub(crate) fn read_password(source: &Password, prompt: &str) -> Result<Secret> {
    match source {
        Password::Given(password) => Ok(password.clone()),
        Password::File(path) => read_password_file(path),
        Password::Prompt if io::stdin().is_terminal() => rpassword::prompt_password(prompt)
            .map(Secret::new)
            .map_err(|error| fail(Code::Io, format!("the password cannot be read: {error}"))),
        Password::Prompt => Err(fail(
            Code::WrongPassword,
            format!(
                "the keystore needs a password and there is no terminal to ask at; set \
                 {ENV_KEYSTORE_PASSWORD} or pass --password-file"
            ),
        )),
    }
}

fn read_password_file(path: &PathBuf) -> Result<Secret> {
    let text = Zeroizing::new(fs::read_to_string(path).map_err(|error| {
        fail(Code::Io, format!("the password file {} cannot be read: {error}", path.display()))
    })?);
    Ok(Secret::new(text.lines().next().unwrap_or_default().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Failure;

    fn settings(key: Key) -> Settings {
        Settings {
            rpc_urls: vec![String::new()],
            deployment: None,
            key,
            passed_over: false,
            password: Password::Prompt,
            file: None,
            node: Default::default(),
            external: None,
            rows: Vec::new(),
        }
    }

    fn keystore(path: &Path, password: &str) -> Settings {
        settings(Key::Keystore { path: path.into(), password: Password::Given(Secret::new(password.into())) })
    }

    fn code<T: std::fmt::Debug>(result: Result<T>) -> Code {
        result.expect_err("fails").downcast_ref::<Failure>().expect("is a failure").code
    }

    #[test]
    fn a_keystore_opens_with_its_password_only() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let path = folder.path().join("sub/key.json");
        let made = create(&path, None, &Secret::new("right".into())).expect("creates");
        assert_eq!(load(&keystore(&path, "right")).expect("opens").address(), made.address());
        assert_eq!(code(load(&keystore(&path, "wrong"))), Code::WrongPassword);
        assert_eq!(code(create(&path, None, &Secret::new("again".into()))), Code::KeystoreExists);
        assert_eq!(load(&keystore(&path, "right")).expect("still opens").address(), made.address());

        let text = fs::read_to_string(&path).expect("reads");
        fs::write(&path, &text[..text.len() / 2]).expect("truncates");
        assert_eq!(code(load(&keystore(&path, "right"))), Code::BadKey);
        assert_eq!(code(load(&keystore(&folder.path().join("none"), "x"))), Code::BadKey);
    }

    #[test]
    fn an_imported_key_is_the_same_key() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let path = folder.path().join("key.json");
        let key = PrivateKeySigner::random();
        create(&path, Some(&key), &Secret::new("pw".into())).expect("creates");
        assert_eq!(load(&keystore(&path, "pw")).expect("opens").address(), key.address());
        // Whose it is needs no password.
        assert_eq!(address_of(&keystore(&path, "wrong")).expect("reads"), Some(key.address()));
    }

    #[test]
    fn a_password_file_is_its_first_line() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let path = folder.path().join("password.txt");
        fs::write(&path, "two words \r\nand a remark\n").expect("writes");
        let password = read_password(&Password::File(path), "").expect("reads");
        assert_eq!(password.expose(), "two words ");
    }

    #[cfg(unix)]
    #[test]
    fn a_keystore_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("makes a folder");
        let path = folder.path().join("key.json");
        create(&path, None, &Secret::new("pw".into())).expect("creates");
        assert_eq!(fs::metadata(&path).expect("is there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 1, "nothing is left behind");
    }

    #[test]
    fn a_bad_private_key_is_not_quoted() {
        let error = load(&settings(Key::Private(Secret::new("0xdeadbeef".into())))).expect_err("fails");
        assert!(!error.to_string().contains("deadbeef"));
        assert_eq!(code(load(&settings(Key::None))), Code::NoKey);
    }
}
