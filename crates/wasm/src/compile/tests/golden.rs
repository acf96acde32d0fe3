//! The CLIF of the operations whose fast path has no calls.

use super::*;

/// The lines of a function's blocks without source locations.
fn body(clif: &str) -> Vec<&str> {
    let lines = clif.lines().map(|line| match line.strip_prefix('@') {
        Some(line) => line
            .trim_start_matches(|c: char| c.is_ascii_hexdigit())
            .trim(),
        None => line.trim(),
    });
    lines
        .skip_while(|line| !line.starts_with("block0"))
        .filter(|line| !line.is_empty() && *line != "}")
        .collect()
}

/// The lines outside cold blocks.
fn hot<'a>(body: &[&'a str]) -> Vec<&'a str> {
    let mut cold = false;
    let mut hot = body.to_vec();
    hot.retain(|line| {
        if line.starts_with("block") {
            cold = line.contains(" cold:");
        }
        !cold
    });
    hot
}

fn calls(lines: &[&str]) -> usize {
    lines
        .iter()
        .filter(|line| line.starts_with("call") || line.contains("= call"))
        .count()
}

/// The last function's blocks on a moving bump allocator, after making sure, on checked memory
/// too, that the hot ones make just `hot_calls` calls.
fn golden(text: &str, hot_calls: usize) -> String {
    for abi in [
        bump_abi(),
        CodeAbi {
            addressing: Addressing::BOUNDED,
            ..bump_abi()
        },
    ] {
        let clif = clif(text, abi).pop().unwrap();
        assert_eq!(calls(&hot(&body(&clif))), hot_calls, "{clif}");
    }
    body(&clif(text, bump_abi()).pop().unwrap()).join("\n")
}

#[test]
fn the_checker_sees_calls() {
    let text =
        "block0:\n@001f    v1 = call fn0()\n    block1 cold:\n@0020  call_indirect sig0, v1()\n}";
    assert_eq!(body(text).len(), 4);
    assert_eq!((calls(&body(text)), calls(&hot(&body(text)))), (2, 1));
}

#[test]
fn struct_new() {
    let text = r#"(module (type $node (struct (field (ref null $node)) (field i64)))
        (func (param (ref null $node) i64) (result (ref $node))
            (struct.new $node (local.get 0) (local.get 1))))"#;
    insta::assert_snapshot!(golden(text, 0), @r"
    block0(v0: i64, v1: i32, v2: i64):
    v3 = iconst.i32 0
    v4 = iconst.i32 24
    v6 = get_pinned_reg.i64
    v7 = uload32 notrap aligned region1 v6-8
    v8 = uextend.i64 v4  ; v4 = 24
    v9 = iadd v7, v8
    v10 = uload32 notrap aligned region1 v6-4
    v11 = icmp ugt v9, v10
    brif v11, block1, block2
    block2:
    v12 = get_pinned_reg.i64
    istore32.i64 notrap aligned region1 v9, v12-8
    v13 = ireduce.i32 v7
    v14 = iconst.i64 3
    v15 = iadd v12, v7
    store notrap region2 v14, v15  ; v14 = 3
    jump block3(v7, v1)
    block1 cold:
    v16 = stack_addr.i64 ss0
    store.i32 notrap aligned region3 v1, v16
    v17 = iconst.i32 3
    v18 = iconst.i32 24
    v19 = load.i64 notrap aligned readonly v0+16
    v20 = load.i64 notrap aligned readonly v19
    call_indirect sig0, v20(v0, v17, v18), stack_map=[i32 @ ss0+0]  ; v17 = 3, v18 = 24
    v21 = stack_addr.i64 ss0
    v22 = load.i32 notrap aligned region3 v21
    v23 = get_pinned_reg.i64
    v24 = load.i32 notrap aligned region4 v23-168
    trapz v24, user7
    v25 = uextend.i64 v24
    jump block3(v25, v22)
    block3(v5: i64, v27: i32):
    v26 = ireduce.i32 v5
    v28 = get_pinned_reg.i64
    v29 = iadd v28, v5
    store notrap region5 v27, v29+16
    v30 = iadd v28, v5
    store.i64 notrap region6 v2, v30+8
    return v26
    ");
}

