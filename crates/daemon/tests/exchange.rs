//! A registry goes out of one store and into another, while it is served and while it is not.

mod common;

use std::fs;
use std::path::Path;

use cartonym::wire::{Rcode, Type};
use common::{Daemon, ask, cartonym, free_address, get, run, wait_until};

#[test]
fn what_is_exported_imported_and_exported_is_the_same_whoever_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let one = Daemon::start(&at("one"));
    let service = one.service();
    (1..=30).for_each(|host| one.register(&service, host));
    let url = |daemon: &Daemon| format!("http://{}", daemon.api);
    export(&["--url", &url(&one)], &at("of-one"));
    assert_eq!(fs::read_to_string(at("of-one")).unwrap().lines().count(), 1 + 1 + 1 + 1 + 30);

    // Where the AWS CLI finds it, so does this; and a folder that is named is not in conflict with that.
    let by_environment = |args: &[&str]| {
        let mut command = cartonym(&["export"]);
        command.args(args).arg(at("of-who")).env("AWS_ENDPOINT_URL_SERVICEDISCOVERY", url(&one));
        run(&mut command)
    };
    assert_eq!(by_environment(&[]).0, Some(0));
    assert!(records(&at("of-who")) == records(&at("of-one")));
    let (code, _, said) = by_environment(&["--data", path(&at("nothing"))]);
    assert_eq!((code, said.contains("there is no registry in")), (Some(1), true), "{said}");

    // Into a server, twice.
    let two = Daemon::start(&at("two"));
    let import = |place: [&str; 2]| {
        let (code, said, error) = run(cartonym(&["import"]).args(place).arg(at("of-one")));
        assert_eq!((code, error.as_str()), (Some(0), ""));
        said
    };
    assert_eq!(import(["--url", &url(&two)]), "33 records written, 0 there before\n");
    assert_eq!(import(["--url", &url(&two)]), "0 records written, 33 there before\n");
    let (rcode, hosts) = ask(two.dns, "web.shop.example.", Type::A).unwrap();
    assert_eq!((rcode, hosts.len()), (Rcode::NOERROR, 8));
    export(&["--url", &url(&two)], &at("of-two"));

    // Into a folder that nobody serves; and a store that is a copy, while the first is served.
    assert_eq!(import(["--data", path(&at("three"))]), "33 records written, 0 there before\n");
    export(&["--data", path(&at("three"))], &at("of-three"));
    let (code, _, _) = run(cartonym(&["backup", "--url", &url(&one)]).arg(at("copy")));
    assert_eq!(code, Some(0));
    export(&["--data", path(&at("copy"))], &at("of-copy"));
    for other in ["of-two", "of-three", "of-copy"] {
        assert!(records(&at(other)) == records(&at("of-one")), "{other}");
    }
    // What is made of another goes on where that was, so its serials do not go back.
    assert!(revision(&at("of-one")) >= 31);
    for other in ["of-three", "of-copy"] {
        assert!(revision(&at(other)) > revision(&at("of-one")), "{other}");
    }

    // Of a damaged store, what is whole; it stays as it is.
    let store = at("three").join("registry.redb");
    let mut octets = fs::read(&store).unwrap();
    octets[..4096].fill(0);
    fs::write(&store, &octets).unwrap();
    let (code, _, said) = run(cartonym(&["export", "--data", path(&at("three"))]).arg(at("nothing")));
    assert_eq!((code, said.contains("cartonym repair")), (Some(1), true), "{said}");
    let (code, said, _) = run(cartonym(&["repair"]).arg(at("three")).arg(at("repaired")));
    assert_eq!((code, said.starts_with("33 whole records, 0 ")), (Some(0), true), "{said}");
    assert!(fs::read(&store).unwrap() == octets);
    export(&["--data", path(&at("repaired"))], &at("of-repaired"));
    assert!(records(&at("of-repaired")) == records(&at("of-one")));
    assert!(revision(&at("of-repaired")) > revision(&at("of-one")));

    // Of a record whose octets are others, that it is lost.
    let mut octets = fs::read(at("repaired").join("registry.redb")).unwrap();
    let address = b"192.0.2.7";
    let places: Vec<_> = (0..octets.len()).filter(|place| octets[*place..].starts_with(address)).collect();
    assert!(!places.is_empty());
    for place in places {
        octets[place] = b'x';
    }
    fs::write(at("repaired").join("registry.redb"), &octets).unwrap();
    let (code, said, error) = run(cartonym(&["repair"]).arg(at("repaired")).arg(at("less")));
    assert_eq!(code, Some(1), "{said}{error}");
    assert!(said.contains("lost: a record in the page") && said.contains("32 whole records"), "{said}");
    assert!(error.contains("lost"), "{error}");

    // What is made is there though nobody reads what is said of it.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let (code, _, error) = run(cartonym(&["repair"]).arg(at("three")).arg(at("unread")).stdout(writer));
    assert_eq!((code, at("unread").is_dir()), (Some(1), true), "{error}");

    // Nothing is made of what is broken, nor in the place of what is there, nor beside who serves it.
    let (code, _, said) = run(cartonym(&["backup", "--url", &url(&one)]).arg(at("copy")));
    assert_eq!((code, said.contains("is there already")), (Some(1), true), "{said}");
    let (code, _, said) =
        run(cartonym(&["export", "--data", path(&at("one"))]).stdout(std::process::Stdio::null()));
    assert_eq!((code, said.contains("in use by process")), (Some(1), true), "{said}");
    fs::write(at("broken"), "{\"version\":1,\"records\":1}\n{\"key\":\"namespace/x\",\"value\":{}}\n")
        .unwrap();
    let (code, _, said) = run(cartonym(&["import", "--url", &url(&two)]).arg(at("broken")));
    assert_eq!((code, said.contains("line 2: ")), (Some(1), true), "{said}");
}

