//! A fiber: a stack of its own that runs a job until it asks to be suspended, made with what the C
//! library has for that.

#![cfg(target_env = "gnu")]

use libc::{getcontext, makecontext, swapcontext, ucontext_t};
use std::cell::{Cell, UnsafeCell};
use std::ops::Range;
use std::rc::Rc;
use windrow_core::Isolate;
use windrow_stack::{CodeAddress, Register, Registers, SuspendedStack, switch_stacks};

/// More than guests may use, and what entries leave to the host.
const STACK_WORDS: usize = 1 << 17;
/// As above, in bytes.
pub(crate) const STACK_BYTES: usize = STACK_WORDS * size_of::<usize>();

/// Memory for stacks, each of which ends where the next begins.
pub(crate) type Stacks = Rc<[UnsafeCell<usize>]>;

/// Memory for so many stacks.
pub(crate) fn stacks(count: usize) -> Stacks {
    (0..count * STACK_WORDS).map(UnsafeCell::new).collect()
}

/// A stack and the job that runs on it.
pub(crate) struct Fiber<'a> {
    stacks: Stacks,
    /// Which of the stacks it runs on, from the lowest.
    position: usize,
    /// Where the fiber stands, while it is suspended.
    context: UnsafeCell<ucontext_t>,
    /// Where the one stands that resumed it, while it runs.
    home: UnsafeCell<ucontext_t>,
    /// The stack pointer before the call of [`start`].
    base: usize,
    job: Cell<Option<Box<dyn FnOnce() + 'a>>>,
    is_done: Cell<bool>,
}

thread_local! {
    /// The fiber that runs.
    static RUNNING: Cell<*const Fiber<'static>> = const { Cell::new(std::ptr::null()) };
}

/// The first function of every fiber. Where it returns to is the C library's affair.
pub(crate) extern "C" fn start() {
    // SAFETY: set by the `resume` that this runs in.
    let fiber = unsafe { &*RUNNING.get() };
    let job = fiber.job.take().unwrap();
    job();
    fiber.is_done.set(true);
}

impl<'a> Fiber<'a> {
    pub(crate) fn new(job: impl FnOnce() + 'a) -> Box<Self> {
        Self::on(&stacks(1), 0, job)
    }

    /// On one of these stacks, which nobody else uses.
    pub(crate) fn on(stacks: &Stacks, position: usize, job: impl FnOnce() + 'a) -> Box<Self> {
        // SAFETY: any bytes are a context that has not been filled in.
        let blank = || UnsafeCell::new(unsafe { std::mem::zeroed() });
        let mut fiber = Box::new(Self {
            stacks: Rc::clone(stacks),
            position,
            context: blank(),
            home: blank(),
            base: 0,
            job: Cell::new(Some(Box::new(job))),
            is_done: Cell::new(false),
        });
        let context = fiber.context.get();
        let bounds = fiber.bounds();
        // SAFETY: the context stays at its address, as does the stack; when the job ends the fiber
        // goes on at `home`, which `resume` filled in.
        unsafe {
            assert_eq!(getcontext(context), 0);
            (*context).uc_stack.ss_sp = std::ptr::with_exposed_provenance_mut(bounds.start);
            (*context).uc_stack.ss_size = bounds.len();
            (*context).uc_link = fiber.home.get();
            makecontext(context, start, 0);
        }
        fiber.base = fiber.registers().sp();
        if cfg!(target_arch = "x86_64") {
            // The return address is there already.
            fiber.base += size_of::<usize>();
        }
        fiber
    }

    /// Runs the fiber until it suspends itself or ends; these isolates have activations here or there.
    pub(crate) fn resume(&self, isolates: &[*mut Isolate]) {
        assert!(!self.is_done.get());
        let outer = RUNNING.replace((&raw const *self).cast());
        // SAFETY: the fiber is suspended, and leaves in the same way; no reference to the isolates is
        // in use here.
        let result = unsafe {
            switch_stacks(isolates, || {
                swapcontext(self.home.get(), self.context.get())
            })
        };
        assert_eq!(result, 0);
        RUNNING.set(outer);
    }

    pub(crate) fn is_done(&self) -> bool {
        self.is_done.get()
    }

    /// Where the stack lies.
    pub(crate) fn bounds(&self) -> Range<usize> {
        let words = self.stacks[self.position * STACK_WORDS..][..STACK_WORDS].as_ptr_range();
        words.start.expose_provenance()..words.end.expose_provenance()
    }

    /// The stack pointer that the fiber began with.
    pub(crate) fn base(&self) -> usize {
        self.base
    }

    /// The whole stack of the fiber, which is suspended.
    pub(crate) fn stack(&self) -> SuspendedStack {
        self.stack_within(self.bounds())
    }

    /// A part of the stack of the fiber, which is suspended.
    pub(crate) fn stack_within(&self, part: Range<usize>) -> SuspendedStack {
        let Range { start, end } = self.bounds();
        assert!(start <= part.start && part.end <= end);
        // SAFETY: it is the fiber's own memory, which tests walk before they resume it.
        unsafe { SuspendedStack::new(part) }
    }

    /// The registers that the fiber goes on with. It stands behind the call that suspended it.
    pub(crate) fn registers(&self) -> Registers {
        // SAFETY: the fiber is suspended, so nothing writes to its context.
        let context = unsafe { &(*self.context.get()).uc_mcontext };
        let (pc, words) = saved_words(context);
        let mut registers = Registers::at(CodeAddress::Return(pc));
        for (number, word) in words {
            registers.set(Register::from_dwarf(number).unwrap(), word);
        }
        registers
    }
}

/// Suspends the fiber that runs; returns when it is resumed.
pub(crate) fn suspend(isolates: &[*mut Isolate]) {
    // SAFETY: the fiber that runs was resumed by a reference to it that is still there.
    let fiber = unsafe { &*RUNNING.get() };
    // SAFETY: `resume` left in the same way.
    let result = unsafe {
        switch_stacks(isolates, || {
            swapcontext(fiber.context.get(), fiber.home.get())
        })
    };
    assert_eq!(result, 0);
}

/// Where a context stands, and the registers in it by their numbers in DWARF.
#[cfg(target_arch = "x86_64")]
fn saved_words(context: &libc::mcontext_t) -> (usize, Vec<(u16, usize)>) {
    let word = |index: libc::c_int| {
        let index = usize::try_from(index).unwrap();
        usize::try_from(context.gregs[index].cast_unsigned()).unwrap()
    };
    let numbers = [
        (7, libc::REG_RSP),
        (6, libc::REG_RBP),
        (3, libc::REG_RBX),
        (12, libc::REG_R12),
        (13, libc::REG_R13),
        (14, libc::REG_R14),
        (15, libc::REG_R15),
    ];
    let words = numbers.map(|(number, index)| (number, word(index)));
    (word(libc::REG_RIP), words.to_vec())
}

/// Where a context stands, and the registers in it by their numbers in DWARF.
#[cfg(target_arch = "aarch64")]
fn saved_words(context: &libc::mcontext_t) -> (usize, Vec<(u16, usize)>) {
    let word = |number: u16| usize::try_from(context.regs[usize::from(number)]).unwrap();
    let mut words: Vec<_> = (19..=29).map(|number| (number, word(number))).collect();
    words.push((31, usize::try_from(context.sp).unwrap()));
    (usize::try_from(context.pc).unwrap(), words)
}
