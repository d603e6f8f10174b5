//! The commands: arguments, and what each does with the rest of the library.

pub mod check;
