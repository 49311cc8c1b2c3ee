//! A finding of the comparison, and the rules.

use std::fmt;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Programs of the two versions misunderstand each other.
    Break,
    /// Programs still understand each other, but code that uses generated types no longer compiles.
    Source,
    /// Compatible, but worth to know.
    Note,
}

impl Severity {
    /// Returns the word of the reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Break => "break",
            Self::Source => "source",
            Self::Note => "note",
        }
    }
}

/// Who sends and who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Old callers send, new servers read.
    In,
    /// New servers send, old clients read.
    Out,
}

impl Direction {
    /// Both.
    pub const BOTH: &[Self] = &[Self::In, Self::Out];

    /// Returns the word of the reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// The kind of a change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule { $($(#[$doc])* $variant,)* }

        impl Rule {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the name in the id of a finding.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

rules! {
    /// A handler or a remote is gone.
    RouteRemoved = "route-removed",
    /// A request became a notify, or a notify a request.
    RouteKind = "route-kind",
    /// A raw body became a typed one, or a typed one raw.
    RouteRaw = "route-raw",
    /// A route takes a message that it did not take, or the reverse.
    RouteMessage = "route-message",
    /// A route replies a message that it did not reply, or the reverse.
    RouteReply = "route-reply",
    /// A message has another name.
    TypeRenamed = "type-renamed",
    /// A field is new.
    FieldAdded = "field-added",
    /// A field is gone.
    FieldRemoved = "field-removed",
    /// A field has another name.
    FieldRenamed = "field-renamed",
    /// A field may be absent, or none, that could not.
    FieldOptional = "field-optional",
    /// A field may no longer be absent, or none.
    FieldRequired = "field-required",
    /// A field that may be absent means another value then.
    DefaultChanged = "default-changed",
    /// A type has more values.
    TypeWidened = "type-widened",
    /// A type has fewer values.
    TypeNarrowed = "type-narrowed",
    /// A type is another.
    TypeChanged = "type-changed",
    /// A value of an enum is new.
    ValueAdded = "value-added",
    /// A value of an enum is gone.
    ValueRemoved = "value-removed",
    /// A value of an enum has another number.
    ValueRenumbered = "value-renumbered",
    /// A value of an enum has another name, which does not travel.
    ValueRenamed = "value-renamed",
    /// A union names its variants in another field, or has their values in another.
    UnionForm = "union-form",
    /// A variant of a union is new.
    VariantAdded = "variant-added",
    /// A variant of a union is gone.
    VariantRemoved = "variant-removed",
    /// A variant of a union has another name, which does not travel.
    VariantRenamed = "variant-renamed",
    /// A field has another Protobuf tag.
    TagChanged = "tag-changed",
    /// A new field has the Protobuf tag of a removed one.
    TagReused = "tag-reused",
    /// A field has another Protobuf type.
    EncodingChanged = "encoding-changed",
    /// A message has no Protobuf form any more, or a remote changed between Protobuf and MessagePack.
    ProtoChanged = "proto-changed",
    /// The messages have another Protobuf package.
    PackageChanged = "package-changed",
    /// A push is gone.
    PushRemoved = "push-removed",
    /// Clients can rely on less for a push.
    PushClass = "push-class",
    /// The code of a route in the dictionary moved or is of another route.
    DictionaryChanged = "dictionary-changed",
    /// A route has no code in the dictionary any more.
    DictionaryRemoved = "dictionary-removed",
    /// A route may fail with more codes.
    ErrorAdded = "error-added",
    /// An error has fewer keys in its metadata.
    MetadataRemoved = "metadata-removed",
    /// The server has one serializer less.
    SerializerRemoved = "serializer-removed",
}

/// A difference between two schemas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The kind of the change.
    pub rule: Rule,
    /// The route, type, error code or serializer.
    pub subject: String,
    /// The field, the value of an enum, the variant of a union, or the metadata key; empty if the subject itself changed.
    pub field: String,
    /// The direction in which it matters; `None` for both.
    pub direction: Option<Direction>,
    /// The old state.
    pub old: String,
    /// The new state.
    pub new: String,
    /// The consequence, and a compatible way.
    pub help: String,
}

impl Finding {
    /// Returns the id, by which an allow file accepts the finding: `rule/subject.field/direction`.
    pub fn id(&self) -> String {
        self.to_string()
    }
}

/// Writes the id.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.rule.as_str(), self.subject)?;
        if !self.field.is_empty() {
            write!(f, ".{}", self.field)?;
        }
        match self.direction {
            Some(direction) => write!(f, "/{}", direction.as_str()),
            None => Ok(()),
        }
    }
}