#[test]
fn with_access_keys_only_who_signs_may_read_or_write() {
    let folder = tempfile::tempdir().unwrap();
    let (dns, api) = (free_address(), free_address());
    let corefile = |keys: &str| {
        format!(
            ".:{} {{\n    bind {}\n    registry {{\n        backend memory\n        api {api}\n        {keys}\n    }}\n}}\n",
            dns.port(),
            dns.ip()
        )
    };
    let keys = "access_key AKID hush\n        access_key OTHER quiet";
    let daemon = Daemon::with_corefile(folder.path(), &corefile(keys), dns, api);
    let url = format!("http://{api}");
    let run_as = |key: Option<(&str, &str)>, args: &[&str]| {
        let mut command = cartonym(args);
        command.env("AWS_ENDPOINT_URL_SERVICEDISCOVERY", &url);
        if let Some((id, secret)) = key {
            command.env("AWS_ACCESS_KEY_ID", id).env("AWS_SECRET_ACCESS_KEY", secret);
        }
        run(&mut command)
    };
    for page in ["/", "/export", "/changes", "/health/srv-abcdefghijklmnop"] {
        assert_eq!(get(api, page).0, 403, "{page}");
    }
    for page in ["/healthz", "/readyz"] {
        assert_eq!(get(api, page).0, 200, "{page}");
    }
    let (code, _, said) = run_as(None, &["health", "web.shop.example"]);
    let is_refused = said.contains("ListNamespaces: MissingAuthenticationTokenException");
    assert_eq!((code, is_refused), (Some(1), true), "{said}");

    let file = folder.path().join("all");
    fs::write(&file, "").unwrap();
    let (code, _, said) = run_as(None, &["export", path(&file)]);
    let says_how = said.contains("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY say with which key");
    assert_eq!((code, says_how), (Some(1), true), "{said}");
    let (code, _, said) = run_as(Some(("AKID", "loud")), &["export", path(&file)]);
    assert_eq!((code, said.contains("InvalidSignatureException")), (Some(1), true), "{said}");
    for key in [("AKID", "hush"), ("OTHER", "quiet")] {
        assert_eq!(run_as(Some(key), &["export", path(&file)]).0, Some(0));
        assert_eq!(run_as(Some(key), &["import", path(&file)]).0, Some(0));
    }
    let (_, _, said) = run_as(None, &["import", path(&file)]);
    assert!(said.contains("MissingAuthenticationTokenException"), "{said}");
    let (code, said, _) = run_as(Some(("AKID", "hush")), &["export", "-"]);
    assert_eq!((code, said.lines().count()), (Some(0), 1), "{said}");
    let mut command = cartonym(&["export", "--url", &url]);
    let (code, _, said) =
        run(command.env("AWS_ACCESS_KEY_ID", "AKID\n").env("AWS_SECRET_ACCESS_KEY", "hush"));
    assert_eq!((code, said.contains("AWS_ACCESS_KEY_ID is set to what")), (Some(1), true), "{said}");

    // A key is taken out and another comes; in the end nobody has to sign.
    let export_as = |key| run_as(key, &["export", "-"]).0 == Some(0);
    fs::write(
        folder.path().join("Corefile"),
        corefile("access_key OTHER quiet\n        access_key NEW loud"),
    )
    .unwrap();
    daemon.signal("USR1");
    wait_until("the new key is known", || export_as(Some(("NEW", "loud"))));
    assert!(export_as(Some(("OTHER", "quiet"))) && !export_as(Some(("AKID", "hush"))) && !export_as(None));
    fs::write(folder.path().join("Corefile"), corefile("")).unwrap();
    daemon.signal("USR1");
    wait_until("anybody may ask", || export_as(None));
}

