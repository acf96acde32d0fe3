//! The functions the tests share. Each keeps references across its calls and returns a value that
//! depends on what they were when it returned.

use crate::build::{Compiler, Emit, TRAP_ASKED, TRAP_NULL, guest_signature};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, TrapCode, types};
use cranelift_module::FuncId;

/// What backtraces call the functions.
pub(crate) mod name {
    pub(crate) const LEAF: u64 = 101;
    pub(crate) const MID: u64 = 102;
    pub(crate) const DEEP: u64 = 103;
    pub(crate) const WIDE: u64 = 104;
    pub(crate) const WIDE_CALLER: u64 = 105;
    pub(crate) const PLAIN: u64 = 106;
    pub(crate) const ASKED: u64 = 107;
    pub(crate) const NULL: u64 = 108;
    pub(crate) const DIVIDE: u64 = 109;
    pub(crate) const ENDLESS: u64 = 110;
    pub(crate) const RELAY: u64 = 111;
}

/// The functions, all `(vmctx, i32, i32) -> i32` but for the entry.
pub(crate) struct Shapes {
    pub(crate) array_entry: FuncId,
    /// The host function's trampoline.
    pub(crate) exit: FuncId,
    /// `leaf(x, y)`: holds `x` while it calls `host(x, y)`; returns `x + result`.
    pub(crate) leaf: FuncId,
    /// `mid(x, y)`: holds both while it calls `leaf(x + 8, y + 8)`; returns `x - y + result`.
    pub(crate) mid: FuncId,
    /// `deep(n, x)`: holds `x` while it calls `deep(n - 1, x + 8)`, or `host(0, x)` at zero; returns
    /// `x + result`.
    pub(crate) deep: FuncId,
    /// `wide_caller(x, y)`: holds both, and many other values, while it calls a function of
    /// fourteen parameters, most of them on the stack, which holds the last.
    pub(crate) wide_caller: FuncId,
    /// `plain(n, x)`: as `deep`, but holds nothing and has no stack maps.
    pub(crate) plain: FuncId,
    /// Traps as asked.
    pub(crate) asked: FuncId,
    /// `null(x, y)`: loads from the address `x`.
    pub(crate) null: FuncId,
    /// `divide(x, y)`: `x / y`.
    pub(crate) divide: FuncId,
    /// Calls itself for ever.
    pub(crate) endless: FuncId,
    /// `relay(n, x)`: calls `asked` through `n` frames of its own.
    pub(crate) relay: FuncId,
}

impl Shapes {
    pub(crate) fn define(c: &mut Compiler, host: usize) -> Self {
        let exit = c.exit(host);
        let leaf = c.guest(2, name::LEAF, |e| {
            let (home, exit) = (e.home(), e.function(exit));
            let [vmctx, x, y] = e.params[..] else {
                unreachable!()
            };
            let (result, moved) = e.call_with_roots(exit, &[vmctx, x, y], &[(home, x)]);
            let sum = e.b.ins().iadd(moved[0], result);
            e.b.ins().return_(&[sum]);
        });
        let mid = c.guest(2, name::MID, |e| {
            let (home_x, home_y, leaf) = (e.home(), e.home(), e.function(leaf));
            let [vmctx, x, y] = e.params[..] else {
                unreachable!()
            };
            let (x8, y8) = (e.b.ins().iadd_imm_s(x, 8), e.b.ins().iadd_imm_s(y, 8));
            let (result, moved) =
                e.call_with_roots(leaf, &[vmctx, x8, y8], &[(home_x, x), (home_y, y)]);
            let difference = e.b.ins().isub(moved[0], moved[1]);
            let sum = e.b.ins().iadd(difference, result);
            e.b.ins().return_(&[sum]);
        });
        let wide_caller = define_wide(c, exit);
        let asked = c.guest(2, name::ASKED, |e| {
            e.b.ins().trap(TrapCode::unwrap_user(TRAP_ASKED));
        });
        let null = c.guest(2, name::NULL, |e| {
            let address = e.b.ins().uextend(types::I64, e.params[1]);
            let flags = MemFlagsData::new().with_trap_code(TrapCode::user(TRAP_NULL));
            let value = e.b.ins().load(types::I32, flags, address, 8);
            e.b.ins().return_(&[value]);
        });
        let divide = c.guest(2, name::DIVIDE, |e| {
            let quotient = e.b.ins().udiv(e.params[1], e.params[2]);
            e.b.ins().return_(&[quotient]);
        });
        Self {
            array_entry: c.array_entry(),
            exit,
            leaf,
            mid,
            deep: define_counted(c, name::DEEP, exit, true),
            wide_caller,
            plain: define_counted(c, name::PLAIN, exit, false),
            asked,
            null,
            divide,
            endless: define_endless(c),
            relay: define_counted(c, name::RELAY, asked, false),
        }
    }
}

