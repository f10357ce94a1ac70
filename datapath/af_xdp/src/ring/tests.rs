//! The ring on plain memory, with both ends ours, around the point where indices wrap.

use std::cell::UnsafeCell;

use super::*;

/// What the kernel would have mapped.
struct Memory {
    producer: AtomicU32,
    consumer: AtomicU32,
    flags: AtomicU32,
    entries: Box<[UnsafeCell<u64>]>,
}

impl Memory {
    fn starting_at(index: u32, size: u32) -> Self {
        Self {
            producer: AtomicU32::new(index),
            consumer: AtomicU32::new(index),
            flags: AtomicU32::new(0),
            entries: (0..size).map(|_| UnsafeCell::new(0)).collect(),
        }
    }

    /// One end of the ring; it must not outlive the memory.
    fn end(&self) -> Shared<u64> {
        Shared {
            producer: NonNull::from(&self.producer),
            consumer: NonNull::from(&self.consumer),
            flags: NonNull::from(&self.flags),
            entries: NonNull::new(self.entries.as_ptr().cast_mut().cast()).unwrap(),
            mask: self.entries.len() as u32 - 1,
            mapping: None,
        }
    }
}

#[test]
fn entries_arrive_in_order_while_indices_wrap() {
    for start in [0, 5, u32::MAX - 7, u32::MAX] {
        let memory = Memory::starting_at(start, 8);
        let mut producer = Producer::new(memory.end());
        let mut consumer = Consumer::new(memory.end());
        let (mut sent, mut seen) = (0u64, 0u64);
        for batch in [3, 8, 1, 5, 7, 8, 2] {
            assert_eq!(producer.free(batch), batch);
            for k in 0..batch {
                producer.put(k, sent + u64::from(k));
            }
            producer.publish(batch);
            sent += u64::from(batch);
            assert_eq!(consumer.available(64), batch);
            for k in 0..batch {
                assert_eq!(consumer.at(k), seen + u64::from(k), "start {start}");
            }
            consumer.release(batch);
            seen += u64::from(batch);
        }
        assert_eq!(memory.producer.load(Ordering::Relaxed), start.wrapping_add(sent as u32));
        assert_eq!(memory.consumer.load(Ordering::Relaxed), start.wrapping_add(seen as u32));
    }
}

#[test]
fn full_ring_takes_nothing_until_entries_are_released() {
    let memory = Memory::starting_at(u32::MAX - 2, 4);
    let mut producer = Producer::new(memory.end());
    let mut consumer = Consumer::new(memory.end());
    assert_eq!(producer.free(100), 4);
    for k in 0..4 {
        producer.put(k, u64::from(k));
    }
    producer.publish(4);
    assert_eq!(producer.free(1), 0);
    assert_eq!(producer.outstanding(), 4);
    assert_eq!(consumer.available(3), 3);
    consumer.release(3);
    assert_eq!(producer.free(100), 3);
    assert_eq!(consumer.available(100), 1);
    assert_eq!(consumer.at(0), 3);
    consumer.release(1);
    assert_eq!(producer.outstanding(), 0);
    assert_eq!(producer.free(100), 4);
}

#[test]
fn entries_that_are_put_stay_hidden_until_published() {
    let memory = Memory::starting_at(u32::MAX, 4);
    let mut producer = Producer::new(memory.end());
    let mut consumer = Consumer::new(memory.end());
    assert_eq!(producer.free(2), 2);
    producer.put(0, 7);
    producer.put(1, 8);
    assert_eq!(consumer.available(4), 0);
    producer.publish(1);
    assert_eq!(consumer.available(4), 1);
    assert_eq!(consumer.at(0), 7);
    producer.publish(1);
    assert_eq!(consumer.available(4), 2);
    assert_eq!(consumer.at(1), 8);
}

#[test]
fn rings_found_in_use_are_taken_up_where_they_stand() {
    let memory = Memory::starting_at(0, 4);
    memory.producer.store(u32::MAX.wrapping_add(2), Ordering::Relaxed);
    memory.consumer.store(u32::MAX, Ordering::Relaxed);
    assert_eq!(Consumer::new(memory.end()).available(4), 2);
    assert_eq!(Producer::new(memory.end()).free(4), 2);
}

#[test]
fn wakeup_is_wanted_exactly_while_its_flag_is_set() {
    let memory = Memory::starting_at(0, 4);
    let producer = Producer::new(memory.end());
    assert!(!producer.needs_wakeup());
    memory.flags.store(libc::XDP_RING_NEED_WAKEUP, Ordering::Relaxed);
    assert!(producer.needs_wakeup());
    memory.flags.store(!libc::XDP_RING_NEED_WAKEUP, Ordering::Relaxed);
    assert!(!producer.needs_wakeup());
}

#[test]
fn two_threads_lose_and_double_nothing_across_the_wrap() {
    const TOTAL: u64 = 20_000;
    let memory = Memory::starting_at(u32::MAX - 9_999, 64);
    let mut producer = Producer::new(memory.end());
    let mut consumer = Consumer::new(memory.end());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut sent = 0;
            while sent < TOTAL {
                let n = producer.free(17).min((TOTAL - sent) as u32);
                for k in 0..n {
                    producer.put(k, sent + u64::from(k));
                }
                producer.publish(n);
                sent += u64::from(n);
                std::thread::yield_now();
            }
        });
        let mut seen = 0;
        while seen < TOTAL {
            let n = consumer.available(23);
            for k in 0..n {
                assert_eq!(consumer.at(k), seen + u64::from(k));
            }
            consumer.release(n);
            seen += u64::from(n);
            std::thread::yield_now();
        }
    });
    assert_eq!(memory.producer.load(Ordering::Relaxed), 10_000);
}
