//! Mistakes, gathered: a compile reports them all.

use std::cell::RefCell;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// Where mistakes go.
#[derive(Debug, Default)]
pub struct Sink(RefCell<Vec<syn::Error>>);

impl Sink {
    /// A mistake at a place.
    pub(crate) fn at(&self, span: Span, msg: impl std::fmt::Display) {
        self.0.borrow_mut().push(syn::Error::new(span, msg));
    }

    /// A mistake that spans these tokens.
    pub(crate) fn on(&self, tokens: impl ToTokens, msg: impl std::fmt::Display) {
        self.0.borrow_mut().push(syn::Error::new_spanned(tokens, msg));
    }

    /// A mistake that a parser found.
    pub(crate) fn push(&self, error: syn::Error) {
        self.0.borrow_mut().push(error);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.into_inner().into_iter().map(|error| error.to_compile_error()).collect()
    }
}
