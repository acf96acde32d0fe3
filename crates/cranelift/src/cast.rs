//! Casts: tests for null and `i31`, then the header's type id against the target.
//!
//! Equality with the target comes first and decides for final types. Other types are looked up in
//! the display of the object's type: `displays[id & mask][depth] == target`. Abstract targets
//! look up the kind of the type instead. Ids are masked, so a forged header reads a wrong row and
//! never one outside the tables. Only targets deeper than a display make a call, in a cold block.

mod subtype;

use crate::alloc::cold_block;
use crate::{Emitter, HeapTrap, Known, SlowPaths};
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, TrapCode, Value, types};
use cranelift_frontend::FunctionBuilder;
use windrow_core::{ShapeKind, TypeId, TypeInfo};

/// A declared type as the target of a cast.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Concrete {
    /// Its canonical id.
    pub type_id: TypeId,
    /// How many ancestors it has.
    pub depth: u32,
    /// Whether nothing derives from it.
    pub is_final: bool,
}

impl From<&TypeInfo> for Concrete {
    fn from(info: &TypeInfo) -> Self {
        Self {
            type_id: info.id,
            depth: info.depth(),
            is_final: info.is_final,
        }
    }
}

/// What a cast asks of a reference: the heap types of all hierarchies as far as their tests
/// differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeapType {
    /// Anything in its hierarchy: the top types `any`, `extern`, `func`, `exn`.
    Top,
    /// Nothing: the bottom types.
    Bottom,
    /// An `i31`, a struct or an array.
    Eq,
    /// An `i31`.
    I31,
    /// Any struct.
    Struct,
    /// Any array.
    Array,
    /// A declared struct or array type.
    Object(Concrete),
    /// A declared function type: the reference is a function id.
    Function(Concrete),
}

/// The target of a cast.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CastTarget {
    /// Whether null passes.
    pub nullable: bool,
    /// What passes besides.
    pub heap_type: HeapType,
}

/// What is known of a reference before it is cast.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CastSource {
    /// Whether it may be null.
    pub nullable: bool,
    /// Whether it may be an `i31`.
    pub may_be_i31: bool,
}

impl CastSource {
    /// Nothing is known.
    pub const ANY: Self = Self {
        nullable: true,
        may_be_i31: true,
    };
}

/// Where control goes, with at most one argument.
#[derive(Clone, Copy)]
struct Exit {
    block: Block,
    argument: Option<Value>,
}

impl Exit {
    fn arguments(self) -> Option<BlockArg> {
        self.argument.map(BlockArg::from)
    }
}

/// A cast under way.
#[derive(Clone, Copy)]
struct Cast {
    source: CastSource,
    target: CastTarget,
    pass: Exit,
    fail: Exit,
    /// Where the hardware may find null, for a cast that traps: the trap it becomes.
    null_trap: Option<TrapCode>,
}

impl Emitter {
    /// Ends the block with a branch to `pass` if `reference` is of the target type, else to
    /// `fail`. Neither block takes parameters, and neither is sealed.
    #[expect(clippy::too_many_arguments, reason = "the parts of one branch")]
    pub fn cast_branch(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        slow: &mut dyn SlowPaths,
        reference: Value,
        source: CastSource,
        target: CastTarget,
        pass: Block,
        fail: Block,
    ) {
        let pass = Exit {
            block: pass,
            argument: None,
        };
        let fail = Exit {
            block: fail,
            argument: None,
        };
        self.cast(
            b,
            slow,
            reference,
            Cast {
                source,
                target,
                pass,
                fail,
                null_trap: None,
            },
        );
    }

    /// Whether `reference` is of the target type: an `i32`, 0 or 1. The builder is left in a new
    /// block.
    pub fn ref_test(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        slow: &mut dyn SlowPaths,
        reference: Value,
        source: CastSource,
        target: CastTarget,
    ) -> Value {
        let done = b.create_block();
        let result = b.append_block_param(done, types::I32);
        let pass = Exit {
            block: done,
            argument: Some(b.ins().iconst(types::I32, 1)),
        };
        let fail = Exit {
            block: done,
            argument: Some(b.ins().iconst(types::I32, 0)),
        };
        self.cast(
            b,
            slow,
            reference,
            Cast {
                source,
                target,
                pass,
                fail,
                null_trap: None,
            },
        );
        b.switch_to_block(done);
        b.seal_block(done);
        result
    }

    /// Traps with [`HeapTrap::CastFailure`] unless `reference` is of the target type. The builder
    /// is left in a new block.
    pub fn ref_cast(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        slow: &mut dyn SlowPaths,
        reference: Value,
        source: CastSource,
        target: CastTarget,
    ) {
        let (done, failed) = (b.create_block(), cold_block(b));
        let pass = Exit {
            block: done,
            argument: None,
        };
        let fail = Exit {
            block: failed,
            argument: None,
        };
        let null_trap = Some(HeapTrap::CastFailure.code());
        self.cast(
            b,
            slow,
            reference,
            Cast {
                source,
                target,
                pass,
                fail,
                null_trap,
            },
        );
        b.switch_to_block(failed);
        b.seal_block(failed);
        b.ins().trap(HeapTrap::CastFailure);
        b.switch_to_block(done);
        b.seal_block(done);
    }

