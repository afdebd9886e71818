//! A registry written down as simply as can be, and random requests to it and to the real one.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::Store;
use crate::{
    Attributes, CreateNamespaceError, CreateServiceError, DeleteNamespaceError, DeleteServiceError,
    DeregisterInstanceError, DnsConfig, DnsRecord, HealthCheck, InstanceId, NamespaceChange, NamespaceId,
    NamespaceKind, NewNamespace, NewService, OperationId, OperationStatus, Options, RecordType,
    RegisterInstanceError, Registry, Resource, ServiceChange, ServiceId, TagError, Tags, UpdateHealthError,
    UpdateNamespaceError, UpdateServiceError, Verdict, key,
};

/// Sends random requests to a registry over `stores`, which it opens anew in between, and to a naive one.
///
/// After each, both have said the same, and hold the same. Blocks; needs no runtime.
///
/// # Panics
///
/// When they differ, with the shortest requests found that make them.
pub fn a_registry_does_what_a_naive_one_does<S: Store>(cases: u32, store: impl Fn() -> S) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let run = |requests: Vec<Request>| runtime.block_on(run(&store(), requests));
    TestRunner::new(config).run(&vec(request(), 1..60), run).unwrap_or_else(|error| panic!("{error}"));
}

async fn run(store: &impl Store, requests: Vec<Request>) -> Result<(), TestCaseError> {
    let mut real =
        Real { registry: open(store).await, namespaces: BTreeMap::new(), services: BTreeMap::new() };
    let mut naive = Naive::default();
    for request in requests {
        if matches!(request, Request::Reopen) {
            drop(real.registry);
            real.registry = open(store).await;
        } else {
            let (said, expected) = (real.answer(&request).await, naive.answer(&request));
            prop_assert_eq!(said, expected, "{:?}", request);
        }
        prop_assert_eq!(real.holds(), naive.holds(), "after {:?}", request);
    }
    Ok(())
}

async fn open(store: &impl Store) -> Registry {
    Registry::open(store.open().await, Options::default()).await.unwrap()
}

/// What is asked for. Names are few, so that requests meet.
#[derive(Debug, Clone)]
enum Request {
    CreateNamespace { of: NamespaceName, ttl: Option<u32>, request: Option<u8> },
    UpdateNamespace { of: NamespaceName, ttl: u32 },
    DeleteNamespace { of: NamespaceName },
    CreateService { of: ServiceName, dns: bool, custom: bool },
    UpdateService { of: ServiceName, ttl: u32 },
    DeleteService { of: ServiceName },
    Register { of: ServiceName, id: u8, address: Option<u8>, request: Option<u8> },
    Deregister { of: ServiceName, id: u8 },
    Judge { of: ServiceName, id: u8, healthy: bool },
    Tag { of: ServiceName, key: u8, value: u8 },
    Untag { of: ServiceName, key: u8 },
    Reopen,
}

/// A kind and a name.
type NamespaceName = (u8, u8);
type ServiceName = (NamespaceName, u8);

const NAMESPACES: [&str; 3] = ["a.example", "b.example", "A.example"];
const SERVICES: [&str; 3] = ["web", "WEB", "api"];

fn request() -> impl Strategy<Value = Request> {
    let namespace = || (0..4u8, 0..3u8);
    let service = || (namespace(), 0..3u8);
    let (ttl, few) = (|| 0..3u32, || 0..3u8);
    prop_oneof![
        6 => (namespace(), option::of(ttl()), option::of(few()))
            .prop_map(|(of, ttl, request)| Request::CreateNamespace { of, ttl, request }),
        1 => (namespace(), ttl()).prop_map(|(of, ttl)| Request::UpdateNamespace { of, ttl }),
        2 => namespace().prop_map(|of| Request::DeleteNamespace { of }),
        8 => (service(), any::<bool>(), any::<bool>())
            .prop_map(|(of, dns, custom)| Request::CreateService { of, dns, custom }),
        1 => (service(), ttl()).prop_map(|(of, ttl)| Request::UpdateService { of, ttl }),
        2 => service().prop_map(|of| Request::DeleteService { of }),
        16 => (service(), few(), option::weighted(0.9, few()), option::of(few()))
            .prop_map(|(of, id, address, request)| Request::Register { of, id, address, request }),
        4 => (service(), few()).prop_map(|(of, id)| Request::Deregister { of, id }),
        4 => (service(), few(), any::<bool>()).prop_map(|(of, id, healthy)| Request::Judge { of, id, healthy }),
        2 => (service(), few(), few()).prop_map(|(of, key, value)| Request::Tag { of, key, value }),
        1 => (service(), few()).prop_map(|(of, key)| Request::Untag { of, key }),
        2 => Just(Request::Reopen),
    ]
}

