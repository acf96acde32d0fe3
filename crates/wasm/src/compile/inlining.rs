//! Which calls are replaced by their callees.
//!
//! Small functions of the same module without loops, handlers and tail calls, calls within them included, and a
//! function's calls of itself once: of a tree's recursion that takes away the calls for its leaves, which
//! are most of them. The bytes of bodies stand for the size of the code; what a function may grow by is
//! bounded, and so is compile time.

use super::translate_body;
use crate::env::ModuleEnv;
use crate::module::parse::Body;
use crate::translate::FUNCTION_NAMESPACE;
use cranelift_codegen::ir::Function;
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::FunctionBuilderContext;
use hashbrown::HashMap;
use std::rc::Rc;
use wasmparser::{FunctionBody, Operator};
use windrow_cranelift::{CallSite, Callees, inlinable};

/// Bytes of the largest body that is inlined.
const CALLEE_BYTES: usize = 128;

/// Bytes of bodies that are inlined in one function at most.
const INLINED_BYTES: usize = 1536;

/// Calls one within the other that are inlined.
const DEPTH: usize = 4;

/// The functions of a module that may be inlined, translated when they are first asked for.
pub(super) struct Inlining<'a> {
    env: &'a ModuleEnv,
    isa: &'a dyn TargetIsa,
    bodies: &'a [Body<'a>],
    builder: FunctionBuilderContext,
    /// `None` for those that are not.
    functions: HashMap<u32, Option<Rc<Function>>>,
}

impl<'a> Inlining<'a> {
    /// No function translated. `bodies` are those of the module, in order.
    pub(super) fn new(env: &'a ModuleEnv, isa: &'a dyn TargetIsa, bodies: &'a [Body<'a>]) -> Self {
        Self {
            env,
            isa,
            bodies,
            builder: FunctionBuilderContext::new(),
            functions: HashMap::new(),
        }
    }

    /// What may be inlined in one function.
    pub(super) fn of(&mut self, function: u32) -> Calls<'_, 'a> {
        Calls {
            inlining: self,
            function,
            inlined_bytes: 0,
            last: None,
        }
    }

    fn body(&self, function: u32) -> Option<&'a Body<'a>> {
        let position = function.checked_sub(self.env.imported_functions)?;
        self.bodies.get(position as usize)
    }

    /// The function that an offset in the module's binary lies in.
    fn function_at(&self, offset: u32) -> u32 {
        let starts_before = |body: &Body<'_>| body.body.range().start <= u64::from(offset);
        let after = self.bodies.partition_point(starts_before);
        let position = u32::try_from(after.saturating_sub(1)).expect("functions are numbered");
        self.env.imported_functions + position
    }

    fn function(&mut self, function: u32) -> Option<Rc<Function>> {
        if let Some(known) = self.functions.get(&function) {
            return known.clone();
        }
        let translated = self.translate(function).map(Rc::new);
        self.functions.insert(function, translated.clone());
        translated
    }

    /// Translates a function if it may be inlined. One that is wrong may not, and is told where it is
    /// compiled itself.
    fn translate(&mut self, function: u32) -> Option<Function> {
        let body = self.body(function)?;
        if !is_simple(&body.body) {
            return None;
        }
        let mut func = Function::new();
        let mut validator = body.validator(Default::default());
        let builder = &mut self.builder;
        let result = translate_body(self.env, self.isa, &mut validator, body, builder, &mut func);
        result.is_ok().then(|| inlinable(&func))
    }
}

/// Whether a body runs straight through, and is soon over.
fn is_simple(body: &FunctionBody<'_>) -> bool {
    let Ok(operators) = body.get_operators_reader() else {
        return false;
    };
    let simple = |op: &Operator<'_>| {
        !matches!(
            op,
            Operator::Loop { .. }
                | Operator::TryTable { .. }
                | Operator::Try { .. }
                | Operator::ReturnCall { .. }
                | Operator::ReturnCallIndirect { .. }
                | Operator::ReturnCallRef { .. }
        )
    };
    operators
        .into_iter()
        .all(|op| op.is_ok_and(|op| simple(&op)))
}

/// Bytes of a body.
fn bytes(body: &Body<'_>) -> usize {
    let range = body.body.range();
    usize::try_from(range.end - range.start).unwrap_or(usize::MAX)
}

/// The calls of the function being compiled.
pub(super) struct Calls<'i, 'a> {
    inlining: &'i mut Inlining<'a>,
    function: u32,
    inlined_bytes: usize,
    last: Option<Rc<Function>>,
}

impl Calls<'_, '_> {
    fn allows(&self, callee: u32, site: &CallSite<'_>) -> Option<usize> {
        let bytes = bytes(self.inlining.body(callee)?);
        let fits = bytes <= CALLEE_BYTES && self.inlined_bytes + bytes <= INLINED_BYTES;
        if !fits || site.calls.depth() > DEPTH {
            return None;
        }
        let mut callers = site
            .calls
            .iter()
            .map(|call| self.inlining.function_at(call));
        let recursive = callers.any(|caller| caller == callee);
        let itself = callee == self.function && site.calls.depth() == 1;
        (!recursive || itself).then_some(bytes)
    }
}

impl Callees for Calls<'_, '_> {
    fn callee(&mut self, site: CallSite<'_>) -> Option<&Function> {
        if site.callee.namespace != FUNCTION_NAMESPACE {
            return None;
        }
        let callee = site.callee.index;
        let bytes = self.allows(callee, &site)?;
        let function = self.inlining.function(callee)?;
        self.inlined_bytes += bytes;
        Some(self.last.insert(function))
    }
}
