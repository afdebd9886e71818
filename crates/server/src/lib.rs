//! Sockets, threads and the runtime around a responder.
