//! Line charts as inline SVG, readable on light and on dark ground.
//!
//! Values are brought to the scale of their axis here and drawn on linear axes with ticks at round values; the
//! page's style gives text and axes the colour of the reader's scheme.

use std::fmt;
use std::ops::Range;

use maud::{Markup, PreEscaped, html};
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::prelude::*;

/// How values lie along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly, from 0.
    Linear,
    /// Each doubling is one step; ticks are powers of two. Values are above 0.
    Log2,
    /// Each factor of ten is one step. Values are above 0.
    Log10,
    /// Shares of 0 to below 1, each nine one step: 0, 90 %, 99 %, 99.9 %.
    Nines,
}

impl Scale {
    /// Where on a linear axis the value lies; `None` when this scale has no place for it.
    fn place(self, value: f64) -> Option<f64> {
        let placed = match self {
            Self::Linear => value,
            Self::Log2 => value.log2(),
            Self::Log10 => value.log10(),
            Self::Nines => 0.0 - (1.0 - value).log10(),
        };
        placed.is_finite().then_some(placed)
    }

    fn value(self, place: f64) -> f64 {
        match self {
            Self::Linear => place,
            Self::Log2 => place.exp2(),
            Self::Log10 => 10_f64.powf(place),
            Self::Nines => 1.0 - 10_f64.powf(-place),
        }
    }

    /// The part of the axis that shows these places.
    fn span(self, places: impl Iterator<Item = f64>) -> Span {
        let (low, high) = places.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), place| {
            (low.min(place), high.max(place))
        });
        match self {
            Self::Linear => {
                let high = if high > 0.0 { high * 1.05 } else { 1.0 };
                Span::new(0.0, high, ticks(0.0, high, linear_step(high)))
            }
            Self::Log2 => {
                let (low, high) = around(low, high, 0.25);
                let step = ((high - low) / 10.0).ceil().max(1.0);
                Span::new(low, high, ticks(low.ceil(), high, step))
            }
            Self::Log10 => {
                let (low, high) = (low.floor(), high.ceil().max(low.floor() + 1.0));
                Span::new(low, high, ticks(low, high, 1.0))
            }
            Self::Nines => {
                let high = high.ceil().max(1.0);
                let mut places = ticks(0.0, high, 1.0);
                places.insert(1, 0.5_f64.log10().abs());
                Span::new(0.0, high, places)
            }
        }
    }
}

/// A part of an axis, with its ticks.
#[derive(Clone, Debug)]
struct Span {
    low: f64,
    high: f64,
    ticks: Vec<f64>,
}

impl Span {
    const fn new(low: f64, high: f64, ticks: Vec<f64>) -> Self {
        Self { low, high, ticks }
    }
}

impl Ranged for Span {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    #[expect(clippy::cast_possible_truncation, reason = "pixels of a small picture")]
    fn map(&self, value: &f64, (first, last): (i32, i32)) -> i32 {
        let share = (value - self.low) / (self.high - self.low);
        first + (share * f64::from(last - first)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

/// The range with some room; a single value gets room on both sides.
fn around(low: f64, high: f64, room: f64) -> (f64, f64) {
    if (high - low).abs() < f64::EPSILON {
        (low - 1.0, high + 1.0)
    } else {
        (low - room, high + room)
    }
}

/// 1, 2 or 5 times a power of ten, so that there are 4 to 10 steps.
fn linear_step(high: f64) -> f64 {
    let power = 10_f64.powf((high / 5.0).log10().floor());
    let fitting = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|factor| high / (factor * power) <= 10.0);
    fitting.unwrap_or(10.0) * power
}

fn ticks(first: f64, last: f64, step: f64) -> Vec<f64> {
    (0..64_u8)
        .map(|index| first + f64::from(index) * step)
        .take_while(|place| *place <= last + step * 1e-9)
        .collect()
}

/// One axis.
#[derive(Clone, Copy, Debug)]
pub struct Axis<'a> {
    /// What it shows, with the unit.
    pub title: &'a str,
    /// How values lie along it.
    pub scale: Scale,
    /// A value as its ticks show it.
    pub label: fn(f64) -> String,
}

/// Values that belong together, in ascending order of x.
#[derive(Clone, Debug)]
pub struct Line {
    /// What the legend says.
    pub name: String,
    /// x and y. Values that a scale has no place for are left out.
    pub points: Vec<(f64, f64)>,
}

/// A chart.
#[derive(Clone, Debug)]
pub struct Chart<'a> {
    /// What it shows, in a few words.
    pub title: &'a str,
    /// The horizontal axis.
    pub x: Axis<'a>,
    /// The vertical axis.
    pub y: Axis<'a>,
    /// The lines. Colours repeat after the eighth.
    pub lines: Vec<Line>,
    /// Whether each point is marked: right for a few measured points, wrong for a dense curve.
    pub dots: bool,
}

/// Why a chart could not be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChartError(String);

impl fmt::Display for ChartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot draw a chart: {}", self.0)
    }
}

impl std::error::Error for ChartError {}

/// Middle tones: at least 3 to 1 against white and against the dark ground.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0x2f, 0x7e, 0xd8),
    RGBColor(0xd0, 0x6f, 0x14),
    RGBColor(0x26, 0x94, 0x55),
    RGBColor(0xd1, 0x49, 0x5b),
    RGBColor(0x8c, 0x68, 0xd8),
    RGBColor(0x13, 0x8f, 0x97),
    RGBColor(0xa2, 0x7b, 0x0b),
    RGBColor(0x7b, 0x85, 0x90),
];

const WIDTH: u32 = 720;
const HEIGHT: u32 = 380;

