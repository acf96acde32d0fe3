//! Bytes as an unwind table: refused, or an answer for every frame.

use windrow_stack::{CodeAddress, FrameTable, Register, Registers, StackMemory};

/// Where the section lies, and code that says how far from it it is.
const ADDRESS: usize = 0x40_0000;

/// The lowest address of the stack.
const STACK: usize = 0x7000_0000;

/// Words of the stack.
const WORDS: usize = 256;

/// Stretches of code from which walks start.
const MAX_STARTS: usize = 32;

const WORD_BYTES: usize = size_of::<usize>();

/// A made-up stack.
struct Stack(Vec<usize>);

impl StackMemory for Stack {
    fn word(&self, address: usize) -> Option<usize> {
        let offset = address.checked_sub(STACK)?;
        if !offset.is_multiple_of(WORD_BYTES) {
            return None;
        }
        self.0.get(offset / WORD_BYTES).copied()
    }
}

/// Walks from all code that the table in `bytes` covers. The first four bytes choose the registers
/// and the stack, the others are the section.
///
/// # Panics
/// If the table's code is empty or out of order, a walk does not rise or does not end, or a compact
/// row says anything but its interpretation.
pub fn run(bytes: &[u8]) {
    let Some((&[choice, sp, fp, stride], section)) = bytes.split_first_chunk() else {
        return;
    };
    let Ok(table) = FrameTable::new(section.to_vec(), ADDRESS) else {
        return;
    };
    let covered: Vec<(usize, usize)> = table.covered().collect();
    assert!(covered.iter().all(|(start, end)| start < end));
    assert!(covered.windows(2).all(|two| two[0].1 <= two[1].0));
    let stack = stack(&covered, stride);
    for (start, end) in covered.into_iter().take(MAX_STARTS) {
        for address in [start, start.midpoint(end), end - 1] {
            let mut registers = Registers::at(if choice & 1 == 0 {
                CodeAddress::Exact(address)
            } else {
                CodeAddress::Return(address.wrapping_add(1))
            });
            let words = Register::all().zip(0..);
            for (register, position) in words.filter(|(_, position)| choice >> position & 2 == 0) {
                registers.set(register, STACK + WORD_BYTES * (usize::from(fp) + position));
            }
            registers.set(
                Register::STACK_POINTER,
                STACK + WORD_BYTES * usize::from(sp),
            );
            walk(&table, &stack, registers);
        }
    }
}

/// Words that lead into the code, into the stack or nowhere, by turns.
fn stack(covered: &[(usize, usize)], stride: u8) -> Stack {
    let stride = usize::from(stride);
    let word = |position: usize| match (position * stride + position) % 4 {
        0 | 1 => covered
            .get(position * stride % covered.len().max(1))
            .map_or(0, |(start, end)| start + (end - start).min(position)),
        2 => STACK + WORD_BYTES * (position + stride),
        _ => position.wrapping_sub(stride),
    };
    Stack((0..WORDS).map(word).collect())
}

/// Each step but a leaf's leads at least a byte up, and a row reads the stack, so that steps beyond
/// its words must stop by themselves.
fn walk(table: &FrameTable, stack: &Stack, mut registers: Registers) {
    for _ in 0..WORDS {
        let before = registers;
        match table.caller(stack, &mut registers) {
            Ok(Some(end)) => {
                let floor = before.sp();
                assert!(end >= floor && registers.sp() >= floor, "{before:x?}");
            }
            Ok(None) | Err(_) => return,
        }
    }
}
