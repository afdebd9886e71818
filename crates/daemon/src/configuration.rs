//! From a Corefile to what is served: chains by listener and zone, pages, registries. Nothing is opened here but
//! registries, and those before anything else.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use cartonym::corefile::{Corefile, Directive, Error, Key, Scheme, ServerBlock};
use cartonym::plugin::metrics::{Counter, Route};
use cartonym::plugin::{Metrics, Page, Plugin, Settings, Shared};
use cartonym::plugins::Plugins;
use cartonym::responder::tsig::Keyring;
use cartonym::responder::{Chain, Limits, Responder, ResponderBuilder};
use cartonym::server::{self, Patience, Proxies};
use cartonym::wire::NameBuf;

use crate::encryption::{Encryption, Identity};
use crate::failure::Failure;
use crate::faults::faults;
use crate::proxyproto::Balancers;
use crate::registries::{Open, OpenError, Registries};
use crate::shed::Shedding;
use crate::timeouts::{Https, Timeouts};
use crate::xdp::{ShortCut, Xdp};

/// What a Corefile asks for, ready to be served.
pub(crate) struct Configuration {
    pub(crate) listeners: Vec<Listener>,
    pub(crate) pages: Vec<Page>,
    pub(crate) registries: Arc<Registries>,
    /// The ways that queries take, by their numbers.
    pub(crate) routes: Vec<Route>,
    /// What the plugins have in common.
    pub(crate) shared: Shared,
}

/// One address, and what answers there.
pub(crate) struct Listener {
    pub(crate) scheme: Scheme,
    pub(crate) address: SocketAddr,
    pub(crate) responder: Arc<Responder>,
    /// Sockets for UDP; as many as processors if none.
    pub(crate) sockets: Option<usize>,
    /// What clients are shown, where the scheme is encrypted.
    pub(crate) identity: Option<Identity>,
    /// What connections may take.
    pub(crate) patience: Patience,
    /// Who speaks for others.
    pub(crate) proxies: Option<Proxies>,
    /// The interface that brings datagrams past the sockets.
    #[cfg_attr(not(feature = "xdp"), expect(dead_code, reason = "only with it"))]
    pub(crate) xdp: Option<Xdp>,
    /// The server blocks' keys, as they are printed at the start.
    pub(crate) zones: Vec<NameBuf>,
}

/// What the command line says besides the Corefile.
#[derive(Clone, Debug)]
pub(crate) struct Defaults {
    /// The port of a `dns://` server that names none.
    pub(crate) port: u16,
}

/// Why a Corefile is not served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigurationError {
    /// Something in it is wrong.
    #[error(transparent)]
    Corefile(#[from] Error),
    /// A registry is not to be had.
    #[error(transparent)]
    Registry(#[from] OpenError),
}

impl Configuration {
    /// Looks at everything once before anything is opened: a wrong word must not cost a lock on a store. Zone files are not
    /// read for that, so that a broken one is found only when registries are open.
    pub(crate) fn rehearse(
        corefile: &Corefile,
        plugins: &Plugins,
        defaults: &Defaults,
    ) -> Result<Configuration, Error> {
        Configuration::assemble(corefile, plugins, defaults, Shared::rehearsal())
    }

    /// Opens the registries that are not among `open` already, and makes the chains of what was rehearsed; `shared` says whether
    /// something else is served meanwhile.
    pub(crate) async fn open(
        rehearsed: Configuration,
        corefile: &Corefile,
        plugins: &Plugins,
        defaults: &Defaults,
        shared: Shared,
        open: &[Open],
    ) -> Result<Configuration, ConfigurationError> {
        // Counters have a count for each route, and so are made when the routes are known.
        shared.get::<Metrics>().set_routes(rehearsed.routes);
        shared.get::<Registries>().open(corefile, open).await?;
        Ok(Configuration::assemble(corefile, plugins, defaults, shared)?)
    }

    /// Makes the chains; registries that are not open are empty.
    pub(crate) fn assemble(
        corefile: &Corefile,
        plugins: &Plugins,
        defaults: &Defaults,
        shared: Shared,
    ) -> Result<Configuration, Error> {
        let mut assembly = Assembly {
            defaults,
            groups: BTreeMap::new(),
            pages: Vec::new(),
            plugins: Vec::new(),
            routes: Vec::new(),
            numbers: HashMap::new(),
        };
        for server in &corefile.servers {
            assembly.block(server, plugins, &shared)?;
        }
        shared.set_plugins(assembly.plugins);
        let keys = shared.get::<Keyring>().keys();
        let listeners = assembly
            .groups
            .into_iter()
            .map(|((scheme, address), group)| Listener {
                scheme: SCHEMES.get(scheme).copied().unwrap_or(Scheme::Dns),
                address,
                responder: group.builder.keys(keys.clone()).idle(group.patience.idle()).build(),
                sockets: group.sockets,
                identity: group.identity,
                patience: group.patience,
                proxies: group.proxies,
                xdp: group.xdp,
                zones: group.zones,
            })
            .collect();
        let (pages, routes) = (assembly.pages, assembly.routes);
        Ok(Configuration { listeners, pages, registries: shared.get(), routes, shared })
    }
}

impl Listener {
    /// As the server takes it.
    pub(crate) fn open(&self) -> Result<server::Listener, Failure> {
        let responder = Arc::clone(&self.responder);
        let listener = match &self.identity {
            None => server::Listener::dns(self.address, responder),
            Some(identity) if self.scheme == Scheme::Https => {
                server::Listener::https(self.address, responder, &identity.open()?)
            }
            Some(identity) => server::Listener::tls(self.address, responder, &identity.open()?),
        };
        let listener = self.proxies.iter().cloned().fold(listener, server::Listener::proxies);
        #[cfg(feature = "xdp")]
        let listener = self.xdp.iter().cloned().fold(listener, |listener, Xdp { interface, queues }| {
            listener.xdp(server::Xdp { interface, queues })
        });
        Ok(self.sockets.into_iter().fold(listener.patience(self.patience), server::Listener::workers))
    }
}

/// A configuration in the making.
struct Assembly<'a> {
    defaults: &'a Defaults,
    /// By the place of the scheme in [`SCHEMES`], and the address.
    groups: BTreeMap<(usize, SocketAddr), Group>,
    pages: Vec<Page>,
    plugins: Vec<Arc<dyn Plugin>>,
    routes: Vec<Route>,
    numbers: HashMap<Route, usize>,
}

