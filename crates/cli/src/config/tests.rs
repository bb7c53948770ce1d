//! Order, checks and secrecy of settings.

use alloy::primitives::U256;

use super::*;
use crate::{config::node::DEVELOPMENT_RATE, error::Failure, market_ref::MarketRef};

const RATE: U256 = U256::from_limbs([DEVELOPMENT_RATE, 0, 0, 0]);

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
    assert_eq!(settings.rpc_urls, ["http://file"]);
    assert_eq!(settings.deployment, Some(folder.path().join("d.json")));

    case.env = vec![(ENV_RPC_URL, "http://env"), (ENV_DEPLOYMENT, "env.json")];
    let settings = case.resolve().expect("resolves");
    assert_eq!(settings.rpc_urls, ["http://env"]);
    assert_eq!(settings.deployment, Some("env.json".into()));

    case.global.rpc_url = vec!["http://flag".into(), "http://flag-2".into()];
    case.global.deployment = Some("flag.json".into());
    let settings = case.resolve().expect("resolves");
    assert_eq!(settings.rpc_urls, ["http://flag", "http://flag-2"]);
    assert_eq!(settings.deployment, Some("flag.json".into()));
}

#[test]
fn keys_follow_the_same_order() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let case = Case::with_file(folder.path(), "keystore = \"file.json\"\npassword_file = \"p\"\n");
    let password = Password::File(folder.path().join("p"));
    let keystore = |path: PathBuf, password: &Password| Key::Keystore { path, password: password.clone() };
    assert_eq!(case.resolve().expect("resolves").key, keystore(folder.path().join("file.json"), &password));

    let mut bare = Case::with_file(folder.path(), "");
    bare.env = vec![(ENV_PRIVATE_KEY, "0xabc")];
    assert_eq!(bare.resolve().expect("resolves").key, Key::Private(Secret::new("0xabc".into())));
    assert!(!bare.resolve().expect("resolves").passed_over);

    // Wherever a keystore is named, the bare key is not used; that is said to whoever signs.
    let mut case = Case::with_file(folder.path(), "keystore = \"file.json\"\npassword_file = \"p\"\n");
    case.env = vec![(ENV_PRIVATE_KEY, "0xabc")];
    let both = case.resolve().expect("resolves");
    assert_eq!(both.key, keystore(folder.path().join("file.json"), &password));
    assert!(both.passed_over);
    case.env.push((ENV_KEYSTORE, "env.json"));
    let both = case.resolve().expect("resolves");
    assert_eq!(both.key, keystore("env.json".into(), &password));
    assert!(both.passed_over);

    case.env.push((ENV_KEYSTORE_PASSWORD, "hunter2"));
    case.global.keystore = Some("flag.json".into());
    let given = Password::Given(Secret::new("hunter2".into()));
    assert_eq!(case.resolve().expect("resolves").key, keystore("flag.json".into(), &given));

    case.global.password_file = Some("flag.pw".into());
    assert_eq!(case.resolve().expect("resolves").password, Password::File("flag.pw".into()));
}

