//! The composition root: the only place that knows every part. `wxgate serve`, `wxgate demo` and
//! every test start the gateway here.

mod listeners;
mod traces;
mod world;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
pub use listeners::{Listeners, Unbound};
use tokio::sync::mpsc::Receiver;
pub use world::World;

use crate::admit::Door;
use crate::alerts::Alerts;
use crate::bookkeeping;
use crate::config::Config;
use crate::delivery::Deliveries;
use crate::feed::Feed;
use crate::handover::Handover;
use crate::heartbeat;
use crate::http::admin::Admin;
use crate::http::api::{self, Api};
use crate::http::callback::Callbacks;
use crate::http::callers::CallersSurface;
use crate::http::node::NodeCalls;
use crate::http::oauth::OAuth;
use crate::http::proxy::Proxy;
use crate::http::public::Public;
use crate::http::server::{Carrier, Server, Tls};
use crate::http::service::Service;
use crate::inbox::Inbox;
use crate::jobs::Jobs;
use crate::keys::Keys;
use crate::lang::{Words, say};
use crate::limits::Limits;
use crate::metrics::{Metrics, NOBODY};
use crate::net::{Client, Spool};
use crate::outcome::Recorder;
use crate::parts::Parts;
use crate::people::People;
use crate::problems::Problems;
use crate::random::Random;
use crate::registry::Registry;
use crate::registry::usage::UsageBook;
use crate::reloads::{Asker, Reloads};
use crate::rings::Rings;
use crate::rules::egress::Egress;
use crate::sent::Sent;
use crate::series::Keeper;
use crate::shares::Shares;
use crate::shares::seats::Seats;
use crate::slots::SlotBook;
use crate::store::{self, Backend, Store};
use crate::stored;
use crate::tasks::Tasks;
use crate::tokens::Tokens;
use crate::transport::Transport;
use crate::upstream::Upstream;
use crate::wx_quotas::WxQuotas;

/// How long kept connections may stay open when a stop begins.
const LAME_DUCK: Duration = Duration::from_secs(3);

/// How long the store may take to end: part of the grace.
const STORE_PATIENCE: Duration = Duration::from_secs(3);

/// A running gateway.
#[derive(Debug)]
pub struct Running {
    config: Config,
    parts: Parts,
    tls: Tls,
    people: People,
    asked: Receiver<Asker>,
    callers: Server,
    admin: Server,
    public: Option<Server>,
    recorder: Recorder,
    keeper: Keeper,
}

/// Starts a gateway.
pub async fn start(config: Config, world: impl Into<World>, listeners: Listeners) -> anyhow::Result<Running> {
    let World { clock, random, resolver, limits, workers, backend } = world.into();
    let limits = Arc::new(Limits { body_budget: config.body_budget.unwrap_or(limits.body_budget), ..limits });
    let tls: Tls = Arc::new(ArcSwapOption::from(load_tls(&config)?));
    let backend = match backend {
        Some(backend) => backend,
        None => store::open_backend(&config.store, *limits, clock.clone()).await?,
    };
    let (store, keys) = open_store(&config, backend, &random).await?;
    let slots = SlotBook::new(store.clone(), clock.clone(), random.clone()).await?;
    let transport = Transport::new(&config.wechat, clock.clone(), limits.clone(), workers.count())?;
    let usages = UsageBook::new(limits.counted_paths);
    let metrics = Metrics::default();
    let registry = Registry::new(&config, slots.clone(), transport.clone(), usages, metrics.clone())?;
    let (tasks, rings) = (Tasks::default(), Rings::default());
    let differences = transport.differences().clone();
    let (shares, traces) = (Shares::new(&limits), traces::start(&config, &limits)?);
    let parts = Parts {
        registry,
        store,
        keys,
        clock,
        random,
        tasks,
        shares,
        rings,
        sent: Sent::default(),
        limits,
        differences,
        metrics,
        traces,
        workers,
    };

    let upstream = Upstream::new(tokens(&config, &parts, slots)?, transport, parts.metrics.meter(NOBODY));
    // Targets of the file may be on this machine.
    let trusted = config.egress.authorities.client_config()?;
    let egress = Egress::new(listeners.addresses()?);
    let guarded = |loopback| {
        Client::guarded(egress.clone(), resolver.clone(), loopback, trusted.clone(), &parts.limits)
    };
    let clients = (guarded(true), guarded(config.egress.allow_loopback));
    let deliveries = Deliveries::new(parts.clone(), upstream.clone(), clients);
    let feed = Feed::new(parts.clone(), deliveries.clone());
    set_going(&config, &parts, &deliveries, &feed).await?;
    let inbox = Inbox::new(parts.clone(), deliveries, feed);
    let people = People::new(parts.clone(), &config.store.run_dir());
    people.begin(config.admin_password.as_ref()).await?;
    let told_by = guarded(config.egress.allow_loopback);
    let alerts = alerts(&config, &parts, &upstream, told_by);
    serve(config, parts, tls, Behind { upstream, inbox, people, alerts }, listeners)
}