struct Group {
    builder: ResponderBuilder,
    /// Those whose block has no view, so that there can be no other.
    taken: Vec<NameBuf>,
    sockets: Option<usize>,
    identity: Option<Identity>,
    patience: Patience,
    proxies: Option<Proxies>,
    xdp: Option<Xdp>,
    zones: Vec<NameBuf>,
}

/// What a server block is to each of its listeners.
struct Block {
    chain: Chain,
    /// What `bufsize` says.
    udp_size: Option<u16>,
    sockets: Option<usize>,
    encryption: Arc<Encryption>,
    patience: Patience,
    /// What `https` says to listeners of that scheme.
    https: Patience,
    shed: Option<Counter>,
    proxies: Option<Proxies>,
    xdp: Option<Xdp>,
}

impl Block {
    /// What clients are shown under a key's scheme, if it is encrypted.
    fn identity(&self, key: &Key) -> Result<Option<&Identity>, Error> {
        let scheme = key.scheme.name();
        match (key.scheme, self.encryption.identity()) {
            (Scheme::Dns, _) => Ok(None),
            (Scheme::Tls | Scheme::Https, Some(identity)) => Ok(Some(identity)),
            (Scheme::Tls | Scheme::Https, None) => {
                Err(Error::new(&key.position, format!("{scheme}:// needs a certificate"))
                    .help("`tls CERT KEY` in the server block names it"))
            }
            _ => Err(Error::new(&key.position, format!("{scheme}:// is not served by this program"))),
        }
    }
}