/// What is answered, as far as both can know.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Done,
    /// It was accepted, and failed.
    Failed,
    /// It was done before, by the same request.
    Again,
    Invalid,
    Exists,
    NotFound,
    InUse,
    Unsuited,
}

/// What is held: a line for each thing.
type Lines = Vec<String>;

fn kind(of: NamespaceName) -> NamespaceKind {
    match of.0 {
        0 => NamespaceKind::Http,
        1 => NamespaceKind::DnsPublic,
        vpc => NamespaceKind::DnsPrivate { vpc: format!("vpc-{vpc}") },
    }
}

struct Real {
    registry: Registry,
    /// The id that each name had; none is ever another.
    namespaces: BTreeMap<NamespaceName, NamespaceId>,
    services: BTreeMap<ServiceName, ServiceId>,
}

impl Real {
    async fn answer(&mut self, request: &Request) -> Answer {
        match request.clone() {
            Request::CreateNamespace { of, ttl, request } => self.create_namespace(of, ttl, request).await,
            Request::UpdateNamespace { of, ttl } => {
                let change = NamespaceChange { soa_ttl: Some(ttl), ..NamespaceChange::default() };
                match self.registry.update_namespace(self.namespace(of), change).await {
                    Ok(operation) => self.finished(operation),
                    Err(UpdateNamespaceError::NotFound) => Answer::NotFound,
                    Err(UpdateNamespaceError::Invalid(_)) => Answer::Invalid,
                    Err(error) => panic!("{error}"),
                }
            }
            Request::DeleteNamespace { of } => match self.registry.delete_namespace(self.namespace(of)).await
            {
                Ok(operation) => self.finished(operation),
                Err(DeleteNamespaceError::NotFound) => Answer::NotFound,
                Err(DeleteNamespaceError::InUse) => Answer::InUse,
                Err(error) => panic!("{error}"),
            },
            Request::CreateService { of, dns, custom } => self.create_service(of, dns, custom).await,
            Request::UpdateService { of, ttl } => {
                let records = vec![DnsRecord { kind: RecordType::A, ttl }];
                let change = ServiceChange { description: None, records, health_check: None };
                match self.registry.update_service(self.service(of), change).await {
                    Ok(operation) => self.finished(operation),
                    Err(UpdateServiceError::NotFound) => Answer::NotFound,
                    Err(UpdateServiceError::Invalid(_)) => Answer::Invalid,
                    Err(error) => panic!("{error}"),
                }
            }
            Request::DeleteService { of } => match self.registry.delete_service(self.service(of)).await {
                Ok(()) => Answer::Done,
                Err(DeleteServiceError::NotFound) => Answer::NotFound,
                Err(DeleteServiceError::InUse) => Answer::InUse,
                Err(error) => panic!("{error}"),
            },
            Request::Register { of, id, address, request } => self.register(of, id, address, request).await,
            Request::Deregister { of, id } => {
                match self.registry.deregister_instance(self.service(of), &instance_id(id)).await {
                    Ok(operation) => self.finished(operation),
                    Err(DeregisterInstanceError::Write(error)) => panic!("{error}"),
                    Err(_) => Answer::NotFound,
                }
            }
            Request::Judge { of, id, healthy } => {
                let verdict = if healthy { Verdict::Healthy } else { Verdict::Unhealthy };
                match self.registry.update_custom_health(self.service(of), &instance_id(id), verdict).await {
                    Ok(()) => Answer::Done,
                    Err(UpdateHealthError::OtherCheck) => Answer::Unsuited,
                    Err(UpdateHealthError::Write(error)) => panic!("{error}"),
                    Err(_) => Answer::NotFound,
                }
            }
            Request::Tag { of, key, value } => {
                let tags = vec![(key.to_string(), value.to_string())];
                tagged(self.registry.tag(Resource::Service(self.service(of)), tags).await)
            }
            Request::Untag { of, key } => {
                tagged(self.registry.untag(Resource::Service(self.service(of)), &[key.to_string()]).await)
            }
            Request::Reopen => Answer::Done,
        }
    }

