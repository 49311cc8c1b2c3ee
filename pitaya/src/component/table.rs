//! The two tables of an app: handlers and remotes, from blocks that were collected or registered.

use std::any::{TypeId, type_name};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::build::{ComponentType, Instance};
use super::every::{Every, TimerBlock};
use super::method::{Block, BlockKind, Bound, Contract, MethodInfo};
use crate::error::{Error, Result, code};
use crate::lifecycle::DynLifecycle;
use crate::pipeline::Pipeline;
use crate::services::Services;

/// One route that this app serves.
#[derive(Debug)]
#[doc(hidden)]
pub struct Entry {
    pub(crate) route: Arc<str>,
    pub(crate) info: MethodInfo,
    pub(crate) call: Bound,
    pub(crate) pipeline: Pipeline,
    /// The component whose method it is.
    pub(crate) instance: Instance,
}

/// The position of an entry in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryId(u32);

impl EntryId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl Entry {
    pub(crate) fn route(&self) -> &str {
        &self.route
    }

    /// Whether neither hooks nor rules concern its calls.
    #[inline]
    pub(crate) fn no_hooks(&self) -> bool {
        let Pipeline { before, after, validate, .. } = &self.pipeline;
        before.is_empty() && after.is_empty() && !validate
    }
}

/// The routes of one kind, found by their text with or without the server type.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: Vec<Arc<Entry>>,
    /// Keyed by bytes, so that a route of a client is looked up without a check for UTF-8.
    by_route: HashMap<Box<[u8]>, EntryId, RandomState>,
}

impl Table {
    /// Finds the entry of a route as it was received: `service.method`, or with this server's type before it.
    #[inline]
    pub(crate) fn find(&self, route: &[u8]) -> Option<EntryId> {
        self.by_route.get(route).copied()
    }

    /// Returns an entry by its position.
    #[inline]
    pub(crate) fn entry(&self, id: EntryId) -> &Arc<Entry> {
        &self.entries[id.index()]
    }

    /// Adds an entry. Returns `None` if the table is full.
    pub(super) fn add(&mut self, entry: Entry) -> Option<EntryId> {
        let id = EntryId(u32::try_from(self.entries.len()).ok()?);
        self.entries.push(Arc::new(entry));
        Some(id)
    }

    pub(crate) fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }
}

/// All routes that an app serves, and the services that its calls use.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) handlers: Table,
    pub(crate) remotes: Table,
    pub(crate) services: Arc<Services>,
}

/// A component that the user made.
pub(crate) struct Registration {
    id: TypeId,
    name: &'static str,
    instance: Instance,
    /// A block that is not linked in, because only a registered component serves it.
    block: Option<&'static Block>,
}

impl Registration {
    pub(crate) fn new<S: Send + Sync + 'static>(component: S) -> Self {
        Self { id: TypeId::of::<S>(), name: type_name::<S>(), instance: Arc::new(component), block: None }
    }

    /// Returns whether the component is an `S`.
    pub(crate) fn is<S: 'static>(&self) -> bool {
        self.id == TypeId::of::<S>()
    }

    /// Adds a block that is not linked in.
    #[must_use]
    pub(crate) fn with_block(self, block: &'static Block) -> Self {
        Self { block: Some(block), ..self }
    }

    /// Returns whether both are of one type.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.id == other.id
    }

    /// Returns the finding if none of its blocks is of this server type: an error if it has no block.
    fn unserved(
        &self,
        server_type: &str,
        linked: &[&Block],
        timed: &[&TimerBlock],
    ) -> Option<Result<String, String>> {
        let mut servers = BTreeSet::new();
        for block in timed.iter().filter(|block| block.id() == self.id) {
            match block.server {
                Some(server) if server != server_type => drop(servers.insert(server)),
                // Timers of no server type run beside the blocks that are served, or alone.
                None if linked.iter().any(|block| (block.component)().id == self.id) => {}
                _ => return None,
            }
        }
        for block in linked.iter().filter(|block| (block.component)().id == self.id) {
            match block.server {
                Some(server) if server != server_type => servers.insert(server),
                _ => return None,
            };
        }
        if servers.is_empty() {
            return Some(Err(format!(
                "`{}` was registered, but has no `#[handler]` or `#[remote]` block",
                self.name
            )));
        }
        let servers = servers.into_iter().map(|server| format!("`{server}`")).collect::<Vec<_>>().join(", ");
        Some(Ok(format!(
            "`{}` was registered, but serves server type {servers}, and this app is a `{server_type}`: it is not served",
            self.name
        )))
    }
}

