//! The composition root: the only place that knows every part. `wxgate serve`, `wxgate demo` and
//! every test start the gateway here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwapOption;
use tokio::net::TcpListener;

use crate::admit::identify::Gatekeeper;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::delivery::Deliveries;
use crate::http::api::Api;
use crate::http::callback::Callbacks;
use crate::http::oauth::OAuth;
use crate::http::proxy::Proxy;
use crate::http::public::Public;
use crate::http::server::{Server, Tls};
use crate::http::service::Service;
use crate::http::{admin, callers};
use crate::inbox::Inbox;
use crate::keys::Keys;
use crate::net::Client;
use crate::random::Random;
use crate::registry::Registry;
use crate::rules::egress::{Egress, Resolver};
use crate::slots::SlotBook;
use crate::store::{self, Store};
use crate::tasks::Tasks;
use crate::tokens::Tokens;
use crate::transport::Transport;
use crate::upstream::Upstream;

/// Bound sockets; tests bind port 0.
#[derive(Debug)]
pub struct Listeners {
    /// For callers.
    pub callers: TcpListener,
    /// For operators.
    pub admin: TcpListener,
    /// For the internet, if it has a port of its own.
    pub public: Option<TcpListener>,
}

impl Listeners {
    /// Binds what the configuration names.
    pub async fn bind(server: &config::Server) -> anyhow::Result<Self> {
        let bind = async |key: &str, address: SocketAddr| {
            TcpListener::bind(address).await.with_context(|| {
                format!("无法监听 {address}（{key}）：端口被占用就换一个，或停掉占用它的进程")
            })
        };
        Ok(Self {
            callers: bind("server.listen", server.listen).await?,
            admin: bind("server.admin_listen", server.admin_listen).await?,
            public: match server.public_listen {
                Some(address) => Some(bind("server.public_listen", address).await?),
                None => None,
            },
        })
    }

    /// Where they listen.
    fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        [Some(&self.callers), Some(&self.admin), self.public.as_ref()]
            .into_iter()
            .flatten()
            .map(TcpListener::local_addr)
            .collect()
    }
}

/// How long kept connections may stay open when a stop begins.
const LAME_DUCK: Duration = Duration::from_secs(3);

/// How long the store may take to end: part of the grace.
const STORE_PATIENCE: Duration = Duration::from_secs(3);

/// A running gateway.
#[derive(Debug)]
pub struct Running {
    config: Config,
    registry: Registry,
    store: Store,
    tasks: Tasks,
    tls: Tls,
    callers: Server,
    admin: Server,
    public: Option<Server>,
}

/// Starts a gateway.
pub async fn start(config: Config, clock: Clock, listeners: Listeners) -> anyhow::Result<Running> {
    let tasks = Tasks::default();
    let tls: Tls = Arc::new(ArcSwapOption::from(load_tls(&config)?));
    let (store, keys) = open_store(&config).await?;
    let transport = Transport::new(&config.wechat, clock.clone())?;
    let slots = SlotBook::new(store.clone()).await?;
    let registry = Registry::new(&config, slots.clone());
    let tokens = Tokens::new(slots, store.clone(), transport.clone(), clock.clone(), tasks.clone());
    let upstream = Upstream::new(tokens.clone(), transport, clock.clone());
    let keeper = Gatekeeper::new(&config.server);
    let proxy = Proxy::new(
        registry.clone(),
        upstream.clone(),
        keeper.clone(),
        store.clone(),
        keys.clone(),
        clock.clone(),
        tasks.clone(),
    );
    let service = Service::new(
        registry.clone(),
        upstream,
        keeper,
        store.clone(),
        keys.clone(),
        clock.clone(),
        tasks.clone(),
    );
    tasks.spawn(tokens.run(registry.clone()));
    // What an earlier process had taken on and not finished.
    store.release_others(clock.now()).await?;
    // Targets of the file may be on this machine.
    let client = Client::guarded(Egress::new(listeners.addresses()?), Resolver::System, true)?;
    let deliveries =
        Deliveries::new(registry.clone(), store.clone(), keys.clone(), client, clock.clone(), tasks.clone());
    tasks.spawn(deliveries.clone().run());
    tasks.spawn(deliveries.clone().keep_house());
    let inbox =
        Inbox::new(registry.clone(), store.clone(), keys.clone(), deliveries, clock.clone(), tasks.clone());
    let oauth = OAuth::new(&config, registry.clone(), store.clone(), keys, clock.clone());
    let public = Public::new(registry.clone(), Callbacks::new(inbox), oauth);

    let serve = |listener, tls: &Tls| (listener, tls.clone(), tasks.draining.clone());
    let (listener, tls_now, draining) = serve(listeners.callers, &tls);
    let surface = callers::Surface::new(service, public.clone(), proxy);
    let callers = Server::start(listener, tls_now, draining, move |request, peer, id| {
        surface.clone().handle(request, peer, id)
    })?;
    let public = listeners
        .public
        .map(|listener| {
            let (listener, tls, draining) = serve(listener, &tls);
            Server::start(listener, tls, draining, move |request, _, id| public.clone().handle(request, id))
        })
        .transpose()?;
    let api = Api::new(registry.clone(), store.clone(), config.admin_token.as_ref());
    let surface = admin::Surface::new(registry.clone(), store.clone(), clock, tasks.clone(), api);
    let (listener, plain, draining) = serve(listeners.admin, &Tls::default());
    let admin = Server::start(listener, plain, draining, move |request, peer, id| {
        surface.clone().handle(request, peer, id)
    })?;
    Ok(Running { config, registry, store, tasks, tls, callers, admin, public })
}

