/**
 * The client of Pitaya game servers for browsers and Node.
 *
 * @packageDocumentation
 */

export type { CallOptions, QueueLimits } from "./calls.js";
export type { Client } from "./client.js";
export { connect, createClient } from "./client.js";
export type { Clock } from "./clock.js";
export type { Away, CloseReason } from "./close.js";
export { ClosedError, CloseCode } from "./close.js";
export { Code, PitayaError, ProtocolError, TypeMismatch } from "./error.js";
export type { ClientInfo } from "./handshake.js";
export { json } from "./json.js";
export type { Listener } from "./listeners.js";
export type { State } from "./machine.js";
export type { Logger, Options } from "./options.js";
export type { Packet } from "./packet.js";
export type { Codec, ErrorPayload, Serializer } from "./serializer.js";
export type { Link, LinkEvents, Transport, WebSocketClass, WebSocketLike } from "./transport.js";
export type { EmptyNotify, EmptyRequest, ErrorOf, Notify, Open, Request, UnknownVariant } from "./typed.js";
export type { Body, Field, Fields, Named, Route, Schema, Type, Union, Values, Variant } from "./types.js";
export { untyped } from "./untyped.js";
