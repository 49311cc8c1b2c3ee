//! The files of `deploy/` agree with each other, with the configuration and with the metrics that exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pitaya::metrics::{ALL, MetricKind};
use pitaya_tests::prometheus::Prometheus;
use pitaya_tests::raw_client::RawClient;
use pitaya_tests::server;
use serde_json::Value;

pitaya::link!(pitaya_tests);

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(deploy().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn yaml(file: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&read(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// All objects of the manifests.
fn objects() -> Vec<Value> {
    let [kustomization] = &yaml("kubernetes/kustomization.yaml")[..] else { panic!("one document") };
    let files: Vec<_> = strings(&kustomization["resources"]);
    let mut found: Vec<_> = std::fs::read_dir(deploy().join("kubernetes"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|file| file != "kustomization.yaml")
        .collect();
    found.sort();
    assert_eq!(files.iter().cloned().collect::<BTreeSet<_>>(), found.into_iter().collect());
    files.iter().flat_map(|file| yaml(&format!("kubernetes/{file}"))).collect()
}

fn object(kind: &str, name: &str) -> Value {
    let all = objects();
    let mut found = all.iter().filter(|it| it["kind"] == kind && it["metadata"]["name"] == name);
    let first = found.next().unwrap_or_else(|| panic!("no {kind} {name}")).clone();
    assert!(found.next().is_none(), "two {kind} {name}");
    first
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
}

/// The environment of all servers.
fn environment() -> Vec<(String, String)> {
    let config = object("ConfigMap", "pitaya");
    let data = config["data"].as_object().unwrap().clone();
    data.into_iter().map(|(key, value)| (key, value.as_str().unwrap().to_owned())).collect()
}

fn seconds(environment: &[(String, String)], key: &str) -> i64 {
    let (_, value) = environment.iter().find(|(name, _)| name == key).unwrap();
    pitaya::go_duration::parse(value).unwrap() / 1_000_000_000
}

#[test]
fn manifests_reach_what_they_name() {
    let objects = objects();
    let [kustomization] = &yaml("kubernetes/kustomization.yaml")[..] else { panic!("one document") };
    let images: Vec<_> = kustomization["images"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    let pods: Vec<_> =
        objects.iter().filter(|it| it["kind"] == "Deployment" || it["kind"] == "StatefulSet").collect();
    assert_eq!(pods.len(), 4);
    for pod in &pods {
        let labels = &pod["spec"]["template"]["metadata"]["labels"];
        assert_eq!(pod["spec"]["selector"]["matchLabels"]["app"], labels["app"]);
        for container in pod["spec"]["template"]["spec"]["containers"].as_array().unwrap() {
            assert!(images.contains(&&container["image"]), "{}", container["image"]);
            let ports: Vec<_> =
                container["ports"].as_array().unwrap().iter().map(|port| &port["name"]).collect();
            for probe in ["livenessProbe", "readinessProbe"] {
                let port = &container[probe]["httpGet"]["port"];
                assert!(ports.contains(&port), "{probe} of {}: {port}", labels["app"]);
            }
            assert!(container["resources"]["limits"]["memory"].is_string());
        }
        object("PodDisruptionBudget", labels["app"].as_str().unwrap());
    }
    for it in &objects {
        let (kind, name) = (&it["kind"], &it["metadata"]["name"]);
        match kind.as_str().unwrap() {
            "Service" => {
                let app = &it["spec"]["selector"]["app"];
                assert!(pods.iter().any(|pod| pod["metadata"]["name"] == *app), "{name}");
            }
            "PodDisruptionBudget" => {
                let app = &it["spec"]["selector"]["matchLabels"]["app"];
                assert!(pods.iter().any(|pod| pod["metadata"]["name"] == *app), "{name}");
            }
            "HorizontalPodAutoscaler" => {
                object("Deployment", it["spec"]["scaleTargetRef"]["name"].as_str().unwrap());
                for metric in it["spec"]["metrics"].as_array().unwrap() {
                    if metric["type"] == "Pods" {
                        let name = metric["pods"]["metric"]["name"].as_str().unwrap();
                        assert!(read("prometheus/adapter.yml").contains(name), "{name}");
                        assert_eq!(metrics_of(name), [name]);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Kubernetes kills a server at the end of the grace period: its drain and stop must be over by then.
#[test]
fn grace_periods_cover_drain_and_stop() {
    let environment = environment();
    for name in ["connector", "room"] {
        let pod = &object("Deployment", name)["spec"]["template"]["spec"];
        let server = &pod["containers"][0];
        let pause = server["lifecycle"]["preStop"]["sleep"]["seconds"].as_i64().unwrap();
        let needed = pause
            + seconds(&environment, "PITAYA_SESSION_DRAIN_TIMEOUT")
            + 8 * seconds(&environment, "PITAYA_STOP_TIMEOUT");
        let grace = pod["terminationGracePeriodSeconds"].as_i64().unwrap();
        assert!(grace > needed, "{name}: {grace} s, but it may take {needed} s");
        assert_eq!(server["livenessProbe"]["httpGet"]["path"], "/livez");
        assert_eq!(server["readinessProbe"]["httpGet"]["path"], "/readyz");
        let listen = environment.iter().find(|(key, _)| key == "PITAYA_HTTP_LISTEN").unwrap();
        let http = server["ports"].as_array().unwrap().iter().find(|port| port["name"] == "http").unwrap();
        assert_eq!(listen.1, format!(":{}", http["containerPort"]));
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    }
}

/// The program reads each variable of the manifests, and refuses or ignores none of them.
#[test]
fn the_program_reads_the_environment_of_the_manifests() {
    let plain = printed(&[]);
    for (key, value) in environment() {
        let key_in_file = key.to_lowercase().replace('_', ".");
        let with = printed(&[(key.clone(), value.clone())]);
        assert_ne!(plain, with, "{key} changes nothing");
        assert!(with.lines().any(|line| line.to_lowercase().starts_with(&key_in_file)), "{key}\n{with}");
    }
}

fn printed(environment: &[(String, String)]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tested-cluster"))
        .args(["room", "--print-config"])
        .envs(environment.iter().cloned())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_dockerfile_builds_one_static_program() {
    let text = read("Dockerfile").replace("\\\n", " ");
    let lines: Vec<(&str, &str)> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    let known = ["FROM", "RUN", "WORKDIR", "COPY", "ARG", "USER", "EXPOSE", "ENV", "ENTRYPOINT"];
    assert!(lines.iter().all(|(name, _)| known.contains(name)), "{lines:?}");
    let of = |wanted: &str| -> Vec<&str> {
        lines.iter().filter(|(name, _)| *name == wanted).map(|(_, rest)| *rest).collect()
    };
    let [build, run] = &of("FROM")[..] else { panic!("two stages") };
    assert_eq!(*run, "scratch");
    let (image, stage) = build.split_once(" AS ").unwrap();
    assert!(
        of("COPY")
            .iter()
            .filter(|it| it.contains("--from"))
            .all(|it| it.contains(&format!("--from={stage} ")))
    );
    // The compiler is the one of the repository, so that the image is built as it is tested.
    let toolchain = std::fs::read_to_string(deploy().join("../rust-toolchain.toml")).unwrap();
    let version = image.trim_start_matches("rust:").split('-').next().unwrap();
    assert!(toolchain.contains(version), "{image}\n{toolchain}");
    let user: Vec<u32> = of("USER")[0].split(':').map(|id| id.parse().unwrap()).collect();
    assert!(user.iter().all(|id| *id > 0), "not as root");
    let entry: Vec<String> = serde_json::from_str(of("ENTRYPOINT")[0]).unwrap();
    assert_eq!(entry, ["/server"], "exec form: a shell would keep SIGTERM for itself");
    let package = of("ARG").iter().find_map(|it| it.strip_prefix("PACKAGE=")).unwrap().to_owned();
    assert!(deploy().join("../examples").join(&package).join("src/main.rs").exists(), "{package}");
}

/// The names of the framework's metrics in a query, without the suffixes of summaries and histograms.
fn metrics_of(query: &str) -> Vec<String> {
    let words = query.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let names = words.filter(|word| word.starts_with("pitaya_"));
    names
        .map(|name| {
            let metric = ALL.iter().find(|metric| {
                let base = metric.full_name();
                let parts: &[&str] = match metric.kind() {
                    MetricKind::Counter | MetricKind::Gauge => &[""],
                    _ => &["", "_bucket", "_count", "_sum"],
                };
                parts.iter().any(|part| name.strip_suffix(part) == Some(&*base))
            });
            metric.unwrap_or_else(|| panic!("no metric {name} in: {query}")).full_name()
        })
        .collect()
}

/// The queries of the dashboard, with the variables replaced as Grafana does.
fn dashboard() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&read("grafana/pitaya.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    panels
        .iter()
        .flat_map(|panel| {
            panel["targets"].as_array().into_iter().flatten().map(move |target| (panel, target))
        })
        .map(|(panel, target)| {
            let query = target["expr"].as_str().unwrap();
            let query = query.replace("$__rate_interval", "1m").replace("$type", ".*");
            assert!(!query.contains('$'), "{query}");
            (panel["title"].as_str().unwrap().to_owned(), query)
        })
        .collect()
}

fn alerts() -> Vec<(String, String)> {
    let [rules] = &yaml("prometheus/alerts.yml")[..] else { panic!("one document") };
    let groups = rules["groups"].as_array().unwrap();
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
    rules
        .map(|rule| (rule["alert"].as_str().unwrap().to_owned(), rule["expr"].as_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn queries_name_metrics_that_exist() {
    let mut used = BTreeSet::new();
    for (place, query) in dashboard().into_iter().chain(alerts()) {
        let names = metrics_of(&query);
        assert!(!names.is_empty() || query.starts_with("up"), "{place}: {query}");
        used.extend(names);
    }
    assert!(used.len() > 15, "{used:?}");
}

#[test]
#[ignore = "needs prometheus"]
fn alert_rules_raise_what_they_promise() {
    for arguments in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]] {
        let output = Command::new("promtool")
            .args(arguments)
            .current_dir(deploy().join("prometheus"))
            .output()
            .unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{said}");
    }
    // Each alert has a test in which it is raised.
    let tests = read("prometheus/alerts.test.yml");
    for (alert, _) in alerts() {
        assert!(tests.contains(&format!("{{alertname=\"{alert}\"}}")), "{alert}");
    }
}

#[tokio::test]
#[ignore = "needs prometheus"]
async fn queries_run_on_a_real_server() {
    let mut config = server::config();
    "127.0.0.1:0".clone_into(&mut config.http_listen);
    config.metrics.prometheus.histograms = true;
    config.metrics.period = Duration::from_millis(20);
    let server = server::start(config).await;
    let prometheus = Prometheus::start(server.app.app().http_addr().unwrap()).await;
    prometheus.finds("up", 1.0).await;
    let mut client = RawClient::ready(server.tcp).await;
    // A rate needs two samples.
    prometheus.finds("pitaya_acceptor_connected_clients", 1.0).await;
    let count = "count(rate(pitaya_handler_response_time_ns_count{type=\"handler\",status=\"ok\"}[1m]) > 0)";
    let calls = async {
        loop {
            client.call("arena.raw", "x").await;
            client.call("arena.fail", "").await;
        }
    };
    tokio::select! {
        () = calls => {}
        _ = prometheus.finds(count, 1.0) => {}
    }
    let mut empty = Vec::new();
    for (place, query) in dashboard().into_iter().chain(alerts()) {
        match prometheus.query(&query).await {
            Ok(series) if series.is_empty() => empty.push(place),
            Ok(_) => {}
            Err(error) => panic!("{place}: {error}\n{query}"),
        }
    }
    // What has no value on a single server without a cluster and without faults.
    let without = ["Servers", "NATS", "etcd", "Rejected connections", "Dropped messages"];
    let unexpected: Vec<_> = empty
        .iter()
        .filter(|place| !place.starts_with("Pitaya") && !without.contains(&place.as_str()))
        .collect();
    assert!(unexpected.is_empty(), "no data: {unexpected:?}");
    server.app.stop().await;
}
