//! Charts as SVG, drawn here: lines over linear or logarithmic axes, and grouped bars.

use std::fmt::Write;

/// A chart's outer size and the room for its plot, pixels.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 52.0;
/// Told apart also by those who see fewer colours (Okabe and Ito).
const COLOURS: [&str; 8] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999933"];

/// Adds to a `String`, which takes everything.
macro_rules! put {
    ($out:expr, $($what:tt)*) => {
        let _ = write!($out, $($what)*);
    };
}

/// An axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What it shows, with its unit.
    pub label: &'static str,
    /// Whether equal distances are equal factors.
    pub logarithmic: bool,
    /// Marks with their texts; without any, round numbers are chosen.
    pub marks: Vec<(f64, String)>,
}

impl Axis {
    /// From zero, equal distances for equal differences.
    #[must_use]
    pub fn linear(label: &'static str) -> Self {
        Self { label, logarithmic: false, marks: Vec::new() }
    }

    /// Equal distances for equal factors.
    #[must_use]
    pub fn logarithmic(label: &'static str) -> Self {
        Self { label, logarithmic: true, marks: Vec::new() }
    }
}

/// A named line.
#[derive(Clone, Debug)]
pub struct Series {
    /// For the legend.
    pub name: String,
    /// In the order of x.
    pub points: Vec<(f64, f64)>,
}

/// One axis with its scale.
struct Scale {
    axis: Axis,
    from: f64,
    to: f64,
    /// Where `from` and `to` are, pixels.
    at: (f64, f64),
}

impl Scale {
    fn over(axis: Axis, values: impl Iterator<Item = f64>, at: (f64, f64)) -> Self {
        let values = values.filter(|value| value.is_finite());
        let positive = |value: &f64| !axis.logarithmic || *value > 0.0;
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(positive) {
            least = least.min(value);
            most = most.max(value);
        }
        if least > most {
            (least, most) = (1.0, 10.0);
        }
        let (from, to) = match axis.logarithmic {
            true if axis.marks.is_empty() => {
                let up = 10f64.powf(most.log10().ceil());
                let down = 10f64.powf(least.log10().floor());
                (down, if up > down { up } else { down * 10.0 })
            }
            true => (least, most.max(least * 1.001)),
            false => (0.0, if most > 0.0 { most * 1.05 } else { 1.0 }),
        };
        Self { axis, from, to, at }
    }

    fn place(&self, value: f64) -> f64 {
        let part = match self.axis.logarithmic {
            true => (value.max(self.from) / self.from).ln() / (self.to / self.from).ln(),
            false => (value - self.from) / (self.to - self.from),
        };
        self.at.0 + part * (self.at.1 - self.at.0)
    }

    fn marks(&self) -> Vec<(f64, String)> {
        if !self.axis.marks.is_empty() {
            return self.axis.marks.clone();
        }
        if self.axis.logarithmic {
            let powers = self.from.log10().round() as i32..=self.to.log10().round() as i32;
            return powers.map(|power| 10f64.powi(power)).map(|at| (at, short(at))).collect();
        }
        let rough = (self.to - self.from) / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
        let step = steps.into_iter().find(|step| *step >= rough).unwrap_or(power);
        let count = ((self.to - self.from) / step).floor() as u32;
        (0..=count).map(|n| f64::from(n) * step).map(|at| (at, short(at))).collect()
    }
}

/// A number with as few characters as tell it.
#[must_use]
pub fn short(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        size if size >= 1e9 => (value / 1e9, "G"),
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e3 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let text = format!("{scaled:.2}");
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Lines over two axes.
#[must_use]
pub fn lines(title: &str, x: Axis, y: Axis, series: &[Series]) -> String {
    let all = || series.iter().flat_map(|series| &series.points);
    let x = Scale::over(x, all().map(|point| point.0), (LEFT, WIDTH - RIGHT));
    let y = Scale::over(y, all().map(|point| point.1), (HEIGHT - BOTTOM, TOP));
    let mut out = begin(title, &x, &y);
    for (n, Series { name, points }) in series.iter().enumerate() {
        let colour = COLOURS[n % COLOURS.len()];
        let shown = points.iter().filter(|(_, y)| y.is_finite());
        let path: Vec<String> =
            shown.map(|point| format!("{:.1},{:.1}", x.place(point.0), y.place(point.1))).collect();
        put!(
            out,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\" points=\"{}\"/>",
            path.join(" ")
        );
        if let [only] = &path[..] {
            let (cx, cy) = only.split_once(',').unwrap_or(("0", "0"));
            put!(out, "<circle cx=\"{cx}\" cy=\"{cy}\" r=\"3\" fill=\"{colour}\"/>");
        }
        legend(&mut out, n, name);
    }
    out.push_str("</svg>");
    out
}

/// Groups of bars: for each group its name and one value for each of `names`.
#[must_use]
pub fn bars(title: &str, y: Axis, names: &[String], groups: &[(String, Vec<f64>)]) -> String {
    let values = groups.iter().flat_map(|(_, values)| values.iter().copied());
    let y = Scale::over(y, values, (HEIGHT - BOTTOM, TOP));
    let width = (WIDTH - RIGHT - LEFT) / groups.len().max(1) as f64;
    let middle = |n: usize| LEFT + (n as f64 + 0.5) * width;
    let marks = groups.iter().enumerate().map(|(n, (name, _))| (middle(n), name.clone()));
    let axis = Axis { label: "frame size, bytes", logarithmic: false, marks: marks.collect() };
    let x = Scale { axis, from: LEFT, to: WIDTH - RIGHT, at: (LEFT, WIDTH - RIGHT) };
    let mut out = begin(title, &x, &y);
    let bar = width * 0.8 / names.len().max(1) as f64;
    for (n, (_, values)) in groups.iter().enumerate() {
        for (k, value) in values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            let left = middle(n) - width * 0.4 + k as f64 * bar;
            let top = y.place(*value);
            let height = HEIGHT - BOTTOM - top;
            let colour = COLOURS[k % COLOURS.len()];
            put!(
                out,
                "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{bar:.1}\" \
                     height=\"{height:.1}\" fill=\"{colour}\"><title>{}</title></rect>",
                short(*value)
            );
        }
    }
    names.iter().enumerate().for_each(|(n, name)| legend(&mut out, n, name));
    out.push_str("</svg>");
    out
}

