//! Properties of the comparison, against a model of readers and writers of JSON.

use pitaya_schema::{
    EnumDef, EnumRepr, EnumValue, Field, Method, Scalar, Schema, StructDef, Type, TypeDef, UnionDef, Variant,
    VariantBody,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

/// Returns a random type. `T` and `E` are a message and an enum.
fn any_type() -> impl Strategy<Value = Type> {
    let scalar = proptest::sample::select(Scalar::ALL).prop_map(Type::from);
    let leaf = prop_oneof![
        4 => scalar,
        1 => Just(Type::named("E")),
        1 => Just(Type::named("U")),
        1 => Just(Type::Text(Scalar::I64)),
        1 => Just(Type::Text(Scalar::U64)),
    ];
    leaf.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|ty| Type::List(Box::new(ty))),
            inner.clone().prop_map(|ty| Type::Map(Box::new(Scalar::String.into()), Box::new(ty))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Type::Tuple(vec![a, b])),
            inner.prop_map(|ty| Type::Opt(Box::new(ty))),
        ]
    })
}

fn any_field(name: &'static str) -> impl Strategy<Value = Option<Field>> {
    let field = (any_type(), any::<bool>()).prop_map(move |(ty, required)| {
        let required = required && !matches!(ty, Type::Opt(_));
        Field { required, ..Field::new(name, ty) }
    });
    proptest::option::weighted(0.8, field)
}

/// A union of up to three variants, with or without `content`. It has no `T` and no `U`, so values end.
fn any_union() -> impl Strategy<Value = UnionDef> {
    let body = (0..3_usize, any_field("x"), any_type()).prop_map(|(kind, field, ty)| match kind {
        0 => VariantBody::Unit,
        1 => VariantBody::Fields(field.into_iter().collect()),
        _ => VariantBody::Message(ty),
    });
    let variants = proptest::collection::vec(proptest::option::weighted(0.8, body), 3);
    (variants, any::<bool>()).prop_map(|(bodies, has_content)| {
        let content = has_content.then(|| "data".to_owned());
        let mut variants = vec![Variant::new("First", VariantBody::Unit)];
        for (name, body) in ["A", "B", "C"].into_iter().zip(bodies) {
            let Some(body) = body else { continue };
            let body = match body {
                VariantBody::Message(_) if !has_content => VariantBody::Unit,
                VariantBody::Message(ty) => VariantBody::Message(without_unions(ty)),
                VariantBody::Fields(mut fields) => {
                    fields.iter_mut().for_each(|field| field.ty = without_unions(field.ty.clone()));
                    VariantBody::Fields(fields)
                }
                VariantBody::Unit => VariantBody::Unit,
            };
            variants.push(Variant::new(name, body));
        }
        UnionDef { key: "type".to_owned(), content, variants, ..UnionDef::default() }
    })
}

fn without_unions(ty: Type) -> Type {
    let mut has_union = false;
    ty.for_each_name(&mut |name| has_union |= name == "U");
    if has_union { Scalar::U8.into() } else { ty }
}

/// A schema with one handler, whose message and reply is `T`.
fn any_schema() -> impl Strategy<Value = Schema> {
    let fields = (any_field("a"), any_field("b"), any_field("c"));
    (fields, proptest::collection::btree_set(0..4_i32, 1..4), any::<bool>(), any_union()).prop_map(
        |((a, b, c), numbers, named, union)| {
            let mut schema = Schema::new("model");
            let def = StructDef { fields: [a, b, c].into_iter().flatten().collect(), ..StructDef::default() };
            schema.types.insert("T".to_owned(), TypeDef::Struct(def));
            let value =
                |number: &i32| EnumValue { name: format!("V{number}"), number: *number, doc: String::new() };
            let repr = if named { EnumRepr::Name } else { EnumRepr::Number };
            let def = EnumDef { values: numbers.iter().map(value).collect(), repr, doc: String::new() };
            schema.types.insert("E".to_owned(), TypeDef::Enum(def));
            schema.types.insert("U".to_owned(), TypeDef::Union(union));
            let body = Some(Type::named("T"));
            schema.handlers.insert(
                "a.b.c".to_owned(),
                Method { message: body.clone(), reply: body, ..Method::default() },
            );
            assert_eq!(schema.check(), []);
            schema
        },
    )
}

