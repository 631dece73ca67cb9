//! When each kind of step is complete: one file for each.

mod analysis;
mod blue_green;
mod end;
mod pace;
mod pause;
mod pods;
mod start;
mod trial;
mod weight;
