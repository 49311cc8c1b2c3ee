//! The route dictionary: routes that travel as two bytes (protocol.md, "Messages").

use std::collections::HashMap;
use std::sync::Arc;

use super::message::{MessageError, Route};

/// A route or a code is in the dictionary already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("duplicated route(route: {route}, code: {code})")]
pub struct DictionaryError {
    /// The route of the refused entry, trimmed.
    pub route: String,
    /// The code of the refused entry.
    pub code: u16,
}

/// Routes and their codes, both ways. A copy costs one counter, an empty one nothing.
///
/// Clients get it with the handshake. Code 0 is legal but best left out: two of the known clients take it for "no code".
#[derive(Clone, Debug, Default)]
pub struct Dictionary {
    // `None` is the empty dictionary, so that the usual server pays one comparison a message.
    entries: Option<Arc<Entries>>,
    inbound_only: bool,
}

#[derive(Debug, Default)]
struct Entries {
    codes: HashMap<Box<str>, u16, foldhash::fast::RandomState>,
    routes: HashMap<u16, Box<str>, foldhash::fast::RandomState>,
}

impl Dictionary {
    /// A dictionary of these entries. White space around a route is dropped.
    ///
    /// # Errors
    /// The first entry whose route or code another one has already.
    ///
    /// ```
    /// use pitaya::wire::Dictionary;
    ///
    /// let dictionary = Dictionary::new([("room.join".to_owned(), 5)])?;
    /// assert_eq!(dictionary.code("room.join"), Some(5));
    /// assert_eq!(dictionary.route(5), Some("room.join"));
    /// # Ok::<(), pitaya::wire::DictionaryError>(())
    /// ```
    pub fn new(entries: impl IntoIterator<Item = (String, u16)>) -> Result<Self, DictionaryError> {
        let mut made = Entries::default();
        for (route, code) in entries {
            let route = route.trim();
            if made.codes.contains_key(route) || made.routes.contains_key(&code) {
                let route = route.to_owned();
                return Err(DictionaryError { route, code });
            }
            made.codes.insert(route.into(), code);
            made.routes.insert(code, route.into());
        }
        Ok(Self { entries: (!made.codes.is_empty()).then(|| Arc::new(made)), inbound_only: false })
    }

    /// With `true`, codes are understood but never written: some mobile clients crash on a push with a coded route.
    #[must_use]
    pub const fn inbound_only(mut self, yes: bool) -> Self {
        self.inbound_only = yes;
        self
    }

    /// Returns the code of a route, whether or not it may be written.
    #[inline]
    #[must_use]
    pub fn code(&self, route: &str) -> Option<u16> {
        self.entries.as_ref()?.codes.get(route).copied()
    }

    /// Returns the route of a code.
    #[inline]
    #[must_use]
    pub fn route(&self, code: u16) -> Option<&str> {
        Some(self.entries.as_ref()?.routes.get(&code)?)
    }

    /// Returns the form of a route on the wire: its code if it has one that may be written, else its name.
    #[inline]
    #[must_use]
    pub fn outgoing<'a>(&self, route: &'a str) -> Route<'a> {
        match self.code(route) {
            Some(code) if !self.inbound_only => Route::Code(code),
            _ => Route::Name(route.as_bytes()),
        }
    }

    /// Returns the name of a received route. A name need not be UTF-8. No route is the empty name.
    ///
    /// # Errors
    /// [`MessageError::UnknownCode`] for a code that is not in the dictionary.
    #[inline]
    pub fn resolve<'a>(&'a self, route: Route<'a>) -> Result<&'a [u8], MessageError> {
        match route {
            Route::Name(name) => Ok(name),
            Route::None => Ok(&[]),
            Route::Code(code) => match self.route(code) {
                Some(route) => Ok(route.as_bytes()),
                None => Err(MessageError::UnknownCode),
            },
        }
    }

    /// Returns the number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.as_ref().map_or(0, |e| e.codes.len())
    }

    /// Whether there is no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_none()
    }

    /// Returns every entry, sorted by the bytes of its route, as in the handshake.
    #[must_use]
    pub fn sorted(&self) -> Vec<(&str, u16)> {
        let mut all: Vec<_> =
            self.entries.iter().flat_map(|e| e.codes.iter().map(|(route, code)| (&**route, *code))).collect();
        all.sort_unstable();
        all
    }
}

/// Equal entries; whether codes may be written is not compared.
impl PartialEq for Dictionary {
    fn eq(&self, other: &Self) -> bool {
        self.sorted() == other.sorted()
    }
}

impl Eq for Dictionary {}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(entries: &[(&str, u16)]) -> Result<Dictionary, DictionaryError> {
        Dictionary::new(entries.iter().map(|(r, c)| ((*r).to_owned(), *c)))
    }

    #[test]
    fn a_route_is_trimmed_and_found_both_ways() {
        let d = made(&[(" a.b \n", 1), ("c", 65_535)]).unwrap();
        assert_eq!((d.code("a.b"), d.code(" a.b "), d.len()), (Some(1), None, 2));
        assert_eq!((d.route(65_535), d.route(2)), (Some("c"), None));
        assert_eq!(d.sorted(), [("a.b", 1), ("c", 65_535)]);
    }

    #[test]
    fn a_route_or_a_code_given_twice_is_refused_by_name() {
        let text = |entries: &[_]| made(entries).unwrap_err().to_string();
        assert_eq!(text(&[("a", 1), (" a", 2)]), "duplicated route(route: a, code: 2)");
        assert_eq!(text(&[("a", 1), ("b", 1)]), "duplicated route(route: b, code: 1)");
    }

    #[test]
    fn inbound_dictionary_reads_codes_writes_names() {
        let d = made(&[("a", 1)]).unwrap();
        assert_eq!(d.outgoing("a"), Route::Code(1));
        let d = d.inbound_only(true);
        assert_eq!(d.outgoing("a"), Route::Name(b"a"));
        assert_eq!(d.resolve(Route::Code(1)), Ok(&b"a"[..]));
    }

    #[test]
    fn the_empty_dictionary_knows_no_code_and_no_route() {
        let d = made(&[]).unwrap();
        assert!(d.is_empty() && d == Dictionary::default());
        assert_eq!(d.resolve(Route::Code(0)), Err(MessageError::UnknownCode));
        assert_eq!(d.resolve(Route::None), Ok(&b""[..]));
        assert_eq!(d.outgoing("x"), Route::Name(b"x"));
    }
}
