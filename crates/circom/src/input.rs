//! snarkjs' input.json: names of signals and their values, flattened to lists of field elements.

use std::fmt;

use ark_bn254::Fr;
use ark_ff::PrimeField;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

use crate::error::{InputError, cut};

/// Above it a JSON reader of JavaScript rounds.
const MOST_EXACT: u64 = 1 << 53;

/// Signals that an input may set: an array is one, a member of a bus is one. Whoever posts an input decides how many it names, so this and
/// the length of names are what keeps a small document from taking all memory.
const MOST_SIGNALS: usize = 1 << 18;
/// Bytes of a signal's name, with the buses that it is in.
const MOST_NAME: usize = 256;

/// A circuit's input: the values of each signal, in the order of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input(pub(crate) Vec<(String, Vec<Fr>)>);

impl Input {
    /// Read an input as snarkjs does: whole numbers, and strings of decimal, `0x`, `0o` and `0b` numbers, all modulo the field's
    /// prime, in arrays of any depth; the members of a bus are named `bus.member`, those in an array of buses `bus[0].member`.
    pub fn from_json(json: &[u8]) -> Result<Self, InputError> {
        let document: Value =
            serde_json::from_slice(json).map_err(|error| InputError::Json { reason: error.to_string() })?;
        let Value::Object(members) = document else { return Err(InputError::NotAnObject) };
        let mut signals = Vec::new();
        for (name, value) in members {
            flatten(name, value, &mut signals)?;
        }
        Ok(Self(signals))
    }

    /// Give signals these values, whatever they had.
    pub fn set(&mut self, signals: Vec<(String, Vec<Fr>)>) {
        self.0.retain(|(name, _)| !signals.iter().any(|(set, _)| set == name));
        self.0.extend(signals);
    }

    /// Signals and their values.
    pub fn signals(&self) -> impl Iterator<Item = (&str, &[Fr])> {
        self.0.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }
}

/// A JSON value that keeps the order of members and takes the last of those with one name, as JavaScript does.
#[derive(Debug)]
enum Value {
    Number(Fr),
    /// An integer that a JSON reader of JavaScript would round, or a fraction.
    Inexact(String),
    Text(String),
    Other(&'static str),
    Array(Vec<Value>),
    Object(Vec<(String, Value)>),
}

fn flatten(name: String, value: Value, signals: &mut Vec<(String, Vec<Fr>)>) -> Result<(), InputError> {
    if name.len() > MOST_NAME {
        return Err(InputError::Name { signal: cut(&name), most: MOST_NAME });
    }
    if signals.len() >= MOST_SIGNALS {
        return Err(InputError::Signals { most: MOST_SIGNALS });
    }
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                flatten(format!("{name}.{member}"), value, signals)?;
            }
        }
        Value::Array(items) if is_of_buses(&items) => {
            for (index, item) in items.into_iter().enumerate() {
                flatten(format!("{name}[{index}]"), item, signals)?;
            }
        }
        other => {
            let mut values = Vec::new();
            collect(&name, other, &mut values)?;
            signals.push((name, values));
        }
    }
    Ok(())
}

fn is_of_buses(items: &[Value]) -> bool {
    items.iter().any(|item| match item {
        Value::Object(_) => true,
        Value::Array(items) => is_of_buses(items),
        _ => false,
    })
}

fn collect(signal: &str, value: Value, values: &mut Vec<Fr>) -> Result<(), InputError> {
    let bad = |found: String| Err(InputError::Value { signal: signal.to_owned(), found });
    match value {
        Value::Array(items) => items.into_iter().try_for_each(|item| collect(signal, item, values)),
        Value::Object(_) => Err(InputError::Mixed { signal: signal.to_owned() }),
        Value::Number(number) => {
            values.push(number);
            Ok(())
        }
        Value::Text(text) => match parse(&text) {
            Some(number) => {
                values.push(number);
                Ok(())
            }
            None => bad(format!("{:?}", text.chars().take(40).collect::<String>())),
        },
        Value::Inexact(text) if text.contains(['.', 'e', 'E']) => bad(cut(&text)),
        Value::Inexact(_) => Err(InputError::Inexact { signal: signal.to_owned() }),
        Value::Other(found) => bad(found.to_owned()),
    }
}

/// A whole number as JavaScript's `BigInt` takes it from a string, modulo the field's prime.
pub(crate) fn parse(text: &str) -> Option<Fr> {
    let text = text.trim();
    for (prefixes, radix) in [(["0x", "0X"], 16), (["0o", "0O"], 8), (["0b", "0B"], 2)] {
        if let Some(digits) = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)) {
            return digits_of(digits, radix);
        }
    }
    match text.strip_prefix('-') {
        Some(digits) => digits_of(digits, 10).map(|value: Fr| -value),
        None => digits_of(text.strip_prefix('+').unwrap_or(text), 10),
    }
}

