//! Fields with a form of their own in JSON and MessagePack: `#[field(text)]` and `#[field(nanos)]`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use super::schema::Type;

/// A type of fields with the form `F`: [`Text`](super::Text) or [`Nanos`](super::Nanos).
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no form `{F}`",
    label = "not of a type of `#[field(…)]`",
    note = "`#[field(text)]` is for `i64` and `u64`, `#[field(nanos)]` for `Duration`, both also in an `Option` or a `Vec`: remove it from other fields"
)]
pub trait FieldForm<F>: Sized {
    /// The type in the schema.
    const TYPE: Type;
    /// Writes the field.
    #[doc(hidden)]
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
    /// Reads the field.
    #[doc(hidden)]
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// The code of a form for serde's `with`, and the form of the values in a container.
pub struct Formed<F, T = ()>(T, PhantomData<F>);

impl<F> Formed<F> {
    /// The `serialize` of serde's `with`.
    ///
    /// # Errors
    /// If the value has no such form, and the error of the serializer.
    pub fn serialize<T: FieldForm<F>, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        value.write(serializer)
    }

    /// The `deserialize` of serde's `with`.
    ///
    /// # Errors
    /// If the value is not of the form.
    pub fn deserialize<'de, T: FieldForm<F>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        T::read(deserializer)
    }
}

impl<F, T: fmt::Debug> fmt::Debug for Formed<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<F, T: FieldForm<F>> Serialize for Formed<F, &T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(serializer)
    }
}

impl<'de, F, T: FieldForm<F>> Deserialize<'de> for Formed<F, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(|value| Self(value, PhantomData))
    }
}

impl<F, T: FieldForm<F>> FieldForm<F> for Option<T> {
    const TYPE: Type = Type::Optional(&T::TYPE);

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_ref().map(|value| Formed::<F, _>(value, PhantomData)).serialize(serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Option::<Formed<F, T>>::deserialize(deserializer)?;
        Ok(value.map(|formed| formed.0))
    }
}

impl<F, T: FieldForm<F>> FieldForm<F> for Vec<T> {
    const TYPE: Type = Type::List(&T::TYPE);

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|value| Formed::<F, _>(value, PhantomData)))
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = Vec::<Formed<F, T>>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|formed| formed.0).collect())
    }
}
