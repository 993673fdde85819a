//! The measurements as a picture: a bar for each, grouped by the number of calls, and the floor's height as a line of
//! reference beside them.

use std::fmt::Write as _;

use crate::results::{Measured, Report};

const WIDTH: f64 = 860.0;
const BAR: f64 = 20.0;
const GAP: f64 = 6.0;
const LEFT: f64 = 300.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 56.0;

/// The picture as SVG: CPU milliseconds for a minute of one call.
pub fn svg(report: &Report) -> String {
    let bars: Vec<_> = report.results.iter().filter(|one| one.is_by_the_minute()).collect();
    let most = bars.iter().map(|one| one.cpu_ms_per_call_minute).fold(1.0, f64::max);
    let height = TOP + bars.len() as f64 * (BAR + GAP) + 16.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"20\" font-size=\"14\">CPU milliseconds for a minute of one call, and how often the floor</text>\n\
         <text x=\"12\" y=\"38\" fill=\"#666\">{}</text>\n",
        escaped(&report.machine)
    );
    for (at, one) in bars.iter().enumerate() {
        bar(&mut text, TOP + at as f64 * (BAR + GAP), one, most);
    }
    text.push_str("</svg>\n");
    text
}

fn bar(text: &mut String, y: f64, one: &Measured, most: f64) {
    let width = one.cpu_ms_per_call_minute / most * (WIDTH - LEFT - RIGHT);
    let colour = match (one.case.as_str(), one.ours) {
        ("floor", _) => "#9a9a9a",
        (_, true) => "#2f6fab",
        (_, false) => "#c9853b",
    };
    let label = format!("{} calls, {}, {}, {}", one.calls, one.case, one.driver, one.mode);
    let ratio = one.ratio_to_floor.map(|ratio| format!(" (× {ratio:.2})")).unwrap_or_default();
    let middle = y + BAR * 0.7;
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{}</text>\
         <rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\
         <text x=\"{:.1}\" y=\"{middle}\">{:.1}{ratio}</text>",
        LEFT - 8.0,
        escaped(&label),
        LEFT + width + 6.0,
        one.cpu_ms_per_call_minute,
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::svg;
    use crate::results::{Measured, Report};

    #[test]
    fn the_dearest_has_the_longest_bar_and_names_are_escaped() {
        let one = |case: &str, cpu| Measured {
            case: case.into(),
            cpu_ms_per_call_minute: cpu,
            ..Measured::default()
        };
        let report = Report { results: vec![one("floor", 20.0), one("<x>", 40.0)], ..Report::default() };
        let text = svg(&report);
        assert!(text.contains("width=\"215.0\"") && text.contains("width=\"430.0\""), "{text}");
        assert!(text.contains("&lt;x>"), "{text}");
    }
}
