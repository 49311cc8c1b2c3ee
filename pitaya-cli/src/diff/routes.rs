//! Compares handlers, remotes, pushes, errors, the dictionary and the serializers.

use std::collections::BTreeMap;

use pitaya_schema::{Method, PushClass, Scalar, Schema, Type, TypeDef};

use super::finding::{Direction, Finding, Rule, Severity};
use super::shape::{Formats, Place, Shapes};

/// Compares two schemas.
pub(super) fn compare(old: &Schema, new: &Schema) -> Vec<Finding> {
    let mut shapes = Shapes::new(old, new);
    let formats = client_formats(old);
    shapes.methods(&old.handlers, &new.handlers, false, |_| formats);
    shapes.methods(&old.remotes, &new.remotes, true, |ty| remote_formats(old, ty));
    shapes.pushes(formats);
    shapes.errors();
    shapes.dictionary();
    for serializer in old.serializers.difference(&new.serializers) {
        shapes.whole(
            Severity::Break,
            Rule::SerializerRemoved,
            serializer,
            ("available", "absent"),
            "Clients with this serializer can no longer connect. Keep it until they are gone.",
        );
    }
    if old.package != new.package {
        shapes.whole(
            Severity::Source,
            Rule::PackageChanged,
            "package",
            (&old.package, &new.package),
            "The package does not travel, but generated Protobuf code has other names.",
        );
    }
    shapes.finish()
}

/// Returns the formats that clients of a schema use.
fn client_formats(schema: &Schema) -> Formats {
    let proto = schema.serializers.contains("protobuf");
    Formats { named: !proto || schema.serializers.len() > 1, proto, servers: false }
}

/// Returns the format in which a remote's message travels: Protobuf if the type has it.
fn remote_formats(schema: &Schema, ty: &Type) -> Formats {
    let proto = is_proto(schema, ty);
    Formats { named: !proto, proto, servers: true }
}

fn is_proto(schema: &Schema, ty: &Type) -> bool {
    let Type::Named(name) = ty else { return false };
    let def = schema.types.get(name);
    def.is_some_and(|def| !matches!(def, TypeDef::Enum(_)) && def.is_proto())
}

fn is_raw(ty: &Type) -> bool {
    *ty == Type::Scalar(Scalar::Bytes)
}

fn shown(ty: Option<&Type>) -> String {
    match ty {
        None => "nothing".to_owned(),
        Some(ty) if is_raw(ty) => "raw bytes".to_owned(),
        Some(ty) => ty.to_string(),
    }
}

impl<'a> Shapes<'a> {
    /// Adds a finding that concerns both directions.
    fn whole(&mut self, severity: Severity, rule: Rule, subject: &str, states: (&str, &str), help: &str) {
        self.findings.push(Finding {
            severity,
            rule,
            subject: subject.to_owned(),
            field: String::new(),
            direction: None,
            old: states.0.to_owned(),
            new: states.1.to_owned(),
            help: help.to_owned(),
        });
    }

    fn methods(
        &mut self,
        old: &'a BTreeMap<String, Method>,
        new: &'a BTreeMap<String, Method>,
        remotes: bool,
        formats: impl Fn(&Type) -> Formats,
    ) {
        for (route, before) in old {
            let Some(after) = new.get(route) else {
                let moved = new
                    .iter()
                    .find(|(other, method)| !old.contains_key(*other) && same_types(method, before));
                let state = moved.map_or_else(|| "absent".to_owned(), |(other, _)| format!("{other}?"));
                self.whole(
                    Severity::Break,
                    Rule::RouteRemoved,
                    route,
                    ("present", &state),
                    "Calls of old callers fail. Keep the route: `#[route(\"…\")]` gives a renamed method its old one.",
                );
                continue;
            };
            if before.notify != after.notify {
                let shown = |method: &Method| if method.notify { "notify" } else { "request" };
                self.whole(
                    Severity::Break,
                    Rule::RouteKind,
                    route,
                    (shown(before), shown(after)),
                    "Old callers wait for a reply that never comes, or do not read it. Add a new route.",
                );
            }
            let message = (before.message.as_ref(), after.message.as_ref());
            self.body(route, message, Direction::In, remotes, &formats);
            if !before.notify && !after.notify {
                let reply = (before.reply.as_ref(), after.reply.as_ref());
                self.body(route, reply, Direction::Out, remotes, &formats);
                self.codes(route, before, after);
            }
        }
    }

