//! The border: control writes these tables, workers read them without a lock.
