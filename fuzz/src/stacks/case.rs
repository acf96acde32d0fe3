//! Code that was never compiled, and a stack of its frames: what bytes stand for.
//!
//! Functions come in three kinds. *Framed* ones keep frame pointers and have unwind tables that say
//! so; *bare* ones have tables alone; of *odd* ones tables and stack maps say whatever the bytes do.
//! A stack is laid out as the first two kinds would leave it, and then words of it are replaced.

use gimli::write::{
    Address, CallFrameInstruction, CommonInformationEntry, EhFrame, EndianVec,
    FrameDescriptionEntry, FrameTable,
};
use gimli::{Format, RunTimeEndian};
use std::cell::Cell;
use std::sync::Arc;
use windrow_stack::{
    CodeHandle, CodeRange, CodeRegistry, Encoding, Location, Register, Safepoint, StackMemory,
};

/// Address of the first function, and bytes from one to the next.
const CODE: usize = 0x40_0000;
const FUNCTION_BYTES: u32 = 0x100;

/// Bytes from a function's start, and from one call to the next, to where calls return.
const SITE_BYTES: u32 = 0x20;

/// Calls of a function.
const SITES: u8 = 4;

/// Address of the lowest word of the stack.
const STACK: usize = 0x7000_0000;

pub(super) const WORD_BYTES: usize = size_of::<usize>();

/// Words between an entry stub's frame pointer and what it calls.
const ENTRY_WORDS: usize = if cfg!(target_arch = "aarch64") { 0 } else { 6 };

/// The column of unwind tables that stands for the return address.
const RETURN_ADDRESS: gimli::Register = if cfg!(target_arch = "aarch64") {
    gimli::AArch64::X30
} else {
    gimli::X86_64::RA
};

/// Bytes to choose by; zeros after the last.
pub(super) struct Choices<'a>(std::slice::Iter<'a, u8>);

impl<'a> Choices<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes.iter())
    }

    fn byte(&mut self) -> u8 {
        self.0.next().copied().unwrap_or(0)
    }

    fn below(&mut self, end: u8) -> u8 {
        self.byte() % end
    }

    /// A small number, negative or not.
    fn signed(&mut self) -> i32 {
        self.byte().cast_signed().into()
    }

    fn register(&mut self) -> Register {
        let number = usize::from(self.byte()) % Register::COUNT;
        Register::all()
            .nth(number)
            .unwrap_or(Register::STACK_POINTER)
    }
}

/// Words from [`STACK`] on, which count how often they are read.
pub(super) struct Words {
    pub(super) words: Vec<usize>,
    pub(super) reads: Cell<usize>,
}

impl StackMemory for Words {
    fn word(&self, address: usize) -> Option<usize> {
        self.reads.set(self.reads.get() + 1);
        let offset = address.checked_sub(STACK)?;
        if !offset.is_multiple_of(WORD_BYTES) {
            return None;
        }
        self.words.get(offset / WORD_BYTES).copied()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Framed,
    Bare,
    Odd,
}

/// A function as it was made up.
struct Function {
    kind: Kind,
    /// Words of its frame, without what a call pushes.
    words: u8,
}

/// Where a frame was laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Laid {
    pub(super) pc: usize,
    pub(super) fp: usize,
    pub(super) sp: usize,
    pub(super) cfa: usize,
}

/// Code and a stack.
pub(super) struct Case {
    pub(super) registry: Arc<CodeRegistry>,
    _handles: Vec<CodeHandle>,
    pub(super) stack: Words,
    /// The frames as they were laid out, innermost first.
    pub(super) laid: Vec<Laid>,
    pub(super) entry_fp: usize,
    /// Registers where a walk starts, by position.
    pub(super) registers: Vec<Option<usize>>,
    /// Where a walk starts.
    pub(super) pc: usize,
    /// Whether the frames are there as they were laid out, for each unwinder.
    pub(super) is_sound_with_frame_pointers: bool,
    pub(super) is_sound_with_tables: bool,
}

