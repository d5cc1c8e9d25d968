//! Takes requests from sockets and gives back answers.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, UnixListener};

use crate::Result;
use crate::faults::{Cut, Faults, When};
use crate::routes::{Asked, Reply, Routes};
use crate::runs::Runs;

/// How the server is started.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) directory: PathBuf,
    pub(crate) unix: Option<PathBuf>,
    pub(crate) listen: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) cuts: Vec<Cut>,
}

/// What all connections share.
struct Server {
    routes: Routes,
    faults: Arc<Faults>,
    token: Option<String>,
}

/// Serves until it is ended from outside.
pub(crate) fn serve(options: Options) -> Result<()> {
    let faults = Arc::new(Faults::new(options.cuts.clone()));
    let routes = Routes::new(Runs::at(&options.directory)?, faults.clone());
    let server = Arc::new(Server { routes, faults, token: options.token.clone() });
    tokio::runtime::Runtime::new()?.block_on(listen(server, options))
}

async fn listen(server: Arc<Server>, options: Options) -> Result<()> {
    let mut tasks = tokio::task::JoinSet::new();
    let killer = server.clone();
    tasks.spawn(async move { killer.routes.kill_the_overdue().await });
    if let Some(path) = options.unix {
        // One that a server before this left.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        println!("listening on unix:{}", path.display());
        let server = server.clone();
        tasks.spawn(async move {
            loop {
                let (socket, _) = listener.accept().await?;
                tokio::spawn(connection(server.clone(), socket));
            }
        });
    }
    if let Some(address) = options.listen {
        let listener = TcpListener::bind(address).await?;
        println!("listening on {}", listener.local_addr()?);
        tasks.spawn(async move {
            loop {
                let (socket, _) = listener.accept().await?;
                tokio::spawn(connection(server.clone(), socket));
            }
        });
    }
    if tasks.len() == 1 {
        return Err("where? --unix PATH, --listen ADDRESS or both".into());
    }
    tasks.join_next().await.ok_or("nothing is done any more")??
}

async fn connection(server: Arc<Server>, socket: impl AsyncRead + AsyncWrite + Unpin) {
    let service = service_fn(|request| answer(server.clone(), request));
    // A connection that breaks is the client's to notice.
    let _ = http1::Builder::new().serve_connection(Socket(socket), service).await;
}

/// An error breaks the connection.
async fn answer(server: Arc<Server>, request: Request<Incoming>) -> std::result::Result<Response<Full<Bytes>>, Broken> {
    let fault = if request.uri().path() == "/faults" { None } else { server.faults.next() };
    if fault == Some(When::Before) {
        return Err(Broken);
    }
    let is_let_in = server.lets_in(&request);
    // A body that was not read would break the connection before the answer.
    let asked = read(request).await.map_err(|_| Broken)?;
    let reply = if is_let_in {
        server.routes.reply(asked).await
    } else {
        Reply::message(StatusCode::UNAUTHORIZED, "the token is missing or wrong")
    };
    match fault {
        Some(When::After) => return Err(Broken),
        Some(When::Exit) => std::process::exit(1),
        Some(When::Before) | None => {}
    }
    Ok(write(reply))
}

impl Server {
    fn lets_in(&self, request: &Request<Incoming>) -> bool {
        let given = request.headers().get("authorization").and_then(|it| it.to_str().ok());
        self.token.as_ref().is_none_or(|token| given == Some(format!("Bearer {token}").as_str()))
    }
}

/// The connection is to be broken.
#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is broken on purpose")
    }
}

impl std::error::Error for Broken {}

async fn read(request: Request<Incoming>) -> Result<Asked> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Asked {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        body: body.to_vec(),
    })
}

fn write(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = reply.status;
    if let Some(ended) = reply.log_ended {
        let value = if ended { "true" } else { "false" };
        response.headers_mut().insert("log-ended", hyper::header::HeaderValue::from_static(value));
    }
    response
}

/// A socket of tokio's as hyper wants it.
struct Socket<S>(S);

impl<S: AsyncRead + Unpin> Read for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        let mut bytes = [0; 16 << 10];
        let most = cursor.remaining().min(bytes.len());
        let Some(place) = bytes.get_mut(..most) else { return Poll::Ready(Ok(())) };
        let mut buffer = ReadBuf::new(place);
        let read = Pin::new(&mut self.0).poll_read(context, &mut buffer);
        if let Poll::Ready(Ok(())) = read {
            cursor.put_slice(buffer.filled());
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> Write for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