#[test]
fn a_remote_signer_takes_the_place_of_a_keystore_and_never_stands_beside_one() {
    const SENDER: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
    let folder = tempfile::tempdir().expect("makes a folder");
    let remote = |url: &str| Key::Remote {
        url: Secret::new(url.to_owned()),
        sender: SENDER.parse().expect("an address"),
    };
    let text = format!("remote_signer = 'http://file:9000'\nsender = '{SENDER}'\n");
    let mut case = Case::with_file(folder.path(), &text);
    case.env = vec![(ENV_PRIVATE_KEY, "0xabc")];
    let settings = case.resolve().expect("resolves");
    assert_eq!(settings.key, remote("http://file:9000"));
    assert!(settings.passed_over && settings.urls().any(|url| url == "http://file:9000"), "hidden in logs");
    case.env.push((ENV_REMOTE_SIGNER, "https://me:hunter2@env:9000"));
    let settings = case.resolve().expect("resolves");
    assert_eq!(settings.key, remote("https://me:hunter2@env:9000"));
    assert!(!format!("{:?} {:?}", settings.key, settings.rows).contains("hunter2"));
    // A nearer place names another kind.
    case.global.keystore = Some("flag.json".into());
    assert!(matches!(case.resolve().expect("resolves").key, Key::Keystore { .. }));

    for (text, said) in [
        ("remote_signer = 'http://s'\n", "--sender"),
        ("remote_signer = 'hunter2'\n", "is not a URL"),
        ("remote_signer = 'http://s'\nkeystore = 'k'\n", "keep one"),
        ("remote_signer = 'http://s'\nsender = '0x12'\n", "sender is not right"),
    ] {
        let error = Case::with_file(folder.path(), text).resolve().expect_err(text).to_string();
        assert!(error.contains(said) && !error.contains("hunter2"), "{text}: {error}");
    }
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
fn the_node_table_is_read_and_checked() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let text = "rpc_urls = ['http://a', 'http://b']\n[node]\ndata_dir = 'd'\nmarket = [1, 'first']\nhttp = \
                '127.0.0.1:9464'\nmin_reward = 0.5\noffer_transfers = '-1 usdc'\nwithdraw_at = 7\nrescue = false\n";
    let settings = Case::with_file(folder.path(), text).resolve().expect("resolves");
    assert_eq!(settings.rpc_urls, ["http://a", "http://b"]);
    let node = settings.node;
    assert_eq!(node.data_dir, Some(folder.path().join("d")));
    let first = MarketRef::Rollup("first".into());
    assert_eq!(node.market, Some(vec![MarketRef::Id(1), first]));
    let asset = crate::amount::Currency::asset("USDC", 6).expect("a usual one");
    let nine = Some(alloy::primitives::U256::from(9));
    let tunables = node.tunables(&asset, nine, RATE).expect("amounts");
    assert_eq!(tunables.minimum_reward, 500_000);
    assert_eq!(tunables.offer_transfers, Some(-1_000_000));
    assert_eq!(tunables.withdraw_at, Some(alloy::primitives::U256::from(7_000_000)));
    assert!(!tunables.rescue && tunables.taking);
    let measured = NodeValues::default().tunables(&asset, nine, RATE).expect("no amounts");
    assert_eq!(measured.minimum_reward, 9, "what a slot costs, if nothing else is said");

    for (text, said) in [
        ("[node]\nmin_rewrd = 1", "did you mean min_reward?"),
        ("[node]\nrpc_url = 'http://a'", "belongs above [node]"),
        ("data_dir = 'd'", "belongs under [node]"),
        ("[node]\nbudget_bps = 10001", "budget_bps must be from 1 to 10000"),
        ("[node]\nprover = '0x12'", "line 2: prover is not right"),
        ("[node]\nmin_reward = '1,5'", "line 2: min_reward is not right"),
        ("[node]\nhttp = '9464'", "127.0.0.1:9464"),
        ("[node]\nws_url = 'http://hunter2'", "ws_url does not begin with"),
        ("[node]\nprivate_key = 'hunter2'", "a secret has no place in it"),
        ("rpc_urls = ['hunter2']", "a URL in rpc_urls is not a URL"),
        ("rpc_urls = []", "empty"),
        ("rpc_url = 'http://a'\nrpc_urls = ['http://b']", "both set"),
        ("node = 5", "write [node]"),
        ("[external_prover]", "neither command nor url is set"),
        ("[external_prover]\ncommand = ['p']\nurl = 'http://hunter2'", "both set"),
        ("[external_prover]\ncommand = ['p', '{input}']", "{input} stands for nothing"),
        ("[external_prover]\nurl = 'ftp://hunter2'", "url does not begin with"),
        ("[external_prover]\nurl = 'http://a'\ncircuits = []", "empty list"),
        ("[external_prover]\ncommand = ['p']\ntoken_file = 'f'", "token_file is for a service"),
        ("[external_prover]\nurl = 'http://a'\ntoken = 'hunter2'", "name a token_file"),
        ("[external_prover]\nurl = 'http://a'\ntimeout_seconds = 0", "timeout_seconds must be"),
    ] {
        let error = Case::with_file(folder.path(), text).resolve().expect_err(text).to_string();
        assert!(error.contains(said) && !error.contains("hunter2"), "{text}: {error}");
    }
}

