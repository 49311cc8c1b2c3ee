//! Acceptors, and the limits of the connections that they accept.

use std::time::Duration;

use super::{at_least_one, secs, some_time};
use crate::config::key::{Key, Rule};
use crate::config::route_limit::{RouteLimit, RouteLimits};
use crate::config::value_type::{
    Count, DurationValue, Flag, List, NetworkList, OriginList, Size, Text, ValueType,
};
use crate::net::{Networks, origins};

/// The biggest body that the three length bytes of a packet can announce.
const BIGGEST_PACKET: usize = (1 << 24) - 1;

fn packet_size(value: &usize) -> bool {
    (1..=BIGGEST_PACKET).contains(value)
}

keys! {
    /// Acceptors of client connections: `pitaya.acceptor`.
    AcceptorConfig (acceptor) [ws: WsConfig] {
        /// Expects a PROXY protocol header on every connection of every acceptor. It needs `pitaya.acceptor.trustedproxies`;
        /// connections of other peers are closed.
        proxy_protocol: bool as Flag = false, "pitaya.acceptor.proxyprotocol";

        /// Networks and addresses of the proxies that may tell a client's address, by a PROXY header, `X-Forwarded-For` or
        /// `Forwarded`. An empty list trusts none; `0.0.0.0/0, ::/0` trusts all.
        trusted_proxies: Vec<String> as NetworkList = Vec::new(), "pitaya.acceptor.trustedproxies",
            allowed("networks such as \"10.0.0.0/8\" and addresses such as \"10.0.0.1\"", |v| Networks::parse(v).is_ok());
    }

    /// WebSocket acceptors: `pitaya.acceptor.ws`.
    WsConfig (acceptor.ws) [] {
        /// The pages whose WebSocket clients may connect, as in the header `Origin`: `https://game.example`,
        /// `https://*.game.example`, `http://localhost:*` or `*`. An empty list allows any.
        origins: Vec<String> as OriginList = Vec::new(), "pitaya.acceptor.ws.origins",
            allowed("origins such as \"https://game.example\" and \"https://*.game.example\"", |v| origins::parse(v).is_ok());

        /// The WebSocket subprotocols that this server speaks, the preferred one first. The first that a client offers is
        /// chosen.
        subprotocols: Vec<String> as List = Vec::new(), "pitaya.acceptor.ws.subprotocols";

        /// The path at which WebSocket acceptors answer `GET` and `HEAD` of load balancers: 200 while the server is ready, else
        /// 503. An empty path answers no probes.
        probe: String as Text = "/".to_owned(), "pitaya.acceptor.ws.probe",
            allowed("empty or a path that begins with /", |v| v.is_empty() || v.starts_with('/') && !v.contains(['?', '#', ' ']));
    }

    /// Sizes and deadlines that connections must keep: `pitaya.limit`.
    LimitConfig (limit) [] {
        /// Size limit of a packet before the handshake is acknowledged.
        packet_before_ack: usize as Size = 64 << 10, "pitaya.limit.packet.before_ack",
            allowed("1 to 16777215 bytes", packet_size);

        /// Size limit of a packet after the handshake is acknowledged.
        packet_after_ack: usize as Size = 1 << 20, "pitaya.limit.packet.after_ack",
            allowed("1 to 16777215 bytes", packet_size);

        /// Size limit of a message after inflating.
        inflated: usize as Size = 4 << 20, "pitaya.limit.inflated",
            allowed("at least 1", at_least_one);

        /// Size limit of the head of an HTTP request to a WebSocket acceptor. It may have 200 headers.
        upgrade_head: usize as Size = 64 << 10, "pitaya.limit.upgrade.head",
            allowed("1KiB to 1MiB", |v| (1 << 10..=1 << 20).contains(v));

        /// The longest a PROXY header, a TLS handshake and an HTTP upgrade may take.
        header_deadline: Duration as DurationValue = secs(5), "pitaya.limit.header.deadline",
            allowed("more than 0s", some_time);

        /// The longest from the connection to the handshake's ack.
        handshake_deadline: Duration as DurationValue = secs(10), "pitaya.limit.handshake.deadline",
            allowed("more than 0s", some_time);

        /// The longest from the first to the last byte of one packet.
        packet_deadline: Duration as DurationValue = secs(30), "pitaya.limit.packet.deadline",
            allowed("more than 0s", some_time);

        /// Connections that a server holds at the same time; 0 means no limit.
        connections: usize as Count<usize> = 0, "pitaya.limit.connections";
    }

    /// Rate limits of clients: `pitaya.conn.ratelimiting`.
    RateLimitConfig (rate_limit) [user: UserRateLimitConfig] {
        /// Packets that the rate-limit wrapper (`RateLimit::from_config`) lets one connection send in an interval.
        limit: usize as Count<usize> = 20, "pitaya.conn.ratelimiting.limit",
            allowed("at least 1", at_least_one);

        /// The interval of the limit; 0 limits nothing.
        interval: Duration as DurationValue = secs(1), "pitaya.conn.ratelimiting.interval";

        /// Switches the rate-limit wrapper off where it is installed.
        force_disable: bool as Flag = false, "pitaya.conn.ratelimiting.forcedisable";

        /// Counts every packet but handshake and ack, as Go Pitaya does, instead of data packets only.
        all_packets: bool as Flag = false, "pitaya.conn.ratelimiting.allpackets";

        /// Answers a request over a rate limit with `PIT-429` instead of dropping it.
        answer: bool as Flag = false, "pitaya.conn.ratelimiting.answer";

        /// Limits to the calls of single routes: tables with `route`, `limit`, `interval` (1s) and `peruser` (false).
        routes: Vec<RouteLimit> as RouteLimits = Vec::new(), "pitaya.conn.ratelimiting.routes";
    }

    /// The rate limit of each user: `pitaya.conn.ratelimiting.user`.
    UserRateLimitConfig (rate_limit.user) [] {
        /// Calls that one user may make in an interval, on all connections to this server; 0 is no limit.
        limit: usize as Count<usize> = 0, "pitaya.conn.ratelimiting.user.limit";

        /// The interval of the limit.
        interval: Duration as DurationValue = secs(1), "pitaya.conn.ratelimiting.user.interval";
    }
}