    fn cast(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        slow: &mut dyn SlowPaths,
        reference: Value,
        cast: Cast,
    ) {
        let Cast {
            source,
            target,
            pass,
            fail,
            ..
        } = cast;
        match target.heap_type {
            HeapType::Top if target.nullable || !source.nullable => jump(b, pass),
            HeapType::Top => branch(b, reference, pass, fail),
            HeapType::Bottom if target.nullable && source.nullable => {
                branch(b, reference, fail, pass)
            }
            HeapType::Bottom => jump(b, fail),
            HeapType::I31 => {
                self.cast_null(b, reference, cast, true);
                let odd = b.ins().band_imm_u(reference, 1);
                branch(b, odd, pass, fail);
            }
            HeapType::Function(concrete) => {
                // The null entry has no type, so null fails by itself.
                self.cast_null(b, reference, cast, true);
                let entry = self.function_entry(b, reference);
                let id = self.function_type(b, entry);
                self.derives(b, slow, id, concrete, (pass, fail));
            }
            HeapType::Eq | HeapType::Struct | HeapType::Array | HeapType::Object(_) => {
                self.cast_object(b, slow, reference, cast);
            }
        }
    }

    fn cast_object(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        slow: &mut dyn SlowPaths,
        reference: Value,
        cast: Cast,
    ) {
        let Cast {
            source,
            target,
            pass,
            fail,
            null_trap,
        } = cast;
        let hardware_finds_null = null_trap.is_some();
        self.cast_null(b, reference, cast, hardware_finds_null);
        if source.may_be_i31 {
            let odd = b.ins().band_imm_u(reference, 1);
            let object = next_block(b, |b, object| {
                let i31 = if target.heap_type == HeapType::Eq {
                    pass
                } else {
                    fail
                };
                branch(
                    b,
                    odd,
                    i31,
                    Exit {
                        block: object,
                        argument: None,
                    },
                );
            });
            b.switch_to_block(object);
        }
        let known = if source.nullable && !target.nullable && hardware_finds_null {
            Known::Nullable
        } else {
            Known::NonNull
        };
        let id = self.type_id(b, reference, known, null_trap);
        match target.heap_type {
            HeapType::Object(concrete) => self.derives(b, slow, id, concrete, (pass, fail)),
            HeapType::Struct => self.has_kind(b, id, ShapeKind::Struct, 1, (pass, fail)),
            HeapType::Array => self.has_kind(b, id, ShapeKind::Array, 1, (pass, fail)),
            _ => self.has_kind(b, id, ShapeKind::Struct, 2, (pass, fail)),
        }
    }

    /// Sends null where it belongs, unless what follows would find it.
    fn cast_null(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        reference: Value,
        cast: Cast,
        found_later: bool,
    ) {
        if !cast.source.nullable || (found_later && !cast.target.nullable) {
            return;
        }
        let null = if cast.target.nullable {
            cast.pass
        } else {
            cast.fail
        };
        let next = next_block(b, |b, next| {
            branch(
                b,
                reference,
                Exit {
                    block: next,
                    argument: None,
                },
                null,
            );
        });
        b.switch_to_block(next);
    }

    /// Branches on whether a function's type, not the expected one itself, derives from it.
    pub(crate) fn signature_branch(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        slow: &mut dyn SlowPaths,
        actual: Value,
        expected: Concrete,
        (pass, fail): (Block, Block),
    ) {
        let pass = Exit {
            block: pass,
            argument: None,
        };
        let fail = Exit {
            block: fail,
            argument: None,
        };
        self.derives(b, slow, actual, expected, (pass, fail));
    }
}

/// Makes a block, ends the current one with a branch to it, and seals it.
fn next_block(
    b: &mut FunctionBuilder<'_>,
    branch_to: impl FnOnce(&mut FunctionBuilder<'_>, Block),
) -> Block {
    let block = b.create_block();
    branch_to(b, block);
    b.seal_block(block);
    block
}

fn jump(b: &mut FunctionBuilder<'_>, to: Exit) {
    b.ins().jump(to.block, to.arguments().as_ref());
}

fn branch(b: &mut FunctionBuilder<'_>, condition: Value, then: Exit, otherwise: Exit) {
    let (with, without) = (then.arguments(), otherwise.arguments());
    b.ins().brif(
        condition,
        then.block,
        with.as_ref(),
        otherwise.block,
        without.as_ref(),
    );
}
