//! Entry points.
use proc_macro::TokenStream;