/// The components of an app in the order of their names, with their lifecycles.
#[derive(Default)]
pub(crate) struct Built {
    pub(crate) tables: Tables,
    pub(crate) lifecycles: Vec<(String, Arc<dyn DynLifecycle>)>,
    /// The timers of the components.
    pub(crate) timers: Vec<(Instance, &'static Every)>,
    /// Probable mistakes that do not prevent the start.
    pub(crate) notes: Vec<String>,
}

/// The input of [`build`].
pub(crate) struct Plan<'a> {
    pub(crate) server_type: &'a str,
    pub(crate) collect: bool,
    /// Whether this is a frontend that forwards messages to other servers.
    pub(crate) forwards: bool,
    pub(crate) registered: Vec<Registration>,
    pub(crate) services: &'a Services,
    pub(crate) handler_pipeline: Pipeline,
    pub(crate) remote_pipeline: Pipeline,
}

/// Returns all linked blocks in a fixed order, because link order is unspecified.
pub(crate) fn linked() -> Vec<&'static Block> {
    let mut blocks: Vec<_> = inventory::iter::<Block>().collect();
    blocks.sort_by_key(|b| (b.methods.kind(), b.server, b.service, b.file, (b.component)().name));
    blocks
}

impl Plan<'_> {
    /// Builds the components and the tables; reports all mistakes together.
    pub(crate) fn build(self) -> Result<Built> {
        let mut linked = linked();
        linked.extend(self.registered.iter().filter_map(|own| own.block));
        let registered: HashMap<_, _> = self.registered.iter().map(|r| (r.id, r)).collect();
        let mine: Vec<_> = linked
            .iter()
            .filter(|block| block.server.is_none_or(|server| server == self.server_type))
            .filter(|block| self.collect || registered.contains_key(&(block.component)().id))
            .collect();
        let mut built = Built::default();
        let mut problems = duplicates(self.server_type, &mine);
        let mut timed: Vec<_> = inventory::iter::<TimerBlock>().collect();
        timed.sort_by_key(|b| (b.server, (b.component)().name, b.timers.first().map(|every| every.name)));
        let unserved = |own: &Registration| own.unserved(self.server_type, &linked, &timed);
        for said in self.registered.iter().filter_map(unserved) {
            match said {
                Ok(note) => built.notes.push(note),
                Err(problem) => drop(problems.insert(problem)),
            }
        }
        // One that only passes messages on has to say that it serves nothing.
        if mine.is_empty() && (self.collect || !self.forwards) {
            problems.extend(built.notes);
            problems.insert(self.nothing(&linked));
            return Err(all(problems));
        }
        // By name for the order of their life, by type because a name need not be one type's alone.
        let mut instances: BTreeMap<(&'static str, TypeId), (ComponentType, Instance)> = BTreeMap::new();
        // Timers have their component made where they name this server type, or where it is registered.
        let made_for_timers = timed.iter().filter(|block| match block.server {
            Some(server) if server != self.server_type => false,
            Some(_) => self.collect || registered.contains_key(&block.id()),
            None => registered.contains_key(&block.id()),
        });
        let components = mine.iter().map(|block| (block.component)());
        for component in components.chain(made_for_timers.map(|block| (block.component)())) {
            if instances.contains_key(&component.key()) {
                continue;
            }
            let instance = match registered.get(&component.id) {
                Some(own) => Ok(Arc::clone(&own.instance)),
                None => component.make(self.services),
            };
            match instance {
                Ok(instance) => {
                    instances.insert(component.key(), (component, instance));
                }
                Err(error) => {
                    problems.insert(error.reason().into_owned());
                }
            }
        }
        problems.extend(mine.iter().flat_map(|block| self.missing(block)));
        if !problems.is_empty() {
            return Err(all(problems));
        }

        for block in &mine {
            let Some((_, instance)) = instances.get(&(block.component)().key()) else { continue };
            self.mount(block, instance, &mut built.tables);
        }
        built.timers = timers(self.server_type, &timed, &instances);
        built.notes.extend(self.notes(&linked, &timed, &built));
        built.lifecycles = instances
            .iter()
            .filter_map(|((name, _), (component, instance))| {
                Some(((*name).to_owned(), component.lifecycle(instance)?))
            })
            .collect();
        Ok(built)
    }

    /// Finds the arguments that this app cannot provide.
    fn missing(&self, block: &Block) -> Vec<String> {
        let methods = block.methods.list().into_iter();
        let needs = methods.flat_map(|(info, _)| info.needs.iter().map(move |need| (info.name, need)));
        needs
            .filter_map(|(method, (argument, check))| {
                let error = check(self.services).err()?;
                Some(format!(
                    "{} `{}.{}.{method}` takes `{argument}`: {}",
                    block.methods.kind().as_str(),
                    self.server_type,
                    block.service,
                    error.reason()
                ))
            })
            .collect()
    }

    /// Finds linked items that do nothing on this server, which is probably a mistake.
    fn notes(&self, linked: &[&Block], timed: &[&TimerBlock], built: &Built) -> Vec<String> {
        if !self.collect {
            return Vec::new();
        }
        let served = |contract: &&Contract| {
            let short = format!("{}.", contract.service);
            let mut routes = built.tables.remotes.by_route.keys();
            routes.any(|route| route.starts_with(short.as_bytes()))
        };
        let contracts = inventory::iter::<Contract>().filter(|contract| contract.server == self.server_type);
        let unserved = contracts.filter(|contract| !served(contract)).map(|contract| {
            format!(
                "contract `{0}` ({1}:{2}) is of server type `{3}`, but no component of this app serves it: write \
                 `#[remote]` on `impl {0} for …`, and link its crate in",
                contract.name, contract.file, contract.line, contract.server
            )
        });
        let runs = |block: &&&TimerBlock| {
            block.server.is_some()
                || linked.iter().any(|other| (other.component)().id == block.id())
                || timed.iter().any(|other| other.server.is_some() && other.id() == block.id())
                || self.registered.iter().any(|own| own.id == block.id())
        };
        let idle = timed.iter().filter(|block| !runs(block)).map(|block| {
            format!(
                "timers of `{}` never run, because nothing makes it: write `#[timers(server = \"…\")]`, or \
                 `.register(…)` one",
                (block.component)().name
            )
        });
        let mut notes: Vec<_> = unserved.chain(idle).collect();
        notes.sort();
        notes
    }

    fn mount(&self, block: &Block, instance: &Instance, tables: &mut Tables) {
        let (table, pipeline) = match block.methods.kind() {
            BlockKind::Handler => (&mut tables.handlers, &self.handler_pipeline),
            BlockKind::Remote => (&mut tables.remotes, &self.remote_pipeline),
        };
        for (info, call) in block.methods.list() {
            let short = format!("{}.{}", block.service, info.name);
            let route: Arc<str> = format!("{}.{short}", self.server_type).into();
            let (full, instance) = (Arc::clone(&route), Arc::clone(instance));
            let entry = Entry { route, info, call, pipeline: pipeline.clone(), instance };
            let Some(id) = table.add(entry) else { return };
            table.by_route.insert(short.into_bytes().into(), id);
            table.by_route.insert(full.as_bytes().into(), id);
        }
    }

    fn nothing(&self, linked: &[&Block]) -> String {
        let types: BTreeSet<_> = linked.iter().filter_map(|b| b.server).collect();
        if linked.is_empty() {
            "no component is linked in: name its crate once, with `pitaya::link!(the_crate);`, or register one with `.register(…)`"
                .to_owned()
        } else if !self.collect {
            "no component of this server type is registered: `.explicit_components()` leaves out what is linked in; add `.register(…)`"
                .to_owned()
        } else {
            format!(
                "no component of server type `{}` is linked in; linked in are: {}. Name its crate once, with `pitaya::link!(the_crate);`, or choose another `.server_type(…)`",
                self.server_type,
                types.into_iter().collect::<Vec<_>>().join(", ")
            )
        }
    }
}

