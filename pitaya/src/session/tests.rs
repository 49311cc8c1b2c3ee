//! The outbox, without any I/O.

use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::outbox::{Batch, Bounds, Outbox, Policy, Refused};
use super::{CloseReason, check_uid};

fn bounds(messages: usize, bytes: usize, policy: Policy) -> Bounds {
    Bounds { messages, bytes, policy }
}

fn packet(size: usize, fill: u8) -> Bytes {
    Bytes::from(vec![fill; size])
}

fn put(outbox: &Outbox, bounds: &Bounds, bytes: &[u8]) -> Result<(), Refused> {
    outbox
        .encode::<()>(bounds, |out| {
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
fn block(outbox: &Outbox, bounds: &Bounds) -> Option<Batch> {
    let (batch, _) = outbox.take(bounds);
    outbox.wrote(bounds, 0, 0, true);
    batch
}

#[test]
fn encoded_and_shared_packets_keep_their_order() {
    let (outbox, bounds) = (Outbox::new(), bounds(100, 1 << 20, Policy::Disconnect));
    put(&outbox, &bounds, b"one").unwrap();
    outbox.push(&bounds, &packet(1000, 2), 7).0.unwrap();
    put(&outbox, &bounds, b"three").unwrap();
    outbox.push(&bounds, &packet(3, 4), 7).0.unwrap();
    let batch = outbox.take(&bounds).0.unwrap();
    let expected = [&b"one"[..], &[2; 1000], b"three", &[4; 3]].concat();
    assert_eq!(flat(&batch), expected);
    assert_eq!(outbox.depth(), (4, expected.len()));
}

#[test]
fn a_failed_encoding_leaves_nothing_behind() {
    let (outbox, bounds) = (Outbox::new(), bounds(100, 1 << 20, Policy::Disconnect));
    let failed = outbox.encode(&bounds, |out| {
        out.extend_from_slice(b"half");
        Err("no")
    });
    assert_eq!(failed.unwrap(), Err("no"));
    assert!(outbox.take(&bounds).0.is_none());
}

#[test]
fn message_bound_needs_a_socket_found_full() {
    let (outbox, bounds) = (Outbox::new(), bounds(10, 1 << 20, Policy::Disconnect));
    for _ in 0..150 {
        outbox.push(&bounds, &packet(5, 1), 7).0.unwrap();
    }
    let batch = block(&outbox, &bounds);
    assert_eq!(outbox.push(&bounds, &packet(5, 1), 7).0, Err(Refused::TooSlow));
    // The client takes it all: there is room again.
    outbox.wrote(&bounds, 150, batch.unwrap().len() * 5, false);
    outbox.push(&bounds, &packet(5, 1), 7).0.unwrap();
}

#[test]
fn earlier_blocked_writer_does_not_count() {
    let (outbox, bounds) = (Outbox::new(), bounds(10, 1 << 20, Policy::Disconnect));
    put(&outbox, &bounds, b"x").unwrap();
    let _batch = block(&outbox, &bounds);
    for _ in 0..50 {
        outbox.push(&bounds, &packet(5, 1), 7).0.unwrap();
    }
}

#[test]
fn byte_bound_always_holds_except_for_one_packet() {
    let (outbox, bounds) = (Outbox::new(), bounds(100, 1000, Policy::Drop));
    outbox.push(&bounds, &packet(5000, 1), 7).0.unwrap();
    assert_eq!(outbox.push(&bounds, &packet(1, 1), 7).0, Err(Refused::Dropped));
    assert_eq!(put(&outbox, &bounds, b"reply"), Err(Refused::Full));
}

#[test]
fn latest_replaces_older_push_but_no_reply() {
    let (outbox, bounds) = (Outbox::new(), bounds(100, 40, Policy::Latest));
    put(&outbox, &bounds, &[9; 10]).unwrap();
    outbox.push(&bounds, &packet(10, 1), 1).0.unwrap();
    outbox.push(&bounds, &packet(10, 2), 3).0.unwrap();
    outbox.push(&bounds, &packet(10, 3), 1).0.unwrap();
    outbox.push(&bounds, &packet(10, 4), 3).0.unwrap(); // replaces 2
    outbox.push(&bounds, &packet(10, 5), 5).0.unwrap(); // no older push of its route: the oldest gives way
    let batch = outbox.take(&bounds).0.unwrap();
    assert_eq!(flat(&batch), [[9; 10], [3; 10], [4; 10], [5; 10]].concat());
}

#[test]
fn latest_takes_the_newest_while_blocked() {
    let (outbox, bounds) = (Outbox::new(), bounds(10, 1000, Policy::Latest));
    for _ in 0..30 {
        outbox.push(&bounds, &packet(20, 1), 7).0.unwrap();
    }
    let held = block(&outbox, &bounds).unwrap();
    assert_eq!(held.len(), 30);
    for n in 0..50 {
        outbox.push(&bounds, &packet(20, n), 8 + u64::from(n % 10)).0.unwrap();
        outbox.wrote(&bounds, 0, 0, true);
    }
    outbox.wrote(&bounds, 30, 600, false);
    let expected: Vec<u8> = (40..50).flat_map(|n| [n; 20]).collect();
    assert_eq!(flat(&outbox.take(&bounds).0.unwrap()), expected);
}

#[test]
fn latest_keeps_pushes_it_cannot_replace() {
    let (outbox, bounds) = (Outbox::new(), bounds(100, 100, Policy::Latest));
    put(&outbox, &bounds, &[9; 60]).unwrap();
    outbox.push(&bounds, &packet(10, 1), 7).0.unwrap();
    assert_eq!(outbox.push(&bounds, &packet(50, 2), 7), (Err(Refused::Dropped), 0));
    assert_eq!(outbox.depth(), (2, 70));
}

#[test]
fn latest_hands_the_writer_a_part_of_a_long_queue() {
    let (outbox, bounds) = (Outbox::new(), bounds(10_000, 1 << 20, Policy::Latest));
    for n in 0..200u8 {
        outbox.push(&bounds, &packet(1000, n), 7).0.unwrap();
        outbox.push(&bounds, &packet(9, n), 7).0.unwrap();
    }
    let mut n = 0;
    while let Some(mut batch) = outbox.take(&bounds).0 {
        let (packets, bytes) = (batch.len(), flat_len(&batch));
        assert!(bytes <= 64 * 1024 && packets > 0);
        while let Some(first) = batch.pop() {
            assert_eq!((first, batch.pop().unwrap()), (packet(1000, n), packet(9, n)));
            n += 1;
        }
        outbox.wrote(&bounds, packets, bytes, false);
    }
    assert_eq!((n, outbox.depth()), (200, (0, 0)));
}

#[test]
fn one_heartbeat_waits_at_most_and_it_needs_no_room() {
    let (outbox, bounds) = (Outbox::new(), bounds(1, 10, Policy::Drop));
    put(&outbox, &bounds, &[1; 10]).unwrap();
    for _ in 0..3 {
        outbox.heartbeat(&packet(4, 3));
    }
    assert_eq!(outbox.depth(), (2, 14));
    outbox.take(&bounds);
    outbox.heartbeat(&packet(4, 3));
    assert_eq!(outbox.depth(), (3, 18));
}

/// It wakes every waiter.
#[test]
fn close_is_final_and_keeps_queued_packets() {
    let (outbox, bounds) = (Outbox::new(), bounds(1, 10, Policy::Drop));
    put(&outbox, &bounds, &[1; 10]).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(outbox.poll_room(&mut cx, &bounds, 1), Poll::Pending);
    assert_eq!(outbox.close(CloseReason::Kicked, Some(&packet(4, 5))), Some(0));
    assert_eq!(outbox.close(CloseReason::Server, None), None);
    assert_eq!(outbox.poll_room(&mut cx, &bounds, 1), Poll::Ready(()));
    assert_eq!(put(&outbox, &bounds, b"late"), Err(Refused::Closed));
    let (batch, reason) = outbox.take(&bounds);
    assert_eq!(flat(&batch.unwrap()), [&[1; 10][..], &[5; 4]].concat());
    assert_eq!(reason, Some(CloseReason::Kicked));
}

#[test]
fn uids_are_ids() {
    for uid in ["ann", "ann-7", "a_b", "123", "é"] {
        assert!(check_uid(uid).is_ok(), "{uid}");
    }
    for uid in ["", "a.b", "a*", "a>", "a b", "a/b", "a\n", &"x".repeat(129)] {
        assert!(check_uid(uid).is_err(), "{uid}");
    }
}

proptest! {
    #[test]
    fn pieces_written_add_up_to_the_packets(
        sizes in prop::collection::vec((0usize..600, any::<bool>()), 1..40),
        steps in prop::collection::vec(1usize..700, 1..200),
    ) {
        let (outbox, bounds) = (Outbox::new(), bounds(1000, 1 << 20, Policy::Disconnect));
        let mut expected = BytesMut::new();
        for (n, (size, shared)) in sizes.iter().enumerate() {
            let bytes = packet(*size + 1, u8::try_from(n).unwrap());
            expected.extend_from_slice(&bytes);
            if *shared {
                outbox.push(&bounds, &bytes, 1).0.unwrap();
            } else {
                put(&outbox, &bounds, &bytes).unwrap();
            }
        }
        let mut batch = outbox.take(&bounds).0.unwrap();
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
        let (outbox, bounds) = (Outbox::new(), bounds(1000, 1 << 20, Policy::Disconnect));
        for (n, (size, shared)) in sizes.iter().enumerate() {
            let bytes = packet(*size, u8::try_from(n).unwrap());
            if *shared { outbox.push(&bounds, &bytes, 1).0.unwrap() } else { put(&outbox, &bounds, &bytes).unwrap() }
        }
        let mut batch = outbox.take(&bounds).0.unwrap();
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
        let (outbox, bounds) = (Outbox::new(), bounds(messages, 3000, Policy::Latest));
        for (n, (route, size, takes, writes)) in steps.iter().enumerate() {
            let fill = u8::try_from(n).unwrap();
            prop_assert!(outbox.push(&bounds, &packet(*size, fill), *route).0.is_ok());
            if *takes {
                // The writer took a batch and found the socket full.
                let batch = outbox.take(&bounds).0.unwrap();
                let bytes = flat(&batch);
                prop_assert_eq!(bytes.last(), Some(&fill));
                outbox.wrote(&bounds, 0, 0, true);
                if *writes {
                    outbox.wrote(&bounds, batch.len(), flat_len(&batch), false);
                }
            }
        }
    }
}