/// Digits are taken a word at a time: time grows with the length alone.
pub(crate) fn digits_of<F: PrimeField>(digits: &str, radix: u32) -> Option<F> {
    const WORD_DIGITS: usize = 15;
    if digits.is_empty() {
        return None;
    }
    digits.as_bytes().chunks(WORD_DIGITS).try_fold(F::ZERO, |sum, chunk| {
        let word = chunk.iter().try_fold(0u64, |word, &digit| {
            Some(word * u64::from(radix) + u64::from(char::from(digit).to_digit(radix)?))
        })?;
        let shift = F::from(radix).pow([chunk.len() as u64]);
        Some(sum * shift + F::from(word))
    })
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Number(Fr::from(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        if value > MOST_EXACT {
            Ok(Value::Inexact(value.to_string()))
        } else {
            Ok(Value::Number(Fr::from(value)))
        }
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        if value.unsigned_abs() > MOST_EXACT {
            Ok(Value::Inexact(value.to_string()))
        } else {
            Ok(Value::Number(Fr::from(value)))
        }
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        // What does not fit in 64 bits comes as a float, too.
        let whole = value.fract() == 0.0 && value.abs() > MOST_EXACT as f64;
        Ok(Value::Inexact(if whole { format!("{value:.0}") } else { format!("{value:?}") }))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Other("null"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = items.next_element()? {
            out.push(item);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut out: Vec<(String, Value)> = Vec::new();
        let mut places = std::collections::HashMap::new();
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            match places.get(&name) {
                Some(&place) => {
                    let member: &mut (String, Value) = &mut out[place];
                    member.1 = value;
                }
                None => {
                    places.insert(name.clone(), out.len());
                    out.push((name, value));
                }
            }
        }
        // With serde_json's feature `arbitrary_precision`, which another crate of a program may turn on, a number comes as this.
        if let [(name, Value::Text(digits))] = out.as_slice()
            && name == NUMBER
        {
            return Ok(number(digits));
        }
        Ok(Value::Object(out))
    }
}

const NUMBER: &str = "$serde_json::private::Number";

/// A JSON number by its text.
fn number(text: &str) -> Value {
    let magnitude = text.strip_prefix('-').unwrap_or(text);
    match magnitude.parse::<u64>() {
        Ok(value) if value <= MOST_EXACT => {
            let value = Fr::from(value);
            Value::Number(if magnitude == text { value } else { -value })
        }
        _ => Value::Inexact(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::Field;

    use super::*;

    fn read(json: &str) -> Result<Vec<(String, Vec<Fr>)>, InputError> {
        Input::from_json(json.as_bytes()).map(|input| input.0)
    }

    #[test]
    fn values_are_read_as_snarkjs_reads_them() {
        let modulus = Fr::MODULUS.to_string();
        let json = format!(
            r#"{{"a": 5, "b": ["-1", [2, "0x10"], true], "c": "{modulus}", "d": -3, "a": 6, "p": {{"x": [1], "q": [{{"y": 2}}]}}, "e": []}}"#
        );
        let f = |value: i64| Fr::from(value);
        let expected = [
            ("a", vec![f(6)]),
            ("b", vec![f(-1), f(2), f(16), f(1)]),
            ("c", vec![f(0)]),
            ("d", vec![f(-3)]),
            ("p.x", vec![f(1)]),
            ("p.q[0].y", vec![f(2)]),
            ("e", vec![]),
        ];
        let expected = expected.map(|(name, values)| (name.to_owned(), values)).to_vec();
        assert_eq!(read(&json), Ok(expected));
    }

    #[test]
    fn long_numbers_are_reduced() {
        let digits = "9".repeat(1_000);
        assert_eq!(parse(&digits), Some(Fr::from(10).pow([1_000]) - Fr::ONE));
        assert_eq!(parse("0xffffffffffffffffffffffff"), Some(Fr::from(2).pow([96]) - Fr::ONE));
        assert_eq!(parse("0b101"), Some(Fr::from(5)));
    }

    #[test]
    fn what_is_no_whole_number_is_refused_with_the_signals_name() {
        for (json, part) in [
            (r#"{"leaf": 1.5}"#, "leaf is 1.5"),
            (r#"{"leaf": null}"#, "leaf is null"),
            (r#"{"leaf": [""]}"#, "leaf is \"\""),
            (r#"{"leaf": "12a"}"#, "leaf is \"12a\""),
            (r#"{"leaf": "0x"}"#, "leaf is \"0x\""),
            (r#"{"leaf": "-0x5"}"#, "leaf is \"-0x5\""),
            (r#"{"leaf": 9007199254740993}"#, "leaf is a number above 2^53"),
            (
                r#"{"leaf": 21888242871839275222246405745257275088548364400416034343698204186575808495618}"#,
                "above 2^53",
            ),
            (r#"{"leaf": [1, {"x": 2}]}"#, ""),
            (r#"{"leaf": [[1], {"x": [{"y": 1}, 3]}]}"#, ""),
            ("[1]", "no JSON object"),
            ("{", "no JSON"),
        ] {
            match read(json) {
                Err(error) => assert!(error.to_string().contains(part), "{json}: {error}"),
                // An array of buses and numbers names its members; the circuit refuses the names.
                Ok(signals) => assert!(part.is_empty(), "{json}: {signals:?}"),
            }
        }
        assert!(read(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn a_small_document_cannot_take_all_memory() {
        let long = "A".repeat(300);
        let members: Vec<String> = (0..40_000).map(|n| format!("\"{n}\":1")).collect();
        let document = format!("{{\"{long}\":{{{}}}}}", members.join(","));
        let error = Input::from_json(document.as_bytes()).expect_err("a long name");
        assert!(matches!(&error, InputError::Name { signal, .. } if signal.chars().count() < 100), "{error}");
        let many: Vec<String> = (0..=MOST_SIGNALS).map(|n| format!("\"{n}\":1")).collect();
        let error = Input::from_json(format!("{{{}}}", many.join(",")).as_bytes()).expect_err("too many");
        assert!(matches!(error, InputError::Signals { .. }), "{error}");
    }
}
