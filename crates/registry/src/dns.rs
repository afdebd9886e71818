//! What DNS answers for what the registry holds.
//!
//! A namespace is a zone, a service a name in it, and an instance of a service with SRV records a name below that.
//! Namespaces of one name, in different networks, share a zone. A service's own name goes before an instance's, should
//! the two be the same.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::num::NonZero;
use std::sync::Arc;

use cartonym_wire::{Name, NameBuf, Ttl, Type};
use cartonym_zone::{Built, EditError, Policy, RecordTable, RrSet, Snapshot, Zone, ZoneBuilder};

use crate::model::{Model, NamespaceEntry, ServiceEntry, Touched};
use crate::service::{DnsConfig, RecordType, RoutingPolicy};
use crate::{Instance, InstanceId, Revision};

/// What DNS says of itself in the SOA and NS records of every namespace.
#[derive(Debug, Clone)]
pub struct DnsOptions {
    /// The name server's name.
    pub name_server: NameBuf,
    /// The mailbox of who is responsible, as a name (RFC 1035 §3.3.13).
    pub contact: NameBuf,
    /// The TTL of a namespace's SOA where the API did not set one, and with it that of negative answers. Short, so that a
    /// name that is asked for too early is not lost for minutes.
    pub soa_ttl: Ttl,
    /// Records in a MULTIVALUE answer where the service does not say.
    pub max_answers: u16,
}

/// Keeps a table in step with the model.
#[derive(Debug)]
pub(crate) struct Dns {
    options: DnsOptions,
    table: Arc<RecordTable>,
}

/// What has changed in one zone, by service; its SOA changes in any case.
type ZoneChange<'a> = BTreeMap<&'a str, NameChange>;

/// What has changed at one service's name.
#[derive(Default)]
struct NameChange {
    instances: BTreeSet<InstanceId>,
    all_instances: bool,
}

impl Dns {
    pub(crate) fn new(options: DnsOptions, seed: u64) -> Self {
        Self { options, table: Arc::new(RecordTable::new(seed)) }
    }

    pub(crate) fn table(&self) -> &Arc<RecordTable> {
        &self.table
    }

    /// Makes DNS answer what `model` holds where `touched` says that something changed; costs what was touched.
    pub(crate) fn publish(&self, model: &Model, touched: &Touched) {
        if touched.all {
            return self.table.publish(self.everything(model));
        }
        let changes = changes(model, touched);
        if changes.is_empty() {
            return;
        }
        let before = self.table.snapshot();
        let snapshot = changes.iter().fold((*before).clone(), |snapshot, (origin, change)| {
            self.change_zone(model, snapshot, origin, change)
        });
        drop(before);
        self.table.publish(snapshot);
    }

    fn everything(&self, model: &Model) -> Snapshot {
        let origins: BTreeSet<String> =
            dns_namespaces(model).map(|entry| fold(&entry.namespace.name)).collect();
        let empty = Snapshot::new(self.table.hasher());
        origins
            .iter()
            .fold(empty, |snapshot, origin| self.change_zone(model, snapshot, origin, &ZoneChange::new()))
    }

    fn change_zone(
        &self,
        model: &Model,
        snapshot: Snapshot,
        origin: &str,
        change: &ZoneChange<'_>,
    ) -> Snapshot {
        let Some(origin_name) = absolute(origin) else { return snapshot };
        let namespaces: Vec<_> = namespaces_of(model, origin).collect();
        if namespaces.is_empty() {
            return snapshot.without(&origin_name);
        }
        let Some(there) = snapshot.zone(&origin_name) else {
            return snapshot.with(Arc::new(self.whole_zone(model, &namespaces, &origin_name)));
        };
        let mut edit = there.edit(self.table.hasher());
        let mut writer = Writer::new(&self.options, &origin_name, |owner, set| edit.put(owner, set));
        writer.apex(&namespaces, model.revision());
        for (service, names) in change {
            writer.service(model, &namespaces, service, names);
        }
        snapshot.with(Arc::new(edit.finish()))
    }