    async fn create_namespace(&mut self, of: NamespaceName, ttl: Option<u32>, request: Option<u8>) -> Answer {
        let new = NewNamespace {
            name: NAMESPACES[usize::from(of.1)].to_owned(),
            kind: kind(of),
            description: None,
            soa_ttl: ttl,
            creator_request_id: request.map(|n| n.to_string()),
            tags: Tags::default(),
        };
        let known = self.registry.model().operations().len();
        match self.registry.create_namespace(new).await {
            Ok(operation) => {
                let again = self.registry.model().operations().len() == known;
                let made = self.registry.operation(operation).unwrap().operation.targets.namespace;
                if let Some(id) = made {
                    assert_eq!(*self.namespaces.entry(of).or_insert(id), id, "another id for {of:?}");
                }
                if again { Answer::Again } else { self.finished(operation) }
            }
            Err(CreateNamespaceError::AlreadyExists { .. }) => Answer::Exists,
            Err(CreateNamespaceError::Invalid(_)) => Answer::Invalid,
            Err(error) => panic!("{error}"),
        }
    }

    async fn create_service(&mut self, of: ServiceName, dns: bool, custom: bool) -> Answer {
        let records = vec![DnsRecord { kind: RecordType::A, ttl: 9 }];
        let new = NewService {
            namespace: self.namespace(of.0),
            name: SERVICES[usize::from(of.1)].to_owned(),
            description: None,
            dns: dns.then_some(DnsConfig { policy_given: None, records }),
            health: if custom { HealthCheck::Custom { failure_threshold: None } } else { HealthCheck::None },
            creator_request_id: None,
            tags: Tags::default(),
        };
        match self.registry.create_service(new).await {
            Ok(made) => {
                assert_eq!(*self.services.entry(of).or_insert(made.id), made.id, "another id for {of:?}");
                Answer::Done
            }
            Err(CreateServiceError::AlreadyExists { .. }) => Answer::Exists,
            Err(CreateServiceError::NamespaceNotFound) => Answer::NotFound,
            Err(CreateServiceError::Invalid(_)) => Answer::Invalid,
            Err(error) => panic!("{error}"),
        }
    }

    async fn register(&self, of: ServiceName, id: u8, address: Option<u8>, request: Option<u8>) -> Answer {
        let pairs = address.map(|n| (key::IPV4, format!("192.0.2.{n}")));
        let request = request.map(|n| format!("i{n}"));
        let known = self.registry.model().operations().len();
        let attributes = Attributes::new(pairs).unwrap();
        let (service, id) = (self.service(of), instance_id(id));
        match self.registry.register_instance(service, id, attributes, request.as_deref()).await {
            Ok(_) if self.registry.model().operations().len() == known => Answer::Again,
            Ok(operation) => self.finished(operation),
            Err(RegisterInstanceError::ServiceNotFound) => Answer::NotFound,
            Err(RegisterInstanceError::Invalid(_)) => Answer::Invalid,
            Err(error) => panic!("{error}"),
        }
    }

    /// How an operation that returned has ended: none is on its way.
    fn finished(&self, operation: OperationId) -> Answer {
        match self.registry.operation(operation).expect("an operation that is known").status {
            OperationStatus::Success => Answer::Done,
            OperationStatus::Fail => Answer::Failed,
            unfinished => panic!("{operation} is {unfinished:?} after it returned"),
        }
    }

    /// The id of what is called so; where there never was one, one that nothing has.
    fn namespace(&self, of: NamespaceName) -> NamespaceId {
        // Two spellings of one name have one id in DNS.
        let same = |name: u8| if of.0 == 0 { name } else { name % 2 };
        let mut known = self.namespaces.iter();
        let found = known.find(|((kind, name), _)| *kind == of.0 && same(*name) == same(of.1));
        found.map_or_else(|| NamespaceId::derive(&["none"]), |(_, id)| *id)
    }

    fn service(&self, of: ServiceName) -> ServiceId {
        let namespace = self.namespace(of.0);
        let model = self.registry.model();
        let found = model.service_by_name(namespace, SERVICES[usize::from(of.1)]);
        found.map_or_else(|| ServiceId::derive(&["none"]), |entry| entry.service.id)
    }

