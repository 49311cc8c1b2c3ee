//! Crates that nothing else names.
pitaya::link!(pitaya, serde_json);
pitaya::link!(r#std,);
pitaya::link!();

#[test]
fn compiles() {}
