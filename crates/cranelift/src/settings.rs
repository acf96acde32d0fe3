//! The instruction set of the host, with the settings emitted code relies on.

use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable, SetError};

/// Why there is no instruction set to compile for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IsaError {
    /// Cranelift has no backend for this machine.
    #[error("compiled code needs x86-64, AArch64 or another machine Cranelift knows: {reason}")]
    Unsupported {
        /// What Cranelift says.
        reason: &'static str,
    },
    /// A setting is unknown or has an impossible value.
    #[error("the code generator's setting `{name}` cannot be {value:?}: {source}")]
    Setting {
        /// The setting.
        name: String,
        /// The value asked for.
        value: String,
        /// What is wrong with it.
        source: SetError,
    },
    /// The settings do not go together.
    #[error("the code generator refuses its settings: {0}")]
    Settings(#[from] cranelift_codegen::CodegenError),
}

/// What a client may choose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct IsaOptions<'a> {
    /// Whether every float operation that yields a NaN yields the same one.
    pub canonical_nans: bool,
    /// Whether Cranelift verifies what it is given before it compiles it.
    pub verify: bool,
    /// Further Cranelift settings, by name, applied last but for the required ones.
    pub extra: &'a [(&'a str, &'a str)],
}

/// What emitted code, the walker and the fault handler rely on.
const REQUIRED: [(&str, &str); 5] = [
    // The state pointer's home.
    ("enable_pinned_reg", "true"),
    // Frames are walked along frame pointers.
    ("preserve_frame_pointers", "true"),
    // Stack overflow is found by comparing with the state's limit.
    ("enable_probestack", "false"),
    // Functions may have more results than registers.
    ("enable_multi_ret_implicit_sret", "true"),
    // Frames can also be walked by unwind tables.
    ("unwind_info", "true"),
];

/// The instruction set of the machine this runs on.
///
/// # Errors
/// [`IsaError`] where Cranelift cannot compile for this machine, or not with these settings.
pub fn native_isa(options: &IsaOptions<'_>) -> Result<OwnedTargetIsa, IsaError> {
    let mut flags = settings::builder();
    let mut set = |name: &str, value: &str| {
        flags.set(name, value).map_err(|source| IsaError::Setting {
            name: name.to_owned(),
            value: value.to_owned(),
            source,
        })
    };
    set("opt_level", "speed")?;
    set(
        "enable_nan_canonicalization",
        if options.canonical_nans {
            "true"
        } else {
            "false"
        },
    )?;
    set(
        "enable_verifier",
        if options.verify { "true" } else { "false" },
    )?;
    for (name, value) in options.extra.iter().chain(&REQUIRED) {
        set(name, value)?;
    }
    let builder = cranelift_native::builder().map_err(|reason| IsaError::Unsupported { reason })?;
    Ok(builder.finish(settings::Flags::new(flags))?)
}
