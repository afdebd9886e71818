//! From the text of a directive to plugins.

use cartonym_plugin::corefile::{Corefile, Directive, Memory};
use cartonym_plugin::{Configure, Settings, Setup, Shared};
use cartonym_responder::Chain;
use cartonym_wire::NameBuf;

/// A chain of the plugins that `T` makes of `directives`, lines as they stand in a server block of the zone `.`.
///
/// # Errors
///
/// The message of the first mistake: `Corefile:2:5: ...`.
pub fn configure<T: Configure>(directives: &str) -> Result<Chain, String> {
    configure_in::<T>(".", directives, &mut Settings::default(), &Shared::default())
}

/// As [`configure`], for a block of other zones, with settings and what is shared given.
///
/// # Errors
///
/// As [`configure`].
pub fn configure_in<T: Configure>(
    zones: &str,
    directives: &str,
    settings: &mut Settings,
    shared: &Shared,
) -> Result<Chain, String> {
    let text = format!("{zones} {{\n{directives}\n}}");
    let corefile = Corefile::parse("Corefile", &text, &Memory::new()).map_err(|error| error.to_string())?;
    let block = corefile.servers.first().ok_or("no server block")?;
    let zones: Vec<NameBuf> = block.zones().iter().filter_map(|zone| zone.parse().ok()).collect();
    let named: Vec<&Directive> = block.named(T::NAME).collect();
    let (first, more) = named.split_first().ok_or_else(|| format!("no `{}`", T::NAME))?;
    let mut setup = Setup::new(first, more, &zones, settings, shared);
    T::configure(&mut setup).map_err(|error| error.in_full())?;
    Ok(setup.into_parts().0.into_iter().collect())
}
