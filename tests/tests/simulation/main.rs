//! Clusters in one process, with faults that a seed decides: what holds whatever goes wrong, and that one seed is one run.

mod binds;
mod crash;
mod faults;
mod groups;
mod keys;
mod leaks;
mod limits;
mod rules;
mod same;
mod servers;
mod settle;
mod start;
