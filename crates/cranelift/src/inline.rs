//! Calls replaced by the functions they lead to.
//!
//! Cranelift does the replacing: it merges stack maps, so that at a safepoint of the callee the caller's
//! live references are named too. What is added here is the memory of where instructions came from. An
//! inlined instruction has as its source location a number of an [`InlinedCalls`], which leads to the
//! callee's location and that of the call, and so on outwards: a backtrace shows every function, inlined
//! or not.
//!
//! Which calls are worth it is the client's to say. Calls with handlers of exceptions and tail calls are
//! left alone.

mod early_exit;

pub use early_exit::early_exit;

use crate::CompileError;
use cranelift_codegen::Context;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::inline::{Inline, InlineCommand};
use cranelift_codegen::ir::{
    DebugTag, ExternalName, FuncRef, Function, Inst, Opcode, SourceLoc, UserExternalName, Value,
};
use hashbrown::HashMap;
use std::borrow::Cow;

/// Marks a call that stands for the one it was inlined for, and is not itself replaced.
const SAME_PLACE: u32 = u32::MAX;

/// A direct call that might be replaced.
#[derive(Clone, Copy, Debug)]
pub struct CallSite<'a> {
    /// The function called.
    pub callee: &'a UserExternalName,
    /// Source locations: the outermost call first, which is the compiled function's own, then the calls
    /// within what was inlined for it; this one last.
    pub calls: Chain<'a>,
    /// References of the caller that survive the call, those of functions it was inlined in included. Each
    /// is named at each safepoint of what takes the call's place.
    pub survivors: usize,
}

/// Source locations of calls one within the other, the outermost first.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a>(&'a [DebugTag]);

impl Chain<'_> {
    /// How many calls there are: one for a call that the compiled function makes itself.
    #[must_use]
    pub fn depth(self) -> usize {
        self.iter().count()
    }

    /// The bits of their source locations.
    pub fn iter(self) -> impl Iterator<Item = u32> {
        self.0.iter().filter_map(|tag| match tag {
            DebugTag::User(SAME_PLACE) | DebugTag::StackSlot(_) => None,
            DebugTag::User(location) => Some(*location),
        })
    }

    /// Whether the call was made to stand for the one before it.
    fn is_settled(self) -> bool {
        self.0.last() == Some(&tag_of(SAME_PLACE))
    }
}

/// Decides which calls are replaced, and knows what by.
pub trait Callees {
    /// The function to put in the place of a call, made by [`inlinable`] or [`early_exit`], or `None` to
    /// leave the call.
    fn callee(&mut self, site: CallSite<'_>) -> Option<&Function>;
}

/// Where inlined instructions came from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InlinedCalls {
    places: Vec<Place>,
}

/// A source location within a function that was inlined at another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Place {
    location: u32,
    /// Of the call.
    caller: u32,
}

impl InlinedCalls {
    /// Source locations from this on are numbers of inlined places.
    pub const FIRST: u32 = 1 << 31;

    /// The source locations behind one: of an instruction, then of the call it was inlined for, and so
    /// on to the call in the compiled function itself. For a location that is not inlined, itself.
    pub fn locations(&self, location: u32) -> impl Iterator<Item = u32> {
        let mut next = Some(location);
        std::iter::from_fn(move || {
            let location = next.take()?;
            let place = location
                .checked_sub(Self::FIRST)
                .and_then(|index| self.places.get(index as usize));
            match place {
                Some(place) => {
                    next = Some(place.caller);
                    Some(place.location)
                }
                None => Some(location),
            }
        })
    }
}

/// Makes a function ready to be inlined, any number of times: the prologue's checks go, and its
/// instructions take their source locations along.
#[must_use]
pub fn inlinable(func: &Function) -> Function {
    let mut func = func.clone();
    func.stack_limit = None;
    // All of them: what traps may become part of another, a load of the addition of what it loads.
    tag(&mut func, |_| true);
    func
}

/// Replaces calls of the function in `context`, which is neither optimised nor verified yet, by what
/// `callees` says.
///
/// # Errors
/// [`CompileError::Codegen`] if Cranelift refuses.
pub fn inline(
    context: &mut Context,
    callees: &mut dyn Callees,
) -> Result<InlinedCalls, CompileError> {
    tag(&mut context.func, Opcode::is_call);
    let inlined = context
        .inline(Inliner { callees })
        .map_err(|error| CompileError::Codegen {
            reason: error.to_string(),
        })?;
    let calls = match inlined {
        true => locate(&mut context.func),
        false => InlinedCalls::default(),
    };
    context.func.debug_tags.clear();
    Ok(calls)
}

/// A source location as a tag.
const fn tag_of(location: u32) -> DebugTag {
    DebugTag::User(location)
}

/// Gives instructions their source locations as tags, which inlining hands on.
fn tag(func: &mut Function, which: impl Fn(Opcode) -> bool) {
    let mut cursor = FuncCursor::new(func);
    while cursor.next_block().is_some() {
        while let Some(inst) = cursor.next_inst() {
            let func = &mut *cursor.func;
            let location = func.srcloc(inst);
            if which(func.dfg.insts[inst].opcode()) && !location.is_default() {
                let tags = &mut func.stencil.debug_tags;
                tags.set(inst, [tag_of(location.bits())]);
            }
        }
    }
}

/// Gives inlined instructions source locations, by their tags.
fn locate(func: &mut Function) -> InlinedCalls {
    let mut calls = InlinedCalls::default();
    let mut numbers: HashMap<Place, u32> = HashMap::new();
    let mut cursor = FuncCursor::new(func);
    while cursor.next_block().is_some() {
        while let Some(inst) = cursor.next_inst() {
            let func = &mut *cursor.func;
            let mut chain = Chain(func.debug_tags.get(inst)).iter();
            let Some(outermost) = chain.next() else {
                continue;
            };
            let location = chain.fold(outermost, |caller, location| {
                let place = Place { location, caller };
                *numbers.entry(place).or_insert_with(|| {
                    calls.places.push(place);
                    u32::try_from(calls.places.len() - 1)
                        .ok()
                        .and_then(|index| InlinedCalls::FIRST.checked_add(index))
                        .expect("fewer than 2^31 inlined instructions")
                })
            });
            func.set_srcloc(inst, SourceLoc::new(location));
        }
    }
    calls
}

/// What Cranelift asks.
struct Inliner<'a> {
    callees: &'a mut dyn Callees,
}

impl Inline for Inliner<'_> {
    fn inline(
        &mut self,
        caller: &Function,
        call: Inst,
        opcode: Opcode,
        callee: FuncRef,
        _: &[Value],
    ) -> InlineCommand<'_> {
        let ExternalName::User(name) = caller.dfg.ext_funcs[callee].name else {
            return InlineCommand::KeepCall;
        };
        let calls = Chain(caller.debug_tags.get(call));
        if opcode != Opcode::Call || calls.depth() == 0 || calls.is_settled() {
            return InlineCommand::KeepCall;
        }
        let site = CallSite {
            callee: &caller.params.user_named_funcs()[name],
            calls,
            survivors: caller
                .dfg
                .user_stack_map_entries(call)
                .map_or(0, <[_]>::len),
        };
        match self.callees.callee(site) {
            Some(callee) => InlineCommand::Inline {
                callee: Cow::Borrowed(callee),
                visit_callee: true,
            },
            None => InlineCommand::KeepCall,
        }
    }
}
