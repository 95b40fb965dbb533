//! What stands between wxgate and WeChat: it answers each request as a test says, for what it doesn't answer there is the
//! real sandbox behind it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::app::{Http, TestApp};

type Says = Box<dyn Fn(&str) -> Option<Response<String>> + Send>;

/// See the module.
#[derive(Clone)]
pub(crate) struct Edge {
    pub(crate) url: String,
    behind: String,
    says: Arc<Mutex<Says>>,
}

impl Edge {
    /// Before `app`'s sandbox, for its next start on.
    pub(crate) async fn before(app: &mut TestApp) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let behind = app.sandbox.url();
        let this = Self { url, behind, says: Arc::new(Mutex::new(Box::new(|_| None))) };
        let server = this.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                let service = service_fn(move |request| server.clone().answer(request));
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
            }
        });
        let text = app.text().replace(&this.behind, &this.url);
        app.restart_with(&text).await;
        this
    }

    /// What it answers to a request for this path and query; `None`: what WeChat does.
    pub(crate) fn says(&self, says: impl Fn(&str) -> Option<Response<String>> + Send + 'static) {
        *self.says.lock().unwrap() = Box::new(says);
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let target = head.uri.path_and_query().unwrap().as_str();
        let said = (self.says.lock().unwrap())(target);
        if let Some(said) = said {
            return Ok(said.map(|body| Full::new(body.into())));
        }
        let url = format!("{}{target}", self.behind);
        let answer = Http::new().send(head.method, &url, &[], body).await.unwrap();
        let mut response = Response::new(Full::new(answer.body));
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}
