//! The keys of groups in etcd, without the configured prefix (`docs/cluster.md`, "Groups").

/// Returns the key of a group.
///
/// ```
/// assert_eq!(pitaya::group::key::group("lobby"), "groups/lobby");
/// ```
#[must_use]
pub fn group(name: &str) -> String {
    format!("groups/{name}")
}

/// Returns the prefix of the keys of a group's members.
#[must_use]
pub fn members(name: &str) -> String {
    format!("groups/{name}/uids/")
}

/// Returns the key of a member.
///
/// ```
/// assert_eq!(pitaya::group::key::member("lobby", "ann"), "groups/lobby/uids/ann");
/// ```
#[must_use]
pub fn member(name: &str, uid: &str) -> String {
    format!("groups/{name}/uids/{uid}")
}
