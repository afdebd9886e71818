//! A registry that a file says: from the file to an answer, through an edit, a bad edit and its repair.

mod common;

use std::fs;

use cartonym::wire::{Rcode, Type};
use common::{Daemon, ask, cartonym, free_address, get, run, wait_until};
use serde_json::json;

const NAME: &str = "web.shop.example.";

#[test]
fn dns_answers_what_the_file_says_and_a_mistake_in_it_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("registry.yaml");
    let write = |host: &str| {
        let new = folder.path().join("new");
        fs::write(&new, text(host)).unwrap();
        fs::rename(&new, &file).unwrap();
    };
    write("192.0.2.1");
    let (dns, api, metrics) = (free_address(), free_address(), free_address());
    let corefile = format!(
        ".:{} {{\n bind 127.0.0.1\n prometheus {metrics}\n registry {{\n  backend file {}\n  api {api}\n }}\n}}\n",
        dns.port(),
        file.display()
    );
    let daemon = Daemon::with_corefile(folder.path(), &corefile, dns, api);
    let answers = |host: u8| ask(daemon.dns, NAME, Type::A) == Some((Rcode::NOERROR, vec![host]));
    assert!(answers(1));

    write("192.0.2.2");
    wait_until("the edit is answered", || answers(2));
    write("192.0.2.300");
    let is_away = || {
        get(metrics, "/metrics")
            .1
            .lines()
            .any(|line| line.starts_with("cartonym_registry_away") && line.ends_with(" 1"))
    };
    wait_until("the mistake is told", is_away);
    assert!(answers(2));
    let (status, said) = get(api, "/readyz");
    assert_eq!((status, said.contains("what was read before")), (200, true), "{said}");
    write("192.0.2.3");
    wait_until("the repair is answered", || answers(3));
    wait_until("nothing is wrong any more", || !is_away());
    drop(daemon);

    let (code, said, _) = run(cartonym(&["check"]).arg(folder.path().join("Corefile")));
    assert_eq!(code, Some(0));
    assert!(said.contains("registry.yaml: 1 namespace, 1 service, 1 instance"), "{said}");
    write("192.0.2.300");
    let (code, _, said) = run(cartonym(&["check"]).arg(folder.path().join("Corefile")));
    assert_eq!(code, Some(1));
    assert!(said.contains("Corefile:4:2: ") && said.contains("registry.yaml:7:15: "), "{said}");
}

#[test]
fn the_api_reads_the_file_and_refuses_to_change_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("registry.yaml");
    fs::write(&file, text("192.0.2.1")).unwrap();
    let (dns, api) = (free_address(), free_address());
    let corefile = format!(
        ".:{} {{\n bind 127.0.0.1\n registry {{\n  backend file {}\n  api {api}\n }}\n}}\n",
        dns.port(),
        file.display()
    );
    let daemon = Daemon::with_corefile(folder.path(), &corefile, dns, api);
    let client = daemon.client();
    let request = json!({ "NamespaceName": "shop.example", "ServiceName": "web" });
    let found = client.call("DiscoverInstances", request);
    assert_eq!(found["Instances"][0]["InstanceId"], "web-1");
    let (status, refused) = client.try_call("CreateHttpNamespace", json!({ "Name": "more" }));
    assert_eq!((status, &refused["__type"]), (400, &json!("AccessDeniedException")));
    assert!(refused["Message"].as_str().unwrap_or_default().contains("read-only"), "{refused}");
}

fn text(host: &str) -> String {
    format!(
        "namespaces:\n- name: shop.example\n  services:\n  - name: web\n    records: {{A: 1}}\n    instances:\n      \
         web-1: {{AWS_INSTANCE_IPV4: {host}}}\n"
    )
}
