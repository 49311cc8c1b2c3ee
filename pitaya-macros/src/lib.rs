//! The macros of the `pitaya` framework.
//!
//! Use them through `pitaya`, which re-exports all of them. This crate has the entry points and their documentation; the
//! expanders are in `pitaya-macros-core`. The examples are compiled as `ui-tests/tests/pass/docs_*.rs`, because a doctest
//! in this crate cannot depend on `pitaya`, which depends on this crate.

#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]

use pitaya_macros_core as core;
use proc_macro::TokenStream;

/// Turns the methods of an impl block into handlers: routes that clients call.
///
/// ```text
/// #[handler(server = "connector")]        // routes connector.entry.join, connector.entry.say, …
/// impl Entry {                             // → Entry::JOIN: Route<Join, Joined, Handler>, …
///     /// Signs in.                        (becomes the documentation of the route)
///     pub async fn join(&self, session: Session<Player>, msg: Join) -> Result<Joined> { … }
///
///     #[route("say")]                      // the last part of the route, if it is not the function's name
///     #[concurrent]                        // starts on arrival, beside the session's other messages
///     #[timeout("5s")]                     // fails with PIT-408 after this time
///     pub async fn say_something(&self, msg: Say) { … }      // no reply: notify-only
///
///     pub async fn raw(&self, body: Bytes) -> Result<Bytes> { … }   // no serializer: bytes in, bytes out
///
///     #[skip]
///     pub fn members(&self) -> usize { … } // public, but no handler
///
///     fn helper(&self) { … }               // private: a helper
///
///     #[every("100ms")]
///     async fn tick(&self) { … }           // a timer calls it, see `timers`
/// }
/// ```
///
/// Keys:
/// - `server = "…"`: the server type that serves the block. Without it, every type does.
/// - `service = "…"`: the middle part of the routes; otherwise the type's name in `snake_case`.
/// - `rename_all = "…"`: the case of method names: `lowercase`, `UPPERCASE`, `PascalCase`, `camelCase`, `snake_case` or
///   `SCREAMING_SNAKE_CASE`. `#[route]` wins over it.
/// - `timeout = "…"`: the timeout of each route of the block. `#[timeout]` on a method wins over it.
/// - `client`: generates `EntryHandlers`, a client with a method for each handler, for bots and tests.
/// - `crate = path`: the path of `pitaya`, if it is not `::pitaya`.
///
/// A timeout is a duration in the syntax of Go, such as `500ms` or `1m30s`, of at least 1 ms. It bounds the hooks before
/// the method, the extractors and the method. A call that exceeds it is dropped at its next `.await` and fails with `PIT-408`,
/// `handler timeout`. The hooks after the method see this error. `pitaya.handler.timeout` bounds the call as well: the
/// smaller of both wins.
///
/// A handler is a `pub async fn` that takes `&self`, extractors (`Session<_>`, `Context`, `State<_>`, `App`, and any
/// other type with `Extract<Handler>` if it is marked `#[extract]`; the framework's services, such as `Groups`, need no
/// mark beside a message) in any order and at most one message, all by value.
/// It returns `Result<T, E>` or `Result<Option<T>, E>` where `T` is a message and `E: IntoError`, or nothing at all:
/// then it is notify-only.
///
/// The macro sees names and not types. It takes the one argument that is neither a known extractor nor marked `#[extract]`
/// for the message, and a return type whose name ends in `Result` for a reply that may fail. The generated code compares
/// this with the types, so a wrong guess does not compile.
///
/// Each handler adds a constant to the type, the route with its types. `Entry::JOIN` is a `Route<Join, Joined, Handler>`
/// for `client.request(&Entry::JOIN, &join)`. The constant of a notify-only handler is a `Route<Say, (), Notify>` for
/// `client.notify(&Entry::SAY_SOMETHING, &say)`. A call of a remote accepts neither.
///
/// The key `client` adds a typed client, which is made of a connection: `EntryHandlers::new(client).join(&join).await?`.
/// A handler of it cannot be a Rust function named `new` or `clone`; its route can have these names. `pitaya::clients!`
/// declares one type for the clients of several components. A type has one block with `client`.
///
/// A private `async fn` that takes a message and is not called in the block is warned about, because its `pub` may have
/// been forgotten. `#[skip]` silences the warning.
///
/// The block stays unchanged, so unit tests call handlers like any method. Lints apply to it as elsewhere; on routes only
/// `unreachable_pub` and `clippy::unused_async` are allowed, because a route has to be a `pub async fn`. A type may have any
/// number of blocks. The app builds the type if it derives [`Component`](macro@Component); otherwise register a value.
#[proc_macro_attribute]
pub fn handler(args: TokenStream, item: TokenStream) -> TokenStream {
    core::handler(args.into(), item.into()).into_tokens().into()
}

