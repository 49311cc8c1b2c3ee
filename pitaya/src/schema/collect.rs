//! Collects the schema from the tables of the linked program.

use std::collections::{BTreeMap, BTreeSet};

use pitaya_schema::{
    Encoding, EnumDef, EnumRepr, EnumValue, ErrorCode, Field, Method, Push, PushClass, Scalar, Schema,
    StructDef, Type, TypeDef, UnionDef, Variant, VariantBody,
};

use super::ExportOptions;
use crate::component::{Block, BlockKind, MethodInfo, linked};
use crate::error::{Error, ErrorCodes, ErrorRecognizer, Result, VariantCode, code};
use crate::serialize::{self, BodyForm, EnumSchema, PushType};

/// Returns the schema, or all clashes together.
pub(super) fn schema(options: &ExportOptions) -> Result<Schema> {
    let mut collector = Collector::default();
    for block in linked() {
        collector.block(block);
    }
    for push in inventory::iter::<PushType>() {
        collector.push(push.schema);
    }
    for error in inventory::iter::<ErrorRecognizer>() {
        collector.codes(&error.codes, &mut BTreeSet::new());
    }
    collector.finish(options)
}

/// A message or an enum that the schema must contain.
#[derive(Clone, Copy)]
enum Named {
    Message(&'static serialize::Schema),
    Enum(&'static EnumSchema),
}

impl Named {
    fn name(self) -> &'static str {
        match self {
            Self::Message(schema) => schema.name,
            Self::Enum(schema) => schema.name,
        }
    }

    fn place(self) -> &'static str {
        match self {
            Self::Message(schema) => schema.place,
            Self::Enum(schema) => schema.place,
        }
    }
}

#[derive(Default)]
struct Collector {
    schema: Schema,
    /// Types that were named and are not converted yet. A list, because types nest in themselves.
    pending: Vec<Named>,
    /// The place of each converted type.
    places: BTreeMap<&'static str, &'static str>,
    /// The place of each route.
    routes: BTreeMap<(BlockKind, String), String>,
    /// The docs of each error code, sorted, because link order is unspecified.
    error_docs: BTreeMap<String, BTreeSet<String>>,
    problems: BTreeSet<String>,
}

impl Collector {
    fn block(&mut self, block: &'static Block) {
        let kind = block.methods.kind();
        for (info, _) in block.methods.list() {
            let short = format!("{}.{}", block.service, info.name);
            let route = block.server.map_or_else(|| short.clone(), |server| format!("{server}.{short}"));
            let place = format!("{}:{}", block.file, info.line);
            if let Some(first) = self.routes.insert((kind, route.clone()), place.clone())
                && first != place
            {
                let kind = kind.as_str();
                self.problems.insert(format!("{kind} route `{route}` is defined twice: {first} and {place}"));
            }
            let method = self.method(&info);
            match kind {
                BlockKind::Handler => self.schema.handlers.insert(route, method),
                BlockKind::Remote => self.schema.remotes.insert(route, method),
            };
        }
    }

    fn method(&mut self, info: &MethodInfo) -> Method {
        let mut codes = BTreeSet::new();
        let closed = self.codes(&info.errors, &mut codes) && !info.notify;
        Method {
            doc: info.doc.to_owned(),
            message: info.message.and_then(|schema| self.body(schema)),
            notify: info.notify,
            reply: info.reply.and_then(|schema| self.body(schema)),
            errors: closed.then(|| codes.into_iter().collect()),
        }
    }

    fn push(&mut self, schema: &'static serialize::Schema) {
        let (Some(route), Some(message)) = (schema.push, self.body(schema)) else { return };
        let push = Push { doc: schema.doc.to_owned(), message, class: PushClass::Reliable };
        if let Some(other) = self.schema.pushes.insert(route.to_owned(), push)
            && other.message != Type::named(schema.name)
        {
            let (place, name) = (schema.place, schema.name);
            self.problems.insert(format!(
                "push route `{route}` has two messages: `{}`, and `{name}` ({place})",
                other.message
            ));
        }
    }

