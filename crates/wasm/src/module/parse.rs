//! From the bytes of a binary to a [`Parsed`] module: validated, sections decoded, function bodies
//! found but neither validated nor compiled, which happens function by function later.
//!
//! Each section is validated before it is decoded, so decoding meets indices in range.

use super::const_expr::{ConstExpr, decode};
use super::features;
use super::types::register_types;
use crate::env::{ModuleEnv, ModuleTag};
use crate::error::Error;
use crate::tag::payload_type;
use std::sync::Arc;
use wasmparser::{
    DataKind, DataSectionReader, ElementItems, ElementKind, ElementSectionReader, ExternalKind,
    FuncToValidate, FuncValidator, FuncValidatorAllocations, FunctionBody, GlobalSectionReader,
    ImportSectionReader, KnownCustom, Name, NameSectionReader, Parser, Payload, RefType, TableInit,
    TableSectionReader, TypeRef, ValidPayload, Validator, ValidatorResources,
};
use windrow::TypeRegistry;
use windrow::jit::CodeAbi;

/// An import, in order.
#[derive(Clone, Debug)]
pub(crate) struct ImportDecl {
    pub(crate) module: String,
    pub(crate) name: String,
    pub(crate) ty: TypeRef,
}

/// What an export is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ExportKind {
    Func,
    Table,
    Memory,
    Global,
    Tag,
}

/// An export.
#[derive(Clone, Debug)]
pub(crate) struct ExportDecl {
    pub(crate) name: String,
    pub(crate) kind: ExportKind,
    pub(crate) index: u32,
}

/// When a segment is used.
#[derive(Clone, Debug)]
pub(crate) enum SegmentMode {
    /// When an instruction says so.
    Passive,
    /// At instantiation, in the table or memory with this index, from this offset on.
    Active(u32, ConstExpr),
    /// Never: it only declares functions.
    Declared,
}

/// An element segment.
#[derive(Clone, Debug)]
pub(crate) struct ElementDecl {
    pub(crate) mode: SegmentMode,
    pub(crate) items: Vec<ConstExpr>,
}

/// A data segment.
#[derive(Clone, Debug)]
pub(crate) struct DataDecl {
    pub(crate) mode: SegmentMode,
    pub(crate) bytes: Arc<[u8]>,
}

/// What instantiation needs of a module.
#[derive(Debug, Default)]
pub(crate) struct Sections {
    pub(crate) imports: Vec<ImportDecl>,
    pub(crate) exports: Vec<ExportDecl>,
    /// Initial values of the module's own globals.
    pub(crate) globals: Vec<ConstExpr>,
    /// Initial elements of the module's own tables; null without.
    pub(crate) tables: Vec<Option<ConstExpr>>,
    pub(crate) elements: Vec<ElementDecl>,
    pub(crate) data: Vec<DataDecl>,
    pub(crate) start: Option<u32>,
    /// Custom sections the engine does not read itself, by name.
    pub(crate) custom: Vec<(String, Box<[u8]>)>,
}

/// A function body to be validated and compiled.
pub(crate) struct Body<'a> {
    pub(crate) validate: FuncToValidate<ValidatorResources>,
    pub(crate) body: FunctionBody<'a>,
}

impl Body<'_> {
    /// A validator of this body, which may be asked for any number of times.
    pub(crate) fn validator(
        &self,
        allocations: FuncValidatorAllocations,
    ) -> FuncValidator<ValidatorResources> {
        let FuncToValidate {
            ref resources,
            index,
            ty,
            features,
        } = self.validate;
        let validate = FuncToValidate {
            resources: resources.clone(),
            index,
            ty,
            features,
        };
        validate.into_validator(allocations)
    }
}

/// A module whose function bodies are still to be compiled.
pub(crate) struct Parsed<'a> {
    pub(crate) env: ModuleEnv,
    pub(crate) sections: Sections,
    /// Bodies of the module's own functions, in order.
    pub(crate) bodies: Vec<Body<'a>>,
}

