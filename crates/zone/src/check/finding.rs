//! What a check found, for people and for those who decide.

use std::fmt;

use cartonym_wire::Type;

/// All that a check found; of a great many, the first.
#[derive(Debug, Default)]
pub struct Report {
    /// By place where it is known; at most 1,000 of each severity.
    pub findings: Vec<Finding>,
    /// How many there are for which the zone is to be refused.
    pub refusals: usize,
    /// How many others there are.
    pub warnings: usize,
}

/// One thing that is wrong; shown as `FILE:LINE: error: OWNER TYPE: what`, without the place if it is not known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What.
    pub problem: Problem,
    /// Whose record.
    pub owner: String,
    /// Of which type.
    pub rtype: Type,
    /// The file and the line, where they are known.
    pub place: Option<(String, u32)>,
}

/// Whether a zone can be served all the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// No: there is no right answer, or not one.
    Refuse,
    /// Yes, but it hardly is what was meant.
    Warn,
}

/// What can be wrong with records that are each well formed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The apex has no SOA.
    #[error("the zone has no SOA at its apex")]
    NoSoa,
    /// The apex has several.
    #[error("a second SOA; a zone has one (RFC 1035 §5.2)")]
    TwoSoa,
    /// There is one elsewhere.
    #[error("a SOA below the apex; records of a child zone belong into its own file")]
    SoaBelowApex,
    /// The owner is not in the zone.
    #[error("the owner lies outside the zone; is a dot at the end missing or too many?")]
    OutOfZone,
    /// An alias that has data.
    #[error("the name has a CNAME, which must be alone (RFC 2181 §10.1)")]
    CnameAndOther,
    /// An alias of two.
    #[error("a second CNAME; a name has one (RFC 2181 §10.1)")]
    TwoCname,
    /// A subtree that is redirected to two.
    #[error("a second DNAME; a name has one (RFC 6672 §2.4)")]
    TwoDname,
    /// Data in a subtree that is redirected.
    #[error("the name lies below the DNAME of {0}, which replaces all there (RFC 6672 §2.4)")]
    BelowDname(String),
    /// A cut where a subtree is redirected.
    #[error("DNAME and NS at a name below the apex; the NS wins (RFC 6672 §2.4)")]
    DnameAndNs,
    /// The apex has no name servers.
    #[error("the zone has no NS at its apex")]
    NoNs,
    /// Delegation within a delegated zone.
    #[error("the name lies below the delegation of {0}, so this one is never seen")]
    NsBelowCut(String),
    /// The same twice.
    #[error("the record is there already; one is kept (RFC 2181 §5)")]
    Duplicate,
    /// Two TTLs in a set.
    #[error("TTL {ttl} beside {first} in one set; the smallest is used (RFC 2181 §5.2)")]
    TtlDiffers {
        /// Of this record.
        ttl: u32,
        /// Of the set's first.
        first: u32,
    },
    /// A delegation that cannot be followed.
    #[error("{0} needs an address record here as glue: it is within the delegation that it serves")]
    MissingGlue(String),
    /// A name server that cannot be found.
    #[error("the name server {0} is in this zone and has no address")]
    NoAddress(String),
    /// NS, MX or SRV that points to a CNAME.
    #[error("the target {0} is a CNAME; name what it points to (RFC 2181 §10.3)")]
    AliasTarget(String),
}

impl Report {
    /// Whether the zone is not to be served.
    pub fn is_refused(&self) -> bool {
        self.refusals > 0
    }

    pub(super) fn add(&mut self, finding: Finding) {
        let count = match finding.problem.severity() {
            Severity::Refuse => &mut self.refusals,
            Severity::Warn => &mut self.warnings,
        };
        *count = count.saturating_add(1);
        if *count <= MAX_KEPT {
            self.findings.push(finding);
        }
    }

    pub(super) fn sort(&mut self) {
        self.findings.sort_by(|a, b| (&a.place, &a.owner, a.rtype).cmp(&(&b.place, &b.owner, b.rtype)));
    }
}

impl Problem {
    /// Whether a zone with it can be served all the same.
    pub fn severity(&self) -> Severity {
        match self {
            Problem::NoSoa
            | Problem::TwoSoa
            | Problem::SoaBelowApex
            | Problem::OutOfZone
            | Problem::CnameAndOther
            | Problem::TwoCname
            | Problem::TwoDname
            | Problem::BelowDname(_) => Severity::Refuse,
            Problem::DnameAndNs
            | Problem::NoNs
            | Problem::NsBelowCut(_)
            | Problem::Duplicate
            | Problem::TtlDiffers { .. }
            | Problem::MissingGlue(_)
            | Problem::NoAddress(_)
            | Problem::AliasTarget(_) => Severity::Warn,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Refuse => "error",
            Severity::Warn => "warning",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((file, line)) = &self.place {
            write!(f, "{file}:{line}: ")?;
        }
        write!(f, "{}: {} {}: {}", self.problem.severity(), self.owner, self.rtype, self.problem)
    }
}

/// Findings that are kept of each severity.
const MAX_KEPT: usize = 1_000;
