//! Each builtin of `wasm:js-string`, with what it traps on.

use super::{NULL, Program};
use windrow::ExternRef;
use windrow::Val::{self, I32};
use windrow_wasm::{Error, TrapKind, js};

fn program() -> Program {
    Program::of(include_str!("builtins.wat"))
}

/// What is no string: null last.
fn not_strings(program: &mut Program) -> Vec<(Val, TrapKind)> {
    let mut scope = program.store.scope();
    let host_value = ExternRef::new(&mut scope, "text").unwrap();
    let host_value = host_value.own(&mut scope);
    drop(scope);
    let others = [
        Val::Ref(host_value.into()),
        program.call("object", &[]).unwrap(),
        program.call("i31", &[]).unwrap(),
    ];
    let casts = others
        .into_iter()
        .map(|value| (value, TrapKind::CastFailure));
    casts.chain([(NULL, TrapKind::NullReference)]).collect()
}

#[test]
fn strings_are_told_from_everything_else() {
    let mut program = program();
    let string = program.string("text");
    assert_eq!(program.i32("test", std::slice::from_ref(&string)), 1);
    assert_eq!(program.text("cast", &[string]), "text");
    for (value, kind) in not_strings(&mut program) {
        assert_eq!(program.i32("test", std::slice::from_ref(&value)), 0);
        assert_eq!(program.trap("cast", &[value]), kind);
    }
}

#[test]
fn only_strings_are_taken() {
    let mut program = program();
    let string = program.string("text");
    for (value, kind) in not_strings(&mut program) {
        let one = [value.clone()];
        let with_index = [value.clone(), I32(0)];
        let with_range = [value.clone(), I32(0), I32(0)];
        let (left, right) = (
            [value.clone(), string.clone()],
            [string.clone(), value.clone()],
        );
        let through = [value, I32(9), I32(0), I32(0), I32(0)];
        let calls: [(&str, &[Val]); 10] = [
            ("length", &one),
            ("intoNull", &one),
            ("charCodeAt", &with_index),
            ("codePointAt", &with_index),
            ("substring", &with_range),
            ("concat", &left),
            ("concat", &right),
            ("compare", &left),
            ("compare", &right),
            ("through", &through),
        ];
        for (export, args) in calls {
            assert_eq!(program.trap(export, args), kind, "{export}");
        }
        if kind == TrapKind::CastFailure {
            assert_eq!(program.trap("equals", &left), kind);
            assert_eq!(program.trap("equals", &right), kind);
        }
    }
}

#[test]
fn strings_are_made_of_units_and_code_points() {
    let mut program = program();
    for (code, units) in [
        (0x41, [0x41]),
        (0x1_0041, [0x41]),
        (-1, [0xffff]),
        (0xd800, [0xd800]),
    ] {
        assert_eq!(program.units("fromCharCode", &[I32(code)]), units);
    }
    assert_eq!(program.text("fromCodePoint", &[I32(0x41)]), "A");
    assert_eq!(program.text("fromCodePoint", &[I32(0x1_f600)]), "\u{1f600}");
    assert_eq!(
        program.text("fromCodePoint", &[I32(0x10_ffff)]),
        "\u{10ffff}"
    );
    assert_eq!(program.units("fromCodePoint", &[I32(0xdc00)]), [0xdc00]);
    for code_point in [0x11_0000, -1, i32::MIN] {
        let kind = program.trap("fromCodePoint", &[I32(code_point)]);
        assert_eq!(kind, TrapKind::InvalidCodePoint);
    }
}

