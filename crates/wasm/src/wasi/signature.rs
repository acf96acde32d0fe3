//! From Rust functions to functions a program can call: the parameter types decide the signature.

use super::errno::Errno;
use super::guest::Guest;
use windrow::{Val, ValType};

/// A type parameters can have.
pub(super) trait Parameter: Sized {
    const TYPE: ValType;

    /// The argument.
    ///
    /// # Panics
    /// If it has another type.
    fn of(value: &Val) -> Self;
}

impl Parameter for u32 {
    const TYPE: ValType = ValType::I32;

    fn of(value: &Val) -> Self {
        match value {
            Val::I32(value) => value.cast_unsigned(),
            other => panic!("{other:?} is not of the declared type"),
        }
    }
}

impl Parameter for u64 {
    const TYPE: ValType = ValType::I64;

    fn of(value: &Val) -> Self {
        match value {
            Val::I64(value) => value.cast_unsigned(),
            other => panic!("{other:?} is not of the declared type"),
        }
    }
}

impl Parameter for i64 {
    const TYPE: ValType = ValType::I64;

    fn of(value: &Val) -> Self {
        u64::of(value).cast_signed()
    }
}

/// A function with parameters of the types in the tuple `P`.
pub(super) trait Implementation<P>: Send + Sync + 'static {
    /// The parameters' types.
    fn params(&self) -> Vec<ValType>;

    /// Calls it with arguments of these types.
    fn call(&self, guest: &mut Guest<'_>, args: &[Val]) -> Result<(), Errno>;
}

macro_rules! implementation {
    ($($param:ident $arg:ident),*) => {
        impl<F, $($param: Parameter),*> Implementation<($($param,)*)> for F
        where
            F: Fn(&mut Guest<'_>, $($param),*) -> Result<(), Errno> + Send + Sync + 'static,
        {
            fn params(&self) -> Vec<ValType> {
                vec![$($param::TYPE),*]
            }

            fn call(&self, guest: &mut Guest<'_>, args: &[Val]) -> Result<(), Errno> {
                let [$($arg),*] = args else {
                    panic!("{} arguments are not as many as declared", args.len())
                };
                self(guest, $($param::of($arg)),*)
            }
        }
    };
}

implementation!();
implementation!(A a);
implementation!(A a, B b);
implementation!(A a, B b, C c);
implementation!(A a, B b, C c, D d);
implementation!(A a, B b, C c, D d, E e);
implementation!(A a, B b, C c, D d, E e, G g);
implementation!(A a, B b, C c, D d, E e, G g, H h);
implementation!(A a, B b, C c, D d, E e, G g, H h, I i, J j);
