//! The vectors of routes, against `pitaya::route`.

use pitaya_tests::vectors::{self, run};

#[test]
fn every_kind_runs_and_asserts() {
    vectors::complete("route_vectors", &[("route_decode", vectors_route_decode)]);
}

#[test]
fn vectors_route_decode() {
    run("route_decode", |case| {
        let got = pitaya::route::parse(case.str("route")?);
        case.same("refused", &got.is_err(), &case.refused()?)?;
        let Ok(got) = got else {
            return Ok(());
        };
        case.same("server", &got.server.unwrap_or_default(), &case.str("server_type")?)?;
        case.same("service", &got.service, &case.str("service")?)?;
        case.same("method", &got.method, &case.str("method")?)
    });
}
