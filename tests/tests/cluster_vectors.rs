//! The vectors of the cluster that need no server, against `pitaya::cluster` and what it is made of.

use std::fmt::Debug;
use std::time::Duration;

use pitaya::cluster::protos::*;
use pitaya::cluster::request::{InboundRequest, session_data, write_session_data};
use pitaya::cluster::{Server, grpc_address_keys, key, response, subject};
use pitaya::context::Metadata;
use pitaya::wire::json;
use pitaya::{go_duration, group, route};
use pitaya_tests::vectors::{self, Case, Checked, run, same_json};
use prost::Message;
use serde_json::{Value, json};

#[path = "cluster_vectors/messages.rs"]
mod messages;

use messages::{FromFields, make};

fn text(error: impl ToString) -> String {
    error.to_string()
}

const PROTO: &str = include_str!("../../docs/pitaya.proto");

#[test]
fn every_kind_runs_and_asserts() {
    vectors::complete(
        "cluster_vectors",
        &[
            ("protobuf", vectors_protobuf),
            ("recorded_from_go", vectors_recorded_from_go),
            ("strings", vectors_strings),
            ("go_duration_format", vectors_go_duration_format),
            ("go_duration_parse", vectors_go_duration_parse),
            ("go_route_decode", vectors_go_route_decode),
            ("go_server_json", vectors_go_server_json),
            ("go_server_json_parse", vectors_go_server_json_parse),
            ("go_metadata_encode", vectors_go_metadata_encode),
            ("go_json_number_after_one_hop", vectors_go_json_number_after_one_hop),
            ("grpc_address_choice", vectors_grpc_address_choice),
        ],
    );
}

#[test]
fn every_cluster_kind_is_known() {
    let suite = &vectors::CLUSTER;
    assert_eq!(vectors::unclaimed(suite, &vectors::load(suite)), [""; 0]);
}

/// A message is read as the entry has it, and written as its bytes.
fn message<T: Message + FromFields + Default + PartialEq + Debug>(case: &Case<'_>) -> Checked {
    let bytes = case.hex("hex")?;
    let fields = case.get("fields")?;
    let want: T = make(fields)?;
    let got = T::decode(&*bytes).map_err(text)?;
    case.same("decoded", &got, &want)?;
    let written = want.encode_to_vec();
    let pairs = fields.pointer("/error/metadata").or_else(|| fields.get("metadata"));
    if pairs.and_then(Value::as_object).is_some_and(|pairs| pairs.len() > 1) {
        // Entries of a map have no order.
        let again = T::decode(&*written).map_err(text)?;
        case.same("there and back", &again, &want)?;
        return case.same("length", &written.len(), &bytes.len());
    }
    case.bytes("encoded", &written, &bytes)
}

fn any_message(case: &Case<'_>) -> Checked {
    match case.str("message")? {
        "protos.Error" => message::<Error>(case),
        "protos.Session" => message::<Session>(case),
        "protos.Msg" => message::<Msg>(case),
        "protos.Request" => message::<Request>(case),
        "protos.Response" => message::<Response>(case),
        "protos.Push" => message::<Push>(case),
        "protos.KickMsg" => message::<KickMsg>(case),
        "protos.KickAnswer" => message::<KickAnswer>(case),
        "protos.BindMsg" => message::<BindMsg>(case),
        "protos.Doc" => message::<Doc>(case),
        "protos.DocMsg" => message::<DocMsg>(case),
        "protos.ProtoDescriptor" => message::<ProtoDescriptor>(case),
        "protos.ProtoName" => message::<ProtoName>(case),
        "protos.ProtoDescriptors" => message::<ProtoDescriptors>(case),
        "protos.ProtoNames" => message::<ProtoNames>(case),
        other => Err(format!("no test knows the message {other}")),
    }
}

#[test]
fn vectors_protobuf() {
    run("protobuf", any_message);
}

