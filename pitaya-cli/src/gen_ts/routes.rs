//! Handlers by group, pushes, errors, and the schema as data.

use std::collections::{BTreeMap, BTreeSet};

use pitaya_schema::{Method, Schema};

use super::names::{camel, check, is_free_group, property, text};
use super::types::body_data;
use super::writer::Writer;
use super::{Gen, GenError};

/// The handlers of one service.
pub(super) struct Group<'a> {
    name: String,
    /// The routes up to the method, for the documentation.
    prefix: String,
    methods: Vec<(String, &'a str, &'a Method)>,
}

/// Sorts the handlers into groups. A group has the name of its service; two services of one name get their server's
/// type in front.
pub(super) fn groups(schema: &Schema) -> Result<Vec<Group<'_>>, GenError> {
    let mut services: BTreeMap<&str, Vec<(&str, &str, &Method)>> = BTreeMap::new();
    for (route, method) in &schema.handlers {
        let (service, name) = route.rsplit_once('.').unwrap_or(("", route));
        services.entry(service).or_default().push((name, route, method));
    }
    let keys: Vec<&str> = services.keys().copied().collect();
    let short = |service: &str| camel(service.rsplit('.').next().unwrap_or_default());
    let names = unique(&keys, &[&short, &camel], &is_free_group);
    let mut groups = Vec::new();
    for ((service, methods), name) in services.into_iter().zip(names) {
        check(&name, "the services")?;
        let method_keys: Vec<&str> = methods.iter().map(|(name, ..)| *name).collect();
        let names = unique(&method_keys, &[&camel], &|_| true);
        for name in &names {
            check(name, &format!("service `{service}`"))?;
        }
        let methods =
            names.into_iter().zip(methods).map(|(name, (_, route, method))| (name, route, method)).collect();
        groups.push(Group { name, prefix: service.to_owned(), methods });
    }
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(groups)
}

/// Chooses a name for each key: the first of `forms` that no other key has, else the key itself. A name that is not
/// `free` gets `_`.
fn unique(keys: &[&str], forms: &[&dyn Fn(&str) -> String], free: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut names: Vec<Option<String>> = vec![None; keys.len()];
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let own = |key: &str| key.to_owned();
    for form in forms.iter().copied().chain([&own as &dyn Fn(&str) -> String]) {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let open: Vec<usize> = (0..keys.len()).filter(|at| names[*at].is_none()).collect();
        for at in &open {
            *counts.entry(form(keys[*at])).or_default() += 1;
        }
        for at in open {
            let name = form(keys[at]);
            if counts.get(&name) == Some(&1) && !name.is_empty() && !taken.contains(&name) {
                taken.insert(name.clone());
                names[at] = Some(name);
            }
        }
    }
    let mut out = Vec::new();
    for (key, name) in keys.iter().zip(names) {
        let mut name = name.unwrap_or_else(|| (*key).to_owned());
        if !free(&name) {
            name.push('_');
            while !taken.insert(name.clone()) {
                name.push('_');
            }
        }
        out.push(name);
    }
    out
}

