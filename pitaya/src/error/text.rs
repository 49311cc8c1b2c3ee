//! The texts that clients and peers compare, byte for byte as Go Pitaya writes them.

pub(crate) const INTERNAL: &str = "internal error";
pub(crate) const NULL_REPLY: &str = "reply must not be null";
pub(crate) const REQUEST_ON_NOTIFY: &str = "tried to request a notify route";
pub(crate) const EMPTY_ROUTE_FIELD: &str = "route field can not be empty";
pub(crate) const INVALID_ROUTE: &str = "invalid route";
pub(crate) const ROUTE_NOT_FOUND: &str = "route not found";
pub(crate) const TOO_MANY: &str = "rate limit exceeded";
pub(crate) const HANDLER_TIMEOUT: &str = "handler timeout";
pub(crate) const NO_SERVERS: &str = "no servers available of this type";
pub(crate) const NO_SERVER_WITH_ID: &str = "can't find any server with the provided ID";
pub(crate) const RPC_NOT_INITIALIZED: &str = "RPC server is not running";
pub(crate) const ILLEGAL_UID: &str = "illegal uid";
pub(crate) const ALREADY_BOUND: &str = "session is already bound to an uid";
pub(crate) const NOT_BOUND: &str = "you have to bind an UID to the session to do that";
pub(crate) const OUTBOX_FULL: &str = "the outbox of the client is full";
pub(crate) const BROKEN_PIPE: &str = "broken low-level pipe";
pub(crate) const SESSION_NOT_FOUND: &str = "session not found";
pub(crate) const FRONT_CANT_PUSH_TO_FRONT: &str = "frontend session can't push to front";
pub(crate) const ON_CLOSE_ON_BACKEND: &str = "onclose callbacks are not allowed on backend servers";
pub(crate) const FRONTEND_TYPE_NOT_SPECIFIED: &str =
    "for using SendPushToUsers from a backend server you have to specify a valid frontendType";
pub(crate) const RPC_MAY_BE_LOCAL: &str = "you are making a rpc that may be processed locally, either specify a different server type or specify a server id";
pub(crate) const SERVER_NOT_FOUND: &str = "server not found";
pub(crate) const NO_SERVER_TYPE: &str =
    "no server type chosen for sending RPC, send a full route in the format server.service.component";
pub(crate) const EMPTY_UID: &str = "empty uid";
pub(crate) const GROUP_EXISTS: &str = "group already exists";
pub(crate) const GROUP_NOT_FOUND: &str = "group not found";
pub(crate) const MEMBER_EXISTS: &str = "member already exists in group";
pub(crate) const MEMBER_NOT_FOUND: &str = "member not found in the group";
pub(crate) const GROUP_TTL_NOT_FOUND: &str = "memory group TTL not found";
pub(crate) const PUSHING_TO_USERS: &str = "failed to push message to users";
pub(crate) const KICKING_USERS: &str = "failed to kick users";
pub(crate) const ILLEGAL_GROUP: &str = "illegal group name";
pub(crate) const NO_CONTEXT: &str = "no context found";
pub(crate) const CANNOT_DECODE_ROUTE: &str = "cannot decode route";
pub(crate) const INVALID_RPC_TYPE: &str = "invalid rpc type";
pub(crate) const RPC_TIMEOUT: &str = "rpc client: request timeout";
#[cfg(feature = "worker")]
pub(crate) const RPC_JOB_REGISTERED: &str = "rpc job was already registered";
#[cfg(feature = "grpc")]
pub(crate) const BINDING_NOT_FOUND: &str = "binding for this user was not found in etcd";
pub(crate) const NO_BINDING_STORAGE: &str = "for sending remote pushes or using unique session module while using grpc you need to pass it a BindingStorage";
pub(crate) const PROTO_DESCRIPTOR: &str = "failed to get protobuf message descriptor";
pub(crate) const BINARY_TIMEOUT: &str = "timeout waiting to binary process to terminate";
