//! How long a remote may take, and what becomes of it when its caller has stopped waiting: the same whether the caller is on
//! another server, on the same server of a cluster, or in an app that stands alone.

use std::sync::Arc;
use std::time::Duration;

use pitaya::app::Builder;
use pitaya::prelude::*;
use pitaya::testing::Cluster;
use pitaya_tests::server::{Recorder, Text, config, text};
use tokio::time::Instant;

use crate::servers::{front, ms};

/// Work that takes as many milliseconds as its text says.
#[remote(server = "works")]
trait WorksApi {
    async fn work(&self, req: Text) -> Result<Text>;
}

#[derive(Component)]
struct Works {
    done: State<Arc<Recorder>>,
}

#[remote]
impl WorksApi for Works {
    async fn work(&self, req: Text) -> Result<Text> {
        self.done.write("begun");
        tokio::time::sleep(ms(req.text.parse().unwrap())).await;
        self.done.write("done");
        Ok(req)
    }
}

/// `pitaya.handler.timeout` in these tests.
const LIMIT: Duration = Duration::from_secs(10);

/// Where the caller is.
#[derive(Debug, Clone, Copy)]
enum Caller {
    Elsewhere,
    SameServer,
    Alone,
}

/// Runs a test for a caller in each place.
async fn everywhere(test: impl AsyncFn(Caller, WorksApiClient, Arc<Recorder>)) {
    for caller in [Caller::Elsewhere, Caller::SameServer, Caller::Alone] {
        let recorder = Arc::new(Recorder::default());
        let build = |app: Builder| {
            let mut config = config();
            config.handler_timeout = LIMIT;
            config.stop_timeout = ms(1);
            app.config(config).state(Arc::clone(&recorder))
        };
        if let Caller::Alone = caller {
            let app = build(App::builder().server_type("works").backend()).start().await.unwrap();
            test(caller, app.app().service().unwrap(), Arc::clone(&recorder)).await;
            app.stop().await;
            continue;
        }
        let cluster = Cluster::seeded(7);
        let works = cluster.backend("works", build).await.unwrap();
        let other = front(&cluster).await;
        let client: WorksApiClient = match caller {
            Caller::SameServer => works.app().service::<WorksApiClient>().unwrap().by_key("key"),
            _ => other.app().service().unwrap(),
        };
        test(caller, client, Arc::clone(&recorder)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_remote_finishes_after_its_callers_timeout() {
    everywhere(async |caller, client, recorder| {
        let error = client.with_timeout(ms(100)).work(&text("1000")).await.unwrap_err();
        assert_eq!(error.code(), "PIT-408", "{caller:?}");
        assert_eq!(recorder.lines(), ["begun"], "{caller:?}");
        tokio::time::sleep(LIMIT).await;
        assert_eq!(recorder.lines(), ["begun", "done"], "{caller:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_remote_finishes_after_its_caller_was_dropped() {
    everywhere(async |caller, client, recorder| {
        let request = text("1000");
        assert!(tokio::time::timeout(ms(100), client.work(&request)).await.is_err(), "{caller:?}");
        tokio::time::sleep(LIMIT).await;
        assert_eq!(recorder.lines(), ["begun", "done"], "{caller:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_handler_timeout_cuts_off_every_remote() {
    everywhere(async |caller, client, recorder| {
        // The caller waits for longer than the limit, up to what a `reqTimeout` can say.
        for wait in [LIMIT * 3, Duration::from_secs(2_562_047 * 3600)] {
            let began = Instant::now();
            let error = client.with_timeout(wait).work(&text("60000")).await.unwrap_err();
            assert_eq!((error.code(), error.msg()), ("PIT-408", "handler timeout"), "{caller:?}");
            assert_eq!(began.elapsed().as_secs(), LIMIT.as_secs(), "{caller:?}");
        }
        // The caller has disconnected.
        assert!(client.with_timeout(ms(100)).work(&text("60000")).await.is_err());
        tokio::time::sleep(ms(100_000)).await;
        assert_eq!(recorder.lines(), ["begun"; 3], "{caller:?}");
    })
    .await;
}
