//! One function from bytes to code: validate and translate, then compile.
//!
//! Function bodies are independent, so a [`FunctionCompiler`] belongs to one thread and is used
//! for many functions; what it allocates is kept from one to the next.

use crate::env::ModuleEnv;
use crate::translate::{TranslateError, Truth, translate};
use cranelift_codegen::Context;
use cranelift_codegen::ir::UserFuncName;
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::FunctionBuilderContext;
use wasmparser::{FuncToValidate, FuncValidatorAllocations, FunctionBody, ValidatorResources};
use windrow_cranelift::{CompiledFunction, compile};

/// Compiles functions of one module, one after another.
pub(crate) struct FunctionCompiler<'a> {
    env: &'a ModuleEnv,
    isa: &'a dyn TargetIsa,
    context: Context,
    builder: FunctionBuilderContext,
    validation: FuncValidatorAllocations,
}

impl<'a> FunctionCompiler<'a> {
    /// A compiler of functions of the module that `env` describes.
    pub(crate) fn new(env: &'a ModuleEnv, isa: &'a dyn TargetIsa) -> Self {
        Self {
            env,
            isa,
            context: Context::new(),
            builder: FunctionBuilderContext::new(),
            validation: FuncValidatorAllocations::default(),
        }
    }

    /// Validates and compiles one function.
    ///
    /// Direct calls are relocations against the functions of the module by index, in the
    /// namespace [`FUNCTION_NAMESPACE`](crate::translate::FUNCTION_NAMESPACE). Source locations
    /// are offsets in the module's binary.
    ///
    /// # Errors
    /// [`TranslateError`]. The compiler can be used on.
    pub(crate) fn compile(
        &mut self,
        function: FuncToValidate<ValidatorResources>,
        body: &FunctionBody<'_>,
    ) -> Result<CompiledFunction, TranslateError> {
        self.translate(function, body)?;
        Ok(compile(&mut self.context, self.isa)?)
    }

    /// Validates and translates one function into the context. Builds with debug assertions check
    /// its safepoints.
    fn translate(
        &mut self,
        function: FuncToValidate<ValidatorResources>,
        body: &FunctionBody<'_>,
    ) -> Result<(), TranslateError> {
        let index = function.index;
        let truth = self.translate_unchecked(function, body)?;
        if cfg!(debug_assertions) {
            let func = &self.context.func;
            if let Err(violation) = truth.settle(func).check(func) {
                let name = self.env.display_name(index);
                panic!("the code of {name} would lose a reference: {violation}");
            }
        }
        Ok(())
    }

    /// Validates and translates one function into the context. Yields what its safepoints can be
    /// checked against.
    fn translate_unchecked(
        &mut self,
        function: FuncToValidate<ValidatorResources>,
        body: &FunctionBody<'_>,
    ) -> Result<Truth, TranslateError> {
        self.context.clear();
        self.context.func.name = UserFuncName::user(0, function.index);
        let mut validator = function.into_validator(std::mem::take(&mut self.validation));
        let result = translate(
            self.env,
            self.isa,
            &mut validator,
            body,
            &mut self.builder,
            &mut self.context.func,
        );
        if result.is_err() {
            // A builder given up half-way leaves its context unfit for the next function.
            self.builder = FunctionBuilderContext::new();
        }
        self.validation = validator.into_allocations();
        result
    }

    /// The CLIF of one function, before any optimisation.
    #[cfg(test)]
    pub(crate) fn clif(
        &mut self,
        function: FuncToValidate<ValidatorResources>,
        body: &FunctionBody<'_>,
    ) -> Result<String, TranslateError> {
        self.translate(function, body)?;
        Ok(self.context.func.display().to_string())
    }
}

#[cfg(test)]
mod tests;