#[test]
fn vectors_recorded_from_go() {
    run("recorded_from_go", |case| {
        any_message(case)?;
        let bytes = case.hex("hex")?;
        let subject = case.str("subject")?;
        match case.str("message")? {
            "protos.Request" => {
                let parts: Vec<&str> = subject.split('/').collect();
                let [_, _, server_type, id] = parts[..] else { return Err(format!("the subject {subject}")) };
                let want = subject::rpc(server_type, id).map_err(text)?;
                case.same("subject", &subject, &&*want)?;
                recorded_request(case, bytes)
            }
            "protos.Response" => {
                let error = case.get("fields")?.get("error");
                let got = response::read(bytes.into());
                case.same("is an error", &got.is_err(), &error.is_some())?;
                let Err(got) = got else { return Ok(()) };
                let field = |name| error.and_then(|error| error[name].as_str()).unwrap_or_default();
                case.same("code", &got.code(), &field("code"))?;
                case.same("text", &got.msg(), &field("msg"))
            }
            "protos.Push" => {
                let parts: Vec<&str> = subject.split('/').collect();
                let [_, frontend_type, ..] = parts[..] else { return Err(format!("the subject {subject}")) };
                let push = Push::decode(&*bytes).map_err(text)?;
                let want = subject::push(frontend_type, &push.uid).map_err(text)?;
                case.same("subject", &subject, &&*want)
            }
            "protos.KickMsg" => {
                let parts: Vec<&str> = subject.split('/').collect();
                let [_, frontend_type, ..] = parts[..] else { return Err(format!("the subject {subject}")) };
                let kick = KickMsg::decode(&*bytes).map_err(text)?;
                let want = subject::kick(frontend_type, &kick.user_id).map_err(text)?;
                case.same("subject", &subject, &&*want)
            }
            "protos.BindMsg" => {
                let parts: Vec<&str> = subject.split('/').collect();
                let [_, server_type, _] = parts[..] else { return Err(format!("the subject {subject}")) };
                let want = subject::bindings(server_type).map_err(text)?;
                case.same("subject", &subject, &&*want)?;
                let bind = BindMsg::decode(&*bytes).map_err(text)?;
                case.holds("it names a user and a frontend", !bind.uid.is_empty() && !bind.fid.is_empty())?;
                case.same("Go Pitaya sends no time", &bind.bound_at, &0)
            }
            other => Err(format!("no test knows a recorded {other}")),
        }
    });
}

/// The JSON in a request is read and written again, byte by byte.
fn recorded_request(case: &Case<'_>, bytes: Vec<u8>) -> Checked {
    let request = Request::decode(&*bytes).map_err(text)?;
    let got = InboundRequest::decode(bytes.into()).map_err(text)?;
    let msg = request.msg.unwrap_or_default();
    case.same("route", &got.route, &msg.route)?;
    case.same("argument", &got.data, &msg.data)?;
    case.same("frontend", &got.frontend_id, &request.frontend_id)?;
    case.bytes("context", &got.metadata.encode(), &request.metadata)?;
    if let Some(session) = request.session.filter(|session| !session.data.is_empty()) {
        let data = session_data(&session.data).map_err(text)?;
        case.bytes("session data", &write_session_data(&data), &session.data)?;
    }
    Ok(())
}

#[test]
fn vectors_strings() {
    run("strings", |case| match case.str("of")? {
        "etcd" => {
            let made = match case.str("what")? {
                "server key" => key::server(case.str("type")?, case.str("id")?).map_err(text)?,
                "binding key" => key::binding(case.str("frontendType")?, case.str("uid")?).map_err(text)?,
                "group key" => group::key::group(case.str("group")?),
                "group member key" => group::key::member(case.str("group")?, case.str("uid")?),
                what if what.starts_with("health probe key") => key::HEALTH_CHECK.to_owned(),
                what => return Err(format!("no test knows a {what}")),
            };
            case.same("key", &&*(case.str("prefix")?.to_owned() + &made), &case.str("key")?)
        }
        "nats_subjects" => {
            let made = match case.str("what")? {
                "rpc" => subject::rpc(case.str("type")?, case.str("id")?),
                "push" => subject::push(case.str("frontendType")?, case.str("uid")?),
                "kick" => subject::kick(case.str("frontendType")?, case.str("uid")?),
                "bindings" => subject::bindings(case.str("type")?),
                what => return Err(format!("no test knows the subject of a {what}")),
            };
            case.same("subject", &&*made.map_err(text)?, &case.str("subject")?)
        }
        "grpc_methods" => {
            let part = |before, end| PROTO.split_once(before).and_then(|(_, rest)| rest.split_once(end));
            let package = part("\npackage ", ";").ok_or("no package")?.0;
            let (service, methods) = part("\nservice ", " {").ok_or("no service")?;
            let method = case.str("text")?.rsplit('/').next().unwrap_or_default();
            case.holds("our file has the method", methods.contains(&format!("rpc {method}(")))?;
            case.same("path", &&*format!("/{package}.{service}/{method}"), &case.str("text")?)
        }
        other => Err(format!("no test knows strings of {other}")),
    });
}

#[test]
fn vectors_grpc_address_choice() {
    run("grpc_address_choice", |case| {
        let metadata = case.get("metadata")?.as_object().ok_or("no metadata")?;
        let server = metadata.iter().fold(Server::new("room", "a"), |server, (key, value)| {
            server.with_metadata(key, value.as_str().unwrap_or_default())
        });
        let (host, port) = grpc_address_keys(&server, case.str("client_region")?);
        let host = server.metadata.get(host).map_or("", String::as_str);
        case.same("host", &host, &case.str("host")?)?;
        case.same("port key", &port, &case.str("port_key")?)
    });
}

