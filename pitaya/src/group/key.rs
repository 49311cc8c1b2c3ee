//! The keys under which groups are kept in a registry, each format in this one place (`docs/cluster.md`, "Groups").
//! The configured prefix, which stands before all of them, is not in here. Names are checked before they come here.

/// The key of a group.
///
/// ```
/// assert_eq!(pitaya::group::key::group("lobby"), "groups/lobby");
/// ```
#[must_use]
pub fn group(name: &str) -> String {
    format!("groups/{name}")
}

/// What the keys of a group's members begin with.
#[must_use]
pub fn members(name: &str) -> String {
    format!("groups/{name}/uids/")
}

/// The key of one member.
///
/// ```
/// assert_eq!(pitaya::group::key::member("lobby", "ann"), "groups/lobby/uids/ann");
/// ```
#[must_use]
pub fn member(name: &str, uid: &str) -> String {
    format!("groups/{name}/uids/{uid}")
}
