//! The parts of JSON values, as the schema describes them.

use pitaya_schema::{Field, Schema, Type, TypeDef, UnionDef, VariantBody};

/// The description of a value: a type, or the fields of a message without a name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape<'a> {
    Type(&'a Type),
    Fields(&'a [Field]),
}

impl<'a> Shape<'a> {
    /// Returns the type, and for an `opt` the type in it.
    pub(super) fn ty(self) -> Option<&'a Type> {
        match self {
            Self::Fields(_) => None,
            Self::Type(mut ty) => {
                while let Type::Opt(inner) = ty {
                    ty = inner;
                }
                Some(ty)
            }
        }
    }

    /// Returns the shape of an element of a list or a tuple.
    pub(crate) fn element(self, at: usize) -> Option<Self> {
        match self.ty()? {
            Type::List(inner) => Some(Self::Type(inner)),
            Type::Tuple(entries) => entries.get(at).map(Self::Type),
            _ => None,
        }
    }

    /// Returns the shape of a member of an object. `text` returns the texts that are members too: one of them names the
    /// variant of a union.
    pub(crate) fn member<'t>(
        self,
        schema: &'a Schema,
        name: &str,
        text: impl Fn(&str) -> Option<&'t str>,
    ) -> Option<Self> {
        if let Some(Type::Map(_, value)) = self.ty() {
            return Some(Self::Type(value));
        }
        if let Some(def) = self.union(schema) {
            let body = variant(def, text(&def.key)?)?;
            return match &def.content {
                Some(content) if content == name => of_body(body),
                Some(_) => None,
                None => find(fields(schema, of_body(body)?), name),
            };
        }
        find(fields(schema, self), name)
    }

    /// Returns the names that the members of an object may have.
    pub(crate) fn names<'t>(
        self,
        schema: &'a Schema,
        text: impl Fn(&str) -> Option<&'t str>,
    ) -> Vec<&'a str> {
        let Some(def) = self.union(schema) else {
            return fields(schema, self).iter().map(|field| field.name.as_str()).collect();
        };
        let shape = text(&def.key).and_then(|name| variant(def, name)).and_then(of_body);
        let mut names = vec![def.key.as_str()];
        match (shape, &def.content) {
            (None, _) => {}
            (Some(_), Some(content)) => names.push(content),
            (Some(shape), None) => {
                names.extend(fields(schema, shape).iter().map(|field| field.name.as_str()));
            }
        }
        names
    }

    /// Returns the texts that a member may have: the variants of a union, if the member names the variant.
    pub(crate) fn texts(self, schema: &'a Schema, member: &str) -> Vec<&'a str> {
        match self.union(schema) {
            Some(def) if def.key == member => {
                def.variants.iter().map(|variant| variant.name.as_str()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the union that this is.
    pub(super) fn union(self, schema: &'a Schema) -> Option<&'a UnionDef> {
        let Type::Named(name) = self.ty()? else { return None };
        match schema.types.get(name)? {
            TypeDef::Union(def) => Some(def),
            TypeDef::Struct(_) | TypeDef::Enum(_) => None,
        }
    }
}

/// Returns the value of a variant.
pub(super) fn variant<'a>(def: &'a UnionDef, name: &str) -> Option<&'a VariantBody> {
    def.variants.iter().find(|variant| variant.name == name).map(|variant| &variant.body)
}

/// Returns the shape of a variant that has a value.
pub(super) fn of_body(body: &VariantBody) -> Option<Shape<'_>> {
    match body {
        VariantBody::Unit => None,
        VariantBody::Fields(fields) => Some(Shape::Fields(fields)),
        VariantBody::Message(ty) => Some(Shape::Type(ty)),
    }
}

fn fields<'a>(schema: &'a Schema, shape: Shape<'a>) -> &'a [Field] {
    if let Shape::Fields(fields) = shape {
        return fields;
    }
    match shape.ty() {
        Some(Type::Named(name)) => match schema.types.get(name) {
            Some(TypeDef::Struct(def)) => &def.fields,
            _ => &[],
        },
        _ => &[],
    }
}

fn find<'a>(fields: &'a [Field], name: &str) -> Option<Shape<'a>> {
    fields.iter().find(|field| field.name == name).map(|field| Shape::Type(&field.ty))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPES: &str = include_str!("../../../pitaya-schema/tests/fixtures/shapes.json");

    #[test]
    fn members_of_unions_follow_the_variant() {
        let schema = Schema::from_json(SHAPES).unwrap();
        let (input, shape) = (Type::named("Input"), Type::Opt(Box::new(Type::named("Shape"))));
        let (input, shape) = (Shape::Type(&input), Shape::Type(&shape));
        let as_text = |text: &'static str| move |_: &str| Some(text);
        let said = input.member(&schema, "data", as_text("Say")).unwrap();
        assert_eq!(said.names(&schema, |_| None), ["text", "after"]);
        assert_eq!(input.member(&schema, "data", as_text("Score")).unwrap().ty().unwrap().to_string(), "u32");
        assert!(input.member(&schema, "data", as_text("Stop")).is_none());
        assert!(input.member(&schema, "data", |_| None).is_none());
        assert!(input.member(&schema, "text", as_text("Say")).is_none());
        let parts = shape.member(&schema, "parts", as_text("group")).unwrap();
        assert_eq!(parts.element(0).unwrap().names(&schema, as_text("circle")), ["kind", "radius"]);
        assert_eq!(shape.names(&schema, as_text("item")), ["kind", "id", "parts"]);
        assert_eq!(shape.names(&schema, |_| None), ["kind"]);
        assert_eq!(input.names(&schema, as_text("Move")), ["type", "data"]);
        assert_eq!(input.names(&schema, as_text("Stop")), ["type"]);
        assert_eq!(input.texts(&schema, "type"), ["Move", "Say", "Score", "Stop"]);
        assert!(input.texts(&schema, "data").is_empty());
    }

    #[test]
    fn entries_of_tuples_have_their_types() {
        let tuple = Type::Tuple(vec![Type::named("Item"), Type::named("Joined")]);
        let schema = Schema::from_json(SHAPES).unwrap();
        let entry = |at| Shape::Type(&tuple).element(at).map(|shape| shape.names(&schema, |_| None));
        assert_eq!(entry(0).unwrap(), ["id", "parts"]);
        assert_eq!(entry(1).unwrap(), ["members"]);
        assert_eq!(entry(2), None);
    }
}