    /// Adds the codes to the table of errors and to `found`. Returns whether no other code is possible.
    fn codes(&mut self, codes: &ErrorCodes, found: &mut BTreeSet<String>) -> bool {
        let ErrorCodes::Of(variants) = codes else { return false };
        let mut closed = true;
        for variant in *variants {
            match variant {
                VariantCode::Own(code, doc, keys) => {
                    self.error(code, doc, keys);
                    found.insert((*code).to_owned());
                }
                VariantCode::Inner(inner) => closed &= self.codes(inner, found),
            }
        }
        closed
    }

    /// Adds a code. Several variants may have it.
    fn error(&mut self, code: &str, doc: &str, keys: &[&str]) {
        let ErrorCode { metadata, .. } = self.schema.errors.entry(code.to_owned()).or_default();
        if !doc.is_empty() {
            self.error_docs.entry(code.to_owned()).or_default().insert(doc.to_owned());
        }
        for key in keys {
            if let Err(at) = metadata.binary_search_by(|known| known.as_str().cmp(key)) {
                metadata.insert(at, (*key).to_owned());
            }
        }
    }

    /// Returns the type of a body; `None` if it is empty.
    fn body(&mut self, schema: &'static serialize::Schema) -> Option<Type> {
        match schema.body {
            BodyForm::Empty => None,
            BodyForm::Raw => Some(Scalar::Bytes.into()),
            BodyForm::Fields => Some(self.named(Named::Message(schema))),
        }
    }

    fn named(&mut self, named: Named) -> Type {
        self.pending.push(named);
        Type::named(named.name())
    }

    /// Returns the schema with what the options add, or all clashes together.
    fn finish(mut self, options: &ExportOptions) -> Result<Schema> {
        self.pending_types();
        let Self { mut schema, error_docs, mut problems, .. } = self;
        for (code, docs) in error_docs {
            schema.errors.entry(code).or_default().doc = Vec::from_iter(docs).join("\n");
        }
        schema.name.clone_from(&options.name);
        schema.package.clone_from(&options.package);
        schema.dictionary = options.dictionary.iter().cloned().collect();
        schema.serializers =
            options.serializers.iter().map(|serializer| serializer.name().to_owned()).collect();
        if schema.serializers.is_empty() {
            schema.serializers.insert(serialize::Serializer::default().name().to_owned());
        }
        problems.extend(schema.check().iter().map(ToString::to_string));
        if problems.is_empty() {
            return Ok(schema);
        }
        Err(Error::new(code::INTERNAL, problems.into_iter().collect::<Vec<_>>().join("\n")))
    }

    fn pending_types(&mut self) {
        while let Some(named) = self.pending.pop() {
            let (name, place) = (named.name(), named.place());
            match self.places.insert(name, place) {
                None => {
                    let def = self.definition(named);
                    self.schema.types.insert(name.to_owned(), def);
                }
                Some(first) if first != place => {
                    let (first, second) = if first < place { (first, place) } else { (place, first) };
                    self.problems.insert(format!(
                        "two types have the name `{name}`: {first} and {second}; write `#[message(name = \"…\")]` on one \
                         of them"
                    ));
                }
                Some(_) => {}
            }
        }
    }

