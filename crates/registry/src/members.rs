//! Which of the nodes over one backend does what only one has to.

use sha2::{Digest, Sha256};

use crate::{Instance, InstanceId, ServiceId};

/// The nodes that share a backend, as one of them sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Members {
    /// Nobody else can share it.
    Alone,
    /// These do.
    Several {
        /// This node.
        own: String,
        /// Those that live; without this node when it is not certain to be seen by the others.
        live: Vec<String>,
    },
}

impl Members {
    /// Whether an instance falls to this node; to one of those that live, the same on every node that sees the same.
    ///
    /// The node whose hash with the instance is the greatest has it (rendezvous hashing), so that what falls to a node that
    /// goes is shared by the others, and nothing else moves.
    pub fn is_mine(&self, service: ServiceId, instance: &InstanceId) -> bool {
        match self {
            Self::Alone => true,
            Self::Several { own, live } => {
                live.iter().max_by_key(|node| weight(node, service, instance)) == Some(own)
            }
        }
    }

    /// Whether it is for this node to say that an instance has fallen silent: if it is the one that hears it, or if that one is
    /// gone and the instance falls to this node.
    pub fn keeps(&self, service: ServiceId, instance: &Instance) -> bool {
        match (self, instance.keeper()) {
            (Self::Several { own, live }, Some(keeper)) if live.iter().any(|node| node == keeper) => {
                own == keeper
            }
            _ => self.is_mine(service, instance.id()),
        }
    }

    /// Whether an instance is recorded as one that this node hears, where that says something.
    pub fn is_keeper(&self, instance: &Instance) -> bool {
        match self {
            Self::Alone => true,
            Self::Several { own, .. } => instance.keeper() == Some(own),
        }
    }
}

fn weight(node: &str, service: ServiceId, instance: &InstanceId) -> [u8; 32] {
    let parts = [node.as_bytes(), &[0], service.as_str().as_bytes(), &[0], instance.as_str().as_bytes()];
    parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of a thousand instances fall to each of `live`, and which those are.
    fn shares(live: &[&str]) -> Vec<Vec<usize>> {
        let all: Vec<String> = live.iter().map(|node| (*node).to_owned()).collect();
        let service = ServiceId::derive(&["web"]);
        let of = |own: &String| {
            let members = Members::Several { own: own.clone(), live: all.clone() };
            let id = |n: &usize| -> InstanceId { format!("i-{n}").parse().unwrap() };
            (0..1000).filter(|n| members.is_mine(service, &id(n))).collect()
        };
        all.iter().map(of).collect()
    }

    #[test]
    fn each_instance_falls_to_one_and_each_node_has_its_share() {
        let shares = shares(&["a", "b", "c"]);
        assert_eq!(shares.iter().map(Vec::len).sum::<usize>(), 1000);
        assert!(shares.iter().all(|share| (250..420).contains(&share.len())));
    }

    #[test]
    fn only_what_fell_to_a_node_that_goes_moves() {
        let (three, two) = (shares(&["a", "b", "c"]), shares(&["a", "b"]));
        for (before, after) in three.iter().zip(&two) {
            assert!(before.iter().all(|n| after.contains(n)));
        }
    }

    #[test]
    fn a_node_that_is_not_seen_has_nothing() {
        let members = Members::Several { own: "a".into(), live: Vec::new() };
        assert!(!members.is_mine(ServiceId::derive(&["web"]), &"i".parse().unwrap()));
    }
}
