//! The echo of the bare programs: the framing of Pitaya and nothing else.

const REPLY: &[u8] =
    b"\x01\0\0\x41{\"code\":200,\"sys\":{\"dict\":{},\"heartbeat\":30,\"serializer\":\"json\"}}";

/// Appends the answer to one packet: a reply to a handshake, the body of a request. Returns `None` for an invalid packet.
#[inline]
pub fn answer(packet: &[u8], output: &mut Vec<u8>) -> Option<()> {
    match *packet.first()? {
        1 => output.extend_from_slice(REPLY),
        4 => {
            let message = packet.get(4..)?;
            let id_end = 2 + message.get(1..)?.iter().position(|byte| byte & 0x80 == 0)?;
            let body = message.get(id_end + 1 + usize::from(*message.get(id_end)?)..)?;
            let length = u32::try_from(id_end + body.len()).ok()?.to_be_bytes();
            output.extend_from_slice(&[4, length[1], length[2], length[3], 4]);
            output.extend_from_slice(&message[1..id_end]);
            output.extend_from_slice(body);
        }
        2 | 3 => {}
        _ => return None,
    }
    Some(())
}
