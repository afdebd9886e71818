//! `xdp`: an interface that brings a block's datagrams past the kernel's sockets.

use std::sync::OnceLock;

use cartonym::corefile::Error;
use cartonym::plugin::{Configure, Place, Setup};

/// `xdp INTERFACE [queues COUNT]`.
pub(crate) struct XdpDirective;

/// What a block's `xdp` has left there, if it has one.
#[derive(Default)]
pub(crate) struct ShortCut(OnceLock<Xdp>);

/// An interface, and how many of its queues, where not all.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "xdp"), expect(dead_code, reason = "a program without it takes no `xdp`"))]
pub(crate) struct Xdp {
    pub(crate) interface: String,
    pub(crate) queues: Option<u32>,
}

impl ShortCut {
    pub(crate) fn xdp(&self) -> Option<Xdp> {
        self.0.get().cloned()
    }
}

impl Configure for XdpDirective {
    const NAME: &'static str = "xdp";
    const PLACE: Place = Place::Last;

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let directive = setup.only()?;
        directive.no_block()?;
        if cfg!(not(feature = "xdp")) {
            let error = directive.error("this program was built without AF_XDP");
            return Err(error.help("`cargo build --features xdp` builds it with"));
        }
        let (interface, queues) = match directive.arg_count(1..=3)? {
            [interface] => (interface, None),
            [interface, word, count] => {
                word.one_of(&["queues"])?;
                match count.parse("a number of queues")? {
                    0 => return Err(count.error("no queues bring no datagrams")),
                    queues => (interface, Some(queues)),
                }
            }
            _ => return Err(directive.error("an interface is meant, and perhaps `queues COUNT`")),
        };
        // There is only one `xdp`, so that this is the first.
        let _ = setup.in_block::<ShortCut>().0.set(Xdp { interface: interface.as_str().to_owned(), queues });
        Ok(())
    }
}