    fn definition(&mut self, named: Named) -> TypeDef {
        match named {
            Named::Message(serialize::Schema { union: Some(union), doc, .. }) => TypeDef::Union(UnionDef {
                doc: (*doc).to_owned(),
                proto: false,
                key: union.key.to_owned(),
                content: union.content.map(str::to_owned),
                variants: union.variants.iter().map(|variant| self.variant(variant)).collect(),
            }),
            Named::Message(schema) => TypeDef::Struct(StructDef {
                doc: schema.doc.to_owned(),
                proto: schema.proto,
                fields: schema.fields.iter().map(|field| self.field(field, schema.proto)).collect(),
            }),
            Named::Enum(schema) => {
                let values = schema.values.iter().map(|value| EnumValue {
                    name: value.name.to_owned(),
                    number: value.number,
                    doc: value.doc.to_owned(),
                });
                let (doc, values) = (schema.doc.to_owned(), values.collect());
                let repr = if schema.names { EnumRepr::Name } else { EnumRepr::Number };
                TypeDef::Enum(EnumDef { doc, repr, values })
            }
        }
    }

    fn variant(&mut self, variant: &serialize::VariantSchema) -> Variant {
        use serialize::VariantBody as Body;
        let body = match &variant.body {
            Body::Unit => VariantBody::Unit,
            Body::Fields(fields) => {
                VariantBody::Fields(fields.iter().map(|field| self.field(field, false)).collect())
            }
            Body::Value(ty) => VariantBody::Message(self.ty(ty)),
        };
        Variant { doc: variant.doc.to_owned(), ..Variant::new(variant.name, body) }
    }

    fn field(&mut self, field: &serialize::Field, proto: bool) -> Field {
        let ty = self.ty(&field.ty);
        let encoding = field.encoding.filter(|_| proto).and_then(|name| match name {
            "sint32" => Some(Encoding::Sint32),
            "sint64" => Some(Encoding::Sint64),
            "fixed32" => Some(Encoding::Fixed32),
            "fixed64" => Some(Encoding::Fixed64),
            "sfixed32" => Some(Encoding::Sfixed32),
            "sfixed64" => Some(Encoding::Sfixed64),
            "bytes" => Some(Encoding::Bytes),
            _ => None,
        });
        Field {
            name: field.name.to_owned(),
            // serde takes an absent `Option` for none, also behind an alias that the macro cannot see through.
            required: field.required && !matches!(ty, Type::Opt(_)),
            ty,
            tag: field.tag,
            encoding,
            doc: field.doc.to_owned(),
        }
    }

