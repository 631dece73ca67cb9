//! Rounds against mocks: what goes out, in which order, and what when something fails.

mod acting;
mod asking;
mod driving;
mod ordering;
mod owning;
