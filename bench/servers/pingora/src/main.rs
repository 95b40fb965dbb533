//! Pingora as a yardstick: looks at the caller's key, puts the app's token in and passes on, on one thread.
//! `pingora-yardstick ADDRESS UPSTREAM APPID KEY TOKEN`

use std::collections::HashMap;
use std::sync::RwLock;

use async_trait::async_trait;
use pingora::prelude::*;
use pingora::server::configuration::ServerConf;

struct Proxy {
    upstream: String,
    bearer: String,
    tokens: RwLock<HashMap<String, String>>,
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    async fn request_filter(&self, session: &mut Session, _: &mut Self::CTX) -> Result<bool> {
        let key = session.req_header().headers.get("authorization");
        if key.is_some_and(|key| key.as_bytes() == self.bearer.as_bytes()) {
            return Ok(false);
        }
        session.respond_error(403).await?;
        Ok(true)
    }

    async fn upstream_peer(&self, _: &mut Session, _: &mut Self::CTX) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream.as_str(), false, String::new())))
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        request: &mut RequestHeader,
        _: &mut Self::CTX,
    ) -> Result<()> {
        let appid = request.headers.get("x-wx-appid").and_then(|name| name.to_str().ok()).unwrap_or_default();
        let target = {
            let tokens = self.tokens.read().expect("nobody panics with it");
            let token = tokens.get(appid).map(String::as_str).unwrap_or_default();
            let (path, query) = (request.uri.path(), request.uri.query().unwrap_or_default());
            format!("{path}?access_token={token}&{query}")
        };
        request.remove_header("authorization");
        request.remove_header("x-wx-appid");
        request.set_raw_path(target.as_bytes())
    }
}

fn main() {
    let a: Vec<String> = std::env::args().collect();
    let settings = ServerConf {
        threads: 1,
        work_stealing: false,
        upstream_keepalive_pool_size: 256,
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, settings);
    server.bootstrap();
    let proxy = Proxy {
        upstream: a[2].clone(),
        bearer: format!("Bearer {}", a[4]),
        tokens: RwLock::new(HashMap::from([(a[3].clone(), a[5].clone())])),
    };
    let mut service = http_proxy_service(&server.configuration, proxy);
    service.add_tcp(&a[1]);
    server.add_service(service);
    server.run_forever();
}
