//! The outbox, without any I/O.

use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::{Batch, Outbox, OutboxLimits, PushError, PushKey, TrySendError};
use crate::config::OutboxPolicy;
use crate::session::CloseReason;

fn limits(messages: usize, bytes: usize, policy: OutboxPolicy) -> OutboxLimits {
    OutboxLimits { messages, bytes, policy }
}

/// The key of one of several routes.
fn key(route: u64) -> PushKey {
    PushKey::of_route(&route.to_string())
}

fn packet(size: usize, fill: u8) -> Bytes {
    Bytes::from(vec![fill; size])
}

fn put(outbox: &Outbox, limits: &OutboxLimits, bytes: &[u8]) -> Result<(), TrySendError> {
    outbox
        .encode::<()>(limits, |out| {
            out.extend_from_slice(bytes);
            Ok(())
        })
        .map(|encoded| encoded.unwrap())
}

/// All bytes of a batch, as a writer would write them.
fn flat(batch: &Batch) -> Vec<u8> {
    if let Some(bytes) = batch.contiguous() {
        return bytes.to_vec();
    }
    let mut slices = [std::io::IoSlice::new(&[]); 64];
    let count = batch.slices(&mut slices);
    slices[..count].iter().flat_map(|slice| slice.to_vec()).collect()
}

/// The bytes of a batch.
fn flat_len(batch: &Batch) -> usize {
    let mut slices = [std::io::IoSlice::new(&[]); 512];
    let count = batch.slices(&mut slices);
    slices[..count].iter().map(|slice| slice.len()).sum()
}

/// The writer has found the socket full.
fn block(outbox: &Outbox, limits: &OutboxLimits) -> Option<Batch> {
    let (batch, _) = outbox.take(limits);
    outbox.record_write(limits, 0, 0, true);
    batch
}

#[test]
fn encoded_and_shared_packets_keep_their_order() {
    let (outbox, limits) = (Outbox::new(), limits(100, 1 << 20, OutboxPolicy::Disconnect));
    put(&outbox, &limits, b"one").unwrap();
    outbox.push(&limits, &packet(1000, 2), key(7), false).unwrap();
    put(&outbox, &limits, b"three").unwrap();
    outbox.push(&limits, &packet(3, 4), key(7), false).unwrap();
    let batch = outbox.take(&limits).0.unwrap();
    let expected = [&b"one"[..], &[2; 1000], b"three", &[4; 3]].concat();
    assert_eq!(flat(&batch), expected);
    assert_eq!(outbox.depth(), (4, expected.len()));
}

#[test]
fn a_failed_encoding_leaves_nothing_behind() {
    let (outbox, limits) = (Outbox::new(), limits(100, 1 << 20, OutboxPolicy::Disconnect));
    let failed = outbox.encode(&limits, |out| {
        out.extend_from_slice(b"half");
        Err("no")
    });
    assert_eq!(failed.unwrap(), Err("no"));
    assert!(outbox.take(&limits).0.is_none());
}

#[test]
fn message_bound_needs_a_socket_found_full() {
    let (outbox, limits) = (Outbox::new(), limits(10, 1 << 20, OutboxPolicy::Disconnect));
    for _ in 0..150 {
        outbox.push(&limits, &packet(5, 1), key(7), false).unwrap();
    }
    let batch = block(&outbox, &limits);
    assert_eq!(outbox.push(&limits, &packet(5, 1), key(7), false), Err(PushError::TooSlow));
    // The client takes it all: there is room again.
    outbox.record_write(&limits, 150, batch.unwrap().len() * 5, false);
    outbox.push(&limits, &packet(5, 1), key(7), false).unwrap();
}

#[test]
fn earlier_blocked_writer_does_not_count() {
    let (outbox, limits) = (Outbox::new(), limits(10, 1 << 20, OutboxPolicy::Disconnect));
    put(&outbox, &limits, b"x").unwrap();
    let _batch = block(&outbox, &limits);
    for _ in 0..50 {
        outbox.push(&limits, &packet(5, 1), key(7), false).unwrap();
    }
}

#[test]
fn byte_bound_always_holds_except_for_one_packet() {
    let (outbox, limits) = (Outbox::new(), limits(100, 1000, OutboxPolicy::Drop));
    outbox.push(&limits, &packet(5000, 1), key(7), false).unwrap();
    assert_eq!(outbox.push(&limits, &packet(1, 1), key(7), false), Err(PushError::Dropped));
    assert_eq!(put(&outbox, &limits, b"reply"), Err(TrySendError::Full));
}

