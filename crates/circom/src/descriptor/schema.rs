//! The JSON Schema of an input, by the names of a circuit's signals.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{error::FileError, r1cs::Shape, sym::Sym};

/// More inputs than this get no schema: nobody would read it.
const MOST_NAMES: usize = 256;

/// How many of each dimension an input has; `None` for one that has members, as circom's buses do.
type Dimensions = Option<Vec<u64>>;

/// Of the input without the payee. Nothing where the circuit has no inputs, or too many for a schema.
pub(super) fn of(shape: &Shape, sym: &Sym, payee: Option<&str>) -> Result<Value, FileError> {
    let first = u64::from(shape.outputs) + 1;
    let end = first + u64::from(shape.public_inputs) + u64::from(shape.private_inputs);
    let mut inputs: BTreeMap<String, Dimensions> = BTreeMap::new();
    for signal in sym.signals() {
        let signal = signal?;
        if signal.label >= end {
            break;
        }
        let name = signal.name.strip_prefix("main.").unwrap_or(signal.name);
        if signal.label < first || Some(name) == payee {
            continue;
        }
        let (base, indices) = split(name);
        let known = inputs.entry(base.to_owned()).or_insert_with(|| indices.clone());
        *known = known
            .take()
            .zip(indices)
            .filter(|(known, new)| known.len() == new.len())
            .map(|(known, new)| known.into_iter().zip(new).map(|(known, new)| known.max(new)).collect());
        if inputs.len() > MOST_NAMES {
            return Ok(Value::Null);
        }
    }
    if inputs.is_empty() {
        return Ok(Value::Null);
    }
    let required: Vec<&String> = inputs.keys().collect();
    let properties: Map<String, Value> =
        inputs.iter().map(|(name, dimensions)| (name.clone(), value(dimensions))).collect();
    Ok(json!({
        "$defs": {
            "number": {
                "type": ["integer", "string"],
                "pattern": "^(-?[0-9]+|0x[0-9a-fA-F]+)$",
            },
        },
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    }))
}

/// `a[2][3]` as `a` and one more than each index.
fn split(name: &str) -> (&str, Dimensions) {
    let Some(at) = name.find(['[', '.']) else { return (name, Some(Vec::new())) };
    let (base, rest) = name.split_at(at);
    let index = |part: &str| part.strip_suffix(']')?.parse::<u64>().ok()?.checked_add(1);
    (base, rest.strip_prefix('[').and_then(|rest| rest.split('[').map(index).collect()))
}

fn value(dimensions: &Dimensions) -> Value {
    let Some(dimensions) = dimensions else { return json!({}) };
    dimensions.iter().rev().fold(
        json!({ "$ref": "#/$defs/number" }),
        |items, count| json!({ "type": "array", "items": items, "minItems": count, "maxItems": count }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_dimensions_and_members_are_left_open() {
        assert_eq!(split("root"), ("root", Some(vec![])));
        assert_eq!(split("a[2][0]"), ("a", Some(vec![3, 1])));
        assert_eq!(split("points[1].x"), ("points", None));
        assert_eq!(split("point.x[1]"), ("point", None));
        assert_eq!(split("a[18446744073709551615]"), ("a", None));
        let number = json!({ "$ref": "#/$defs/number" });
        assert_eq!(value(&Some(vec![])), number);
        let row = json!({ "type": "array", "items": number, "minItems": 3, "maxItems": 3 });
        assert_eq!(value(&Some(vec![3])), row);
        assert_eq!(value(&Some(vec![2, 3]))["items"], row);
    }
}
