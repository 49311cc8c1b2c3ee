//! Collects the errors of an item, so that one compile reports all of them.
//!
//! A [`Sink`] is a node of a tree. An error marks its node and all nodes above, so a method knows whether it may be
//! expanded, and its block whether it has an error. The errors themselves are in one list, in the order of their discovery.

use std::cell::{Cell, RefCell};
use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::Error;

/// The result of a macro.
#[derive(Debug)]
pub struct Expansion {
    /// The user's item and the generated code, also if there are errors.
    pub tokens: TokenStream,
    /// All errors.
    pub errors: Vec<Error>,
}

impl Expansion {
    /// Returns the tokens for the compiler, with each error as a `compile_error!` after the item.
    pub fn into_tokens(self) -> TokenStream {
        let mut tokens = self.tokens;
        tokens.extend(self.errors.iter().map(Error::to_compile_error));
        tokens
    }
}

/// The errors of one macro call.
#[derive(Default)]
pub(crate) struct Errors(RefCell<Vec<Error>>);

impl Errors {
    /// Returns the root of the tree.
    pub(crate) fn sink(&self) -> Sink<'_> {
        Sink { errors: self, parent: None, failed: Cell::new(false) }
    }

    pub(crate) fn expansion(self, tokens: TokenStream) -> Expansion {
        Expansion { tokens, errors: self.0.into_inner() }
    }
}

/// Collects the errors of one part of an item.
pub(crate) struct Sink<'a> {
    errors: &'a Errors,
    parent: Option<&'a Self>,
    failed: Cell<bool>,
}

impl Sink<'_> {
    /// Creates a node below this one.
    pub(crate) fn child(&self) -> Sink<'_> {
        Sink { errors: self.errors, parent: Some(self), failed: Cell::new(false) }
    }

    /// Whether this node or one below has an error.
    pub(crate) fn failed(&self) -> bool {
        self.failed.get()
    }

    /// Adds an error at a span.
    pub(crate) fn at(&self, span: Span, message: impl Display) {
        self.absorb(Error::new(span, message));
    }

    /// Adds an error at all of some tokens.
    pub(crate) fn on(&self, tokens: impl ToTokens, message: impl Display) {
        self.absorb(Error::new_spanned(tokens, message));
    }

    /// Adds the errors of syn.
    pub(crate) fn absorb(&self, error: Error) {
        let mut node = Some(self);
        while let Some(sink) = node {
            sink.failed.set(true);
            node = sink.parent;
        }
        self.errors.0.borrow_mut().extend(error);
    }

    /// Returns the value, or adds the error.
    pub(crate) fn ok<T>(&self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.absorb(error)).ok()
    }
}
