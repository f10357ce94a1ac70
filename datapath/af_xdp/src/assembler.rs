//! A small assembler for BPF: instructions by their meaning, jumps by label.
//!
//! Source: Linux `Documentation/bpf/standardization/instruction-set.rst` (RFC 9669).

use std::os::fd::{AsRawFd, BorrowedFd};

/// One BPF instruction, laid out as the kernel takes it (RFC 9669 section 3).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insn {
    opcode: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

impl Insn {
    fn new(opcode: u8, destination: u8, source: u8, offset: i16, immediate: i32) -> Self {
        // The two registers are bit fields, whose order follows the machine's byte order.
        let registers = if cfg!(target_endian = "little") {
            destination | source << 4
        } else {
            destination << 4 | source
        };
        Self { opcode, registers, offset, immediate }
    }
}

/// The registers: R0 returns, R1 to R5 are arguments lost in a call, R6 to R9 survive it, R10 is
/// the frame pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reg {
    R0,
    R1,
    R2,
    R3,
    R6 = 6,
    R7,
    R8,
    R9,
    R10,
}

/// The width of a load or store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Width {
    /// 32 bits.
    Word = 0x00,
    /// 16 bits.
    Half = 0x08,
    /// 8 bits.
    Byte = 0x10,
}

/// What an arithmetic instruction does to its destination, in 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Op {
    Add = 0x00,
    And = 0x50,
    ShiftLeft = 0x60,
    ShiftRight = 0x70,
    Move = 0xb0,
}

/// When a conditional jump is taken, comparing 64 bits without sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum When {
    Equal = 0x10,
    Greater = 0x20,
    AnyBitOf = 0x40,
    NotEqual = 0x50,
    Less = 0xa0,
}

/// Collects instructions; `L` names the places to jump to.
pub(crate) struct Assembler<L> {
    instructions: Vec<Insn>,
    jumps: Vec<(usize, L)>,
    places: Vec<(L, usize)>,
}

impl<L: Copy + PartialEq> Assembler<L> {
    pub(crate) fn new() -> Self {
        Self { instructions: Vec::new(), jumps: Vec::new(), places: Vec::new() }
    }

    /// `to = *(width *)(base + offset)`
    pub(crate) fn load(&mut self, width: Width, to: Reg, base: Reg, offset: i16) -> &mut Self {
        self.push(CLASS_LOAD | MODE_MEMORY | width as u8, to as u8, base as u8, offset, 0)
    }

    /// `*(width *)(base + offset) = from`
    pub(crate) fn store(&mut self, width: Width, base: Reg, offset: i16, from: Reg) -> &mut Self {
        self.push(CLASS_STORE | MODE_MEMORY | width as u8, base as u8, from as u8, offset, 0)
    }

    /// `*(width *)(base + offset) = value`
    pub(crate) fn store_value(
        &mut self,
        width: Width,
        base: Reg,
        offset: i16,
        value: i32,
    ) -> &mut Self {
        self.push(CLASS_STORE_VALUE | MODE_MEMORY | width as u8, base as u8, 0, offset, value)
    }

    /// `to op= from`
    pub(crate) fn apply(&mut self, op: Op, to: Reg, from: Reg) -> &mut Self {
        self.push(CLASS_ALU | SOURCE_REGISTER | op as u8, to as u8, from as u8, 0, 0)
    }

    /// `to op= value`
    pub(crate) fn apply_value(&mut self, op: Op, to: Reg, value: i32) -> &mut Self {
        self.push(CLASS_ALU | op as u8, to as u8, 0, 0, value)
    }

    /// Makes the low 16 bits of `to`, read from the network, a number; clears the rest.
    pub(crate) fn swap_network_half(&mut self, to: Reg) -> &mut Self {
        self.push(OPCODE_TO_BIG_ENDIAN, to as u8, 0, 0, 16);
        // Older verifiers (Linux 6.1) do not know that the swap leaves no more than 16 bits.
        self.apply_value(Op::And, to, 0xffff)
    }

    /// `to = map`; the kernel puts the map's address in the place of its descriptor.
    pub(crate) fn load_map(&mut self, to: Reg, map: BorrowedFd<'_>) -> &mut Self {
        self.push(OPCODE_LOAD_IMMEDIATE_64, to as u8, PSEUDO_MAP_FD, 0, map.as_raw_fd());
        self.push(0, 0, 0, 0, 0)
    }

    /// `R0 = helper(R1, ..)`
    pub(crate) fn call(&mut self, helper: i32) -> &mut Self {
        self.push(OPCODE_CALL, 0, 0, 0, helper)
    }

    /// Jumps when `left` and `right` compare so.
    pub(crate) fn jump_if(&mut self, left: Reg, when: When, right: Reg, to: L) -> &mut Self {
        self.jumps.push((self.instructions.len(), to));
        self.push(CLASS_JUMP | SOURCE_REGISTER | when as u8, left as u8, right as u8, 0, 0)
    }