/// A schema, and one that differs in one field, in the enum or in the union.
fn any_change() -> impl Strategy<Value = (Schema, Schema)> {
    (any_schema(), any_schema(), 0..5_usize).prop_map(|(old, other, part)| {
        let mut new = old.clone();
        let Some(name) = ["a", "b", "c"].get(part) else {
            let name = if part == 3 { "E" } else { "U" };
            new.types.insert(name.to_owned(), other.types[name].clone());
            return (old, new);
        };
        let (Some(TypeDef::Struct(def)), TypeDef::Struct(other)) =
            (new.types.get_mut("T"), &other.types["T"])
        else {
            unreachable!("`T` is a message")
        };
        let before = def.fields.iter().position(|field| field.name == *name);
        let after = other.fields.iter().find(|field| field.name == *name).cloned();
        match (before, after) {
            (Some(at), Some(field)) => def.fields[at] = field,
            (Some(at), None) => drop(def.fields.remove(at)),
            (None, field) => def.fields.extend(field),
        }
        (old, new)
    })
}

/// Writes a value of a type: one of its extremes, by `pick`.
fn write(schema: &Schema, ty: &Type, pick: &mut impl FnMut(usize) -> usize) -> Value {
    match ty {
        Type::Opt(_) if pick(2) == 0 => Value::Null,
        Type::Opt(inner) => write(schema, inner, pick),
        Type::List(inner) => (0..pick(3)).map(|_| write(schema, inner, pick)).collect(),
        Type::Map(_, inner) => {
            let entries = (0..pick(3)).map(|at| (at.to_string(), write(schema, inner, pick)));
            Value::Object(entries.collect())
        }
        Type::Tuple(entries) => entries.iter().map(|entry| write(schema, entry, pick)).collect(),
        Type::Text(scalar) => integer(*scalar, pick(2)).to_string().into(),
        Type::Scalar(scalar) => match scalar {
            Scalar::Bool => json!(true),
            Scalar::F32 => json!(1.5),
            Scalar::F64 => json!(1e300),
            Scalar::String => json!("text"),
            Scalar::Bytes => json!([1, 2]),
            Scalar::Duration => integer(Scalar::I64, pick(2)),
            Scalar::Any => [json!(null), json!("text"), json!({ "k": 1 })][pick(3)].clone(),
            integer_type => integer(*integer_type, pick(2)),
        },
        Type::Named(name) => match &schema.types[name] {
            TypeDef::Enum(def) => {
                let value = &def.values[pick(def.values.len())];
                if def.repr == EnumRepr::Name { json!(value.name) } else { json!(value.number) }
            }
            TypeDef::Struct(def) => Value::Object(write_fields(schema, &def.fields, pick)),
            TypeDef::Union(def) => {
                let variant = &def.variants[pick(def.variants.len())];
                let value = match &variant.body {
                    VariantBody::Unit => None,
                    VariantBody::Fields(fields) => Some(Value::Object(write_fields(schema, fields, pick))),
                    VariantBody::Message(ty) => Some(write(schema, ty, pick)),
                };
                let mut object = match (&def.content, value) {
                    (Some(content), Some(value)) => Map::from_iter([(content.clone(), value)]),
                    (None, Some(Value::Object(fields))) => fields,
                    _ => Map::new(),
                };
                object.insert(def.key.clone(), json!(variant.name));
                Value::Object(object)
            }
        },
    }
}

fn write_fields(
    schema: &Schema,
    fields: &[Field],
    pick: &mut impl FnMut(usize) -> usize,
) -> Map<String, Value> {
    let mut object = Map::new();
    for field in fields {
        if field.required || pick(2) == 0 {
            object.insert(field.name.clone(), write(schema, &field.ty, pick));
        }
    }
    object
}

/// The smallest or the largest value of an integer.
fn integer(scalar: Scalar, largest: usize) -> Value {
    let bits = u32::from(scalar.bits().unwrap());
    match (scalar.is_unsigned(), largest) {
        (true, 0) => json!(0),
        (true, _) => json!(u64::MAX >> (64 - bits)),
        (false, 0) => json!(i64::MIN >> (64 - bits)),
        (false, _) => json!(i64::MAX >> (64 - bits)),
    }
}

