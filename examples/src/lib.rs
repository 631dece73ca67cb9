//! Small programs to copy from: one file each, beside this one.
