//! From times to figures.

/// The middle of some figures, and how far they spread.
#[derive(Clone, Copy, PartialEq, Debug, serde::Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// `None` of nothing.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let (min, max) = (*figures.first()?, *figures.last()?);
        let middle = figures.len() / 2;
        let upper = *figures.get(middle)?;
        let median = match figures.len() % 2 {
            0 => f64::midpoint(*figures.get(middle - 1)?, upper),
            _ => upper,
        };
        Some(Self { median, min, max })
    }
}

/// The geometric mean, or `None` of nothing.
pub(crate) fn geometric_mean(figures: &[f64]) -> Option<f64> {
    let count = u32::try_from(figures.len())
        .ok()
        .filter(|count| *count > 0)?;
    let logarithms: f64 = figures.iter().map(|figure| figure.ln()).sum();
    Some((logarithms / f64::from(count)).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_numbers() {
        let spread = |figures: &[f64]| {
            let spread = Spread::of(figures.iter().copied())?;
            Some((spread.min, spread.median, spread.max))
        };
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some((1.0, 2.0, 3.0)));
        assert_eq!(spread(&[4.0, 1.0]), Some((1.0, 2.5, 4.0)));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn a_geometric_mean_undoes_ratios() {
        let mean = geometric_mean(&[0.5, 2.0, 8.0, 0.125]);
        assert!(mean.is_some_and(|mean| (mean - 1.0).abs() < 1e-12));
        assert_eq!(geometric_mean(&[]), None);
    }
}