/// Whether a reader accepts a value. `client` is a generated client, which keeps unknown values of enums.
fn reads(schema: &Schema, ty: &Type, value: &Value, client: bool) -> bool {
    match ty {
        Type::Opt(inner) => value.is_null() || reads(schema, inner, value, client),
        Type::List(inner) => {
            value.as_array().is_some_and(|items| items.iter().all(|item| reads(schema, inner, item, client)))
        }
        Type::Map(_, inner) => {
            value.as_object().is_some_and(|map| map.values().all(|item| reads(schema, inner, item, client)))
        }
        Type::Tuple(entries) => value.as_array().is_some_and(|items| {
            items.len() == entries.len()
                && items.iter().zip(entries).all(|(item, entry)| reads(schema, entry, item, client))
        }),
        Type::Text(scalar) => {
            let text = value.as_str().and_then(|text| serde_json::from_str(text).ok());
            let number = text.or_else(|| Some(value.clone()).filter(|_| !client));
            number.is_some_and(|number| fits(*scalar, &number))
        }
        Type::Scalar(scalar) => match scalar {
            Scalar::Bool => value.is_boolean(),
            Scalar::F32 | Scalar::F64 => value.is_number(),
            Scalar::String => value.is_string(),
            Scalar::Bytes => reads(schema, &Type::List(Box::new(Scalar::U8.into())), value, client),
            Scalar::Duration => fits(Scalar::I64, value),
            Scalar::Any => true,
            integer_type => fits(*integer_type, value),
        },
        Type::Named(name) => match &schema.types[name] {
            TypeDef::Enum(def) if client && def.repr == EnumRepr::Name => value.is_string(),
            TypeDef::Enum(_) if client => fits(Scalar::I32, value),
            TypeDef::Enum(def) if def.repr == EnumRepr::Name => {
                def.values.iter().any(|known| value == known.name.as_str())
            }
            TypeDef::Enum(def) => def.values.iter().any(|known| *value == known.number),
            TypeDef::Struct(def) => reads_fields(schema, &def.fields, value, client),
            TypeDef::Union(def) => {
                let Some(name) = value.get(&def.key).and_then(Value::as_str) else { return false };
                let Some(variant) = def.variants.iter().find(|variant| variant.name == name) else {
                    return client;
                };
                let inner = match &def.content {
                    Some(content) => value.get(content),
                    None => Some(value),
                };
                match &variant.body {
                    // serde rejects a content that is there.
                    VariantBody::Unit => client || def.content.is_none() || inner.is_none(),
                    VariantBody::Fields(fields) => {
                        inner.is_some_and(|inner| reads_fields(schema, fields, inner, client))
                    }
                    VariantBody::Message(ty) => inner.is_some_and(|inner| reads(schema, ty, inner, client)),
                }
            }
        },
    }
}

fn reads_fields(schema: &Schema, fields: &[Field], value: &Value, client: bool) -> bool {
    value.as_object().is_some_and(|object| {
        fields.iter().all(|field| match object.get(&field.name) {
            None => !field.required,
            Some(value) => reads(schema, &field.ty, value, client),
        })
    })
}

fn fits(scalar: Scalar, value: &Value) -> bool {
    let (min, max) = (integer(scalar, 0), integer(scalar, 1));
    let number = |value: &Value| value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    number(value).is_some_and(|value| number(&min).unwrap() <= value && value <= number(&max).unwrap())
}

fn breaks(findings: &[Finding], direction: Direction) -> bool {
    let concerns = |finding: &&Finding| finding.direction.is_none_or(|of| of == direction);
    findings.iter().filter(concerns).any(|finding| finding.severity == Severity::Break)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn schema_against_itself_has_no_findings(schema in any_schema()) {
        prop_assert_eq!(diff(&schema, &schema), []);
    }

    /// No change that is called compatible makes a reader reject a value.
    #[test]
    fn compatible_changes_are_readable((old, new) in any_change(), picks in any::<[u8; 32]>()) {
        let findings = diff(&old, &new);
        let mut next = picks.iter().cycle();
        let mut pick = |below: usize| usize::from(*next.next().unwrap()) % below;
        let body = Type::named("T");
        if !breaks(&findings, Direction::In) {
            let sent = write(&old, &body, &mut pick);
            prop_assert!(reads(&new, &body, &sent, false), "the server rejects {sent}");
        }
        if !breaks(&findings, Direction::Out) {
            let sent = write(&new, &body, &mut pick);
            prop_assert!(reads(&old, &body, &sent, true), "the client rejects {sent}");
        }
    }
}
