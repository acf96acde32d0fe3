//! Liveness against a checker that walks paths step by step.

use super::*;
use proptest::prelude::*;

const LOCALS: u32 = 3;

fn analyse(steps: &[Step]) -> Liveness {
    let arena = Bump::new();
    let mut builder = LivenessBuilder::new(&arena, LOCALS);
    for step in steps {
        builder.step(step.clone());
    }
    builder.finish()
}

fn opens(step: &Step) -> bool {
    matches!(
        step,
        Step::Block | Step::Loop | Step::If | Step::Try | Step::TryTable { .. }
    )
}

/// The steps at which the frames open around each step begin, innermost last.
fn enclosing(steps: &[Step]) -> Vec<Vec<usize>> {
    let mut open = Vec::new();
    let mut all = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        all.push(open.clone());
        match step {
            step if opens(step) => open.push(at),
            Step::End | Step::Delegate(_) => {
                open.pop();
            }
            _ => {}
        }
    }
    all
}

/// The step after the `end` (or the `else`, if wanted) of the frame that begins at `start`.
fn leave(steps: &[Step], start: usize, or_else: bool) -> usize {
    let mut depth = 0;
    for (at, step) in steps.iter().enumerate().skip(start + 1) {
        match step {
            step if opens(step) => depth += 1,
            Step::Else if depth == 0 && or_else => return at + 1,
            Step::End | Step::Delegate(_) if depth == 0 => return at + 1,
            Step::End | Step::Delegate(_) => depth -= 1,
            _ => {}
        }
    }
    steps.len()
}

fn target(steps: &[Step], frames: &[usize], depth: u32) -> usize {
    match frames.len().checked_sub(depth as usize + 1) {
        Some(index) if steps[frames[index]] == Step::Loop => frames[index] + 1,
        Some(index) => leave(steps, frames[index], false),
        None => steps.len(),
    }
}

/// What takes the exceptions of the `try` that begins at `start`: its handlers' first steps, whether
/// one of them takes all, and where exceptions go on that are delegated.
fn handlers(steps: &[Step], start: usize) -> (Vec<usize>, bool, Option<u32>) {
    let (mut depth, mut found, mut all) = (0, Vec::new(), false);
    for (at, step) in steps.iter().enumerate().skip(start + 1) {
        match step {
            step if opens(step) => depth += 1,
            Step::Catch | Step::CatchAll if depth == 0 => {
                found.push(at + 1);
                all |= *step == Step::CatchAll;
            }
            Step::Delegate(to) if depth == 0 => return (found, all, Some(*to)),
            Step::End if depth == 0 => return (found, all, None),
            Step::End | Step::Delegate(_) => depth -= 1,
            _ => {}
        }
    }
    (found, all, None)
}

/// Where an exception thrown at the step `at` may be handled, with these frames around.
fn thrown(steps: &[Step], frames: &[usize], at: usize) -> Vec<usize> {
    let Some((&start, outer)) = frames.split_last() else {
        return Vec::new();
    };
    let mut to = Vec::new();
    let mut outer = outer;
    match &steps[start] {
        Step::TryTable {
            labels,
            catches_all,
        } => {
            to.extend(labels.iter().map(|depth| target(steps, outer, *depth)));
            if *catches_all {
                return to;
            }
        }
        Step::Try => {
            let (found, all, delegated) = handlers(steps, start);
            // Exceptions of the handlers themselves are none of the frame's.
            if found.first().is_none_or(|first| at < *first) {
                to.extend(found);
                if all {
                    return to;
                }
                let skipped = delegated.unwrap_or(0) as usize;
                outer = &outer[..outer.len().saturating_sub(skipped)];
            }
        }
        _ => {}
    }
    // The frames further out see the exception where the inner frame is.
    to.extend(thrown(steps, outer, start));
    to
}

fn successors(steps: &[Step], frames: &[Vec<usize>], at: usize) -> Vec<usize> {
    let to = |depth: u32| target(steps, &frames[at], depth);
    match &steps[at] {
        Step::If => vec![at + 1, leave(steps, at, true)],
        Step::Else => vec![to(0)],
        Step::Branch(depth) => vec![to(*depth)],
        Step::BranchIf(depth) => vec![to(*depth), at + 1],
        Step::BranchTable(depths) => depths.iter().map(|depth| to(*depth)).collect(),
        Step::Stop => vec![],
        Step::Call => [vec![at + 1], thrown(steps, &frames[at], at)].concat(),
        Step::Throw | Step::Rethrow => thrown(steps, &frames[at], at),
        Step::Catch | Step::CatchAll => vec![to(0)],
        _ => vec![at + 1],
    }
}

/// Whether some path from a step of `from` reads `local` before writing it.
fn reads_first(steps: &[Step], frames: &[Vec<usize>], from: Vec<usize>, local: u32) -> bool {
    let mut seen = vec![false; steps.len() + 1];
    let mut todo = from;
    while let Some(at) = todo.pop() {
        if at >= steps.len() || std::mem::replace(&mut seen[at], true) {
            continue;
        }
        match steps[at] {
            Step::Read(read) if read == local => return true,
            Step::Write(written) if written == local => {}
            _ => todo.extend(successors(steps, frames, at)),
        }
    }
    false
}

