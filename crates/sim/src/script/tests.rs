mod built;
mod read;
mod refused;
mod told;
