//! How many checks run at a time.

use std::collections::HashMap;
use std::net::SocketAddr;

/// The checks that run, against the most that may.
#[derive(Debug)]
pub(crate) struct Admission {
    most: usize,
    most_per_target: usize,
    running: usize,
    /// Those of them whose target was silent, `silent <= running`.
    silent: usize,
    /// Those of them whose target is not known, `silent + unknown <= running`.
    unknown: usize,
    /// Only targets with a check.
    targets: HashMap<SocketAddr, usize>,
}

/// What is to be expected of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It answered the last check, or refused it.
    Prompt,
    /// It was not checked before.
    Unknown,
    /// It said nothing to the last check, until that gave up.
    Silent,
}

impl Manner {
    /// All of them, those first that are not kept waiting by others.
    pub(crate) const ALL: [Self; 3] = [Self::Prompt, Self::Unknown, Self::Silent];
}

/// A check that was let in, to be given back.
#[derive(Debug)]
#[must_use]
pub(crate) struct Admitted {
    target: SocketAddr,
    manner: Manner,
}

impl Admission {
    pub(crate) fn new(most: usize, most_per_target: usize) -> Self {
        let (most, most_per_target) = (most.max(4), most_per_target.max(1));
        Self { most, most_per_target, running: 0, silent: 0, unknown: 0, targets: HashMap::new() }
    }

    /// Whether there is room for a check of a target of this manner.
    ///
    /// A silent target holds its place for seconds and others for milliseconds. So silent ones have half of the places,
    /// a quarter is left to those that are new, and a quarter to those that answer: no number of black holes keeps
    /// others waiting.
    pub(crate) fn has_room(&self, manner: Manner) -> bool {
        let of_its_own = match manner {
            Manner::Prompt => true,
            Manner::Unknown => self.silent + self.unknown < self.most - self.most / 4,
            Manner::Silent => self.silent < self.most / 2,
        };
        of_its_own && self.running < self.most
    }

    /// Whether `target` has as many checks as it may.
    pub(crate) fn is_busy(&self, target: SocketAddr) -> bool {
        self.targets.get(&target).is_some_and(|running| *running >= self.most_per_target)
    }

    pub(crate) fn admit(&mut self, target: SocketAddr, manner: Manner) -> Admitted {
        *self.targets.entry(target).or_default() += 1;
        self.running += 1;
        match manner {
            Manner::Prompt => {}
            Manner::Unknown => self.unknown += 1,
            Manner::Silent => self.silent += 1,
        }
        Admitted { target, manner }
    }

    pub(crate) fn release(&mut self, admitted: Admitted) {
        let Admitted { target, manner } = admitted;
        self.running -= 1;
        match manner {
            Manner::Prompt => {}
            Manner::Unknown => self.unknown -= 1,
            Manner::Silent => self.silent -= 1,
        }
        match self.targets.get_mut(&target) {
            Some(running) if *running > 1 => *running -= 1,
            _ => _ = self.targets.remove(&target),
        }
    }

    pub(crate) fn running(&self) -> usize {
        self.running
    }
}

#[cfg(test)]
mod tests {
    use super::Manner::*;
    use super::*;

    fn target(port: u16) -> SocketAddr {
        ([192, 0, 2, 1], port).into()
    }

    #[test]
    fn one_target_has_its_own_limit() {
        let mut admission = Admission::new(10, 2);
        let first = admission.admit(target(1), Prompt);
        assert!(!admission.is_busy(target(1)));
        let _second = admission.admit(target(1), Prompt);
        assert!(admission.is_busy(target(1)) && !admission.is_busy(target(2)));
        admission.release(first);
        assert!(!admission.is_busy(target(1)));
    }

    #[test]
    fn silent_targets_leave_room_to_new_ones_and_these_to_prompt_ones() {
        let mut admission = Admission::new(8, 1);
        let mut admitted = Vec::new();
        let counts = [Silent, Unknown, Prompt].map(|manner| {
            let before = admitted.len();
            while admission.has_room(manner) {
                admitted.push(admission.admit(target(admitted.len() as u16), manner));
            }
            admitted.len() - before
        });
        assert_eq!(counts, [4, 2, 2]);
        admitted.into_iter().for_each(|admitted| admission.release(admitted));
        assert_eq!((admission.running, admission.silent, admission.unknown), (0, 0, 0));
        assert!(admission.targets.is_empty());
    }
}
