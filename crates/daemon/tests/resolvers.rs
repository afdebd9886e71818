//! Stock resolvers that forward a namespace to us, as a VPC resolver's forwarding rule does.
//!
//! A resolver that is not installed is passed over, unless `CARTONYM_REQUIRE_PEERS` is set, as CI does.

mod common;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use cartonym::wire::{Rcode, Type};
use common::{Daemon, Process, ask, ask_tcp, free_address, is_installed, wait_until};

#[test]
fn a_client_gets_answers_through_unbound() {
    through("unbound", |folder, resolver, dns| {
        let config = format!(
            "server:\n interface: {}@{}\n do-daemonize: no\n username: \"\"\n chroot: \"\"\n directory: \"{}\"\n \
             pidfile: \"\"\n use-syslog: no\n do-not-query-localhost: no\n module-config: \"iterator\"\n\
             forward-zone:\n name: \"shop.example.\"\n forward-addr: {}@{}\nremote-control:\n control-enable: no\n",
            resolver.ip(),
            resolver.port(),
            folder.display(),
            dns.ip(),
            dns.port()
        );
        fs::write(folder.join("unbound.conf"), config).unwrap();
        let mut command = Command::new("unbound");
        command.arg("-d").arg("-c").arg(folder.join("unbound.conf"));
        command
    });
}

#[test]
fn a_client_gets_answers_through_bind() {
    through("named", |folder, resolver, dns| {
        let config = format!(
            "options {{ directory \"{}\"; listen-on port {} {{ {}; }}; listen-on-v6 {{ none; }}; pid-file none;\n\
             session-keyfile none; recursion yes; dnssec-validation no; }};\ncontrols {{ }};\n\
             zone \"shop.example\" {{ type forward; forward only; forwarders {{ {} port {}; }}; }};\n",
            folder.display(),
            resolver.port(),
            resolver.ip(),
            dns.ip(),
            dns.port()
        );
        fs::write(folder.join("named.conf"), config).unwrap();
        let mut command = Command::new("named");
        command.arg("-g").arg("-c").arg(folder.join("named.conf"));
        command
    });
}

#[test]
fn a_client_gets_answers_through_dnsmasq() {
    through("dnsmasq", |_, resolver, dns| {
        let mut command = Command::new("dnsmasq");
        command.args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--bind-interfaces",
        ]);
        command.args(["--user=", "--group=", "--pid-file="]);
        command.arg(format!("--listen-address={}", resolver.ip())).arg(format!("--port={}", resolver.port()));
        command.arg(format!("--server=/shop.example/{}#{}", dns.ip(), dns.port()));
        command
    });
}

/// Starts a resolver that forwards `shop.example`, and asks it while instances come and go.
fn through(program: &str, command: impl FnOnce(&Path, SocketAddr, SocketAddr) -> Command) {
    if !is_installed(program) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&folder.path().join("data"));
    let service = daemon.service();
    daemon.register(&service, 1);
    daemon.register(&service, 2);
    let resolver = free_address();
    let mut command = command(folder.path(), resolver, daemon.dns);
    let _resolver =
        Process(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let both = Some((Rcode::NOERROR, vec![1, 2]));
    wait_until("the resolver answers", || ask(resolver, "web.shop.example.", Type::A) == both);
    assert_eq!(ask_tcp(resolver, "web.shop.example.", Type::A), both);
    assert_eq!(ask(resolver, "web-1.web.shop.example.", Type::A), Some((Rcode::NOERROR, vec![1])));
    assert_eq!(ask_tcp(resolver, "nx.shop.example.", Type::A), Some((Rcode::NXDOMAIN, vec![])));
    assert_eq!(ask(resolver, "web.shop.example.", Type::AAAA), Some((Rcode::NOERROR, vec![])));
    daemon.register(&service, 3);
    // The TTL is one second: the resolver asks again, and the change is there.
    wait_until("the third instance is seen", || {
        ask(resolver, "web.shop.example.", Type::A) == Some((Rcode::NOERROR, vec![1, 2, 3]))
    });
    // More answers than 512 octets hold: the resolver comes back over TCP, or with EDNS.
    for host in 4..=40 {
        daemon.register(&service, host);
    }
    wait_until("a long answer gets through", || {
        ask_tcp(resolver, "web.shop.example.", Type::SRV)
            .is_some_and(|(rcode, answers)| rcode == Rcode::NOERROR && answers.len() == 8)
    });
}
