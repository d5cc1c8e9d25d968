//! A server that writes down what it sees.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Version};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;

pub(crate) type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;
type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;
type Handler = Arc<dyn Fn(&Seen) -> Answering + Send + Sync>;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// What HTTP/2 has in place of `Host`.
    pub(crate) authority: Option<String>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A server, gone when dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) accepted: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Plain HTTP/1.
    pub(crate) async fn plain(handler: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Server {
        Server::waiting(move |seen| {
            let answer = handler(seen);
            Box::pin(async move { answer })
        })
        .await
    }

    /// Plain HTTP/1 that may take its time.
    pub(crate) async fn waiting(handler: impl Fn(&Seen) -> Answering + Send + Sync + 'static) -> Server {
        Server::start(None, false, Arc::new(handler)).await
    }

    /// Plain HTTP/2 from the first byte.
    pub(crate) async fn plain_http2(handler: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Server {
        let handler = move |seen: &Seen| -> Answering {
            let answer = handler(seen);
            Box::pin(async move { answer })
        };
        Server::start(None, true, Arc::new(handler)).await
    }

    /// TLS; HTTP/2 where the handshake says so.
    pub(crate) async fn tls(
        config: rustls::ServerConfig,
        handler: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Server {
        let handler = move |seen: &Seen| -> Answering {
            let answer = handler(seen);
            Box::pin(async move { answer })
        };
        Server::start(Some(TlsAcceptor::from(Arc::new(config))), false, Arc::new(handler)).await
    }

    async fn start(tls: Option<TlsAcceptor>, is_http2: bool, handler: Handler) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (accepted, seen) = (Arc::new(AtomicUsize::new(0)), Arc::default());
        let (count, notes) = (accepted.clone(), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                let (tls, handler, notes) = (tls.clone(), handler.clone(), Arc::clone(&notes));
                tokio::spawn(async move {
                    let Some(tls) = tls else {
                        return serve(stream, is_http2, handler, notes).await;
                    };
                    let Ok(stream) = tls.accept(stream).await else {
                        return;
                    };
                    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    serve(stream, is_http2, handler, notes).await;
                });
            }
        });
        Server { port, accepted, seen, task }
    }

    /// At a socket of the file system.
    pub(crate) async fn unix(
        path: &std::path::Path,
        handler: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Server {
        let listener = UnixListener::bind(path).unwrap();
        let handler: Handler = Arc::new(move |seen: &Seen| -> Answering {
            let answer = handler(seen);
            Box::pin(async move { answer })
        });
        let (accepted, seen) = (Arc::new(AtomicUsize::new(0)), Arc::default());
        let (count, notes) = (accepted.clone(), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, false, handler.clone(), Arc::clone(&notes)));
            }
        });
        Server { port: 0, accepted, seen, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub(crate) fn connections(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The only request so far.
    pub(crate) fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    is_http2: bool,
    handler: Handler,
    notes: Arc<Mutex<Vec<Seen>>>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (handler, notes) = (handler.clone(), notes.clone());
        async move {
            let (parts, body) = request.into_parts();
            // A request that breaks off is not written down.
            let body = body.collect().await?.to_bytes();
            let seen = Seen {
                method: parts.method,
                target: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
                version: parts.version,
                headers: parts.headers,
                body,
                authority: parts.uri.authority().map(ToString::to_string),
            };
            let answer = handler(&seen);
            notes.lock().unwrap().push(seen);
            Ok::<_, hyper::Error>(answer.await)
        }
    });
    let io = TokioIo::new(stream);
    // A connection that breaks is what some tests are about.
    if is_http2 {
        let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await;
    } else {
        let _ = http1::Builder::new().serve_connection(io, service).await;
    }
}

/// A status and a text.
pub(crate) fn answer(status: u16, body: impl Into<Bytes>) -> Answer {
    Response::builder().status(status).body(UnsyncBoxBody::new(Full::new(body.into()))).unwrap()
}