/// A function of `(n, x)` that calls itself with `(n - 1, x + 8)` and `last` with `(0, x)`.
fn define_counted(c: &mut Compiler, name: u64, last: FuncId, holds: bool) -> FuncId {
    let this = c.declare(&guest_signature(2));
    c.define_guest(this, 2, name, |e| {
        let (home, this, last) = (e.home(), e.function(this), e.function(last));
        let [vmctx, n, x] = e.params[..] else {
            unreachable!()
        };
        let homes = |x| if holds { vec![(home, x)] } else { vec![] };
        let (more, done) = (e.b.create_block(), e.b.create_block());
        e.b.ins().brif(n, more, &[], done, &[]);
        for (block, callee) in [(more, this), (done, last)] {
            e.b.switch_to_block(block);
            let args = if block == more {
                let (n1, x8) = (e.b.ins().iadd_imm_s(n, -1), e.b.ins().iadd_imm_s(x, 8));
                [vmctx, n1, x8]
            } else {
                [vmctx, n, x]
            };
            let (result, moved) = e.call_with_roots(callee, &args, &homes(x));
            let x = moved.first().copied().unwrap_or(x);
            let sum = e.b.ins().iadd(x, result);
            e.b.ins().return_(&[sum]);
        }
    });
    this
}

/// A caller with many live values and outgoing arguments on the stack.
fn define_wide(c: &mut Compiler, exit: FuncId) -> FuncId {
    const PARAMS: usize = 14;
    let wide = c.guest(PARAMS, name::WIDE, |e| {
        let (home, exit) = (e.home(), e.function(exit));
        let (vmctx, last) = (e.params[0], e.params[PARAMS]);
        let (first, second) = (e.params[1], e.params[2]);
        let (result, moved) = e.call_with_roots(exit, &[vmctx, first, second], &[(home, last)]);
        let params = e.params[1..PARAMS].to_vec();
        let sum = sum(e, &params);
        let sum = e.b.ins().iadd(sum, moved[0]);
        let sum = e.b.ins().iadd(sum, result);
        e.b.ins().return_(&[sum]);
    });
    c.guest(2, name::WIDE_CALLER, |e| {
        let (home_x, home_y, wide) = (e.home(), e.home(), e.function(wide));
        let [vmctx, x, y] = e.params[..] else {
            unreachable!()
        };
        // More values than registers stay alive across the call and are spilled.
        let values: Vec<_> = (1..=24)
            .map(|factor| e.b.ins().imul_imm_s(x, factor))
            .collect();
        let mut args = vec![vmctx];
        args.extend(&values[..PARAMS - 1]);
        args.push(y);
        let (result, moved) = e.call_with_roots(wide, &args, &[(home_x, x), (home_y, y)]);
        let sum = sum(e, &values);
        let sum = e.b.ins().iadd(sum, result);
        let difference = e.b.ins().isub(moved[0], moved[1]);
        let sum = e.b.ins().iadd(sum, difference);
        e.b.ins().return_(&[sum]);
    })
}

/// `wide_caller(x, y)` by hand, where each reference it holds has grown by `delta`.
pub(crate) fn wide_result(x: u32, y: u32, delta: u32, host: u32) -> u32 {
    let product = |factor: u32| x.wrapping_mul(factor);
    let wide = (1..=13)
        .map(product)
        .fold(y + delta + host, u32::wrapping_add);
    (1..=24)
        .map(product)
        .fold(wide, u32::wrapping_add)
        .wrapping_add(x.wrapping_sub(y))
}

fn sum(
    e: &mut Emit<'_, '_>,
    values: &[cranelift_codegen::ir::Value],
) -> cranelift_codegen::ir::Value {
    let first = values[0];
    values[1..]
        .iter()
        .fold(first, |sum, &value| e.b.ins().iadd(sum, value))
}

fn define_endless(c: &mut Compiler) -> FuncId {
    let this = c.declare(&guest_signature(2));
    c.define_guest(this, 2, name::ENDLESS, |e| {
        let this = e.function(this);
        let params = e.params.clone();
        let call = e.b.ins().call(this, &params);
        let result = e.b.inst_results(call)[0];
        let nonzero = e.b.ins().icmp_imm_s(IntCC::NotEqual, result, 0);
        let grown = e.b.ins().uextend(types::I32, nonzero);
        e.b.ins().return_(&[grown]);
    });
    this
}
