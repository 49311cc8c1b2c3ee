//! Servers of one cluster, in one process: they find each other, call each other, and reach each other's users.

mod calls;
mod sessions;
mod test_cluster;
mod users;
