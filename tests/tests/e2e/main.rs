//! The scenarios of Go Pitaya's end-to-end suite, byte by byte, over raw sockets. The server is `e2e-server`, which that
//! suite can start too. Each scenario runs over NATS, and over gRPC without a broker.

mod scenarios;

use pitaya_tests::programs::Brokers;

macro_rules! scenarios {
    ($($name:ident)+) => {
        $(
            #[tokio::test]
            #[ignore = "needs nats-server and etcd"]
            async fn $name() {
                scenarios::$name(Brokers::start().await).await;
            }
        )+

        mod over_grpc {
            use super::*;

            $(
                #[tokio::test]
                #[ignore = "needs etcd"]
                async fn $name() {
                    scenarios::$name(Brokers::without_nats().await).await;
                }
            )+
        }
    };
}

scenarios! {
    handlers_of_a_frontend_answer_byte_by_byte
    a_group_of_a_frontend_is_told_raw_and_typed
    a_user_is_kicked_by_another
    second_session_of_user_kicks_the_first
    bind_on_second_frontend_kicks_the_first
    sessions_on_two_frontend_types_both_stay
    a_backend_kicks_its_caller
    users_of_two_frontends_receive_pushes
    handlers_of_a_backend_answer_byte_by_byte
    a_group_of_a_backend_is_told_on_two_frontends
    servers_call_each_other_both_ways
}
