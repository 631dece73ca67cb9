//! Every backend of this repository keeps the rules of its port.

mod stores;