impl Gen<'_> {
    pub(super) fn declare_pushes(&self, out: &mut Writer) {
        out.line("");
        out.doc("The messages that the server pushes, by route.");
        out.block(&format!("export interface {} {{", self.names.pushes), "}", |out| {
            for (route, push) in &self.schema.pushes {
                out.doc(&push.doc);
                out.line(&format!("{}: {};", property(route), self.ty(&push.message)));
            }
        });
    }

    pub(super) fn declare_errors(&self, out: &mut Writer) {
        if self.schema.errors.is_empty() {
            return;
        }
        out.line("");
        out.doc("The metadata of the application's errors, by code.");
        out.block(&format!("export interface {} {{", self.names.errors), "}", |out| {
            for (code, error) in &self.schema.errors {
                out.doc(&error.doc);
                let keys: Vec<String> = error
                    .metadata
                    .iter()
                    .map(|key| format!("readonly {}?: string | undefined", property(key)))
                    .collect();
                let metadata =
                    if keys.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", keys.join("; ")) };
                out.line(&format!("{}: {metadata};", property(code)));
            }
        });
    }

    pub(super) fn declare_groups(&self, groups: &[Group<'_>], out: &mut Writer) {
        out.line("");
        out.doc("The client: connect it with `connect`.");
        let open =
            format!("export interface {} extends pitaya.Client<{}> {{", self.names.client, self.names.pushes);
        out.block(&open, "}", |out| {
            for group in groups {
                out.doc(&format!("The handlers `{}.*`.", group.prefix));
                out.block(&format!("readonly {}: {{", property(&group.name)), "};", |out| {
                    for (name, _, method) in &group.methods {
                        out.doc(&method.doc);
                        out.line(&format!("readonly {}: {};", property(name), self.signature(method)));
                    }
                });
            }
        });
    }

    fn signature(&self, method: &Method) -> String {
        let message = method.message.as_ref().map(|ty| self.ty(ty));
        if method.notify {
            return match message {
                Some(message) => format!("pitaya.Notify<{message}>"),
                None => "pitaya.EmptyNotify".to_owned(),
            };
        }
        let reply = method.reply.as_ref().map_or_else(|| "void".to_owned(), |ty| self.ty(ty));
        let errors = match self.known_errors(method).as_slice() {
            [] => String::new(),
            codes => {
                let codes: Vec<String> = codes.iter().map(|code| text(code)).collect();
                format!(", Pick<{}, {}>", self.names.errors, codes.join(" | "))
            }
        };
        match message {
            Some(message) => format!("pitaya.Request<{message}, {reply}{errors}>"),
            None => format!("pitaya.EmptyRequest<{reply}{errors}>"),
        }
    }

    /// Returns the codes of a method that the schema describes.
    fn known_errors<'m>(&self, method: &'m Method) -> Vec<&'m str> {
        let codes = method.errors.iter().flatten().map(String::as_str);
        codes.filter(|code| self.schema.errors.contains_key(*code)).collect()
    }

    /// Writes the schema as data.
    pub(super) fn declare_schema(&self, groups: &[Group<'_>], out: &mut Writer) {
        out.line("");
        out.doc("The schema, for `connect`.");
        let Self { names, schema, .. } = self;
        // `as const`, because the compiler gives a property like `constructor` the type that all objects have.
        let open = format!("export const {}: pitaya.Schema<{}> = {{", names.root, names.client);
        out.block(&open, "} as const;", |out| {
            out.line(&format!("name: {},", text(&schema.name)));
            out.line(&format!("hash: {},", text(&schema.client_hash())));
            if self.bigint {
                out.line("int64: \"bigint\",");
            }
            self.type_data(out);
            out.block("routes: {", "},", |out| {
                for group in groups {
                    out.block(&format!("{}: {{", property(&group.name)), "},", |out| {
                        for (name, route, method) in &group.methods {
                            out.line(&format!("{}: {},", property(name), self.route_data(route, method)));
                        }
                    });
                }
            });
            out.block("pushes: {", "},", |out| {
                for (route, push) in &schema.pushes {
                    out.line(&format!("{}: {},", property(route), body_data(&push.message)));
                }
            });
        });
    }

    fn route_data(&self, route: &str, method: &Method) -> String {
        let mut parts = vec![format!("route: {}", text(route))];
        parts.extend(method.message.as_ref().map(|ty| format!("message: {}", body_data(ty))));
        parts.extend(method.reply.as_ref().map(|ty| format!("reply: {}", body_data(ty))));
        if method.notify {
            parts.push("notify: true".to_owned());
        }
        let codes: Vec<String> = self.known_errors(method).iter().map(|code| text(code)).collect();
        if !codes.is_empty() {
            parts.push(format!("errors: [{}]", codes.join(", ")));
        }
        format!("{{ {} }}", parts.join(", "))
    }
}
