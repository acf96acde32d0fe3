//! Which WebAssembly features the engine has, and the names of those it has not.

use wasmparser::WasmFeatures;

/// The features of this engine.
pub(crate) fn supported() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::FUNCTION_REFERENCES
        | WasmFeatures::GC
        | WasmFeatures::GC_TYPES
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::EXCEPTIONS
        | WasmFeatures::LEGACY_EXCEPTIONS
        | WasmFeatures::FLOATS
        | WasmFeatures::SIMD
        | WasmFeatures::RELAXED_SIMD
        | WasmFeatures::MULTI_MEMORY
}

/// Names a person knows, of features the engine has not. Proposals whose encodings are malformed in
/// every standard so far have none: the validator's own message serves better.
const NAMES: [(WasmFeatures, &str); 8] = [
    (WasmFeatures::THREADS, "threads (atomics, shared memory)"),
    (
        WasmFeatures::MEMORY64,
        "memory64 (64-bit memories and tables)",
    ),
    (WasmFeatures::CUSTOM_PAGE_SIZES, "custom page sizes"),
    (WasmFeatures::STACK_SWITCHING, "stack switching"),
    (WasmFeatures::WIDE_ARITHMETIC, "wide arithmetic"),
    (WasmFeatures::CUSTOM_DESCRIPTORS, "custom descriptors"),
    (WasmFeatures::COMPACT_IMPORTS, "compact imports"),
    (WasmFeatures::COMPONENT_MODEL, "the component model"),
];

/// The name of the feature a module needs, or `None` where what the module needs is no single
/// feature that could be named.
pub(crate) fn feature_name(missing: WasmFeatures) -> Option<&'static str> {
    NAMES
        .iter()
        .find(|(feature, _)| missing.contains(*feature))
        .map(|(_, name)| *name)
}
