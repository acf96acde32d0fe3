//! Tests of rows on made-up stacks.

use super::*;
use crate::FrameTable;
use crate::frame_section::{UnwindScratch, Unwinding};
use crate::made_up::Words;

const BASE: usize = 0x7000;
const CODE: usize = 0x40_0000;

/// An unwind table in absolute addresses: one entry of 256 bytes at `CODE` with these instructions,
/// after those of all entries; offsets are in units of -8 bytes.
fn table(augmentation: &str, initial: &[u8], instructions: &[u8]) -> FrameTable {
    let mut bytes = Vec::new();
    let column = u8::try_from(RETURN_ADDRESS).unwrap();
    let mut cie = vec![0, 0, 0, 0, 1];
    cie.extend(augmentation.as_bytes());
    // The end of the string, code alignment 1, data alignment -8, the return address's column.
    cie.extend([0, 1, 0x78, column]);
    if augmentation.starts_with('z') {
        cie.push(0);
    }
    cie.extend(initial);
    cie.resize(cie.len().next_multiple_of(8) + 4, 0);
    bytes.extend(u32::try_from(cie.len()).unwrap().to_ne_bytes());
    bytes.extend(&cie);
    let back = u32::try_from(bytes.len() + 4).unwrap();
    let mut fde = Vec::new();
    fde.extend(back.to_ne_bytes());
    fde.extend(CODE.to_ne_bytes());
    fde.extend(256_usize.to_ne_bytes());
    if augmentation.starts_with('z') {
        fde.push(0);
    }
    fde.extend(instructions);
    fde.resize(fde.len().next_multiple_of(8) + 4, 0);
    bytes.extend(u32::try_from(fde.len()).unwrap().to_ne_bytes());
    bytes.extend(&fde);
    FrameTable::new(bytes, 0).unwrap()
}

fn dwarf(register: Register) -> u8 {
    u8::try_from(register.dwarf()).unwrap()
}

/// `DW_CFA_def_cfa` with a register and bytes.
fn def_cfa(register: Register, bytes: u8) -> [u8; 3] {
    [0x0c, dwarf(register), bytes]
}

/// `DW_CFA_offset`: the register so many words below the frame's end.
fn saved(register: u8, words: u8) -> [u8; 2] {
    [0x80 | register, words]
}

fn return_saved(words: u8) -> [u8; 2] {
    saved(u8::try_from(RETURN_ADDRESS).unwrap(), words)
}

const SP: Register = Register::STACK_POINTER;
const FP: Register = Register::FRAME_POINTER;

/// Ten words: the return address on top, the frame pointer below.
fn stack() -> Words {
    let mut words: Vec<_> = (0..10).map(|word| 0x100 + word).collect();
    words[9] = CODE + 0x20;
    words[8] = 0x1234;
    Words::new(BASE, words)
}

fn registers(sp: usize) -> Registers {
    let mut registers = Registers::at(CodeAddress::Return(CODE + 5));
    registers.set(SP, sp);
    registers
}

fn row(table: &FrameTable, address: usize) -> Row {
    match table.unwinding(address, &mut UnwindScratch::default()) {
        Unwinding::Compact(row) => row,
        other => panic!("{other:?}"),
    }
}

/// The step of a frame, by the row and interpreted.
fn step(table: &FrameTable, mut frame: Registers) -> Result<(Option<usize>, Registers), WalkFault> {
    let step = table.caller(&stack(), &mut frame)?;
    Ok((step, frame))
}

#[test]
fn a_frame_is_left_through_the_stack_pointer_and_what_it_saved_comes_back() {
    let code = [&def_cfa(SP, 80)[..], &return_saved(1), &saved(dwarf(FP), 2)].concat();
    let (step, caller) = step(&table("", &code, &[]), registers(BASE)).unwrap();
    assert_eq!(step, Some(BASE + 80));
    assert_eq!(caller.pc, CodeAddress::Return(CODE + 0x20));
    assert_eq!(caller.get(SP), Some(BASE + 80));
    assert_eq!(caller.get(FP), Some(0x1234));
    assert_eq!(caller.home(FP), Some(BASE + 64));
}

