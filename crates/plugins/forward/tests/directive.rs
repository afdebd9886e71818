//! What a directive may say, and what is said where it is wrong.

use cartonym_plugin::{Settings, Shared};
use cartonym_plugin_forward::Forward;
use cartonym_testing::{configure, configure_in};

fn error(directive: &str) -> String {
    configure::<Forward>(directive).unwrap_err()
}

#[test]
fn every_property_is_read() {
    let directive = "forward . 192.0.2.1 [2001:db8::1]:5353 dns://192.0.2.2 {
        except a.example 10.0.0.0/8
        policy round_robin
        force_tcp
        prefer_udp
        expire 20s
        max_age 1h
        max_idle_conns 5
        read_timeout 500ms
        max_fails 0
        max_connect_attempts 3
        max_concurrent 1000
        health_check 1s no_rec domain example.org
        failfast_all_unhealthy_upstreams
        failover SERVFAIL REFUSED
        next NXDOMAIN
        next_on_nodata
        source_address 192.0.2.9
    }
    forward 10.0.0.0/24 192.0.2.1";
    assert_eq!(configure::<Forward>(directive).unwrap().plugins().len(), 2);
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    let table = [
        ("forward", "Corefile:2:1: `forward` takes at least 2 arguments, but has 0"),
        ("forward .", "Corefile:2:1: `forward` takes at least 2 arguments, but has 1"),
        ("forward a..b 192.0.2.1", "Corefile:2:9: `a..b` is not a domain name: a label is empty"),
        ("forward . 192.0.2.1:no", "Corefile:2:11: `192.0.2.1:no` is neither an address nor a file"),
        ("forward . https://192.0.2.1", "Corefile:2:11: upstreams over https:// are not supported yet"),
        ("forward . tls://dns.example", "Corefile:2:11: `tls://dns.example` is not an address"),
        ("forward . tls://192.0.2.1 {\ntls_servername ..\n}", "Corefile:3:16: `..` is not a name"),
        (
            "forward . tls://192.0.2.1 {\ntls a b c d\n}",
            "Corefile:3:11: `tls` takes 0 to 3 arguments, but has 4",
        ),
        (
            "forward . tls://192.0.2.1 {\ntls gone.pem\n}",
            "Corefile:3:5: cannot read gone.pem: No such file or directory",
        ),
        ("forward . 192.0.2.1 {\nexpire 5\n}", "Corefile:3:8: `5` is not a duration"),
        ("forward . 192.0.2.1 {\nmax_fails -1\n}", "Corefile:3:11: `-1` is not a number"),
        ("forward . 192.0.2.1 {\nread_timeout 0s\n}", "Corefile:3:14: `0s` is no time at all"),
        ("forward . 192.0.2.1 {\nhealth_check 1s domain\n}", "Corefile:3:17: `domain` takes a name"),
        ("forward . 192.0.2.1 {\nfailover OOPS\n}", "Corefile:3:10: `OOPS` is not an rcode"),
        (
            "forward . 192.0.2.1 {\nforce_tcp now\n}",
            "Corefile:3:11: `force_tcp` takes no argument, but has 1",
        ),
        ("forward . 192.0.2.1 {\nexcept\n}", "Corefile:3:1: `except` takes at least 1 argument, but has 0"),
    ];
    for (directive, message) in table {
        let error = error(directive);
        assert_eq!(error.split(" (").next(), Some(message), "{directive}");
    }
    assert!(error("forward . 192.0.2.1 {\npolicy randm\n}").ends_with("(did you mean `random`?)"));
    assert!(error("forward . 192.0.2.1 {\nexcpt a\n}").ends_with("(did you mean `except`?)"));
    let many = format!("forward . {}", "192.0.2.1 ".repeat(16));
    assert_eq!(error(&many), "Corefile:2:1: 16 upstreams, but 15 are the most");
}

#[test]
fn upstreams_may_be_in_a_file() {
    let folder = std::env::temp_dir().join(format!("cartonym-forward-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("resolv.conf"), "nameserver 192.0.2.1\nnameserver 2001:db8::1\n").unwrap();
    std::fs::write(folder.join("empty"), "").unwrap();
    let mut settings = Settings::default();
    settings.root = folder.clone();
    let mut read = |word: &str| {
        configure_in::<Forward>(".", &format!("forward . {word}"), &mut settings, &Shared::default())
    };
    assert!(read("resolv.conf").is_ok());
    assert!(read("empty").unwrap_err().ends_with("`empty` has no nameserver"));
    std::fs::remove_dir_all(folder).unwrap();
}
