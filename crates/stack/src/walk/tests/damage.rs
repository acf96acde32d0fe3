//! Stacks at random, whole and damaged: frames that are there or an error, and always an end.

use super::*;
use proptest::prelude::*;

proptest! {
    /// Any stack whatever: frames that are really there, or an error; always an end.
    #[test]
    fn a_corrupted_stack_ends_in_frames_or_an_error(
        sites in prop::collection::vec((0_usize..4, 0_usize..3), 1..40),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..6, any::<usize>()), 0..6),
    ) {
        let (registry, _handle) = registry();
        let (mut words, activation, links) = stack(&sites);
        let sound = damage.is_empty();
        for (at, kind, bits) in damage {
            let at = at.index(words.words.len());
            let bytes = words.words.len() * WORD_BYTES;
            words.words[at] = match kind {
                0 => bits,
                1 => BASE + bits % bytes,
                2 => BASE + bits % bytes / 8 * 8,
                3 => CODE + bits % (CODE_BYTES + 2),
                4 => CODE + SITES[bits % 4].0 as usize,
                _ => words.words[at] ^ (1 << (bits % 64)),
            };
        }
        let code = registry.read();
        let result = walk_all(&words, &code, activation);
        prop_assert!(words.reads.get() <= words.words.len());
        if sound {
            prop_assert_eq!(&result, &Ok(links));
        }
        if let Ok(frames) = result {
            prop_assert!(frames.windows(2).all(|w| w[1].1 >= w[0].1 + LINK_BYTES));
            let known = |&(pc, _): &(usize, usize)| code.call_site(pc).is_some();
            prop_assert!(frames.iter().all(known));
            prop_assert!(frames.iter().all(|frame| frame.1 < activation.entry_fp));
        }
    }

    /// No bounds of an activation make a walk run away.
    #[test]
    fn wild_activations_end(
        sites in prop::collection::vec((0_usize..4, 0_usize..3), 1..10),
        wild: [usize; 3],
        near in prop::array::uniform3(0_usize..4),
    ) {
        let (registry, _handle) = registry();
        let (words, good, links) = stack(&sites);
        let choose = |index: usize, fine: usize| match near[index] {
            0 => wild[index],
            1 => links[wild[index] % links.len()].1,
            2 => CODE + SITES[wild[index] % 4].0 as usize,
            _ => fine,
        };
        let activation = Activation {
            entry_fp: choose(0, good.entry_fp),
            exit_fp: choose(1, good.exit_fp),
            exit_pc: choose(2, good.exit_pc),
        };
        let code = registry.read();
        let frames = walk_all(&words, &code, activation).map_or(0, |frames| frames.len());
        prop_assert!(frames <= links.len());
        prop_assert!(words.reads.get() <= 2 * words.words.len());
    }
}
