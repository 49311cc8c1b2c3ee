//! Reads what a server says over HTTP, strictly.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::soon;

/// An answer over HTTP.
#[derive(Debug)]
pub struct Answer {
    /// The status, such as 200.
    pub status: u16,
    /// The headers, with names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, inflated if it was compressed.
    pub body: String,
}

/// Sends `GET` with these headers, and reads the answer.
pub async fn get(at: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask(at, "GET", path, headers).await
}

/// Sends a request without a body, and reads the answer to the end of the connection.
pub async fn ask(at: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut stream = TcpStream::connect(at).await.expect("a server listens");
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.expect("the request is sent");
    read(&mut stream).await
}

/// Reads an answer to the end of the connection.
async fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    soon("an answer over HTTP", stream.read_to_end(&mut bytes)).await.expect("the answer comes");
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("the end of the head");
    let head = std::str::from_utf8(&bytes[..end]).expect("a head of text");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).expect("HTTP/1.1");
    let headers: BTreeMap<_, _> = lines
        .map(|line| line.split_once(": ").expect("a header"))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let body = &bytes[end + 4..];
    let mut text = String::new();
    match headers.get("content-encoding").map(String::as_str) {
        Some("gzip") => flate2::read::GzDecoder::new(body).read_to_string(&mut text).map(drop),
        Some(other) => panic!("unknown coding {other}"),
        None => {
            text = String::from_utf8(body.to_vec()).expect("a text");
            Ok(())
        }
    }
    .expect("a compressed text");
    Answer { status: status[..3].parse().expect("a status"), headers, body: text }
}

/// One metric of a scrape.
#[derive(Debug)]
pub struct Family {
    /// `counter`, `gauge`, `summary`, `histogram` or `unknown`.
    pub kind: String,
    /// The help text.
    pub help: String,
    /// Its samples, in order.
    pub samples: Vec<Sample>,
}

/// One line of a scrape.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The name, with its suffix.
    pub name: String,
    /// The labels in the order in which they are written.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: f64,
}

/// All metrics of a scrape, by name.
#[derive(Debug)]
pub struct Scrape(pub BTreeMap<String, Family>);

impl Scrape {
    /// Reads the Prometheus text format 0.0.4, or OpenMetrics 1.0.0.
    ///
    /// # Panics
    /// If a rule of the format is broken: the panic names the line.
    #[must_use]
    pub fn parse(text: &str, open_metrics: bool) -> Self {
        let text = if open_metrics {
            text.strip_suffix("# EOF\n").expect("OpenMetrics ends with # EOF")
        } else {
            assert!(!text.contains("# EOF"));
            text
        };
        assert!(text.is_empty() || text.ends_with('\n'), "the last line has an end");
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        let (mut current, mut seen) = (String::new(), BTreeSet::new());
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').unwrap_or_else(|| panic!("{line}"));
                let line = lines.next().expect("a type follows");
                let kind = line.strip_prefix("# TYPE ").and_then(|line| line.strip_prefix(name));
                let kind = kind.and_then(|kind| kind.strip_prefix(' ')).unwrap_or_else(|| panic!("{line}"));
                assert!(["counter", "gauge", "summary", "histogram", "unknown"].contains(&kind), "{line}");
                assert!(open_metrics || kind != "unknown", "{line}");
                let family = Family { kind: kind.to_owned(), help: help.to_owned(), samples: Vec::new() };
                assert!(families.insert(name.to_owned(), family).is_none(), "{name} comes twice");
                assert!(*current < *name, "{name} comes after {current}");
                name.clone_into(&mut current);
                continue;
            }
            let sample = sample(line);
            let family = families.get_mut(&current).unwrap_or_else(|| panic!("no family: {line}"));
            let suffix =
                sample.name.strip_prefix(&*current).unwrap_or_else(|| panic!("in {current}: {line}"));
            let allowed: &[&str] = match &*family.kind {
                "counter" if open_metrics => &["_total"],
                "summary" => &["", "_sum", "_count"],
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            assert!(allowed.contains(&suffix), "{} of a {}", sample.name, family.kind);
            let labels: BTreeSet<_> = sample.labels.iter().map(|(name, _)| name).collect();
            assert_eq!(labels.len(), sample.labels.len(), "a label comes twice: {line}");
            let identity = line.rsplit_once(' ').expect("a value").0.to_owned();
            assert!(seen.insert(identity), "it comes twice: {line}");
            family.samples.push(sample);
        }
        let scrape = Self(families);
        scrape.check();
        scrape
    }

    /// Checks what holds between the samples of a label set.
    fn check(&self) {
        for (name, family) in &self.0 {
            assert!(!family.samples.is_empty(), "{name} has no sample");
            for sample in &family.samples {
                if let Some(quantile) = sample.label("quantile") {
                    assert!((0.0..=1.0).contains(&quantile.parse::<f64>().expect("a share")), "{sample:?}");
                }
            }
            if family.kind != "histogram" {
                continue;
            }
            let (mut below, mut bound) = (0.0, f64::NEG_INFINITY);
            for sample in &family.samples {
                if let Some(le) = sample.label("le") {
                    let le: f64 = le.replace("+Inf", "inf").parse().expect("a bound");
                    assert!(le > bound && sample.value >= below, "{name}: buckets rise: {sample:?}");
                    (below, bound) = (sample.value, le);
                } else if sample.name.ends_with("_count") {
                    assert!(bound.is_infinite() && sample.value == below, "{name}: {sample:?}");
                    (below, bound) = (0.0, f64::NEG_INFINITY);
                }
            }
        }
    }

    /// The sum of the samples of this name that have these labels; `None` if there are none.
    #[must_use]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let all = self.0.values().flat_map(|family| &family.samples);
        all.filter(|sample| {
            sample.name == name && labels.iter().all(|(name, value)| sample.label(name) == Some(*value))
        })
        .map(|sample| sample.value)
        .reduce(|a, b| a + b)
    }
}

impl Sample {
    /// The value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn sample(line: &str) -> Sample {
    let at = line.find(['{', ' ']).unwrap_or_else(|| panic!("{line}"));
    let (name, mut rest) = line.split_at(at);
    assert!(is_name(name), "{line}");
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(is_name(label), "{line}");
            let (value, after) = quoted(after).unwrap_or_else(|| panic!("{line}"));
            labels.push((label.to_owned(), value));
            match after.split_at_checked(1) {
                Some((",", after)) => rest = after,
                Some(("}", after)) => break rest = after,
                _ => panic!("{line}"),
            }
        }
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("{line}"));
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        other => {
            assert!(other.bytes().all(|c| c.is_ascii_digit() || b"+-.e".contains(&c)), "{line}");
            other.parse().unwrap_or_else(|_| panic!("{line}"))
        }
    };
    Sample { name: name.to_owned(), labels, value }
}

/// The text up to the closing quotation mark, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                _ => return None,
            }),
            c => value.push(c),
        }
    }
    None
}
