//! Where in a module's binary its code comes from.

use crate::env::ModuleEnv;
use windrow_cranelift::InlinedCalls;

/// A place in a function, and where that is in the binary, if known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Origin {
    pub(crate) function: u32,
    pub(crate) offset: Option<u64>,
}

/// The origins of all code of a module: of each of its own functions, in order.
#[derive(Debug, Default)]
pub(crate) struct Origins(Vec<FunctionOrigins>);

#[derive(Debug)]
struct FunctionOrigins {
    /// From this offset in the code on, this place.
    locations: Vec<(u32, u32)>,
    inlined: InlinedCalls,
}

impl Origins {
    /// Adds those of the next function.
    pub(super) fn push(&mut self, locations: Vec<(u32, u32)>, inlined: InlinedCalls) {
        self.0.push(FunctionOrigins { locations, inlined });
    }

    /// What an instruction of a function comes from: its own place and, if it was inlined, those of the
    /// calls it was inlined for, outwards.
    pub(crate) fn of(&self, env: &ModuleEnv, function: u32, code_offset: u32) -> Vec<Origin> {
        let Some((of, location)) = self.location(env, function, code_offset) else {
            let offset = None;
            return vec![Origin { function, offset }];
        };
        let origin = |offset: u32| Origin {
            function: env.function_at(offset.into()).unwrap_or(function),
            offset: Some(offset.into()),
        };
        of.inlined.locations(location).map(origin).collect()
    }

    /// The source location of an instruction, if it has one.
    fn location(
        &self,
        env: &ModuleEnv,
        function: u32,
        code_offset: u32,
    ) -> Option<(&FunctionOrigins, u32)> {
        let own = function.checked_sub(env.imported_functions)?;
        let of = self.0.get(own as usize)?;
        let after = of
            .locations
            .partition_point(|(start, _)| *start <= code_offset);
        // What lies before the first place is the function's own entry, where the stack is checked.
        let (_, location) = of.locations.get(after.saturating_sub(1))?;
        (*location != u32::MAX).then_some((of, *location))
    }
}
