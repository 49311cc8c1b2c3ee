//! Reads of all keys with a prefix, in answers of a bounded size.

use etcd_client::{Compare, Error as EtcdError, GetOptions, GetResponse, Txn, TxnOp, TxnOpResponse};

use super::{Connection, code, status};

/// The most keys of one answer.
const PAGE: i64 = 5_000;

/// How often a read restarts after etcd has compacted its revision.
const ANEW: u32 = 3;

/// All keys with a prefix, as of one revision.
pub(crate) struct Pages {
    pub(crate) revision: i64,
    pub(crate) pages: Vec<GetResponse>,
}

impl Pages {
    /// Reads them if `when` holds. Returns `None` if it does not.
    pub(crate) async fn read(
        connection: &Connection,
        prefix: &str,
        keys_only: bool,
        when: &[Compare],
    ) -> Result<Option<Self>, EtcdError> {
        let mut began = 1;
        loop {
            match Self::once(connection, prefix, keys_only, when).await {
                Err(error) if code(&error) == Some(status::OUT_OF_RANGE) && began < ANEW => began += 1,
                read => return read,
            }
        }
    }

    async fn once(
        connection: &Connection,
        prefix: &str,
        keys_only: bool,
        when: &[Compare],
    ) -> Result<Option<Self>, EtcdError> {
        let mut kv = connection.kv();
        let end = end_of(prefix.as_bytes());
        let options = || {
            let options = GetOptions::new().with_range(end.clone()).with_limit(PAGE);
            if keys_only { options.with_keys_only() } else { options }
        };
        let first = Txn::new().when(when).and_then([TxnOp::get(prefix, Some(options()))]);
        let done = kv.txn(first).await?;
        if !done.succeeded() {
            return Ok(None);
        }
        // Without a revision the pages could belong to different ones.
        let Some(revision) = done.header().map(|header| header.revision()).filter(|revision| *revision > 0)
        else {
            return Err(EtcdError::Internal("an answer has no revision; is it etcd?".to_owned()));
        };
        let mut pages = Vec::new();
        let mut next = done.op_responses().into_iter().find_map(|response| match response {
            TxnOpResponse::Get(page) => Some(page),
            _ => None,
        });
        while let Some(page) = next.take() {
            if let Some(last) = page.kvs().last().filter(|_| page.more()) {
                // The first key after the last one.
                let mut from = last.key().to_vec();
                from.push(0);
                next = Some(kv.get(from, Some(options().with_revision(revision))).await?);
            }
            pages.push(page);
        }
        Ok(Some(Self { revision, pages }))
    }
}

/// Returns the first key after a prefix. A single zero byte means the end of all keys.
fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return end;
        }
    }
    vec![0]
}

#[cfg(test)]
mod tests {
    use super::end_of;

    #[test]
    fn a_range_ends_after_all_keys_with_the_prefix() {
        assert_eq!(end_of(b"groups/a/uids/"), b"groups/a/uids0");
        assert_eq!(end_of(b"a\xff\xff"), b"b");
        assert_eq!(end_of(b"\xff"), [0]);
        assert_eq!(end_of(b""), [0]);
    }
}