impl Assembly<'_> {
    fn block(&mut self, server: &ServerBlock, plugins: &Plugins, shared: &Shared) -> Result<(), Error> {
        let zones = server
            .keys
            .iter()
            .map(|key| key.zone.parse().map_err(|error| Error::new(&key.position, format!("{error}"))))
            .collect::<Result<Vec<NameBuf>, Error>>()?;
        let mut settings = Settings::default();
        let made = plugins.configure(&server.directives, &zones, &mut settings, shared);
        let (made, pages) = made.map_err(|error| explained(error, server, plugins))?;
        self.plugins.extend(made.iter().cloned());
        self.pages.extend(pages);
        let chain: Chain = made.into_iter().collect();
        let block = Block {
            chain,
            udp_size: settings.udp_size,
            sockets: settings.sockets,
            encryption: settings.in_block(),
            patience: settings.in_block::<Timeouts>().patience(),
            https: settings.in_block::<Https>().patience(),
            shed: settings.in_block::<Shedding>().counter(),
            proxies: settings.in_block::<Balancers>().proxies(),
            xdp: settings.in_block::<ShortCut>().xdp(),
        };
        for (key, zone) in server.keys.iter().zip(&zones) {
            for address in self.addresses(key, &settings) {
                self.route(key, zone, address, &block)?;
            }
        }
        Ok(())
    }

    fn route(&mut self, key: &Key, zone: &NameBuf, address: SocketAddr, block: &Block) -> Result<(), Error> {
        let wrong = |message: String| Err(Error::new(&key.position, message));
        let scheme = SCHEMES.iter().position(|scheme| *scheme == key.scheme).unwrap_or(0);
        let identity = block.identity(key)?;
        let mut others = self.groups.keys().filter(|(other, at)| *other != scheme && *at == address);
        if let Some((other, _)) = others.next().filter(|_| address.port() != 0) {
            let other = SCHEMES.get(*other).map_or("dns", |scheme| scheme.name());
            return wrong(format!("{address} serves {other}:// for an earlier server block already"));
        }
        let mut group = self.groups.remove(&(scheme, address)).unwrap_or_else(|| Group {
            builder: Responder::builder().faults(faults()),
            taken: Vec::new(),
            sockets: None,
            identity: identity.cloned(),
            patience: Patience::default(),
            proxies: None,
            xdp: None,
            zones: Vec::new(),
        });
        let chain = &block.chain;
        let view = chain.plugins().find_map(|plugin| plugin.view());
        if view.is_none() {
            if group.taken.contains(zone) {
                return wrong(format!("{key} is served by an earlier server block already"));
            }
            group.taken.push(*zone);
        }
        if group.identity.iter().zip(identity).any(|(shown, identity)| !shown.is(identity)) {
            return wrong(format!("{address} has a different `tls` in an earlier server block"));
        }
        let number = self.number(Route {
            server: server_label(key.scheme, address),
            zone: zone.to_string(),
            view: view.map(|view| view.name().to_owned()).unwrap_or_default(),
            plugins: chain.plugins().map(|plugin| plugin.name()).collect(),
        });
        if !group.zones.contains(zone) {
            group.zones.push(*zone);
        }
        group.builder = group.builder.route(number, zone, chain.clone());
        // Where blocks share an address, the last that says something has its way,
        group.patience = group.patience.then(block.patience);
        if key.scheme == Scheme::Https {
            group.patience = group.patience.then(block.https);
        }
        if let Some(udp_size) = block.udp_size {
            group.builder = group.builder.limits(Limits { udp_size, ..Limits::default() });
        }
        if let Some(counter) = &block.shed {
            group.builder = group.builder.shed(counter.clone());
        }
        group.proxies = block.proxies.clone().or(group.proxies);
        group.xdp = block.xdp.clone().or(group.xdp);
        // and the one that asks for most sockets.
        group.sockets = group.sockets.max(block.sockets);
        self.groups.insert((scheme, address), group);
        Ok(())
    }

    /// A route's number; listeners for IPv4 and IPv6 of one server are one route.
    fn number(&mut self, route: Route) -> usize {
        let next = self.routes.len();
        let number = *self.numbers.entry(route.clone()).or_insert(next);
        if number == next {
            self.routes.push(route);
        }
        number
    }

    fn addresses(&self, key: &Key, settings: &Settings) -> Vec<SocketAddr> {
        let default = match key.scheme {
            Scheme::Dns => self.defaults.port,
            scheme => scheme.default_port(),
        };
        let port = key.port.unwrap_or(default);
        let all = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        let hosts = if settings.bind.is_empty() { &all[..] } else { &settings.bind };
        hosts.iter().map(|host| SocketAddr::new(*host, port)).collect()
    }
}

/// Says of a directive that nobody knows how the file was read, if that may be the mistake.
fn explained(error: Error, server: &ServerBlock, plugins: &Plugins) -> Error {
    let is_known = |directive: &Directive| plugins.names().any(|name| name == directive.name());
    let mut its = server.directives.iter().filter(|directive| directive.name.position == error.position);
    if its.any(|directive| !is_known(directive)) { server.extent.explain(error) } else { error }
}

/// A server as it is named in metrics: `dns://:53`, `tls://127.0.0.1:853`.
pub(crate) fn server_label(scheme: Scheme, address: SocketAddr) -> String {
    let (scheme, port) = (scheme.name(), address.port());
    match address.ip() {
        ip if ip.is_unspecified() => format!("{scheme}://:{port}"),
        _ => format!("{scheme}://{address}"),
    }
}

const SCHEMES: [Scheme; 6] = Scheme::ALL;