    fn ty(&mut self, ty: &serialize::Type) -> Type {
        use serialize::Type as T;
        match ty {
            T::Bool => Scalar::Bool.into(),
            T::Int(8) => Scalar::I8.into(),
            T::Int(16) => Scalar::I16.into(),
            T::Int(32) => Scalar::I32.into(),
            T::Int(_) => Scalar::I64.into(),
            T::Uint(8) => Scalar::U8.into(),
            T::Uint(16) => Scalar::U16.into(),
            T::Uint(32) => Scalar::U32.into(),
            T::Uint(_) => Scalar::U64.into(),
            T::Float(32) => Scalar::F32.into(),
            T::Float(_) => Scalar::F64.into(),
            T::Duration => Scalar::Duration.into(),
            T::String => Scalar::String.into(),
            T::Bytes => Scalar::Bytes.into(),
            T::Any => Scalar::Any.into(),
            T::Optional(inner) => Type::Opt(Box::new(self.ty(inner))),
            T::List(inner) => Type::List(Box::new(self.ty(inner))),
            T::Tuple(entries) => Type::Tuple(entries.iter().map(|entry| self.ty(entry)).collect()),
            T::Map(key, value) => Type::Map(Box::new(self.ty(key)), Box::new(self.ty(value))),
            T::Text(inner) => match self.ty(inner) {
                Type::Scalar(scalar) => Type::Text(scalar),
                other => other,
            },
            T::Message(schema) => match self.body(schema()) {
                Some(ty) => ty,
                None => Scalar::Any.into(),
            },
            T::Enum(schema) => self.named(Named::Enum(schema)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::component::ReplyType;
    use crate::component::private::{Method as MethodEntry, Methods};
    use crate::serialize::{Field as SchemaField, Schema as MessageSchema, Type as SchemaType};

    fn problems(collector: Collector) -> String {
        collector.finish(&ExportOptions::new("test")).unwrap_err().reason().into_owned()
    }

    #[test]
    fn two_types_of_one_name_are_an_error() {
        static FIRST: MessageSchema = MessageSchema::new("Join", "", &[]).with_place("src/a.rs:1");
        static SECOND: MessageSchema = MessageSchema::new("Join", "", &[]).with_place("src/b.rs:2");
        let mut collector = Collector::default();
        for schema in [&FIRST, &SECOND, &FIRST] {
            collector.named(Named::Message(schema));
        }
        assert_eq!(
            problems(collector),
            "two types have the name `Join`: src/a.rs:1 and src/b.rs:2; write `#[message(name = \"…\")]` on one of them"
        );
    }

    #[test]
    fn push_route_of_two_messages_is_an_error() {
        static FIRST: MessageSchema =
            MessageSchema::new("A", "", &[]).with_place("src/a.rs:1").with_push("onIt");
        static SECOND: MessageSchema =
            MessageSchema::new("B", "", &[]).with_place("src/b.rs:2").with_push("onIt");
        let mut collector = Collector::default();
        for schema in [&FIRST, &SECOND] {
            collector.push(schema);
        }
        assert_eq!(problems(collector), "push route `onIt` has two messages: `A`, and `B` (src/b.rs:2)");
    }

    #[test]
    fn code_of_two_variants_has_both_docs_and_keys() {
        let mut collector = Collector::default();
        collector.error("E-1", "The room is full.", &["room"]);
        collector.error("E-1", "The server is full.", &["limit", "room"]);
        collector.error("E-1", "The room is full.", &[]);
        let schema = collector.finish(&ExportOptions::new("test")).unwrap();
        let error = &schema.errors["E-1"];
        assert_eq!(error.doc, "The room is full.\nThe server is full.");
        assert_eq!(error.metadata, ["limit", "room"]);
    }

    /// Prints how long 500 routes take, each with a message and a reply of its own.
    #[test]
    fn five_hundred_routes_are_exported() {
        const FIELDS: &[SchemaField] = &[
            SchemaField::new("id", "The id.", SchemaType::Uint(64), true),
            SchemaField::new("name", "The name.", SchemaType::String, true),
            SchemaField::new("tags", "", SchemaType::List(&SchemaType::String), false),
        ];
        let schema = |name: String| -> &'static MessageSchema {
            Box::leak(Box::new(
                MessageSchema::new(name.leak(), "A message.", FIELDS).with_place("src/a.rs:1"),
            ))
        };
        let blocks: Vec<Block> = (0..50)
            .map(|block| {
                let methods = (0..10).map(|method| {
                    let name: &'static str = format!("method{method}").leak();
                    let mut entry = MethodEntry::new(name, 1, |_, _| unreachable!("nothing is called"));
                    entry.doc = "A handler.";
                    let schema = schema(format!("Message{block}x{method}"));
                    entry.reply =
                        Some(ReplyType { schema, errors: ErrorCodes::Open, ..ReplyType::of::<Result<()>>() });
                    entry
                });
                let methods = Methods::Handlers(methods.collect::<Vec<_>>().leak());
                let service: &'static str = format!("service{block}").leak();
                let component = || unreachable!("nothing is made");
                Block { server: Some("game"), service, doc: "", file: "src/a.rs", component, methods }
            })
            .collect();
        let blocks: &'static [Block] = blocks.leak();
        let begin = Instant::now();
        let mut collector = Collector::default();
        blocks.iter().for_each(|block| collector.block(block));
        let schema = collector.finish(&ExportOptions::new("test")).unwrap();
        let exported = begin.elapsed();
        let bytes = schema.to_json().len();
        println!(
            "exported 500 routes in {exported:?}; with a text of {bytes} bytes in {:?}",
            begin.elapsed()
        );
        assert_eq!((schema.handlers.len(), schema.types.len()), (500, 500));
    }
}
