//! Answers with the client's own address.
