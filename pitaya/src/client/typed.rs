//! Typed calls: a method for each handler, on a client that `#[handler(client)]` generates.

use std::fmt;
use std::future::Future;

use super::{Client, ReconnectingClient};
use crate::error::Result;
use crate::route::{Handler, Notify, Route};
use crate::serialize::Message;

/// A connection that typed calls go through: [`Client`] or [`ReconnectingClient`].
pub trait Connection: Clone + fmt::Debug + Send + Sync + sealed::Sealed + 'static {
    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// Those of [`Client::request`] or [`ReconnectingClient::request`].
    fn request<Req: Message, Rep: Message>(
        &self,
        route: &Route<Req, Rep, Handler>,
        message: &Req,
    ) -> impl Future<Output = Result<Rep>> + Send;

    /// Sends a message without an answer.
    ///
    /// # Errors
    /// Those of [`Client::notify`] or [`ReconnectingClient::notify`].
    fn notify<Req: Message>(
        &self,
        route: &Route<Req, (), Notify>,
        message: &Req,
    ) -> impl Future<Output = Result<()>> + Send;
}

macro_rules! connections {
    ($($client:ty),*) => { $(
        impl Connection for $client {
            fn request<Req: Message, Rep: Message>(
                &self,
                route: &Route<Req, Rep, Handler>,
                message: &Req,
            ) -> impl Future<Output = Result<Rep>> + Send {
                self.request(route, message)
            }

            fn notify<Req: Message>(
                &self,
                route: &Route<Req, (), Notify>,
                message: &Req,
            ) -> impl Future<Output = Result<()>> + Send {
                self.notify(route, message)
            }
        }

        impl sealed::Sealed for $client {}
    )* };
}

connections!(Client, ReconnectingClient);

mod sealed {
    pub trait Sealed {}
}

/// A component with a generated client. `#[handler(client)]` implements it.
///
/// [`clients!`](crate::clients) needs it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no generated client",
    label = "its handlers have no client",
    note = "write `client` into the keys of its block: `#[handler(server = \"…\", client)]`"
)]
pub trait HandlerClient {
    /// The generated client: `EntryHandlers` for `Entry`.
    type Client<C: Connection>;

    /// Returns the client for the calls of a connection.
    fn client<C: Connection>(connection: C) -> Self::Client<C>;
}

/// Declares one type for the typed calls of several components.
///
/// Each line has the name of a method and a component, whose block of handlers is `#[handler(client)]`. The type is
/// made of a [`Client`] or a [`ReconnectingClient`] by `new`, and dereferences to it.
///
/// ```no_run
/// use pitaya::client::Client;
/// use pitaya::prelude::*;
///
/// #[message] pub struct Join { pub name: String }
/// #[message] pub struct Joined { pub members: Vec<String> }
/// #[message] pub struct Say { pub text: String }
/// #[message(push = "onMessage")] pub struct ChatMessage { pub from: String, pub text: String }
///
/// #[derive(Component)] pub struct Entry;
///
/// #[handler(server = "connector", client)]
/// impl Entry {
///     pub async fn join(&self, msg: Join) -> Result<Joined> { Ok(Joined { members: vec![msg.name] }) }
///     pub async fn say(&self, msg: Say) {}
/// }
///
/// pitaya::clients! {
///     /// The handlers of the chat, as its clients call them.
///     pub struct Chat {
///         entry: Entry,
///     }
/// }
///
/// # async fn run() -> pitaya::Result<()> {
/// let chat = Chat::new(Client::builder().connect_tcp("127.0.0.1:3250").await?);
/// let mut messages = chat.pushes::<ChatMessage>();
/// let joined = chat.entry().join(&Join { name: "ann".into() }).await?;
/// chat.entry().say(&Say { text: format!("{} are here", joined.members.len()) }).await?;
/// println!("{}", messages.next().await?.text);
/// chat.disconnect().await;
/// # Ok(()) }
/// ```
#[macro_export]
macro_rules! clients {
    (
        $(#[$attr:meta])*
        $vis:vis struct $Name:ident {
            $( $(#[$doc:meta])* $service:ident: $Component:ty ),* $(,)?
        }
    ) => {
        $(#[$attr])*
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        $vis struct $Name<__Connection = $crate::client::Client> {
            connection: __Connection,
        }

        #[allow(dead_code, private_interfaces, unreachable_pub)]
        impl<__Connection: $crate::client::Connection> $Name<__Connection> {
            /// Returns the typed calls of a connection.
            pub fn new(connection: __Connection) -> Self {
                Self { connection }
            }

            $(
                $(#[$doc])*
                #[doc = ::core::concat!(" Returns the client of the handlers of `", ::core::stringify!($Component), "`.")]
                pub fn $service(&self) -> <$Component as $crate::client::HandlerClient>::Client<__Connection> {
                    <$Component as $crate::client::HandlerClient>::client(
                        ::core::clone::Clone::clone(&self.connection),
                    )
                }
            )*
        }

        impl<__Connection> ::core::ops::Deref for $Name<__Connection> {
            type Target = __Connection;

            fn deref(&self) -> &__Connection {
                &self.connection
            }
        }
    };
}

/// For generated code.
#[doc(hidden)]
pub mod private {
    pub use super::super::Client;
    pub use super::{Connection, HandlerClient};

    use super::{Handler, Message, Notify, Result, Route};

    /// One typed call.
    #[derive(Debug)]
    pub struct TypedCall<'a, C, Req, Rep, K>(pub &'a C, pub &'a Route<Req, Rep, K>);

    impl<C: Connection, Req: Message, Rep: Message> TypedCall<'_, C, Req, Rep, Handler> {
        /// Sends a request and waits for its answer.
        pub fn call(&self, message: &Req) -> impl Future<Output = Result<Rep>> + Send {
            self.0.request(self.1, message)
        }
    }

    impl<C: Connection, Req: Message> TypedCall<'_, C, Req, (), Notify> {
        /// Sends a message without an answer.
        pub fn call(&self, message: &Req) -> impl Future<Output = Result<()>> + Send {
            self.0.notify(self.1, message)
        }
    }

    /// The call of a route whose types are no messages, which is an error already at the handler.
    pub mod fallback {
        use crate::error::{Error, Result};

        pub trait TypedCall<Req, Rep> {
            fn call(&self, _message: &Req) -> impl Future<Output = Result<Rep>> + Send {
                async { Err(Error::internal("a type of this route does not compile")) }
            }
        }

        impl<C, Req, Rep, K> TypedCall<Req, Rep> for super::TypedCall<'_, C, Req, Rep, K> {}
    }
}
