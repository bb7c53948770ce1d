//! A project's files out of a descriptor: pure text.

use std::collections::BTreeSet;

use alloy::primitives::{Address, U256};
use provery_descriptor::{Descriptor, InputType, PublicInput, PublicRole, Setup};
use provery_types::text::plain;
use serde_json::Value;

use crate::terms;

/// What the requester does in its callback besides writing, and what a first word written costs, in gas.
const CALLBACK: usize = 40_000;
const WORD: usize = 25_000;

/// What a project is made of.
pub(super) struct Project<'a> {
    pub descriptor: &'a Descriptor,
    /// The descriptor's file.
    pub file: &'a str,
    /// The input's file in `circuit/`, and what it holds, if there is one.
    pub input: Option<(&'a str, &'a Value)>,
    /// Where the contracts are, as the project's remapping says it.
    pub contracts: &'a str,
    /// What compiles here without a network, if that is known.
    pub solc: Option<&'a str>,
    /// The deployment's file, if it is known.
    pub deployment: Option<&'a str>,
}

/// A path in the project and what is there.
pub(super) type Rendered = (String, String);

/// The name of the circuit's input where none was found.
pub(super) const INPUT: &str = "input.json";

impl Project<'_> {
    /// Every file but the circuit's own and the descriptor.
    pub(super) fn render(&self) -> Vec<Rendered> {
        let contract = self.contract();
        let fill = |template: &str| self.fill(template);
        vec![
            (format!("src/{contract}.sol"), fill(include_str!("templates/Requester.sol"))),
            (format!("test/{contract}.t.sol"), fill(include_str!("templates/Requester.t.sol"))),
            ("foundry.toml".to_owned(), fill(include_str!("templates/foundry.toml"))),
            ("provery.toml".to_owned(), fill(include_str!("templates/provery.toml"))),
            ("up.sh".to_owned(), fill(include_str!("templates/up.sh"))),
            ("README.md".to_owned(), fill(include_str!("templates/README.md"))),
            (".gitignore".to_owned(), "/out\n/cache\n/broadcast\n/.provery\n".to_owned()),
        ]
    }

    /// The requester's name: of the circuit's, in capitals where words begin.
    pub(super) fn contract(&self) -> String {
        let mut name = String::new();
        for word in self.descriptor.name.split(|c: char| !c.is_ascii_alphanumeric()) {
            let mut letters = word.chars();
            name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
            name.extend(letters);
        }
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            name.insert_str(0, "Circuit");
        }
        name + "Requester"
    }

    /// What the market is called; a name that is a number would be taken for its id.
    pub(super) fn market(&self) -> String {
        let name = self.descriptor.name.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            format!("circuit-{name}")
        } else {
            name.to_owned()
        }
    }

    fn of(&self, role: PublicRole) -> Vec<(String, &PublicInput)> {
        let mut taken = BTreeSet::from(["proven".to_owned()]);
        let inputs = self.descriptor.inputs_of(role);
        inputs.map(|input| (identifier(&input.name, &mut taken), input)).collect()
    }

    fn fill(&self, template: &str) -> String {
        let (statement, outputs) = (self.of(PublicRole::Statement), self.of(PublicRole::Output));
        let payee = self.descriptor.inputs_of(PublicRole::Payee).next();
        let stated = statement.len();
        let lines = |indent: &str, lines: Vec<String>| {
            lines.iter().map(|line| format!("{indent}{line}")).collect::<Vec<_>>().join("\n")
        };
        let fields = |inputs: &[(String, &PublicInput)], kind: fn(InputType) -> &'static str| {
            let line = |(name, input): &(String, &PublicInput)| {
                let meaning = plain(&input.meaning);
                let meaning = if meaning.is_empty() { String::new() } else { format!(" // {meaning}") };
                format!("{} {name};{meaning}", kind(input.kind))
            };
            lines("        ", inputs.iter().map(line).collect())
        };
        let word = |index: usize, (name, input): &(String, &PublicInput)| {
            let value = match input.kind {
                InputType::Address => format!("uint256(uint160(statement.{name}))"),
                InputType::Bool => format!("statement.{name} ? 1 : 0"),
                _ => format!("statement.{name}"),
            };
            format!("inputs[{index}] = {value};")
        };
        let sample = |index: usize, (name, input): &(String, &PublicInput)| {
            let value = match input.kind {
                InputType::Address => format!("address(uint160({}))", index + 1),
                InputType::Bool => "true".to_owned(),
                _ => (index + 1).to_string(),
            };
            format!("it.{name} = {value};")
        };
        let types = |inputs: &[(String, &PublicInput)]| {
            inputs.iter().map(|(_, input)| solidity(input.kind)).collect::<Vec<_>>().join(",")
        };
        let uints = vec!["uint256"; outputs.len()];
        let answer_type: Vec<&str> = [vec!["bool"], uints].concat();
        let values: Vec<String> =
            statement.iter().map(|(_, input)| self.value(input).unwrap_or_else(|| "0".to_owned())).collect();
        let stores = outputs.iter().enumerate();
        let stores =
            stores.map(|(index, (name, _))| format!("answer.{name} = publicInputs[{}];", stated + index));
        let told = outputs.iter().map(|(name, _)| {
            format!("require(requester.answerTo(statement()).{name} == 1, \"another {name}\");")
        });
        let pairs = [
            ("circuit", self.descriptor.name.clone()),
            ("contract", self.contract()),
            ("market", self.market()),
            ("mechanism", mechanism().to_owned()),
            ("descriptor", self.file.to_owned()),
            ("input", self.input.map_or(INPUT, |(name, _)| name).to_owned()),
            ("contracts", self.contracts.to_owned()),
            ("compiler", self.compiler()),
            ("deployment", self.deployment_line()),
            ("outputs", outputs.len().to_string()),
            ("stated", stated.to_string()),
            ("all", (stated + outputs.len() + usize::from(payee.is_some())).to_string()),
            ("callback_gas", (CALLBACK + WORD * (outputs.len() + 1) + 1_000 * stated).to_string()),
            ("statement_fields", fields(&statement, solidity)),
            ("answer_fields", fields(&outputs, |_| "uint256")),
            ("statement_words", lines("        ", numbered(&statement, word))),
            ("answer_stores", lines("        ", stores.collect())),
            ("test_statement", lines("        ", numbered(&statement, sample))),
            ("test_answers", lines("        ", told.collect())),
            ("payee_words", if payee.is_some() { ", and who is paid" } else { "" }.to_owned()),
            ("statement_type", format!("({})", types(&statement))),
            ("answer_type", format!("({})", answer_type.join(","))),
            ("terms_type", terms::tuple_type()),
            ("statement", format!("({})", values.join(","))),
            ("table", self.table()),
            ("payee", self.payee(payee)),
            ("key_words", self.key_words()),
        ];
        let text = filled(template, &pairs);
        // What had nothing to be filled with leaves no line.
        let mut kept = text.lines().map(str::trim_end).collect::<Vec<_>>();
        kept.dedup_by(|next, before| next.is_empty() && before.is_empty());
        kept.join("\n") + "\n"
    }

    /// What the sample's input says of a public input: a number, as it may be in a list.
    fn value(&self, input: &PublicInput) -> Option<String> {
        let (_, json) = self.input?;
        let (name, places) = input.name.split_once('[').map_or((input.name.as_str(), ""), |(a, b)| (a, b));
        let mut value = json.get(name)?;
        for place in places.split(['[', ']']).filter(|place| !place.is_empty()) {
            value = value.get(place.parse::<usize>().ok()?)?;
        }
        let number = match value {
            Value::String(text) => text.parse::<U256>().ok()?,
            Value::Number(number) => number.to_string().parse::<U256>().ok()?,
            Value::Bool(bit) => U256::from(u8::from(*bit)),
            _ => return None,
        };
        Some(match input.kind {
            InputType::Bool => (!number.is_zero()).to_string(),
            InputType::Address => format!("{:#x}", Address::from_word(number.into())),
            _ => number.to_string(),
        })
    }

    fn compiler(&self) -> String {
        match self.solc {
            Some(solc) => format!("solc = \"{solc}\"\noffline = true"),
            None => "solc = \"0.8.30\"".to_owned(),
        }
    }

    fn deployment_line(&self) -> String {
        match self.deployment {
            Some(path) => format!("deployment = \"{path}\""),
            None => "# deployment = \"deployments/31337.json\"".to_owned(),
        }
    }

    fn table(&self) -> String {
        let mut rows =
            vec!["| public input | type | role | meaning |".to_owned(), "|---|---|---|---|".to_owned()];
        for input in &self.descriptor.public_inputs {
            let word = |value: Value| value.as_str().unwrap_or_default().to_owned();
            let cells = [
                &input.name,
                &word(serde_json::json!(input.kind)),
                &word(serde_json::json!(input.role)),
                &input.meaning,
            ];
            let cells: Vec<String> = cells.iter().map(|cell| plain(cell).replace('|', "\\|")).collect();
            rows.push(format!("| {} |", cells.join(" | ")));
        }
        rows.join("\n")
    }

    fn payee(&self, payee: Option<&PublicInput>) -> String {
        match payee {
            Some(payee) => format!(
                "A proof pays whom its public input `{}` names, on which a constraint of the circuit depends: a copied proof is of no use to \
                 anybody else.",
                plain(&payee.name)
            ),
            None => "The circuit does not say who is paid, so a proof is committed to some blocks before it is shown (`--reveal-delay` of \
                     `provery market create`)."
                .to_owned(),
        }
    }

    fn key_words(&self) -> String {
        match self.descriptor.setup {
            Setup::Development => {
                "It is a development key, or one without a ceremony's transcript: whoever made it can forge proofs. Run a ceremony, \
                 describe the circuit anew with `provery circuit describe --ceremony`, and register that."
            }
            _ => "It is said to be from a ceremony, whose transcript the descriptor names: verify it before you rely on it.",
        }
        .to_owned()
    }
}

