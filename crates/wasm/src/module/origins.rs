//! Where in a module's binary its code comes from.

use super::parse::Body;
use crate::env::ModuleEnv;
use windrow_cranelift::InlinedCalls;

/// A place in a function, and where that is in the binary, if known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Origin {
    pub(crate) function: u32,
    pub(crate) offset: Option<u64>,
}

/// The origins of all code of a module.
#[derive(Debug)]
pub(crate) struct Origins {
    imported_functions: u32,
    /// Where the bodies of its own functions begin.
    starts: Box<[u64]>,
    functions: Vec<FunctionOrigins>,
}

#[derive(Debug)]
struct FunctionOrigins {
    /// From this offset in the code on, this place.
    locations: Vec<(u32, u32)>,
    inlined: InlinedCalls,
}

impl Origins {
    /// Those of no function yet.
    pub(super) fn new(env: &ModuleEnv, bodies: &[Body<'_>]) -> Self {
        Self {
            imported_functions: env.imported_functions,
            starts: bodies.iter().map(|body| body.body.range().start).collect(),
            functions: Vec::with_capacity(bodies.len()),
        }
    }

    /// Adds those of the next function.
    pub(super) fn push(&mut self, locations: Vec<(u32, u32)>, inlined: InlinedCalls) {
        self.functions.push(FunctionOrigins { locations, inlined });
    }

    /// What an instruction of a function comes from: its own place and, if it was inlined, those of the
    /// calls it was inlined for, outwards.
    pub(crate) fn of(&self, function: u32, code_offset: u32) -> Vec<Origin> {
        let own = function.checked_sub(self.imported_functions);
        let known = own.and_then(|own| {
            let of = self.functions.get(own as usize)?;
            let after = of
                .locations
                .partition_point(|(start, _)| *start <= code_offset);
            // What lies before the first place is the function's own entry, where the stack is checked.
            let (_, location) = of.locations.get(after.saturating_sub(1))?;
            (*location != u32::MAX).then_some((of, *location))
        });
        let Some((of, location)) = known else {
            let offset = None;
            return vec![Origin { function, offset }];
        };
        let origin = |offset: u32| Origin {
            function: self.function_at(offset.into()).unwrap_or(function),
            offset: Some(offset.into()),
        };
        of.inlined.locations(location).map(origin).collect()
    }

    /// The function whose body an offset lies in.
    fn function_at(&self, offset: u64) -> Option<u32> {
        let after = self.starts.partition_point(|start| *start <= offset);
        let own = u32::try_from(after.checked_sub(1)?).ok()?;
        Some(self.imported_functions + own)
    }
}
