//! Which replies of a batch leave in one message: those that go the same way, of one length, and behind them one that is shorter. The
//! kernel takes such a run at little more than the price of one datagram, and makes datagrams of it at the end of its way (UDP_SEGMENT,
//! udp(7)).
//!
//! ```text
//! replies   A 60   B 60   A 75   A 60   A 48        client and length, in the order of their questions
//! runs      A 75 60   A 60 48   B 60                three messages
//! ```
//!
//! Who asks each question from a port of its own has no runs. Those that ask from a few do: dnsdist, CoreDNS's `forward`, dnsperf.

use std::cmp::Reverse;

/// Replies that a batch may have.
pub(super) const MOST: usize = 64;

/// The replies that wait, by flow: by where they go, and from where.
pub(super) struct Replies {
    replies: [Reply; MOST],
    queued: usize,
    flows: [Flow; MOST],
    begun: usize,
    /// By a hash of a flow: one more than the one that was begun last.
    latest: [u8; SLOTS],
}

/// A reply, in the room for replies.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Reply {
    /// The datagram that it answers: below [`MOST`].
    pub(super) datagram: u8,
    /// The reply behind it in its flow.
    next: u8,
    pub(super) len: u16,
    /// Where its octets begin.
    pub(super) at: u32,
}

#[derive(Clone, Copy, Default)]
struct Flow {
    first: u8,
    last: u8,
    count: u8,
    /// Whether they are not all of one length.
    is_mixed: bool,
}

impl Replies {
    pub(super) fn new() -> Replies {
        Replies {
            replies: [Reply::default(); MOST],
            queued: 0,
            flows: [Flow::default(); MOST],
            begun: 0,
            latest: [0; SLOTS],
        }
    }

    pub(super) fn clear(&mut self) {
        (self.queued, self.begun, self.latest) = (0, 0, [0; SLOTS]);
    }

    /// Adds a reply. `is_of_flow` says whether what answers another datagram goes the same way, and `hash` is then the same.
    ///
    /// # Panics
    ///
    /// When [`MOST`] wait.
    pub(super) fn add(&mut self, reply: Reply, hash: u64, is_of_flow: impl Fn(u8) -> bool) {
        let number = self.queued as u8;
        self.replies[self.queued] = reply;
        self.queued += 1;
        let slot = slot(hash);
        if let Some(latest) = usize::from(self.latest[slot]).checked_sub(1) {
            let flow = &mut self.flows[latest];
            let first = self.replies[usize::from(flow.first)];
            if is_of_flow(first.datagram) {
                self.replies[usize::from(flow.last)].next = number;
                (flow.last, flow.count) = (number, flow.count + 1);
                flow.is_mixed |= reply.len != first.len;
                return;
            }
        }
        self.flows[self.begun] = Flow { first: number, last: number, count: 1, is_mixed: false };
        self.begun += 1;
        self.latest[slot] = self.begun as u8;
    }

    /// Tells `message` of each run.
    pub(super) fn runs(&self, mut message: impl FnMut(&[Reply])) {
        let mut sorted = [Reply::default(); MOST];
        for flow in &self.flows[..self.begun] {
            let of_flow = &mut sorted[..usize::from(flow.count)];
            let mut at = flow.first;
            for reply in &mut *of_flow {
                *reply = self.replies[usize::from(at)];
                at = reply.next;
            }
            if flow.is_mixed {
                of_flow.sort_unstable_by_key(|reply| Reverse(reply.len));
            }
            let mut rest = &*of_flow;
            while !rest.is_empty() {
                let (run, behind) = rest.split_at(run(rest));
                message(run);
                rest = behind;
            }
        }
    }
}

impl Reply {
    /// The answer to `datagram`, of `len` octets from `at` on.
    pub(super) fn new(datagram: usize, at: usize, len: usize) -> Reply {
        Reply { datagram: datagram as u8, next: 0, len: len as u16, at: at as u32 }
    }
}

/// How many of these, the longest first, are the first run.
fn run(replies: &[Reply]) -> usize {
    let longest = replies[0].len;
    // What is too long for some path is best not bound to others.
    if longest > LONGEST {
        return 1;
    }
    let most = replies.len().min(LARGEST / usize::from(longest));
    let equal = replies[..most].iter().take_while(|reply| reply.len == longest).count();
    most.min(equal + 1)
}

fn slot(hash: u64) -> usize {
    (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SLOTS.ilog2())) as usize
}

const SLOTS: usize = 128;
/// Octets of the longest reply in a run: what every path of IPv6 takes (1,280 with its headers, RFC 8200).
const LONGEST: u16 = 1232;
/// Octets of a run: with its headers it is one datagram until it is segmented.
const LARGEST: usize = 65_535 - 48;

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds replies of these clients and lengths; gives the runs, by number of reply.
    fn runs_of(replies: &[(u64, usize)]) -> Vec<Vec<u8>> {
        let mut waiting = Replies::new();
        for (number, &(client, len)) in replies.iter().enumerate() {
            waiting.add(Reply::new(number, 0, len), client, |other| replies[usize::from(other)].0 == client);
        }
        numbers(&waiting)
    }

    fn numbers(waiting: &Replies) -> Vec<Vec<u8>> {
        let mut runs = Vec::new();
        waiting.runs(|run| runs.push(run.iter().map(|reply| reply.datagram).collect()));
        runs
    }

    #[test]
    fn replies_of_one_length_to_one_client_are_a_run_with_a_shorter_one_behind() {
        assert_eq!(runs_of(&[]), [[0; 0]; 0]);
        assert_eq!(runs_of(&[(1, 60), (2, 60), (1, 60)]), [vec![0, 2], vec![1]]);
        assert_eq!(
            runs_of(&[(1, 60), (2, 60), (1, 75), (1, 60), (1, 48)]),
            [vec![2, 0], vec![3, 4], vec![1]]
        );
    }

    #[test]
    fn clients_of_one_hash_do_not_share_a_run() {
        let mut waiting = Replies::new();
        for number in 0..4 {
            waiting.add(Reply::new(number, 0, 60), 7, |other| usize::from(other) % 2 == number % 2);
        }
        let runs = numbers(&waiting);
        assert_eq!(runs.concat().len(), 4);
        assert!(runs.iter().flatten().all(|number| runs.iter().any(|run| run.contains(number))));
        assert!(runs.iter().all(|run| run.iter().all(|number| number % 2 == run[0] % 2)), "{runs:?}");
    }

    #[test]
    fn a_run_is_no_longer_than_a_datagram_and_takes_nothing_that_a_path_may_not() {
        let lengths =
            |replies: &[(u64, usize)]| -> Vec<usize> { runs_of(replies).iter().map(Vec::len).collect() };
        assert_eq!(lengths(&[(1, 1232); 64]), [53, 11]);
        assert_eq!(lengths(&[(1, 1233); 3]), [1, 1, 1]);
        assert_eq!(lengths(&[(1, 1233), (1, 12)]), [1, 1]);
        assert_eq!(lengths(&[(1, 12); 64]), [64]);
    }

    #[test]
    fn nothing_stays_behind() {
        let mut waiting = Replies::new();
        waiting.add(Reply::new(0, 0, 60), 1, |_| true);
        waiting.clear();
        assert_eq!(numbers(&waiting), [[0; 0]; 0]);
        waiting.add(Reply::new(5, 0, 60), 1, |_| unreachable!("nobody waits"));
        assert_eq!(numbers(&waiting), [[5]]);
    }
}
