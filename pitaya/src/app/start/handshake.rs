//! The replies to handshakes, encoded once.

use super::{Builder, invalid};
use crate::component::any_proto;
use crate::connection::HandshakePolicy;
use crate::error::Result;
use crate::serialize::Serializer;
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
        payload: None,
    };
    let refuse = handshake::Reply { code: handshake::REFUSED, ..template.clone() };
    let encode =
        |reply: &handshake::Reply| reply.encode(compression).map_err(|error| invalid(error.to_string()));
    // Without any message in Protobuf a client that names it reads in the reply that this server does not speak it.
    let others = [Serializer::Json, Serializer::MessagePack, Serializer::Protobuf].into_iter();
    let others = others.filter(|other| other.name() != serializer.name());
    let serializers =
        others.filter(|other| !matches!(other, Serializer::Protobuf) || any_proto()).map(|other| {
            let reply = handshake::Reply { serializer: other.name().to_owned(), ..template.clone() };
            Ok((other, encode(&reply)?))
        });
    Ok(HandshakePolicy {
        serializers: serializers.collect::<Result<_>>()?,
        validators: std::mem::take(&mut builder.validators),
        authenticate: builder.authenticate.take(),
        accept: encode(&template)?,
        refuse_plain: encode(&refuse)?,
        template,
        compression,
    })
}
