//! Whether a model could be had, without fetching it.

use crate::client::Client;
use crate::error::FetchError;
use crate::fetch::asking::patiently;
use crate::fetch::model::{file_address, list};
use crate::fetch::refusal::Asked;
use crate::fetch::{Options, Shared};
use crate::wanted::is_wanted;
use crate::{Place, cached};
use dyno_model::ModelRequest;
use reqwest::Method;
use tokio::sync::mpsc;

/// Asks whether a model could be had: what it says of a name, a revision, a gate and the token is
/// what [`crate::fetch()`] would say. Two requests, and nothing is written. The commit, where it
/// could.
///
/// The listing alone does not tell: the Hub lists a gated model to everybody.
pub async fn inquire(
    request: &ModelRequest,
    place: &Place,
    options: Options,
) -> Result<String, FetchError> {
    if place.offline {
        return cached(request, place).map(|snapshot| snapshot.commit);
    }
    let (events, _heard) = mpsc::unbounded_channel();
    let shared = Shared::new(Client::new(place)?, place, options, events);
    let listing = list(&shared, request).await?;
    let mut wanted = listing
        .files
        .iter()
        .filter(|file| is_wanted(&file.path, request.files));
    if let Some(file) = wanted.next() {
        let url = file_address(&shared, request, &listing.commit, &file.path);
        let asked = Asked::File(&file.path);
        patiently(&shared, request, asked, &Method::HEAD, &url).await?;
    }
    Ok(listing.commit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    /// What is said of a model whose Hub gives these answers, one after the other.
    async fn told(answers: &[String]) -> Result<String, FetchError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let serve = async {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 4096];
                let _ = stream.read(&mut request).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            std::future::pending::<()>().await;
        };
        let place = Place::of(|name| (name == "HF_ENDPOINT").then(|| endpoint.clone().into()));
        let request = ModelRequest {
            name: "org/name".parse().unwrap(),
            revision: "main".parse().unwrap(),
            files: dyno_model::ModelFiles::All,
        };
        tokio::select! {
            told = inquire(&request, &place, Options::default()) => told,
            () = serve => unreachable!("it serves for ever"),
        }
    }

    fn answer(status: &str, body: &str) -> String {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
    }

    #[tokio::test]
    async fn a_gate_is_found_behind_the_listing() {
        let listing =
            format!("{{\"sha\": \"{COMMIT}\", \"siblings\": [{{\"rfilename\": \"a\"}}]}}");
        let listing = answer("200 OK", &listing);
        let open = told(&[listing.clone(), answer("200 OK", "")]).await;
        assert_eq!(open.as_deref(), Ok(COMMIT));
        let gate = answer("401 Unauthorized\r\nX-Error-Code: GatedRepo", "");
        let gated = told(&[listing, gate]).await;
        assert!(
            matches!(gated, Err(FetchError::Gated { token: false, .. })),
            "{gated:?}"
        );
        let none = told(&[answer("401 Unauthorized", "")]).await;
        assert!(
            matches!(none, Err(FetchError::NoRepository { .. })),
            "{none:?}"
        );
    }
}
