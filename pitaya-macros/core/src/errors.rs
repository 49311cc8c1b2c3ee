//! Collecting mistakes: all of a block in one compile.
//!
//! A [`Sink`] is a node of a tree. A mistake marks its node and all nodes above, so a method knows whether it
//! may be expanded, and its block whether anything in it is wrong, while the mistakes themselves lie in one list
//! in the order they were found.

use std::cell::{Cell, RefCell};
use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::Error;

/// What a macro makes of an item.
#[derive(Debug)]
pub struct Expansion {
    /// The user's item and what belongs to it; present even if there are errors.
    pub tokens: TokenStream,
    /// Every mistake found.
    pub errors: Vec<Error>,
}

impl Expansion {
    /// The tokens for the compiler, the mistakes as `compile_error!`s after the item.
    pub fn into_tokens(self) -> TokenStream {
        let mut tokens = self.tokens;
        tokens.extend(self.errors.iter().map(Error::to_compile_error));
        tokens
    }
}

/// Where the mistakes of one macro call lie.
#[derive(Default)]
pub(crate) struct Errors(RefCell<Vec<Error>>);

impl Errors {
    /// The root of the tree.
    pub(crate) fn sink(&self) -> Sink<'_> {
        Sink { errors: self, parent: None, failed: Cell::new(false) }
    }

    pub(crate) fn expansion(self, tokens: TokenStream) -> Expansion {
        Expansion { tokens, errors: self.0.into_inner() }
    }
}

/// A place for the mistakes of one part of an item.
pub(crate) struct Sink<'a> {
    errors: &'a Errors,
    parent: Option<&'a Self>,
    failed: Cell<bool>,
}

impl Sink<'_> {
    /// A node below this one.
    pub(crate) fn child(&self) -> Sink<'_> {
        Sink { errors: self.errors, parent: Some(self), failed: Cell::new(false) }
    }

    /// Whether a mistake was found here or below.
    pub(crate) fn failed(&self) -> bool {
        self.failed.get()
    }

    /// A mistake at a span.
    pub(crate) fn at(&self, span: Span, message: impl Display) {
        self.absorb(Error::new(span, message));
    }

    /// A mistake at all of some tokens.
    pub(crate) fn on(&self, tokens: impl ToTokens, message: impl Display) {
        self.absorb(Error::new_spanned(tokens, message));
    }

    /// Mistakes that syn found.
    pub(crate) fn absorb(&self, error: Error) {
        let mut node = Some(self);
        while let Some(sink) = node {
            sink.failed.set(true);
            node = sink.parent;
        }
        self.errors.0.borrow_mut().extend(error);
    }

    /// The value, or its mistake noted.
    pub(crate) fn ok<T>(&self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.absorb(error)).ok()
    }
}
