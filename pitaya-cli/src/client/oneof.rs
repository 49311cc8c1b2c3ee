//! Unions in the JSON of Protobuf, which has the variant as the name of a field.

use pitaya_schema::{Schema, TypeDef, UnionDef};
use serde_json::{Map, Value};

use super::shape::{Shape, of_body, variant};

type Convert = fn(&Schema, Option<Shape<'_>>, Value) -> Result<Value, String>;

/// Whether the JSON of Protobuf differs from that of the schema.
pub(super) fn differs(schema: &Schema) -> bool {
    schema.types.values().any(|def| matches!(def, TypeDef::Union(def) if def.proto))
}

/// Converts JSON of the schema to JSON of Protobuf. A union that is wrong is an error, and other values stay.
pub(super) fn to_protobuf(schema: &Schema, shape: Option<Shape<'_>>, value: Value) -> Result<Value, String> {
    let Some(def) = shape.and_then(|shape| shape.union(schema)) else {
        return in_parts(schema, shape, value, to_protobuf);
    };
    let Value::Object(mut object) = value else {
        return Err(format!("{value} is no object with the key `{}`", def.key));
    };
    let Some(Value::String(name)) = object.remove(&def.key) else {
        return Err(format!("the key `{}` names no variant", def.key));
    };
    let body = variant(def, &name).ok_or_else(|| format!("`{name}` is no variant"))?;
    let inner = match (of_body(body), &def.content) {
        (None, _) => Value::Object(Map::new()),
        (shape, None) => to_protobuf(schema, shape, Value::Object(object))?,
        (shape, Some(content)) => {
            let inner = object.remove(content).ok_or_else(|| format!("`{name}` has no `{content}`"))?;
            to_protobuf(schema, shape, inner)?
        }
    };
    Ok(Value::Object(Map::from_iter([(name, inner)])))
}

/// Converts JSON of Protobuf to JSON of the schema. A variant that the schema does not know is an empty object.
pub(super) fn from_protobuf(
    schema: &Schema,
    shape: Option<Shape<'_>>,
    value: Value,
) -> Result<Value, String> {
    let Some(def) = shape.and_then(|shape| shape.union(schema)) else {
        return in_parts(schema, shape, value, from_protobuf);
    };
    let Value::Object(object) = value else { return Ok(value) };
    let Some((name, inner)) = object.into_iter().next() else { return Ok(Value::Object(Map::new())) };
    let shape = variant(def, &name).and_then(of_body);
    Ok(of_variant(def, name, shape.is_some(), from_protobuf(schema, shape, inner)?))
}

fn of_variant(def: &UnionDef, name: String, has_value: bool, inner: Value) -> Value {
    let mut object = Map::from_iter([(def.key.clone(), Value::String(name))]);
    match (inner, &def.content) {
        (inner, Some(content)) if has_value => {
            object.insert(content.clone(), inner);
        }
        (Value::Object(fields), None) => object.extend(fields),
        _ => {}
    }
    Value::Object(object)
}

/// Converts the parts of a value.
fn in_parts(
    schema: &Schema,
    shape: Option<Shape<'_>>,
    value: Value,
    convert: Convert,
) -> Result<Value, String> {
    match value {
        Value::Object(object) => {
            let part = |(name, value): (String, Value)| {
                let shape = shape.and_then(|shape| shape.member(schema, &name, |_| None));
                Ok((name, convert(schema, shape, value)?))
            };
            object.into_iter().map(part).collect()
        }
        Value::Array(all) => {
            let part = |(at, value)| convert(schema, shape.and_then(|shape| shape.element(at)), value);
            all.into_iter().enumerate().map(part).collect()
        }
        other => Ok(other),
    }
}
