mod read;
mod refused;