impl Chart<'_> {
    /// The chart as a figure with caption and legend. Nothing at all when no line has a point.
    ///
    /// # Errors
    ///
    /// The library refused to draw; it has no reason to.
    pub fn figure(&self) -> Result<Markup, ChartError> {
        let lines: Vec<Vec<(f64, f64)>> = self.lines.iter().map(|line| self.placed(line)).collect();
        if lines.iter().all(Vec::is_empty) {
            return Ok(html! {});
        }
        let svg = self.draw(&lines).map_err(|error| ChartError(error.to_string()))?;
        Ok(html! {
            figure {
                figcaption { (self.title) }
                div role="img" aria-label={ (self.title) ": " (self.y.title) " over " (self.x.title) } {
                    (PreEscaped(svg))
                }
                ul class="legend" {
                    @for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
                        li {
                            (swatch(*colour))
                            (line.name)
                        }
                    }
                }
            }
        })
    }

    fn placed(&self, line: &Line) -> Vec<(f64, f64)> {
        let place = |(x, y): &(f64, f64)| Some((self.x.scale.place(*x)?, self.y.scale.place(*y)?));
        line.points.iter().filter_map(place).collect()
    }

    fn draw(&self, lines: &[Vec<(f64, f64)>]) -> Result<String, DrawingAreaErrorKind<std::io::Error>> {
        let across = self.x.scale.span(lines.iter().flatten().map(|(x, _)| *x));
        let up = self.y.scale.span(lines.iter().flatten().map(|(_, y)| *y));
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
            let mut chart = ChartBuilder::on(&area)
                .margin(8)
                .margin_right(28)
                .x_label_area_size(44)
                .y_label_area_size(76)
                .build_cartesian_2d(across, up)?;
            let grid = RGBColor(0x80, 0x80, 0x80);
            chart
                .configure_mesh()
                .light_line_style(TRANSPARENT)
                .bold_line_style(grid)
                .axis_style(BLACK)
                .label_style(("sans-serif", 13))
                .axis_desc_style(("sans-serif", 14))
                .x_desc(self.x.title)
                .y_desc(self.y.title)
                .x_label_formatter(&|place| (self.x.label)(self.x.scale.value(*place)))
                .y_label_formatter(&|place| (self.y.label)(self.y.scale.value(*place)))
                .draw()?;
            for (points, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
                chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
                if self.dots {
                    let dots = points.iter().map(|point| Circle::new(*point, 4, colour.filled()));
                    chart.draw_series(dots)?;
                }
            }
            area.present()?;
        }
        // HTML knows the elements without their name space, which reads like an address of the network.
        Ok(svg.replace(r#" xmlns="http://www.w3.org/2000/svg""#, ""))
    }
}

/// A stroke of the colour of a line.
fn swatch(RGBColor(red, green, blue): RGBColor) -> Markup {
    html! {
        svg viewBox="0 0 16 6" aria-hidden="true" {
            rect width="16" height="6" fill={ "rgb(" (red) "," (green) "," (blue) ")" } {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(x: Scale, y: Scale, points: Vec<(f64, f64)>) -> Chart<'static> {
        let axis = |title, scale| Axis {
            title,
            scale,
            label: |value| format!("{value:.3}"),
        };
        Chart {
            title: "a <chart>",
            x: axis("across", x),
            y: axis("up", y),
            lines: vec![Line {
                name: "on & off".to_owned(),
                points,
            }],
            dots: true,
        }
    }

    #[test]
    fn a_chart_is_svg_with_its_ticks_and_legend() {
        let points = vec![(512.0, 10.0), (1024.0, 20.0), (4096.0, 40.0)];
        let text = chart(Scale::Log2, Scale::Linear, points)
            .figure()
            .unwrap()
            .into_string();
        assert!(
            text.contains("<figcaption>a &lt;chart&gt;</figcaption>"),
            "{text}"
        );
        assert!(text.contains("on &amp; off"), "{text}");
        for tick in ["512.000", "1024.000", "2048.000", "4096.000", "10.000", "40.000"] {
            assert!(text.contains(tick), "{tick}: {text}");
        }
        assert_eq!(text.matches("<circle").count(), 3, "{text}");
        assert!(!text.contains("http"), "{text}");
    }

    #[test]
    fn nothing_to_show_is_no_figure() {
        let empty = chart(Scale::Linear, Scale::Linear, Vec::new()).figure().unwrap();
        assert_eq!(empty.into_string(), "");
        // 0 has no logarithm, and 100 % no nines.
        let nowhere = chart(Scale::Nines, Scale::Log10, vec![(0.5, 0.0), (1.0, 1.0)]);
        assert_eq!(nowhere.figure().unwrap().into_string(), "");
    }

    #[test]
    fn every_scale_gives_back_what_it_placed() {
        for scale in [Scale::Linear, Scale::Log2, Scale::Log10, Scale::Nines] {
            let value = scale.value(scale.place(0.75).unwrap());
            assert!((value - 0.75).abs() < 1e-12, "{scale:?} {value}");
        }
    }

    #[test]
    fn a_single_point_and_equal_values_can_be_drawn() {
        for scale in [Scale::Linear, Scale::Log2, Scale::Log10, Scale::Nines] {
            for value in [0.0, 0.5, 0.9] {
                let drawn = chart(scale, scale, vec![(value, value), (value, value)]).figure();
                assert!(drawn.is_ok(), "{scale:?} {value}");
            }
        }
    }

    #[test]
    fn ticks_are_round_and_few() {
        for (high, step) in [
            (10.0, 1.0),
            (11.0, 2.0),
            (0.7, 0.1),
            (4999.0, 500.0),
            (60_000.0, 10_000.0),
        ] {
            assert!(
                (linear_step(high) - step).abs() < step * 1e-9,
                "{high}: {}",
                linear_step(high)
            );
        }
    }
}