impl Case {
    pub(super) fn new(choices: &mut Choices<'_>) -> Self {
        let choice = choices.byte();
        let functions = 1 + choices.below(4);
        let damage = choices.below(16);
        let frames = choices.below(32);
        let registry = CodeRegistry::new();
        let mut handles = Vec::new();
        let mut made = Vec::new();
        for number in 0..functions {
            let kind = match (choice >> 1 & 3, choices.below(4)) {
                (1, _) | (_, 0) => Kind::Framed,
                (2, _) | (_, 1) => Kind::Bare,
                _ => Kind::Odd,
            };
            let function = Function {
                kind,
                words: choices.below(12),
            };
            let mut range = function.range(number, choices);
            let registered = registry.register(range.clone()).or_else(|_| {
                // Stack maps that cannot be true are refused.
                range.safepoints.clear();
                registry.register(range)
            });
            handles.extend(registered);
            made.push(function);
        }
        let mut case = Self {
            registry,
            _handles: handles,
            stack: Words {
                words: Vec::new(),
                reads: Cell::new(0),
            },
            laid: Vec::new(),
            entry_fp: 0,
            registers: vec![None; Register::COUNT],
            pc: 0,
            is_sound_with_frame_pointers: made.iter().all(|made| made.kind == Kind::Framed),
            is_sound_with_tables: made.iter().all(|made| made.kind != Kind::Odd),
        };
        case.lay_out(frames, &made, choices);
        let is_wild = choice & 1 != 0;
        if is_wild {
            for position in 0..Register::COUNT {
                case.registers[position] = Some(case.word(functions, choices));
            }
        }
        for _ in 0..damage {
            let place = usize::from(choices.byte()) << 8 | usize::from(choices.byte());
            let word = case.word(functions, choices);
            let len = case.stack.words.len();
            case.stack.words[place % len] = word;
        }
        if is_wild || damage > 0 {
            (case.is_sound_with_frame_pointers, case.is_sound_with_tables) = (false, false);
        }
        case
    }

    /// Lays out frames from the innermost to the outermost, and that of an entry.
    fn lay_out(&mut self, frames: u8, functions: &[Function], choices: &mut Choices<'_>) {
        let words = &mut self.stack.words;
        let address = |words: &Vec<usize>| STACK + words.len() * WORD_BYTES;
        // Words that hold the frame pointer of the next framed function further out.
        let mut waiting = Vec::new();
        for _ in 0..frames {
            let number = choices.byte() % u8::try_from(functions.len()).unwrap_or(1);
            let function = &functions[usize::from(number)];
            let pc = return_address(number, choices.below(SITES));
            let sp = address(words);
            words.resize(words.len() + usize::from(function.words), pc ^ 0x5555);
            let mut fp = 0;
            if function.kind == Kind::Framed {
                fp = address(words);
                for waits in waiting.drain(..) {
                    set_frame_pointer(&mut self.laid, words, waits, fp);
                }
                waiting.push(Waits::Word(words.len()));
                words.push(0);
            } else {
                waiting.push(Waits::Frame(self.laid.len()));
            }
            words.push(0);
            let cfa = address(words);
            self.laid.push(Laid { pc, fp, sp, cfa });
        }
        words.resize(words.len() + ENTRY_WORDS, 0x77);
        self.entry_fp = address(words);
        for waits in waiting {
            set_frame_pointer(&mut self.laid, words, waits, self.entry_fp);
        }
        words.resize(words.len() + 4, 0);
        for pair in self.laid.windows(2) {
            words[(pair[0].cfa - STACK) / WORD_BYTES - 1] = pair[1].pc;
        }
        let innermost = self.laid.first().copied().unwrap_or(Laid {
            pc: 0,
            fp: self.entry_fp,
            sp: self.entry_fp,
            cfa: 0,
        });
        self.pc = innermost.pc;
        self.registers[Register::STACK_POINTER.position()] = Some(innermost.sp);
        self.registers[Register::FRAME_POINTER.position()] = Some(innermost.fp);
    }

    /// A word that leads into the stack, into code or nowhere.
    fn word(&self, functions: u8, choices: &mut Choices<'_>) -> usize {
        let kind = choices.below(6);
        let number = usize::from(choices.byte());
        match kind {
            0 => number,
            1 => STACK + number * WORD_BYTES,
            2 => STACK + number,
            3 => self.laid.get(number).map_or(self.entry_fp, |laid| laid.fp),
            4 => return_address(choices.below(functions), choices.below(SITES)),
            _ => CODE + number,
        }
    }
}

/// What is to hold a frame pointer that is not known before its frame is laid out.
enum Waits {
    /// The word at this position.
    Word(usize),
    /// The register in this frame, of a function that leaves it alone.
    Frame(usize),
}

fn set_frame_pointer(laid: &mut [Laid], words: &mut [usize], waits: Waits, fp: usize) {
    match waits {
        Waits::Word(position) => words[position] = fp,
        Waits::Frame(position) => laid[position].fp = fp,
    }
}

fn start(function: u8) -> usize {
    CODE + usize::from(function) * FUNCTION_BYTES as usize
}

fn return_address(function: u8, site: u8) -> usize {
    start(function) + (SITE_BYTES * (1 + u32::from(site))) as usize
}

impl Function {
    fn range(&self, number: u8, choices: &mut Choices<'_>) -> CodeRange {
        let safepoints = (0..SITES).filter_map(|site| self.safepoint(site, choices));
        CodeRange {
            start: start(number),
            len: FUNCTION_BYTES as usize,
            safepoints: safepoints.collect(),
            eh_frame: self.eh_frame(number, choices).into(),
            ..CodeRange::default()
        }
    }