/// Turns methods into remotes: calls between servers, with a typed client.
///
/// On a trait it declares a contract, which both servers share. On an implementation of the contract it registers the
/// methods. On an impl block of a type's own methods it does both.
///
/// ```text
/// /// The calls that any server may send to a room server.
/// #[remote(server = "room")]               // → RoomApiClient, RoomApiClient::ENTER: Route<Enter, Joined>
/// pub trait RoomApi {
///     async fn enter(&self, req: Enter) -> Result<Joined>;
///     async fn post(&self, req: Post, cx: Context) -> Result<()>;
/// }
///
/// #[remote]
/// impl RoomApi for Room {
///     async fn enter(&self, req: Enter) -> Result<Joined> { … }
///     async fn post(&self, req: Post, cx: Context) -> Result<()> { … }
/// }
///
/// #[remote(server = "shop")]               // → ShopClient
/// impl Shop {
///     pub async fn buy(&self, order: Order, #[extract] player: LoadedPlayer) -> Result<Receipt> { … }
/// }
/// ```
///
/// The keys are those of [`handler`](macro@handler), except `client`. A contract needs `server`, and its service is its name without
/// a trailing `Api`. An implementation of a contract takes no key but `crate`. Without `server`, an impl block serves
/// on every server type, and its client calls servers of the caller's own type.
///
/// A remote takes the arguments of a handler except `Session`, because a server calls it.
///
/// The key `timeout` and `#[timeout]` bound a call on the server that runs it. The configured limit and the deadline of the
/// caller bound it as well: the smallest wins.
///
/// The client has a method and a `Route` constant for each remote. `on(&server_id)` and `by(&key)` choose the server,
/// `timeout(…)` bounds how long the caller waits. `fake(…)` creates a client for tests from an implementation of the
/// contract, or from closures by route (`Fake`) for an impl block. A method without a reply is called like one that replies
/// `()`.
#[proc_macro_attribute]
pub fn remote(args: TokenStream, item: TokenStream) -> TokenStream {
    core::remote(args.into(), item.into()).into_tokens().into()
}

/// Turns a type into a message: an argument or a reply of handlers and remotes, or a push.
///
/// ```text
/// #[message]
/// pub struct Join { pub name: String, pub room: Option<String> }
///
/// #[message(push = "onMessage")]           // `session.push(&ChatMessage { … })` needs no route
/// pub struct ChatMessage { pub from: String, pub text: String }
///
/// #[message(proto)]                        // Protobuf too, and JSON as Protobuf-minded clients write it
/// pub struct Enter { #[tag(1)] pub uid: String, #[tag(2, sint32)] pub level: i32, #[tag(3, enum(Team))] pub team: i32 }
///
/// #[message(proto)]
/// pub enum Team { Red = 0, Blue = 1 }      // a field's type; travels as its number
///
/// #[message]
/// pub enum Mode { Solo, Team }             // a field's type; travels as its name
///
/// #[message]                               // several shapes: {"type":"Move","x":1.5}, {"type":"Stop"}
/// pub enum Command { Move { x: f32 }, Say(Said), Stop }
/// ```
///
/// An enum of names is a type of fields. With `proto` it travels as its number, in every format; without, as its name in
/// JSON and MessagePack, and it cannot be in a message with `proto`. `#[serde(rename_all = "…")]` on the enum and
/// `#[serde(rename = "…")]` on a variant change the names. An unknown name fails the decoding of the
/// message.
///
/// An enum whose variants have data is a message of several shapes, in JSON and MessagePack. It is a map with the name of
/// the variant in the key `type`, or in that of `#[serde(tag = "…")]`, and the fields of the variant beside it. With
/// `#[serde(tag = "…", content = "…")]` the value of the variant has a key of its own. A variant has no value, named
/// fields, or one value: a message with fields, or with `content` any type of fields. `rename_all` and
/// `rename_all_fields` on the enum, and `rename` and `rename_all` on a variant, change the names. The keys may come in any
/// order. Unknown keys are ignored; an unknown variant fails the decoding. `proto` and `json` are not possible.
///
/// Types of fields without Protobuf form: tuples of 2 to 12 entries, `HashSet` and `BTreeSet`. They travel as lists.
///
/// Keys:
/// - `proto`: the message has a Protobuf form; each field has its `#[tag(n)]`. In JSON and MessagePack, fields with
///   their default are left out, and may be absent.
/// - `name = "GameResult"`: the name of the type in the schema, if two types have one name. Names of types do not travel.
/// - `json = "full"`: with `proto`, all fields are written in JSON and MessagePack, also those with their default (`None`
///   is `null`). They may still be absent in what is read.
/// - `push = "…"`: the route that clients listen on, 1 to 255 bytes.
/// - `lenient`: fields that are absent have their default. Otherwise a field that is neither `Option` nor
///   `#[serde(default)]` must be there. Unknown fields are always ignored.
/// - `validate`: the rules of `garde::Validate`, which you derive, are checked before the handler runs (feature
///   `garde`).
/// - `crate = path`: the path of `pitaya`, if it is not `::pitaya`.
///
/// `#[field(text)]` on an `i64` or `u64`, also in an `Option` or a `Vec`, writes the integer as decimal text in JSON and
/// MessagePack, because JavaScript rounds integers above 2⁵³. A number is accepted as well when the field is read. In
/// Protobuf it stays an integer.
///
/// `#[field(nanos)]` on a `std::time::Duration`, also in an `Option` or a `Vec`, writes the nanoseconds as an `i64`, as
/// `time.Duration` of Go does. A negative number is an error when the field is read, and a span above 292 years when it is
/// written. It is not for `proto`.
///
/// In JSON an integer field takes no number with a fraction, not even `3.0`. In MessagePack it takes a floating-point number
/// that is whole and in range, because JavaScript has no other numbers.
///
/// An empty message is written `struct Ping {}`, because it is a map on the wire. The macro derives `Clone`, `Debug`,
/// and serde's traits; write other derives below it. The serde attributes that the
/// message's schema can state are allowed: `rename_all` and `default` on the struct; `rename`, `default`, `skip` and, where
/// the field may be absent, `skip_serializing_if` on fields. The schema (names, types, docs, tags) is data that
/// documentation and clients in other languages are made from, so an attribute that would make the bytes differ
/// from it is refused, with what to do instead.
///
/// Types of fields in Protobuf: `bool`, `i32`, `i64`, `u32`, `u64`, `f32`, `f64`, `String`, `Vec<u8>`, `Bytes`; `Option` and
/// `Vec` of these; maps; messages in an `Option`, an `Option<Box<_>>` or a `Vec`. `i32` and `i64` are varints unless the
/// tag says `sint…` or `sfixed…`, `u32` and `u64` unless it says `fixed…`.
#[proc_macro_attribute]
pub fn message(args: TokenStream, item: TokenStream) -> TokenStream {
    core::message(args.into(), item.into()).into_tokens().into()
}

