//! Zone data: master files, RFC 1034 lookup, and the table of precompiled answers.
