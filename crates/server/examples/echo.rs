//! Sends each datagram back, as a response: what the kernel takes of a query, and nothing else. `echo PORT [THREADS]`; `benches/compare` starts it
//! beside the servers.
//!
//! It receives with recvmmsg(2) and sends with sendmmsg(2), as servers do; each thread has a socket of its own, by SO_REUSEPORT.

#![allow(unsafe_code, reason = "the two calls have no safe form in the standard library")]

use std::error::Error;
use std::io;
use std::mem::zeroed;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::ptr;
use std::thread;

use socket2::{Domain, Socket, Type};

const BATCH: usize = 64;
const ROOM: usize = 2048;
const QR: u8 = 0x80;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let port: u16 = args.next().ok_or("echo PORT [THREADS]")?.parse()?;
    let threads = args.next().map_or(Ok(1), |text| text.parse())?;
    let sockets = (0..threads).map(|_| bind(port)).collect::<io::Result<Vec<_>>>()?;
    thread::scope(|scope| {
        let threads: Vec<_> = sockets.iter().map(|socket| scope.spawn(|| echo(socket))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
    })
}

fn bind(port: u16) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_reuse_port(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    Ok(socket)
}

fn echo(socket: &Socket) -> Result<(), Failure> {
    let mut rooms = vec![[0u8; ROOM]; BATCH];
    // SAFETY: all zeros is a value of these C structs.
    let (mut peers, mut parts, mut headers): (
        [libc::sockaddr_in; BATCH],
        [libc::iovec; BATCH],
        [libc::mmsghdr; BATCH],
    ) = unsafe { zeroed() };
    loop {
        for (header, part) in headers.iter_mut().zip(&mut parts) {
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
            part.iov_len = ROOM;
        }
        point(&mut headers, &mut parts, &mut peers, &mut rooms);
        // SAFETY: each header points to an address, and to a part that points to a room, with their sizes; nobody else
        // touches them before the call ends.
        let received = unsafe {
            let flags = libc::MSG_WAITFORONE;
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as u32,
                flags as _,
                ptr::null_mut(),
            )
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        for ((header, part), room) in headers.iter().zip(&mut parts).zip(&mut rooms).take(received) {
            part.iov_len = header.msg_len as usize;
            room[2] |= QR;
        }
        let mut sent = 0;
        while sent < received {
            point(&mut headers, &mut parts, &mut peers, &mut rooms);
            // SAFETY: as above; the kernel has written the addresses, and the parts have the lengths that were received.
            let count = unsafe {
                let rest = &mut headers[sent..received];
                libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), rest.len() as u32, 0)
            };
            // What the kernel does not take is lost, as for any server.
            sent += usize::try_from(count).unwrap_or(1).max(1);
        }
    }
}

/// Has each header point to its address and part, and each part to its room, as they are borrowed now.
fn point(
    headers: &mut [libc::mmsghdr],
    parts: &mut [libc::iovec],
    peers: &mut [libc::sockaddr_in],
    rooms: &mut [[u8; ROOM]],
) {
    for (((header, part), peer), room) in headers.iter_mut().zip(parts).zip(peers).zip(rooms) {
        part.iov_base = room.as_mut_ptr().cast();
        header.msg_hdr.msg_iov = part;
        header.msg_hdr.msg_iovlen = 1;
        header.msg_hdr.msg_name = ptr::from_mut(peer).cast();
    }
}
