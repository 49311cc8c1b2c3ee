//! The replies to handshakes, encoded once.

use super::{Builder, invalid};
use crate::connection::{Accept, HandshakePolicy};
use crate::error::Result;
use crate::serialize::Serializer;
use crate::util::sync::Mutex;
use crate::wire::{Dictionary, handshake};

pub(super) fn handshake_policy(
    builder: &mut Builder,
    serializer: &Serializer,
    dictionary: &Dictionary,
) -> Result<HandshakePolicy> {
    let compression = builder.config.message_compression;
    let template = handshake::Reply {
        code: handshake::OK,
        heartbeat_seconds: handshake::whole_seconds(builder.config.heartbeat_interval)
            .map_err(|error| invalid(error.to_string()))?,
        dictionary: dictionary.clone(),
        serializer: serializer.name().to_owned(),
        schema_matches: None,
        payload: None,
    };
    let refuse = handshake::Reply { code: handshake::REFUSED, ..template.clone() };
    let encode =
        |reply: &handshake::Reply| reply.encode(compression).map_err(|error| invalid(error.to_string()));
    let schema = builder.schema.take();
    let accept = |serializer: &Serializer| -> Result<Accept> {
        let reply = handshake::Reply { serializer: serializer.name().to_owned(), ..template.clone() };
        let schema = match &schema {
            None => None,
            Some(_) => {
                let reply = |matches| handshake::Reply { schema_matches: Some(matches), ..reply.clone() };
                Some([encode(&reply(false))?, encode(&reply(true))?])
            }
        };
        Ok(Accept { plain: encode(&reply)?, schema })
    };
    let others = std::mem::take(&mut builder.client_serializers).into_iter();
    let serializers = others.filter(|other| other.name() != serializer.name()).map(|other| {
        let accept = accept(&other)?;
        Ok((other, accept))
    });
    Ok(HandshakePolicy {
        serializers: serializers.collect::<Result<_>>()?,
        fixed: Mutex::default(),
        validators: std::mem::take(&mut builder.validators),
        authenticate: builder.authenticate.take(),
        accept: accept(serializer)?,
        schema,
        refuse_plain: encode(&refuse)?,
        template,
        compression,
    })
}
