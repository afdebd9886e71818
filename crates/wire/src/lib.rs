//! DNS messages on the wire: views over a received buffer, a builder over a send buffer.
