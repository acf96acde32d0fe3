//! Types as the WebAssembly text format writes them.

use super::{
    ArrayType, CompositeType, FieldType, FuncType, HeapType, RefType, StorageType, StructType,
    TypeUse, ValType,
};
use crate::TypeId;
use std::fmt;

impl fmt::Display for TypeUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Member(index) => write!(f, "$member{index}"),
        }
    }
}

impl fmt::Display for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.bits())
    }
}

impl<R: fmt::Display> fmt::Display for HeapType<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::Eq => "eq",
            Self::I31 => "i31",
            Self::Struct => "struct",
            Self::Array => "array",
            Self::None => "none",
            Self::Func => "func",
            Self::NoFunc => "nofunc",
            Self::Extern => "extern",
            Self::NoExtern => "noextern",
            Self::Exn => "exn",
            Self::NoExn => "noexn",
            Self::Concrete(id) => return id.fmt(f),
        })
    }
}

impl<R: fmt::Display> fmt::Display for RefType<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.nullable {
            return write!(f, "(ref {})", self.heap_type);
        }
        match &self.heap_type {
            HeapType::None => f.write_str("nullref"),
            HeapType::NoFunc => f.write_str("nullfuncref"),
            HeapType::NoExtern => f.write_str("nullexternref"),
            HeapType::NoExn => f.write_str("nullexnref"),
            HeapType::Concrete(id) => write!(f, "(ref null {id})"),
            kind => write!(f, "{kind}ref"),
        }
    }
}

impl<R: fmt::Display> fmt::Display for ValType<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::V128 => "v128",
            Self::Ref(reference) => return reference.fmt(f),
        })
    }
}

impl<R: fmt::Display> fmt::Display for FuncType<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(func")?;
        for (word, types) in [("param", &self.params[..]), ("result", &self.results[..])] {
            if !types.is_empty() {
                write!(f, " ({word}")?;
                types.iter().try_for_each(|val| write!(f, " {val}"))?;
                f.write_str(")")?;
            }
        }
        f.write_str(")")
    }
}

impl<R: fmt::Display> fmt::Display for StorageType<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I8 => f.write_str("i8"),
            Self::I16 => f.write_str("i16"),
            Self::Val(val) => val.fmt(f),
        }
    }
}

impl<R: fmt::Display> fmt::Display for FieldType<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mutable {
            true => write!(f, "(mut {})", self.storage),
            false => self.storage.fmt(f),
        }
    }
}

impl<R: fmt::Display> fmt::Display for StructType<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(struct")?;
        self.fields
            .iter()
            .try_for_each(|field| write!(f, " (field {field})"))?;
        f.write_str(")")
    }
}

impl<R: fmt::Display> fmt::Display for ArrayType<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(array {})", self.element)
    }
}

impl<R: fmt::Display> fmt::Display for CompositeType<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Struct(of) => of.fmt(f),
            Self::Array(of) => of.fmt(f),
            Self::Func(of) => of.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_read_as_in_the_text_format() {
        let id = TypeId::from_bits(12);
        let node = ValType::Ref(RefType::nullable(HeapType::Concrete(id)));
        let cases: [(String, &str); 8] = [
            (node.to_string(), "(ref null $12)"),
            (ValType::<TypeId>::ANYREF.to_string(), "anyref"),
            (
                RefType::<TypeId>::non_null(HeapType::I31).to_string(),
                "(ref i31)",
            ),
            (
                RefType::<TypeId>::nullable(HeapType::NoFunc).to_string(),
                "nullfuncref",
            ),
            (
                FieldType::mutable(ValType::<TypeId>::I32).to_string(),
                "(mut i32)",
            ),
            (
                StructType::new([
                    FieldType::mutable(node),
                    FieldType::immutable(StorageType::I8),
                ])
                .to_string(),
                "(struct (field (mut (ref null $12))) (field i8))",
            ),
            (
                CompositeType::Array(ArrayType::new(FieldType::mutable(
                    StorageType::<TypeId>::I16,
                )))
                .to_string(),
                "(array (mut i16))",
            ),
            (
                FuncType::<TypeId>::new([ValType::I32, ValType::F64], [ValType::EXTERNREF])
                    .to_string(),
                "(func (param i32 f64) (result externref))",
            ),
        ];
        for (written, expected) in cases {
            assert_eq!(written, expected);
        }
    }
}