#[test]
fn latest_replaces_older_push_but_no_reply() {
    let (outbox, limits) = (Outbox::new(), limits(100, 40, OutboxPolicy::Latest));
    put(&outbox, &limits, &[9; 10]).unwrap();
    outbox.push(&limits, &packet(10, 1), key(1), false).unwrap();
    outbox.push(&limits, &packet(10, 2), key(3), false).unwrap();
    outbox.push(&limits, &packet(10, 3), key(1), false).unwrap();
    outbox.push(&limits, &packet(10, 4), key(3), false).unwrap(); // replaces 2
    outbox.push(&limits, &packet(10, 5), key(5), false).unwrap(); // no older push of its route: the oldest gives way
    let batch = outbox.take(&limits).0.unwrap();
    assert_eq!(flat(&batch), [[9; 10], [3; 10], [4; 10], [5; 10]].concat());
}

#[test]
fn latest_takes_the_newest_while_blocked() {
    let (outbox, limits) = (Outbox::new(), limits(10, 1000, OutboxPolicy::Latest));
    for _ in 0..30 {
        outbox.push(&limits, &packet(20, 1), key(7), false).unwrap();
    }
    let held = block(&outbox, &limits).unwrap();
    assert_eq!(held.len(), 30);
    for n in 0..50 {
        outbox.push(&limits, &packet(20, n), key(8 + u64::from(n % 10)), false).unwrap();
        outbox.record_write(&limits, 0, 0, true);
    }
    outbox.record_write(&limits, 30, 600, false);
    let expected: Vec<u8> = (40..50).flat_map(|n| [n; 20]).collect();
    assert_eq!(flat(&outbox.take(&limits).0.unwrap()), expected);
}

#[test]
fn latest_keeps_pushes_it_cannot_replace() {
    let (outbox, limits) = (Outbox::new(), limits(100, 100, OutboxPolicy::Latest));
    put(&outbox, &limits, &[9; 60]).unwrap();
    outbox.push(&limits, &packet(10, 1), key(7), false).unwrap();
    assert_eq!(outbox.push(&limits, &packet(50, 2), key(7), false), Err(PushError::Dropped));
    assert_eq!(outbox.depth(), (2, 70));
}

#[test]
fn latest_hands_the_writer_a_part_of_a_long_queue() {
    let (outbox, limits) = (Outbox::new(), limits(10_000, 1 << 20, OutboxPolicy::Latest));
    for n in 0..200u8 {
        outbox.push(&limits, &packet(1000, n), key(7), false).unwrap();
        outbox.push(&limits, &packet(9, n), key(7), false).unwrap();
    }
    let mut n = 0;
    while let Some(mut batch) = outbox.take(&limits).0 {
        let (packets, bytes) = (batch.len(), flat_len(&batch));
        assert!(bytes <= 64 * 1024 && packets > 0);
        while let Some(first) = batch.pop() {
            assert_eq!((first, batch.pop().unwrap()), (packet(1000, n), packet(9, n)));
            n += 1;
        }
        outbox.record_write(&limits, packets, bytes, false);
    }
    assert_eq!((n, outbox.depth()), (200, (0, 0)));
}

#[test]
fn one_heartbeat_waits_at_most_and_it_needs_no_room() {
    let (outbox, limits) = (Outbox::new(), limits(1, 10, OutboxPolicy::Drop));
    put(&outbox, &limits, &[1; 10]).unwrap();
    for _ in 0..3 {
        outbox.send_heartbeat(&packet(4, 3));
    }
    assert_eq!(outbox.depth(), (2, 14));
    outbox.take(&limits);
    outbox.send_heartbeat(&packet(4, 3));
    assert_eq!(outbox.depth(), (3, 18));
}

/// It wakes every waiter.
#[test]
fn close_is_final_and_keeps_queued_packets() {
    let (outbox, limits) = (Outbox::new(), limits(1, 10, OutboxPolicy::Drop));
    put(&outbox, &limits, &[1; 10]).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(outbox.poll_capacity(&mut cx, &limits, 1), Poll::Pending);
    assert_eq!(outbox.close(CloseReason::Kicked, Some(&packet(4, 5))), Some(0));
    assert_eq!(outbox.close(CloseReason::Server, None), None);
    assert_eq!(outbox.poll_capacity(&mut cx, &limits, 1), Poll::Ready(()));
    assert_eq!(put(&outbox, &limits, b"late"), Err(TrySendError::Closed));
    let (batch, reason) = outbox.take(&limits);
    assert_eq!(flat(&batch.unwrap()), [&[1; 10][..], &[5; 4]].concat());
    assert_eq!(reason, Some(CloseReason::Kicked));
}

