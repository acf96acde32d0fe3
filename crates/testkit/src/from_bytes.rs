//! Cases from a fuzzer's bytes.
//!
//! Every case is possible that [`strategy`](crate::strategy) makes, and little else: sizes are
//! folded into the ranges that it takes them from, as a case with a hundred thousand collections
//! only costs time.

use crate::case::{Body, CaseConfig, MemoryChoice, Step, TestCase, TypeDecl};
use crate::damage::{CorruptCase, Damage};
use arbitrary::{Arbitrary, Result, Unstructured};

const MAX_TYPES: usize = 8;
const MAX_STEPS: usize = 100;
const MAX_FIELDS: usize = 150;
const MAX_DAMAGE: usize = 12;

const MAX_GARBAGE: u16 = 150;
const MAX_POPULATE: u16 = 600;
const MAX_BURIED: u16 = 20;
const MAX_ELEMENTS: u32 = 5000;

impl<'a> Arbitrary<'a> for TestCase {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let config = CaseConfig::arbitrary(bytes)?;
        let mut types: Vec<TypeDecl> = Vec::new();
        for _ in 0..bytes.int_in_range(1..=MAX_TYPES)? {
            types.push(bounded_type(bytes.arbitrary()?));
        }
        let mut steps: Vec<Step> = Vec::new();
        while steps.len() < MAX_STEPS && !bytes.is_empty() {
            steps.push(bounded_step(bytes.arbitrary()?));
        }
        Ok(Self {
            config,
            types,
            steps,
        })
    }
}

impl<'a> Arbitrary<'a> for CorruptCase {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let mut damage: Vec<Damage> = Vec::new();
        for _ in 0..bytes.int_in_range(1..=MAX_DAMAGE)? {
            damage.push(bytes.arbitrary()?);
        }
        // The case takes the rest of the bytes.
        let case = bytes.arbitrary()?;
        Ok(Self { case, damage })
    }
}

impl<'a> Arbitrary<'a> for CaseConfig {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let max_bytes = match bytes.arbitrary::<u8>()? % 4 {
            0 => bytes.int_in_range(0..=64 << 10)?,
            1 => bytes.int_in_range(256 << 10..=1 << 20)?,
            _ => bytes.int_in_range(64 << 10..=256 << 10)?,
        };
        Ok(Self {
            memory: MemoryChoice::arbitrary(bytes)?,
            initial_bytes: bytes.int_in_range(0..=64 << 10)?,
            max_bytes,
            min_free_bytes: bytes.int_in_range(0..=64 << 10)?,
            free_percent_of_live: bytes.int_in_range(0..=200)?,
            zeal_every: bytes.int_in_range(0..=40)?,
            zeal_verify: bytes.arbitrary()?,
            zeal_poison: bytes.arbitrary()?,
        })
    }
}

fn bounded_type(mut ty: TypeDecl) -> TypeDecl {
    if let Body::Struct(fields) = &mut ty.body {
        fields.truncate(MAX_FIELDS);
    }
    ty
}

fn bounded_step(mut step: Step) -> Step {
    match &mut step {
        // Mostly short, some for objects of their own pages, one in eight absurd.
        Step::AllocArray { length, .. } => match *length >> 29 {
            0..=4 => *length %= 20,
            5 => *length %= 700,
            6 => *length %= 6000,
            _ => {}
        },
        Step::Garbage { count, .. } => *count %= MAX_GARBAGE,
        Step::Populate { count, .. } => *count %= MAX_POPULATE,
        Step::Bury { count, .. } => *count %= MAX_BURIED,
        Step::CopyElements { count, .. } | Step::FillElements { count, .. } => {
            *count %= MAX_ELEMENTS;
        }
        _ => {}
    }
    step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_are_a_case_of_bounded_size() {
        let bytes: Vec<u8> = (0..40_000_u32).map(|n| (n * n / 7) as u8).collect();
        for start in (0..30_000).step_by(997) {
            let mut bytes = Unstructured::new(&bytes[start..start + 9000]);
            let case = TestCase::arbitrary(&mut bytes).unwrap();
            assert!((1..=MAX_TYPES).contains(&case.types.len()));
            assert!((1..=MAX_STEPS).contains(&case.steps.len()));
            for step in &case.steps {
                if let Step::Garbage { count, .. } = step {
                    assert!(*count < MAX_GARBAGE);
                }
            }
        }
    }
}