/// Turns a struct into a typed view of session data.
///
/// ```text
/// #[session]
/// #[derive(Default)]
/// pub struct Player { name: String, room: Option<String> }
///
/// // in a handler: session: Session<Player>
/// session.update(|p| p.name = "ann".into()).await?;
/// ```
///
/// It derives `Clone`, `Debug` and serde's traits; the type must be `Default`, because a key that is not in the session
/// yet has its default. On the wire the fields are keys of the session's JSON map, so every attribute of serde may
/// be used. The key `crate = path` sets the path of `pitaya`, if it is not `::pitaya`.
#[proc_macro_attribute]
pub fn session(args: TokenStream, item: TokenStream) -> TokenStream {
    core::session(args.into(), item.into()).into_tokens().into()
}

/// Turns a struct into a component that the app builds: one instance for each app.
///
/// ```text
/// #[derive(Component)]
/// pub struct Entry {
///     room: RoomApiClient,                 // every field comes from the app (`FromServices`) …
///     db: State<Db>,                       // … such as what was given with `.state(db)` …
///     #[component(default)]
///     online: AtomicU64,                   // … or is `Default`
/// }
/// ```
///
/// A field that the app cannot provide is an error at start that names the component and the field. On the struct,
/// `#[component(crate = path)]` sets the path of `pitaya`, if it is not `::pitaya`.
#[proc_macro_derive(Component, attributes(component))]
pub fn component(item: TokenStream) -> TokenStream {
    core::component(item.into()).into_tokens().into()
}

/// Adds codes for clients to an error, so that handlers can return it.
///
/// ```text
/// #[derive(Debug, thiserror::Error, PitayaError)]
/// pub enum ChatError {
///     #[error("{room} is full")]
///     #[pitaya(code = "CHAT-001", metadata(room))]
///     Full { room: String },
///     #[error("no such room")]
///     #[pitaya(code = "CHAT-002")]
///     NoRoom,
///     #[error(transparent)]
///     #[pitaya(transparent)]               // forwards the code, text and metadata of the error inside
///     Other(#[from] pitaya::Error),
/// }
/// ```
///
/// The text that clients see is the error's `Display`; the error itself goes to the log as the source. `metadata(key =
/// field, other)` adds pairs, written by `Display`. On a struct, or on an enum for all variants without one,
/// `#[pitaya(code = "…")]` stands on the type itself; `#[pitaya(crate = path)]` sets the path of `pitaya`, if it is not `::pitaya`.
///
/// `?` turns the error into a `pitaya::Error` in functions that return `pitaya::Result`.
///
/// `AnyError` and `.internal()?` also find the code of the type among the sources of other errors.
#[proc_macro_derive(PitayaError, attributes(pitaya))]
pub fn pitaya_error(item: TokenStream) -> TokenStream {
    core::pitaya_error(item.into()).into_tokens().into()
}