/// One that gives slots to nobody, so that the first proof needs no stake.
fn mechanism() -> &'static str {
    let known = provery_mechanisms::registry().iter().find(|mechanism| !mechanism.assigns());
    known.map_or_else(provery_mechanisms::default_word, |mechanism| mechanism.word())
}

/// A template with its names in double braces replaced, once: what a value says is no name.
fn filled(template: &str, pairs: &[(&str, String)]) -> String {
    let (mut text, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, behind) = after.split_once("}}").unwrap_or((after, ""));
        text.push_str(before);
        let value = pairs.iter().find(|(known, _)| *known == name);
        text.extend(value.map(|(_, value)| value.as_str()));
        rest = behind;
    }
    text + rest
}

fn numbered(
    inputs: &[(String, &PublicInput)],
    line: impl Fn(usize, &(String, &PublicInput)) -> String,
) -> Vec<String> {
    inputs.iter().enumerate().map(|(index, input)| line(index, input)).collect()
}

fn solidity(kind: InputType) -> &'static str {
    match kind {
        InputType::Field => "uint256",
        InputType::Address => "address",
        InputType::Bool => "bool",
        InputType::Uint32 => "uint32",
        InputType::Uint64 => "uint64",
        InputType::Uint128 => "uint128",
    }
}

/// A signal's name as Solidity takes it, and another than those before it.
fn identifier(name: &str, taken: &mut BTreeSet<String>) -> String {
    let letters = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect::<String>();
    // An underscore behind it, and it is no word of the language.
    let mut plain = letters.trim_matches('_').to_owned();
    if plain.is_empty() || plain.starts_with(|c: char| c.is_ascii_digit()) {
        plain.insert_str(0, "input_");
    }
    if is_reserved(&plain) {
        plain.push('_');
    }
    while !taken.insert(plain.clone()) {
        plain.push('_');
    }
    plain
}

