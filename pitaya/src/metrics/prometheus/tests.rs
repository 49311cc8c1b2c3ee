use super::*;
use crate::metrics::Metrics;

static TIMES: Metric =
    Metric::summary("test", "took_ns", "Time taken", &[(0.5, 0.05), (0.99, 0.001)]).labels(&["route"]);
static HITS: Metric = Metric::counter("test", "hits", "Hits \\ and\n\"more\"").labels(&["user"]);
static GAMES: Metric = Metric::counter("test", "games_total", "Games");
static LEVEL: Metric = Metric::gauge("test", "level", "Level");
static SIZES: Metric = Metric::histogram("test", "sizes", "Sizes", &[1.0, 10.0]);

fn hub(prometheus: Prometheus, config: &str) -> (Arc<Prometheus>, Metrics) {
    let prometheus = Arc::new(prometheus);
    let config = Config::parse(config).unwrap();
    let metrics = Metrics::new(&config, "room", vec![prometheus.clone()]).unwrap();
    (prometheus, metrics)
}

fn body(prometheus: &Prometheus) -> String {
    prometheus.scrape("").unwrap().body
}

fn record_all(metrics: &Metrics) {
    metrics.record(&HITS, &[("user", "a\"b\\c\nd")], 2.0).unwrap();
    metrics.record(&HITS, &[("user", "")], 1.5).unwrap();
    metrics.record(&GAMES, &[], 4.0).unwrap();
    metrics.record(&LEVEL, &[], -0.5).unwrap();
    for size in [0.5, 1.0, 7.0, 11.0] {
        metrics.record(&SIZES, &[], size).unwrap();
    }
    for time in 1..=100 {
        metrics.record(&TIMES, &[("route", "a.b")], f64::from(time) * 1e6).unwrap();
    }
}

#[test]
fn text_is_sorted_and_escaped() {
    let (prometheus, metrics) =
        hub(Prometheus::new(), "[pitaya.metrics]\ngame = 'g'\nconstLabels = { zone = 'z0' }");
    record_all(&metrics);
    let scrape = prometheus.scrape("").unwrap();
    assert_eq!(scrape.content_type, "text/plain; version=0.0.4; charset=utf-8");
    let own = "game=\"g\",";
    let rest = "serverType=\"room\"";
    // Each quantile is the middle of its bucket.
    let expected = format!(
        r#"# HELP pitaya_test_games_total Games
# TYPE pitaya_test_games_total counter
pitaya_test_games_total{{{own}{rest},zone="z0"}} 4
# HELP pitaya_test_hits Hits \\ and\n"more"
# TYPE pitaya_test_hits counter
pitaya_test_hits{{{own}{rest},user="",zone="z0"}} 1.5
pitaya_test_hits{{{own}{rest},user="a\"b\\c\nd",zone="z0"}} 2
# HELP pitaya_test_level Level
# TYPE pitaya_test_level gauge
pitaya_test_level{{{own}{rest},zone="z0"}} -0.5
# HELP pitaya_test_sizes Sizes
# TYPE pitaya_test_sizes histogram
pitaya_test_sizes_bucket{{{own}{rest},zone="z0",le="1"}} 2
pitaya_test_sizes_bucket{{{own}{rest},zone="z0",le="10"}} 3
pitaya_test_sizes_bucket{{{own}{rest},zone="z0",le="+Inf"}} 4
pitaya_test_sizes_sum{{{own}{rest},zone="z0"}} 19.5
pitaya_test_sizes_count{{{own}{rest},zone="z0"}} 4
# HELP pitaya_test_took_ns Time taken
# TYPE pitaya_test_took_ns summary
pitaya_test_took_ns{{{own}route="a.b",{rest},zone="z0",quantile="0.5"}} 5.0069504e+07
pitaya_test_took_ns{{{own}route="a.b",{rest},zone="z0",quantile="0.99"}} 9.9090432e+07
pitaya_test_took_ns_sum{{{own}route="a.b",{rest},zone="z0"}} 5.05e+09
pitaya_test_took_ns_count{{{own}route="a.b",{rest},zone="z0"}} 100
"#
    );
    assert_eq!(scrape.body, expected);
}

