//! What the executable says of the fixture's code: functions, safepoints, and how to get from one
//! frame to the next.

use gimli::{BaseAddresses, CfaRule, EhFrame, LittleEndian, RegisterRule, UnwindSection};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use windrow_stack::{
    CodeAddress, CodeHandle, CodeRange, CodeRegistry, Encoding, Location, Register, Registers,
    STATEPOINT_ID, StackMaps,
};
use windrow_stack_llvm::Image;

/// How the caller's registers follow from a frame's.
pub(crate) struct Unwinding {
    /// The canonical frame address, relative to a register.
    pub(crate) cfa: (Register, i64),
    /// Registers that were saved, relative to that address.
    saved: Vec<(Register, i64)>,
}

pub(crate) struct Code {
    pub(crate) image: Image,
    pub(crate) maps: StackMaps,
    /// The fixture's code with its safepoints, for walks.
    pub(crate) registry: Arc<CodeRegistry>,
    _handle: CodeHandle,
    /// By return address.
    pub(crate) safepoints: BTreeMap<usize, Vec<Location>>,
    unwinding: BTreeMap<usize, Unwinding>,
}

/// All of it, read once.
pub(crate) static CODE: LazyLock<Code> = LazyLock::new(Code::of_this_executable);

impl Code {
    fn of_this_executable() -> Self {
        let image = Image::of_this_executable().unwrap();
        let maps = StackMaps::parse(image.stack_maps().unwrap().bytes).unwrap();
        let mut safepoints = BTreeMap::new();
        for function in maps.functions() {
            let found = function.safepoints(Encoding::BasePlusOffset64, |id| id == STATEPOINT_ID);
            for point in found.unwrap() {
                let address = function.address() + point.return_offset as usize;
                safepoints.insert(address, point.locations.to_vec());
            }
        }
        let mut unwinding = BTreeMap::new();
        for address in safepoints.keys() {
            unwinding.insert(*address, unwinding_at(&image, *address));
        }
        let (registry, handle) = register(&image, &maps);
        Self {
            image,
            maps,
            registry,
            _handle: handle,
            safepoints,
            unwinding,
        }
    }

    /// The function that an address is in, without what its version's names begin with.
    pub(crate) fn function(&self, pc: usize) -> Option<&str> {
        let (start, symbol) = self.image.functions.range(..pc).next_back()?;
        let name = symbol.name.strip_prefix("windrow_")?;
        let (_version, name) = name.split_once('_')?;
        (pc <= start + symbol.len).then_some(name)
    }

    pub(crate) fn unwinding(&self, pc: usize) -> &Unwinding {
        &self.unwinding[&pc]
    }
}

/// The functions are the range from the first to the end of the last. Their unwind table is the
/// executable's own.
fn register(image: &Image, maps: &StackMaps) -> (Arc<CodeRegistry>, CodeHandle) {
    let ends = maps.functions().map(|function| {
        let start = function.address();
        (start, start + image.functions[&start].len)
    });
    let (start, end) = ends
        .reduce(|these, those| (these.0.min(those.0), these.1.max(those.1)))
        .unwrap();
    let len = end - start;
    let wide = Encoding::BasePlusOffset64;
    let safepoints = maps.safepoints(start, len, wide, |id| id == STATEPOINT_ID);
    let registry = CodeRegistry::new();
    let handle = registry.register(CodeRange {
        start,
        len,
        safepoints: safepoints.unwrap(),
        ..CodeRange::default()
    });
    (registry, handle.unwrap())
}

fn unwinding_at(image: &Image, pc: usize) -> Unwinding {
    let section = image.eh_frame().unwrap();
    let bases = BaseAddresses::default().set_eh_frame(section.address as u64);
    let table = EhFrame::new(section.bytes, LittleEndian);
    let mut context = gimli::UnwindContext::new();
    let inside = CodeAddress::Return(pc).lookup() as u64;
    let row = table
        .unwind_info_for_address(&bases, &mut context, inside, EhFrame::cie_from_offset)
        .unwrap();
    let CfaRule::RegisterAndOffset { register, offset } = *row.cfa() else {
        panic!("the frame address at {pc:#x} is an expression");
    };
    let mut saved = Vec::new();
    for (number, rule) in row.registers() {
        if let (Some(register), RegisterRule::Offset(offset)) =
            (Register::from_dwarf(number.0), rule)
        {
            saved.push((register, *offset));
        }
    }
    Unwinding {
        cfa: (Register::from_dwarf(register.0).unwrap(), offset),
        saved,
    }
}

impl Unwinding {
    /// The registers of the caller, whose frame is read with `read`.
    pub(crate) fn step(&self, registers: &Registers, read: impl Fn(usize) -> usize) -> Registers {
        let (register, offset) = self.cfa;
        let cfa = (registers.get(register).unwrap() as i64 + offset) as usize;
        let mut caller = *registers;
        for (register, offset) in &self.saved {
            let home = (cfa as i64 + offset) as usize;
            caller.set_saved(*register, read(home), home);
        }
        caller.set(Register::STACK_POINTER, cfa);
        caller.pc = CodeAddress::Return(read(cfa - 8));
        caller
    }
}
