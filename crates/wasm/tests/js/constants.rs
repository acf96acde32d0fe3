//! Imported string constants, in both forms.

use super::{Program, unwinders};
use windrow::Config;
use windrow_wasm::{Error, Linker, Module, js};

#[test]
fn the_name_of_a_constant_is_its_text() {
    let mut program = Program::of(
        r#"(module
            (import "'" "" (global $empty externref))
            (import "'" "gr\u{fc}n \u{1f600}" (global $text (ref extern)))
            (func (export "empty") (result externref) (global.get $empty))
            (func (export "text") (result externref) (global.get $text)))"#,
    );
    assert_eq!(program.text("empty", &[]), "");
    assert_eq!(program.text("text", &[]), "gr\u{fc}n \u{1f600}");
}

#[test]
fn constants_come_from_the_module_asked_for() {
    let engine = unwinders::engine(&Config::new()).unwrap();
    let text = r#"(module (import "strings" "a" (global (ref extern))))"#;
    let module = Module::new(&engine, text.as_bytes()).unwrap();
    let mut store = engine.new_store().unwrap();
    let mut linker = Linker::new(&engine);
    js::define_string_constants(&mut linker, "'");
    let missing = linker.instantiate(&mut store, &module).unwrap_err();
    assert!(matches!(missing, Error::MissingImport { .. }), "{missing}");
    js::define_string_constants(&mut linker, "strings");
    linker.instantiate(&mut store, &module).unwrap();
}

#[test]
fn constants_are_immutable_and_strings() {
    for ty in ["(mut externref)", "(ref any)", "i32"] {
        let text = format!(r#"(module (import "'" "a" (global {ty})))"#);
        let error = Program::new(&Config::new(), text.as_bytes()).err();
        assert!(
            matches!(error, Some(Error::ImportType { .. })),
            "{ty}: {error:?}"
        );
    }
}

const J2CL: &str = r#"(module
    (import "string.const" "1" (global $one (ref extern)))
    (import "string.const" "0" (global $zero (ref extern)))
    (func (export "zero") (result externref) (global.get $zero))
    (func (export "one") (result externref) (global.get $one))
    (@custom "string.consts" "SECTION"))"#;

#[test]
fn constants_of_j2cl_are_in_a_custom_section() {
    let mut program = Program::of(&J2CL.replace("SECTION", r#"[\"a\\n\", \"\\u00fc\"]"#));
    assert_eq!(program.text("zero", &[]), "a\n");
    assert_eq!(program.text("one", &[]), "\u{fc}");
}

#[test]
fn a_section_that_is_unfit_is_an_error() {
    let error = |module: &str| {
        Program::new(&Config::new(), module.as_bytes())
            .err()
            .unwrap()
    };
    let short = error(&J2CL.replace("SECTION", r#"[\"a\"]"#));
    assert!(matches!(short, Error::MissingImport { .. }), "{short}");
    let absent = error(&J2CL.replace("string.consts", "others"));
    assert!(matches!(absent, Error::MissingImport { .. }), "{absent}");
    for section in ["", "[", "[1]", r"{}"] {
        let unfit = error(&J2CL.replace("SECTION", section));
        assert!(
            unfit.to_string().contains("JSON array of strings"),
            "{unfit}"
        );
    }
}
