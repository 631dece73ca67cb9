//! Tests alone; see `it`.
