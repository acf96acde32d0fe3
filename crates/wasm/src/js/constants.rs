//! String constants that modules import as immutable globals.

use super::string::JsString;
use super::{STRING, new_string};
use crate::error::Error;
use crate::global::{Global, GlobalType};
use crate::linker::{Extern, Linker};
use std::sync::{Mutex, PoisonError};
use windrow::{Store, Val};

/// The module name that toolchains import string constants from unless told otherwise.
pub const DEFAULT_CONSTANTS_MODULE: &str = "'";

/// The module name J2CL imports string constants from; their names are numbers.
pub(super) const J2CL_MODULE: &str = "string.const";

/// The custom section with J2CL's constants: a JSON array of strings.
const J2CL_SECTION: &str = "string.consts";

/// Defines every name of a module as an immutable global that holds the name as a string.
pub fn define_string_constants(linker: &mut Linker, module: &str) {
    linker.define_with(module, |store, _, name, _| {
        constant(store, name.into()).map(Some)
    });
}

/// Defines J2CL's constants: name `n` is the `n`-th string of the module's custom section.
pub(super) fn define_j2cl_constants(linker: &mut Linker) {
    let texts: Mutex<Texts> = Mutex::default();
    linker.define_with(J2CL_MODULE, move |store, module, name, _| {
        let Some(section) = module.custom_sections(J2CL_SECTION).next() else {
            return Ok(None);
        };
        let text = {
            let mut texts = texts.lock().unwrap_or_else(PoisonError::into_inner);
            texts.read(section)?;
            let text = name.parse().ok().and_then(|index| texts.text(index));
            text.map(JsString::from)
        };
        text.map(|text| constant(store, text)).transpose()
    });
}

/// The texts of the section read last: a module asks for its constants one by one.
#[derive(Default)]
struct Texts {
    section: Option<Box<[u8]>>,
    texts: Vec<String>,
}

impl Texts {
    fn read(&mut self, section: &[u8]) -> Result<(), Error> {
        if self.section.as_deref() == Some(section) {
            return Ok(());
        }
        self.texts = serde_json::from_slice(section).map_err(|error| {
            Error::host(format!(
                "the custom section {J2CL_SECTION:?} must be a JSON array of strings: {error}"
            ))
        })?;
        self.section = Some(section.into());
        Ok(())
    }

    fn text(&self, index: usize) -> Option<&str> {
        self.texts.get(index).map(String::as_str)
    }
}

fn constant(store: &mut Store, string: JsString) -> Result<Extern, Error> {
    let reference = new_string(store, string)?;
    let ty = GlobalType {
        content: STRING,
        mutable: false,
    };
    Ok(Global::new(store, ty, &Val::Ref(reference))?.into())
}