    /// Jumps when `left` and `value` compare so.
    pub(crate) fn jump_if_value(&mut self, left: Reg, when: When, value: i32, to: L) -> &mut Self {
        self.jumps.push((self.instructions.len(), to));
        self.push(CLASS_JUMP | when as u8, left as u8, 0, 0, value)
    }

    /// Jumps always.
    pub(crate) fn jump(&mut self, to: L) -> &mut Self {
        self.jumps.push((self.instructions.len(), to));
        self.push(CLASS_JUMP, 0, 0, 0, 0)
    }

    /// Ends the program with R0.
    pub(crate) fn exit(&mut self) -> &mut Self {
        self.push(OPCODE_EXIT, 0, 0, 0, 0)
    }

    /// Names the next instruction.
    pub(crate) fn place(&mut self, label: L) -> &mut Self {
        self.places.push((label, self.instructions.len()));
        self
    }

    /// The program, its jumps resolved. A jump to a label that was never placed, or too far away,
    /// points out of the program, which the verifier refuses.
    pub(crate) fn finish(&self) -> Vec<Insn> {
        let mut instructions = self.instructions.clone();
        for (at, label) in &self.jumps {
            let place = self.places.iter().find(|(placed, _)| placed == label);
            // Jumps count from the instruction that follows them.
            let distance = place.and_then(|(_, to)| {
                let (to, next) = (isize::try_from(*to).ok()?, isize::try_from(at + 1).ok()?);
                i16::try_from(to - next).ok()
            });
            if let Some(jump) = instructions.get_mut(*at) {
                jump.offset = distance.unwrap_or(i16::MAX);
            }
        }
        instructions
    }

    fn push(&mut self, opcode: u8, to: u8, from: u8, offset: i16, value: i32) -> &mut Self {
        self.instructions.push(Insn::new(opcode, to, from, offset, value));
        self
    }
}

const CLASS_LOAD: u8 = 0x01;
const CLASS_STORE_VALUE: u8 = 0x02;
const CLASS_STORE: u8 = 0x03;
const CLASS_JUMP: u8 = 0x05;
const CLASS_ALU: u8 = 0x07;
const MODE_MEMORY: u8 = 0x60;
const SOURCE_REGISTER: u8 = 0x08;
const OPCODE_LOAD_IMMEDIATE_64: u8 = 0x18;
const OPCODE_CALL: u8 = 0x85;
const OPCODE_EXIT: u8 = 0x95;
const OPCODE_TO_BIG_ENDIAN: u8 = 0xdc;
/// Source register of a 64-bit load that says that the immediate is a map's descriptor.
const PSEUDO_MAP_FD: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, PartialEq)]
    enum Label {
        Top,
        End,
    }

    #[test]
    fn jumps_reach_their_labels_forwards_and_backwards() {
        let mut assembler = Assembler::new();
        assembler
            .place(Label::Top)
            .jump_if_value(Reg::R1, When::Equal, 7, Label::End)
            .apply_value(Op::Add, Reg::R1, 1)
            .jump(Label::Top)
            .place(Label::End)
            .exit();
        let offsets: Vec<i16> = assembler.finish().iter().map(|insn| insn.offset).collect();
        assert_eq!(offsets, [2, 0, -3, 0]);
    }

    #[test]
    fn jump_to_a_label_without_a_place_leaves_the_program() {
        let mut assembler = Assembler::new();
        assembler.jump(Label::End).place(Label::Top).exit();
        assert_eq!(assembler.finish()[0].offset, i16::MAX);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn instructions_are_encoded_as_the_kernel_prints_them() {
        let mut assembler = Assembler::<Label>::new();
        assembler
            .load(Width::Half, Reg::R2, Reg::R7, 12)
            .store(Width::Word, Reg::R10, -4, Reg::R3)
            .store_value(Width::Word, Reg::R10, -8, 32)
            .apply(Op::Move, Reg::R6, Reg::R1)
            .apply_value(Op::ShiftLeft, Reg::R9, 2)
            .swap_network_half(Reg::R2)
            .call(51)
            .exit();
        // SAFETY: an instruction is eight bytes without padding.
        let words: Vec<[u8; 8]> =
            assembler.finish().iter().map(|insn| unsafe { std::mem::transmute(*insn) }).collect();
        assert_eq!(
            words,
            [
                [0x69, 0x72, 12, 0, 0, 0, 0, 0],
                [0x63, 0x3a, 0xfc, 0xff, 0, 0, 0, 0],
                [0x62, 0x0a, 0xf8, 0xff, 32, 0, 0, 0],
                [0xbf, 0x16, 0, 0, 0, 0, 0, 0],
                [0x67, 0x09, 0, 0, 2, 0, 0, 0],
                [0xdc, 0x02, 0, 0, 16, 0, 0, 0],
                [0x57, 0x02, 0, 0, 0xff, 0xff, 0, 0],
                [0x85, 0, 0, 0, 51, 0, 0, 0],
                [0x95, 0, 0, 0, 0, 0, 0, 0],
            ]
        );
    }
}