    /// Compares the messages or the replies of a route. `main` is the direction in which a client's body travels.
    fn body(
        &mut self,
        route: &'a str,
        (old, new): (Option<&'a Type>, Option<&'a Type>),
        main: Direction,
        remotes: bool,
        formats: &impl Fn(&Type) -> Formats,
    ) {
        let rule = match main {
            Direction::In => Rule::RouteMessage,
            Direction::Out => Rule::RouteReply,
        };
        let states = (shown(old), shown(new));
        let states = (states.0.as_str(), states.1.as_str());
        match (old, new) {
            (None, None) => {}
            (Some(old_ty), Some(new_ty)) if is_raw(old_ty) != is_raw(new_ty) => self.whole(
                Severity::Break,
                Rule::RouteRaw,
                route,
                states,
                "Readers cannot decode the other form. Add a new route.",
            ),
            (Some(old_ty), Some(new_ty)) => {
                if remotes && is_proto(self.old, old_ty) != is_proto(self.new, new_ty) {
                    let shown = |proto| if proto { "Protobuf" } else { "MessagePack" };
                    self.whole(
                        Severity::Break,
                        Rule::ProtoChanged,
                        route,
                        (shown(is_proto(self.old, old_ty)), shown(is_proto(self.new, new_ty))),
                        "Old and new servers encode the call differently. Add a new remote.",
                    );
                    return;
                }
                let directions: &[_] = if remotes { Direction::BOTH } else { std::slice::from_ref(&main) };
                for direction in directions {
                    let place = Place {
                        subject: route.into(),
                        field: "",
                        direction: *direction,
                        formats: formats(old_ty),
                    };
                    self.types(&place, old_ty, new_ty);
                }
            }
            (None, Some(_)) if main == Direction::In => self.whole(
                Severity::Break,
                rule,
                route,
                states,
                "The server rejects the empty calls of old callers. Add a new route.",
            ),
            (Some(_), None) if main == Direction::Out => self.whole(
                Severity::Break,
                rule,
                route,
                states,
                "Old callers cannot read the empty reply. Keep the reply, or add a new route.",
            ),
            // In Protobuf the empty body of the other version has the default of each field.
            (None, Some(ty)) | (Some(ty), None)
                if remotes && !is_proto(self.old, ty) && !is_proto(self.new, ty) =>
            {
                self.whole(
                    Severity::Break,
                    rule,
                    route,
                    states,
                    "Servers of both versions call each other during an update, and one of them rejects the empty body. \
                     Add a new remote.",
                );
            }
            _ => self.whole(Severity::Note, rule, route, states, "Readers ignore the body."),
        }
    }

    fn codes(&mut self, route: &str, before: &Method, after: &Method) {
        let Some(known) = &before.errors else { return };
        let added = match &after.errors {
            None => "any code".to_owned(),
            Some(codes) => {
                let added = codes.iter().filter(|code| !known.contains(code));
                added.cloned().collect::<Vec<_>>().join(", ")
            }
        };
        if !added.is_empty() {
            self.whole(
                Severity::Note,
                Rule::ErrorAdded,
                route,
                (&known.join(", "), &added),
                "Old clients read a code that they do not know.",
            );
        }
    }

    fn pushes(&mut self, formats: Formats) {
        for (route, before) in &self.old.pushes {
            let Some(after) = self.new.pushes.get(route) else {
                self.whole(
                    Severity::Break,
                    Rule::PushRemoved,
                    route,
                    ("present", "absent"),
                    "Old clients wait for it. Keep pushing it until they are gone.",
                );
                continue;
            };
            if (before.class, after.class) == (PushClass::Reliable, PushClass::Latest) {
                self.whole(
                    Severity::Break,
                    Rule::PushClass,
                    route,
                    ("reliable", "latest"),
                    "Old clients rely on every push. Add a new push.",
                );
            }
            let (old, new) = (Some(&before.message), Some(&after.message));
            self.body(route, (old, new), Direction::Out, false, &|_| formats);
        }
    }

    fn errors(&mut self) {
        for (code, before) in &self.old.errors {
            let Some(after) = self.new.errors.get(code) else { continue };
            for key in before.metadata.iter().filter(|key| !after.metadata.contains(key)) {
                let place = Place {
                    subject: code.into(),
                    field: key,
                    direction: Direction::Out,
                    formats: NO_FORMATS,
                };
                self.findings.push(place.finding(
                    Severity::Break,
                    Rule::MetadataRemoved,
                    "present".to_owned(),
                    "absent".to_owned(),
                    "Old clients read the key. Keep it in `metadata(…)`.",
                ));
            }
        }
    }

    fn dictionary(&mut self) {
        let routes: BTreeMap<u16, &str> =
            self.new.dictionary.iter().map(|(route, code)| (*code, &**route)).collect();
        for (route, code) in &self.old.dictionary {
            let (rule, severity, state, help) = match (self.new.dictionary.get(route), routes.get(code)) {
                (Some(same), _) if same == code => continue,
                (Some(moved), _) => (
                    Rule::DictionaryChanged,
                    Severity::Break,
                    format!("code {moved}"),
                    "Clients with a cached dictionary call another route. Restore the code.",
                ),
                (None, Some(other)) => (
                    Rule::DictionaryChanged,
                    Severity::Break,
                    format!("code {code} is of {other}"),
                    "Clients with a cached dictionary call another route. Give the new route a code of its own.",
                ),
                (None, None) => (
                    Rule::DictionaryRemoved,
                    Severity::Note,
                    "absent".to_owned(),
                    "Clients with a cached dictionary call an unknown code. Keep it while they may be connected.",
                ),
            };
            self.whole(severity, rule, route, (&format!("code {code}"), &state), help);
        }
    }
}

/// Errors are not in the format of a message.
const NO_FORMATS: Formats = Formats { named: false, proto: false, servers: false };

fn same_types(a: &Method, b: &Method) -> bool {
    (a.notify, &a.message, &a.reply) == (b.notify, &b.message, &b.reply)
        && (a.message.is_some() || a.reply.is_some())
}
