//! The last recoded push of another server.

use bytes::Bytes;

use crate::error::Result;
use crate::serialize::Serializer;
use crate::util::sync::Mutex;

/// The longest push that is remembered, in bytes before recoding.
const REMEMBERED: usize = 64 * 1024;

/// Remembers the last push that was recoded.
///
/// With servers of Go Pitaya in the cluster, a push to many users arrives as one message for each user. These messages
/// follow each other, so that remembering one body, in each serializer of the clients, saves almost all of the work.
#[derive(Debug, Default)]
pub(super) struct LastRecoded(Mutex<Option<Last>>);

#[derive(Debug)]
struct Last {
    route: Box<str>,
    body: Bytes,
    recoded: Vec<(Serializer, Bytes)>,
}

impl LastRecoded {
    /// Returns a body in another serializer. Calls `recode` unless this was the last push.
    ///
    /// # Errors
    /// Those of `recode`, which are not remembered.
    pub(super) fn get_or(
        &self,
        route: &str,
        body: &Bytes,
        to: &Serializer,
        recode: impl FnOnce() -> Result<Bytes>,
    ) -> Result<Bytes> {
        let found = self
            .0
            .lock()
            .as_ref()
            .filter(|last| last.is(route, body))
            .and_then(|last| last.in_serializer(to));
        if let Some(found) = found {
            return Ok(found);
        }
        let recoded = recode()?;
        if body.len() <= REMEMBERED {
            let mut last = self.0.lock();
            let entry = (to.clone(), recoded.clone());
            match &mut *last {
                // Another thread may have recoded it in the meantime.
                Some(last) if last.is(route, body) && last.in_serializer(to).is_none() => {
                    last.recoded.push(entry)
                }
                Some(last) if last.is(route, body) => {}
                last => *last = Some(Last { route: route.into(), body: body.clone(), recoded: vec![entry] }),
            }
        }
        Ok(recoded)
    }
}

impl Last {
    fn is(&self, route: &str, body: &Bytes) -> bool {
        &*self.route == route && self.body == *body
    }

    fn in_serializer(&self, to: &Serializer) -> Option<Bytes> {
        self.recoded.iter().find(|(serializer, _)| serializer.is(to)).map(|(_, recoded)| recoded.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn same_push_is_recoded_once() {
        let (last, mut calls) = (LastRecoded::default(), 0);
        let (a, b) = (Bytes::from_static(b"a"), Bytes::from_static(b"b"));
        let mut get = |route: &str, body: &Bytes, to: &Serializer| {
            let recode = || {
                calls += 1;
                Ok(Bytes::from(format!("{route} {to:?}")))
            };
            (last.get_or(route, body, to, recode).unwrap(), calls)
        };
        let json = Serializer::Json;
        let first = ("onA json".into(), 1);
        assert_eq!(get("onA", &a, &json), first);
        assert_eq!(get("onA", &Bytes::copy_from_slice(b"a"), &json), first);
        assert_eq!(get("onA", &b, &json), ("onA json".into(), 2));
        assert_eq!(get("onB", &b, &json), ("onB json".into(), 3));
        assert_eq!(get("onB", &b, &Serializer::MessagePack), ("onB msgpack".into(), 4));
        assert_eq!(get("onB", &b, &json), ("onB json".into(), 4));
    }

    #[test]
    fn failures_and_long_bodies_are_not_remembered() {
        let last = LastRecoded::default();
        let long = Bytes::from(vec![0; REMEMBERED + 1]);
        last.get_or("onA", &long, &Serializer::Json, || Ok(Bytes::new())).unwrap();
        assert!(last.get_or("onA", &long, &Serializer::Json, || Err(Error::internal("again"))).is_err());
        assert!(last.0.lock().is_none());
    }
}