    /// The zone of all that its namespaces hold; the processors share the services among them.
    fn whole_zone(&self, model: &Model, namespaces: &[&NamespaceEntry], origin: &Name) -> Zone {
        let hasher = self.table.hasher();
        let all = NameChange { all_instances: true, ..NameChange::default() };
        let services: Vec<String> = services_of(model, namespaces).into_iter().collect();
        let parts = in_parts(&services, |services| {
            let mut part = ZoneBuilder::new(origin, hasher);
            let mut writer = Writer::joining(&self.options, origin, |owner, set| part.put(owner, set));
            for service in services {
                writer.service(model, namespaces, service, &all);
            }
            part
        });
        let mut zone = ZoneBuilder::new(origin, hasher);
        Writer::joining(&self.options, origin, |owner, set| zone.put(owner, set))
            .apex(namespaces, model.revision());
        parts.into_iter().for_each(|part| zone.join(part));
        let Built { zone, too_large, .. } = zone.finish();
        for owner in too_large {
            tracing::warn!(%owner, "DNS answers a part of the addresses only: they do not fit into a message");
        }
        zone
    }
}

/// What `work` makes of the items, a part of them on each processor where they are many.
fn in_parts<T: Sync, R: Send>(items: &[T], work: impl Fn(&[T]) -> R + Sync) -> Vec<R> {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    if items.len() < WORTH_SHARING || processors == 1 {
        return vec![work(items)];
    }
    std::thread::scope(|scope| {
        let parts = items.chunks(items.len().div_ceil(processors));
        let threads: Vec<_> = parts.map(|part| scope.spawn(|| work(part))).collect();
        let results = threads.into_iter().map(|thread| thread.join());
        results.map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// What was touched, by zone and name.
fn changes<'a>(model: &Model, touched: &'a Touched) -> BTreeMap<String, ZoneChange<'a>> {
    let mut changes: BTreeMap<String, ZoneChange<'_>> = BTreeMap::new();
    for (id, name) in &touched.namespaces {
        if model.namespace(*id).is_none_or(|entry| entry.namespace.has_dns()) {
            changes.entry(fold(name)).or_default();
        }
    }
    for service in touched.services.values() {
        // A namespace that is gone may have a twin, or a successor, in whose zone the service's names are still.
        let within = match model.namespace(service.namespace) {
            Some(entry) if !entry.namespace.has_dns() => continue,
            Some(entry) => Some(&entry.namespace.name),
            None => touched.namespaces.get(&service.namespace),
        };
        let Some(within) = within else { continue };
        let zone = changes.entry(fold(within)).or_default();
        let name = zone.entry(service.name.as_str()).or_default();
        name.all_instances |= service.whole;
        name.instances.extend(service.instances.iter().cloned());
    }
    changes
}

/// Writes names of one zone.
struct Writer<'a, P> {
    options: &'a DnsOptions,
    origin: &'a Name,
    /// Whether sets of one name and type are joined where they go to; what is put there last stays otherwise.
    joins: bool,
    /// Where each set goes; one without records says that there are none.
    put: P,
}

