//! A TOML file read key by key, so that what is wrong is said with its line, and a wrong name with the right one.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

/// A parsed file.
#[derive(Debug)]
pub(super) struct Document {
    path: PathBuf,
    text: String,
}

/// A table of it that is being read.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    document: &'a Document,
    table: &'a DeTable<'a>,
    /// What has been asked for.
    asked: Vec<&'static str>,
    pub problems: Vec<String>,
}

/// What a key's value may be.
pub(crate) trait FromToml: Sized {
    /// What is expected, or what is wrong, if it is something else. The value itself may be a secret.
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String>;
}

impl Document {
    pub(super) fn new(path: &Path, text: String) -> Self {
        Self { path: path.to_owned(), text }
    }

    /// Give the file's table to `read`. A file that is no TOML is one problem.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(Reader<'_>) -> (T, Vec<String>),
    ) -> Result<T, Vec<String>> {
        // The error's own text would quote the file.
        let table = DeTable::parse(&self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            vec![self.problem(at, error.message().lines().next().unwrap_or_default().trim())]
        })?;
        let (value, problems) = read(self.reader(table.get_ref()));
        if problems.is_empty() { Ok(value) } else { Err(problems) }
    }

    fn reader<'a>(&'a self, table: &'a DeTable<'a>) -> Reader<'a> {
        Reader { document: self, table, asked: Vec::new(), problems: Vec::new() }
    }

    fn problem(&self, at: usize, what: &str) -> String {
        let line = self.text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
        format!("{} line {line}: {what}", self.path.display())
    }
}

impl<'a> Reader<'a> {
    /// The value of a key, if it is there and right.
    pub(crate) fn take<T: FromToml>(&mut self, key: &'static str) -> Option<T> {
        self.asked.push(key);
        let value = self.table.get(key)?;
        match T::from_toml(value.get_ref()) {
            Ok(value) => Some(value),
            Err(wanted) => {
                let what = format!("{key} is not right: {wanted}");
                self.problems.push(self.document.problem(value.span().start, &what));
                None
            }
        }
    }

    /// A table inside this one.
    pub(crate) fn table(&mut self, key: &'static str) -> Option<Reader<'a>> {
        self.asked.push(key);
        let value = self.table.get(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(self.document.reader(table)),
            other => {
                let what = format!("{key} is of type {}, not a table; write [{key}]", other.type_str());
                self.problems.push(self.document.problem(value.span().start, &what));
                None
            }
        }
    }

    /// What is wrong, with everything that was not asked for. `table` names this one; `elsewhere` says where else a key may
    /// belong.
    pub(crate) fn finish(
        mut self,
        table: &str,
        elsewhere: impl Fn(&str) -> Option<&'static str>,
    ) -> Vec<String> {
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if self.asked.contains(&name) {
                continue;
            }
            let what = format!("{table} has no key {}", printable(name));
            let advice = match (elsewhere(name), nearest(name, &self.asked)) {
                (Some(place), _) => format!("{what}; {place}"),
                (None, Some(nearest)) => format!("{what}; did you mean {nearest}?"),
                (None, None) => format!("{what}; see `provery node config example`"),
            };
            self.problems.push(self.document.problem(key.span().start, &advice));
        }
        self.problems
    }
}

fn printable(name: &str) -> String {
    let plain: String = name.chars().take(40).filter(|c| !c.is_control()).collect();
    format!("`{plain}`")
}

/// The known name that a wrong one is most like.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.replace('-', "_").to_ascii_lowercase();
    let rated = known.iter().map(|candidate| (distance(&name, candidate), *candidate));
    let (off, best) = rated.min()?;
    (off <= 1 + best.len() / 4).then_some(best)
}

/// Characters to insert, delete, replace or swap to make one word of the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let left: Vec<char> = left.chars().collect();
    let mut rows = vec![(0..=right.len()).collect::<Vec<usize>>()];
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let replace = rows[i][j] + usize::from(a != b);
            let mut least = replace.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

impl FromToml for String {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| format!("it is of type {}, not text in quotes", value.type_str()))
    }
}

impl FromToml for PathBuf {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        String::from_toml(value).map(Self::from)
    }
}

impl FromToml for bool {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| format!("it is of type {}, not true or false", value.type_str()))
    }
}

impl FromToml for u64 {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        let integer = value
            .as_integer()
            .ok_or_else(|| format!("it is of type {}, not a whole number", value.type_str()))?;
        Self::from_str_radix(integer.as_str(), integer.radix())
            .map_err(|_| "it is not a whole number from 0 to 18446744073709551615".to_owned())
    }
}

impl<T: FromToml> FromToml for Vec<T> {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        let array = value
            .as_array()
            .ok_or_else(|| format!("it is of type {}, not a list in [ ]", value.type_str()))?;
        array.iter().map(|value| T::from_toml(value.get_ref())).collect()
    }
}

/// Text in quotes, or a number, that is read as a flag's value is.
pub(super) fn parsed<T>(value: &DeValue<'_>) -> Result<T, String>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let text = match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        other => return Err(format!("it is of type {}, not text in quotes", other.type_str())),
    };
    text.parse().map_err(|error: T::Err| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let document = Document::new(Path::new("p.toml"), text.to_owned());
        let read = document.read(|mut reader| {
            let _ = reader.take::<u64>("poll_ms");
            let _ = reader.take::<bool>("rescue");
            let _ = reader.take::<Vec<u64>>("market");
            let _ = reader.take::<String>("rpc_url");
            ((), reader.finish("the file", |key| (key == "http").then_some("it belongs in [node]")))
        });
        read.err().unwrap_or_default()
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        assert!(problems("poll_ms = 5\nrescue = true\nmarket = [1, 2]\nrpc_url = 'x'\n").is_empty());
        let said =
            problems("\npoll_ms = 'x'\n\nrescue = 1\nmarket = 3\nmarket_ = 0\nhttp = 1\nzzzzzzzz = 2\n");
        let expected = [
            "p.toml line 2: poll_ms is not right: it is of type string, not a whole number",
            "p.toml line 4: rescue is not right: it is of type integer, not true or false",
            "p.toml line 5: market is not right: it is of type integer, not a list in [ ]",
            "p.toml line 7: the file has no key `http`; it belongs in [node]",
            "p.toml line 6: the file has no key `market_`; did you mean market?",
            "p.toml line 8: the file has no key `zzzzzzzz`; see `provery node config example`",
        ];
        for line in expected {
            assert!(said.iter().any(|it| it == line), "no {line:?} in {said:#?}");
        }
        assert_eq!(said.len(), expected.len(), "{said:#?}");
    }

    #[test]
    fn neither_a_value_nor_the_text_is_quoted() {
        for text in ["rpc_url = http://user:hunter2@x\n", "rpc_url = ['hunter2']", "poll_ms = 'hunter2'"] {
            let said = problems(text).join("\n");
            assert!(!said.is_empty() && !said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn typos_find_their_word() {
        let known = ["min_reward", "rescue", "http", "offer_transfers", "accept_transfers"];
        for (typo, right) in [
            ("min_rewrd", Some("min_reward")),
            ("min-reward", Some("min_reward")),
            ("resuce", Some("rescue")),
            ("htttp", Some("http")),
            ("offer_transfer", Some("offer_transfers")),
            ("colour", None),
        ] {
            assert_eq!(nearest(typo, &known), right, "{typo}");
        }
    }
}
