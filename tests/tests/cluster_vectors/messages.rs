//! The messages of the cluster, made from the fields that an entry lists.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use pitaya::cluster::protos::*;
use pitaya_tests::vectors::{Checked, hex};
use serde_json::{Map, Value};

/// The fields of one message, and which of them have been taken.
pub(crate) struct Fields<'a> {
    fields: &'a Map<String, Value>,
    taken: RefCell<BTreeSet<&'a str>>,
}

/// A message that can be made from its fields.
pub(crate) trait FromFields: Sized {
    fn from_fields(fields: &Fields<'_>) -> Checked<Self>;
}

/// Makes a message. A field that it does not know is an error.
pub(crate) fn make<T: FromFields>(fields: &Value) -> Checked<T> {
    let fields = fields.as_object().ok_or_else(|| format!("not the fields of a message: {fields}"))?;
    let fields = Fields { fields, taken: RefCell::default() };
    let made = T::from_fields(&fields)?;
    let left = fields.fields.keys().find(|field| !fields.taken.borrow().contains(field.as_str()));
    left.map_or(Ok(made), |field| Err(format!("there is no field {field}")))
}

impl<'a> Fields<'a> {
    fn take(&self, field: &str) -> Option<&'a Value> {
        let (field, value) = self.fields.get_key_value(field)?;
        self.taken.borrow_mut().insert(field);
        Some(value)
    }

    fn read<T: Default>(&self, field: &str, read: impl Fn(&'a Value) -> Option<T>) -> Checked<T> {
        self.take(field)
            .map_or(Ok(T::default()), |value| read(value).ok_or_else(|| format!("{field} cannot be {value}")))
    }

    fn text(&self, field: &str) -> Checked<String> {
        self.read(field, |value| value.as_str().map(str::to_owned))
    }

    fn bytes(&self, field: &str) -> Checked<Bytes> {
        self.read(field, bytes_of)
    }

    fn message<T: FromFields>(&self, field: &str) -> Checked<Option<T>> {
        self.take(field).map(make).transpose()
    }
}

/// Bytes, as a text or in hex.
fn bytes_of(value: &Value) -> Option<Bytes> {
    match (value.get("utf8"), value.get("hex")) {
        (Some(Value::String(text)), None) => Some(text.clone().into()),
        (None, Some(Value::String(digits))) => hex(digits).ok().map(Bytes::from),
        _ => None,
    }
}

impl FromFields for Error {
    fn from_fields(f: &Fields<'_>) -> Checked<Self> {
        let metadata = f.read("metadata", |value| {
            let pair = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
            value.as_object()?.iter().map(pair).collect::<Option<BTreeMap<_, _>>>()
        })?;
        Ok(Self { code: f.text("code")?, msg: f.text("msg")?, metadata })
    }
}

impl FromFields for Session {
    fn from_fields(f: &Fields<'_>) -> Checked<Self> {
        Ok(Self { id: f.read("id", Value::as_i64)?, uid: f.text("uid")?, data: f.bytes("data")? })
    }
}

impl FromFields for Msg {
    fn from_fields(f: &Fields<'_>) -> Checked<Self> {
        Ok(Self {
            id: f.read("id", Value::as_u64)?,
            route: f.text("route")?,
            data: f.bytes("data")?,
            reply: f.text("reply")?,
            r#type: f.read("type", |name| MsgType::from_str_name(name.as_str()?))?.into(),
        })
    }
}

impl FromFields for Request {
    fn from_fields(f: &Fields<'_>) -> Checked<Self> {
        Ok(Self {
            r#type: f.read("type", |name| RpcType::from_str_name(name.as_str()?))?.into(),
            session: f.message("session")?,
            msg: f.message("msg")?,
            frontend_id: f.text("frontendID")?,
            metadata: f.bytes("metadata")?,
        })
    }
}

impl FromFields for Response {
    fn from_fields(f: &Fields<'_>) -> Checked<Self> {
        Ok(Self { data: f.bytes("data")?, error: f.message("error")? })
    }
}

impl FromFields for Push {
    fn from_fields(f: &Fields<'_>) -> Checked<Self> {
        Ok(Self { route: f.text("route")?, uid: f.text("uid")?, data: f.bytes("data")?, ..Self::default() })
    }
}

impl FromFields for KickMsg {
    fn from_fields(f: &Fields<'_>) -> Checked<Self> {
        Ok(Self { user_id: f.text("userId")? })
    }
}

impl FromFields for KickAnswer {
    fn from_fields(f: &Fields<'_>) -> Checked<Self> {
        Ok(Self { kicked: f.read("kicked", Value::as_bool)? })
    }
}

impl FromFields for BindMsg {
    fn from_fields(f: &Fields<'_>) -> Checked<Self> {
        Ok(Self { uid: f.text("uid")?, fid: f.text("fid")?, ..Self::default() })
    }
}

impl FromFields for Doc {
    fn from_fields(f: &Fields<'_>) -> Checked<Self> {
        Ok(Self { doc: f.text("doc")? })
    }
}

impl FromFields for DocMsg {
    fn from_fields(f: &Fields<'_>) -> Checked<Self> {
        Ok(Self { get_protos: f.read("getProtos", Value::as_bool)? })
    }
}

impl FromFields for ProtoDescriptor {
    fn from_fields(f: &Fields<'_>) -> Checked<Self> {
        Ok(Self { desc: f.bytes("desc")? })
    }
}

impl FromFields for ProtoName {
    fn from_fields(f: &Fields<'_>) -> Checked<Self> {
        Ok(Self { name: f.text("name")? })
    }
}

impl FromFields for ProtoDescriptors {
    fn from_fields(f: &Fields<'_>) -> Checked<Self> {
        Ok(Self { desc: f.read("desc", |list| list.as_array()?.iter().map(bytes_of).collect())? })
    }
}

impl FromFields for ProtoNames {
    fn from_fields(f: &Fields<'_>) -> Checked<Self> {
        let name = |name: &Value| name.as_str().map(str::to_owned);
        Ok(Self { name: f.read("name", |list| list.as_array()?.iter().map(name).collect())? })
    }
}