async fn open_store(config: &Config) -> anyhow::Result<(Store, Keys)> {
    let path = &config.store.real_path();
    let (key, key_file) = (&config.store.master_key, config::Store::key_file(path));
    let backend = store::open_backend(path, store::Bounds::default())?;
    let keys = |may_make| match key {
        Some(key) => Keys::from_base64(key, Random::System),
        None => Keys::from_file(&key_file, may_make, Random::System),
    };
    Store::open(backend, &Random::System, keys).await
}

fn load_tls(config: &Config) -> anyhow::Result<Option<Arc<rustls::ServerConfig>>> {
    config.server.tls.as_ref().map(|(cert, key)| crate::tls::server_config(cert, key)).transpose()
}

impl Running {
    /// Where callers connect.
    pub fn address(&self) -> SocketAddr {
        self.callers.address
    }

    /// Where operators connect.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.address
    }

    /// Where the internet connects, if it has a port of its own.
    pub fn public_address(&self) -> Option<SocketAddr> {
        self.public.as_ref().map(|server| server.address)
    }

    /// Takes up a new configuration without dropping a request. Returns the sections whose changes
    /// wait for a restart.
    pub fn reload(&mut self, config: Config) -> anyhow::Result<Vec<&'static str>> {
        // The sockets stay as they are until a restart: judge by them, not by what the file says.
        config.auth.fits(self.config.server.listen).map_err(anyhow::Error::msg)?;
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
        if config.log != self.config.log {
            later.push("log");
        }
        if tls.is_none() == plain_now {
            self.tls.store(tls);
        }
        self.registry.reload(&config);
        self.config = Config {
            server: self.config.server.clone(),
            store: self.config.store.clone(),
            wechat: self.config.wechat.clone(),
            log: self.config.log,
            ..config
        };
        Ok(later)
    }

    /// Not ready at once; finishes what runs; ends within `server.shutdown_grace`.
    pub async fn stop(self) {
        let grace = self.config.server.shutdown_grace;
        let aborted = self.tasks.aborted.clone();
        self.tasks.draining.cancel();
        let for_store = STORE_PATIENCE.min(grace / 5);
        let drained = tokio::time::timeout(grace - for_store, self.drain((grace / 5).min(LAME_DUCK))).await;
        if drained.is_err() {
            tracing::warn!(?grace, "到了 shutdown_grace 仍有请求未完成，强行结束");
            aborted.cancel();
        }
        if tokio::time::timeout(for_store, self.store.close()).await.is_err() {
            tracing::error!("数据库没有及时关闭（磁盘没有响应？）");
        }
    }

    fn is_idle(&self) -> bool {
        self.callers.is_idle() && self.public.as_ref().is_none_or(Server::is_idle)
    }

    async fn drain(&self, lame_duck: Duration) {
        // Clients on kept connections learn by `Connection: close` on their next answer. Closing
        // at once would race with requests that are on their way.
        let patience = tokio::time::Instant::now() + lame_duck;
        while !self.is_idle() && tokio::time::Instant::now() < patience {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.callers.close().await;
        if let Some(public) = &self.public {
            public.close().await;
        }
        self.admin.close().await;
        self.tasks.wait().await;
    }
}