impl<P: FnMut(&Name, &RrSet) -> Result<(), EditError>> Writer<'_, P> {
    fn new<'a>(options: &'a DnsOptions, origin: &'a Name, put: P) -> Writer<'a, P> {
        Writer { options, origin, joins: false, put }
    }

    /// For a zone in the making.
    fn joining<'a>(options: &'a DnsOptions, origin: &'a Name, put: P) -> Writer<'a, P> {
        Writer { joins: true, ..Writer::new(options, origin, put) }
    }

    /// The zone's SOA and NS: the serial rises with every revision that changes the zone.
    fn apex(&mut self, namespaces: &[&NamespaceEntry], revision: Revision) {
        let given = namespaces.iter().filter_map(|entry| entry.namespace.soa_ttl).min();
        let ttl = given.map_or(self.options.soa_ttl, Ttl::from_secs);
        let mut soa = self.options.name_server.as_wire().to_vec();
        soa.extend_from_slice(self.options.contact.as_wire());
        for number in [revision.0 as u32, REFRESH, RETRY, EXPIRE, ttl.as_secs()] {
            soa.extend_from_slice(&number.to_be_bytes());
        }
        let sets = [(Type::SOA, ttl, soa), (Type::NS, NS_TTL, self.options.name_server.as_wire().to_vec())];
        for (rtype, ttl, rdata) in sets {
            let mut set = RrSet::new(rtype, ttl, Policy::All);
            set.push(&rdata);
            self.put(self.origin, &set);
        }
    }

    /// A service's name, and those of its instances that changed. A service that is gone is taken out.
    fn service(&mut self, model: &Model, namespaces: &[&NamespaceEntry], service: &str, change: &NameChange) {
        let Some(owner) = below(service, self.origin) else { return };
        let entries = entries_of(model, namespaces, service);
        let mut sets = KINDS.map(|kind| (kind, self.empty_set(kind, &entries)));
        let touched: HashSet<String> = change.instances.iter().map(|id| fold(id.as_str())).collect();
        let mut named: Vec<_> = touched.iter().map(|id| (id.as_str(), None)).collect();
        let (mut folded, mut rdata) = (String::new(), Vec::new());
        // With a thousand instances most of the cost is to fetch them from memory: a loop that does no more than to count
        // fetches several at a time.
        let is_fit = |entry: &ServiceEntry, there: &Instance| there.is_fit(&entry.service.health);
        // Who drains is no answer, not even where there is none: it was deregistered.
        let is_unfit = |entry: &ServiceEntry, there: &Instance| {
            !is_fit(entry, there) && there.draining_until().is_none()
        };
        let unfit = instances_of(&entries).filter(|(entry, there)| is_unfit(entry, there)).count();
        for (entry, there) in instances_of(&entries) {
            if is_fit(entry, there) {
                for (kind, set) in &mut sets {
                    push(set, &owner, *kind, entry, there, &mut rdata);
                }
            }
            let id = there.id().as_str();
            folded.clear();
            folded.push_str(id);
            folded.make_ascii_lowercase();
            if change.all_instances || touched.contains(&folded) {
                named.push((id, Some((entry, there))));
            }
        }
        for (kind, set) in &mut sets {
            // Nobody fit means that the check is wrong at least as often as that everything is down.
            if set.is_empty() && unfit > 0 {
                for (entry, there) in instances_of(&entries).filter(|(entry, there)| is_unfit(entry, there)) {
                    push(set, &owner, *kind, entry, there, &mut rdata);
                }
            }
            // Instances may share an address, and have ports of their own.
            set.dedup();
            self.put(&owner, set);
        }
        // DNS does not know case: instances that differ by nothing else share a name.
        named.sort_by(|(a, _), (b, _)| folded_bytes(a).cmp(folded_bytes(b)));
        let may_be_service = service == "." || namespaces.iter().any(|entry| entry.has_dotted_names());
        for same in named.chunk_by(|(a, _), (b, _)| a.eq_ignore_ascii_case(b)) {
            let Some((id, _)) = same.first() else { continue };
            let is_service =
                may_be_service && !entries_of(model, namespaces, &relative(id, service)).is_empty();
            if let Some(owner) = below_instance(id, &owner).filter(|_| !is_service) {
                let others = if self.joins { Vec::new() } else { namesakes(model, namespaces, id, service) };
                self.instance(&owner, same.iter().filter_map(|(_, there)| *there).chain(others));
            }
        }
        if entries.is_empty() {
            self.instance_left_behind(model, namespaces, service, &owner);
        }
    }

    /// The name of an instance, which SRV records point to.
    fn instance<'m>(
        &mut self,
        owner: &Name,
        instances: impl Iterator<Item = (&'m ServiceEntry, &'m Instance)> + Clone,
    ) {
        let addressed =
            instances.filter_map(|(entry, there)| Some((target_ttl(entry.service.dns.as_ref()?)?, there)));
        let ttl = addressed.clone().map(|(ttl, _)| ttl).min().unwrap_or_default();
        let mut v4 = RrSet::new(Type::A, ttl, Policy::All);
        let mut v6 = RrSet::new(Type::AAAA, ttl, Policy::All);
        for (number, (_, there)) in addressed.clone().enumerate() {
            // They are one, nearly always.
            let mut before = addressed.clone().take(number).map(|(_, other)| other);
            if let Some(address) =
                there.ipv4().filter(|_| before.clone().all(|other| other.ipv4() != there.ipv4()))
            {
                v4.push(&address.octets());
            }
            if let Some(address) = there.ipv6().filter(|_| before.all(|other| other.ipv6() != there.ipv6())) {
                v6.push(&address.octets());
            }
        }
        self.put(owner, &v4);
        self.put(owner, &v6);
    }

    /// A service that is gone may have had the name of another's instance, which is its own again.
    fn instance_left_behind(
        &mut self,
        model: &Model,
        namespaces: &[&NamespaceEntry],
        name: &str,
        owner: &Name,
    ) {
        let instances = instances_named(model, namespaces, name);
        if !instances.is_empty() {
            self.instance(owner, instances.into_iter());
        }
    }

    /// The set of one type at a service's name, without its records.
    fn empty_set(&self, kind: RecordType, entries: &[&ServiceEntry]) -> RrSet {
        let configs = entries.iter().filter_map(|entry| entry.service.dns.as_ref());
        let ttl = configs.clone().filter_map(|dns| dns.ttl(kind)).min();
        let mut policy = Policy::Sample(self.max_answers(entries));
        if configs.clone().any(|dns| dns.policy() == RoutingPolicy::Weighted) {
            policy = Policy::One;
        }
        RrSet::new(wire_type(kind), ttl.map_or(Ttl::ZERO, Ttl::from_secs), policy)
    }

    fn max_answers(&self, entries: &[&ServiceEntry]) -> u16 {
        entries.iter().find_map(|entry| entry.service.max_answers()).unwrap_or(self.options.max_answers)
    }

    fn put(&mut self, owner: &Name, set: &RrSet) {
        // Names were checked when they were registered; a set that fits no message is not to be had by DNS at all.
        match (self.put)(owner, set) {
            Ok(()) => {}
            Err(error) => {
                tracing::warn!(%owner, rtype = %set.rtype(), records = set.len(), %error, "not answered by DNS");
            }
        }
    }
}

