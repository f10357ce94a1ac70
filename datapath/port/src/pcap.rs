//! A port over capture files: receives what one holds, records what would leave into another.

use std::collections::VecDeque;
use std::io::{self, Write};

use crate::capture_file::CaptureWriter;
use crate::{Batch, FramePool, Port};

/// A port whose frames come from a capture and whose transmissions are recorded. Whoever plays
/// the capture hands it the frames, so that several ports can be played in the order of their
/// captures' timestamps.
pub struct PcapPort<W: Write> {
    waiting: VecDeque<Vec<u8>>,
    record: Option<CaptureWriter<W>>,
    now_ns: u64,
    failed: Option<io::Error>,
}

impl<W: Write> PcapPort<W> {
    /// A port that records what it transmits into `record`, or nowhere.
    #[must_use]
    pub fn new(record: Option<CaptureWriter<W>>) -> Self {
        Self { waiting: VecDeque::new(), record, now_ns: 0, failed: None }
    }

    /// Makes `frame` what is received after those that already wait.
    pub fn play(&mut self, frame: Vec<u8>) {
        self.waiting.push_back(frame);
    }

    /// Stamps what is transmitted from now on, nanoseconds since the epoch.
    pub fn set_time(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// Ends the recording and writes out what is buffered.
    ///
    /// # Errors
    /// The first error met while playing or recording.
    pub fn finish(&mut self) -> io::Result<()> {
        let flushed = self.record.take().map_or(Ok(()), CaptureWriter::finish);
        self.failed.take().map_or(flushed, Err)
    }

    fn fail(&mut self, error: io::Error) {
        self.failed.get_or_insert(error);
    }
}

impl<W: Write> Port for PcapPort<W> {
    fn rx(&mut self, pool: &mut FramePool, batch: &mut Batch) -> usize {
        let mut n = 0;
        while batch.room() > 0 {
            let Some(bytes) = self.waiting.pop_front() else { break };
            let Some(mut frame) = pool.alloc() else {
                self.waiting.push_front(bytes);
                break;
            };
            match frame.append(bytes.len()) {
                Some(room) => room.copy_from_slice(&bytes),
                None => {
                    let message = format!("a frame of {} bytes exceeds a chunk", bytes.len());
                    self.fail(io::Error::new(io::ErrorKind::InvalidData, message));
                }
            }
            if let Err(frame) = batch.push(frame) {
                pool.free(frame);
            }
            n += 1;
        }
        n
    }

    fn tx(&mut self, pool: &mut FramePool, batch: &mut Batch) -> usize {
        let n = batch.len();
        for frame in batch.drain(n) {
            if let Some(record) = &mut self.record
                && let Err(error) = record.write(self.now_ns, frame.data())
            {
                self.failed.get_or_insert(error);
            }
            pool.free(frame);
        }
        n
    }

    fn flush(&mut self, _pool: &mut FramePool) {}
}
