//! Directive in, setting out.

use cartonym_plugin::{Settings, Shared};
use cartonym_plugin_bufsize::Bufsize;
use cartonym_testing::configure_in;

fn size(directive: &str) -> Result<Option<u16>, String> {
    let mut settings = Settings::default();
    configure_in::<Bufsize>(".", directive, &mut settings, &Shared::default()).map(|_| settings.udp_size)
}

#[test]
fn the_size_is_a_setting() {
    assert_eq!(size("bufsize"), Ok(Some(1232)));
    assert_eq!(size("bufsize 512"), Ok(Some(512)));
    assert_eq!(size("bufsize 4096"), Ok(Some(4096)));
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    for directive in ["bufsize 511", "bufsize 4097"] {
        assert!(size(directive).unwrap_err().ends_with("is not between 512 and 4096"));
    }
    assert_eq!(size("bufsize big").unwrap_err(), "Corefile:2:9: `big` is not a number");
    assert!(size("bufsize 1 2").unwrap_err().contains("takes 0 to 1 argument"));
}
