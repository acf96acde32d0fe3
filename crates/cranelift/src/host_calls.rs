//! Slow paths at known addresses: what most clients need of [`SlowPaths`].

use crate::{SlowPath, SlowPaths};
use cranelift_codegen::ir::{Inst, InstBuilder, Value, types};
use cranelift_frontend::FunctionBuilder;

/// Calls slow paths at constant addresses, with a context of the client's.
///
/// # Panics
/// Emitting a call to a slow path whose address was not given panics. Which ones are called
/// follows from the ABI and the operations emitted.
#[derive(Clone, Copy, Debug)]
pub struct HostCalls {
    context: Value,
    addresses: [Option<usize>; SlowPath::COUNT],
}

impl HostCalls {
    /// Calls with `context`, an `i64` that dominates every use. `address` says where a slow path
    /// is: for safepoints the trampoline's address, for others the host function's own will do.
    #[must_use]
    pub fn new(context: Value, address: impl FnMut(SlowPath) -> Option<usize>) -> Self {
        Self {
            context,
            addresses: SlowPath::ALL.map(address),
        }
    }
}

impl SlowPaths for HostCalls {
    fn call(&mut self, b: &mut FunctionBuilder<'_>, path: SlowPath, arguments: &[Value]) -> Inst {
        let address = self.addresses[path as usize];
        let address = address
            .unwrap_or_else(|| panic!("code needs the slow path {path:?}: give its address"));
        let callee = b.ins().iconst(types::I64, address as i64);
        let signature = b.import_signature(path.call_signature());
        let arguments: smallvec::SmallVec<[Value; 4]> = std::iter::once(self.context)
            .chain(arguments.iter().copied())
            .collect();
        b.ins().call_indirect(signature, callee, &arguments)
    }
}
