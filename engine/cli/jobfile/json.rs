//! A node as JSON text, for the input of a function.

use super::fields::Field;
use super::mistake::Mistakes;
use super::node::{Kind, Node, Scalar, Value};

/// The value of a field as JSON. Numbers are written as they stand where JSON can.
pub(super) fn to_json(field: &Field<'_>, mistakes: &mut Mistakes) -> Option<String> {
    let mut json = String::new();
    match write(field.node, &mut json) {
        Ok(()) => Some(json),
        Err(node) => {
            let allowed = "finite numbers of up to 64 bits; quotes make a text of anything";
            mistakes.add(node.at, &field.path, "JSON has no such number", allowed);
            None
        }
    }
}

fn write<'n>(node: &'n Node, json: &mut String) -> Result<(), &'n Node> {
    match &node.value {
        Value::Scalar(scalar) => {
            json.push_str(&scalar_json(scalar).ok_or(node)?);
        }
        Value::List(nodes) => {
            json.push('[');
            for (index, node) in nodes.iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                write(node, json)?;
            }
            json.push(']');
        }
        Value::Map(pairs) => {
            json.push('{');
            for (index, (key, node)) in pairs.iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                json.push_str(&quoted(&key.text));
                json.push(':');
                write(node, json)?;
            }
            json.push('}');
        }
    }
    Ok(())
}

fn scalar_json(scalar: &Scalar) -> Option<String> {
    let text = scalar.text.as_str();
    match scalar.kind() {
        Kind::Null => Some("null".into()),
        Kind::Bool(truth) => Some(truth.to_string()),
        Kind::Text => Some(quoted(text)),
        Kind::Int => {
            if let Some(hex) = text.strip_prefix("0x") {
                return u64::from_str_radix(hex, 16).ok().map(|n| n.to_string());
            }
            if let Some(octal) = text.strip_prefix("0o") {
                return u64::from_str_radix(octal, 8).ok().map(|n| n.to_string());
            }
            if is_json(text) {
                return Some(text.to_owned());
            }
            text.parse::<i64>().ok().map(|n| n.to_string())
        }
        Kind::Float if is_json(text) => Some(text.to_owned()),
        Kind::Float => {
            let number = text.parse::<f64>().ok().filter(|n| n.is_finite())?;
            Some(serde_json::Value::from(number).to_string())
        }
    }
}

fn is_json(number: &str) -> bool {
    serde_json::from_str::<serde_json::Number>(number).is_ok()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
