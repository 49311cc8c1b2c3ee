//! A serializer per client: named in the handshake, or fixed by the acceptor.

mod choice;
mod cluster;
mod forwarding;
mod messages;
mod one_server;
mod pushes;
mod table;