fn begin(title: &str, x: &Scale, y: &Scale) -> String {
    let mut out = String::new();
    put!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" \
             viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">"
    );
    text(&mut out, LEFT, 20.0, "start", "b", title);
    for (value, label) in y.marks() {
        let at = y.place(value);
        put!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>",
            WIDTH - RIGHT
        );
        text(&mut out, LEFT - 6.0, at + 4.0, "end", "m", &label);
    }
    for (value, label) in x.marks() {
        let (at, bottom) = (x.place(value), HEIGHT - BOTTOM);
        put!(
            out,
            "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{bottom}\" y2=\"{}\" stroke=\"#888\"/>",
            bottom + 4.0
        );
        text(&mut out, at, bottom + 17.0, "middle", "m", &label);
    }
    let (centre, bottom) = ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - BOTTOM);
    put!(
        out,
        "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{bottom}\" y2=\"{bottom}\" stroke=\"#888\"/>",
        WIDTH - RIGHT
    );
    text(&mut out, centre, HEIGHT - 12.0, "middle", "m", x.axis.label);
    put!(
        out,
        "<text class=\"m\" text-anchor=\"middle\" \
             transform=\"translate(14 {:.1}) rotate(-90)\">{}</text>",
        (TOP + bottom) / 2.0,
        escaped(y.axis.label)
    );
    out
}

fn legend(out: &mut String, n: usize, name: &str) {
    let (left, top) = (WIDTH - RIGHT + 12.0, TOP + 8.0 + 18.0 * n as f64);
    let colour = COLOURS[n % COLOURS.len()];
    put!(
        out,
        "<rect x=\"{left}\" y=\"{:.1}\" width=\"12\" height=\"4\" fill=\"{colour}\"/>",
        top - 4.0
    );
    text(out, left + 18.0, top + 2.0, "start", "m", name);
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, class: &str, words: &str) {
    put!(
        out,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
        escaped(words)
    );
}

/// Text as it stands in HTML and SVG.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let all = [0.0, 0.25, 12.0, 1500.0, 2e6, 1e9].map(short);
        assert_eq!(all, ["0", "0.25", "12", "1.5k", "2M", "1G"]);
    }

    #[test]
    fn charts_survive_what_they_are_given() {
        let series = |points: &[(f64, f64)]| Series { name: "a<b".into(), points: points.to_vec() };
        for points in [&[][..], &[(0.0, 0.0)], &[(1.0, f64::NAN), (2.0, 5.0)], &[(1.0, 1e-9)]] {
            for (x, y) in [
                (Axis::linear("x"), Axis::linear("y")),
                (Axis::logarithmic("x"), Axis::logarithmic("y")),
            ] {
                let chart = lines("t & u", x, y, &[series(points)]);
                assert!(!chart.contains("NaN") && !chart.contains("inf"), "{points:?}: {chart}");
                assert!(chart.contains("a&lt;b") && chart.contains("t &amp; u"));
            }
        }
        let chart = bars("t", Axis::linear("y"), &["NDR".into()], &[("64".into(), vec![f64::NAN])]);
        assert!(!chart.contains("NaN"), "{chart}");
        assert!(!bars("t", Axis::linear("y"), &[], &[]).contains("NaN"));
    }

    #[test]
    fn a_linear_axis_begins_at_zero_and_has_round_marks() {
        let scale = Scale::over(Axis::linear("y"), [3.0, 95.0].into_iter(), (0.0, 100.0));
        assert_eq!((scale.from, scale.place(0.0)), (0.0, 0.0));
        let marks: Vec<f64> = scale.marks().into_iter().map(|(at, _)| at).collect();
        assert_eq!(marks, [0.0, 20.0, 40.0, 60.0, 80.0]);
    }
}
