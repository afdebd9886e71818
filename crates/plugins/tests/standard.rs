//! The standard set: its order, its errors, and how others join it.

use cartonym_plugin::corefile::{Corefile, Error, Memory};
use cartonym_plugin::{Configure, Place, Plugin, Query, Response, Settings, Setup, Shared, Step};
use cartonym_plugins::{Plugins, standard};

/// The names of the plugins that a server block becomes.
fn configure(plugins: &Plugins, body: &str) -> Result<Vec<&'static str>, Error> {
    let text = format!(".:53 {{\n{body}\n}}");
    let corefile = Corefile::parse("Corefile", &text, &Memory::new())?;
    let zones = [".".parse().unwrap()];
    let (made, _) = plugins.configure(
        &corefile.servers[0].directives,
        &zones,
        &mut Settings::default(),
        &Shared::default(),
    )?;
    Ok(made.iter().map(|plugin| plugin.name()).collect())
}

struct Named<const PLACE: u8>;

impl<const PLACE: u8> Plugin for Named<PLACE> {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn answer(&self, _: &mut Query<'_>, _: &mut Response<'_>) -> Step {
        Step::Next
    }
}

impl<const PLACE: u8> Configure for Named<PLACE> {
    const NAME: &'static str = ["first", "chaos", "last"][PLACE as usize];
    const PLACE: Place = [Place::Before("whoami"), Place::Last, Place::Last][PLACE as usize];

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        setup.plugin(Named::<PLACE>);
        Ok(())
    }
}

#[test]
fn the_order_of_the_file_does_not_matter() {
    let plugins = standard().with::<Named<0>>().with::<Named<2>>();
    let order = ["first", "whoami", "last"];
    assert_eq!(configure(&plugins, "last\nwhoami\nfirst").unwrap(), order);
    assert_eq!(configure(&plugins, "whoami\nfirst\nlast").unwrap(), order);
}

#[test]
fn a_plugin_with_a_name_of_coredns_has_its_place() {
    let plugins = standard().with::<Named<1>>();
    assert_eq!(configure(&plugins, "whoami\nchaos").unwrap(), ["chaos", "whoami"]);
    let names: Vec<_> = plugins.names().collect();
    assert_eq!(names.iter().filter(|name| **name == "chaos").count(), 1);
}

#[test]
fn an_unknown_directive_is_an_error_that_names_the_nearest() {
    let error = configure(&standard(), "whoami\nwhoamy").unwrap_err();
    assert_eq!(error.to_string(), "Corefile:3:1: unknown directive `whoamy`");
    assert_eq!(error.help.as_deref(), Some("did you mean `whoami`?"));
}

#[test]
fn what_coredns_has_and_this_has_not_says_so() {
    let error = configure(&standard(), "kubernetes cluster.local").unwrap_err();
    assert_eq!(error.to_string(), "Corefile:2:1: `kubernetes` is known, but not implemented yet");
}

#[test]
fn no_cache_stands_before_a_registry() {
    struct Registry;

    impl Configure for Registry {
        const NAME: &'static str = "registry";
        const PLACE: Place = Place::Last;

        fn configure(_: &mut Setup<'_>) -> Result<(), Error> {
            Ok(())
        }
    }

    let names: Vec<_> = standard().with::<Registry>().names().collect();
    let place = |name: &str| names.iter().position(|other| *other == name).unwrap();
    assert!(place("acl") < place("registry") && place("registry") < place("cache"));
}

#[test]
fn the_readme_of_each_plugin_has_examples_that_it_accepts() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let plugins = standard();
    let mut checked = 0;
    for name in plugins.names() {
        let Ok(readme) = std::fs::read_to_string(folder.join(name).join("README.md")) else { continue };
        for example in readme.split("```corefile\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            let corefile = Corefile::parse("README.md", example, &Memory::new()).unwrap();
            for server in &corefile.servers {
                let zones: Vec<_> = server.zones().iter().map(|zone| zone.parse().unwrap()).collect();
                let (mut settings, shared) = (Settings::default(), Shared::default());
                settings.root = folder.join("tests/data");
                let made = plugins.configure(&server.directives, &zones, &mut settings, &shared);
                match made {
                    Ok(_) => checked += 1,
                    // An example may show a directive that only another program has.
                    Err(error) => assert!(error.message.ends_with("not implemented yet"), "{name}: {error}"),
                }
            }
        }
    }
    assert!(checked > 15, "{checked} examples");
}
