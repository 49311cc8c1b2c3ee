//! Expanders.
