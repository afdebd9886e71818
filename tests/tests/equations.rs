//! The equations of the fuzz targets, on every input that is kept: seeds, and what once broke one.

use std::fs;
use std::path::Path;

use cartonym_tests::equations::ALL;

#[test]
fn every_kept_input_holds_its_equation() {
    for (name, equation) in ALL {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name);
        let mut inputs = 0;
        for entry in fs::read_dir(&folder).unwrap() {
            equation(&fs::read(entry.unwrap().path()).unwrap());
            inputs += 1;
        }
        assert!(inputs > 0, "{}", folder.display());
    }
}