/// Adds an instance's record of a type, if it has one and there is room. `rdata` is for writing in: a service may have thousands.
fn push(
    set: &mut RrSet,
    owner: &Name,
    kind: RecordType,
    entry: &ServiceEntry,
    instance: &Instance,
    rdata: &mut Vec<u8>,
) -> Option<()> {
    if !entry.service.has_record(kind) || set.len() >= MAX_RECORDS {
        return None;
    }
    let weight = u16::from(instance.weight());
    if let Some(target) = instance.alias() {
        let target = absolute(target).filter(|_| set.policy() == Policy::One)?;
        set.push_alias(&target, weight);
        return Some(());
    }
    rdata.clear();
    let mut addresses = [None, None];
    match kind {
        RecordType::A => rdata.extend_from_slice(&instance.ipv4()?.octets()),
        RecordType::Aaaa => rdata.extend_from_slice(&instance.ipv6()?.octets()),
        RecordType::Cname => rdata.extend_from_slice(absolute(instance.cname()?)?.as_wire()),
        RecordType::Srv => {
            write_srv(instance, owner, rdata)?;
            addresses = [instance.ipv4().map(IpAddr::V4), instance.ipv6().map(IpAddr::V6)];
        }
    }
    set.push_weighted(rdata, weight, addresses);
    Some(())
}

/// An SRV record's data: the instance's own name is its target.
fn write_srv(instance: &Instance, service: &Name, rdata: &mut Vec<u8>) -> Option<()> {
    for number in [SRV_PRIORITY, SRV_WEIGHT, instance.port()?] {
        rdata.extend_from_slice(&number.to_be_bytes());
    }
    for label in instance.id().as_str().as_bytes().split(|octet| *octet == b'.') {
        rdata.push(u8::try_from(label.len()).ok()?);
        rdata.extend_from_slice(label);
    }
    rdata.extend_from_slice(service.as_wire());
    Name::from_wire(rdata.get(6..)?).is_ok().then_some(())
}

/// The TTL of an instance's own addresses: that of the service's, or of the SRV record that leads there.
fn target_ttl(dns: &DnsConfig) -> Option<Ttl> {
    let srv = dns.ttl(RecordType::Srv)?;
    let address = dns.ttl(RecordType::A).or(dns.ttl(RecordType::Aaaa));
    Some(Ttl::from_secs(address.unwrap_or(srv)))
}

fn dns_namespaces(model: &Model) -> impl Iterator<Item = &NamespaceEntry> {
    model.namespaces().filter(|entry| entry.namespace.has_dns())
}

/// The namespaces that share the zone at `origin`.
fn namespaces_of<'m>(model: &'m Model, origin: &str) -> impl Iterator<Item = &'m NamespaceEntry> {
    dns_namespaces(model).filter(move |entry| entry.namespace.name.eq_ignore_ascii_case(origin))
}

/// The services of this name that DNS answers for.
fn entries_of<'m>(model: &'m Model, namespaces: &[&NamespaceEntry], service: &str) -> Vec<&'m ServiceEntry> {
    namespaces
        .iter()
        .filter_map(|entry| model.service_by_name(entry.namespace.id, service))
        .filter(|entry| entry.service.dns.is_some())
        .collect()
}

/// The names of all services.
fn services_of(model: &Model, namespaces: &[&NamespaceEntry]) -> BTreeSet<String> {
    let services = namespaces.iter().flat_map(|entry| model.services_in(entry.namespace.id));
    services.map(|entry| fold(&entry.service.name)).collect()
}

