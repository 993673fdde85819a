//! The bench itself, with few calls for a moment: it has to run through and write what it promises. What it measures on
//! a machine that is busy with other tests decides nothing.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[expect(clippy::expect_used, clippy::panic, reason = "a test ends with the reason")]
fn load(out: &Path, args: &[&str]) -> Value {
    let run = Command::new(env!("CARGO_BIN_EXE_load"))
        .arg("run")
        .arg("--out")
        .arg(out)
        .args(["--core", "none"])
        .args(args)
        .output()
        .expect("the bench starts");
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "the bench ended with {}:\n{said}", run.status);
    let written = std::fs::read_to_string(out.join("results.json")).expect("results.json");
    serde_json::from_str(&written).unwrap_or_else(|error| panic!("no JSON ({error}): {written}"))
}

fn cases(report: &Value) -> Vec<(&str, &str)> {
    let results = report["results"].as_array().map(Vec::as_slice).unwrap_or_default();
    results.iter().filter_map(|one| Some((one["case"].as_str()?, one["driver"].as_str()?))).collect()
}

#[test]
fn a_steady_load_is_measured_beside_the_floor() {
    let out = tempfile::tempdir().expect("a folder");
    let args = ["--modes", "steady", "--calls", "3", "--seconds", "1", "--no-peer"];
    let report = load(out.path(), &args);
    let cases = cases(&report);
    for case in ["relayed", "recorded", "srtp-recorded"] {
        assert!(cases.iter().any(|(known, _)| *known == case), "{case} is missing: {cases:?}");
    }
    assert!(cases.contains(&("floor", "epoll")), "{cases:?}");
    for one in report["results"].as_array().expect("results") {
        assert_eq!(one["calls"], 3, "{one}");
        assert_eq!(one["mode"], "steady", "{one}");
        assert!(one["cpu_ms_per_call_minute"].as_f64().is_some_and(|ms| ms > 0.0), "{one}");
        assert!(one["ratio_to_floor"].as_f64().is_some_and(|ratio| ratio > 0.0), "{one}");
        assert!(one["packets"]["sent"].as_u64().is_some_and(|sent| sent > 100), "{one}");
        // On a machine that does other things a packet may come late, but nothing is in its way.
        let lost = one["packets"]["lost"].as_u64().expect("a number");
        assert!(lost * 2 < one["packets"]["sent"].as_u64().unwrap_or(0), "{one}");
        assert!(one["delay_us"]["max"].as_u64() >= one["delay_us"]["p50"].as_u64(), "{one}");
    }
    let plot = std::fs::read_to_string(out.path().join("plot.svg")).expect("plot.svg");
    assert!(plot.starts_with("<svg ") && plot.contains("srtp-recorded"), "{plot}");
}

#[test]
fn calls_come_and_go_beside_a_load_and_by_sipp() {
    let out = tempfile::tempdir().expect("a folder");
    let args = [
        "--modes",
        "churn,signalling",
        "--cases",
        "recorded",
        "--calls",
        "2",
        "--seconds",
        "2",
        "--rate",
        "3",
        "--hold",
        "0.5",
        "--sipp-calls",
        "20",
        "--sipp-rate",
        "10",
    ];
    let report = load(out.path(), &args);
    let churned = &report["results"][0];
    assert_eq!((churned["mode"].as_str(), churned["failed"].as_u64()), (Some("churn"), Some(0)), "{churned}");
    assert!(churned["churned"].as_u64().is_some_and(|calls| calls >= 2), "{churned}");
    assert!(churned["descriptors"][0].as_i64().is_some_and(|more| more > 0), "{churned}");
    let by_sipp = &report["results"][1];
    assert_eq!((by_sipp["calls"].as_u64(), by_sipp["failed"].as_u64()), (Some(20), Some(0)), "{by_sipp}");
}