fn check(steps: &[Step]) {
    let liveness = analyse(steps);
    let frames = enclosing(steps);
    let is_safepoint = |step: &Step| matches!(step, Step::Safepoint | Step::Call | Step::Throw);
    let safepoints = (0..steps.len()).filter(|at| is_safepoint(&steps[*at]));
    for (number, at) in safepoints.enumerate() {
        for local in 0..LOCALS {
            assert_eq!(
                liveness.is_live(number, local),
                reads_first(steps, &frames, successors(steps, &frames, at), local),
                "local {local} after step {at} of {steps:?}"
            );
        }
    }
}

/// A list of steps in which every frame is closed.
fn body() -> impl Strategy<Value = Vec<Step>> {
    let leaf = prop_oneof![
        4 => (0..LOCALS).prop_map(|local| vec![Step::Read(local)]),
        4 => (0..LOCALS).prop_map(|local| vec![Step::Write(local)]),
        3 => Just(vec![Step::Safepoint]),
        6 => Just(vec![Step::Call]),
        1 => Just(vec![Step::Throw]),
        1 => Just(vec![Step::Rethrow]),
        1 => (0..5_u32).prop_map(|depth| vec![Step::Branch(depth)]),
        3 => (0..5_u32).prop_map(|depth| vec![Step::BranchIf(depth)]),
        1 => prop::collection::vec(0..5_u32, 1..4).prop_map(|depths| vec![Step::BranchTable(depths)]),
        1 => Just(vec![Step::Stop]),
    ];
    let nested = leaf.prop_recursive(5, 60, 6, |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..6).prop_map(|lists| lists.concat());
        let wrap = |open: Step, body: Vec<Step>| [vec![open], body, vec![Step::End]].concat();
        prop_oneof![
            list().prop_map(move |body| wrap(Step::Block, body)),
            list().prop_map(move |body| wrap(Step::Loop, body)),
            list().prop_map(move |body| wrap(Step::If, body)),
            (list(), prop::collection::vec(0..5_u32, 0..3), any::<bool>()).prop_map(
                move |(body, labels, catches_all)| {
                    let catches_all = catches_all && !labels.is_empty();
                    let open = Step::TryTable {
                        labels,
                        catches_all,
                    };
                    wrap(open, body)
                }
            ),
            (list(), 0..5_u32).prop_map(|(body, depth)| {
                [vec![Step::Try], body, vec![Step::Delegate(depth)]].concat()
            }),
            (
                list(),
                prop::collection::vec(list(), 0..3),
                prop::option::of(list())
            )
                .prop_map(move |(mut body, catches, all)| {
                    for catch in catches {
                        body.push(Step::Catch);
                        body.extend(catch);
                    }
                    if let Some(all) = all {
                        body.push(Step::CatchAll);
                        body.extend(all);
                    }
                    wrap(Step::Try, body)
                }),
            (list(), list()).prop_map(|(then, otherwise)| {
                [
                    vec![Step::If],
                    then,
                    vec![Step::Else],
                    otherwise,
                    vec![Step::End],
                ]
                .concat()
            }),
        ]
    });
    prop::collection::vec(nested, 0..8).prop_map(|lists| [lists.concat(), vec![Step::End]].concat())
}

proptest! {
    #[test]
    fn agrees_with_walking_every_path(steps in body()) {
        check(&steps);
    }

    #[test]
    fn nonsense_is_no_panic(lists in prop::collection::vec(body(), 0..4)) {
        // Concatenated bodies close more frames than they open.
        let _ = analyse(&lists.concat());
    }
}

#[test]
fn a_loop_keeps_what_its_next_round_reads() {
    let steps = [
        Step::Loop,
        Step::Read(0),
        Step::Safepoint,
        Step::BranchIf(0),
        Step::End,
        Step::End,
    ];
    check(&steps);
    assert!(analyse(&steps).is_live(0, 0));
}

#[test]
fn a_write_ends_the_life_before_it() {
    let steps = [
        Step::Read(1),
        Step::Safepoint,
        Step::Write(1),
        Step::Safepoint,
        Step::Read(1),
        Step::End,
    ];
    let liveness = analyse(&steps);
    assert!(!liveness.is_live(0, 1));
    assert!(liveness.is_live(1, 1));
}

#[test]
fn sets_beyond_the_budget_count_all_as_live() {
    let locals = u32::try_from(MAX_SET_WORDS).unwrap() * 32;
    let arena = Bump::new();
    let mut builder = LivenessBuilder::new(&arena, locals);
    builder.step(Step::Safepoint);
    builder.step(Step::End);
    assert!(builder.finish().is_live(0, 7));
}

#[test]
fn passes_beyond_the_budget_count_all_as_live() {
    let analyse = |flow_words| {
        let arena = Bump::new();
        let mut builder = LivenessBuilder::new(&arena, LOCALS);
        for step in [
            Step::Loop,
            Step::Read(1),
            Step::Safepoint,
            Step::BranchIf(0),
            Step::End,
            Step::End,
        ] {
            builder.step(step);
        }
        builder.finish_within(flow_words).is_live(0, 0)
    };
    assert!(analyse(1));
    assert!(!analyse(MAX_FLOW_WORDS));
}
