//! Tables of components that no macro made.

use super::build::ComponentType;
use super::method::{Block, Methods};
use super::specialize::ComponentProbe;
use super::{Component, Lifecycle, Plan, Registration};
use crate::error::Result;
use crate::pipeline::Pipeline;
use crate::services::Services;

/// A component without methods, in a block of its own.
macro_rules! component {
    ($name:ident, $server:literal) => {
        impl Component for $name {
            fn build(_: &Services) -> Result<Self> {
                Ok(Self)
            }
        }

        impl Lifecycle for $name {}

        inventory::submit! {
            Block {
                server: Some($server),
                service: "service",
                doc: "",
                file: file!(),
                component: || {
                    ComponentType::new(
                        <ComponentProbe<$name>>::BUILD,
                        <ComponentProbe<$name>>::LIFECYCLE,
                    )
                },
                methods: Methods::Handlers(&[]),
            }
        }
    };
}

fn plan<'a>(server_type: &'a str, registered: Vec<Registration>, services: &'a Services) -> Plan<'a> {
    let (handler_pipeline, remote_pipeline) = (Pipeline::default(), Pipeline::default());
    Plan {
        server_type,
        collect: true,
        forwards: false,
        registered,
        services,
        handler_pipeline,
        remote_pipeline,
    }
}

// What is in a constant without a name has no name of its own either.
const _: () = {
    struct Twin;
    component!(Twin, "twins");
};

const _: () = {
    struct Twin;
    component!(Twin, "twins");
};

#[test]
fn two_types_of_one_name_are_two_components() {
    let built = plan("twins", Vec::new(), &Services::default()).build().unwrap();
    let names: Vec<_> = built.lifecycles.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 2);
    assert_eq!(names[0], names[1]);
}

struct Here;
component!(Here, "here");

struct Elsewhere;
component!(Elsewhere, "elsewhere");

#[test]
fn unserved_component_of_other_type_is_reported() {
    let services = Services::default();
    let both = || vec![Registration::new(Here), Registration::new(Elsewhere)];
    let built = plan("here", both(), &services).build().unwrap();
    let [note] = &built.notes[..] else { panic!("one note, not {:?}", built.notes) };
    assert!(
        note.contains("tests::Elsewhere") && note.contains("`elsewhere`") && note.contains("`here`"),
        "{note}"
    );
    assert_eq!(built.lifecycles.len(), 1);

    let error = plan("nowhere", both(), &services).build().unwrap_err();
    assert!(error.msg().contains("tests::Elsewhere") && error.msg().contains("`nowhere`"), "{error}");
}