/// Parses a binary.
///
/// # Errors
/// [`Error::Invalid`] and [`Error::Unsupported`]; [`Error::Heap`] if the type registry is full.
pub(crate) fn parse(
    bytes: &[u8],
    abi: CodeAbi,
    registry: Arc<TypeRegistry>,
) -> Result<Parsed<'_>, Error> {
    let mut parsed = Parsed {
        env: ModuleEnv::new(abi, registry),
        sections: Sections::default(),
        bodies: Vec::new(),
    };
    let mut validator = Validator::new_with_features(features::supported());
    let mut parser = Parser::new(0);
    parser.set_features(features::supported());
    for payload in parser.parse_all(bytes) {
        let payload = payload?;
        match validator.payload(&payload)? {
            ValidPayload::Func(validate, body) => {
                parsed.env.body_starts.push(body.range().start);
                parsed.bodies.push(Body { validate, body });
            }
            ValidPayload::End(types) => parsed.name_validated_types(types.as_ref()),
            ValidPayload::Ok | ValidPayload::Parser(_) => parsed.section(&payload)?,
        }
    }
    Ok(parsed)
}

impl Parsed<'_> {
    fn section(&mut self, payload: &Payload<'_>) -> Result<(), Error> {
        match payload {
            Payload::TypeSection(section) => {
                for group in section.clone() {
                    register_types(&mut self.env, group?)?;
                }
            }
            Payload::ImportSection(section) => self.imports(section)?,
            Payload::FunctionSection(section) => {
                for type_index in section.clone() {
                    self.env.functions.push(type_index?);
                }
            }
            Payload::TableSection(section) => self.tables(section)?,
            Payload::MemorySection(section) => {
                for memory in section.clone() {
                    self.env.memories.push(memory?);
                }
            }
            Payload::GlobalSection(section) => self.globals(section)?,
            Payload::TagSection(section) => {
                for tag in section.clone() {
                    self.tag(tag?.func_type_idx)?;
                }
            }
            Payload::ExportSection(section) => self.exports(section)?,
            Payload::StartSection { func, .. } => self.sections.start = Some(*func),
            Payload::ElementSection(section) => self.elements(section)?,
            Payload::DataCountSection { count, .. } => self.env.data_segments = *count,
            Payload::DataSection(section) => self.data(section)?,
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(names) = section.as_known() {
                    self.names(names);
                } else if !section.name().starts_with(".debug_") {
                    let (name, data) = (section.name().to_owned(), section.data().into());
                    self.sections.custom.push((name, data));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn imports(&mut self, section: &ImportSectionReader<'_>) -> Result<(), Error> {
        for import in section.clone().into_imports() {
            let import = import?;
            match import.ty {
                TypeRef::Func(type_index) | TypeRef::FuncExact(type_index) => {
                    self.env.functions.push(type_index);
                    self.env.imported_functions += 1;
                }
                TypeRef::Table(table) => {
                    self.env.tables.push(table);
                    self.env.imported_tables += 1;
                }
                TypeRef::Memory(memory) => {
                    self.env.memories.push(memory);
                    self.env.imported_memories += 1;
                }
                TypeRef::Global(global) => {
                    self.env.globals.push(global);
                    self.env.imported_globals += 1;
                }
                TypeRef::Tag(tag) => self.tag(tag.func_type_idx)?,
            }
            let (module, name) = (import.module.to_owned(), import.name.to_owned());
            self.sections.imports.push(ImportDecl {
                module,
                name,
                ty: import.ty,
            });
        }
        Ok(())
    }

    fn tables(&mut self, section: &TableSectionReader<'_>) -> Result<(), Error> {
        for table in section.clone() {
            let table = table?;
            let initial = match &table.init {
                TableInit::RefNull => None,
                TableInit::Expr(expr) => Some(decode(&self.env, expr)?),
            };
            self.env.tables.push(table.ty);
            self.sections.tables.push(initial);
        }
        Ok(())
    }

    fn globals(&mut self, section: &GlobalSectionReader<'_>) -> Result<(), Error> {
        for global in section.clone() {
            let global = global?;
            let initial = decode(&self.env, &global.init_expr)?;
            self.env.globals.push(global.ty);
            self.sections.globals.push(initial);
        }
        Ok(())
    }

    fn tag(&mut self, type_index: u32) -> Result<(), Error> {
        let ty = self.env.registry.sub_type(self.env.type_id(type_index));
        let params = &ty
            .as_func()
            .expect("a validated tag has a function type")
            .params;
        let payload = payload_type(&self.env.registry, params)?;
        self.env.tags.push(ModuleTag {
            type_index,
            payload,
        });
        Ok(())
    }

    fn exports(&mut self, section: &wasmparser::ExportSectionReader<'_>) -> Result<(), Error> {
        for export in section.clone() {
            let export = export?;
            let kind = match export.kind {
                ExternalKind::Func | ExternalKind::FuncExact => ExportKind::Func,
                ExternalKind::Table => ExportKind::Table,
                ExternalKind::Memory => ExportKind::Memory,
                ExternalKind::Global => ExportKind::Global,
                ExternalKind::Tag => ExportKind::Tag,
            };
            self.sections.exports.push(ExportDecl {
                name: export.name.to_owned(),
                kind,
                index: export.index,
            });
        }
        Ok(())
    }

    fn elements(&mut self, section: &ElementSectionReader<'_>) -> Result<(), Error> {
        for element in section.clone() {
            let element = element?;
            let (ty, items) = self.element_items(element.items)?;
            let mode = match element.kind {
                ElementKind::Passive => SegmentMode::Passive,
                ElementKind::Declared => SegmentMode::Declared,
                ElementKind::Active {
                    table_index,
                    offset_expr,
                } => {
                    SegmentMode::Active(table_index.unwrap_or(0), decode(&self.env, &offset_expr)?)
                }
            };
            self.env.element_types.push(ty);
            self.sections.elements.push(ElementDecl { mode, items });
        }
        Ok(())
    }

    fn element_items(&self, items: ElementItems<'_>) -> Result<(RefType, Vec<ConstExpr>), Error> {
        let mut decoded = Vec::new();
        let ty = match items {
            ElementItems::Functions(functions) => {
                for function in functions {
                    decoded.push(ConstExpr::from_elem(
                        super::const_expr::ConstOp::RefFunc(function?),
                        1,
                    ));
                }
                RefType::FUNCREF
            }
            ElementItems::Expressions(ty, exprs) => {
                for expr in exprs {
                    decoded.push(decode(&self.env, &expr?)?);
                }
                ty
            }
        };
        Ok((ty, decoded))
    }

    fn data(&mut self, section: &DataSectionReader<'_>) -> Result<(), Error> {
        for data in section.clone() {
            let data = data?;
            let mode = match data.kind {
                DataKind::Passive => SegmentMode::Passive,
                DataKind::Active {
                    memory_index,
                    offset_expr,
                } => SegmentMode::Active(memory_index, decode(&self.env, &offset_expr)?),
            };
            self.sections.data.push(DataDecl {
                mode,
                bytes: data.data.into(),
            });
        }
        self.env.data_segments = section.count();
        Ok(())
    }

    /// Names serve people only, so a section that cannot be read is no reason to refuse.
    fn names(&mut self, names: NameSectionReader<'_>) {
        for name in names.into_iter().map_while(Result::ok) {
            match name {
                Name::Module { name, .. } => self.env.name = Some(name.to_owned()),
                Name::Function(map) => {
                    for naming in map.into_iter().map_while(Result::ok) {
                        self.env
                            .function_names
                            .insert(naming.index, naming.name.to_owned());
                    }
                }
                Name::Type(map) => {
                    for naming in map.into_iter().map_while(Result::ok) {
                        if let Some(ty) = self.env.types.get(naming.index as usize) {
                            self.env.registry.set_type_name(ty.id, naming.name);
                        }
                    }
                }
                Name::Field(types) => {
                    for fields in types.into_iter().map_while(Result::ok) {
                        let Some(ty) = self.env.types.get(fields.index as usize) else {
                            continue;
                        };
                        for naming in fields.names.map_while(Result::ok) {
                            let registry = &self.env.registry;
                            registry.set_field_name(ty.id, naming.index, naming.name);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn name_validated_types(&mut self, types: wasmparser::types::TypesRef<'_>) {
        for index in 0..types.core_type_count_in_module() {
            self.env
                .validated
                .entry(types.core_type_at_in_module(index))
                .or_insert(index);
        }
    }
}
