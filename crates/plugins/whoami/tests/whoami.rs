//! Query in, response out.

use cartonym_plugin::Transport;
use cartonym_plugin_whoami::Whoami;
use cartonym_testing::{Ask, Tester, configure};

#[test]
fn a_client_learns_its_address_and_port() {
    let answer = Tester::of(Whoami).ask(Ask::new("www.example. TXT").from("192.0.2.7:4711"));
    assert_eq!(
        answer.to_string(),
        "NOERROR aa\nadditional www.example. 0 A 192.0.2.7\nadditional _udp.www.example. 0 SRV 0 0 4711 ."
    );
}

#[test]
fn over_a_stream_the_service_is_tcp() {
    let ask = Ask::new("www.example. A").from("[2001:db8::7]:4711").over(Transport::Tcp);
    assert_eq!(
        Tester::of(Whoami).ask(ask).additional(),
        ["www.example. 0 AAAA 2001:db8::7", "_tcp.www.example. 0 SRV 0 0 4711 ."]
    );
}

#[test]
fn an_ipv4_client_of_an_ipv6_socket_is_an_ipv4_client() {
    let ask = Ask::new(". A").from("[::ffff:192.0.2.7]:1");
    assert_eq!(Tester::of(Whoami).ask(ask).additional(), [". 0 A 192.0.2.7", "_udp. 0 SRV 0 0 1 ."]);
}

#[test]
fn the_longest_name_has_no_room_for_a_service() {
    let label = "a".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}. A", "a".repeat(61));
    assert_eq!(Tester::of(Whoami).ask(&*longest).additional().len(), 1);
}

#[test]
fn it_takes_nothing() {
    assert_eq!(configure::<Whoami>("whoami").unwrap().plugins().len(), 1);
    assert_eq!(
        configure::<Whoami>("whoami me").unwrap_err(),
        "Corefile:2:8: `whoami` takes no argument, but has 1"
    );
    assert!(configure::<Whoami>("whoami\nwhoami").unwrap_err().contains("may appear only once"));
}