/// Sets the last part of a method's route: `#[route("join")]`.
///
/// Belongs on a method in a [`handler`](macro@handler) or
/// [`remote`](macro@remote) block or contract; letters, digits and `_`.
#[proc_macro_attribute]
pub fn route(_args: TokenStream, item: TokenStream) -> TokenStream {
    core::marker("route", item.into()).into_tokens().into()
}

/// Calls a method of a component periodically: `#[every("100ms")] async fn tick(&self)`.
///
/// Belongs on a method in a [`timers`](macro@timers), [`handler`](macro@handler) or [`remote`](macro@remote) block,
/// which has the docs.
#[proc_macro_attribute]
pub fn every(_args: TokenStream, item: TokenStream) -> TokenStream {
    core::marker("every", item.into()).into_tokens().into()
}

/// Turns methods of a component into timers, which the app runs from its start to its stop.
///
/// ```text
/// #[timers]
/// impl Room {
///     #[every("100ms")]
///     async fn tick(&self) { … }
///
///     #[every("1m30s")]
///     async fn save(&self) -> Result<()> { … }   // an error is logged, and the timer continues
/// }
/// ```
///
/// `#[every("…")]` takes the interval: numbers with the units `ms`, `s`, `m` or `h`, at least 1 ms. The method is an
/// `async fn` that takes `&self` alone and returns nothing or a `Result<(), E>` with `E: IntoError`.
///
/// The first run is one interval after the app has started, when `init` and `after_init` of all components are done.
/// The runs of one timer never overlap: a run that takes longer than the interval delays the next one. Runs that were
/// missed are made up for, as by `Timers::every`. A panic or an error is logged, and the timer continues. No run begins
/// once the app stops. The app waits for a run that has begun before `before_shutdown` and `shutdown` of the component.
///
/// `#[every]` is allowed in a [`handler`](macro@handler) and a [`remote`](macro@remote) block as well. Such timers run on
/// the server types of the block. Timers of a `#[timers]` block run wherever the app has the component.
///
/// Keys:
/// - `server = "…"`: the timers run on this server type only, and the app builds the component for them there. It is
///   needed for a component that has timers, but neither handlers nor remotes, unless it is registered by hand.
/// - `crate = path`: the path of `pitaya`, if it is not `::pitaya`.
#[proc_macro_attribute]
pub fn timers(args: TokenStream, item: TokenStream) -> TokenStream {
    core::timers(args.into(), item.into()).into_tokens().into()
}

/// Keeps a `pub` function of a [`handler`](macro@handler) or [`remote`](macro@remote) block from becoming a route.
///
/// On a private `async fn` that takes a message, it silences the warning that the function is no route.
#[proc_macro_attribute]
pub fn skip(_args: TokenStream, item: TokenStream) -> TokenStream {
    core::marker("skip", item.into()).into_tokens().into()
}

/// Starts a handler as soon as its message arrives.
///
/// Otherwise the server handles the messages of a session one at a time, in the order of their arrival. Belongs on a method
/// in a [`handler`](macro@handler) block.
#[proc_macro_attribute]
pub fn concurrent(_args: TokenStream, item: TokenStream) -> TokenStream {
    core::marker("concurrent", item.into()).into_tokens().into()
}

/// Bounds the calls of one method: `#[timeout("5s")]`.
///
/// Belongs on a method in a [`handler`](macro@handler) or [`remote`](macro@remote) block or contract. It wins over the
/// key `timeout` of the block, which has the docs.
#[proc_macro_attribute]
pub fn timeout(_args: TokenStream, item: TokenStream) -> TokenStream {
    core::marker("timeout", item.into()).into_tokens().into()
}

/// Lets each job of reliable RPC succeed once, although a job may be delivered twice.
///
/// Belongs on a method in a [`remote`](macro@remote) block or contract. A worker then treats the id of a job as its
/// idempotency key, unless the job has a key. Calls that are no jobs ignore the mark, and so do workers of Go Pitaya. If
/// the worker dies during the run, the job runs again, because no server knows whether the first run succeeded.
#[proc_macro_attribute]
pub fn idempotent(_args: TokenStream, item: TokenStream) -> TokenStream {
    core::marker("idempotent", item.into()).into_tokens().into()
}

/// Links the components of crates that nothing else names: `pitaya::link!(connector, room);`.
///
/// The linker leaves out a crate of which nothing is used, and with it all its components. One `link!` in the
/// binary, at module level, names each crate once.
#[proc_macro]
pub fn link(crates: TokenStream) -> TokenStream {
    core::link(crates.into()).into_tokens().into()
}
