//! The scenarios, each in a cluster of its own.

use std::path::Path;

use pitaya_tests::programs::{Brokers, Program};
use pitaya_tests::raw_client::RawClient;

const SERVER: &str = env!("CARGO_BIN_EXE_tested-e2e-server");

async fn front(brokers: &Brokers, server_type: &str) -> Program {
    let server = brokers.server(Path::new(SERVER), server_type, true).await;
    brokers.until_all_listed().await;
    server
}

async fn back(brokers: &Brokers) -> Program {
    let server = brokers.server(Path::new(SERVER), "game", false).await;
    brokers.until_all_listed().await;
    server
}

/// Asserts the answer to each request.
async fn answers(client: &mut RawClient, cases: &[(&str, &str, &str)]) {
    for (route, body, answer) in cases {
        assert_eq!(client.ask(route, body).await, *answer, "{route}");
    }
}

/// Asserts the answers of the handlers that every type of server has.
async fn handlers_answer(client: &mut RawClient, server_type: &str) {
    let missing = format!("{server_type}.testsvc.nonexistenthandler");
    let not_found = format!(r#"{{"code":"PIT-404","msg":"pitaya/handler: {missing} not found"}}"#);
    assert_eq!(client.ask(&missing, "woow").await, not_found);
    for (method, body, answer) in [
        ("testrequestonlysessionreturnsptr", "", r#"{"code":200,"msg":"hello"}"#),
        ("testrequestreturnsptr", r#"{"msg":"good"}"#, r#"{"code":200,"msg":"good"}"#),
        ("testrequestreturnsraw", r#"{"msg":"good"}"#, "good"),
        ("testrequestreceivereturnsraw", "woow", "woow"),
        ("testrequestreturnserror", "woow", r#"{"code":"PIT-555","msg":"somerror"}"#),
    ] {
        let route = format!("{server_type}.testsvc.{method}");
        assert_eq!(client.ask(&route, body).await, answer, "{route}");
    }
}

pub(crate) async fn handlers_of_a_frontend_answer_byte_by_byte(brokers: Brokers) {
    let server = front(&brokers, "connector").await;
    let mut client = server.client().await;
    handlers_answer(&mut client, "connector").await;
    for method in ["testrequestonlysessionreturnsptrnil", "testrequestonlysessionreturnsrawnil"] {
        let null = r#"{"code":"PIT-000","msg":"reply must not be null"}"#;
        assert_eq!(client.ask(&format!("connector.testsvc.{method}"), "").await, null, "{method}");
    }
}

pub(crate) async fn a_group_of_a_frontend_is_told_raw_and_typed(brokers: Brokers) {
    let server = front(&brokers, "connector").await;
    let (mut one, mut two) = (server.client().await, server.client().await);
    for client in [&mut one, &mut two] {
        assert_eq!(client.ask("connector.testsvc.testbind", "").await, "ack");
    }
    for (route, pushed_on) in [("testsendgroupmsg", "route.test"), ("testsendgroupmsgptr", "route.testptr")] {
        one.notify(&format!("connector.testsvc.{route}"), r#"{"msg":"hellow"}"#).await;
        for client in [&mut one, &mut two] {
            assert_eq!(client.pushed().await, (pushed_on.into(), r#"{"msg":"hellow"}"#.into()));
        }
    }
}

pub(crate) async fn a_user_is_kicked_by_another(brokers: Brokers) {
    let server = front(&brokers, "connector").await;
    let (mut one, mut two) = (server.client().await, server.client().await);
    assert_eq!(one.ask("connector.testsvc.testbindid", "ann").await, "ack");
    assert_eq!(two.ask("connector.testsvc.testrequestkickuser", "ann").await, r#"{"code":200,"msg":"ok"}"#);
    one.kicked().await;
}

pub(crate) async fn second_session_of_user_kicks_the_first(brokers: Brokers) {
    let server = front(&brokers, "connector").await;
    let (mut one, mut two) = (server.client().await, server.client().await);
    assert_eq!(one.ask("connector.testsvc.testbindid", "ann").await, "ack");
    assert_eq!(
        two.ask("connector.testsvc.testbindid", "ann").await,
        r#"{"code":"PIT-441","msg":"member already exists in group"}"#
    );
    one.kicked().await;
}

pub(crate) async fn bind_on_second_frontend_kicks_the_first(brokers: Brokers) {
    let servers = [front(&brokers, "connector").await, front(&brokers, "connector").await];
    let (mut one, mut two) = (servers[0].client().await, servers[1].client().await);
    assert_eq!(one.ask("connector.testsvc.testbindid", "ann").await, "ack");
    assert_eq!(two.ask("connector.testsvc.testbindid", "ann").await, "ack");
    one.kicked().await;
}

pub(crate) async fn sessions_on_two_frontend_types_both_stay(brokers: Brokers) {
    let servers = [front(&brokers, "connector1").await, front(&brokers, "connector2").await];
    let (mut one, mut two) = (servers[0].client().await, servers[1].client().await);
    // The suite calls an unknown type, and takes the error as an answer.
    assert_eq!(
        one.ask("connector.testsvc.testbindid", "ann").await,
        r#"{"code":"PIT-404","msg":"pitaya/handler: connector.testsvc.testbindid not found"}"#
    );
    assert_eq!(one.ask("connector1.testsvc.testbindid", "ann").await, "ack");
    assert_eq!(two.ask("connector2.testsvc.testbindid", "ann").await, "ack");
    for client in [&mut one, &mut two] {
        assert_eq!(client.ask("testsvc.testrequestreceivereturnsraw", "here").await, "here");
    }
}

pub(crate) async fn a_backend_kicks_its_caller(brokers: Brokers) {
    let (_game, server) = (back(&brokers).await, front(&brokers, "connector").await);
    let mut client = server.client().await;
    assert_eq!(client.ask("game.testsvc.testbind", "").await, "ack");
    client.request("game.testsvc.testrequestkickme", "").await;
    client.kicked().await;
}

/// From a frontend and from a backend.
pub(crate) async fn users_of_two_frontends_receive_pushes(brokers: Brokers) {
    let _game = back(&brokers).await;
    let servers = [front(&brokers, "connector").await, front(&brokers, "connector").await];
    let (mut one, mut two) = (servers[0].client().await, servers[1].client().await);
    assert_eq!(one.ask("connector.testsvc.testbindid", "ann").await, "ack");
    assert_eq!(two.ask("connector.testsvc.testbindid", "bob").await, "ack");
    for server in ["connector", "game"] {
        let body = r#"{"uids":["ann","bob"],"msg":"testing send to users"}"#;
        one.notify(&format!("{server}.testsvc.testsendtousers"), body).await;
        for client in [&mut one, &mut two] {
            let told = ("route.sendtousers".into(), "testing send to users".into());
            assert_eq!(client.pushed().await, told, "{server}");
        }
    }
}

pub(crate) async fn handlers_of_a_backend_answer_byte_by_byte(brokers: Brokers) {
    let (_game, server) = (back(&brokers).await, front(&brokers, "connector").await);
    handlers_answer(&mut server.client().await, "game").await;
}

pub(crate) async fn a_group_of_a_backend_is_told_on_two_frontends(brokers: Brokers) {
    let _game = back(&brokers).await;
    let servers = [front(&brokers, "connector").await, front(&brokers, "connector").await];
    let (mut one, mut two) = (servers[0].client().await, servers[1].client().await);
    for client in [&mut one, &mut two] {
        assert_eq!(client.ask("game.testsvc.testbind", "").await, "ack");
    }
    one.notify("game.testsvc.testsendgroupmsg", r#"{"msg":"hellow"}"#).await;
    for client in [&mut one, &mut two] {
        assert_eq!(client.pushed().await, ("route.test".into(), r#"{"msg":"hellow"}"#.into()));
    }
}

pub(crate) async fn servers_call_each_other_both_ways(brokers: Brokers) {
    let (_game, server) = (back(&brokers).await, front(&brokers, "connector").await);
    let mut client = server.client().await;
    let (to_back, to_front) = ("connector.testsvc.testsendrpc", "game.testsvc.testsendrpc");
    let got = r#"{"code":200,"msg":"got thisthis"}"#;
    let error = r#"{"code":"PIT-433","msg":"test error","metadata":{"some":"meta"}}"#;
    answers(
        &mut client,
        &[
            (to_back, r#"{"route":"game.testremotesvc.rpctestrawptrreturnsptr","data":"thisthis"}"#, got),
            (to_front, r#"{"route":"connector.testremotesvc.rpctestrawptrreturnsptr","data":"thisthis"}"#, got),
            (to_back, r#"{"route":"game.testremotesvc.rpctestreturnserror","data":"thisthis"}"#, error),
            (to_front, r#"{"route":"connector.testremotesvc.rpctestreturnserror","data":"thisthis"}"#, error),
            (
                to_back,
                r#"{"route":"connector.testremotesvc.rpctestrawptrreturnsptr","data":"thisthis"}"#,
                r#"{"code":"PIT-000","msg":"you are making a rpc that may be processed locally, either specify a different server type or specify a server id"}"#,
            ),
            (to_back, r#"{"route":"game.testremotesvc.rpctestptrreturnsptr","data":"thisthis"}"#, got),
            (
                "connector.testsvc.testsendrpcnoargs",
                r#"{"route":"game.testremotesvc.rpctestnoargs"}"#,
                r#"{"code":200,"msg":"got nothing"}"#,
            ),
            (
                to_back,
                r#"{"route":"game.testremotesvc.rpctestnotfound","data":"thisthis"}"#,
                r#"{"code":"PIT-404","msg":"route not found","metadata":{"route":"testremotesvc.rpctestnotfound"}}"#,
            ),
        ],
    )
    .await;
}
