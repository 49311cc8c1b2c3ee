//! The promises of every transport, over gRPC. The promises that need a broker with a subject for each user are
//! not among them: `e2e` shows pushes to users.

use std::net::TcpListener;

use pitaya::cluster::{GrpcOptions, GrpcTransport};
use pitaya_tests::transport::TestPeers;

/// Returns a transport on a free port, with the limit of one message that a broker has by default.
fn transport() -> GrpcTransport {
    let options =
        GrpcOptions { advertised_host: "127.0.0.1".into(), max_message: 1 << 20, ..GrpcOptions::default() };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    GrpcTransport::with_listener(options, listener).expect("the options are valid")
}

async fn start() -> ((), TestPeers<GrpcTransport>) {
    ((), TestPeers::start(transport).await)
}

pitaya_tests::transport_promises! {
    [#[tokio::test]]
    start();
    a_request_is_answered_by_the_server_it_is_for
    missing_server_has_no_responders
    a_server_that_does_not_answer_in_time_is_a_timeout
    invalid_id_or_uid_is_refused
    what_is_too_large_is_an_error_for_both_sides
    requests_are_handled_beside_each_other
    a_binding_is_told_to_all_servers_of_the_type
    a_broadcast_reaches_the_one_frontend_it_is_for
    drain_answers_what_arrived_before
    close_keeps_what_was_sent_before
}
