//! The pure core of progressive delivery.