/// Words of Solidity's that a signal could have for a name.
fn is_reserved(word: &str) -> bool {
    const WORDS: &str = "abstract address after alias anonymous apply as assembly auto bool break byte bytes calldata case catch constant \
         constructor continue contract copyof default define delete do else emit enum error event external fallback false final fixed for \
         from function hex if immutable implements import in indexed inline interface internal is let library macro mapping match memory \
         modifier mutable new null of override partial payable pragma private promise public pure receive reference relocatable return \
         returns revert sealed sizeof static storage string struct super supports switch this throw true try type typedef typeof ufixed \
         unchecked unicode using var view virtual while int uint ether wei gwei seconds minutes hours days weeks years now";
    let sized = ["int", "uint", "bytes"].iter().any(|kind| {
        word.strip_prefix(kind)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|it| it.is_ascii_digit()))
    });
    sized || WORDS.split_whitespace().any(|known| known == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(name: &str) -> Descriptor {
        let mut document: Value = serde_json::json!({
            "version": 1, "name": name, "description": "", "proofSystem": "groth16", "curve": "bn254", "constraints": 9,
            "payeeBound": true, "verifier": { "interface": "IVerifier", "keyHash": "00".repeat(32) },
            "artifacts": {}, "setup": { "kind": "development" }, "witness": { "kind": "external" },
            "input": { "schema": {}, "sources": ["posted"] }, "cost": [], "notes": null,
            "publicInputs": [],
        });
        let input = |name: &str, kind: &str, role: &str, meaning: &str| serde_json::json!({ "name": name, "type": kind, "role": role, "meaning": meaning });
        document["publicInputs"] = serde_json::json!([
            input("root", "field", "statement", "the tree's {{market}}\n}} selfdestruct()"),
            input("in[1]", "bool", "statement", ""),
            input("from", "address", "statement", ""),
            input("nullifier", "field", "output", ""),
            input("payee", "address", "payee", ""),
        ]);
        serde_json::from_value(document).expect("is a descriptor")
    }

    fn file(files: &[Rendered], ending: &str) -> String {
        let found = files.iter().find(|(path, _)| path.ends_with(ending));
        found.expect(ending).1.clone()
    }

    fn rendered(descriptor: &Descriptor) -> Vec<Rendered> {
        let input = serde_json::json!({ "root": "12", "in": ["0", 1], "from": "255", "other": "7" });
        let project = Project {
            descriptor,
            file: "c.json",
            input: Some(("input.json", &input)),
            contracts: "/contracts",
            solc: None,
            deployment: None,
        };
        project.render()
    }

    #[test]
    fn nothing_is_left_to_be_filled_in() {
        for (path, text) in rendered(&descriptor("tree-8")) {
            // What the descriptor itself says is left as it is.
            assert_eq!(text.matches("{{").count(), text.matches("{{market}}").count(), "{path}: {text}");
            assert!(!text.contains("\n\n\n"), "{path}");
        }
    }

    #[test]
    fn inputs_have_their_types_and_their_order() {
        let files = rendered(&descriptor("tree-8"));
        let contract = file(&files, "src/Tree8Requester.sol");
        for line in [
            "uint256 root;",
            "bool in_1;",
            "address from_;",
            "inputs[1] = statement.in_1 ? 1 : 0;",
            "inputs[2] = uint256(uint160(statement.from_));",
            "answer.nullifier = publicInputs[3];",
        ] {
            assert!(contract.contains(line), "{line}: {contract}");
        }
        let up = file(&files, "up.sh");
        assert!(up.contains("\"(12,true,0x00000000000000000000000000000000000000ff)\""), "{up}");
        assert!(up.contains("(uint256,bool,address)") && up.contains("(bool,uint256)"), "{up}");
        assert!(up.contains("--outputs 1"));
        let mechanism =
            up.split_once("MECHANISM:-").and_then(|(_, rest)| rest.split_once('}')).expect("names one").0;
        assert!(provery_mechanisms::by_word(mechanism).is_some_and(|it| !it.assigns()), "{mechanism}");
    }

    #[test]
    fn what_a_descriptor_says_stays_inside_a_comment() {
        let contract = file(&rendered(&descriptor("t")), "TRequester.sol");
        let line = contract.lines().find(|line| line.contains("selfdestruct")).expect("is told");
        assert!(line.trim_start().starts_with("uint256 root; //"), "{line}");
    }

    #[test]
    fn names_are_names() {
        let descriptor = descriptor("16");
        let files = rendered(&descriptor);
        assert!(files.iter().any(|(path, _)| path == "src/Circuit16Requester.sol"));
        assert!(file(&files, "provery.toml").contains("market = [\"circuit-16\"]"));
        let mut taken = BTreeSet::new();
        let of = ["a[0]", "a.0", "uint8", "0x", "", "a_0"].map(|name| identifier(name, &mut taken));
        assert_eq!(of, ["a_0", "a_0_", "uint8_", "input_0x", "input_", "a_0__"]);
    }
}