#[test]
fn rows_follow_the_instructions_and_the_frame_pointer() {
    let code = [&def_cfa(SP, 8)[..], &return_saved(1)].concat();
    // After four bytes: the end is the frame pointer plus 16.
    let table = table("", &code, &[&[0x44][..], &def_cfa(FP, 16)].concat());
    assert_eq!(row(&table, CODE).end_offset, 8);
    assert_eq!(row(&table, CODE + 3).base, SP);
    assert_eq!(row(&table, CODE + 4).base, FP);
    assert_eq!(row(&table, CODE + 255).end_offset, 16);
    let scratch = &mut UnwindScratch::default();
    for outside in [CODE - 1, CODE + 256, 0, usize::MAX] {
        assert_eq!(table.unwinding(outside, scratch), Unwinding::NoInfo);
    }
    let mut frame = registers(BASE);
    assert_eq!(step(&table, frame).unwrap_err(), WalkFault::UnknownRegister);
    frame.set(FP, BASE + 64);
    assert_eq!(step(&table, frame).unwrap().1.sp(), BASE + 80);
}

#[test]
fn what_cannot_be_is_a_fault() {
    let code = [&def_cfa(SP, 80)[..], &return_saved(1)].concat();
    let good = table("", &code, &[]);
    for (sp, fault) in [
        (BASE + 8, WalkFault::Unreadable),
        (BASE - 88, WalkFault::Unreadable),
        (BASE + 1, WalkFault::Unreadable),
        (usize::MAX - 8, WalkFault::NotRising),
    ] {
        assert_eq!(step(&good, registers(sp)).unwrap_err(), fault);
    }
    let through_fp = table("", &[&def_cfa(FP, 16)[..], &return_saved(1)].concat(), &[]);
    let mut frame = registers(BASE + 80);
    frame.set(FP, BASE + 64);
    assert_eq!(step(&through_fp, frame).unwrap_err(), WalkFault::NotRising);
    frame.set(SP, BASE + 79);
    assert_eq!(step(&through_fp, frame).unwrap().1.sp(), BASE + 80);
}

#[test]
fn a_frame_whose_return_address_is_undefined_is_the_outermost() {
    let column = u8::try_from(RETURN_ADDRESS).unwrap();
    let code = [&def_cfa(SP, 8)[..], &[0x07, column]].concat();
    let frame = registers(BASE);
    let (step, same) = step(&table("", &code, &[]), frame).unwrap();
    assert_eq!((step, same.pc, same.sp()), (None, frame.pc, BASE));
}

#[test]
fn a_signal_interrupted_its_caller_at_an_instruction() {
    let code = [&def_cfa(SP, 80)[..], &return_saved(1)].concat();
    let (_, caller) = step(&table("zS", &code, &[]), registers(BASE)).unwrap();
    assert_eq!(caller.pc, CodeAddress::Exact(CODE + 0x20));
}

#[test]
fn a_register_that_is_lost_is_unknown_and_one_without_a_rule_stays() {
    let [lost, kept] = [2, 3].map(|position| Register::BY_POSITION[position]);
    let code = [&def_cfa(SP, 80)[..], &return_saved(1), &[0x07, dwarf(lost)]].concat();
    let mut frame = registers(BASE);
    frame.set_saved(lost, 1, 8);
    frame.set_saved(kept, 2, 16);
    let (_, caller) = step(&table("", &code, &[]), frame).unwrap();
    assert_eq!((caller.get(lost), caller.home(lost)), (None, None));
    assert_eq!((caller.get(kept), caller.home(kept)), (Some(2), Some(16)));
}

/// What a stack check traps in: the row is the one for the code behind all saves.
#[test]
fn a_stack_overflow_before_the_saves_leaves_their_registers_unknown() {
    let [kept, later] = [2, 3].map(|position| Register::BY_POSITION[position]);
    let code = [
        &def_cfa(FP, 16)[..],
        &return_saved(1),
        &saved(dwarf(FP), 2),
        &saved(dwarf(kept), 20),
        &saved(dwarf(later), 3),
    ]
    .concat();
    let table = table("", &code, &[]);
    let mut frame = registers(BASE + 64);
    frame.set(FP, BASE + 64);
    frame.set(kept, 7);
    assert_eq!(step(&table, frame).unwrap_err(), WalkFault::Unreadable);
    frame.pc = CodeAddress::Exact(CODE + 5);
    let (end, caller) = step(&table, frame).unwrap();
    assert_eq!((end, caller.sp()), (Some(BASE + 80), BASE + 80));
    assert_eq!((caller.get(FP), caller.get(kept)), (Some(0x1234), None));
    assert_eq!(caller.home(later), Some(BASE + 56));
}