    fn safepoint(&self, site: u8, choices: &mut Choices<'_>) -> Option<Safepoint> {
        let frame_bytes = match (self.kind, choices.below(4)) {
            (_, 0) => return None,
            (Kind::Bare, _) | (_, 1) => None,
            (Kind::Framed, _) => Some(u32::from(self.words) * 8),
            (Kind::Odd, _) => Some(u32::from(choices.byte()) * 8),
        };
        let locations = (0..choices.below(6)).map(|_| {
            let register = choices.register();
            let encoding = match choices.below(2) {
                0 => Encoding::Offset32,
                _ => Encoding::BasePlusOffset64,
            };
            let location = match choices.below(4) {
                0 => Location::register(register, encoding),
                1 => {
                    let word = i32::from(choices.below(self.words.max(1)));
                    Location::memory(Register::STACK_POINTER, word * 8, encoding)
                }
                _ => {
                    let offset = choices.signed() * encoding.bytes().cast_signed();
                    Location::memory(register, offset, encoding)
                }
            };
            match choices.below(8) {
                0 => location
                    .derived_from(choices.below(2).into())
                    .unwrap_or(location),
                _ => location,
            }
        });
        let mut locations: Vec<_> = locations.collect();
        locations.sort_by_key(|location| location.base().is_some());
        Some(Safepoint {
            return_offset: SITE_BYTES * (1 + u32::from(site)),
            frame_bytes,
            locations: locations.into_iter().collect(),
        })
    }

    /// Its unwind table, or nothing.
    fn eh_frame(&self, number: u8, choices: &mut Choices<'_>) -> Vec<u8> {
        let encoding = gimli::Encoding {
            address_size: 8,
            format: Format::Dwarf32,
            version: 1,
        };
        let mut shared = CommonInformationEntry::new(encoding, 1, -8, RETURN_ADDRESS);
        let address = Address::Constant(start(number) as u64);
        let mut entry = FrameDescriptionEntry::new(address, FUNCTION_BYTES);
        let (sp, fp) = (
            column(Register::STACK_POINTER),
            column(Register::FRAME_POINTER),
        );
        use CallFrameInstruction as Rule;
        shared.add_instruction(Rule::Offset(RETURN_ADDRESS, -8));
        match self.kind {
            Kind::Framed => {
                shared.add_instruction(Rule::Cfa(fp, 16));
                shared.add_instruction(Rule::Offset(fp, -16));
                // Any words will do for the other registers.
                for (word, register) in Register::all().skip(2).enumerate() {
                    let is_saved = word < self.words.into() && choices.below(2) == 0;
                    if let (true, Ok(word)) = (is_saved, i32::try_from(word)) {
                        entry.add_instruction(0, Rule::Offset(column(register), -24 - 8 * word));
                    }
                }
            }
            Kind::Bare => shared.add_instruction(Rule::Cfa(sp, i32::from(self.words) * 8 + 8)),
            Kind::Odd => {
                if choices.below(8) == 0 {
                    return Vec::new();
                }
                shared.signal_trampoline = choices.below(4) == 0;
                shared.add_instruction(Rule::Cfa(column(choices.register()), choices.signed() * 4));
                for place in 0..choices.below(12) {
                    // Rules of later calls replace those of earlier ones.
                    let offset = u32::from(place / 3) * SITE_BYTES;
                    entry.add_instruction(offset, odd_rule(choices));
                }
            }
        }
        let mut table = FrameTable::default();
        let shared = table.add_cie(shared);
        table.add_fde(shared, entry);
        let mut section = EhFrame::from(EndianVec::new(RunTimeEndian::default()));
        match table.write_eh_frame(&mut section) {
            Ok(()) => section.0.into_vec(),
            Err(_) => Vec::new(),
        }
    }
}

/// Any rule but one for the stack pointer, which is to rise from frame to frame.
fn odd_rule(choices: &mut Choices<'_>) -> CallFrameInstruction {
    use CallFrameInstruction as Rule;
    let register = match choices.register() {
        Register::STACK_POINTER => RETURN_ADDRESS,
        register => column(register),
    };
    match choices.below(8) {
        0 => Rule::Undefined(register),
        1 => Rule::SameValue(register),
        2 => Rule::ValOffset(register, choices.signed() * 8),
        3 => Rule::Register(register, column(choices.register())),
        4 => Rule::CfaOffset(choices.signed() * 8),
        5 => Rule::CfaRegister(column(choices.register())),
        _ => Rule::Offset(register, choices.signed() * 8),
    }
}

fn column(register: Register) -> gimli::Register {
    gimli::Register(register.dwarf())
}
