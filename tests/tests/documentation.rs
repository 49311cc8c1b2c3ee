//! The documentation of routes, and the Protobuf files of messages, as clients of Go Pitaya read them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use flate2::read::GzDecoder;
use pitaya::acceptor::Tcp;
use pitaya::app::{Builder, Running};
use pitaya::cluster::protos;
use pitaya::cluster::{MemoryBroker, MemoryRegistry};
use pitaya::documentation::DocsRoutes;
use pitaya::prelude::*;
use pitaya::serialize::Serializer;
use pitaya_tests::raw_client::{Got, RawClient};
use pitaya_tests::server::config;
use prost::Message as _;
use serde_json::{Value, json};

/// Where a player stands.
#[message(proto)]
#[derive(PartialEq)]
struct Place {
    #[tag(1, sint32)]
    x: i32,
    #[tag(2)]
    y_axis: Option<f64>,
    #[tag(3, enum(Side))]
    side: i32,
}

#[message(proto)]
enum Side {
    None = 0,
    Left = 1,
}

#[message(proto)]
enum Mood {
    None = 0,
    Happy = 2,
}

/// Nests in itself.
#[message(proto)]
#[derive(PartialEq)]
struct Tree {
    #[tag(1)]
    name: String,
    #[tag(2)]
    children: Vec<Self>,
    #[tag(3)]
    places: BTreeMap<String, Place>,
    #[tag(4)]
    icon: Vec<u8>,
    #[tag(5)]
    home: Option<Place>,
    #[tag(6, enum(Mood))]
    moods: Vec<i32>,
    #[tag(7)]
    counts: BTreeMap<i32, u64>,
}

#[message]
struct Plain {
    level: u8,
    nick: Option<String>,
    any: Value,
}

#[derive(Component)]
struct Garden;

#[handler(server = "garden")]
impl Garden {
    pub async fn grow(&self, tree: Tree) -> Result<Place> {
        Ok(tree.home.unwrap_or_default())
    }

    pub async fn raw(&self, body: Bytes) -> Result<Bytes> {
        Ok(body)
    }

    pub async fn rest(&self) -> Result<()> {
        Ok(())
    }

    pub async fn note(&self, place: Place) {
        let _ = place;
    }
}

#[remote(server = "garden")]
impl Garden {
    pub async fn level(&self, plain: Plain) -> Result<Plain> {
        Ok(plain)
    }
}

fn garden() -> Builder {
    App::builder().config(config()).server_type("garden").acceptor(Tcp::new("127.0.0.1:0"))
}

/// Messages as objects of their fields.
#[tokio::test]
async fn documentation_without_names_is_that_of_go_pitaya() {
    let app = garden().start().await.unwrap();
    let place = json!({ "x": "int32", "y_axis": "float64", "side": "protos.Side" });
    let tree = json!({
        "name": "string",
        "children": ["*protos.Tree"],
        "places": "map[string]*protos.Place",
        "icon": "[]byte",
        "home": place,
        "moods": ["protos.Mood"],
        "counts": "map[int32]uint64",
    });
    let plain = json!({ "level": "uint8", "nick": "string", "any": "interface {}" });
    let expected = json!({
        "handlers": {
            "garden.garden.grow": { "input": tree, "output": [place, "error"] },
            "garden.garden.note": { "input": place, "output": [] },
            "garden.garden.raw": { "input": "[]byte", "output": ["[]byte", "error"] },
            "garden.garden.rest": { "input": null, "output": [{}, "error"] },
        },
        "remotes": {
            "garden.garden.level": { "input": plain, "output": [plain, "error"] },
        },
    });
    assert_eq!(app.app().documentation(false), expected);
    app.stop().await;
}

