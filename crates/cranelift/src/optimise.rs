//! From the CLIF that was emitted to the CLIF that code is generated from: Cranelift's optimiser, and
//! what it leaves to others, in the order in which it is done.

mod condition;
mod implied;
mod stretches;
#[cfg(test)]
mod tests;
mod threads;

use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::{CodegenResult, Context};

/// Optimises the function in `context`, whose flow graph and dominators are right afterwards.
pub(crate) fn optimise(context: &mut Context, isa: &dyn TargetIsa) -> CodegenResult<()> {
    context.verify_if(isa)?;
    stretches::unify_state(&mut context.func);
    threads::thread(&mut context.func);
    context.optimize(isa, &mut ControlPlane::default())?;
    if implied::drop_implied(context) {
        context.flowgraph();
        context.eliminate_unreachable_code(isa)?;
    }
    stretches::separate(&mut context.func);
    context.verify_if(isa)
}
