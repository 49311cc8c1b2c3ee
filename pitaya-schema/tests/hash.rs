//! The hashes of a schema.

use pitaya_schema::{Scalar, Schema, TypeDef, UnionDef, VariantBody};

fn schema() -> Schema {
    Schema::from_json(include_str!("fixtures/every-feature.json")).unwrap()
}

/// Clients carry the hash, so it may not change with this crate.
#[test]
fn hashes_of_the_fixture_stay() {
    assert_eq!(schema().hash(), "3bce18d989bf9135207834f2c46df0859495c09b4f3ea90ff186ff6837c341c6");
    assert_eq!(schema().client_hash(), "3ce560d5f8d35d92775451b2dd41531ece7747418270480543706f902836136d");
}

#[test]
fn hash_ignores_docs_name_and_order_of_fields() {
    let mut changed = schema();
    changed.name = "other".to_owned();
    for def in changed.types.values_mut() {
        match def {
            TypeDef::Struct(def) => {
                def.doc.push('!');
                def.fields.reverse();
                def.fields.iter_mut().for_each(|field| field.doc.push('!'));
            }
            TypeDef::Enum(def) => def.values.iter_mut().for_each(|value| value.doc.push('!')),
            TypeDef::Union(_) => panic!("the fixture has no union"),
        }
    }
    changed.handlers.values_mut().for_each(|method| method.doc.push('!'));
    changed.pushes.values_mut().for_each(|push| push.doc.push('!'));
    changed.errors.values_mut().for_each(|error| {
        error.doc.push('!');
        error.metadata.reverse();
    });
    assert_eq!(changed.hash(), schema().hash());
}

#[test]
fn hash_changes_with_the_type_of_a_field() {
    let mut changed = schema();
    let Some(TypeDef::Struct(def)) = changed.types.get_mut("Join") else { panic!("a message") };
    def.fields[0].ty = Scalar::Bytes.into();
    assert_ne!(changed.hash(), schema().hash());
    assert_ne!(changed.client_hash(), schema().client_hash());
}

#[test]
fn client_hash_ignores_what_only_servers_use() {
    let mut changed = schema();
    changed.remotes.clear();
    changed.types.remove("Transfer");
    changed.dictionary.clear();
    changed.serializers.clear();
    assert_eq!(changed.client_hash(), schema().client_hash());
    assert_ne!(changed.hash(), schema().hash());
}

#[test]
fn client_part_has_the_types_that_clients_reach() {
    let part = schema().client_part();
    let mut expected: Vec<_> = schema().types.into_keys().collect();
    expected.retain(|name| name != "Transfer");
    assert_eq!(part.types.into_keys().collect::<Vec<_>>(), expected);
    assert!(part.remotes.is_empty());
}

#[test]
fn union_changes_the_hash_as_it_travels() {
    let shapes = || Schema::from_json(include_str!("fixtures/shapes.json")).unwrap();
    let changed = |change: fn(&mut UnionDef)| {
        let mut schema = shapes();
        let Some(TypeDef::Union(def)) = schema.types.get_mut("Input") else { panic!("a union") };
        change(def);
        (schema.hash() != shapes().hash(), schema.client_hash() != shapes().client_hash())
    };
    let docs = |def: &mut UnionDef| {
        def.doc.push('!');
        def.variants[1].doc.push('!');
        let VariantBody::Fields(fields) = &mut def.variants[1].body else { panic!("fields") };
        fields[0].doc.push('!');
        fields.reverse();
    };
    assert_eq!(changed(docs), (false, false));
    assert_eq!(changed(|def| def.key.push('2')), (true, true));
    assert_eq!(changed(|def| def.content = None), (true, true));
    assert_eq!(changed(|def| def.variants[0].tag = Some(9)), (true, true));
    assert_eq!(changed(|def| def.variants[0].name.push('2')), (true, true));
    assert_eq!(changed(|def| def.variants[3].body = VariantBody::Fields(Vec::new())), (true, true));
    // The first variant is the default.
    assert_eq!(changed(|def| def.variants.swap(0, 1)), (true, true));
}

#[test]
fn client_part_has_the_types_of_variants() {
    let mut schema = Schema::from_json(include_str!("fixtures/shapes.json")).unwrap();
    schema.handlers.retain(|route, _| route == "room.match.input");
    schema.pushes.clear();
    let types = schema.client_part().types.into_keys().collect::<Vec<_>>();
    assert_eq!(types, ["Input", "Item", "Move", "Shape"]);
}