#[test]
fn openmetrics_keeps_the_names_of_samples() {
    let (prometheus, metrics) = hub(Prometheus::new(), "");
    record_all(&metrics);
    let scrape = prometheus.scrape("application/openmetrics-text").unwrap();
    assert_eq!(scrape.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    for line in [
        "# TYPE pitaya_test_games counter\npitaya_test_games_total{serverType=\"room\"} 4\n",
        "# TYPE pitaya_test_hits unknown\npitaya_test_hits{",
        "# HELP pitaya_test_hits Hits \\\\ and\\n\\\"more\\\"\n",
        "pitaya_test_sizes_bucket{serverType=\"room\",le=\"1.0\"} 2\n",
        "pitaya_test_sizes_bucket{serverType=\"room\",le=\"+Inf\"} 4\n",
    ] {
        assert!(scrape.body.contains(line), "{line} is not in\n{}", scrape.body);
    }
    assert!(scrape.body.ends_with("\n# EOF\n"));
    let samples = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.split(['{', ' ']).next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(samples(&scrape.body), samples(&body(&prometheus)));
}

#[test]
fn summaries_are_exported_as_histograms() {
    let (prometheus, metrics) = hub(Prometheus::new().histograms(true), "");
    record_all(&metrics);
    let text = body(&prometheus);
    assert!(text.contains("# TYPE pitaya_test_took_ns histogram\n"));
    assert!(!text.contains("quantile"));
    for (bound, count) in [("500000", 0), ("1e+06", 1), ("5e+07", 50), ("1e+08", 100), ("+Inf", 100)] {
        let labels = format!("route=\"a.b\",serverType=\"room\",le=\"{bound}\"");
        let line = format!("pitaya_test_took_ns_bucket{{{labels}}} {count}\n");
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
}

#[test]
fn series_without_a_value_are_left_out() {
    let (prometheus, metrics) = hub(Prometheus::new(), "");
    let level = metrics.bind(&LEVEL, &[]).unwrap();
    metrics.bind(&TIMES, &[("route", "a")]).unwrap();
    metrics.bind(&SIZES, &[]).unwrap();
    assert_eq!(body(&prometheus), "");
    level.record(f64::from_bits(u64::MAX));
    assert!(body(&prometheus).ends_with(" NaN\n"));
    metrics.bind(&GAMES, &[]).unwrap();
    assert!(
        body(&prometheus).contains("pitaya_test_games_total{serverType=\"room\"} 0\n"),
        "a counter begins"
    );
}

#[test]
fn values_that_a_kind_cannot_take_are_ignored() {
    let (prometheus, metrics) = hub(Prometheus::new(), "");
    for metric in [&GAMES, &SIZES] {
        let handle = metrics.bind(metric, &[]).unwrap();
        [f64::NAN, f64::INFINITY, 3.0].into_iter().for_each(|value| handle.record(value));
    }
    metrics.bind(&GAMES, &[]).unwrap().record(-5.0);
    let text = body(&prometheus);
    assert!(text.contains("games_total{serverType=\"room\"} 3\n"), "{text}");
    assert!(text.contains("sizes_sum{serverType=\"room\"} 3\n"), "{text}");
}

#[test]
fn series_beyond_the_limit_are_counted() {
    let (prometheus, metrics) = hub(Prometheus::new().limit(100), "");
    for user in 0..150 {
        metrics.record(&HITS, &[("user", &user.to_string())], 1.0).unwrap();
    }
    let text = body(&prometheus);
    let hits = text.lines().filter(|line| line.starts_with("pitaya_test_hits{")).count();
    assert_eq!(hits, 101);
    assert!(text.contains("pitaya_test_hits{serverType=\"room\",user=\"other\"} 50\n"), "{text}");
    assert!(text.contains("pitaya_metrics_series_overflows{metric=\"pitaya_test_hits\"} 50\n"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn quantiles_forget_what_is_older_than_the_window() {
    let (prometheus, metrics) = hub(Prometheus::new(), "");
    let running = tokio::spawn({
        let prometheus = prometheus.clone();
        async move { prometheus.run().await }
    });
    let took = metrics.bind(&TIMES, &[("route", "a")]).unwrap();
    let median = || {
        let text = body(&prometheus);
        let line = text.lines().find(|line| line.contains("quantile=\"0.5\"")).unwrap().to_owned();
        line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    took.record(1e6);
    tokio::time::sleep(Duration::from_secs(470)).await;
    assert!((median() / 1e6 - 1.0).abs() < 0.01, "it counts for at least 8 minutes");
    took.record_many(3e6, 2);
    assert!((median() / 3e6 - 1.0).abs() < 0.01);
    tokio::time::sleep(Duration::from_secs(130)).await;
    took.record(9e6);
    took.record(9e6);
    assert!((median() / 3e6 - 1.0).abs() < 0.01, "the first value is over 10 minutes old");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(median().is_nan());
    assert!(body(&prometheus).contains("_count{route=\"a\",serverType=\"room\"} 5\n"), "the count stays");
    running.abort();
}

#[test]
fn scrapes_and_records_run_at_the_same_time() {
    let (prometheus, metrics) = hub(Prometheus::new(), "");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let metrics = &metrics;
            scope.spawn(move || {
                let took = metrics.bind(&TIMES, &[("route", "a")]).unwrap();
                for round in 0..1000 {
                    took.record(1e6);
                    metrics.record(&HITS, &[("user", &(thread * 1000 + round).to_string())], 1.0).unwrap();
                }
            });
        }
        for _ in 0..20 {
            body(&prometheus);
        }
    });
    let text = body(&prometheus);
    assert!(text.contains("took_ns_count{route=\"a\",serverType=\"room\"} 4000\n"));
    assert_eq!(text.matches("pitaya_test_hits{").count(), 4000);
}
