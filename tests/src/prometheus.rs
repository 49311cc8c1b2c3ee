//! A real Prometheus that scrapes a server of a test.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::programs::free_port;
use crate::{PATIENCE, soon};

/// A Prometheus that scrapes one server five times a second. It is killed when it is dropped.
#[derive(Debug)]
pub struct Prometheus {
    _child: Child,
    _dir: tempfile::TempDir,
    at: SocketAddr,
}

impl Prometheus {
    /// Starts a Prometheus that scrapes `/metrics` of this address.
    ///
    /// # Panics
    /// If it is not installed or does not listen.
    pub async fn start(target: SocketAddr) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("prometheus.yml");
        let config = format!(
            "global:\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\nscrape_configs:\n- job_name: pitaya\n  static_configs:\n  - targets: ['{target}']\n"
        );
        std::fs::write(&file, config).expect("the configuration is written");
        let at = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .arg(format!("--web.listen-address={at}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus is installed");
        soon("prometheus to listen", async {
            while TcpStream::connect(at).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        Self { _child: child, _dir: dir, at }
    }

    /// Returns the result of a query: the labels of each series with its value. Fails with the text of the error.
    ///
    /// # Errors
    /// If Prometheus refuses the query.
    ///
    /// # Panics
    /// If Prometheus does not answer.
    pub async fn query(&self, query: &str) -> Result<Vec<(Value, f64)>, String> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        // HTTP/1.0, so that the answer is not sent in chunks
        let mut stream = TcpStream::connect(self.at).await.expect("prometheus listens");
        let request = format!("GET /api/v1/query?query={encoded} HTTP/1.0\r\nHost: test\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("the query is sent");
        let mut answer = String::new();
        soon("an answer of prometheus", stream.read_to_string(&mut answer)).await.expect("the answer comes");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let Ok(answer) = serde_json::from_str::<Value>(body) else {
            // In plain text while it starts.
            return Ok(Vec::new());
        };
        if answer["status"] != "success" {
            return Err(answer["error"].to_string());
        }
        let result = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        let value = |series: &Value| series["value"][1].as_str().and_then(|it| it.parse().ok());
        Ok(result
            .into_iter()
            .map(|series| (series["metric"].clone(), value(&series).expect("a number")))
            .collect())
    }

    /// Waits until the query gives one series with this value, and returns its labels.
    ///
    /// # Panics
    /// If it does not within [`PATIENCE`].
    pub async fn finds(&self, query: &str, value: f64) -> Value {
        let mut last = Ok(Vec::new());
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                last = self.query(query).await;
                if let Ok([(labels, found)]) = last.as_deref()
                    && *found == value
                {
                    return labels.clone();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        found.unwrap_or_else(|_| panic!("{query} is not {value} but {last:?}"))
    }
}