/// Returns the timers that an app of this server type runs.
fn timers(
    server_type: &str,
    timed: &[&'static TimerBlock],
    instances: &BTreeMap<(&'static str, TypeId), (ComponentType, Instance)>,
) -> Vec<(Instance, &'static Every)> {
    let here = timed.iter().filter(|block| block.server.is_none_or(|server| server == server_type));
    here.filter_map(|block| Some((&instances.get(&(block.component)().key())?.1, block.timers)))
        .flat_map(|(instance, timers)| timers.iter().map(|every| (Arc::clone(instance), every)))
        .collect()
}

fn all(problems: BTreeSet<String>) -> Error {
    Error::new(code::INTERNAL, problems.into_iter().collect::<Vec<_>>().join("\n"))
}

/// Finds routes that are defined twice; each finding names both places.
fn duplicates(server_type: &str, blocks: &[&&'static Block]) -> BTreeSet<String> {
    let mut seen: HashMap<(BlockKind, String), String> = HashMap::new();
    let mut problems = BTreeSet::new();
    for block in blocks {
        for (info, _) in block.methods.list() {
            let route = format!("{server_type}.{}.{}", block.service, info.name);
            let place = format!("{}:{}", block.file, info.line);
            if let Some(first) = seen.insert((block.methods.kind(), route.clone()), place.clone()) {
                problems.insert(format!(
                    "{} route `{route}` is defined twice: {first} and {place}",
                    block.methods.kind().as_str()
                ));
            }
        }
    }
    problems
}
