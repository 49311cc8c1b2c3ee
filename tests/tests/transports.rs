//! What every transport promises, over memory. Over NATS the same is in `nats.rs`.

use pitaya::cluster::{MemoryBroker, MemoryTransport};
use pitaya_tests::transport::Trio;

async fn trio() -> Trio<MemoryTransport> {
    let broker = MemoryBroker::new();
    Trio::start(|| broker.transport()).await
}

macro_rules! promises {
    ($($promise:ident)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $promise() {
                trio().await.$promise().await;
            }
        )*
    };
}

promises! {
    a_request_is_answered_by_the_server_it_is_for
    missing_server_has_no_responders
    a_server_that_does_not_answer_in_time_is_a_timeout
    invalid_id_or_uid_is_refused
    what_is_too_large_is_an_error_for_both_sides
    requests_are_handled_beside_each_other
    ten_thousand_pushes_to_one_user_arrive_in_order
    user_is_served_until_all_forget_it
    a_binding_is_told_to_all_servers_of_the_type
    a_broadcast_reaches_the_one_frontend_it_is_for
    drain_answers_what_arrived_before
    close_keeps_what_was_sent_before
}
