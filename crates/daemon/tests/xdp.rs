//! `xdp` in a Corefile. What an interface brings is tested with the server; here is what a program says.

mod common;

#[test]
#[cfg(not(feature = "xdp"))]
fn a_program_that_was_built_without_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let corefile = folder.path().join("Corefile");
    std::fs::write(&corefile, ". {\n xdp eth0\n whoami\n}\n").unwrap();
    let output = common::cartonym(&["check"]).arg(&corefile).output().unwrap();
    let says = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && says.contains("this program was built without AF_XDP"), "{says}");
}

#[cfg(feature = "xdp")]
mod with_it {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};

    use cartonym::wire::{Rcode, Type};

    use super::common::{self, Process, ask, cartonym, free_address};

    #[test]
    fn without_the_interface_it_says_why_and_serves_by_sockets() {
        check_sockets_serve(cartonym(&["-conf"]), "ctx-none", "there is no such interface");
    }

    #[test]
    fn without_leave_it_says_why_and_serves_by_sockets() {
        // Any will do, as nothing comes to it.
        let interfaces = std::fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
        let links = interfaces.filter(|entry| entry.path().is_dir() && entry.file_name() != "lo");
        let interface = links.filter_map(|entry| entry.file_name().into_string().ok()).min();
        let (Some(interface), Some(mut command)) = (interface, unprivileged()) else {
            // Shown with --nocapture.
            let _ =
                writeln!(std::io::stderr(), "passed over: no interface, or no setpriv(1) to take leave away");
            return;
        };
        command.arg(cartonym(&[]).get_program()).arg("-conf");
        check_sockets_serve(command, &interface, "the system does not let us");
    }

    #[test]
    fn a_number_of_queues_is_one_at_least() {
        let folder = tempfile::tempdir().unwrap();
        let corefile = folder.path().join("Corefile");
        for (line, is_right) in [
            ("xdp eth0", true),
            ("xdp eth0 queues 2", true),
            ("xdp", false),
            ("xdp eth0 queues", false),
            ("xdp eth0 queues 0", false),
            ("xdp eth0 lines 2", false),
            ("xdp eth0 {\n}", false),
        ] {
            std::fs::write(&corefile, format!(". {{\n {line}\n whoami\n}}\n")).unwrap();
            let output = cartonym(&["check"]).arg(&corefile).output().unwrap();
            let says = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.success(), is_right, "{line}: {says}");
        }
    }

    /// Runs `command` with a Corefile.
    fn check_sockets_serve(mut command: Command, interface: &str, reason: &str) {
        let (folder, dns) = (tempfile::tempdir().unwrap(), free_address());
        let corefile = folder.path().join("Corefile");
        let (ip, port) = (dns.ip(), dns.port());
        let text = format!(".:{port} {{\n bind {ip}\n xdp {interface} queues 1\n whoami\n}}\n");
        std::fs::write(&corefile, text).unwrap();
        command.arg(&corefile).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut daemon = Process(command.spawn().unwrap());
        let says = BufReader::new(daemon.0.stderr.take().unwrap());
        let line = says.lines().map_while(Result::ok).find(|line| line.contains("AF_XDP")).unwrap();
        assert!(line.contains(interface) && line.contains(reason), "{line}");
        common::wait_until("it answers", || {
            ask(dns, "example.", Type::A).is_some_and(|(rcode, _)| rcode == Rcode::NOERROR)
        });
    }

    /// Runs the program that is its next argument without any capability; none if it cannot.
    fn unprivileged() -> Option<Command> {
        let set = ["--bounding-set=-all", "--inh-caps=-all"];
        [("setpriv", &set[..]), ("env", &[])].into_iter().find_map(|(program, args)| {
            let command = || {
                let mut command = Command::new(program);
                command.args(args);
                command
            };
            let status = command().args(["cat", "/proc/self/status"]).output().ok()?;
            let has_none = String::from_utf8_lossy(&status.stdout).contains("CapEff:\t0000000000000000\n");
            has_none.then(command)
        })
    }
}
