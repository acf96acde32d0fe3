//! The CLIF of every operation under every ABI, word for word.
//!
//! After a change that is meant: `INSTA_UPDATE=always cargo test -p windrow-cranelift`, and read
//! the difference.

use crate::operations::ALL;
use crate::support::{ABIS, function, isa};
use cranelift_codegen::ir::{AbiParam, Signature, types};
use cranelift_codegen::isa::CallConv;
use std::fmt::Write;
use windrow_cranelift::{
    SlowPath, entry_trampoline, exit_trampoline, host_trampoline, throw_trampoline,
};

#[test]
fn operations() {
    for operation in ALL {
        let mut text = String::new();
        let mut seen: Vec<(&str, String)> = Vec::new();
        for abi in ABIS {
            let clif = function(abi.abi, operation.params, operation.emit).to_string();
            if let Some((same, _)) = seen.iter().find(|(_, other)| *other == clif) {
                writeln!(text, "; {}: as {same}\n", abi.name).unwrap();
            } else {
                writeln!(text, "; {}\n{clif}", abi.name).unwrap();
                seen.push((abi.name, clif));
            }
        }
        insta::assert_snapshot!(operation.name, text);
    }
}

#[test]
fn trampolines() {
    let isa = isa();
    let mut compiled = Signature::new(CallConv::Tail);
    compiled
        .params
        .extend([types::I64, types::I32, types::F64].map(AbiParam::new));
    compiled
        .returns
        .extend([types::I32, types::I64].map(AbiParam::new));
    let mut system = compiled.clone();
    system.call_conv = CallConv::SystemV;
    insta::assert_snapshot!(
        "entry_trampoline",
        entry_trampoline(&*isa, &compiled).to_string()
    );
    insta::assert_snapshot!(
        "exit_trampoline",
        exit_trampoline(&*isa, &system, 0x1234_5678).to_string()
    );
    insta::assert_snapshot!(
        "exit_trampoline_that_preserves",
        exit_trampoline(
            &*isa,
            &SlowPath::AllocateStruct.call_signature(),
            0x1234_5678
        )
        .to_string()
    );
    insta::assert_snapshot!(
        "host_trampoline",
        host_trampoline(&*isa, &compiled, 0x7000_0000_1000).to_string()
    );
    insta::assert_snapshot!(
        "throw_trampoline",
        throw_trampoline(&*isa, 0x1234_5678, 0x7000_0000_1000).to_string()
    );
}