/// What goes on by itself. What was made at run time is there afterwards, and what was counted before.
async fn set_going(
    config: &Config,
    parts: &Parts,
    deliveries: &Deliveries,
    feed: &Feed,
) -> anyhow::Result<()> {
    parts.store.resume(parts.clock.now()).await?;
    let address = config.advertise.as_ref().map(|url| url.as_str().trim_end_matches('/')).unwrap_or_default();
    heartbeat::beat(parts, address).await?;
    parts.tasks.spawn(heartbeat::run(parts.clone(), address.to_owned()));
    stored::load(parts).await?;
    parts.tasks.spawn(stored::run(parts.clone()));
    bookkeeping::restore(parts).await?;
    parts.tasks.spawn(bookkeeping::run(parts.clone()));
    let (rings, draining) = (parts.rings.clone(), parts.tasks.draining.clone());
    parts.tasks.spawn(rings.run(parts.store.clone(), parts.clock.clone(), draining));
    parts.tasks.spawn(deliveries.clone().run());
    parts.tasks.spawn(deliveries.clone().keep_house());
    parts.tasks.spawn(feed.clone().share());
    Ok(())
}

/// What the surfaces stand on.
struct Behind {
    upstream: Upstream,
    inbox: Inbox,
    people: People,
    alerts: Alerts,
}

/// Who is told of problems, by `told_by`.
fn alerts(config: &Config, parts: &Parts, upstream: &Upstream, told_by: Client) -> Alerts {
    let certificate = config.server.tls.as_ref().map(|(certificate, _)| certificate.clone());
    let problems = Problems::new(parts.clone(), upstream.tokens().handover().reach().clone(), certificate);
    let alerts = Alerts::new(parts.clone(), problems, told_by, config.server.admin_url.clone());
    parts.tasks.spawn(alerts.clone().run());
    alerts
}

/// The token authority at work, and the way by other nodes.
fn tokens(config: &Config, parts: &Parts, slots: SlotBook) -> anyhow::Result<Tokens> {
    let trusted = config.egress.authorities.client_config()?;
    let to_nodes = Client::new(None, trusted, &parts.limits, parts.workers.count());
    let handover = Handover::new(parts.clone(), to_nodes);
    parts.tasks.spawn(handover.clone().run());
    let tokens = Tokens::new(parts.clone(), slots, handover);
    parts.tasks.spawn(tokens.clone().run());
    parts.tasks.spawn(tokens.clone().follow());
    parts.tasks.spawn(tokens.clone().try_again());
    Ok(tokens)
}