#[test]
fn array_get_and_set() {
    let text = r#"(module (type $refs (array (mut anyref)))
        (func (param (ref null $refs) i32 i32)
            (array.set $refs (local.get 0) (local.get 1)
                (array.get $refs (local.get 0) (local.get 2)))))"#;
    insta::assert_snapshot!(golden(text, 0), @r"
    block0(v0: i64, v1: i32, v2: i32, v3: i32):
    v4 = iconst.i32 0
    v5 = uextend.i64 v1
    v6 = get_pinned_reg.i64
    v7 = iadd v6, v5
    v8 = load.i32 user9 region1 v7+8
    v9 = icmp ult v3, v8
    trapz v9, user3
    v10 = iconst.i32 2
    v11 = ishl v3, v10  ; v10 = 2
    v12 = iadd v1, v11
    v13 = uextend.i64 v12
    v14 = iadd v6, v13
    v15 = load.i32 user4 region2 v14+12
    v16 = uextend.i64 v1
    v17 = iadd v6, v16
    v18 = load.i32 user9 region1 v17+8
    v19 = icmp ult v2, v18
    trapz v19, user3
    v20 = iconst.i32 2
    v21 = ishl v2, v20  ; v20 = 2
    v22 = iadd v1, v21
    v23 = uextend.i64 v22
    v24 = iadd v6, v23
    store user4 region2 v15, v24+12
    return
    ");
}

#[test]
fn ref_cast_to_a_declared_type() {
    let text = r#"(module (type $a (sub (struct (field i32)))) (type $b (sub $a (struct (field i32) (field i32))))
        (func (param (ref null $a)) (result (ref $b)) (ref.cast (ref $b) (local.get 0))))"#;
    insta::assert_snapshot!(golden(text, 0), @r"
    block0(v0: i64, v1: i32):
    v2 = iconst.i32 0
    v3 = uextend.i64 v1
    v4 = get_pinned_reg.i64
    v5 = iadd v4, v3
    v6 = load.i32 user2 region1 v5
    v7 = iconst.i32 0x00ff_ffff
    v8 = band v6, v7  ; v7 = 0x00ff_ffff
    v9 = iconst.i32 4
    v10 = icmp eq v8, v9  ; v9 = 4
    brif v10, block1, block3
    block3:
    v11 = get_pinned_reg.i64
    v12 = load.i32 notrap aligned region0 v11-12
    v13 = band.i32 v8, v12
    v14 = uextend.i64 v13
    v15 = iconst.i64 5
    v16 = ishl v14, v15  ; v15 = 5
    v17 = load.i64 notrap aligned region0 v11-40
    v18 = iadd v17, v16
    v19 = load.i32 notrap aligned region2 v18+4
    v20 = iconst.i32 4
    v21 = icmp eq v19, v20  ; v20 = 4
    brif v21, block1, block2
    block2 cold:
    trap user2
    block1:
    return v1
    ");
}

#[test]
fn function_loaded_from_a_struct() {
    let text = r#"(module (type $f (func)) (type $s (struct (field (ref null $f))))
        (func (param (ref null $s)) (call_ref $f (struct.get $s 0 (local.get 0)))))"#;
    // The one call is that of the function itself.
    insta::assert_snapshot!(golden(text, 1), @r"
    block0(v0: i64, v1: i32):
    v2 = iconst.i32 0
    v3 = uextend.i64 v1
    v4 = get_pinned_reg.i64
    v5 = iadd v4, v3
    v6 = load.i32 user8 region1 v5+8
    v7 = load.i32 notrap aligned region0 v4-16
    v8 = band v6, v7
    v9 = uextend.i64 v8
    v10 = iconst.i64 5
    v11 = ishl v9, v10  ; v10 = 5
    v12 = load.i64 notrap aligned region0 v4-48
    v13 = iadd v12, v11
    v14 = load.i32 notrap aligned region2 v13+16
    v15 = iconst.i32 3
    v16 = icmp eq v14, v15  ; v15 = 3
    brif v16, block1, block2
    block2 cold:
    trapz.i32 v6, user34
    trap user4
    block1:
    v17 = load.i64 notrap aligned region2 v13
    v18 = load.i64 notrap aligned region2 v13+8
    call_indirect sig0, v17(v18)
    return
    ");
}