    fn holds(&self) -> Lines {
        let model = self.registry.model();
        let mut lines = vec![format!("{} operations", model.operations().len())];
        for entry in model.namespaces() {
            let (namespace, services) = (&entry.namespace, model.services_in(entry.namespace.id));
            lines.push(format!("{:?} {} {:?}", namespace.kind, namespace.name, namespace.soa_ttl));
            for entry in services {
                let service = &entry.service;
                let ttl = service.dns.as_ref().and_then(|dns| dns.ttl(RecordType::A));
                let custom = service.health.is_custom();
                let within = format!("{:?} {} {}", namespace.kind, namespace.name, service.name);
                lines
                    .push(format!("{within} {ttl:?} {custom} {:?}", service.tags.iter().collect::<Vec<_>>()));
                for entry in entry.instances.iter() {
                    let (id, address) = (entry.instance.id(), entry.instance.ipv4());
                    let fit = entry.instance.is_fit(&service.health);
                    lines.push(format!("{within} {id} {address:?} {fit}"));
                }
            }
        }
        lines.sort();
        lines
    }
}

fn tagged(result: Result<(), TagError>) -> Answer {
    match result {
        Ok(()) => Answer::Done,
        Err(TagError::NotFound) => Answer::NotFound,
        Err(error) => panic!("{error}"),
    }
}

fn instance_id(n: u8) -> InstanceId {
    format!("i{n}").parse().unwrap()
}

/// The registry as one would say what it does.
#[derive(Debug, Default)]
struct Naive {
    namespaces: BTreeMap<(u8, String), NaiveNamespace>,
    operations: usize,
    /// The latest operation of each request: what it was and what it said.
    requests: BTreeMap<String, String>,
}

#[derive(Debug)]
struct NaiveNamespace {
    name: &'static str,
    ttl: Option<u32>,
    request: Option<String>,
    services: BTreeMap<String, NaiveService>,
}

#[derive(Debug)]
struct NaiveService {
    name: &'static str,
    ttl: Option<u32>,
    custom: bool,
    tags: BTreeMap<String, String>,
    instances: BTreeMap<u8, NaiveInstance>,
}

#[derive(Debug, PartialEq)]
struct NaiveInstance {
    address: Option<u8>,
    request: Option<String>,
    fit: bool,
}

impl Naive {
    fn answer(&mut self, request: &Request) -> Answer {
        match request.clone() {
            Request::CreateNamespace { of, ttl, request } => self.create_namespace(of, ttl, request),
            Request::UpdateNamespace { of, ttl } => {
                let Some(namespace) = self.namespaces.get_mut(&unique(of)) else { return Answer::NotFound };
                if of.0 == 0 {
                    return Answer::Invalid;
                }
                namespace.ttl = Some(ttl);
                self.operate()
            }
            Request::DeleteNamespace { of } => match self.namespaces.get(&unique(of)) {
                None => Answer::NotFound,
                Some(namespace) if !namespace.services.is_empty() => Answer::InUse,
                Some(_) => {
                    self.namespaces.remove(&unique(of));
                    self.operate()
                }
            },
            Request::CreateService { of, dns, custom } => {
                let Some(namespace) = self.namespaces.get_mut(&unique(of.0)) else { return Answer::NotFound };
                if dns && of.0.0 == 0 {
                    return Answer::Invalid;
                }
                let (name, ttl) = (SERVICES[usize::from(of.1)], dns.then_some(9));
                if namespace.services.contains_key(&unique_service(of)) {
                    return Answer::Exists;
                }
                let (tags, instances) = Default::default();
                namespace
                    .services
                    .insert(unique_service(of), NaiveService { name, ttl, custom, tags, instances });
                Answer::Done
            }
            Request::UpdateService { of, ttl } => {
                let Some(service) = self.service(of) else { return Answer::NotFound };
                if of.0.0 == 0 || service.ttl.is_none() {
                    return Answer::Invalid;
                }
                service.ttl = Some(ttl);
                self.operate()
            }
            Request::DeleteService { of } => match self.service(of) {
                None => Answer::NotFound,
                Some(service) if !service.instances.is_empty() => Answer::InUse,
                Some(_) => {
                    let namespace = self.namespaces.get_mut(&unique(of.0)).unwrap();
                    namespace.services.remove(&unique_service(of));
                    Answer::Done
                }
            },
            Request::Register { of, id, address, request } => self.register(of, id, address, request),
            Request::Deregister { of, id } => match self.service(of).and_then(|s| s.instances.remove(&id)) {
                None => Answer::NotFound,
                Some(_) => self.operate(),
            },
            Request::Judge { of, id, healthy } => {
                let Some(service) = self.service(of) else { return Answer::NotFound };
                if !service.custom {
                    return Answer::Unsuited;
                }
                let Some(instance) = service.instances.get_mut(&id) else { return Answer::NotFound };
                instance.fit = healthy;
                Answer::Done
            }
            Request::Tag { of, key, value } => {
                self.retag(of, |tags| _ = tags.insert(key.to_string(), value.to_string()))
            }
            Request::Untag { of, key } => self.retag(of, |tags| _ = tags.remove(&key.to_string())),
            Request::Reopen => Answer::Done,
        }
    }