#[test]
fn strings_are_looked_into() {
    let mut program = program();
    let string = program.string("a\u{1f600}z");
    assert_eq!(program.i32("length", std::slice::from_ref(&string)), 4);
    let expected = [
        (0x61, 0x61),
        (0xd83d, 0x1_f600),
        (0xde00, 0xde00),
        (0x7a, 0x7a),
    ];
    for ((unit, code_point), index) in expected.into_iter().zip(0..) {
        let args = [string.clone(), I32(index)];
        assert_eq!(program.i32("charCodeAt", &args), unit);
        assert_eq!(program.i32("codePointAt", &args), code_point);
    }
    for index in [4, -1, i32::MIN, i32::MAX] {
        for export in ["charCodeAt", "codePointAt"] {
            let kind = program.trap(export, &[string.clone(), I32(index)]);
            assert_eq!(kind, TrapKind::StringOutOfBounds, "{export} {index}");
        }
    }
}

#[test]
fn strings_are_joined_and_cut() {
    let mut program = program();
    let (ab, cd) = (program.string("ab"), program.string("cd"));
    assert_eq!(program.text("concat", &[ab.clone(), cd]), "abcd");
    let cases = [
        (0, 2, "ab"),
        (0, 1, "a"),
        (1, -1, "b"),
        (0, 9, "ab"),
        (2, 2, ""),
        (2, 3, ""),
        (1, 0, ""),
        (-1, 2, ""),
        (-2, -1, ""),
    ];
    for (start, end, part) in cases {
        let args = [ab.clone(), I32(start), I32(end)];
        assert_eq!(program.text("substring", &args), part, "{start} {end}");
    }
}

#[test]
fn strings_are_compared() {
    let mut program = program();
    let texts = ["", "a", "aa", "b", "\u{1f600}", "\u{ff5e}"];
    for (i, a) in texts.iter().enumerate() {
        for (j, b) in texts.iter().enumerate() {
            let args = [program.string(a), program.string(b)];
            let order = i32::from(i > j) - i32::from(i < j);
            assert_eq!(program.i32("compare", &args), order, "{a} {b}");
            assert_eq!(program.i32("equals", &args), i32::from(i == j), "{a} {b}");
        }
    }
    let string = program.string("");
    assert_eq!(program.i32("equals", &[NULL, NULL]), 1);
    assert_eq!(program.i32("equals", &[NULL, string.clone()]), 0);
    assert_eq!(program.i32("equals", &[string, NULL]), 0);
}

#[test]
fn units_are_copied_through_arrays() {
    let mut program = program();
    let string = program.string("abc");
    let mut through = |len, at, start, end| {
        let args = [string.clone(), I32(len), I32(at), I32(start), I32(end)];
        match program.call("through", &args) {
            Ok(Val::Ref(part)) => Ok(js::string(&program.store, &part)
                .unwrap()
                .unwrap()
                .to_string()),
            Err(Error::Trap(trap)) => Err(trap.kind),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(through(3, 0, 0, 3).as_deref(), Ok("abc"));
    assert_eq!(through(6, 2, 1, 6).as_deref(), Ok("-abc-"));
    assert_eq!(through(6, 3, 6, 6).as_deref(), Ok(""));
    let refused = [
        (2, 0, 0, 0),
        (3, 1, 0, 0),
        (3, -1, 0, 0),
        (3, i32::MIN, 0, 0),
        (3, 0, 2, 1),
        (3, 0, 0, 4),
        (3, 0, -1, 3),
        (3, 0, 0, -1),
    ];
    for (len, at, start, end) in refused {
        let found = through(len, at, start, end);
        assert_eq!(
            found,
            Err(TrapKind::ArrayOutOfBounds),
            "{len} {at} {start} {end}"
        );
    }
    assert_eq!(program.trap("intoNull", &[string]), TrapKind::NullArray);
    assert_eq!(program.trap("fromNull", &[]), TrapKind::NullArray);
}

#[test]
fn long_strings_are_copied_through_arrays_whole() {
    let mut program = program();
    for len in [255, 256, 257, 1000] {
        let text: String = ('!'..='~').cycle().take(len).collect();
        let string = program.string(&text);
        let len = i32::try_from(len).unwrap();
        let args = [string, I32(len + 2), I32(1), I32(1), I32(len + 1)];
        assert_eq!(program.text("through", &args), text);
    }
}