proptest! {
    #[test]
    fn pieces_written_add_up_to_the_packets(
        sizes in prop::collection::vec((0usize..600, any::<bool>()), 1..40),
        steps in prop::collection::vec(1usize..700, 1..200),
    ) {
        let (outbox, limits) = (Outbox::new(), limits(1000, 1 << 20, OutboxPolicy::Disconnect));
        let mut expected = BytesMut::new();
        for (n, (size, shared)) in sizes.iter().enumerate() {
            let bytes = packet(*size + 1, u8::try_from(n).unwrap());
            expected.extend_from_slice(&bytes);
            if *shared {
                outbox.push(&limits, &bytes, key(1), false).unwrap();
            } else {
                put(&outbox, &limits, &bytes).unwrap();
            }
        }
        let mut batch = outbox.take(&limits).0.unwrap();
        let (mut written, mut packets) = (BytesMut::new(), 0);
        for step in steps.into_iter().cycle() {
            if batch.is_empty() {
                break;
            }
            let bytes = flat(&batch);
            let step = step.min(bytes.len());
            written.extend_from_slice(&bytes[..step]);
            packets += batch.advance(step);
        }
        prop_assert_eq!(written, expected);
        prop_assert_eq!(packets, sizes.len());
    }

    #[test]
    fn packets_of_a_packet_link_come_out_one_by_one(sizes in prop::collection::vec((1usize..600, any::<bool>()), 1..40)) {
        let (outbox, limits) = (Outbox::new(), limits(1000, 1 << 20, OutboxPolicy::Disconnect));
        for (n, (size, shared)) in sizes.iter().enumerate() {
            let bytes = packet(*size, u8::try_from(n).unwrap());
            if *shared {
                outbox.push(&limits, &bytes, key(1), false).unwrap();
            } else {
                put(&outbox, &limits, &bytes).unwrap();
            }
        }
        let mut batch = outbox.take(&limits).0.unwrap();
        for (n, (size, _)) in sizes.iter().enumerate() {
            prop_assert_eq!(batch.pop(), Some(packet(*size, u8::try_from(n).unwrap())));
        }
        prop_assert!(batch.is_empty());
    }

    /// Whatever is pushed while the writer holds whatever it holds: of each route the newest push is never refused, and
    /// the newest of all leaves last.
    #[test]
    fn latest_never_refuses_the_newest_push(
        steps in prop::collection::vec((1u64..6, 1usize..3000, any::<bool>(), any::<bool>()), 1..200),
        messages in 1usize..20,
    ) {
        let (outbox, limits) = (Outbox::new(), limits(messages, 3000, OutboxPolicy::Latest));
        for (n, (route, size, takes, writes)) in steps.iter().enumerate() {
            let fill = u8::try_from(n).unwrap();
            prop_assert!(outbox.push(&limits, &packet(*size, fill), key(*route), false).is_ok());
            if *takes {
                // The writer took a batch and found the socket full.
                let batch = outbox.take(&limits).0.unwrap();
                let bytes = flat(&batch);
                prop_assert_eq!(bytes.last(), Some(&fill));
                outbox.record_write(&limits, 0, 0, true);
                if *writes {
                    outbox.record_write(&limits, batch.len(), flat_len(&batch), false);
                }
            }
        }
    }
}

/// The sender had read the serializer before the handshake named another.
#[test]
fn push_in_a_former_serializer_is_not_added() {
    for policy in [OutboxPolicy::Disconnect, OutboxPolicy::Latest] {
        let (outbox, limits) = (Outbox::new(), limits(1, 10, policy));
        outbox.hold();
        outbox.push(&limits, &packet(9, 1), key(1), false).unwrap();
        assert_eq!(outbox.choose_serializer(|| false), 0);
        assert_eq!(outbox.choose_serializer(|| true), 1);
        outbox.accept_handshake(&packet(9, 2));
        if policy == OutboxPolicy::Disconnect {
            flat(&outbox.take(&limits).0.unwrap());
            outbox.record_write(&limits, 1, 9, false);
            assert_eq!(outbox.try_send(&limits, &packet(1, 3), key(1), false), Ok(false));
        }
        // With `Latest` the outbox is full, so that the push would replace another.
        assert_eq!(outbox.push(&limits, &packet(2, 3), key(1), false), Err(PushError::OtherSerializer));
        assert_eq!(outbox.try_send(&limits, &packet(1, 4), key(1), true), Ok(true));
    }
}
