//! One function from bytes to code: validate and translate, replace calls of small functions, compile.
//!
//! A [`FunctionCompiler`] belongs to one thread and is used for many functions; the memory it translates
//! in, and the small functions it translated for their callers, are kept from one to the next.

mod inlining;

use crate::env::ModuleEnv;
use crate::module::parse::Body;
use crate::translate::{TranslateError, Truth, translate};
use cranelift_codegen::Context;
use cranelift_codegen::ir::{Function, UserFuncName};
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::FunctionBuilderContext;
use inlining::Inlining;
use wasmparser::{FuncValidator, FuncValidatorAllocations, ValidatorResources};
use windrow_cranelift::{CompiledFunction, InlinedCalls, compile, inline};

/// A function's code, and where it came from.
pub(crate) struct Compiled {
    pub(crate) code: CompiledFunction,
    /// What the code's source locations from [`InlinedCalls::FIRST`] on mean; the others are offsets in the
    /// module's binary.
    pub(crate) inlined: InlinedCalls,
}

/// Compiles functions of one module, one after another.
pub(crate) struct FunctionCompiler<'a> {
    env: &'a ModuleEnv,
    isa: &'a dyn TargetIsa,
    context: Context,
    builder: FunctionBuilderContext,
    validation: FuncValidatorAllocations,
    inlining: Inlining<'a>,
}

impl<'a> FunctionCompiler<'a> {
    /// A compiler of functions of the module that `env` describes, all of whose bodies are `bodies`.
    pub(crate) fn new(env: &'a ModuleEnv, isa: &'a dyn TargetIsa, bodies: &'a [Body<'a>]) -> Self {
        Self {
            env,
            isa,
            context: Context::new(),
            builder: FunctionBuilderContext::new(),
            validation: FuncValidatorAllocations::default(),
            inlining: Inlining::new(env, isa, bodies),
        }
    }

    /// Validates and compiles one function.
    ///
    /// Direct calls are relocations against the functions of the module by index, in the
    /// namespace [`FUNCTION_NAMESPACE`](crate::translate::FUNCTION_NAMESPACE).
    ///
    /// # Errors
    /// [`TranslateError`]. The compiler can be used on.
    pub(crate) fn compile(&mut self, body: &Body<'_>) -> Result<Compiled, TranslateError> {
        self.translate(body)?;
        let mut calls = self.inlining.of(body.validate.index);
        let inlined = match self.env.inlining {
            true => inline(&mut self.context, &mut calls)?,
            false => InlinedCalls::default(),
        };
        let code = compile(&mut self.context, self.isa)?;
        Ok(Compiled { code, inlined })
    }

    /// Validates and translates one function into the context. Builds with debug assertions check
    /// its safepoints.
    fn translate(&mut self, body: &Body<'_>) -> Result<(), TranslateError> {
        let truth = self.translate_unchecked(body)?;
        if cfg!(debug_assertions) {
            let func = &self.context.func;
            if let Err(violation) = truth.settle(func).check(func) {
                let name = self.env.display_name(body.validate.index);
                panic!("the code of {name} would lose a reference: {violation}");
            }
        }
        Ok(())
    }

    /// Validates and translates one function into the context. Yields what its safepoints can be
    /// checked against.
    fn translate_unchecked(&mut self, body: &Body<'_>) -> Result<Truth, TranslateError> {
        self.context.clear();
        let func = &mut self.context.func;
        let mut validator = body.validator(std::mem::take(&mut self.validation));
        let result = translate_body(
            self.env,
            self.isa,
            &mut validator,
            body,
            &mut self.builder,
            func,
        );
        self.validation = validator.into_allocations();
        result
    }

    /// The CLIF of one function, before any optimisation.
    #[cfg(test)]
    pub(crate) fn clif(&mut self, body: &Body<'_>) -> Result<String, TranslateError> {
        self.translate(body)?;
        Ok(self.context.func.display().to_string())
    }
}

/// Validates and translates a function into `func`, which is empty.
fn translate_body(
    env: &ModuleEnv,
    isa: &dyn TargetIsa,
    validator: &mut FuncValidator<ValidatorResources>,
    body: &Body<'_>,
    builder: &mut FunctionBuilderContext,
    func: &mut Function,
) -> Result<Truth, TranslateError> {
    func.name = UserFuncName::user(0, body.validate.index);
    let result = translate(env, isa, validator, &body.body, builder, func);
    if result.is_err() {
        // A builder given up half-way leaves its context unfit for the next function.
        *builder = FunctionBuilderContext::new();
    }
    result
}

#[cfg(test)]
mod tests;