/// The instances that have this name below the origin. Ids and names of services may have dots, so those of several services may.
fn instances_named<'m>(
    model: &'m Model,
    namespaces: &[&NamespaceEntry],
    name: &str,
) -> Vec<(&'m ServiceEntry, &'m Instance)> {
    let splits = name.match_indices('.').map(|(at, _)| (&name[..at], &name[at + 1..]));
    splits.flat_map(|(id, service)| instances_with_id(model, namespaces, id, service)).collect()
}

/// The instances of other services that have the name of this service's instance `id`.
fn namesakes<'m>(
    model: &'m Model,
    namespaces: &[&NamespaceEntry],
    id: &str,
    service: &str,
) -> Vec<(&'m ServiceEntry, &'m Instance)> {
    let name = relative(id, service);
    let splits = name.match_indices('.').map(|(at, _)| (&name[..at], &name[at + 1..]));
    let others = splits.filter(|(other, _)| other.len() != id.len());
    others.flat_map(|(id, service)| instances_with_id(model, namespaces, id, service)).collect()
}

fn instances_with_id<'m>(
    model: &'m Model,
    namespaces: &[&NamespaceEntry],
    id: &str,
    service: &str,
) -> Vec<(&'m ServiceEntry, &'m Instance)> {
    let entries = entries_of(model, namespaces, service);
    instances_of(&entries).filter(|(_, there)| there.id().as_str().eq_ignore_ascii_case(id)).collect()
}

fn instances_of<'m>(
    entries: &[&'m ServiceEntry],
) -> impl Iterator<Item = (&'m ServiceEntry, &'m Instance)> + Clone {
    entries.iter().flat_map(|entry| entry.instances.iter().map(|there| (*entry, &there.instance)))
}

/// A service's name below its namespace's; `.` is the namespace's own. None where DNS cannot hold it.
fn below(service: &str, parent: &Name) -> Option<NameBuf> {
    if service == "." { Some(parent.to_buf()) } else { below_instance(service, parent) }
}

/// An instance's name as a service would have it.
fn relative(id: &str, service: &str) -> String {
    if service == "." { id.to_owned() } else { format!("{id}.{service}") }
}

/// `text` as a name, its last dot there or not. Its backslashes are no escapes.
fn absolute(text: &str) -> Option<NameBuf> {
    below_instance(text.strip_suffix('.').unwrap_or(text), Name::ROOT)
}

/// `text`, whose dots divide labels, below `parent`. None where DNS cannot hold it.
fn below_instance(text: &str, parent: &Name) -> Option<NameBuf> {
    text.rsplit('.').try_fold(parent.to_buf(), |name, label| NameBuf::child(label.as_bytes(), &name).ok())
}

fn wire_type(kind: RecordType) -> Type {
    match kind {
        RecordType::A => Type::A,
        RecordType::Aaaa => Type::AAAA,
        RecordType::Srv => Type::SRV,
        RecordType::Cname => Type::CNAME,
    }
}

fn folded_bytes(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().map(|octet| octet.to_ascii_lowercase())
}

fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}

impl Default for DnsOptions {
    fn default() -> Self {
        // `.internal` is nobody's in the public DNS; these are two short names under it.
        let name = |labels: [&[u8]; 3]| {
            labels
                .iter()
                .rev()
                .fold(NameBuf::ROOT, |name, label| NameBuf::child(label, &name).unwrap_or(name))
        };
        Self {
            name_server: name([b"ns", b"cartonym", b"internal"]),
            contact: name([b"hostmaster", b"cartonym", b"internal"]),
            soa_ttl: Ttl::from_secs(5),
            max_answers: 8,
        }
    }
}

const KINDS: [RecordType; 4] = [RecordType::A, RecordType::Aaaa, RecordType::Srv, RecordType::Cname];
/// Services from which on it takes longer to write them down than to start threads.
const WORTH_SHARING: usize = 1000;
/// As many as a set can count; an answer has at most a thousand of them.
const MAX_RECORDS: usize = u16::MAX as usize;
const SRV_PRIORITY: u16 = 1;
const SRV_WEIGHT: u16 = 1;
const NS_TTL: Ttl = Ttl::from_secs(3600);
/// Seconds between a secondary's looks at the serial, between its retries, and until it gives up.
const REFRESH: u32 = 60;
const RETRY: u32 = 10;
const EXPIRE: u32 = 1_209_600;
