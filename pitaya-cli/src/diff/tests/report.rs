//! The report and the allow file.

use serde_json::json;

use super::*;

#[test]
fn accepted_findings_are_split_off() {
    let old = schema(types(json!([optional("f", "i8")]), &["json"]));
    let new = schema(types(json!([optional("f", "string")]), &["json"]));
    let allowed =
        Allowed::parse("# reviewed\ntype-changed/T.f/in  # old clients are gone\n\nfield-added/T.x/in\n")
            .unwrap();
    let (left, accepted) = allowed.split(diff(&old, &new));
    assert_eq!(left.iter().map(Finding::id).collect::<Vec<_>>(), ["type-changed/T.f/out"]);
    assert_eq!(accepted.iter().map(Finding::id).collect::<Vec<_>>(), ["type-changed/T.f/in"]);
    assert_eq!(allowed.unused(&accepted), ["field-added/T.x/in"]);
}

#[test]
fn line_that_is_no_id_is_rejected() {
    for text in ["\nnonsense", "\nno-rule/T.f/in", "\nfield-added"] {
        let error = Allowed::parse(text).unwrap_err();
        assert_eq!((error.line, error.text.as_str()), (2, text.trim()));
    }
}

#[test]
fn report_names_the_place_both_values_and_the_way_out() {
    let old = schema(types(json!([required("f", "i64")]), &["json"]));
    let new = schema(types(json!([required("f", "i32")]), &["json"]));
    let findings = diff(&old, &new);
    assert_eq!(
        to_text(&findings),
        "break  T.f: i64 -> i32 (in: old callers send, new servers read)\n       The server rejects values that old \
         callers send. Keep the type and check the value in the handler.\n       id: type-narrowed/T.f/in\n"
    );
    let report = to_json(&findings, &[], Severity::Break);
    assert_eq!(report["breaking"], 1);
    assert_eq!(report["findings"][0]["id"], "type-narrowed/T.f/in");
    assert_eq!(report["findings"][0]["direction"], "in");
}