/// The remotes of the framework are those that a Go server of a cluster lists, byte for byte.
#[tokio::test]
async fn documentation_with_names_has_sys_remotes() {
    let (registry, broker) = (MemoryRegistry::default(), MemoryBroker::default());
    let app =
        garden().discovery(registry.discovery()).transport(broker.transport()).proto_package("game.proto");
    let app = app.start().await.unwrap();
    let documentation = app.app().documentation(true);
    let text = documentation.to_string();
    let session = r#"{"input":{"*protos.Session":{"data":"[]byte","id":"int64","uid":"string"}},"output":[{"*protos.Response":{"data":"[]byte","error":{"*protos.Error":{"code":"string","metadata":"map[string]string","msg":"string"}}}},"error"]}"#;
    for remote in ["bindsession", "pushsession"] {
        assert!(text.contains(&format!(r#""garden.sys.{remote}":{session}"#)), "{text}");
    }
    let kick = r#""garden.sys.kick":{"input":{"*protos.KickMsg":{"userId":"string"}},"output":[{"*protos.KickAnswer":{"kicked":"bool"}},"error"]}"#;
    assert!(text.contains(kick), "{text}");
    let note = r#""garden.garden.note":{"input":{"*game.proto.Place":{"side":"game.proto.Side","x":"int32","y_axis":"float64"}},"output":[]}"#;
    assert!(text.contains(note), "{text}");
    assert_eq!(
        documentation["handlers"]["garden.garden.rest"]["output"],
        json!([{ "*google.protobuf.Empty": {} }, "error"])
    );
    // Without a star, so that clients do not ask for its descriptor.
    assert!(text.contains(r#""garden.garden.level":{"input":{"game.proto.Plain":"#), "{text}");
    app.stop().await;
}

#[tokio::test]
async fn standalone_server_has_no_sys_remotes() {
    let app = garden().start().await.unwrap();
    assert!(!app.app().documentation(true).to_string().contains(".sys."));
    let handlers = app.app().handlers();
    assert!(handlers.iter().all(|route| !route.route.contains(".docs.")), "off by default");
    app.stop().await;
}

/// All names with a star, as the client of Go Pitaya collects them.
fn starred(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if let Some(name) = key.strip_prefix('*') {
                    names.insert(name.to_owned());
                }
                starred(value, names);
            }
        }
        Value::Array(all) => all.iter().for_each(|value| starred(value, names)),
        _ => {}
    }
}

fn inflate(compressed: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    GzDecoder::new(compressed).read_to_end(&mut file).expect("gzip");
    file
}

/// Writes a `FileDescriptorSet` of these files.
fn write_set(path: &Path, files: &BTreeSet<Vec<u8>>) {
    let mut set = Vec::new();
    for file in files {
        prost::encoding::bytes::encode(1, file, &mut set);
    }
    std::fs::write(path, set).unwrap();
}

/// Runs `protoc` with this input. Returns its output.
fn protoc(args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("protoc");
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("protoc is installed");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

async fn ask(app: &Running, route: &str, body: Vec<u8>) -> Bytes {
    let mut client = RawClient::of(app).await;
    match client.call(route, body).await {
        Got::Response { error: false, body, .. } => body,
        other => panic!("{route}: {other:?}"),
    }
}

/// As the command line of Go Pitaya does: the documentation, all names, their files; then messages by these.
#[tokio::test]
async fn client_learns_all_messages_from_the_routes() {
    let (registry, broker) = (MemoryRegistry::default(), MemoryBroker::default());
    let app = garden().discovery(registry.discovery()).transport(broker.transport());
    let app = app.serializer(Serializer::Protobuf).register(DocsRoutes).start().await.unwrap();
    let doc = protos::Doc::decode(ask(&app, "garden.docs.documentation", Vec::new()).await).unwrap().doc;
    let doc: Value = serde_json::from_str(&doc).unwrap();
    assert_eq!(doc, app.app().documentation(true));
    let route = &doc["handlers"]["garden.docs.descriptors"];
    assert!(route["input"]["*protos.ProtoNames"].is_object(), "{route}");
    assert!(route["output"][0]["*protos.ProtoDescriptors"].is_object(), "{route}");
    let mut names = BTreeSet::new();
    starred(&doc, &mut names);
    let name: Vec<_> = names.into_iter().collect();
    let asked = protos::ProtoNames { name: name.clone() }.encode_to_vec();
    let answer = ask(&app, "garden.docs.descriptors", asked).await;
    let files = protos::ProtoDescriptors::decode(answer).unwrap().desc;
    assert_eq!(files.len(), name.len());
    let files: BTreeSet<_> = files.iter().map(|file| inflate(file)).collect();
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("set");
    write_set(&set, &files);
    let set = format!("--descriptor_set_in={}", set.display());
    for name in &name {
        protoc(&[&set, &format!("--decode={name}")], b"");
    }
    let place = |x| Place { x, y_axis: Some(0.5), side: Side::Left as i32 };
    let leaf = Tree { name: "leaf".into(), home: Some(place(-3)), ..Tree::default() };
    let tree = Tree {
        name: "root".into(),
        children: vec![leaf],
        places: [("here".to_owned(), place(7))].into(),
        icon: vec![1, 2],
        home: None,
        moods: vec![Mood::Happy as i32, 0],
        counts: [(-1, u64::MAX)].into(),
    };
    let text = protoc(&[&set, "--decode=protos.Tree"], &tree.encode_to_vec());
    let expected = "name: \"root\"\nchildren {\n  name: \"leaf\"\n  home {\n    x: -3\n    y_axis: 0.5\n    side: Left\n  }\n}\nplaces {\n  key: \"here\"\n  value {\n    x: 7\n    y_axis: 0.5\n    side: Left\n  }\n}\nicon: \"\\001\\002\"\nmoods: Happy\nmoods: Mood_None\ncounts {\n  key: -1\n  value: 18446744073709551615\n}\n";
    assert_eq!(String::from_utf8(text.clone()).unwrap(), expected);
    assert_eq!(Tree::decode(&*protoc(&[&set, "--encode=protos.Tree"], &text)).unwrap(), tree);
    app.stop().await;
}

#[tokio::test]
async fn json_clients_get_the_documentation_too() {
    let app = garden().register(DocsRoutes).start().await.unwrap();
    let doc: Value =
        serde_json::from_slice(&ask(&app, "garden.docs.documentation", Vec::new()).await).unwrap();
    let inner: Value = serde_json::from_str(doc["doc"].as_str().unwrap()).unwrap();
    assert_eq!(inner, app.app().documentation(true));
    let names = json!({ "name": ["protos.Session"] }).to_string();
    let answer = ask(&app, "garden.docs.descriptors", names.into_bytes()).await;
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    // gzip begins so, in base64.
    assert!(answer["desc"][0].as_str().unwrap().starts_with("H4sI"), "{answer}");
    app.stop().await;
}

#[tokio::test]
async fn unknown_name_fails_the_whole_request() {
    let app = garden().register(DocsRoutes).start().await.unwrap();
    for names in
        [&["protos.Session", "protos.Nobody"][..], &["nothing.proto"], &[""], &["protos."], &["types.Any"]]
    {
        let error = app.app().descriptors(names).unwrap_err();
        assert_eq!((error.code(), error.msg()), ("PIT-000", "failed to get protobuf message descriptor"));
    }
    assert!(app.app().descriptor("types.Empty").is_ok());
    assert!(app.app().descriptor("garden/messages.proto").is_ok());
    let mut client = RawClient::of(&app).await;
    let many = json!({ "name": vec!["protos.Session"; 1001] }).to_string();
    let Got::Response { error: true, body, .. } = client.call("garden.docs.descriptors", many).await else {
        panic!("a thousand at most")
    };
    assert!(String::from_utf8_lossy(&body).contains("more than 1000 names"));
    app.stop().await;
}

/// A short request must not have a reply of a thousand files.
#[tokio::test]
async fn repeated_name_is_refused() {
    let app = garden().register(DocsRoutes).start().await.unwrap();
    let mut client = RawClient::ready(app.socket_addrs()[0]).await;
    let twice = json!({ "name": ["protos.Session", "protos.Tree", "protos.Session"] }).to_string();
    let Got::Response { error: true, body, .. } = client.call("garden.docs.descriptors", twice).await else {
        panic!("each name once")
    };
    let body = String::from_utf8_lossy(&body);
    assert!(body.contains("PIT-400") && body.contains("given twice"), "{body}");
    app.stop().await;
}

/// The files are made at the first request.
#[tokio::test]
async fn documents_are_made_once() {
    let app = garden().register(DocsRoutes).start().await.unwrap();
    let one = app.app().descriptor("protos.Tree").unwrap();
    for name in ["protos.Tree", "protos.Place", "garden/messages.proto"] {
        assert_eq!(app.app().descriptor(name).unwrap().as_ptr(), one.as_ptr(), "{name}");
    }
    let first = ask(&app, "garden.docs.documentation", Vec::new()).await;
    assert_eq!(ask(&app, "garden.docs.documentation", Vec::new()).await, first);
    app.stop().await;
}

/// Messages with names that others have.
mod names {
    use super::*;

    #[message(proto)]
    struct Doc {
        #[tag(1)]
        seat: i32,
    }

    mod other {
        use super::*;

        #[message(proto)]
        pub(super) struct Place {
            #[tag(1)]
            seat: i32,
        }
    }

    #[derive(Component)]
    struct Twins;

    #[handler(server = "twins")]
    impl Twins {
        pub async fn sit(&self, doc: Doc) -> Result<Place> {
            Ok(Place { x: doc.seat, ..Place::default() })
        }
    }

    #[derive(Component)]
    struct Triplets;

    #[handler(server = "triplets")]
    impl Triplets {
        pub async fn sit(&self, place: other::Place) -> Result<Place> {
            let _ = place;
            Ok(Place::default())
        }
    }

    async fn start(server_type: &str, package: &str) -> Running {
        let app = App::builder().config(config()).server_type(server_type).proto_package(package);
        app.acceptor(Tcp::new("127.0.0.1:0")).start().await.unwrap()
    }

    /// The error of a descriptor, for the log.
    fn reason(app: &Running, name: &str) -> String {
        let error = app.app().descriptor(name).unwrap_err();
        std::error::Error::source(&error).expect("a reason").to_string()
    }

    #[tokio::test]
    async fn equal_names_make_no_wrong_file() {
        let app = start("twins", "protos").await;
        assert_eq!(
            reason(&app, "protos.Place"),
            "message `Doc` has the name of a message of the framework: set another package"
        );
        assert!(app.app().descriptor("protos.Doc").is_ok(), "that of the framework");
        app.stop().await;
        let app = start("twins", "game.protos").await;
        for name in ["game.protos.Doc", "game.protos.Place", "game.protos.Side", "protos.Doc"] {
            assert!(app.app().descriptor(name).is_ok(), "{name}");
        }
        app.stop().await;
        let app = start("triplets", "protos").await;
        assert_eq!(reason(&app, "protos.Place"), "two messages are named `Place`");
        app.stop().await;
    }
}

/// The files of the framework equal those that `protoc` makes.
#[tokio::test]
async fn framework_files_are_those_of_protoc() {
    let files = [
        ("error", "message Error { string code = 1; string msg = 2; map<string, string> metadata = 3; }"),
        ("session", "message Session { int64 id = 1; string uid = 2; bytes data = 3; }"),
        (
            "msg",
            "message Msg { uint64 id = 1; string route = 2; bytes data = 3; string reply = 4; MsgType type = 5; }
             enum MsgType { MsgRequest = 0; MsgNotify = 1; MsgResponse = 2; MsgPush = 3; }",
        ),
        (
            "request",
            "import \"session.proto\"; import \"msg.proto\"; enum RPCType { Sys = 0; User = 1; }
             message Request { RPCType type = 1; Session session = 2; Msg msg = 3; string frontendID = 4;
             bytes metadata = 5; }",
        ),
        ("response", "import \"error.proto\"; message Response { bytes data = 1; Error error = 2; }"),
        ("push", "message Push { string route = 1; string uid = 2; bytes data = 3; }"),
        ("kick", "message KickMsg { string userId = 1; } message KickAnswer { bool kicked = 1; }"),
        ("bind", "message BindMsg { string uid = 1; string fid = 2; }"),
        ("doc", "message Doc { string doc = 1; }"),
        ("docmsg", "message DocMsg { bool getProtos = 1; }"),
        (
            "protodescriptor",
            "message ProtoDescriptor { bytes desc = 1; } message ProtoName { string name = 1; }
             message ProtoDescriptors { repeated bytes desc = 1; } message ProtoNames { repeated string name = 1; }",
        ),
        (
            "pitaya",
            "import \"request.proto\"; import \"response.proto\"; import \"push.proto\"; import \"bind.proto\";
             import \"kick.proto\"; service Pitaya { rpc Call(Request) returns (Response) {}
             rpc PushToUser(Push) returns (Response) {} rpc SessionBindRemote(BindMsg) returns (Response) {}
             rpc KickUser(KickMsg) returns (KickAnswer) {} }",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, source) in files {
        let source = format!("syntax = \"proto3\"; package protos; {source}");
        std::fs::write(folder.path().join(format!("{name}.proto")), source).unwrap();
    }
    let app = garden().start().await.unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    for (name, _) in files {
        let out = format!("--descriptor_set_out={}", at("out"));
        protoc(&["-I", &at(""), &out, &at(&format!("{name}.proto"))], b"");
        let mut set = Vec::new();
        let ours = inflate(&app.app().descriptor(&format!("{name}.proto")).unwrap());
        prost::encoding::bytes::encode(1, &ours, &mut set);
        assert_eq!(std::fs::read(at("out")).unwrap(), set, "{name}");
    }
    // By the name of a message, and of an enum.
    let by_name = |name: &str| app.app().descriptor(name).unwrap();
    assert_eq!(by_name("protos.KickAnswer"), by_name("kick.proto"));
    assert_eq!(by_name("protos.MsgType"), by_name("msg.proto"));
    app.stop().await;
}
