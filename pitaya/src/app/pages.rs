//! The answers of the HTTP server: `/livez`, `/readyz` and `/metrics`.

use std::io::Write as _;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

use super::cached::Cached;
use super::{App, Inner};
use crate::http::{Request, Response, StatusCode, header, plain};
use crate::metrics::Reporter;

/// The longest `Accept` header that is read.
const LONGEST_ACCEPT: usize = 512;
/// The smallest answer that is compressed, in bytes.
const COMPRESSED: usize = 1024;
/// The most answers that are kept for waiting scrapers: one for each format, with and without gzip.
const KEPT: usize = 4;

pub(super) struct Pages {
    app: Weak<Inner>,
    reporters: Vec<Arc<dyn Reporter>>,
    cluster: Cached<Option<&'static str>>,
    /// The last answers. One is written at a time, and serves all requests that came before it was begun.
    written: Arc<Mutex<Vec<Written>>>,
}

/// An answer to `/metrics`.
struct Written {
    accept: String,
    /// Whether the scraper accepts gzip.
    gzip: bool,
    compressed: bool,
    began: Instant,
    content_type: &'static str,
    body: Bytes,
}

/// A reporter panicked. The panic hook has logged the reason.
struct Panicked;

impl Pages {
    pub(super) fn new(app: &App) -> Self {
        Self {
            app: Arc::downgrade(&app.inner),
            reporters: app.inner.metrics.reporters().to_vec(),
            cluster: Cached::default(),
            written: Arc::default(),
        }
    }

    /// Answers all paths.
    pub(super) async fn all(&self, request: Request) -> Response {
        match request.path() {
            "/livez" => plain(StatusCode::OK, "live\n"),
            "/readyz" => match self.unready().await {
                None => plain(StatusCode::OK, "ready\n"),
                Some(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
            },
            _ => self.metrics(request).await,
        }
    }

    /// Answers `/metrics` only.
    pub(super) async fn metrics(&self, request: Request) -> Response {
        if request.path() != "/metrics" {
            return plain(StatusCode::NOT_FOUND, "not found\n");
        }
        let accept = request.header(header::ACCEPT);
        let accept = if accept.len() <= LONGEST_ACCEPT { accept } else { "" };
        let gzip = accepts_gzip(request.header(header::ACCEPT_ENCODING));
        let came = Instant::now();
        let mut written = Arc::clone(&self.written).lock_owned().await;
        written.retain(|answer| answer.began >= came);
        if let Some(answer) = written.iter().find(|answer| answer.accept == accept && answer.gzip == gzip) {
            return answer.response();
        }
        match self.write(written, accept.to_owned(), gzip).await {
            Ok(Some(response)) => response,
            Ok(None) => plain(StatusCode::NOT_FOUND, "this server has no reporter that can be read\n"),
            Err(Panicked) => plain(StatusCode::INTERNAL_SERVER_ERROR, "a reporter panicked\n"),
        }
    }

    /// Writes an answer, on a thread for blocking work.
    ///
    /// The work holds the lock, so that only one runs also if scrapers hang up.
    async fn write(
        &self,
        mut written: OwnedMutexGuard<Vec<Written>>,
        accept: String,
        gzip: bool,
    ) -> Result<Option<Response>, Panicked> {
        let (began, reporters) = (Instant::now(), self.reporters.clone());
        let write = move || {
            let scrape = reporters.iter().find_map(|reporter| reporter.scrape(&accept))?;
            let compress = gzip && scrape.body.len() >= COMPRESSED;
            let body = if compress { compressed(&scrape.body).into() } else { Bytes::from(scrape.body) };
            let content_type = scrape.content_type;
            let answer = Written { accept, gzip, compressed: compress, began, content_type, body };
            let response = answer.response();
            if written.len() >= KEPT {
                written.remove(0);
            }
            written.push(answer);
            Some(response)
        };
        tokio::task::spawn_blocking(write).await.map_err(|_| Panicked)
    }

    /// Returns the reason why this server takes no new work.
    async fn unready(&self) -> Option<&'static str> {
        let Some(inner) = self.app.upgrade() else { return Some("the server has stopped") };
        if inner.shutdown.is_cancelled() {
            return Some("the server is stopping");
        }
        if let Some(why) = inner.watch.unready() {
            return Some(why);
        }
        let node = inner.node.clone()?;
        drop(inner);
        let said = self.cluster.get(async move { node.unreachable().await }).await;
        said.unwrap_or(Some("the discovery does not answer"))
    }
}

impl Written {
    fn response(&self) -> Response {
        crate::http::ok(self.content_type, self.compressed, self.body.clone())
    }
}

/// Returns whether an `Accept-Encoding` header allows gzip.
fn accepts_gzip(header: &str) -> bool {
    header.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named = matches!(parts.next(), Some("gzip" | "x-gzip" | "*"));
        let refused = parts.any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0)));
        named && !refused
    })
}

fn compressed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing into memory does not fail.
    let _ = encoder.write_all(text.as_bytes());
    encoder.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::accepts_gzip;

    #[test]
    fn gzip_is_used_where_it_is_accepted() {
        for (header, accepted) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("*", true),
            ("", false),
            ("identity", false),
            ("gzip;q=0", false),
            ("gzip;q=0.0, br", false),
        ] {
            assert_eq!(accepts_gzip(header), accepted, "{header}");
        }
    }
}