#[test]
fn a_nodes_amounts_are_whole_units_of_the_asset_whatever_its_decimals() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let text = "[node]\nmin_reward = 0.5\nwithdraw_at = 10\naccept_min_window = 60\naccept_max_bond = 2\n\
                accept_max_rescuer_bps = 5000\naccept_max_expiry = 900\n";
    let node = Case::with_file(folder.path(), text).resolve().expect("resolves").node;
    for decimals in [6u8, 18] {
        let asset = crate::amount::Currency::asset("X", decimals).expect("a usual one");
        let tunables = node.tunables(&asset, None, RATE).expect("amounts");
        let whole = 10u128.pow(decimals.into());
        assert_eq!((tunables.minimum_reward, tunables.accept.max_bond), (whole / 2, Some(2 * whole)));
        assert_eq!(tunables.withdraw_at, Some(asset.whole() * alloy::primitives::U256::from(10)));
    }
    let asset = crate::amount::Currency::asset("USDC", 6).expect("a usual one");
    for (text, said) in [
        ("min_reward = '0.5ether'", "min_reward: `0.5ether` is an amount of the chain's own currency"),
        ("min_reward = '500000000000000000'", "min_reward: `500000000000000000` without a unit"),
        ("withdraw_at = '0.0000001'", "withdraw_at: `0.0000001` is finer"),
        ("offer_transfers = '-1dai'", "offer_transfers: `1dai` is in dai"),
    ] {
        let node =
            Case::with_file(folder.path(), &format!("[node]\n{text}\n")).resolve().expect("resolves").node;
        let error = node.tunables(&asset, None, RATE).expect_err(text).to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn where_each_setting_comes_from_is_known() {
    let flags = NodeValues { workers: Some(3), ..NodeValues::default() };
    let file = NodeValues { workers: Some(2), poll_ms: Some(9), ..NodeValues::default() };
    let rows = NodeValues::rows(&flags, &[("keys", ENV_KEYS_DIR)], &file);
    let row = |key: &str| {
        let row = rows.iter().find(|row| row.key == key).expect(key);
        (row.value.clone(), row.from)
    };
    assert_eq!(row("workers"), (json!(3), Origin::Flag));
    assert_eq!(row("poll_ms"), (json!(9), Origin::File));
    assert_eq!(row("keys").1, Origin::Env(ENV_KEYS_DIR));
    assert_eq!(row("rescue"), (json!(true), Origin::Default));
    assert_eq!(rows.len(), NodeValues::KEYS.len());
}

#[test]
fn the_example_for_a_real_chain_is_valid() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/node/provery.toml");
    let text = std::fs::read_to_string(&path).expect("is there");
    super::parse(&path, text).expect("is valid");
}

