//! Line charts and bars as SVG text.

use std::fmt::Write;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 240.0;
/// Room for the axes' numbers.
const LEFT: f64 = 56.0;
const BOTTOM: f64 = 28.0;
const TOP: f64 = 12.0;
const RIGHT: f64 = 12.0;
/// Most points of a drawn line; longer ones are averaged in stretches.
const MOST_POINTS: usize = 300;
/// Distinguishable also without colour vision (Okabe and Ito, 2008).
const COLOURS: [&str; 8] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a7500", "#333333"];

/// One line of a chart.
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// Points (x, y), x growing; a y that is not finite is left out.
    pub points: Vec<(f64, f64)>,
    /// Drawn in dashes: a level to compare with.
    pub dashed: bool,
}

/// A chart of `lines` with a legend; `title` and the lines' names are escaped.
pub fn lines(title: &str, x_name: &str, lines: &[Line]) -> String {
    let thin: Vec<Vec<(f64, f64)>> = lines.iter().map(|line| thinned(&line.points)).collect();
    let all = || thin.iter().flatten();
    if all().next().is_none() {
        return figure(title, "<p>nothing was measured</p>");
    }
    let (x0, x1) = spread(all().map(|p| p.0));
    let (y0, y1) = spread(all().map(|p| p.1));
    let x = |value: f64| LEFT + (value - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - (value - y0) / (y1 - y0) * (HEIGHT - BOTTOM - TOP);
    let mut svg = open(title);
    for tick in 0..=4 {
        let value = y0 + (y1 - y0) * f64::from(tick) / 4.0;
        let at = y(value);
        let _ = write!(
            svg,
            r##"<line x1="{LEFT}" x2="{:.0}" y1="{at:.1}" y2="{at:.1}" stroke="#ddd"/><text x="{:.0}" y="{:.1}" text-anchor="end">{}</text>"##,
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0,
            number(value)
        );
        let value = x0 + (x1 - x0) * f64::from(tick) / 4.0;
        let _ = write!(
            svg,
            r#"<text x="{:.1}" y="{:.0}" text-anchor="middle">{}</text>"#,
            x(value),
            HEIGHT - BOTTOM + 16.0,
            number(value)
        );
    }
    for (at, (line, points)) in lines.iter().zip(&thin).enumerate() {
        let path: Vec<String> = points.iter().map(|p| format!("{:.1},{:.1}", x(p.0), y(p.1))).collect();
        let dashes = if line.dashed { r#" stroke-dasharray="5 4""# } else { "" };
        let colour = COLOURS[at % COLOURS.len()];
        let path = path.join(" ");
        let _ = write!(svg, r#"<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"{dashes}/>"#);
        if let [(px, py)] = points[..] {
            let _ = write!(svg, r#"<circle cx="{:.1}" cy="{:.1}" r="3" fill="{colour}"/>"#, x(px), y(py));
        }
    }
    svg += "</svg>";
    let keys: String = lines
        .iter()
        .enumerate()
        .map(|(at, line)| {
            let (colour, name) = (COLOURS[at % COLOURS.len()], escaped(&line.name));
            format!(r#"<span><i style="background:{colour}"></i>{name}</span> "#)
        })
        .collect();
    figure(title, &format!("{svg}<p class=legend>{keys}<span>over {}</span></p>", escaped(x_name)))
}

/// Bars of `values`, one after another.
pub fn bars(title: &str, values: &[f64]) -> String {
    let most = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let step = (WIDTH - LEFT - RIGHT) / values.len().max(1) as f64;
    let mut svg = open(title);
    for (at, value) in values.iter().enumerate() {
        let height = value / most * (HEIGHT - BOTTOM - TOP);
        let _ = write!(
            svg,
            r#"<rect x="{:.2}" y="{:.1}" width="{:.2}" height="{height:.1}" fill="{}"/>"#,
            LEFT + at as f64 * step,
            HEIGHT - BOTTOM - height,
            (step * 0.85).max(0.5),
            COLOURS[0]
        );
    }
    let _ =
        write!(svg, r#"<text x="{:.0}" y="{:.0}" text-anchor="end">{}</text>"#, LEFT - 6.0, TOP + 8.0, number(most));
    figure(title, &(svg + "</svg>"))
}

/// `text` for HTML.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn figure(title: &str, body: &str) -> String {
    format!("<figure><figcaption>{}</figcaption>{body}</figure>\n", escaped(title))
}

fn open(title: &str) -> String {
    format!(r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{}">"#, escaped(title))
}

/// The finite points, averaged in stretches where there are too many.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let finite: Vec<_> = points.iter().copied().filter(|p| p.0.is_finite() && p.1.is_finite()).collect();
    let stretch = finite.len().div_ceil(MOST_POINTS).max(1);
    let mean = |points: &[(f64, f64)]| {
        let count = points.len() as f64;
        (points.iter().map(|p| p.0).sum::<f64>() / count, points.iter().map(|p| p.1).sum::<f64>() / count)
    };
    finite.chunks(stretch).map(mean).collect()
}

/// Least and largest value, never the same.
fn spread(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (least, most) = values.fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
    if most - least > 1e-9 * (1.0 + most.abs()) { (least, most) } else { (least - 0.5, most + 0.5) }
}

fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.2}"),
        size if size >= 0.001 => format!("{value:.3}"),
        _ => format!("{value:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(points: &[(f64, f64)]) -> Line {
        Line { name: "a < b".to_owned(), points: points.to_vec(), dashed: false }
    }

    #[test]
    fn points_reach_the_corners_of_the_chart() {
        let svg = lines("t", "step", &[line(&[(0.0, 1.0), (10.0, 3.0)])]);
        assert!(svg.contains(r#"points="56.0,212.0 628.0,12.0""#), "{svg}");
        assert!(svg.contains("a &lt; b"));
    }

    #[test]
    fn values_that_are_not_finite_and_lines_without_points_are_left_out() {
        assert!(!lines("t", "step", &[line(&[(0.0, f64::NAN), (1.0, 2.0)])]).contains("NaN"));
        assert!(lines("t", "step", &[line(&[])]).contains("nothing was measured"));
    }

    #[test]
    fn long_lines_are_averaged() {
        let points: Vec<_> = (0..10_000).map(|i| (f64::from(i), f64::from(i % 2))).collect();
        let thin = thinned(&points);
        assert!(thin.len() <= MOST_POINTS && thin.iter().all(|p| (p.1 - 0.5).abs() < 0.02));
    }

    #[test]
    fn one_bar_a_value() {
        assert_eq!(bars("t", &[1.0, 2.0, 0.0]).matches("<rect").count(), 3);
    }
}