#[test]
fn vectors_go_duration_format() {
    run("go_duration_format", |case| {
        case.same("text", &&*go_duration::format(case.i64("ns")?), &case.str("string")?)
    });
}

#[test]
fn vectors_go_duration_parse() {
    run("go_duration_parse", |case| match go_duration::parse(case.str("string")?) {
        Ok(nanos) => case.same("nanoseconds", &nanos, &case.i64("ns")?),
        Err(error) => case.same("error", &&*error.to_string(), &case.str("error")?),
    });
}

#[test]
fn vectors_go_route_decode() {
    run("go_route_decode", |case| {
        let parts = match route::parse(case.str("route")?) {
            Ok(parts) => parts,
            Err(error) => return case.same("error", &&*error.to_string(), &case.str("error")?),
        };
        case.same("server type", &parts.server.unwrap_or_default(), &case.str("svType")?)?;
        case.same("service", &parts.service, &case.str("service")?)?;
        case.same("method", &parts.method, &case.str("method")?)?;
        let short = format!("{}.{}", parts.service, parts.method);
        case.same("short", &&*short, &case.str("short")?)?;
        let whole = parts.server.map_or(short.clone(), |server| format!("{server}.{short}"));
        case.same("whole", &&*whole, &case.str("string")?)
    });
}

#[test]
fn vectors_go_server_json() {
    run("go_server_json", |case| {
        let want = case.str("json")?;
        let server = Server::from_json(want.as_bytes()).map_err(text)?;
        let got = String::from_utf8(server.to_json()).map_err(text)?;
        // There is no server without metadata here, only one with none in it.
        case.same("written", &got, &want.replace("\"metadata\":null", "\"metadata\":{}"))
    });
}

#[test]
fn vectors_go_server_json_parse() {
    run("go_server_json_parse", |case| {
        let json = case.str("json")?;
        let got = Server::from_json(json.as_bytes());
        if let Some(Value::Object(want)) = case.opt("result") {
            let got = got.map_err(text)?;
            let got = json!({
                "id": &*got.id, "type": &*got.server_type, "frontend": got.frontend, "hostname": got.hostname,
                "metadata": if want["metadata"].is_null() && got.metadata.is_empty() { Value::Null } else { json!(got.metadata) },
            });
            return case.same("read", &got, &Value::Object(want.clone()));
        }
        // It is refused, also where Go Pitaya takes nothing for a server and crashes; but no metadata may be written
        // as an empty string, as other implementations do.
        let tolerated = serde_json::from_str(json).is_ok_and(|value: Value| value["metadata"] == "");
        case.same("refused", &got.is_err(), &!tolerated)
    });
}

#[test]
fn vectors_go_metadata_encode() {
    run("go_metadata_encode", |case| {
        let want = case.str("json")?;
        if want.is_empty() {
            case.bytes("nothing", &Metadata::new().encode(), b"")?;
            return case.holds("nothing is refused", Metadata::decode(b"").is_err());
        }
        let read = Metadata::decode(want.as_bytes()).map_err(text)?;
        case.bytes("written again", &read.encode(), want.as_bytes())?;
        if read.keys().eq(["peer.id", "peer.service", "reqTimeout"]) {
            let made = Metadata::new().for_call(
                read.peer_id().unwrap_or_default(),
                read.peer_service().unwrap_or_default(),
                read.timeout().unwrap_or(Duration::ZERO),
            );
            case.bytes("made", &made.encode(), want.as_bytes())?;
        }
        Ok(())
    });
}

#[test]
fn vectors_go_json_number_after_one_hop() {
    run("go_json_number_after_one_hop", |case| {
        let (before, after) = (case.str("in")?, case.str("out")?);
        case.same("the error of Go Pitaya", &case.str("err")?, &"<nil>")?;
        // Go Pitaya reads a number as floating point. Its result equals ours for that floating-point number.
        let number: f64 = before.parse().map_err(text)?;
        let mut out = Vec::new();
        json::write(&mut out, &number).map_err(text)?;
        case.same("as Go Pitaya writes it", &String::from_utf8(out).map_err(text)?.as_str(), &after)?;
        // Here a number is the same after any number of hops, if none of them is Go Pitaya.
        let data = session_data(format!("{{\"n\":{before}}}").as_bytes()).map_err(text)?;
        let again = session_data(&write_session_data(&data)).map_err(text)?;
        case.holds("the same after another hop", same_json(&again["n"], &data["n"]))?;
        let theirs: Value = serde_json::from_str(after).map_err(text)?;
        case.holds("theirs is ours", same_json(&data["n"], &theirs))
    });
}