    fn create_namespace(&mut self, of: NamespaceName, ttl: Option<u32>, request: Option<u8>) -> Answer {
        if of.0 == 0 && ttl.is_some() {
            return Answer::Invalid;
        }
        let (name, request) = (NAMESPACES[usize::from(of.1)], request.map(|n| n.to_string()));
        let content = format!("{of:?} {ttl:?}");
        if let Some(before) = self.namespaces.get(&unique(of)) {
            let known = request.as_ref().and_then(|request| self.requests.get(request));
            if request.is_some() && before.request == request && known == Some(&content) {
                return Answer::Again;
            }
            if of.0 < 2 {
                return Answer::Exists;
            }
            self.operations += 1;
            return Answer::Failed;
        }
        if let Some(request) = &request {
            self.requests.insert(request.clone(), content);
        }
        let services = BTreeMap::new();
        self.namespaces.insert(unique(of), NaiveNamespace { name, ttl, request, services });
        self.operate()
    }

    fn register(&mut self, of: ServiceName, id: u8, address: Option<u8>, request: Option<u8>) -> Answer {
        let request = request.map(|n| format!("i{n}"));
        let content = format!("{:?} {} {id} {address:?}", unique(of.0), unique_service(of));
        let known = request.as_ref().is_some_and(|request| self.requests.get(request) == Some(&content));
        let Some(service) = self.service(of) else { return Answer::NotFound };
        let stands = service.instances.get(&id);
        if known && stands.is_some_and(|stands| stands.request == request && stands.address == address) {
            return Answer::Again;
        }
        if service.ttl.is_some() && address.is_none() {
            return Answer::Invalid;
        }
        service.instances.insert(id, NaiveInstance { address, request: request.clone(), fit: true });
        if let Some(request) = request {
            self.requests.insert(request, content);
        }
        self.operate()
    }

    fn retag(&mut self, of: ServiceName, edit: impl FnOnce(&mut BTreeMap<String, String>)) -> Answer {
        let Some(service) = self.service(of) else { return Answer::NotFound };
        edit(&mut service.tags);
        Answer::Done
    }

    fn operate(&mut self) -> Answer {
        self.operations += 1;
        Answer::Done
    }

    fn service(&mut self, of: ServiceName) -> Option<&mut NaiveService> {
        self.namespaces.get_mut(&unique(of.0))?.services.get_mut(&unique_service(of))
    }

    fn holds(&self) -> Lines {
        let mut lines = vec![format!("{} operations", self.operations)];
        for ((kind_number, _), namespace) in &self.namespaces {
            let within = format!("{:?} {}", kind((*kind_number, 0)), namespace.name);
            lines.push(format!("{within} {:?}", namespace.ttl));
            for service in namespace.services.values() {
                let NaiveService { name, ttl, custom, tags, instances } = service;
                lines.push(format!("{within} {name} {ttl:?} {custom} {:?}", tags.iter().collect::<Vec<_>>()));
                for (id, instance) in instances {
                    let address = instance.address.map(|n| std::net::Ipv4Addr::new(192, 0, 2, n));
                    lines.push(format!("{within} {name} i{id} {address:?} {}", instance.fit));
                }
            }
        }
        lines.sort();
        lines
    }
}

/// What is unique of a namespace's name.
fn unique(of: NamespaceName) -> (u8, String) {
    let name = NAMESPACES[usize::from(of.1)];
    (of.0, if of.0 == 0 { name.to_owned() } else { name.to_lowercase() })
}

/// What is unique of a service's name in its namespace.
fn unique_service(of: ServiceName) -> String {
    let name = SERVICES[usize::from(of.1)];
    if of.0.0 == 0 { name.to_owned() } else { name.to_lowercase() }
}