/// Puts the surfaces on their listeners.
fn serve(
    config: Config,
    parts: Parts,
    tls: Tls,
    behind: Behind,
    listeners: Listeners,
) -> anyhow::Result<Running> {
    let Behind { upstream, inbox, people, alerts } = behind;
    let door = Door::new(&parts, &config.server);
    let (deliveries, feed) = (inbox.deliveries().clone(), inbox.feed().clone());
    let callbacks = Callbacks::new(parts.clone(), inbox);
    let oauth = OAuth::new(parts.clone(), &config);
    let public = Public::new(door.clone(), &parts, callbacks, oauth);
    let jobs = Jobs::start(&parts, door.clone(), upstream.clone(), feed.clone());
    let service = Service::new(parts.clone(), door.clone(), upstream.clone(), (jobs.clone(), feed.clone()));
    let nodes = NodeCalls::new(parts.clone(), upstream.clone());
    let reach = upstream.tokens().handover().reach().clone();
    let wx_quotas = WxQuotas::new(parts.clone(), upstream.clone());
    parts.tasks.spawn(wx_quotas.clone().run());
    let proxy = Proxy::new(parts.clone(), door.clone(), upstream.clone(), Spool::new(config.store.run_dir()));
    let (reloads, asked) = Reloads::new();
    let tools =
        api::Tools { people: people.clone(), reloads, deliveries, feed, upstream, alerts, wx_quotas, jobs };
    let ports = (listeners.admin.local_addr()?.port(), listeners.callers.local_addr()?);
    let api = Api::new(parts.clone(), tools, &config, ports);
    let seats = Seats::new(parts.limits.connections);
    let admin = Admin::new(parts.clone(), reach, api, seats.clone(), door.clone(), &config.server);
    let recorder = recorder(&config, &parts);
    let carrier = Carrier {
        limits: parts.limits.clone(),
        clock: parts.clock.clone(),
        random: parts.random.clone(),
        recorder: recorder.clone(),
        seats,
        trusted_proxies: config.server.trusted_proxies.clone().into(),
        workers: parts.workers.clone(),
        draining: parts.tasks.draining.clone(),
    };
    let surface = CallersSurface::new(service, public.clone(), proxy, nodes);
    let callers = Server::start(listeners.callers, tls.clone(), carrier.clone(), surface)?;
    let public = listeners
        .public
        .map(|listener| Server::start(listener, tls.clone(), carrier.clone(), public))
        .transpose()?;
    let seats = Seats::new(parts.limits.admin_connections);
    let carrier = Carrier { seats, trusted_proxies: Arc::default(), ..carrier };
    let admin = Server::start(listeners.admin, Tls::default(), carrier, admin)?;
    let keeper = Keeper::new(parts.clone());
    parts.tasks.spawn(keeper.clone().run());
    Ok(Running { config, parts, tls, people, asked, callers, admin, public, recorder, keeper })
}

/// Who records each request.
fn recorder(config: &Config, parts: &Parts) -> Recorder {
    let recorder = Recorder::new(
        config.log.access,
        parts.clock.clone(),
        parts.limits.log_sources,
        (parts.rings.clone(), parts.metrics.clone()),
        parts.traces.clone(),
    );
    let (running, draining) = (recorder.clone(), parts.tasks.draining.clone());
    parts.tasks.spawn(async move { draining.run_until_cancelled(running.run()).await });
    recorder
}

async fn open_store(
    config: &Config,
    backend: Arc<dyn Backend>,
    random: &Random,
) -> anyhow::Result<(Store, Keys)> {
    let keys = |may_make| config.store.keys(may_make, random.clone());
    Store::open(backend, random, keys).await
}

fn load_tls(config: &Config) -> Result<Option<Arc<rustls::ServerConfig>>, Words> {
    config.server.tls.as_ref().map(|(cert, key)| crate::tls::server_config(cert, key)).transpose()
}

impl Running {
    /// A link to the console that is logged in, for one use.
    pub fn console_link(&self) -> String {
        format!("http://{}/login#once={}", self.admin_address(), self.people.link())
    }

    /// Where callers connect.
    pub fn address(&self) -> SocketAddr {
        self.callers.address
    }

    /// Apps, callers and routes in use, from the files and made at run time.
    pub fn counts(&self) -> [usize; 3] {
        let entries = self.parts.registry.entries();
        [entries.apps.len(), entries.callers.len(), entries.routes.len()]
    }

    /// What is configured now, and what belongs to it.
    pub fn registry(&self) -> &Registry {
        &self.parts.registry
    }

