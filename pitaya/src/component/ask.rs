//! For generated code: questions about types that are no errors.
//!
//! The compiler should say once that a type does not fit, at the place where the user wrote it. What generated code
//! asks besides must therefore not fail for such a type. It asks an inherent item that exists only for types that
//! fit; for the others, name resolution goes on to a trait of the same names, which everything implements.

use std::future::Future;
use std::marker::PhantomData;

use super::{Extract, Remote, Rpc};
use crate::error::{Error, Result};
use crate::route::Route;
use crate::serialize::{Message, Schema};

/// What a type is, among the arguments of a method.
#[doc(hidden)]
#[derive(Debug)]
pub struct Ask<T>(PhantomData<fn() -> T>);

impl<T: Message> Ask<T> {
    pub const MESSAGE: Option<&'static Schema> = Some(T::SCHEMA);
    pub const IS_MESSAGE: bool = true;
}

impl<T: Extract<Remote>> Ask<T> {
    pub const IS_EXTRACTOR: bool = true;
}

/// The other answers.
#[doc(hidden)]
pub trait Otherwise {
    const MESSAGE: Option<&'static Schema> = None;
    const IS_MESSAGE: bool = false;
    const IS_EXTRACTOR: bool = false;
}

impl<T> Otherwise for Ask<T> {}

/// How many are true.
#[doc(hidden)]
pub const fn count(answers: &[bool]) -> usize {
    let (mut i, mut count) = (0, 0);
    while i < answers.len() {
        count += answers[i] as usize;
        i += 1;
    }
    count
}

/// The first that is there.
#[doc(hidden)]
pub fn first(schemas: &[Option<&'static Schema>]) -> Option<&'static Schema> {
    schemas.iter().copied().flatten().next()
}

/// A call of a typed client.
#[doc(hidden)]
#[derive(Debug)]
pub struct Calling<'a, Req, Rep>(pub &'a Rpc, pub &'a Route<Req, Rep>);

impl<Req: Message, Rep: Message> Calling<'_, Req, Rep> {
    /// Calls the remote.
    pub fn call(&self, request: &Req) -> impl Future<Output = Result<Rep>> + Send {
        self.0.call(self.1, request)
    }
}

/// Calls of what is not a message: reported elsewhere, and never run.
#[doc(hidden)]
pub trait OtherwiseCall<Req, Rep> {
    fn call(&self, request: &Req) -> impl Future<Output = Result<Rep>> + Send;
}

impl<Req, Rep> OtherwiseCall<Req, Rep> for Calling<'_, Req, Rep> {
    #[allow(clippy::manual_async_fn)] // an `async fn` would hold the request, which need not be `Sync`
    fn call(&self, _request: &Req) -> impl Future<Output = Result<Rep>> + Send {
        async { Err(Error::internal("neither a message")) }
    }
}

/// Whether a value is what an absent field means.
#[doc(hidden)]
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