#[test]
fn half_of_a_registry_is_never_taken_for_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let count = || fs::read_dir(&folder).unwrap().count();
    let refused = |command: &mut std::process::Command, says: &str| {
        let (code, _, said) = run(command);
        assert_eq!((code, said.contains(says)), (Some(1), true), "{said}");
    };
    fs::write(at("file"), "what was exported before").unwrap();

    // A source that is none: nothing is made, and nothing lost.
    for source in [["--data", path(&at("typo"))], ["--url", "http://127.0.0.99:1"]] {
        let says = if source[0] == "--data" { "there is no registry in" } else { "127.0.0.99" };
        refused(cartonym(&["export"]).args(source).arg(at("file")), says);
        refused(cartonym(&["backup"]).args(source).arg(at("copy")), says);
    }
    refused(cartonym(&["repair"]).arg(at("typo")).arg(at("copy")), "there is no registry in");
    refused(cartonym(&["import", "--data"]).arg(at("copy")).arg(at("typo")), "typo");
    assert_eq!((fs::read_to_string(at("file")).unwrap().as_str(), count()), ("what was exported before", 1));

    // One that breaks off.
    let daemon = Daemon::start(&at("one"));
    let service = daemon.service();
    (1..=3).for_each(|host| daemon.register(&service, host));
    export(&["--url", &format!("http://{}", daemon.api)], &at("whole"));
    let whole = fs::read_to_string(at("whole")).unwrap();
    fs::write(at("half"), &whole[..whole.trim_end().rfind('\n').unwrap()]).unwrap();
    let before = count();
    refused(
        cartonym(&["import", "--data"]).arg(at("copy")).arg(at("half")),
        "records are missing at the end: 1",
    );
    assert_eq!(count(), before);

    // One that was stopped.
    fs::create_dir(at("copy.unfinished")).unwrap();
    refused(cartonym(&["import", "--data"]).arg(at("copy")).arg(at("whole")), "remove it then");
    fs::remove_dir(at("copy.unfinished")).unwrap();
    let (code, _, said) = run(cartonym(&["import", "--data"]).arg(at("copy/")).arg(at("whole")));
    assert_eq!((code, said.as_str()), (Some(0), ""));
    let (code, _, said) = run(cartonym(&["export", "--data"]).arg(at("copy")).arg("/dev/null"));
    assert_eq!((code, said.as_str()), (Some(0), ""));
}

fn records(of: &Path) -> String {
    fs::read_to_string(of).unwrap().split_once('\n').unwrap().1.to_owned()
}

fn revision(of: &Path) -> u64 {
    let text = fs::read_to_string(of).unwrap();
    let head: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    head["revision"].as_u64().unwrap()
}

fn export(place: &[&str], to: &Path) {
    let (code, _, said) = run(cartonym(&["export"]).args(place).arg(to));
    assert_eq!((code, said.as_str()), (Some(0), ""));
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
