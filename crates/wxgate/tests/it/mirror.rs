//! An upstream that keeps what it got to the byte, and answers as the request asks it to.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;

pub(crate) const TOKEN: &str = "75_the-real-access-token";

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// Path and query, to the byte.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) length: usize,
    pub(crate) hash: [u8; 32],
}

/// What it answers with.
#[derive(Clone, Debug)]
pub(crate) struct Says {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    /// In pieces of this size, without a length.
    pub(crate) chunked: Option<usize>,
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Mirror {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    says: Arc<Mutex<Says>>,
}

pub(crate) fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

impl Mirror {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let says = Says {
            status: 200,
            content_type: "application/json",
            body: Bytes::from_static(b"{}"),
            chunked: None,
        };
        let this = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            seen: Arc::default(),
            says: Arc::new(Mutex::new(says)),
        };
        let server = this.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                let service = service_fn(move |request| server.clone().answer(request));
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        this
    }

    pub(crate) fn says(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    async fn answer(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, hyper::Error> {
        let (head, mut body) = request.into_parts();
        if head.uri.path() == "/cgi-bin/stable_token" {
            let token = format!("{{\"access_token\":\"{TOKEN}\",\"expires_in\":7200}}");
            return Ok(Response::new(Full::new(Bytes::from(token)).boxed_unsync()));
        }
        let (mut hash, mut length) = (Sha256::new(), 0);
        while let Some(frame) = body.frame().await {
            let data = frame?.into_data().unwrap_or_default();
            length += data.len();
            hash.update(&data);
        }
        self.seen.lock().unwrap().push(Seen {
            method: head.method,
            target: head.uri.path_and_query().unwrap().to_string(),
            headers: head.headers,
            length,
            hash: hash.finalize().into(),
        });
        let says = self.says.lock().unwrap().clone();
        let body = match says.chunked {
            None => Full::new(says.body).boxed_unsync(),
            Some(size) => {
                let pieces: Vec<Bytes> = says.body.chunks(size).map(Bytes::copy_from_slice).collect();
                let frames = pieces.into_iter().map(|piece| Ok(Frame::data(piece)));
                StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()
            }
        };
        let mut response =
            Response::builder().status(says.status).header("x-wx-own", "1").header("set-cookie", "a=b");
        if !says.content_type.is_empty() {
            response = response.header("content-type", says.content_type);
        }
        Ok(response.body(body).unwrap())
    }
}
