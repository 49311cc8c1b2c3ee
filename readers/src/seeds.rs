//! The corpus that the fuzzers begin with: from the golden vectors, and from the examples and shapes of the readers.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use serde_json::Value;

use crate::READERS;
use crate::inputs::generated;

/// Kind of vectors; fields, which are texts, or hex if their names say so; readers of these; readers of what is behind
/// the header of a packet.
type Row = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

/// Which readers the vectors are for.
const FIELDS: &[Row] = &[
    ("packet_decode", &["hex"], &["packets"], &["messages"]),
    ("packet_encode", &["hex"], &["packets"], &[]),
    ("tcp_stream", &["hex", "messages_hex"], &["packets"], &["messages"]),
    ("ws_message", &["hex"], &["packets", "websocket_frames"], &[]),
    ("message_decode", &["hex"], &["messages"], &[]),
    ("message_encode", &["hex", "data_hex"], &["messages", "zlib"], &[]),
    ("compression", &["hex", "inflated_hex"], &["zlib"], &[]),
    (
        "handshake_request",
        &["json", "packet_hex"],
        &["handshake", "json_repair", "packets"],
        &["handshake", "json_repair"],
    ),
    ("handshake_response", &["json", "packet_hex"], &["handshake_reply", "packets"], &["handshake_reply"]),
    ("error_payload", &["json", "protobuf_hex"], &["bodies", "cluster_answers", "json_repair"], &[]),
    ("route_decode", &["route"], &["routes"], &[]),
    ("conversation", &["hex"], &["packets"], &["messages", "handshake", "handshake_reply"]),
    ("protobuf", &["hex"], &["cluster_requests", "cluster_answers", "cluster_pushes", "bodies"], &[]),
    ("recorded_from_go", &["hex"], &["cluster_requests", "cluster_answers", "cluster_pushes"], &[]),
    ("go_answers", &["request_hex", "response_hex"], &["cluster_requests", "cluster_answers"], &[]),
    ("go_duration_format", &["string"], &["durations"], &[]),
    ("go_duration_parse", &["string", "text"], &["durations"], &[]),
    ("go_route_decode", &["route"], &["routes"], &[]),
    ("go_server_json", &["json"], &["etcd_values", "json_repair"], &[]),
    ("go_server_json_parse", &["json"], &["etcd_values", "json_repair"], &[]),
    ("go_metadata_encode", &["json"], &["context", "session_data"], &[]),
];

/// Returns the seeds of each reader, from the vectors in these JSON texts and from what the readers themselves have.
///
/// # Errors
/// A text is not a JSON object, hex is not hex, or a kind has none of its fields any more.
pub fn seeds(vectors: &[String]) -> Result<BTreeMap<&'static str, BTreeSet<Vec<u8>>>, String> {
    let mut all: BTreeMap<&str, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for reader in READERS {
        let of = all.entry(reader.name).or_default();
        of.extend(reader.examples.iter().map(|example| example.to_vec()));
        for len in [64, 300, 1500] {
            of.extend(reader.shapes.iter().map(|shape| shape.input(len.min(reader.longest))));
            of.extend((0..8).map(|seed| generated(reader, seed, len.min(reader.longest))));
        }
    }
    let mut found = BTreeSet::new();
    for text in vectors {
        let file: BTreeMap<String, Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        for (kind, fields, readers, bodies) in FIELDS {
            let Some(entries) = file.get(*kind) else { continue };
            let mut inputs = Vec::new();
            collect(entries, fields, &mut inputs)?;
            if !inputs.is_empty() {
                found.insert(*kind);
            }
            for input in inputs {
                for body in *bodies {
                    all.entry(body).or_default().extend(input.get(4..).map(<[u8]>::to_vec));
                }
                for reader in *readers {
                    all.entry(reader).or_default().insert(input.clone());
                }
            }
        }
    }
    match FIELDS.iter().find(|(kind, ..)| !found.contains(kind)) {
        Some((kind, ..)) => Err(format!("the vectors have no seeds of the kind `{kind}`")),
        None => Ok(all),
    }
}

/// All values of these fields, however deep.
fn collect(value: &Value, fields: &[&str], out: &mut Vec<Vec<u8>>) -> Result<(), String> {
    match value {
        Value::Array(entries) => entries.iter().try_for_each(|entry| collect(entry, fields, out)),
        Value::Object(entry) => entry.iter().try_for_each(|(name, value)| {
            if !fields.contains(&name.as_str()) {
                return collect(value, fields, out);
            }
            let texts = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            for text in texts.iter().filter_map(Value::as_str) {
                out.push(if name.ends_with("hex") { unhex(text)? } else { text.as_bytes().to_vec() });
            }
            Ok(())
        }),
        _ => Ok(()),
    }
}

fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).ok());
    digits
        .map(|pair| {
            u8::from_str_radix(pair.unwrap_or_default(), 16).map_err(|error| format!("{text}: {error}"))
        })
        .collect()
}

/// Reads the texts of all vectors in a folder.
///
/// # Errors
/// The folder or a file cannot be read.
pub fn vectors(folder: &Path) -> io::Result<Vec<String>> {
    let mut files: Vec<_> = std::fs::read_dir(folder)?.collect::<io::Result<_>>()?;
    files.retain(|file| file.path().extension().is_some_and(|ending| ending == "json"));
    files.sort_by_key(std::fs::DirEntry::path);
    files.iter().map(|file| std::fs::read_to_string(file.path())).collect()
}
