//! What tests and fuzz targets have in common: equations that hold of any input.

pub mod equations;