#[test]
fn expressions_are_interpreted() {
    // The end is what the word at sp + 8 plus 2 says (DW_OP_breg, deref, plus_uconst); the frame
    // pointer is two words below the end (DW_OP_lit16, minus) and another register the end itself.
    let sp = dwarf(SP);
    let other = Register::BY_POSITION[2];
    let code = [
        &[0x0f, 5, 0x70 + sp, 8, 0x06, 0x23, 2][..],
        &return_saved(1),
        &[0x10, dwarf(FP), 2, 0x40, 0x1c],
        &[0x16, dwarf(other), 1, 0x96],
    ]
    .concat();
    let table = table("", &code, &[]);
    let scratch = &mut UnwindScratch::default();
    let Unwinding::Interpreted(entry) = table.unwinding(CODE, scratch) else {
        panic!("there is no compact form");
    };
    let mut memory = stack();
    memory.words[1] = BASE + 78;
    let mut frame = registers(BASE);
    let step = table.interpret(entry, &memory, &mut frame, scratch);
    assert_eq!(step, Ok(Step::Caller(BASE + 80)));
    assert_eq!(frame.home(FP), Some(BASE + 64));
    assert_eq!(
        (frame.get(other), frame.home(other)),
        (Some(BASE + 80), None)
    );
}

#[test]
fn an_expression_that_loops_or_asks_for_too_much_is_refused() {
    let sp = dwarf(SP);
    for expression in [
        // DW_OP_skip to itself; an unknown register; a register's name; a byte of memory; a piece of
        // more bytes than gimli can count in bits.
        &[0x2f, 0xfd, 0xff][..],
        &[0x70, 0],
        &[0x50 + sp],
        &[0x70 + sp, 0, 0x94, 1],
        &[0x93, 255, 255, 255, 255, 255, 255, 255, 255, 0x7f],
        &[],
    ] {
        let len = u8::try_from(expression.len()).unwrap();
        let code = [&[0x0f, len], expression, &return_saved(1)].concat();
        let fault = step(&table("", &code, &[]), registers(BASE)).unwrap_err();
        assert!(
            matches!(fault, WalkFault::BadUnwindInfo | WalkFault::UnknownRegister),
            "{expression:x?}: {fault:?}"
        );
    }
}

#[test]
fn odd_and_far_offsets_have_no_compact_form() {
    let fp = dwarf(FP);
    let scratch = &mut UnwindScratch::default();
    for rule in [
        // DW_CFA_offset_extended by 40,000 words; DW_CFA_val_offset; DW_CFA_register.
        &[0x05, fp, 0xc0, 0xb8, 0x02][..],
        &[0x14, fp, 1],
        &[0x09, fp, 0],
    ] {
        let code = [&def_cfa(SP, 80)[..], &return_saved(1), rule].concat();
        let found = table("", &code, &[]).unwinding(CODE, scratch);
        assert!(matches!(found, Unwinding::Interpreted(_)), "{rule:x?}");
    }
}

#[test]
fn only_a_leaf_at_an_instruction_may_have_an_empty_frame() {
    let Some(link) = link_register() else {
        return;
    };
    let table = table("", &def_cfa(SP, 0), &[]);
    let mut frame = registers(BASE);
    frame.set(link, CODE + 0x30);
    assert_eq!(step(&table, frame).unwrap_err(), WalkFault::NotRising);
    frame.pc = CodeAddress::Exact(CODE);
    let (_, caller) = step(&table, frame).unwrap();
    assert_eq!(caller.pc, CodeAddress::Return(CODE + 0x30));
    assert_eq!(caller.sp(), BASE);
}

/// The return address in a register that stays as it is: each frame leads to one like it, for ever.
#[test]
fn a_walk_whose_return_addresses_are_in_no_memory_ends_with_the_stack() {
    let other = Register::BY_POSITION[2];
    let column = u8::try_from(RETURN_ADDRESS).unwrap();
    // DW_CFA_register.
    let code = [&def_cfa(SP, 16)[..], &[0x09, column, dwarf(other)]].concat();
    let table = table("", &code, &[]);
    let memory = stack();
    let mut frame = registers(BASE);
    frame.set(other, CODE + 5);
    for step in 1..=5 {
        let end = table.caller(&memory, &mut frame).unwrap();
        assert_eq!(end, Some(BASE + 16 * step));
    }
    let beyond = table.caller(&memory, &mut frame);
    assert_eq!(beyond, Err(WalkFault::Unreadable));
}
