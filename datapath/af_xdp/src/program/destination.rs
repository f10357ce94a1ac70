//! A packet's destination looked up in the maps, of either version.

use std::os::fd::BorrowedFd;

use super::{FRAME, HELPER_MAP_LOOKUP, Label};
use crate::assembler::Reg::{R0, R1, R2, R10};
use crate::assembler::{Assembler, Op, When, Width};

/// Where a version of IP has its destination.
#[derive(Clone, Copy)]
pub(super) struct Destination {
    /// Offset from the frame's first byte.
    pub(super) at: i16,
    /// Its length in words of 4 bytes.
    pub(super) words: i16,
}

impl Destination {
    /// Leaves in R0 the address of what `endpoints` holds for it, or 0.
    pub(super) fn look_up(self, program: &mut Assembler<Label>, endpoints: BorrowedFd<'_>) {
        let key = self.copy(program);
        look_up(program, endpoints, key);
    }

    /// Takes what the longest matching prefix says to take.
    pub(super) fn take_owned_prefixes(
        self,
        program: &mut Assembler<Label>,
        prefixes: BorrowedFd<'_>,
    ) {
        // The number of its bits comes first.
        let key = self.copy(program) - 4;
        program.store_value(Width::Word, R10, key, 32 * i32::from(self.words));
        look_up(program, prefixes, key);
        program
            .jump_if_value(R0, When::Equal, 0, Label::Pass)
            .load(Width::Word, R2, R0, 0)
            .jump_if_value(R2, When::NotEqual, 0, Label::Take);
    }

    /// Copies it to where its offset from the frame pointer is given.
    fn copy(self, program: &mut Assembler<Label>) -> i16 {
        let key = -4 * self.words;
        for word in 0..self.words {
            let at = 4 * word;
            program.load(Width::Word, R2, FRAME, self.at + at).store(
                Width::Word,
                R10,
                key + at,
                R2,
            );
        }
        key
    }
}

/// Leaves in R0 the address of what `map` holds for the key at the frame pointer plus `key`, or 0.
fn look_up(program: &mut Assembler<Label>, map: BorrowedFd<'_>, key: i16) {
    program
        .apply(Op::Move, R2, R10)
        .apply_value(Op::Add, R2, i32::from(key))
        .load_map(R1, map)
        .call(HELPER_MAP_LOOKUP);
}
