//! The types of the format.

macro_rules! scalars {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// A type of the format.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Scalar { $($(#[$doc])* $variant,)* }

        impl Scalar {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the name in the file.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

scalars! {
    /// True or false.
    Bool = "bool",
    /// An integer from -2⁷.
    I8 = "i8",
    /// An integer from -2¹⁵.
    I16 = "i16",
    /// An integer from -2³¹.
    I32 = "i32",
    /// An integer from -2⁶³.
    I64 = "i64",
    /// An integer below 2⁸.
    U8 = "u8",
    /// An integer below 2¹⁶.
    U16 = "u16",
    /// An integer below 2³².
    U32 = "u32",
    /// An integer below 2⁶⁴.
    U64 = "u64",
    /// A floating-point number of 32 bits.
    F32 = "f32",
    /// A floating-point number of 64 bits.
    F64 = "f64",
    /// Text.
    String = "string",
    /// Bytes.
    Bytes = "bytes",
    /// A span of time: nanoseconds, as an integer from -2⁶³.
    Duration = "duration",
    /// Any value.
    Any = "any",
}

impl Scalar {
    /// Returns the scalar of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scalar| scalar.as_str() == name)
    }

    /// Whether this is an integer. A [`Duration`](Self::Duration) is not, although it travels as an `i64`.
    pub const fn is_integer(self) -> bool {
        self.bits().is_some() && !matches!(self, Self::F32 | Self::F64)
    }

    /// Whether this is an integer without negative values.
    pub const fn is_unsigned(self) -> bool {
        matches!(self, Self::U8 | Self::U16 | Self::U32 | Self::U64)
    }

    /// Returns the size of a number in bits.
    pub const fn bits(self) -> Option<u8> {
        match self {
            Self::I8 | Self::U8 => Some(8),
            Self::I16 | Self::U16 => Some(16),
            Self::I32 | Self::U32 | Self::F32 => Some(32),
            Self::I64 | Self::U64 | Self::F64 => Some(64),
            Self::Bool | Self::String | Self::Bytes | Self::Duration | Self::Any => None,
        }
    }
}
