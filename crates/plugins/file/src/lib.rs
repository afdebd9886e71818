//! Answers from a master file.