#[test]
fn the_example_names_every_key_and_is_valid() {
    let example = crate::commands::node::EXAMPLE;
    let tables = ["node", "external_prover"];
    let global = GLOBAL_KEYS.iter().filter(|key| !tables.contains(key) && **key != "rpc_url");
    for key in global.chain(NodeValues::KEYS) {
        let there = |line: &str| {
            let line = line.trim_start_matches("# ").trim_start_matches('#');
            line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
        };
        assert!(example.lines().any(there), "{key} is not in the example");
    }
    parse(Path::new("provery.toml"), example.to_owned()).expect("is valid");
    // And so it is with everything that is commented out.
    let set = |line: &str| {
        let rest = line.strip_prefix("# ")?;
        let key: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
        let known = NodeValues::KEYS.contains(&key.as_str()) || GLOBAL_KEYS.contains(&key.as_str());
        (known && rest[key.len()..].starts_with(" = ")).then(|| rest.to_owned())
    };
    let all: Vec<String> = example.lines().map(|line| set(line).unwrap_or_else(|| line.to_owned())).collect();
    let file = parse(Path::new("provery.toml"), all.join("\n")).expect("is valid");
    let none = NodeValues::default().differences(&file.node);
    assert_eq!(none.len(), NodeValues::KEYS.len(), "every key is set");
}

#[test]
fn an_external_prover_is_a_program_or_a_service() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let external = |text: &str| {
        Case::with_file(folder.path(), text).resolve().expect("resolves").external.expect("is there")
    };
    let program = external("[external_prover]\ncommand = ['p', '{zkey}', '{witness}', '{proof}']\n");
    assert!(program.proves("any") && program.prover().is_ok());
    fs::write(folder.path().join("token"), "\n").expect("writes");
    let service = external("[external_prover]\nurl = 'https://h'\ncircuits = ['a']\ntoken_file = 'token'\n");
    assert!(service.proves("a") && !service.proves("b"));
    assert!(service.names_known(["b", "a"].into_iter()).is_ok());
    let message = service.names_known(["b", "c"].into_iter()).expect_err("serves another").to_string();
    assert!(message.contains("circuit a,") && message.contains("b, c"), "{message}");
    assert!(service.prover().expect_err("has no token").to_string().contains("is no token"));
    fs::write(folder.path().join("token"), "hunter2\n").expect("writes");
    assert!(!format!("{:?}", service.prover().expect("has a token")).contains("hunter2"));
    // As the example has it, with everything that is commented out.
    let example = crate::commands::node::EXAMPLE;
    let table = example.lines().skip_while(|line| *line != "# [external_prover]");
    let lines: Vec<&str> = table
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| line.starts_with('[') || line.contains(" = "))
        .filter(|line| !line.starts_with("command"))
        .collect();
    let named = external(&lines.join("\n"));
    let all = [named.circuits.is_some(), named.url.is_some(), named.token_file.is_some()];
    assert!(all == [true; 3] && named.timeout_seconds.is_some(), "{lines:?}");
    assert!(example.contains("# command = ["));
}

#[test]
fn secrets_are_not_printed() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let text = "rpc_url = 'http://u:hunter2@h/hunter2?t=hunter2'\n[node]\nnats_url = 'nats://hunter2@h'\n\
                [external_prover]\nurl = 'http://u:hunter2@e/hunter2'\n";
    let case = Case::with_file(folder.path(), text);
    let settings = case.resolve().expect("resolves");
    let rows = NodeValues::rows(&NodeValues::default(), &[], &settings.node);
    let shown = format!("{settings:?} {:?} {rows:?}", settings.rows);
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("http://h") && shown.contains("nats://h"), "{shown}");
    let key = Key::Private(Secret::new("0xabc".into()));
    assert!(!format!("{key:?}").contains("abc"));
}

#[test]
fn without_a_rate_no_node_starts_but_on_development_chains() {
    let none = NodeValues::default();
    assert_eq!(none.rate(31_337, "PROVE").ok(), Some(RATE));
    let error = none.rate(10, "USDC").expect_err("no rate").to_string();
    assert!(error.contains("gas_wei_per_asset") && error.contains("1 USDC"), "{error}");
    let given = NodeValues { gas_wei_per_asset: "0.0003ether".parse().ok(), ..none };
    let rate = U256::from(300_000_000_000_000u64);
    assert_eq!([10, 31_337].map(|chain| given.rate(chain, "USDC").ok()), [Some(rate); 2]);
}