    /// Where operators connect.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.address
    }

    /// Where anybody connects.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        [self.address(), self.admin_address()].into_iter().chain(self.public_address()).collect()
    }

    /// Where the internet connects, if it has a port of its own.
    pub fn public_address(&self) -> Option<SocketAddr> {
        self.public.as_ref().map(|server| server.address)
    }

    /// Whoever asks, from inside, for the configuration to be read again.
    pub async fn asked_to_reload(&mut self) -> Asker {
        match self.asked.recv().await {
            Some(asker) => asker,
            None => std::future::pending().await,
        }
    }

    /// Takes up a new configuration without dropping a request. Returns the sections whose changes
    /// wait for a restart.
    pub fn reload(&mut self, config: Config) -> anyhow::Result<Vec<&'static str>> {
        // The sockets stay as they are until a restart: judge by them, not by what the file says.
        config.auth.fits(self.config.server.listen)?;
        let tls = load_tls(&config)?;
        let plain_now = self.config.server.tls.is_none();
        let mut later = Vec::new();
        // The files are no socket: they are taken up now.
        self.config.server.verify_files.clone_from(&config.server.verify_files);
        if config.server != self.config.server {
            later.push("server");
        }
        if config.store != self.config.store {
            later.push("store");
        }
        if config.wechat != self.config.wechat {
            later.push("wechat");
        }
        if config.egress != self.config.egress {
            later.push("egress");
        }
        if config.log != self.config.log {
            later.push("log");
        }
        if config.traces != self.config.traces {
            later.push("traces");
        }
        if config.body_budget != self.config.body_budget {
            later.push("limits");
        }
        if config.advertise != self.config.advertise {
            later.push("cluster");
        }
        if tls.is_none() == plain_now {
            self.tls.store(tls);
        }
        self.parts.registry.reload(&config)?;
        self.config = Config {
            server: self.config.server.clone(),
            store: self.config.store.clone(),
            wechat: self.config.wechat.clone(),
            egress: self.config.egress.clone(),
            log: self.config.log,
            traces: self.config.traces.clone(),
            body_budget: self.config.body_budget,
            advertise: self.config.advertise.clone(),
            ..config
        };
        Ok(later)
    }

    /// Not ready at once; finishes what runs; ends within `server.shutdown_grace`.
    pub async fn stop(self) {
        let grace = self.config.server.shutdown_grace;
        let aborted = self.parts.tasks.aborted.clone();
        self.parts.tasks.draining.cancel();
        let for_store = STORE_PATIENCE.min(grace / 5);
        let drained = tokio::time::timeout(grace - for_store, self.drain((grace / 5).min(LAME_DUCK))).await;
        if drained.is_err() {
            tracing::warn!(
                ?grace,
                "{}",
                say(
                    "到了 shutdown_grace 仍有请求未完成，强行结束",
                    "shutdown_grace is over and requests are at work: they are cut"
                )
            );
            aborted.cancel();
        }
        self.recorder.finish();
        let traces = self.parts.traces.clone();
        let traced = self.parts.tasks.beside_requests(move || traces.finish(for_store));
        let closing = async {
            bookkeeping::end(&self.parts).await;
            let _ = self.parts.rings.flush(&self.parts.store).await;
            self.keeper.keep().await;
            heartbeat::leave(&self.parts).await;
            self.parts.store.close().await;
        };
        // A disk that hangs must not keep the process from ending.
        let (closed, _) = tokio::join!(tokio::time::timeout(for_store, closing), traced);
        if closed.is_err() {
            tracing::error!(
                "{}",
                say(
                    "数据库没有及时关闭（磁盘没有响应？）",
                    "the database didn't close in time (does the disk answer?)"
                )
            );
        }
    }

    /// Whether other nodes live on this database.
    async fn has_others(&self) -> bool {
        let Parts { store, clock, .. } = &self.parts;
        let nodes = store.nodes(clock.now()).await.unwrap_or_default();
        nodes.iter().any(|node| node.id != store.node())
    }

    fn is_idle(&self) -> bool {
        self.callers.is_idle() && self.public.as_ref().is_none_or(Server::is_idle)
    }

    async fn drain(&self, lame_duck: Duration) {
        // Clients on kept connections learn by `Connection: close` on their next answer. Closing
        // at once would race with requests that are on their way.
        let patience = tokio::time::Instant::now() + lame_duck;
        // With others a balancer stands before them, which has to notice: until then it sends new connections here.
        let has_others = self.has_others().await;
        while (has_others || !self.is_idle()) && tokio::time::Instant::now() < patience {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.callers.close().await;
        if let Some(public) = &self.public {
            public.close().await;
        }
        self.admin.close().await;
        self.parts.tasks.wait().await;
    }
}
